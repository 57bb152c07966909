//! What is promised about faults: nothing acknowledged is lost, nothing is stored twice.

use std::io::Write as _;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::support::{Program, TestDatabase};

fn write_results(path: &Path, count: usize) {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    for number in 0..count {
        let result = json!({
            "scenario": {"id": format!("scenario-{number}"), "name": "A scenario", "task_prompt": "Do it."},
            "trajectory": {"status": "success", "full_trajectory": [{"content": "x".repeat(500)}]},
            "reliability_score": {"overall_score": 0.5},
        });
        writeln!(file, "{result}").unwrap();
    }
}

#[test]
fn a_recording_that_is_killed_is_finished_by_the_same_command() {
    const RESULTS: usize = 20_000;
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.jsonl");
    write_results(&path, RESULTS);
    let arguments = ["record".as_ref(), path.as_os_str(), "--json".as_ref()];
    let stored = || database.count("SELECT count(*) FROM arc_recorder.outcomes");

    // Each round kills a run as soon as it has stored something more.
    let mut killed = 0;
    for _ in 0..3 {
        let before = stored();
        let mut child = program.spawn(arguments);
        while stored() == before && child.try_wait().unwrap().is_none() {}
        let running = child.try_wait().unwrap().is_none();
        kill(Pid::from_raw(child.id() as i32), Signal::SIGKILL).unwrap();
        child.wait().unwrap();
        killed += usize::from(running);
    }
    assert!(killed > 0, "at least one run was killed in the middle");
    let before = stored();
    assert!(before > 0);

    let summary = program.run(arguments).ended(0).json();
    assert_eq!(stored(), RESULTS as i64, "exactly once");
    assert_eq!(summary["status"], "completed");
    // What a killed run had under way may have been committed after the count above.
    let [new, old] = ["stored", "duplicate"].map(|figure| summary[figure].as_i64().unwrap());
    assert_eq!(new + old, RESULTS as i64);
    assert!(old >= before);
}
