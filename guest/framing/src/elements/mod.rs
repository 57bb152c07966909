//! Values inside JSON documents, found by their place.
//!
//! The walk follows only the pattern: objects and arrays on the path are entered, and any other
//! value is skipped by its brackets and strings. Malformed JSON is not repaired: the result follows
//! the brackets, and the parser of an item reports its errors.

mod enclosing_document;
mod pattern;

use memchr::memchr2;

use crate::carry_buffer::{View, white};
use crate::frame::{Problem, Unclosed};
use crate::scanner::{Documents, Ending};

use enclosing_document::EnclosingDocument;
use pattern::Segment;
pub use pattern::{ElementPattern, PatternError};

/// An object or array on the path to the items.
#[derive(Debug)]
struct Level {
    array: bool,
    /// In an object: whether a name is next.
    name_next: bool,
    /// Whether the path of the next value matches the pattern up to here.
    matches: bool,
}

/// The position of the walk.
#[derive(Debug)]
enum State {
    /// Between values of the levels on the path.
    Between,
    /// In a member's name, with its content so far.
    Name { name: Vec<u8>, escaped: bool },
    /// In a skipped value, or an item.
    Value { value: Value, item: bool },
}

/// The extent of a value.
#[derive(Debug)]
enum Value {
    String {
        escaped: bool,
    },
    /// The number of open brackets, and whether the position is within a string.
    Nested {
        depth: u64,
        string: bool,
        escaped: bool,
    },
    /// A number or a literal: ends before the first character that cannot be part of one.
    Plain,
}

/// Finds the values that match a pattern.
#[derive(Debug)]
pub(crate) struct ElementScanner {
    pattern: ElementPattern,
    levels: Vec<Level>,
    state: State,
    enclosing_document: EnclosingDocument,
}

impl ElementScanner {
    pub(crate) fn new(pattern: ElementPattern) -> Self {
        let (levels, state, enclosing_document) =
            (Vec::new(), State::Between, EnclosingDocument::default());
        ElementScanner { pattern, levels, state, enclosing_document }
    }

    /// The first document, with `null` in place of each item; `None` if it is too long or not
    /// UTF-8.
    pub(crate) fn enclosing_document(&self) -> Option<&str> {
        self.enclosing_document.text()
    }

    pub(crate) fn scan<D: Documents>(&mut self, view: View<'_>, documents: &mut D) {
        self.enclosing_document.enter();
        let mut at = 0;
        while at < view.bytes.len() {
            at = match &mut self.state {
                State::Between => self.between(view, at, documents),
                State::Name { name, escaped } => {
                    match read_name(name, escaped, view, at, self.pattern.longest_name()) {
                        Ok(end) => {
                            let name = std::mem::take(name);
                            self.state = State::Between;
                            self.named(&name);
                            end
                        }
                        Err(()) => view.bytes.len(),
                    }
                }
                State::Value { value, item } => {
                    let item = *item;
                    match value.end(view, at) {
                        Some(end) => {
                            self.close(view, end, item, documents);
                            end
                        }
                        None => view.bytes.len(),
                    }
                }
            };
        }
        documents.carry(view);
        self.enclosing_document.leave(view);
    }

    /// Ends the stream; `view` is the empty chunk at its end.
    pub(crate) fn finish<D: Documents>(&mut self, view: View<'_>, documents: &mut D) {
        match &self.state {
            State::Value { value: Value::Plain, item } if self.levels.is_empty() => {
                let item = *item;
                self.close_at(view, view.base, item, documents);
            }
            State::Value { item: true, .. } => {
                documents.end(view, view.base, Ending::EndOfStream);
            }
            State::Between if self.levels.is_empty() => {}
            _ => documents.report(view.base, Problem::Truncated(Unclosed::Envelope)),
        }
    }

    /// Whether the path of the value that begins now matches the start of the pattern.
    fn on_the_way(&self) -> bool {
        self.levels.last().is_none_or(|level| level.matches)
    }

