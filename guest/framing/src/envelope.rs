//! The members of an envelope other than its documents, kept as they are written.

use crate::kept::{Kept, View};

/// How many bytes of members are kept. Envelopes carry names and settings; whatever is larger is
/// not about the whole suite.
pub const ENVELOPE_LIMIT_BYTES: usize = 1 << 20;

const SEPARATOR: &str = ", ";

/// The object around `"results"`, without that member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    text: String,
    complete: bool,
}

impl Envelope {
    /// One object with the other members, keys and values exactly as written, in their order.
    /// Whether the values are valid JSON has not been looked at.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether every member is there. Left out are members beyond [`ENVELOPE_LIMIT_BYTES`], ones
    /// that are not UTF-8, that do not begin with a string, or that the end of the stream cut off.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.complete
    }
}

/// Collects members while they stream by, before it is known that they are an envelope's.
#[derive(Debug)]
pub(crate) struct EnvelopeCollector {
    envelope: Envelope,
    confirmed: bool,
    member: Option<Kept>,
}

impl EnvelopeCollector {
    pub(crate) fn new() -> Self {
        Self {
            envelope: Envelope { text: String::from("{}"), complete: true },
            confirmed: false,
            member: None,
        }
    }

    /// The envelope, once it is known to be one.
    pub(crate) fn get(&self) -> Option<&Envelope> {
        self.confirmed.then_some(&self.envelope)
    }

    pub(crate) fn into_envelope(self) -> Option<Envelope> {
        self.confirmed.then_some(self.envelope)
    }

    pub(crate) fn member_open(&self) -> bool {
        self.member.is_some()
    }

    pub(crate) fn begin(&mut self, start: u64) {
        // One byte more than fits tells a member that fits exactly from a longer one.
        let room = ENVELOPE_LIMIT_BYTES.saturating_sub(self.envelope.text.len());
        self.member = Some(Kept::new(start, room + 1));
    }

    pub(crate) fn end(&mut self, view: View<'_>, end: u64) {
        let Some(member) = self.member.take() else {
            return;
        };
        let room = ENVELOPE_LIMIT_BYTES.saturating_sub(self.envelope.text.len());
        match String::from_utf8(member.finish(view, end)) {
            // What separates it from the member before counts as well.
            Ok(member) if member.len() + SEPARATOR.len() <= room => {
                let text = &mut self.envelope.text;
                text.pop();
                if text.len() > 1 {
                    text.push_str(SEPARATOR);
                }
                text.push_str(&member);
                text.push('}');
            }
            _ => self.envelope.complete = false,
        }
    }

    /// The open member is the array of documents: an envelope it is.
    pub(crate) fn confirm(&mut self) {
        self.confirmed = true;
        self.member = None;
    }

    /// Something is in the envelope that cannot be kept.
    pub(crate) fn lose_member(&mut self) {
        self.member = None;
        self.envelope.complete = false;
    }

    /// The object turned out to be a document.
    pub(crate) fn discard(&mut self) {
        *self = Self::new();
    }

    pub(crate) fn carry(&mut self, view: View<'_>) {
        if let Some(member) = &mut self.member {
            member.carry(view);
        }
    }
}
