//! The folder of added formats.
//!
//! A component is stored as `SHA256.wasm`, and its description, which names that file, as
//! `NAME.json`. Both are written atomically, so no process reads an incomplete file, and of two
//! formats that are added at once the later one remains.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{FormatEntry, FormatSource};
use crate::error::{Error, Result};
use crate::extraction::ExtractorIdentity;
use crate::identity::hexadecimal;

/// The longest name of a format in bytes; it is also a file name.
const MAX_NAME_BYTES: usize = 64;

/// Names that an added format cannot have.
const RESERVED: [&str; 1] = ["arc-guide"];

/// The folder.
pub(super) struct Registry {
    folder: Option<PathBuf>,
}

/// The description of an added format, as stored in its file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddedFormat {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its authors; can be empty.
    pub authors: String,
    /// A sentence about the files that it reads.
    pub format: String,
    /// The SHA-256 of its component, in hexadecimal.
    pub sha256: String,
    /// The size of its component in bytes.
    pub bytes: u64,
    /// Whether it imports WASI, and is linked to an inert one.
    pub wasi: bool,
    /// When it was added.
    pub added_at: Timestamp,
}

impl AddedFormat {
    pub(super) fn is(&self, identity: &ExtractorIdentity) -> bool {
        self.sha256 == hexadecimal(&identity.sha256) && self.name == identity.name
    }
}

impl From<AddedFormat> for FormatEntry {
    fn from(added: AddedFormat) -> Self {
        FormatEntry {
            name: added.name,
            version: added.version,
            authors: added.authors,
            format: added.format,
            source: FormatSource::Added,
            sha256: added.sha256,
            wasi: added.wasi,
        }
    }
}

/// A component that is stored in the folder.
pub(super) struct KeptComponent {
    pub(super) path: PathBuf,
    new: bool,
}

