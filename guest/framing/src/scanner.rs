//! The state machine that walks a stream and finds the start and end of its documents.
//!
//! # Valid streams
//!
//! - Lines: each line that is not blank, without the white space around it.
//! - An array: its members, of any type. Only white space is allowed after it.
//! - An envelope: an object whose own member `"results"` (in this spelling, without escapes) has a
//!   value that begins with `[`. The members of that array are the documents; only white space is
//!   allowed after the object. If it has that member more than once, all of them count.
//! - Other objects: if the first one has no line break in it and ends its line, the rest are lines.
//!   Otherwise values follow one another, and each ends when its brackets are closed; text that is
//!   neither object nor array extends to the end of its line, or to the next `{`.
//!
//! # Malformed streams
//!
//! A malformed document is returned unchanged, to be rejected by the parser, and must not affect
//! its neighbours. Besides its brackets, these rules determine its end:
//!
//! - A closing bracket closes the innermost one of its kind and all that was left open inside it;
//!   one without a counterpart in the document is skipped. So `[{"a": [1}, {"b": 2}]` has two
//!   members.
//! - A line break inside a string ends the string, so that quotation marks are right again from the
//!   next line on.
//! - A line that begins with `{`, no further to the right than the document began, where an object
//!   is not valid (not after `[`, `:` or a comma between members of an array) begins a new
//!   document: no valid document looks like that.
//! - In the first object of a stream, these two mean that the stream is line by line and its first
//!   line is malformed: it ends there, and the rest are lines. If that object has several lines by
//!   then that all begin with `{`, it is malformed at the end of the first (`{"a": [1,` does not
//!   look malformed until later), and the lines since are read again, if all of it is within the
//!   limit of a document. If it has lines that begin otherwise, it was written over several lines,
//!   and values follow one another.
//! - An object in an array that follows another value without a comma is a document of its own;
//!   commas with nothing between them are skipped.
//!
//! One case is ambiguous: a member that lacks its closing brace, in the middle of an array and with
//! the next one on the same line, further to the right or inside an inner array. It absorbs the
//! following text, up to the end of the array or a line that is unambiguous. It is then one
//! malformed document; nothing is invented.

mod array;
mod object;
mod values;

use memchr::memchr;

use crate::carry_buffer::{View, white};
use crate::container::{Container, Limits};
use crate::envelope::{Envelope, EnvelopeCollector, EnvelopeProblem};
use crate::frame::{HEAD_BYTES, Problem, Unclosed};
use crate::lexer::Lexer;
use crate::nesting::Nesting;

/// The receiver of the documents that a scan finds. At most one is open at a time.
pub(crate) trait Documents {
    /// Begins a document here.
    fn begin(&mut self, start: u64);
    /// Called at the end of each chunk; a document can be open.
    fn carry(&mut self, view: View<'_>);
    /// Ends the open document here, which can be before this chunk.
    fn end(&mut self, view: View<'_>, end: u64, ending: Ending);
    /// Discards the open document: it turned out not to be one.
    fn abandon(&mut self);
    /// Reports a problem here that is not a document.
    fn report(&mut self, offset: u64, problem: Problem);
    /// Returns the bytes of the open document between two offsets, if it is within the limit up to
    /// there.
    fn replay(&mut self, view: View<'_>, from: u64, to: u64) -> Option<Vec<u8>>;
}

/// How a document ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ending {
    Reached,
    EndOfStream,
    TrailingText,
}

impl Ending {
    /// Returns the problem of a document of this length with this ending.
    pub(crate) fn problem(self, length: u64, limit_bytes: usize) -> Option<Problem> {
        match self {
            Self::TrailingText => Some(Problem::TrailingText),
            _ if length > limit_bytes as u64 => Some(Problem::DocumentTooLarge { limit_bytes }),
            Self::EndOfStream => Some(Problem::Truncated(Unclosed::Document)),
            Self::Reached => None,
        }
    }
}

/// Returns how much of a document with this problem is stored, if not all of it.
pub(crate) fn head_length(problem: Option<Problem>, limit_bytes: usize) -> Option<usize> {
    match problem {
        Some(Problem::DocumentTooLarge { .. } | Problem::TrailingText) => {
            Some(HEAD_BYTES.min(limit_bytes))
        }
        _ => None,
    }
}

/// The current part of the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Before the first byte that is not white space.
    Start,
    Lines,
    /// In the first object, which could be an envelope.
    FirstObject,
    /// After a first object without line breaks, on the same line.
    AfterFirst,
    Values,
    Array,
    /// In an envelope, outside its array.
    Envelope,
    /// After the end of an array or envelope.
    Trailing,
}

#[derive(Debug)]
pub(crate) struct Scanner {
    container: Container,
    mode: Mode,
    lexer: Lexer,
    nesting: Nesting,
    /// Whether a document is open.
    open: bool,
    /// The start of the current line, and the column in which the open document began.
    line_start: u64,
    column: u64,
    /// Whether only white space has been seen on the current line.
    line_fresh: bool,
    object: object::ObjectState,
    /// Whether the open value is plain text, in `Values`.
    plain_text: bool,
    envelope: EnvelopeCollector,
}

impl Scanner {
    pub(crate) fn new(container: Container, limits: Limits) -> Self {
        Self {
            container,
            mode: Mode::Start,
            lexer: Lexer::default(),
            nesting: Nesting::default(),
            open: false,
            line_start: 0,
            column: 0,
            line_fresh: false,
            object: object::ObjectState::default(),
            plain_text: false,
            envelope: EnvelopeCollector::new(limits.max_envelope_bytes),
        }
    }

