//! Simulations that commands and requests name by a prefix of the id, by the name, or as the latest.

use arc_host::extraction::{ExtractionSettings, Extractor};
use arc_host::{Error, Recorder};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Files, Program, Service, TestDatabase, record, result};

/// Records a simulation of four results, one of them rejected.
fn recorded(program: &Program, files: &Files, name: &str, options: &[&str]) -> String {
    let odd = json!({"scenario": {"id": "odd"}, "trajectory": {"status": "odd"}});
    let results = [result(name, "success", 1.0), result(name, "error", 0.5), odd];
    let file = files.write_lines(&format!("{name}.jsonl"), &results);
    record(program, &file, options).ended(2).json()["simulation_id"].as_str().unwrap().to_owned()
}

#[test]
fn every_command_takes_a_prefix_a_name_and_the_latest() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let direct = Program::on(&database);
    let service = Service::start(&direct, &files, &[]);
    let over = service.program();
    recorded(&direct, &files, "first", &[]);
    let id = recorded(&direct, &files, "nightly run", &[]);
    // The ids of files are hashes, so their first digits differ.
    let references = [&id[..8], &id[..20], &id[..4].to_uppercase(), "nightly run", "latest"];
    for command in [
        &["status"][..],
        &["outcomes", "--json"],
        &["outcomes", "--documents"],
        &["rejected", "--json"],
        &["performance", "--json"],
        &["metrics", "--json"],
        &["revisions", "--json"],
        &["export", "--format", "csv"],
    ] {
        let with = |program: &Program, reference: &str| {
            program.run([command, &[reference]].concat()).ended(0).stdout
        };
        for program in [&direct, &over] {
            let expected = with(program, &id);
            for reference in references {
                assert_eq!(with(program, reference), expected, "{command:?} {reference}");
            }
        }
    }
    for command in ["retry-rejected", "reextract"] {
        direct.run([command, "--json", "--simulation", "nightly run"]);
        let unknown = direct.run([command, "--simulation", "weekly run"]).ended(1);
        assert!(unknown.stderr.contains("\"weekly run\""), "{}", unknown.stderr);
    }
    let status: Value = over.run(["status", "latest", "--json"]).ended(0).json();
    assert_eq!(status["simulation_id"], json!(id));
    let ended = direct.run(["cancel", "nightly run"]).ended(1);
    assert!(ended.stderr.contains(&format!("{id} is completed")), "{}", ended.stderr);
}

#[test]
fn requests_name_simulations_in_the_same_way() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let service = Service::start(&program, &files, &[]);
    let get =
        |reference: &str, rest: &str| service.get(&format!("/v1/simulations/{reference}{rest}"));
    get("latest", "").has_problem(404, "not_found");
    let id = recorded(&program, &files, "a b%2Fc", &[]);
    for reference in [id.as_str(), &id[..8], "a%20b%252Fc", "latest"] {
        assert_eq!(get(reference, "").has(200).json()["simulation_id"], json!(id), "{reference}");
        for rest in ["/outcomes", "/rejected", "/performance", "/revisions"] {
            assert_eq!(get(reference, rest).has(200).body, get(&id, rest).has(200).body);
        }
        let resolved = service.get(&format!("/v1/resolve?simulation={reference}"));
        assert_eq!(resolved.has(200).json(), json!({"simulation_id": id}));
        let metrics = json!({"metrics": [{"name": "m", "highest": 5}]});
        let path = format!("/v1/simulations/{reference}/metrics");
        assert_eq!(service.post(&path, &metrics).has(200).json()["simulation_id"], json!(id));
        let path = format!("/v1/simulations/{reference}/complete");
        assert_eq!(service.post(&path, &json!({})).has(200).json()["simulation_id"], json!(id));
    }
    for unknown in ["a", &id[..3], "00000000", "nothing", "%00"] {
        get(unknown, "").has_problem(404, "not_found");
    }
    // Results can come before the start of their simulation, so only an id names it.
    for reference in ["latest", &id[..8], "a%20b%252Fc"] {
        let path = format!("/v1/simulations/{reference}/outcomes");
        service.post(&path, &result("a", "success", 1.0)).has_problem(400, "invalid_request");
    }
    let file = files.write_lines("more.jsonl", &[result("a", "success", 1.0)]);
    record(&program, &file, &["--simulation", &id[..8]]).ended(1);
}

#[test]
fn an_ambiguous_reference_is_refused_with_the_candidates() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let direct = Program::on(&database);
    let service = Service::start(&direct, &files, &[]);
    let ids: Vec<String> =
        ["1", "2"].map(|name| recorded(&direct, &files, name, &["--name", "nightly"])).to_vec();
    for program in [&direct, &service.program()] {
        let refused = program.run(["status", "nightly"]).ended(1);
        for text in
            ids.iter().map(String::as_str).chain(["several simulations", "hint: use the id"])
        {
            assert!(refused.stderr.contains(text), "{text}: {}", refused.stderr);
        }
    }
    let problem = service.get("/v1/simulations/nightly").has_problem(409, "ambiguous_simulation");
    assert_eq!(problem["retryable"], false);
    let candidates = problem["candidates"].as_array().unwrap();
    let found: Vec<&str> =
        candidates.iter().map(|one| one["simulation_id"].as_str().unwrap()).collect();
    assert_eq!(found, [&ids[1], &ids[0]], "the newest first");
    assert_eq!(candidates[0]["simulation_name"], "nightly");
    assert!(candidates[0]["created_at"].is_string());

    // A name that is the prefix of another simulation's id does not hide that simulation.
    recorded(&direct, &files, "3", &["--name", &ids[0][..6]]);
    let refused = direct.run(["status", &ids[0][..6]]).ended(1);
    assert!(refused.stderr.contains(&ids[0]), "{}", refused.stderr);
    direct.run(["status", &ids[0][..7]]).ended(0);
}

#[test]
fn an_id_is_not_looked_up() {
    let database = TestDatabase::new();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let extractor = Extractor::built_in(&ExtractionSettings::default()).unwrap();
        let recorder = Recorder::new(extractor, database.store()).await.unwrap();
        let before = recorder.metrics().total_queries;
        let unknown = Uuid::now_v7();
        for text in [unknown.to_string(), unknown.simple().to_string()] {
            assert_eq!(recorder.resolve_simulation(&text).await.unwrap(), unknown);
        }
        assert_eq!(recorder.metrics().total_queries, before);
        let missing = recorder.resolve_simulation("latest").await;
        assert!(matches!(missing, Err(Error::NotFound(_))), "{missing:?}");
        assert!(recorder.metrics().total_queries > before);
        recorder.close().await;
    });
}
