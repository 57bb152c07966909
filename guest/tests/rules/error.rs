//! The text, code and category of a failure.

use super::*;

/// A text for each category that matches no other, in the order in which they are tried.
const TEXTS_BY_CATEGORY: [(&str, ErrorCategory); 8] = [
    ("it timed out", ErrorCategory::Timeout),
    ("rate limit exceeded", ErrorCategory::RateLimit),
    ("connection refused", ErrorCategory::Network),
    ("out of memory", ErrorCategory::Resource),
    ("the tool search failed", ErrorCategory::ToolError),
    ("the model refused", ErrorCategory::ModelError),
    ("validation failed", ErrorCategory::ValidationError),
    ("the sandbox died", ErrorCategory::SandboxError),
];

fn with_error(status: &str, error: &str) -> Outcome {
    accepted(&with_trajectory(&format!(r#""status": "{status}", "error": {error}"#)))
}

#[test]
fn each_category_is_recognised_by_its_text() {
    for (text, category) in TEXTS_BY_CATEGORY {
        assert_eq!(with_error("error", &json!(text).to_string()).error_category, Some(category));
        let shouted = json!(text.to_uppercase()).to_string();
        assert_eq!(with_error("error", &shouted).error_category, Some(category));
        let object = json!({"type": "E", "message": text}).to_string();
        assert_eq!(with_error("error", &object).error_category, Some(category));
    }
    assert_eq!(
        with_error("error", r#""it broke""#).error_category,
        Some(ErrorCategory::SystemError)
    );
}

#[test]
fn the_first_category_wins_at_any_position_in_the_text() {
    for (index, (first, category)) in TEXTS_BY_CATEGORY.iter().enumerate() {
        for (later, _) in &TEXTS_BY_CATEGORY[index + 1..] {
            for text in [format!("{first}; {later}"), format!("{later}\n{first}")] {
                let outcome = with_error("error", &json!(text).to_string());
                assert_eq!(outcome.error_category, Some(*category), "{text}");
            }
        }
    }
}

#[test]
fn common_errors_have_the_category_that_people_expect() {
    for (text, category) in [
        ("asyncio.exceptions.TimeoutError", ErrorCategory::Timeout),
        ("ReadTimeout: HTTPSConnectionPool(host='x', port=443)", ErrorCategory::Timeout),
        ("DEADLINE_EXCEEDED", ErrorCategory::Timeout),
        ("openai.RateLimitError: Error code: 429", ErrorCategory::RateLimit),
        ("rate_limit_exceeded", ErrorCategory::RateLimit),
        ("You exceeded your current quota", ErrorCategory::RateLimit),
        ("ThrottlingException", ErrorCategory::RateLimit),
        ("ConnectionResetError: [Errno 104] Connection reset by peer", ErrorCategory::Network),
        ("[Errno -2] Name or service not known (getaddrinfo)", ErrorCategory::Network),
        ("BrokenPipeError: [Errno 32] Broken pipe", ErrorCategory::Network),
        ("MemoryError", ErrorCategory::Resource),
        ("OSError: [Errno 28] No space left on device", ErrorCategory::Resource),
        ("ToolError: get_weather", ErrorCategory::ToolError),
        ("anthropic.InternalServerError", ErrorCategory::ModelError),
        ("pydantic_core.ValidationError: 1 field", ErrorCategory::ValidationError),
        ("json.decoder.JSONDecodeError: Expecting value", ErrorCategory::ValidationError),
        ("Container exited with 137", ErrorCategory::SandboxError),
        ("RuntimeError: unexpected state", ErrorCategory::SystemError),
        ("ZeroDivisionError: division by zero", ErrorCategory::SystemError),
    ] {
        let outcome = with_error("error", &json!(text).to_string());
        assert_eq!(outcome.error_category, Some(category), "{text}");
    }
}

#[test]
fn the_status_decides_if_there_is_no_text() {
    for error in ["null", r#""""#] {
        assert_eq!(with_error("timeout", error).error_category, Some(ErrorCategory::Timeout));
        assert_eq!(with_error("error", error).error_category, Some(ErrorCategory::SystemError));
        assert_eq!(with_error("success", error).error_category, None);
        let outcome = with_error("timeout", error);
        assert_eq!((outcome.error_code, outcome.error_message), (None, None));
    }
    assert_eq!(
        with_error("timeout", r#""the sandbox died""#).error_category,
        Some(ErrorCategory::SandboxError)
    );
}

#[test]
fn a_success_has_no_category_but_keeps_its_text() {
    let outcome = with_error("success", r#""network down for a moment""#);
    assert_eq!(outcome.error_category, None);
    assert_eq!(outcome.error_message.as_deref(), Some("network down for a moment"));
}

#[test]
fn the_code_is_the_type_that_a_text_names() {
    for (text, code) in [
        ("ValueError: no", Some("ValueError")),
        ("openai.RateLimitError: slow down", Some("openai.RateLimitError")),
        (" \n Traceback (most recent call last):\n  File \"a\"\nKeyError: 'x'", Some("KeyError")),
        ("HTTP 429", Some("429")),
        ("the run broke", None),
    ] {
        let outcome = with_error("error", &json!(text).to_string());
        assert_eq!(outcome.error_code.as_deref(), code);
        assert_eq!(outcome.error_message.as_deref(), Some(text));
    }
}

#[test]
fn the_code_has_at_most_128_bytes_and_ends_with_a_character() {
    for (letters, length) in [("x", 128), ("é", 128), ("天", 126), ("😀", 128), ("a天", 128)] {
        let text = letters.repeat(5_000);
        let error = json!({"type": text}).to_string();
        let outcome = with_error("error", &error);
        let code = outcome.error_code.unwrap();
        assert!(text.starts_with(&code));
        assert_eq!(code.len(), length, "{letters}");
        assert_eq!(outcome.error_message, Some(error));
    }
}

#[test]
fn an_error_that_is_an_object_has_its_type_and_its_json_text() {
    for (error, code) in [
        (r#"{ "message":"it \u00e9 broke","n":1e2 ,"type":"E\u0031" }"#, Some("E1")),
        (r#"{"code": 429}"#, Some("429")),
        (r#"{"name": "the agent", "message": "ToolError: no"}"#, Some("ToolError")),
        (r#"{"message": "[Errno 111] Connection refused"}"#, Some("Errno 111")),
        (r#"{"message": "it broke"}"#, None),
    ] {
        let outcome = with_error("error", error);
        assert_eq!(outcome.error_code.as_deref(), code);
        assert_eq!(outcome.error_message.as_deref(), Some(error));
    }
}

#[test]
fn any_other_error_counts_as_its_json_text() {
    for error in ["false", "1E+2", r#"["a", {"type": "b"}]"#] {
        assert_eq!(with_error("error", error).error_message.as_deref(), Some(error));
    }
}

#[test]
fn an_error_beside_the_trajectory_counts_if_the_trajectory_has_none() {
    for inner in ["", r#", "error": null"#] {
        let outcome = accepted(&format!(
            r#"{{"scenario": {{"id": "s"}}, "trajectory": {{"status": "error"{inner}}}, "error": "the sandbox died"}}"#
        ));
        assert_eq!(outcome.error_category, Some(ErrorCategory::SandboxError));
    }
}
