//! Simulations that people rename, tag and remove; and later calls for a removed one.

use std::sync::atomic::{AtomicBool, Ordering};

use arc_host::extraction::{ExtractionSettings, Extractor};
use arc_host::recorder::{SimulationStart, Submission, Verdict};
use arc_host::{Error, Recorder};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{DatabaseServer, Files, Program, Service, TestDatabase, record, result};

/// Records a simulation of three results, one of them rejected.
fn recorded(program: &Program, files: &Files, name: &str) -> String {
    let results =
        [result(name, "success", 1.0), result(name, "error", 0.5), result("b", "odd", 0.5)];
    let file = files.write_lines(&format!("{name}.jsonl"), &results);
    record(program, &file, &[]).ended(2).json()["simulation_id"].as_str().unwrap().to_owned()
}

/// Returns the number of rows of a simulation in all tables that have any.
fn rows(database: &TestDatabase, simulation: &str) -> i64 {
    let tables = database.query(
        "SELECT table_name::text FROM information_schema.columns
         JOIN information_schema.tables USING (table_schema, table_name)
         WHERE table_schema = 'arc_recorder' AND column_name = 'simulation_id'
             AND table_type = 'BASE TABLE' AND table_name <> 'removed_simulations'",
    );
    assert!(tables.len() > 8, "too few tables");
    let count = |table: String| {
        database.count(&format!(
            "SELECT count(*) FROM arc_recorder.{table} WHERE simulation_id = '{simulation}'"
        ))
    };
    tables.iter().map(|row| count(row.get(0))).sum()
}

#[test]
fn a_simulation_is_renamed_and_tagged() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let direct = Program::on(&database);
    let service = Service::start(&direct, &files, &[]);
    for (name, program) in [("one", &direct), ("two", &service.program())] {
        let file = files.write_lines(&format!("{name}.jsonl"), &[result("a", "success", 1.0)]);
        let nightly = format!("{name} nightly");
        let nightly = nightly.as_str();
        let options = ["--tag", "baseline", "--tag", "a", "--tag", "a"];
        let recorded = record(program, &file, &options).ended(0).json();
        let id = recorded["simulation_id"].as_str().unwrap();
        let run = |arguments: &[&str]| {
            program.run([&["simulations"], arguments, &["--json"]].concat()).ended(0).json()
        };
        let status = || program.run(["status", id, "--json"]).ended(0).json();
        assert_eq!(status()["tags"], json!(["a", "baseline"]));
        let renamed = run(&["rename", id, nightly]);
        assert_eq!(
            (&renamed["simulation_id"], &renamed["simulation_name"]),
            (&json!(id), &json!(nightly))
        );
        assert_eq!(status()["simulation_name"], nightly);
        assert_eq!(
            run(&["tag", nightly, "b", "a", "--remove", "baseline"])["tags"],
            json!(["a", "b"])
        );
        assert_eq!(run(&["tag", nightly, "--remove", "a"])["tags"], json!(["b"]));
        // The file again adds the tags that it names, and changes no name.
        record(program, &file, &["--tag", "c"]).ended(0);
        assert_eq!(
            (&status()["tags"], &status()["simulation_name"]),
            (&json!(["b", "c"]), &json!(nightly))
        );
        let shown = program.run(["status", id]).ended(0).stdout;
        assert!(shown.contains("b, c"), "{shown}");
        for wrong in [
            &["rename", id, ""][..],
            &["tag", id, ""],
            &["tag", id, "a\nb"],
            &["tag", id, &"x".repeat(101)],
            &["tag", id],
            &["rename", "nothing", "name"],
            &["tag", "01920000-0000-7000-8000-0000000000ff", "a"],
        ] {
            program.run([&["simulations"], wrong].concat()).ended(1);
        }
        record(program, &file, &["--tag", ""]).ended(1);
        assert_eq!(status()["tags"], json!(["b", "c"]));
    }
    let start = json!({"scenarios": [], "tags": ["z", "y"]});
    let id = service.post("/v1/simulations", &start).has(200).json();
    let path = format!("/v1/simulations/{}", id["simulation_id"].as_str().unwrap());
    assert_eq!(service.get(&path).has(200).json()["tags"], json!(["y", "z"]));
    let wrong = json!({"scenarios": [], "tags": [""]});
    service.post("/v1/simulations", &wrong).has_problem(400, "invalid_request");
    let listed = service.get("/v1/simulations").has(200).json();
    assert_eq!(listed["simulations"][0]["tags"], json!(["y", "z"]));
}

