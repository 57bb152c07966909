//! The bundled formats, tested with logs of the real tools.

use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use zip::write::SimpleFileOptions;

use super::run;
use crate::support::{Files, Finished, Program, TestDatabase, fixture, shared_data, skip};

/// Returns the path of a file of a format's fixtures.
fn log(name: &str) -> PathBuf {
    fixture("formats").join(name)
}

/// Records a file without naming its format.
#[track_caller]
fn recorded(program: &Program, files: &Files, file: &Path) -> Value {
    run(program, files, &["--json", "record", file.to_str().unwrap()]).ended(0).json()
}

/// Records a file as a simulation of its own.
fn recorded_anew(program: &Program, files: &Files, file: &Path) -> Value {
    run(program, files, &["--json", "record", "--new", file.to_str().unwrap()]).ended(0).json()
}

#[test]
fn every_log_is_recognised_and_recorded_whole() {
    let database = TestDatabase::new();
    let (program, files) = (Program::on(&database), Files::new());
    for (name, format, results) in [
        ("inspect/arithmetic.eval", "inspect", None),
        ("inspect/arithmetic-deflate.eval", "inspect", None),
        ("inspect/arithmetic.json", "inspect", None),
        ("inspect/broken-off.eval", "inspect", None),
        ("inspect/limits.json", "inspect", None),
        ("inspect/old.json", "inspect", None),
        ("promptfoo/results.json", "promptfoo", Some(48)),
        ("promptfoo/results.jsonl", "promptfoo", Some(48)),
        ("openai-evals/capitals.dev.v0.jsonl", "openai-evals", None),
        ("openai-evals/measured.test.v1.jsonl", "openai-evals", None),
        ("otel/traces.json", "otel", None),
        ("otel/collector.jsonl", "otel", None),
    ] {
        // The samples of several runs are in limits.json, with the header of the first.
        let code = if name.ends_with("limits.json") { 2 } else { 0 };
        let path = log(name);
        let record = ["--json", "record", path.to_str().unwrap()];
        let summary = run(&program, &files, &record).ended(code).json();
        assert_eq!(summary["reconciliation"]["agrees"] == false, code == 2, "{name}: {summary}");
        assert_eq!(summary["format"], format, "{name}: {summary}");
        // Two of the logs are of the same run.
        let count = |name: &str| summary[name].as_u64().unwrap();
        let stored = count("stored") + count("duplicate");
        assert!(stored > 0, "{name}: {summary}");
        assert!(results.is_none_or(|results| results == stored), "{name}: {summary}");
        assert_eq!(summary["completed_scenarios"], summary["total_scenarios"], "{name}: {summary}");
        let again = run(&program, &files, &record).ended(code).json();
        assert_eq!(again["duplicate"].as_u64(), Some(stored), "{name}: {again}");
        assert_eq!(again["stored"], 0, "{name}: {again}");
    }
}

#[test]
fn an_error_has_a_code_if_it_names_one_and_a_failed_assertion_is_no_error() {
    let database = TestDatabase::new();
    let (program, files) = (Program::on(&database), Files::new());
    recorded(&program, &files, &log("promptfoo/genuine/errors.json"));
    let rows = database.query(
        "SELECT jsonb_build_array(status, error_code, error_category, count(*))::text
         FROM arc_recorder.outcomes GROUP BY status, error_code, error_category ORDER BY 1",
    );
    let found: Vec<Value> =
        rows.iter().map(|row| serde_json::from_str(row.get(0)).unwrap()).collect();
    assert_eq!(
        found,
        [
            json!(["error", "500", "model_error", 2]),
            json!(["error", "ECONNREFUSED", "network", 2]),
            json!(["success", null, null, 6]),
        ]
    );
}

#[test]
fn an_archive_and_the_same_log_as_json_have_the_same_outcomes() {
    let database = TestDatabase::new();
    let (program, files) = (Program::on(&database), Files::new());
    // Compressed with Zstandard, with deflate, and not at all.
    let summaries =
        ["inspect/arithmetic.eval", "inspect/arithmetic-deflate.eval", "inspect/arithmetic.json"]
            .map(|name| recorded_anew(&program, &files, &log(name)));
    for name in ["stored", "overall_score", "total_tokens", "by_status", "total_scenarios"] {
        assert_eq!(summaries[0][name], summaries[1][name], "{name}");
        assert_eq!(summaries[0][name], summaries[2][name], "{name}");
    }
    // Two epochs are two trials.
    let trials = database.query("SELECT max(trial) FROM arc_recorder.outcomes");
    assert_eq!(trials[0].get::<_, Option<i32>>(0), Some(2));
}

