//! `status --watch`: every change as it is committed, until the simulation ends.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout};

use arc_host::store::{NewSimulation, PlannedRow, RunReport, SimulationStart};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use uuid::Uuid;

use crate::support::{Files, Program, TestDatabase, record, result, skip_without_tool};

/// Starts a simulation of two planned scenarios.
fn start(database: &TestDatabase) -> String {
    let simulation_id = Uuid::now_v7();
    let start = SimulationStart {
        simulation_id: Some(simulation_id),
        simulation_name: Some("watched".to_owned()),
        config_version_id: "v1".to_owned(),
        modal_environment: Some("test".to_owned()),
        ..SimulationStart::default()
    };
    let new = NewSimulation::new(start, 2, [7; 32]);
    let plan = ["a", "b"].map(|scenario_id| {
        Ok(PlannedRow {
            scenario_version_id: Uuid::now_v7(),
            scenario_id: scenario_id.to_owned(),
            name: None,
            task_prompt: None,
            definition: None,
            trials: None,
        })
    });
    with_store(database, async |store| {
        store.start_simulation(&new, plan.into_iter()).await.unwrap();
    });
    simulation_id.to_string()
}

fn with_store(database: &TestDatabase, work: impl AsyncFnOnce(&arc_host::store::Store)) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = database.store();
        work(&store).await;
        store.close();
    });
}

fn complete(database: &TestDatabase, id: &str) {
    let id = id.parse().unwrap();
    with_store(database, async |store| {
        store.complete_simulation(id, None, &RunReport::default()).await.unwrap();
    });
}

/// Starts a watch, and returns it with its output.
fn watch(program: &Program, options: &[&str]) -> (Child, BufReader<ChildStdout>) {
    let mut child = program.spawn([&["status", "--watch"], options].concat());
    let output = BufReader::new(child.stdout.take().unwrap());
    (child, output)
}

fn next_line(output: &mut impl std::io::BufRead) -> String {
    let mut line = String::new();
    assert!(output.read_line(&mut line).unwrap() > 0, "the watch has not ended");
    line
}

fn record_one(program: &Program, id: &str, scenario: &str) {
    let files = Files::new();
    let path = files.write_lines("results.jsonl", &[result(scenario, "success", 1.0)]);
    record(program, &path, &["--simulation", id]).ended(0);
}

#[test]
fn programs_get_a_line_for_every_change() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let id = start(&database);
    let (mut child, mut output) = watch(&program, &["--json", &id]);
    let mut next = || -> Value { serde_json::from_str(&next_line(&mut output)).unwrap() };
    let first = next();
    assert_eq!((&first["status"], &first["completed_scenarios"]), (&"running".into(), &0.into()));
    record_one(&program, &id, "a");
    let second = next();
    assert_eq!(
        (&second["progress_percentage"], &second["status"]),
        (&50.0.into(), &"running".into())
    );
    record_one(&program, &id, "b");
    assert_eq!(next()["progress_percentage"], 100.0);
    complete(&database, &id);
    let last = next();
    assert_eq!((&last["status"], &last["completed_scenarios"]), (&"completed".into(), &2.into()));
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn without_a_terminal_every_change_is_a_line() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let id = start(&database);
    let (mut child, mut output) = watch(&program, &[&id]);
    assert!(next_line(&mut output).starts_with("running 0.0% (0 of 2 scenarios)"));
    record_one(&program, &id, "a");
    assert!(next_line(&mut output).starts_with("running 50.0% (1 of 2 scenarios), successful 1"));
    program.run(["cancel", &id]).ended(0);
    assert!(next_line(&mut output).starts_with("cancelled 50.0%"));
    assert_eq!(child.wait().unwrap().code(), Some(1), "it was not completed");
}

#[test]
fn a_watch_of_an_ended_simulation_ends_at_once() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let id = start(&database);
    complete(&database, &id);
    let shown = program.run(["status", "--watch", "--json", &id]).ended(0).json();
    assert_eq!(shown["status"], "completed");
    let missing = program.run(["status", "--watch", &Uuid::nil().to_string()]).ended(1);
    assert!(missing.stderr.contains("not found"), "{}", missing.stderr);
}

#[test]
fn ctrl_c_ends_a_watch_and_not_the_simulation() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let id = start(&database);
    let (mut child, mut output) = watch(&program, &[&id]);
    next_line(&mut output);
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let status = program.run(["status", "--json", &id]).ended(0).json();
    assert_eq!(status["status"], "running");
}

#[test]
fn a_terminal_is_drawn_on_in_place() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let id = start(&database);
    let files = Files::new();
    let typescript = files.path("typescript");
    let inner = program.command(["status", "--watch", &id]);
    let mut command = program.in_environment("script");
    let arguments: Vec<String> = std::iter::once(inner.get_program())
        .chain(inner.get_args())
        .map(|argument| argument.to_str().unwrap().to_owned())
        .collect();
    command.env("TERM", "xterm").args(["-qefc", &arguments.join(" ")]).arg(&typescript);
    command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        return skip_without_tool("a watch on a terminal", "the `script` command is missing");
    };
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut seen = Vec::new();
    let mut until = |expected: &str| {
        while !String::from_utf8_lossy(&seen).contains(expected) {
            assert!(output.read_until(b'%', &mut seen).unwrap() > 0, "{expected} is not drawn");
        }
    };
    until("0.0%");
    record_one(&program, &id, "a");
    until("50.0%");
    complete(&database, &id);
    output.read_to_end(&mut seen).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let seen = String::from_utf8_lossy(&seen);
    let last = seen.rfind("\u{1b}[2K").expect("the previous line is cleared");
    assert_eq!(seen[last..].matches("watched").count(), 1, "and drawn again: {seen:?}");
    assert!(seen.contains("(completed)"), "the last state stays: {seen:?}");
}