    /// Sets the start of the stream's text, after a byte order mark.
    pub(crate) fn begin_at(&mut self, offset: u64) {
        self.line_start = offset;
    }

    pub(crate) fn envelope(&self) -> Option<&Envelope> {
        self.envelope.get()
    }

    pub(crate) fn into_envelope(self) -> Option<Envelope> {
        self.envelope.into_envelope()
    }

    /// Walks the next chunk.
    pub(crate) fn scan<D: Documents>(&mut self, view: View<'_>, documents: &mut D) {
        let mut at = 0;
        while at < view.bytes.len() {
            at = match self.mode {
                Mode::Start => self.start(view, at, documents),
                Mode::Lines => self.lines(view, at, documents),
                Mode::FirstObject => self.first_object(view, at, documents),
                Mode::AfterFirst => self.after_first(view, at),
                Mode::Values => self.values(view, at, documents),
                Mode::Array => self.array(view, at, documents),
                Mode::Envelope => self.envelope_rest(view, at),
                Mode::Trailing => self.trailing(view, at, documents),
            };
        }
        documents.carry(view);
        self.envelope.carry(view);
    }

    /// Ends the stream; `view` is the empty chunk at its end.
    pub(crate) fn finish<D: Documents>(&mut self, view: View<'_>, documents: &mut D) {
        let balanced = self.nesting.depth() == 0 && !self.lexer.in_string();
        let ending = match self.mode {
            Mode::Trailing => Ending::TrailingText,
            Mode::FirstObject => Ending::EndOfStream,
            Mode::Values if !balanced => Ending::EndOfStream,
            // Only brackets and quotation marks show that a member is complete: `12` could be half
            // of 1234.
            Mode::Array if !(balanced && matches!(self.lexer.last(), b'}' | b']' | b'"')) => {
                Ending::EndOfStream
            }
            _ => Ending::Reached,
        };
        let cut_off = self.open && matches!(ending, Ending::EndOfStream);
        self.end_document(view, self.lexer.solid_end(), ending, documents);
        // Any later members beside the documents are missing, too.
        if matches!(self.mode, Mode::Array | Mode::Envelope) && self.envelope.get().is_some() {
            self.envelope.incomplete(EnvelopeProblem::Truncated);
        }
        match self.mode {
            Mode::Array if !cut_off => {
                documents.report(view.base, Problem::Truncated(Unclosed::Array));
            }
            Mode::Envelope => {
                documents.report(view.base, Problem::Truncated(Unclosed::Envelope));
            }
            Mode::FirstObject => self.envelope.discard(),
            _ => {}
        }
    }