#[test]
fn a_sample_of_an_archive_is_kept_byte_for_byte_with_its_header() {
    let database = TestDatabase::new();
    let (program, files) = (Program::on(&database), Files::new());
    let path = log("inspect/arithmetic-deflate.eval");
    recorded(&program, &files, &path);
    let mut archive = zip::ZipArchive::new(std::fs::File::open(&path).unwrap()).unwrap();
    let mut samples = Vec::new();
    let mut header = String::new();
    for number in 0..archive.len() {
        let mut entry = archive.by_index(number).unwrap();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut entry, &mut text).unwrap();
        if entry.name().unwrap() == "header.json" {
            header = text;
        } else if entry.name().unwrap().starts_with("samples/") {
            samples.push(text);
        }
    }
    let rows = database.query(
        "SELECT document, header FROM arc_recorder.outcomes
         JOIN arc_recorder.documents USING (simulation_id, outcome_id, partition_time)
         JOIN arc_recorder.document_headers USING (header_id)",
    );
    let mut kept: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    kept.sort();
    samples.sort();
    assert_eq!(kept, samples);
    assert!(rows.iter().all(|row| row.get::<_, String>(1) == header));
    let headers = database.query("SELECT count(*) FROM arc_recorder.document_headers");
    assert_eq!(headers[0].get::<_, i64>(0), 1);
}

#[test]
fn a_header_beside_the_samples_is_found_or_named() {
    let database = TestDatabase::new();
    let (program, files) = (Program::on(&database), Files::new());
    let folder = log("lm-eval/one-task");
    let names: Vec<PathBuf> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let of = |start: &str| {
        let begins =
            |path: &&PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(start);
        names.iter().find(begins).unwrap().clone()
    };
    let (samples, results) = (of("samples_"), of("results"));
    let found = recorded(&program, &files, &samples);
    assert_eq!(found["format"], "lm-eval", "{found}");
    // Outside of its folder the file has no header, unless one is named.
    let copied = files.path(samples.file_name().unwrap().to_str().unwrap());
    std::fs::copy(&samples, &copied).unwrap();
    let named = run(
        &program,
        &files,
        &[
            "--json",
            "record",
            "--new",
            "--header",
            results.to_str().unwrap(),
            copied.to_str().unwrap(),
        ],
    );
    let named = named.ended(0).json();
    assert_eq!(named["overall_score"], found["overall_score"]);
    assert_eq!(named["warnings"], found["warnings"]);
    let without = run(&program, &files, &["--json", "record", "--new", copied.to_str().unwrap()]);
    assert!(without.ended(0).json()["warnings"].to_string().contains("header_missing"));
}

#[test]
fn a_broken_archive_is_reported_and_a_damaged_entry_does_not_affect_others() {
    let database = TestDatabase::new();
    let (program, files) = (Program::on(&database), Files::new());
    let bytes = std::fs::read(log("inspect/arithmetic-deflate.eval")).unwrap();
    let cut = files.write("cut.eval", &bytes[..bytes.len() / 2]);
    let refused = run(&program, &files, &["record", cut.to_str().unwrap()]).ended(1);
    assert!(refused.stderr.contains("cannot be read as a zip archive"), "{}", refused.stderr);

    // The first sample's compressed bytes are inverted; its name and the directory stay.
    let name = bytes.windows(8).position(|part| part == b"samples/").unwrap();
    let mut damaged = bytes.clone();
    damaged[name + 60..name + 120].iter_mut().for_each(|byte| *byte ^= 0xff);
    let damaged = files.write("damaged.eval", damaged);
    let whole = recorded(&program, &files, &log("inspect/arithmetic-deflate.eval"));
    let recorded = run(&program, &files, &["--json", "record", damaged.to_str().unwrap()]);
    let recorded = recorded.ended(2).json();
    assert_eq!(recorded["rejected"], 1, "{recorded}");
    assert_eq!(recorded["rejected_results"][0]["code"], "damaged");
    // It is a log of the same run.
    assert_eq!(recorded["simulation_id"], whole["simulation_id"]);
    assert_eq!(recorded["duplicate"].as_u64().unwrap() + 1, whole["stored"].as_u64().unwrap());
}

