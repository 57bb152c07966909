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

use arc_format_kit::{Aggregation, Format, Header, Outcome, OutcomeStatus, RunStatus, codes};
use arc_format_lm_eval::LmEvalFormat;
use arc_format_testing::{FramedFile, accepted, agrees, frame};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/fixtures/formats/lm-eval")
}

/// A file of samples as a host reads it.
struct Samples {
    header: Option<String>,
    outcomes: Vec<Outcome>,
}

impl Samples {
    /// Reads a file with the header whose name the layout has.
    fn read(path: &Path) -> Samples {
        let name = path.file_name().unwrap().to_str().unwrap();
        let FramedFile { layout, documents, .. } =
            frame::<LmEvalFormat>(name, &std::fs::read(path).unwrap()).unwrap();
        let Header::SiblingFile(patterns) = layout.header else { panic!("{layout:?}") };
        let beside = |pattern: &String| {
            let entries = std::fs::read_dir(path.parent().unwrap()).unwrap();
            let mut names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let (start, end) = pattern.split_once('*').unwrap_or((pattern, ""));
            names.find(|name| name.starts_with(start) && name.ends_with(end))
        };
        let header = patterns.iter().find_map(beside).map(|name| {
            let header = std::fs::read_to_string(path.with_file_name(name)).unwrap();
            assert_eq!(LmEvalFormat::detect("results.json", &header.as_bytes()[..400]), None);
            header
        });
        let outcomes: Vec<Outcome> = documents
            .iter()
            .map(|document| accepted::<LmEvalFormat>(header.as_deref(), document))
            .collect();
        for outcome in &outcomes {
            assert_eq!((outcome.status, outcome.trial), (OutcomeStatus::Success, None));
            assert!(outcome.scenario.task_prompt.is_some());
            assert!(outcome.scenario.definition.is_some() && outcome.trajectory.is_some());
        }
        let ids: BTreeSet<_> = outcomes.iter().map(|outcome| &outcome.scenario.id).collect();
        assert_eq!(ids.len(), outcomes.len(), "ids are unique");
        Samples { header, outcomes }
    }

    /// Reads the samples of a task in a folder of fixtures.
    fn of(folder: &str, task: &str) -> Samples {
        let folder = fixtures().join(folder);
        let start = format!("samples_{task}_");
        let mut paths = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let is_wanted =
            |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(&start);
        Samples::read(&paths.find(is_wanted).unwrap())
    }

    fn suite(&self) -> arc_format_kit::SuiteSummary {
        LmEvalFormat::suite(self.header.as_deref().unwrap()).unwrap()
    }

    fn mean(&self, metric: &str) -> f64 {
        let values = self.values(metric);
        values.iter().sum::<f64>() / values.len() as f64
    }

    fn values(&self, metric: &str) -> Vec<f64> {
        let scores = self.outcomes.iter().flat_map(|outcome| &outcome.scores);
        scores.filter(|score| score.name == metric).filter_map(|score| score.value).collect()
    }

    fn ids(&self) -> Vec<&str> {
        self.outcomes.iter().map(|outcome| outcome.scenario.id.as_str()).collect()
    }

    fn warns(&self, code: &str) -> usize {
        let warned =
            |outcome: &&Outcome| outcome.warnings.iter().any(|warning| warning.code == code);
        self.outcomes.iter().filter(warned).count()
    }
}

#[test]
fn a_question_that_two_filters_read_is_one_result_with_two_metrics() {
    let samples = Samples::of("two-filters", "gsm8k");
    assert_eq!(samples.ids(), (0..10).map(|it| format!("gsm8k/{it}")).collect::<Vec<_>>());
    assert!((samples.mean("exact_match,strict-match") - 0.2).abs() < 1e-9);
    assert!((samples.mean("exact_match,flexible-extract") - 0.6).abs() < 1e-9);
    for outcome in &samples.outcomes {
        assert_eq!(outcome.scores.len(), 2, "no average of them");
        assert_eq!(outcome.headline.as_deref(), Some("exact_match,strict-match"));
        assert_eq!(outcome.warnings, []);
    }
    let suite = samples.suite();
    assert_eq!(agrees(&suite.run, &samples.outcomes), 2);
    assert_eq!((suite.average_reliability_score, suite.average_dimension_scores.len()), (None, 0));
}

#[test]
fn the_lines_of_a_document_are_found_in_a_genuine_file() {
    let samples = Samples::of("one-task", "sums");
    assert_eq!(samples.ids(), ["sums/0", "sums/1", "sums/2", "sums/3"]);
    assert_eq!(
        samples.outcomes[0].scenario.task_prompt.as_deref(),
        Some("Question: What is 1 + 1?\nAnswer:")
    );
    assert_eq!(samples.mean("exact_match,flexible-extract"), 0.25);
    let suite = samples.suite();
    assert_eq!(suite.execution_time_ms, Some(1_250.0));
    assert_eq!(suite.run.planned_results, Some(4.0));
    assert_eq!(suite.run.status, Some(RunStatus::Completed));
    assert_eq!(suite.run.started_at.as_deref(), Some("2026-01-02T03:04:05.678901Z"));
    assert_eq!(suite.run.figures[1].standard_error, Some(0.25));
    assert_eq!(agrees(&suite.run, &samples.outcomes), 2);
}

