//! `arc-host export`: the same outcomes in every format, as complete files or not at all.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Stdio;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array as _, RecordBatch};
use arrow_schema::DataType;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{LogicalType, TimeUnit, Type};
use serde_json::{Map, Value, json};

use crate::support::{Files, Finished, Program, Service, TestDatabase, fixture, record, result};

/// Texts that a spreadsheet, a careless program or a terminal could mishandle.
const ODD: [&str; 8] =
    ["=1+1", "comma, \"quote\"", "two\r\nlines", " spaces ", "\u{1f600} é", "-", "#N/A", "a\tb"];

/// Creates a database with three simulations: the fixtures, odd names, and a scenario that was run
/// again.
fn filled(files: &Files) -> (TestDatabase, Program, Vec<String>) {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let mut odd: Vec<Value> = ODD.iter().map(|name| result(name, "error", 0.25)).collect();
    for (result, name) in odd.iter_mut().zip(ODD) {
        result["trajectory"]["error"] = name.into();
        result["scenario"]["name"] = name.into();
    }
    odd.push(
        json!({"scenario": {"id": "nameless", "name": ""}, "trajectory": {"status": "timeout"}}),
    );
    let again = [result("a", "error", 0.0), result("a", "success", 1.0), result("a", "error", 0.1)];
    let paths = [
        fixture("results.jsonl"),
        files.write_lines("odd.jsonl", &odd),
        files.write_lines("again.jsonl", &again),
    ];
    let id = |path: &Path| {
        record(&program, path, &[]).json()["simulation_id"].as_str().unwrap().to_owned()
    };
    let ids = paths.iter().map(|path| id(path)).collect();
    (database, program, ids)
}

/// Returns the lines of `arc-host outcomes --json`, each with its simulation.
fn outcomes(program: &Program, simulation: &str, options: &[&str]) -> Vec<Map<String, Value>> {
    let listed = program.run([&["outcomes", simulation, "--json"], options].concat()).ended(0);
    listed
        .stdout
        .lines()
        .map(|line| {
            let mut outcome: Map<String, Value> = serde_json::from_str(line).unwrap();
            outcome.insert("simulation_id".to_owned(), simulation.into());
            outcome
        })
        .collect()
}

fn lines(text: &str) -> Vec<Map<String, Value>> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Parses a file of RFC 4180; a field that is empty and not quoted is `None`.
fn comma_separated(text: &str) -> Vec<Vec<Option<String>>> {
    let (mut records, mut record, mut rest) = (Vec::new(), Vec::new(), text);
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (mut value, mut left) = (String::new(), quoted);
            loop {
                let (part, after) = left.split_once('"').unwrap();
                value.push_str(part);
                match after.strip_prefix('"') {
                    Some(after) => {
                        value.push('"');
                        left = after;
                    }
                    None => {
                        rest = after;
                        break;
                    }
                }
            }
            record.push(Some(value));
        } else {
            let end = rest.find([',', '\r']).unwrap();
            let (value, after) = rest.split_at(end);
            record.push((!value.is_empty()).then(|| value.to_owned()));
            rest = after;
        }
        if let Some(after) = rest.strip_prefix("\r\n") {
            records.push(std::mem::take(&mut record));
            rest = after;
        } else {
            rest = rest.strip_prefix(',').unwrap();
        }
    }
    assert!(record.is_empty(), "the last line ends");
    records
}

fn parquet(path: &Path) -> Vec<RecordBatch> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    reader.build().unwrap().map(Result::unwrap).collect()
}

