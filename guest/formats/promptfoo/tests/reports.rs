//! What promptfoo reports about an evaluation agrees with its results.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests fail by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};

use arc_format_kit::usage::TokenUsage;
use arc_format_kit::{Aggregation, Origin, Outcome, OutcomeStatus, RunReport, RunStatus, finite};
use arc_format_promptfoo::PromptfooFormat;
use arc_format_testing::{accepted, agrees, frame, scores, warnings};

/// Reads a file: what promptfoo reports, and the results.
fn read(name: &str) -> (RunReport, Vec<Outcome>) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/fixtures/formats/promptfoo/");
    let bytes = std::fs::read(format!("{folder}{name}")).unwrap();
    let file = frame::<PromptfooFormat>(name, &bytes).unwrap();
    let header = file.header.as_deref();
    let suite = finite::suite::<PromptfooFormat>(header.unwrap()).unwrap();
    assert_eq!(suite.warnings, [], "{name}");
    let outcomes = file.documents.iter().map(|item| accepted::<PromptfooFormat>(header, item));
    (suite.run, outcomes.collect())
}

/// Returns how a figure is computed, and its value.
fn figure(report: &RunReport, name: &str) -> (Aggregation, Option<f64>) {
    let figure = report.figures.iter().find(|figure| figure.figure == name);
    let figure = figure.unwrap_or_else(|| panic!("no {name}: {:?}", report.figures));
    (figure.aggregation, figure.value)
}

#[test]
fn the_figures_are_those_of_the_results() {
    let (report, outcomes) = read("results.json");
    // Successes, score, three metrics, tokens, cost.
    assert_eq!(agrees(&report, &outcomes), 7);
    assert_eq!(report.run_id.as_deref(), Some("eval-OR8-2026-11-25T21:30:52"));
    assert_eq!(report.status, Some(RunStatus::Completed));
    assert_eq!(report.started_at.as_deref(), Some("2026-11-25T21:30:52.310000Z"));
    assert_eq!(report.created_at, report.started_at);
    assert_eq!(report.revised_at.as_deref(), Some("2026-11-25T21:31:10.595000Z"));
    assert_eq!(report.reported_results, Some(48.0));
    assert_eq!(figure(&report, "failures").0, Aggregation::NotComparable);
    // The weight of this metric is 0, so its sum is 0, although its values are 7.
    assert_eq!(
        figure(&report, "metrics.namedScores.of ten"),
        (Aggregation::NotComparable, Some(0.0))
    );
    let headlines: Vec<_> = report.metrics.iter().filter(|metric| metric.headline).collect();
    assert_eq!(headlines.len(), 1);
    assert_eq!((&*headlines[0].name, headlines[0].highest), ("pass", Some(1.0)));
}

#[test]
fn tests_in_another_file_have_plain_ids() {
    let (report, outcomes) = read("tests-in-a-file.json");
    let ids: Vec<&str> = outcomes.iter().map(|outcome| &*outcome.scenario.id).collect();
    assert!(ids.iter().all(|id| id.ends_with("/openai:chat:gpt-4o-mini")), "{ids:?}");
    let places: Vec<_> =
        outcomes.iter().map(|outcome| (outcome.trial, outcome.place.as_deref().unwrap())).collect();
    assert_eq!(places, [(None, "1/0"), (None, "0/0"), (None, "2/0")]);
    assert_eq!(outcomes[0].key.as_deref(), Some("cbf3e33a-a2aa-46bc-93b9-424263621aa4"));
    for outcome in &outcomes {
        assert_eq!(warnings(outcome), []);
    }
    assert_eq!(scores(&outcomes[1]), [("pass", 1.0), ("score", 1.0)]);
    // Successes, score, tokens, cost.
    assert_eq!(agrees(&report, &outcomes), 4);
    assert_eq!((report.status, report.total_tokens), (None, Some(129.0)));
    let origin = &report.origin;
    assert_eq!(
        (&*origin.models, origin.provider.as_deref()),
        (&["gpt-4o-mini".to_owned()][..], Some("openai"))
    );
    let used = &outcomes[0].usage[0];
    assert_eq!(
        (used.model.as_deref(), outcomes[0].origin.clone()),
        (Some("gpt-4o-mini"), Origin::default())
    );
}

