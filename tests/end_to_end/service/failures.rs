//! Results that the database refuses: the error that a caller gets, and that a retry records them.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Files, Program, Service, TestDatabase, result};

/// Makes the database refuse a scenario, and returns a function that undoes it.
fn refuse(database: &TestDatabase, scenario: &str) -> impl Fn() {
    database.execute(&format!(
        "ALTER TABLE arc_recorder.outcomes ADD CONSTRAINT hush_hush CHECK (scenario_id <> '{scenario}')"
    ));
    || database.execute("ALTER TABLE arc_recorder.outcomes DROP CONSTRAINT hush_hush")
}

#[test]
fn the_databases_own_errors_are_not_disclosed() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let service = Service::start(&Program::on(&database), &files, &[]);
    let id = service.start_simulation(&[]);
    let path = format!("/v1/simulations/{id}/outcomes");
    let _take = refuse(&database, "odd");
    let (fine, odd) = (result("fine", "success", 1.0), result("odd", "success", 1.0));
    let own = |request_id: &str, kind: &str, body: String| {
        let headers = [("x-request-id", request_id), ("content-type", kind)];
        service.send(Method::POST, &path, &headers, body)
    };
    let single = own("one-1", "application/json", odd.to_string()).has_problem(422, "refused");
    let batch = own("many-1", "application/json", json!([fine, odd]).to_string()).has(200).json();
    let lines = own("lines-1", "application/x-ndjson", format!("{fine}\n{odd}\n")).has(200).lines();
    let verdicts = |items: &[Value]| -> Vec<Value> {
        items.iter().map(|item| item["verdict"].clone()).collect()
    };
    let items = batch["verdicts"].as_array().unwrap();
    assert_eq!(verdicts(items), ["stored", "failed"]);
    assert_eq!(verdicts(&lines), ["duplicate", "failed"]);
    let headers = [("x-request-id", "file-1"), ("content-type", "application/octet-stream")];
    let file = service.send(Method::POST, "/v1/files", &headers, format!("{fine}\n{odd}\n"));
    let file = file.has(200).json();
    assert_eq!((&file["stored"], &file["failed"]), (&json!(1), &json!(1)));
    assert!(file["failure"].as_str().unwrap().starts_with("line 2: "), "{file}");
    for answer in [&single, &items[1], &lines[1], &file] {
        assert!(!answer.to_string().contains("hush_hush"), "{answer}");
        assert!(answer.to_string().contains("log"), "{answer}");
    }
    // The operator finds the reasons in the log under the request's id.
    let log = service.log();
    for id in ["one-1", "many-1", "lines-1", "file-1"] {
        let logged = |line: &str| line.contains(id) && line.contains("hush_hush");
        assert!(log.lines().any(logged), "{id}: {log}");
    }
    // The single result has no verdict, but its problem is counted, too.
    let metrics = service.get("/metrics").has(200).text();
    for counted in ["{verdict=\"stored\"} 2", "{verdict=\"failed\"} 4"] {
        assert!(metrics.contains(&format!("arc_results_total{counted}")), "{counted}: {metrics}");
    }
}

#[test]
fn a_failure_is_not_the_answer_to_the_next_request_with_its_key() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let service = Service::start(&Program::on(&database), &files, &[]);
    let id = service.start_simulation(&[]);
    let path = format!("/v1/simulations/{id}/outcomes");
    let take = refuse(&database, "odd");
    let both = json!([result("fine", "success", 1.0), result("odd", "success", 1.0)]).to_string();
    let key = [("idempotency-key", "k-1")];
    let send = || service.send(Method::POST, &path, &key, both.clone()).has(200);
    let first = send().json();
    assert_eq!((&first["stored"], &first["failed"]), (&json!(1), &json!(1)));
    take();
    let second = send();
    assert_eq!(second.header("idempotent-replayed"), "");
    assert_eq!((&second.json()["duplicate"], &second.json()["stored"]), (&json!(1), &json!(1)));
    // An answer without a failure is cached.
    let third = send();
    assert_eq!(third.header("idempotent-replayed"), "true");
    assert_eq!(third.body, second.body);
    assert_eq!(database.count("SELECT count(*) FROM arc_recorder.outcomes"), 2);
}
