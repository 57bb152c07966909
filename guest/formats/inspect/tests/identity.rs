//! The rules about one execution and its usage.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests fail by panicking"
)]

use arc_format_inspect::InspectFormat;
use arc_format_kit::usage::TokenUsage;
use arc_format_kit::{Format, Invalidation, Origin, Outcome, codes};
use arc_format_testing::warnings;
use serde_json::{Value, json};

mod sample;

use sample::*;

#[test]
fn place_and_key_identify_an_execution() {
    let outcome = accept(json!({"id": "a/b", "epoch": 3, "uuid": "U"}));
    assert_eq!(outcome.place.as_deref(), Some("a/b/3"));
    assert_eq!(outcome.key.as_deref(), Some("U"));
    for members in [json!({"id": 7}), json!({"id": 7, "uuid": null}), json!({"id": 7, "uuid": ""})]
    {
        let outcome = accept(members);
        assert_eq!((outcome.place.as_deref(), outcome.key.as_deref()), (Some("7/1"), Some("7/1")));
    }
    let odd = accept(json!({"uuid": 5}));
    assert_eq!(
        (odd.key.as_deref(), warnings(&odd)),
        (Some("s/1"), vec![("/uuid", codes::WRONG_TYPE)])
    );
    let long = accept(json!({"id": "x".repeat(600), "epoch": 2, "uuid": "y".repeat(600)}));
    assert!(long.place.unwrap().len() <= 512 && long.key.unwrap().len() <= 512);
    let header = json!({"eval": {"task": "t", "task_id": "T"}}).to_string();
    let planned = InspectFormat::scenario(Some(&header), &sample(&json!({}))).unwrap();
    assert_eq!((planned.run_id.as_deref(), planned.place.as_deref()), (Some("T"), Some("s/1")));
}

#[test]
fn a_revision_has_the_latest_of_its_times() {
    let at = |second: u32| format!("2026-01-01T00:00:{second:02}+00:00");
    let revised = |members: Value| accept(members).revised_at;
    let expected = |second: u32| Some(format!("2026-01-01T00:00:{second:02}.000000Z"));
    assert_eq!(revised(json!({})), None);
    assert_eq!(revised(json!({"completed_at": at(5)})), expected(5));
    let events = json!([{"timestamp": at(3)}, {"timestamp": at(9)}, {"timestamp": at(4)}, {}]);
    assert_eq!(revised(json!({"completed_at": at(5), "events": events})), expected(9));
    let history = json!([{"value": "I"}, {"value": "C", "provenance": {"timestamp": at(30)}}]);
    let scores = json!({"x": {"value": "C", "history": history}});
    assert_eq!(revised(json!({"completed_at": at(5), "scores": scores})), expected(30));
    let invalidation = json!({"timestamp": at(40)});
    let members = json!({"completed_at": at(5), "scores": scores, "invalidation": invalidation});
    assert_eq!(revised(members), expected(40));
    assert_eq!(revised(json!({"completed_at": "soon", "events": [1]})), None);
}

#[test]
fn an_invalidated_sample_is_marked() {
    let mark = json!({"author": "me", "reason": "no", "timestamp": "2026-01-01T01:00:00+01:00"});
    let outcome = accept(json!({"invalidation": mark}));
    let expected = Invalidation {
        author: Some("me".to_owned()),
        reason: Some("no".to_owned()),
        at: Some("2026-01-01T00:00:00.000000Z".to_owned()),
    };
    assert_eq!(outcome.invalidation, Some(expected));
    assert_eq!(outcome.scores[0].value, Some(1.0), "the score is kept");
    assert_eq!(warnings(&outcome), [("/invalidation", codes::INVALIDATED)]);
    let outcome = accept(json!({"invalidation": {"author": null, "timestamp": "soon"}}));
    assert_eq!(outcome.invalidation, Some(Invalidation::default()));
    assert_eq!(outcome.warnings.len(), 2);
    assert_eq!(accept(json!({"invalidation": null})).invalidation, None);
    assert_eq!(accept(json!({"invalidation": false})).invalidation, None);
    assert!(accept(json!({"invalidation": true})).invalidation.is_some());
}

#[test]
fn earlier_tries_are_counted_and_shown() {
    let call = |tokens: u32| {
        json!({"event": "model", "output": {"usage": {"input_tokens": tokens,
        "output_tokens": 2, "total_tokens": tokens + 2, "total_cost": 0.5}}})
    };
    let cached =
        json!({"event": "model", "cache": "read", "output": {"usage": {"total_tokens": 90}}});
    let usage =
        json!({"m": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15, "total_cost": 1}});
    let outcome = accept(json!({"model_usage": usage, "error_retries": [
        {"message": "a", "events": [call(20), cached, {"event": "tool"}, {"event": "model"}, 5]},
        {"message": "b", "events": null}, {"message": "c"}, {"message": "d", "events": [call(30)]},
    ]}));
    assert_eq!((outcome.tokens_used, outcome.discarded_tokens), (69.0, 54.0));
    assert_eq!((outcome.prompt_tokens, outcome.completion_tokens), (60.0, 9.0));
    assert_eq!((outcome.cost_usd, outcome.discarded_cost_usd), (2.0, 1.0));
    assert_eq!(outcome.warnings, []);
    let outcome = accept(json!({"error_retries": 5}));
    assert_eq!(warnings(&outcome), [("/error_retries", codes::WRONG_TYPE)]);
    let odd = json!([{"events": [{"event": "model", "output": {"usage": {"total_tokens": -1}}}]}]);
    let outcome = accept(json!({"error_retries": odd}));
    let place = "/error_retries/0/events/0/output/usage/total_tokens";
    assert_eq!(warnings(&outcome), [(place, codes::OUT_OF_RANGE)]);
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

