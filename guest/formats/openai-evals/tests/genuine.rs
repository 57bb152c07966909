//! Logs that evals wrote: the figures of their final reports are those of the results.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests fail by panicking"
)]

use arc_format_kit::{Aggregation, Outcome, OutcomeStatus, RunReport, RunStatus, finite};
use arc_format_openai_evals::OpenAiEvalsFormat;
use arc_format_testing::{accepted, agrees, frame};

/// Reads a log: its report, and its results.
fn read(name: &str) -> (RunReport, Vec<Outcome>) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../tests/fixtures/formats/openai-evals/genuine");
    let text = std::fs::read_to_string(folder.join(format!("{name}.jsonl"))).unwrap();
    let log = frame::<OpenAiEvalsFormat>("", text.as_bytes()).unwrap();
    let report = finite::suite::<OpenAiEvalsFormat>(&log.header.unwrap()).unwrap().run;
    assert!(text.contains(report.run_id.as_ref().unwrap()) && report.created_at.is_some());
    let read = |item: &String| accepted::<OpenAiEvalsFormat>(None, item);
    (report, log.documents.iter().map(read).collect())
}

#[test]
fn the_figures_of_a_final_report_are_those_of_the_results() {
    let third = 1.0 / 3.0;
    for (name, headline, figures) in [
        ("match", Some("correct"), &[("accuracy", "correct", Some(0.25))][..]),
        ("includes", Some("correct"), &[("accuracy", "correct", Some(0.5))]),
        (
            "fuzzy-match",
            Some("correct"),
            &[("accuracy", "accuracy", Some(0.5)), ("f1_score", "f1_score", Some(0.375))],
        ),
        ("json-match", Some("correct"), &[("accuracy", "accuracy", Some(third))]),
        // The log does not have how an eval of one's own computes its figures.
        ("judged", None, &[("score", "", Some(3.0))]),
        ("beyond", Some("accuracy"), &[("perplexity", "", Some(12.5))]),
        ("nan", Some("accuracy"), &[("accuracy", "", None)]),
        ("two-matches", Some("correct"), &[("accuracy", "", Some(0.375))]),
        ("failing", Some("correct"), &[("accuracy", "", Some(third))]),
    ] {
        let (report, outcomes) = read(name);
        assert_eq!(
            (report.status, report.status_reason.as_deref()),
            (Some(RunStatus::Completed), None)
        );
        let found: Vec<_> = report
            .figures
            .iter()
            .filter(|figure| figure.figure != "boostrap_std")
            .map(|figure| {
                let compared = figure.aggregation == Aggregation::Mean;
                (&*figure.figure, if compared { &*figure.metric } else { "" }, figure.value)
            })
            .collect();
        assert_eq!(found, figures, "{name}");
        let compared = figures.iter().filter(|(_, metric, _)| !metric.is_empty()).count();
        assert_eq!(agrees(&report, &outcomes), compared + 1, "{name}: the figures, and the tokens");
        for outcome in outcomes.iter().filter(|it| it.status == OutcomeStatus::Success) {
            assert_eq!(outcome.headline.as_deref(), headline, "{name}");
        }
    }
}

#[test]
fn a_figure_that_is_nan_is_absent_and_the_values_stay() {
    let (_, outcomes) = read("nan");
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
fn a_log_without_a_final_report_is_incomplete_and_has_its_results() {
    let (report, outcomes) = read("killed");
    assert_eq!(report.status, Some(RunStatus::Incomplete));
    assert!(report.status_reason.unwrap().contains("the final report is missing"));
    assert_eq!((report.figures, report.total_tokens), (Vec::new(), None));
    assert_eq!(outcomes.len(), 4);
    assert!(outcomes.iter().all(|outcome| outcome.headline_value().is_some()));
}
