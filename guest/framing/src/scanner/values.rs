//! Values that follow one another; each ends when its brackets are closed.

use super::{Documents, Ending, Scanner};
use crate::carry_buffer::View;
use crate::lexer::Token;

impl Scanner {
    pub(super) fn values<D: Documents>(
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
                self.begin_document(view, at, documents);
                self.plain_text = !matches!(byte, b'{' | b'[');
            } else if self.line_fresh {
                let Some((next, byte)) = self.skip_white(view, at) else {
                    return view.bytes.len();
                };
                at = next;
                self.line_fresh = false;
                if self.starts_over(view, at, byte) {
                    self.end_document(view, self.lexer.solid_end(), Ending::Reached, documents);
                    continue;
                }
            }
            let Some(mark) = self.lexer.next(view, at) else {
                return view.bytes.len();
            };
            at = mark.index + 1;
            match mark.token {
                Token::Open(b'{') if self.plain_text => {
                    self.end_document(view, mark.before_end, Ending::Reached, documents);
                    at = mark.index;
                    self.lexer.resume_after(mark.before);
                }
                Token::Open(bracket) if !self.plain_text => self.nesting.open(bracket),
                Token::Close(bracket) if !self.plain_text => {
                    self.nesting.close(bracket);
                    if self.nesting.depth() == 0 {
                        self.end_document(view, view.offset(at), Ending::Reached, documents);
                    }
                }
                Token::Newline | Token::BrokenString => {
                    if self.plain_text {
                        self.end_document(view, mark.before_end, Ending::Reached, documents);
                    }
                    self.begin_line(view, mark.index);
                }
                _ => {}
            }
        }
    }
}
