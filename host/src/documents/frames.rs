//! One pass over a file, document by document.

use std::sync::Arc;

use arc_framing::{Container, Content, Envelope, Frame, Framer, Limits, Problem};

use super::archive::Archive;
use super::file_list::FileList;
use super::listed::DocumentList;
use super::stream::Stream;
use super::{DocumentFile, DocumentPlace, Documents, Place};
use crate::error::Result;
use crate::extraction::ItemLayout;

impl DocumentFile {
    /// Returns the documents from the beginning, each at most `document_bytes` long; longer ones are
    /// frames with a problem.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if the file cannot be read.
    pub fn frames(&self, document_bytes: usize) -> Result<Frames> {
        let limits = Limits { max_document_bytes: document_bytes, ..Limits::default() };
        let source = match &self.documents {
            Documents::Stream(items) => {
                let framer = match items {
                    ItemLayout::Lines => Framer::new(Container::Lines, limits),
                    ItemLayout::Elements(pattern) | ItemLayout::ElementsOrFiles(pattern, _) => {
                        Framer::of_elements(pattern.clone(), limits)
                    }
                    ItemLayout::Documents | ItemLayout::Entries(_) => {
                        Framer::new(Container::Auto, limits)
                    }
                };
                let stream = Stream::new(self.reader(), self.name.clone(), framer);
                Source::Stream(Box::new(stream))
            }
            Documents::Archive(archive) => {
                Source::Archive { archive: Box::new(archive.clone()), next: 0, read_bytes: 0 }
            }
            Documents::Listed(listed) => Source::Listed { listed: Arc::clone(listed), next: 0 },
            Documents::Files(files) => {
                Source::Files { files: Arc::clone(files), next: 0, read_bytes: 0 }
            }
        };
        Ok(Frames { file: self.clone(), source, document_bytes })
    }
}

/// One pass over a file.
#[derive(Debug)]
pub struct Frames {
    file: DocumentFile,
    source: Source,
    document_bytes: usize,
}

#[derive(Debug)]
enum Source {
    Stream(Box<Stream>),
    Archive { archive: Box<Archive>, next: usize, read_bytes: u64 },
    Listed { listed: Arc<DocumentList>, next: usize },
    Files { files: Arc<FileList>, next: usize, read_bytes: u64 },
}

impl Frames {
    /// Returns the next document and its place, or `None` at the end.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io); [`Error::Invalid`](crate::Error::Invalid) if the file as a
    /// whole is not JSON text.
    pub fn next_document(&mut self) -> Result<Option<(DocumentPlace, Frame)>> {
        let (place, frame) = match &mut self.source {
            Source::Stream(stream) => {
                let Some(frame) = stream.next_frame()? else { return Ok(None) };
                // A document longer than 4 GiB exceeds the limit of documents, and is never read.
                let length = u32::try_from(frame.length).unwrap_or(u32::MAX);
                (Place::Bytes { offset: frame.offset, length }, frame)
            }
            Source::Archive { archive, next, read_bytes } => {
                let Some(frame) = archive.document(*next, self.document_bytes) else {
                    return Ok(None);
                };
                *read_bytes += frame.length;
                *next += 1;
                (Place::Number(*next - 1), frame)
            }
            Source::Listed { listed, next } => {
                let Some(frame) = listed.document(&self.file, *next, self.document_bytes)? else {
                    return Ok(None);
                };
                *next += 1;
                (Place::Number(*next - 1), frame)
            }
            Source::Files { files, next, read_bytes } => {
                let Some(frame) = files.document(*next, self.document_bytes)? else {
                    return Ok(None);
                };
                *read_bytes += frame.length;
                *next += 1;
                (Place::Number(*next - 1), frame)
            }
        };
        Ok(Some((DocumentPlace(place), frame)))
    }

    /// Returns the next document, or `None` at the end.
    ///
    /// # Errors
    /// As [`Frames::next_document`].
    pub fn next_frame(&mut self) -> Result<Option<Frame>> {
        Ok(self.next_document()?.map(|(_, frame)| frame))
    }

    /// Returns approximately how many bytes of the file were read so far.
    pub fn read_bytes(&self) -> u64 {
        match &self.source {
            Source::Stream(stream) => stream.read_bytes(),
            // Unpacked entries and decompressed files can have more bytes.
            Source::Archive { read_bytes, .. } | Source::Files { read_bytes, .. } => {
                (*read_bytes).min(self.file.length())
            }
            Source::Listed { listed, next } => {
                let (next, all) = (*next as u64, listed.len().max(1) as u64);
                self.file.length.saturating_mul(next.min(all)) / all
            }
        }
    }

    /// Returns the document around the items.
    pub(super) fn enclosing_document(&self) -> Option<&str> {
        match &self.source {
            Source::Stream(stream) => stream.enclosing_document(),
            _ => None,
        }
    }

    /// Ends the pass: returns the SHA-256 of all bytes of the file and of those with its documents, and
    /// the members around the results, which record whether they are complete.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if the file cannot be read again.
    pub fn finish(self) -> Result<([u8; 32], Option<Envelope>)> {
        match self.source {
            Source::Stream(stream) => Ok(stream.finish()),
            _ => Ok((self.file.sha256()?, None)),
        }
    }
}

/// Returns the frame of a complete text, or of one that is too long.
pub(super) fn frame_of(text: String, place: usize, limit_bytes: usize) -> Frame {
    let length = text.len() as u64;
    let (content, problem) = if text.len() > limit_bytes {
        let mut bytes = text.into_bytes();
        bytes.truncate(arc_framing::HEAD_BYTES.min(limit_bytes));
        (Content::Bytes(bytes), Some(Problem::DocumentTooLarge { limit_bytes }))
    } else {
        (Content::Text(text), None)
    };
    Frame { offset: place as u64, line: None, length, content, problem }
}

/// Returns the frame of the bytes of a document, of which one more than the limit was read if it is too
/// long; `length` is that of the document, and a part of it is missing if it is not `whole`.
pub(super) fn frame_of_bytes(
    mut bytes: Vec<u8>,
    length: u64,
    whole: bool,
    place: usize,
    limit_bytes: usize,
) -> Frame {
    let (content, problem) = if bytes.len() > limit_bytes {
        bytes.truncate(arc_framing::HEAD_BYTES.min(limit_bytes));
        (Content::Bytes(bytes), Some(Problem::DocumentTooLarge { limit_bytes }))
    } else if !whole {
        (Content::Bytes(bytes), Some(Problem::Damaged))
    } else {
        match String::from_utf8(bytes) {
            Ok(text) => (Content::Text(text), None),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                (Content::Bytes(error.into_bytes()), Some(Problem::InvalidUtf8 { at }))
            }
        }
    };
    Frame { offset: place as u64, line: None, length, content, problem }
}