#[test]
fn the_tasks_of_a_run_are_distinguished() {
    for (task, documents, figures) in [
        ("plain-sums", 4, &["exact_match,none"][..]),
        ("chosen", 3, &["acc,none", "acc_norm,none"]),
        ("prose", 2, &[]),
    ] {
        let samples = Samples::of("three-tasks", task);
        let ids: Vec<_> = (0..documents).map(|number| format!("{task}/{number}")).collect();
        assert_eq!(samples.ids(), ids);
        let results: serde_json::Value =
            serde_json::from_str(samples.header.as_ref().unwrap()).unwrap();
        for figure in figures {
            let expected = results["results"][task][figure].as_f64().unwrap();
            assert!((samples.mean(figure) - expected).abs() < 1e-9, "{task} {figure}");
            assert!(samples.outcomes.iter().all(|outcome| outcome.warnings.is_empty()));
        }
        // The samples are of one task, and it is not known which.
        let run = samples.suite().run;
        assert_eq!((run.figures.len(), run.planned_results), (0, None));
        assert_eq!(run.status, Some(RunStatus::Completed));
    }
}

#[test]
fn a_perplexity_is_no_score() {
    for samples in [Samples::of("three-tasks", "prose"), Samples::of("genuine/prose", "prose")] {
        for outcome in &samples.outcomes {
            assert!(!outcome.scores.is_empty());
            assert!(outcome.scores.iter().all(|score| score.value.is_none()));
            assert_eq!(outcome.headline.as_deref(), Some("word_perplexity,none"));
            let codes: Vec<_> = outcome.warnings.iter().map(|warning| warning.code).collect();
            assert_eq!(codes, [codes::SCORE_MISSING]);
        }
    }
}

#[test]
fn a_metric_that_is_not_a_number_is_absent_and_its_line_is_stored() {
    let samples = Samples::of("nan-metric", "odd");
    assert_eq!(samples.ids(), ["odd/0", "odd/1", "odd/2", "odd/3", "odd/4"]);
    assert_eq!(samples.values("acc,none"), [1.0, 0.0, 0.0]);
    assert_eq!(samples.values("ratio,none"), [0.5, 1.0, 1.0]);
    assert_eq!(samples.values("raw,none"), [-1.0, 250.0, 250.0]);
    assert_eq!(samples.values("flag,none"), [1.0, 0.0, 1.0, 1.0]);
    assert_eq!(samples.outcomes[0].headline_value(), Some(1.0));
    assert_eq!(samples.outcomes[0].scores[4].label.as_deref(), Some("C"));
    // NaN in two lines, and one without any metric.
    assert_eq!(samples.warns(codes::NOT_FINITE), 2);
    assert_eq!(samples.warns(codes::SCORE_MISSING), 2);
    assert_eq!(samples.outcomes[2].scores.len(), 1);
    let run = samples.suite().run;
    assert_eq!(run.figures.len(), 7);
    assert_eq!(run.figures[0].value, Some(1.0 / 3.0));
    assert_eq!(run.figures[3].value, None, "NaN");
    assert!(run.figures.iter().all(|it| it.aggregation == Aggregation::NotComparable));
    // `effective` is 4, because a document without metrics is not counted.
    assert_eq!((run.planned_results, run.reported_results), (None, None));
    agrees(&run, &samples.outcomes);
}

#[test]
fn the_results_of_another_run_are_not_the_header() {
    let samples = Samples::of("results-of-another-run", "mmlu_virology");
    assert_eq!(samples.header, None);
    assert_eq!(samples.warns(codes::HEADER_MISSING), samples.outcomes.len());
    assert!((samples.mean("acc,none") - 1.0 / 3.0).abs() < 1e-3);
    assert!(samples.ids().iter().all(|id| id.starts_with("doc-")));
    assert!(samples.outcomes.iter().all(|outcome| outcome.execution_time.is_none()));
}

#[test]
fn tasks_of_one_schema_have_their_metrics() {
    let mut documents = 0;
    for task in ["mmlu_anatomy", "mmlu_virology"] {
        let samples = Samples::of("group-of-tasks", task);
        documents += samples.outcomes.len();
        for outcome in &samples.outcomes {
            assert_eq!(outcome.headline.as_deref(), Some("acc,none"));
            assert!(outcome.headline_value().is_some() && outcome.execution_time.is_some());
        }
    }
    assert_eq!(documents, 27);
}

/// The folders of genuine runs of one task, the number of documents, and that of the figures that
/// are compared.
const GENUINE: [(&str, &str, usize, usize); 18] = [
    ("two-filters", "two-filters", 10, 2),
    ("filter-called-none", "filter-called-none", 10, 2),
    ("majority", "majority", 10, 2),
    ("chosen", "chosen", 4, 2),
    ("chosen-by-default", "chosen-by-default", 4, 0),
    ("prose", "prose", 2, 0),
    ("translated", "translated", 3, 0),
    ("capitals", "capitals", 3, 1),
    ("errors", "errors", 10, 3),
    ("some", "some", 10, 2),
    ("with-nan", "with-nan", 10, 2),
    ("odd", "odd", 10, 1),
    ("expanded", "expanded", 10, 2),
    ("own-class", "own-class", 10, 0),
    ("limited", "sums", 3, 1),
    ("limited-to-a-share", "sums", 3, 1),
    ("chosen-documents", "two-filters", 3, 2),
    ("predictions-only", "sums", 10, 0),
];

