//! Interactive use: pipes that close, Ctrl-C, secrets, control characters.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::support::{Files, Finished, Program, TestDatabase, record, result, wait_for};

const SECRET: &str = "hunter2";

/// Runs a command with the reading end of its standard output closed from the start.
fn run_unread(program: &Program, arguments: &[&str], path: &Path) -> Finished {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = program.command(arguments);
    command.arg(path).stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
    command.spawn().unwrap().wait_with_output().unwrap().into()
}

#[test]
fn a_closed_pipe_ends_the_output_and_not_the_work() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let results = [result("a", "success", 1.0), json!({}), result("b", "success", 1.0)];
    let path = files.write_lines("results.jsonl", &results);
    for (arguments, code) in [(&["record"][..], 2), (&["record", "--json"], 2), (&["validate"], 0)]
    {
        let finished = run_unread(&program, arguments, &path).ended(code);
        assert_eq!(finished.stderr, "", "{arguments:?}");
    }
    assert_eq!(database.count("SELECT count(*) FROM arc_recorder.outcomes"), 2);
    assert_eq!(database.count("SELECT count(*) FROM arc_recorder.rejected_results"), 1);
    assert_eq!(
        database.count("SELECT count(*) FROM arc_recorder.simulations WHERE status = 'completed'"),
        1
    );
}

#[test]
fn a_table_has_a_line_for_each_row_however_long_the_texts() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let long = "long ".repeat(60);
    let results = [result(&long, "success", 1.0), result("a\nb", "error", 0.5), json!({"a": long})];
    let path = files.write_lines("results.jsonl", &results);
    let id = record(&program, &path, &["--name", &long]).ended(2).json()["simulation_id"]
        .as_str()
        .unwrap()
        .to_owned();
    for (arguments, rows) in
        [(&["simulations"][..], 1), (&["outcomes", &id], 2), (&["rejected", &id], 1)]
    {
        let table = program.run(arguments).ended(0).stdout;
        assert_eq!(table.lines().count(), 1 + rows, "{arguments:?}: {table}");
    }
    let listed = program.run(["simulations"]).ended(0).stdout;
    assert!(listed.contains(&id[..8]), "an id can be copied: {listed}");
    assert!(listed.lines().all(|line| line.chars().count() <= 80), "{listed}");
}

/// Asserts that a command fails with this message, and that its output does not contain the secret.
#[track_caller]
fn fails_without_secret(program: &Program, arguments: &[&str], sentence: &str) {
    let finished = program.run(arguments).ended(1);
    let output = finished.stdout + &finished.stderr;
    assert!(output.contains(sentence), "{arguments:?}: {output}");
    assert!(!output.contains(SECRET), "{arguments:?}: {output}");
}

#[test]
fn the_error_of_an_invalid_url_hides_its_password() {
    let urls = [
        "postgresql://user:hunter2@localhost:port/name",
        "postgresql://user:hunter2@localhost:99999/name",
        "postgresql://user:a#hunter2@localhost:99999/name",
        "postgresql://user:hunter2@localhost/name?sslmode=hunter2",
        "postgresql://user:hunter2@localhost/name?hunter2=1",
        "postgres//user:hunter2@localhost/name",
        "https://user:hunter2@localhost/name",
        "host=localhost password=a hunter2 user=user",
        "password='hunter2",
    ];
    let program = Program::without_database();
    for url in urls {
        fails_without_secret(&program, &["status", "--database-url", url, &nil()], "postgresql://");
        for variable in ["ARC_DATABASE_URL", "TIMESCALE_SERVICE_URL"] {
            let output = program.command(["health", "--json"]).env(variable, url).output();
            let finished = Finished::from(output.unwrap()).ended(1);
            assert!(finished.stderr.contains(variable), "{}", finished.stderr);
            assert!(!finished.stderr.contains(SECRET), "{url}: {}", finished.stderr);
        }
    }
    let roots = "postgresql://user:hunter2@localhost/name?sslmode=require&sslrootcert=/no/such";
    fails_without_secret(&program, &["simulations", "--database-url", roots], "sslrootcert");
}

fn nil() -> String {
    uuid::Uuid::nil().to_string()
}

#[test]
fn the_error_of_an_unreachable_database_hides_its_password() {
    let files = Files::new();
    let path = files.write_lines("results.jsonl", &[result("a", "success", 1.0)]);
    let path = path.to_str().unwrap();
    let socket =
        format!("postgresql://user:hunter2@/name?host={}", files.path("nowhere").display());
    // No process listens on the first address, and the second host name cannot exist.
    for url in [
        "postgresql://user:hunter2@127.0.0.1:1/name",
        "postgresql://user:hunter2@no-such-host.invalid/name",
        &socket,
    ] {
        let program = Program::without_database();
        let sentence = "could not connect to the database";
        let options = ["--database-url", url];
        for command in [
            &["record", path][..],
            &["simulations"],
            &["status", &nil()],
            &["outcomes", &nil()],
            &["rejected", &nil()],
            &["health"],
            &["health", "--json"],
            &["migrate"],
            &["psql"],
        ] {
            fails_without_secret(&program, &[command, &options].concat(), sentence);
        }
    }
}

