//! What a tool reports about a run, in a suite's summary.

use arc_extractor::RunReport;
use arc_format_kit::{Aggregation, MetricKind, MissingPolicy, Origin, RunStatus};

use super::*;

fn report(report: &str) -> RunReport {
    extract_suite(&format!(r#"{{"run_report": {report}}}"#)).unwrap().run
}

#[track_caller]
fn refused(report: &str) -> Vec<(String, &'static str)> {
    let found = extract_suite(&format!(r#"{{"run_report": {report}}}"#)).unwrap_err();
    places(found)
        .into_iter()
        .map(|(path, code)| (path.strip_prefix("/run_report").unwrap().to_owned(), code))
        .collect()
}

#[test]
fn every_member_is_read() {
    let found = report(
        r#"{"run_id": "r-1", "status": "incomplete", "status_reason": "killed",
            "created_at": "2026-01-02T04:04:05+01:00", "revised_at": "2026-01-03T00:00:00Z", "started_at": "2026-01-02T03:04:06Z",
            "completed_at": "2026-01-02T03:04:07.5Z", "planned_results": 10, "reported_results": 4,
            "origin": {"models": ["a/b", "c"], "provider": "a", "agent": "react", "agent_version": "1",
                       "task": "gsm8k", "task_version": "2", "dataset": "openai/gsm8k",
                       "dataset_version": "main", "tool": "inspect_ai", "tool_version": "0.3"},
            "total_tokens": 360, "total_cost_usd": 0.25,
            "metrics": [{"name": "judge", "unit": "points", "lowest": 1, "highest": 5,
                         "higher_is_better": true, "kind": "number", "pass_threshold": 4, "headline": true}],
            "figures": [{"metric": "judge", "figure": "mean", "value": 3.25, "standard_error": 0.5,
                         "aggregation": "scenario_mean", "missing": "zero", "tolerance": 0.005, "headline": true}]}"#,
    );
    assert_eq!(found.run_id.as_deref(), Some("r-1"));
    assert_eq!(found.status, Some(RunStatus::Incomplete));
    assert_eq!(found.status_reason.as_deref(), Some("killed"));
    assert_eq!(found.created_at.as_deref(), Some("2026-01-02T03:04:05.000000Z"));
    assert_eq!(found.revised_at.as_deref(), Some("2026-01-03T00:00:00.000000Z"));
    assert_eq!(found.started_at.as_deref(), Some("2026-01-02T03:04:06.000000Z"));
    assert_eq!(found.completed_at.as_deref(), Some("2026-01-02T03:04:07.500000Z"));
    assert_eq!((found.planned_results, found.reported_results), (Some(10.0), Some(4.0)));
    assert_eq!((found.total_tokens, found.total_cost_usd), (Some(360.0), Some(0.25)));
    let origin = Origin {
        models: vec!["a/b".to_owned(), "c".to_owned()],
        provider: Some("a".to_owned()),
        agent: Some("react".to_owned()),
        agent_version: Some("1".to_owned()),
        task: Some("gsm8k".to_owned()),
        task_version: Some("2".to_owned()),
        dataset: Some("openai/gsm8k".to_owned()),
        dataset_version: Some("main".to_owned()),
        tool: Some("inspect_ai".to_owned()),
        tool_version: Some("0.3".to_owned()),
    };
    assert_eq!(found.origin, origin);
    let [metric] = &found.metrics[..] else { panic!("{found:?}") };
    assert_eq!((metric.name.as_str(), metric.unit.as_deref()), ("judge", Some("points")));
    assert_eq!((metric.lowest, metric.highest), (Some(1.0), Some(5.0)));
    assert_eq!((metric.higher_is_better, metric.kind), (Some(true), Some(MetricKind::Number)));
    assert_eq!((metric.pass_threshold, metric.headline), (Some(4.0), true));
    let [figure] = &found.figures[..] else { panic!("{found:?}") };
    assert_eq!((figure.metric.as_str(), figure.figure.as_str()), ("judge", "mean"));
    assert_eq!((figure.value, figure.standard_error), (Some(3.25), Some(0.5)));
    assert_eq!(figure.aggregation, Aggregation::ScenarioMean);
    assert_eq!(figure.missing, MissingPolicy::Zero);
    assert_eq!((figure.tolerance, figure.headline), (Some(0.005), true));
}

/// The host stores the report of any format as this text.
#[test]
fn a_report_that_is_written_is_read_again() {
    let found = report(
        r#"{"run_id": "r", "status": "failed", "completed_at": "2026-01-02T03:04:05Z", "total_tokens": 1,
            "metrics": [{"name": "a"}, {"name": "b", "kind": "label", "headline": true}],
            "figures": [{"metric": "a", "figure": "f", "value": -1.5, "aggregation": "sum"},
                        {"metric": "b", "figure": "g"}]}"#,
    );
    assert_eq!(report(&serde_json::to_string(&found).unwrap()), found);
    let nothing = RunReport::default();
    assert_eq!(report(&serde_json::to_string(&nothing).unwrap()), nothing);
}

/// Unknown is not guessed.
#[test]
fn absent_members_are_unknown() {
    assert_eq!(report("{}"), RunReport::default());
    assert_eq!(report("null"), RunReport::default());
    assert_eq!(extract_suite("{}").unwrap().run, RunReport::default());
    let found =
        report(r#"{"metrics": [{"name": "a"}], "figures": [{"metric": "a", "figure": "x"}]}"#);
    let [metric] = &found.metrics[..] else { panic!("{found:?}") };
    assert_eq!((metric.lowest, metric.highest, metric.higher_is_better), (None, None, None));
    assert_eq!((metric.kind, metric.pass_threshold, metric.headline), (None, None, false));
    let [figure] = &found.figures[..] else { panic!("{found:?}") };
    assert_eq!((figure.value, figure.tolerance, figure.headline), (None, None, false));
    assert_eq!(figure.aggregation, Aggregation::NotComparable);
    assert_eq!(figure.missing, MissingPolicy::Exclude);
}

#[test]
fn a_range_with_one_bound_is_valid() {
    for (lowest, highest) in [("null", "0"), ("null", "-1"), ("-1", "null"), ("-1", "0")] {
        report(&format!(
            r#"{{"metrics": [{{"name": "logprob", "lowest": {lowest}, "highest": {highest}}}]}}"#
        ));
    }
    for (lowest, highest) in [("1", "1"), ("0", "-1")] {
        let metrics = format!(
            r#"{{"metrics": [{{"name": "a"}}, {{"name": "b", "lowest": {lowest}, "highest": {highest}}}]}}"#
        );
        assert_eq!(refused(&metrics), [("/metrics/1/highest".into(), codes::OUT_OF_RANGE)]);
    }
}

#[test]
fn each_problem_is_at_its_place() {
    for (text, path, code) in [
        ("[]", "", codes::WRONG_TYPE),
        (r#"{"status": "done"}"#, "/status", codes::OUT_OF_RANGE),
        (r#"{"status": 1}"#, "/status", codes::WRONG_TYPE),
        (r#"{"created_at": "yesterday"}"#, "/created_at", codes::TIME_UNREADABLE),
        (r#"{"planned_results": 1.5}"#, "/planned_results", codes::NOT_AN_INTEGER),
        (r#"{"total_cost_usd": -1}"#, "/total_cost_usd", codes::OUT_OF_RANGE),
        (r#"{"metrics": {}}"#, "/metrics", codes::WRONG_TYPE),
        (r#"{"metrics": [{"name": ""}]}"#, "/metrics/0/name", codes::EMPTY_ID),
        (r#"{"metrics": [{"name": "a", "kind": "x"}]}"#, "/metrics/0/kind", codes::OUT_OF_RANGE),
        (
            r#"{"metrics": [{"name": "a", "headline": 1}]}"#,
            "/metrics/0/headline",
            codes::WRONG_TYPE,
        ),
        (r#"{"figures": [{"metric": "a"}]}"#, "/figures/0/figure", codes::EMPTY_ID),
        (
            r#"{"figures": [{"metric": "a", "figure": "m", "tolerance": -1}]}"#,
            "/figures/0/tolerance",
            codes::OUT_OF_RANGE,
        ),
        (
            r#"{"figures": [{"metric": "a", "figure": "m", "aggregation": "median"}]}"#,
            "/figures/0/aggregation",
            codes::OUT_OF_RANGE,
        ),
    ] {
        assert_eq!(refused(text), [(path.to_owned(), code)], "{text}");
    }
}
