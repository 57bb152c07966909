//! The `recording` object: the trial, the call and the sandbox.

use super::*;

#[test]
fn call_sandbox_and_trial_are_read() {
    let outcome = accepted(&with_members(
        r#""recording": {"trial": 3, "sandbox_id": "sb-1", "modal_call_id": "fc-1", "x": 1}"#,
    ));
    assert_eq!(outcome.modal_call_id.as_deref(), Some("fc-1"));
    assert_eq!(outcome.sandbox_id.as_deref(), Some("sb-1"));
    assert_eq!(outcome.trial, Some(3));
    assert_eq!(outcome.warnings, []);
}

#[test]
fn a_trial_is_a_whole_number_from_1() {
    for (text, trial) in [("1", 1), ("1.0", 1), ("1e1", 10), ("10000", 10_000)] {
        let document = with_members(&format!(r#""recording": {{"trial": {text}}}"#));
        assert_eq!(accepted(&document).trial, Some(trial));
    }
    for (text, code) in [
        ("0", codes::OUT_OF_RANGE),
        ("-1", codes::OUT_OF_RANGE),
        ("4294967297", codes::OUT_OF_RANGE),
        ("1e999", codes::OUT_OF_RANGE),
        ("1.5", codes::NOT_AN_INTEGER),
        (r#""1""#, codes::WRONG_TYPE),
        ("true", codes::WRONG_TYPE),
    ] {
        check_rejected(
            &with_members(&format!(r#""recording": {{"trial": {text}}}"#)),
            "/recording/trial",
            code,
        );
    }
}

#[test]
fn other_types_are_refused() {
    for value in ["1", "[]", r#""fc-1""#, "true"] {
        check_rejected(
            &with_members(&format!(r#""recording": {value}"#)),
            "/recording",
            codes::WRONG_TYPE,
        );
    }
    for name in ["modal_call_id", "sandbox_id"] {
        check_rejected(
            &with_members(&format!(r#""recording": {{"{name}": 7}}"#)),
            &format!("/recording/{name}"),
            codes::WRONG_TYPE,
        );
    }
}

#[test]
fn the_same_members_elsewhere_are_not_read() {
    let outcome =
        accepted(&with_members(r#""modal_call_id": "fc", "sandbox_id": "sb", "trial": 0"#));
    assert_eq!((outcome.modal_call_id, outcome.sandbox_id, outcome.trial), (None, None, None));
}
