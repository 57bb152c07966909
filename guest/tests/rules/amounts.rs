//! Durations, tokens and cost.

use super::*;

#[test]
fn seconds_become_milliseconds() {
    for (text, expected) in [
        ("2.5", 2500.0),
        ("0", 0.0),
        ("-0.0", 0.0),
        ("1.001", 1001.0),
        ("0.0015", 1.5),
        ("1e2", 100_000.0),
        ("1E+3", 1_000_000.0),
        ("86400", 86_400_000.0),
        ("null", 0.0),
    ] {
        let outcome = accepted(&with_trajectory(&format!(r#""execution_time_seconds": {text}"#)));
        assert_eq!(outcome.execution_time_ms, expected, "{text}");
        assert!(outcome.execution_time_ms.is_sign_positive(), "{text}");
        assert_eq!(outcome.warnings, [], "{text}");
    }
}

#[test]
fn a_duration_is_finite_and_not_negative() {
    for (text, code) in [
        ("-1", codes::OUT_OF_RANGE),
        ("-0.001", codes::OUT_OF_RANGE),
        ("1e999", codes::OUT_OF_RANGE),
        ("1e308", codes::OUT_OF_RANGE),
        (r#""2.5""#, codes::WRONG_TYPE),
        ("true", codes::WRONG_TYPE),
        ("[]", codes::WRONG_TYPE),
    ] {
        check_rejected(
            &with_trajectory(&format!(r#""execution_time_seconds": {text}"#)),
            "/trajectory/execution_time_seconds",
            code,
        );
    }
}

#[test]
fn tokens_and_cost_are_read() {
    for (usage, expected) in [
        (
            r#"{"prompt_tokens": 150, "completion_tokens": 50, "total_tokens": 200, "total_cost": 0.006}"#,
            [200.0, 150.0, 50.0, 0.006],
        ),
        (
            r#"{"prompt_tokens": 1.50e2, "completion_tokens": 50.0, "total_tokens": 2E+2, "total_cost": -0}"#,
            [200.0, 150.0, 50.0, 0.0],
        ),
        (
            r#"{"prompt_tokens": 4294967296, "completion_tokens": 2147483653, "total_tokens": 9007199254740992, "total_cost": 1e6}"#,
            [9_007_199_254_740_992.0, 4_294_967_296.0, 2_147_483_653.0, 1e6],
        ),
        (r#"{"total_tokens": 7}"#, [7.0, 0.0, 0.0, 0.0]),
        ("{}", [0.0; 4]),
        ("null", [0.0; 4]),
    ] {
        let outcome = accepted(&with_trajectory(&format!(r#""token_usage": {usage}"#)));
        assert_eq!(
            [
                outcome.tokens_used,
                outcome.prompt_tokens,
                outcome.completion_tokens,
                outcome.cost_usd
            ],
            expected,
            "{usage}"
        );
        assert_eq!(outcome.warnings, [], "{usage}");
    }
}

/// A runner that reports only the parts still reports how many tokens were used.
#[test]
fn a_total_that_is_absent_is_the_sum_of_its_parts() {
    let outcome = accepted(&with_trajectory(
        r#""token_usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": null}"#,
    ));
    assert_eq!(outcome.tokens_used, 7.0);
}

#[test]
fn tokens_are_whole_and_not_negative() {
    for name in ["prompt_tokens", "completion_tokens", "total_tokens"] {
        for (text, code) in [
            ("-1", codes::OUT_OF_RANGE),
            ("1e999", codes::OUT_OF_RANGE),
            ("1e16", codes::OUT_OF_RANGE),
            ("1.5", codes::NOT_AN_INTEGER),
            (r#""7""#, codes::WRONG_TYPE),
            ("false", codes::WRONG_TYPE),
            ("{}", codes::WRONG_TYPE),
        ] {
            check_rejected(
                &with_trajectory(&format!(r#""token_usage": {{"{name}": {text}}}"#)),
                &format!("/trajectory/token_usage/{name}"),
                code,
            );
        }
    }
}

#[test]
fn a_cost_is_finite_and_not_negative() {
    for (text, code) in [
        ("-0.01", codes::OUT_OF_RANGE),
        ("1e999", codes::OUT_OF_RANGE),
        (r#""$1""#, codes::WRONG_TYPE),
    ] {
        check_rejected(
            &with_trajectory(&format!(r#""token_usage": {{"total_cost": {text}}}"#)),
            "/trajectory/token_usage/total_cost",
            code,
        );
    }
    check_rejected(
        &with_trajectory(r#""token_usage": [1]"#),
        "/trajectory/token_usage",
        codes::WRONG_TYPE,
    );
}

#[test]
fn the_events_of_the_full_trajectory_are_counted() {
    for (text, count) in [("[]", 0), ("null", 0), (r#"[[], {"a": [1, 2]}, null, "x,y"]"#, 4)] {
        let outcome = accepted(&with_trajectory(&format!(r#""full_trajectory": {text}"#)));
        assert_eq!(outcome.event_count, count);
        assert_eq!(outcome.warnings, []);
    }
    for text in [r#"{"steps": [1]}"#, r#""a, b""#, "3"] {
        let outcome = accepted(&with_trajectory(&format!(r#""full_trajectory": {text}"#)));
        assert_eq!(outcome.event_count, 0);
        assert_eq!(warnings(&outcome), [("/trajectory/full_trajectory", codes::EVENTS_UNCOUNTED)]);
    }
}

#[test]
fn the_kinds_of_tokens_are_apart_and_the_model_is_named() {
    let document = with_trajectory(
        r#""model": "openai/gpt-4o", "token_usage": {"prompt_tokens": 100, "completion_tokens": 50,
            "total_tokens": 150, "total_cost": 0.5, "cache_read_tokens": 60, "reasoning_tokens": 20}"#,
    );
    let outcome = accepted(&document);
    assert_eq!((outcome.tokens_used, outcome.prompt_tokens), (150.0, 100.0));
    assert_eq!(outcome.origin.models, ["openai/gpt-4o"]);
    let [calls] = &outcome.usage[..] else { panic!("{:?}", outcome.usage) };
    assert_eq!((calls.uncached_input_tokens, calls.cache_read_tokens), (40.0, 60.0));
    assert_eq!((calls.output_tokens, calls.reasoning_tokens), (30.0, 20.0));
    assert_eq!((calls.total_tokens, calls.cost_usd), (150.0, Some(0.5)));
    assert_eq!(calls.model.as_deref(), Some("openai/gpt-4o"));
    as_json::check(&document);
}

#[test]
fn the_total_is_at_least_the_sum_of_its_kinds() {
    let outcome = accepted(&with_trajectory(
        r#""token_usage": {"prompt_tokens": 100, "cache_read_tokens": 150, "completion_tokens": 50,
            "reasoning_tokens": 70}"#,
    ));
    assert_eq!((outcome.tokens_used, outcome.usage[0].total_tokens), (370.0, 370.0));
}

#[test]
fn neither_a_model_nor_a_kind_that_cannot_be_read_rejects_a_result() {
    let document = with_trajectory(
        r#""model": {"name": "m"}, "token_usage": {"prompt_tokens": 1, "cache_read_tokens": "x"}"#,
    );
    let outcome = accepted(&document);
    assert_eq!((outcome.origin.models.len(), outcome.usage.len()), (0, 0));
    assert_eq!(outcome.prompt_tokens, 1.0);
    let places: Vec<_> = outcome.warnings.iter().map(|one| one.path.as_str()).collect();
    assert_eq!(places, ["/trajectory/model", "/trajectory/token_usage/cache_read_tokens"]);
}
