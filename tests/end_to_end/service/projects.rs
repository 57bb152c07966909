//! Projects: a token that is bound to one reads and records nothing of another.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Files, Program, Service, TestDatabase, fixture, record, result};

/// Creates a token of a project, or of all of them.
fn token(program: &Program, project: Option<&str>, scope: &str) -> String {
    let name = format!("{}-{scope}", project.unwrap_or("all"));
    let mut create = vec!["token", "create", "--json", "--name", &name, "--scope", scope];
    if let Some(project) = project {
        create.extend(["--project", project]);
    }
    let created = program.run(create).ended(0).json();
    assert_eq!(created["project"], json!(project));
    created["token"].as_str().unwrap().to_owned()
}

/// Every path of the service that names a simulation, with a body that it takes.
fn paths_of(service: &Service) -> Vec<(Method, String)> {
    let document = service.get("/openapi.json").has(200).json();
    let mut paths = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            if path.contains("{simulation_id}") {
                paths.push((method.to_uppercase().parse().unwrap(), path.clone()));
            }
        }
    }
    assert!(paths.len() > 15, "{paths:?}");
    paths
}

/// Returns a body that a path takes.
fn body_of(path: &str) -> Value {
    match path.rsplit('/').next().unwrap() {
        "outcomes" => result("a", "success", 1.0),
        "rename" => json!({"simulation_name": "renamed"}),
        "tags" => json!({"add": ["t"]}),
        "metrics" => json!({"metrics": [{"name": "m", "highest": 5.0}]}),
        "annotations" => {
            json!({"annotations": [{"kind": "note", "scenario_id": "a", "value": "x"}]})
        }
        "result-list" => json!({"outcome_ids": []}),
        _ => json!({}),
    }
}