/// Converts a value of Arrow to JSON.
fn value(batch: &RecordBatch, name: &str, row: usize) -> Value {
    let column = batch.column_by_name(name).unwrap();
    if column.is_null(row) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Utf8 => {
            let text = column.as_string::<i32>().value(row);
            match name {
                "metrics" | "warnings" | "scores" | "invalidation" => {
                    serde_json::from_str(text).unwrap()
                }
                _ => text.into(),
            }
        }
        DataType::Int32 => column.as_primitive::<Int32Type>().value(row).into(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).into(),
        DataType::Float64 => column.as_primitive::<Float64Type>().value(row).into(),
        DataType::Timestamp(..) => {
            let microseconds = column.as_primitive::<TimestampMicrosecondType>().value(row);
            jiff::Timestamp::from_microsecond(microseconds).unwrap().to_string().into()
        }
        other => panic!("{name} is {other}"),
    }
}

#[test]
fn every_format_has_the_outcomes_as_they_are_listed() {
    let files = Files::new();
    let (_database, program, ids) = filled(&files);
    let expected: Vec<Map<String, Value>> =
        ids.iter().flat_map(|id| outcomes(&program, id, &[])).collect();
    assert_eq!(expected.len(), 240 + ODD.len() + 1 + 3);

    let json_lines = program.run(["export", "--format", "jsonl"]).ended(0);
    assert_eq!(lines(&json_lines.stdout), expected);
    assert_eq!(json_lines.stderr, "");

    let separated = program.run(["export", "--format", "csv"]).ended(0).stdout;
    let mut records = comma_separated(&separated).into_iter();
    let names: Vec<String> = records.next().unwrap().into_iter().flatten().collect();
    let records: Vec<_> = records.collect();
    assert_eq!(records.len(), expected.len());
    for (record, outcome) in records.iter().zip(&expected) {
        assert_eq!(record.len(), names.len());
        assert_eq!(record.len(), outcome.len());
        for (name, field) in names.iter().zip(record) {
            let known = &outcome[name];
            let read = match (field, known) {
                (None, _) => Value::Null,
                (Some(text), Value::String(_)) => text.as_str().into(),
                (Some(text), Value::Number(number)) if number.is_f64() => {
                    text.parse::<f64>().unwrap().into()
                }
                (Some(text), _) => serde_json::from_str(text).unwrap(),
            };
            assert_eq!(&read, known, "{name}");
        }
    }

    let path = files.path("outcomes.parquet");
    let reported = program.run(["export".as_ref(), "--output".as_ref(), path.as_os_str()]).ended(0);
    assert!(reported.stdout.contains("252 outcomes of 3 simulations"), "{}", reported.stdout);
    let batches = parquet(&path);
    let mut rows = Vec::new();
    for batch in &batches {
        let schema = batch.schema();
        for row in 0..batch.num_rows() {
            rows.push(
                schema
                    .fields()
                    .iter()
                    .map(|field| (field.name().clone(), value(batch, field.name(), row)))
                    .collect::<Map<String, Value>>(),
            );
        }
    }
    assert_eq!(rows, expected);
    let column_names: Vec<String> =
        batches[0].schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(column_names, names, "in the same order");
}

#[test]
fn parquet_files_declare_their_columns() {
    let files = Files::new();
    let (_database, program, _) = filled(&files);
    let path = files.path("outcomes.parquet");
    let options = ["export", "--documents", "--output"].map(std::ffi::OsStr::new);
    program.run([&options[..], &[path.as_os_str()]].concat()).ended(0);
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap()).unwrap();
    let schema = reader.parquet_schema();
    let time = Some(LogicalType::timestamp(true, TimeUnit::MICROS));
    let text = Some(LogicalType::String);
    let kinds = [
        ("simulation_id", Type::BYTE_ARRAY, text.clone(), false),
        ("scenario_name", Type::BYTE_ARRAY, text.clone(), true),
        ("trial", Type::INT32, None, false),
        ("attempt", Type::INT64, None, false),
        ("execution_time", Type::INT64, time.clone(), false),
        ("received_at", Type::INT64, time, false),
        ("reliability_score", Type::DOUBLE, None, true),
        ("tokens_used", Type::INT64, None, false),
        ("cost_usd", Type::DOUBLE, None, false),
        ("warnings", Type::BYTE_ARRAY, text.clone(), true),
        ("document", Type::BYTE_ARRAY, text, false),
    ];
    for (name, physical, logical, nullable) in kinds {
        let column =
            schema.columns().iter().find(|column| column.name() == name).expect("the column");
        assert_eq!(column.physical_type(), physical, "{name}");
        assert_eq!(column.logical_type_ref().cloned(), logical, "{name}");
        assert_eq!(column.max_def_level() > 0, nullable, "{name}");
    }
    let tokens: i64 = parquet(&path)
        .iter()
        .map(|batch| {
            let column = batch.column_by_name("tokens_used").unwrap();
            column.as_primitive::<Int64Type>().values().iter().sum::<i64>()
        })
        .sum();
    assert!(tokens > i64::from(u32::MAX), "beyond 32 bits: {tokens}");
}