fn report(header: &str) -> RunReport {
    finite::suite::<PromptfooFormat>(header).unwrap().run
}

#[test]
fn what_graders_used_is_the_scorers() {
    let (report, outcomes) = read("genuine/graded.json");
    let kinds = |calls: &TokenUsage| {
        let input =
            [calls.uncached_input_tokens, calls.cache_read_tokens, calls.cache_write_tokens];
        (
            calls.role.clone(),
            input,
            [calls.output_tokens, calls.reasoning_tokens],
            calls.total_tokens,
        )
    };
    let usage: Vec<Vec<_>> =
        outcomes.iter().map(|outcome| outcome.usage.iter().map(kinds).collect()).collect();
    let agent = |input, output, total| (None, input, output, total);
    let scorer = |input, total: f64| {
        (Some("scorer".to_owned()), [input, 0.0, 0.0], [total - input, 0.0], total)
    };
    assert_eq!(
        usage,
        [
            vec![agent([20.0, 0.0, 0.0], [10.0, 0.0], 30.0), scorer(60.0, 70.0)],
            vec![scorer(60.0, 70.0)],
            vec![agent([30.0, 60.0, 10.0], [20.0, 30.0], 150.0), scorer(120.0, 140.0)],
            vec![scorer(120.0, 140.0)],
            // An answer from promptfoo's own cache.
            vec![agent([0.0, 30.0, 0.0], [0.0, 0.0], 30.0)],
            vec![],
        ]
    );
    assert_eq!((outcomes[2].tokens_used, outcomes[2].cost_usd), (150.0, 0.002));
    // A failed assertion is no error.
    let failed = &outcomes[4];
    assert_eq!((failed.status, failed.headline_value()), (OutcomeStatus::Success, Some(0.0)));
    assert_eq!(
        (&failed.error_code, &failed.error_message, failed.error_category),
        (&None, &None, None)
    );
    // Successes, score, tokens of both roles, cost.
    assert_eq!(report.total_tokens, Some(630.0));
    assert_eq!(agrees(&report, &outcomes), 4);
    let text = |text: &str| Some(text.to_owned());
    let tool = (report.origin.tool, report.origin.tool_version);
    assert_eq!(tool, (text("promptfoo"), text("0.121.20")));
    assert_eq!((report.origin.task, report.origin.agent), (text("letters"), None));
    let agents: Vec<_> = outcomes.iter().map(|it| it.origin.agent.as_deref().unwrap()).collect();
    assert_eq!(agents[..2], ["file://provider.js", "repeats"]);
    assert_eq!((&outcomes[1].origin.provider, &outcomes[1].origin.tool), (&None, &None));
}

#[test]
fn a_header_reports_only_what_it_has() {
    for header in ["{}", r#"{"results": {}}"#, r#"{"results": {"stats": 1, "prompts": [1, {}]}}"#] {
        let found = report(header);
        assert_eq!(found.figures, [], "{header}");
        assert_eq!((found.reported_results, found.total_tokens), (None, None), "{header}");
        assert_eq!((found.total_cost_usd, found.status), (None, None), "{header}");
    }
}

#[test]
fn a_sum_that_is_not_finite_has_no_value() {
    let found = report(
        r#"{"results": {"prompts": [{"metrics": {"score": null, "namedScores": {"a": 1, "b": NaN}}},
            {"metrics": {"score": 1, "namedScores": {"a": 2}}}]},
            "config": {"tests": [{"assert": [{"metric": "a"}, {"metric": "b"}]}]}}"#,
    );
    assert_eq!(figure(&found, "metrics.score"), (Aggregation::Sum, None));
    assert_eq!(figure(&found, "metrics.namedScores.a"), (Aggregation::Sum, Some(3.0)));
    assert_eq!(figure(&found, "metrics.namedScores.b"), (Aggregation::Sum, None));
}

