//! Submissions, and the verdicts on them.

use std::borrow::Cow;
use std::sync::Arc;

use arc_framing::{Content, Frame, HEAD_BYTES, Problem};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::{Error, ErrorKind};
use crate::extraction::{ExtractionError, Violation};
use crate::formats::ResultFormat;
use crate::identity;

/// One result to be recorded.
#[derive(Clone, Debug)]
pub struct Submission {
    /// The result itself.
    pub document: Document,
    /// Its position in the file, stream or batch that was sent, counted from 0; stored with a rejected
    /// result.
    pub position: Option<u64>,
    /// The line of the file or stream on which it starts, counted from 1; stored with a rejected result.
    pub line: Option<u64>,
    /// Which trial of its scenario, counted from 1. Part of the outcome's identity.
    pub trial: Option<u32>,
    /// The Modal function call of the run.
    pub modal_call_id: Option<String>,
    /// The sandbox of the run.
    pub sandbox_id: Option<String>,
    /// The numbers that JSON cannot represent, in a document that was made from objects of a language
    /// that has them: the document has `null` in their places, in this order.
    pub not_finite: Vec<NotFinite>,
    /// Its format, and the header of its file; `None` for the built-in format.
    pub format: Option<Arc<ResultFormat>>,
}

/// A number that JSON cannot represent.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct NotFinite {
    /// The offset in the document, in bytes, of the `null` that replaces it.
    pub offset: usize,
    /// The same position as a JSON Pointer.
    pub path: String,
    /// The number.
    pub number: NotFiniteNumber,
}

/// The numbers that JSON cannot represent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[expect(missing_docs, reason = "IEEE 754's own names")]
pub enum NotFiniteNumber {
    NaN,
    Infinity,
    NegativeInfinity,
}

impl NotFiniteNumber {
    /// Returns it as Python and JavaScript write it in JSON that is not strictly valid.
    pub fn as_str(self) -> &'static str {
        match self {
            NotFiniteNumber::NaN => "NaN",
            NotFiniteNumber::Infinity => "Infinity",
            NotFiniteNumber::NegativeInfinity => "-Infinity",
        }
    }
}

/// A result's document. Cheap to clone: a delivery with a spool keeps each result until the database
/// has committed it, and all clones share the bytes that the framing found, up to the row and the
/// entry of the spool.
#[derive(Clone, Debug)]
pub enum Document {
    /// Text, stored byte for byte. It is an `Arc<String>` because `Arc<str>` would be a second copy of
    /// the text that the framing found.
    Text(Arc<String>),
    /// A document that never reaches the extractor: too long, truncated, or not UTF-8.
    Unreadable {
        /// Its bytes, or the beginning of a document that is too long.
        bytes: Bytes,
        /// Its whole length in bytes.
        length: u64,
        /// Why it is unreadable.
        violation: Arc<Violation>,
    },
}

impl Document {
    /// Makes one for which the framing has reported a problem.
    fn unreadable(bytes: Bytes, length: u64, problem: &Problem) -> Self {
        let (code, message) = (problem.code().to_owned(), problem.to_string());
        let violation = Arc::new(Violation { path: String::new(), code, message });
        Document::Unreadable { bytes, length, violation }
    }

    /// Returns the bytes as they were received, or the beginning of a document that is too long.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Document::Text(text) => text.as_bytes(),
            Document::Unreadable { bytes, .. } => bytes,
        }
    }

    /// Returns the same bytes as [`Document::as_bytes`], shared and not copied.
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Document::Text(text) => Bytes::from_owner(TextBytes(Arc::clone(text))),
            Document::Unreadable { bytes, .. } => bytes.clone(),
        }
    }

    /// Returns its whole length in bytes; [`Document::as_bytes`] might have only the beginning.
    pub fn length(&self) -> u64 {
        match self {
            Document::Text(text) => text.len() as u64,
            Document::Unreadable { length, .. } => *length,
        }
    }
}

/// The bytes of a shared text.
struct TextBytes(Arc<String>);

impl AsRef<[u8]> for TextBytes {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Submission {
    /// Makes a result with no other fields.
    pub fn new(document: impl Into<String>) -> Self {
        Submission {
            document: Document::Text(Arc::new(document.into())),
            position: None,
            line: None,
            trial: None,
            modal_call_id: None,
            sandbox_id: None,
            not_finite: Vec::new(),
            format: None,
        }
    }

