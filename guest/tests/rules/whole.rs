//! Whole results: the fields of a complete one, and of a minimal one.

use super::*;

/// The example of the integration guide.
const GUIDE: &str = r#"{
        "scenario": {
            "id": "scenario_123",
            "name": "Weather Query Test",
            "task_prompt": "What's the weather in NYC?"
        },
        "trajectory": {
            "status": "success",
            "task_prompt": "What's the weather in NYC?",
            "final_response": "The weather in NYC is...",
            "start_time": "2025-03-01T11:00:00.25+01:00",
            "execution_time_seconds": 2.5,
            "full_trajectory": [{"tool": "get_weather"}, {"temperature": 7}, "done"],
            "token_usage": {
                "prompt_tokens": 150,
                "completion_tokens": 50,
                "total_tokens": 200,
                "total_cost": 0.006
            }
        },
        "reliability_score": {
            "overall_score": 0.85,
            "grade": "B",
            "dimension_scores": {
                "tool_execution": 0.9,
                "response_quality": 0.8,
                "error_handling": 0.85,
                "performance": 0.9,
                "completeness": 0.8
            }
        },
        "detailed_trajectory": {"steps": [1, 2]}
    }"#;

#[test]
fn the_example_of_the_guide_has_every_field() {
    let outcome = accepted(GUIDE);
    assert_eq!(outcome.scenario.id, "scenario_123");
    assert_eq!(outcome.scenario.name.as_deref(), Some("Weather Query Test"));
    assert_eq!(outcome.scenario.task_prompt.as_deref(), Some("What's the weather in NYC?"));
    assert_eq!(outcome.trial, None);
    assert_eq!(outcome.status, OutcomeStatus::Success);
    assert_eq!(outcome.headline.as_deref(), Some("reliability_score"));
    assert_eq!(outcome.headline_value(), Some(0.85));
    assert_eq!(outcome.grade.as_deref(), Some("B"));
    assert_eq!(
        scores(&outcome),
        [
            ("reliability_score", 0.85),
            ("tool_execution", 0.9),
            ("response_quality", 0.8),
            ("error_handling", 0.85),
            ("performance", 0.9),
            ("completeness", 0.8)
        ]
    );
    assert_eq!(outcome.execution_time.as_deref(), Some("2025-03-01T10:00:00.250000Z"));
    assert_eq!(outcome.execution_time_ms, 2500.0);
    assert_eq!(outcome.tokens_used, 200.0);
    assert_eq!(outcome.prompt_tokens, 150.0);
    assert_eq!(outcome.completion_tokens, 50.0);
    assert_eq!(outcome.cost_usd, 0.006);
    assert_eq!(outcome.event_count, 3);
    assert_eq!(outcome.error_code, None);
    assert_eq!(outcome.error_message, None);
    assert_eq!(outcome.error_category, None);
    assert_eq!(outcome.modal_call_id, None);
    assert_eq!(outcome.sandbox_id, None);
    assert_eq!(outcome.warnings, []);
}

#[test]
fn spans_are_the_text_of_the_parts() {
    let outcome = accepted(GUIDE);
    for (span, start, end) in [
        (outcome.scenario.definition, "{\n            \"id\"", "NYC?\"\n        }"),
        (outcome.trajectory, "{\n            \"status\"", "0.006\n            }\n        }"),
        (outcome.dimensions, "{\n                \"tool_execution\"", "0.8\n            }"),
        (outcome.detailed_trajectory, "{\"steps\"", "[1, 2]}"),
    ] {
        let part = slice(GUIDE, span).unwrap();
        assert!(part.starts_with(start) && part.ends_with(end), "{part}");
        serde_json::from_str::<Value>(part).unwrap();
    }
}

#[test]
fn spans_count_bytes_and_keep_every_spelling() {
    let trajectory = r#"{ "statu\u0073" :"success","x":[1.0,1e2, -0,"\u0000 \/ }]" ] }"#;
    let document = format!(
        " \r\n\t{{\"notes\": \"é 天 😀 \\\" }}\", \"trajectory\":{trajectory}\t,\"scenario\" : {{\"id\":\"ü\"}} }} \n"
    );
    let outcome = accepted(&document);
    assert_eq!(slice(&document, outcome.trajectory), Some(trajectory));
    assert_eq!(slice(&document, outcome.scenario.definition), Some("{\"id\":\"ü\"}"));
    assert_eq!(outcome.status, OutcomeStatus::Success);
}