#[test]
fn a_metric_is_compared_only_if_all_weights_are_one() {
    let is_compared = |config: &str| {
        let header = format!(
            r#"{{"results": {{"prompts": [{{"metrics": {{"namedScores": {{"a": 1}}}}}}]}}, "config": {config}}}"#
        );
        figure(&report(&header), "metrics.namedScores.a").0 == Aggregation::Sum
    };
    for config in [
        r#"{"tests": [{"assert": [{"metric": "a"}, {"metric": "b", "weight": 2}, {"type": "x"}]}, {"vars": {}}]}"#,
        r#"{"tests": [{"assert": [{"metric": "a", "weight": 1}]}, {"assert": [{"metric": "a", "weight": null}]}]}"#,
        r#"{"tests": [{}], "defaultTest": {"assert": [{"metric": "a"}]}, "scenarios": [], "derivedMetrics": null}"#,
    ] {
        assert!(is_compared(config), "{config}");
    }
    for config in [
        "null",
        "{}",
        r#"{"tests": "file://tests.csv"}"#,
        r#"{"tests": ["file://tests.csv"]}"#,
        r#"{"tests": [{"assert": "x"}]}"#,
        r#"{"tests": [{"assert": [{"metric": "a", "weight": 2}]}]}"#,
        r#"{"tests": [{"assert": [{"metric": "a", "weight": 0}]}]}"#,
        r#"{"tests": [{"assert": [{"metric": "a"}, {"metric": "a"}]}]}"#,
        r#"{"tests": [{"assert": [{"metric": "a"}]}], "defaultTest": {"assert": [{"metric": "a"}]}}"#,
        r#"{"tests": [{"assert": [{"metric": "a"}]}], "defaultTest": "file://x.yaml"}"#,
        r#"{"tests": [{"assert": [{"metric": "a"}, {"metric": "{{ name }}"}]}]}"#,
        r#"{"tests": [{"assert": [{"metric": "a"}, {"type": "assert-set", "assert": []}]}]}"#,
        r#"{"tests": [{"assert": [{"metric": "a"}]}], "derivedMetrics": [{"name": "a", "value": "1"}]}"#,
        r#"{"tests": [{"assert": [{"metric": "a"}]}], "scenarios": [{}]}"#,
        r#"{"tests": [{"assert": [{"metric": "b"}]}]}"#,
    ] {
        assert!(!is_compared(config), "{config}");
    }
}

