//! Results of other formats over HTTP: items with their header, whole files, and the spool.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    DatabaseServer, Files, Http, Program, Service, TestDatabase, fixture, record, result,
};

const FILE: (&str, &str) = ("content-type", "application/octet-stream");

/// Returns an Inspect log as its header and its samples.
pub(super) fn log() -> (Value, Vec<Value>) {
    let text = std::fs::read_to_string(fixture("formats/inspect/arithmetic.json")).unwrap();
    let mut header: Value = serde_json::from_str(&text).unwrap();
    let samples = header["samples"].take();
    (header, samples.as_array().unwrap().clone())
}

#[test]
fn a_file_over_the_service_is_the_same_simulation_as_in_the_database() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let service = Service::start(&program, &files, &[]);
    for name in [
        "inspect/arithmetic.eval",
        "otel/collector.jsonl",
        "openai-evals/capitals.dev.v0.jsonl",
        "promptfoo/results.json",
    ] {
        let file = fixture("formats").join(name);
        let over = record(&service.program(), &file, &[]).ended(0).json();
        assert_eq!(over["status"], "completed", "{name}: {over}");
        let direct = record(&program, &file, &[]).ended(0).json();
        assert_eq!(over["simulation_id"], direct["simulation_id"], "{name}");
        assert_eq!(over["stored"], direct["duplicate"], "{name}: {direct}");
        for figure in ["overall_score", "total_tokens", "total_scenarios", "by_status"] {
            assert_eq!(over[figure], direct[figure], "{name}: {figure}");
        }
        // The same file as the body of a request.
        let path = format!("/v1/files?file_name={}", file.file_name().unwrap().to_str().unwrap());
        let body = std::fs::read(&file).unwrap();
        let sent = service.send(Method::POST, &path, &[FILE], body).has(200).json();
        assert_eq!(sent["simulation_id"], direct["simulation_id"], "{name}: {sent}");
        assert_eq!(sent["duplicate"], direct["duplicate"], "{name}: {sent}");
    }
}

#[test]
fn invalid_uploads_are_reported() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let service = Service::start(&Program::on(&database), &files, &["--max-file-mib", "1"]);
    let send = |path: &str, body: Vec<u8>| service.send(Method::POST, path, &[FILE], body);
    send("/v1/files", vec![b' '; (1 << 20) + 1]).has_problem(413, "body_too_large");
    send("/v1/files?file_name=a.json", Vec::new()).has_problem(400, "invalid_request");
    send("/v1/files?format=nonsense", b"{}".to_vec()).has_problem(404, "not_found");
    let problem = send("/v1/files?file_name=a.json&format=inspect", b"{}".to_vec());
    let problem = problem.has_problem(400, "invalid_request");
    assert!(
        problem["detail"].as_str().unwrap().contains("is not of the format inspect"),
        "{problem}"
    );
    let cut = std::fs::read(fixture("formats/inspect/arithmetic.eval")).unwrap();
    let cut = send("/v1/files?file_name=a.eval", cut[..cut.len() / 2].to_vec());
    let problem = cut.has_problem(400, "invalid_request");
    assert!(problem["detail"].as_str().unwrap().contains("zip archive"), "{problem}");
    assert_eq!(database.count("SELECT count(*) FROM arc_recorder.simulations"), 0);
}

