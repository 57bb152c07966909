//! The files of a folder and of the folders in it.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The identity of a file or a folder, the same for all its paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FileId(u64, u64);

impl FileId {
    /// Returns the id of a file, unless it does not exist.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().as_ref().map(Self::from)
    }
}

impl From<&Metadata> for FileId {
    fn from(metadata: &Metadata) -> Self {
        FileId(metadata.dev(), metadata.ino())
    }
}

/// The files of a folder.
#[derive(Debug, Default)]
pub(crate) struct Folder {
    /// The files, each with its path from the folder. Those of a folder are before those of the folders
    /// in it, each in the order of their names.
    pub(crate) files: Vec<(PathBuf, String)>,
    /// Folders that could not be read.
    pub(crate) failures: Vec<Error>,
}

/// Returns the folder that all paths are in; `None` if no path is in one.
pub(crate) fn shared_parent<'p>(paths: impl Iterator<Item = &'p Path>) -> Option<PathBuf> {
    paths.filter_map(Path::parent).map(Path::to_owned).reduce(|one, other| {
        let same = one.components().zip(other.components()).take_while(|(one, other)| one == other);
        same.map(|(same, _)| same).collect()
    })
}

/// Whether a file or a folder with this name is hidden.
pub(super) fn is_hidden(name: &str) -> bool {
    name.starts_with('.')
}

impl Folder {
    /// Lists a folder and the folders in it, without hidden ones. Links are followed, and a folder that
    /// was listed already is left out.
    pub(crate) fn list(path: &Path) -> Self {
        let mut listed = Folder::default();
        let mut seen = HashSet::new();
        let mut folders = vec![(path.to_owned(), String::new())];
        while let Some((path, prefix)) = folders.pop() {
            if FileId::of(&path).is_some_and(|folder| !seen.insert(folder)) {
                continue;
            }
            match utf8_entries(&path) {
                Ok(mut names) => {
                    names.retain(|name| !is_hidden(name));
                    names.sort_unstable();
                    let mut inner = Vec::new();
                    for name in names {
                        let (path, name) = (path.join(&name), format!("{prefix}{name}"));
                        if path.is_dir() {
                            inner.push((path, name + "/"));
                        } else if path.is_file() {
                            listed.files.push((path, name));
                        }
                    }
                    folders.extend(inner.into_iter().rev());
                }
                Err(error) => listed.failures.push(error),
            }
        }
        listed
    }
}

/// Returns the names in a folder that are UTF-8, as those of result files are.
pub(super) fn utf8_entries(folder: &Path) -> Result<Vec<String>> {
    Ok(entries(folder)?.into_iter().filter_map(|name| name.into_string().ok()).collect())
}

/// Returns the names in a folder.
pub(super) fn entries(folder: &Path) -> Result<Vec<OsString>> {
    let failed =
        |error| Error::io(format!("could not read the folder {}", folder.display()), error);
    let entries = fs::read_dir(folder).map_err(failed)?;
    entries.map(|entry| Ok(entry.map_err(failed)?.file_name())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_listed_once_and_without_hidden_names() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.json", "a/x.json", "a/b/y.json", ".git/config", "a/.hidden", "c/z.json"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "{}").unwrap();
        }
        std::os::unix::fs::symlink("..", folder.path().join("a/loop")).unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join("broken")).unwrap();
        let listed = Folder::list(folder.path());
        let names: Vec<&str> = listed.files.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, ["b.json", "a/x.json", "a/b/y.json", "c/z.json"]);
        assert!(listed.failures.is_empty());
        let missing = Folder::list(&folder.path().join("missing"));
        assert_eq!((missing.files.len(), missing.failures.len()), (0, 1));
    }
}
