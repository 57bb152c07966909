//! The container type of a stream, and the size limits of its documents.

use crate::envelope::ENVELOPE_LIMIT_BYTES;

/// How the documents of a stream are laid out, as far as the caller knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Container {
    /// The first byte that is not white space decides: `[` is an array of documents, `{` is either
    /// an envelope (`{"results": [document, …], …}`) or the first of one or more documents, and
    /// anything else is read as [`Container::Lines`].
    #[default]
    Auto,
    /// Every line that is not blank is a document, and the content of lines is not examined. For
    /// streams whose file name (`.jsonl`, `.ndjson`) or content type indicates lines.
    Lines,
}

/// Limits on the memory that is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest document that is returned whole. A larger one is skipped without being stored,
    /// and its frame has [`Problem::DocumentTooLarge`](crate::Problem::DocumentTooLarge).
    pub max_document_bytes: usize,
    /// How many bytes of the members beside `"results"` are stored. An envelope with more of them
    /// is incomplete, which [`Envelope::problem`](crate::Envelope::problem) reports. 0 if they are
    /// not needed.
    pub max_envelope_bytes: usize,
}

impl Default for Limits {
    /// 16 MiB for a document, and for the members beside `"results"`.
    fn default() -> Self {
        Self { max_document_bytes: 16 << 20, max_envelope_bytes: ENVELOPE_LIMIT_BYTES }
    }
}
