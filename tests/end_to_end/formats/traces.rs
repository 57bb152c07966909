//! Traces of instrumentations by every way in: the figures are those of the calls, however the spans are
//! nested.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Files, Program, Service, TestDatabase, fixture, record};

/// Checks the report about a recorded file, or the status of its simulation.
#[track_caller]
fn check(expected: &Value, way: &str, found: &Value) {
    let what = format!("{} by {way}: {found}", expected["log"]);
    assert_eq!(found["status"], "completed", "{what}");
    assert_eq!(found["total_tokens"], expected["tokens"], "{what}");
    assert_eq!(found["total_scenarios"], expected["results"], "{what}");
}

#[test]
fn the_figures_of_traces_are_right_by_every_way_in() {
    let (direct, served, uploads) = (TestDatabase::new(), TestDatabase::new(), TestDatabase::new());
    let files = Files::new();
    let program = Program::on(&direct);
    let service = Service::start(&Program::on(&served), &files, &[]);
    let upload_files = Files::new();
    let uploaded_to = Service::start(&Program::on(&uploads), &upload_files, &[]);
    let folders = std::fs::read_dir(fixture("formats/otel/genuine")).unwrap();
    for folder in folders.map(|folder| folder.unwrap().path()) {
        let expected = std::fs::read_to_string(folder.join("expected.jsonl")).unwrap();
        let expected: Value = serde_json::from_str(&expected).unwrap();
        let path = folder.join(expected["log"].as_str().unwrap());
        let summary = record(&program, &path, &[]).ended(0).json();
        assert_eq!(summary["stored"], expected["results"], "{summary}");
        check(&expected, "command", &summary);
        let id = summary["simulation_id"].as_str().unwrap();
        let status = program.run(["status", id, "--json"]).ended(0).json();
        check(&expected, "status", &status);
        assert_eq!(status["failed_outcomes"], expected["failed"], "{status}");
        let sent = record(&service.program(), &path, &[]).ended(0).json();
        assert_eq!(sent["stored"], expected["results"], "{sent}");
        check(&expected, "client of a service", &sent);
        let name = path.file_name().unwrap().to_str().unwrap();
        let kind = [("content-type", "application/octet-stream")];
        let body = std::fs::read(&path).unwrap();
        let url = format!("/v1/files?file_name={name}");
        let uploaded = uploaded_to.send(Method::POST, &url, &kind, body).has(200).json();
        check(&expected, "an upload", &uploaded);
        assert_eq!(uploaded["simulation_id"], summary["simulation_id"]);
    }
}

#[test]
fn the_cases_of_a_trace_have_a_judge_apart_from_the_agent() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let path = fixture("formats/otel/genuine/otel-pydantic-evals/pydantic_evals-0.jsonl");
    let summary = record(&program, &path, &[]).ended(0).json();
    let id = summary["simulation_id"].as_str().unwrap();
    let status = program.run(["status", id, "--json"]).ended(0).json();
    assert_eq!(status["models"], json!(["gpt-4o-mini-2024-07-18"]));
    assert!(status["all_roles_tokens"].as_u64() > status["total_tokens"].as_u64(), "{status}");
    assert!(status["total_cost_usd"].as_f64() > Some(0.0), "{status}");
    let outcomes = program.run(["outcomes", id, "--json"]).ended(0).json_lines();
    let mut ids: Vec<_> = outcomes.iter().map(|outcome| outcome["scenario_id"].as_str()).collect();
    ids.sort_unstable();
    assert_eq!(ids, [Some("case 0"), Some("case 1")]);
    let metrics = program.run(["metrics", id, "--json"]).ended(0).json_lines();
    let means: Vec<_> = metrics.iter().map(|metric| &metric["figures"]["mean"]).collect();
    assert_eq!(means, [&json!(1.0), &json!(1.0)]);
}
