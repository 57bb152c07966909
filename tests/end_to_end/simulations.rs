//! How results are assigned to simulations, and how figures are computed: ids, plans, trials,
//! attempts.

use arc_host::store::{NewSimulation, SimulationStart};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Files, Program, TestDatabase, record, result};

fn id(summary: &Value) -> String {
    summary["simulation_id"].as_str().unwrap().to_owned()
}

fn with_trial(mut result: Value, trial: u32) -> Value {
    result["recording"] = json!({"trial": trial});
    result
}

/// Starts a simulation as a runner does, with one planned scenario, "planned".
fn start_runners_simulation(database: &TestDatabase) -> Uuid {
    let simulation_id = Uuid::now_v7();
    let start = SimulationStart {
        simulation_id: Some(simulation_id),
        simulation_name: Some("a runner's".to_owned()),
        config_version_id: "v1".to_owned(),
        modal_environment: Some("test".to_owned()),
        ..SimulationStart::default()
    };
    let new = NewSimulation::new(start, 1, [7; 32]);
    let planned = arc_host::store::PlannedRow {
        scenario_version_id: Uuid::now_v7(),
        scenario_id: "planned".to_owned(),
        name: None,
        task_prompt: None,
        definition: None,
        trials: None,
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = database.store();
        store.start_simulation(&new, [Ok(planned)].into_iter()).await.unwrap();
        store.close();
    });
    simulation_id
}

#[test]
fn the_id_comes_from_the_bytes_the_name_and_the_configuration() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let results = [result("a", "success", 1.0)];
    let path = files.write_lines("results.jsonl", &results);
    let config = files.write("agent.json", r#"{"model":  "m"}"#);
    let config = config.to_str().unwrap();
    let run = |options: &[&str]| id(&record(&program, &path, options).ended(0).json());

    let first = run(&[]);
    let elsewhere = files.write_lines("elsewhere/results.jsonl", &results);
    assert_eq!(
        id(&record(&program, &elsewhere, &[]).ended(0).json()),
        first,
        "same bytes and name"
    );
    let mut ids = vec![first.clone()];
    let renamed = files.write_lines("renamed.jsonl", &results);
    ids.push(id(&record(&program, &renamed, &[]).ended(0).json()));
    ids.push(run(&["--name", "nightly"]));
    ids.push(run(&["--config", config]));
    ids.push(run(&["--config", config, "--name", "nightly"]));
    ids.push(run(&["--new"]));
    ids.push(run(&["--new"]));
    let distinct: std::collections::BTreeSet<&String> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len(), "{ids:?}");
    assert_eq!(run(&["--name", "results"]), first, "the file's name is the name");
    assert_eq!(run(&["--name", "nightly"]), ids[2]);
    assert_eq!(run(&["--config", config]), ids[3]);
    assert_eq!(
        database.count("SELECT count(*) FROM arc_recorder.simulations"),
        ids.len() as i64,
        "and nothing else was started"
    );
}

#[test]
fn a_configuration_is_kept_once_as_it_is_written() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let path = files.write_lines("results.jsonl", &[result("a", "success", 1.0)]);
    let json = "{\"b\":  1.50, \"a\": \"\\u0000\\ud800\"}\n";
    let text = "model: m\ntext: \"quoted\" \u{1F980}\n";
    for (name, content) in [("agent.json", json), ("agent.yaml", text)] {
        let config = files.write(name, content);
        let options = ["--config", config.to_str().unwrap()];
        let simulation = id(&record(&program, &path, &options).ended(0).json());
        record(&program, &path, &options).ended(0);
        let rows = database.query(&format!(
            "SELECT version.name, version.configuration::text
             FROM arc_recorder.simulations JOIN arc_recorder.config_versions AS version
                 USING (config_version_id)
             WHERE simulation_id = '{simulation}'"
        ));
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].get::<_, String>(0), "agent");
        let kept: String = rows[0].get(1);
        if name == "agent.json" {
            assert_eq!(kept, content);
        } else {
            assert_eq!(serde_json::from_str::<String>(&kept).unwrap(), content);
        }
    }
    assert_eq!(database.count("SELECT count(*) FROM arc_recorder.config_versions"), 2);

    let missing = record(&program, &path, &["--config", "/no/such/file"]).ended(1);
    assert!(missing.stderr.contains("/no/such/file"), "{}", missing.stderr);
    let no_text = files.write("agent.bin", b"\xff");
    let refused = record(&program, &path, &["--config", no_text.to_str().unwrap()]).ended(1);
    assert!(refused.stderr.contains("agent.bin"), "{}", refused.stderr);
}