    fn start<D: Documents>(&mut self, view: View<'_>, at: usize, documents: &mut D) -> usize {
        if self.container == Container::Lines {
            self.mode = Mode::Lines;
            return at;
        }
        let Some((at, byte)) = self.skip_white(view, at) else {
            return view.bytes.len();
        };
        match byte {
            b'[' => {
                self.mode = Mode::Array;
                at + 1
            }
            b'{' => {
                self.mode = Mode::FirstObject;
                self.begin_document(view, at, documents);
                at
            }
            _ => {
                self.mode = Mode::Lines;
                at
            }
        }
    }

    fn lines<D: Documents>(&mut self, view: View<'_>, at: usize, documents: &mut D) -> usize {
        let rest = view.rest(at);
        let newline = memchr(b'\n', rest);
        let line = rest.get(..newline.unwrap_or(rest.len())).unwrap_or_default();
        if !self.open
            && let Some(first) = line.iter().position(|&byte| !white(byte))
        {
            documents.begin(view.offset(at + first));
            self.open = true;
        }
        self.lexer.settle(view, at, line);
        if newline.is_some() {
            self.end_document(view, self.lexer.solid_end(), Ending::Reached, documents);
        }
        at + line.len() + usize::from(newline.is_some())
    }

    fn after_first(&mut self, view: View<'_>, at: usize) -> usize {
        let line_start = self.line_start;
        match self.skip_white(view, at) {
            _ if self.line_start != line_start => {
                self.mode = Mode::Lines;
                // Blank lines make no difference, so those that were skipped are not read again.
                self.skip_white(view, at).map_or(view.bytes.len(), |(at, _)| at)
            }
            Some((at, _)) => {
                self.mode = Mode::Values;
                at
            }
            None => view.bytes.len(),
        }
    }

    fn trailing<D: Documents>(&mut self, view: View<'_>, at: usize, documents: &mut D) -> usize {
        let rest = view.rest(at);
        if !self.open
            && let Some(first) = rest.iter().position(|&byte| !white(byte))
        {
            documents.begin(view.offset(at + first));
            self.open = true;
        }
        self.lexer.settle(view, at, rest);
        view.bytes.len()
    }

    /// Returns the next byte that is not white space, and tracks the start of lines.
    fn skip_white(&mut self, view: View<'_>, at: usize) -> Option<(usize, u8)> {
        for (passed, &byte) in view.rest(at).iter().enumerate() {
            if byte == b'\n' {
                self.line_start = view.offset(at + passed + 1);
            } else if !white(byte) {
                return Some((at + passed, byte));
            }
        }
        None
    }

    /// Opens a document at `at`; the lexer has yet to see its first byte.
    fn begin_document<D: Documents>(&mut self, view: View<'_>, at: usize, documents: &mut D) {
        let start = view.offset(at);
        documents.begin(start);
        self.open = true;
        self.column = start.saturating_sub(self.line_start);
        self.line_fresh = false;
        self.nesting.clear();
        self.lexer.resume_after(b',');
    }

    /// Closes the open document, if there is one.
    fn end_document<D: Documents>(
        &mut self,
        view: View<'_>,
        end: u64,
        ending: Ending,
        documents: &mut D,
    ) {
        if self.open {
            documents.end(view, end, ending);
            self.open = false;
        }
    }

    fn begin_line(&mut self, view: View<'_>, newline: usize) {
        self.line_start = view.offset(newline + 1);
        self.line_fresh = true;
    }

    /// At the first byte of a line in a document: whether it must be the start of the next
    /// document.
    fn starts_over(&self, view: View<'_>, at: usize, byte: u8) -> bool {
        let object_may_follow = match self.lexer.last() {
            b'[' | b':' => true,
            // In an object a key is next, not an object.
            b'{' | b',' => !self.nesting.in_braces(),
            _ => false,
        };
        self.opens_like_document(view, at, byte) && self.nesting.depth() > 0 && !object_may_follow
    }

    /// Whether a line begins with `{` no further to the right than the open document did.
    fn opens_like_document(&self, view: View<'_>, at: usize, byte: u8) -> bool {
        byte == b'{' && view.offset(at).saturating_sub(self.line_start) <= self.column
    }
}
