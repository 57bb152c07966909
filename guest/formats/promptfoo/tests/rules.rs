//! The rules for promptfoo's results, one by one, and over files that promptfoo wrote.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests fail by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};

use arc_format_kit::{ErrorCategory, Format, Header, Items, OutcomeStatus, codes};
use arc_format_promptfoo::{PromptfooFormat, TRIAL_UNKNOWN};
use arc_format_testing::{
    any_json, check, frame, rejected, rejects_truncated_results, slice, warnings,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const HEADER: &str = r#"{"evalId": "e", "results": {"version": 3, "timestamp": "2026-01-02T03:04:05.678Z",
    "prompts": [{"label": "p", "provider": "echo"}], "results": [],
    "stats": {"successes": 1, "failures": 0, "errors": 0, "durationMs": 1234, "tokenUsage": {"total": 30}}},
    "config": {"tests": [{"vars": {"a": "b"}}]}, "runtimeOptions": {"repeat": 1}}"#;

fn accepted(header: Option<&str>, item: &str) -> arc_format_kit::Outcome {
    arc_format_testing::accepted::<PromptfooFormat>(header, item)
}

/// Returns a result with these members besides those that identify it.
fn with(members: &str) -> String {
    let separator = if members.is_empty() { "" } else { ", " };
    format!(
        r#"{{"testIdx": 0, "promptIdx": 0, "vars": {{"a": "b"}}, "prompt": {{"raw": "Do b", "label": "p"}},
            "provider": {{"id": "echo", "label": ""}}, "testCase": {{"description": "does"}}{separator}{members}}}"#
    )
}

fn fixture(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/fixtures/formats/promptfoo/");
    std::fs::read(format!("{folder}{name}")).unwrap()
}

mod files {
    use super::*;

    #[test]
    fn a_file_of_results_is_read_to_its_end() {
        let bytes = fixture("results.json");
        let file = frame::<PromptfooFormat>("results.json", &bytes).unwrap();
        assert_eq!(file.layout.items, Items::Elements("/results/results/*".into()));
        assert_eq!(file.layout.header, Header::EnclosingDocument);
        let whole: Value = serde_json::from_slice(&bytes).unwrap();
        let rows = whole["results"]["results"].as_array().unwrap();
        assert_eq!((file.documents.len(), rows.len()), (48, 48));

        let mut trials: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        let mut statuses: BTreeMap<String, usize> = BTreeMap::new();
        let mut tokens = 0.0;
        for (document, row) in file.documents.iter().zip(rows) {
            let outcome = accepted(file.header.as_deref(), document);
            assert_eq!(outcome.reliability_score, row["score"].as_f64());
            assert_eq!(Some(outcome.execution_time_ms), row["latencyMs"].as_f64());
            assert_eq!(outcome.scenario.task_prompt.as_deref(), row["prompt"]["raw"].as_str());
            assert_eq!(outcome.cost_usd, row["cost"].as_f64().unwrap_or_default());
            let began = outcome.execution_time.unwrap();
            assert!(began.starts_with(&whole["results"]["timestamp"].as_str().unwrap()[..19]));
            tokens += outcome.tokens_used;
            trials.entry(outcome.scenario.id).or_default().extend(outcome.trial);
            *statuses.entry(format!("{:?}", outcome.status)).or_default() += 1;
        }
        // Six tests (one with two values), two prompts, two providers, two runs of each.
        assert_eq!(trials.len(), 24);
        assert!(trials.values().all(|trials| trials == &[1, 2]), "{trials:?}");
        let stats = &whole["results"]["stats"];
        let errors = stats["errors"].as_u64().unwrap() as usize;
        assert_eq!(statuses["Error"] + statuses["Timeout"], errors);
        assert!(statuses["Error"] >= 4 && statuses["Timeout"] >= 2, "{statuses:?}");
        let suite = PromptfooFormat::suite(file.header.as_deref().unwrap()).unwrap();
        assert_eq!(suite.total_tokens_used, Some(tokens));
        assert_eq!(suite.execution_time_ms, stats["durationMs"].as_f64());
        assert_eq!(suite.warnings, []);
    }

