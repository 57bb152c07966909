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
use arc_format_kit::{
    Aggregation, ErrorCategory, Format, Header, Items, Outcome, OutcomeStatus, ReportedFigure,
    RunReport, RunStatus, Span, SuiteSummary, codes,
};
use arc_format_testing::{check, recognises_no_other, rejects_truncated_results, scores, warnings};
use proptest::prelude::*;
use serde_json::{Value, json};

const HEADER: &str = r#"{"version": 2, "status": "success", "eval": {"task": "t", "run_id": "r"}}"#;

/// Returns a sample with these members besides id, epoch and a score, so that it has no warnings.
fn sample(members: &Value) -> String {
    let mut sample =
        json!({"id": "s", "epoch": 1, "input": "Go.", "scores": {"x": {"value": "C"}}});
    for (name, value) in members.as_object().unwrap() {
        sample[name] = value.clone();
    }
    sample.to_string()
}

#[track_caller]
fn accepted(item: &str) -> Outcome {
    arc_format_testing::accepted::<InspectFormat>(Some(HEADER), item)
}

#[track_caller]
fn accept(members: Value) -> Outcome {
    accepted(&sample(&members))
}

#[track_caller]
fn rejected(item: &str) -> Vec<(String, &'static str)> {
    arc_format_testing::rejected::<InspectFormat>(Some(HEADER), item)
}

fn slice(text: &str, span: Option<Span>) -> Option<Value> {
    arc_format_testing::slice(text, span).map(|part| serde_json::from_str(part).unwrap())
}

#[test]
fn archives_and_documents_are_recognised() {
    let zip = b"PK\x03\x04\x14\0\0\0_journal/start.json";
    let layout = InspectFormat::detect("a.EVAL", zip).unwrap();
    assert_eq!(layout.items, Items::Entries("samples/**_epoch_*.json".into()));
    let headers = ["header.json", "_journal/start.json"].map(str::to_owned).to_vec();
    assert_eq!(layout.header, Header::Entry(headers));
    assert!(!layout.classify_items);
    assert!(InspectFormat::detect("", zip).is_some(), "a name is not needed");
    assert!(InspectFormat::detect("a.eval", b"PK\x03\x04").is_some());
    assert!(InspectFormat::detect("a.zip", b"PK\x03\x04\x14\0result.json").is_none());
    assert!(InspectFormat::detect("a.eval", b"not a zip").is_none());

    let head = br#" {"version": 2, "status": "success", "eval": {"run_id": "a",
        "created": "2025", "task": "t", "task_version": 0, "task_args": {"#;
    let layout = InspectFormat::detect("log.json", head).unwrap();
    // Saved by another program.
    let sorted =
        b"\xEF\xBB\xBF{\"eval\": {\"created\": 1, \"dataset\": {}, \"run_id\": 1, \"task\": 1";
    assert_eq!(InspectFormat::detect("log.json", sorted).as_ref(), Some(&layout));
    assert_eq!(layout.items, Items::Elements("/samples/*".into()));
    assert_eq!(layout.header, Header::EnclosingDocument);
    for other in [
        &b""[..],
        b"{}",
        b"[1]",
        br#"{"version": 3, "results": {"timestamp": "x"}}"#,
        br#"{"eval": {"run_id": 1, "created": 1, "task": 1}, "version": 1, "status": 1}"#,
        br#"{"scenario": {"id": "a"}, "trajectory": {"status": "success"}}"#,
        br#"{"spec": {"run_id": "a", "created_at": "b"}}"#,
        br#"{"doc_id": 0, "doc": {"version": 1, "status": 2, "eval": 3, "run_id": 4}}"#,
        b"\xff\xfe{\0",
    ] {
        assert!(InspectFormat::detect("log.json", other).is_none());
    }
}

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
    // A NaN in the header does no harm.
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
        (
            error("went wrong (twice)"),
            OutcomeStatus::Error,
            Some("went"),
            Some(ErrorCategory::SystemError),
        ),
        (
            json!({"error": "boom: x"}),
            OutcomeStatus::Error,
            Some("boom"),
            Some(ErrorCategory::SystemError),
        ),
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
}

