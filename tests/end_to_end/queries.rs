//! Queries over time: performance by the hour, the latest failures, how simulations end.

use serde_json::{Value, json};

use crate::support::{Files, Program, TestDatabase, record};

/// Returns a result whose run began this many minutes after the start of the hour two hours ago.
fn result(id: &str, minutes: i64, status: &str, score: f64, cost: f64) -> Value {
    let hour = jiff::Timestamp::now().as_second() / 3_600 * 3_600 - 2 * 3_600;
    let began = jiff::Timestamp::from_second(hour + minutes * 60).unwrap();
    json!({
        "scenario": {"id": id},
        "trajectory": {
            "status": status,
            "start_time": began.to_string(),
            "execution_time_seconds": 2,
            "token_usage": {"total_tokens": 10, "total_cost": cost},
            "error": if status == "success" { Value::Null } else { json!(format!("TimeoutError: {id} took too long")) },
        },
        "reliability_score": score,
    })
}

#[test]
fn performance_is_summed_by_the_hour_and_weighted_by_outcome() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let results = [
        result("a", 1, "success", 1.0, 0.1),
        result("b", 2, "error", 0.0, 0.2),
        result("c", 3, "success", 0.5, 0.3),
        result("d", 61, "success", 1.0, 0.4),
        // Earlier than the range of the query.
        result("e", -60 * 24 * 3, "success", 0.0, 9.0),
    ];
    let path = files.write_lines("results.jsonl", &results);
    let recorded = record(&program, &path, &[]).ended(0).json();
    let id = recorded["simulation_id"].as_str().unwrap();
    let answer = program.run(["performance", id, "--range", "24h", "--json"]).ended(0).json();
    assert_eq!(answer["time_range_hours"], 24.0);
    let hours = answer["hourly_metrics"].as_array().unwrap();
    assert_eq!(hours.len(), 2);
    assert_eq!(
        (
            &hours[0]["total_outcomes"],
            &hours[0]["avg_reliability"],
            &hours[0]["avg_execution_time"]
        ),
        (&json!(3), &json!(0.5), &json!(2000.0))
    );
    assert_eq!((&hours[0]["total_cost"], &hours[0]["error_count"]), (&json!(0.6), &json!(1)));
    assert_eq!(
        answer["summary"],
        json!({"total_outcomes": 4, "avg_reliability": 0.625, "total_cost": 1.0})
    );
    program.run(["performance", id]).ended(0);
    let longer = program.run(["performance", id, "--json"]).ended(0).json();
    assert_eq!(longer["summary"]["total_outcomes"], 5);
    program.run(["performance", id, "--range", "soon"]).ended(1);
}

#[test]
fn the_latest_failures_come_first_with_their_whole_text() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    for (name, minutes) in [("one", 10), ("two", 20)] {
        let results = [
            result(&format!("{name}-early"), minutes, "timeout", 0.0, 0.0),
            result(&format!("{name}-late"), minutes + 5, "error", 0.0, 0.0),
            result(&format!("{name}-good"), minutes + 6, "success", 1.0, 0.0),
        ];
        let path = files.write_lines(&format!("{name}.jsonl"), &results);
        record(&program, &path, &[]).ended(0);
    }
    let failures = program.run(["failures", "--json"]).ended(0).json_lines();
    let scenarios: Vec<&str> =
        failures.iter().map(|failure| failure["scenario_id"].as_str().unwrap()).collect();
    assert_eq!(scenarios, ["two-late", "two-early", "one-late", "one-early"]);
    assert_eq!(failures[0]["error_message"], "TimeoutError: two-late took too long");
    assert_eq!(failures[0]["error_code"], "TimeoutError");
    assert_eq!(failures[0]["error_category"], "timeout");
    assert_eq!(program.run(["failures", "--limit", "1", "--json"]).ended(0).json_lines().len(), 1);
    assert!(program.run(["failures"]).ended(0).stdout.contains("two-late"));
}

#[test]
fn a_simulation_ends_once() {
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let files = Files::new();
    let path = files.write_lines("results.jsonl", &[result("a", 1, "success", 1.0, 0.0)]);
    let recorded = record(&program, &path, &[]).ended(0).json();
    let id = recorded["simulation_id"].as_str().unwrap();
    let refused = program.run(["fail", id, "--reason", "no"]).ended(1);
    assert!(refused.stderr.contains("is completed and cannot become failed"), "{}", refused.stderr);
    database.execute("UPDATE arc_recorder.simulations SET status = 'running', completed_at = NULL");
    let first = program.run(["cancel", id, "--reason", "enough seen", "--json"]).ended(0).json();
    assert_eq!(first["status"], "cancelled");
    let second = program.run(["cancel", id, "--reason", "another", "--json"]).ended(0).json();
    assert_eq!(first, second);
    let reason =
        "SELECT count(*) FROM arc_recorder.simulations WHERE status_reason = 'enough seen'";
    assert_eq!(database.count(reason), 1);
    // A cancelled simulation still accepts results; it does not become running again.
    let again = record(&program, &path, &[]).ended(0);
    assert!(again.stderr.contains("is cancelled; its results are recorded"), "{}", again.stderr);
    assert_eq!(again.json()["status"], "cancelled");
    assert_eq!(program.run(["status", id, "--json"]).ended(0).json()["status"], "cancelled");
}