#[test]
fn documents_come_byte_for_byte() {
    let files = Files::new();
    let (_database, program, ids) = filled(&files);
    for id in &ids {
        let documents = program.run(["outcomes", id, "--documents"]).ended(0).stdout;
        let exported = program.run(["export", id, "--format", "jsonl", "--documents"]).ended(0);
        let text: String = lines(&exported.stdout)
            .iter()
            .map(|line| format!("{}\n", line["document"].as_str().unwrap()))
            .collect();
        assert!(text == documents, "jsonl of {id}");
        let exported = program.run(["export", id, "--format", "csv", "--documents"]).ended(0);
        let text: String = comma_separated(&exported.stdout)[1..]
            .iter()
            .map(|record| format!("{}\n", record.last().unwrap().as_ref().unwrap()))
            .collect();
        assert!(text == documents, "csv of {id}");
        let path = files.path("documents.parquet");
        let arguments = ["export", id, "--documents", "--output", path.to_str().unwrap()];
        program.run(arguments).ended(0);
        let mut text = String::new();
        for batch in parquet(&path) {
            for document in batch.column_by_name("document").unwrap().as_string::<i32>() {
                text.push_str(document.unwrap());
                text.push('\n');
            }
        }
        assert!(text == documents, "parquet of {id}");
    }
}

#[test]
fn large_documents_go_through() {
    const BYTES: usize = 3 << 20;
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let results: Vec<Value> = (0..20)
        .map(|number| {
            let mut result = result(&format!("s-{number:02}"), "success", 1.0);
            result["trajectory"]["final_response"] = format!("{number}").repeat(BYTES / 2).into();
            result
        })
        .collect();
    let path = files.write_lines("large.jsonl", &results);
    record(&program, &path, &[]).ended(0);
    let path = files.path("large.parquet");
    let arguments = ["export", "--documents", "--output", path.to_str().unwrap(), "--json"];
    let reported = program.run(arguments).ended(0).json();
    assert_eq!((&reported["outcomes"], &reported["format"]), (&json!(20), &json!("parquet")));
    assert_eq!(reported["bytes"], fs::metadata(&path).unwrap().len());
    let mut read = Vec::new();
    for batch in parquet(&path) {
        for document in batch.column_by_name("document").unwrap().as_string::<i32>() {
            read.push(serde_json::from_str::<Value>(document.unwrap()).unwrap());
        }
    }
    assert!(read == results, "{} documents", read.len());
}

