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

use arc_format_kit::{ErrorCategory, Format, Header, Items, Outcome, OutcomeStatus, codes};
use arc_format_promptfoo::{PromptfooFormat, TRIAL_UNKNOWN};
use arc_format_testing::{
    any_json, check, frame, rejected, rejects_truncated_results, scores, slice, warnings,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const HEADER: &str = r#"{"evalId": "e", "results": {"version": 3, "timestamp": "2026-01-02T03:04:05.678Z",
    "prompts": [{"label": "p", "provider": "echo"}], "results": [],
    "stats": {"successes": 1, "failures": 0, "errors": 0, "durationMs": 1234, "tokenUsage": {"total": 30}}},
    "config": {"tests": [{"vars": {"a": "b"}}]}, "runtimeOptions": {"repeat": 1}}"#;

fn accepted(header: Option<&str>, item: &str) -> Outcome {
    arc_format_testing::accepted::<PromptfooFormat>(header, item)
}

/// Returns the value of a score.
fn value(outcome: &Outcome, name: &str) -> Option<f64> {
    outcome.scores.iter().find(|score| score.name == name).unwrap().value
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

#[test]
fn a_line_names_who_answered() {
    for (provider, models, name, agent) in [
        (json!("openai:chat:gpt-4o"), vec!["gpt-4o"], Some("openai"), None),
        (json!({"id": "openai:gpt-4o"}), vec!["gpt-4o"], Some("openai"), None),
        (json!({"id": "openai:chat"}), vec![], Some("openai"), None),
        (
            json!({"id": "ollama:chat:llama3.1:8b", "label": "small"}),
            vec!["llama3.1:8b"],
            Some("ollama"),
            Some("small"),
        ),
        (
            json!({"id": "bedrock:us.amazon.nova-v1:0"}),
            vec!["us.amazon.nova-v1:0"],
            Some("bedrock"),
            None,
        ),
        (json!({"id": "openrouter:a/b", "label": ""}), vec!["a/b"], Some("openrouter"), None),
        (json!({"id": "file://agent.py"}), vec![], None, Some("file://agent.py")),
        (json!({"id": "https://x/chat", "label": "mine"}), vec![], None, Some("mine")),
        (json!("echo"), vec![], None, Some("echo")),
    ] {
        let mut item: Value = serde_json::from_str(&with("")).unwrap();
        item["provider"] = provider;
        let origin = accepted(None, &item.to_string()).origin;
        assert_eq!(origin.models, models, "{item}");
        assert_eq!((origin.provider.as_deref(), origin.agent.as_deref()), (name, agent), "{item}");
        assert_eq!(origin.tool.as_deref(), Some("promptfoo"));
    }
    let unknown = accepted(None, r#"{"vars": {}, "success": true}"#).origin;
    assert_eq!((unknown.models, unknown.agent), (vec![], None));
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

        let mut places: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut statuses: BTreeMap<String, usize> = BTreeMap::new();
        let mut tokens = 0.0;
        for (document, row) in file.documents.iter().zip(rows) {
            let outcome = accepted(file.header.as_deref(), document);
            assert_eq!(value(&outcome, "score"), row["score"].as_f64());
            let passed = f64::from(u8::from(row["success"].as_bool().unwrap()));
            assert_eq!(outcome.headline_value(), Some(passed));
            assert_eq!(outcome.key.as_deref(), row["id"].as_str());
            assert_eq!(outcome.trial, None);
            assert_eq!(Some(outcome.execution_time_ms), row["latencyMs"].as_f64());
            assert_eq!(outcome.scenario.task_prompt.as_deref(), row["prompt"]["raw"].as_str());
            assert_eq!(outcome.cost_usd, row["cost"].as_f64().unwrap_or_default());
            let began = outcome.execution_time.unwrap();
            assert!(began.starts_with(&whole["results"]["timestamp"].as_str().unwrap()[..19]));
            tokens += outcome.tokens_used;
            assert!(places.entry(outcome.scenario.id).or_default().insert(outcome.place.unwrap()));
            *statuses.entry(format!("{:?}", outcome.status)).or_default() += 1;
        }
        // Six tests (one with two values), two prompts, two providers, two runs of each.
        assert_eq!(places.len(), 24);
        assert!(places.values().all(|places| places.len() == 2), "{places:?}");
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
    fn lines_are_the_same_results() {
        let lines = frame::<PromptfooFormat>("results.jsonl", &fixture("results.jsonl")).unwrap();
        let whole = frame::<PromptfooFormat>("results.json", &fixture("results.json")).unwrap();
        assert_eq!(lines.layout.items, Items::Lines);
        assert_eq!(lines.documents.len(), 48);
        let mut ids = BTreeSet::new();
        for (line, document) in lines.documents.iter().zip(&whole.documents) {
            let alone = accepted(None, line);
            let known = accepted(whole.header.as_deref(), document);
            assert_eq!(warnings(&alone), []);
            assert_eq!(alone.scenario.id, known.scenario.id);
            assert_eq!(scores(&alone), scores(&known));
            assert_eq!((&alone.place, alone.status), (&known.place, known.status));
            assert_eq!(alone.key, known.key);
            ids.insert(alone.scenario.id);
        }
        assert_eq!(ids.len(), 24);
    }

    #[test]
    fn each_metric_is_a_score_with_its_reason() {
        let file = frame::<PromptfooFormat>("", &fixture("results.json")).unwrap();
        let outcome = accepted(file.header.as_deref(), &file.documents[0]);
        assert_eq!(
            scores(&outcome),
            [("pass", 0.0), ("score", 0.6), ("correct", 0.0), ("fast", 1.0)]
        );
        let reasons: Vec<_> = outcome
            .scores
            .iter()
            .map(|score| slice(&file.documents[0], score.explanation).unwrap())
            .collect();
        let expected = r#""Expected output to contain \"Paris\"""#;
        assert_eq!(reasons, [expected, expected, expected, r#""Assertion passed""#]);
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
        assert_eq!((wrong.status, &wrong.error_message), (OutcomeStatus::Success, &None));
        assert_eq!(scores(&wrong), [("pass", 0.0), ("score", 0.0)]);
        assert_eq!((&wrong.key, &wrong.place), (&None, &None));
        assert_eq!(warnings(&wrong), [("/testIdx", TRIAL_UNKNOWN)]);
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

    #[test]
    fn repetitions_of_a_test_have_places_of_their_own() {
        let planned = |members: &str| {
            let item = with(members).replace(r#""testIdx": 0, "promptIdx": 0, "#, "");
            PromptfooFormat::scenario(Some(HEADER), &item).unwrap()
        };
        let [first, second] =
            [r#""testIdx": 3, "promptIdx": 1"#, r#""testIdx": 4, "promptIdx": 1"#].map(planned);
        assert_eq!(first.scenario.id, second.scenario.id);
        assert_eq!((first.place.as_deref(), second.place.as_deref()), (Some("3/1"), Some("4/1")));
        assert_eq!((first.trial, first.run_id.as_deref()), (None, Some("e")));
        let own = planned(r#""testIdx": 3, "promptIdx": 1, "evalId": "f""#);
        assert_eq!(own.run_id.as_deref(), Some("f"));
        assert_eq!(planned(r#""testIdx": 3, "promptIdx": 1, "evalId": """#).run_id, first.run_id);
        for members in
            ["", r#""testIdx": 3"#, r#""promptIdx": 3"#, r#""testIdx": -1, "promptIdx": 1"#]
        {
            assert_eq!(planned(members).place, None, "{members}");
        }
        for broken in ["", "[]", "null", "{", "{\"results\": 1}", "{\"evalId\": NaN}"] {
            let outcome = accepted(Some(broken), &with(""));
            assert_eq!(outcome.place.as_deref(), Some("0/0"), "{broken}");
        }
    }

    #[test]
    fn the_key_is_the_id_of_the_result() {
        let key = |members: &str| accepted(Some(HEADER), &with(members)).key;
        assert_eq!(key(r#""success": true, "id": "a""#).as_deref(), Some("a"));
        for members in [r#""id": """#, r#""id": 7"#, r#""success": true"#] {
            assert_eq!(key(members).as_deref(), Some("0/0"), "{members}");
        }
        let long = format!(r#""id": "{}""#, "x".repeat(513));
        assert_eq!(key(&long).as_deref(), Some("0/0"));
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
    fn a_score_is_never_put_on_another_scale() {
        let scored = |members: &str| {
            let outcome = accepted(Some(HEADER), &with(members));
            assert_eq!(outcome.headline.as_deref(), Some("pass"));
            let warned: Vec<_> = outcome.warnings.iter().map(|warning| warning.code).collect();
            (value(&outcome, "pass"), value(&outcome, "score"), warned)
        };
        let missing = codes::SCORE_MISSING;
        for (members, pass, score, warned) in [
            (r#""score": 0.4, "success": true"#, Some(1.0), Some(0.4), vec![]),
            (r#""score": -0.0, "success": true"#, Some(1.0), Some(0.0), vec![]),
            (r#""score": 7, "success": true"#, Some(1.0), Some(7.0), vec![]),
            (r#""score": -1, "success": false"#, Some(0.0), Some(-1.0), vec![]),
            (r#""score": null, "success": false"#, Some(0.0), None, vec![]),
            (r#""score": true, "success": true"#, Some(1.0), Some(1.0), vec![]),
            (
                r#""score": "1", "success": 1"#,
                None,
                None,
                vec![codes::WRONG_TYPE, missing, codes::LABEL_UNKNOWN],
            ),
            (r#""score": 1"#, None, Some(1.0), vec![missing]),
            (r#""score": NaN, "success": true"#, Some(1.0), None, vec![codes::NOT_FINITE]),
            ("", None, None, vec![missing]),
        ] {
            assert_eq!(scored(members), (pass, score, warned), "{members}");
        }
    }

    #[test]
    fn metrics_have_the_values_that_promptfoo_adds_up() {
        let outcome = accepted(
            Some(HEADER),
            &with(
                r#""success": true, "score": 2, "namedScores": {"a": 0.5, "b": 7, "c/d": "x", "e": null,
                    "a": 1, "\ud800": -1, "f": true, "g": [1], "pass": 0.25, "score": 3, "": 4}"#,
            ),
        );
        assert_eq!(
            scores(&outcome),
            [
                ("pass", 1.0),
                ("score", 2.0),
                ("a", 1.0),
                ("b", 7.0),
                ("\u{FFFD}", -1.0),
                ("f", 1.0),
                ("namedScores/pass", 0.25),
                ("namedScores/score", 3.0),
                ("namedScores/", 4.0),
            ]
        );
        let unscored: Vec<_> = outcome.scores.iter().filter(|it| it.value.is_none()).collect();
        assert_eq!(unscored.iter().map(|it| &*it.name).collect::<Vec<_>>(), ["c/d", "e", "g"]);
        assert_eq!(unscored[0].label.as_deref(), Some("x"));
        assert_eq!(
            warnings(&outcome),
            [("/namedScores/c~1d", codes::LABEL_UNKNOWN), ("/namedScores/g", codes::WRONG_TYPE)]
        );
        let none = accepted(Some(HEADER), &with(r#""success": true, "namedScores": [1]"#));
        assert_eq!(warnings(&none), [("/namedScores", codes::WRONG_TYPE)]);
        assert_eq!(none.dimensions, None);
    }

    #[test]
    fn a_metric_of_two_assertions_has_no_reason_of_its_own() {
        let item = with(
            r#""success": true, "namedScores": {"a": 1, "b": 0}, "gradingResult": {"reason": "r", "componentResults": [
                {"reason": "1", "assertion": {"metric": "a"}}, {"reason": "2", "assertion": {"metric": "a"}},
                {"reason": "3", "assertion": {"metric": "b"}}, {"reason": "4", "assertion": null}, null, 1]}"#,
        );
        let outcome = accepted(Some(HEADER), &item);
        let reasons: Vec<_> =
            outcome.scores.iter().map(|score| slice(&item, score.explanation)).collect();
        assert_eq!(reasons, [Some("\"r\""), Some("\"r\""), None, Some("\"3\"")]);
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
                ("/testCase", codes::WRONG_TYPE),
                ("/testIdx", TRIAL_UNKNOWN)
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
        assert_eq!(rejected::<PromptfooFormat>(None, &with(r#""score": NaNs"#))[0].0, "/score");
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
