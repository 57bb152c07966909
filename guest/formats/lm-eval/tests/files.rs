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

use arc_format_kit::{
    Aggregation, Format, Items, Origin, Outcome, OutcomeStatus, RunReport, codes, finite,
};
use arc_format_lm_eval::LmEvalFormat;
use arc_format_testing::{agrees, frame, warnings};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

/// Reads the results of a run, and the outcomes of one of its tasks.
fn read(results: &Path, samples: &Path) -> (String, Vec<Outcome>) {
    let header = std::fs::read_to_string(results).unwrap();
    let head = &header.as_bytes()[..header.len().min(500)];
    assert_eq!(LmEvalFormat::detect("results.json", head), None);
    let file = frame::<LmEvalFormat>("", &std::fs::read(samples).unwrap()).unwrap();
    assert_eq!(file.layout.items, Items::Lines);
    let name = samples.file_name().unwrap().to_str().unwrap();
    let header = format!("[{name:?},{header}]");
    let read = |item: &String| arc_format_testing::accepted::<LmEvalFormat>(Some(&header), item);
    let outcomes: Vec<Outcome> = file.documents.iter().map(read).collect();
    for outcome in &outcomes {
        assert_eq!((outcome.status, outcome.trial), (OutcomeStatus::Success, None));
        assert!(outcome.scenario.task_prompt.is_some() && outcome.scenario.definition.is_some());
    }
    let ids: BTreeSet<_> = outcomes.iter().map(|outcome| &outcome.scenario.id).collect();
    assert_eq!(ids.len(), outcomes.len(), "ids are unique");
    (header, outcomes)
}

/// Returns the files of a folder whose names begin with a text.
fn files(folder: &Path, start: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let begins = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(start);
    let mut found: Vec<_> = entries.filter(begins).collect();
    found.sort();
    found
}

fn fixture(run: &str, task: &str) -> (String, Vec<Outcome>) {
    let folder = repository().join("tests/fixtures/formats/lm-eval").join(run);
    let samples = files(&folder, &format!("samples_{task}_")).pop().unwrap();
    read(&files(&folder, "results_").pop().unwrap(), &samples)
}

/// Returns the results in a header.
fn results(header: &str) -> serde_json::Value {
    serde_json::from_str::<serde_json::Value>(header).unwrap()[1].take()
}

fn report(header: &str) -> RunReport {
    finite::suite::<LmEvalFormat>(header).unwrap().run
}

/// Returns the values of a score.
fn values(outcomes: &[Outcome], name: &str) -> Vec<Option<f64>> {
    let score = |outcome: &Outcome| {
        outcome.scores.iter().find(|score| score.name == name).and_then(|score| score.value)
    };
    outcomes.iter().map(score).collect()
}

/// Returns the mean of a score over the outcomes with a value.
fn mean(outcomes: &[Outcome], name: &str) -> f64 {
    let scores: Vec<f64> = values(outcomes, name).into_iter().flatten().collect();
    scores.iter().sum::<f64>() / scores.len() as f64
}

#[test]
fn two_filters_are_two_scores_of_one_outcome() {
    let (header, outcomes) = fixture("two-filters", "gsm8k");
    assert_eq!(outcomes.len(), 10);
    assert_eq!(outcomes[9].scenario.id, "gsm8k/9");
    assert!((mean(&outcomes, "exact_match,strict-match") - 0.2).abs() < 1e-9);
    assert!((mean(&outcomes, "exact_match,flexible-extract") - 0.6).abs() < 1e-9);
    for outcome in &outcomes {
        assert_eq!(outcome.scores.len(), 2);
        assert_eq!(outcome.headline.as_deref(), Some("exact_match,strict-match"));
        assert_eq!(warnings(outcome), []);
    }
    let run = report(&header);
    assert_eq!(agrees(&run, &outcomes), 2);
    assert_eq!(run.planned_results, Some(10.0));
    let figures: Vec<_> = run.figures.iter().map(|it| (&*it.figure, it.value)).collect();
    let expected =
        [("exact_match,strict-match", Some(0.2)), ("exact_match,flexible-extract", Some(0.6))];
    assert_eq!(figures, expected);
}

#[test]
fn the_scores_of_two_filters_have_the_tools_means() {
    let (header, outcomes) = fixture("one-task", "sums");
    assert_eq!(outcomes.len(), 4);
    assert_eq!(outcomes[3].scenario.id, "sums/3");
    assert_eq!(
        outcomes[0].scenario.task_prompt.as_deref(),
        Some("Question: What is 1 + 1?\nAnswer:")
    );
    let summary = LmEvalFormat::suite(&header).unwrap();
    assert_eq!(agrees(&summary.run, &outcomes), 2);
    assert_eq!(mean(&outcomes, "exact_match,flexible-extract"), 0.25);
    assert_eq!(summary.average_reliability_score, None);
    assert_eq!(summary.execution_time_ms, Some(1_250.0));
    assert_eq!((summary.run.planned_results, summary.run.reported_results), (Some(4.0), Some(4.0)));
}