/// Returns an archive of these entries, which can have the same name.
fn archive(entries: &[(&str, String)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    // The writer refuses the same name twice, so each gets another letter at its end for now.
    let written = |number: usize, name: &str| {
        let letter = char::from(b'A' + u8::try_from(number).unwrap());
        format!("{}{letter}", &name[..name.len() - 1])
    };
    for (number, (name, content)) in entries.iter().enumerate() {
        zip.start_file(written(number, name), options).unwrap();
        zip.write_all(content.as_bytes()).unwrap();
    }
    let mut bytes = zip.finish().unwrap().into_inner();
    for (number, (name, _)) in entries.iter().enumerate() {
        let written = written(number, name);
        for at in 0..bytes.len() - written.len() {
            if bytes[at..].starts_with(written.as_bytes()) {
                bytes[at..at + name.len()].copy_from_slice(name.as_bytes());
            }
        }
    }
    bytes
}

#[test]
fn of_entries_with_the_same_name_the_last_one_counts_as_for_inspect() {
    let database = TestDatabase::new();
    let (program, files) = (Program::on(&database), Files::new());
    let header = |status: &str| {
        let eval = json!({"task": "t", "task_id": "run", "dataset": {"samples": 2}, "model": "m"});
        json!({"version": 2, "status": status, "eval": eval}).to_string()
    };
    let sample = |id: &str, value: &str| {
        json!({"id": id, "epoch": 1, "uuid": format!("{id}-{value}"), "input": "q", "target": "t",
            "scores": {"match": {"value": value}}})
        .to_string()
    };
    // A run that was killed, and continued in the same archive.
    let bytes = archive(&[
        ("header.json", header("started")),
        ("samples/a_epoch_1.json", sample("a", "I")),
        ("samples/b_epoch_1.json", sample("b", "C")),
        ("samples/a_epoch_1.json", sample("a", "C")),
        ("header.json", header("success")),
    ]);
    let recorded = recorded(&program, &files, &files.write("continued.eval", bytes));
    assert_eq!((&recorded["stored"], &recorded["status"]), (&2.into(), &"completed".into()));
    assert_eq!(recorded["headline"]["value"], 1.0, "{recorded}");
    let keys = database.query("SELECT result_key FROM arc_recorder.outcomes ORDER BY result_key");
    let keys: Vec<String> = keys.iter().map(|row| row.get(0)).collect();
    assert_eq!(keys, ["a-C", "b-C"]);
}

#[test]
fn extract_reads_formats_too() {
    let (program, files) = (Program::without_database(), Files::new());
    let path = log("inspect/arithmetic.eval");
    let verdicts = run(&program, &files, &["--json", "validate", path.to_str().unwrap()]).ended(0);
    let verdicts = verdicts.json_lines();
    assert!(!verdicts.is_empty());
    for verdict in verdicts {
        assert_eq!(verdict["verdict"], "accepted", "{verdict}");
    }
}

#[test]
fn replaying_and_extracting_again_use_the_format_and_the_header() {
    let database = TestDatabase::new();
    let (program, files) = (Program::on(&database), Files::new());
    recorded(&program, &files, &log("inspect/arithmetic.eval"));
    let before = database.query("SELECT count(*) FROM arc_recorder.outcomes");
    let stored: i64 = before[0].get(0);
    // The state that an older version of the format would have left.
    database.query(
        "WITH older AS (
             INSERT INTO arc_recorder.extractors (extractor_id, name, version, component_sha256)
             VALUES ('00000000-0000-8000-8000-000000000001', 'inspect', '0.0.1', '\\x00')
             RETURNING extractor_id
         )
         UPDATE arc_recorder.outcomes SET extractor_id = older.extractor_id,
             scenario_name = 'wrong' FROM older",
    );
    let done = run(&program, &files, &["--json", "reextract"]).ended(0).json();
    assert_eq!(done["examined"], stored, "{done}");
    assert_eq!(done["changed"], stored, "{done}");
    let wrong = database.query("SELECT FROM arc_recorder.outcomes WHERE scenario_name = 'wrong'");
    assert_eq!(wrong.len(), 0);
    let again = run(&program, &files, &["--json", "reextract"]).ended(0).json();
    assert_eq!(again["examined"], 0, "{again}");
    run(&program, &files, &["retry-rejected"]).ended(0);
}

#[test]
fn published_logs_are_recorded() {
    let database = TestDatabase::new();
    let (program, files) = (Program::on(&database), Files::new());
    for (name, results) in [
        ("inspect/theory-of-mind.eval", 100),
        ("inspect/security-guide.eval", 16),
        ("inspect/security-guide.json", 3),
        ("lm-eval/samples_math_perturbed_full.jsonl", 0),
    ] {
        let Some(file) = shared_data(name) else {
            skip(name, "the shared data is not there");
            continue;
        };
        let summary = recorded(&program, &files, &file);
        let stored = summary["stored"].as_u64().unwrap();
        assert!(stored > 0 && (results == 0 || stored == results), "{name}: {summary}");
    }
}

#[test]
fn the_component_of_a_format_is_written_as_it_runs() {
    let (program, files) = (Program::without_database(), Files::new());
    let run = |arguments: &[&str]| {
        let mut command = program.command(["--data-dir".as_ref(), files.path("data").as_os_str()]);
        command.args(arguments).current_dir(files.path("")).output().unwrap()
    };
    let list = Finished::from(run(&["formats", "list", "--json"])).ended(0).json_lines();
    assert_eq!(list.len(), 7, "{list:?}");
    for entry in &list {
        let name = entry["name"].as_str().unwrap();
        let written = run(&["component", "--format", name, "--output", "-"]).stdout;
        let digest: [u8; 32] = Sha256::digest(&written).into();
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(entry["sha256"], digest, "{name}");
        // The component contains no path of a machine.
        for text in ["/registry/src/", "/.cargo/", env!("CARGO_MANIFEST_DIR")] {
            let found = written.windows(text.len()).any(|bytes| bytes == text.as_bytes());
            assert!(!found, "{name} contains {text}");
        }
    }
    let core = Finished::from(run(&["component", "--format", "otel", "--core", "--json"])).ended(0);
    assert_eq!(core.json()["file"], "arc-format-otel.core.wasm");
    assert!(
        std::fs::read(files.path("arc-format-otel.core.wasm")).unwrap().starts_with(b"\0asm\x01\0")
    );
    let refused = Finished::from(run(&["component", "--format", "no-such"])).ended(1);
    assert!(refused.stderr.contains("inspect"), "{}", refused.stderr);
}
