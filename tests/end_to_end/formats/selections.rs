//! Which revision of a result counts, and which results are superseded, by every way in.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, SystemTime};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Files, Program, Service, TestDatabase, fixture, record};

/// An Inspect log with samples of their own keys and scores, each of which was edited so often.
fn log(samples: &[(&str, f64, usize)]) -> String {
    let sample = |(key, score, edits): &(&str, f64, usize)| {
        let edit = |number: usize| {
            json!({"value": 0.0, "provenance": {
                "timestamp": format!("2026-11-01T11:{number:02}:00+00:00"), "author": "tester"}})
        };
        json!({
            "id": key, "epoch": 1, "uuid": key, "input": "q", "target": "a",
            "started_at": "2026-11-01T10:00:00+00:00", "completed_at": "2026-11-01T10:01:00+00:00",
            "scores": {"judge": {"value": score, "history": (0..*edits).map(edit).collect::<Vec<_>>()}},
        })
    };
    json!({
        "version": 2, "status": "success",
        "eval": {
            "task_id": "selected", "created": "2026-11-01T09:00:00+00:00", "task": "selected",
            "dataset": {"samples": samples.len()}, "model": "mockllm/model",
            "config": {"epochs": 1},
            "scorers": [{"name": "judge", "metrics": [{"name": "inspect_ai/mean"}]}],
        },
        "samples": samples.iter().map(sample).collect::<Vec<_>>(),
    })
    .to_string()
}

fn status(program: &Program, id: &str) -> Value {
    program.run(["status", id, "--json"]).ended(0).json()
}

#[test]
fn a_selected_revision_counts_until_another_is_selected() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let mut id = String::new();
    for (edits, score) in [(0, 0.0), (1, 0.25), (2, 0.5)] {
        let path = files.write("log.json", log(&[("only", score, edits)]));
        let summary = record(&program, &path, &[]).ended(0).json();
        id = summary["simulation_id"].as_str().unwrap().to_owned();
        assert_eq!(summary["overall_score"], score, "{summary}");
    }
    let select = |options: &[&str]| {
        let all = ["revisions", &id, "--json"].into_iter().chain(options.iter().copied());
        program.run(all).ended(0).json_lines()
    };
    let flags = |revisions: &[Value]| -> Vec<(bool, bool)> {
        let flag = |one: &Value, name: &str| one[name].as_bool().unwrap();
        revisions.iter().map(|one| (flag(one, "counts"), flag(one, "selected"))).collect()
    };
    // The revision that counts is everywhere the same: in the status, the outcomes, an export and the views.
    let counts = |number: usize, score: f64| {
        let revisions = select(&[]);
        let outcome = revisions[number - 1]["outcome_id"].as_str().unwrap();
        assert_eq!(status(&program, &id)["overall_score"], score);
        let outcomes = program.run(["outcomes", &id, "--json"]).ended(0).json_lines();
        assert_eq!(outcomes.len(), 1);
        assert_eq!(outcomes[0]["outcome_id"], outcome);
        let exported = program.run(["export", &id, "--format", "jsonl"]).ended(0).json();
        assert_eq!(exported["outcome_id"], outcome);
        for view in ["current_outcomes", "simulations_scenarios"] {
            let sql = format!(
                "SELECT outcome_id::text FROM arc_recorder.{view} WHERE simulation_id = '{id}'"
            );
            let rows = database.query(&sql);
            assert_eq!(rows.len(), 1, "{view}");
            assert_eq!(rows[0].get::<_, &str>(0), outcome, "{view}");
        }
    };
    counts(3, 0.5);
    let first = select(&["--use", "1"]);
    assert_eq!(flags(&first), [(true, true), (false, false), (false, false)]);
    counts(1, 0.0);
    // A later revision does not count while another one is selected.
    let path = files.write("log.json", log(&[("only", 1.0, 3)]));
    record(&program, &path, &[]).ended(0);
    counts(1, 0.0);
    assert_eq!(flags(&select(&["--use", "2", "--result", "only"])).len(), 4);
    counts(2, 0.25);
    assert_eq!(flags(&select(&["--use", "latest"]))[3], (true, false));
    counts(4, 1.0);
    assert_eq!(database.count("SELECT count(*) FROM arc_recorder.selections"), 3);
    let shown = program.run(["revisions", &id]).ended(0);
    assert!(shown.stdout.contains("counts"), "{}", shown.stdout);

    let unknown = "01920000-0000-7000-8000-0000000000ff";
    for (arguments, code, reason) in [
        (vec!["revisions", &id, "--use", "9"], 1, "has no revision 9 (expected 1 to 4)"),
        (vec!["revisions", &id, "--use", "1", "--result", "x"], 1, "no result with the key \"x\""),
        (vec!["revisions", unknown, "--use", "1"], 1, "not found"),
        (vec!["revisions", &id, "--use", "0"], 1, "expected a number from 1, or latest"),
        (vec!["revisions", &id, "--result", "only"], 1, "--use"),
    ] {
        let failed = program.run(&arguments).ended(code);
        assert!(failed.stderr.contains(reason), "{arguments:?}: {}", failed.stderr);
    }
}

