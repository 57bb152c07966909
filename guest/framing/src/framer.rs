//! Extracts documents from a stream that arrives in chunks.

use std::collections::VecDeque;

use crate::carry_buffer::{CarryBuffer, View};
use crate::container::{Container, Limits};
use crate::elements::{ElementPattern, ElementScanner};
use crate::envelope::Envelope;
use crate::error::{FramingError, SIGNATURE_BYTES, check_signature};
use crate::frame::{Content, Frame, Problem};
use crate::scanner::{Documents, Ending, Scanner, head_length};

/// Finds the documents of a stream of any size.
///
/// Push chunks as they arrive, take the frames out after each, and finish. The result does not
/// depend on how the stream is divided into chunks; 64 KiB to 1 MiB is a good size.
///
/// Memory contains at most one document up to the limit (two for a moment, when a malformed first
/// line is read again), an envelope's members up to their limit, or 16 MiB around elements, and the
/// frames that were not taken yet: those of one chunk, if they are taken after each push.
#[derive(Debug)]
pub struct Framer {
    state: State,
    walk: Walk,
    collector: Collector,
    position: u64,
    /// The line at that position, counted from 1.
    line: u64,
}

/// The state of a framer.
#[derive(Debug)]
enum Walk {
    Documents(Box<Scanner>),
    Elements(Box<ElementScanner>),
}

#[derive(Debug)]
enum State {
    /// Collects the first bytes, until there are enough of them to check the signature.
    Opening(Vec<u8>),
    Running,
    Refused(FramingError),
    Finished,
}

impl Framer {
    /// Creates a framer for one stream.
    #[must_use]
    pub fn new(container: Container, limits: Limits) -> Self {
        Self::walking(Walk::Documents(Box::new(Scanner::new(container, limits))), limits)
    }

    /// Creates a framer for the values that match a pattern in the stream's documents.
    #[must_use]
    pub fn of_elements(pattern: ElementPattern, limits: Limits) -> Self {
        Self::walking(Walk::Elements(Box::new(ElementScanner::new(pattern))), limits)
    }

    fn walking(walk: Walk, limits: Limits) -> Self {
        Self {
            state: State::Opening(Vec::new()),
            walk,
            collector: Collector {
                limit: limits.max_document_bytes,
                open: None,
                frames: VecDeque::new(),
                starts: VecDeque::new(),
                replayed: Vec::new(),
            },
            position: 0,
            line: 1,
        }
    }

    /// Pushes the next bytes of the stream.
    ///
    /// # Errors
    ///
    /// If the stream as a whole is rejected for its first bytes; every later call returns the same
    /// error. If the stream was finished before.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), FramingError> {
        match &mut self.state {
            State::Running => {
                self.scan(chunk);
                Ok(())
            }
            State::Opening(head) => {
                let missing = SIGNATURE_BYTES.saturating_sub(head.len());
                let (more, rest) = chunk.split_at(missing.min(chunk.len()));
                head.extend_from_slice(more);
                if head.len() == SIGNATURE_BYTES {
                    self.open()?;
                    self.scan(rest);
                }
                Ok(())
            }
            State::Refused(error) => Err(*error),
            State::Finished => Err(FramingError::Finished),
        }
    }

    /// Ends the stream. The last frames are available after it. Calling it again does nothing.
    ///
    /// # Errors
    ///
    /// If the stream as a whole is rejected; a stream of only a few bytes is checked here.
    pub fn finish(&mut self) -> Result<(), FramingError> {
        match self.state {
            State::Opening(_) => self.open()?,
            State::Running => {}
            State::Refused(error) => return Err(error),
            State::Finished => return Ok(()),
        }
        self.state = State::Finished;
        let nothing = View { base: self.position, bytes: &[] };
        match &mut self.walk {
            Walk::Documents(scanner) => scanner.finish(nothing, &mut self.collector),
            Walk::Elements(scanner) => scanner.finish(nothing, &mut self.collector),
        }
        Ok(())
    }

    /// Returns the next frame, in the order of the stream, or `None` until more bytes are pushed.
    pub fn next_frame(&mut self) -> Option<Frame> {
        let mut frame = self.collector.frames.pop_front()?;
        let starts = &mut self.collector.starts;
        while starts.front().is_some_and(|start| start.offset < frame.offset) {
            starts.pop_front();
        }
        let start = starts.front().filter(|start| start.offset == frame.offset);
        frame.line = start.map(|start| start.line);
        Some(frame)
    }

    /// Returns the members around `"results"`, if the stream is an envelope. That is known before
    /// the first frame is returned. Members after the documents are added as they are read, so the
    /// envelope is complete after [`finish`](Self::finish), unless [`Envelope::problem`] has a
    /// reason.
    #[must_use]
    pub fn envelope(&self) -> Option<&Envelope> {
        match &self.walk {
            Walk::Documents(scanner) => scanner.envelope(),
            Walk::Elements(_) => None,
        }
    }

    /// Returns the document around the values of [`of_elements`](Self::of_elements): the stream's
    /// first document with `null` in place of each of them, as far as it was read. `None` if it is
    /// longer than 16 MiB or not UTF-8.
    #[must_use]
    pub fn enclosing_document(&self) -> Option<&str> {
        match &self.walk {
            Walk::Documents(_) => None,
            Walk::Elements(scanner) => scanner.enclosing_document(),
        }
    }

    /// Decides by the first bytes whether the stream can be read, and reads them.
    fn open(&mut self) -> Result<(), FramingError> {
        let State::Opening(head) = core::mem::replace(&mut self.state, State::Running) else {
            return Ok(());
        };
        match check_signature(&head) {
            Ok(mark) => {
                self.position = mark as u64;
                if let Walk::Documents(scanner) = &mut self.walk {
                    scanner.begin_at(self.position);
                }
                self.scan(head.get(mark..).unwrap_or_default());
                Ok(())
            }
            Err(error) => {
                self.state = State::Refused(error);
                Err(error)
            }
        }
    }

    fn scan(&mut self, chunk: &[u8]) {
        let view = View { base: self.position, bytes: chunk };
        match &mut self.walk {
            Walk::Documents(scanner) => scanner.scan(view, &mut self.collector),
            Walk::Elements(scanner) => scanner.scan(view, &mut self.collector),
        }
        self.count_lines(chunk);
        self.position += chunk.len() as u64;
    }

    /// Counts the lines of a chunk, up to each document that starts in it and to its end.
    fn count_lines(&mut self, chunk: &[u8]) {
        let mut counted = 0;
        let mut count_to = |end: usize| {
            let bytes = chunk.get(counted..end).unwrap_or_default();
            counted = counted.max(end);
            bytes.iter().map(|byte| u64::from(*byte == b'\n')).sum::<u64>()
        };
        for start in self.collector.starts.iter_mut().filter(|start| start.line == 0) {
            let index = start.offset.saturating_sub(self.position);
            self.line += count_to(usize::try_from(index).unwrap_or(usize::MAX));
            let since = start.offset..self.position;
            let since = self.collector.replayed.iter().filter(|newline| since.contains(newline));
            start.line = self.line - since.count() as u64;
        }
        self.collector.replayed.clear();
        self.line += count_to(chunk.len());
    }
}

