//! Retention: simulations older than the limit are removed completely, and nothing else is.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{DEADLINE, Files, Program, Service, TestDatabase, record, result};

/// Records a simulation of three results, one of them rejected and two of the same scenario.
fn recorded(program: &Program, files: &Files, name: &str) -> String {
    let results =
        [result(name, "success", 1.0), result(name, "error", 0.5), result("b", "odd", 0.5)];
    let file = files.write_lines(&format!("{name}.jsonl"), &results);
    record(program, &file, &[]).ended(2).json()["simulation_id"].as_str().unwrap().to_owned()
}

/// Moves a simulation into the past, with every row that has its start time.
fn age(database: &TestDatabase, simulation: &str, days: u32) {
    for table in ["simulations", "outcomes", "rejected_results"] {
        // Not every layout allows changing the key of a row, so the rows are inserted again.
        database.execute(&format!(
            "CREATE TEMPORARY TABLE moved AS SELECT * FROM arc_recorder.{table}
                 WHERE simulation_id = '{simulation}';
             DELETE FROM arc_recorder.{table} WHERE simulation_id = '{simulation}';
             UPDATE moved SET partition_time = partition_time - interval '{days} days';
             INSERT INTO arc_recorder.{table} SELECT * FROM moved"
        ));
    }
}

fn rows(database: &TestDatabase, simulation: &str) -> i64 {
    ["simulations", "planned_scenarios", "outcomes", "rejected_results", "replaced_extractions"]
        .iter()
        .map(|table| {
            database.count(&format!(
                "SELECT count(*) FROM arc_recorder.{table} WHERE simulation_id = '{simulation}'"
            ))
        })
        .sum()
}

#[test]
fn whole_simulations_are_removed_and_younger_ones_stay() {
    let database = TestDatabase::new();
    let (program, files) = (Program::on(&database), Files::new());
    let [old, young] = ["old", "young"].map(|name| recorded(&program, &files, name));
    age(&database, &old, 200);
    age(&database, &young, 100);
    database.execute(&format!(
        "INSERT INTO arc_recorder.replaced_extractions
         SELECT simulation_id, outcome_id, partition_time, now(), extractor_id, extractor_id, 'accepted', '{{}}'
         FROM arc_recorder.outcomes WHERE simulation_id = '{old}'"
    ));
    let (before_old, before_young) = (rows(&database, &old), rows(&database, &young));
    assert!(before_old > before_young && before_young > 4);

    let dry = ["prune", "--older-than", "180d", "--dry-run"];
    let reported = program.run(dry.iter().chain(&["--json"])).ended(0).json();
    assert_eq!(reported["simulation_ids"], json!([old]));
    assert_eq!((&reported["outcomes"], &reported["rejected_results"]), (&json!(2), &json!(1)));
    let text = program.run(dry).ended(0).stdout;
    assert!(text.contains(&old) && text.contains("would be removed"), "{text}");
    assert_eq!(rows(&database, &old), before_old, "a dry run removes nothing");

    let removed = program.run(["prune", "--older-than", "180d", "--json"]).ended(0).json();
    assert_eq!(removed["simulations"], 1, "{removed}");
    assert_eq!(rows(&database, &old), 0);
    assert_eq!(rows(&database, &young), before_young);
    let again = program.run(["prune", "--older-than", "180d", "--json"]).ended(0).json();
    assert_eq!(again["simulations"], 0, "{again}");
    for wrong in ["0d", "-1d", "long"] {
        program.run(["prune", "--older-than", wrong]).ended(1);
    }
}

/// Returns a time before now, as a literal: Citus accepts no function of the time in an UPDATE.
fn ago(database: &TestDatabase, interval: &str) -> String {
    database.query(&format!("SELECT (now() - interval '{interval}')::text"))[0].get(0)
}

