//! The members of an array, which can be that of an envelope.

use super::{Documents, Ending, Mode, Scanner};
use crate::carry_buffer::View;
use crate::lexer::Token;

impl Scanner {
    pub(super) fn array<D: Documents>(
        &mut self,
        view: View<'_>,
        mut at: usize,
        documents: &mut D,
    ) -> usize {
        loop {
            if !self.open {
                let Some((next, byte)) = self.skip_white(view, at) else {
                    return view.bytes.len();
                };
                at = next;
                match byte {
                    b',' => {
                        at += 1;
                        continue;
                    }
                    b']' => {
                        self.close_array(view.offset(at + 1));
                        return at + 1;
                    }
                    _ => self.begin_document(view, at, documents),
                }
            } else if self.line_fresh {
                let Some((next, byte)) = self.skip_white(view, at) else {
                    return view.bytes.len();
                };
                at = next;
                self.line_fresh = false;
                if self.starts_over(view, at, byte) {
                    self.end_document(view, self.lexer.solid_end(), Ending::Reached, documents);
                    self.begin_document(view, at, documents);
                }
            }
            let Some(mark) = self.lexer.next(view, at) else {
                return view.bytes.len();
            };
            at = mark.index + 1;
            let between = self.nesting.depth() == 0;
            match mark.token {
                Token::Open(bracket) => {
                    // The lexer counts the member's own first byte as following a comma.
                    if between && bracket == b'{' && !matches!(mark.before, b',' | b':') {
                        self.end_document(view, mark.before_end, Ending::Reached, documents);
                        at = mark.index;
                        continue;
                    }
                    self.nesting.open(bracket);
                }
                Token::Close(b']') if between => {
                    self.end_document(view, mark.before_end, Ending::Reached, documents);
                    self.close_array(view.offset(at));
                    return at;
                }
                Token::Close(bracket) => {
                    self.nesting.close(bracket);
                }
                Token::Comma if between => {
                    self.end_document(view, mark.before_end, Ending::Reached, documents);
                }
                Token::Newline | Token::BrokenString => self.begin_line(view, mark.index),
                Token::Comma | Token::Colon | Token::Quote => {}
            }
        }
    }

    /// Ends the array with the bracket before `end`.
    fn close_array(&mut self, end: u64) {
        if self.envelope.get().is_some() {
            self.close_results(end);
        } else {
            self.mode = Mode::Trailing;
        }
    }
}
