//! The rules about files.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests fail by panicking"
)]

use arc_format_inspect::InspectFormat;
use arc_format_kit::{Format, Header, Items, Role, codes};
use arc_format_testing::{recognises_no_other, warnings};
use serde_json::json;

mod sample;

use sample::*;

#[test]
fn archives_and_documents_are_recognised() {
    let zip = b"PK\x03\x04\x14\0\0\0_journal/start.json";
    let layout = InspectFormat::detect("a.EVAL", zip).unwrap();
    assert_eq!(layout.items, Items::Entries("samples/**_epoch_**.json".into()));
    let headers = ["header.json", "_journal/start.json"].map(str::to_owned).to_vec();
    assert_eq!(layout.header, Header::Entry(headers));
    assert!(layout.classify_items);
    assert!(InspectFormat::detect("", zip).is_some(), "a name is not needed");
    assert!(InspectFormat::detect("a.eval", b"PK\x03\x04").is_some());
    assert!(InspectFormat::detect("a.zip", b"PK\x03\x04\x14\0result.json").is_none());
    assert!(InspectFormat::detect("a.eval", b"not a zip").is_none());

    let head = br#" {"version": 2, "status": "success", "eval": {"run_id": "a",
        "created": "2025", "task": "t"#;
    let layout = InspectFormat::detect("log.json", head).unwrap();
    assert_eq!(layout.items, Items::Elements("/samples/*".into()));
    assert_eq!(layout.header, Header::EnclosingDocument);
    assert!(!layout.classify_items);
    for other in [
        &b""[..],
        b"{}",
        b"[1]",
        br#"{"version": 3, "results": {"timestamp": "x"}}"#,
        br#"{"eval": {"run_id": 1, "task": 1}, "version": 1, "status": 1}"#,
        br#"{"samples": [{"id": 1, "input": "x", "output": "y"}]}"#,
        br#"{"scenario": {"id": "a"}, "trajectory": {"status": "success"}}"#,
        br#"{"spec": {"run_id": "a", "created_at": "b"}}"#,
        br#"{"doc_id": 0, "doc": {"version": 1, "status": 2, "eval": 3, "run_id": 4}}"#,
        b"\xff\xfe{\0",
    ] {
        assert!(InspectFormat::detect("log.json", other).is_none());
    }
}

/// Another program can save a log with its members in any order, with a mark, or indented.
#[test]
fn a_log_saved_by_another_program_is_recognised() {
    for text in [
        "\u{feff}{\"version\": 2, \"eval\": {\"created\": \"c\", \"run_id\": \"r\", \"task\": \"t\"}}",
        "{\r\n\t\"eval\": {\r\n\t\t\"task\": \"t\",\r\n\t\t\"run_id\": \"r\",\r\n\t\t\"created\": \"c\"",
        r#"{"eval":{"config":{"epochs":1},"created":"c","dataset":{"sample_ids":["a","b"#,
        r#"{"eval":{"dataset":{"samples":3},"eval_id":"e","created":"c"#,
        r#"{"samples":[{"epoch":1,"id":"a","input":"i","metadata":{},"target":"t"#,
        r#"{"error":{"message":"m"},"eval":{"created":"c","run_id":"r","task":"t"#,
    ] {
        let layout = InspectFormat::detect("log.json", text.as_bytes());
        assert!(layout.is_some(), "{text}");
    }
}

#[test]
fn the_other_entries_of_a_chunked_sample_are_no_results() {
    let whole = sample(&json!({}));
    let sorted = r#"{"attachments": {"x": NaN}, "epoch": 1, "id": "a", "input": "i"}"#;
    let shell = r#"{"id":"a","epoch":1,"input":"a","target":"x","message_refs":[[0,2]]}"#;
    for result in [whole.as_str(), sorted, shell, r#"{"id": "a", "epoch""#, "{\"id\": 1, x}", "[1"]
    {
        assert_eq!(InspectFormat::classify(result), Role::Result, "{result}");
    }
    for other in [
        r#"{"version":1,"counts":{"events":14},"spans":[{"id":"E","name":"init"}]}"#,
        r#"{"version":1,"chunks":[{"start":0}]}"#,
        r#"["eiwMSV3BBhM8cxWu4x2dQ4"]"#,
        r#"[{"id":"P","content":"a","role":"user","x":NaN}]"#,
        r#"{"id":"a","kind":"metadata of a sample"}"#,
        "[]",
    ] {
        assert_eq!(InspectFormat::classify(other), Role::Other, "{other}");
    }
    let outcome = accepted(shell);
    let warned = [("/message_refs", codes::EVENTS_UNCOUNTED), ("/scores", codes::SCORE_MISSING)];
    assert_eq!(warnings(&outcome), warned);
}

#[test]
fn files_of_other_formats_are_not_recognised() {
    recognises_no_other::<InspectFormat>("inspect");
}
