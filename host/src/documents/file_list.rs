//! Documents that are files of their own, below the folder of the file that they belong to.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use arc_framing::Frame;
use sha2::Sha256;

use super::compression::{self, inner_name, read_start};
use super::digest_all;
use super::folder::{entries, is_hidden};
use super::frames::frame_of_bytes;
use crate::error::{Error, Result};
use crate::extraction::matches_pattern;

/// The files, each a document.
#[derive(Debug)]
pub(super) struct FileList {
    paths: Vec<PathBuf>,
    /// The length of all files.
    pub(super) length: u64,
}

impl FileList {
    pub(super) fn new(paths: Vec<PathBuf>) -> Self {
        let lengths = paths.iter().filter_map(|path| fs::metadata(path).ok());
        let length = lengths.map(|metadata| metadata.len()).sum();
        FileList { paths, length }
    }

    /// Adds the bytes of all files to a digest.
    pub(super) fn digest(&self, digest: &mut Sha256) -> Result<()> {
        self.paths.iter().try_for_each(|path| {
            compression::read(path, |content| digest_all(content, digest))
                .map_err(|error| unreadable(path, error))
        })
    }

    /// Returns the document with this number, or `None` after the last one.
    pub(super) fn document(&self, number: usize, limit_bytes: usize) -> Result<Option<Frame>> {
        let Some(path) = self.paths.get(number) else { return Ok(None) };
        let mut bytes = read(path, limit_bytes.saturating_add(1))?;
        // The document, as in a file that is read on its own.
        let text = bytes.trim_ascii_end().len();
        bytes.truncate(text);
        let before = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let rest = bytes.get(before..).unwrap_or_default();
        let before = bytes.len() - rest.trim_ascii_start().len();
        bytes.drain(..before);
        let length = bytes.len() as u64;
        Ok(Some(frame_of_bytes(bytes, length, true, number, limit_bytes)))
    }
}

/// Returns at most this many bytes of a file.
pub(super) fn read(path: &Path, most_bytes: usize) -> Result<Vec<u8>> {
    read_start(path, most_bytes).map_err(|error| unreadable(path, error))
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    Error::io(format!("could not read {}", path.display()), error)
}

/// Returns the files below a folder whose paths match a pattern, in the order of their paths.
///
/// # Errors
/// [`Error::Io`] if a folder cannot be read.
pub(super) fn find(folder: &Path, pattern: &str) -> Result<Vec<PathBuf>> {
    let mut found = vec![folder.to_owned()];
    let mut segments = pattern.split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        let mut next = Vec::new();
        for folder in found {
            for entry in entries(&folder)? {
                let name = entry.to_string_lossy();
                let matched = if is_last { inner_name(&name) } else { name.as_ref() };
                if is_hidden(&name) || !matches_pattern(segment, matched) {
                    continue;
                }
                let path = folder.join(&entry);
                let is_wanted = if is_last { path.is_file() } else { path.is_dir() };
                if is_wanted {
                    next.push(path);
                }
            }
        }
        found = next;
    }
    found.sort_unstable();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_at_the_depth_of_the_pattern() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b/result.json", "a/result.json.gz", "a/config.json", ".c/result.json"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "\u{feff} {} \n").unwrap();
        }
        fs::write(folder.path().join("result.json"), "{}").unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("loop")).unwrap();
        let found = find(folder.path(), "*/result.json").unwrap();
        let names: Vec<_> =
            found.iter().map(|path| path.strip_prefix(folder.path()).unwrap()).collect();
        let expected = ["a/result.json.gz", "b/result.json", "loop/result.json"].map(Path::new);
        assert_eq!(names, expected);
        let list = FileList::new(found);
        assert_eq!(list.document(0, 10).unwrap().unwrap().text(), Some("{}"));
        assert!(list.document(3, 10).unwrap().is_none());
    }
}
