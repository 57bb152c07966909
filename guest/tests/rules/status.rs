//! How a run ended.

use super::*;

#[test]
fn the_four_statuses_are_taken() {
    for (text, expected) in [
        ("success", OutcomeStatus::Success),
        ("error", OutcomeStatus::Error),
        ("timeout", OutcomeStatus::Timeout),
        ("cancelled", OutcomeStatus::Cancelled),
        (r"\u0073uccess", OutcomeStatus::Success),
    ] {
        let outcome = accepted(&with_trajectory(&format!(r#""status": "{text}""#)));
        assert_eq!(outcome.status, expected);
        assert_eq!(outcome.warnings, []);
    }
}

#[test]
fn a_missing_status_counts_as_an_error_with_a_warning() {
    for document in [
        r#"{"scenario": {"id": "s"}, "trajectory": {}, "reliability_score": 1}"#,
        r#"{"scenario": {"id": "s"}, "trajectory": {"status": null}, "reliability_score": 1}"#,
        r#"{"scenario": {"id": "s"}, "reliability_score": 1}"#,
    ] {
        let outcome = accepted(document);
        assert_eq!(outcome.status, OutcomeStatus::Error);
        assert_eq!(warnings(&outcome), [("/trajectory/status", codes::STATUS_MISSING)]);
    }
}

#[test]
fn any_other_is_refused() {
    for text in ["", "Success", " success", "completed", "failed", "canceled", r"error\u0000"] {
        check_rejected(
            &with_trajectory(&format!(r#""status": "{text}""#)),
            "/trajectory/status",
            codes::UNKNOWN_STATUS,
        );
    }
    for value in ["1", "true", "{}", "[\"success\"]"] {
        check_rejected(
            &with_trajectory(&format!(r#""status": {value}"#)),
            "/trajectory/status",
            codes::WRONG_TYPE,
        );
    }
}
