//! The command line's output: answers, exit codes, help, and errors.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Files, Finished, Program, Service, TestDatabase, fixture, record, result};

const COMMANDS: [&str; 12] = [
    "record",
    "validate",
    "simulations",
    "status",
    "outcomes",
    "rejected",
    "health",
    "migrate",
    "psql",
    "component",
    "completions",
    "man",
];

fn names(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Asserts that an object has at least these members.
#[track_caller]
fn has(object: &Value, expected: &str) {
    let expected: BTreeSet<&str> = expected.split_whitespace().collect();
    let found = names(object);
    let missing: Vec<_> = expected.difference(&found).collect();
    assert!(missing.is_empty(), "{missing:?} not in {object}");
}

/// Records four results of three scenarios, one of them rejected, and returns the simulation's id.
fn record_a_few(program: &Program, files: &Files) -> String {
    let mut failed = result("failed", "timeout", 0.2);
    failed["trajectory"]["error"] = "deadline exceeded".into();
    let results = [
        result("good", "success", 0.8),
        failed,
        result("bad", "odd", 0.5),
        result("good", "success", 0.9),
    ];
    let summary = record(program, &files.write_lines("few.jsonl", &results), &[]).ended(2).json();
    summary["simulation_id"].as_str().unwrap().to_owned()
}

#[test]
fn every_command_answers_programs_in_json() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let id = record_a_few(&program, &files);

    let summary = record(&program, &files.path("few.jsonl"), &[]).ended(2).json();
    has(
        &summary,
        "file simulation_id simulation_name status stored duplicate rejected failed interrupted
         by_status by_error_category overall_score total_tokens total_cost_usd total_scenarios
         completed_scenarios warnings rejected_results notes elapsed_seconds",
    );
    let item = &summary["rejected_results"][0];
    has(item, "position outcome_id path code message violations");
    has(&item["violations"][0], "path code message");
    assert!(summary["elapsed_seconds"].as_f64().unwrap() >= 0.0);

    let status = program.run(["status", &id, "--json"]).ended(0).json();
    has(
        &status,
        "simulation_id simulation_name config_version_id status progress_percentage
         total_scenarios completed_scenarios successful_outcomes failed_outcomes rejected_results
         recorded_outcomes by_status by_error_category overall_score total_tokens total_cost_usd
         execution_time_ms modal_app_id metadata created_at started_at completed_at",
    );
    assert_eq!(status["by_status"], json!({"success": 2, "timeout": 1}));
    assert_eq!(status["by_error_category"], json!({"timeout": 1}));
    assert_eq!(status["metadata"]["recorded_from"], "few.jsonl");

    let simulations = program.run(["simulations", "--json"]).ended(0).json_lines();
    has(
        &simulations[0],
        "simulation_id simulation_name status planned_scenarios trials overall_score
         total_cost_usd created_at completed_at",
    );
    for outcome in program.run(["outcomes", &id, "--json"]).ended(0).json_lines() {
        has(
            &outcome,
            "outcome_id scenario_id scenario_name trial attempt execution_time received_at status
             reliability_score execution_time_ms tokens_used cost_usd error_code error_category
             error_message modal_call_id sandbox_id metrics warnings extractor",
        );
    }
    let rejected = program.run(["rejected", &id, "--json"]).ended(0).json();
    has(&rejected, "outcome_id received_at position trial violations document_bytes");
    let health = program.run(["health", "--json"]).ended(0).json();
    has(
        &health,
        "status server_version extensions hypertables pool_stats schema_version layout policies
         timestamp response_time_ms database",
    );
    let migrated = program.run(["migrate", "--json"]).ended(0).json();
    let (version, layout) = (&health["schema_version"], &health["layout"]);
    let expected = json!({"applied": [], "schema_version": version, "layout": layout, "notes": migrated["notes"]});
    assert_eq!(migrated, expected);
    assert!(["plain", "timescale", "citus"].contains(&layout.as_str().unwrap()), "{layout}");
    let file = files.path("x.wasm");
    let component = program.command(["component", "--json", "--output"]).arg(&file).output();
    let component = Finished::from(component.unwrap()).ended(0).json();
    assert_eq!(component["file"], file.to_str().unwrap());
}

