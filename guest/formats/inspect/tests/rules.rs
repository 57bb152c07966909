//! The rules of the format, one by one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests fail by panicking"
)]

use arc_format_inspect::InspectFormat;
use arc_format_kit::{ErrorCategory, Format, OutcomeStatus, codes};
use arc_format_testing::{check, rejects_truncated_results, scores, warnings};
use proptest::prelude::*;
use serde_json::{Value, json};

mod sample;

use sample::*;

#[test]
fn a_scenario_is_named_by_task_and_sample() {
    let outcome = accept(json!({"id": 7, "epoch": 3}));
    assert_eq!(outcome.scenario.id, "t/7");
    assert_eq!(outcome.trial, Some(3));
    assert_eq!(outcome.scenario.task_prompt.as_deref(), Some("Go."));
    assert_eq!(outcome.warnings, []);
    assert_eq!(accept(json!({"id": "a/b"})).scenario.id, "t/a/b");
    let long = accept(json!({"id": "x".repeat(600)})).scenario.id;
    assert!(long.len() <= 512 && long.starts_with("t/xxx"));

    for (members, path, code) in [
        (json!({"id": null}), "/id", codes::MISSING_SCENARIO),
        (json!({"id": ""}), "/id", codes::EMPTY_ID),
        (json!({"id": [1]}), "/id", codes::WRONG_TYPE),
        (json!({"epoch": 0}), "/epoch", codes::OUT_OF_RANGE),
        (json!({"epoch": 1.5}), "/epoch", codes::NOT_AN_INTEGER),
        (json!({"epoch": "1"}), "/epoch", codes::WRONG_TYPE),
    ] {
        assert_eq!(rejected(&sample(&members)), [(path.to_owned(), code)], "{members}");
        assert!(InspectFormat::scenario(Some(HEADER), &sample(&members)).is_err());
    }
    assert_eq!(accept(json!({"epoch": null})).trial, None);
}

#[test]
fn a_plan_takes_what_an_outcome_refuses() {
    let text = r#"{"id": "a", "epoch": 2, "scores": {"x": {"value": 1}, "x": {"value": 0}}}"#;
    assert_eq!(rejected(text), [("/scores/x".to_owned(), codes::DUPLICATE_KEY)]);
    let planned = InspectFormat::scenario(Some(HEADER), text).unwrap();
    assert_eq!((planned.scenario.id.as_str(), planned.trial), ("t/a", Some(2)));
}

#[test]
fn a_sample_without_its_header_is_taken_with_a_warning() {
    for header in [None, Some("{}"), Some("nonsense"), Some(r#"{"eval": {"task": ""}}"#)] {
        let outcome = InspectFormat::outcome(header, &sample(&json!({}))).unwrap();
        assert_eq!(outcome.scenario.id, "s");
        assert_eq!(warnings(&outcome), [("", codes::HEADER_MISSING)]);
    }
    // The text after the task is not read.
    let header = r#"{"version": 2, "eval": {"task": "t"}, "results": {"value": NaN}}"#;
    let outcome = InspectFormat::outcome(Some(header), &sample(&json!({}))).unwrap();
    assert_eq!(outcome.scenario.id, "t/s");
}

#[test]
fn the_prompt_is_the_last_text_of_the_user() {
    let prompt = |input: Value| accept(json!({"input": input})).scenario.task_prompt;
    let messages = json!([
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "first"},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image", "image": "i"},
            {"type": "text", "text": "b"}]},
        {"role": "assistant", "content": "no"},
    ]);
    assert_eq!(prompt(messages).as_deref(), Some("a\nb"));
    assert_eq!(prompt(json!([{"role": "user", "content": "x"}])).as_deref(), Some("x"));
    for none in [json!([]), json!([1, null]), json!([{"role": "user"}]), json!(null)] {
        assert_eq!(prompt(none), None);
    }
    let outcome = accept(json!({"input": 5}));
    assert_eq!(warnings(&outcome), [("/input", codes::WRONG_TYPE)]);
}

