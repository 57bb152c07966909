//! The first object of a stream, which can be an envelope, and the members of an envelope.

use super::{Documents, Ending, Mode, Scanner};
use crate::carry_buffer::View;
use crate::envelope::EnvelopeProblem;
use crate::lexer::{Mark, Token};

/// The state of the object that is being scanned.
#[derive(Debug)]
pub(super) struct ObjectState {
    /// The first line break in it, and the end of the text before that.
    first_newline: Option<(u64, u64)>,
    /// Whether every line since then begins like a document.
    lines_alike: bool,
    /// Whether the value of `"results"` is next.
    results_next: bool,
    /// The end of the array of documents, if that is the current member.
    results_end: Option<u64>,
}

impl Default for ObjectState {
    fn default() -> Self {
        Self { first_newline: None, lines_alike: true, results_next: false, results_end: None }
    }
}

impl Scanner {
    pub(super) fn first_object<D: Documents>(
        &mut self,
        view: View<'_>,
        mut at: usize,
        documents: &mut D,
    ) -> usize {
        loop {
            if self.line_fresh {
                let Some((next, byte)) = self.skip_white(view, at) else {
                    return view.bytes.len();
                };
                at = next;
                self.line_fresh = false;
                self.object.lines_alike &= self.opens_like_document(view, at, byte);
                if self.starts_over(view, at, byte) {
                    if self.object.lines_alike {
                        return self.become_lines(view, at, documents);
                    }
                    self.end_document(view, self.lexer.solid_end(), Ending::Reached, documents);
                    self.envelope.discard();
                    self.mode = Mode::Values;
                    return at;
                }
            }
            let Some(mark) = self.lexer.next(view, at) else {
                return view.bytes.len();
            };
            at = mark.index + 1;
            match mark.token {
                Token::Newline => {
                    let newline = (view.offset(mark.index), mark.before_end);
                    self.object.first_newline.get_or_insert(newline);
                    self.begin_line(view, mark.index);
                }
                Token::BrokenString => {
                    // In an object over several lines, this is only one more error.
                    if self.object.first_newline.is_none() || self.object.lines_alike {
                        return self.become_lines(view, mark.index, documents);
                    }
                    self.begin_line(view, mark.index);
                }
                Token::Close(bracket) => {
                    let last_of_member = self.nesting.depth() == 1;
                    self.nesting.close(bracket);
                    if self.nesting.depth() == 0 {
                        if last_of_member {
                            self.end_member(view, mark);
                        }
                        self.end_document(view, view.offset(at), Ending::Reached, documents);
                        self.envelope.discard();
                        self.mode = match self.object.first_newline {
                            None => Mode::AfterFirst,
                            Some(_) => Mode::Values,
                        };
                        return at;
                    }
                }
                Token::Open(bracket) => {
                    if self.opens_results(mark) {
                        documents.abandon();
                        self.open = false;
                        self.open_results();
                        return at;
                    }
                    self.nesting.open(bracket);
                }
                Token::Quote | Token::Colon | Token::Comma => self.member_mark(view, mark),
            }
        }
    }

    /// Continues in an envelope after its array.
    pub(super) fn envelope_rest(&mut self, view: View<'_>, mut at: usize) -> usize {
        while let Some(mark) = self.lexer.next(view, at) {
            at = mark.index + 1;
            match mark.token {
                Token::Close(bracket) => {
                    let last_of_member = self.nesting.depth() == 1;
                    self.nesting.close(bracket);
                    if self.nesting.depth() == 0 {
                        if last_of_member {
                            self.end_member(view, mark);
                        } else {
                            self.envelope.incomplete(EnvelopeProblem::NotAMember);
                        }
                        self.mode = Mode::Trailing;
                        return at;
                    }
                }
                Token::Open(bracket) => {
                    if self.opens_results(mark) {
                        self.open_results();
                        return at;
                    }
                    self.nesting.open(bracket);
                }
                Token::Newline | Token::BrokenString => self.begin_line(view, mark.index),
                Token::Quote | Token::Colon | Token::Comma => self.member_mark(view, mark),
            }
        }
        view.bytes.len()
    }

    /// Returns to the envelope after the `]` of its array.
    pub(super) fn close_results(&mut self, end: u64) {
        self.mode = Mode::Envelope;
        self.nesting.clear();
        self.nesting.open(b'{');
        self.lexer.resume_at(b']', end);
        self.object.results_end = Some(end);
    }

    fn opens_results(&self, mark: Mark) -> bool {
        self.object.results_next
            && mark.token == Token::Open(b'[')
            && mark.before == b':'
            && self.nesting.depth() == 1
    }

    fn open_results(&mut self) {
        self.envelope.confirm();
        self.object.results_next = false;
        self.mode = Mode::Array;
    }

    /// Tracks the members of the object itself.
    #[inline]
    fn member_mark(&mut self, view: View<'_>, mark: Mark) {
        if self.nesting.depth() != 1 {
            return;
        }
        match mark.token {
            Token::Quote if matches!(mark.before, b'{' | b',') => {
                self.envelope.begin(view.offset(mark.index));
                self.lexer.remember_key();
            }
            Token::Colon if mark.before == b'"' => {
                self.object.results_next =
                    self.envelope.member_open() && self.lexer.key() == b"results";
            }
            Token::Comma => self.end_member(view, mark),
            _ => {}
        }
    }

    fn end_member(&mut self, view: View<'_>, mark: Mark) {
        let nothing_between = match self.object.results_end {
            // A member that follows the array without a comma must not be lost.
            Some(results_end) => mark.before_end == results_end,
            None => matches!(mark.before, b'{' | b','),
        };
        if self.envelope.member_open() {
            self.envelope.end(view, mark.before_end);
        } else if !nothing_between {
            self.envelope.incomplete(EnvelopeProblem::NotAMember);
        }
        self.object.results_next = false;
        self.object.results_end = None;
    }

    /// Switches to lines: the stream is line by line, and its first line is malformed.
    fn become_lines<D: Documents>(
        &mut self,
        view: View<'_>,
        at: usize,
        documents: &mut D,
    ) -> usize {
        let here = view.offset(at);
        let solid_end = self.lexer.solid_end();
        let (newline, line_end) = self.object.first_newline.unwrap_or((here, solid_end));
        let passed = documents.replay(view, newline, here);
        let end = if passed.is_some() { line_end } else { solid_end };
        self.end_document(view, end, Ending::Reached, documents);
        self.envelope.discard();
        self.mode = Mode::Lines;
        if let Some(bytes) = passed {
            // Lines never change back, so this is done at most once in a stream.
            let lines = View { base: newline, bytes: &bytes };
            self.scan(lines, documents);
        }
        at
    }
}
