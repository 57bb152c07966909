//! The extraction rules, one by one, and over the fixture files in `tests/fixtures`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests fail by panicking"
)]

use std::collections::BTreeSet;
use std::path::Path;

use arc_extractor::{
    ErrorCategory, MAX_DEPTH, MAX_DOCUMENT_BYTES, Outcome, OutcomeStatus, Span, Violation, codes,
    extract_json, extract_outcome, extract_scenario, extract_scenarios, extract_suite,
};
use serde_json::{Value, json};

/// A result with an id, a status and a score, so that it has no warnings, and these members in
/// its trajectory.
fn with_trajectory(members: &str) -> String {
    let status = if members.contains(r#""status""#) { "" } else { r#""status": "success""# };
    let parts: Vec<&str> = [status, members].into_iter().filter(|part| !part.is_empty()).collect();
    let trajectory = parts.join(", ");
    format!(
        r#"{{"scenario": {{"id": "s"}}, "trajectory": {{{trajectory}}}, "reliability_score": 1}}"#
    )
}

/// The same with other members beside the trajectory.
fn with_members(members: &str) -> String {
    format!(
        r#"{{"scenario": {{"id": "s"}}, "trajectory": {{"status": "success"}}, "reliability_score": 1, {members}}}"#
    )
}

/// The same with this score.
fn with_score(score: &str) -> String {
    format!(
        r#"{{"scenario": {{"id": "s"}}, "trajectory": {{"status": "success"}}, "reliability_score": {score}}}"#
    )
}

#[track_caller]
fn accepted(document: &str) -> Outcome {
    extract_outcome(document).unwrap_or_else(|found| panic!("{document}: {found:?}"))
}

/// What is wrong with a document, sorted: the order of violations is no promise.
#[track_caller]
fn rejected(document: &str) -> Vec<(String, &'static str)> {
    match extract_outcome(document) {
        Ok(_) => panic!("accepted: {document}"),
        Err(violations) => places(violations),
    }
}

fn places(violations: Vec<Violation>) -> Vec<(String, &'static str)> {
    assert!(violations.iter().all(|violation| !violation.message.is_empty()));
    let mut places: Vec<_> =
        violations.into_iter().map(|violation| (violation.path, violation.code)).collect();
    places.sort_unstable();
    places
}

#[track_caller]
fn check_rejected(document: &str, path: &str, code: &'static str) {
    assert_eq!(rejected(document), [(path.to_owned(), code)], "{document}");
}

fn warnings(outcome: &Outcome) -> Vec<(&str, &'static str)> {
    let mut warnings: Vec<_> =
        outcome.warnings.iter().map(|warning| (warning.path.as_str(), warning.code)).collect();
    warnings.sort_unstable();
    warnings
}

fn slice(document: &str, span: Option<Span>) -> Option<&str> {
    let span = span?;
    let (offset, length) = (span.offset as usize, span.length as usize);
    Some(&document[offset..offset + length])
}

fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn json_fixture(name: &str) -> Value {
    serde_json::from_slice(&fixture(name)).unwrap()
}

/// The lines of a fixture that are not blank.
fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    bytes
        .split(|byte| *byte == b'\n')
        .map(|line| line.trim_ascii())
        .filter(|line| !line.is_empty())
        .collect()
}

