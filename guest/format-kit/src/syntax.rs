//! Checks that a text is JSON, and finds the place of a syntax error.

use crate::answer::Violation;
use crate::codes;

/// The longest document that the extractor accepts, in bytes of UTF-8.
pub const MAX_DOCUMENT_BYTES: usize = 16 << 20;

/// The deepest nesting of objects and arrays that it accepts. PostgreSQL's own parser recurses, so
/// a limit far below its stack keeps every accepted document readable in SQL.
pub const MAX_DEPTH: usize = 256;

/// Checks size and depth, which must be within the limits before the document is read.
pub(crate) fn check_limits(document: &str) -> Result<(), Violation> {
    if document.len() > MAX_DOCUMENT_BYTES {
        return Err(Violation {
            path: String::new(),
            code: codes::DOCUMENT_TOO_LARGE,
            message: format!(
                "the document has {} bytes, the limit is {MAX_DOCUMENT_BYTES}",
                document.len()
            ),
        });
    }
    // Most documents have fewer brackets than the limit.
    if count_brackets(document) <= MAX_DEPTH {
        return Ok(());
    }
    let mut walk = Walk::run(document, usize::MAX, MAX_DEPTH);
    if walk.open.len() <= MAX_DEPTH {
        return Ok(());
    }
    // The innermost one exceeds the limit itself.
    walk.open.pop();
    Err(Violation {
        path: walk.pointer(),
        code: codes::TOO_DEEP,
        message: format!("objects and arrays are nested deeper than {MAX_DEPTH}"),
    })
}

/// Counts the brackets that open, also those in strings. Each part's count fits into a byte, so that
/// this is a vector loop over bytes.
fn count_brackets(document: &str) -> usize {
    let one = |byte: &u8| u8::from(matches!(byte, b'{' | b'['));
    let count = |part: &[u8]| usize::from(part.iter().map(one).sum::<u8>());
    document.as_bytes().chunks(u8::MAX.into()).map(count).sum()
}

/// Describes why serde_json rejected a text, and at which value.
pub(crate) fn describe_error(document: &str, error: &serde_json::Error) -> Violation {
    let offset = if error.is_eof() {
        document.len()
    } else {
        byte_offset(document, error.line(), error.column())
    };
    let walk = Walk::run(document, offset, usize::MAX);
    let path = walk.pointer();
    let token = document.get(walk.value_start..).unwrap_or_default().trim_start();
    let found = ["NaN", "Infinity", "-Infinity"].into_iter().find(|name| is_word(token, name));
    if let Some(name) = found {
        return Violation {
            path,
            code: codes::NOT_A_JSON_NUMBER,
            message: format!("{name} is not a number in JSON; write null, or leave the member out"),
        };
    }
    // The lines of the file are not those of the result.
    let error = error.to_string();
    let message = match error.rsplit_once(" at line 1 column ") {
        Some((problem, column)) => format!("not JSON: {problem} at byte {column} of the result"),
        None => match error.rsplit_once(" at line ") {
            Some((problem, place)) => format!("not JSON: {problem} at its line {place}"),
            None => format!("not JSON: {error}"),
        },
    };
    Violation { path, code: codes::MALFORMED_JSON, message }
}

/// Returns the JSON Pointer of the value at a byte of a text.
pub(crate) fn pointer_at(text: &str, offset: usize) -> String {
    Walk::run(text, offset, usize::MAX).pointer()
}

fn is_word(token: &str, word: &str) -> bool {
    let after = token.strip_prefix(word);
    after
        .is_some_and(|after| !after.starts_with(|next: char| next.is_alphanumeric() || next == '_'))
}

/// serde_json counts lines from 1 and bytes of a line from 1.
fn byte_offset(document: &str, line: usize, column: usize) -> usize {
    let before: usize =
        document.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    before + column.saturating_sub(1)
}

/// An object or array that is open during a walk through a text.
enum Open<'a> {
    /// The key is the raw text between its quotes; `None` before the next key.
    Object {
        key: Option<&'a str>,
    },
    Array {
        index: usize,
    },
}

/// The position of a walk through a text that can be malformed. A walk is needed only to locate an
/// error, and to check the depth of a document with many brackets.
struct Walk<'a> {
    open: Vec<Open<'a>>,
    /// The start of the last value, or of white space before it.
    value_start: usize,
}

