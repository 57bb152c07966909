//! Folders, lists of files, and compressed files.

use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;

use reqwest::Method;
use serde_json::Value;

use crate::support::{
    Files, Finished, Program, Service, TestDatabase, fixture, record, result, wait_for,
};

const FILE: (&str, &str) = ("content-type", "application/octet-stream");

/// Copies a fixture's folder.
fn copy(files: &Files, from: &str, to: &str) {
    let folder = fixture(from);
    let mut folders = vec![folder.clone()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(&folder).unwrap().to_str().unwrap();
            files.write(&format!("{to}/{name}"), std::fs::read(&path).unwrap());
        }
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// Runs `record --json` in a folder: returns the files' reports and the summary.
fn record_in(
    program: &Program,
    files: &Files,
    code: i32,
    arguments: &[&str],
) -> (Vec<Value>, Value) {
    let mut command = program.command(["record", "--json"]);
    command.args(arguments).current_dir(files.path("")).stdin(Stdio::null());
    let mut lines = Finished::from(command.output().unwrap()).ended(code).json_lines();
    let summary = lines.pop().unwrap()["summary"].take();
    (lines, summary)
}

/// Returns members of a value.
fn members<const N: usize>(value: &Value, names: [&str; N]) -> [u64; N] {
    names.map(|name| value[name].as_u64().unwrap_or_else(|| panic!("{name} in {value}")))
}

const COUNTS: [&str; 4] = ["files", "simulations", "stored", "other_files"];

#[test]
fn the_folder_of_a_job_is_one_simulation() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    copy(&files, "formats/harbor/job-folder", "jobs/job");
    for other in ["jobs/job/job.log", "jobs/job/config.json", "jobs/job/good__x/agent/oracle.txt"] {
        files.write(other, r#"{"job_name": "job", "jobs_dir": "jobs"}"#);
    }
    files.write("jobs/.hidden/result.json", "{}");
    symlink("..", files.path("jobs/job/loop")).unwrap();
    let (reports, summary) = record_in(&program, &files, 0, &["jobs"]);
    assert_eq!(members(&summary, COUNTS), [1, 1, 10, 3], "{summary}");
    let [job] = &*reports else { panic!("{reports:?}") };
    assert_eq!(job["file"], "jobs/job/result.json");
    assert_eq!((&job["simulation_name"], &job["format"]), (&"jobs/job".into(), &"harbor".into()));
    assert_eq!((&job["stored"], &job["total_scenarios"]), (&10.into(), &10.into()), "{job}");
    assert_eq!(job["headline"]["value"], 0.6875);
    assert_eq!(job["reconciliation"]["agrees"], true);
    let id = job["simulation_id"].as_str().unwrap();
    let status = program.run(["status", id, "--json"]).ended(0).json();
    assert_eq!(status["metadata"]["recorded_from"], "jobs/job/result.json");

    // Its own file, its trials and both together are the same results.
    for paths in [
        &["jobs/job/result.json"][..],
        &["jobs/job/good__kScqWVz/result.json"],
        &["jobs/job/good__kScqWVz/result.json", "jobs/job/result.json", "jobs/job"],
    ] {
        let mut command = program.command(["record", "--json"]);
        command.args(paths).current_dir(files.path(""));
        let lines = Finished::from(command.output().unwrap()).ended(0).json_lines();
        assert_eq!((&lines[0]["simulation_id"], &lines[0]["stored"]), (&id.into(), &0.into()));
        assert_eq!(lines.len(), if paths.len() == 1 { 1 } else { 2 }, "{lines:?}");
    }

    // Without its trials, the file of the job is an error that names the expected files.
    let alone = files
        .write("apart/result.json", std::fs::read(files.path("jobs/job/result.json")).unwrap());
    let refused = record(&program, &alone, &[]).ended(1);
    assert!(refused.stderr.contains("in other files, */result.json"), "{}", refused.stderr);
    let service = Service::start(&program, &files, &[]);
    let text = std::fs::read(alone).unwrap();
    let sent = service.send(Method::POST, "/v1/files?file_name=result.json", &[FILE], text);
    let problem = sent.has_problem(400, "invalid_request");
    assert!(problem["detail"].as_str().unwrap().contains("*/result.json"), "{problem}");
    assert_eq!(database.count("SELECT count(*) FROM arc_recorder.simulations"), 1);
}

#[test]
fn trials_beside_a_job_count_once() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    copy(&files, "formats/harbor/three-trials-each", "job");
    let (reports, summary) = record_in(&program, &files, 0, &["job"]);
    let [.., last] = &*reports else { panic!("{reports:?}") };
    assert_eq!(members(&summary, COUNTS)[1], 1, "{summary}");
    assert_eq!(
        (&last["overall_score"], &last["total_scenarios"]),
        (&0.5.into(), &6.into()),
        "{last}"
    );
    assert_eq!(last["by_status"]["success"], 6);

    copy(&files, "formats/harbor/terminal-bench", "bench");
    let run = std::fs::read(files.path("bench/results.json")).unwrap();
    let trial = std::fs::read(files.path("bench/trial.json")).unwrap();
    files.write("runs/one/results.json", run);
    files.write("runs/one/hello-world/hello-world.1-of-2.one/results.json", trial);
    let (reports, summary) = record_in(&program, &files, 0, &["runs"]);
    assert_eq!(
        members(&summary, ["files", "simulations", "other_files"]),
        [1, 1, 0],
        "{reports:?}"
    );
}