#[test]
fn outcomes_can_be_chosen_by_status_and_scenario() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let id = record_a_few(&program, &files);
    let scenarios = |options: &[&str]| -> Vec<(String, i64)> {
        let arguments = [&["outcomes", &id, "--json"], options].concat();
        let outcomes = program.run(arguments).ended(0).json_lines();
        let attempt = |outcome: &Value| outcome["attempt"].as_i64().unwrap();
        let scenario = |outcome: &Value| outcome["scenario_id"].as_str().unwrap().to_owned();
        outcomes.iter().map(|outcome| (scenario(outcome), attempt(outcome))).collect()
    };
    let (failed, first, second) =
        (("failed".to_owned(), 1), ("good".to_owned(), 1), ("good".to_owned(), 2));
    assert_eq!(scenarios(&[]), [failed.clone(), first.clone(), second.clone()]);
    assert_eq!(scenarios(&["--status", "success"]), [first.clone(), second.clone()]);
    assert_eq!(scenarios(&["--status", "timeout"]), [failed]);
    assert_eq!(scenarios(&["--status", "cancelled"]), []);
    assert_eq!(scenarios(&["--scenario", "good"]), [first, second]);
    assert_eq!(scenarios(&["--scenario", "good", "--status", "timeout"]), []);
    let nothing = program.run(["outcomes", &id, "--scenario", "nowhere"]).ended(0);
    assert_eq!((nothing.stdout.as_str(), nothing.stderr.trim()), ("", "no such outcomes"));

    let lines = std::fs::read_to_string(files.path("few.jsonl")).unwrap();
    let lines: Vec<&str> = lines.lines().collect();
    let documents = program.run(["outcomes", &id, "--documents", "--scenario", "good"]).ended(0);
    assert_eq!(documents.stdout.lines().collect::<Vec<_>>(), [lines[0], lines[3]]);
}

#[test]
fn simulations_can_be_chosen_by_status_and_number() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let none = program.run(["simulations"]).ended(0);
    assert_eq!(none.stdout, "");
    assert!(none.stderr.contains("arc-host record FILE"), "{}", none.stderr);

    let files = Files::new();
    let path = files.write_lines("results.jsonl", &[result("a", "success", 1.0)]);
    for name in ["first", "second", "third"] {
        record(&program, &path, &["--name", name]).ended(0);
    }
    let listed = |options: &[&str]| -> Vec<String> {
        let arguments = [&["simulations", "--json"], options].concat();
        let simulations = program.run(arguments).ended(0).json_lines();
        // If there are more rows, the last line is a cursor.
        let names = simulations.iter().filter_map(|one| one.get("simulation_name"));
        names.map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(listed(&[]), ["third", "second", "first"]);
    assert_eq!(listed(&["--limit", "2"]), ["third", "second"]);
    assert_eq!(listed(&["--status", "completed", "--limit", "1"]), ["third"]);
    assert!(listed(&["--status", "running"]).is_empty());
}

