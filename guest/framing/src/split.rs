//! Finds the documents of a text in memory, by position.

use crate::carry_buffer::View;
use crate::container::{Container, Limits};
use crate::envelope::Envelope;
use crate::error::{FramingError, check_signature};
use crate::frame::Problem;
use crate::scanner::{Documents, Ending, Scanner};

/// The position of a document in the text, or of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The start, in bytes from the start of the text.
    pub offset: usize,
    /// The length in bytes; 0 if an end is missing.
    pub length: usize,
    /// The problem, if any. [`Problem::InvalidUtf8`] is impossible in a text.
    pub problem: Option<Problem>,
}

impl Span {
    /// Returns the document. `text` must be the text that was split; with another one, the range
    /// might not exist.
    #[must_use]
    pub fn of<'text>(&self, text: &'text str) -> Option<&'text str> {
        text.get(self.offset..self.offset.checked_add(self.length)?)
    }
}

/// The result of [`split()`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The documents and problems, in the order of the text. They are the same frames that a
    /// [`Framer`](crate::Framer) returns for the same bytes.
    pub spans: Vec<Span>,
    /// The members around `"results"`, if the text is an envelope.
    pub envelope: Option<Envelope>,
}

/// Finds the documents of a text in memory, without copying them.
///
/// # Errors
///
/// If the text as a whole is rejected for its first bytes.
pub fn split(text: &str, container: Container, limits: Limits) -> Result<Split, FramingError> {
    let mark = check_signature(text.as_bytes())?;
    let base = mark as u64;
    let view = View { base, bytes: text.as_bytes().get(mark..).unwrap_or_default() };
    let mut scanner = Scanner::new(container, limits);
    let mut spans = Spans { limit: limits.max_document_bytes, open: None, spans: Vec::new() };
    scanner.begin_at(base);
    scanner.scan(view, &mut spans);
    let nothing = View { base: text.len() as u64, bytes: &[] };
    scanner.finish(nothing, &mut spans);
    Ok(Split { spans: spans.spans, envelope: scanner.into_envelope() })
}

/// Collects the positions of documents. Offsets fit `usize`, because they are within a text in
/// memory.
struct Spans {
    limit: usize,
    open: Option<u64>,
    spans: Vec<Span>,
}

impl Documents for Spans {
    fn begin(&mut self, start: u64) {
        self.open = Some(start);
    }

    fn carry(&mut self, _view: View<'_>) {}

    fn end(&mut self, _view: View<'_>, end: u64, ending: Ending) {
        if let Some(start) = self.open.take() {
            let length = end.saturating_sub(start);
            self.spans.push(Span {
                offset: start as usize,
                length: length as usize,
                problem: ending.problem(length, self.limit),
            });
        }
    }

    fn abandon(&mut self) {
        self.open = None;
    }

    fn report(&mut self, offset: u64, problem: Problem) {
        self.spans.push(Span { offset: offset as usize, length: 0, problem: Some(problem) });
    }

    fn replay(&mut self, view: View<'_>, from: u64, to: u64) -> Option<Vec<u8>> {
        let start = self.open?;
        (to.saturating_sub(start) <= self.limit as u64).then(|| view.between(from, to).to_vec())
    }
}
