//! Logs of one run that are edited, retried and continued, against a model: the figures are those of the
//! latest or selected revisions of the latest attempts that the newest final log has, in any order of
//! recording.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use uuid::Uuid;

use arc_host::client::{ClientSettings, ServiceClient};

use crate::support::{Files, Program, Service, TestDatabase, fixture, record};

const SAMPLES: usize = 3;
const EPOCHS: usize = 2;

/// A revision of one execution of a sample.
#[derive(Clone, Debug, PartialEq)]
struct Revision {
    sample: usize,
    epoch: usize,
    /// Executions of the same sample and epoch, in the order in which they ran.
    attempt: usize,
    /// The step in which it ran.
    step: usize,
    /// The step in which the revision was made.
    made: usize,
    /// Its place in the order of the revisions.
    revision: usize,
    /// In quarters.
    score: u8,
    invalidated: bool,
}

impl Revision {
    fn key(&self) -> String {
        format!("execution-{}-{}-{}", self.sample, self.epoch, self.attempt)
    }

    /// Its entry in a log. An edit changes the history of the score, an invalidation the mark.
    fn entry(&self) -> Value {
        let edited = time(self.made, 10);
        let history: Vec<Value> = (0..self.revision)
            .map(|number| {
                let at = time(self.made, 11 + number - self.revision);
                json!({"value": 0.0, "provenance": {
                    "timestamp": at, "author": "tester", "metadata": {}}})
            })
            .collect();
        let mut entry = json!({
            "id": format!("s{}", self.sample), "epoch": self.epoch + 1, "uuid": self.key(),
            "input": "q", "target": "a",
            "started_at": time(self.step, 0), "completed_at": time(self.step, 1),
            "scores": {"judge": {"value": f64::from(self.score) / 4.0, "history": history}},
            "model_usage": {"m": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}},
        });
        if self.invalidated {
            entry["invalidation"] =
                json!({"author": "tester", "reason": "wrong", "timestamp": edited});
        }
        entry
    }
}

/// The time in a step.
fn time(step: usize, seconds: usize) -> String {
    format!("2026-11-01T10:{step:02}:{seconds:02}+00:00")
}

/// A log of the run with the current revisions of some executions, which can be its final list.
fn log(run: Uuid, step: usize, entries: &[&Revision], is_final: bool) -> String {
    let total = entries.len();
    let results = json!({"total_samples": total, "completed_samples": total, "scores": []});
    json!({
        "version": 2, "status": "success",
        "results": if is_final { results } else { Value::Null },
        "eval": {
            "task_id": run.to_string(), "run_id": "run", "eval_id": "eval",
            "created": time(step, 20), "task": "edited",
            "dataset": {"samples": SAMPLES}, "model": "mockllm/model",
            "config": {"epochs": EPOCHS},
            "scorers": [{"name": "judge", "options": {}, "metadata": {},
                "metrics": [{"name": "inspect_ai/mean", "options": {}}]}],
        },
        "samples": entries.iter().map(|entry| entry.entry()).collect::<Vec<_>>(),
    })
    .to_string()
}

/// What happened to the run, in order: each step makes another log.
#[derive(Clone, Debug)]
struct Step {
    sample: usize,
    epoch: usize,
    score: u8,
    what: u8,
    /// Whether the log contains only this sample.
    single: bool,
}

fn step() -> impl Strategy<Value = Step> {
    (0..SAMPLES, 0..EPOCHS, 0_u8..=4, 0_u8..7, any::<bool>()).prop_map(
        |(sample, epoch, score, what, single)| Step { sample, epoch, score, what, single },
    )
}

/// What happened to a run.
struct Run {
    logs: Vec<String>,
    /// The revisions of each execution, in order.
    all: Vec<Revision>,
    /// The newest final log: its step, and the samples and epochs that it has.
    final_list: Option<(usize, BTreeSet<(usize, usize)>)>,
}

fn run_of(id: Uuid, steps: &[Step]) -> Run {
    let mut current: BTreeMap<(usize, usize), Revision> = BTreeMap::new();
    let mut attempts: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    let mut run = Run { logs: Vec::new(), all: Vec::new(), final_list: None };
    for (number, step) in steps.iter().enumerate() {
        let place = (step.sample, step.epoch);
        let next = match (current.get(&place), step.what) {
            // The next final log lacks the sample.
            (Some(_), 6) => None,
            // The sample is run, or run again.
            (None, _) | (Some(_), 0 | 1) => {
                let attempt = attempts.entry(place).or_default();
                *attempt += 1;
                Some(Revision {
                    sample: step.sample,
                    epoch: step.epoch,
                    attempt: *attempt,
                    step: number,
                    made: number,
                    revision: 0,
                    score: step.score,
                    invalidated: false,
                })
            }
            (Some(known), what) => Some(Revision {
                made: number,
                revision: known.revision + 1,
                score: if what == 2 { known.score } else { step.score },
                invalidated: what == 2,
                ..known.clone()
            }),
        };
        run.all.extend(next.clone());
        match &next {
            Some(next) => current.insert(place, next.clone()),
            None => current.remove(&place),
        };
        let single = next.as_ref().filter(|_| step.single);
        let entries: Vec<&Revision> = match single {
            Some(next) => vec![next],
            None => current.values().collect(),
        };
        if single.is_none() && !entries.is_empty() {
            run.final_list = Some((number, current.keys().copied().collect()));
        }
        run.logs.push(log(id, number, &entries, single.is_none()));
    }
    run
}

