//! PostgreSQL's text can contain neither lone surrogates nor NUL.

use super::*;

const ODD: &str = r"a\ud800b\u0000c\udfff\ud83d\ude00";
const STORED: &str = "a\u{FFFD}b\u{FFFD}c\u{FFFD}😀";

#[track_caller]
fn check(document: &str, path: &str, field: impl Fn(&Outcome) -> Option<String>) {
    let outcome = accepted(document);
    assert_eq!(field(&outcome).as_deref(), Some(STORED), "{document}");
    let found: Vec<_> = outcome
        .warnings
        .iter()
        .filter(|warning| warning.code == codes::TEXT_REPLACED)
        .map(|warning| warning.path.as_str())
        .collect();
    assert_eq!(found, [path], "{document}");
}

#[test]
fn in_an_id() {
    check(&format!(r#"{{"scenario": {{"id": "{ODD}"}}}}"#), "/scenario/id", |outcome| {
        Some(outcome.scenario.id.clone())
    });
}

#[test]
fn in_a_name() {
    check(
        &format!(r#"{{"scenario": {{"id": "s", "name": "{ODD}"}}}}"#),
        "/scenario/name",
        |outcome| outcome.scenario.name.clone(),
    );
}

#[test]
fn in_a_prompt_of_the_scenario() {
    check(
        &format!(r#"{{"scenario": {{"id": "s", "task_prompt": "{ODD}"}}}}"#),
        "/scenario/task_prompt",
        |outcome| outcome.scenario.task_prompt.clone(),
    );
}

#[test]
fn in_a_prompt_of_the_trajectory() {
    check(
        &with_trajectory(&format!(r#""task_prompt": "{ODD}""#)),
        "/trajectory/task_prompt",
        |outcome| outcome.scenario.task_prompt.clone(),
    );
}

#[test]
fn in_an_error_text() {
    check(&with_trajectory(&format!(r#""error": "{ODD}""#)), "/trajectory/error", |outcome| {
        outcome.error_message.clone()
    });
    check(&with_members(&format!(r#""error": "{ODD}""#)), "/error", |outcome| {
        outcome.error_message.clone()
    });
}

/// The message is the raw JSON text with its escapes, but the code is decoded from it.
#[test]
fn in_the_type_of_an_error() {
    let outcome = accepted(&with_trajectory(&format!(r#""error": {{"type": "{ODD}"}}"#)));
    assert_eq!(outcome.error_code.as_deref(), Some(STORED));
    let found: Vec<_> = outcome.warnings.iter().map(|warning| warning.code).collect();
    assert_eq!(found, [codes::TEXT_REPLACED]);
}

#[test]
fn in_a_grade() {
    check(
        &with_score(&format!(r#"{{"overall_score": 1, "grade": "{ODD}"}}"#)),
        "/reliability_score/grade",
        |outcome| outcome.grade.clone(),
    );
}

#[test]
fn in_the_name_of_a_dimension() {
    check(
        &with_score(&format!(r#"{{"overall_score": 1, "dimension_scores": {{"{ODD}": 1}}}}"#)),
        &format!("/reliability_score/dimension_scores/{STORED}"),
        |outcome| Some(outcome.scores[1].name.clone()),
    );
}

#[test]
fn in_call_and_sandbox() {
    check(
        &with_members(&format!(r#""recording": {{"modal_call_id": "{ODD}"}}"#)),
        "/recording/modal_call_id",
        |outcome| outcome.modal_call_id.clone(),
    );
    check(
        &with_members(&format!(r#""recording": {{"sandbox_id": "{ODD}"}}"#)),
        "/recording/sandbox_id",
        |outcome| outcome.sandbox_id.clone(),
    );
}

#[test]
fn not_in_text_that_is_not_extracted() {
    let document = with_trajectory(&format!(
        r#""final_response": "{ODD}", "{ODD}": [{{"{ODD}": "{ODD}"}}], "full_trajectory": ["{ODD}"]"#
    ));
    let outcome = accepted(&document);
    assert_eq!(outcome.warnings, []);
    assert!(slice(&document, outcome.trajectory).unwrap().contains(ODD));
}

#[test]
fn a_replacement_character_of_the_sender_is_no_replacement() {
    let outcome =
        accepted(&with_members("\"recording\": {\"modal_call_id\": \"\u{FFFD} \\ufffd\"}"));
    assert_eq!(outcome.modal_call_id.as_deref(), Some("\u{FFFD} \u{FFFD}"));
    assert_eq!(outcome.warnings, []);
}