#[test]
fn samples_have_the_task_of_their_name_and_results_of_their_date() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    copy(&files, "formats/lm-eval/group-of-tasks", "group");
    copy(&files, "formats/lm-eval/results-of-another-run", "another");
    let (reports, summary) = record_in(&program, &files, 0, &["group", "another"]);
    assert_eq!(members(&summary, COUNTS), [3, 3, 42, 1], "{summary}");
    let expected = [("mmlu_anatomy", 12, 0.25), ("mmlu_virology", 15, 1.0 / 3.0)];
    for (report, (task, documents, score)) in reports.iter().zip(expected) {
        check_task(&program, report, task, documents, score);
        assert_eq!(report["reconciliation"]["agrees"], true, "{report}");
        assert_eq!(report["warnings"], serde_json::json!({}));
    }
    check_task(&program, &reports[2], "mmlu_virology", 15, 1.0 / 3.0);
    assert_eq!(reports[2]["warnings"]["header_missing"], 15);
    assert_eq!(reports[2]["reconciliation"], Value::Null);

    // A named companion is no file of its own.
    let names = std::fs::read_dir(files.path("group")).unwrap();
    let names: Vec<String> =
        names.map(|it| format!("group/{}", it.unwrap().file_name().to_str().unwrap())).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (again, summary) = record_in(&program, &files, 0, &names);
    assert_eq!((again.len(), members(&summary, COUNTS)), (2, [2, 2, 0, 0]));

    // The service gets the samples only: their name has the task.
    let service = Service::start(&program, &files, &[]);
    let samples = "samples_mmlu_virology_2026-11-29T15-43-33.901078.jsonl";
    let text = std::fs::read(files.path(&format!("group/{samples}"))).unwrap();
    let path = format!("/v1/files?file_name={samples}");
    let sent = service.send(Method::POST, &path, &[FILE], text).has(200).json();
    check_task(&program, &sent, "mmlu_virology", 15, 1.0 / 3.0);
    assert_eq!(sent["warnings"]["header_missing"], 15);
}

