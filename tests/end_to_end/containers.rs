//! The forms that a file of results can have, and how broken files are handled.

use std::path::PathBuf;

use nix::sys::stat::Mode;
use serde_json::{Value, json};

use crate::support::{Files, Finished, Program, TestDatabase, record, result};

const ONE: &str = r#"{"scenario": {"id": "one"}, "trajectory": {"status": "success"}}"#;
const TWO: &str = r#"{"scenario": {"id": "two"}, "trajectory": {"status": "error"}}"#;
const PRETTY: &str = "{\n  \"scenario\": {\n    \"id\": \"one\"\n  },\r\n\t\"trajectory\": {\"status\": \"success\"}\n}";

/// Returns the documents of a simulation, ordered by scenario.
fn documents(database: &TestDatabase, summary: &Value) -> Vec<String> {
    let id = summary["simulation_id"].as_str().unwrap();
    let sql = format!(
        "SELECT document_text FROM arc_recorder.outcome_documents WHERE simulation_id = '{id}'
         ORDER BY scenario_id"
    );
    database.query(&sql).iter().map(|row| row.get(0)).collect()
}

/// Returns the position and code of each rejected result of a summary.
fn rejected(summary: &Value) -> Vec<(u64, &str)> {
    let list = summary["rejected_results"].as_array().unwrap();
    list.iter()
        .map(|item| (item["position"].as_u64().unwrap(), item["code"].as_str().unwrap()))
        .collect()
}

#[test]
fn every_container_preserves_its_documents_byte_for_byte() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let cases: [(&str, String, &[&str]); 14] = [
        ("one.json", ONE.to_owned(), &[ONE]),
        ("one-line.json", format!("{ONE}\n"), &[ONE]),
        ("pretty.json", format!("{PRETTY}\n"), &[PRETTY]),
        ("array.json", format!("[{ONE},{TWO}]"), &[ONE, TWO]),
        ("array-of-one.json", format!("[{ONE}]"), &[ONE]),
        ("pretty-array.json", format!("\n[\n  {PRETTY},\n  {TWO}\n]\n\n"), &[PRETTY, TWO]),
        ("envelope.json", format!(r#"{{"suite":"s","results":[{ONE},{TWO}]}}"#), &[ONE, TWO]),
        ("lines.json", format!("{ONE}\n{TWO}\n"), &[ONE, TWO]),
        ("no-last-newline.txt", format!("{ONE}\n{TWO}"), &[ONE, TWO]),
        ("values.json", format!("{PRETTY}\n\n{TWO}\n"), &[PRETTY, TWO]),
        ("windows.jsonl", format!("{ONE}\r\n\r\n   \r\n\t{TWO} \r\n\n"), &[ONE, TWO]),
        ("ENDING.JSONL", format!("{ONE}\n{TWO}\n"), &[ONE, TWO]),
        ("mark.jsonl", format!("\u{feff}{ONE}\n{TWO}\n"), &[ONE, TWO]),
        ("mark.json", format!("\u{feff}[{ONE}, {TWO}]"), &[ONE, TWO]),
    ];
    for (name, text, expected) in cases {
        let summary = record(&program, &files.write(name, text), &[]).ended(0).json();
        assert_eq!(summary["stored"], expected.len(), "{name}: {summary}");
        assert_eq!(documents(&database, &summary), expected, "{name}");
    }
}

#[test]
fn standard_input_and_a_pipe_with_a_name_are_recorded_like_a_file() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let input = format!("[{ONE}, {TWO}]");
    let run = || program.run_with_input(["record", "-", "--json"], input.as_bytes());
    let summary = run().ended(0).json();
    assert_eq!(summary["file"], "standard input");
    assert_eq!(documents(&database, &summary), [ONE, TWO]);
    let again = run().ended(0).json();
    assert_eq!(again["simulation_id"], summary["simulation_id"]);
    assert_eq!((&again["stored"], &again["duplicate"]), (&0.into(), &2.into()));

    let files = Files::new();
    let pipe = files.path("results.jsonl");
    nix::unistd::mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    let child = program.spawn(["record".as_ref(), pipe.as_os_str(), "--json".as_ref()]);
    // Opening the pipe blocks until the reader opens it, so no other synchronisation is needed.
    std::fs::write(&pipe, format!("{ONE}\n{TWO}\n")).unwrap();
    let summary = Finished::from(child.wait_with_output().unwrap()).ended(0).json();
    assert_eq!(documents(&database, &summary), [ONE, TWO]);
}