#[test]
fn simulations_can_be_chosen_by_name_tag_and_time() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let direct = Program::on(&database);
    let service = Service::start(&direct, &files, &[]);
    let path = files.write_lines("results.jsonl", &[result("a", "success", 1.0)]);
    let names = ["Nightly run", "nightly 50%", "weekly", "a_b", "axb"];
    for (name, tag) in names.iter().zip(["x", "y", "x", "x y", "z"]) {
        record(&direct, &path, &["--name", name, "--tag", tag]).ended(0);
    }
    database.execute(
        "UPDATE arc_recorder.simulations SET started_at = '2026-03-01 12:00+00',
             completed_at = '2026-03-01 13:00+00' WHERE simulation_name LIKE 'a%'",
    );
    let encoded = |text: &str| text.replace('%', "%25").replace(' ', "%20").replace('+', "%2B");
    for (filter, value, expected) in [
        ("name", "night", &["nightly 50%", "Nightly run"][..]),
        ("name", "NIGHTLY R", &["Nightly run"]),
        ("name", "nightly*", &["nightly 50%", "Nightly run"]),
        ("name", "*ly", &["weekly"]),
        ("name", "a?b", &["axb", "a_b"]),
        ("name", "_", &["a_b"]),
        ("name", "%", &["nightly 50%"]),
        ("name", "\\", &[]),
        ("tag", "x", &["weekly", "Nightly run"]),
        ("tag", "x y", &["a_b"]),
        ("tag", "X", &[]),
        ("since", "2026-03-02", &["weekly", "nightly 50%", "Nightly run"]),
        ("since", "2026-03-01T12:00:00Z", &["axb", "a_b", "weekly", "nightly 50%", "Nightly run"]),
        ("since", "2026-03-01T14:00:00.5+02:00", &["weekly", "nightly 50%", "Nightly run"]),
        ("since", "1h", &["weekly", "nightly 50%", "Nightly run"]),
    ] {
        let names = |simulations: &[Value]| -> Vec<String> {
            let names = simulations.iter().map(|one| one["simulation_name"].as_str().unwrap());
            names.map(str::to_owned).collect()
        };
        for program in [&direct, &service.program()] {
            let option = format!("--{filter}={value}");
            let listed = program.run(["simulations", "--json", &option]).ended(0).json_lines();
            assert_eq!(names(&listed), expected, "{option}");
        }
        let url = format!("/v1/simulations?{filter}={}", encoded(value));
        let listed = service.get(&url).has(200).json();
        assert_eq!(names(listed["simulations"].as_array().unwrap()), expected, "{url}");
    }
    // Together, and in pages.
    let filters = ["simulations", "--json", "--name", "ly", "--tag", "x", "--status", "completed"];
    let first = direct.run(filters.iter().chain(&["--limit", "1"])).ended(0).json_lines();
    assert_eq!((first.len(), &first[0]["simulation_name"]), (2, &json!("weekly")));
    let cursor = first[1]["cursor"].as_str().unwrap();
    let second = direct.run(filters.iter().chain(&["--cursor", cursor])).ended(0).json_lines();
    assert_eq!((second.len(), &second[0]["simulation_name"]), (1, &json!("Nightly run")));
    direct.run(["simulations", "--since", "yesterday"]).ended(1);
    service.get("/v1/simulations?since=yesterday").has_problem(400, "invalid_request");
    service.get("/v1/simulations?name=%00").has_problem(400, "invalid_request");

    // The evaluation's own times, and that of the record.
    let listed = direct.run(["simulations", "--json", "--name", "axb"]).ended(0).json();
    assert_eq!(listed["started_at"], "2026-03-01T12:00:00Z");
    assert_eq!(listed["completed_at"], "2026-03-01T13:00:00Z");
    assert_ne!(listed["created_at"], listed["started_at"]);
    let table = direct.run(["simulations", "--name", "a?b"]).ended(0).stdout;
    let lines: Vec<&str> = table.lines().collect();
    let header: Vec<&str> = lines[0].split_whitespace().collect();
    assert_eq!(header, ["id", "name", "status", "score", "plan", "age"]);
    let row: Vec<&str> = lines[1].split_whitespace().collect();
    let short = listed["short_id"].as_str().unwrap();
    assert_eq!(row[..5], [short, "axb", "completed", "1.000", "1"]);
    assert!(row[5].ends_with('d'), "{row:?}");
}

#[test]
fn a_short_id_is_unique_and_a_list_fits_a_terminal() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let path = files.write_lines("results.jsonl", &[result("a", "success", 1.0)]);
    let name = "a long name of an evaluation of many scenarios, with a date and a model";
    // Made at the same time, their ids have the same first characters.
    for end in ["a1", "a2", "b0"] {
        let id = format!("0192f3c1-7a00-7000-8000-0000000000{end}");
        record(&program, &path, &["--name", name, "--simulation", &id]).ended(0);
    }
    record(&program, &path, &["--name", "x", "--new"]).ended(0);
    let listed = program.run(["simulations", "--json"]).ended(0).json_lines();
    let short: Vec<&str> = listed.iter().map(|one| one["short_id"].as_str().unwrap()).collect();
    assert_eq!(short[0].len(), 8);
    assert_eq!(
        short[1..],
        [
            "0192f3c1-7a00-7000-8000-0000000000b",
            "0192f3c1-7a00-7000-8000-0000000000a2",
            "0192f3c1-7a00-7000-8000-0000000000a1"
        ]
    );
    for (one, short) in listed.iter().zip(&short) {
        let status = program.run(["status", short, "--json"]).ended(0).json();
        assert_eq!(status["simulation_id"], one["simulation_id"]);
    }
    // Of a page, too.
    let page = program.run(["simulations", "--json", "--limit", "2"]).ended(0).json_lines();
    assert_eq!(page[1]["short_id"], short[1]);
    let table = program.run(["simulations", "--name", "x"]).ended(0).stdout;
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    database.execute("DELETE FROM arc_recorder.simulations WHERE simulation_id::text LIKE '%a_'");
    let table = program.run(["simulations"]).ended(0).stdout;
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    assert!(table.contains("0192f3c1  a long name") && table.contains('…'), "{table}");
}