#[test]
fn scores_are_kept_and_words_become_numbers_as_inspect_counts_them() {
    for (value, expected, highest) in [
        (json!("C"), Some(1.0), Some(1.0)),
        (json!("P"), Some(0.5), Some(1.0)),
        (json!("I"), Some(0.0), Some(1.0)),
        (json!("N"), Some(0.0), Some(1.0)),
        (json!("Yes"), Some(1.0), Some(1.0)),
        (json!("FALSE"), Some(0.0), Some(1.0)),
        (json!("0.25"), Some(0.25), None),
        (json!(true), Some(1.0), Some(1.0)),
        (json!(false), Some(0.0), Some(1.0)),
        (json!(0.75), Some(0.75), None),
        (json!(-0.0), Some(0.0), None),
        (json!(1.01), Some(1.01), None),
        (json!(-1), Some(-1.0), None),
        (json!("c"), None, None),
        (json!("inf"), None, None),
    ] {
        let outcome = accept(json!({"scores": {"x": {"value": value}}}));
        assert_eq!(outcome.headline.as_deref(), Some("x"), "{value}");
        assert_eq!(outcome.headline_value(), expected, "{value}");
        let [score] = outcome.scores.as_slice() else { panic!("{outcome:?}") };
        assert_eq!((score.value, score.highest), (expected, highest), "{value}");
        assert_eq!(score.label.as_deref(), value.as_str(), "{value}");
        let warned: &[_] = if expected.is_some() {
            &[]
        } else {
            &[("/scores", codes::SCORE_MISSING), ("/scores/x/value", codes::LABEL_UNKNOWN)]
        };
        assert_eq!(warnings(&outcome), warned, "{value}");
    }
    let huge = r#"{"id": 1, "scores": {"x": {"value": 1e999}}}"#;
    assert_eq!(accepted(huge).headline_value(), None);
}

#[test]
fn the_first_scorer_with_a_single_value_is_the_headline_if_the_log_names_none() {
    let all = r#"{
        "style": {"value": {"brevity": 0.5, "words": 14, "tone": "C", "none": null}},
        "length": {"value": 1700, "explanation": "counted"},
        "list": {"value": [1, "I", "?"]},
        "last": {"value": 0},
        "unscored": {"value": null},
        "nothing": null
    }"#;
    let text = format!(r#"{{"id": 1, "epoch": 1, "scores": {all}}}"#);
    let outcome = accepted(&text);
    assert_eq!(outcome.headline.as_deref(), Some("length"));
    assert_eq!(outcome.headline_value(), Some(1700.0));
    assert_eq!(
        scores(&outcome),
        [
            ("style/brevity", 0.5),
            ("style/words", 14.0),
            ("style/tone", 1.0),
            ("length", 1700.0),
            ("list/0", 1.0),
            ("list/1", 0.0),
            ("last", 0.0)
        ]
    );
    let without: Vec<_> =
        outcome.scores.iter().filter(|score| score.value.is_none()).map(|it| &*it.name).collect();
    assert_eq!(without, ["style/none", "list/2", "unscored"]);
    let explained = outcome.scores.iter().find(|score| score.name == "length").unwrap();
    assert_eq!(slice(&text, explained.explanation), Some(json!("counted")));
    assert_eq!(warnings(&outcome), [("/scores/list/value/2", codes::LABEL_UNKNOWN)]);
    assert_eq!(slice(&text, outcome.dimensions), Some(serde_json::from_str(all).unwrap()));
}

#[test]
fn the_headline_is_the_score_that_inspect_shows() {
    let item = sample(&json!({"scores": {"a": {"value": 1}, "b": {"value": {"c": 3}}}}));
    let first = json!([{"name": "c", "scorer": "b", "metrics": {}}]);
    for (results, expected) in [
        (json!({"headline": {"scorer": "b", "score": "c", "metric": "mean"}}), "b/c"),
        (json!({"headline": {"scorer": "a", "score": "a"}, "scores": first.clone()}), "a"),
        (json!({"scores": first}), "b/c"),
        (json!({"scores": [{"name": "another"}]}), "a"),
        (json!(null), "a"),
    ] {
        let header = json!({"eval": {"task": "t"}, "results": results}).to_string();
        let outcome = arc_format_testing::accepted::<InspectFormat>(Some(&header), &item);
        assert_eq!(outcome.headline.as_deref(), Some(expected), "{header}");
    }
}