    #[test]
    fn lines_are_the_same_results_whose_trials_are_unknown() {
        let lines = frame::<PromptfooFormat>("results.jsonl", &fixture("results.jsonl")).unwrap();
        let whole = frame::<PromptfooFormat>("results.json", &fixture("results.json")).unwrap();
        assert_eq!(lines.layout.items, Items::Lines);
        assert_eq!(lines.documents.len(), 48);
        let mut ids = BTreeSet::new();
        for (line, document) in lines.documents.iter().zip(&whole.documents) {
            let alone = accepted(None, line);
            let known = accepted(whole.header.as_deref(), document);
            assert_eq!(warnings(&alone), [("/testIdx", TRIAL_UNKNOWN)]);
            assert!(alone.scenario.id.starts_with(&known.scenario.id));
            assert_eq!(alone.dimension_scores, known.dimension_scores);
            assert_eq!((alone.trial, alone.status), (None, known.status));
            ids.insert(alone.scenario.id);
        }
        assert_eq!(ids.len(), 48);
    }

    #[test]
    fn the_dimensions_are_the_metrics() {
        let file = frame::<PromptfooFormat>("", &fixture("results.json")).unwrap();
        let outcome = accepted(file.header.as_deref(), &file.documents[0]);
        let names: Vec<&str> =
            outcome.dimension_scores.iter().map(|dimension| &*dimension.name).collect();
        assert_eq!(names, ["correct", "fast"]);
        let part = slice(&file.documents[0], outcome.dimensions).unwrap();
        assert!(serde_json::from_str::<Value>(part).unwrap()["correct"].is_number());
        let test = slice(&file.documents[0], outcome.scenario.definition).unwrap();
        assert_eq!(
            serde_json::from_str::<Value>(test).unwrap()["description"],
            "the capital of France"
        );
        assert!(slice(&file.documents[0], outcome.trajectory).unwrap().contains("output"));
    }

