//! The example runner in JavaScript: a component that the test builds from its source.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Files, Program, TestDatabase, copy_folder, run, skip_without_tool};

/// The package that builds components from JavaScript, which the template of a format uses too.
const TOOL: &str = "guest/format-template/javascript/node_modules/.bin/componentize-qjs";

/// Builds the component; returns `None` if the tool is missing.
fn built(files: &Files) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let tool = root.join(TOOL);
    if !tool.exists() {
        let why = "`npm install` was not run in guest/format-template/javascript";
        skip_without_tool("the runner in JavaScript", why);
        return None;
    }
    let (source, wit) = (root.join("tests/runners/javascript"), files.path("wit"));
    copy_folder(&source.join("wit"), &wit);
    copy_folder(&root.join("wit"), &wit.join("deps/arc-recording"));
    let component = files.path("runner.wasm");
    let mut command = Command::new(tool);
    command.arg("--wit").arg(wit).args(["--world", "javascript-runner", "--sync", "--js"]);
    run(command.arg(source.join("runner.js")).arg("--output").arg(&component));
    Some(component)
}

#[test]
fn a_runner_in_javascript_records() {
    let files = Files::new();
    let Some(component) = built(&files) else { return };
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("runners/javascript");
    let scenarios = std::fs::read_to_string(source.join("scenarios.json")).unwrap();
    let component = component.to_str().unwrap();

    // An error of the runner is its exit code, and its message reaches the user.
    let nameless = program.run_with_input(["run", component], scenarios.as_bytes()).ended(1);
    assert!(nameless.stderr.contains("no name of the simulation"), "{}", nameless.stderr);
    assert_eq!(database.count("SELECT count(*) FROM arc_recorder.simulations"), 0);

    let arguments = ["run", component, "--", "jävascript"];
    let answer = program.run_with_input(arguments, scenarios.as_bytes()).ended(0).json();
    assert_eq!(answer["verdicts"], json!(["stored", "stored", "stored"]));
    assert!((answer["overall_score"].as_f64().unwrap() - 2.0 / 3.0).abs() < 1e-9, "{answer}");

    let id = answer["simulation_id"].as_str().unwrap();
    let status = program.run(["status", id, "--json"]).ended(0).json();
    assert_eq!(status["simulation_name"], "jävascript");
    assert_eq!(status["status"], "completed");
    assert_eq!(status["by_status"], json!({"success": 2, "error": 1}));

    // A refusal of the recorder is an exception in JavaScript.
    let scenarios: Value = serde_json::from_str(&scenarios).unwrap();
    let twice = json!([scenarios[0], scenarios[0]]).to_string();
    let refused = program.run_with_input(arguments, twice.as_bytes()).ended(1);
    assert!(refused.stderr.contains("small"), "{}", refused.stderr);
    assert_eq!(database.count("SELECT count(*) FROM arc_recorder.simulations"), 1);

    // Input and output longer than a stream accepts in one call.
    let many = (0..1_000).map(|number| {
        let mut scenario = scenarios[0].clone();
        scenario["id"] = number.to_string().into();
        scenario
    });
    let many = Value::Array(many.collect()).to_string();
    let answer = program.run_with_input(arguments, many.as_bytes()).ended(0).json();
    assert_eq!(answer["verdicts"].as_array().unwrap().len(), 1_000);
    assert_eq!(answer["overall_score"], 1.0);
}