#[test]
fn some_simulations_and_some_outcomes_are_exported() {
    let files = Files::new();
    let (_database, program, ids) = filled(&files);
    let [first, odd, again] = [&ids[0], &ids[1], &ids[2]];
    let exported = |arguments: &[&str]| {
        lines(&program.run([&["export", "--format", "jsonl"], arguments].concat()).ended(0).stdout)
    };
    // The simulations are exported in the order in which they are named, each once.
    let both = exported(&[again, odd, again]);
    let expected = [outcomes(&program, again, &[]), outcomes(&program, odd, &[])].concat();
    assert_eq!(both, expected);
    for options in [&["--status", "error"][..], &["--scenario", "a"], &["--scenario", "absent"]] {
        assert_eq!(
            exported(&[&[again.as_str()], options].concat()),
            outcomes(&program, again, options)
        );
        let all: Vec<_> = ids.iter().flat_map(|id| outcomes(&program, id, options)).collect();
        assert_eq!(exported(options), all, "{options:?}");
    }
    // A filter leaves attempts out and does not renumber them.
    let errors = exported(&[again, "--status", "error"]);
    let attempts: Vec<i64> = errors.iter().map(|line| line["attempt"].as_i64().unwrap()).collect();
    assert_eq!(attempts, [1, 3]);

    let path = files.path("none.jsonl");
    let absent = uuid::Uuid::nil().to_string();
    let arguments = ["export", first, &absent, "--output", path.to_str().unwrap()];
    let refused = program.run(arguments).ended(1);
    assert!(refused.stderr.contains(&absent), "{}", refused.stderr);
    assert!(!path.exists());
    // An export without outcomes is a complete file, too.
    for name in ["none.csv", "none.parquet", "none.jsonl"] {
        let path = files.path(name);
        program
            .run(["export", again, "--scenario", "absent", "-o", path.to_str().unwrap()])
            .ended(0);
        assert!(path.exists(), "{name}");
    }
    assert_eq!(fs::read_to_string(files.path("none.csv")).unwrap().lines().count(), 1);
    assert_eq!(parquet(&files.path("none.parquet")).len(), 0);
}

#[test]
fn a_service_exports_the_same_as_its_database() {
    let files = Files::new();
    let (_database, program, ids) = filled(&files);
    let service = Service::start(&program, &files, &[]);
    let over = Program::on_service(service.url());
    for arguments in [
        &["export", "--format", "jsonl"][..],
        &["export", "--format", "csv", &ids[1], "--documents"],
        &["export", "--format", "jsonl", &ids[2], "--status", "error"],
    ] {
        let inside = program.run(arguments).ended(0).stdout;
        let outside = over.run(arguments).ended(0).stdout;
        if arguments.contains(&"jsonl") {
            assert_eq!(lines(&outside), lines(&inside), "{arguments:?}");
        } else {
            // The same JSON can be formatted differently.
            let columns = |text: &str| {
                let mut records = comma_separated(text);
                let json = ["scores", "invalidation", "metrics", "warnings"].map(|name| {
                    let is_named = |field: &Option<String>| field.as_deref() == Some(name);
                    records[0].iter().position(is_named).unwrap()
                });
                for record in records.iter_mut().skip(1) {
                    for place in json {
                        record[place] = record[place]
                            .take()
                            .map(|text| serde_json::from_str::<Value>(&text).unwrap().to_string());
                    }
                }
                records
            };
            assert_eq!(columns(&outside), columns(&inside), "{arguments:?}");
        }
    }
    let absent = uuid::Uuid::nil().to_string();
    let refused = over.run(["export", "--format", "csv", &absent]).ended(1);
    assert!(refused.stderr.contains(&absent), "{}", refused.stderr);
}

#[test]
fn the_format_is_named_or_the_file_s() {
    let files = Files::new();
    let (_database, program, ids) = filled(&files);
    for name in ["a.csv", "a.PARQUET", "a.jsonl"] {
        let path = files.path(name);
        program.run(["export", &ids[2], "-o", path.to_str().unwrap()]).ended(0);
        let begun = fs::read(&path).unwrap();
        let begins: &[u8] = match name {
            "a.csv" => b"simulation_id,outcome_id,",
            "a.PARQUET" => b"PAR1",
            _ => b"{\"simulation_id\":\"",
        };
        assert!(begun.starts_with(begins), "{name}");
    }
    for arguments in [&["export"][..], &["export", "-o", "a.txt"]] {
        let refused = program.run(arguments).ended(1);
        assert!(refused.stderr.contains("--format parquet, csv or jsonl"), "{}", refused.stderr);
    }
    let piped = program.command(["export", "--format", "parquet"]).output().unwrap();
    assert!(piped.stdout.starts_with(b"PAR1") && piped.stdout.ends_with(b"PAR1"));
}