#[test]
fn a_service_selects_revisions_too() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let service = Service::start(&Program::on(&database), &files, &["--log-level", "warn"]);
    let program = service.program();
    let mut id = String::new();
    for edits in [0, 1] {
        let score = edits as f64;
        let path = files.write("log.json", log(&[("a", score, edits), ("b", score, edits)]));
        let summary = record(&program, &path, &[]).ended(0).json();
        id = summary["simulation_id"].as_str().unwrap().to_owned();
    }
    let path = format!("/v1/simulations/{id}/revisions");
    let answer = service.post(&path, &json!({"revision": 1}));
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert!(answer.text().contains("expected the key of one"), "{}", answer.text());
    let answer = service.post(&path, &json!({"revision": 1, "result_key": "a"})).json();
    assert_eq!(answer["revisions"][0]["selected"], true, "{answer}");
    assert_eq!(answer["revisions"].as_array().unwrap().len(), 2, "{answer}");
    assert_eq!(status(&program, &id)["overall_score"], 0.5);
    program.run(["revisions", &id, "--use", "latest", "--result", "a"]).ended(0);
    assert_eq!(status(&program, &id)["overall_score"], 1.0);
    let wrong = service.post(&path, &json!({"revision": 3, "result_key": "a"}));
    assert_eq!(wrong.status, 404, "{}", wrong.text());
}

/// A job of Harbor with its trials, of which some have another id and another name.
fn job(renamed: &[usize]) -> Value {
    let path = fixture("formats/harbor/three-trials-each/job-with-trials.json");
    let mut job: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    for number in renamed {
        let trial = &mut job["trial_results"][*number];
        trial["id"] = format!("00000000-0000-4000-8000-0000000f000{number}").into();
        trial["trial_name"] = format!("again__{number}").into();
        // It ran after the others.
        let time = |second: usize| Value::from(format!("2026-09-01T14:0{number}:{second:02}Z"));
        (trial["started_at"], trial["finished_at"]) = (time(0), time(50));
        if let Some(agent) = trial["agent_execution"].as_object_mut() {
            agent.insert("started_at".to_owned(), time(10));
            agent.insert("finished_at".to_owned(), time(40));
        }
    }
    job
}

/// Writes a file that was changed this number of minutes after the first one.
fn write(files: &Files, name: &str, content: &Value, minutes: u64) -> std::path::PathBuf {
    let path = files.write(name, content.to_string());
    set_modified(&path, SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000 + 60 * minutes));
    path
}