/// Starts a server that requests a password and refuses it, once.
fn refuse_a_password() -> (u16, std::thread::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut message = [0; 1024];
        assert_eq!(stream.read(&mut message).unwrap(), 8, "a request for TLS");
        stream.write_all(b"N").unwrap();
        assert!(stream.read(&mut message).unwrap() > 8, "the start of a session");
        // AuthenticationCleartextPassword, then an ErrorResponse.
        stream.write_all(b"R\x00\x00\x00\x08\x00\x00\x00\x03").unwrap();
        let read = stream.read(&mut message).unwrap();
        let fields =
            b"SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user \"user\"\0\0";
        stream.write_all(b"E").unwrap();
        stream.write_all(&(fields.len() as u32 + 4).to_be_bytes()).unwrap();
        stream.write_all(fields).unwrap();
        message[..read].to_vec()
    });
    (port, server)
}

#[test]
fn the_error_of_a_wrong_password_does_not_show_it() {
    let program = Program::without_database();
    for arguments in [&["simulations"][..], &["health", "--json"]] {
        let (port, server) = refuse_a_password();
        let url = format!("postgresql://user:hunter2@127.0.0.1:{port}/name");
        let arguments = [arguments, &["--database-url", &url]].concat();
        fails_without_secret(&program, &arguments, "password authentication failed");
        let sent = server.join().unwrap();
        assert!(sent.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()));
    }
}

#[test]
fn text_from_outside_does_not_control_the_terminal() {
    // A sequence that sets the window's title, also in the single-byte controls that some terminals accept for the
    // same.
    const ATTACK: &str = "\u{1b}]0;owned\u{7}\u{9d}0;owned\u{9c}";
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let mut failed = result(&format!("failed{ATTACK}"), "error", 0.5);
    failed["trajectory"]["error"] = ATTACK.into();
    let mut bad = result("bad", "success", 0.5);
    bad["reliability_score"]["dimension_scores"] = json!({ATTACK: "high"});
    let envelope = json!({"results": [failed, bad], "average_dimension_scores": {ATTACK: "high"}});
    let path = files.write(&format!("file{ATTACK}.json"), envelope.to_string());
    let id = record(&program, &path, &["--name", ATTACK]).json()["simulation_id"]
        .as_str()
        .unwrap()
        .to_owned();

    let path = path.to_str().unwrap();
    let missing = format!("missing{ATTACK}");
    let cases: [&[&str]; 8] = [
        &["record", "--name", ATTACK, path],
        &["record", &missing],
        &["record", "--config", &missing, path],
        &["validate", path],
        &["simulations"],
        &["status", &id],
        &["outcomes", &id],
        &["rejected", &id],
    ];
    for arguments in cases {
        // Both streams together, as a terminal shows them.
        let output = program.command(arguments).env("CLICOLOR_FORCE", "1").output().unwrap();
        let finished = Finished::from(output);
        let text = finished.stdout + &finished.stderr;
        assert!(text.contains("owned"), "{arguments:?} shows the text: {text:?}");
        assert!(!text.contains(['\u{7}', '\u{9d}', '\u{9c}']), "{arguments:?}: {text:?}");
        assert!(!text.contains("\u{1b}]"), "{arguments:?}: {text:?}");
    }
}

#[test]
fn ctrl_c_keeps_acknowledged_results_and_the_same_command_finishes() {
    const RESULTS: usize = 40_000;
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let results: Vec<_> =
        (0..RESULTS).map(|number| result(&number.to_string(), "success", 0.5)).collect();
    let path = files.write_lines("results.jsonl", &results);
    let stored = || database.count("SELECT count(*) FROM arc_recorder.outcomes");

    let mut child = program.spawn(["record".as_ref(), path.as_os_str(), "--json".as_ref()]);
    wait_for("a stored result", || stored() > 0 || child.try_wait().unwrap().is_some());
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    let finished = Finished::from(child.wait_with_output().unwrap());
    let summary = finished.json();
    // The command might have been about to end anyway.
    if summary["interrupted"] == true {
        let finished = finished.ended(130);
        assert!(finished.stderr.contains("run the same command again"), "{}", finished.stderr);
        assert_eq!(summary["status"], "running");
    } else {
        finished.ended(0);
    }
    assert_eq!(summary["stored"], stored(), "the summary counts the committed results");

    let again = record(&program, &path, &[]).ended(0).json();
    assert_eq!(stored(), RESULTS as i64);
    assert_eq!(again["status"], "completed");
    assert_eq!(again["duplicate"], summary["stored"]);
}

#[test]
fn ctrl_c_ends_a_command_that_waits_for_its_input() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let mut child = program.spawn(["record", "-"]);
    // Ctrl-C is handled from before the connection is made.
    let connected = format!(
        "SELECT count(*) FROM pg_stat_activity
         WHERE datname = '{}' AND application_name = 'arc-host'",
        database.name()
    );
    wait_for("a connection", || {
        assert!(child.try_wait().unwrap().is_none(), "it waits for its input");
        database.count(&connected) > 0
    });
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    // Its standard input stays open until it has ended.
    let input = child.stdin.take();
    Finished::from(child.wait_with_output().unwrap()).ended(130);
    drop(input);
    assert_eq!(database.count("SELECT count(*) FROM arc_recorder.simulations"), 0);
}
