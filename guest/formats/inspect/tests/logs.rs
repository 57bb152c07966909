//! Logs written by Inspect: those of `tests/fixtures/formats/inspect`, and others if they exist.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests fail by panicking"
)]

use arc_format_inspect::InspectFormat;
use arc_format_kit::{ErrorCategory, Format, Outcome, OutcomeStatus, RunStatus, Span};
use arc_format_testing::{agrees, scores, skip};
use serde_json::Value;

mod archive;

use archive::{Log, NO_PYTHON, fixture, head, repository};

fn part(text: &str, span: Option<Span>) -> Value {
    let span = span.unwrap();
    serde_json::from_str(&text[span.offset as usize..][..span.length as usize]).unwrap()
}

fn check_arithmetic(log: &Log) {
    let outcomes = log.outcomes();
    assert_eq!(outcomes.len(), 10);
    let suite = log.check_figures(&outcomes);
    let figures: Vec<_> = suite.run.figures.iter().map(|it| (&*it.metric, &*it.figure)).collect();
    assert_eq!(
        figures,
        [
            ("includes", "accuracy"),
            ("graded", "accuracy"),
            ("style/brevity", "mean"),
            ("style/words", "mean")
        ]
    );
    assert!(suite.run.figures[0].headline && suite.run.figures[0].standard_error == Some(0.25));
    assert_eq!((suite.run.planned_results, suite.run.reported_results), (Some(10.0), None));
    for trial in [1, 2] {
        let of = |id: &str| &outcomes[&(format!("arithmetic/{id}"), trial)];
        let added = of("add");
        assert_eq!(added.status, OutcomeStatus::Success);
        assert_eq!(added.headline_value(), Some(1.0));
        assert_eq!(
            scores(added),
            [("includes", 1.0), ("graded", 1.0), ("style/brevity", 0.25), ("style/words", 14.0)]
        );
        assert_eq!(added.scenario.task_prompt.as_deref(), Some("What is 2 + 2?"));
        assert_eq!(
            (added.tokens_used, added.prompt_tokens, added.completion_tokens),
            (150.0, 130.0, 20.0)
        );
        assert!(added.execution_time.is_some() && added.execution_time_ms > 0.0);
        assert!(added.event_count > 5);
        assert_eq!(added.warnings, []);

        assert_eq!(of("2").headline_value(), Some(0.0));
        assert_eq!(of("ask/tool").tokens_used, 300.0);
        assert!(of("long").scenario.task_prompt.as_deref().unwrap().ends_with("What is 2 + 2?"));

        let failing = of("failing");
        assert_eq!(failing.status, OutcomeStatus::Error);
        assert_eq!(failing.error_code.as_deref(), Some("ConnectionError"));
        assert_eq!(failing.error_category, Some(ErrorCategory::Network));
        let message = failing.error_message.as_deref().unwrap();
        assert!(message.starts_with("ConnectionError(\"the sandbox's connection was reset"));
        assert!(message.contains("Traceback (most recent call last)"));
        assert_eq!((failing.headline_value(), failing.scores.len()), (None, 0));
    }
}

#[test]
fn a_document_is_read() {
    check_arithmetic(&Log::of_document(&fixture("arithmetic.json")));
}

#[test]
fn an_archive_is_read() {
    match Log::of_archive(&fixture("arithmetic-deflate.eval")) {
        Some(log) => check_arithmetic(&log),
        None => skip("an archive", NO_PYTHON),
    }
}

#[test]
fn an_archive_of_an_aborted_run_has_the_same_ids() {
    let Some(log) = Log::of_archive(&fixture("broken-off.eval")) else {
        return skip("an archive of an aborted run", NO_PYTHON);
    };
    let ids: Vec<_> = log.outcomes().into_keys().collect();
    assert_eq!(ids, [("arithmetic/add".to_owned(), 1), ("arithmetic/add".to_owned(), 2)]);
    let suite = InspectFormat::suite(&log.header).unwrap();
    assert_eq!(suite.run.status, Some(RunStatus::Incomplete));
    assert_eq!((suite.run.planned_results, suite.run.reported_results), (Some(10.0), None));
    assert_eq!((suite.total_tokens_used, suite.run.figures.len()), (None, 0));
    let headline: Vec<_> = suite.run.metrics.iter().filter(|metric| metric.headline).collect();
    assert_eq!((suite.run.metrics.len(), &*headline[0].name), (4, "includes"));
}

#[test]
fn archives_are_recognised_however_they_are_compressed() {
    for name in ["arithmetic.eval", "arithmetic-deflate.eval", "broken-off.eval"] {
        let bytes = std::fs::read(fixture(name)).unwrap();
        for file_name in [name, "", "upload.zip"] {
            assert!(InspectFormat::detect(file_name, head(&bytes)).is_some(), "{name}");
        }
    }
}