fn set_modified(path: &Path, time: SystemTime) {
    File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

#[test]
fn a_result_that_the_final_list_lacks_is_superseded() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let first = write(&files, "result.json", &job(&[]), 0);
    let before = record(&program, &first, &[]).json();
    let id = before["simulation_id"].as_str().unwrap().to_owned();
    assert_eq!(before["superseded_outcomes"], 0, "{before}");

    // A job that is not finished, and an older one, supersede nothing.
    let mut unfinished = job(&[0]);
    unfinished["finished_at"] = Value::Null;
    unfinished["trial_results"].as_array_mut().unwrap().truncate(1);
    record(&program, &write(&files, "unfinished.json", &unfinished, 1), &[]);
    let known = status(&program, &id);
    assert_eq!(
        (&known["superseded_outcomes"], &known["recorded_outcomes"]),
        (&0.into(), &7.into())
    );

    // `harbor job resume` renames the trials that it runs again.
    let resumed = write(&files, "resumed.json", &job(&[0, 4]), 2);
    let recorded = record(&program, &resumed, &[]);
    let summary = recorded.json();
    assert_eq!(summary["superseded_outcomes"], 2, "{summary}");
    let shown = program.run(["record", resumed.to_str().unwrap()]);
    assert!(shown.stdout.contains("superseded  2: "), "{}", shown.stdout);
    let known = status(&program, &id);
    assert_eq!(known["recorded_outcomes"], 6, "{known}");
    assert_eq!(known["completed_scenarios"], 6, "{known}");
    assert_eq!(known["overall_score"], before["overall_score"], "{known}");
    let named = known["superseded_results"].as_array().unwrap();
    assert_eq!(named.len(), 2, "{known}");
    let original = job(&[]);
    for number in [0, 4] {
        let trial = &original["trial_results"][number];
        assert!(
            named
                .iter()
                .any(|one| one["place"] == trial["trial_name"] && one["result_key"] == trial["id"]),
            "{known}"
        );
    }
    // What they used stays in the totals of what ran.
    let sum = |sql: &str| database.count(sql);
    let all = sum("SELECT sum(tokens_used)::bigint FROM arc_recorder.outcomes");
    assert_eq!(known["total_tokens"], all, "{known}");
    assert_eq!(sum("SELECT count(*) FROM arc_recorder.outcomes"), 8);
    assert_eq!(sum("SELECT count(*) FROM arc_recorder.current_outcomes"), 6);
    assert_eq!(
        sum("SELECT count(outcome_id) FROM arc_recorder.simulations_scenarios"),
        6,
        "superseded trials have no number"
    );
    let outcomes = program.run(["outcomes", &id, "--json"]).ended(0).json_lines();
    let mut trials: Vec<i64> =
        outcomes.iter().map(|outcome| outcome["trial"].as_i64().unwrap()).collect();
    trials.sort_unstable();
    assert_eq!(trials, [1, 1, 2, 2, 3, 3]);
    let shown = program.run(["status", &id]).ended(0);
    assert!(shown.stdout.contains("superseded  2: "), "{}", shown.stdout);

    // An older list changes nothing, and a later one makes the results count again.
    record(&program, &first, &[]);
    assert_eq!(status(&program, &id)["superseded_outcomes"], 2);
    let mut back = job(&[]);
    back["trial_results"][5]["finished_at"] = "2026-09-01T15:00:00Z".into();
    record(&program, &write(&files, "result.json", &back, 3), &[]);
    let known = status(&program, &id);
    assert_eq!(known["superseded_outcomes"], 2, "{known}");
    assert!(known["superseded_results"][0]["place"].as_str().unwrap().starts_with("again__"));
    // A person decides otherwise, and the same list again changes nothing.
    let key = "00000000-0000-4000-8000-0000000f0000";
    program.run(["revisions", &id, "--use", "1", "--result", key]).ended(0);
    record(&program, &write(&files, "result.json", &back, 4), &[]);
    let known = status(&program, &id);
    assert_eq!(
        (&known["superseded_outcomes"], &known["recorded_outcomes"]),
        (&1.into(), &7.into())
    );
}