#[test]
fn attachments_are_resolved_in_every_extracted_text() {
    let attachments = json!({"h1": "the long prompt", "h2": "ValueError('x')", "h3": "Traceback",
        "h4": "said so", "h5": 5});
    let outcome = accept(json!({
        "input": "attachment://h1",
        "error": {"message": "attachment://h2", "traceback": "tc://h3"},
        "attachments": attachments,
    }));
    assert_eq!(outcome.scenario.task_prompt.as_deref(), Some("the long prompt"));
    assert_eq!(outcome.error_message.as_deref(), Some("ValueError('x')\n\nTraceback"));
    assert_eq!(outcome.error_code.as_deref(), Some("ValueError"));
    let parts = json!([{"role": "user", "content": [{"text": "attachment://h1"}]}]);
    let outcome = accept(json!({"input": parts, "attachments": attachments,
        "limit": {"type": "token", "limit": 1, "reason": "attachment://h4"}}));
    assert_eq!(outcome.scenario.task_prompt.as_deref(), Some("the long prompt"));
    assert_eq!(outcome.error_message.as_deref(), Some("said so"));
    // The old location, and references to a missing attachment or to a value that is not a text.
    let outcome =
        accept(json!({"input": "tc://h1", "transcript": {"events": [], "content": {"h1": "old"}}}));
    assert_eq!(outcome.scenario.task_prompt.as_deref(), Some("old"));
    for missing in ["attachment://h5", "attachment://h9"] {
        let outcome = accept(json!({"input": missing, "attachments": attachments}));
        assert_eq!(outcome.scenario.task_prompt.as_deref(), Some(missing));
    }
}

#[test]
fn an_error_and_a_limit_determine_how_a_sample_ended() {
    let error = |message: &str| json!({"error": {"message": message, "traceback": ""}});
    for (members, status, code, category) in [
        (json!({}), OutcomeStatus::Success, None, None),
        (
            error("RateLimitError('429')"),
            OutcomeStatus::Error,
            Some("RateLimitError"),
            Some(ErrorCategory::RateLimit),
        ),
        (
            error("builtins.KeyError('x')"),
            OutcomeStatus::Error,
            Some("builtins.KeyError"),
            Some(ErrorCategory::ValidationError),
        ),
        (error("went wrong (twice)"), OutcomeStatus::Error, None, Some(ErrorCategory::SystemError)),
        (json!({"error": "boom: x"}), OutcomeStatus::Error, None, Some(ErrorCategory::SystemError)),
        (json!({"error": {}}), OutcomeStatus::Error, None, Some(ErrorCategory::SystemError)),
        (
            error("CancelledError('Cancelled via cancel scope')"),
            OutcomeStatus::Cancelled,
            Some("CancelledError"),
            Some(ErrorCategory::SystemError),
        ),
        (
            error("Cancelled()"),
            OutcomeStatus::Cancelled,
            Some("Cancelled"),
            Some(ErrorCategory::SystemError),
        ),
        (
            json!({"limit": {"type": "time", "limit": 5}}),
            OutcomeStatus::Timeout,
            Some("time_limit"),
            Some(ErrorCategory::Timeout),
        ),
        (
            json!({"limit": {"type": "working", "limit": 5}}),
            OutcomeStatus::Timeout,
            Some("working_limit"),
            Some(ErrorCategory::Timeout),
        ),
        (
            json!({"limit": {"type": "operator", "limit": 1}}),
            OutcomeStatus::Cancelled,
            Some("operator_limit"),
            Some(ErrorCategory::SystemError),
        ),
    ] {
        let outcome = accept(members.clone());
        assert_eq!(outcome.status, status, "{members}");
        assert_eq!(outcome.error_code.as_deref(), code, "{members}");
        assert_eq!(outcome.error_category, category, "{members}");
        assert_eq!(outcome.warnings, [], "{members}");
    }
    for kind in ["message", "token", "turn", "cost", "context", "custom", "another"] {
        let outcome = accept(json!({"limit": {"type": kind, "limit": 5}}));
        assert_eq!(outcome.status, OutcomeStatus::Success);
        assert_eq!(outcome.error_code, Some(format!("{kind}_limit")));
        assert_eq!(outcome.error_message, Some(format!("the {kind} limit was reached")));
        assert_eq!(outcome.error_category, None);
    }
    // If a sample has both, the error is what ended it.
    let both = json!({"error": {"message": "x"}, "limit": {"type": "time", "limit": 5}});
    assert_eq!(accept(both).status, OutcomeStatus::Error);
    let outcome = accept(json!({"limit": 5}));
    assert_eq!(outcome.status, OutcomeStatus::Success);
    assert_eq!(warnings(&outcome), [("/limit", codes::WRONG_TYPE)]);
    // A traceback is used only if there is no message.
    let outcome = accept(json!({"error": {"message": " ", "traceback": "OSError: no space left"}}));
    assert_eq!(outcome.error_category, Some(ErrorCategory::Resource));
    assert_eq!(outcome.error_message.as_deref(), Some("OSError: no space left"));
    // It names the exception if the message does not.
    let outcome = accept(json!({"error": {"message": "no space left", "traceback":
        "Traceback (most recent call last):\n  File \"a\", line 1\nOSError: no space left\n"}}));
    assert_eq!(outcome.error_code.as_deref(), Some("OSError"));
}

