//! Formats are added, listed, chosen, recognised and removed.

use serde_json::json;

use super::{add, component_with_wasi, hostile_component, run};
use crate::support::{DatabaseServer, Files, Program, Service, TestDatabase};

#[test]
fn a_component_is_added_listed_used_and_removed() {
    let database = TestDatabase::new();
    let (program, files) = (Program::on(&database), Files::new());
    let added = add(&program, &files, &hostile_component(), &[]).ended(0).json();
    assert_eq!((&added["name"], &added["version"]), (&"hostile".into(), &"0.1.0".into()));
    assert_eq!(added["authors"], "A. N. Author");
    assert_eq!(added["sha256"].as_str().unwrap().len(), 64);

    let listed = run(&program, &files, &["--json", "formats", "list"]).ended(0).json_lines();
    let of = |name: &str| listed.iter().find(|entry| entry["name"] == name).unwrap().clone();
    assert_eq!(of("hostile")["source"], "added");
    assert_eq!(of("arc-guide")["source"], "built_in");
    let text = run(&program, &files, &["formats", "list"]).ended(0).stdout;
    assert!(text.contains("A. N. Author"), "{text}");

    let file = files.write("a.hostile", "{\"id\": \"one\"}\n{\"id\": \"two\"}\n");
    let file = file.to_str().unwrap();
    // Recognised automatically or named: the same file is the same simulation.
    let recorded = run(&program, &files, &["--json", "record", file]).ended(0).json();
    assert_eq!((&recorded["stored"], &recorded["format"]), (&2.into(), &"hostile".into()));
    let again = run(&program, &files, &["--json", "record", "--format", "hostile", file]);
    assert_eq!(again.ended(0).json()["duplicate"], 2);
    let extractor = database.query(
        "SELECT DISTINCT name, version, component_sha256 FROM arc_recorder.outcomes
         JOIN arc_recorder.extractors USING (extractor_id)",
    );
    assert_eq!(extractor.len(), 1);
    assert_eq!(extractor[0].get::<_, String>(0), "hostile");
    let component = std::fs::read(hostile_component()).unwrap();
    let digest = <sha2::Sha256 as sha2::Digest>::digest(component);
    assert_eq!(extractor[0].get::<_, Vec<u8>>(2), digest.as_slice());

    run(&program, &files, &["formats", "remove", "hostile"]).ended(0);
    let gone = run(&program, &files, &["formats", "remove", "hostile"]).ended(1);
    assert!(gone.stderr.contains("no format \"hostile\" was added"), "{}", gone.stderr);
    let unknown = run(&program, &files, &["record", "--format", "hostile", file]).ended(1);
    assert!(unknown.stderr.contains("there is no format \"hostile\""), "{}", unknown.stderr);
    assert!(unknown.stderr.contains("arc-guide"), "{}", unknown.stderr);
}

#[test]
fn a_format_that_is_named_must_know_the_file() {
    let database = TestDatabase::new();
    let (program, files) = (Program::on(&database), Files::new());
    add(&program, &files, &hostile_component(), &[]).ended(0);
    let file = files.write("a.json", "{\"id\": \"one\"}");
    let file = file.to_str().unwrap();
    let refused = run(&program, &files, &["record", "--format", "hostile", file]).ended(1);
    assert!(refused.stderr.contains("a.json is not of the format hostile"), "{}", refused.stderr);
    let header = run(&program, &files, &["record", "--header", file, file]).ended(1);
    assert!(header.stderr.contains("has no headers"), "{}", header.stderr);
}