#[test]
fn a_trial_that_ran_after_the_final_list_counts_in_any_order() {
    let job = job(&[]);
    let mut later = job["trial_results"][0].clone();
    later["id"] = "00000000-0000-4000-8000-0000000f0007".into();
    later["trial_name"] = "a__x7".into();
    for (member, time) in
        [("started_at", "2026-09-02T12:00:00Z"), ("finished_at", "2026-09-02T12:01:00Z")]
    {
        later[member] = time.into();
    }
    if let Some(agent) = later["agent_execution"].as_object_mut() {
        agent.insert("started_at".to_owned(), "2026-09-02T12:00:10Z".into());
        agent.insert("finished_at".to_owned(), "2026-09-02T12:00:50Z".into());
    }
    let logs = [job.to_string(), later.to_string()];
    for order in [&[0, 1][..], &[1, 0], &[0, 1, 0]] {
        for by_http in [false, true] {
            let (database, files) = (TestDatabase::new(), Files::new());
            let program = Program::on(&database);
            let service = Service::start(&program, &files, &["--log-level", "warn"]);
            let mut id = Value::Null;
            for number in order {
                let report = match by_http {
                    true => {
                        let kind = [("content-type", "application/octet-stream")];
                        let url = "/v1/files?file_name=result.json";
                        service
                            .send(Method::POST, url, &kind, logs[*number].clone())
                            .has(200)
                            .json()
                    }
                    false => {
                        record(&program, &files.write("result.json", &logs[*number]), &[]).json()
                    }
                };
                id = report["simulation_id"].clone();
            }
            let known = status(&program, id.as_str().unwrap());
            let counts =
                ["recorded_outcomes", "superseded_outcomes"].map(|name| known[name].as_i64());
            assert_eq!(counts, [Some(7), Some(0)], "{order:?}, by HTTP: {by_http}: {known}");
        }
    }
}

#[test]
fn an_export_of_promptfoo_supersedes_over_http() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let service = Service::start(&Program::on(&database), &files, &["--log-level", "warn"]);
    let whole = std::fs::read_to_string(fixture("formats/promptfoo/results.json")).unwrap();
    let send = |name: &str, body: String| {
        let path = format!("/v1/files?file_name={name}");
        let bytes = [("content-type", "application/octet-stream")];
        service.send(Method::POST, &path, &bytes, body).json()
    };
    let first = send("results.json", whole.clone());
    let id = first["simulation_id"].as_str().unwrap().to_owned();
    let results = first["stored"].as_i64().unwrap();
    // A later export lacks the last result, which has passed. Its members keep their order.
    let end = whole.find("\n    ],\n    \"stats\"").unwrap();
    let start = whole[..end].rfind(",\n      {").unwrap();
    let removed: Value = serde_json::from_str(&whole[start + 1..end]).unwrap();
    let later = format!("{}{}", &whole[..start], &whole[end..])
        .replace("\"successes\": 20", "\"successes\": 19")
        .replace("\"exportedAt\": \"2026", "\"exportedAt\": \"2036");
    let second = send("later.json", later);
    assert_eq!(second["superseded_outcomes"], 1, "{second}");
    let known = service.get(&format!("/v1/simulations/{id}")).json();
    assert_eq!(known["superseded_outcomes"], 1, "{known}");
    assert_eq!(known["recorded_outcomes"], results - 1, "{known}");
    assert_eq!(known["superseded_results"][0]["result_key"], removed["id"], "{known}");
    // A client's own list.
    let all = database.query(&format!(
        "SELECT outcome_id::text FROM arc_recorder.outcomes WHERE simulation_id = '{id}'"
    ));
    let ids: Vec<String> = all.iter().map(|row| row.get(0)).collect();
    let list = json!({"outcome_ids": ids, "is_final": true, "made_at": "2037-01-01T00:00:00Z"});
    let answer = service.post(&format!("/v1/simulations/{id}/result-list"), &list).json();
    assert_eq!(answer, json!({"superseded": 0, "restored": 1, "selected": []}));
    let known = service.get(&format!("/v1/simulations/{id}")).json();
    assert_eq!(known["recorded_outcomes"], results, "{known}");
}