    fn between<D: Documents>(&mut self, view: View<'_>, at: usize, documents: &mut D) -> usize {
        let Some(&byte) = view.bytes.get(at) else { return view.bytes.len() };
        let depth = self.levels.len();
        match byte {
            _ if white(byte) => {}
            b',' => {
                if let Some(level) = self.levels.last_mut() {
                    level.name_next = !level.array;
                }
            }
            b':' => {}
            b'}' | b']' => {
                self.levels.pop();
                if self.levels.is_empty() {
                    self.enclosing_document.end_document(view, at + 1);
                }
            }
            b'"' if self.levels.last().is_some_and(|level| level.name_next) => {
                self.state = State::Name { name: Vec::new(), escaped: false };
            }
            _ => {
                let on_the_way = self.on_the_way();
                let item = on_the_way && depth == self.pattern.segments().len();
                if item {
                    documents.begin(view.offset(at));
                    self.enclosing_document.begin_item(view, at);
                } else if on_the_way && matches!(byte, b'{' | b'[') {
                    self.enter(byte == b'[');
                    return at + 1;
                }
                self.state = State::Value { value: Value::beginning(byte), item };
            }
        }
        at + 1
    }

    fn enter(&mut self, array: bool) {
        let segment = self.pattern.segments().get(self.levels.len());
        let matches = array && matches!(segment, Some(Segment::Every));
        self.levels.push(Level { array, name_next: !array, matches });
    }

    /// Ends a member's name; its value is next.
    fn named(&mut self, name: &[u8]) {
        let depth = self.levels.len();
        let Some(level) = self.levels.last_mut() else { return };
        level.name_next = false;
        let segment = depth.checked_sub(1).and_then(|index| self.pattern.segments().get(index));
        level.matches = matches!(segment, Some(Segment::Name(wanted)) if wanted.as_bytes() == name);
    }

    fn close<D: Documents>(&mut self, view: View<'_>, end: usize, item: bool, documents: &mut D) {
        if item {
            self.enclosing_document.end_item(end);
        }
        self.close_at(view, view.offset(end), item, documents);
        if self.levels.is_empty() {
            self.enclosing_document.end_document(view, end);
        }
    }

    fn close_at<D: Documents>(&mut self, view: View<'_>, end: u64, item: bool, documents: &mut D) {
        self.state = State::Between;
        if item {
            documents.end(view, end, Ending::Reached);
        }
    }
}

/// Continues to read a member's name; returns its end, if that is in this chunk. A name that is
/// longer than all names of the pattern is not stored, and a name with an escape never matches.
fn read_name(
    name: &mut Vec<u8>,
    escaped: &mut bool,
    view: View<'_>,
    at: usize,
    longest: usize,
) -> Result<usize, ()> {
    for (passed, &byte) in view.rest(at).iter().enumerate() {
        match byte {
            _ if *escaped => *escaped = false,
            b'\\' => *escaped = true,
            b'"' => return Ok(at + passed + 1),
            _ => {}
        }
        if name.len() <= longest {
            name.push(byte);
        }
    }
    Err(())
}

impl Value {
    fn beginning(byte: u8) -> Self {
        match byte {
            b'"' => Value::String { escaped: false },
            b'{' | b'[' => Value::Nested { depth: 1, string: false, escaped: false },
            _ => Value::Plain,
        }
    }

    /// Returns the end of the value, if it is in this chunk.
    fn end(&mut self, view: View<'_>, at: usize) -> Option<usize> {
        let rest = view.rest(at);
        match self {
            Value::Plain => {
                let over = |byte: &u8| white(*byte) || matches!(byte, b',' | b'}' | b']' | b':');
                rest.iter().position(over).map(|passed| at + passed)
            }
            Value::String { escaped } => string_end(rest, escaped).map(|passed| at + passed),
            Value::Nested { depth, string, escaped } => {
                let mut passed = 0;
                while passed < rest.len() {
                    if *string {
                        passed += string_end(rest.get(passed..)?, escaped)?;
                        *string = false;
                        continue;
                    }
                    let bracket = rest
                        .get(passed..)?
                        .iter()
                        .position(|byte| matches!(byte, b'"' | b'{' | b'}' | b'[' | b']'))?;
                    passed += bracket + 1;
                    match rest.get(passed - 1)? {
                        b'"' => *string = true,
                        b'{' | b'[' => *depth += 1,
                        _ => *depth -= 1,
                    }
                    if *depth == 0 {
                        return Some(at + passed);
                    }
                }
                None
            }
        }
    }
}

/// Returns the number of bytes to the end of a string, including its quotation mark.
fn string_end(bytes: &[u8], escaped: &mut bool) -> Option<usize> {
    let mut passed = 0;
    if *escaped && !bytes.is_empty() {
        *escaped = false;
        passed = 1;
    }
    loop {
        let found = memchr2(b'"', b'\\', bytes.get(passed..)?)?;
        passed += found + 1;
        if bytes.get(passed - 1) == Some(&b'"') {
            return Some(passed);
        }
        if passed == bytes.len() {
            *escaped = true;
            return None;
        }
        passed += 1;
    }
}