#[test]
fn items_become_results_parts_and_a_header() {
    let database = TestDatabase::new();
    let (program, files) = (Program::on(&database), Files::new());
    add(&program, &files, &hostile_component(), &[]).ended(0);
    let lines = [
        r#"{"is": "other", "id": "nothing"}"#,
        r#"{"is": "header", "all": "of them"}"#,
        r#"{"is": "b", "id": "two", "do": "header"}"#,
        r#"{"is": "a", "id": "three"}"#,
        r#"{"id": "one"}"#,
        r#"{"is": "b", "more": 1.50}"#,
        "{ broken",
        r#"{"is": "header", "late": true}"#,
    ];
    let file = files.write("a.classified", lines.join("\n"));
    let recorded = run(&program, &files, &["--json", "record", file.to_str().unwrap()]);
    // The component accepts text that is not JSON, and it is stored as it is.
    let recorded = recorded.ended(0).json();
    assert_eq!((&recorded["stored"], &recorded["failed"]), (&4.into(), &0.into()), "{recorded}");
    let rows = database.query(
        "SELECT document, scenario_name, header FROM arc_recorder.outcomes
         JOIN arc_recorder.documents USING (simulation_id, outcome_id, partition_time)
         LEFT JOIN arc_recorder.document_headers USING (header_id) ORDER BY received_at",
    );
    let documents: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(
        documents,
        [
            r#"[{"is": "b", "id": "two", "do": "header"},{"is": "b", "more": 1.50}]"#,
            r#"[{"is": "a", "id": "three"}]"#,
            r#"{"id": "one"}"#,
            "{ broken",
        ]
    );
    let header = |place: usize| rows[place].get::<_, Option<String>>(2);
    assert_eq!(header(0), Some(format!("[{},{}]", lines[1], lines[7])), "all header items");
    assert!(rows.iter().all(|row| row.get::<_, Option<String>>(2) == header(0)));
    let name: Option<String> = rows[0].get(1);
    assert_eq!(name, header(0), "the component received the header");
}

#[test]
fn items_that_are_a_header_have_a_limit_together() {
    let database = TestDatabase::new();
    let (program, files) = (Program::on(&database), Files::new());
    add(&program, &files, &hostile_component(), &[]).ended(0);
    let header = format!(r#"{{"is": "header", "all": "{}"}}"#, "x".repeat(9 << 20));
    let file = files.write("a.classified", format!("{header}\n{header}\n{{\"id\": \"one\"}}\n"));
    let refused = run(&program, &files, &["record", file.to_str().unwrap()]).ended(1);
    assert!(refused.stderr.contains("a.classified, is too long"), "{}", refused.stderr);
}

#[test]
fn results_of_an_added_format_are_replayed_from_a_spool_by_hand() {
    let (unavailable, database) = (DatabaseServer::stopped(), TestDatabase::new());
    let (program, files) = (Program::on(&database), Files::new());
    add(&program, &files, &hostile_component(), &[]).ended(0);
    let data = files.path("data").display().to_string();
    let spooling = Program::with_url(&unavailable.url());
    let service = Service::start(&spooling, &files, &["--data-dir", &data]);
    let id = "01920000-0000-7000-8000-0000000000aa";
    service.post("/v1/simulations", &json!({"simulation_id": id, "scenarios": []})).has(202);
    let path = format!("/v1/simulations/{id}/outcomes?format=hostile");
    let spooled = service.post(&path, &json!([{"id": "one"}, {"id": "two"}])).has(200).json();
    assert_eq!(spooled["spooled"], 2, "{spooled}");
    assert_eq!(service.stop(), Some(0));
    let spool = files.path("spool").display().to_string();
    let reported =
        run(&program, &files, &["--json", "spool", "drain", "--spool-dir", &spool]).ended(0).json();
    assert_eq!(
        (&reported["recorded"], &reported["dead_letters"]),
        (&3.into(), &0.into()),
        "{reported}"
    );
    assert_eq!(database.count("SELECT count(*) FROM arc_recorder.outcomes"), 2);
}

#[test]
fn wasi_is_granted_or_refused() {
    let database = TestDatabase::new();
    let (program, files) = (Program::on(&database), Files::new());
    let refused = add(&program, &files, &component_with_wasi(), &[]).ended(1);
    assert!(refused.stderr.contains("imports wasi:"), "{}", refused.stderr);
    assert!(refused.stderr.contains("--grant-wasi"), "{}", refused.stderr);

    let added = add(&program, &files, &component_with_wasi(), &["--grant-wasi"]).ended(0).json();
    assert_eq!(added["wasi"], true);
    let lines = r#"{"id": "clock", "do": "clock"}
{"id": "print", "do": "print"}
{"id": "sleep", "do": "sleep"}
{"id": "quiet"}"#;
    let file = files.write("a.hostile", lines);
    let recorded = run(&program, &files, &["--json", "record", file.to_str().unwrap()]).ended(0);
    assert!(!recorded.stdout.contains("never shown"), "{}", recorded.stdout);
    assert!(!recorded.stderr.contains("never shown"), "{}", recorded.stderr);
    // The component that sleeps forever does not delay the others.
    assert_eq!(recorded.json()["stored"], 4);
    // The component's clock is fixed, so its verdict never changes.
    let milliseconds = database
        .query("SELECT execution_time_ms FROM arc_recorder.outcomes WHERE scenario_id = 'clock'");
    assert!((milliseconds[0].get::<_, f64>(0)).abs() < f64::EPSILON);
}
