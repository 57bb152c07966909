//! Strings and structural characters: the only parts of JSON text that determine the end of a
//! document.

use memchr::memchr3;

use crate::carry_buffer::{View, white};

/// The tokens at which [`Lexer::next`] stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// `{` or `[`.
    Open(u8),
    /// `}` or `]`.
    Close(u8),
    Comma,
    Colon,
    /// The quotation mark that begins a string.
    Quote,
    Newline,
    /// A line break inside a string, which JSON does not allow: the string is considered ended.
    BrokenString,
}

/// A token, its position, and the byte before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    pub(crate) token: Token,
    pub(crate) index: usize,
    /// The last byte before it that is not white space; see [`Lexer::last`].
    pub(crate) before: u8,
    /// The offset in the stream just after that byte.
    pub(crate) before_end: u64,
}

/// The value of [`Lexer::last`] after a string that a line break ended.
const BROKEN: u8 = b'\n';

/// Longer than the key that is searched for, so that a longer key never matches it.
const KEY_BYTES: usize = 8;

/// The state of a scan with regard to strings.
#[derive(Debug, Default)]
pub(crate) struct Lexer {
    in_string: bool,
    escaped: bool,
    /// The last byte that is not white space; for a string, the closing quotation mark.
    last: u8,
    /// The offset in the stream just after the last byte that is not white space.
    solid_end: u64,
    key: [u8; KEY_BYTES],
    key_length: usize,
    key_wanted: bool,
}

impl Lexer {
    pub(crate) fn last(&self) -> u8 {
        self.last
    }

    pub(crate) fn solid_end(&self) -> u64 {
        self.solid_end
    }

    pub(crate) fn in_string(&self) -> bool {
        self.in_string
    }

    /// Continues outside strings, as if `byte` had just been read.
    pub(crate) fn resume_after(&mut self, byte: u8) {
        self.in_string = false;
        self.escaped = false;
        self.last = byte;
    }

    /// Does the same if the byte ends at this offset of the stream.
    pub(crate) fn resume_at(&mut self, byte: u8, end: u64) {
        self.resume_after(byte);
        self.solid_end = end;
    }

    /// Records the end of text that is not lexed: the last byte of `bytes` that is not white space.
    pub(crate) fn settle(&mut self, view: View<'_>, from: usize, bytes: &[u8]) {
        if let Some(last) = bytes.iter().rposition(|&byte| !white(byte)) {
            self.solid_end = view.offset(from + last + 1);
        }
    }

    /// Stores the content of the string that has just begun.
    pub(crate) fn remember_key(&mut self) {
        self.key_wanted = true;
        self.key_length = 0;
    }

    /// Returns the first bytes of the string stored last, with escapes unchanged.
    pub(crate) fn key(&self) -> &[u8] {
        self.key.get(..self.key_length).unwrap_or_default()
    }

    /// Returns the next token at or after `at`, or `None` if the chunk has no more.
    #[inline]
    pub(crate) fn next(&mut self, view: View<'_>, mut at: usize) -> Option<Mark> {
        if self.in_string {
            match self.string(view, at) {
                Ok(after) => at = after,
                Err(broken) => return broken,
            }
        }
        let mut solid = None;
        for (passed, &byte) in view.rest(at).iter().enumerate() {
            let token = match byte {
                b'"' => Token::Quote,
                b'{' | b'[' => Token::Open(byte),
                b'}' | b']' => Token::Close(byte),
                b',' => Token::Comma,
                b':' => Token::Colon,
                b'\n' => Token::Newline,
                _ => {
                    if !white(byte) {
                        solid = Some((passed, byte));
                    }
                    continue;
                }
            };
            self.note(view, at, solid);
            let index = at + passed;
            let mark = Mark { token, index, before: self.last, before_end: self.solid_end };
            if token != Token::Newline {
                self.last = byte;
                self.solid_end = view.offset(index + 1);
                self.in_string = token == Token::Quote;
            }
            return Some(mark);
        }
        self.note(view, at, solid);
        None
    }

    #[inline]
    fn note(&mut self, view: View<'_>, at: usize, solid: Option<(usize, u8)>) {
        if let Some((passed, byte)) = solid {
            self.last = byte;
            self.solid_end = view.offset(at + passed + 1);
        }
    }

    /// Continues to read a string. `Ok` is the position after its end; `Err` is a token to stop at,
    /// or `None` if the chunk ends inside the string.
    #[inline]
    fn string(&mut self, view: View<'_>, from: usize) -> Result<usize, Option<Mark>> {
        let mut at = from;
        loop {
            if self.escaped {
                match view.bytes.get(at) {
                    None => break,
                    // A backslash does not make a line break valid, so the line break is examined
                    // again.
                    Some(b'\n') => {}
                    Some(_) => at += 1,
                }
                self.escaped = false;
            }
            let Some(found) = memchr3(b'"', b'\\', b'\n', view.rest(at)) else {
                break;
            };
            at += found;
            match view.bytes.get(at) {
                Some(b'"') => {
                    self.capture(view, from, at);
                    self.key_wanted = false;
                    self.in_string = false;
                    self.last = b'"';
                    self.solid_end = view.offset(at + 1);
                    return Ok(at + 1);
                }
                Some(b'\\') => {
                    at += 1;
                    self.escaped = true;
                }
                _ => {
                    self.settle(view, from, view.bytes.get(from..at).unwrap_or_default());
                    self.key_wanted = false;
                    self.resume_after(BROKEN);
                    return Err(Some(Mark {
                        token: Token::BrokenString,
                        index: at,
                        before: BROKEN,
                        before_end: self.solid_end,
                    }));
                }
            }
        }
        self.capture(view, from, view.bytes.len());
        self.settle(view, from, view.rest(from));
        Err(None)
    }

    fn capture(&mut self, view: View<'_>, from: usize, to: usize) {
        if self.key_wanted {
            let content = view.bytes.get(from..to).unwrap_or_default();
            let room = self.key.get_mut(self.key_length..).unwrap_or_default();
            for (kept, &byte) in room.iter_mut().zip(content) {
                *kept = byte;
                self.key_length += 1;
            }
        }
    }
}
