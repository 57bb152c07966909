//! Logs written by Inspect: those of `tests/fixtures/formats/inspect`, and others if they exist.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests fail by panicking"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use arc_format_inspect::InspectFormat;
use arc_format_kit::{ErrorCategory, Format, Items, Outcome, OutcomeStatus, Span, codes};
use arc_format_testing::skip;
use serde_json::Value;
use serde_json::value::RawValue;

const NO_PYTHON: &str = "there is no python3 to read archives with";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

fn fixture(name: &str) -> PathBuf {
    repository().join("tests/fixtures/formats/inspect").join(name)
}

/// The header and samples of a log.
struct Log {
    header: String,
    samples: Vec<String>,
}

impl Log {
    /// Reads a `.json` log: raw samples, and `null` in their place in the header.
    fn of_document(path: &Path) -> Log {
        let text = std::fs::read_to_string(path).unwrap();
        let layout = InspectFormat::detect("log.json", head(text.as_bytes())).unwrap();
        assert_eq!(layout.items, Items::Elements("/samples/*".to_owned()));
        let members: BTreeMap<String, &RawValue> = serde_json::from_str(&text).unwrap();
        let samples: Vec<&RawValue> = serde_json::from_str(members["samples"].get()).unwrap();
        let samples: Vec<String> = samples.iter().map(|sample| sample.get().to_owned()).collect();
        let nulls = serde_json::to_string(&vec![(); samples.len()]).unwrap();
        Log { header: text.replace(members["samples"].get(), &nulls), samples }
    }

    /// Reads a deflated `.eval` log with Python; `None` if Python is missing.
    fn of_archive(path: &Path) -> Option<Log> {
        let layout = InspectFormat::detect("log.eval", head(&std::fs::read(path).unwrap()));
        assert!(matches!(layout.unwrap().items, Items::Entries(_)));
        let script = "import json, sys, zipfile\n\
            log = zipfile.ZipFile(sys.argv[1])\n\
            names = log.namelist()\n\
            header = 'header.json' if 'header.json' in names else '_journal/start.json'\n\
            samples = [name for name in names if name.startswith('samples/')]\n\
            print(json.dumps([log.read(name).decode() for name in [header, *samples]]))";
        let run = Command::new("python3").args(["-c", script]).arg(path).output().ok()?;
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        let mut texts: Vec<String> = serde_json::from_slice(&run.stdout).unwrap();
        let samples = texts.split_off(1);
        Some(Log { header: texts.pop().unwrap(), samples })
    }

    /// Returns the outcomes by scenario and trial.
    fn outcomes(&self) -> BTreeMap<(String, u32), Outcome> {
        let outcomes = self.samples.iter().map(|sample| {
            let outcome = InspectFormat::outcome(Some(&self.header), sample).unwrap();
            let planned = InspectFormat::scenario(Some(&self.header), sample).unwrap();
            assert_eq!((&planned.scenario, planned.trial), (&outcome.scenario, outcome.trial));
            ((outcome.scenario.id.clone(), outcome.trial.unwrap()), outcome)
        });
        let found: BTreeMap<_, _> = outcomes.collect();
        assert_eq!(found.len(), self.samples.len(), "ids and trials are unique");
        found
    }

    /// Checks that the log's own figures are those of its samples.
    fn check_figures(&self, outcomes: &BTreeMap<(String, u32), Outcome>) {
        let suite = InspectFormat::suite(&self.header).unwrap();
        assert_eq!(suite.warnings, []);
        let scored: Vec<f64> =
            outcomes.values().filter_map(|outcome| outcome.headline_value()).collect();
        let mean = scored.iter().sum::<f64>() / scored.len() as f64;
        assert!((suite.average_reliability_score.unwrap() - mean).abs() < 1e-9);
        let tokens: f64 = outcomes.values().map(|outcome| outcome.tokens_used).sum();
        assert_eq!(suite.total_tokens_used, Some(tokens));
        assert!(suite.execution_time_ms.unwrap() > 0.0);
        for mean in &suite.average_dimension_scores {
            let scores: Vec<f64> = outcomes
                .values()
                .flat_map(|outcome| &outcome.dimension_scores)
                .filter(|score| score.name == mean.name)
                .map(|score| score.score)
                .collect();
            assert!((scores.iter().sum::<f64>() / scores.len() as f64 - mean.score).abs() < 1e-9);
        }
    }
}

fn head(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(4096)]
}

fn part(text: &str, span: Option<Span>) -> Value {
    let span = span.unwrap();
    serde_json::from_str(&text[span.offset as usize..][..span.length as usize]).unwrap()
}

fn check_arithmetic(log: &Log) {
    let outcomes = log.outcomes();
    assert_eq!(outcomes.len(), 10);
    log.check_figures(&outcomes);
    for trial in [1, 2] {
        let of = |id: &str| &outcomes[&(format!("arithmetic/{id}"), trial)];
        let added = of("add");
        assert_eq!(added.status, OutcomeStatus::Success);
        assert_eq!(added.headline_value(), Some(1.0));
        let scores: Vec<_> =
            added.dimension_scores.iter().map(|score| (score.name.as_str(), score.score)).collect();
        assert_eq!(scores, [("includes", 1.0), ("graded", 1.0), ("style/brevity", 0.25)]);
        assert_eq!(added.scenario.task_prompt.as_deref(), Some("What is 2 + 2?"));
        assert_eq!(
            (added.tokens_used, added.prompt_tokens, added.completion_tokens),
            (150.0, 130.0, 20.0)
        );
        assert!(added.execution_time.is_some() && added.execution_time_ms > 0.0);
        assert!(added.event_count > 5);
        let codes: Vec<_> = added.warnings.iter().map(|warning| warning.code).collect();
        assert_eq!(codes, [codes::SCORE_OUT_OF_SCALE], "a count is not a score");

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
        assert_eq!(failing.headline_value(), None);
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
    assert_eq!(suite, arc_format_kit::SuiteSummary::default());
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
    let names: Vec<_> = outcome.dimension_scores.iter().map(|score| score.name.as_str()).collect();
    assert_eq!(names, ["includes", "graded", "style/brevity"]);
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
    assert_eq!(of("list").headline_value(), Some(0.75));
    assert_eq!(of("list").dimension_scores.len(), 2);
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
    assert_eq!((of("good").headline_value(), of("2").headline_value()), (Some(1.0), Some(0.0)));
    assert_eq!(of("good").warnings, []);
    assert!(of("good").scenario.task_prompt.as_deref().unwrap().ends_with("Say something."));
    let failing = of("failing");
    assert_eq!(failing.status, OutcomeStatus::Error);
    assert_eq!(failing.error_code.as_deref(), Some("ValueError"));
    assert_eq!(failing.error_category, Some(ErrorCategory::ValidationError));
    let suite = InspectFormat::suite(&log.header).unwrap();
    assert_eq!(suite.average_reliability_score, Some(0.5));
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