#[test]
fn a_file_of_no_known_format_makes_no_simulation() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let service = Service::start(&program, &files, &[]);
    let cases = [
        ("table.csv", "id,score\n1,0.5\n", "not JSON"),
        ("cut.json", r#"{"scenario": {"na"#, "ends inside"),
        ("report.json", r#"{"submitted_instances": 3, "resolved_ids": ["a__a-2"]}"#, "/scenario"),
        ("batch.jsonl", "{\"custom_id\": \"one\", \"response\": {}}\n{\"id\": 2}\n", "/scenario"),
    ];
    for (name, text, violation) in cases {
        let path = files.write(name, text);
        for program in [&program, &service.program()] {
            let finished = record(program, &path, &[]).ended(1);
            let known = "known formats: arc-guide, harbor, inspect, lm-eval,";
            for part in ["no format recognises", name, violation, known] {
                assert!(finished.stderr.contains(part), "{name}: {part}: {}", finished.stderr);
            }
            assert_eq!(finished.stdout, "", "{name}");
        }
        let sent =
            service.send(Method::POST, &format!("/v1/files?file_name={name}"), &[FILE], text);
        let problem = sent.has_problem(400, "invalid_request");
        assert!(problem["detail"].as_str().unwrap().contains(violation), "{problem}");
    }
    assert_eq!(database.count("SELECT count(*) FROM arc_recorder.simulations"), 0);

    // A file whose format is named is recorded, and so is one with a single result of it.
    let named = record(&program, &files.path("report.json"), &["--format", "arc-guide"]);
    assert_eq!(named.ended(2).json()["rejected"], 1);
    let text = format!("{{}}\n{}\n", result("one", "success", 1.0));
    let mixed = record(&program, &files.write("mixed.jsonl", text), &[]).ended(2).json();
    assert_eq!((&mixed["stored"], &mixed["rejected"]), (&1.into(), &1.into()));
}

#[test]
fn an_upload_ends_with_the_service_and_a_repeated_upload_does_the_rest() {
    const RESULTS: usize = 20_000;
    const PATH: &str = "/v1/files?file_name=long.jsonl";
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let mut service = Service::start(&program, &files, &[]);
    let lines: String = (0..RESULTS)
        .map(|number| format!("{}\n", result(&format!("{number}"), "success", 1.0)))
        .collect();
    let held = database.hold("LOCK TABLE arc_recorder.outcomes IN EXCLUSIVE MODE");
    std::thread::scope(|scope| {
        let (url, body) = (format!("{}{PATH}", service.url()), lines.clone());
        let sent = scope.spawn(move || Http::new().send(Method::POST, &url, &[FILE], body));
        database.wait_for_a_lock();
        service.terminate();
        service.wait_for_log("stopping after");
        drop(held);
        let problem = sent.join().unwrap().unwrap().has_problem(503, "shutting_down");
        assert_eq!(problem["retryable"], true);
    });
    assert_eq!(service.wait(), Some(0));
    let stored = database.count("SELECT count(*) FROM arc_recorder.outcomes");
    assert!(stored > 0 && stored < 20_000, "{stored}");
    let service = Service::start(&program, &files, &[]);
    let again = service.send(Method::POST, PATH, &[FILE], lines).has(200).json();
    assert_eq!((&again["duplicate"], &again["status"]), (&json!(stored), &json!("completed")));
}

#[test]
fn items_are_sent_with_their_header() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let service = Service::start(&Program::on(&database), &files, &[]);
    let id = service.start_simulation(&[]);
    let (header, samples) = log();
    let path = format!("/v1/simulations/{id}/outcomes?format=inspect");
    let body = json!({"results": samples, "header": header});
    let answer = service.post(&path, &body).has(200).json();
    assert_eq!(answer["stored"], samples.len(), "{answer}");
    let ids = database.query("SELECT scenario_id FROM arc_recorder.outcomes");
    assert!(ids.iter().all(|row| row.get::<_, String>(0).starts_with("arithmetic/")));
    // A stream has no header, and its results have a warning.
    let lines: String = samples.iter().map(|sample| format!("{sample}\n")).collect();
    let other = service.start_simulation(&[]);
    let path = format!("/v1/simulations/{other}/outcomes?format=inspect");
    let answer =
        service.send(Method::POST, &path, &[("content-type", "application/x-ndjson")], lines);
    for line in answer.has(200).lines() {
        assert_eq!(line["verdict"], "stored", "{line}");
        assert!(line["warnings"].to_string().contains("header_missing"), "{line}");
    }

    let unknown = format!("/v1/simulations/{id}/outcomes?format=nonsense");
    service.post(&unknown, &body).has_problem(404, "not_found");
    let unnamed = format!("/v1/simulations/{id}/outcomes");
    let problem = service.post(&unnamed, &body).has_problem(400, "invalid_request");
    assert!(problem["hint"].as_str().unwrap().contains("?format=NAME"), "{problem}");
}

#[test]
fn format_and_header_travel_through_the_spool() {
    let mut server = DatabaseServer::start();
    let files = Files::new();
    let program = Program::with_url(&server.url());
    let mut service = Service::start(&program, &files, &[]);
    let id = service.start_simulation(&[]);
    server.stop();
    let (header, samples) = log();
    let path = format!("/v1/simulations/{id}/outcomes?format=inspect");
    let body = json!({"results": samples, "header": header});
    let answer = service.post(&path, &body).has(200).json();
    assert_eq!(answer["spooled"], samples.len(), "{answer}");
    // The next process records them, too.
    service.kill();
    server.resume();
    let service = Service::start(&program, &files, &[]);
    service.wait_for_empty_spool();
    let kept = "SELECT count(*) FROM arc_recorder.outcomes
         JOIN arc_recorder.document_headers USING (header_id)
         JOIN arc_recorder.extractors USING (extractor_id)
         WHERE extractors.name = 'inspect' AND scenario_id LIKE 'arithmetic/%'";
    assert_eq!(usize::try_from(server.count(kept)).unwrap(), samples.len());
}