#[test]
fn a_file_without_results_is_refused_with_a_message() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let utf16: Vec<u8> =
        format!("\u{feff}{ONE}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let folder = files.path("folder");
    std::fs::create_dir(&folder).unwrap();
    let cases: [(PathBuf, &str); 7] = [
        (files.write("empty.jsonl", ""), "empty.jsonl holds no results"),
        (files.write("white.json", " \n\t\r\n "), "white.json holds no results"),
        (files.write("array.json", "[ ]"), "array.json holds no results"),
        (files.write("utf16.json", utf16), "convert it first"),
        (files.write("packed.jsonl.gz", b"\x1f\x8b\x08\x00\x00\x00\x00\x00"), "decompress"),
        (files.write("packed.jsonl", b"PK\x03\x04\x14\x00\x00\x00"), "unzip"),
        (files.path("missing.jsonl"), "missing.jsonl: No such file or directory"),
    ];
    for (path, sentence) in cases {
        for command in ["record", "validate"] {
            let finished = program.run([command.as_ref(), path.as_os_str()]).ended(1);
            assert!(finished.stderr.contains(sentence), "{command} {path:?}: {}", finished.stderr);
            assert_eq!(finished.stdout, "", "{command} {path:?}");
        }
    }
    let of_a_folder = program.run(["validate".as_ref(), folder.as_os_str()]).ended(1);
    assert!(of_a_folder.stderr.contains("is a directory"), "{}", of_a_folder.stderr);
    assert_eq!(database.count("SELECT count(*) FROM arc_recorder.simulations"), 0);
}

#[test]
fn a_suite_without_results_is_a_simulation_without_scenarios() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let path = files.write("suite.json", r#"{"suite": "nightly", "results": []}"#);
    let summary = record(&program, &path, &[]).ended(2).json();
    assert_eq!((&summary["stored"], &summary["status"]), (&0.into(), &"completed".into()));
    program.run(["validate".as_ref(), path.as_os_str()]).ended(0);
}