fn check_task(program: &Program, report: &Value, task: &str, documents: usize, score: f64) {
    assert!((report["overall_score"].as_f64().unwrap() - score).abs() < 1e-9, "{report}");
    let id = report["simulation_id"].as_str().unwrap();
    let outcomes = program.run(["outcomes", id, "--json"]).ended(0).json_lines();
    let mut found: Vec<String> = outcomes
        .iter()
        .map(|outcome| outcome["scenario_id"].as_str().unwrap().to_owned())
        .collect();
    let mut expected: Vec<String> =
        (0..documents).map(|number| format!("{task}/{number}")).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn compressed_files_are_read_under_their_inner_names() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    // Without the lines of a .jsonl, a blank line between results would be none.
    let text = format!("{}\n\n{}\n", result("one", "success", 1.0), result("two", "error", 0.0));
    let plain = files.write("plain/some.jsonl", &text);
    let plain = record(&program, &plain, &[]).ended(0).json();
    let zstd = zstd::encode_all(text.as_bytes(), 0).unwrap();
    let service = Service::start(&program, &files, &[]);
    for (name, bytes) in [
        ("some.jsonl.gz", gzip(text.as_bytes())),
        ("some.jsonl.zst", zstd.clone()),
        ("some.jsonl", zstd),
    ] {
        let path = files.write(&format!("packed/{name}"), &bytes);
        let recorded = record(&program, &path, &[]).ended(0).json();
        assert_eq!(recorded["simulation_id"], plain["simulation_id"], "{name}");
        assert_eq!((&recorded["duplicate"], &recorded["file"]), (&2.into(), &"some.jsonl".into()));
        let path = format!("/v1/files?file_name={name}");
        let sent = service.send(Method::POST, &path, &[FILE], bytes).has(200).json();
        assert_eq!(sent["simulation_id"], plain["simulation_id"], "{name}");
        assert_eq!((&sent["duplicate"], &sent["file"]), (&2.into(), &"some.jsonl".into()));
    }
    let standard_input = |bytes: &[u8]| program.run_with_input(["record", "--json", "-"], bytes);
    assert_eq!(standard_input(&gzip(text.as_bytes())).ended(0).json()["stored"], 2);

    let whole = gzip(text.as_bytes());
    let cut = files.write("cut.jsonl.gz", &whole[..whole.len() - 6]);
    let refused = record(&program, &cut, &[]).ended(1);
    assert!(refused.stderr.contains("could not decompress"), "{}", refused.stderr);
    let sent = service.send(Method::POST, "/v1/files", &[FILE], whole[..whole.len() - 6].to_vec());
    sent.has_problem(400, "invalid_request");

    // The files of a run can be compressed, too.
    copy(&files, "formats/harbor/job-folder", "job");
    copy(&files, "formats/lm-eval/group-of-tasks", "group");
    let (_, plain) = record_in(&program, &files, 0, &["job", "group"]);
    for folder in ["job/good__kScqWVz", "job/good__vjL4jLT", "job", "group"] {
        for entry in std::fs::read_dir(files.path(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let packed = format!("{}.gz", path.display());
                std::fs::write(packed, gzip(&std::fs::read(&path).unwrap())).unwrap();
                std::fs::remove_file(path).unwrap();
            }
        }
    }
    let (_, packed) = record_in(&program, &files, 0, &["job", "group"]);
    assert_eq!(members(&plain, ["stored", "duplicate"]), [37, 0]);
    assert_eq!(members(&packed, ["stored", "duplicate"]), [0, 37]);
}

#[test]
fn a_list_names_the_files() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    for name in ["a/results.json", "b c/results.json", "d/other.txt"] {
        files.write(name, result(name, "success", 1.0).to_string());
    }
    let lines = files.write("list", "a/results.json\r\n\nb c/results.json\n");
    let list = lines.to_str().unwrap();
    let (reports, summary) = record_in(&program, &files, 0, &["--files-from", list, "a"]);
    assert_eq!(members(&summary, COUNTS), [2, 2, 2, 0], "a file that is found twice is one");
    let found: Vec<&Value> = reports.iter().map(|it| &it["file"]).collect();
    assert_eq!(found, ["a/results.json", "b c/results.json"]);
    let names: Vec<&Value> = reports.iter().map(|it| &it["simulation_name"]).collect();
    assert_eq!(names, ["a/results", "b c/results"]);

    let mut command = program.command(["record", "--json", "--files-from", "-", "-0"]);
    command.current_dir(files.path("")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = command.stderr(Stdio::piped()).spawn().unwrap();
    running.stdin.take().unwrap().write_all(b"b c/results.json\0a/results.json\0").unwrap();
    let lines = Finished::from(running.wait_with_output().unwrap()).ended(0).json_lines();
    let duplicate = lines[..2].iter().map(|it| it["duplicate"].as_u64().unwrap());
    assert_eq!((lines.len(), duplicate.sum::<u64>()), (3, 2));
    let empty = program.run_with_input(["record", "--files-from", "-"], b"\n").ended(1);
    assert!(empty.stderr.contains("the list of files is empty"), "{}", empty.stderr);
}

