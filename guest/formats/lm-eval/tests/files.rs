//! Files written by the tool: those of `tests/fixtures/formats/lm-eval`, and others if they exist.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests fail by panicking"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use arc_format_kit::{Format, Items, Outcome, OutcomeStatus, codes};
use arc_format_lm_eval::LmEvalFormat;
use serde_json::Value;

const DATE: &str = "2026-01-02T03-04-05.678901";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

/// Reads the results of a run, and the outcomes of one of its tasks.
fn read(results: &Path, samples: &Path) -> (String, Vec<Outcome>) {
    let header = std::fs::read_to_string(results).unwrap();
    assert_eq!(LmEvalFormat::detect("results.json", &header.as_bytes()[..500]), None);
    let lines = std::fs::read_to_string(samples).unwrap();
    let head = &lines.as_bytes()[..lines.len().min(4096)];
    assert_eq!(LmEvalFormat::detect("", head).unwrap().items, Items::Lines);
    let outcomes: Vec<Outcome> =
        lines.lines().map(|line| LmEvalFormat::outcome(Some(&header), line).unwrap()).collect();
    for (line, outcome) in lines.lines().zip(&outcomes) {
        let planned = LmEvalFormat::scenario(Some(&header), line).unwrap();
        assert_eq!((&planned.scenario, planned.trial), (&outcome.scenario, None));
        assert_eq!(outcome.status, OutcomeStatus::Success);
        assert!(outcome.scenario.task_prompt.is_some() && outcome.scenario.definition.is_some());
        assert!(outcome.execution_time.is_some());
    }
    let ids: BTreeSet<_> = outcomes.iter().map(|outcome| &outcome.scenario.id).collect();
    assert_eq!(ids.len(), outcomes.len(), "ids are unique");
    (header, outcomes)
}

fn fixture(run: &str, task: &str) -> (String, Vec<Outcome>) {
    let folder = repository().join("tests/fixtures/formats/lm-eval").join(run);
    let samples = folder.join(format!("samples_{task}_{DATE}.jsonl"));
    read(&folder.join(format!("results_{DATE}.json")), &samples)
}

/// Returns the mean of a dimension over the outcomes with that dimension.
fn mean(outcomes: &[Outcome], name: &str) -> f64 {
    let scores: Vec<f64> = outcomes
        .iter()
        .flat_map(|outcome| &outcome.dimension_scores)
        .filter(|score| score.name == name)
        .map(|score| score.score)
        .collect();
    scores.iter().sum::<f64>() / scores.len() as f64
}

#[test]
fn two_filters_are_two_outcomes_and_their_means_are_the_tools() {
    let (header, outcomes) = fixture("one-task", "sums");
    assert_eq!(outcomes.len(), 8);
    assert_eq!(outcomes[0].scenario.id, "sums/0/strict-match");
    assert_eq!(outcomes[7].scenario.id, "sums/3/flexible-extract");
    assert_eq!(
        outcomes[0].scenario.task_prompt.as_deref(),
        Some("Question: What is 1 + 1?\nAnswer:")
    );
    let suite = LmEvalFormat::suite(&header).unwrap();
    assert_eq!(suite.average_dimension_scores.len(), 2);
    for score in &suite.average_dimension_scores {
        assert_eq!(mean(&outcomes, &score.name), score.score, "{}", score.name);
    }
    assert_eq!(mean(&outcomes, "exact_match,flexible-extract"), 0.25);
    assert_eq!(suite.average_reliability_score, None);
    assert_eq!(suite.execution_time_ms, Some(1_250.0));
}

#[test]
fn the_tasks_of_a_run_are_distinguished() {
    for (task, documents, figures) in [
        ("plain-sums", 4, &["exact_match"][..]),
        ("chosen", 3, &["acc", "acc_norm"]),
        ("prose", 2, &[]),
    ] {
        let (header, outcomes) = fixture("three-tasks", task);
        assert_eq!(outcomes.len(), documents);
        for (number, outcome) in outcomes.iter().enumerate() {
            assert_eq!(outcome.scenario.id, format!("{task}/{number}"));
        }
        let results: Value = serde_json::from_str(&header).unwrap();
        for figure in figures {
            let expected = results["results"][task][format!("{figure},none")].as_f64().unwrap();
            assert!((mean(&outcomes, figure) - expected).abs() < 1e-9, "{task} {figure}");
            assert!(outcomes.iter().all(|outcome| outcome.warnings.is_empty()));
        }
    }
}

#[test]
fn a_perplexity_is_no_score() {
    let (_, outcomes) = fixture("three-tasks", "prose");
    for outcome in outcomes {
        assert_eq!((outcome.headline_value(), outcome.dimension_scores.len()), (None, 0));
        let codes: Vec<_> = outcome.warnings.iter().map(|warning| warning.code).collect();
        assert_eq!(codes, [codes::WRONG_TYPE, codes::WRONG_TYPE, codes::SCORE_MISSING]);
    }
}

#[test]
fn published_samples_are_read() {
    let folder = repository().join("../shared/data/lm-eval");
    let samples = folder.join("samples_math_perturbed_full.jsonl");
    if !samples.exists() {
        arc_format_testing::skip(&samples.display().to_string(), "it is not here");
        return;
    }
    let (_, outcomes) = read(&folder.join("results.json"), &samples);
    assert!(!outcomes.is_empty());
    for outcome in &outcomes {
        assert_eq!(outcome.headline_value(), Some(0.0));
        // The results name two tasks that a line does not distinguish.
        let codes: Vec<_> = outcome.warnings.iter().map(|warning| warning.code).collect();
        assert_eq!(codes, [codes::SCENARIO_ID_MADE]);
        assert!(outcome.scenario.id.starts_with("doc-"));
    }
}