#[test]
fn rejected_results_are_listed_with_their_reasons_and_bytes() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    // Bytes that a stream of styled text would change.
    let bad: [&[u8]; 2] = [b"{\"a\": \"\x1b[31m\x00\x7f\"}", b"\xff\x1b]0;title\x07\xc2\x9b"];
    let path = files.write("bad.jsonl", bad.join(&b'\n'));
    let summary = record(&program, &path, &["--format", "arc-guide"]).ended(2).json();
    let id = summary["simulation_id"].as_str().unwrap();
    let rejected = program.run(["rejected", id, "--json"]).ended(0).json_lines();
    assert_eq!(rejected.len(), 2);
    for (result, bytes) in rejected.iter().zip(bad) {
        assert_eq!(result["document_bytes"], bytes.len());
        let rejected_id = result["outcome_id"].as_str().unwrap();
        let written =
            program.command(["rejected", id, "--document", rejected_id]).output().unwrap().stdout;
        assert_eq!(written, bytes);
    }
    let table = program.run(["rejected", id]).ended(0).stdout;
    assert!(table.contains("malformed_json") && table.contains("invalid_utf8"), "{table}");
    let other = Uuid::now_v7().to_string();
    let missing = program.run(["rejected", id, "--document", &other]).ended(1);
    assert!(missing.stderr.contains(&format!("arc-host rejected {id}")), "{}", missing.stderr);
}

#[test]
fn documents_and_the_component_come_out_byte_for_byte() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let document =
        "{\"scenario\": {\"id\": \"\u{7f}\u{9b}31m\"}, \"text\": \"\u{9d}0;\u{9c}\u{85}\"}";
    let summary = record(&program, &files.write("odd.json", document), &[]).ended(0).json();
    let id = summary["simulation_id"].as_str().unwrap();
    let documents = program.command(["outcomes", id, "--documents"]).output().unwrap().stdout;
    assert_eq!(documents, format!("{document}\n").as_bytes());
    let outcome = program.run(["outcomes", id, "--json"]).ended(0).json();
    assert_eq!(outcome["scenario_id"], "\u{7f}\u{9b}31m");

    let component = program.command(["component", "--output", "-"]).output().unwrap().stdout;
    assert!(component == arc_host::extraction::BUILT_IN);
}

#[test]
fn the_error_of_an_unknown_id_names_the_command_that_lists_ids() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let id = Uuid::now_v7().to_string();
    for command in ["status", "outcomes", "rejected"] {
        let finished = program.run([command, &id]).ended(1);
        assert!(finished.stderr.contains(&id), "{}", finished.stderr);
        assert!(finished.stderr.contains("`arc-host simulations`"), "{}", finished.stderr);
        assert_eq!(finished.stdout, "");
    }
}

#[test]
fn a_wrong_command_line_is_not_the_code_of_rejected_results() {
    let program = Program::without_database();
    let cases: [&[&str]; 7] = [
        &[],
        &["recrod", "x"],
        &["record"],
        &["record", "--nwe", "x"],
        &["status"],
        &["simulations", "--limit", "0"],
        &["outcomes", "00000000-0000-0000-0000-000000000000", "--status", "odd"],
    ];
    for arguments in cases {
        let finished = program.run(arguments).ended(1);
        assert!(finished.stderr.contains("--help"), "{arguments:?}: {}", finished.stderr);
        assert_eq!(finished.stdout, "", "{arguments:?}");
    }
    let mistyped = program.run(["recrod"]).stderr;
    assert!(mistyped.contains("'record'"), "{mistyped}");
}

#[test]
fn every_command_has_help() {
    let program = Program::without_database();
    let top = program.run(["--help"]).ended(0).stdout;
    for part in ["Examples:", "Exit codes:", "arc-host record results.jsonl"] {
        assert!(top.contains(part), "{part}: {top}");
    }
    for command in COMMANDS {
        assert!(top.contains(&format!("\n  {command} ")), "{command}");
        for arguments in [[command, "--help"], ["help", command], [command, "-h"]] {
            let help = program.run(arguments).ended(0).stdout;
            assert!(help.contains("Usage:") && help.contains("--json"), "{arguments:?}: {help}");
        }
    }
    let version = program.run(["--version"]).ended(0).stdout;
    assert!(version.trim().ends_with(env!("CARGO_PKG_VERSION")), "{version}");
}

