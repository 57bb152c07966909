//! The work of a format is proportional to the size of its input.
//!
//! The bundled formats run without a fuel limit, so a linear search for each of many names would occupy a worker for
//! hours. Added as components, they have an amount of fuel per byte, which detects such a search on any machine.

use std::path::Path;

use serde_json::{Value, json};

use super::{add, run};
use crate::support::{Files, Program, TestDatabase};

/// Records a file of one large result.
#[track_caller]
fn has_fuel_enough(component: &str, file_name: &str, text: &str) {
    let database = TestDatabase::new();
    let (program, files) = (Program::on(&database), Files::new());
    add(&program, &files, Path::new(component), &[]).ended(0);
    let file = files.write(file_name, text);
    let recorded = run(&program, &files, &["--json", "record", file.to_str().unwrap()]);
    let summary = recorded.ended(0).json();
    assert_eq!((&summary["stored"], &summary["failed"]), (&1.into(), &0.into()), "{summary}");
}

/// Returns an object with this many scores.
fn scores(count: usize) -> Value {
    (0..count).map(|number| (format!("score-{number}"), json!(0.5))).collect()
}

#[test]
fn many_rewards_of_harbor() {
    let trial = json!({
        "task_name": "t", "trial_name": "t__1", "trial_uri": "file:///t",
        "verifier_result": {"rewards": scores(100_000)},
    });
    has_fuel_enough(env!("ARC_FORMAT_HARBOR"), "result.json", &trial.to_string());
}

#[test]
fn many_scores_of_promptfoo() {
    let row = json!({
        "gradingResult": {"pass": true, "score": 1}, "success": true, "score": 1,
        "vars": {"a": 1}, "namedScores": scores(100_000),
    });
    has_fuel_enough(env!("ARC_FORMAT_PROMPTFOO"), "results.jsonl", &format!("{row}\n"));
}

#[test]
fn many_metrics_of_openai_evals() {
    // In the tool's own order, in which the members that identify the format are first.
    let event = format!(
        r#"{{"run_id": "r", "event_id": 0, "sample_id": "e.0", "type": "metrics", "data": {}}}"#,
        scores(100_000)
    );
    has_fuel_enough(env!("ARC_FORMAT_OPENAI_EVALS"), "log.jsonl", &(event + "\n"));
}

#[test]
fn many_metrics_of_lm_eval() {
    let mut line =
        json!({"doc_id": 0, "doc": {"q": "a"}, "target": "a", "arguments": [], "resps": []});
    let scores = scores(50_000);
    let mut names: Vec<&String> = scores.as_object().unwrap().keys().collect();
    names.reverse();
    line["metrics"] = json!(names);
    line.as_object_mut().unwrap().extend(scores.as_object().unwrap().clone());
    // In the tool's own order, by which its files are recognised.
    let text =
        format!("{{\"doc_id\": 0, {}\n", &line.to_string()[1..].replace("\"doc_id\":0,", ""));
    has_fuel_enough(env!("ARC_FORMAT_LM_EVAL"), "samples_t_2026.jsonl", &text);
}

#[test]
fn many_agents_of_a_trace() {
    let attribute = |key: &str, value: Value| json!({"key": key, "value": value});
    let spans: Vec<Value> = (1..=8_000)
        .map(|number| {
            json!({
                "traceId": "01", "spanId": format!("{number:x}"),
                "parentSpanId": format!("{:x}", number - 1),
                "startTimeUnixNano": number.to_string(), "endTimeUnixNano": (24_000 - number).to_string(),
                "attributes": [
                    attribute("gen_ai.operation.name", json!({"stringValue": "invoke_agent"})),
                    attribute("gen_ai.usage.input_tokens", json!({"intValue": 1})),
                ],
            })
        })
        .collect();
    let trace = json!({"resourceSpans": [{"resource": {}, "scopeSpans": [{"spans": spans}]}]});
    has_fuel_enough(env!("ARC_FORMAT_OTEL"), "traces.json", &trace.to_string());
}