#[test]
fn spans_point_at_output_messages_and_scores() {
    let members = json!({"messages": [{"role": "user", "content": "Go."}, {"role": "assistant"}],
        "output": {"model": "m", "choices": []}, "events": [{"event": "model"}, {}, {}]});
    let text = sample(&members);
    let outcome = accepted(&text);
    assert_eq!(slice(&text, outcome.trajectory).as_ref(), Some(&members["output"]));
    assert_eq!(slice(&text, outcome.detailed_trajectory).as_ref(), Some(&members["messages"]));
    assert_eq!(outcome.event_count, 3);
    assert_eq!(outcome.scenario.definition, None);
    let outcome = accept(json!({"messages": [1, 2]}));
    assert_eq!(outcome.event_count, 2, "messages, if there are no events");
    let outcome = accept(json!({"messages": {}, "output": [], "events": 5}));
    assert_eq!((outcome.trajectory, outcome.detailed_trajectory), (None, None));
    assert_eq!(warnings(&outcome), [("/events", codes::EVENTS_UNCOUNTED)]);
}

#[test]
fn text_that_cannot_be_stored_is_replaced() {
    let text = r#"{"id": "a\ud800", "epoch": 1, "input": "b\u0000c",
        "scores": {"x\u0000": {"value": 1}}}"#;
    let outcome = accepted(text);
    assert_eq!(outcome.scenario.id, "t/a\u{FFFD}");
    assert_eq!(outcome.scenario.task_prompt.as_deref(), Some("b\u{FFFD}c"));
    assert_eq!(scores(&outcome), [("x\u{FFFD}", 1.0)]);
    let replaced = outcome.warnings.iter().all(|warning| warning.code == codes::TEXT_REPLACED);
    assert!(replaced && outcome.warnings.len() == 3, "{:?}", outcome.warnings);
}

#[test]
fn an_invalid_sample_is_rejected_at_its_place() {
    let place = |path: &str, code| vec![(path.to_owned(), code)];
    assert_eq!(rejected(r#"{"id": 1, "scores": {"x"#), place("/scores", codes::MALFORMED_JSON));
    assert_eq!(rejected("[1]"), place("", codes::WRONG_TYPE));
    assert_eq!(rejected("{}"), place("/id", codes::MISSING_SCENARIO));
    assert_eq!(rejected(r#"{"id": 1, "id": 2}"#), place("/id", codes::DUPLICATE_KEY));
    let twice = r#"{"id": 1, "scores": {"x": {"value": {"a": 1, "a": 0}}}}"#;
    assert_eq!(rejected(twice), place("/scores/x/value/a", codes::DUPLICATE_KEY));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "(attachment://)?[a-zCIPN0-9.é\u{0}]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let names = prop_oneof![
            Just("value".to_owned()),
            Just("type".to_owned()),
            Just("message".to_owned()),
            Just("content".to_owned()),
            Just("role".to_owned()),
            Just("total_tokens".to_owned()),
            Just("events".to_owned()),
            Just("scores".to_owned()),
            Just("metrics".to_owned()),
            Just("name".to_owned()),
            "[a-z~/]{0,3}",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((names, inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

const MEMBERS: [&str; 17] = [
    "id",
    "epoch",
    "input",
    "messages",
    "output",
    "scores",
    "score",
    "events",
    "transcript",
    "model_usage",
    "error",
    "limit",
    "attachments",
    "uuid",
    "invalidation",
    "error_retries",
    "message_refs",
];

#[test]
fn a_truncated_sample_is_refused() {
    rejects_truncated_results::<InspectFormat>(
        Some(HEADER),
        &sample(&json!({"messages": ["é", {}]})),
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_sample_makes_it_panic(
        members in prop::collection::vec((prop::sample::select(&MEMBERS[..]), any_json()), 0..8),
        other in any_json(),
        cut in 0_usize..200,
    ) {
        let sample = Value::Object(
            members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        ).to_string();
        let cut = sample.get(..cut).unwrap_or(&sample);
        for text in [sample.as_str(), cut, &other.to_string()] {
            let score = json!({"name": "x", "scorer": "x", "metrics": other});
            let results = json!({"scores": [score, other, score]});
            let eval = json!({"task": "t", "scorers": other, "config": other});
            for header in [
                other.to_string(),
                json!({"eval": other, "results": other, "stats": other}).to_string(),
                json!({"eval": eval, "results": results, "status": other}).to_string(),
                json!({"eval": {"scorers": [score]}}).to_string(),
            ] {
                let _ = check::<InspectFormat>(Some(&header), text);
            }
            let _ = check::<InspectFormat>(None, text);
        }
    }
}