#[test]
fn every_figure_of_a_genuine_run_is_that_of_its_results() {
    for (folder, task, documents, compared) in GENUINE {
        let samples = Samples::of(&format!("genuine/{folder}"), task);
        assert_eq!(samples.outcomes.len(), documents, "{folder}");
        let run = samples.suite().run;
        assert_eq!(agrees(&run, &samples.outcomes), compared, "{folder}");
        let headline = &run.figures[0];
        assert!(headline.headline && run.metrics[0].headline, "{folder}");
        for outcome in &samples.outcomes {
            assert_eq!(outcome.headline.as_ref(), Some(&headline.metric), "{folder}");
            assert!(outcome.scenario.id.starts_with(&format!("{task}/")), "{folder}");
            assert!(
                outcome
                    .scores
                    .iter()
                    .all(|score| { run.figures.iter().any(|figure| figure.metric == score.name) })
            );
        }
        let unscored = samples.outcomes.iter().filter(|it| it.headline_value().is_none()).count();
        assert_eq!(samples.warns(codes::SCORE_MISSING), unscored, "{folder}");
        if let Some(planned) = run.planned_results {
            assert_eq!(planned, documents as f64, "{folder}");
        }
    }
}

#[test]
fn values_are_unchanged_and_directions_are_those_of_the_header() {
    let samples = Samples::of("genuine/errors", "errors");
    assert_eq!(samples.mean("signed,none"), -31.8);
    let long = &samples.outcomes[0].scores[2];
    assert_eq!((long.value, long.lowest, long.highest), (Some(1.0), Some(0.0), Some(1.0)));
    assert_eq!(samples.outcomes[0].scores[0].highest, None);
    let run = samples.suite().run;
    let directions: Vec<_> = run.metrics.iter().map(|metric| metric.higher_is_better).collect();
    assert_eq!(directions, [Some(false), Some(true), Some(true), Some(false)]);
    let with_nan = Samples::of("genuine/with-nan", "with-nan").suite().run;
    assert_eq!(with_nan.metrics[1].higher_is_better, None);
    let values: Vec<_> = with_nan.figures.iter().map(|figure| figure.value).collect();
    assert_eq!(values, [None, Some(1.0), None, Some(0.4)]);
}

#[test]
fn the_number_of_documents_is_reported_if_it_is_known() {
    for (folder, task, planned) in [
        ("limited", "sums", Some(3.0)),
        ("limited-to-a-share", "sums", Some(3.0)),
        ("chosen-documents", "two-filters", None),
        ("some", "some", None),
        ("majority", "majority", Some(10.0)),
    ] {
        let run = Samples::of(&format!("genuine/{folder}"), task).suite().run;
        assert_eq!((run.planned_results, run.reported_results), (planned, planned), "{folder}");
    }
    // The numbers of documents are those of the dataset.
    let ids = Samples::of("genuine/chosen-documents", "two-filters");
    assert_eq!(ids.ids(), ["two-filters/1", "two-filters/4", "two-filters/6"]);
}

#[test]
fn a_run_without_scores_has_none() {
    let samples = Samples::of("genuine/predictions-only", "sums");
    let run = samples.suite().run;
    assert_eq!((run.figures[0].figure.as_str(), run.figures[0].value), ("bypass,none", None));
    assert_eq!(samples.warns(codes::SCORE_MISSING), 10);
}

#[test]
fn the_filters_of_two_tasks_of_a_genuine_run_are_distinguished() {
    let samples = Samples::of("genuine/two-tasks", "two-filters");
    assert_eq!(samples.ids().last(), Some(&"two-filters/3"));
    assert_eq!(samples.mean("exact_match,flexible-extract"), 0.5);
    let samples = Samples::of("genuine/two-tasks", "chosen");
    assert_eq!(samples.ids().last(), Some(&"chosen/3"));
    assert_eq!(samples.mean("acc,none"), 0.75);
}

#[test]
fn published_samples_are_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/data/lm-eval");
    let path = folder.join("samples_math_perturbed_full.jsonl");
    if !path.exists() {
        arc_format_testing::skip(&path.display().to_string(), "it is not here");
        return;
    }
    let samples = Samples::read(&path);
    assert!(!samples.outcomes.is_empty() && samples.header.is_some());
    for outcome in &samples.outcomes {
        assert_eq!(outcome.headline_value(), Some(0.0));
        // The results name two tasks that a line does not distinguish.
        let codes: Vec<_> = outcome.warnings.iter().map(|warning| warning.code).collect();
        assert_eq!(codes, [codes::SCENARIO_ID_MADE]);
        assert!(outcome.scenario.id.starts_with("doc-"));
    }
}
