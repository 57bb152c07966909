//! Files of results: read as framed documents, as often as needed.
//!
//! | module | purpose |
//! |---|---|
//! | `frames` | one pass over a file, document by document |
//! | `header` | the information that all results of a file share |
//! | `stream` | documents in a stream: one after the other, or inside others |
//! | `archive` | documents that are entries of a zip archive |
//! | `listed` | documents that a format makes of the items of a file |
//! | `sibling_file` | a header that is a file of its own |
//! | `at` | a reader with a position of its own |

mod archive;
mod at;
mod frames;
mod header;
mod listed;
mod sibling_file;
mod stream;

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_framing::Content;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::extraction::{FileLayout, HEAD_BYTES, HeaderLayout, ItemLayout, ItemRole};

use archive::Archive;
use at::ReadAt;
use listed::DocumentList;

pub use frames::Frames;
pub(crate) use header::HEADER_BYTES;

/// The bytes of one read: enough to make the cost of system calls negligible, and few compared with
/// a batch.
const CHUNK_BYTES: usize = 256 << 10;

/// Limits for the data that is kept in memory while a file is read. They are very high for files of
/// the command line, and lower for files that clients send to a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileLimits {
    /// Results and parts of results, if a format lists them; each needs a few dozen bytes.
    pub(crate) items: usize,
    /// Different scenarios; each needs as much.
    pub(crate) scenarios: usize,
    /// The directory of a zip archive; an entry needs several times its size there.
    pub(crate) directory_bytes: u64,
}

impl Default for FileLimits {
    fn default() -> Self {
        FileLimits { items: 50_000_000, scenarios: usize::MAX, directory_bytes: u64::MAX }
    }
}

impl FileLimits {
    /// Returns the error for a file that exceeds a limit.
    pub(crate) fn broken(name: &str, most: impl std::fmt::Display, what: &str) -> Error {
        Error::invalid(format!("{name} has more than {most} {what}"))
            .with_hint("split it into several files")
    }
}

/// A file of results that can be read more than once. Cheap to clone.
#[derive(Clone, Debug)]
pub struct DocumentFile {
    file: Arc<File>,
    /// The path that was opened; `None` for standard input and for bytes.
    path: Option<PathBuf>,
    name: String,
    length: u64,
    /// When the file was last changed; `None` for standard input and for bytes.
    modified_at: Option<Timestamp>,
    documents: Documents,
    header: Option<Arc<str>>,
    limits: FileLimits,
}

/// The source of the file's documents.
#[derive(Clone, Debug)]
enum Documents {
    Stream(ItemLayout),
    Archive(Archive),
    Listed(Arc<DocumentList>),
}

/// The place of a document in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DocumentPlace(Place);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// These bytes of the file.
    Bytes { offset: u64, length: u32 },
    /// The number of an entry, or in a list.
    Number(usize),
}