    #[test]
    fn files_are_recognised_by_their_first_bytes() {
        let items = |text: &str| {
            PromptfooFormat::detect("x.json", text.as_bytes()).map(|layout| layout.items)
        };
        let elements = |pointer: &str| Some(Items::Elements(pointer.to_owned()));
        assert_eq!(
            items(r#"{"evalId": null, "results": {"version": 2, "timestamp": "t", "resu"#),
            elements("/results/results/*")
        );
        assert_eq!(
            items(r#"{"version": 3, "timestamp": "t", "prompts": [{"raw": "x"}], "results": ["#),
            elements("/results/*")
        );
        assert_eq!(
            items(r#"{"cost":0,"gradingResult":{"pass":true,"score":1,"reason":"x"#),
            Some(Items::Lines)
        );
        for other in [
            "",
            "PK\u{3}\u{4}",
            r#"{"results": [], "version": 1, "timestamp": "t"}"#,
            r#"{"scenario": {"id": "s"}, "trajectory": {"text": "\"gradingResult\": {}"}}"#,
            r#"{"version": 2, "status": "success", "eval": {}, "results": {"scores": []}}"#,
            r#"{"text": "{\"evalId\": 1, \"results\": {\"version\": 3, \"timestamp\": 1}}"}"#,
            r#"{"spec": {"completion_fns": []}}"#,
        ] {
            assert_eq!(items(other), None, "{other}");
        }
    }

    #[test]
    fn the_second_version_of_the_file_has_no_tests_in_its_results() {
        let text = json!({
            "evalId": "eval-1", "shareableUrl": null, "config": {"prompts": ["p.txt"]},
            "results": {
                "version": 2, "timestamp": "2024-05-06T07:08:09.123Z", "table": {"head": {}, "body": []},
                "stats": {"successes": 1, "failures": 1, "tokenUsage": {"total": 12, "prompt": 8, "completion": 4, "cached": 0}},
                "results": [
                    {"provider": {"id": "openai:gpt-4"}, "prompt": {"raw": "Say x", "label": "p.txt"}, "vars": {"q": "x"},
                     "response": {"output": "x", "tokenUsage": {"total": 12, "prompt": 8, "completion": 4}, "cost": 0.25},
                     "success": true, "score": 1, "latencyMs": 10, "namedScores": {},
                     "gradingResult": {"pass": true, "score": 1, "reason": "No assertions"}},
                    {"provider": {"id": "openai:gpt-4"}, "prompt": {"raw": "Say y", "label": "p.txt"}, "vars": {"q": "y"},
                     "error": "API error: 429 Too Many Requests", "success": false, "score": 0, "latencyMs": 5, "namedScores": {}},
                    {"provider": {"id": "openai:gpt-4"}, "prompt": {"raw": "Say z", "label": "p.txt"}, "vars": {"q": "z"},
                     "error": "Expected z", "success": false, "score": 0, "latencyMs": 5, "namedScores": {},
                     "gradingResult": {"pass": false, "score": 0, "reason": "Expected z"}},
                ],
            },
        })
        .to_string();
        // The members are in the tool's order.
        let text = text.replacen('{', r#"{"evalId":"eval-1","#, 1).replacen(
            r#""evalId":"eval-1","results""#,
            r#""results""#,
            1,
        );
        let file = frame::<PromptfooFormat>("output.json", text.as_bytes()).unwrap();
        let header = file.header.as_deref();
        let [passed, failed, wrong] = [0, 1, 2].map(|at| accepted(header, &file.documents[at]));
        assert_eq!((passed.tokens_used, passed.prompt_tokens, passed.cost_usd), (12.0, 8.0, 0.25));
        assert_eq!(failed.status, OutcomeStatus::Error);
        assert_eq!(failed.error_category, Some(ErrorCategory::RateLimit));
        assert_eq!((wrong.status, wrong.error_message), (OutcomeStatus::Success, None));
        assert_eq!(wrong.reliability_score, Some(0.0));
        assert_eq!(wrong.execution_time.as_deref(), Some("2024-05-06T07:08:09.123000Z"));
        assert!(passed.scenario.id.ends_with("/p.txt/openai:gpt-4"), "{}", passed.scenario.id);
        assert_ne!(passed.scenario.id, failed.scenario.id);
    }
}

mod scenarios {
    use super::*;

    fn id(header: Option<&str>, item: &str) -> String {
        PromptfooFormat::scenario(header, item).unwrap().scenario.id
    }

    #[test]
    fn test_prompt_and_provider_stay_apart() {
        let base = with("");
        let ids: BTreeSet<String> = [
            base.clone(),
            base.replace("echo", "other"),
            base.replace(r#""label": """#, r#""label": "named""#),
            base.replace(r#""label": "p""#, r#""label": "q""#),
            base.replace(r#""a": "b""#, r#""a": "c""#),
            base.replace("does", "does not"),
            base.replace(r#""description""#, r#""assert": [1], "description""#),
        ]
        .iter()
        .map(|item| id(Some(HEADER), item))
        .collect();
        assert_eq!(ids.len(), 7, "{ids:?}");
    }

    #[test]
    fn an_id_does_not_depend_on_order_or_layout() {
        let item = with("");
        let compact = serde_json::from_str::<Value>(&item).unwrap().to_string();
        let moved = item.replace(r#""promptIdx": 0"#, r#""promptIdx": 5"#);
        assert!(id(Some(HEADER), &item).starts_with("does#"));
        assert!(id(Some(HEADER), &item).ends_with("/p/echo"));
        assert_eq!(id(Some(HEADER), &item), id(Some(HEADER), &compact));
        assert_eq!(id(Some(HEADER), &item), id(Some(HEADER), &moved));
    }

    #[test]
    fn two_prompts_with_one_name_are_distinguished_by_their_index() {
        let header = HEADER.replace(
            r#"{"label": "p", "provider": "echo"}"#,
            r#"{"label": "p", "provider": "echo"}, {"label": "p", "provider":"echo"}, {"label": "q", "provider": "echo"}"#,
        );
        let at = |index: u32| {
            id(
                Some(&header),
                &with("").replace(r#""promptIdx": 0"#, &format!(r#""promptIdx": {index}"#)),
            )
        };
        assert!(at(0).ends_with("@0") && at(1).ends_with("@1"));
        assert!(!at(2).contains('@'));
    }

    #[test]
    fn long_names_are_cut() {
        let item = with("").replace("\"p\"", &format!("\"{}\"", "long ".repeat(1_000)));
        assert!(id(Some(HEADER), &item).len() <= 512);
        assert_ne!(id(Some(HEADER), &item), id(Some(HEADER), &item.replace("long \"", "long\"")));
    }

    fn header(tests: &str, results: u32, repeat: &str) -> String {
        format!(
            r#"{{"results": {{"version": 3, "timestamp": "x", "prompts": [{{}}, {{"label": 1}}],
                "stats": {{"successes": {results}, "failures": 0, "errors": 0}}}},
                "config": {{"tests": {tests}}}, "runtimeOptions": {repeat}}}"#
        )
    }

    fn trial(header: &str, index: u32) -> Result<Option<u32>, ()> {
        let item = with("").replace(r#""testIdx": 0"#, &format!(r#""testIdx": {index}"#));
        let outcome = accepted(Some(header), &item);
        let unknown = warnings(&outcome).contains(&("/testIdx", TRIAL_UNKNOWN));
        assert_eq!(outcome.scenario.id.ends_with(&format!("~{index}.0")), unknown);
        if unknown { Err(()) } else { Ok(outcome.trial) }
    }

    #[test]
    fn trials_are_computed_from_the_header() {
        // Two tests, the first with two times two values: ten runs of two prompts, three times.
        let tests = r#"[{"vars": {"a": ["x", "y"], "b": [1, 2], "c": "z"}}, {"vars": {"a": "x"}}]"#;
        for repeat in ["null", r#"{"repeat": 3}"#] {
            let header = header(tests, 30, repeat);
            let trials: Vec<_> =
                (0..15).map(|index| trial(&header, index).unwrap().unwrap()).collect();
            assert_eq!(trials, [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 1, 2, 3]);
            assert_eq!(trial(&header, 15), Err(()));
        }
        assert_eq!(trial(&header(tests, 10, "null"), 4), Ok(None));
    }

    #[test]
    fn the_trial_is_unknown_if_tests_cannot_be_counted() {
        let listed = r#"[{"vars": {"a": "x"}}]"#;
        for (tests, results, repeat) in [
            (r#""file://tests.csv""#, 6, r#"{"repeat": 3}"#),
            (r#"["file://a.yaml"]"#, 6, r#"{"repeat": 3}"#),
            (r#"[{"vars": {"a": "file://x/*.txt"}}]"#, 6, r#"{"repeat": 3}"#),
            (r#"[{"vars": "file://x.yaml"}]"#, 6, r#"{"repeat": 3}"#),
            (r#"[{"vars": {"a": "x"}, "providers": ["p"]}]"#, 6, r#"{"repeat": 3}"#),
            (listed, 6, r#"{"repeat": 2}"#),
            (listed, 5, "null"),
            (listed, 0, "null"),
            ("[]", 6, "null"),
            ("null", 6, "null"),
        ] {
            assert_eq!(trial(&header(tests, results, repeat), 1), Err(()), "{tests}");
        }
        // Run once, regardless of the tests.
        assert_eq!(trial(&header(r#""file://a.csv""#, 6, r#"{"repeat": 1}"#), 1), Ok(None));
        assert_eq!(trial(&header(r#""file://a.csv""#, 6, "{}"), 1), Ok(None));
        for broken in ["", "[]", "null", "{", "{\"results\": 1}"] {
            assert_eq!(trial(broken, 1), Err(()), "{broken}");
        }
    }

    #[test]
    fn a_result_must_identify_its_scenario() {
        for item in ["{}", r#"{"success": true, "score": 1}"#, r#"{"prompt": null, "vars": null}"#]
        {
            assert_eq!(
                rejected::<PromptfooFormat>(Some(HEADER), item),
                [(String::new(), codes::MISSING_SCENARIO)]
            );
        }
        for item in [r#"{"vars": {}}"#, r#"{"prompt": {}}"#, r#"{"testCase": {}}"#] {
            assert!(accepted(Some(HEADER), item).scenario.id.starts_with("test#"));
        }
    }
}

mod outcomes {
    use super::*;

    #[test]
    fn the_reason_of_a_failure_determines_how_a_run_ended() {
        for (members, status, category) in [
            (r#""success": true, "failureReason": 0"#, OutcomeStatus::Success, None),
            (
                r#""success": false, "failureReason": 1, "error": "Expected x""#,
                OutcomeStatus::Success,
                None,
            ),
            (
                r#""success": false, "failureReason": 2, "error": "API error: 503 Service Unavailable""#,
                OutcomeStatus::Error,
                Some(ErrorCategory::Network),
            ),
            (
                r#""success": false, "failureReason": 2, "error": "Evaluation timed out after 100ms: x""#,
                OutcomeStatus::Timeout,
                Some(ErrorCategory::Timeout),
            ),
            (
                r#""success": false, "failureReason": 2, "error": "Evaluation exceeded max duration of 5ms""#,
                OutcomeStatus::Timeout,
                Some(ErrorCategory::Timeout),
            ),
            (
                r#""success": false, "failureReason": 2, "response": {"error": "out of memory"}"#,
                OutcomeStatus::Error,
                Some(ErrorCategory::Resource),
            ),
            (
                r#""success": false, "failureReason": 2, "error": {"message": "rate limit"}"#,
                OutcomeStatus::Error,
                Some(ErrorCategory::RateLimit),
            ),
            (
                r#""success": false, "failureReason": 2"#,
                OutcomeStatus::Error,
                Some(ErrorCategory::SystemError),
            ),
            (
                r#""success": false, "response": {"error": "x"}"#,
                OutcomeStatus::Error,
                Some(ErrorCategory::SystemError),
            ),
            (
                r#""success": false, "error": "x", "gradingResult": {}"#,
                OutcomeStatus::Success,
                None,
            ),
            (
                r#""success": false, "error": "x", "gradingResult": null"#,
                OutcomeStatus::Error,
                Some(ErrorCategory::SystemError),
            ),
        ] {
            let outcome = accepted(Some(HEADER), &with(members));
            assert_eq!((outcome.status, outcome.error_category), (status, category), "{members}");
            assert_eq!(
                outcome.error_message.is_some(),
                status != OutcomeStatus::Success && members.contains("rror\"")
            );
        }
    }

    #[test]
    fn a_score_outside_the_scale_is_replaced_by_the_verdict() {
        let scored = |members: &str| {
            let outcome = accepted(Some(HEADER), &with(members));
            let warned: Vec<_> = outcome.warnings.iter().map(|warning| warning.code).collect();
            (outcome.reliability_score, warned)
        };
        assert_eq!(scored(r#""score": 0.4, "success": true"#), (Some(0.4), vec![]));
        assert_eq!(scored(r#""score": -0.0, "success": true"#), (Some(0.0), vec![]));
        assert_eq!(
            scored(r#""score": 7, "success": true"#),
            (Some(1.0), vec![codes::SCORE_OUT_OF_SCALE])
        );
        assert_eq!(
            scored(r#""score": -1, "success": false"#),
            (Some(0.0), vec![codes::SCORE_OUT_OF_SCALE])
        );
        assert_eq!(scored(r#""score": null, "success": false"#), (Some(0.0), vec![]));
        assert_eq!(
            scored(r#""score": "1", "success": 1"#),
            (
                None,
                vec![codes::WRONG_TYPE, codes::WRONG_TYPE, codes::SCORE_MISSING]
                    .into_iter()
                    .collect()
            )
        );
        assert_eq!(scored(""), (None, vec![codes::SCORE_MISSING]));
    }

    #[test]
    fn metrics_outside_the_scale_are_no_dimensions() {
        let outcome = accepted(
            Some(HEADER),
            &with(
                r#""success": true, "namedScores": {"a": 0.5, "b": 7, "c/d": "x", "e": null, "a": 1, "\ud800": 1}"#,
            ),
        );
        let found: Vec<_> =
            outcome.dimension_scores.iter().map(|it| (it.name.as_str(), it.score)).collect();
        assert_eq!(found, [("a", 1.0), ("\u{FFFD}", 1.0)]);
        assert_eq!(
            warnings(&outcome),
            [
                ("/namedScores/b", codes::SCORE_OUT_OF_SCALE),
                ("/namedScores/c~1d", codes::WRONG_TYPE)
            ]
        );
        let none = accepted(Some(HEADER), &with(r#""success": true, "namedScores": [1]"#));
        assert_eq!(warnings(&none), [("/namedScores", codes::WRONG_TYPE)]);
        assert_eq!(none.dimensions, None);
    }

    #[test]
    fn decorations_that_are_wrong_are_warnings() {
        let outcome = accepted(
            Some(HEADER),
            &with(
                r#""success": true, "latencyMs": "5", "cost": -1, "tokenUsage": {"total": 1.5, "prompt": "x", "completion": 1e999}"#,
            ),
        );
        assert_eq!(
            warnings(&outcome),
            [
                ("/cost", codes::OUT_OF_RANGE),
                ("/latencyMs", codes::WRONG_TYPE),
                ("/tokenUsage/completion", codes::OUT_OF_RANGE),
                ("/tokenUsage/prompt", codes::WRONG_TYPE),
                ("/tokenUsage/total", codes::NOT_AN_INTEGER),
            ]
        );
        let odd = accepted(
            Some(HEADER),
            r#"{"testIdx": 0, "vars": {"a": "b"}, "testCase": 1, "prompt": "x", "provider": "p\ud800", "success": true}"#,
        );
        assert!(odd.scenario.id.ends_with("/prompt/p\u{FFFD}"), "{}", odd.scenario.id);
        assert_eq!(
            warnings(&odd),
            [
                ("/prompt", codes::WRONG_TYPE),
                ("/provider", codes::TEXT_REPLACED),
                ("/testCase", codes::WRONG_TYPE)
            ]
        );
    }

    #[test]
    fn tokens_and_cost_can_be_in_the_response_only() {
        let outcome = accepted(
            Some(HEADER),
            &with(
                r#""success": true, "response": {"cost": 0.5, "tokenUsage": {"prompt": 3, "completion": 4}}"#,
            ),
        );
        assert_eq!((outcome.cost_usd, outcome.tokens_used, outcome.prompt_tokens), (0.5, 7.0, 3.0));
    }

    #[test]
    fn invalid_json_is_rejected_at_its_place() {
        let whole = with(r#""success": true"#);
        for end in (1..whole.len()).filter(|end| whole.is_char_boundary(*end)) {
            let found = rejected::<PromptfooFormat>(Some(HEADER), &whole[..end]);
            assert_eq!(found[0].1, codes::MALFORMED_JSON);
        }
        assert_eq!(
            rejected::<PromptfooFormat>(None, &with(r#""score": NaN"#)),
            [("/score".to_owned(), codes::NOT_A_JSON_NUMBER)]
        );
        assert_eq!(rejected::<PromptfooFormat>(None, "[1]"), [(String::new(), codes::WRONG_TYPE)]);
        assert_eq!(
            rejected::<PromptfooFormat>(None, &with(r#""score": 1, "score": 0"#)),
            [("/score".to_owned(), codes::DUPLICATE_KEY)]
        );
    }
}

#[test]
fn files_of_other_formats_are_not_recognised() {
    arc_format_testing::recognises_no_other::<PromptfooFormat>("promptfoo");
}

const NAMES: &[&str] = &[
    "testIdx",
    "promptIdx",
    "vars",
    "prompt",
    "raw",
    "label",
    "provider",
    "id",
    "testCase",
    "description",
    "assert",
    "success",
    "score",
    "failureReason",
    "error",
    "response",
    "gradingResult",
    "namedScores",
    "latencyMs",
    "tokenUsage",
    "total",
    "cost",
    "results",
    "config",
    "tests",
    "stats",
    "successes",
    "prompts",
    "runtimeOptions",
    "repeat",
];

#[test]
fn a_truncated_result_is_refused() {
    rejects_truncated_results::<PromptfooFormat>(Some(HEADER), &with(r#""score": 1"#));
}

proptest! {
    #[test]
    fn no_json_makes_it_panic(header in any_json(NAMES), item in any_json(NAMES)) {
        let _ = check::<PromptfooFormat>(Some(&header), &item);
        let _ = check::<PromptfooFormat>(None, &item);
    }
}