#[test]
fn the_entries_of_an_archive_are_read() {
    let read = |name: &str| std::fs::read_to_string(fixture("arithmetic").join(name)).unwrap();
    let header = read("header.json");
    let started = read("_journal/start.json");
    let sample = read("samples/ask%2Ftool_epoch_1.json");
    let outcome = InspectFormat::outcome(Some(&header), &sample).unwrap();
    assert_eq!(outcome.scenario.id, "arithmetic/ask/tool");
    assert_eq!(InspectFormat::outcome(Some(&started), &sample).unwrap(), outcome);
    let names: Vec<_> = outcome.scores.iter().map(|score| score.name.as_str()).collect();
    assert_eq!(names, ["includes", "graded", "style/brevity", "style/words"]);
    let messages = part(&sample, outcome.detailed_trajectory);
    assert_eq!(messages.as_array().unwrap().len(), 5);
    assert_eq!(part(&sample, outcome.trajectory)["completion"], "The sum is 4.");
    assert_eq!(part(&sample, outcome.dimensions)["includes"]["value"], "C");
}

#[test]
fn each_limit_is_read() {
    let log = Log::of_document(&fixture("limits.json"));
    let outcomes = log.outcomes();
    let of = |id: &str| &outcomes[&(format!("limits/{id}"), 1)];
    for (id, status, reason) in [
        ("time", OutcomeStatus::Timeout, "Time limit exceeded. limit: 1 seconds"),
        ("working", OutcomeStatus::Timeout, "Working time limit exceeded. limit: 1 seconds"),
        ("message", OutcomeStatus::Success, "Message limit reached. count: 6; limit: 6"),
        ("token", OutcomeStatus::Success, "Token limit exceeded. value: 600; limit: 500"),
        ("custom", OutcomeStatus::Success, "Three is too many."),
        ("operator", OutcomeStatus::Cancelled, "Exceeded operator limit: 1"),
    ] {
        let outcome = of(id);
        assert_eq!(outcome.status, status, "{id}");
        assert_eq!(outcome.error_code.as_deref(), Some(format!("{id}_limit").as_str()));
        assert_eq!(outcome.error_message.as_deref(), Some(reason));
        assert_eq!(outcome.headline_value(), Some(1.0), "it is scored all the same");
        assert_eq!(outcome.warnings, []);
    }
    assert_eq!(of("time").error_category, Some(ErrorCategory::Timeout));
    // Inspect's own mean of a list is 0.
    assert_eq!(scores(of("list")), [("odd", 0.0), ("odd/0", 1.0), ("odd/1", 0.5)]);
    assert_eq!(of("yes").headline_value(), Some(1.0));
}

#[test]
fn a_log_of_2024_is_read() {
    let log = Log::of_document(&fixture("old.json"));
    let outcomes = log.outcomes();
    let of = |id: &str| &outcomes[&(format!("old/{id}"), 1)];
    for outcome in outcomes.values() {
        assert!(outcome.execution_time.is_some() && outcome.execution_time_ms > 0.0);
        assert!(outcome.event_count > 3 && outcome.detailed_trajectory.is_some());
        assert_eq!(outcome.tokens_used, 0.0, "it has no usage by sample");
    }
    let score_of = |id| of(id).headline_value();
    assert_eq!((score_of("good"), score_of("2")), (Some(1.0), Some(0.0)));
    assert_eq!(of("good").warnings, []);
    assert!(of("good").scenario.task_prompt.as_deref().unwrap().ends_with("Say something."));
    let failing = of("failing");
    assert_eq!(failing.status, OutcomeStatus::Error);
    assert_eq!(failing.error_code.as_deref(), Some("ValueError"));
    assert_eq!(failing.error_category, Some(ErrorCategory::ValidationError));
    let suite = InspectFormat::suite(&log.header).unwrap();
    let outcomes: Vec<Outcome> = outcomes.into_values().collect();
    assert_eq!(agrees(&suite.run, &outcomes), 2);
    assert_eq!(suite.run.run_id.as_deref(), Some("BsC98k8VKBxtdSZatxp95x"));
    assert_eq!(outcomes[0].key, outcomes[0].place, "0.3.25 has no uuid");
}

#[test]
fn published_logs_are_read() {
    let folder = repository().join("../shared/data/inspect");
    for (name, samples) in [
        ("security-guide.json", 3),
        ("browser.json", 1),
        ("security-guide.eval", 16),
        ("theory-of-mind.eval", 100),
    ] {
        let path = folder.join(name);
        if !path.exists() {
            skip(name, "it is not here");
            continue;
        }
        let log = if name.ends_with(".json") {
            Log::of_document(&path)
        } else {
            let Some(log) = Log::of_archive(&path) else {
                skip(name, NO_PYTHON);
                continue;
            };
            log
        };
        let outcomes = log.outcomes();
        assert_eq!(outcomes.len(), samples, "{name}");
        log.check_figures(&outcomes);
        for outcome in outcomes.values() {
            assert_eq!(outcome.status, OutcomeStatus::Success);
            assert_eq!(outcome.warnings, [], "{name}");
            assert!(outcome.execution_time.is_some() && outcome.execution_time_ms > 0.0);
            assert!(outcome.tokens_used >= outcome.prompt_tokens + outcome.completion_tokens);
            assert!(
                outcome.scenario.task_prompt.is_some() && outcome.detailed_trajectory.is_some()
            );
        }
    }
}
