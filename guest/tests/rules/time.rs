//! When a run started.

use super::*;

#[test]
fn an_rfc_3339_time_is_converted_to_utc() {
    for (text, expected) in [
        ("2025-03-01T10:00:00Z", "2025-03-01T10:00:00.000000Z"),
        ("2025-03-01t10:00:00z", "2025-03-01T10:00:00.000000Z"),
        ("2025-03-01T10:00:00+00:00", "2025-03-01T10:00:00.000000Z"),
        ("2025-03-01T10:00:00-00:00", "2025-03-01T10:00:00.000000Z"),
        ("2025-03-01T00:15:00.5+05:45", "2025-02-28T18:30:00.500000Z"),
        ("2025-02-28T23:30:00-08:00", "2025-03-01T07:30:00.000000Z"),
        ("2024-12-31T23:59:59.999999-00:01", "2025-01-01T00:00:59.999999Z"),
        ("2024-02-29T12:00:00.1Z", "2024-02-29T12:00:00.100000Z"),
        // Times are truncated to microseconds, so that no time is later than the original.
        ("2025-03-01T10:00:00.123456789Z", "2025-03-01T10:00:00.123456Z"),
        ("2025-12-31T23:59:59.9999999Z", "2025-12-31T23:59:59.999999Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59.000000Z"),
        (r"2025-03-01\u005410:00:00\u005a", "2025-03-01T10:00:00.000000Z"),
    ] {
        let outcome = accepted(&with_trajectory(&format!(r#""start_time": "{text}""#)));
        assert_eq!(outcome.execution_time.as_deref(), Some(expected), "{text}");
        assert_eq!(outcome.warnings, [], "{text}");
    }
}

#[test]
fn anything_else_is_absent_with_a_warning() {
    for text in [
        r#""2025-03-01T10:00:00""#,
        r#""2025-03-01 10:00:00.123456""#,
        r#""2025-03-01""#,
        r#""2025-02-30T10:00:00Z""#,
        r#""2025-03-01T24:00:00Z""#,
        r#""2025-03-01T10:00Z""#,
        r#""2025-03-01T10:00:00+0100""#,
        r#"" 2025-03-01T10:00:00Z""#,
        r#""2025-03-01T10:00:00Z\u0000""#,
        r#""+12025-03-01T10:00:00Z""#,
        r#""9999-12-31T23:59:59-01:00""#,
        r#""yesterday""#,
        r#""""#,
        "1740823200",
        "{}",
        "false",
    ] {
        let outcome = accepted(&with_trajectory(&format!(r#""start_time": {text}"#)));
        assert_eq!(outcome.execution_time, None, "{text}");
        assert_eq!(
            warnings(&outcome),
            [("/trajectory/start_time", codes::TIME_UNREADABLE)],
            "{text}"
        );
    }
}

#[test]
fn a_missing_time_is_absent_without_a_warning() {
    for members in ["", r#""start_time": null"#] {
        let outcome = accepted(&with_trajectory(members));
        assert_eq!(outcome.execution_time, None);
        assert_eq!(outcome.warnings, []);
    }
}

/// The extraction has no clock: the recorder decides about times in the future.
#[test]
fn times_far_in_the_future_are_unchanged() {
    let bytes = fixture("formats/native/times.jsonl");
    let found: Vec<_> = lines(&bytes)
        .into_iter()
        .map(|line| accepted(std::str::from_utf8(line).unwrap()))
        .map(|outcome| (outcome.execution_time.unwrap(), outcome.warnings))
        .collect();
    let expected = [
        "2026-11-29T15:33:13.475543Z",
        "2026-11-30T17:28:13.475543Z",
        "2028-01-03T15:28:13.475543Z",
        "9000-01-01T00:00:00.000000Z",
    ];
    assert_eq!(found, expected.map(|time| (time.to_owned(), Vec::new())));
}
