//! Documents in a text that is in memory, by their place in it.

use crate::container::{Container, Limits};
use crate::envelope::Envelope;
use crate::error::{FramingError, check_signature};
use crate::frame::Problem;
use crate::kept::View;
use crate::scanner::{Documents, Ending, Scanner};

/// Where a document is in the text, or a place where something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Where it begins, in bytes from the start of the text.
    pub offset: usize,
    /// How many bytes it has; none where an end is missing.
    pub length: usize,
    /// What is wrong. [`Problem::InvalidUtf8`] cannot be, in a text.
    pub problem: Option<Problem>,
}

impl Span {
    /// The document. `text` is the text that was split; with another one, nothing may be there.
    #[must_use]
    pub fn of<'text>(&self, text: &'text str) -> Option<&'text str> {
        text.get(self.offset..self.offset.checked_add(self.length)?)
    }
}

/// What [`split()`] finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The documents and problems, in the order of the text. They are the frames that a
    /// [`Framer`](crate::Framer) gives for the same bytes.
    pub spans: Vec<Span>,
    /// The members around `"results"`, if the text is an envelope.
    pub envelope: Option<Envelope>,
}

/// Finds the documents of a text in memory, without copying them.
///
/// # Errors
///
/// When the text as a whole is refused for its first bytes.
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

/// Notes where documents are. Offsets fit `usize`, since they are within a text in memory.
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

    fn replay(&self, view: View<'_>, from: u64, to: u64) -> Option<Vec<u8>> {
        let start = self.open?;
        (to.saturating_sub(start) <= self.limit as u64).then(|| view.between(from, to).to_vec())
    }
}
