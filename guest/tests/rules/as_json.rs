//! The verdict as JSON text.

use super::*;

/// Returns the JSON text of a struct as the interface defines it.
fn expected(outcome: &Outcome) -> Value {
    let span = |span: Option<Span>| span.map(|span| json!([span.offset, span.length]));
    let snake = |debug: String| {
        let mut name = String::new();
        for character in debug.chars() {
            if character.is_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.extend(character.to_lowercase());
        }
        name
    };
    let warnings: Vec<_> = outcome
        .warnings
        .iter()
        .map(|each| json!({"path": each.path, "code": each.code, "message": each.message}))
        .collect();
    let scores: Vec<_> = outcome
        .scores
        .iter()
        .map(|each| {
            json!({
                "name": each.name,
                "value": each.value,
                "label": each.label,
                "lowest": each.lowest,
                "highest": each.highest,
                "explanation": span(each.explanation),
            })
        })
        .collect();
    let usage: Vec<_> = outcome
        .usage
        .iter()
        .map(|each| {
            json!({
                // The format has one role and one try.
                "role": null,
                "discarded": false,
                "model": each.model,
                "uncached_input_tokens": each.uncached_input_tokens,
                "cache_read_tokens": each.cache_read_tokens,
                "cache_write_tokens": each.cache_write_tokens,
                "output_tokens": each.output_tokens,
                "reasoning_tokens": each.reasoning_tokens,
                "total_tokens": each.total_tokens,
                "cost_usd": each.cost_usd,
            })
        })
        .collect();
    json!({
        "scenario": {
            "id": outcome.scenario.id,
            "name": outcome.scenario.name,
            "task_prompt": outcome.scenario.task_prompt,
            "definition": span(outcome.scenario.definition),
        },
        "trial": outcome.trial,
        "status": snake(format!("{:?}", outcome.status)),
        "scores": scores,
        "headline": outcome.headline,
        "grade": outcome.grade,
        // The format has neither invalidations nor keys.
        "invalidation": null,
        "execution_time": outcome.execution_time,
        "execution_time_ms": outcome.execution_time_ms,
        // A result of the format names no more than its model.
        "origin": {
            "models": outcome.origin.models,
            "provider": null, "agent": null, "agent_version": null, "task": null,
            "task_version": null, "dataset": null, "dataset_version": null, "tool": null,
            "tool_version": null,
        },
        "tokens_used": outcome.tokens_used,
        "prompt_tokens": outcome.prompt_tokens,
        "completion_tokens": outcome.completion_tokens,
        "cost_usd": outcome.cost_usd,
        "usage": usage,
        "event_count": outcome.event_count,
        "error_code": outcome.error_code,
        "error_message": outcome.error_message,
        "error_category": outcome.error_category.map(|category| snake(format!("{category:?}"))),
        "failure_class": outcome.failure_class.map(|class| snake(format!("{class:?}"))),
        "failure_rule": outcome.failure_rule,
        "modal_call_id": outcome.modal_call_id,
        "sandbox_id": outcome.sandbox_id,
        "trajectory": span(outcome.trajectory),
        "detailed_trajectory": span(outcome.detailed_trajectory),
        "dimensions": span(outcome.dimensions),
        "key": null,
        "place": null,
        "revised_at": null,
        "discarded_tokens": 0,
        "discarded_cost_usd": 0,
        "warnings": warnings,
    })
}

/// Returns the same value with every number as a float: 1 and 1.0 are the same number.
fn floats(value: Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64().unwrap()),
        Value::Array(items) => items.into_iter().map(floats).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(key, value)| (key, floats(value))).collect()
        }
        other => other,
    }
}

#[track_caller]
pub(crate) fn check(document: &str) {
    let text = extract_json(document);
    let found: Value = serde_json::from_str(&text).unwrap();
    let expected = match extract_outcome(document) {
        Ok(outcome) => json!({"verdict": "accepted", "outcome": expected(&outcome)}),
        Err(violations) => {
            let violations: Vec<_> = violations
                .iter()
                .map(|each| json!({"path": each.path, "code": each.code, "message": each.message}))
                .collect();
            json!({"verdict": "rejected", "violations": violations})
        }
    };
    assert_eq!(floats(found), floats(expected), "{document}");
}

#[test]
fn whole_numbers_are_written_without_a_fraction() {
    let text = extract_json(&with_trajectory(
        r#""execution_time_seconds": 2, "token_usage": {"total_tokens": 9007199254740992, "total_cost": 1e6}"#,
    ));
    for part in [
        r#""execution_time_ms":2000,"#,
        r#""tokens_used":9007199254740992,"#,
        r#""cost_usd":1000000,"#,
        r#"{"name":"reliability_score","value":1,"#,
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn a_verdict_is_json_for_any_document() {
    for document in
        ["", "\u{0}", "{", "[[[", r#"{"\ud800": "#, "{\"a\u{1}\": NaN}", "\u{feff}{}", "nul"]
    {
        check(document);
    }
}