#[test]
fn a_removed_simulation_leaves_nothing_and_takes_nothing() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let direct = Program::on(&database);
    let service = Service::start(&direct, &files, &[]);
    let [id, other] = ["removed", "other"].map(|name| recorded(&direct, &files, name));
    direct.run(["metrics", &id, "--score-scale", "2"]).ended(0);
    let before = rows(&database, &other);
    // The service has the plan in its cache.
    let outcomes = format!("/v1/simulations/{id}/outcomes");
    service.post(&outcomes, &result("c", "success", 1.0)).has(200);

    let unconfirmed = direct.run(["simulations", "remove", &id]).ended(1);
    for text in ["3 outcomes", "1 rejected", "--yes"] {
        assert!(unconfirmed.stderr.contains(text), "{text}: {}", unconfirmed.stderr);
    }
    assert!(rows(&database, &id) > 8);
    let remove = ["simulations", "remove", &id, "--yes", "--json"];
    let removed = direct.run(remove).ended(0).json();
    assert_eq!((&removed["simulation_id"], &removed["deleted_outcomes"]), (&json!(id), &json!(3)));
    assert_eq!((rows(&database, &id), rows(&database, &other)), (0, before));
    let again = direct.run(remove).ended(0).json();
    assert_eq!(again["deleted_outcomes"], 0);
    assert_eq!(
        (&again["removed_at"], &again["removed_by"]),
        (&removed["removed_at"], &removed["removed_by"])
    );

    // It is known as removed, and its name is free.
    let sentence = format!("simulation {id} (removed) was removed by");
    for program in [&direct, &service.program()] {
        for command in [&["status"][..], &["outcomes"], &["export", "--format", "csv"], &["fail"]] {
            let refused = program.run([command, &[&id]].concat()).ended(1);
            assert!(refused.stderr.contains(&sentence), "{command:?}: {}", refused.stderr);
        }
        program.run(["status", "removed"]).ended(1);
    }
    let one = result("d", "success", 1.0);
    let path = |rest: &str| format!("/v1/simulations/{id}{rest}");
    let requests = [
        service.get(&path("")),
        service.post(&outcomes, &one),
        service.post(&outcomes, &json!([one, one])),
        service.post(&path("/complete"), &json!({})),
        service.post(&path("/cancel"), &json!({})),
        service.post(&path("/metrics"), &json!({"metrics": [{"name": "m"}]})),
        service.post(&path("/rename"), &json!({"simulation_name": "n"})),
        service.post(&path("/tags"), &json!({"add": ["n"]})),
        service.post("/v1/simulations", &json!({"simulation_id": id, "scenarios": []})),
    ];
    for answer in requests {
        let problem = answer.has_problem(410, "simulation_removed");
        assert_eq!(problem["retryable"], false, "{problem}");
    }
    let missing = "/v1/simulations/01920000-0000-7000-8000-0000000000ff/remove";
    service.post(missing, &json!({})).has_problem(404, "not_found");

    // The file again is the same simulation, so it is refused; as a new one it is recorded.
    let file = files.path("removed.jsonl");
    for program in [&direct, &service.program()] {
        let refused = record(program, &file, &[]).ended(1);
        assert!(refused.stderr.contains(&sentence), "{}", refused.stderr);
        assert!(refused.stderr.contains("arc-host record --new"), "{}", refused.stderr);
    }
    assert_eq!(rows(&database, &id), 0);
    record(&direct, &file, &["--new"]).ended(2);
}

#[test]
fn removals_need_an_administrator_and_are_recorded_with_their_name() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let direct = Program::on(&database);
    let id = recorded(&direct, &files, "one");
    let token = |scope: &str, name: &str| {
        let made = direct.run(["token", "create", "--scope", scope, "--name", name, "--json"]);
        made.ended(0).json()["token"].as_str().unwrap().to_owned()
    };
    let [recorder, admin] = [token("record", "ci"), token("admin", "olga")];
    let service = Service::start(&direct, &files, &["--require-tokens"]);
    let over = service.program();
    let remove = |token: &str| {
        over.run(["simulations", "remove", "one", "--yes", "--json", "--token", token])
    };
    let refused = over.run(["simulations", "remove", &id, "--yes", "--token", &recorder]).ended(1);
    assert!(refused.stderr.contains("scope"), "{}", refused.stderr);
    assert_eq!(remove(&admin).ended(0).json()["removed_by"], "olga");
    assert_eq!(rows(&database, &id), 0);
}