#[test]
fn a_nan_is_an_absent_value_and_the_other_values_stay() {
    let (header, outcomes) = fixture("nan-metric", "odd");
    assert_eq!(outcomes.len(), 5);
    assert_eq!(
        values(&outcomes, "acc"),
        [Some(1.0), None, None, Some(0.0), Some(0.0)],
        "the right answer is among them"
    );
    assert_eq!(values(&outcomes, "raw")[..3], [None, Some(-1.0), None]);
    assert_eq!(values(&outcomes, "ratio")[..2], [None, Some(0.5)]);
    for outcome in &outcomes {
        assert_eq!(outcome.headline.as_deref(), Some("acc"));
        assert!(outcome.scores.iter().all(|score| score.name != "parts"), "a list is no number");
    }
    let labels: Vec<_> = outcomes[0].scores.iter().filter_map(|it| it.label.as_deref()).collect();
    assert_eq!(labels, ["C"]);
    assert!(warnings(&outcomes[0]).contains(&("/ratio", codes::NOT_FINITE)));
    assert_eq!(warnings(&outcomes[2]), [("/metrics", codes::SCORE_MISSING)]);
    let run = report(&header);
    assert_eq!((run.planned_results, run.reported_results), (None, None));
    // Its aggregations are functions of the task, and those of lists and texts were NaN.
    assert!(run.figures.iter().all(|it| it.aggregation == Aggregation::NotComparable));
    let absent: Vec<_> =
        run.figures.iter().filter(|it| it.value.is_none()).map(|it| &*it.figure).collect();
    assert_eq!(absent, ["parts,none", "note,none", "none,none"]);
    assert_eq!(agrees(&run, &outcomes), 0);
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
        for figure in figures {
            let expected =
                results(&header)["results"][task][format!("{figure},none")].as_f64().unwrap();
            assert!((mean(&outcomes, figure) - expected).abs() < 1e-9, "{task} {figure}");
            assert!(outcomes.iter().all(|outcome| outcome.warnings.is_empty()));
            assert!(outcomes.iter().all(|it| it.headline.as_deref() == Some(figures[0])));
        }
        let run = report(&header);
        assert_eq!(run.reported_results, Some(documents as f64));
        assert_eq!(agrees(&run, &outcomes), figures.len(), "{task}: {run:?}");
        let version = if task == "plain-sums" { "1.0" } else { "2.0" };
        assert_eq!(run.origin.task.as_deref(), Some(task));
        assert_eq!(run.origin.task_version.as_deref(), Some(version));
        // Without the name of the file, only a line shows the task.
        let alone = results(&header).to_string();
        let run_of_all = report(&alone);
        assert!(run_of_all.figures.is_empty() && run_of_all.started_at == run.started_at);
        assert_eq!(run_of_all.origin.task, None);
        for outcome in &outcomes {
            assert_eq!(outcome.origin, Origin::default(), "it is in the report");
        }
    }
}