/// The start of a document.
#[derive(Debug)]
struct Start {
    offset: u64,
    /// Counted from 1; 0 until it is counted.
    line: u64,
}

/// Copies documents and queues them as frames.
#[derive(Debug)]
struct Collector {
    limit: usize,
    open: Option<CarryBuffer>,
    frames: VecDeque<Frame>,
    /// The starts of the documents in `frames` and of the open one, in the order of the stream.
    starts: VecDeque<Start>,
    /// The newlines of earlier chunks that were scanned again, in which documents were found.
    replayed: Vec<u64>,
}

impl Documents for Collector {
    fn begin(&mut self, start: u64) {
        self.open = Some(CarryBuffer::new(start, self.limit));
        self.starts.push_back(Start { offset: start, line: 0 });
    }

    fn carry(&mut self, view: View<'_>) {
        if let Some(open) = &mut self.open {
            open.carry(view);
        }
    }

    fn end(&mut self, view: View<'_>, end: u64, ending: Ending) {
        let Some(open) = self.open.take() else {
            return;
        };
        let offset = open.start();
        let length = end.saturating_sub(offset);
        let mut problem = ending.problem(length, self.limit);
        let content = match head_length(problem, self.limit) {
            Some(head) => {
                // A copy of its own, so that a frame never owns more memory than its head.
                let head_end = end.min(offset.saturating_add(head as u64));
                Content::Bytes(open.copy(view, offset, head_end).unwrap_or_default())
            }
            None => match String::from_utf8(open.finish(view, end)) {
                Ok(text) => Content::Text(text),
                Err(error) => {
                    let at = error.utf8_error().valid_up_to();
                    problem = problem.or(Some(Problem::InvalidUtf8 { at }));
                    Content::Bytes(error.into_bytes())
                }
            },
        };
        self.frames.push_back(Frame { offset, line: None, length, content, problem });
    }

    fn abandon(&mut self) {
        self.open = None;
        self.starts.pop_back();
    }

    fn report(&mut self, offset: u64, problem: Problem) {
        self.frames.push_back(Frame {
            offset,
            line: None,
            length: 0,
            content: Content::Text(String::new()),
            problem: Some(problem),
        });
    }

    fn replay(&mut self, view: View<'_>, from: u64, to: u64) -> Option<Vec<u8>> {
        let bytes = self.open.as_ref()?.copy(view, from, to)?;
        if from < view.base {
            let newlines = (from..).zip(&bytes).filter(|(_, byte)| **byte == b'\n');
            self.replayed = newlines.map(|(offset, _)| offset).collect();
        }
        Some(bytes)
    }
}
