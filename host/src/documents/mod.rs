//! Files of results: read as framed documents, as often as needed.
//!
//! | module | purpose |
//! |---|---|
//! | `frames` | one pass over a file, document by document |
//! | `header` | the information that all results of a file share |
//! | `stream` | documents in a stream: one after the other, or inside others |
//! | `archive` | documents that are entries of a zip archive |
//! | `listed` | documents that a format makes of the items of a file |
//! | `file_list` | documents that are files of their own |
//! | `folder` | the files of a folder |
//! | `compression` | files that are compressed with gzip or zstd |
//! | `sibling_file` | a header that is a file of its own |
//! | `at` | a reader with a position of its own |

mod archive;
mod at;
mod compression;
mod file_list;
mod folder;
mod frames;
mod header;
mod listed;
mod sibling_file;
mod stream;

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _};
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
use file_list::FileList;
use listed::DocumentList;

pub(crate) use compression::{Compression, inner_name};
pub(crate) use folder::{FileId, Folder, shared_parent};
pub use frames::Frames;
pub(crate) use header::HEADER_BYTES;

/// The bytes of one read: enough to make the cost of system calls negligible, and few compared with
/// a batch.
const CHUNK_BYTES: usize = 256 << 10;

/// The most bytes of a file when it is decompressed to a temporary one.
const DECOMPRESSED_BYTES: u64 = 64 << 30;

/// The path that names standard input.
pub(crate) const STANDARD_INPUT: &str = "-";

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
    /// The file's own name, by which a format can detect it; empty for standard input.
    own_name: String,
    /// The name for people: the file's own, with the folders that the caller named.
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
    Files(Arc<FileList>),
}

/// The place of a document in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DocumentPlace(Place);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// These bytes of the file.
    Bytes { offset: u64, length: u32 },
    /// The number of an entry or a file, or in a list.
    Number(usize),
}

