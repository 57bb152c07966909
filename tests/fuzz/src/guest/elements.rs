//! Values inside documents, selected by a pattern.

use arc_framing::{ElementPattern, Frame, Framer, Limits};
use serde_json::Value;

/// The input is a pattern, a line break, and documents.
pub(super) fn elements(input: &[u8]) {
    let (pattern, stream) = match input.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&input[..end], &input[end + 1..]),
        None => (input, &[][..]),
    };
    let Ok(pattern) = std::str::from_utf8(pattern) else { return };
    let Ok(parsed) = ElementPattern::new(pattern) else { return };
    let small = Limits { max_document_bytes: input.len() % 32, ..Limits::default() };
    for limits in [Limits::default(), small] {
        let whole = find(&parsed, stream, usize::MAX, limits);
        for chunk in [1, 2 + input.len() % 13] {
            assert_eq!(find(&parsed, stream, chunk, limits), whole, "in chunks of {chunk}");
        }
        if let Some((frames, _)) = &whole {
            let mut reached = 0;
            for frame in frames {
                let (offset, length) = (frame.offset as usize, frame.length as usize);
                assert!(offset >= reached, "items overlap: {frames:?}");
                reached = offset + length;
                assert!(stream[offset..reached].starts_with(frame.bytes()));
            }
        }
    }
    if let Ok(value) = serde_json::from_slice::<Value>(stream) {
        check_against_tree(&parsed, pattern, value);
    }
}

type Found = Option<(Vec<Frame>, Option<String>)>;

/// Returns the items and the enclosing document, or `None` if the stream is refused for its
/// first bytes.
fn find(pattern: &ElementPattern, stream: &[u8], chunk: usize, limits: Limits) -> Found {
    let mut framer = Framer::of_elements(pattern.clone(), limits);
    let mut frames = Vec::new();
    for chunk in stream.chunks(chunk) {
        framer.push(chunk).ok()?;
        frames.extend(std::iter::from_fn(|| framer.next_frame()));
    }
    framer.finish().ok()?;
    frames.extend(std::iter::from_fn(|| framer.next_frame()));
    Some((frames, framer.enclosing_document().map(str::to_owned)))
}

/// Compares the items with those of a parsed tree. The document is serialised again, so that it
/// has no duplicate names and no unnecessary escapes.
fn check_against_tree(parsed: &ElementPattern, pattern: &str, mut value: Value) {
    let text = value.to_string();
    let segments: Vec<String> =
        pattern.split('/').skip(1).map(|name| name.replace("~1", "/").replace("~0", "~")).collect();
    // A name with an escape is not searched for.
    if segments.iter().any(|name| Value::from(name.as_str()).to_string().contains('\\')) {
        return;
    }
    let mut expected = Vec::new();
    take(&mut value, &segments, &mut expected);
    let (frames, enclosing_document) =
        find(parsed, text.as_bytes(), usize::MAX, Limits::default()).expect("JSON is no archive");
    let found: Vec<Value> = frames
        .iter()
        .map(|frame| serde_json::from_slice(frame.bytes()).expect("an item of JSON is JSON"))
        .collect();
    assert_eq!(found, expected);
    let enclosing_document: Value =
        serde_json::from_str(&enclosing_document.expect("it is short")).unwrap();
    assert_eq!(enclosing_document, value);
}

/// Takes the values that the pattern selects, and replaces them by null.
fn take(value: &mut Value, segments: &[String], taken: &mut Vec<Value>) {
    match (segments, value) {
        ([], value) => taken.push(value.take()),
        ([first, rest @ ..], Value::Array(elements)) if first == "*" => {
            elements.iter_mut().for_each(|element| take(element, rest, taken));
        }
        ([name, rest @ ..], Value::Object(members)) if name != "*" => {
            if let Some(value) = members.get_mut(name) {
                take(value, rest, taken);
            }
        }
        _ => {}
    }
}
