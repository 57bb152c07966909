//! Files of results: read as a stream of framed documents, as often as needed.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use arc_framing::{Container, Frame, Framer, Limits};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// How much is read at once: large enough that system calls cost nothing, small beside a batch.
const CHUNK_BYTES: usize = 256 << 10;

/// A file of results that can be read more than once.
#[derive(Debug)]
pub struct DocumentFile {
    file: File,
    name: String,
    container: Container,
    length: u64,
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
        Ok(DocumentFile { file, container: container_of(path), name, length })
    }

    /// The file's name without its folder, or `standard input`.
    pub fn name(&self) -> &str {
        &self.name
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

    /// The documents from the beginning, each at most `document_bytes` long; longer ones come as
    /// frames with a problem.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read.
    pub fn frames(&self, document_bytes: usize) -> Result<Frames> {
        let mut file = self.file.try_clone().map_err(|error| self.unreadable(error))?;
        // The clone shares its position with the file, so each reading starts by going back.
        file.seek(SeekFrom::Start(0)).map_err(|error| self.unreadable(error))?;
        Ok(Frames {
            file,
            name: self.name.clone(),
            framer: Framer::new(self.container, Limits { max_document_bytes: document_bytes }),
            digest: Sha256::new(),
            buffer: vec![0; CHUNK_BYTES],
            length: self.length,
            read_bytes: 0,
            finished: false,
        })
    }

    /// Reads a part of the file that was seen before.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Invalid`] where the file has changed since.
    pub fn text_at(&self, offset: u64, length: u32) -> Result<String> {
        let mut bytes = vec![0; length as usize];
        self.file.read_exact_at(&mut bytes, offset).map_err(|error| self.unreadable(error))?;
        String::from_utf8(bytes).map_err(|_| {
            Error::Invalid(format!("{} has changed while it was read; run again", self.name))
        })
    }

    fn unreadable(&self, error: io::Error) -> Error {
        Error::io(format!("could not read {}", self.name), error)
    }
}

fn container_of(path: &Path) -> Container {
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    match ending.as_deref() {
        Some("jsonl" | "ndjson") => Container::Lines,
        _ => Container::Auto,
    }
}

fn copy_to_temporary(source: &mut impl Read) -> io::Result<File> {
    let mut copy = tempfile::tempfile()?;
    io::copy(&mut BufReader::with_capacity(CHUNK_BYTES, source), &mut copy)?;
    Ok(copy)
}

/// One reading of a file.
#[derive(Debug)]
pub struct Frames {
    file: File,
    name: String,
    framer: Framer,
    digest: Sha256,
    buffer: Vec<u8>,
    /// What comes after it was not there when the file was opened.
    length: u64,
    read_bytes: u64,
    finished: bool,
}

impl Frames {
    /// The next document; nothing at the end.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Invalid`] where the file as a whole is not JSON text.
    pub fn next_frame(&mut self) -> Result<Option<Frame>> {
        loop {
            if let Some(frame) = self.framer.next_frame() {
                return Ok(Some(frame));
            }
            if self.finished {
                return Ok(None);
            }
            let left = usize::try_from(self.length - self.read_bytes).unwrap_or(usize::MAX);
            let wanted = left.min(self.buffer.len());
            let read = self
                .file
                .read(self.buffer.get_mut(..wanted).unwrap_or_default())
                .map_err(|error| Error::io(format!("could not read {}", self.name), error))?;
            let chunk = self.buffer.get(..read).unwrap_or_default();
            let framed = if chunk.is_empty() {
                self.finished = true;
                self.framer.finish()
            } else {
                self.digest.update(chunk);
                self.read_bytes += read as u64;
                self.framer.push(chunk)
            };
            framed.map_err(|error| Error::Invalid(format!("{}: {error}", self.name)))?;
        }
    }

    /// How many bytes were read so far.
    pub fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    /// At the end: the SHA-256 of all bytes, and the members that stood around the results, as a
    /// JSON object.
    pub fn finish(self) -> ([u8; 32], Option<String>) {
        let envelope = self.framer.envelope().map(|envelope| envelope.text().to_owned());
        (self.digest.finalize().into(), envelope)
    }
}
