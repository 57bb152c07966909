//! The example runner in Python: a component that the test builds from its source.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Files, Program, TestDatabase, skip_without_tool};

/// The program that builds components from Python; `.ci/run` installs it.
const TOOL: &str = "ARC_TEST_COMPONENTIZE_PY";

/// Builds the component; returns `None` if the tool is missing.
fn built(files: &Files) -> Option<PathBuf> {
    let tool = std::env::var_os(TOOL).unwrap_or_else(|| OsString::from("componentize-py"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = root.join("runners/python");
    let component = files.path("runner.wasm");
    let built = Command::new(tool)
        .args(["-d".as_ref(), root.join("../wit").as_os_str()])
        .args(["-d".as_ref(), source.join("wit").as_os_str()])
        .args(["-w", "arc:python-runner/python-runner", "componentize", "runner", "-p"])
        .arg(&source)
        .arg("-o")
        .arg(&component)
        .output();
    match built {
        Ok(built) => {
            let printed = String::from_utf8_lossy(&built.stdout);
            let errors = String::from_utf8_lossy(&built.stderr);
            assert!(built.status.success(), "{printed}\n{errors}");
            Some(component)
        }
        Err(error) => {
            let why = format!("componentize-py is not on the PATH and {TOOL} names none: {error}");
            skip_without_tool("the runner in Python", &why);
            None
        }
    }
}

#[test]
fn a_runner_in_python_reads_files_and_records() {
    let files = Files::new();
    let Some(component) = built(&files) else { return };
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("runners/python");
    let scenarios = std::fs::read_to_string(source.join("scenarios.json")).unwrap();
    files.write("scenarios.json", &scenarios);
    std::fs::create_dir(files.path("out")).unwrap();
    let input = format!("{}::in", files.path("").display());
    let output = format!("{}::out", files.path("out").display());
    let component = component.to_str().unwrap();
    let arguments = ["--", "python", "in/scenarios.json", "out/answers.json"];

    // Without its folders the runner reports the missing file, and records nothing.
    let refused = program.run([&["run", component], &arguments[..]].concat()).ended(1);
    assert!(refused.stderr.contains("in/scenarios.json"), "{}", refused.stderr);
    assert_eq!(database.count("SELECT count(*) FROM arc_recorder.simulations"), 0);

    let options = ["run", "--dir", &input, "--dir-rw", &output, component];
    let answer = program.run([&options, &arguments[..]].concat()).ended(0).json();
    let stored = "Verdict_Stored";
    assert_eq!(answer["verdicts"], json!([stored, stored, stored]));
    assert!((answer["overall_score"].as_f64().unwrap() - 2.0 / 3.0).abs() < 1e-9, "{answer}");
    let answers = std::fs::read_to_string(files.path("out/answers.json")).unwrap();
    assert_eq!(answers, r#"["5", "1001", null]"#);

    let id = answer["simulation_id"].as_str().unwrap();
    let status = program.run(["status", id, "--json"]).ended(0).json();
    assert_eq!(status["simulation_name"], "python");
    assert_eq!(status["status"], "completed");
    assert_eq!(status["by_status"], json!({"success": 2, "error": 1}));

    // A refusal of the recorder is an exception in Python, whose message reaches the user.
    let scenarios: Value = serde_json::from_str(&scenarios).unwrap();
    let twice = json!([scenarios[0], scenarios[0]]);
    files.write("scenarios.json", twice.to_string());
    let refused = program.run([&options, &arguments[..3]].concat()).ended(1);
    assert!(refused.stderr.contains("small"), "{}", refused.stderr);
    assert_eq!(database.count("SELECT count(*) FROM arc_recorder.simulations"), 1);
}
