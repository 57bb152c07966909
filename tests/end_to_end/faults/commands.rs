//! The command line: killed and repeated, concurrent with another, on a file that changes.

use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use arc_host::recorder::Submission;
use serde_json::json;

use super::ledger::Way;
use super::run::Run;
use crate::support::{DatabaseServer, Program, TestDatabase, wait_for};

fn write_results(path: &Path, prefix: &str, count: usize, bytes: usize) {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    for number in 0..count {
        let result = json!({
            "scenario": {"id": format!("{prefix}{number}"), "name": "A scenario", "task_prompt": "Do it."},
            "trajectory": {"status": "success", "full_trajectory": [{"content": "x".repeat(bytes)}]},
            "reliability_score": {"overall_score": 0.5},
        });
        writeln!(file, "{result}").unwrap();
    }
}

#[test]
fn a_recording_that_is_killed_is_finished_by_the_same_command() {
    const RESULTS: usize = 4_000;
    let mut run = Run::begin("kill -9 of a recording command, of its database, of both");
    let mut server = DatabaseServer::start();
    let program = Program::with_url(&server.url());
    program.run(["migrate"]).ended(0);
    let folder = tempfile::tempdir().unwrap();
    let mut killed = 0;
    for round in 0..Run::rounds(3) {
        let path = folder.path().join(format!("results-{round}.jsonl"));
        write_results(&path, &format!("{round}-"), RESULTS, 500);
        let lines = std::fs::read_to_string(&path).unwrap();
        lines.lines().for_each(|line| run.ledger.send(line));
        let arguments = ["record".as_ref(), path.as_os_str(), "--json".as_ref()];
        // Each process is killed as soon as it has stored a random number of results.
        for _ in 0..run.random.between(1, 3) {
            let stored = || server.count("SELECT count(*) FROM arc_recorder.outcomes");
            let enough = stored() + i64::try_from(run.random.between(1, 1_000)).unwrap();
            let mut child = program.spawn(arguments);
            wait_for("enough results", || {
                stored() >= enough || child.try_wait().unwrap().is_some()
            });
            killed += usize::from(child.try_wait().unwrap().is_none());
            if round % 3 > 0 {
                server.kill();
            }
            if round % 3 != 1 {
                // It is no error if the process has ended meanwhile.
                child.kill().unwrap();
                child.wait().unwrap();
            }
            if round % 3 > 0 {
                server.resume();
            }
            // A process that was not killed can succeed or fail.
            child.wait_with_output().unwrap();
        }
        let summary = program.run(arguments).ended(0).json();
        assert_eq!(summary["status"], "completed");
        let [new, old] =
            ["stored", "duplicate"].map(|figure| summary[figure].as_u64().unwrap() as usize);
        assert_eq!(new + old, RESULTS);
        let simulation_id = summary["simulation_id"].as_str().unwrap().parse().unwrap();
        for line in lines.lines() {
            let outcome_id = Submission::new(line).outcome_id(simulation_id).to_string();
            run.ledger.acknowledge(&outcome_id, line, Way::Direct);
        }
        run.count_round();
    }
    assert!(killed > 0, "at least one was killed in the middle");
    run.check(&server);
}

#[test]
fn two_processes_that_send_the_same_results_at_once_store_each_of_them_once() {
    const RESULTS: usize = 10_000;
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let folder = tempfile::tempdir().unwrap();
    let [forward, backward, first] =
        ["forward", "backward", "first"].map(|name| folder.path().join(format!("{name}.jsonl")));
    write_results(&forward, "", RESULTS, 500);
    // The other process sends the results in the opposite order, so that locking rows in the order
    // of arrival would deadlock.
    let lines = std::fs::read_to_string(&forward).unwrap();
    let reversed: Vec<&str> = lines.lines().rev().collect();
    std::fs::write(&backward, reversed.join("\n")).unwrap();
    // One result creates the simulation that both send to.
    std::fs::write(&first, r#"{"scenario":{"id":"first"},"trajectory":{"status":"success"}}"#)
        .unwrap();
    let id = "01920000-0000-7000-8000-000000000001";
    program.run(["record", "--simulation", id, first.to_str().unwrap()]).ended(0);

    let children = [&forward, &backward].map(|path| {
        program.spawn(["record", "--json", "--simulation", id, path.to_str().unwrap()])
    });
    let summaries = children.map(|child| {
        let finished: crate::support::Finished = child.wait_with_output().unwrap().into();
        finished.ended(0).json()
    });
    let sum = |figure: &str| -> u64 {
        summaries.iter().map(|summary| summary[figure].as_u64().unwrap()).sum()
    };
    assert_eq!(sum("stored"), RESULTS as u64, "each was stored for one of the two");
    assert_eq!(sum("duplicate"), RESULTS as u64, "and found by the other");
    let stored = database.count("SELECT count(*) FROM arc_recorder.outcomes");
    assert_eq!(stored, RESULTS as i64 + 1);
}

#[test]
fn a_file_that_changes_while_it_is_recorded_is_reported() {
    // More than the recorder reads ahead, so that the rest is read after the lock is released.
    const RESULTS: usize = 5_000;
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.jsonl");
    write_results(&path, "", RESULTS, 20_000);
    // The plan exists and the first results wait for the lock; the rest has not been read a second
    // time yet.
    let held = database.hold("LOCK TABLE arc_recorder.outcomes");
    let child = program.spawn(["record".as_ref(), path.as_os_str()]);
    database.wait_for_a_lock();
    // A byte of the last result changes.
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(b"y", file.metadata().unwrap().len() - 1_000).unwrap();
    drop(file);
    drop(held);
    let finished: crate::support::Finished = child.wait_with_output().unwrap().into();
    let finished = finished.ended(1);
    assert!(finished.stderr.contains("has changed while it was read"), "{}", finished.stderr);
    let completed = "SELECT count(*) FROM arc_recorder.simulations WHERE status = 'completed'";
    assert_eq!(database.count(completed), 0);
}

#[test]
fn a_deadlock_with_another_program_is_no_failure() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.jsonl");
    write_results(&path, "", 200, 100);
    // The recorder's session looks for deadlocks after this time, and is the one that fails; the other
    // session waits longer.
    let name = database.name();
    database.execute(&format!("ALTER DATABASE {name} SET deadlock_timeout = '10s'"));
    let held = database.hold(
        "SET LOCAL deadlock_timeout = '10min'; LOCK TABLE arc_recorder.documents IN EXCLUSIVE MODE",
    );
    let child = program.spawn(["record".as_ref(), path.as_os_str(), "--json".as_ref()]);
    // Outcomes are written, and documents wait for the lock.
    database.wait_for_a_lock();
    held.execute("LOCK TABLE arc_recorder.outcomes IN EXCLUSIVE MODE");
    drop(held);
    let finished: crate::support::Finished = child.wait_with_output().unwrap().into();
    let report = finished.ended(0).json();
    assert_eq!((&report["stored"], &report["failed"]), (&200.into(), &0.into()), "{report}");
    let ended = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    crate::support::wait_for("the deadlock is counted", || database.count(ended) > 0);
}
