//! Where an export goes: to a file, which appears when it is whole, or to a stream.

use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use crate::error::{Error, Result};

/// A file that is written beside its name, and gets the name when it is whole. Until then a file of
/// that name is what it was; a destination that is dropped leaves nothing.
#[derive(Debug)]
pub struct Destination {
    name: PathBuf,
    /// The file beside; nothing where the name is a device or a pipe, which is written to as it is.
    beside: Option<TempPath>,
}

impl Destination {
    /// Opens the file that is to have the name, and says where what is written to it goes.
    ///
    /// # Errors
    /// [`Error::Io`] where no file can be made there; [`Error::Invalid`] where the name is a folder's.
    pub fn create(name: &Path) -> Result<(File, Self)> {
        let failed = |error| Error::io(format!("could not write {}", name.display()), error);
        // What a link leads to is replaced, and not the link.
        let name = fs::canonicalize(name).unwrap_or_else(|_| name.to_owned());
        match fs::metadata(&name) {
            Ok(there) if there.is_dir() => {
                return Err(Error::invalid(format!("{} is a folder", name.display()))
                    .with_hint("name a file in it"));
            }
            Ok(there) if !there.is_file() => {
                let file = OpenOptions::new().write(true).open(&name).map_err(failed)?;
                return Ok((file, Destination { name, beside: None }));
            }
            _ => {}
        }
        let folder = match name.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let beside = tempfile::Builder::new()
            .prefix(".arc-export-")
            .suffix(".part")
            // As of any new file: the process's mask takes away what it takes away.
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder)
            // Its own words would name the file beside, of which nobody knows.
            .map_err(|error| failed(error.kind().into()))?;
        let (file, path) = beside.into_parts();
        Ok((file, Destination { name, beside: Some(path) }))
    }

    /// Gives the whole file its name, when its bytes are on the disk.
    ///
    /// # Errors
    /// [`Error::Io`]; the file is gone then.
    pub fn keep(self, file: &File) -> Result<()> {
        let Destination { name, beside: Some(beside) } = self else { return Ok(()) };
        let failed = |error| Error::io(format!("could not write {}", name.display()), error);
        file.sync_all().map_err(failed)?;
        beside.persist(&name).map_err(|error| failed(error.error))
    }
}
