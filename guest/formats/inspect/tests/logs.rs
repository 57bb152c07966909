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
use arc_format_kit::{
    Aggregation, ErrorCategory, Format, Invalidation, Items, Outcome, OutcomeStatus, RunReport,
    RunStatus, Span, codes, finite,
};
use arc_format_testing::{accepted, agrees, scores, skip, warnings};
use serde_json::Value;
use serde_json::value::RawValue;

const NO_PYTHON: &str = "there is no python3, or no zstd, to read archives with";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

fn fixture(name: &str) -> PathBuf {
    repository().join("tests/fixtures/formats/inspect").join(name)
}

/// The exit code of [`READ_ARCHIVE`] if there is no `zstd`.
const NO_ZSTD: i32 = 3;

/// Prints the header and the samples of an archive. Python's own module does not know Zstandard
/// before 3.14, so members with it are cut out of the file.
const READ_ARCHIVE: &str = r"
import json, re, shutil, subprocess, sys, zipfile
log = zipfile.ZipFile(sys.argv[1])
whole = open(sys.argv[1], 'rb').read()
def read(name):
    member = log.getinfo(name)
    if member.compress_type != 93:
        return log.read(name).decode()
    if not shutil.which('zstd'):
        sys.exit(3)
    local = member.header_offset
    names = [int.from_bytes(whole[local + at:][:2], 'little') for at in (26, 28)]
    packed = whole[local + 30 + sum(names):][:member.compress_size]
    return subprocess.run(['zstd', '-dc'], input=packed, capture_output=True, check=True).stdout.decode()
names = log.namelist()
header = 'header.json' if 'header.json' in names else '_journal/start.json'
samples = [name for name in names if re.fullmatch(r'samples/.*_epoch_[^/]*[.]json', name)]
print(json.dumps([read(name) for name in [header, *samples]]))
";

/// The header and samples of a log.
struct Log {
    header: String,
    samples: Vec<String>,
}

impl Log {
    /// Reads a `.json` log: raw samples, and `null` in their place in the header.
    fn of_document(path: &Path) -> Log {
        let text = std::fs::read_to_string(path).unwrap();
        // A NaN outside the samples does not matter to them, and serde does not read it.
        let text = finite::with_null_for_nan(text.trim_start_matches('\u{FEFF}'));
        let layout = InspectFormat::detect("log.json", head(text.as_bytes())).unwrap();
        assert_eq!(layout.items, Items::Elements("/samples/*".to_owned()));
        let members: BTreeMap<String, &RawValue> = serde_json::from_str(&text).unwrap();
        let samples: Vec<&RawValue> = serde_json::from_str(members["samples"].get()).unwrap();
        let samples: Vec<String> = samples.iter().map(|sample| sample.get().to_owned()).collect();
        let nulls = serde_json::to_string(&vec![(); samples.len()]).unwrap();
        Log { header: text.replace(members["samples"].get(), &nulls), samples }
    }

    /// Reads an `.eval` log with Python; `None` if Python is missing, or the command `zstd` that an
    /// archive with that compression needs.
    fn of_archive(path: &Path) -> Option<Log> {
        let layout = InspectFormat::detect("log.eval", head(&std::fs::read(path).unwrap()));
        assert!(matches!(layout.unwrap().items, Items::Entries(_)));
        let run = Command::new("python3").args(["-c", READ_ARCHIVE]).arg(path).output().ok()?;
        if run.status.code() == Some(NO_ZSTD) {
            return None;
        }
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        let mut texts: Vec<String> = serde_json::from_slice(&run.stdout).unwrap();
        let samples = texts.split_off(1);
        Some(Log { header: texts.pop().unwrap(), samples })
    }

    /// Returns the outcomes by scenario and trial.
    fn outcomes(&self) -> BTreeMap<(String, u32), Outcome> {
        let outcomes = self.samples.iter().map(|sample| {
            let outcome = accepted::<InspectFormat>(Some(&self.header), sample);
            ((outcome.scenario.id.clone(), outcome.trial.unwrap()), outcome)
        });
        let found: BTreeMap<_, _> = outcomes.collect();
        assert_eq!(found.len(), self.samples.len(), "ids and trials are unique");
        found
    }

    /// Returns the outcomes in the log's order.
    fn in_order(&self) -> Vec<Outcome> {
        let accept = |sample: &String| accepted::<InspectFormat>(Some(&self.header), sample);
        self.samples.iter().map(accept).collect()
    }

    /// Returns what the log reports about its run.
    fn report(&self) -> RunReport {
        let suite = InspectFormat::suite(&self.header).unwrap();
        assert_eq!(suite.warnings, []);
        assert_eq!(suite.average_reliability_score, None, "figures are those of the report");
        suite.run
    }

