//! The destination of an export: a file, which appears when it is complete, or a stream.

use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use crate::error::{Error, Result};

/// A temporary file that replaces the named file when it is complete. Until then, the named file
/// does not change; a destination that is dropped leaves nothing behind.
#[derive(Debug)]
pub struct Destination {
    name: PathBuf,
    /// The temporary file; `None` if the name is a device or a pipe, which is written directly.
    beside: Option<TempPath>,
}

impl Destination {
    /// Opens a temporary file for this name, and returns it with its destination.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be created; [`Error::Invalid`] if the name is a folder's.
    pub fn create(name: &Path) -> Result<(File, Self)> {
        let failed = |error| Error::io(format!("could not write {}", name.display()), error);
        // The target of a symbolic link is replaced, not the link.
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
            // As for any new file: the process's umask applies.
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder)
            // The error's own text would name the temporary file, which the caller does not know.
            .map_err(|error| failed(error.kind().into()))?;
        let (file, path) = beside.into_parts();
        Ok((file, Destination { name, beside: Some(path) }))
    }

    /// Renames the complete file to its name after its bytes are on the disk.
    ///
    /// # Errors
    /// [`Error::Io`]; the temporary file is then removed.
    pub fn keep(self, file: &File) -> Result<()> {
        let Destination { name, beside: Some(beside) } = self else { return Ok(()) };
        let failed = |error| Error::io(format!("could not write {}", name.display()), error);
        file.sync_all().map_err(failed)?;
        beside.persist(&name).map_err(|error| failed(error.error))
    }
}
