//! A document that was found in a stream, and what can be wrong with it.

use core::fmt;

/// How many bytes of a document are kept as evidence when it is too large, or is text that should
/// not be there. Fewer, if a document may not even be that large.
pub const HEAD_BYTES: usize = 64 << 10;

/// A document as it stands in the stream, or a place where something is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Where it begins, in bytes from the start of the stream, a byte order mark included.
    pub offset: u64,
    /// How long it is in the stream. The content is shorter only when it is a head
    /// ([`Problem::DocumentTooLarge`], [`Problem::TrailingText`]).
    pub length: u64,
    /// The document's bytes, without the white space around it; empty where an end is missing.
    pub content: Content,
    /// What is wrong. A frame without a problem is always [`Content::Text`].
    pub problem: Option<Problem>,
}

impl Frame {
    /// The bytes as they came.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match &self.content {
            Content::Text(text) => text.as_bytes(),
            Content::Bytes(bytes) => bytes,
        }
    }

    /// The text, if the content is whole and UTF-8: always, where there is no problem.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) => Some(text),
            Content::Bytes(_) => None,
        }
    }
}

/// The bytes of a frame, checked once for being text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// UTF-8, all of it.
    Text(String),
    /// Bytes that are not UTF-8, or the head of something longer.
    Bytes(Vec<u8>),
}

/// What is wrong with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Problem {
    /// The document is larger than the limit; only its head is in the frame.
    DocumentTooLarge {
        /// The limit it broke.
        limit_bytes: usize,
    },
    /// The stream ended too early. Either the frame is the document so far, or it is empty and
    /// stands where the end of the container should have been.
    Truncated(Unclosed),
    /// Something follows the end of the array or envelope. The frame reaches to the end of the
    /// stream, and only the head of it is kept.
    TrailingText,
    /// The document is not UTF-8.
    InvalidUtf8 {
        /// Where in the document the first wrong byte is.
        at: usize,
    },
    /// The document lies packed in an archive and could not be unpacked.
    Damaged,
}

/// What was still open when the stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unclosed {
    /// The document itself.
    Document,
    /// The array of documents, between two of them or after the last.
    Array,
    /// The object around `"results"`, after the array in it.
    Envelope,
}

impl Problem {
    /// A name for programs, which never changes.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::DocumentTooLarge { .. } => "document_too_large",
            Self::Truncated(_) => "truncated",
            Self::TrailingText => "trailing_text",
            Self::InvalidUtf8 { .. } => "invalid_utf8",
            Self::Damaged => "damaged",
        }
    }
}

impl fmt::Display for Problem {
    /// A sentence for people.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DocumentTooLarge { limit_bytes } => {
                write!(formatter, "the document is larger than the limit of {limit_bytes} bytes")
            }
            Self::Truncated(Unclosed::Document) => {
                formatter.write_str("the stream ends inside this document")
            }
            Self::Truncated(Unclosed::Array) => {
                formatter.write_str("the stream ends before the `]` that closes its array")
            }
            Self::Truncated(Unclosed::Envelope) => {
                formatter.write_str("the stream ends before the `}` that closes its envelope")
            }
            Self::TrailingText => formatter
                .write_str("there is text after the end of the array or envelope of documents"),
            Self::InvalidUtf8 { at } => write!(
                formatter,
                "the document is not UTF-8: the byte at offset {at} in it is wrong"
            ),
            Self::Damaged => formatter.write_str(
                "the document could not be unpacked: it is damaged or encrypted, or packed by a \
                 method other than deflate and Zstandard",
            ),
        }
    }
}