impl DocumentFile {
    /// Opens a file, or standard input for `-`. Input that cannot be read twice, such as standard
    /// input or a pipe, is copied to a temporary file first, which is removed when the value is
    /// dropped.
    ///
    /// In a file whose name ends in `.jsonl` or `.ndjson`, every line is a document; the container
    /// of other files is detected from their content.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        let standard_input = path == Path::new("-");
        let name = if standard_input {
            "standard input".to_owned()
        } else {
            path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
        };
        let failed = |error| Error::io(format!("could not read {}", path.display()), error);
        let mut modified_at = None;
        let file = if standard_input {
            copy_to_temporary(&mut io::stdin().lock()).map_err(failed)?
        } else {
            let mut file = File::open(path).map_err(failed)?;
            let metadata = file.metadata().map_err(failed)?;
            if metadata.is_dir() {
                return Err(failed(io::ErrorKind::IsADirectory.into()));
            }
            if metadata.is_file() {
                modified_at = metadata.modified().ok().and_then(|time| time.try_into().ok());
                file
            } else {
                copy_to_temporary(&mut file).map_err(failed)?
            }
        };
        let length = file.metadata().map_err(failed)?.len();
        Ok(DocumentFile {
            path: (!standard_input).then(|| path.to_owned()),
            modified_at,
            ..Self::of(file, name, length)
        })
    }

    /// Wraps an open file under this name.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read.
    pub fn opened(file: File, name: String) -> Result<Self> {
        let length = file
            .metadata()
            .map_err(|error| Error::io(format!("could not read {name}"), error))?
            .len();
        Ok(Self::of(file, name, length))
    }

    fn of(file: File, name: String, length: u64) -> Self {
        let items = items_by_name(&name);
        let documents = Documents::Stream(items);
        DocumentFile {
            file: Arc::new(file),
            path: None,
            name,
            length,
            modified_at: None,
            documents,
            header: None,
            limits: FileLimits::default(),
        }
    }

    /// Returns the same file with these limits.
    pub(crate) fn limited(self, limits: FileLimits) -> Self {
        DocumentFile { limits, ..self }
    }

    pub(crate) fn limits(&self) -> FileLimits {
        self.limits
    }

    /// Returns the file's name without its folder, or `standard input`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the name by which a format can detect the file; empty for standard input.
    pub fn own_name(&self) -> &str {
        if self.name == "standard input" { "" } else { &self.name }
    }

    /// Returns the file's name without its extension, for display.
    pub fn stem(&self) -> String {
        let stem = Path::new(&self.name).file_stem().unwrap_or_default();
        stem.to_string_lossy().into_owned()
    }

    /// Returns the file's length in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Returns when the file was last changed, if it was opened by its path.
    pub fn modified_at(&self) -> Option<Timestamp> {
        self.modified_at
    }

    /// Returns the header of the file's results, after [`laid_out`](Self::laid_out).
    pub fn header(&self) -> Option<&str> {
        self.header.as_deref()
    }

    /// Returns the first bytes of the file, by which its format is detected.
    ///
    /// # Errors
    /// [`Error::Io`] if they cannot be read.
    pub fn head(&self) -> Result<Vec<u8>> {
        let mut head = Vec::new();
        let mut reader = self.reader().take(HEAD_BYTES as u64);
        reader.read_to_end(&mut head).map_err(|error| self.unreadable(error))?;
        Ok(head)
    }

    /// Applies a format's layout: returns the same file with the documents that the layout finds,
    /// each at most `document_bytes` long, and with its header. If the layout requires it,
    /// `classify` is called for each item; an item that cannot be classified counts as a result. A
    /// header in a separate file is `header_file`, or the file in the same folder that the layout's
    /// patterns match.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Invalid`] if the file does not have this layout, or its header is
    /// not a text of at most 16 MiB.
    pub fn laid_out(
        mut self,
        layout: FileLayout,
        header_file: Option<&Path>,
        document_bytes: usize,
        classify: impl FnMut(&str) -> ItemRole,
    ) -> Result<Self> {
        self.documents = match &layout.items {
            ItemLayout::Entries(pattern) => Documents::Archive(Archive::open(
                self.reader(),
                &self.name,
                pattern,
                self.limits.directory_bytes,
            )?),
            items => Documents::Stream(items.clone()),
        };
        let mut header = self.header_of(&layout.header, header_file)?;
        if layout.classify_items {
            let (listed, item) = DocumentList::read(&self, document_bytes, classify)?;
            if layout.header == HeaderLayout::Item && header.is_none() {
                header = item;
            }
            self.documents = Documents::Listed(Arc::new(listed));
        }
        self.header = header.map(Arc::from);
        Ok(self)
    }

    /// Reads a document at a known place.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Invalid`] if the file has changed since.
    pub fn text_at(&self, place: DocumentPlace) -> Result<String> {
        let frame = match (&self.documents, place.0) {
            (_, Place::Bytes { offset, length }) => return self.text_of(offset, length),
            (Documents::Archive(archive), Place::Number(number)) => {
                archive.clone().document(number, usize::MAX)
            }
            (Documents::Listed(listed), Place::Number(number)) => {
                listed.document(self, number, usize::MAX)?
            }
            (Documents::Stream(_), Place::Number(_)) => None,
        };
        match frame.map(|frame| frame.content) {
            Some(Content::Text(text)) => Ok(text),
            _ => Err(self.changed()),
        }
    }

    fn text_of(&self, offset: u64, length: u32) -> Result<String> {
        let bytes = self.bytes_of(offset, length as usize)?;
        String::from_utf8(bytes).map_err(|_| self.changed())
    }

    fn bytes_of(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, offset).map_err(|error| self.unreadable(error))?;
        Ok(bytes)
    }

    /// Returns the SHA-256 of all bytes of the file.
    fn sha256(&self) -> Result<[u8; 32]> {
        struct Digesting(Sha256);
        impl Write for Digesting {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.update(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut digest = Digesting(Sha256::new());
        let mut reader = BufReader::with_capacity(CHUNK_BYTES, self.reader());
        io::copy(&mut reader, &mut digest).map_err(|error| self.unreadable(error))?;
        Ok(digest.0.finalize().into())
    }

    fn reader(&self) -> ReadAt {
        ReadAt::new(Arc::clone(&self.file), self.length)
    }

    fn unreadable(&self, error: io::Error) -> Error {
        Error::io(format!("could not read {}", self.name), error)
    }

    fn changed(&self) -> Error {
        Error::invalid(format!("{} has changed while it was read", self.name))
            .with_hint("run again")
    }
}

fn items_by_name(name: &str) -> ItemLayout {
    let ending = Path::new(name).extension().and_then(|ending| ending.to_str());
    match ending.map(str::to_ascii_lowercase).as_deref() {
        Some("jsonl" | "ndjson") => ItemLayout::Lines,
        _ => ItemLayout::Documents,
    }
}

fn copy_to_temporary(source: &mut impl Read) -> io::Result<File> {
    let mut copy = tempfile::tempfile()?;
    io::copy(&mut BufReader::with_capacity(CHUNK_BYTES, source), &mut copy)?;
    Ok(copy)
}