#[test]
fn parts_that_are_absent_or_null_have_no_span() {
    for document in [
        r#"{"scenario": {"id": "s"}}"#,
        r#"{"scenario": {"id": "s"}, "trajectory": null, "detailed_trajectory": null, "reliability_score": null}"#,
        r#"{"scenario": {"id": "s"}, "reliability_score": {"dimension_scores": null}}"#,
    ] {
        let outcome = accepted(document);
        assert_eq!(outcome.trajectory, None, "{document}");
        assert_eq!(outcome.detailed_trajectory, None, "{document}");
        assert_eq!(outcome.dimensions, None, "{document}");
    }
    let prompt_only = accepted(r#"{"trajectory": {"task_prompt": "Do it."}}"#);
    assert_eq!(prompt_only.scenario.definition, None);
}

#[test]
fn an_id_is_all_that_a_result_needs() {
    let outcome = accepted(r#"{"scenario": {"id": "s"}}"#);
    assert_eq!(outcome.status, OutcomeStatus::Error);
    assert_eq!((outcome.scores.len(), &outcome.headline), (0, &None));
    assert_eq!(outcome.execution_time_ms, 0.0);
    assert_eq!(
        [outcome.tokens_used, outcome.prompt_tokens, outcome.completion_tokens, outcome.cost_usd],
        [0.0; 4]
    );
    assert_eq!(outcome.event_count, 0);
    assert_eq!(
        warnings(&outcome),
        [
            ("/reliability_score", codes::SCORE_MISSING),
            ("/trajectory/status", codes::STATUS_MISSING)
        ]
    );
}

#[test]
fn null_means_absent_everywhere() {
    let absent = accepted(r#"{"scenario": {"id": "s"}}"#);
    let null = accepted(
        r#"{"scenario": {"id": "s", "name": null, "task_prompt": null},
                "trajectory": null, "reliability_score": null, "detailed_trajectory": null,
                "recording": null, "error": null}"#,
    );
    assert_eq!(null, Outcome { scenario: null.scenario.clone(), ..absent.clone() });
    assert_eq!((null.scenario.name, null.scenario.task_prompt), (None, None));

    let inner = accepted(
        r#"{"scenario": {"id": "s"},
                "trajectory": {"status": null, "task_prompt": null, "execution_time_seconds": null,
                               "start_time": null, "full_trajectory": null, "error": null,
                               "token_usage": {"prompt_tokens": null, "completion_tokens": null,
                                               "total_tokens": null, "total_cost": null}},
                "reliability_score": {"overall_score": null, "grade": null, "scale": null,
                                      "dimension_scores": {"a": null}},
                "recording": {"modal_call_id": null, "sandbox_id": null, "trial": null}}"#,
    );
    assert_eq!(inner.scores, []);
    assert_eq!(inner.trial, None);
    assert_eq!(inner.tokens_used, 0.0);
    assert_eq!(inner.execution_time, None);
    assert_eq!(
        warnings(&inner),
        [
            ("/reliability_score/overall_score", codes::SCORE_MISSING),
            ("/trajectory/status", codes::STATUS_MISSING)
        ]
    );
}

#[test]
fn unknown_members_may_be_anything() {
    let document = with_members(
        r#""x": 1e999, "x": [{"y": 1, "y": 2}], "Status": 7, "results": [], "NaN": "NaN", "": {"\ud800": "\u0000"}"#,
    );
    assert_eq!(accepted(&document).warnings, []);
}

#[test]
fn all_violations_are_reported_at_the_same_time() {
    let document = r#"{"scenario": {"id": "", "name": 1}, "trajectory": {"status": "odd",
            "execution_time_seconds": -1, "token_usage": {"total_tokens": 1.5, "total_cost": "1"}},
            "reliability_score": {"overall_score": 101, "scale": 100, "grade": 1, "dimension_scores": {"a/b": "x"}},
            "recording": {"trial": 0}}"#;
    let expected = [
        ("/recording/trial", codes::OUT_OF_RANGE),
        ("/reliability_score/dimension_scores/a~1b", codes::WRONG_TYPE),
        ("/reliability_score/grade", codes::WRONG_TYPE),
        ("/reliability_score/overall_score", codes::OUT_OF_RANGE),
        ("/scenario/id", codes::EMPTY_ID),
        ("/scenario/name", codes::WRONG_TYPE),
        ("/trajectory/execution_time_seconds", codes::OUT_OF_RANGE),
        ("/trajectory/status", codes::UNKNOWN_STATUS),
        ("/trajectory/token_usage/total_cost", codes::WRONG_TYPE),
        ("/trajectory/token_usage/total_tokens", codes::NOT_AN_INTEGER),
    ];
    assert_eq!(rejected(document), expected.map(|(path, code)| (path.to_owned(), code)));
}