#[test]
fn a_run_names_its_model_and_its_task() {
    let (header, outcomes) = fixture("one-task", "sums");
    let origin = report(&header).origin;
    assert_eq!(
        (origin.task.as_deref(), origin.task_version.as_deref()),
        (Some("sums"), Some("1.0"))
    );
    assert_eq!(
        (origin.tool.as_deref(), origin.tool_version.as_deref()),
        (Some("lm_eval"), Some("0.4.13"))
    );
    // The name of this model is random, because its arguments name none.
    assert_eq!((origin.models, origin.provider.as_deref()), (vec![], Some("dummy")));
    assert!(outcomes.iter().all(|outcome| outcome.origin == Origin::default()));
    let (header, _) = fixture("nan-metric", "odd");
    assert_eq!(report(&header).origin.task_version, None);

    let origin = |members: &str| {
        let header = format!(r#"{{"results": {{"t": {{"acc,none": 1}}}}, {members}}}"#);
        report(&header).origin
    };
    for (arguments, model) in [
        (r#""pretrained=a/b,dtype=auto""#, Some("a/b")),
        (r#""dtype=auto,peft=c,pretrained=a/b""#, Some("c")),
        (r#"{"model": "gpt-4o", "base_url": "x"}"#, Some("gpt-4o")),
        (r#""""#, None),
        ("{}", None),
    ] {
        let found = origin(&format!(
            r#""model_name": "random", "model_source": "hf", "config": {{"model": "x", "model_args": {arguments}}}"#
        ));
        assert_eq!(found.models.first().map(String::as_str), model, "{arguments}");
        assert_eq!(found.provider.as_deref(), Some("hf"));
    }
    assert_eq!(origin(r#""model_name": "a/b""#).models, ["a/b"]);
    for (config, dataset, revision) in [
        (
            r#"{"dataset_path": "cais/mmlu", "dataset_name": "anatomy"}"#,
            Some("cais/mmlu/anatomy"),
            None,
        ),
        (
            r#"{"dataset_path": "gsm8k", "dataset_name": null, "dataset_kwargs": {"revision": "abc"}}"#,
            Some("gsm8k"),
            Some("abc"),
        ),
        (
            r#"{"dataset_path": "json", "dataset_kwargs": {"data_files": {"test": "x.json"}}}"#,
            Some("x.json"),
            None,
        ),
        (r#"{"dataset_path": "json", "dataset_kwargs": {"data_files": ["x", "y"]}}"#, None, None),
        ("{}", None, None),
    ] {
        let found = origin(&format!(r#""configs": {{"t": {config}}}, "versions": {{"t": 3}}"#));
        assert_eq!(
            (found.dataset.as_deref(), found.dataset_version.as_deref()),
            (dataset, revision)
        );
        assert_eq!(found.task_version.as_deref(), Some("3"));
    }
}

#[test]
fn the_tasks_of_a_group_are_those_of_the_file_names() {
    for (task, documents, accuracy) in
        [("mmlu_anatomy", 12, 0.25), ("mmlu_virology", 15, 1.0 / 3.0)]
    {
        let (header, outcomes) = fixture("group-of-tasks", task);
        let ids: Vec<&str> = outcomes.iter().map(|outcome| &*outcome.scenario.id).collect();
        let expected: Vec<String> =
            (0..documents).map(|number| format!("{task}/{number}")).collect();
        assert_eq!(ids, expected);
        assert!(outcomes.iter().all(|outcome| outcome.warnings.is_empty()));
        let run = report(&header);
        assert_eq!(run.figures[0].value, Some(accuracy));
        assert_eq!(agrees(&run, &outcomes), 1, "{run:?}");
    }
}

#[test]
fn nothing_is_taken_from_results_that_cannot_be_those_of_the_line() {
    let (_, outcomes) = fixture("results-of-another-run", "mmlu_virology");
    assert_eq!(outcomes.len(), 15);
    // The other task has 9 documents, so that the first lines could be of it if the name had no task.
    for (number, outcome) in outcomes.iter().enumerate() {
        assert_eq!(outcome.scenario.id, format!("mmlu_virology/{number}"));
        assert_eq!(outcome.execution_time, None);
        assert_eq!(warnings(outcome), [("", codes::HEADER_MISSING)]);
    }
    assert!((mean(&outcomes, "acc") - 1.0 / 3.0).abs() < 1e-9);
}

#[test]
fn the_parts_of_a_perplexity_are_no_score() {
    let (_, outcomes) = fixture("three-tasks", "prose");
    for outcome in outcomes {
        assert_eq!((outcome.headline, outcome.scores.len()), (None, 0));
        let codes: Vec<_> = outcome.warnings.iter().map(|warning| warning.code).collect();
        assert_eq!(codes, [codes::NOT_SCORED, codes::NOT_SCORED, codes::SCORE_MISSING]);
    }
}

/// Each run of `genuine`, the number of its documents, and the figures that are compared.
const GENUINE: [(&str, usize, usize); 19] = [
    ("chosen", 5, 3),
    ("default-aggregation", 7, 1),
    ("limited", 3, 2),
    ("majority", 7, 2),
    ("no-metric-list", 5, 0),
    ("numbers", 7, 3),
    ("numpy-values", 7, 3),
    ("one-filter", 7, 1),
    ("own-aggregation", 7, 1),
    ("plain", 7, 1),
    ("predictions-only", 7, 0),
    ("prose", 2, 0),
    ("selected-rows", 2, 1),
    ("several-answers", 7, 1),
    ("some", 7, 2),
    ("translated", 7, 1),
    ("two-filters", 7, 2),
    ("unlisted", 7, 2),
    ("with-nan", 7, 1),
];

#[test]
fn the_figures_of_genuine_runs_are_those_of_their_results() {
    let genuine = repository().join("tests/fixtures/formats/lm-eval/genuine");
    let folders =
        std::fs::read_dir(&genuine).unwrap().filter(|it| it.as_ref().unwrap().path().is_dir());
    assert_eq!(folders.count(), GENUINE.len());
    for (name, documents, figures) in GENUINE {
        let folder = genuine.join(name);
        let samples = files(&folder, "samples_").pop().unwrap();
        let (header, outcomes) = read(&files(&folder, "results_").pop().unwrap(), &samples);
        assert_eq!(outcomes.len(), documents, "{name}");
        let run = report(&header);
        assert_eq!(agrees(&run, &outcomes), figures, "{name}: {run:?}");
        for outcome in &outcomes {
            assert!(outcome.execution_time.is_some(), "{name}: the task is known");
            let headline = run.figures.iter().find(|figure| figure.headline);
            if let (Some(score), Some(figure)) = (&outcome.headline, headline) {
                assert_eq!(*score, figure.metric, "{name}");
            }
        }
        assert_eq!(run.planned_results, run.reported_results, "{name}");
        let planned = run.planned_results.unwrap_or(documents as f64);
        assert_eq!(planned, documents as f64, "{name}");
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
