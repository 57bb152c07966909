//! Samples, and what the format answers.

#![allow(dead_code, reason = "no test program uses all of them")]

use arc_format_inspect::InspectFormat;
use arc_format_kit::{Outcome, Span};
use serde_json::{Value, json};

pub(crate) const HEADER: &str =
    r#"{"version": 2, "status": "success", "eval": {"task": "t", "run_id": "r"}}"#;

/// Returns a sample with these members besides id, epoch and a score, so that it has no warnings.
pub(crate) fn sample(members: &Value) -> String {
    let mut sample =
        json!({"id": "s", "epoch": 1, "input": "Go.", "scores": {"x": {"value": "C"}}});
    for (name, value) in members.as_object().unwrap() {
        sample[name] = value.clone();
    }
    sample.to_string()
}

#[track_caller]
pub(crate) fn accepted(item: &str) -> Outcome {
    arc_format_testing::accepted::<InspectFormat>(Some(HEADER), item)
}

#[track_caller]
pub(crate) fn accept(members: Value) -> Outcome {
    accepted(&sample(&members))
}

#[track_caller]
pub(crate) fn rejected(item: &str) -> Vec<(String, &'static str)> {
    arc_format_testing::rejected::<InspectFormat>(Some(HEADER), item)
}

pub(crate) fn slice(text: &str, span: Option<Span>) -> Option<Value> {
    arc_format_testing::slice(text, span).map(|part| serde_json::from_str(part).unwrap())
}
