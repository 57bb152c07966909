//! The templates of formats: copied, built, added and used, as `guest/formats/README.md` describes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;

use super::run;
use crate::support::{Files, Finished, Program, TestDatabase, skip_without_tool};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Returns the shell commands of a section of the page.
fn commands(heading: &str) -> String {
    let page = std::fs::read_to_string(root().join("guest/formats/README.md")).unwrap();
    let (_, section) = page.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let fenced = section.split("```sh\n").skip(1);
    fenced.map(|text| text.split_once("```").unwrap().0).collect()
}

/// Runs the page's commands from the repository's root, with `../NAME` replaced by a folder of the test. `prepared`
/// runs before them.
#[track_caller]
fn follow(
    program: &Program,
    files: &Files,
    folder: &str,
    prepared: &str,
    commands: &str,
) -> Finished {
    let own = files.path(folder);
    let script = format!(
        "set -euo pipefail\narc-host() {{ '{}' --data-dir '{}' \"$@\"; }}\n{prepared}\n{}",
        Program::path().display(),
        files.path("data").display(),
        commands.replace(&format!("../{folder}"), own.to_str().unwrap()),
    );
    let finished = program
        .in_environment_of_a_build("bash")
        .env("CARGO_TARGET_DIR", target())
        .args(["-c", &script])
        .current_dir(root())
        .stdin(Stdio::null())
        .output()
        .expect("bash can be started");
    Finished::from(finished).ended(0)
}

/// Returns the folder of the template's build, which is kept so that the next run takes seconds.
fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("format-template")
}

/// Checks the outcomes of the example's three answers, and the rejection of invalid ones.
#[track_caller]
fn check(
    program: &Program,
    files: &Files,
    database: &TestDatabase,
    format: &str,
    shown: &Finished,
) {
    assert!(shown.stdout.contains("capitals"), "{}", shown.stdout);
    let rows = database.query(
        "SELECT jsonb_build_array(scenario_id, trial, status, score,
                execution_time_ms, tokens_used, metrics->'event_count', error_category,
                error_message, name)::text
         FROM arc_recorder.outcomes JOIN arc_recorder.extractors USING (extractor_id) ORDER BY 1",
    );
    let found: Vec<serde_json::Value> =
        rows.iter().map(|row| serde_json::from_str(row.get(0)).unwrap()).collect();
    let error = "ConnectionError: the model did not answer";
    let mut expected = [
        json!(["capitals/chad", 1, "success", 0.5, 1750, 130, 2, null, null, format]),
        json!(["capitals/france", 1, "success", 1, 1500, 120, 2, null, null, format]),
        json!(["capitals/peru", 1, "error", null, 30000, 0, 0, "network", error, format]),
    ];
    for row in &mut expected {
        // On both sides 1 and 1.0 are the same number, as in JSON.
        *row = normal(row);
    }
    assert_eq!(found.iter().map(normal).collect::<Vec<_>>(), expected);

    // An invalid result is reported, and the others are recorded, including one of a megabyte.
    let steps: Vec<_> =
        (0..20_000).map(|number| json!({"number": number, "say": "“Paris”?"})).collect();
    let answers = json!([
        {"question": "long", "ended": "finished", "steps": steps},
        {"question": "odd", "ended": "in tears", "seconds": -1},
        {"question": "short", "ended": "out of time"},
    ]);
    let mixed = format!("{{\"exam\": \"mixed\", \"answers\": {answers}}}");
    let file = files.write("mixed.exam.json", mixed);
    let recorded =
        run(program, files, &["--json", "record", file.to_str().unwrap()]).ended(2).json();
    assert_eq!(recorded["format"], format, "{recorded}");
    assert_eq!((&recorded["stored"], &recorded["rejected"]), (&2.into(), &1.into()), "{recorded}");
    assert_eq!(recorded["rejected_results"][0]["position"], 1, "{recorded}");
    assert!(recorded["rejected_results"].to_string().contains("unknown_status"), "{recorded}");
    let long = database.query(
        "SELECT (metrics->'event_count')::integer FROM arc_recorder.outcomes
         WHERE scenario_id = 'mixed/long'",
    );
    assert_eq!(long[0].get::<_, i32>(0), 20_000);
}

/// Returns a row with all its numbers as floats.
fn normal(row: &serde_json::Value) -> serde_json::Value {
    let cells = row.as_array().unwrap().iter();
    cells.map(|cell| cell.as_f64().map_or(cell.clone(), |number| json!(number))).collect()
}

#[test]
fn the_rust_template_as_on_the_page() {
    let database = TestDatabase::new();
    let (program, files) = (Program::on(&database), Files::new());
    let copy = "cp -r guest/format-template/rust ../exam\n";
    let commands = commands("Start in Rust");
    assert!(commands.starts_with(copy), "{commands}");
    // Uses the crate versions that are on this machine, and one build folder.
    let commands = commands
        .replacen(copy, &format!("{copy}cp Cargo.lock ../exam/\n"), 1)
        .replace("formats add target/", "formats add \"$CARGO_TARGET_DIR\"/");
    let shown = follow(&program, &files, "exam", "", &commands);
    println!("{}", shown.stdout);
    check(&program, &files, &database, "exam", &shown);

    // The next sections of the page.
    let prepared = format!("cd '{}'", files.path("exam").display());
    let verdicts = follow(&program, &files, "exam", &prepared, &self::commands("Test verdicts"));
    assert!(verdicts.stdout.contains("\"accepted\""), "{}", verdicts.stdout);
    let versions = follow(&program, &files, "exam", &prepared, &self::commands("Versions"));
    assert!(versions.stdout.contains("exam"), "{}", versions.stdout);
    let listed = run(&program, &files, &["--json", "formats", "list"]).ended(0).json_lines();
    assert!(listed.iter().all(|entry| entry["source"] != "added"), "{listed:?}");
}

#[test]
fn the_javascript_template_as_on_the_page() {
    let what = "the JavaScript template";
    if Command::new("npm").arg("--version").output().is_err() {
        return skip_without_tool(what, "npm is not installed");
    }
    let modules = root().join("guest/format-template/javascript/node_modules");
    if !modules.join("componentize-qjs").exists() {
        let why = "`npm install` was not run in guest/format-template/javascript";
        return skip_without_tool(what, why);
    }
    let database = TestDatabase::new();
    let (program, files) = (Program::on(&database), Files::new());
    // The packages that `npm install` would fetch are installed already.
    let prepared =
        "npm() { if [ \"$1\" = install ]; then [ -d node_modules ]; else command npm \"$@\"; fi; }";
    let commands = commands("Start in JavaScript");
    let shown = follow(&program, &files, "exam-js", prepared, &commands);
    println!("{}", shown.stdout);
    check(&program, &files, &database, "exam-js", &shown);
}

#[test]
fn the_templates_read_the_same_example() {
    let example = |language: &str| {
        let folder = root().join("guest/format-template").join(language);
        std::fs::read_to_string(folder.join("capitals.exam.json")).unwrap()
    };
    assert_eq!(example("rust"), example("javascript"));
}