impl KeptComponent {
    /// Removes it again, if it did not exist before.
    pub(super) fn forget(&self) {
        if self.new {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Checks that the name is valid for an added format.
///
/// # Errors
/// [`Error::Invalid`] if it is not.
pub(super) fn check_name(name: &str) -> Result<()> {
    let fits = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.len() <= MAX_NAME_BYTES
        && name.chars().all(|one| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '-');
    if !fits {
        return Err(Error::invalid(format!(
            "a format's name is up to {MAX_NAME_BYTES} small letters, digits and dashes and begins \
             with a letter; the component calls itself {name:?}"
        )));
    }
    if RESERVED.contains(&name) {
        return Err(Error::invalid(format!("the name {name} is reserved for the built-in format"))
            .with_hint("rename the component"));
    }
    Ok(())
}

impl Registry {
    pub(super) fn new(folder: Option<PathBuf>) -> Self {
        Registry { folder }
    }

    /// Returns the added format with this name.
    pub(super) fn find(&self, name: &str) -> Result<Option<AddedFormat>> {
        let Some(folder) = self.folder.as_deref().filter(|_| check_name(name).is_ok()) else {
            return Ok(None);
        };
        let path = folder.join(format!("{name}.json"));
        match fs::read(&path) {
            Ok(text) => read(&path, &text).map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io(format!("could not read {}", path.display()), error)),
        }
    }

    /// Returns all added formats, sorted by name.
    pub(super) fn list(&self) -> Result<Vec<AddedFormat>> {
        let mut all = Vec::new();
        for name in self.names()? {
            all.extend(self.find(&name)?);
        }
        Ok(all)
    }

    /// Returns the sorted names of all added formats, also of formats that cannot be used.
    pub(super) fn names(&self) -> Result<Vec<String>> {
        let Some(folder) = &self.folder else { return Ok(Vec::new()) };
        let failed = |error| Error::io(format!("could not read {}", folder.display()), error);
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let file_name = entry.map_err(failed)?.file_name();
            let name = file_name.to_str().and_then(|name| name.strip_suffix(".json"));
            names.extend(name.filter(|name| check_name(name).is_ok()).map(str::to_owned));
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Stores the bytes of a component.
    pub(super) fn keep_component(&self, component: &[u8]) -> Result<KeptComponent> {
        let folder = self.made()?;
        let digest: [u8; 32] = Sha256::digest(component).into();
        let path = folder.join(format!("{}.wasm", hexadecimal(&digest)));
        let new = fs::read(&path).map_or(true, |kept| kept != component);
        if new {
            write(folder, &path, component)?;
        }
        Ok(KeptComponent { path, new })
    }

    /// Adds a format whose component is stored.
    pub(super) fn add(&self, entry: &FormatEntry, bytes: u64) -> Result<AddedFormat> {
        let folder = self.made()?;
        let before = self.find(&entry.name)?;
        let added = AddedFormat {
            name: entry.name.clone(),
            version: entry.version.clone(),
            authors: entry.authors.clone(),
            format: entry.format.clone(),
            sha256: entry.sha256.clone(),
            bytes,
            wasi: entry.wasi,
            added_at: Timestamp::now(),
        };
        let mut text = serde_json::to_vec_pretty(&added).map_err(|error| {
            Error::invalid("the description of the format cannot be written").with_source(error)
        })?;
        text.push(b'\n');
        write(folder, &folder.join(format!("{}.json", entry.name)), &text)?;
        if let Some(before) = before {
            self.forget_component(&before.sha256);
        }
        Ok(added)
    }

    /// Removes a format and its component.
    pub(super) fn remove(&self, name: &str) -> Result<AddedFormat> {
        let (Some(folder), Some(added)) = (&self.folder, self.find(name)?) else {
            return Err(Error::not_found(format!("no format {name:?} was added")).with_hint(
                "`arc-host formats list` shows them, and those that come with the program cannot \
                 be removed",
            ));
        };
        let path = folder.join(format!("{name}.json"));
        fs::remove_file(&path)
            .map_err(|error| Error::io(format!("could not remove {}", path.display()), error))?;
        self.forget_component(&added.sha256);
        Ok(added)
    }

    /// Returns the component of a format and the path of its file.
    pub(super) fn component(&self, added: &AddedFormat) -> Result<(PathBuf, Vec<u8>)> {
        let folder = self.folder.clone().unwrap_or_default();
        let path = folder.join(format!("{}.wasm", added.sha256));
        let bytes = fs::read(&path)
            .map_err(|error| Error::io(format!("could not read {}", path.display()), error))?;
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        if hexadecimal(&digest) != added.sha256 {
            return Err(Error::component(format!(
                "{} is not the component that was added as {}",
                path.display(),
                added.name
            ))
            .with_hint("add the component again"));
        }
        Ok((path, bytes))
    }

    /// Removes a component that no format refers to any more. A leftover component only takes disk
    /// space, so it stays if the other descriptions cannot be read.
    fn forget_component(&self, sha256: &str) {
        let unused = self.list().is_ok_and(|all| all.iter().all(|added| added.sha256 != sha256));
        if let (true, Some(folder)) = (unused, &self.folder) {
            let _ = fs::remove_file(folder.join(format!("{sha256}.wasm")));
        }
    }

    fn made(&self) -> Result<&Path> {
        let Some(folder) = &self.folder else {
            return Err(Error::configuration("there is no folder for formats")
                .with_hint("name one with --data-dir or ARC_DATA_DIR"));
        };
        fs::create_dir_all(folder)
            .map_err(|error| Error::io(format!("could not make {}", folder.display()), error))?;
        Ok(folder)
    }
}

fn read(path: &Path, text: &[u8]) -> Result<AddedFormat> {
    serde_json::from_slice(text).map_err(|error| {
        Error::invalid(format!("{} does not describe a format", path.display()))
            .with_hint("remove the file and add the format again")
            .with_source(error)
    })
}

fn write(folder: &Path, path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |error| Error::io(format!("could not write {}", path.display()), error);
    let mut file =
        tempfile::Builder::new().prefix(".format-").tempfile_in(folder).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, sha256: &str) -> FormatEntry {
        FormatEntry {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            authors: "A. Nyone".to_owned(),
            format: "anything".to_owned(),
            source: FormatSource::Added,
            sha256: sha256.to_owned(),
            wasi: false,
        }
    }

    fn add(registry: &Registry, name: &str, component: &[u8]) -> AddedFormat {
        registry.keep_component(component).unwrap();
        let digest: [u8; 32] = Sha256::digest(component).into();
        registry.add(&entry(name, &hexadecimal(&digest)), component.len() as u64).unwrap()
    }

    #[test]
    fn what_was_added_is_found_listed_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::new(Some(folder.path().join("not/there/yet")));
        assert_eq!(registry.list().unwrap(), []);
        let one = add(&registry, "one", b"1");
        let other = add(&registry, "an-other", b"1");
        assert_eq!(registry.list().unwrap(), [other.clone(), one.clone()]);
        assert_eq!(registry.component(&one).unwrap().1, b"1");
        assert_eq!(registry.remove("one").unwrap(), one);
        assert_eq!(
            registry.component(&other).unwrap().1,
            b"1",
            "the other format still refers to it"
        );
        assert!(matches!(registry.remove("one"), Err(Error::NotFound(_))));
        registry.remove("an-other").unwrap();
        assert!(registry.component(&other).is_err());
    }

    #[test]
    fn a_later_version_replaces_the_earlier_one() {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::new(Some(folder.path().to_owned()));
        let first = add(&registry, "one", b"1");
        let second = add(&registry, "one", b"2");
        assert_eq!(registry.list().unwrap(), std::slice::from_ref(&second));
        assert!(registry.component(&first).is_err());
        fs::write(folder.path().join(format!("{}.wasm", second.sha256)), b"3").unwrap();
        let error = registry.component(&second).unwrap_err();
        assert_eq!(error.hint().unwrap(), "add the component again", "{error:?}");
        fs::write(folder.path().join("one.json"), b"{").unwrap();
        assert!(registry.find("one").unwrap_err().to_string().contains("one.json"));
    }

    #[test]
    fn a_broken_description_does_not_affect_other_formats() {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::new(Some(folder.path().to_owned()));
        add(&registry, "one", b"1");
        fs::write(folder.path().join("broken.json"), b"{").unwrap();
        fs::write(folder.path().join("No Format.json"), b"{").unwrap();
        assert_eq!(registry.names().unwrap(), ["broken", "one"]);
        assert!(registry.list().is_err(), "a list of all formats reports the broken one");
        let second = add(&registry, "one", b"2");
        assert_eq!(registry.find("one").unwrap(), Some(second.clone()));
        assert_eq!(registry.remove("one").unwrap(), second);
        assert_eq!(registry.names().unwrap(), ["broken"]);
    }

    #[test]
    fn a_name_is_the_name_of_a_file() {
        for name in ["a", "inspect", "my-format-2"] {
            check_name(name).unwrap();
        }
        for name in ["", "A", "2a", "a/b", "..", "a.b", "a b", "é", "arc-guide", &"a".repeat(65)] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
