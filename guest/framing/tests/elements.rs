//! Values inside documents, by their path.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests fail by panicking"
)]

use arc_framing::{ElementPattern, Framer, Limits, Problem, Unclosed};
use proptest::prelude::*;
use serde_json::{Value, json};

struct Found {
    items: Vec<(String, Option<Problem>)>,
    enclosing_document: Option<String>,
}

fn find(pattern: &str, text: &[u8], chunk: usize, limit: usize) -> Found {
    let pattern = ElementPattern::new(pattern).unwrap();
    let mut framer =
        Framer::of_elements(pattern, Limits { max_document_bytes: limit, ..Limits::default() });
    let mut items = Vec::new();
    for chunk in text.chunks(chunk) {
        framer.push(chunk).unwrap();
        while let Some(frame) = framer.next_frame() {
            items.push(frame);
        }
    }
    framer.finish().unwrap();
    while let Some(frame) = framer.next_frame() {
        items.push(frame);
    }
    for frame in items.iter().filter(|frame| frame.problem.is_none()) {
        let start = frame.offset as usize;
        assert_eq!(&text[start..start + frame.length as usize], frame.bytes());
    }
    let items = items
        .iter()
        .map(|frame| (String::from_utf8_lossy(frame.bytes()).into_owned(), frame.problem))
        .collect();
    Found { items, enclosing_document: framer.enclosing_document().map(str::to_owned) }
}

#[track_caller]
fn finds(pattern: &str, text: &str, expected: &[&str], around: &str) {
    for chunk in [1, 2, 3, 7, 1 << 20] {
        let found = find(pattern, text.as_bytes(), chunk, 1 << 20);
        let items: Vec<&str> = found.items.iter().map(|(text, _)| text.as_str()).collect();
        assert_eq!(items, expected, "{text} in chunks of {chunk}");
        assert!(found.items.iter().all(|(_, problem)| problem.is_none()), "{text}");
        assert_eq!(
            found.enclosing_document.as_deref(),
            Some(around),
            "{text} in chunks of {chunk}"
        );
    }
}

#[test]
fn items_are_found_at_the_paths_of_the_pattern() {
    finds(
        "/samples/*",
        r#"{"eval": {"samples": [0]}, "samples": [{"a": "]}\""}, [1], "x\\", 12,true , null], "z": 1}"#,
        &[r#"{"a": "]}\""}"#, "[1]", r#""x\\""#, "12", "true", "null"],
        r#"{"eval": {"samples": [0]}, "samples": [null, null, null, null,null , null], "z": 1}"#,
    );
    finds(
        "/a/*/b/*",
        r#"{"a":[{"b":[1,2]},{"c":[3]},{"b":[]},[4],{"b":[5]}]}"#,
        &["1", "2", "5"],
        r#"{"a":[{"b":[null,null]},{"c":[3]},{"b":[]},[4],{"b":[null]}]}"#,
    );
    finds("/*", " [1, {\"a\": [2]}] ", &["1", "{\"a\": [2]}"], " [null, null]");
    finds("/a/*", "{}", &[], "{}");
    finds("/a/*", r#"{"a": {"*": 1}}"#, &[], r#"{"a": {"*": 1}}"#);
    finds("/a/*", "17", &[], "17");
}

#[test]
fn all_documents_are_read_and_the_first_is_the_enclosing_one() {
    finds("/a/*", "{\"a\":[1]}\n{\"a\":[2,3],\"b\":1}\n", &["1", "2", "3"], "{\"a\":[null]}");
}

#[test]
fn a_name_that_only_looks_alike_is_not_meant() {
    finds(
        "/ab/*",
        r#"{"abc":[1],"a":[2],"ab\u0020":[3],"ab":[4]}"#,
        &["4"],
        r#"{"abc":[1],"a":[2],"ab\u0020":[3],"ab":[null]}"#,
    );
}

#[test]
fn too_large_or_truncated_items_are_reported() {
    let found = find("/a/*", br#"{"a":["0123456789",1]}"#, 4, 8);
    assert_eq!(found.items[0].1, Some(Problem::DocumentTooLarge { limit_bytes: 8 }));
    assert_eq!(found.items[1], ("1".to_owned(), None));
    let found = find("/a/*", br#"{"a":[{"b":1"#, 4, 80);
    assert_eq!(found.items[0].1, Some(Problem::Truncated(Unclosed::Document)));
    let found = find("/a/*", br#"{"a":[1,"#, 4, 80);
    assert_eq!(found.items[0].1, None);
    assert_eq!(found.items[1].1, Some(Problem::Truncated(Unclosed::Envelope)));
}

/// Returns any JSON, with the names of the pattern among its members.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a\\\\\"{}\\[\\],: é]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec(
                (prop_oneof![Just("a".to_owned()), Just("b".to_owned()), "[\\\\\"a]{0,3}"], inner),
                0..5
            )
            .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Finds the values at the pattern's paths in a tree, and replaces them by null.
fn by_tree(value: &mut Value, pattern: &[&str], items: &mut Vec<Value>) {
    match (pattern, value) {
        ([], value) => items.push(value.take()),
        (["*", rest @ ..], Value::Array(elements)) => {
            elements.iter_mut().for_each(|element| by_tree(element, rest, items));
        }
        ([name, rest @ ..], Value::Object(members)) if *name != "*" => {
            if let Some(value) = members.get_mut(*name) {
                by_tree(value, rest, items);
            }
        }
        _ => {}
    }
}

proptest! {
    #[test]
    fn a_walk_finds_what_a_tree_has(value in values(), chunk in 1_usize..40, pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        let text = text.unwrap();
        for pattern in ["/a/*", "/*", "/*/a/*", "/a/b/*", "/a/*/b"] {
            let found = find(pattern, text.as_bytes(), chunk, 1 << 20);
            let items: Vec<Value> =
                found.items.iter().map(|(item, _)| serde_json::from_str(item).unwrap()).collect();
            let mut tree = value.clone();
            let mut expected = Vec::new();
            let segments: Vec<&str> = pattern.split('/').skip(1).collect();
            by_tree(&mut tree, &segments, &mut expected);
            prop_assert_eq!(items, expected);
            let around: Value = serde_json::from_str(&found.enclosing_document.unwrap()).unwrap();
            prop_assert_eq!(around, tree);
        }
    }

    #[test]
    fn no_bytes_make_it_fail(bytes in proptest::collection::vec(prop_oneof![Just(b'{'), Just(b'}'), Just(b'['), Just(b']'), Just(b'"'), Just(b'\\'), Just(b','), Just(b':'), Just(b'a'), any::<u8>()], 0..200), chunk in 1_usize..9) {
        // A signature at the start makes the stream invalid as a whole; a bracket before it
        // prevents that.
        let mut text = b"[".to_vec();
        text.extend(bytes);
        let one = find("/a/*", &text, chunk, 1 << 20);
        let other = find("/a/*", &text, 1 << 20, 1 << 20);
        prop_assert_eq!(one.items, other.items);
        prop_assert_eq!(one.enclosing_document, other.enclosing_document);
    }
}

#[test]
fn a_tree_and_a_walk_agree_on_an_example() {
    let mut value = json!({"a": [1, {"b": 2}]});
    let mut items = Vec::new();
    by_tree(&mut value, &["a", "*"], &mut items);
    assert_eq!(items, [json!(1), json!({"b": 2})]);
}