mod whole {
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
    fn the_example_of_the_guide_gives_every_field() {
        let outcome = accepted(GUIDE);
        assert_eq!(outcome.scenario.id, "scenario_123");
        assert_eq!(outcome.scenario.name.as_deref(), Some("Weather Query Test"));
        assert_eq!(outcome.scenario.task_prompt.as_deref(), Some("What's the weather in NYC?"));
        assert_eq!(outcome.trial, None);
        assert_eq!(outcome.status, OutcomeStatus::Success);
        assert_eq!(outcome.reliability_score, Some(0.85));
        assert_eq!(outcome.grade.as_deref(), Some("B"));
        let dimensions: Vec<_> =
            outcome.dimension_scores.iter().map(|each| (each.name.as_str(), each.score)).collect();
        assert_eq!(
            dimensions,
            [
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
        assert_eq!(outcome.reliability_score, None);
        assert_eq!(outcome.execution_time_ms, 0.0);
        assert_eq!(
            [
                outcome.tokens_used,
                outcome.prompt_tokens,
                outcome.completion_tokens,
                outcome.cost_usd
            ],
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
        assert_eq!(inner.dimension_scores, []);
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
    fn every_violation_is_said_at_once() {
        let document = r#"{"scenario": {"id": "", "name": 1}, "trajectory": {"status": "odd",
            "execution_time_seconds": -1, "token_usage": {"total_tokens": 1.5, "total_cost": "1"}},
            "reliability_score": {"overall_score": 101, "grade": 1, "dimension_scores": {"a/b": "x"}},
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
}

mod status {
    use super::*;

    #[test]
    fn the_four_statuses_are_taken() {
        for (text, expected) in [
            ("success", OutcomeStatus::Success),
            ("error", OutcomeStatus::Error),
            ("timeout", OutcomeStatus::Timeout),
            ("cancelled", OutcomeStatus::Cancelled),
            (r"\u0073uccess", OutcomeStatus::Success),
        ] {
            let outcome = accepted(&with_trajectory(&format!(r#""status": "{text}""#)));
            assert_eq!(outcome.status, expected);
            assert_eq!(outcome.warnings, []);
        }
    }

    #[test]
    fn none_counts_as_an_error_with_a_warning() {
        for document in [
            r#"{"scenario": {"id": "s"}, "trajectory": {}, "reliability_score": 1}"#,
            r#"{"scenario": {"id": "s"}, "trajectory": {"status": null}, "reliability_score": 1}"#,
            r#"{"scenario": {"id": "s"}, "reliability_score": 1}"#,
        ] {
            let outcome = accepted(document);
            assert_eq!(outcome.status, OutcomeStatus::Error);
            assert_eq!(warnings(&outcome), [("/trajectory/status", codes::STATUS_MISSING)]);
        }
    }

    #[test]
    fn any_other_is_refused() {
        for text in ["", "Success", " success", "completed", "failed", "canceled", r"error\u0000"] {
            check_rejected(
                &with_trajectory(&format!(r#""status": "{text}""#)),
                "/trajectory/status",
                codes::UNKNOWN_STATUS,
            );
        }
        for value in ["1", "true", "{}", "[\"success\"]"] {
            check_rejected(
                &with_trajectory(&format!(r#""status": {value}"#)),
                "/trajectory/status",
                codes::WRONG_TYPE,
            );
        }
    }
}

mod score {
    use super::*;

    #[test]
    fn up_to_one_stays_and_above_is_a_percentage() {
        for (text, expected) in [
            ("0", 0.0),
            ("-0", 0.0),
            ("-0.0", 0.0),
            ("0.5", 0.5),
            ("1", 1.0),
            ("1.0", 1.0),
            ("1.5", 0.015),
            ("85", 0.85),
            ("85.0", 0.85),
            ("1e2", 1.0),
            ("1E+1", 0.1),
            ("100", 1.0),
            ("0.1234567890123456789", 0.123_456_789_012_345_68),
        ] {
            for score in [text.to_owned(), format!(r#"{{"overall_score": {text}}}"#)] {
                let outcome = accepted(&with_score(&score));
                assert_eq!(outcome.reliability_score, Some(expected), "{score}");
                assert!(outcome.reliability_score.unwrap().is_sign_positive(), "{score}");
                assert_eq!(outcome.warnings, [], "{score}");
            }
            let dimension =
                format!(r#"{{"overall_score": 1, "dimension_scores": {{"d": {text}}}}}"#);
            assert_eq!(accepted(&with_score(&dimension)).dimension_scores[0].score, expected);
        }
    }

    #[test]
    fn outside_of_that_or_no_number_is_refused() {
        for (text, code) in [
            ("-0.1", codes::OUT_OF_RANGE),
            ("-1e-9", codes::OUT_OF_RANGE),
            ("100.5", codes::OUT_OF_RANGE),
            ("1000", codes::OUT_OF_RANGE),
            ("1e999", codes::OUT_OF_RANGE),
            ("-1e999", codes::OUT_OF_RANGE),
            (r#""0.9""#, codes::WRONG_TYPE),
            ("true", codes::WRONG_TYPE),
            ("[0.9]", codes::WRONG_TYPE),
        ] {
            check_rejected(&with_score(text), "/reliability_score", code);
            check_rejected(
                &with_score(&format!(r#"{{"overall_score": {text}}}"#)),
                "/reliability_score/overall_score",
                code,
            );
            check_rejected(
                &with_score(&format!(
                    r#"{{"overall_score": 1, "dimension_scores": {{"d": {text}}}}}"#
                )),
                "/reliability_score/dimension_scores/d",
                code,
            );
        }
    }

    #[test]
    fn none_is_null_with_a_warning() {
        for (score, path) in [
            ("null", "/reliability_score"),
            ("{}", "/reliability_score/overall_score"),
            (r#"{"overall_score": null, "grade": "A"}"#, "/reliability_score/overall_score"),
            (r#"{"dimension_scores": {"a": 1}}"#, "/reliability_score/overall_score"),
        ] {
            let outcome = accepted(&with_score(score));
            assert_eq!(outcome.reliability_score, None);
            assert_eq!(warnings(&outcome), [(path, codes::SCORE_MISSING)]);
        }
    }

    #[test]
    fn a_declared_scale_beats_the_guess() {
        for (scale, text, expected) in [
            ("10", "8.5", 0.85),
            ("10", "0.5", 0.05),
            ("10", "10", 1.0),
            ("100", "0.5", 0.005),
            ("100", "1", 0.01),
            ("1000", "850", 0.85),
            ("1", "1", 1.0),
            ("0.5", "0.25", 0.5),
            ("5", "-0", 0.0),
        ] {
            // Wherever the scale stands.
            for document in [
                format!(
                    r#"{{"scale": {scale}, "overall_score": {text}, "dimension_scores": {{"d": {text}}}}}"#
                ),
                format!(
                    r#"{{"dimension_scores": {{"d": {text}}}, "overall_score": {text}, "scale": {scale}}}"#
                ),
            ] {
                let outcome = accepted(&with_score(&document));
                assert_eq!(outcome.reliability_score, Some(expected), "{document}");
                assert_eq!(outcome.dimension_scores[0].score, expected, "{document}");
            }
        }
        assert_eq!(
            accepted(&with_score(r#"{"scale": null, "overall_score": 85}"#)).reliability_score,
            Some(0.85)
        );
    }

    #[test]
    fn above_a_declared_scale_is_refused() {
        for (scale, text) in [("10", "10.5"), ("1", "85"), ("10", "-1"), ("1000", "1001")] {
            let score = format!(
                r#"{{"scale": {scale}, "overall_score": {text}, "dimension_scores": {{"d": {text}}}}}"#
            );
            assert_eq!(
                rejected(&with_score(&score)),
                [
                    ("/reliability_score/dimension_scores/d".to_owned(), codes::OUT_OF_RANGE),
                    ("/reliability_score/overall_score".to_owned(), codes::OUT_OF_RANGE)
                ]
            );
        }
    }

    #[test]
    fn a_scale_is_a_positive_number() {
        for (scale, code) in [
            ("0", codes::OUT_OF_RANGE),
            ("-10", codes::OUT_OF_RANGE),
            ("1e999", codes::OUT_OF_RANGE),
            (r#""10""#, codes::WRONG_TYPE),
            ("true", codes::WRONG_TYPE),
        ] {
            check_rejected(
                &with_score(&format!(r#"{{"overall_score": 0.5, "scale": {scale}}}"#)),
                "/reliability_score/scale",
                code,
            );
        }
    }

    #[test]
    fn dimensions_keep_their_order_and_names() {
        let outcome = accepted(&with_score(
            r#"{"overall_score": 1, "dimension_scores": {"z": 1, "a": 0.5, "b": null, "": 0, "t\u006fol/~": 50, "a ": 0.25}}"#,
        ));
        let names: Vec<_> =
            outcome.dimension_scores.iter().map(|each| (each.name.as_str(), each.score)).collect();
        assert_eq!(names, [("z", 1.0), ("a", 0.5), ("", 0.0), ("tool/~", 0.5), ("a ", 0.25)]);
    }

    #[test]
    fn the_name_of_a_dimension_is_escaped_in_its_path() {
        check_rejected(
            &with_score(r#"{"overall_score": 1, "dimension_scores": {"a/b~c": -1}}"#),
            "/reliability_score/dimension_scores/a~1b~0c",
            codes::OUT_OF_RANGE,
        );
    }

    #[test]
    fn a_grade_is_text() {
        assert_eq!(
            accepted(&with_score(r#"{"overall_score": 1, "grade": "A+ 👍"}"#)).grade.as_deref(),
            Some("A+ 👍")
        );
        check_rejected(
            &with_score(r#"{"overall_score": 1, "grade": 1}"#),
            "/reliability_score/grade",
            codes::WRONG_TYPE,
        );
    }
}

mod amounts {
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
            let outcome =
                accepted(&with_trajectory(&format!(r#""execution_time_seconds": {text}"#)));
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

    /// A runner that gives the parts only does say how many tokens were used.
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
            assert_eq!(
                warnings(&outcome),
                [("/trajectory/full_trajectory", codes::EVENTS_UNCOUNTED)]
            );
        }
    }
}

mod time {
    use super::*;

    #[test]
    fn an_rfc_3339_time_is_given_in_utc() {
        for (text, expected) in [
            ("2025-03-01T10:00:00Z", "2025-03-01T10:00:00.000000Z"),
            ("2025-03-01t10:00:00z", "2025-03-01T10:00:00.000000Z"),
            ("2025-03-01T10:00:00+00:00", "2025-03-01T10:00:00.000000Z"),
            ("2025-03-01T10:00:00-00:00", "2025-03-01T10:00:00.000000Z"),
            ("2025-03-01T00:15:00.5+05:45", "2025-02-28T18:30:00.500000Z"),
            ("2025-02-28T23:30:00-08:00", "2025-03-01T07:30:00.000000Z"),
            ("2024-12-31T23:59:59.999999-00:01", "2025-01-01T00:00:59.999999Z"),
            ("2024-02-29T12:00:00.1Z", "2024-02-29T12:00:00.100000Z"),
            // What is finer than microseconds is cut off, so that no time is later than it was.
            ("2025-03-01T10:00:00.123456789Z", "2025-03-01T10:00:00.123456Z"),
            ("2025-12-31T23:59:59.9999999Z", "2025-12-31T23:59:59.999999Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
            ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59.000000Z"),
            (r"2025-03-01\u005410:00:00\u005a", "2025-03-01T10:00:00.000000Z"),
        ] {
            let outcome = accepted(&with_trajectory(&format!(r#""start_time": "{text}""#)));
            assert_eq!(outcome.execution_time.as_deref(), Some(expected), "{text}");
            assert_eq!(outcome.warnings, [], "{text}");
        }
    }

    #[test]
    fn anything_else_is_absent_with_a_warning() {
        for text in [
            r#""2025-03-01T10:00:00""#,
            r#""2025-03-01 10:00:00.123456""#,
            r#""2025-03-01""#,
            r#""2025-02-30T10:00:00Z""#,
            r#""2025-03-01T24:00:00Z""#,
            r#""2025-03-01T10:00Z""#,
            r#""2025-03-01T10:00:00+0100""#,
            r#"" 2025-03-01T10:00:00Z""#,
            r#""2025-03-01T10:00:00Z\u0000""#,
            r#""+12025-03-01T10:00:00Z""#,
            r#""9999-12-31T23:59:59-01:00""#,
            r#""yesterday""#,
            r#""""#,
            "1740823200",
            "{}",
            "false",
        ] {
            let outcome = accepted(&with_trajectory(&format!(r#""start_time": {text}"#)));
            assert_eq!(outcome.execution_time, None, "{text}");
            assert_eq!(
                warnings(&outcome),
                [("/trajectory/start_time", codes::TIME_UNREADABLE)],
                "{text}"
            );
        }
    }

    #[test]
    fn none_is_absent_without_a_warning() {
        for members in ["", r#""start_time": null"#] {
            let outcome = accepted(&with_trajectory(members));
            assert_eq!(outcome.execution_time, None);
            assert_eq!(outcome.warnings, []);
        }
    }
}

mod error {
    use super::*;

    /// What tells each category and no other, in the order in which they are tried.
    const TOLD: [(&str, ErrorCategory); 8] = [
        ("it timed out", ErrorCategory::Timeout),
        ("rate limit exceeded", ErrorCategory::RateLimit),
        ("connection refused", ErrorCategory::Network),
        ("out of memory", ErrorCategory::Resource),
        ("the tool search failed", ErrorCategory::ToolError),
        ("the model refused", ErrorCategory::ModelError),
        ("validation failed", ErrorCategory::ValidationError),
        ("the sandbox died", ErrorCategory::SandboxError),
    ];

    fn with_error(status: &str, error: &str) -> Outcome {
        accepted(&with_trajectory(&format!(r#""status": "{status}", "error": {error}"#)))
    }

    #[test]
    fn each_category_is_told_by_its_text() {
        for (text, category) in TOLD {
            assert_eq!(
                with_error("error", &json!(text).to_string()).error_category,
                Some(category)
            );
            let shouted = json!(text.to_uppercase()).to_string();
            assert_eq!(with_error("error", &shouted).error_category, Some(category));
            let object = json!({"type": "E", "message": text}).to_string();
            assert_eq!(with_error("error", &object).error_category, Some(category));
        }
        assert_eq!(
            with_error("error", r#""it broke""#).error_category,
            Some(ErrorCategory::SystemError)
        );
    }

    #[test]
    fn the_first_category_wins_wherever_its_words_stand() {
        for (index, (first, category)) in TOLD.iter().enumerate() {
            for (later, _) in &TOLD[index + 1..] {
                for text in [format!("{first}; {later}"), format!("{later}\n{first}")] {
                    let outcome = with_error("error", &json!(text).to_string());
                    assert_eq!(outcome.error_category, Some(*category), "{text}");
                }
            }
        }
    }

    #[test]
    fn common_errors_have_the_category_that_people_expect() {
        for (text, category) in [
            ("asyncio.exceptions.TimeoutError", ErrorCategory::Timeout),
            ("ReadTimeout: HTTPSConnectionPool(host='x', port=443)", ErrorCategory::Timeout),
            ("DEADLINE_EXCEEDED", ErrorCategory::Timeout),
            ("openai.RateLimitError: Error code: 429", ErrorCategory::RateLimit),
            ("rate_limit_exceeded", ErrorCategory::RateLimit),
            ("You exceeded your current quota", ErrorCategory::RateLimit),
            ("ThrottlingException", ErrorCategory::RateLimit),
            ("ConnectionResetError: [Errno 104] Connection reset by peer", ErrorCategory::Network),
            ("[Errno -2] Name or service not known (getaddrinfo)", ErrorCategory::Network),
            ("BrokenPipeError: [Errno 32] Broken pipe", ErrorCategory::Network),
            ("MemoryError", ErrorCategory::Resource),
            ("OSError: [Errno 28] No space left on device", ErrorCategory::Resource),
            ("ToolError: get_weather", ErrorCategory::ToolError),
            ("anthropic.InternalServerError", ErrorCategory::ModelError),
            ("pydantic_core.ValidationError: 1 field", ErrorCategory::ValidationError),
            ("json.decoder.JSONDecodeError: Expecting value", ErrorCategory::ValidationError),
            ("Container exited with 137", ErrorCategory::SandboxError),
            ("RuntimeError: unexpected state", ErrorCategory::SystemError),
            ("ZeroDivisionError: division by zero", ErrorCategory::SystemError),
        ] {
            let outcome = with_error("error", &json!(text).to_string());
            assert_eq!(outcome.error_category, Some(category), "{text}");
        }
    }

    #[test]
    fn the_status_tells_where_there_is_no_text() {
        for error in ["null", r#""""#] {
            assert_eq!(with_error("timeout", error).error_category, Some(ErrorCategory::Timeout));
            assert_eq!(with_error("error", error).error_category, Some(ErrorCategory::SystemError));
            assert_eq!(with_error("success", error).error_category, None);
            let outcome = with_error("timeout", error);
            assert_eq!((outcome.error_code, outcome.error_message), (None, None));
        }
        assert_eq!(
            with_error("timeout", r#""the sandbox died""#).error_category,
            Some(ErrorCategory::SandboxError)
        );
    }

    #[test]
    fn a_success_has_no_category_but_keeps_its_text() {
        let outcome = with_error("success", r#""network down for a moment""#);
        assert_eq!(outcome.error_category, None);
        assert_eq!(outcome.error_message.as_deref(), Some("network down for a moment"));
    }

    #[test]
    fn the_code_is_the_first_word_of_a_text() {
        for (text, code) in [
            ("ValueError: no", "ValueError"),
            ("openai.RateLimitError: slow down", "openai.RateLimitError"),
            ("  \n Traceback (most recent call last)", "Traceback"),
            ("broken", "broken"),
        ] {
            let outcome = with_error("error", &json!(text).to_string());
            assert_eq!(outcome.error_code.as_deref(), Some(code));
            assert_eq!(outcome.error_message.as_deref(), Some(text));
        }
    }

    #[test]
    fn the_code_has_at_most_128_bytes_and_ends_with_a_character() {
        for (word, length) in [("x", 128), ("é", 128), ("天", 126), ("😀", 128), ("a天", 128)]
        {
            let text = word.repeat(5_000);
            let outcome = with_error("error", &json!(text).to_string());
            let code = outcome.error_code.unwrap();
            assert!(text.starts_with(&code));
            assert_eq!(code.len(), length, "{word}");
            assert_eq!(outcome.error_message, Some(text));
        }
    }

    #[test]
    fn an_error_that_is_an_object_has_its_type_and_its_json_text() {
        let error = r#"{ "message":"it \u00e9 broke","n":1e2 ,"type":"E\u0031" }"#;
        let outcome = with_error("error", error);
        assert_eq!(outcome.error_code.as_deref(), Some("E1"));
        assert_eq!(outcome.error_message.as_deref(), Some(error));
    }

    #[test]
    fn any_other_error_counts_as_its_json_text() {
        for error in ["false", "1E+2", r#"["a", {"type": "b"}]"#] {
            assert_eq!(with_error("error", error).error_message.as_deref(), Some(error));
        }
    }

    #[test]
    fn an_error_beside_the_trajectory_counts_where_the_trajectory_has_none() {
        for inner in ["", r#", "error": null"#] {
            let outcome = accepted(&format!(
                r#"{{"scenario": {{"id": "s"}}, "trajectory": {{"status": "error"{inner}}}, "error": "the sandbox died"}}"#
            ));
            assert_eq!(outcome.error_category, Some(ErrorCategory::SandboxError));
        }
    }
}

mod scenario {
    use super::*;

    fn with_scenario(scenario: &str) -> String {
        format!(
            r#"{{"scenario": {scenario}, "trajectory": {{"status": "success"}}, "reliability_score": 1}}"#
        )
    }

    #[test]
    fn an_id_is_any_text_of_1_to_512_bytes() {
        for id in [
            "a",
            " ",
            "A.b-C d/~e",
            "天気 😀",
            "\"\\\n\t",
            "null",
            "0",
            &"x".repeat(512),
            &"é".repeat(256),
            &"😀".repeat(128),
        ] {
            let outcome = accepted(&with_scenario(&json!({ "id": id }).to_string()));
            assert_eq!(outcome.scenario.id, id);
            assert_eq!(outcome.warnings, []);
        }
        let escaped = r"\u0041".repeat(512);
        let outcome = accepted(&with_scenario(&format!(r#"{{"id": "{escaped}"}}"#)));
        assert_eq!(outcome.scenario.id, "A".repeat(512));
    }

    #[test]
    fn ids_that_look_alike_stay_different() {
        let ids: BTreeSet<String> = ["é", "e\u{301}", "E\u{301}", "É", "é ", "é\u{200b}"]
            .iter()
            .map(|id| accepted(&with_scenario(&json!({ "id": id }).to_string())).scenario.id)
            .collect();
        assert_eq!(ids.len(), 6);
    }

    #[test]
    fn other_ids_are_refused() {
        for (id, code) in [
            (r#""""#.to_owned(), codes::EMPTY_ID),
            (json!("x".repeat(513)).to_string(), codes::ID_TOO_LONG),
            (json!("天".repeat(171)).to_string(), codes::ID_TOO_LONG),
            ("7".to_owned(), codes::WRONG_TYPE),
            ("true".to_owned(), codes::WRONG_TYPE),
            (r#"["a"]"#.to_owned(), codes::WRONG_TYPE),
        ] {
            check_rejected(
                &with_scenario(&format!(r#"{{"id": {id}, "name": "n"}}"#)),
                "/scenario/id",
                code,
            );
        }
    }

    #[test]
    fn an_id_is_made_from_name_and_prompt_and_never_changes() {
        for (scenario, id) in [
            // SHA-256 of name and prompt, each after its length in eight bytes.
            (
                r#"{"name": "Weather Query Test", "task_prompt": "What's the weather in NYC?"}"#,
                "scenario-d06bd75ffbd0e04d1224",
            ),
            (r#"{"name": "Weather Query Test"}"#, "scenario-1eb1eff6d1744ef21bd1"),
            (r#"{"task_prompt": "What's the weather in NYC?"}"#, "scenario-e5bb811b124473617532"),
        ] {
            let outcome = accepted(&with_scenario(scenario));
            assert_eq!(outcome.scenario.id, id, "{scenario}");
            assert_eq!(warnings(&outcome), [("/scenario/id", codes::SCENARIO_ID_MADE)]);
        }
    }

    #[test]
    fn the_same_name_and_prompt_make_the_same_id_however_they_are_spelt() {
        let id = |scenario: &str| accepted(&with_scenario(scenario)).scenario.id;
        let made = id(r#"{"name": "Café", "task_prompt": "Do it."}"#);
        for same in [
            r#"{"task_prompt": "Do it.", "name": "Caf\u00e9"}"#,
            r#"{"id": null, "name": "Café", "task_prompt": "Do it.", "weight": 7}"#,
        ] {
            assert_eq!(id(same), made, "{same}");
        }
        for other in [
            r#"{"name": "Café", "task_prompt": "Do it"}"#,
            r#"{"name": "CaféD", "task_prompt": "o it."}"#,
            r#"{"name": "Café"}"#,
            r#"{"task_prompt": "Café"}"#,
            r#"{"name": "CaféDo it."}"#,
            r#"{"task_prompt": "CaféDo it."}"#,
        ] {
            assert_ne!(id(other), made, "{other}");
        }
    }

    /// A plan's scenario has its prompt in itself, a result may have it in the trajectory only.
    #[test]
    fn the_prompt_of_the_trajectory_stands_in() {
        let outcome = accepted(&with_trajectory(r#""task_prompt": "Do it.""#));
        assert_eq!(outcome.scenario.task_prompt.as_deref(), Some("Do it."));
        let own = accepted(
            r#"{"scenario": {"id": "s", "task_prompt": "own"}, "trajectory": {"task_prompt": "other"}}"#,
        );
        assert_eq!(own.scenario.task_prompt.as_deref(), Some("own"));

        let planned = extract_scenarios(r#"[{"name": "n", "task_prompt": "Do it."}]"#).unwrap();
        let result =
            accepted(r#"{"scenario": {"name": "n"}, "trajectory": {"task_prompt": "Do it."}}"#);
        assert_eq!(result.scenario.id, planned[0].id);
    }

    #[test]
    fn without_a_scenario_the_prompt_makes_the_id() {
        for scenario in ["", r#""scenario": null, "#] {
            let outcome = accepted(&format!(
                r#"{{{scenario}"trajectory": {{"status": "success", "task_prompt": "Do it."}}, "reliability_score": 1}}"#
            ));
            let planned = extract_scenarios(r#"[{"task_prompt": "Do it."}]"#).unwrap();
            assert_eq!(outcome.scenario.id, planned[0].id);
            assert_eq!(warnings(&outcome), [("/scenario", codes::SCENARIO_ID_MADE)]);
        }
    }

    #[test]
    fn nothing_to_make_an_id_from_is_refused() {
        for (document, path) in [
            ("{}", "/scenario"),
            (r#"{"scenario": null, "trajectory": {"task_prompt": null}}"#, "/scenario"),
            (r#"{"scenario": {}}"#, "/scenario/id"),
            (
                r#"{"scenario": {"id": null, "name": null, "task_prompt": null, "x": 1}}"#,
                "/scenario/id",
            ),
        ] {
            check_rejected(document, path, codes::MISSING_SCENARIO);
        }
    }

    #[test]
    fn the_scenario_alone_is_read_from_a_result_that_is_refused() {
        let document = r#"{"scenario": {"id": "s", "name": "n"}, "recording": {"trial": 3},
            "trajectory": {"status": "odd", "execution_time_seconds": -1, "task_prompt": "p"},
            "reliability_score": "x"}"#;
        assert!(extract_outcome(document).is_err());
        let planned = extract_scenario(document).unwrap();
        assert_eq!(planned.scenario.id, "s");
        assert_eq!(planned.scenario.name.as_deref(), Some("n"));
        assert_eq!(planned.scenario.task_prompt.as_deref(), Some("p"));
        assert_eq!(planned.trial, Some(3));
        assert_eq!(
            slice(document, planned.scenario.definition),
            Some(r#"{"id": "s", "name": "n"}"#)
        );
        for document in [
            r#"{"scenario": {"id": "s"}, "trajectory": 7, "recording": "x"}"#,
            r#"{"scenario": {"id": "s"}, "trajectory": {"task_prompt": 7}}"#,
        ] {
            assert_eq!(extract_scenario(document).unwrap().scenario.id, "s");
        }
        assert_eq!(
            places(extract_scenario(r#"{"scenario": {"id": ""}}"#).unwrap_err()),
            [("/scenario/id".to_owned(), codes::EMPTY_ID)]
        );
    }

    #[test]
    fn both_ways_to_read_the_scenario_agree() {
        for line in lines(&fixture("results.jsonl")) {
            let document = std::str::from_utf8(line).unwrap();
            let outcome = accepted(document);
            let planned = extract_scenario(document).unwrap();
            assert_eq!(planned.scenario, outcome.scenario);
            assert_eq!(planned.trial, outcome.trial);
        }
    }
}

mod recording {
    use super::*;

    #[test]
    fn call_sandbox_and_trial_are_read() {
        let outcome = accepted(&with_members(
            r#""recording": {"trial": 3, "sandbox_id": "sb-1", "modal_call_id": "fc-1", "x": 1}"#,
        ));
        assert_eq!(outcome.modal_call_id.as_deref(), Some("fc-1"));
        assert_eq!(outcome.sandbox_id.as_deref(), Some("sb-1"));
        assert_eq!(outcome.trial, Some(3));
        assert_eq!(outcome.warnings, []);
    }

    #[test]
    fn a_trial_is_a_whole_number_from_1() {
        for (text, trial) in [("1", 1), ("1.0", 1), ("1e1", 10), ("10000", 10_000)] {
            let document = with_members(&format!(r#""recording": {{"trial": {text}}}"#));
            assert_eq!(accepted(&document).trial, Some(trial));
        }
        for (text, code) in [
            ("0", codes::OUT_OF_RANGE),
            ("-1", codes::OUT_OF_RANGE),
            ("4294967297", codes::OUT_OF_RANGE),
            ("1e999", codes::OUT_OF_RANGE),
            ("1.5", codes::NOT_AN_INTEGER),
            (r#""1""#, codes::WRONG_TYPE),
            ("true", codes::WRONG_TYPE),
        ] {
            check_rejected(
                &with_members(&format!(r#""recording": {{"trial": {text}}}"#)),
                "/recording/trial",
                code,
            );
        }
    }

    #[test]
    fn other_types_are_refused() {
        for value in ["1", "[]", r#""fc-1""#, "true"] {
            check_rejected(
                &with_members(&format!(r#""recording": {value}"#)),
                "/recording",
                codes::WRONG_TYPE,
            );
        }
        for name in ["modal_call_id", "sandbox_id"] {
            check_rejected(
                &with_members(&format!(r#""recording": {{"{name}": 7}}"#)),
                &format!("/recording/{name}"),
                codes::WRONG_TYPE,
            );
        }
    }

    #[test]
    fn the_same_members_elsewhere_are_not_read() {
        let outcome =
            accepted(&with_members(r#""modal_call_id": "fc", "sandbox_id": "sb", "trial": 0"#));
        assert_eq!((outcome.modal_call_id, outcome.sandbox_id, outcome.trial), (None, None, None));
    }
}

/// PostgreSQL's text holds neither lone surrogates nor NUL.
mod replaced {
    use super::*;

    const ODD: &str = r"a\ud800b\u0000c\udfff\ud83d\ude00";
    const STORED: &str = "a\u{FFFD}b\u{FFFD}c\u{FFFD}😀";

    #[track_caller]
    fn check(document: &str, path: &str, field: impl Fn(&Outcome) -> Option<String>) {
        let outcome = accepted(document);
        assert_eq!(field(&outcome).as_deref(), Some(STORED), "{document}");
        let found: Vec<_> = outcome
            .warnings
            .iter()
            .filter(|warning| warning.code == codes::TEXT_REPLACED)
            .map(|warning| warning.path.as_str())
            .collect();
        assert_eq!(found, [path], "{document}");
    }

    #[test]
    fn in_an_id() {
        check(&format!(r#"{{"scenario": {{"id": "{ODD}"}}}}"#), "/scenario/id", |outcome| {
            Some(outcome.scenario.id.clone())
        });
    }

    #[test]
    fn in_a_name() {
        check(
            &format!(r#"{{"scenario": {{"id": "s", "name": "{ODD}"}}}}"#),
            "/scenario/name",
            |outcome| outcome.scenario.name.clone(),
        );
    }

    #[test]
    fn in_a_prompt_of_the_scenario() {
        check(
            &format!(r#"{{"scenario": {{"id": "s", "task_prompt": "{ODD}"}}}}"#),
            "/scenario/task_prompt",
            |outcome| outcome.scenario.task_prompt.clone(),
        );
    }

    #[test]
    fn in_a_prompt_of_the_trajectory() {
        check(
            &with_trajectory(&format!(r#""task_prompt": "{ODD}""#)),
            "/trajectory/task_prompt",
            |outcome| outcome.scenario.task_prompt.clone(),
        );
    }

    #[test]
    fn in_an_error_text() {
        check(&with_trajectory(&format!(r#""error": "{ODD}""#)), "/trajectory/error", |outcome| {
            outcome.error_message.clone()
        });
        check(&with_members(&format!(r#""error": "{ODD}""#)), "/error", |outcome| {
            outcome.error_code.clone()
        });
    }

    /// The message is the JSON text, escapes and all, but the code is decoded from it.
    #[test]
    fn in_the_type_of_an_error() {
        let outcome = accepted(&with_trajectory(&format!(r#""error": {{"type": "{ODD}"}}"#)));
        assert_eq!(outcome.error_code.as_deref(), Some(STORED));
        let found: Vec<_> = outcome.warnings.iter().map(|warning| warning.code).collect();
        assert_eq!(found, [codes::TEXT_REPLACED]);
    }

    #[test]
    fn in_a_grade() {
        check(
            &with_score(&format!(r#"{{"overall_score": 1, "grade": "{ODD}"}}"#)),
            "/reliability_score/grade",
            |outcome| outcome.grade.clone(),
        );
    }

    #[test]
    fn in_the_name_of_a_dimension() {
        check(
            &with_score(&format!(r#"{{"overall_score": 1, "dimension_scores": {{"{ODD}": 1}}}}"#)),
            &format!("/reliability_score/dimension_scores/{STORED}"),
            |outcome| Some(outcome.dimension_scores[0].name.clone()),
        );
    }

    #[test]
    fn in_call_and_sandbox() {
        check(
            &with_members(&format!(r#""recording": {{"modal_call_id": "{ODD}"}}"#)),
            "/recording/modal_call_id",
            |outcome| outcome.modal_call_id.clone(),
        );
        check(
            &with_members(&format!(r#""recording": {{"sandbox_id": "{ODD}"}}"#)),
            "/recording/sandbox_id",
            |outcome| outcome.sandbox_id.clone(),
        );
    }

    #[test]
    fn but_not_where_nothing_is_extracted() {
        let document = with_trajectory(&format!(
            r#""final_response": "{ODD}", "{ODD}": [{{"{ODD}": "{ODD}"}}], "full_trajectory": ["{ODD}"]"#
        ));
        let outcome = accepted(&document);
        assert_eq!(outcome.warnings, []);
        assert!(slice(&document, outcome.trajectory).unwrap().contains(ODD));
    }

    #[test]
    fn a_replacement_character_of_the_sender_is_no_replacement() {
        let outcome =
            accepted(&with_members("\"recording\": {\"modal_call_id\": \"\u{FFFD} \\ufffd\"}"));
        assert_eq!(outcome.modal_call_id.as_deref(), Some("\u{FFFD} \u{FFFD}"));
        assert_eq!(outcome.warnings, []);
    }
}

mod syntax {
    use super::*;

    #[test]
    fn a_member_that_matters_stands_once() {
        for (document, path) in [
            (r#"{"scenario": {"id": "a"}, "scenario": {"id": "a"}}"#, "/scenario"),
            (r#"{"scenario": null, "\u0073cenario": {"id": "a"}}"#, "/scenario"),
            (r#"{"scenario": {"id": "a", "i\u0064": "b"}}"#, "/scenario/id"),
            (
                r#"{"scenario": {"id": "a"}, "trajectory": {"status": "error", "status": "success"}}"#,
                "/trajectory/status",
            ),
            (
                r#"{"scenario": {"id": "a"}, "recording": {"trial": 1, "trial": 1}}"#,
                "/recording/trial",
            ),
            (
                r#"{"scenario": {"id": "a"}, "reliability_score": {"dimension_scores": {"a/b": 1, "a\/b": 0}}}"#,
                "/reliability_score/dimension_scores/a~1b",
            ),
            (
                r#"{"scenario": {"id": "a"}, "reliability_score": {"dimension_scores": {"x": 1, "x": null}}}"#,
                "/reliability_score/dimension_scores/x",
            ),
        ] {
            check_rejected(document, path, codes::DUPLICATE_KEY);
        }
    }

    #[test]
    fn what_is_no_json_is_refused_at_its_place() {
        for (document, path, code) in [
            (r#"{"a": [1, {"b/c": NaN}]}"#, "/a/1/b~1c", codes::NOT_A_JSON_NUMBER),
            (r#"{"a": -Infinity}"#, "/a", codes::NOT_A_JSON_NUMBER),
            (r#"{"a": Infinity}"#, "/a", codes::NOT_A_JSON_NUMBER),
            ("", "", codes::MALFORMED_JSON),
            (" \n", "", codes::MALFORMED_JSON),
            (r#"{"a": "cut"#, "/a", codes::MALFORMED_JSON),
            (r#"{"a": {"b": 1,}}"#, "/a", codes::MALFORMED_JSON),
            (r#"{"a": 1} 2"#, "", codes::MALFORMED_JSON),
            (r#"{"a": "\x"}"#, "/a", codes::MALFORMED_JSON),
            ("{\"a\": \"\t\"}", "/a", codes::MALFORMED_JSON),
            ("{\"a\": {\"b\nc\": 1}}", "/a", codes::MALFORMED_JSON),
            (r#"{"a": 01}"#, "/a", codes::MALFORMED_JSON),
            ("\u{a0}{}", "", codes::MALFORMED_JSON),
        ] {
            check_rejected(document, path, code);
        }
    }

    /// PostgreSQL refuses such a document, and with it the rows that are written together.
    #[test]
    fn a_raw_control_character_in_a_key_is_no_json() {
        for control in (0_u8..0x20).map(char::from) {
            for document in [
                format!("{{\"scenario\": {{\"id\": \"s\"}}, \"a{control}b\": 1}}"),
                format!("{{\"scenario\": {{\"id\": \"s\", \"a{control}b\": 1}}}}"),
                format!("{{\"scenario\": {{\"id\": \"s\"}}, \"x\": [{{\"a{control}b\": 1}}]}}"),
            ] {
                let found = rejected(&document);
                assert_eq!(found.len(), 1, "{document:?}");
                assert_eq!(found[0].1, codes::MALFORMED_JSON, "{document:?}");
            }
        }
    }

    #[test]
    fn a_document_is_an_object() {
        for document in ["[]", r#"[{"scenario": {"id": "s"}}]"#, "1", r#""x""#, "true", "null"] {
            check_rejected(document, "", codes::WRONG_TYPE);
        }
    }

    #[test]
    fn depth_is_limited() {
        let nested = |levels: usize, open: &str, close: &str| {
            with_members(&format!(r#""x": {}1{}"#, open.repeat(levels), close.repeat(levels)))
        };
        for (open, close) in [("[", "]"), (r#"{"n": "#, "}")] {
            // The document itself is the first level.
            accepted(&nested(MAX_DEPTH - 1, open, close));
            for levels in [MAX_DEPTH, 1_000, 100_000] {
                let found = rejected(&nested(levels, open, close));
                assert_eq!(found.len(), 1);
                assert_eq!(found[0].1, codes::TOO_DEEP);
            }
        }
        accepted(&with_members(&format!(r#""x": "{}""#, "[{".repeat(10_000))));
        accepted(&with_members(&format!(r#""x": [{}[]]"#, "[[]],".repeat(10_000))));
    }

    #[test]
    fn size_is_limited() {
        let frame = with_members(r#""x": """#).len();
        let sized =
            |bytes: usize| with_members(&format!(r#""x": "{}""#, "x".repeat(bytes - frame)));
        accepted(&sized(MAX_DOCUMENT_BYTES));
        check_rejected(&sized(MAX_DOCUMENT_BYTES + 1), "", codes::DOCUMENT_TOO_LARGE);
    }
}

mod as_json {
    use super::*;

    /// A struct as the interface says that its JSON text looks.
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
        let dimensions: Vec<_> = outcome
            .dimension_scores
            .iter()
            .map(|each| json!({"name": each.name, "score": each.score}))
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
            "reliability_score": outcome.reliability_score,
            "grade": outcome.grade,
            "dimension_scores": dimensions,
            "execution_time": outcome.execution_time,
            "execution_time_ms": outcome.execution_time_ms,
            "tokens_used": outcome.tokens_used,
            "prompt_tokens": outcome.prompt_tokens,
            "completion_tokens": outcome.completion_tokens,
            "cost_usd": outcome.cost_usd,
            "event_count": outcome.event_count,
            "error_code": outcome.error_code,
            "error_message": outcome.error_message,
            "error_category": outcome.error_category.map(|category| snake(format!("{category:?}"))),
            "modal_call_id": outcome.modal_call_id,
            "sandbox_id": outcome.sandbox_id,
            "trajectory": span(outcome.trajectory),
            "detailed_trajectory": span(outcome.detailed_trajectory),
            "dimensions": span(outcome.dimensions),
            "warnings": warnings,
        })
    }

    /// The same value with every number as a float: 1 and 1.0 are one number.
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
            r#""reliability_score":1,"#,
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn a_verdict_is_json_whatever_the_document() {
        for document in
            ["", "\u{0}", "{", "[[[", r#"{"\ud800": "#, "{\"a\u{1}\": NaN}", "\u{feff}{}", "nul"]
        {
            check(document);
        }
    }
}

mod fixtures {
    use super::*;

    #[test]
    fn every_result_is_accepted() {
        let bytes = fixture("results.jsonl");
        let documents = lines(&bytes);
        assert_eq!(documents.len(), 240);
        let mut statuses = BTreeSet::new();
        let mut categories = BTreeSet::new();
        let mut found_warnings = BTreeSet::new();
        let mut ids = BTreeSet::new();
        for line in documents {
            let document = std::str::from_utf8(line).unwrap();
            let outcome = accepted(document);
            as_json::check(document);
            for span in [
                outcome.scenario.definition,
                outcome.trajectory,
                outcome.detailed_trajectory,
                outcome.dimensions,
            ] {
                if let Some(part) = slice(document, span) {
                    assert!(part.starts_with('{') && part.ends_with('}'), "{part}");
                }
            }
            for number in [
                outcome.execution_time_ms,
                outcome.tokens_used,
                outcome.prompt_tokens,
                outcome.completion_tokens,
                outcome.cost_usd,
            ] {
                assert!(number.is_finite() && number.is_sign_positive());
            }
            for score in outcome
                .reliability_score
                .iter()
                .chain(outcome.dimension_scores.iter().map(|each| &each.score))
            {
                assert!((0.0..=1.0).contains(score));
            }
            assert!((1..=512).contains(&outcome.scenario.id.len()));
            let success = outcome.status == OutcomeStatus::Success;
            assert!(!(success && outcome.error_category.is_some()));
            statuses.insert(format!("{:?}", outcome.status));
            categories.extend(outcome.error_category.map(|category| format!("{category:?}")));
            found_warnings.extend(outcome.warnings.iter().map(|warning| warning.code));
            ids.insert(outcome.scenario.id);
        }
        // The file is only worth its size while it has something of everything.
        assert_eq!(statuses.len(), 4, "{statuses:?}");
        assert_eq!(categories.len(), 9, "{categories:?}");
        assert_eq!(found_warnings.len(), 6, "{found_warnings:?}");
        assert!((225..240).contains(&ids.len()), "{}", ids.len());
    }

    #[test]
    fn the_members_of_the_array_and_the_envelope_are_accepted() {
        let array: Vec<Box<serde_json::value::RawValue>> =
            serde_json::from_slice(&fixture("results.json")).unwrap();
        assert_eq!(array.len(), 12);
        #[derive(serde::Deserialize)]
        struct Envelope {
            results: Vec<Box<serde_json::value::RawValue>>,
        }
        let text = String::from_utf8(fixture("envelope.json")).unwrap();
        let envelope: Envelope = serde_json::from_str(&text).unwrap();
        assert_eq!(envelope.results.len(), 12);
        for document in array.iter().chain(&envelope.results) {
            accepted(document.get());
            as_json::check(document.get());
        }

        let suite = extract_suite(&text).unwrap();
        let outcomes: Vec<_> = envelope.results.iter().map(|each| accepted(each.get())).collect();
        let successes =
            outcomes.iter().filter(|each| each.status == OutcomeStatus::Success).count();
        assert_eq!(suite.successful_runs, Some(successes as f64));
        let cost: f64 = outcomes.iter().map(|each| each.cost_usd).sum();
        assert!((suite.total_cost_usd.unwrap() - cost).abs() < 1e-6);
        assert_eq!(suite.average_dimension_scores.len(), 5);
    }

    #[test]
    fn every_hostile_line_has_the_expected_verdict() {
        let bytes = fixture("hostile.jsonl");
        let documents = lines(&bytes);
        let expected = json_fixture("hostile.expected.json");
        let expected = expected.as_array().unwrap();
        assert_eq!(documents.len(), expected.len());
        let mut wrong = Vec::new();
        for (position, (line, expected)) in documents.into_iter().zip(expected).enumerate() {
            assert_eq!(expected["position"], json!(position));
            let wanted = sorted(expected["violations"].as_array().map_or(&[][..], Vec::as_slice));
            // Bytes that are not UTF-8 never come here: whoever frames the lines refuses them.
            let Ok(document) = std::str::from_utf8(line) else {
                assert_eq!(wanted, [(String::new(), "invalid_utf8".to_owned())]);
                continue;
            };
            assert_eq!(expected["verdict"] == "rejected", !wanted.is_empty());
            let found = match extract_outcome(document) {
                Ok(_) => Vec::new(),
                Err(violations) => places(violations)
                    .into_iter()
                    .map(|(path, code)| (path, code.to_owned()))
                    .collect(),
            };
            if found != wanted {
                wrong.push(format!(
                    "{position} ({}): found {found:?}, expected {wanted:?}\n    {:.200}",
                    expected["case"], document
                ));
            }
            as_json::check(document);
        }
        assert!(wrong.is_empty(), "{} lines:\n{}", wrong.len(), wrong.join("\n"));
    }

    fn sorted(violations: &[Value]) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let mut places: Vec<_> =
            violations.iter().map(|each| (text(&each["path"]), text(&each["code"]))).collect();
        places.sort_unstable();
        places
    }

    /// The positions in the expectations are those that a host counts.
    #[test]
    fn framing_finds_the_lines_of_the_hostile_file() {
        let bytes = fixture("hostile.jsonl");
        for container in [arc_framing::Container::Auto, arc_framing::Container::Lines] {
            let mut framer = arc_framing::Framer::new(container, arc_framing::Limits::default());
            for chunk in bytes.chunks(4_093) {
                framer.push(chunk).unwrap();
            }
            framer.finish().unwrap();
            let frames: Vec<_> = std::iter::from_fn(|| framer.next_frame()).collect();
            let documents = lines(&bytes);
            assert_eq!(frames.len(), documents.len());
            for (frame, line) in frames.iter().zip(documents) {
                assert_eq!(frame.bytes(), line);
                let code = frame.problem.map(|problem| problem.code());
                let text = std::str::from_utf8(line).is_ok();
                assert_eq!(code, (!text).then_some("invalid_utf8"));
            }
        }
    }

    #[test]
    fn every_suite_has_the_expected_figures() {
        for case in json_fixture("suites.json").as_array().unwrap() {
            let name = &case["case"];
            match extract_suite(case["text"].as_str().unwrap()) {
                Ok(suite) => {
                    let mut found = serde_json::to_value(&suite).unwrap();
                    assert_eq!(found.as_object_mut().unwrap().remove("warnings"), Some(json!([])));
                    assert_eq!(found, case["expected"], "{name}");
                }
                Err(violations) => {
                    let found: Vec<_> = places(violations)
                        .into_iter()
                        .map(|(path, code)| (path, code.to_owned()))
                        .collect();
                    assert_eq!(case["verdict"], "rejected", "{name}: {found:?}");
                    assert_eq!(found, sorted(case["violations"].as_array().unwrap()), "{name}");
                }
            }
        }
    }

    #[test]
    fn every_plan_has_the_expected_scenarios() {
        for case in json_fixture("scenarios.json").as_array().unwrap() {
            let (name, text) = (&case["case"], case["text"].as_str().unwrap());
            match extract_scenarios(text) {
                Ok(scenarios) => {
                    let found: Vec<_> = scenarios
                        .iter()
                        .map(|each| {
                            json!({
                                "id": each.id,
                                "name": each.name,
                                "task_prompt": each.task_prompt,
                                "definition": slice(text, each.definition),
                            })
                        })
                        .collect();
                    assert_eq!(json!(found), case["expected"], "{name}");
                }
                Err(violations) => {
                    let found: Vec<_> = places(violations)
                        .into_iter()
                        .map(|(path, code)| (path, code.to_owned()))
                        .collect();
                    assert_eq!(case["verdict"], "rejected", "{name}: {found:?}");
                    assert_eq!(found, sorted(case["violations"].as_array().unwrap()), "{name}");
                }
            }
        }
    }
}