#[test]
fn of_a_file_that_was_cut_off_the_whole_documents_are_stored() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let half = &TWO[..30];
    let cases = [
        ("array-in-document.json", format!("[{ONE}, {half}"), "truncated"),
        ("array-between.json", format!("[{ONE},\n"), "truncated"),
        ("envelope.json", format!(r#"{{"results": [{ONE}], "total_cost_usd": 1"#), "truncated"),
        ("lines.jsonl", format!("{ONE}\n{half}"), "malformed_json"),
        ("trailing.json", format!("[{ONE}] and so on"), "trailing_text"),
        ("trailing-bracket.json", format!(r#"{{"results": [{ONE}]}}}}"#), "trailing_text"),
    ];
    for (name, text, code) in cases {
        let summary = record(&program, &files.write(name, text), &[]).ended(2).json();
        assert_eq!(documents(&database, &summary), [ONE], "{name}");
        assert_eq!(rejected(&summary), [(1, code)], "{name}: {summary}");
        assert_eq!(summary["status"], "completed", "{name}");
    }
}

#[test]
fn bytes_that_are_no_text_are_kept_and_cost_no_neighbour() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let broken = b"{\"scenario\": {\"id\": \"\xff\xfe\"}}";
    let text = [ONE.as_bytes(), broken, TWO.as_bytes()].join(&b'\n');
    let summary = record(&program, &files.write("mixed.jsonl", text), &[]).ended(2).json();
    assert_eq!(documents(&database, &summary), [ONE, TWO]);
    assert_eq!(rejected(&summary), [(1, "invalid_utf8")]);
    let rows = database.query("SELECT document FROM arc_recorder.rejected_results");
    assert_eq!(rows[0].get::<_, Vec<u8>>(0), broken);
}

#[test]
fn of_a_document_beyond_the_limit_the_beginning_is_kept() {
    const LIMIT: usize = 16 << 20;
    const HEAD: usize = 64 << 10;
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let [start, end] = [r#"{"scenario": {"id": "large"}, "text": ""#, r#""}"#];
    let document = |bytes: usize| {
        let filler = "x".repeat(bytes - start.len() - end.len());
        format!("{start}{filler}{end}")
    };
    let largest = document(LIMIT);
    let too_large = document(LIMIT + 1);
    let cases = [
        ("large.jsonl", format!("{ONE}\n{too_large}\n{TWO}\n")),
        ("large.json", format!("[{ONE},{too_large},{TWO}]")),
    ];
    for (name, text) in cases {
        let summary = record(&program, &files.write(name, text), &[]).ended(2).json();
        assert_eq!(documents(&database, &summary), [ONE, TWO], "{name}");
        assert_eq!(rejected(&summary), [(1, "document_too_large")], "{name}");
        let id = summary["simulation_id"].as_str().unwrap();
        let row = &database.query(&format!(
            "SELECT document, document_bytes FROM arc_recorder.rejected_results
             WHERE simulation_id = '{id}'"
        ))[0];
        assert!(row.get::<_, Vec<u8>>(0) == too_large.as_bytes()[..HEAD], "{name}");
        assert_eq!(row.get::<_, i64>(1), too_large.len() as i64, "{name}");
    }
    let summary = record(&program, &files.write("largest.json", &largest), &[]).ended(0).json();
    assert!(documents(&database, &summary) == [largest], "one of exactly the limit is stored");
}

#[test]
fn a_document_with_very_many_scores_is_stored_with_the_first_of_them() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    // Each score is a dimension. All those that fit in one document would take too much memory and time.
    let letter = |number: u32| char::from_digit(number % 36, 36).unwrap();
    let name = |number: u32| {
        [36 * 36 * 36 * 36, 36 * 36 * 36, 36 * 36, 36, 1].map(|power| letter(number / power))
    };
    let score = |number| format!("\"{}\":1", name(number).iter().collect::<String>());
    let scores: Vec<String> = (0..1_670_000).map(score).collect();
    let greedy = format!(
        r#"{{"scenario":{{"id":"greedy"}},"reliability_score":{{"dimension_scores":{{{}}}}}}}"#,
        scores.join(",")
    );
    let mut lines = format!("{ONE}\n{greedy}\n");
    for number in 0..3_000 {
        lines += &format!("{{\"scenario\":{{\"id\":\"after {number}\"}}}}\n");
    }
    let summary = record(&program, &files.write("greedy.jsonl", lines), &[]).ended(0).json();
    assert_eq!((&summary["stored"], &summary["failed"]), (&3_002.into(), &0.into()));
    assert_eq!(summary["warnings"]["scores_omitted"], 1, "{summary}");
    let metrics = program.run(["metrics", summary["simulation_id"].as_str().unwrap(), "--json"]);
    assert_eq!(metrics.ended(0).json_lines().len(), 1_000, "the most that are shown");
}

#[test]
fn each_file_of_a_command_is_a_simulation_and_the_worst_sets_the_exit_code() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let good = files.write("good.json", ONE);
    let bad = files.write("bad.jsonl", format!("{TWO}\n{{}}\n"));
    let missing = files.path("missing.json");
    let run = |paths: &[&PathBuf]| {
        let mut arguments = vec!["record".as_ref(), "--json".as_ref()];
        arguments.extend(paths.iter().map(|path| path.as_os_str()));
        program.run(arguments)
    };
    let both = run(&[&good, &bad]).ended(2).json_lines();
    let [.., last] = &*both else { panic!("no line") };
    assert_eq!((both.len(), &last["summary"]["files"]), (3, &2.into()));
    assert_ne!(both[0]["simulation_id"], both[1]["simulation_id"]);
    assert_eq!((&both[0]["file"], &both[0]["rejected"]), (&"good.json".into(), &0.into()));
    assert_eq!((&both[1]["file"], &both[1]["rejected"]), (&"bad.jsonl".into(), &1.into()));

    let finished = run(&[&missing, &bad, &good]).ended(1);
    assert!(finished.stderr.contains("missing.json"));
    let lines = finished.json_lines();
    let duplicates: Vec<&Value> = lines[..2].iter().map(|summary| &summary["duplicate"]).collect();
    assert_eq!(duplicates, [1, 1], "the files after the missing one are recorded");
    assert_eq!(lines[2]["summary"]["failed_files"], 1);
}

#[test]
fn the_figures_of_a_suite_win_over_the_computed_ones() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    // Figures before the results and after them, which differ from what the results add up to.
    let files = Files::new();
    let results = json!([result("a", "success", 0.5), result("b", "success", 0.7)]);
    let envelope = format!(
        r#"{{"average_reliability_score": 90, "config": {{"results": [1]}}, "results": {results},
            "total_cost_usd": 12.5, "parallel_execution_time": 3}}"#
    );
    let summary = record(&program, &files.write("suite.json", envelope), &[]).ended(0).json();
    assert_eq!(summary["overall_score"], 90.0);
    assert_eq!(summary["total_cost_usd"], 12.5);
    let id = summary["simulation_id"].as_str().unwrap();
    let status = program.run(["status", id, "--json"]).ended(0).json();
    assert_eq!(status["overall_score"], 90.0);
    assert_eq!(status["total_cost_usd"], 12.5);
    assert_eq!(status["execution_time_ms"], 3000.0);
    let kept = database.query(&format!(
        "SELECT (suite_figures->>'total_cost_usd')::float8, (computed_figures->>'overall_score')::float8
         FROM arc_recorder.simulations WHERE simulation_id = '{id}'"
    ));
    assert_eq!((kept[0].get::<_, f64>(0), kept[0].get::<_, f64>(1)), (12.5, 0.6));
}

#[test]
fn figures_of_a_suite_that_are_not_valid_are_left_out_with_a_warning() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let results = json!([result("a", "success", 0.5), result("b", "success", 0.7)]);
    let cases = [
        (r#""total_cost_usd": -1"#, "/total_cost_usd"),
        (r#""average_reliability_score": "high""#, "/average_reliability_score"),
        (r#""average_reliability_score": NaN"#, "/average_reliability_score"),
    ];
    for (number, (figure, path)) in cases.into_iter().enumerate() {
        let text = format!(r#"{{"results": {results}, {figure}}}"#);
        let finished =
            record(&program, &files.write(&format!("{number}.json"), text), &[]).ended(0);
        assert!(finished.stderr.contains("warning"), "{figure}: {}", finished.stderr);
        assert!(finished.stderr.contains(path), "{figure}: {}", finished.stderr);
        let summary = finished.json();
        assert_eq!(summary["overall_score"], 0.6, "{figure}");
        assert_eq!(summary["total_cost_usd"], 1.0, "{figure}");
        assert_eq!(summary["status"], "completed", "{figure}");
    }
}