    /// Makes a result from bytes, which should be UTF-8 text of at most `limit_bytes`. Others are
    /// rejected when they are recorded.
    pub fn from_bytes(mut bytes: Vec<u8>, limit_bytes: usize) -> Self {
        let length = bytes.len() as u64;
        let problem = if bytes.len() > limit_bytes {
            bytes.truncate(HEAD_BYTES.min(limit_bytes));
            Problem::DocumentTooLarge { limit_bytes }
        } else {
            match String::from_utf8(bytes) {
                Ok(text) => return Submission::new(text),
                Err(error) => {
                    let at = error.utf8_error().valid_up_to();
                    bytes = error.into_bytes();
                    Problem::InvalidUtf8 { at }
                }
            }
        };
        Submission {
            document: Document::unreadable(bytes.into(), length, &problem),
            ..Submission::new("")
        }
    }

    /// Marks the document as the beginning of one of this length in bytes, which is more than the
    /// limit.
    pub fn part_of(&mut self, length: u64, limit_bytes: usize) {
        if length <= limit_bytes as u64 || length <= self.document_bytes() as u64 {
            return;
        }
        let problem = Problem::DocumentTooLarge { limit_bytes };
        self.document = Document::unreadable(self.document.to_bytes(), length, &problem);
    }

    /// Makes a result that was found in a stream at this position.
    pub fn from_frame(frame: Frame, position: u64) -> Self {
        let line = frame.line;
        let document = match (frame.problem, frame.content) {
            (None, Content::Text(text)) => Document::Text(Arc::new(text)),
            (Some(problem), Content::Text(text)) => {
                Document::unreadable(text.into(), frame.length, &problem)
            }
            (problem, Content::Bytes(bytes)) => {
                // Bytes that are not text have a problem; this is the fallback if none is reported.
                let problem = problem.unwrap_or(Problem::InvalidUtf8 { at: 0 });
                Document::unreadable(bytes.into(), frame.length, &problem)
            }
        };
        Submission { document, position: Some(position), line, ..Submission::new("") }
    }

    /// Returns the header of its file, if it has one.
    pub fn header(&self) -> Option<&str> {
        self.format.as_ref()?.header()
    }

    /// Returns the id of the outcome, or of the rejected result, that it becomes in a simulation.
    pub fn outcome_id(&self, simulation_id: Uuid) -> Uuid {
        let (bytes, length) = (self.document.as_bytes(), self.document.length());
        if length == bytes.len() as u64 {
            return identity::outcome_id(simulation_id, self.trial, bytes);
        }
        // Only the beginning is known. With the length, it distinguishes large documents well enough,
        // because they are rejected in any case.
        let known = [bytes, &length.to_be_bytes()].concat();
        identity::outcome_id(simulation_id, self.trial, &known)
    }

    /// Returns how many bytes of memory its document takes.
    pub fn document_bytes(&self) -> usize {
        self.document.as_bytes().len()
    }
}

/// The verdict on one submission.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Committed by this call.
    Stored,
    /// Already committed: the same document, simulation and trial.
    Duplicate,
    /// Stored durably in a spool, to be recorded when the database is available again.
    Spooled,
    /// Not valid; stored with these reasons.
    Rejected(Vec<Violation>),
    /// Not recorded.
    Failed {
        /// The cause of the failure.
        kind: FailureKind,
        /// The error and its causes.
        message: String,
        /// What the caller can do, if the message does not show it.
        hint: Option<String>,
    },
}

/// Why a submission is not recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The database or the service is unavailable, for other submissions too. The same submission might
    /// be recorded later.
    Unavailable,
    /// The extraction of this submission ran out of time; others are not affected. The same one might
    /// be recorded on a less busy machine.
    Timeout,
    /// This submission is refused; others are not affected. The same one fails again.
    Refused,
    /// The simulation was removed: all of its submissions fail, and fail again.
    SimulationRemoved,
    /// A bug of this program, which can affect other submissions as well: with a spool they are stored,
    /// for a version in which it is fixed.
    Internal,
}

impl FailureKind {
    /// Whether the same submission might be recorded although nothing is changed.
    pub fn may_retry(self) -> bool {
        matches!(self, FailureKind::Unavailable | FailureKind::Timeout)
    }

    /// Returns the error of a failure of this kind.
    pub(crate) fn into_error(self, message: String, hint: Option<String>) -> Error {
        let error = match self {
            FailureKind::Unavailable | FailureKind::Timeout => Error::unavailable(message),
            FailureKind::Internal => Error::internal(message),
            FailureKind::Refused => Error::refused(message),
            FailureKind::SimulationRemoved => Error::simulation_removed(message),
        };
        match hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }

