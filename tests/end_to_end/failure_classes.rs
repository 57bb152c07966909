//! Whose failure it was: a broken sandbox does not look like an agent that scores 0.

use serde_json::{Value, json};

use crate::support::{Files, Program, Service, TestDatabase, record, result};

/// A result that failed with this error, and has a score of 0 all the same.
fn failed(scenario: &str, error: &str) -> Value {
    let mut failed = result(scenario, "error", 0.0);
    failed["trajectory"]["error"] = json!(error);
    failed
}

/// Returns the codes of the warnings of a status.
fn warnings(status: &Value) -> Vec<&str> {
    let warnings = status["warnings"].as_array().unwrap().iter();
    warnings.map(|one| one["code"].as_str().unwrap()).collect()
}

#[test]
fn failures_of_infrastructure_are_apart_from_those_of_the_agent() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let direct = Program::on(&database);
    let service = Service::start(&direct, &files, &[]);
    let results = [
        result("a", "success", 1.0),
        result("b", "success", 0.5),
        failed("c", "AgentTimeoutError: Agent execution timed out after 900.0 seconds"),
        failed("d", "docker.errors.DockerException: Cannot connect to the Docker daemon"),
        failed("e", "RateLimitError: Error code: 429 - Rate limit reached"),
        failed("f", "RewardFileNotFoundError: No reward file found"),
        failed("g", "ModuleNotFoundError: No module named 'tasks'"),
        failed("h", "Exception: failed"),
    ];
    for (name, program) in [("direct", &direct), ("service", &service.program())] {
        let file = files.write_lines(&format!("{name}.jsonl"), &results);
        let report = record(program, &file, &[]).ended(0).json();
        let id = report["simulation_id"].as_str().unwrap();
        let classes =
            json!({"agent": 1, "harness": 1, "infrastructure": 2, "scorer": 1, "undecided": 1});
        assert_eq!(report["by_failure_class"], classes);
        let status = program.run(["status", id, "--json"]).ended(0).json();
        assert_eq!(status["by_failure_class"], classes);
        assert_eq!(status["infrastructure_outcomes"], 2);
        assert_eq!(status["completed_scenarios"], 8, "the scenarios were run");
        // (1 + 0.5 + 4 × 0) / 6: two are no evidence about the agent.
        assert_eq!(status["overall_score"], json!(0.25));
        assert_eq!(status["headline"]["computed"], json!(0.25));
        assert_eq!(warnings(&status), ["infrastructure_scored"]);

        let outcomes = program.run(["outcomes", id, "--json"]).ended(0).json_lines();
        let of = |scenario: &str| {
            let one = outcomes.iter().find(|one| one["scenario_id"] == scenario).unwrap();
            [one["failure_class"].clone(), one["failure_rule"].clone()]
        };
        assert_eq!(of("a"), [Value::Null, Value::Null]);
        assert_eq!(of("c"), [json!("agent"), json!("limit_reached")]);
        assert_eq!(of("d"), [json!("infrastructure"), json!("sandbox")]);
        assert_eq!(of("e"), [json!("infrastructure"), json!("rate_limit")]);
        assert_eq!(of("f"), [json!("scorer"), json!("reward_missing")]);
        assert_eq!(of("g"), [json!("harness"), json!("dependency")]);
        assert_eq!(of("h"), [json!("undecided"), Value::Null]);
        let text = program.run(["status", id]).ended(0).stdout;
        assert!(text.contains("infrastructure 2"), "{text}");
        let failures = program.run(["failures", "--json"]).ended(0).json_lines();
        assert!(failures.iter().all(|one| one["failure_class"].is_string()), "{failures:?}");
    }

    // The frozen figures of a completed simulation are the computed ones.
    let scores = "SELECT count(DISTINCT overall_score) FROM arc_recorder.simulations";
    assert_eq!(database.count(scores), 1);
}

#[test]
fn results_that_are_all_zero_without_any_work_are_suspicious() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let status = |name: &str, results: &[Value]| {
        let file = files.write_lines(name, results);
        let id = record(&program, &file, &[]).ended(0).json()["simulation_id"].clone();
        program.run(["status", id.as_str().unwrap(), "--json"]).ended(0).json()
    };
    let zero = |number: u32| {
        json!({
            "scenario": {"id": format!("case-{number}")},
            "trajectory": {"status": "success", "execution_time_seconds": 0.1},
            "reliability_score": 0.0,
        })
    };
    let mut results: Vec<Value> = (0..396).map(zero).collect();
    let nothing = status("nothing.jsonl", &results);
    assert_eq!(warnings(&nothing), ["nothing_ran"]);
    let message = nothing["warnings"][0]["message"].as_str().unwrap();
    assert!(
        message.starts_with("all 396 results have a score of 0, no tokens and no error"),
        "{message}"
    );
    assert_eq!(nothing["overall_score"], json!(0.0), "the score of the results");

    // A hard benchmark: the agent worked.
    results[0]["trajectory"]["token_usage"] = json!({"total_tokens": 1});
    assert!(warnings(&status("hard.jsonl", &results)).is_empty());
    results[0]["trajectory"]["token_usage"] = json!(null);
    results[0]["reliability_score"] = json!(0.1);
    assert!(warnings(&status("one.jsonl", &results)).is_empty());
    assert!(warnings(&status("few.jsonl", &results[1..10])).is_empty());
}