#[test]
fn tokens_that_promptfoo_left_out_are_not_compared() {
    let tokens = |usage: &str, prompts: &str| {
        report(&format!(r#"{{"results": {{"stats": {{"tokenUsage": {usage}}}{prompts}}}}}"#))
            .total_tokens
    };
    let prompts = r#", "prompts": []"#;
    assert_eq!(tokens(r#"{"total": 9, "prompt": 4, "completion": 3}"#, prompts), Some(9.0));
    assert_eq!(tokens(r#"{"total": 0, "prompt": 4, "completion": 3}"#, prompts), None);
    let graded = |total: u32| {
        format!(
            r#"{{"total": 9, "assertions": {{"total": {total}, "prompt": 4, "completion": 3}}}}"#
        )
    };
    assert_eq!(tokens(&graded(7), prompts), Some(16.0));
    assert_eq!(tokens(&graded(0), prompts), None);
    // The second version of the file.
    assert_eq!(tokens(r#"{"total": 9, "prompt": 4, "completion": 3}"#, ""), None);
}

#[test]
fn an_evaluation_without_duration_did_not_come_to_its_end() {
    let status = |version: &str, stats: &str| {
        report(&format!(
            r#"{{"results": {{"stats": {stats}}}, "metadata": {{"promptfooVersion": "{version}"}}}}"#
        ))
        .status
    };
    assert_eq!(status("0.121.20", r#"{"durationMs": 5}"#), Some(RunStatus::Completed));
    assert_eq!(status("0.121.20", "{}"), Some(RunStatus::Incomplete));
    assert_eq!(status("1.0.0", "{}"), Some(RunStatus::Incomplete));
    assert_eq!(status("0.120.1", "{}"), None);
    assert_eq!(status("x", "{}"), None);
}

/// Reads a file that promptfoo made of a small evaluation.
fn genuine(name: &str) -> (RunReport, Vec<Outcome>) {
    read(&format!("genuine/{name}.json"))
}

#[test]
fn genuine_files_agree_with_what_promptfoo_reports() {
    // Successes, score, tokens and cost are always compared, unless there is a reason.
    for (name, results, compared) in [
        ("raw-scores", 3, 8),
        ("weights", 2, 5),
        ("named-by-a-script", 2, 5),
        ("repeats-of-a-csv", 18, 4),
        ("errors", 10, 4),
        ("timeouts", 2, 4),
        ("max-duration", 5, 4),
        ("thresholds", 3, 4),
        ("derived-metrics", 2, 5),
        ("names-from-variables", 2, 4),
        ("max-score", 4, 5),
        ("same-test-twice", 6, 4),
        ("tokens", 3, 4),
        // Promptfoo counts tokens without `total` as 0.
        ("tokens-without-total", 2, 3),
        ("filtered", 2, 5),
        ("hook", 2, 5),
        ("retried", 2, 4),
        ("killed", 6, 4),
    ] {
        let (report, outcomes) = genuine(name);
        assert_eq!(outcomes.len(), results, "{name}");
        assert_eq!(agrees(&report, &outcomes), compared, "{name}");
        let killed = name == "killed";
        let status = if killed { RunStatus::Incomplete } else { RunStatus::Completed };
        assert_eq!(report.status, Some(status), "{name}");
        assert_eq!(report.status_reason.is_some(), killed, "{name}");
        for outcome in &outcomes {
            assert_eq!(warnings(outcome), [], "{name}");
            assert_ne!(outcome.key, outcome.place, "{name}");
        }
    }
}

#[test]
fn values_are_those_that_promptfoo_wrote() {
    let values = |name, at: usize| {
        let (_, outcomes) = genuine(name);
        let found = scores(&outcomes[at]).into_iter().map(|(name, value)| (name.to_owned(), value));
        found.skip(1).map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>()
    };
    assert_eq!(values("raw-scores", 0), ["score 3.625", "of ten 7", "quarter 0.25"]);
    assert_eq!(values("raw-scores", 1), ["score 1", "of ten 3", "quarter -1"]);
    let renamed = ["score 3.75", "of ten 10", "namedScores/pass 0.5", "namedScores/score 0.75"];
    assert_eq!(values("raw-scores", 2), renamed);
    assert_eq!(values("named-by-a-script", 0), ["score 1", "style 4", "tone 2"]);
    assert_eq!(values("hook", 0), ["score 1", "m 1", "added 2.5"]);
    assert_eq!(values("not-finite", 1), ["score 1", "y 0.5"]);
}

#[test]
fn repetitions_and_equal_tests_are_trials_of_one_scenario() {
    for (name, scenarios, trials) in [("repeats-of-a-csv", 6, 3), ("retried", 2, 1)] {
        let mut places: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for outcome in genuine(name).1 {
            assert_eq!(outcome.trial, None);
            assert!(places.entry(outcome.scenario.id).or_default().insert(outcome.place.unwrap()));
        }
        assert_eq!(places.len(), scenarios, "{name}: {places:?}");
        assert!(places.values().all(|places| places.len() == trials), "{name}: {places:?}");
    }
    let (_, outcomes) = genuine("same-test-twice");
    let ids: BTreeSet<&str> = outcomes.iter().map(|outcome| &*outcome.scenario.id).collect();
    assert_eq!((outcomes.len(), ids.len()), (6, 4));
}

#[test]
fn a_header_that_disagrees_with_its_own_results_is_reported_unchanged() {
    // See the README of the files.
    let (report, outcomes) = genuine("not-finite");
    assert_eq!((report.reported_results, outcomes.len()), (Some(3.0), 2));
    assert_eq!(figure(&report, "successes"), (Aggregation::Sum, Some(3.0)));
    assert_eq!(figure(&report, "metrics.score"), (Aggregation::Sum, None));
    assert_eq!(figure(&report, "metrics.namedScores.m"), (Aggregation::Sum, None));
    let (mut report, outcomes) = genuine("target-unavailable");
    assert_eq!((report.reported_results.take(), outcomes.len()), (Some(1.0), 2));
    assert_eq!(agrees(&report, &outcomes), 4);
}