#[test]
fn an_imported_log_is_old_only_by_the_time_of_its_evaluation() {
    let database = TestDatabase::new();
    let (program, files) = (Program::on(&database), Files::new());
    let [imported, young] = ["imported", "young"].map(|name| recorded(&program, &files, name));
    database.execute(&format!(
        "UPDATE arc_recorder.simulations SET started_at = '{}' WHERE simulation_id = '{imported}'",
        ago(&database, "200 days")
    ));
    let status = program.run(["status", &imported, "--json"]).ended(0).json();
    assert!(status["started_at"].as_str() < status["created_at"].as_str(), "{status}");
    let prune = ["prune", "--older-than", "180d", "--json"];
    assert_eq!(program.run(prune).ended(0).json()["simulations"], 0);
    let by = |options: &[&str]| {
        program.run([&prune[..], &["--by", "evaluation-time"], options].concat()).ended(0).json()
    };
    let reported = by(&["--dry-run"]);
    assert_eq!(reported["simulation_ids"], json!([imported]));
    assert_eq!((&reported["outcomes"], &reported["chunks"]), (&json!(2), &json!([])));
    let removed = by(&[]);
    assert_eq!((&removed["simulations"], &removed["deleted_outcomes"]), (&json!(1), &json!(2)));
    assert_eq!(rows(&database, &imported), 0);
    assert!(rows(&database, &young) > 4);
    program.run(["prune", "--older-than", "180d", "--by", "name"]).ended(1);
}

#[test]
fn a_simulation_that_still_runs_and_has_new_results_stays() {
    let database = TestDatabase::new();
    let (program, files) = (Program::on(&database), Files::new());
    let [active, given_up] = ["active", "given-up"].map(|name| recorded(&program, &files, name));
    for id in [&active, &given_up] {
        age(&database, id, 400);
        database.execute(&format!(
            "UPDATE arc_recorder.simulations SET status = 'running' WHERE simulation_id = '{id}'"
        ));
    }
    database.execute(&format!(
        "UPDATE arc_recorder.outcomes SET received_at = '{}' WHERE simulation_id = '{given_up}'",
        ago(&database, "400 days")
    ));
    let removed = program.run(["prune", "--older-than", "180d", "--json"]).ended(0).json();
    assert_eq!(removed["simulations"], 1, "{removed}");
    assert_eq!(rows(&database, &given_up), 0);
    assert!(rows(&database, &active) > 0);
}

#[test]
fn large_simulations_go_in_small_transactions() {
    let database = TestDatabase::new();
    let (program, files) = (Program::on(&database), Files::new());
    let results: Vec<Value> =
        (0..2_500).map(|number| result(&format!("s{number}"), "success", 1.0)).collect();
    let file = files.write_lines("large.jsonl", &results);
    let summary = record(&program, &file, &[]).ended(0).json();
    let id = summary["simulation_id"].as_str().unwrap();
    age(&database, id, 200);
    let removed = program.run(["prune", "--older-than", "180d", "--json"]).ended(0).json();
    assert_eq!(removed["simulations"], 1);
    if removed["chunks"] == 0 {
        assert_eq!(removed["deleted_outcomes"], 2_500);
    }
    assert_eq!(rows(&database, id), 0);
}

#[test]
fn the_service_removes_expired_simulations_if_configured() {
    let database = TestDatabase::new();
    let (program, files) = (Program::on(&database), Files::new());
    let [old, young] = ["old", "young"].map(|name| recorded(&program, &files, name));
    age(&database, &old, 40);
    let service = Service::start(&program, &files, &[]);
    service.get("/v1/health").has(200);
    drop(service);
    assert!(rows(&database, &old) > 0, "nothing is removed by default");
    let service = Service::start(&program, &files, &["--retention-days", "30"]);
    let since = Instant::now();
    while rows(&database, &old) > 0 {
        assert!(since.elapsed() < DEADLINE, "it is not removed\n{}", service.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(rows(&database, &young) > 0);
}
