//! The end of `arc-host run`: exit codes, output that is passed through, Ctrl-C once and twice.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Child;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::grants::RUNNER;
use crate::support::{Files, Finished, Program, TestDatabase, record, result};

#[test]
fn the_exit_code_is_the_runner_s() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    for (arguments, code) in [
        (&["exit", "0"][..], 0),
        (&["exit", "1"], 1),
        (&["exit", "7"], 7),
        (&["exit", "255"], 255),
        (&["exit-plainly", "0"], 0),
        (&["exit-plainly", "1"], 1),
        (&["panic"], 1),
    ] {
        program.run([&["run", RUNNER, "--"], arguments].concat()).ended(code);
    }
}

#[test]
fn output_is_passed_through_as_it_is() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let mut bytes: Vec<u8> = (0..=255).collect();
    bytes.extend(b"\x1b[31m\r\n".repeat(20_000));
    let mut child = program.spawn(["run", RUNNER, "pass"]);
    let mut input = child.stdin.take().unwrap();
    let sent = bytes.clone();
    let writer = std::thread::spawn(move || std::io::Write::write_all(&mut input, &sent));
    let mut passed = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut passed).unwrap();
    assert!(child.wait().unwrap().success());
    writer.join().unwrap().unwrap();
    assert!(passed == bytes, "{} bytes of {}", passed.len(), bytes.len());
}

/// Reads the line that the runner prints when it has begun, and returns the reader of the rest.
fn begun(child: &mut Child, expected: &str) -> BufReader<std::process::ChildStdout> {
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(line, format!("{expected}\n"));
    output
}

fn interrupt(child: &Child) {
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
}

#[test]
fn ctrl_c_ends_a_runner_that_only_computes() {
    let database = TestDatabase::new();
    let mut child = Program::on(&database).spawn(["run", RUNNER, "compute"]);
    let _output = begun(&mut child, "computing");
    interrupt(&child);
    let finished = Finished::from(child.wait_with_output().unwrap()).ended(130);
    assert!(finished.stderr.contains("stopped"), "{}", finished.stderr);
}

#[test]
fn ctrl_c_ends_a_runner_that_waits_for_its_input() {
    let database = TestDatabase::new();
    let mut child = Program::on(&database).spawn(["run", RUNNER, "pass"]);
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    std::io::Write::write_all(&mut input, b"it runs\n").unwrap();
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    interrupt(&child);
    // Its standard input stays open until it has ended.
    Finished::from(child.wait_with_output().unwrap()).ended(130);
    drop(input);
}

#[test]
fn a_second_ctrl_c_ends_a_runner_that_waits_for_the_database() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let path = files.write_lines("results.jsonl", &[result("b", "success", 1.0)]);
    let recorded = record(&program, &path, &[]).ended(0).json();
    let simulation = recorded["simulation_id"].as_str().unwrap();

    // The runner's result waits for a lock.
    let held = database.hold("LOCK TABLE arc_recorder.outcomes IN ACCESS EXCLUSIVE MODE");
    let mut child = program.spawn(["run", RUNNER, "record", simulation]);
    let _output = begun(&mut child, "recording");
    database.wait_for_a_lock();
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    interrupt(&child);
    let mut message = String::new();
    errors.read_line(&mut message).unwrap();
    assert!(message.contains("Ctrl-C again ends at once"), "{message}");
    assert!(child.try_wait().unwrap().is_none(), "it waits for the pending result");
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    drop(held);
}

#[test]
fn results_submitted_before_ctrl_c_are_recorded() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let path = files.write_lines("results.jsonl", &[result("b", "success", 1.0)]);
    let recorded = record(&program, &path, &[]).ended(0).json();
    let simulation = recorded["simulation_id"].as_str().unwrap();

    let held = database.hold("LOCK TABLE arc_recorder.outcomes IN ACCESS EXCLUSIVE MODE");
    let mut child = program.spawn(["run", RUNNER, "record", simulation]);
    let _output = begun(&mut child, "recording");
    database.wait_for_a_lock();
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    interrupt(&child);
    let mut message = String::new();
    errors.read_line(&mut message).unwrap();
    drop(held);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(database.count("SELECT count(*) FROM arc_recorder.outcomes"), 2);
}