#[test]
fn a_sample_has_the_key_of_its_execution_and_its_place() {
    let outcome = accept(json!({"id": 7, "epoch": 2, "uuid": "u1",
        "completed_at": "2025-09-23T08:10:59Z"}));
    assert_eq!((outcome.key.as_deref(), outcome.place.as_deref()), (Some("u1"), Some("7/2")));
    assert_eq!(outcome.revised_at.as_deref(), Some("2025-09-23T08:10:59.000000Z"));
    let old = accept(json!({"id": "a", "epoch": null}));
    assert_eq!((old.key.as_deref(), old.place.as_deref()), (Some("a/1"), Some("a/1")));
    assert_eq!(old.revised_at, None);
}

#[test]
fn the_latest_edit_or_mark_is_the_revision() {
    let edit = |time: &str| json!({"value": 1, "provenance": {"timestamp": time}});
    let members = json!({"completed_at": "2025-09-23T08:00:00Z", "scores": {"x": {"value": 1,
        "history": [{"value": 0}, edit("2025-09-25T08:00:00Z"), edit("2025-09-24T08:00:00Z")]}}});
    assert_eq!(accept(members.clone()).revised_at.as_deref(), Some("2025-09-25T08:00:00.000000Z"));
    let mut marked = members;
    marked["invalidation"] = json!({"author": "a", "timestamp": "2025-09-26T08:00:00+02:00"});
    let outcome = accept(marked);
    assert_eq!(outcome.revised_at.as_deref(), Some("2025-09-26T06:00:00.000000Z"));
    let mark = outcome.invalidation.clone().unwrap();
    assert_eq!((mark.author.as_deref(), mark.reason), (Some("a"), None));
    assert_eq!(warnings(&outcome), [("/invalidation", codes::INVALIDATED)]);
    for none in [json!(null), json!(false)] {
        assert_eq!(accept(json!({"invalidation": none})).invalidation, None);
    }
}

#[test]
fn the_usage_of_repeated_tries_is_added() {
    let call = |tokens: u32| {
        json!({"event": "model", "output": {"usage": {
        "input_tokens": tokens, "output_tokens": 1, "total_tokens": tokens + 1, "total_cost": 0.5}}})
    };
    let outcome = accept(json!({
        "model_usage": {"m": {"input_tokens": 5, "output_tokens": 5, "total_tokens": 10}},
        "error_retries": [{"events": [call(9), {"event": "tool"}, call(19)]}, {}, {"events": [call(4)]}],
    }));
    assert_eq!((outcome.tokens_used, outcome.discarded_tokens), (45.0, 35.0));
    assert_eq!((outcome.prompt_tokens, outcome.completion_tokens), (37.0, 8.0));
    assert_eq!((outcome.cost_usd, outcome.discarded_cost_usd), (1.5, 1.5));
}

#[test]
fn a_sample_that_was_not_scored_is_valid() {
    for scores in [json!({}), json!(null)] {
        let outcome = accept(json!({"scores": scores}));
        assert_eq!((&outcome.headline, outcome.scores.len()), (&None, 0));
        assert_eq!(warnings(&outcome), [("/scores", codes::SCORE_MISSING)]);
    }
    let outcome = accept(json!({"scores": [1]}));
    let warned = [("/scores", codes::SCORE_MISSING), ("/scores", codes::WRONG_TYPE)];
    assert_eq!(warnings(&outcome), warned);
    assert_eq!(outcome.dimensions, None);
}

