//! Runners that are components, under `arc-host run`.

mod ending;
mod grants;
mod javascript;
mod python;

use std::path::Path;

use serde_json::json;

use crate::support::{Files, Program, TestDatabase};

/// The example runner in Rust, built from `tests/runners/rust`.
const RUNNER: &str = env!("ARC_RUST_RUNNER_COMPONENT");

#[test]
fn a_runner_records_through_its_import() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let scenarios = json!([
        {"id": "short", "name": "Short", "task_prompt": "Say hello."},
        {"id": "long", "name": "Long", "task_prompt": "Say hello to everybody who is in this room."},
        {"id": "empty", "name": "Empty"},
    ]);
    let run =
        program.run_with_input(["run", RUNNER, "--", "echo"], scenarios.to_string().as_bytes());
    let answer = run.ended(0).json();
    assert_eq!(answer["planned"], 3);
    assert_eq!(answer["verdicts"], json!(["stored", "stored", "stored"]));
    assert_eq!(answer["again"], json!(["duplicate", "duplicate", "duplicate"]));
    assert_eq!(answer["progress_percentage"], 100.0);
    assert_eq!(answer["overall_score"], 0.5);
    assert_eq!(answer["scores"], json!([0.0, 0.5, 1.0]), "in order of the scenarios' ids");
    assert_eq!(answer["documents"], 3);
    assert_eq!(answer["hourly_outcomes"], 3);
    assert_eq!(answer["failures"], json!(["ValueError: there is no prompt"]));
    assert_eq!(answer["health"], "ok");
    assert!(answer["queries"].as_u64().unwrap() > 5, "{answer}");

    let id = answer["simulation_id"].as_str().unwrap();
    let status = program.run(["status", id, "--json"]).ended(0).json();
    assert_eq!(status["simulation_name"], "echo");
    assert_eq!(status["status"], "completed");
    let outcome = "SELECT count(*) FROM arc_recorder.outcomes WHERE sandbox_id = 'in-process'";
    assert_eq!(database.count(outcome), 3);
}

#[test]
fn only_the_invalid_result_is_rejected() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    // The plan accepts any scenario; the runner makes an invalid result of the second one.
    let scenarios = br#"[{"id": "a", "task_prompt": "x"}, {"id": "b", "task_prompt": null}]"#;
    let answer = program.run_with_input(["run", RUNNER, "mixed"], scenarios).ended(0).json();
    assert_eq!(answer["verdicts"], json!(["stored", "rejected"]));
    assert_eq!(database.count("SELECT count(*) FROM arc_recorder.rejected_results"), 1);
}

#[test]
fn errors_of_a_runner_are_shown_and_its_exit_code_is_kept() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    // Without a name, the runner ends with the exit code of a failed main.
    let nameless = program.run(["run", RUNNER]).ended(1);
    assert!(nameless.stderr.contains("no name of the simulation"), "{}", nameless.stderr);
    // An error of the recorder reaches the runner as a value, and its message reaches the user.
    let twice = br#"[{"id": "a"}, {"id": "a"}]"#;
    let refused = program.run_with_input(["run", RUNNER, "twice"], twice).ended(1);
    assert!(refused.stderr.contains("\"a\""), "{}", refused.stderr);
    assert_eq!(database.count("SELECT count(*) FROM arc_recorder.simulations"), 0);
}

#[test]
fn a_file_that_is_not_a_runner_is_refused_with_a_message() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let text = files.write("runner.wasm", "not wasm");
    let refused = program.run(["run".as_ref(), text.as_os_str()]).ended(1);
    assert!(refused.stderr.contains("wasm32-wasip2"), "{}", refused.stderr);
    let absent = program.run(["run".as_ref(), Path::new("absent.wasm").as_os_str()]).ended(1);
    assert!(absent.stderr.contains("absent.wasm"), "{}", absent.stderr);
    // A component that does not export the function that starts a program.
    let extractor = files.path("extractor.wasm");
    program.run(["component".as_ref(), "-o".as_ref(), extractor.as_os_str()]).ended(0);
    let refused = program.run(["run".as_ref(), extractor.as_os_str()]).ended(1);
    assert!(refused.stderr.contains("wasi:cli/run"), "{}", refused.stderr);
    let memory = program.run(["run", "--memory", "1", RUNNER, "x"]).ended(1);
    assert!(memory.stderr.contains("memory"), "{}", memory.stderr);
}
