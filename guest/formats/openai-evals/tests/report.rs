//! The report of a run, compared with the results of its log.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests fail by panicking"
)]

use std::path::{Path, PathBuf};

use arc_format_kit::{Aggregation, Format, Outcome, RunReport, RunStatus, codes};
use arc_format_openai_evals::OpenAiEvalsFormat;
use arc_format_testing::{FramedFile, accepted, agrees, frame};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/fixtures/formats/openai-evals")
}

fn suite(header: &str) -> RunReport {
    OpenAiEvalsFormat::suite(header).unwrap().run
}

/// Returns the outcomes of a log, and the report from its spec and final report.
fn read(name: &str) -> (Vec<Outcome>, RunReport) {
    let text = std::fs::read_to_string(fixtures().join(name)).unwrap();
    let FramedFile { documents, header, .. } =
        frame::<OpenAiEvalsFormat>(name, text.as_bytes()).unwrap();
    // The spec alone has the id of the run.
    let header = header.unwrap();
    let alone = suite(&header);
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("{\"spec\"") || line.starts_with("{\"final_report\""))
        .collect();
    let report = suite(&format!("[{}]", lines.join(",")));
    assert_eq!((&alone.run_id, &alone.created_at), (&report.run_id, &report.created_at));
    assert_eq!((alone.status, alone.figures.len()), (None, 0));
    let outcomes: Vec<Outcome> = documents
        .iter()
        .map(|document| {
            let planned = OpenAiEvalsFormat::scenario(Some(&header), document).ok();
            assert!(planned.is_none_or(|planned| planned.run_id == report.run_id));
            accepted::<OpenAiEvalsFormat>(Some(&header), document)
        })
        .collect();
    (outcomes, report)
}

fn values(outcomes: &[Outcome], name: &str) -> Vec<f64> {
    let scores = outcomes.iter().flat_map(|outcome| &outcome.scores);
    let mut values: Vec<f64> =
        scores.filter(|score| score.name == name).filter_map(|score| score.value).collect();
    values.sort_by(f64::total_cmp);
    values
}

#[test]
fn every_figure_of_a_genuine_log_is_that_of_its_results() {
    // The number of results, that of compared figures, and the means among the figures.
    for (name, results, compared, means) in [
        ("capitals.dev.v0", 3, 2, &["accuracy"][..]),
        ("measured.test.v1", 3, 2, &["accuracy"]),
        ("genuine/match.dev.v0", 4, 2, &["accuracy"]),
        ("genuine/includes.dev.v0", 4, 2, &["accuracy"]),
        ("genuine/fuzzy.dev.v0", 4, 3, &["accuracy", "f1_score"]),
        ("genuine/json.dev.v0", 3, 2, &["accuracy"]),
        ("genuine/valid-json.dev.v0", 3, 2, &["accuracy"]),
        ("genuine/graded.dev.v0", 4, 3, &["score", "metascore"]),
        ("genuine/graded-plainly.dev.v0", 4, 2, &["score"]),
        ("genuine/odd.dev.v0", 4, 1, &["accuracy"]),
        ("genuine/nan.dev.v0", 2, 0, &["accuracy"]),
        ("genuine/turns.dev.v0", 3, 1, &["accuracy"]),
        ("genuine/failing.dev.v0", 4, 2, &["accuracy"]),
    ] {
        let (outcomes, report) = read(&format!("{name}.jsonl"));
        assert_eq!(outcomes.len(), results, "{name}");
        assert_eq!(report.status, Some(RunStatus::Completed), "{name}");
        assert!(report.run_id.is_some() && report.created_at.is_some(), "{name}");
        let figures = report.figures.iter();
        let compared_figures: Vec<_> = figures
            .filter(|figure| figure.aggregation == Aggregation::Mean)
            .map(|figure| figure.figure.as_str())
            .collect();
        assert_eq!(compared_figures, means, "{name}");
        assert_eq!(agrees(&report, &outcomes), compared, "{name}");
        assert!(report.figures.iter().all(|it| !it.figure.starts_with("usage")), "{name}");
    }
}