impl<'a> Walk<'a> {
    /// Walks up to the byte `offset`, or until the nesting is deeper than `depth`.
    fn run(text: &'a str, offset: usize, depth: usize) -> Self {
        let bytes = text.as_bytes();
        let mut walk = Walk { open: Vec::new(), value_start: 0 };
        let mut position = 0;
        while let Some(&byte) = bytes.get(position).filter(|_| position < offset) {
            match (byte, walk.open.last_mut()) {
                (b'"', inside) => {
                    let end = string_end(bytes, position + 1);
                    if end >= offset {
                        break;
                    }
                    if let Some(Open::Object { key: key @ None }) = inside {
                        *key = text.get(position + 1..end);
                    }
                    position = end;
                }
                (b'{' | b'[', _) => {
                    walk.open.push(if byte == b'{' {
                        Open::Object { key: None }
                    } else {
                        Open::Array { index: 0 }
                    });
                    walk.value_start = position + 1;
                    if walk.open.len() > depth {
                        break;
                    }
                }
                (b'}' | b']', _) => {
                    walk.open.pop();
                }
                (b':', _) => walk.value_start = position + 1,
                (b',', inside) => {
                    walk.value_start = position + 1;
                    match inside {
                        Some(Open::Object { key }) => *key = None,
                        Some(Open::Array { index }) => *index += 1,
                        None => {}
                    }
                }
                _ => {}
            }
            position += 1;
        }
        walk
    }

    /// Returns the place as a JSON Pointer.
    fn pointer(&self) -> String {
        let mut pointer = String::new();
        for open in &self.open {
            match open {
                Open::Object { key: Some(key) } => {
                    // A valid escape in a key is decoded; the pointer is for people.
                    let text = serde_json::from_str::<String>(&format!("\"{key}\""));
                    push_segment(&mut pointer, text.as_deref().unwrap_or(key));
                }
                Open::Object { key: None } => {}
                Open::Array { index } => push_segment(&mut pointer, &index.to_string()),
            }
        }
        pointer
    }
}

/// Adds a member's name to a JSON Pointer (RFC 6901, section 3).
pub(crate) fn push_segment(pointer: &mut String, segment: &str) {
    pointer.push('/');
    for character in segment.chars() {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            // PostgreSQL's text cannot contain NUL, and a pointer is for people too.
            '\0' => pointer.push('\u{FFFD}'),
            other => pointer.push(other),
        }
    }
}

/// Returns the position of the closing quote of the string whose content begins at `start`, or the
/// end of the text.
pub(crate) fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut position = start;
    while let Some(&byte) = bytes.get(position) {
        match byte {
            b'"' => return position,
            b'\\' => position += 2,
            _ => position += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(document: &str) -> Violation {
        let error = serde_json::from_str::<serde::de::IgnoredAny>(document).unwrap_err();
        describe_error(document, &error)
    }

    #[test]
    fn a_syntax_error_is_found_at_its_value() {
        for (document, path, code) in [
            (r#"{"a": {"b/c": NaN}}"#, "/a/b~1c", codes::NOT_A_JSON_NUMBER),
            ("{\"a\":\n [1,\n -Infinity]}", "/a/1", codes::NOT_A_JSON_NUMBER),
            (r#"{"a": Infinity}"#, "/a", codes::NOT_A_JSON_NUMBER),
            (r#"{"a": [1, {"b": nul}]}"#, "/a/1/b", codes::MALFORMED_JSON),
            (r#"{"a": "x"#, "/a", codes::MALFORMED_JSON),
            (r#"{"a" 1}"#, "/a", codes::MALFORMED_JSON),
            (r#"{"a": 1} x"#, "", codes::MALFORMED_JSON),
            ("", "", codes::MALFORMED_JSON),
            (r#"{"é": "ü", "k\u0041": tru}"#, "/kA", codes::MALFORMED_JSON),
        ] {
            let violation = error_of(document);
            assert_eq!((violation.path.as_str(), violation.code), (path, code), "{document}");
        }
    }

    #[test]
    fn depth_is_limited_and_brackets_in_strings_do_not_count() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(check_limits(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(check_limits(&nested(MAX_DEPTH + 1)).unwrap_err().code, codes::TOO_DEEP);
        assert!(check_limits(&format!("\"{}\"", "[".repeat(1_000))).is_ok());
        assert!(check_limits(&format!("[{}]", vec!["{}"; 1_000].join(","))).is_ok());
    }
}
