//! A document that was found in a stream, and its problem.

use core::fmt;

/// How many bytes of a document are stored as evidence if it is too large, or is unexpected text.
/// Fewer, if the limit of a document is smaller.
pub const HEAD_BYTES: usize = 64 << 10;

/// A document of the stream, or the place of a problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The start, in bytes from the start of the stream, including a byte order mark.
    pub offset: u64,
    /// The line of the stream on which it starts, counted from 1; `None` if the document is not from a
    /// stream, or has no start.
    pub line: Option<u64>,
    /// The length in the stream. The content is shorter only if it is a head
    /// ([`Problem::DocumentTooLarge`], [`Problem::TrailingText`]).
    pub length: u64,
    /// The document's bytes, without the white space around it; empty if an end is missing.
    pub content: Content,
    /// The problem, if any. A frame without a problem is always [`Content::Text`].
    pub problem: Option<Problem>,
}

impl Frame {
    /// Returns the unchanged bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match &self.content {
            Content::Text(text) => text.as_bytes(),
            Content::Bytes(bytes) => bytes,
        }
    }

    /// Returns the text, if the content is whole and UTF-8, which it always is without a problem.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) => Some(text),
            Content::Bytes(_) => None,
        }
    }
}

/// The bytes of a frame, checked once for being UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Valid UTF-8.
    Text(String),
    /// Bytes that are not UTF-8, or the head of a longer document.
    Bytes(Vec<u8>),
}

/// The problem of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Problem {
    /// The document is larger than the limit; only its head is in the frame.
    DocumentTooLarge {
        /// The limit that it exceeds.
        limit_bytes: usize,
    },
    /// The stream ended too early. The frame is either the document so far, or empty and at the
    /// place of the missing end of the container.
    Truncated(Unclosed),
    /// There is text after the end of the array or envelope. The frame extends to the end of the
    /// stream, and only its head is stored.
    TrailingText,
    /// The document is not UTF-8.
    InvalidUtf8 {
        /// The position of the first invalid byte in the document.
        at: usize,
    },
    /// The document is packed in an archive and could not be unpacked.
    Damaged,
}

/// The construct that was still open when the stream ended.
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
    /// Returns a stable name for programs.
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
    /// Writes a sentence for people.
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
