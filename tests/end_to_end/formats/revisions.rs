//! Logs of one run that are edited, retried and continued, against a model: the figures are those of the
//! latest revisions of the latest attempts, in any order of recording.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
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
        let time = |minutes: usize, seconds: usize| {
            format!("2026-11-01T1{}:{minutes:02}:{seconds:02}+00:00", self.attempt)
        };
        let edited = time(30, self.revision);
        let history: Vec<Value> = (0..self.revision)
            .map(|number| {
                json!({"value": 0.0, "provenance": {
                    "timestamp": time(30, number + 1), "author": "tester", "metadata": {}}})
            })
            .collect();
        let mut entry = json!({
            "id": format!("s{}", self.sample), "epoch": self.epoch + 1, "uuid": self.key(),
            "input": "q", "target": "a",
            "started_at": time(0, 0), "completed_at": time(1, 0),
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

/// A log of the run with the current revisions of some executions.
fn log(created: usize, entries: &[&Revision]) -> String {
    json!({
        "version": 2, "status": "success",
        "eval": {
            "task_id": "run-of-the-test", "run_id": "run", "eval_id": "eval",
            "created": format!("2026-11-01T09:{created:02}:00+00:00"), "task": "edited",
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
    (0..SAMPLES, 0..EPOCHS, 0_u8..=4, 0_u8..6, any::<bool>()).prop_map(
        |(sample, epoch, score, what, single)| Step { sample, epoch, score, what, single },
    )
}

/// Returns the logs, and the revisions of each execution.
fn logs(steps: &[Step]) -> (Vec<String>, Vec<Revision>) {
    let mut current: BTreeMap<(usize, usize), Revision> = BTreeMap::new();
    let (mut files, mut all) = (Vec::new(), Vec::new());
    for (number, step) in steps.iter().enumerate() {
        let place = (step.sample, step.epoch);
        let next = match (current.get(&place), step.what) {
            (None, _) => Revision {
                sample: step.sample,
                epoch: step.epoch,
                attempt: 0,
                revision: 0,
                score: step.score,
                invalidated: false,
            },
            // The sample is run again.
            (Some(known), 0 | 1) if known.attempt < 9 => Revision {
                attempt: known.attempt + 1,
                revision: 0,
                score: step.score,
                invalidated: false,
                ..known.clone()
            },
            (Some(known), 2) => {
                Revision { revision: known.revision + 1, invalidated: true, ..known.clone() }
            }
            (Some(known), _) => Revision {
                revision: known.revision + 1,
                score: step.score,
                invalidated: false,
                ..known.clone()
            },
        };
        all.push(next.clone());
        current.insert(place, next.clone());
        let entries: Vec<&Revision> =
            if step.single { vec![&next] } else { current.values().collect() };
        files.push(log(number, &entries));
    }
    (files, all)
}

/// The mean over the samples of the mean over their epochs that count, and the tokens of every execution.
fn model(all: &[Revision]) -> (Option<f64>, i64) {
    let mut latest: BTreeMap<(usize, usize), &Revision> = BTreeMap::new();
    let mut executions: BTreeMap<String, &Revision> = BTreeMap::new();
    for revision in all {
        latest.insert((revision.sample, revision.epoch), revision);
        executions.insert(revision.key(), revision);
    }
    let mut samples: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for revision in latest.values().filter(|revision| !revision.invalidated) {
        samples.entry(revision.sample).or_default().push(f64::from(revision.score) / 4.0);
    }
    let means: Vec<f64> =
        samples.values().map(|values| values.iter().sum::<f64>() / values.len() as f64).collect();
    let mean = (!means.is_empty()).then(|| means.iter().sum::<f64>() / means.len() as f64);
    (mean, executions.len() as i64 * 15)
}

#[test]
fn the_latest_revisions_of_the_latest_attempts_count_in_any_order() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let service = Service::start(&Program::on(&database), &files, &["--log-level", "warn"]);
    let settings = ClientSettings { url: service.url().to_owned(), token: None, compress: None };
    let client = ServiceClient::new(&settings).unwrap();
    let runtime = Runtime::new().unwrap();
    let strategy = prop::collection::vec(step(), 1..9).prop_flat_map(|steps| {
        let order = Just((0..steps.len()).collect::<Vec<_>>()).prop_shuffle();
        (Just(steps), order)
    });
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&strategy, |(steps, order)| {
            let (logs, all) = logs(&steps);
            let id = Uuid::now_v7();
            for number in order {
                let path = files.write("log.json", &logs[number]);
                let summary = record(&service.program(), &path, &["--simulation", &id.to_string()]);
                prop_assert!(summary.code.is_some_and(|code| code != 1), "{}", summary.stderr);
            }
            let status = runtime.block_on(client.simulation_status(id)).unwrap();
            let (mean, tokens) = model(&all);
            match (status.overall_score, mean) {
                (Some(found), Some(expected)) => {
                    prop_assert!((found - expected).abs() < 1e-12, "{} and {}", found, expected);
                }
                (found, expected) => prop_assert_eq!(found, expected),
            }
            prop_assert_eq!(status.total_tokens, tokens);
            // Each revision is kept, and one of each result counts.
            let revisions = runtime.block_on(client.revisions(id)).unwrap();
            let mut by_key: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
            for revision in &revisions {
                let (count, current) = by_key.entry(&revision.result_key).or_default();
                *count += 1;
                *current += i64::from(revision.counts);
            }
            for (key, (count, current)) in by_key {
                let made = all.iter().filter(|revision| revision.key() == key).count() as i64;
                prop_assert_eq!(count, made);
                prop_assert_eq!(current, 1);
            }
            Ok(())
        })
        .unwrap();
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