#[test]
fn verdicts_need_no_database_and_are_the_components_own() {
    // `validate` does not contact the database, which is unreachable here.
    let program = Program::without_database();
    let run = |arguments: &[&std::ffi::OsStr]| -> Finished {
        let mut command = program.command(arguments);
        command.env("ARC_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none");
        command.output().unwrap().into()
    };
    for (name, code) in [("results.jsonl", 0), ("hostile.jsonl", 2)] {
        let path = fixture(name);
        let finished = run(&["validate".as_ref(), path.as_os_str(), "--json".as_ref()]).ended(code);
        let bytes = std::fs::read(&path).unwrap();
        let documents: Vec<&[u8]> = bytes
            .split(|byte| *byte == b'\n')
            .map(|line| line.trim_ascii())
            .filter(|line| !line.is_empty())
            .collect();
        let verdicts: Vec<&str> = finished.stdout.lines().collect();
        assert_eq!(verdicts.len(), documents.len(), "{name}");
        for (position, (verdict, document)) in verdicts.into_iter().zip(documents).enumerate() {
            match std::str::from_utf8(document) {
                Ok(text) => {
                    let native = arc_extractor::extract_json(text);
                    assert!(verdict == native, "{name} {position}: {verdict}\n{native}");
                }
                Err(_) => {
                    let verdict: Value = serde_json::from_str(verdict).unwrap();
                    assert_eq!(verdict["verdict"], "rejected");
                    assert_eq!(verdict["violations"][0]["code"], "invalid_utf8");
                }
            }
        }
        let table = run(&["validate".as_ref(), path.as_os_str()]).ended(code).stdout;
        assert!(table.contains(" accepted, "), "{table}");
    }
    run(&["validate".as_ref(), "/no/such/file".as_ref()]).ended(1);
    let input = program.run_with_input(["validate", "-"], br#"{"scenario": {"id": "a"}}"#).ended(0);
    assert!(input.stdout.ends_with("1 result: 1 accepted, 0 rejected\n"), "{}", input.stdout);
}

#[test]
fn invalid_arguments_are_reported_before_a_database_is_created() {
    let files = Files::new();
    let data = files.path("data");
    let program = Program::without_database();
    let missing = files.path("missing.jsonl");
    let arguments = ["--data-dir", data.to_str().unwrap(), "record", missing.to_str().unwrap()];
    let refused = program.run(arguments).ended(1);
    assert!(refused.stderr.contains("missing.jsonl: No such file"), "{}", refused.stderr);
    assert!(!data.exists(), "a database was created");
    for (arguments, hint) in [
        (&["record", "--simulation", "123", "x"][..], "a UUID of 36 characters"),
        (&["spool", "drain"], "--spool-dir"),
        (&["prune", "--older-than", "5"], "like 90m, 24h, 7d or 2w"),
        (&["serve", "--listen", "localhost"], "with a port"),
        (&["serve", "--log-level", "loud"], "error, warn, info"),
    ] {
        let refused = program.run(arguments).ended(1);
        assert!(refused.stderr.contains(hint), "{arguments:?}: {}", refused.stderr);
    }
}

#[test]
fn lists_show_that_there_are_more_rows() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    // These results have no scenario.
    let broken: Vec<Value> = (0..3).map(|number| json!({"number": number})).collect();
    let broken = files.write_lines("broken.jsonl", &broken);
    let id = record(&program, &broken, &["--format", "arc-guide"]).ended(2).json();
    let id = id["simulation_id"].clone();
    let id = id.as_str().unwrap();
    let all = program.run(["--json", "rejected", id]).ended(0).json_lines();
    assert!(all.len() > 1, "{all:?}");
    let mut page = program.run(["--json", "rejected", id, "--limit", "1"]).ended(0).json_lines();
    let cursor = page.pop().unwrap()["cursor"].as_str().unwrap().to_owned();
    assert_eq!(page, all[..1]);
    let next = program.run(["--json", "rejected", id, "--cursor", &cursor]).ended(0).json_lines();
    assert_eq!(next, all[1..]);
    for _ in 0..20 {
        record(&program, &broken, &["--format", "arc-guide", "--new"]).ended(2);
    }
    let listed = program.run(["simulations"]).ended(0);
    assert!(listed.stderr.contains("there are more: --cursor"), "{}", listed.stderr);
}

#[test]
fn the_exit_code_of_psql_is_kept() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let script = files.write("wrong.sql", "SELECT nonsense;");
    let script = script.to_str().unwrap();
    let arguments = ["psql", "--", "-v", "ON_ERROR_STOP=1", "-f", script];
    Program::on(&database).run(arguments).ended(3);
}