/// Of many recordings at once, each is either complete before the removal or refused after it.
#[test]
fn recordings_in_progress_leave_no_rows_of_a_removed_simulation() {
    const REMOVED: usize = 6;
    let database = TestDatabase::new();
    let start = async |recorder: &Recorder| {
        let start = SimulationStart { scenarios: "[]".to_owned(), ..SimulationStart::default() };
        recorder.start_simulation(start).await.unwrap().simulation_id
    };
    let document = |number: usize| {
        let status = if number % 7 == 3 { "odd" } else { "success" };
        Submission::new(result(&format!("s{number}"), status, 1.0).to_string())
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (removed, kept, stored) = runtime.block_on(async {
        let extractor = Extractor::built_in(&ExtractionSettings::default()).unwrap();
        let recorder = Recorder::new(extractor.clone(), database.store()).await.unwrap();
        // Another host, which learns of no removal except from the database.
        let other = Recorder::new(extractor, database.store()).await.unwrap();
        let kept = start(&recorder).await;
        let mut removed = Vec::new();
        let mut stored = 0;
        for round in 0..REMOVED {
            let id = start(&recorder).await;
            let done = std::sync::Arc::new(AtomicBool::new(false));
            // Batches of one result, of a few and of many take different paths; both simulations share
            // transactions.
            let writers = [1, 12, 100].map(|size| {
                let (other, done) = (other.clone(), std::sync::Arc::clone(&done));
                tokio::spawn(async move {
                    let (mut number, mut kept_rows) = (round * 1_000_000 + size * 10_000, 0);
                    let mut refused = false;
                    while !(refused && done.load(Ordering::Relaxed)) {
                        let batch: Vec<Submission> =
                            (number..number + size).map(document).collect();
                        number += size;
                        let (mine, theirs) = tokio::join!(
                            other.record_batch(id, batch.clone()),
                            other.record_batch(kept, batch),
                        );
                        let theirs = theirs.unwrap();
                        assert!(
                            theirs.iter().all(|item| matches!(
                                item.verdict,
                                Verdict::Stored | Verdict::Rejected(_)
                            )),
                            "{theirs:?}"
                        );
                        kept_rows += theirs.len();
                        match mine {
                            Ok(verdicts) => assert!(
                                verdicts
                                    .iter()
                                    .all(|item| !matches!(item.verdict, Verdict::Failed { .. })),
                                "{verdicts:?}"
                            ),
                            Err(Error::SimulationRemoved(_)) => refused = true,
                            Err(error) => panic!("{error:?}"),
                        }
                    }
                    kept_rows
                })
            });
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            recorder.remove_simulation(id, None).await.unwrap();
            done.store(true, Ordering::Relaxed);
            for writer in writers {
                stored += writer.await.unwrap();
            }
            removed.push(id);
        }
        recorder.close().await;
        other.close().await;
        (removed, kept, stored)
    });
    for id in removed {
        assert_eq!(rows(&database, &id.to_string()), 0, "{id}");
    }
    let count = |table: &str| {
        database.count(&format!(
            "SELECT count(*) FROM arc_recorder.{table} WHERE simulation_id = '{kept}'"
        ))
    };
    assert_eq!(count("outcomes") + count("rejected_results"), stored as i64);
    assert_eq!(count("documents"), count("outcomes"));
}

#[test]
fn a_removal_that_was_interrupted_is_finished_by_the_next_one() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let id = recorded(&program, &files, "interrupted");
    // As a removal does first.
    database.execute(&format!(
        "INSERT INTO arc_recorder.removed_simulations
         SELECT simulation_id, simulation_name, now(), 'someone' FROM arc_recorder.simulations
         WHERE simulation_id = '{id}'"
    ));
    let file = files.path("interrupted.jsonl");
    let refused = record(&program, &file, &[]).ended(1);
    assert!(refused.stderr.contains("was removed"), "{}", refused.stderr);
    let named = files.write_lines("more.jsonl", &[result("x", "success", 1.0)]);
    record(&program, &named, &["--simulation", &id]).ended(1);
    let remove = ["simulations", "remove", "interrupted", "--yes", "--json"];
    let removed = program.run(remove).ended(0).json();
    assert_eq!(
        (&removed["removed_by"], &removed["deleted_outcomes"]),
        (&json!("someone"), &json!(2))
    );
    assert_eq!(rows(&database, &id), 0);
}

#[test]
fn the_spools_entries_of_a_removed_simulation_become_dead_letters() {
    let mut server = DatabaseServer::start();
    let files = Files::new();
    let program = Program::with_url(&server.url());
    let service = Service::start(&program, &files, &[]);
    let [removed, kept] = [(); 2].map(|()| service.start_simulation(&["a"]));
    server.stop();
    for id in [&removed, &kept] {
        let path = format!("/v1/simulations/{id}");
        service.post(&format!("{path}/outcomes"), &result("a", "success", 1.0)).has(202);
        service.post(&format!("{path}/complete"), &json!({})).has(202);
    }
    drop(service);
    server.resume();
    program.run(["simulations", "remove", &removed, "--yes"]).ended(0);
    let spool = files.path("spool").display().to_string();
    let drained = program.run(["spool", "drain", "--json", "--spool-dir", &spool]).ended(2).json();
    assert_eq!(
        (&drained["recorded"], &drained["dead_letters"]),
        (&json!(2), &json!(2)),
        "{drained}"
    );
    let listed = program.run(["spool", "list", "--json", "--spool-dir", &spool]).ended(0);
    let letters: Vec<Value> = listed.json_lines();
    assert_eq!(letters.len(), 2, "{letters:?}");
    for letter in letters {
        let text = letter.to_string();
        assert!(text.contains(&removed) && text.contains("was removed"), "{text}");
    }
    let outcomes = "SELECT count(*) FROM arc_recorder.outcomes";
    assert_eq!(server.count(outcomes), 1);
    let id: Uuid = server.query("SELECT simulation_id FROM arc_recorder.outcomes")[0].get(0);
    assert_eq!(id.to_string(), kept);
}
