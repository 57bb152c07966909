//! The raw members of an envelope other than its documents.

use core::fmt;

use crate::carry_buffer::{CarryBuffer, View};

/// The default limit on the bytes of members in [`Limits`](crate::Limits): the same as for a
/// document.
pub const ENVELOPE_LIMIT_BYTES: usize = 16 << 20;

const SEPARATOR: &str = ", ";

/// The object around `"results"`, without that member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    text: String,
    problem: Option<EnvelopeProblem>,
}

/// The reason why an envelope does not have every member of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EnvelopeProblem {
    /// The members are longer than the limit.
    TooLarge {
        /// The limit.
        limit_bytes: usize,
    },
    /// A member is not UTF-8.
    InvalidUtf8,
    /// Text that is not a member: it does not begin with a string, or follows another member
    /// without a comma.
    NotAMember,
    /// The stream ends before the `}` that closes the envelope.
    Truncated,
}

impl EnvelopeProblem {
    /// Returns a stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "envelope_too_large",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::NotAMember => "malformed_json",
            Self::Truncated => "truncated",
        }
    }
}

impl fmt::Display for EnvelopeProblem {
    /// Writes a sentence for people.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { limit_bytes } => write!(
                formatter,
                "the members beside `results` are longer than the limit of {limit_bytes} bytes"
            ),
            Self::InvalidUtf8 => formatter.write_str("a member beside `results` is not UTF-8"),
            Self::NotAMember => formatter.write_str(
                "beside `results` is text that is not a member: check its quotation marks and commas",
            ),
            Self::Truncated => {
                formatter.write_str("the text ends before the `}` that closes the object of `results`")
            }
        }
    }
}

impl Envelope {
    /// Returns one object with the other members: raw keys and values, in their order. The values
    /// are not checked for being valid JSON.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether every member is in [`text`](Self::text).
    #[must_use]
    pub fn complete(&self) -> bool {
        self.problem.is_none()
    }

    /// Returns the first reason why a member is missing from [`text`](Self::text). The data of an
    /// incomplete envelope must not be used: the missing member could change its meaning.
    #[must_use]
    pub fn problem(&self) -> Option<EnvelopeProblem> {
        self.problem
    }
}

/// Collects members as they are read, before it is known that they belong to an envelope.
#[derive(Debug)]
pub(crate) struct EnvelopeCollector {
    envelope: Envelope,
    limit_bytes: usize,
    confirmed: bool,
    member: Option<CarryBuffer>,
}

impl EnvelopeCollector {
    pub(crate) fn new(limit_bytes: usize) -> Self {
        Self {
            envelope: Envelope { text: String::from("{}"), problem: None },
            limit_bytes,
            confirmed: false,
            member: None,
        }
    }

    /// Returns the envelope, once it is known to be one.
    pub(crate) fn get(&self) -> Option<&Envelope> {
        self.confirmed.then_some(&self.envelope)
    }

    pub(crate) fn into_envelope(self) -> Option<Envelope> {
        self.confirmed.then_some(self.envelope)
    }

    pub(crate) fn member_open(&self) -> bool {
        self.member.is_some()
    }

    /// Returns the number of bytes that can still be stored.
    fn room(&self) -> usize {
        self.limit_bytes.saturating_sub(self.envelope.text.len())
    }

    pub(crate) fn begin(&mut self, start: u64) {
        self.member = Some(CarryBuffer::new(start, self.room()));
    }

    pub(crate) fn end(&mut self, view: View<'_>, end: u64) {
        let Some(member) = self.member.take() else {
            return;
        };
        let length = end.saturating_sub(member.start());
        // The separator before the member counts as well.
        if length.saturating_add(SEPARATOR.len() as u64) > self.room() as u64 {
            self.incomplete(EnvelopeProblem::TooLarge { limit_bytes: self.limit_bytes });
            return;
        }
        match String::from_utf8(member.finish(view, end)) {
            Ok(member) => {
                let text = &mut self.envelope.text;
                text.pop();
                if text.len() > 1 {
                    text.push_str(SEPARATOR);
                }
                text.push_str(&member);
                text.push('}');
            }
            Err(_) => self.incomplete(EnvelopeProblem::InvalidUtf8),
        }
    }

    /// Confirms the envelope: the open member is the array of documents.
    pub(crate) fn confirm(&mut self) {
        self.confirmed = true;
        self.member = None;
    }

    /// Records that a part of the envelope cannot be stored, or is missing.
    pub(crate) fn incomplete(&mut self, problem: EnvelopeProblem) {
        self.member = None;
        self.envelope.problem.get_or_insert(problem);
    }

    /// Discards the members: the object is a document.
    pub(crate) fn discard(&mut self) {
        *self = Self::new(self.limit_bytes);
    }

    pub(crate) fn carry(&mut self, view: View<'_>) {
        if let Some(member) = &mut self.member {
            member.carry(view);
        }
    }
}