#[test]
fn a_metric_is_named_like_its_figure() {
    let (outcomes, report) = read("genuine/match.dev.v0.jsonl");
    assert_eq!(values(&outcomes, "accuracy"), [0.0, 0.0, 1.0, 1.0]);
    let accuracy = &report.figures[0];
    assert!(accuracy.headline && report.metrics[0].headline);
    assert_eq!((accuracy.value, report.figures.len()), (Some(0.5), 1));
    assert!(accuracy.standard_error.is_some_and(|error| error > 0.0));
    // An eval with a metric of this name: its matches have another one.
    let (outcomes, _) = read("genuine/fuzzy.dev.v0.jsonl");
    assert_eq!(values(&outcomes, "accuracy"), values(&outcomes, "match"));
    let (outcomes, report) = read("genuine/graded.dev.v0.jsonl");
    assert_eq!(values(&outcomes, "score"), [0.0, 0.0, 1.0, 1.0]);
    let labels: Vec<_> = outcomes.iter().filter_map(|it| it.scores[0].label.as_deref()).collect();
    assert!(labels.contains(&"__invalid__"), "{labels:?}");
    assert!(outcomes.iter().all(|outcome| outcome.headline.is_none()), "score and metascore");
    assert!(report.figures.iter().any(|it| it.figure == "counts/Y" && it.value == Some(2.0)));
    let (outcomes, _) = read("genuine/graded-plainly.dev.v0.jsonl");
    assert!(outcomes.iter().all(|outcome| outcome.headline.as_deref() == Some("score")));
}

#[test]
fn a_value_that_is_not_a_number_is_absent() {
    let (outcomes, report) = read("genuine/odd.dev.v0.jsonl");
    assert_eq!(values(&outcomes, "accuracy"), [0.25, 1.0]);
    assert_eq!(values(&outcomes, "steps"), [-1.0, 3.0, 250.0]);
    let largest = &report.figures[1];
    assert_eq!((largest.value, largest.aggregation), (Some(250.0), Aggregation::NotComparable));
    let (outcomes, report) = read("genuine/nan.dev.v0.jsonl");
    assert_eq!(values(&outcomes, "accuracy"), [1.0]);
    assert_eq!(report.figures[0].value, None);
    let warned = outcomes.iter().flat_map(|outcome| &outcome.warnings);
    assert!(warned.filter(|warning| warning.code == codes::NOT_FINITE).count() == 1);
}

#[test]
fn a_log_without_a_final_report_is_incomplete() {
    let (outcomes, report) = read("genuine/stopped.dev.v0.jsonl");
    assert_eq!((outcomes.len(), report.status), (2, Some(RunStatus::Incomplete)));
    assert!(report.status_reason.is_some() && report.figures.is_empty());
}

#[test]
fn a_report_needs_no_spec() {
    let report = suite(
        r#"{"final_report": {"accuracy": NaN, "f1_score": 0.5, "a": "x",
        "": 1, "usage_total_tokens": -1}, "run_id": "r"}"#,
    );
    assert_eq!((report.run_id.as_deref(), report.status), (Some("r"), Some(RunStatus::Completed)));
    assert_eq!((report.total_tokens, report.figures.len()), (None, 2));
    assert_eq!(report.figures[1].aggregation, Aggregation::NotComparable);
    // An eval whose accuracy is something else.
    let other = suite(
        r#"[{"spec": {"run_id": "r", "run_config": {"eval_spec":
            {"cls": "evals.elsuite.self_prompting.eval:SelfPrompting"}}}},
            {"final_report": {"accuracy": 0.5, "bootstrap_std": 0.25}}]"#,
    );
    assert_eq!(other.figures[0].aggregation, Aggregation::NotComparable);
    assert_eq!(other.figures[0].standard_error, Some(0.25));
    let naive = suite(r#"{"spec": {"created_at": "2026-11-25 21:17:30.005237"}}"#);
    assert_eq!(naive.created_at.as_deref(), Some("2026-11-25T21:17:30.005237Z"));
    for odd in ["{}", "[]", "[1]", r#"{"spec": 1, "final_report": [], "run_id": {}}"#] {
        assert!(suite(odd).figures.is_empty(), "{odd}");
    }
    assert!(OpenAiEvalsFormat::suite("1").is_err());
    assert!(OpenAiEvalsFormat::suite("{").is_err());
}