#[test]
fn many_files_are_one_simulation_on_request() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    for number in 0..3 {
        let text = result(&format!("scenario-{number}"), "success", f64::from(number) / 2.0);
        files.write(&format!("runs/{number}/results.json"), text.to_string());
    }
    let (reports, summary) = record_in(&program, &files, 0, &["runs", "--one-simulation"]);
    assert_eq!(members(&summary, COUNTS), [3, 1, 3, 0]);
    let id = reports[0]["simulation_id"].as_str().unwrap();
    let status = program.run(["status", id, "--json"]).ended(0).json();
    assert_eq!(
        (&status["simulation_name"], &status["status"]),
        (&"runs".into(), &"completed".into())
    );
    assert_eq!((&status["total_scenarios"], &status["overall_score"]), (&3.into(), &0.5.into()));
    let (_, again) = record_in(&program, &files, 0, &["runs", "--one-simulation"]);
    assert_eq!(members(&again, ["simulations", "stored", "duplicate"]), [1, 0, 3]);

    // A named one, which does not exist yet, over a service, and one that exists.
    let named = "0190b2d4-7c5e-7a10-8000-000000000001";
    let service = Service::start(&program, &files, &[]);
    for (program, stored) in [(&service.program(), 3), (&program, 0)] {
        let (_, summary) = record_in(program, &files, 0, &["runs", "--simulation", named]);
        assert_eq!(members(&summary, ["simulations", "stored"]), [1, stored]);
        let status = program.run(["status", named, "--json"]).ended(0).json();
        assert_eq!(
            (&status["status"], &status["total_scenarios"]),
            (&"completed".into(), &3.into())
        );
    }
    // Otherwise each is one.
    let (_, apart) = record_in(&program, &files, 0, &["runs"]);
    assert_eq!(members(&apart, COUNTS), [3, 3, 3, 0]);
}

#[test]
fn a_folder_without_results_is_an_error() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    std::fs::create_dir(files.path("empty")).unwrap();
    files.write("other/notes.txt", "no results");
    files.write("other/image.png", b"\x89PNG\r\n");
    files.write("good/results.json", result("one", "success", 1.0).to_string());
    files.write("good/cut.json.gz", b"\x1f\x8b\x08");
    let (reports, summary) =
        record_in(&program, &files, 1, &["empty", "other", "good", "missing.json"]);
    assert_eq!((reports.len(), members(&summary, COUNTS)), (1, [1, 1, 1, 2]));
    let failures = summary["failures"].as_array().unwrap();
    let failed: Vec<&str> = failures.iter().map(|it| it["error"].as_str().unwrap()).collect();
    assert_eq!(summary["failed_files"], 4, "{failed:?}");
    for part in ["empty has no files", "other has no results", "cut.json.gz", "missing.json"] {
        assert!(failed.iter().any(|error| error.contains(part)), "{part}: {failed:?}");
    }
    let shown = program.command(["record", "other"]).current_dir(files.path("")).output().unwrap();
    let shown = Finished::from(shown).ended(1);
    assert!(shown.stderr.contains("known formats: arc-guide, harbor"), "{}", shown.stderr);
    assert_eq!(database.count("SELECT count(*) FROM arc_recorder.simulations"), 1);

    // No file without results is a success.
    let suite = files.write("suite.json", r#"{"suite": "s", "results": []}"#);
    let recorded = record(&program, &suite, &["--format", "arc-guide"]).ended(2).json();
    assert_eq!(recorded["notes"][0], "suite.json has no result");
    let table = files.write("report.json", r#"{"submitted_instances": 3, "resolved_ids": ["a"]}"#);
    let refused = record(&program, &table, &[]).ended(1);
    assert!(refused.stderr.contains("looks like a report of SWE-bench"), "{}", refused.stderr);
}

#[test]
fn many_files_have_one_summary_on_80_columns() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    for number in 0..40 {
        let text = result(&format!("scenario-{number}"), "success", 1.0);
        files.write(&format!("runs/{number:02}/results.json"), text.to_string());
    }
    for number in 0..12 {
        files.write(&format!("runs/{number:02}/broken.json.gz"), b"\x1f\x8b\x08");
    }
    files.write("runs/rejected.json", r#"{"scenario": {}, "reliability_score": "much"}"#);
    let mut command = program.command(["record", "runs"]);
    let finished = Finished::from(command.current_dir(files.path("")).output().unwrap()).ended(1);
    let lines: Vec<&str> = finished.stdout.lines().collect();
    assert!(lines[0].starts_with("runs/rejected.json: 1 result as simulation"), "{lines:?}");
    let total = lines.iter().position(|line| line.starts_with("total:")).unwrap();
    assert_eq!(lines[total], "total: 41 files as 41 simulations");
    let summary = lines[total..].join("\n");
    for part in ["stored        40", "rejected      1", "failed files  12"] {
        assert!(summary.contains(part), "{part} in {summary}");
    }
    assert!(lines.len() < 30 && lines[total..].iter().all(|line| line.len() <= 80), "{summary}");
    assert_eq!(finished.stderr.matches("error:").count(), 10, "{}", finished.stderr);
    assert!(finished.stderr.contains("… and 2 more files"), "{}", finished.stderr);
}

#[test]
fn an_interrupted_folder_is_completed_by_the_same_command() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    for number in 0..1_500 {
        let text = result(&format!("scenario-{number}"), "success", 1.0);
        files.write(&format!("runs/{number:04}.json"), text.to_string());
    }
    let mut command = program.command(["record", "--json", "runs"]);
    command.current_dir(files.path("")).stdout(Stdio::piped()).stderr(Stdio::piped());
    let running = command.spawn().unwrap();
    wait_for("the first files", || {
        database.count("SELECT count(*) FROM arc_recorder.outcomes") > 20
    });
    let interrupt = nix::sys::signal::Signal::SIGINT;
    let process = nix::unistd::Pid::from_raw(running.id().try_into().unwrap());
    nix::sys::signal::kill(process, interrupt).unwrap();
    let mut lines = Finished::from(running.wait_with_output().unwrap()).ended(130).json_lines();
    let first = lines.pop().unwrap()["summary"].take();
    let [stored, recorded, stopped] = members(&first, ["stored", "files", "stopped_files"]);
    assert!(stored > 20 && stopped > 0 && recorded + stopped == 1_500, "{first}");
    let (_, second) = record_in(&program, &files, 0, &["runs"]);
    let again = members(&second, ["simulations", "stored", "duplicate"]);
    assert_eq!(again, [1_500, 1_500 - stored, stored]);
    let running = "SELECT count(*) FROM arc_recorder.simulations WHERE status <> 'completed'";
    assert_eq!(database.count(running), 0);
}