    /// Checks that the log's own figures are those of its samples.
    fn check_figures(&self) {
        let report = self.report();
        let outcomes = self.in_order();
        assert!(agrees(&report, &outcomes) >= 2, "{report:?}");
        assert_eq!(report.status, Some(RunStatus::Completed));
        assert_eq!(report.planned_results, Some(outcomes.len() as f64));
        assert!(report.run_id.is_some() && report.created_at.is_some());
        let shown: Vec<_> = report.figures.iter().filter(|figure| figure.headline).collect();
        assert_eq!(shown.len(), 1, "{report:?}");
        let suite = InspectFormat::suite(&self.header).unwrap();
        assert!(suite.execution_time_ms.is_some());
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
    log.check_figures();
    for trial in [1, 2] {
        let of = |id: &str| &outcomes[&(format!("arithmetic/{id}"), trial)];
        let added = of("add");
        assert_eq!(added.status, OutcomeStatus::Success);
        assert_eq!(added.headline.as_deref(), Some("includes"));
        assert_eq!(added.headline_value(), Some(1.0));
        assert_eq!(
            scores(added),
            [("includes", 1.0), ("graded", 1.0), ("style/brevity", 0.25), ("style/words", 14.0)]
        );
        assert_eq!(added.scores[0].label.as_deref(), Some("C"));
        assert_eq!(added.place, Some(format!("add/{trial}")));
        assert!(added.key.is_some() && added.key != added.place, "{:?}", added.key);
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
    let report = log.report();
    assert_eq!(report.status, Some(RunStatus::Incomplete));
    assert!(report.status_reason.is_some() && report.run_id.is_some());
    assert_eq!((report.reported_results, report.total_tokens), (None, None));
    assert_eq!(report.figures, []);
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
    assert_eq!(of("list").scores.len(), 2);
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
    let report = log.report();
    let shown = report.figures.iter().find(|figure| figure.headline).unwrap();
    assert_eq!(shown.value, Some(0.5));
    assert!(agrees(&report, &log.in_order()) >= 1);
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
        log.check_figures();
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

/// Returns a log; `None`, with a note, if it is an archive that cannot be read here.
fn case(name: &str) -> Option<Log> {
    let path = fixture(name);
    if name.ends_with(".json") {
        return Some(Log::of_document(&path));
    }
    let log = Log::of_archive(&path);
    if log.is_none() {
        skip(name, NO_PYTHON);
    }
    log
}

fn values(outcomes: &[Outcome]) -> Vec<Option<f64>> {
    outcomes.iter().map(Outcome::headline_value).collect()
}

#[test]
fn samples_that_the_scorer_left_unscored_have_no_score() {
    let Some(log) = case("unscored.eval") else { return };
    let (report, outcomes) = (log.report(), log.in_order());
    assert_eq!(values(&outcomes), [None, None]);
    for outcome in &outcomes {
        assert_eq!(outcome.headline.as_deref(), Some("uns"));
        let found: Vec<_> = outcome.warnings.iter().map(|warning| warning.code).collect();
        assert!(found.contains(&codes::SCORE_MISSING), "{found:?}");
        assert!(found.contains(&codes::NOT_FINITE), "{found:?}");
    }
    let [figure] = report.figures.as_slice() else { panic!("{report:?}") };
    assert_eq!((figure.value, figure.headline), (None, true), "the log has NaN");
    assert_eq!(report.reported_results, Some(2.0));
    assert_eq!(agrees(&report, &outcomes), 1, "the tokens");
}

#[test]
fn numbers_that_are_not_finite_are_kept_in_the_document() {
    let Some(log) = case("nan-in-metadata.eval") else { return };
    let outcomes = log.in_order();
    assert_eq!(values(&outcomes), [Some(1.0), Some(1.0)]);
    for (sample, outcome) in log.samples.iter().zip(&outcomes) {
        let found: Vec<_> = outcome.warnings.iter().map(|warning| warning.code).collect();
        assert_eq!(found, [codes::NOT_FINITE]);
        assert!(sample.contains("NaN"));
        let scores = part(sample, outcome.dimensions);
        assert_eq!(scores["match"]["value"], "C", "spans are those of the unchanged text");
    }
    log.check_figures();
}

#[test]
fn a_judge_keeps_its_own_scale() {
    let Some(log) = case("judge-1-to-10.eval") else { return };
    let outcomes = log.in_order();
    assert_eq!(values(&outcomes), [Some(1.0), Some(3.0), Some(7.0), Some(10.0)]);
    for outcome in &outcomes {
        let score = &outcome.scores[0];
        assert_eq!((score.lowest, score.highest), (None, None), "the log declares no scale");
        assert_eq!(outcome.warnings, []);
    }
    let report = log.report();
    assert_eq!((report.figures.len(), report.figures[0].value), (1, Some(5.25)));
    log.check_figures();
}

#[test]
fn an_invalidated_sample_is_marked_and_an_edited_score_counts() {
    let Some(log) = case("invalidated-and-edited.eval") else { return };
    let outcomes = log.outcomes();
    let of = |id: &str, trial| &outcomes[&(format!("reducers/{id}"), trial)];
    let at = Some("2026-11-29T15:09:58.183092Z".to_owned());
    let marked: Vec<_> = outcomes.values().filter(|it| it.invalidation.is_some()).collect();
    assert_eq!(marked, [of("a", 1)]);
    let mark = Invalidation {
        author: Some("reviewer".to_owned()),
        reason: Some("sandbox was broken".to_owned()),
        at: at.clone(),
    };
    assert_eq!(of("a", 1).invalidation, Some(mark));
    assert_eq!(warnings(of("a", 1)), [("/invalidation", codes::INVALIDATED)]);
    assert_eq!(of("c", 1).headline_value(), Some(1.0), "the edit");
    assert_eq!((&of("c", 1).revised_at, &of("a", 1).revised_at), (&at, &at));
    assert!(of("c", 2).revised_at < at);
    let report = log.report();
    assert!(report.figures.iter().all(|it| it.aggregation == Aggregation::NotComparable));
    assert_eq!(report.planned_results, Some(9.0));
    assert_eq!(agrees(&report, &log.in_order()), 1, "the tokens");
}

#[test]
fn a_run_that_was_killed_is_incomplete() {
    let Some(log) = case("killed-after-2-of-5.eval") else { return };
    assert_eq!(values(&log.in_order()), [Some(1.0), Some(1.0)]);
    let report = log.report();
    assert_eq!(report.status, Some(RunStatus::Incomplete));
    assert!(report.status_reason.unwrap().contains("killed"));
    assert_eq!((report.planned_results, report.reported_results), (Some(5.0), None));
}

#[test]
fn the_tokens_of_tries_that_were_repeated_are_counted() {
    let Some(log) = case("retried-sample.eval") else { return };
    let [outcome] = log.in_order().try_into().unwrap();
    assert_eq!((outcome.tokens_used, outcome.discarded_tokens), (360.0, 240.0));
    assert_eq!((outcome.prompt_tokens, outcome.completion_tokens), (300.0, 60.0));
    assert_eq!(outcome.headline_value(), Some(1.0));
    log.check_figures();
}

/// The parts of such a sample are entries of their own, which are not read yet. The header reports
/// how many results there must be, so that the host can say so.
#[test]
fn a_log_in_chunks_has_no_samples_but_reports_them() {
    let Some(log) = case("chunked-samples.eval") else { return };
    assert_eq!(log.samples, [""; 0]);
    assert_eq!(log.report().reported_results, Some(3.0));
}

#[test]
fn a_sample_without_a_score_does_not_get_that_of_another_scorer() {
    let log = case("first-scorer-null.json").unwrap();
    let outcomes = log.in_order();
    let flat: Vec<_> = outcomes
        .iter()
        .map(|outcome| (outcome.headline.as_deref(), outcome.headline_value()))
        .collect();
    assert_eq!(flat, [Some(0.0), None, Some(1.0)].map(|value| (Some("flat"), value)));
    assert_eq!(scores(&outcomes[1]), [("two/b", 1.0)]);
    assert_eq!(warnings(&outcomes[1]), [("/scores", codes::SCORE_MISSING)]);
    let found: Vec<f64> = values(&outcomes).into_iter().flatten().collect();
    assert_eq!((found.len(), found.iter().sum::<f64>() / 2.0), (2, 0.5));
}

#[test]
fn a_log_saved_by_another_program_is_recognised() {
    let plain = case("first-scorer-null.json").unwrap();
    for name in ["saved-with-bom.json", "saved-with-sorted-keys.json"] {
        let bytes = std::fs::read(fixture(name)).unwrap();
        assert!(InspectFormat::detect(name, head(&bytes)).is_some(), "{name}");
        let log = case(name).unwrap();
        assert_eq!(log.outcomes().len(), plain.samples.len(), "{name}");
        assert_eq!(values(&log.in_order()), values(&plain.in_order()), "{name}");
        assert_eq!(log.report(), plain.report(), "{name}");
    }
}