/// Role, model and total of the calls.
fn named(calls: &TokenUsage) -> (Option<&str>, Option<&str>, f64) {
    (calls.role.as_deref(), calls.model.as_deref(), calls.total_tokens)
}

fn totals(outcome: &Outcome) -> Vec<(Option<&str>, Option<&str>, f64)> {
    outcome.usage.iter().map(named).collect()
}

#[test]
fn a_roles_calls_are_not_those_of_the_agent() {
    let header = json!({"eval": {"task": "t", "model": "openai/gpt-4o", "model_roles": {
        "grader": {"model": "openai/gpt-4o"}, "user": [{"model": "b/1"}, {"model": "b/2"}]}}});
    let tokens = |count: u32| json!({"input_tokens": count, "total_tokens": count});
    let call = json!({"event": "model", "role": "user", "model": "b/2"});
    let item = sample(&json!({
        "model_usage": {"openai/gpt-4o": tokens(10), "b/1": tokens(3), "b/2": tokens(5)},
        "role_usage": {"grader": tokens(4), "user": tokens(5)}, "events": [{"event": "model"}, call],
    }));
    let outcome = arc_format_testing::accepted::<InspectFormat>(Some(&header.to_string()), &item);
    let (agent, judge) = (Some("openai/gpt-4o"), Some("scorer"));
    assert_eq!(
        totals(&outcome),
        [
            (None, Some("b/1"), 3.0),
            (None, agent, 6.0),
            (judge, agent, 4.0),
            (Some("user_simulator"), Some("b/2"), 5.0)
        ]
    );
    assert_eq!((outcome.tokens_used, outcome.prompt_tokens), (9.0, 9.0));
    // The only model is that of every role, and a role whose model has no usage removes none.
    let one = accept(json!({"model_usage": {"m": tokens(5)}, "role_usage": {"judge": tokens(5)}}));
    assert_eq!((totals(&one), one.tokens_used), (vec![(judge, Some("m"), 5.0)], 0.0));
    let none = accept(json!({"role_usage": {"critic": tokens(5)}}));
    assert_eq!((totals(&none), none.tokens_used), (vec![(Some("critic"), None, 5.0)], 5.0));
}

#[test]
fn the_models_that_answered_instead_are_named() {
    let header = json!({"eval": {"task": "t", "model": "anthropic/a"}}).to_string();
    let fallback = json!({"model": "anthropic/a", "fallback_model": "anthropic/b", "count": 2});
    for (fallbacks, models) in [
        (json!([fallback, fallback]), vec!["anthropic/a", "anthropic/b"]),
        (json!(null), vec![]),
        (json!([5]), vec![]),
    ] {
        let item = sample(&json!({"model_fallbacks": fallbacks}));
        let outcome = arc_format_testing::accepted::<InspectFormat>(Some(&header), &item);
        let models = models.into_iter().map(str::to_owned).collect();
        assert_eq!(outcome.origin, Origin { models, ..Origin::default() });
    }
}

#[test]
fn cached_tokens_are_counted_once() {
    let kinds = |usage: Value| {
        let outcome = accept(json!({"model_usage": {"m": usage}}));
        let it = &outcome.usage[0];
        let input = (it.uncached_input_tokens, it.cache_read_tokens, it.cache_write_tokens);
        (input, it.output_tokens, it.reasoning_tokens, it.total_tokens)
    };
    let usage = |total: u32| {
        json!({"input_tokens": 100, "output_tokens": 20, "reasoning_tokens": 8, "total_tokens": total,
            "input_tokens_cache_read": 30, "input_tokens_cache_write": 10})
    };
    let apart = |total| ((100.0, 30.0, 10.0), 12.0, 8.0, total);
    assert_eq!(kinds(usage(160)), apart(160.0));
    // Without a total, and with one that has tokens of another kind.
    assert_eq!(kinds(usage(0)), apart(160.0));
    assert_eq!(kinds(usage(500)), apart(500.0));
    // Older versions: among the input, and reasoning apart.
    assert_eq!(kinds(usage(120)), ((60.0, 30.0, 10.0), 12.0, 8.0, 120.0));
    assert_eq!(kinds(usage(128)), ((60.0, 30.0, 10.0), 20.0, 8.0, 128.0));
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
