//! The rules for files of exams, one by one. The tests run natively: the component is the same
//! code.

use arc_format_kit::{ErrorCategory, Format as _, Items, OutcomeStatus, codes};
use exam::ExamFormat;

const HEADER: Option<&str> = Some(r#"{"exam": "capitals", "answers": [null]}"#);

/// Returns the places and codes of an answer's violations.
fn wrong(item: &str) -> Vec<(String, &'static str)> {
    let violations = ExamFormat::outcome(HEADER, item).unwrap_err();
    violations.into_iter().map(|violation| (violation.path, violation.code)).collect()
}

#[test]
fn its_own_files_are_recognised_and_no_others() {
    let head = include_bytes!("../capitals.exam.json");
    let layout = ExamFormat::detect("capitals.exam.json", head).unwrap();
    assert_eq!(layout.items, Items::Elements("/answers/*".to_owned()));
    // The start of a file can end anywhere.
    assert!(ExamFormat::detect("", br#"{"exam": "a", "answers": [{"quest"#).is_some());
    for other in [&b"{}"[..], b"", b"\0\xff", br#"{"results": [], "exam": 1}"#, b"[1, 2]"] {
        assert!(ExamFormat::detect("capitals.exam.json", other).is_none());
    }
}

#[test]
fn every_field_is_read_from_an_answer() {
    let item = r#"{"question": "peru", "attempt": 2, "prompt": "Peru?", "ended": "failed", "seconds": 1.5,
        "tokens": 7, "points": 0.25, "began_at": "2026-01-02T03:04:05+01:00",
        "error": "ConnectionError: no answer", "steps": [{"a": 1}, 2]}"#;
    let outcome = ExamFormat::outcome(HEADER, item).unwrap();
    assert_eq!(outcome.scenario.id, "capitals/peru");
    assert_eq!(outcome.scenario.task_prompt.as_deref(), Some("Peru?"));
    assert_eq!((outcome.trial, outcome.status), (Some(2), OutcomeStatus::Error));
    assert_eq!((outcome.reliability_score, outcome.execution_time_ms), (Some(0.25), 1500.0));
    assert_eq!(outcome.execution_time.as_deref(), Some("2026-01-02T02:04:05.000000Z"));
    assert_eq!(outcome.error_category, Some(ErrorCategory::Network));
    assert_eq!((outcome.event_count, outcome.tokens_used), (2, 7.0));
    let steps = outcome.detailed_trajectory.unwrap();
    let steps = &item[steps.offset as usize..][..steps.length as usize];
    assert_eq!(steps, r#"[{"a": 1}, 2]"#);
    assert!(outcome.warnings.is_empty());
    let planned = ExamFormat::scenario(HEADER, item).unwrap();
    assert_eq!((planned.scenario, planned.trial), (outcome.scenario, outcome.trial));
}

#[test]
fn all_violations_are_reported_at_the_same_time() {
    let all = wrong(r#"{"question": "", "ended": "odd", "seconds": -1, "tokens": "7"}"#);
    let expected = [
        ("/question", codes::MISSING_SCENARIO),
        ("/ended", codes::UNKNOWN_STATUS),
        ("/seconds", codes::OUT_OF_RANGE),
        ("/tokens", codes::WRONG_TYPE),
    ];
    assert_eq!(all, expected.map(|(path, code)| (path.to_owned(), code)));
    assert_eq!(wrong("{")[0].1, codes::MALFORMED_JSON);
    assert_eq!(wrong("[]")[0].1, codes::WRONG_TYPE);
}

#[test]
fn violations_in_optional_data_are_warnings() {
    let outcome =
        ExamFormat::outcome(None, r#"{"question": "a", "points": 17, "began_at": "today"}"#)
            .unwrap();
    let found: Vec<_> = outcome.warnings.iter().map(|warning| warning.code).collect();
    let expected = [
        codes::HEADER_MISSING,
        codes::STATUS_MISSING,
        codes::TIME_UNREADABLE,
        codes::SCORE_OUT_OF_SCALE,
    ];
    assert_eq!(found, expected);
    assert_eq!(outcome.scenario.id, "a");
}
