//! Plans whose scenarios are not run equally often, and plans that grow with every log of their run.

use arc_host::Recorder;
use arc_host::extraction::{ExtractionSettings, Extractor};
use arc_host::recorder::{SimulationStart, Submission, Verdict};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::support::{Files, Program, Service, TestDatabase, fixture, record};

/// A plan, and the trials of each scenario that are recorded. The last scenario is not in the plan.
#[derive(Clone, Debug)]
struct Case {
    trials: u32,
    scenario_trials: Vec<u32>,
    recorded: Vec<Vec<u32>>,
}

fn case() -> impl Strategy<Value = Case> {
    let some_trials = prop::collection::btree_set(1..6_u32, 0..5);
    (1..5_u32, prop::collection::vec(1..5_u32, 1..5), any::<bool>()).prop_flat_map(
        move |(trials, scenario_trials, uneven)| {
            let recorded = prop::collection::vec(some_trials.clone(), scenario_trials.len() + 1);
            recorded.prop_map(move |recorded| Case {
                trials,
                scenario_trials: if uneven { scenario_trials.clone() } else { Vec::new() },
                recorded: recorded.into_iter().map(|trials| trials.into_iter().collect()).collect(),
            })
        },
    )
}

#[test]
fn totals_are_the_sums_over_the_scenarios() {
    let database = TestDatabase::new();
    let runtime = Runtime::new().unwrap();
    let recorder = runtime.block_on(async {
        let extractor = Extractor::built_in(&ExtractionSettings::default()).unwrap();
        Recorder::new(extractor, database.store()).await.unwrap()
    });
    let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&case(), |case| {
            let planned = case.recorded.len() - 1;
            let scenarios: Vec<Value> =
                (0..planned).map(|number| json!({"id": format!("s{number}")})).collect();
            let start = SimulationStart {
                scenarios: json!(scenarios).to_string(),
                trials: Some(case.trials),
                scenario_trials: case.scenario_trials.clone(),
                ..SimulationStart::default()
            };
            let id = runtime.block_on(recorder.start_simulation(start)).unwrap().simulation_id;
            let in_plan = |scenario: usize| match scenario < planned {
                true => case.scenario_trials.get(scenario).copied().unwrap_or(case.trials),
                false => 0,
            };
            let (mut completed, mut pending, mut beyond) = (0, 0, 0);
            let mut submissions = Vec::new();
            for (scenario, trials) in case.recorded.iter().enumerate() {
                for trial in trials {
                    let document = json!({"scenario": {"id": format!("s{scenario}")},
                        "trajectory": {"status": "success"}, "reliability_score": 1, "trial": trial});
                    let submission = Submission::new(document.to_string());
                    submissions.push(Submission { trial: Some(*trial), ..submission });
                }
                let within = trials.iter().filter(|trial| **trial <= in_plan(scenario)).count();
                completed += trials.len() as i64;
                beyond += (trials.len() - within) as i64;
                pending += i64::from(in_plan(scenario)) - within as i64;
            }
            let verdicts = runtime.block_on(recorder.record_batch(id, submissions)).unwrap();
            let unplanned = |verdict: &arc_host::recorder::ItemVerdict| {
                verdict.warnings.iter().any(|warning| warning.code == "unplanned_scenario")
            };
            prop_assert!(verdicts.iter().all(|verdict| verdict.verdict == Verdict::Stored));
            let warned = verdicts.iter().filter(|verdict| unplanned(verdict)).count();
            prop_assert_eq!(warned as i64, beyond);
            let progress = runtime.block_on(recorder.simulation_status(id)).unwrap();
            prop_assert_eq!(progress.completed_scenarios, completed);
            prop_assert_eq!(progress.total_scenarios, completed + pending);
            prop_assert_eq!(progress.progress_percentage == 100.0, pending == 0);
            let rows = database.count(&format!(
                "SELECT count(*) FROM arc_recorder.simulations_scenarios
                 WHERE simulation_id = '{id}' AND status = 'pending'"
            ));
            prop_assert_eq!(rows, pending);
            Ok(())
        })
        .unwrap();
}

