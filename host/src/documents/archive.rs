//! Zip archives whose entries are documents.

use std::io::Read as _;
use std::sync::atomic::Ordering;

use arc_framing::Frame;
use zip::ZipArchive;

use super::FileLimits;
use super::at::{BufferedAt, ReadAt};
use super::frames::frame_of_bytes;
use crate::error::{Error, Result};
use crate::extraction::matches_pattern;

/// The limit for reading an archive until its directory is found: its end, which has a comment of up
/// to 64 KiB, and the rest of the reader's buffer at each read.
const END_BYTES: u64 = 1 << 20;

/// The limit for the memory that is reserved for an entry: the longest allowed document.
const MOST_RESERVED_BYTES: usize = 16 << 20;

/// An archive with the numbers of the entries that are documents. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Archive {
    zip: ZipArchive<BufferedAt>,
    /// Their numbers, in the order of the archive's directory.
    entries: std::sync::Arc<[usize]>,
}

impl Archive {
    /// Reads the archive's directory, which can have at most `directory_bytes`.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is not a zip archive, or its directory is longer.
    pub(super) fn open(
        file: ReadAt,
        name: &str,
        pattern: &str,
        directory_bytes: u64,
    ) -> Result<Self> {
        let read_bytes = directory_bytes.saturating_add(END_BYTES);
        let (file, exhausted) = file.reading_at_most(read_bytes);
        let opened = ZipArchive::new(BufferedAt::new(file));
        if exhausted.load(Ordering::Relaxed) {
            let what = "bytes in its zip directory";
            return Err(FileLimits::broken(name, directory_bytes, what));
        }
        let zip = opened.map_err(|error| {
            Error::invalid(format!("{name} cannot be read as a zip archive"))
                .with_hint("if it is truncated, copy it again")
                .with_source(error)
        })?;
        // A clone of the reader has no limit.
        let zip = zip.clone();
        let entries = zip
            .file_names_raw()
            .enumerate()
            .filter(|(_, name)| {
                // A name in another encoding is accepted, because only the content of the entry
                // matters.
                matches_pattern(pattern, &String::from_utf8_lossy(name))
            })
            .map(|(number, _)| number)
            .collect();
        Ok(Archive { zip, entries })
    }

    /// Returns the document at this position among the entries that are documents.
    pub(super) fn document(&mut self, place: usize, limit_bytes: usize) -> Option<Frame> {
        let number = *self.entries.get(place)?;
        Some(self.entry(number, place, limit_bytes))
    }

    /// Returns the entry of the first of these names that exists, and its name.
    pub(super) fn named(
        &mut self,
        names: &[String],
        limit_bytes: usize,
    ) -> Option<(String, Frame)> {
        let found = names.iter().find_map(|name| {
            let number = self.zip.index_for_name(name)?;
            Some((name.clone(), number))
        });
        let (name, number) = found?;
        Some((name, self.entry(number, 0, limit_bytes)))
    }

    fn entry(&mut self, number: usize, place: usize, limit_bytes: usize) -> Frame {
        let mut bytes = Vec::new();
        let (mut length, mut whole) = (0, false);
        if let Ok(entry) = self.zip.by_index(number) {
            length = entry.size();
            // The size in the directory is not reliable.
            let room = usize::try_from(length).unwrap_or(usize::MAX).min(limit_bytes);
            bytes.reserve(room.min(MOST_RESERVED_BYTES));
            whole =
                entry.take((limit_bytes as u64).saturating_add(1)).read_to_end(&mut bytes).is_ok();
        }
        let read = bytes.len() as u64;
        length = if bytes.len() > limit_bytes { length.max(read) } else { read };
        frame_of_bytes(bytes, length, whole, place, limit_bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write as _};
    use std::sync::Arc;

    use arc_framing::Content;

    use super::*;

    #[test]
    fn a_directory_that_is_too_long_is_refused_and_its_entries_are_not() {
        const ENTRIES: usize = 20_000;
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default();
        for number in 0..ENTRIES {
            zip.start_file(format!("{number:0100}.json"), options).unwrap();
            zip.write_all(b"{}").unwrap();
        }
        let bytes = zip.finish().unwrap().into_inner();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let file = ReadAt::new(Arc::new(file), bytes.len() as u64);
        // About 150 bytes an entry.
        let refused = Archive::open(file.clone(), "a.zip", "*.json", 1 << 20).unwrap_err();
        let text = refused.to_string();
        assert!(text.contains("a.zip has more than 1048576 bytes in its zip directory"), "{text}");
        // Reads after the directory do not count.
        let mut archive = Archive::open(file, "a.zip", "*.json", 3 << 20).unwrap();
        for number in 0..ENTRIES {
            let frame = archive.document(number, 100).unwrap();
            assert_eq!(frame.content, Content::Text("{}".to_owned()));
        }
        assert!(archive.document(ENTRIES, 100).is_none());
    }
}
