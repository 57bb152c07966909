//! Logs that evals wrote: the figures of their final reports are those of the results. The format
//! does not read a final report, because it is not part of the header.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests fail by panicking"
)]

use arc_format_kit::{
    Aggregation, Format, MissingPolicy, Outcome, OutcomeStatus, ReportedFigure, RunReport,
};
use arc_format_openai_evals::OpenAiEvalsFormat;
use arc_format_testing::{accepted, agrees, frame};
use serde_json::Value;

fn folder() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../tests/fixtures/formats/openai-evals/genuine")
}

/// Reads a log: its text, and its results.
fn read(name: &str) -> (String, Vec<Outcome>) {
    let text = std::fs::read_to_string(folder().join(format!("{name}.jsonl"))).unwrap();
    let log = frame::<OpenAiEvalsFormat>("", text.as_bytes()).unwrap();
    let header = log.header.unwrap();
    let report = OpenAiEvalsFormat::suite(&header).unwrap().run;
    assert!(text.contains(&report.run_id.unwrap()) && report.created_at.is_some());
    let read = |item: &String| accepted::<OpenAiEvalsFormat>(Some(&header), item);
    let outcomes = log.documents.iter().map(read).collect();
    (text, outcomes)
}

/// Returns the final report of a log as a report of these figures, which are the means of scores.
fn final_report(text: &str, means: &[(&str, &str)]) -> RunReport {
    let line = text.lines().find(|line| line.starts_with(r#"{"final_report""#)).unwrap();
    let line = line.replace("NaN", "null");
    let report = &serde_json::from_str::<Value>(&line).unwrap()["final_report"];
    let figure = |(figure, metric): &(&str, &str)| ReportedFigure {
        metric: (*metric).to_owned(),
        figure: (*figure).to_owned(),
        value: report[*figure].as_f64(),
        standard_error: None,
        aggregation: Aggregation::Mean,
        missing: MissingPolicy::Exclude,
        tolerance: None,
        headline: false,
    };
    RunReport {
        total_tokens: report["usage_total_tokens"].as_f64(),
        figures: means.iter().map(figure).collect(),
        ..RunReport::default()
    }
}

#[test]
fn the_means_of_a_final_report_are_those_of_the_results() {
    for (name, headline, means) in [
        ("match", Some("correct"), &[("accuracy", "correct")][..]),
        ("includes", Some("correct"), &[("accuracy", "correct")]),
        (
            "fuzzy-match",
            Some("correct"),
            &[("accuracy", "accuracy"), ("f1_score", "f1_score"), ("accuracy", "correct")],
        ),
        ("json-match", Some("correct"), &[("accuracy", "accuracy"), ("accuracy", "correct")]),
        ("judged", None, &[("score", "score")]),
        ("beyond", Some("accuracy"), &[("perplexity", "perplexity")]),
        ("two-matches", Some("correct"), &[("accuracy", "correct")]),
        ("failing", Some("correct"), &[("accuracy", "correct")]),
    ] {
        let (text, outcomes) = read(name);
        let compared = agrees(&final_report(&text, means), &outcomes);
        assert_eq!(compared, means.len() + 1, "{name}: the figures, and the tokens");
        for outcome in outcomes.iter().filter(|it| it.status == OutcomeStatus::Success) {
            assert_eq!(outcome.headline.as_deref(), headline, "{name}");
        }
    }
}

#[test]
fn a_figure_that_is_nan_is_absent_and_the_values_stay() {
    let (text, outcomes) = read("nan");
    assert_eq!(agrees(&final_report(&text, &[("accuracy", "accuracy")]), &outcomes), 1);
    let mut values: Vec<_> = outcomes.iter().map(Outcome::headline_value).collect();
    values.sort_by_key(Option::is_some);
    assert_eq!(values, [None, Some(0.5), Some(0.5), Some(0.5)]);
}

#[test]
fn a_sample_that_failed_has_no_score() {
    let (_, outcomes) = read("failing");
    let failed: Vec<_> =
        outcomes.iter().filter(|outcome| outcome.status == OutcomeStatus::Error).collect();
    assert_eq!(failed.len(), 1);
    assert!(failed[0].scores.is_empty());
}

#[test]
fn a_log_without_a_final_report_has_its_results() {
    let (text, outcomes) = read("killed");
    assert!(!text.contains("final_report"));
    assert_eq!(outcomes.len(), 4);
    assert!(outcomes.iter().all(|outcome| outcome.headline_value().is_some()));
}