#[test]
fn a_file_of_a_folder_is_recorded_like_one_that_is_named() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let file = files.write("runs/results.json", result("one", "success", 1.0).to_string());
    let named = record(&program, &file, &[]).ended(0).json();
    let (reports, _) = record_in(&program, &files, 0, &["runs"]);
    assert_eq!(reports[0]["simulation_id"], named["simulation_id"]);
    let named = record(&program, Path::new("-"), &["--name", "x"]);
    assert!(named.stderr.contains("standard input holds no results"), "{}", named.stderr);
}

#[test]
fn a_file_whose_first_result_is_refused_is_recorded_and_a_cut_off_one_is_named() {
    let database = TestDatabase::new();
    let (program, files) = (Program::on(&database), Files::new());
    let fine = [result("a", "success", 1.0), result("b", "error", 0.0)].map(|it| it.to_string());
    let lines = format!("{{\"nothing\": 1}}\n{}\n{{\"scenario\": {{\n", fine.join("\n"));
    files.write("logs/first.jsonl", lines);
    files.write("logs/cut.json", "{\"scenario\": {");
    files.write("logs/settings.json", "{\"retries\": 3}");
    let record = ["record", files.path("logs").to_str().unwrap(), "--verbose"].map(str::to_owned);
    let recorded = program.run(&record).ended(1);
    assert!(recorded.stdout.contains("stored     2"), "{}", recorded.stdout);
    assert!(recorded.stdout.contains("rejected line 1: missing_scenario"), "{}", recorded.stdout);
    assert!(recorded.stdout.contains("rejected line 4: "), "{}", recorded.stdout);
    assert!(recorded.stdout.contains("without results: logs/settings.json"), "{}", recorded.stdout);
    assert!(recorded.stderr.contains("cut.json has no result: "), "{}", recorded.stderr);
}

#[test]
fn one_simulation_of_several_logs_has_who_ran_what() {
    let database = TestDatabase::new();
    let (program, files) = (Program::on(&database), Files::new());
    let log = |name: &str| fixture(name).to_str().unwrap().to_owned();
    let logs = ["inspect/cases/judge-1-to-10.eval", "inspect/genuine/roles.eval"];
    let logs = logs.map(|name| log(&format!("formats/{name}")));
    let shown = program.run(["record", "--one-simulation", &logs[0], &logs[1]]).ended(0).stdout;
    assert!(shown.contains("mockllm/model, mockllm/agent"), "{shown}");
    let status = program.run(["status", "latest", "--json"]).ended(0).json();
    assert_eq!(status["models"], serde_json::json!(["mockllm/model", "mockllm/agent"]));
    assert_eq!((&status["task"], &status["tool"]), (&"likert, roles".into(), &"inspect_ai".into()));
    drop(files);
}
