//! Files that are compressed with gzip or zstd. They are read under the name without its ending.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// The endings of the names of compressed files.
const ENDINGS: [&str; 2] = [".gz", ".zst"];

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    Gzip,
    Zstd,
}

impl Compression {
    /// How many bytes of a file show how it is compressed.
    pub(crate) const START_BYTES: usize = 4;

    /// Returns how a file that starts with these bytes is compressed, if it is.
    pub(crate) fn of(start: &[u8]) -> Option<Self> {
        if start.starts_with(&[0x1f, 0x8b]) {
            Some(Compression::Gzip)
        } else if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            Some(Compression::Zstd)
        } else {
            None
        }
    }
}

/// Returns the name of a file without the ending of a compressed one.
pub(crate) fn inner_name(name: &str) -> &str {
    ENDINGS.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name)
}

/// Returns a reader of the decompressed content of a file, or `None` if it is not compressed.
pub(super) fn decompressed(file: &File) -> io::Result<Option<Box<dyn Read + '_>>> {
    let mut start = [0; Compression::START_BYTES];
    let read = file.read_at(&mut start, 0)?;
    let reader: Box<dyn Read> = match Compression::of(start.get(..read).unwrap_or_default()) {
        Some(Compression::Gzip) => {
            Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::new(file)))
        }
        Some(Compression::Zstd) => Box::new(zstd::Decoder::new(file)?),
        None => return Ok(None),
    };
    Ok(Some(reader))
}

/// Returns at most this many bytes of the content of a file, decompressed.
pub(super) fn read_start(path: &Path, most_bytes: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    read(path, |content| content.take(most_bytes as u64).read_to_end(&mut bytes))?;
    Ok(bytes)
}

/// Reads the content of a file, decompressed.
pub(super) fn read<T>(
    path: &Path,
    read: impl FnOnce(Box<dyn Read + '_>) -> io::Result<T>,
) -> io::Result<T> {
    let file = File::open(path)?;
    let content = decompressed(&file)?;
    read(content.unwrap_or_else(|| Box::new(&file)))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn only_the_content_shows_whether_a_file_is_compressed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"{}").unwrap();
        let gzip = gzip.finish().unwrap();
        // Compressed files can be joined.
        let two = [gzip.clone(), gzip.clone()].concat();
        let zstd = zstd::encode_all(&b"{}"[..], 0).unwrap();
        for (bytes, content) in
            [(&b"{}"[..], "{}"), (b"", ""), (&gzip, "{}"), (&two, "{}{}"), (&zstd, "{}")]
        {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(read_start(&path, 10).unwrap(), content.as_bytes());
        }
        std::fs::write(&path, &gzip[..gzip.len() - 1]).unwrap();
        assert!(read_start(&path, 10).is_err(), "a truncated file");
        let names = ["a.jsonl.gz", "a.zst", "a.json", "gz"].map(inner_name);
        assert_eq!(names, ["a.jsonl", "a", "a.json", "gz"]);
    }
}
