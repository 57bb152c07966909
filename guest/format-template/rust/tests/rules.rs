//! The rules for files of exams, one by one. The tests run natively: the component is the same
//! code.

use arc_format_kit::{
    Aggregation, ErrorCategory, Format as _, Items, OutcomeStatus, RunStatus, Score, Span, codes,
    finite,
};
use exam::ExamFormat;

const HEADER: Option<&str> = Some(r#"{"exam": "capitals", "model": "model-1", "answers": [null]}"#);

/// Returns the places and codes of an answer's violations.
fn wrong(item: &str) -> Vec<(String, &'static str)> {
    let violations = ExamFormat::outcome(HEADER, item).unwrap_err();
    violations.into_iter().map(|violation| (violation.path, violation.code)).collect()
}

/// Returns the part of a document at a span.
fn part(document: &str, span: Option<Span>) -> Option<&str> {
    let span = span?;
    Some(&document[span.offset as usize..][..span.length as usize])
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
        "tokens": 7, "points": 7.25, "remark": "“Lima”?", "style": "bad", "uid": "a1", "began_at": "2026-01-02T03:04:05+01:00",
        "error": "ConnectionError: no answer", "steps": [{"a": 1}, 2]}"#;
    let outcome = ExamFormat::outcome(HEADER, item).unwrap();
    assert_eq!(outcome.scenario.id, "capitals/peru");
    assert_eq!(outcome.scenario.task_prompt.as_deref(), Some("Peru?"));
    assert_eq!((outcome.trial, outcome.status), (Some(2), OutcomeStatus::Error));
    assert_eq!(outcome.execution_time_ms, 1500.0);
    let [points, style] = &outcome.scores[..] else { panic!("{:?}", outcome.scores) };
    // The number is unchanged, on any scale.
    assert_eq!((points.name.as_str(), points.value), ("points", Some(7.25)));
    assert_eq!(part(item, points.explanation), Some(r#""“Lima”?""#));
    assert_eq!((style.value, style.label.as_deref()), (Some(0.0), Some("bad")));
    assert_eq!((style.lowest, style.highest), (Some(0.0), Some(1.0)));
    assert_eq!(outcome.headline.as_deref(), Some("points"));
    assert_eq!(outcome.key.as_deref(), Some("a1"));
    assert_eq!(outcome.execution_time.as_deref(), Some("2026-01-02T02:04:05.000000Z"));
    assert_eq!(outcome.error_category, Some(ErrorCategory::Network));
    assert_eq!((outcome.event_count, outcome.tokens_used), (2, 7.0));
    let [calls] = &outcome.usage[..] else { panic!("{:?}", outcome.usage) };
    assert_eq!((calls.model.as_deref(), &calls.role), (Some("model-1"), &None));
    assert_eq!(part(item, outcome.detailed_trajectory), Some(r#"[{"a": 1}, 2]"#));
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
    let outcome = ExamFormat::outcome(
        None,
        r#"{"question": "a", "points": "17", "began_at": "today", "style": "odd"}"#,
    )
    .unwrap();
    let found: Vec<_> = outcome.warnings.iter().map(|warning| warning.code).collect();
    let expected = [
        codes::HEADER_MISSING,
        codes::STATUS_MISSING,
        codes::TIME_UNREADABLE,
        codes::WRONG_TYPE,
        codes::SCORE_MISSING,
        codes::LABEL_UNKNOWN,
    ];
    assert_eq!(found, expected);
    assert_eq!(outcome.scenario.id, "a");
    // Scores without a number are kept, so that they are seen to have none.
    let style = Score { label: Some("odd".to_owned()), ..Score::new("style", None) };
    assert_eq!(outcome.scores, [Score::new("points", None), style]);
    assert_eq!((outcome.headline.as_deref(), outcome.headline_value()), (Some("points"), None));
}

#[test]
fn a_number_that_is_not_finite_is_absent() {
    let outcome =
        finite::outcome::<ExamFormat>(HEADER, r#"{"question": "a", "points": NaN}"#).unwrap();
    assert_eq!(outcome.headline_value(), None);
    assert!(outcome.warnings.iter().any(|warning| warning.code == codes::NOT_FINITE));
}

#[test]
fn the_header_reports_the_run() {
    let header = r#"{"exam": "capitals", "run": "r1", "state": "finished", "asked": 3, "max_points": 5,
        "mean_points": 2.5, "seconds": 1.5, "answers": [null]}"#;
    let suite = ExamFormat::suite(header).unwrap();
    assert_eq!(suite.execution_time_ms, Some(1500.0));
    assert_eq!(suite.run.run_id.as_deref(), Some("r1"));
    assert_eq!(suite.run.origin.task.as_deref(), Some("capitals"));
    assert_eq!(suite.run.status, Some(RunStatus::Completed));
    assert_eq!(suite.run.planned_results, Some(3.0));
    let metric = &suite.run.metrics[0];
    assert_eq!((metric.name.as_str(), metric.highest), ("points", Some(5.0)));
    let figure = &suite.run.figures[0];
    assert_eq!((figure.value, figure.aggregation), (Some(2.5), Aggregation::Mean));

    let killed = ExamFormat::suite(r#"{"exam": "capitals", "state": "running"}"#).unwrap();
    assert_eq!(killed.run.status, Some(RunStatus::Incomplete));
    assert!(killed.run.figures.is_empty());
    let wrong = ExamFormat::suite(r#"{"exam": "capitals", "asked": 1.5}"#).unwrap_err();
    assert_eq!((wrong[0].path.as_str(), wrong[0].code), ("/asked", codes::NOT_AN_INTEGER));
}

/// The mean of the example's answers is the one that the tool reports.
#[test]
fn the_example_has_the_mean_that_it_reports() {
    let file = include_str!("../capitals.exam.json");
    let suite = ExamFormat::suite(file).unwrap();
    let answers = file.split("\n    {").skip(1).map(|text| {
        let item = format!("{{{}", text.split("\n    }").next().unwrap());
        ExamFormat::outcome(HEADER, &format!("{item}}}")).unwrap()
    });
    let points: Vec<f64> = answers.filter_map(|answer| answer.headline_value()).collect();
    let mean = points.iter().sum::<f64>() / points.len() as f64;
    assert_eq!(suite.run.figures[0].value, Some(mean));
}