#[test]
fn the_members_of_old_logs_are_read() {
    let text = json!({"id": 1, "epoch": 1, "input": "x", "score": {"value": "P"},
        "transcript": {"events": [{"timestamp": "2024-07-01T10:00:00+02:00"}, {},
            {"timestamp": "2024-07-01T10:00:02+02:00"}], "content": {}}})
    .to_string();
    let outcome = accepted(&text);
    assert_eq!(scores(&outcome), [("score", 0.5)]);
    assert_eq!(outcome.headline_value(), Some(0.5));
    assert_eq!(slice(&text, outcome.dimensions), Some(json!({"value": "P"})));
    assert_eq!((outcome.event_count, outcome.execution_time_ms), (3, 2_000.0));
    assert_eq!(outcome.execution_time.as_deref(), Some("2024-07-01T08:00:00.000000Z"));
    assert_eq!(outcome.warnings, []);
}

#[test]
fn usage_is_the_sum_over_models() {
    let outcome = accept(json!({"model_usage": {
        // Cached tokens counted separately.
        "a": {"input_tokens": 100, "output_tokens": 20, "total_tokens": 150,
            "input_tokens_cache_read": 25, "input_tokens_cache_write": 5, "reasoning_tokens": 8,
            "total_cost": 0.5},
        // Cached tokens counted among the others.
        "b": {"input_tokens": 1000, "output_tokens": 10, "total_tokens": 1010,
            "input_tokens_cache_read": 900, "total_cost": 0.25},
        "c": {"input_tokens": 1, "output_tokens": 2},
        "d": null,
        "e": {"total_tokens": 4, "total_cost": null},
    }}));
    assert_eq!(outcome.tokens_used, 1167.0);
    assert_eq!(outcome.prompt_tokens, 1131.0);
    assert_eq!(outcome.completion_tokens, 32.0);
    assert_eq!(outcome.cost_usd, 0.75);
    assert_eq!(outcome.warnings, []);
}

#[test]
fn a_wrong_usage_is_a_warning() {
    let outcome = accept(json!({"model_usage": {
        "a": {"input_tokens": "many", "output_tokens": 1.5, "total_tokens": -1, "total_cost": -1},
        "b": 7,
        "c": {"total_tokens": 5},
    }}));
    assert_eq!(outcome.tokens_used, 5.0);
    assert_eq!(
        warnings(&outcome),
        [
            ("/model_usage/a/input_tokens", codes::WRONG_TYPE),
            ("/model_usage/a/output_tokens", codes::NOT_AN_INTEGER),
            ("/model_usage/a/total_cost", codes::OUT_OF_RANGE),
            ("/model_usage/a/total_tokens", codes::OUT_OF_RANGE),
            ("/model_usage/b", codes::WRONG_TYPE),
        ]
    );
    let most = 1_u64 << 53;
    let usage = json!({"a": {"total_tokens": most}, "b": {"total_tokens": most}});
    let outcome = accept(json!({"model_usage": usage}));
    assert_eq!(outcome.tokens_used, 0.0);
    assert_eq!(warnings(&outcome), [("/model_usage", codes::OUT_OF_RANGE)]);
    let outcome = accept(json!({"model_usage": []}));
    assert_eq!(warnings(&outcome), [("/model_usage", codes::WRONG_TYPE)]);
}