    /// Whether other submissions might fail for the same reason.
    pub fn affects_others(self) -> bool {
        matches!(self, FailureKind::Unavailable | FailureKind::Internal)
    }
}

impl Verdict {
    /// Returns the verdict on a submission that was not recorded because of this error.
    pub(crate) fn failed(error: &Error) -> Self {
        let kind = match error.kind() {
            ErrorKind::Request if matches!(error, Error::SimulationRemoved(_)) => {
                FailureKind::SimulationRemoved
            }
            ErrorKind::Request => FailureKind::Refused,
            ErrorKind::Internal => FailureKind::Internal,
            // All other causes can be fixed, and no submission must be lost until then.
            ErrorKind::Unavailable | ErrorKind::Setup => FailureKind::Unavailable,
        };
        Verdict::Failed { kind, message: error.report(), hint: error.hint().map(Cow::into_owned) }
    }

    /// Returns the verdict on a result that the extractor failed on. Whether it lacked time or memory,
    /// the database is not the cause, and only this result is affected.
    pub(super) fn not_extracted(error: &ExtractionError) -> Self {
        Verdict::Failed {
            kind: match error.retryable() {
                true => FailureKind::Timeout,
                false => FailureKind::Refused,
            },
            message: error.to_string(),
            hint: error.hint().map(str::to_owned),
        }
    }
}

/// Returns the failure of a batch that failed as a whole, if other results would fail, too; `None` if a
/// result was recorded, or if only documents failed in ways that do not affect others.
pub(crate) fn whole_failure(verdicts: &[ItemVerdict]) -> Option<&Verdict> {
    let failed = |item: &ItemVerdict| matches!(item.verdict, Verdict::Failed { .. });
    let others_too = |verdict: &&Verdict| matches!(verdict, Verdict::Failed { kind, .. } if kind.affects_others());
    let mut all = verdicts.iter().map(|item| &item.verdict);
    all.find(others_too).filter(|_| verdicts.iter().all(failed))
}

/// The verdict on one submission.
#[derive(Clone, Debug, PartialEq)]
pub struct ItemVerdict {
    /// The id of the outcome, or of the rejected result.
    pub outcome_id: Uuid,
    /// The verdict.
    pub verdict: Verdict,
    /// The assumptions and replacements in an accepted result.
    pub warnings: Vec<Violation>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_has_the_bytes_that_the_framing_found_and_its_clones_share_them() {
        for (bytes, problem) in [
            (&b"{}"[..], None),
            (b"{\xff}", Some(Problem::InvalidUtf8 { at: 1 })),
            (b"{", Some(Problem::Damaged)),
        ] {
            let content = match String::from_utf8(bytes.to_vec()) {
                Ok(text) => Content::Text(text),
                Err(error) => Content::Bytes(error.into_bytes()),
            };
            let length = bytes.len() as u64;
            let frame = Frame { offset: 0, line: None, length, content, problem };
            let address = frame.bytes().as_ptr();
            let document = Submission::from_frame(frame, 0).document;
            assert_eq!(matches!(document, Document::Text(_)), problem.is_none());
            let clone = document.clone();
            assert_eq!(document.as_bytes(), bytes);
            assert_eq!(document.length(), bytes.len() as u64);
            for found in [document.as_bytes(), clone.as_bytes(), &document.to_bytes()] {
                assert_eq!(found.as_ptr(), address);
            }
        }
    }

    #[test]
    fn the_beginning_of_a_document_has_the_length_of_all_of_it() {
        let mut submission = Submission::new("abc");
        let Document::Text(text) = submission.document.clone() else { panic!("{submission:?}") };
        submission.part_of(1_000, 100);
        let document = &submission.document;
        assert!(matches!(document, Document::Unreadable { .. }), "{document:?}");
        assert_eq!((document.as_bytes(), document.length()), (&b"abc"[..], 1_000));
        assert_eq!(document.as_bytes().as_ptr(), text.as_ptr());
        // The id of the beginning differs from that of a document with only these bytes.
        let id = submission.outcome_id(Uuid::nil());
        assert_ne!(id, Submission::new("abc").outcome_id(Uuid::nil()));
        let mut longer = Submission::new("abc");
        longer.part_of(2_000, 100);
        assert_ne!(id, longer.outcome_id(Uuid::nil()));
    }
}