#[test]
fn each_scenario_has_its_own_number_of_trials() {
    let database = TestDatabase::new();
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        let extractor = Extractor::built_in(&ExtractionSettings::default()).unwrap();
        let recorder = Recorder::new(extractor, database.store()).await.unwrap();
        for (scenario_trials, reason) in [(vec![1], "1 numbers for 2"), (vec![1, 0], "not 0")] {
            let scenarios = r#"[{"id":"a"},{"id":"b"}]"#.to_owned();
            let start =
                SimulationStart { scenarios, scenario_trials, ..SimulationStart::default() };
            let refused = recorder.start_simulation(start).await.unwrap_err().to_string();
            assert!(refused.contains(reason), "{refused}");
        }
    });
}

/// A job of Harbor with the first of its three trials of one task left out, which ran last.
fn uneven_job() -> (String, Value) {
    let path = fixture("formats/harbor/three-trials-each/job-with-trials.json");
    let mut job: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let trials = job["trial_results"].as_array_mut().unwrap();
    let mut left_out = trials.remove(0);
    for (member, time) in
        [("started_at", "2026-12-01T10:00:00Z"), ("finished_at", "2026-12-01T10:01:00Z")]
    {
        left_out[member] = time.into();
    }
    job["n_total_trials"] = 5.into();
    job["stats"] = json!({"n_completed_trials": 5, "evals": {}});
    (job.to_string(), left_out)
}

/// Sends a file as the body of a request.
fn upload(service: &Service, log: &str) -> Value {
    let kind = [("content-type", "application/octet-stream")];
    let url = "/v1/files?file_name=log.json";
    service.send(Method::POST, url, &kind, log.as_bytes().to_vec()).has(200).json()
}

/// Returns the numbers of trials of each scenario, and of those without an outcome.
fn trials(database: &TestDatabase) -> Vec<(i64, i64)> {
    let rows = database.query(
        "SELECT count(*), count(*) FILTER (WHERE status = 'pending')
         FROM arc_recorder.simulations_scenarios GROUP BY scenario_id ORDER BY 1",
    );
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[test]
fn a_job_with_fewer_trials_of_a_task_is_complete() {
    let (job, left_out) = uneven_job();
    let files = Files::new();
    let path = files.write("job.json", &job);
    for way in ["file", "client of a service", "upload"] {
        let database = TestDatabase::new();
        let program = Program::on(&database);
        let service = Service::start(&program, &files, &[]);
        let report = match way {
            "file" => record(&program, &path, &[]).ended(0).json(),
            "upload" => upload(&service, &job),
            _ => record(&service.program(), &path, &[]).ended(0).json(),
        };
        assert_eq!(report["status"], "completed", "{way}: {report}");
        assert_eq!(report["total_scenarios"], 5, "{way}: {report}");
        assert_eq!(report["completed_scenarios"], 5, "{way}: {report}");
        assert_eq!(trials(&database), [(2, 0), (3, 0)], "{way}");
        let id = report["simulation_id"].as_str().unwrap();
        let status = service.get(&format!("/v1/simulations/{id}")).has(200).json();
        assert_eq!(status["progress_percentage"], 100.0, "{way}: {status}");
        // Another log of the run has another trial, and the first one again changes nothing.
        let mut whole: Value = serde_json::from_str(&job).unwrap();
        whole["trial_results"].as_array_mut().unwrap().push(left_out.clone());
        whole["n_total_trials"] = 6.into();
        whole["stats"]["n_completed_trials"] = 6.into();
        for log in [whole.to_string(), job.clone()] {
            assert_eq!(upload(&service, &log)["simulation_id"], id, "{way}");
            assert_eq!(trials(&database), [(3, 0), (3, 0)], "{way}");
            let status = service.get(&format!("/v1/simulations/{id}")).has(200).json();
            assert_eq!(status["total_scenarios"], 6, "{way}: {status}");
            assert_eq!(status["progress_percentage"], 100.0, "{way}: {status}");
        }
    }
}

#[test]
fn a_second_log_with_fewer_trials_takes_none_away() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let trial = |task: &str, number: usize| {
        json!({"task_name": task, "trial_name": format!("{task}__{number}"), "trial_uri": "file:///x",
            "id": format!("{task}-{number}"), "config": {"job_id": "job-of-the-test"},
            "verifier_result": {"rewards": {"reward": 1}}, "started_at": "2026-01-01T00:00:00Z",
            "finished_at": "2026-01-01T00:01:00Z"})
    };
    let job = |trials: Vec<Value>| {
        json!({"id": "job-of-the-test", "n_total_trials": trials.len(), "started_at": "2026-01-01T00:00:00",
            "finished_at": "2026-01-01T01:00:00", "stats": {"evals": {}}, "trial_results": trials})
    };
    let logs = [
        job(vec![trial("a", 1), trial("a", 2), trial("b", 1), trial("b", 2)]),
        job(vec![trial("a", 3), trial("c", 1)]),
        job(vec![trial("a", 1), trial("a", 2), trial("a", 3), trial("b", 1)]),
    ];
    for log in logs {
        record(&program, &files.write("job.json", log.to_string()), &[]).ended(0);
    }
    assert_eq!(trials(&database), [(1, 0), (2, 0), (3, 0)]);
}