impl DocumentFile {
    /// Opens a file, or standard input for `-`, under its own name. Input that cannot be read twice, such
    /// as standard input or a pipe, is copied to a temporary file first, which is removed when the value
    /// is dropped. A file that is compressed with gzip or zstd is decompressed to one.
    ///
    /// In a file whose name ends in `.jsonl` or `.ndjson`, every line is a document; the container
    /// of other files is detected from their content.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read; [`Error::Invalid`] if it is longer than 64 GiB when
    /// decompressed.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_as(path, &own_name(path))
    }

    /// Opens a file under this name for people.
    ///
    /// # Errors
    /// As [`DocumentFile::open`].
    pub(crate) fn open_as(path: &Path, name: &str) -> Result<Self> {
        let failed = |error| Error::io(format!("could not read {}", path.display()), error);
        let standard_input = path == Path::new(STANDARD_INPUT);
        let mut modified_at = None;
        let mut file = if standard_input {
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
        let (mut own_name, mut name) = match standard_input {
            true => (String::new(), "standard input"),
            false => (own_name(path).into_owned(), name),
        };
        let decompressed = match compression::decompressed(&file).map_err(failed)? {
            Some(content) => Some(decompress(content, path)?),
            None => None,
        };
        if let Some(decompressed) = decompressed {
            file = decompressed;
            own_name.truncate(inner_name(&own_name).len());
            name = inner_name(name);
        }
        let length = file.metadata().map_err(failed)?.len();
        Ok(DocumentFile {
            path: (!standard_input).then(|| path.to_owned()),
            modified_at,
            own_name,
            ..Self::of(file, name.to_owned(), length)
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
            own_name: name.clone(),
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

    /// Returns the file's name for people, or `standard input`: its own, with the folders that the caller
    /// named.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the name by which a format can detect the file; empty for standard input.
    pub fn own_name(&self) -> &str {
        &self.own_name
    }

    /// Returns the file's own name without its extension; part of the id of its simulation.
    pub fn stem(&self) -> String {
        let name = if self.own_name.is_empty() { &self.name } else { &self.own_name };
        Path::new(name).file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Returns the default name of the file's simulation: the file's name without its extension, or, if
    /// its documents are in files below its folder, that of the folder.
    pub fn title(&self) -> String {
        let name = Path::new(&self.name);
        let folder = match (&self.documents, &self.path) {
            (Documents::Files(_), Some(path)) => {
                let named = name.parent().filter(|folder| *folder != Path::new(""));
                let whole = || path.canonicalize().ok()?.parent()?.file_name().map(PathBuf::from);
                named.map(Path::to_owned).or_else(whole)
            }
            _ => None,
        };
        folder.unwrap_or_else(|| name.with_extension("")).to_string_lossy().into_owned()
    }

    /// Returns the length in bytes of the file and of those with its documents.
    pub fn length(&self) -> u64 {
        match &self.documents {
            Documents::Files(files) => self.length + files.length,
            _ => self.length,
        }
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
        if let ItemLayout::ElementsOrFiles(_, files) = &layout.items
            && self.frames(0)?.next_document()?.is_none()
        {
            self.documents = Documents::Files(Arc::new(self.files_below(files)?));
        }
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

    /// Finds the files with the documents of this one, below its folder.
    fn files_below(&self, pattern: &str) -> Result<FileList> {
        let files = match &self.path {
            Some(path) => file_list::find(folder_of(path), pattern)?,
            None => Vec::new(),
        };
        if files.is_empty() {
            return Err(Error::invalid(format!(
                "the results of {} are in other files, {pattern} in its folder, which do not exist",
                self.name
            ))
            .with_hint("record the whole folder as the tool wrote it"));
        }
        Ok(FileList::new(files))
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
            (Documents::Files(files), Place::Number(number)) => {
                files.document(number, usize::MAX)?
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

    /// Returns the SHA-256 of all bytes of the file, and of those with its documents.
    pub(crate) fn sha256(&self) -> Result<[u8; 32]> {
        let mut digest = Sha256::new();
        digest_all(self.reader(), &mut digest).map_err(|error| self.unreadable(error))?;
        if let Documents::Files(files) = &self.documents {
            files.digest(&mut digest)?;
        }
        Ok(digest.finalize().into())
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

/// Returns the paths of other files that belong to a file with this layout: those of its header and of
/// its documents. Files that cannot be found are reported when the file is opened.
pub(crate) fn companions(path: &Path, layout: &FileLayout) -> Vec<PathBuf> {
    let header = match &layout.header {
        HeaderLayout::SiblingFile(patterns) => sibling_file::find(path, patterns).ok().flatten(),
        _ => None,
    };
    let documents = match &layout.items {
        ItemLayout::ElementsOrFiles(_, files) => file_list::find(folder_of(path), files).ok(),
        _ => None,
    };
    header.into_iter().chain(documents.into_iter().flatten()).collect()
}

/// Returns the file's own name and the beginning of its content, decompressed, by which its format is
/// detected.
///
/// # Errors
/// [`Error::Io`] if it cannot be read.
pub(crate) fn peek(path: &Path) -> Result<(String, Vec<u8>)> {
    let head = file_list::read(path, HEAD_BYTES)?;
    Ok((inner_name(&own_name(path)).to_owned(), head))
}

fn own_name(path: &Path) -> Cow<'_, str> {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy()
}

/// Adds all bytes of a reader to a digest.
fn digest_all(mut reader: impl Read, digest: &mut Sha256) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(()),
            read => digest.update(buffer.get(..read).unwrap_or_default()),
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Returns the layout of a JSON file by the ending of its name.
pub(crate) fn items_by_name(name: &str) -> ItemLayout {
    let ending = Path::new(name).extension().and_then(|ending| ending.to_str());
    match ending.map(str::to_ascii_lowercase).as_deref() {
        Some("jsonl" | "ndjson") => ItemLayout::Lines,
        _ => ItemLayout::Documents,
    }
}

fn copy_to_temporary(source: &mut impl Read) -> io::Result<File> {
    let mut copy = tempfile::tempfile()?;
    io::copy(&mut BufReader::with_capacity(CHUNK_BYTES, source), &mut copy)?;
    copy.rewind()?;
    Ok(copy)
}

/// Returns a temporary file with the decompressed content of a file.
fn decompress(content: impl Read, path: &Path) -> Result<File> {
    let failed = |error| Error::io(format!("could not decompress {}", path.display()), error);
    let copy = copy_to_temporary(&mut content.take(DECOMPRESSED_BYTES + 1)).map_err(failed)?;
    if copy.metadata().map_err(failed)?.len() > DECOMPRESSED_BYTES {
        let what = "bytes when it is decompressed";
        return Err(FileLimits::broken(&path.display().to_string(), DECOMPRESSED_BYTES, what));
    }
    Ok(copy)
}