/// When the sample was invalidated.
const INVALIDATED_AT: &str = "2026-11-30T12:05:10.886915Z";

#[test]
fn bytes_that_come_back_count_again_only_if_the_file_is_newer() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let logs = fixture("formats/inspect/genuine");
    // The samples of `write_eval_log` after `uninvalidate_samples` are those of the first log.
    let record_log = |name: &str, minutes: i64| {
        let bytes = std::fs::read(logs.join(name)).unwrap();
        let path = files.write("log.eval", bytes);
        let invalidated: jiff::Timestamp = INVALIDATED_AT.parse().unwrap();
        let changed = invalidated + jiff::SignedDuration::from_mins(minutes);
        set_modified(&path, changed.into());
        let summary = record(&program, &path, &[]);
        assert_ne!(summary.code, Some(1), "{}", summary.stderr);
        summary.json()
    };
    let first = record_log("undone-first.eval", -1);
    let id = first["simulation_id"].as_str().unwrap().to_owned();
    assert_eq!(first["stored"], 2, "{first}");
    let invalidated = record_log("undone-invalidated.eval", 0);
    assert_eq!((&invalidated["stored"], &invalidated["duplicate"]), (&1.into(), &1.into()));
    assert_eq!(status(&program, &id)["invalidated_outcomes"], 1);
    // The first log again, as it was before the invalidation.
    let again = record_log("undone-first.eval", -1);
    assert_eq!(again["duplicate"], 2, "{again}");
    assert_eq!(again["warnings"]["later_revision_counts"], 1, "{again}");
    assert_eq!(status(&program, &id)["invalidated_outcomes"], 1);
    // The invalidation is undone.
    let back = record_log("undone.eval", 1);
    assert_eq!((&back["stored"], &back["duplicate"]), (&0.into(), &2.into()), "{back}");
    assert_eq!(back["warnings"].get("later_revision_counts"), None, "{back}");
    let known = status(&program, &id);
    assert_eq!(
        (&known["invalidated_outcomes"], &known["completed_scenarios"]),
        (&0.into(), &2.into())
    );
    // The log with the invalidation again: it is older.
    let older = record_log("undone-invalidated.eval", 0);
    assert_eq!(older["warnings"]["later_revision_counts"], 1, "{older}");
    assert_eq!(status(&program, &id)["invalidated_outcomes"], 0);
}

#[test]
fn the_log_is_compared_with_the_last_try_of_each_trial() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    // The figures of a job of Harbor are those of the last tries, which have the names of earlier ones.
    let job: Value = serde_json::from_slice(
        &std::fs::read(fixture("formats/harbor/genuine/one-reward.json")).unwrap(),
    )
    .unwrap();
    let mut earlier = job["trial_results"][0].clone();
    earlier["id"] = "00000000-0000-4000-8000-0000000f0000".into();
    earlier["started_at"] = "2026-03-01T11:00:00Z".into();
    earlier["finished_at"] = "2026-03-01T11:01:00Z".into();
    if let Some(agent) = earlier["agent_execution"].as_object_mut() {
        agent.insert("started_at".to_owned(), "2026-03-01T11:00:10Z".into());
        agent.insert("finished_at".to_owned(), "2026-03-01T11:00:20Z".into());
    }
    record(&program, &files.write("try.json", earlier.to_string()), &[]).ended(0);
    let summary = record(&program, &files.write("job.json", job.to_string()), &[]).ended(0).json();
    assert_eq!(summary["reconciliation"]["agrees"], true, "{summary}");
    let figures = summary["reconciliation"]["figures"].as_array().unwrap();
    let tokens = figures.iter().find(|one| one["figure"] == "tokens").unwrap();
    assert_eq!(tokens["computed"], tokens["reported"], "{summary}");
    assert!(summary["total_tokens"].as_f64() > tokens["computed"].as_f64(), "{summary}");
    assert_eq!(summary["superseded_outcomes"], 0, "{summary}");
}