#[test]
fn every_path_with_every_token_stays_within_its_project() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let projects = [None, Some("red"), Some("blue")];
    let tokens: Vec<(Option<&str>, &str, String)> = projects
        .into_iter()
        .flat_map(|project| ["read", "record", "admin"].map(|scope| (project, scope)))
        .map(|(project, scope)| (project, scope, token(&program, project, scope)))
        .collect();
    let service = Service::start(&program, &files, &["--require-tokens"]);
    let send = |method: Method, path: &str, token: &str, body: Option<&Value>| {
        let authorization = format!("Bearer {token}");
        let mut headers = vec![("authorization", authorization.as_str())];
        if body.is_some() {
            headers.push(("content-type", "application/json"));
        }
        let body = body.map(Value::to_string).unwrap_or_default().into_bytes();
        service.send(method, path, &headers, body)
    };
    let with = |project: Option<&str>, scope: &str| -> &str {
        &tokens.iter().find(|one| (one.0, one.1) == (project, scope)).unwrap().2
    };

    for (method, path) in paths_of(&service) {
        // A simulation of each project, which this path has not changed.
        let own: BTreeMap<&str, Uuid> = ["red", "blue"]
            .into_iter()
            .map(|project| {
                let id = Uuid::now_v7();
                let start =
                    json!({"simulation_id": id, "scenarios": [{"id": "a"}], "simulation_name": id});
                let token = with(Some(project), "record");
                let started = send(Method::POST, "/v1/simulations", token, Some(&start)).has(200);
                assert_eq!(started.json()["simulation_id"], json!(id));
                let outcomes = format!("/v1/simulations/{id}/outcomes");
                let result = result("a", "success", 1.0);
                send(Method::POST, &outcomes, token, Some(&result)).has(200);
                (project, id)
            })
            .collect();
        let needed = match (&method, path.as_str()) {
            (_, path) if path.ends_with("/remove") => "admin",
            (method, _) if *method == Method::GET => "read",
            _ => "record",
        };
        for (project, scope, token) in &tokens {
            for (of, id) in &own {
                // By its id, and by its name.
                let of_results = method == Method::POST && path.ends_with("/outcomes");
                let names = if of_results {
                    vec![id.to_string()]
                } else {
                    vec![id.to_string(), id.simple().to_string()[..20].to_owned()]
                };
                for name in names {
                    let is_allowed = *scope == needed || *scope == "admin";
                    let is_own = project.is_none_or(|project| project == *of);
                    if is_own {
                        continue;
                    }
                    let path = path.replace("{simulation_id}", &name);
                    let body = (method == Method::POST).then(|| body_of(&path));
                    let answer = send(method.clone(), &path, token, body.as_ref());
                    let expected = if is_allowed { 404 } else { 403 };
                    assert_eq!(answer.status, expected, "{method} {path} {project:?} {scope}");
                }
            }
        }
        // The token of its own project is answered, which ends the simulation for some paths.
        for (of, id) in &own {
            let path = path.replace("{simulation_id}", &id.to_string());
            if path.ends_with("/events") {
                continue;
            }
            let body = (method == Method::POST).then(|| body_of(&path));
            let answer = send(method.clone(), &path, with(Some(of), needed), body.as_ref());
            let text = answer.text();
            // A result that has one revision has none to select.
            let is_answered =
                [200, 400].contains(&answer.status) || text.contains("several revisions");
            assert!(is_answered, "{method} {path}: {text}");
        }
    }
    let changed =
        "SELECT count(*) FROM arc_recorder.simulations WHERE project NOT IN ('red', 'blue')";
    assert_eq!(database.count(changed), 0);

    // Lists, references and failures.
    let mut failed = result("a", "error", 0.0);
    failed["trajectory"]["error"] = json!("AgentTimeoutError: out of time");
    for project in ["red", "blue"] {
        let start = json!({"scenarios": [{"id": "a"}], "simulation_name": "same"});
        let token = with(Some(project), "record");
        let id = send(Method::POST, "/v1/simulations", token, Some(&start)).has(200).json();
        let outcomes =
            format!("/v1/simulations/{}/outcomes", id["simulation_id"].as_str().unwrap());
        send(Method::POST, &outcomes, token, Some(&failed)).has(200);
    }
    let listed = |token: &str, query: &str| -> Vec<String> {
        let path = format!("/v1/simulations?limit=1000{query}");
        let list = send(Method::GET, &path, token, None).has(200).json();
        let list = list["simulations"].as_array().unwrap().iter();
        list.map(|one| one["project"].as_str().unwrap().to_owned()).collect()
    };
    let all = listed(with(None, "read"), "");
    assert!(all.contains(&"red".to_owned()) && all.contains(&"blue".to_owned()));
    assert!(listed(with(None, "read"), "&project=red").iter().all(|project| project == "red"));
    for project in ["red", "blue"] {
        let token = with(Some(project), "read");
        let own = listed(token, "");
        assert!(!own.is_empty() && own.iter().all(|one| one == project), "{own:?}");
        let other = if project == "red" { "blue" } else { "red" };
        let asked = format!("/v1/simulations?project={other}");
        send(Method::GET, &asked, token, None).has_problem(403, "forbidden");
        for name in ["same", "latest"] {
            let path = format!("/v1/resolve?simulation={name}");
            let found = send(Method::GET, &path, token, None).has(200).json();
            let path = format!("/v1/simulations/{}", found["simulation_id"].as_str().unwrap());
            assert_eq!(send(Method::GET, &path, token, None).has(200).json()["project"], project);
        }
        let failures = send(Method::GET, "/v1/failures", token, None).has(200).json();
        assert_eq!(failures["failures"].as_array().unwrap().len(), 1);
    }
    assert_eq!(
        send(Method::GET, "/v1/resolve?simulation=same", with(None, "read"), None).status,
        409
    );

    // Starts and files.
    let (red, blue) = (with(Some("red"), "record"), with(Some("blue"), "record"));
    let id = Uuid::now_v7();
    let start = json!({"simulation_id": id, "scenarios": [], "project": "blue"});
    send(Method::POST, "/v1/simulations", red, Some(&start)).has_problem(403, "forbidden");
    send(Method::POST, "/v1/simulations", blue, Some(&start)).has(200);
    let start = json!({"simulation_id": id, "scenarios": []});
    send(Method::POST, "/v1/simulations", red, Some(&start)).has_problem(409, "conflict");
    let unknown = format!("/v1/simulations/{}/outcomes", Uuid::now_v7());
    send(Method::POST, &unknown, red, Some(&failed)).has_problem(404, "not_found");
    let file = std::fs::read(fixture("formats/inspect/arithmetic.eval")).unwrap();
    let upload = |token: &str, query: &str| {
        let authorization = format!("Bearer {token}");
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/octet-stream"),
        ];
        let path = format!("/v1/files?file_name=arithmetic.eval{query}");
        service.send(Method::POST, &path, &headers, file.clone())
    };
    let ids: Vec<Value> =
        [red, blue].map(|token| upload(token, "").has(200).json()["simulation_id"].clone()).into();
    assert_ne!(ids[0], ids[1], "the same file in two projects is two simulations");
    assert_eq!(upload(red, "").has(200).json()["simulation_id"], ids[0]);
    let into = format!("&simulation_id={}", ids[1].as_str().unwrap());
    upload(red, &into).has_problem(404, "not_found");
    upload(red, "&project=blue").has_problem(403, "forbidden");

    // The spool has entries of all projects.
    for (project, expected) in [(None, 200), (Some("red"), 403)] {
        let spool = send(Method::GET, "/v1/spool/entries", with(project, "admin"), None);
        assert_eq!(spool.status, expected, "{}", spool.text());
    }
}

#[test]
fn a_recording_names_its_project() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let direct = Program::on(&database);
    let service = Service::start(&direct, &files, &[]);
    for (name, program) in [("direct", &direct), ("service", &service.program())] {
        let file = files.write_lines(&format!("{name}.jsonl"), &[result("a", "success", 1.0)]);
        let project = |report: Value| {
            let id = report["simulation_id"].as_str().unwrap().to_owned();
            program.run(["status", &id, "--json"]).ended(0).json()["project"].clone()
        };
        assert_eq!(project(record(program, &file, &[]).ended(0).json()), "default");
        let red = record(program, &file, &["--project", "red"]).ended(0).json();
        assert_eq!(project(red), "red");
        let listed =
            program.run(["simulations", "--json", "--project", "red"]).ended(0).json_lines();
        assert!(
            !listed.is_empty() && listed.iter().all(|one| one["project"] == "red"),
            "{listed:?}"
        );
    }
    let of_variable = Program::on(&database).with_variable("ARC_PROJECT", "green");
    let file = files.write_lines("green.jsonl", &[result("a", "success", 1.0)]);
    record(&of_variable, &file, &[]).ended(0);
    let green = "SELECT count(*) FROM arc_recorder.simulations WHERE project = 'green'";
    assert_eq!(database.count(green), 1);
    let long = "x".repeat(101);
    let refused = record(&direct, &file, &["--project", &long]);
    assert_ne!(refused.code, Some(0));
    assert!(refused.stderr.contains("invalid project"), "{}", refused.stderr);
}