#[test]
fn a_named_simulation_that_is_not_there_is_started() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let path = files.write_lines("results.jsonl", &[result("a", "success", 1.0)]);
    let named = Uuid::now_v7().to_string();
    let summary = record(&program, &path, &["--simulation", &named]).ended(0).json();
    assert_eq!((id(&summary), &summary["status"]), (named.clone(), &"completed".into()));
    let again = record(&program, &path, &["--simulation", &named]).ended(0).json();
    assert_eq!((id(&again), &again["duplicate"]), (named, &1.into()));
    assert_eq!(database.count("SELECT count(*) FROM arc_recorder.simulations"), 1);
}

#[test]
fn a_named_simulation_takes_results_and_is_not_completed_by_them() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let named = start_runners_simulation(&database).to_string();
    let results = [result("planned", "success", 1.0), result("other", "error", 0.5)];
    let path = files.write_lines("results.jsonl", &results);
    let summary = record(&program, &path, &["--simulation", &named]).ended(0).json();
    assert_eq!((id(&summary), &summary["stored"]), (named.clone(), &2.into()));
    assert_eq!(summary["simulation_name"], "a runner's");
    assert_eq!(summary["status"], "running");
    assert_eq!(summary["warnings"]["unplanned_scenario"], 1);
    let status = program.run(["status", &named, "--json"]).ended(0).json();
    assert_eq!(status["status"], "running");
    assert_eq!(status["completed_at"], Value::Null);
    // The unplanned scenario is counted.
    assert_eq!(
        (&status["total_scenarios"], &status["completed_scenarios"]),
        (&2.into(), &2.into())
    );
    assert_eq!(status["overall_score"], 0.75);
}

#[test]
fn a_named_simulation_needs_an_id_and_is_not_new() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let named = Uuid::now_v7().to_string();
    let both = program.run(["record", "--simulation", &named, "--new", "a.json"]).ended(1);
    assert!(both.stderr.contains("cannot be used with '--new'"), "{}", both.stderr);
    let wrong = program.run(["record", "--simulation", "nightly", "a.json"]).ended(1);
    assert!(wrong.stderr.contains("invalid value 'nightly'"), "{}", wrong.stderr);
    assert_eq!(database.count("SELECT count(*) FROM arc_recorder.simulations"), 0);
}

#[test]
fn trials_multiply_the_plan_and_a_result_must_name_its_trial() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let mut results = Vec::new();
    for trial in 1..=3 {
        results.push(with_trial(result("a", "success", 1.0), trial));
        results.push(with_trial(
            result("b", if trial == 2 { "error" } else { "success" }, 0.5),
            trial,
        ));
    }
    results.push(result("b", "success", 0.9));
    let path = files.write_lines("trials.jsonl", &results);
    let summary = record(&program, &path, &[]).ended(2).json();
    assert_eq!((&summary["stored"], &summary["rejected"]), (&6.into(), &1.into()));
    let reason = &summary["rejected_results"][0];
    assert_eq!(reason["position"], 6);
    assert_eq!(
        (&reason["path"], &reason["code"]),
        (&"/recording/trial".into(), &"trial_required".into())
    );
    assert_eq!(
        (&summary["total_scenarios"], &summary["completed_scenarios"]),
        (&6.into(), &6.into())
    );
    assert_eq!(summary["overall_score"], 0.75);

    let status = program.run(["status", &id(&summary), "--json"]).ended(0).json();
    assert_eq!(status["progress_percentage"], 100.0);
    assert_eq!(
        (&status["successful_outcomes"], &status["failed_outcomes"]),
        (&5.into(), &1.into())
    );
    assert_eq!(status["rejected_results"], 1);
    let listed = program.run(["simulations", "--json"]).ended(0).json();
    assert_eq!((&listed["planned_scenarios"], &listed["trials"]), (&2.into(), &3.into()));
}

