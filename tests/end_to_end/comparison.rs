//! Comparisons and gates of recorded runs, from a database and through a service.

use serde_json::{Value, json};

use crate::support::{Files, Program, Service, TestDatabase, record, result};

/// Records a run of single trials, of which the first `passed` pass, and returns its id.
fn run(program: &Program, files: &Files, name: &str, scenarios: usize, passed: usize) -> String {
    let results: Vec<Value> = (0..scenarios)
        .map(|number| {
            let score = f64::from(u8::from(number < passed));
            let mut result = result(&format!("q{number:03}"), "success", score);
            result["trajectory"]["token_usage"] = json!({"total_tokens": 100 + number});
            result
        })
        .collect();
    let file = files.write_lines(&format!("{name}.jsonl"), &results);
    let report = record(program, &file, &["--name", name]).ended(0).json();
    report["simulation_id"].as_str().unwrap().to_owned()
}

#[test]
fn the_better_run_is_found_and_a_fall_is_not_passed() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let direct = Program::on(&database);
    let service = Service::start(&direct, &files, &[]);
    run(&direct, &files, "low", 100, 40);
    run(&direct, &files, "high", 100, 70);
    run(&direct, &files, "higher", 100, 71);
    for program in [&direct, &service.program()] {
        let report = program.run(["compare", "low", "high", "--json"]).ended(0).json();
        let compared = &report["candidates"][0];
        assert_eq!(compared["verdict"]["answer"], "better", "{compared}");
        assert_eq!(compared["denominators"]["in_both"], 100, "{compared}");
        // 30 of 100 scenarios passed only in one run.
        assert!(
            (compared["difference"]["difference"].as_f64().unwrap() - 0.3).abs() < 1e-12,
            "{compared}"
        );
        let text = program.run(["compare", "low", "high"]).ended(0).stdout;
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains("better"), "{text}");
        let markdown = program.run(["compare", "low", "high", "--markdown"]).ended(0).stdout;
        assert!(markdown.contains("| "), "{markdown}");

        let gate = |run: &str, baseline: &str, margin: &str| {
            program.run(["gate", run, "--baseline", baseline, "--margin", margin])
        };
        gate("high", "low", "0.02").ended(0);
        let regressed = gate("low", "high", "0.02").ended(1);
        assert!(regressed.stdout.contains("worse"), "{}", regressed.stdout);
        gate("high", "higher", "0.0").ended(3);
        // Not the code of a regression.
        let unknown = gate("nothing", "low", "0.02").ended(2);
        assert!(unknown.stderr.contains("nothing"), "{}", unknown.stderr);
        gate("high", "low", "-1").ended(2);
        let metric =
            program.run(["gate", "high", "--baseline", "low", "--metric", "other"]).ended(2);
        assert!(metric.stderr.contains(r#"the metric "other""#), "{}", metric.stderr);
    }
}

#[test]
fn trials_are_paired_by_scenario_and_content_and_reviews_count() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let service = Service::start(&program, &files, &[]);
    let begin = |name: &str, prompt: &str| {
        let scenarios: Vec<Value> = (0..50)
            .map(|number| json!({"id": format!("q{number}"), "task_prompt": if number == 49 { prompt } else { "same" }}))
            .collect();
        let start = json!({"simulation_name": name, "trials": 5, "scenarios": scenarios});
        let started = service.post("/v1/simulations", &start).has(200).json();
        format!("/v1/simulations/{}", started["simulation_id"].as_str().unwrap())
    };
    // From 100 % to 20 %: each scenario still passes once.
    let (before, after) = (begin("before", "one"), begin("after", "other"));
    for number in 0..50 {
        for trial in 1..=5 {
            for (path, score) in [(&before, 1.0), (&after, f64::from(u8::from(trial == 1)))] {
                let result = result(&format!("q{number}"), "success", score);
                service.post(&format!("{path}/outcomes?trial={trial}"), &result).has(200);
            }
        }
    }
    for path in [&before, &after] {
        service.post(&format!("{path}/complete"), &json!({})).has(200);
    }
    let gate = ["gate", "after", "--baseline", "before"];
    program.run(gate).ended(1);
    let compare = || {
        let report = program.run(["compare", "before", "after", "--json"]).ended(0).json();
        report["candidates"][0].clone()
    };
    let compared = compare();
    assert_eq!(compared["denominators"]["in_both"], 49, "{compared}");
    assert_eq!(compared["denominators"]["changed"], json!(["q49"]), "{compared}");
    assert!(
        (compared["difference"]["difference"].as_f64().unwrap() + 0.8).abs() < 1e-12,
        "{compared}"
    );

    // An invalidated scenario is in neither mean, and an attempt that is repeated changes nothing.
    let note = json!({"annotations": [{"kind": "invalidate", "scenario_id": "q0"}]});
    service.post(&format!("{after}/annotations"), &note).has(200);
    let again = result("q1", "success", 1.0);
    let mut repeated = again.clone();
    repeated["trajectory"]["final_response"] = json!("once more");
    service.post(&format!("{after}/outcomes?trial=2"), &repeated).has(200);
    let compared = compare();
    assert!(
        (compared["difference"]["difference"].as_f64().unwrap() + 0.8).abs() < 1e-12,
        "{compared}"
    );
    let text = program.run(["compare", "before", "after"]).ended(0).stdout;
    assert!(text.contains("invalidated"), "{text}");
    // Over a service, the same report.
    let by_service = service.program().run(["compare", "before", "after"]).ended(0).stdout;
    assert_eq!(by_service, text);
}