#[test]
fn times_are_those_of_the_sample() {
    let outcome = accept(json!({"started_at": "2025-09-23T08:09:59.5-04:00", "total_time": 1.001,
        "completed_at": "2025-09-23T08:10:59.5-04:00", "working_time": 0.5}));
    assert_eq!(outcome.execution_time.as_deref(), Some("2025-09-23T12:09:59.500000Z"));
    assert_eq!(outcome.execution_time_ms, 1001.0);
    let outcome = accept(json!({"started_at": "2025-09-23T08:09:59Z",
        "completed_at": "2025-09-23T08:10:59Z"}));
    assert_eq!(outcome.execution_time_ms, 60_000.0);
    let outcome = accept(json!({"started_at": "yesterday", "total_time": "long"}));
    assert_eq!((outcome.execution_time.clone(), outcome.execution_time_ms), (None, 0.0));
    let warned = [("/started_at", codes::TIME_UNREADABLE), ("/total_time", codes::WRONG_TYPE)];
    assert_eq!(warnings(&outcome), warned);
    let outcome = accept(json!({"events": [{"timestamp": null}], "started_at": null}));
    assert_eq!((outcome.execution_time, outcome.warnings), (None, Vec::new()));
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

#[test]
fn a_score_that_is_not_finite_is_absent() {
    let outcome = accepted(r#"{"id": 1, "scores": {"x": {"value": NaN}, "y": {"value": 0.5}}}"#);
    assert_eq!((outcome.headline.as_deref(), outcome.headline_value()), (Some("x"), None));
    assert_eq!(scores(&outcome), [("y", 0.5)]);
    let warned = [("/scores", codes::SCORE_MISSING), ("/scores/x/value", codes::NOT_FINITE)];
    assert_eq!(warnings(&outcome), warned);
}

#[test]
fn the_suite_has_the_figures_and_the_end_of_the_run() {
    let header = json!({"version": 2, "status": "success",
        "eval": {"task_id": "run", "created": "2025-09-23T07:59:00Z",
            "dataset": {"samples": 9, "sample_ids": [1, 2]}, "config": {"epochs": 2}},
        "results": {"total_samples": 4, "completed_samples": 3, "scores": [
        {"name": "includes", "scorer": "includes", "metrics": {
            "stderr": {"name": "stderr", "value": 0.1}, "accuracy": {"name": "accuracy", "value": 0.75}}},
        {"name": "includes", "scorer": "includes", "reducer": "max", "metrics": {
            "accuracy": {"name": "accuracy", "value": 1.0}}},
        {"name": "brevity", "scorer": "style", "reducer": "mean", "metrics": {"mean": {"value": 0.25}}},
        {"name": "words", "scorer": "style", "metrics": {"mean": {"value": 14}, "std": {"value": 2}}},
        {"name": "odd", "scorer": "odd"}, 5,
    ]}, "stats": {"started_at": "2025-09-23T08:00:00Z", "completed_at": "2025-09-23T08:00:31Z",
        "model_usage": {"a": {"total_tokens": 10, "total_cost": 0.5}, "b": {"total_tokens": 5}}}});
    let suite = InspectFormat::suite(&header.to_string()).unwrap();
    let of = |it: &ReportedFigure| {
        let comparable = it.aggregation == Aggregation::ScenarioMean;
        (it.metric.clone(), it.figure.clone(), it.value.unwrap(), comparable, it.headline)
    };
    let figures: Vec<_> = suite.run.figures.iter().map(of).collect();
    let expected = [
        ("includes", "accuracy", 0.75, true, true),
        ("includes", "accuracy (max)", 1.0, false, false),
        ("style/brevity", "mean", 0.25, true, false),
        ("style/words", "mean", 14.0, true, false),
        ("style/words", "std", 2.0, false, false),
    ];
    let expected = expected.map(|(metric, figure, value, comparable, headline)| {
        (metric.to_owned(), figure.to_owned(), value, comparable, headline)
    });
    assert_eq!(figures, expected);
    assert_eq!(suite.run.figures[0].standard_error, Some(0.1));
    assert_eq!(suite.run.run_id.as_deref(), Some("run"));
    assert_eq!(suite.run.status, Some(RunStatus::Completed));
    assert_eq!(suite.run.created_at.as_deref(), Some("2025-09-23T07:59:00.000000Z"));
    assert_eq!(suite.run.started_at.as_deref(), Some("2025-09-23T08:00:00.000000Z"));
    assert_eq!(suite.run.completed_at.as_deref(), Some("2025-09-23T08:00:31.000000Z"));
    assert_eq!((suite.run.planned_results, suite.run.reported_results), (Some(4.0), Some(4.0)));
    assert_eq!((suite.run.total_tokens, suite.run.total_cost_usd), (Some(15.0), Some(0.5)));
    assert_eq!((suite.total_tokens_used, suite.total_cost_usd), (Some(15.0), Some(0.5)));
    assert_eq!(suite.execution_time_ms, Some(31_000.0));
    assert_eq!((suite.successful_runs, suite.average_execution_time_ms), (None, None));
    assert_eq!((suite.average_reliability_score, suite.average_dimension_scores.len()), (None, 0));

    // Figures that count invalidated samples cannot be those of the results that count.
    let mut invalidated = header;
    invalidated["invalidated"] = json!(true);
    let suite = InspectFormat::suite(&invalidated.to_string()).unwrap();
    assert!(suite.run.figures.iter().all(|it| it.aggregation == Aggregation::NotComparable));
}

#[test]
fn a_run_ends_as_its_log_says() {
    for (members, status, reason) in [
        (json!({"status": "success"}), RunStatus::Completed, None),
        (
            json!({"status": "error", "error": {"message": "no disk"}}),
            RunStatus::Failed,
            Some("no disk"),
        ),
        (json!({"status": "error"}), RunStatus::Failed, Some("the log has the status error")),
        (
            json!({"status": "cancelled"}),
            RunStatus::Cancelled,
            Some("the log has the status cancelled"),
        ),
        (json!({"status": "started"}), RunStatus::Incomplete, Some(NO_END)),
        (json!({}), RunStatus::Incomplete, Some(NO_END)),
    ] {
        let run = InspectFormat::suite(&members.to_string()).unwrap().run;
        assert_eq!(run.status, Some(status), "{members}");
        assert_eq!(run.status_reason.as_deref(), reason, "{members}");
    }
    // Totals of a run that did not complete are not those of its results.
    let header = json!({"status": "error", "results": {"total_samples": 3},
        "stats": {"model_usage": {"m": {"total_tokens": 3}}}});
    let suite = InspectFormat::suite(&header.to_string()).unwrap();
    assert_eq!((suite.run.reported_results, suite.run.total_tokens), (None, None));
    assert_eq!(suite.total_tokens_used, Some(3.0));
}

const NO_END: &str = "the log has no end: the run was killed, or has not ended yet";

#[test]
fn a_header_without_figures_is_a_suite_without_them() {
    for header in [
        json!({}),
        json!({"results": null, "stats": null}),
        json!({"results": [], "stats": 7}),
        json!({"results": {"scores": {}}, "stats": {"model_usage": null, "started_at": ""}}),
    ] {
        let suite = InspectFormat::suite(&header.to_string()).unwrap();
        let run = RunReport {
            status: Some(RunStatus::Incomplete),
            status_reason: Some(NO_END.to_owned()),
            ..RunReport::default()
        };
        assert_eq!(suite, SuiteSummary { run, ..SuiteSummary::default() }, "{header}");
    }
    for value in ["\"x\"", "NaN", "null"] {
        let header = format!(
            r#"{{"results": {{"scores": [{{"name": "a", "metrics": {{"mean": {{"value": {value}}}}}}}]}},
            "stats": {{"model_usage": {{"m": {{"total_tokens": 3}}}}}}}}"#
        );
        let suite = InspectFormat::suite(&header).unwrap();
        assert_eq!(suite.run.figures.len(), 1, "{value}");
        assert_eq!(suite.run.figures[0].value, None, "{value}");
        assert_eq!(suite.total_tokens_used, Some(3.0));
    }
    assert!(InspectFormat::suite("[]").is_err());
    assert!(InspectFormat::suite("{").is_err());
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
    "completed_at",
];

/// If two scorers produce the same name, it has one score: the last.
#[test]
fn a_score_of_two_scorers_occurs_once() {
    let outcome =
        accepted(&sample(&json!({"scores": {"a": {"value": {"b": 1}}, "a/b": {"value": 0}}})));
    assert_eq!(scores(&outcome), [("a/b", 0.0)]);
    assert_eq!(outcome.headline_value(), Some(0.0));
}

#[test]
fn a_truncated_sample_is_refused() {
    rejects_truncated_results::<InspectFormat>(
        Some(HEADER),
        &sample(&json!({"messages": ["é", {}]})),
    );
}

#[test]
fn files_of_other_formats_are_not_recognised() {
    recognises_no_other::<InspectFormat>("inspect");
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
            let header = other.to_string();
            let _ = check::<InspectFormat>(Some(&header), text);
            let _ = check::<InspectFormat>(None, text);
        }
    }
}