#[test]
fn a_further_result_is_an_attempt_and_the_latest_counts() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let results = [
        result("a", "error", 0.1),
        result("b", "success", 0.5),
        result("a", "success", 0.9),
        result("a", "success", 0.9),
    ];
    let summary =
        record(&program, &files.write_lines("attempts.jsonl", &results), &[]).ended(0).json();
    // The last line is the same document as the one before.
    assert_eq!((&summary["stored"], &summary["duplicate"]), (&3.into(), &1.into()));
    assert_eq!(summary["overall_score"], 0.7);
    assert_eq!((&summary["total_cost_usd"], &summary["total_tokens"]), (&1.5.into(), &300.into()));
    assert_eq!(summary["by_status"], json!({"error": 1, "success": 2}));
    assert_eq!(
        (&summary["total_scenarios"], &summary["completed_scenarios"]),
        (&2.into(), &2.into())
    );

    let simulation = id(&summary);
    let status = program.run(["status", &simulation, "--json"]).ended(0).json();
    assert_eq!(
        (&status["successful_outcomes"], &status["failed_outcomes"]),
        (&2.into(), &0.into())
    );
    assert_eq!(
        (&status["recorded_outcomes"], &status["progress_percentage"]),
        (&3.into(), &100.0.into())
    );
    let attempts: Vec<(Value, Value, Value)> = program
        .run(["outcomes", &simulation, "--json"])
        .ended(0)
        .json_lines()
        .iter()
        .map(|outcome| {
            ["scenario_id", "attempt", "status"].map(|name| outcome[name].clone()).into()
        })
        .collect();
    let expected = [("a", 1, "error"), ("a", 2, "success"), ("b", 1, "success")];
    assert_eq!(
        attempts,
        expected.map(|(id, attempt, status)| (id.into(), attempt.into(), status.into()))
    );
}

#[test]
fn of_the_attempts_in_a_long_file_the_last_is_the_latest() {
    const SCENARIOS: usize = 1_000;
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let attempt = |score: f64| {
        (0..SCENARIOS).map(move |number| result(&number.to_string(), "success", score))
    };
    // Each half is as long as a batch, so that two concurrent batches contain the attempts of a
    // scenario.
    let results: Vec<Value> = attempt(0.25).chain(attempt(0.75)).collect();
    let path = files.write_lines("attempts.jsonl", &results);
    for round in 0..5 {
        let summary = record(&program, &path, &["--new"]).ended(0).json();
        assert_eq!(summary["overall_score"], 0.75, "round {round}");
    }
}

#[test]
fn absurd_figures_of_single_results_hide_no_others() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let results: Vec<String> = (0..1_100)
        .map(|number| {
            let usage =
                r#"{"total_cost": 1.7976931348623157e308, "total_tokens": 9007199254740992}"#;
            format!(
                r#"{{"scenario": {{"id": "{number}"}}, "reliability_score": 0.5,
                    "trajectory": {{"status": "success", "token_usage": {usage}}}}}"#
            )
            .replace('\n', "")
        })
        .collect();
    let path = files.write("absurd.jsonl", results.join("\n"));
    let summary = record(&program, &path, &[]).ended(0).json();
    assert_eq!((&summary["stored"], &summary["status"]), (&1_100.into(), &"completed".into()));
    assert_eq!(summary["overall_score"], 0.5);
    assert_eq!(summary["total_cost_usd"], f64::MAX);
    assert_eq!(summary["total_tokens"], i64::MAX);
}