/// The right figures: the mean over the samples of the mean over their epochs that count, the tokens of
/// every execution, and the number of superseded ones. The selected revision counts of its execution.
fn model(run: &Run, selected: Option<&Revision>) -> (Option<f64>, i64, i64) {
    let mut executions: BTreeMap<String, &Revision> = BTreeMap::new();
    for revision in &run.all {
        executions.insert(revision.key(), revision);
    }
    if let Some(revision) = selected {
        executions.insert(revision.key(), revision);
    }
    let total = executions.len() as i64;
    let is_superseded = |one: &Revision| {
        let of_list = |(step, places): &(usize, BTreeSet<(usize, usize)>)| {
            one.step <= *step && !places.contains(&(one.sample, one.epoch))
        };
        let is_selected = selected.is_some_and(|selected| selected.key() == one.key());
        !is_selected && run.final_list.as_ref().is_some_and(of_list)
    };
    executions.retain(|_, one| !is_superseded(one));
    let mut latest: BTreeMap<(usize, usize), &Revision> = BTreeMap::new();
    for one in executions.values() {
        let place = latest.entry((one.sample, one.epoch)).or_insert(one);
        if one.attempt > place.attempt {
            *place = one;
        }
    }
    let mut samples: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for revision in latest.values().filter(|revision| !revision.invalidated) {
        samples.entry(revision.sample).or_default().push(f64::from(revision.score) / 4.0);
    }
    let means: Vec<f64> =
        samples.values().map(|values| values.iter().sum::<f64>() / values.len() as f64).collect();
    let mean = (!means.is_empty()).then(|| means.iter().sum::<f64>() / means.len() as f64);
    (mean, total * 15, total - executions.len() as i64)
}

#[test]
fn the_revisions_that_count_are_those_of_the_model_in_any_order() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let service = Service::start(&Program::on(&database), &files, &["--log-level", "warn"]);
    let settings = ClientSettings { url: service.url().to_owned(), token: None, compress: None };
    let client = ServiceClient::new(&settings).unwrap();
    let runtime = Runtime::new().unwrap();
    let strategy = prop::collection::vec(step(), 1..9).prop_flat_map(|steps| {
        let order = Just((0..steps.len()).collect::<Vec<_>>()).prop_shuffle();
        (Just(steps), order, any::<prop::sample::Index>())
    });
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&strategy, |(steps, order, index)| {
            let run = run_of(Uuid::now_v7(), &steps);
            let mut id = Uuid::nil();
            // A file is changed at the end of its step.
            let record_log = |number: usize| {
                let path = files.write("log.json", &run.logs[number]);
                let changed: jiff::Timestamp = time(number, 30).parse().unwrap();
                let file = std::fs::File::options().write(true).open(&path).unwrap();
                file.set_modified(changed.into()).unwrap();
                record(&service.program(), &path, &[])
            };
            for number in order {
                let summary = record_log(number);
                prop_assert!(summary.code.is_some_and(|code| code != 1), "{}", summary.stderr);
                id = summary.json()["simulation_id"].as_str().unwrap().parse().unwrap();
            }
            let check = |selected: Option<&Revision>| {
                let status = runtime.block_on(client.simulation_status(id)).unwrap();
                let (mean, tokens, superseded) = model(&run, selected);
                match (status.overall_score, mean) {
                    (Some(found), Some(expected)) => {
                        prop_assert!(
                            (found - expected).abs() < 1e-12,
                            "{} and {}",
                            found,
                            expected
                        );
                    }
                    (found, expected) => prop_assert_eq!(found, expected),
                }
                prop_assert_eq!(status.total_tokens, tokens);
                prop_assert_eq!(status.superseded_outcomes, superseded);
                prop_assert_eq!(status.superseded_results.len() as i64, superseded);
                Ok(())
            };
            check(None)?;
            // Each revision is kept, and at most one of each result counts.
            let revisions = runtime.block_on(client.revisions(id)).unwrap();
            let mut by_key: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
            for revision in &revisions {
                let (count, current) = by_key.entry(&revision.result_key).or_default();
                *count += 1;
                *current += i64::from(revision.counts || revision.superseded && *count == 1);
            }
            for (key, (count, current)) in by_key {
                let made = run.all.iter().filter(|revision| revision.key() == key).count() as i64;
                prop_assert_eq!(count, made);
                prop_assert_eq!(current, 1);
            }
            // A person selects a revision, also of a superseded result, and another log changes nothing.
            let selected = index.get(&run.all);
            let (key, number) = (selected.key(), Some(selected.revision as i64 + 1));
            runtime.block_on(client.select_revision(id, Some(&key), number)).unwrap();
            check(Some(selected))?;
            (0..run.logs.len()).for_each(|number| drop(record_log(number)));
            check(Some(selected))
        })
        .unwrap();
}