#[test]
fn a_file_takes_the_place_of_another_as_files_do() {
    let files = Files::new();
    let (_database, program, ids) = filled(&files);
    let path = files.write("out/outcomes.csv", "old");
    let link = files.path("out/link.csv");
    symlink("outcomes.csv", &link).unwrap();
    program.run(["export", &ids[2], "-o", link.to_str().unwrap()]).ended(0);
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 4);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    let made = fs::metadata(files.write("usual", "")).unwrap().permissions().mode();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode(), made);
    assert_eq!(fs::read_dir(files.path("out")).unwrap().count(), 2, "no temporary file is left");

    let folder = files.path("out");
    let refused =
        program.run(["export", "--format", "csv", "-o", folder.to_str().unwrap()]).ended(1);
    assert!(refused.stderr.contains("is a folder"), "{}", refused.stderr);
    let absent = files.path("absent/a.csv");
    let refused = program.run(["export", "-o", absent.to_str().unwrap()]).ended(1);
    assert!(refused.stderr.contains("a.csv"), "{}", refused.stderr);
    // A device is written in place.
    program.run(["export", "--format", "csv", "-o", "/dev/null"]).ended(0);
    for format in ["csv", "jsonl", "parquet"] {
        let full = program.run(["export", "--format", format, "-o", "/dev/full"]).ended(1);
        assert!(full.stderr.contains("No space left"), "{format}: {}", full.stderr);
    }
}

#[test]
fn a_reader_that_has_seen_enough_ends_the_output() {
    let files = Files::new();
    let (_database, program, _) = filled(&files);
    for format in ["csv", "jsonl", "parquet"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = program.command(["export", "--format", format, "--documents"]);
        command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
        let finished = command.spawn().unwrap().wait_with_output().unwrap();
        assert_eq!(Finished::from(finished).ended(0).stderr, "", "{format}");
    }
}

#[test]
fn an_export_that_is_stopped_leaves_no_half_file() {
    let files = Files::new();
    let (database, program, _) = filled(&files);
    let there = files.write("out/there.csv", "old");
    for (name, signal) in [
        ("there.csv", Signal::SIGINT),
        ("new.parquet", Signal::SIGINT),
        ("new.jsonl", Signal::SIGTERM),
    ] {
        // The export has begun, and waits for the lock.
        let held = database.hold("LOCK TABLE arc_recorder.outcomes IN ACCESS EXCLUSIVE MODE");
        let path = files.path("out").join(name);
        let child = program.spawn(["export", "-o", path.to_str().unwrap()]);
        database.wait_for_a_lock();
        assert_eq!(
            fs::read_dir(files.path("out")).unwrap().count(),
            2,
            "it writes to a temporary file"
        );
        kill(Pid::from_raw(child.id() as i32), signal).unwrap();
        let finished = Finished::from(child.wait_with_output().unwrap()).ended(130);
        assert!(finished.stderr.contains("stopped"), "{}", finished.stderr);
        assert_eq!(fs::read_dir(files.path("out")).unwrap().count(), 1, "{name}");
        assert_eq!(fs::read_to_string(&there).unwrap(), "old");
        drop(held);
    }
}

#[test]
fn an_export_to_a_pipe_without_a_reader_can_be_stopped() {
    let files = Files::new();
    let (_database, program, _) = filled(&files);
    let mut child = program.spawn(["export", "--format", "jsonl", "--documents"]);
    let mut output = BufReader::with_capacity(16, child.stdout.take().unwrap());
    let mut begun = Vec::new();
    output.read_until(b'{', &mut begun).unwrap();
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    // The rest can be in the pipe already.
    let code = child.wait().unwrap().code().unwrap();
    assert!([0, 130].contains(&code), "{code}");
    drop(output);
}
