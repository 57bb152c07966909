//! Text that is not JSON, is too deep or too large.

use super::*;

#[test]
fn a_relevant_member_occurs_once() {
    for (document, path) in [
        (r#"{"scenario": {"id": "a"}, "scenario": {"id": "a"}}"#, "/scenario"),
        (r#"{"scenario": null, "\u0073cenario": {"id": "a"}}"#, "/scenario"),
        (r#"{"scenario": {"id": "a", "i\u0064": "b"}}"#, "/scenario/id"),
        (
            r#"{"scenario": {"id": "a"}, "trajectory": {"status": "error", "status": "success"}}"#,
            "/trajectory/status",
        ),
        (r#"{"scenario": {"id": "a"}, "recording": {"trial": 1, "trial": 1}}"#, "/recording/trial"),
        (
            r#"{"scenario": {"id": "a"}, "reliability_score": {"dimension_scores": {"a/b": 1, "a\/b": 0}}}"#,
            "/reliability_score/dimension_scores/a~1b",
        ),
        (
            r#"{"scenario": {"id": "a"}, "reliability_score": {"dimension_scores": {"x": 1, "x": null}}}"#,
            "/reliability_score/dimension_scores/x",
        ),
    ] {
        check_rejected(document, path, codes::DUPLICATE_KEY);
    }
}

#[test]
fn invalid_json_is_rejected_at_its_place() {
    for (document, path, code) in [
        (r#"{"a": [1, {"b/c": NaN}], "d": nil}"#, "/d", codes::MALFORMED_JSON),
        (r#"{"a": -NaNs}"#, "/a", codes::MALFORMED_JSON),
        (r#"{"a": nan}"#, "/a", codes::MALFORMED_JSON),
        ("", "", codes::MALFORMED_JSON),
        (" \n", "", codes::MALFORMED_JSON),
        (r#"{"a": "cut"#, "/a", codes::MALFORMED_JSON),
        (r#"{"a": {"b": 1,}}"#, "/a", codes::MALFORMED_JSON),
        (r#"{"a": 1} 2"#, "", codes::MALFORMED_JSON),
        (r#"{"a": "\x"}"#, "/a", codes::MALFORMED_JSON),
        ("{\"a\": \"\t\"}", "/a", codes::MALFORMED_JSON),
        ("{\"a\": {\"b\nc\": 1}}", "/a", codes::MALFORMED_JSON),
        (r#"{"a": 01}"#, "/a", codes::MALFORMED_JSON),
        ("\u{a0}{}", "", codes::MALFORMED_JSON),
    ] {
        check_rejected(document, path, code);
    }
}

/// PostgreSQL rejects such a document, and with it the rows of the same statement.
#[test]
fn a_raw_control_character_in_a_key_is_no_json() {
    for control in (0_u8..0x20).map(char::from) {
        for document in [
            format!("{{\"scenario\": {{\"id\": \"s\"}}, \"a{control}b\": 1}}"),
            format!("{{\"scenario\": {{\"id\": \"s\", \"a{control}b\": 1}}}}"),
            format!("{{\"scenario\": {{\"id\": \"s\"}}, \"x\": [{{\"a{control}b\": 1}}]}}"),
        ] {
            let found = rejected(&document);
            assert_eq!(found.len(), 1, "{document:?}");
            assert_eq!(found[0].1, codes::MALFORMED_JSON, "{document:?}");
        }
    }
}

#[test]
fn a_document_is_an_object() {
    for document in ["[]", r#"[{"scenario": {"id": "s"}}]"#, "1", r#""x""#, "true", "null"] {
        check_rejected(document, "", codes::WRONG_TYPE);
    }
}

#[test]
fn depth_is_limited() {
    let nested = |levels: usize, open: &str, close: &str| {
        with_members(&format!(r#""x": {}1{}"#, open.repeat(levels), close.repeat(levels)))
    };
    for (open, close) in [("[", "]"), (r#"{"n": "#, "}")] {
        // The document itself is the first level.
        accepted(&nested(MAX_DEPTH - 1, open, close));
        for levels in [MAX_DEPTH, 1_000, 100_000] {
            let found = rejected(&nested(levels, open, close));
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].1, codes::TOO_DEEP);
        }
    }
    accepted(&with_members(&format!(r#""x": "{}""#, "[{".repeat(10_000))));
    accepted(&with_members(&format!(r#""x": [{}[]]"#, "[[]],".repeat(10_000))));
}

#[test]
fn size_is_limited() {
    let frame = with_members(r#""x": """#).len();
    let sized = |bytes: usize| with_members(&format!(r#""x": "{}""#, "x".repeat(bytes - frame)));
    accepted(&sized(MAX_DOCUMENT_BYTES));
    check_rejected(&sized(MAX_DOCUMENT_BYTES + 1), "", codes::DOCUMENT_TOO_LARGE);
}