/// A log of Inspect with these samples: their ids and inputs.
fn log(samples: &[(&str, &str)]) -> String {
    let sample = |(id, input): &(&str, &str)| {
        json!({"id": id, "epoch": 1, "uuid": format!("{id} {input}"), "input": input, "target": "a",
            "started_at": "2026-11-01T10:00:00+00:00", "completed_at": "2026-11-01T10:01:00+00:00",
            "scores": {"judge": {"value": 1.0}}})
    };
    json!({"version": 2, "status": "success", "eval": {"task_id": "run-that-grows", "run_id": "run",
        "created": "2026-11-01T09:00:00+00:00", "task": "t", "dataset": {}, "model": "mockllm/model",
        "config": {}}, "samples": samples.iter().map(sample).collect::<Vec<_>>()})
    .to_string()
}

#[test]
fn a_changed_definition_is_a_warning_that_names_the_scenario() {
    let files = Files::new();
    let first = log(&[("one", "1?"), ("two", "2?")]);
    let changed = log(&[("one", "1?"), ("two", "two?"), ("three", "3?")]);
    let expected = "the plan has another definition, which stays, of \"t/two\"";
    for way in ["file", "client of a service", "upload"] {
        let database = TestDatabase::new();
        let program = Program::on(&database);
        let service = Service::start(&program, &files, &[]);
        let send = |log: &str| match way {
            "upload" => upload(&service, log),
            "file" => record(&program, &files.write("log.json", log), &[]).ended(0).json(),
            _ => record(&service.program(), &files.write("log.json", log), &[]).ended(0).json(),
        };
        let recorded = send(&first);
        assert!(!recorded["notes"].to_string().contains("definition"), "{way}: {recorded}");
        let grown = send(&changed);
        assert_eq!(grown["simulation_id"], recorded["simulation_id"], "{way}");
        assert_eq!(grown["total_scenarios"], 3, "{way}: {grown}");
        let notes = grown["notes"].as_array().unwrap();
        assert!(notes.contains(&expected.into()), "{way}: {grown}");
        // The definition that came first stays.
        let prompt: String = database.query(
            "SELECT task_prompt FROM arc_recorder.planned_scenarios
             JOIN arc_recorder.scenarios USING (scenario_version_id)
             WHERE planned_scenarios.scenario_id = 't/two'",
        )[0]
        .get(0);
        assert_eq!(prompt, "2?", "{way}");
        let again = send(&first);
        assert!(!again["notes"].to_string().contains("definition"), "{way}: {again}");
    }
}

#[test]
fn many_changed_definitions_are_one_warning() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let service = Service::start(&Program::on(&database), &files, &[]);
    let start = |prompt: &str| {
        let scenarios: Vec<Value> = (10..30)
            .map(|number| json!({"id": format!("s{number}"), "task_prompt": prompt}))
            .collect();
        json!({"simulation_id": Uuid::from_u128(7), "scenarios": scenarios, "plan_may_grow": true})
    };
    let send = |prompt: &str| {
        let kind = [("content-type", "application/json")];
        let body = start(prompt).to_string();
        service.send(Method::POST, "/v1/simulations", &kind, body).has(200).json()
    };
    assert_eq!(send("first")["warnings"], json!([]));
    assert_eq!(send("first")["warnings"], json!([]));
    let ids: Vec<String> = (10..20).map(|number| format!("\"s{number}\"")).collect();
    let message =
        format!("the plan has another definition, which stays, of {} and 10 more", ids.join(", "));
    let warning = json!({"path": "/scenarios", "code": "definition_changed", "message": message});
    assert_eq!(send("second")["warnings"], json!([warning]));
}