/// Copies of one log, from the first to the last, each with another figure in its header. All have the
/// same time of creation.
fn copies(run: &str) -> Vec<String> {
    let log = |accuracy: f64, entry: &Revision| {
        let mut log: Value = serde_json::from_str(&log(Uuid::nil(), 0, &[entry], true)).unwrap();
        log["eval"]["task_id"] = run.into();
        log["stats"] = json!({"started_at": "2026-11-01T10:00:00+00:00",
            "completed_at": "2026-11-01T10:01:00+00:00"});
        log["results"] = json!({"total_samples": 1, "completed_samples": 1, "scores": [
            {"name": "judge", "scorer": "judge", "scored_samples": 1, "unscored_samples": 0,
                "metrics": {"mean": {"name": "mean", "value": accuracy}}}]});
        log
    };
    let run = Revision {
        sample: 0,
        epoch: 0,
        attempt: 0,
        step: 0,
        made: 0,
        revision: 0,
        score: 0,
        invalidated: false,
    };
    let edited = Revision { made: 1, revision: 1, score: 4, ..run.clone() };
    let invalidated = Revision { made: 2, revision: 2, invalidated: true, ..edited.clone() };
    let mut killed = log(0.0, &run);
    killed["status"] = "started".into();
    killed["stats"] = json!({"started_at": "", "completed_at": ""});
    let mut tagged = log(1.0, &invalidated);
    tagged["log_updates"] = json!([{"edits": [{"type": "tags", "tags_add": ["checked"]}],
        "provenance": {"timestamp": "2026-11-01T15:00:00+00:00", "author": "tester"}}]);
    [killed, log(0.25, &run), log(0.5, &edited), log(0.75, &invalidated), tagged]
        .iter()
        .map(Value::to_string)
        .collect()
}

#[test]
fn of_copies_of_one_log_the_one_that_was_changed_last_has_the_figures() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let service = Service::start(&program, &files, &["--log-level", "warn"]);
    let upload = |log: &str| {
        let kind = [("content-type", "application/octet-stream")];
        let url = "/v1/files?file_name=log.json";
        service.send(Method::POST, url, &kind, log.as_bytes().to_vec()).has(200).json()
    };
    let by_file = |log: &str| {
        let path = files.write("log.json", log);
        // The copies have the time of the run: a file that was changed after an invalidation, and lacks
        // it, would remove it.
        let of_the_run = SystemTime::UNIX_EPOCH + Duration::from_secs(1_793_527_200);
        File::options().write(true).open(&path).unwrap().set_modified(of_the_run).unwrap();
        let recorded = record(&program, &path, &[]);
        serde_json::from_str(recorded.stdout.lines().next().unwrap()).unwrap()
    };
    for (way, send) in [("file", &by_file as &dyn Fn(&str) -> Value), ("upload", &upload)] {
        for (first, second) in (0..5).flat_map(|one| (0..5).map(move |other| (one, other))) {
            let what = format!("{first}, then {second}, by {way}");
            let copies = copies(&what);
            let id = send(&copies[first])["simulation_id"].clone();
            assert_eq!(send(&copies[second])["simulation_id"], id, "{what}");
            let url = format!("/v1/simulations/{}", id.as_str().unwrap());
            let status = service.get(&url).has(200).json();
            let (older, newer) = (first.min(second), first.max(second));
            let (expected, figure) = match newer {
                0 => ("incomplete", 0.0),
                newer => ("completed", newer as f64 / 4.0),
            };
            assert_eq!(status["status"], expected, "{what}");
            assert_eq!(status["headline"]["value"], figure, "{what}: {status}");
            send(&copies[older]);
            assert_eq!(service.get(&url).has(200).json(), status, "{what}, and {older} again");
        }
    }
}

#[test]
fn a_growing_log_of_events_has_revisions_of_its_samples() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let whole = fixture("formats/openai-evals/genuine/includes.jsonl");
    let text = std::fs::read_to_string(whole).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| !line.contains("final_report")).collect();
    // The spec, a sample, and the first of the two events of another one.
    let begun = files.write("log.jsonl", lines[..4].join("\n"));
    let begun = record(&program, &begun, &[]).ended(0).json();
    assert_eq!((&begun["status"], &begun["stored"]), (&"incomplete".into(), &2.into()), "{begun}");
    assert!(begun["status_reason"].as_str().unwrap().contains("final report"), "{begun}");
    let ended = record(&program, &files.write("log.jsonl", &text), &[]).ended(0).json();
    assert_eq!(ended["simulation_id"], begun["simulation_id"]);
    let counts = ["stored", "duplicate", "total_scenarios", "total_tokens"];
    assert_eq!(counts.map(|name| ended[name].as_i64()), [3, 1, 4, 45].map(Some), "{ended}");
    assert_eq!((&ended["status"], &ended["status_reason"]), (&"completed".into(), &Value::Null));
    assert_eq!(ended["reconciliation"]["agrees"], true, "{ended}");
}
