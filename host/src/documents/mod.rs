//! Files of results: read as framed documents, as often as needed.
//!
//! | module | what it is about |
//! |---|---|
//! | `frames` | one reading of a file, document by document |
//! | `header` | what is said once for all results of a file |
//! | `stream` | documents in a stream: one after the other, or inside others |
//! | `archive` | documents that are entries of a zip archive |
//! | `listed` | documents that a format makes of the items of a file |
//! | `sibling_file` | a header that is a file of its own |
//! | `at` | reading at places of one's own |

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
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::extraction::{FileLayout, HEAD_BYTES, HeaderLayout, ItemLayout, ItemRole};

use archive::Archive;
use at::ReadAt;
use listed::Listed;

pub use frames::Frames;
pub(crate) use header::HEADER_BYTES;

/// How much is read at once: large enough that system calls cost nothing, small beside a batch.
const CHUNK_BYTES: usize = 256 << 10;

/// How much a file may have of what is kept in memory for as long as it is read. What the command
/// line reads has hardly a limit; what others send to a service has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileLimits {
    /// Results and parts of results, where a format lists them: each takes a few dozen bytes.
    pub(crate) items: usize,
    /// Different scenarios: the same.
    pub(crate) scenarios: usize,
    /// The directory of a zip archive: an entry takes several times what it has there.
    pub(crate) directory_bytes: u64,
}

impl Default for FileLimits {
    fn default() -> Self {
        FileLimits { items: 50_000_000, scenarios: usize::MAX, directory_bytes: u64::MAX }
    }
}

impl FileLimits {
    /// The error for a file that has more than `most` of something.
    pub(crate) fn broken(name: &str, most: impl std::fmt::Display, what: &str) -> Error {
        Error::invalid(format!("{name} has more than {most} {what}"))
            .with_hint("part it into several files")
    }
}

/// A file of results that can be read more than once. Cheap to clone.
#[derive(Clone, Debug)]
pub struct DocumentFile {
    file: Arc<File>,
    /// Where it was opened; nothing for standard input and for bytes.
    path: Option<PathBuf>,
    name: String,
    length: u64,
    documents: Documents,
    header: Option<Arc<str>>,
    limits: FileLimits,
}

/// Where the file's documents are.
#[derive(Clone, Debug)]
enum Documents {
    Stream(ItemLayout),
    Archive(Archive),
    Listed(Arc<Listed>),
}

/// Where a document is in its file.
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
    /// Opens a file, or standard input for `-`. What cannot be read twice, such as standard input
    /// or a pipe, is copied to a temporary file first, which is gone when the value is dropped.
    ///
    /// A name that ends in `.jsonl` or `.ndjson` says that every line is a document; the
    /// container of others is found from what is in them.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        let standard_input = path == Path::new("-");
        let name = if standard_input {
            "standard input".to_owned()
        } else {
            path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
        };
        let failed = |error| Error::io(format!("could not read {}", path.display()), error);
        let file = if standard_input {
            copy_to_temporary(&mut io::stdin().lock()).map_err(failed)?
        } else {
            let mut file = File::open(path).map_err(failed)?;
            let metadata = file.metadata().map_err(failed)?;
            if metadata.is_dir() {
                return Err(failed(io::ErrorKind::IsADirectory.into()));
            }
            if metadata.is_file() { file } else { copy_to_temporary(&mut file).map_err(failed)? }
        };
        let length = file.metadata().map_err(failed)?.len();
        Ok(DocumentFile {
            path: (!standard_input).then(|| path.to_owned()),
            ..Self::of(file, name, length)
        })
    }

    /// A file that is open already, under a name of its own.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read.
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
            documents,
            header: None,
            limits: FileLimits::default(),
        }
    }

    /// The same file, which may have no more than this.
    pub(crate) fn limited(self, limits: FileLimits) -> Self {
        DocumentFile { limits, ..self }
    }

    pub(crate) fn limits(&self) -> FileLimits {
        self.limits
    }

    /// The file's name without its folder, or `standard input`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name by which a format may recognise the file: nothing for standard input.
    pub fn own_name(&self) -> &str {
        if self.name == "standard input" { "" } else { &self.name }
    }

    /// The file's name without its ending, as a name for people.
    pub fn stem(&self) -> String {
        let stem = Path::new(&self.name).file_stem().unwrap_or_default();
        stem.to_string_lossy().into_owned()
    }

    /// The file's length in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// What is said once for all results of the file; known once it was laid out.
    pub fn header(&self) -> Option<&str> {
        self.header.as_deref()
    }

    /// Whether the file has headers other than the first, which are used for none of its results.
    pub(crate) fn has_further_headers(&self) -> bool {
        matches!(&self.documents, Documents::Listed(listed) if listed.further_headers())
    }

    /// The first bytes of the file, by which its format is recognised.
    ///
    /// # Errors
    /// [`Error::Io`] where they cannot be read.
    pub fn head(&self) -> Result<Vec<u8>> {
        let mut head = Vec::new();
        let mut reader = self.reader().take(HEAD_BYTES as u64);
        reader.read_to_end(&mut head).map_err(|error| self.unreadable(error))?;
        Ok(head)
    }

    /// The same file with its documents where a format says they are, each at most `document_bytes`
    /// long, and with its header. The format is asked what each item is, where its layout wants that;
    /// what it fails at counts as a result. A header in a file of its own is `header_file`, or the
    /// one beside this file that the layout's patterns find.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Invalid`] where the file is not what the layout says, or its header
    /// is no text of at most 16 MiB.
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
            let (listed, item) = Listed::read(&self, document_bytes, classify)?;
            if layout.header == HeaderLayout::Item && header.is_none() {
                header = item;
            }
            self.documents = Documents::Listed(Arc::new(listed));
        }
        self.header = header.map(Arc::from);
        Ok(self)
    }

    /// Reads a document that was seen before.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Invalid`] where the file has changed since.
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

    /// The SHA-256 of all bytes of the file.
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
