//! What a stream is said to be, and how large its documents may be.

use crate::envelope::ENVELOPE_LIMIT_BYTES;

/// How the documents of a stream are laid out, as far as the caller knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Container {
    /// The first byte that is not white space decides: `[` is an array of documents, `{` is either
    /// an envelope (`{"results": [document, …], …}`) or the first of one or more documents, and
    /// anything else is read as [`Container::Lines`].
    #[default]
    Auto,
    /// Every line that is not blank is a document, and lines are never looked into. For streams
    /// whose file name (`.jsonl`, `.ndjson`) or content type says so.
    Lines,
}

/// Bounds on what is kept in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest document that is handed out whole. A larger one is skipped without being kept,
    /// and its frame carries [`Problem::DocumentTooLarge`](crate::Problem::DocumentTooLarge).
    pub max_document_bytes: usize,
    /// How many bytes of the members beside `"results"` are kept. An envelope with more of them
    /// is incomplete, and says so ([`Envelope::problem`](crate::Envelope::problem)). 0 where they
    /// are not looked at.
    pub max_envelope_bytes: usize,
}

impl Default for Limits {
    /// 16 MiB a document, and as much beside `"results"`.
    fn default() -> Self {
        Self { max_document_bytes: 16 << 20, max_envelope_bytes: ENVELOPE_LIMIT_BYTES }
    }
}
