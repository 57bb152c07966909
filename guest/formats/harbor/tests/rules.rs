//! The rules for results of terminal-bench and Harbor, one by one, and over files written by the
//! tools' own models.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests fail by panicking"
)]

use arc_format_harbor::HarborFormat;
use arc_format_kit::usage::TokenUsage;
use arc_format_kit::{ErrorCategory, Format, Header, Items, Outcome, OutcomeStatus, codes};
use arc_format_testing::{
    FramedFile, agrees, any_json, check, rejected, rejects_truncated_results, scores, slice,
    warnings,
};
use proptest::prelude::*;

fn fixture(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/fixtures/formats/harbor/");
    std::fs::read(format!("{folder}{name}")).unwrap()
}

fn framed(name: &str) -> FramedFile {
    arc_format_testing::frame::<HarborFormat>("results.json", &fixture(name)).unwrap()
}

fn accepted(item: &str) -> Outcome {
    arc_format_testing::accepted::<HarborFormat>(None, item)
}

fn run_items(elements: &str, files: &str) -> Items {
    Items::ElementsOrFiles(elements.to_owned(), files.to_owned())
}

mod terminal_bench {
    use super::*;

    /// Returns a result without warnings, with these additional members.
    fn with(members: &str) -> String {
        let mode =
            if members.contains("failure_mode") { "" } else { r#", "failure_mode": "unset""# };
        format!(
            r#"{{"task_id": "t", "trial_name": "t.3-of-5.run", "is_resolved": true{mode}{members}}}"#
        )
    }

    #[test]
    fn a_run_is_read_to_its_end() {
        let file = framed("terminal-bench/results.json");
        assert_eq!(file.layout.items, run_items("/results/*", "*/*/results.json"));
        assert_eq!(file.layout.header, Header::EnclosingDocument);
        let outcomes: Vec<Outcome> = file.documents.iter().map(|item| accepted(item)).collect();
        let found: Vec<_> = outcomes
            .iter()
            .map(|it| {
                (&*it.scenario.id, it.trial.unwrap(), it.status, it.headline_value().unwrap())
            })
            .collect();
        use OutcomeStatus::{Error, Success, Timeout};
        assert_eq!(
            found,
            [
                ("hello-world", 1, Success, 1.0),
                ("hello-world", 2, Success, 0.0),
                ("build-kernel", 1, Timeout, 0.0),
                ("build-kernel", 2, Error, 0.0),
                ("csv-to-parquet", 1, Error, 0.0),
                ("csv-to-parquet", 2, Error, 0.0),
            ]
        );
        let first = &outcomes[0];
        assert_eq!(
            first.scenario.task_prompt.as_deref(),
            Some("Please do hello-world.\nIt is urgent: «now».")
        );
        assert_eq!(
            (first.prompt_tokens, first.completion_tokens, first.tokens_used),
            (1200.0, 340.0, 1540.0)
        );
        assert_eq!(first.execution_time.as_deref(), Some("2026-03-01T12:01:10.123456Z"));
        assert_eq!(first.execution_time_ms, 42_500.0);
        assert_eq!(scores(first), [("is_resolved", 1.0), ("tests_passed", 1.0)]);
        assert_eq!(scores(&outcomes[1]), [("is_resolved", 0.0), ("tests_passed", 0.5)]);
        assert!(
            slice(&file.documents[0], first.dimensions).unwrap().contains("test_hello_file_exists")
        );
        assert_eq!(first.warnings, []);
        assert_eq!(outcomes[4].error_category, Some(ErrorCategory::ModelError));
        assert_eq!(outcomes[4].error_code.as_deref(), Some("context_length_exceeded"));
        assert_eq!(outcomes[5].execution_time, None);

        let suite = HarborFormat::suite(file.header.as_deref().unwrap()).unwrap();
        assert_eq!(agrees(&suite.run, &outcomes), 2);
        assert_eq!(suite.run.figures[0].value, Some(1.0 / 6.0));
        assert_eq!(suite.run.run_id.as_deref(), Some("00000000-0000-4000-8000-000000000000"));
        assert_eq!(
            (first.key.as_deref(), &first.place),
            (Some("00000000-0000-4000-8000-000000000001"), &None)
        );
    }

    #[test]
    fn the_file_of_one_trial_is_the_same_result() {
        let trial = framed("terminal-bench/trial.json");
        assert_eq!((&trial.layout.items, &trial.layout.header), (&Items::Documents, &Header::None));
        let run = framed("terminal-bench/results.json");
        let [alone, of_run] =
            [&trial, &run].map(|file| &file.documents[0]).map(|item| accepted(item));
        assert_eq!(Outcome { dimensions: None, ..alone }, Outcome { dimensions: None, ..of_run });
    }

    #[test]
    fn every_failure_mode_has_a_status() {
        use OutcomeStatus::{Error, Success, Timeout};
        for (mode, status, category) in [
            ("unset", Success, None),
            ("none", Success, None),
            ("unknown", Error, Some(ErrorCategory::SystemError)),
            ("test_timeout", Timeout, Some(ErrorCategory::Timeout)),
            ("agent_timeout", Timeout, Some(ErrorCategory::Timeout)),
            ("unknown_agent_error", Error, Some(ErrorCategory::SystemError)),
            ("parse_error", Error, Some(ErrorCategory::ValidationError)),
            ("fatal_llm_parse_error", Error, Some(ErrorCategory::ModelError)),
            ("context_length_exceeded", Error, Some(ErrorCategory::ModelError)),
            ("output_length_exceeded", Error, Some(ErrorCategory::SystemError)),
            ("agent_installation_failed", Error, Some(ErrorCategory::SystemError)),
            ("of another version", Error, Some(ErrorCategory::SystemError)),
        ] {
            let outcome = accepted(&with(&format!(r#", "failure_mode": "{mode}""#)));
            assert_eq!((outcome.status, outcome.error_category), (status, category), "{mode}");
            assert_eq!(outcome.error_message.as_deref(), Some(mode).filter(|_| status != Success));
        }
        let none = accepted(&with(r#", "failure_mode": null"#));
        assert_eq!(none.status, OutcomeStatus::Error);
        assert_eq!(warnings(&none), [("/failure_mode", codes::STATUS_MISSING)]);
        assert_eq!(
            rejected::<HarborFormat>(None, &with(r#", "failure_mode": 1"#)),
            [("/failure_mode".to_owned(), codes::WRONG_TYPE)]
        );
    }

    #[test]
    fn the_trial_is_read_from_its_name() {
        let trial = |task: &str, name: &str| {
            accepted(&format!(
                r#"{{"task_id": "{task}", "trial_name": "{name}", "failure_mode": "unset"}}"#
            ))
            .trial
        };
        assert_eq!(trial("t", "t.12-of-20.run.1-of-2"), Some(12));
        assert_eq!(trial("a.1-of-2.b", "a.1-of-2.b.2-of-2.run"), Some(2));
        for name in [
            "",
            "t",
            "t.run",
            "t.0-of-2.r",
            "t.x-of-2.r",
            "u.1-of-2.r",
            "t.10001-of-2.r",
            "t1-of-2",
        ] {
            assert_eq!(trial("t", name), None, "{name}");
        }
    }

    #[test]
    fn decorations_that_are_wrong_are_warnings() {
        let outcome = accepted(
            r#"{"task_id": "t", "failure_mode": "unset", "trial_name": 1, "instruction": [], "is_resolved": "yes",
                "parser_results": [1], "total_input_tokens": -1, "total_output_tokens": 1.5,
                "trial_started_at": "yesterday", "trial_ended_at": 1}"#,
        );
        assert_eq!(
            warnings(&outcome),
            [
                ("/instruction", codes::WRONG_TYPE),
                ("/is_resolved", codes::SCORE_MISSING),
                ("/is_resolved", codes::WRONG_TYPE),
                ("/parser_results", codes::WRONG_TYPE),
                ("/total_input_tokens", codes::OUT_OF_RANGE),
                ("/total_output_tokens", codes::NOT_AN_INTEGER),
                ("/trial_ended_at", codes::WRONG_TYPE),
                ("/trial_name", codes::WRONG_TYPE),
                ("/trial_started_at", codes::TIME_UNREADABLE),
            ]
        );
        let local = accepted(&with(
            r#", "trial_started_at": "2026-01-01T00:00:00", "trial_ended_at": "2026-01-01T00:00:01.5", "parser_results": {}"#,
        ));
        assert_eq!((local.execution_time.clone(), local.execution_time_ms), (None, 1500.0));
        assert_eq!(warnings(&local), [("/trial_started_at", codes::TIME_UNREADABLE)]);
        assert_eq!(scores(&local), [("is_resolved", 1.0)]);
    }
}

mod harbor {
    use super::*;

    fn with(members: &str) -> String {
        format!(
            r#"{{"task_name": "org/t", "trial_name": "t__1", "verifier_result": {{"rewards": {{"reward": 1}}}}{members}}}"#
        )
    }

    #[test]
    fn every_trial_is_read() {
        use OutcomeStatus::{Cancelled, Error, Success, Timeout};
        let expected = [
            ("terminal-bench/hello-world", Success, Some(1.0), None),
            ("terminal-bench/hello-world", Success, Some(0.0), None),
            ("terminal-bench/build-kernel", Timeout, Some(0.5), Some(ErrorCategory::Timeout)),
            ("terminal-bench/csv-to-parquet", Cancelled, None, Some(ErrorCategory::SystemError)),
            ("terminal-bench/csv-to-parquet", Error, None, Some(ErrorCategory::RateLimit)),
            ("terminal-bench/two-steps", Error, None, Some(ErrorCategory::SandboxError)),
            ("terminal-bench/no-container", Timeout, None, Some(ErrorCategory::Timeout)),
        ];
        let job = framed("harbor/job-with-trials.json");
        assert_eq!(job.layout.items, run_items("/trial_results/*", "*/result.json"));
        assert_eq!(job.documents.len(), expected.len());
        let mut cost = 0.0;
        for (number, (expected, of_job)) in expected.iter().zip(&job.documents).enumerate() {
            let file = framed(&format!("harbor/trial-{}.json", number + 1));
            assert_eq!((file.layout.items, file.layout.header), (Items::Documents, Header::None));
            let outcome = accepted(&file.documents[0]);
            assert_eq!(
                (
                    &*outcome.scenario.id,
                    outcome.status,
                    outcome.headline_value(),
                    outcome.error_category
                ),
                *expected
            );
            assert!(slice(&file.documents[0], outcome.scenario.definition).is_some());
            assert_eq!(accepted(of_job).scenario.id, outcome.scenario.id);
            assert_eq!(outcome.trial, None);
            cost += outcome.cost_usd;
        }
        let suite = HarborFormat::suite(job.header.as_deref().unwrap()).unwrap();
        assert!((suite.total_cost_usd.unwrap() - cost).abs() < 1e-9);
        assert_eq!(suite.total_tokens_used, Some(11_000.0));
        assert_eq!(suite.execution_time_ms, Some(1_800_000.0));
        let outcomes: Vec<Outcome> = job.documents.iter().map(|item| accepted(item)).collect();
        // Some trials have no valid rewards, and others lack one: only tokens and cost agree.
        assert_eq!(agrees(&suite.run, &outcomes), 2);
        let without = String::from_utf8(fixture("harbor/job.json")).unwrap();
        let beside = HarborFormat::suite(&without).unwrap();
        assert_eq!((&beside.run, &beside.warnings), (&suite.run, &suite.warnings));
    }

    #[test]
    fn the_figures_of_a_trial_are_read() {
        let file = framed("harbor/trial-3.json");
        let outcome = accepted(&file.documents[0]);
        assert_eq!(outcome.execution_time.as_deref(), Some("2026-03-01T12:03:10.123456Z"));
        assert_eq!(outcome.execution_time_ms, 42_500.0);
        assert_eq!(
            (outcome.prompt_tokens, outcome.completion_tokens, outcome.tokens_used),
            (3000.0, 300.0, 3300.0)
        );
        assert_eq!(outcome.event_count, 7);
        assert_eq!(scores(&outcome), [("reward", 0.5), ("style", 0.75), ("lines", 120.0)]);
        assert_eq!(warnings(&outcome), []);
        assert_eq!(outcome.error_code.as_deref(), Some("AgentTimeoutError"));
        assert!(slice(&file.documents[0], outcome.trajectory).unwrap().contains("n_episodes"));
        let file = framed("harbor/trial-6.json");
        let steps = accepted(&file.documents[0]);
        assert_eq!(
            (steps.prompt_tokens, steps.completion_tokens, steps.event_count),
            (3000.0, 300.0, 14)
        );
        assert!((steps.cost_usd - 0.075).abs() < 1e-12);
        assert!(slice(&file.documents[0], steps.trajectory).unwrap().starts_with('['));
    }

    #[test]
    fn a_trial_names_its_agent_and_its_model() {
        let job = framed("harbor/job-with-trials.json");
        let header = job.header.as_deref();
        let run = HarborFormat::suite(header.unwrap()).unwrap().run.origin;
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            (&*run.models, &run.agent),
            (&["claude-sonnet-4".to_owned()][..], &text("terminus-2"))
        );
        assert_eq!((&run.dataset, &run.tool), (&text("terminal-bench"), &text("harbor")));
        let alone = accepted(&job.documents[0]);
        let version = (text("2.0.0"), text("anthropic"));
        assert_eq!((alone.origin.agent_version.clone(), alone.origin.provider.clone()), version);
        assert_eq!((&alone.origin.models, &alone.origin.agent), (&run.models, &run.agent));
        // In its job it names only what the job does not.
        let of_job = HarborFormat::outcome(header, &job.documents[0]).unwrap();
        assert_eq!((of_job.origin.agent_version, of_job.origin.provider), version);
        assert_eq!((of_job.origin.models, of_job.origin.agent), (vec![], None));

        let groups = |names: &[&str]| {
            let evals: Vec<String> =
                names.iter().map(|name| format!(r#""{name}": {{}}"#)).collect();
            let job = format!(
                r#"{{"n_total_trials": 1, "stats": {{"evals": {{{}}}}}}}"#,
                evals.join(",")
            );
            HarborFormat::suite(&job).unwrap().run.origin
        };
        let two = groups(&["a__m1__d", "a__m2__d"]);
        assert_eq!((two.models, two.agent), (vec!["m1".to_owned(), "m2".to_owned()], text("a")));
        let none = groups(&["a__adhoc"]);
        assert_eq!((none.models, none.agent, none.dataset), (vec![], text("a"), None));
        assert_eq!(groups(&["x__a__m__d"]).agent, None);
    }

    #[test]
    fn cached_tokens_are_a_part_of_the_input() {
        let used = |agent: &str| {
            let info =
                r#", "agent_info": {"name": "a", "version": "1", "model_info": {"name": "m"}}"#;
            let outcome = accepted(&with(&format!(r#"{info}, "agent_result": {agent}"#)));
            let kinds = |it: &TokenUsage| {
                let model = it.model.clone().unwrap_or_default();
                (
                    model,
                    it.uncached_input_tokens,
                    it.cache_read_tokens,
                    it.output_tokens,
                    it.cost_usd,
                )
            };
            assert_eq!(warnings(&outcome), []);
            outcome.usage.iter().map(kinds).collect::<Vec<_>>()
        };
        let all =
            r#""n_input_tokens": 100, "n_cache_tokens": 60, "n_output_tokens": 5, "cost_usd": 0.3"#;
        let m = |uncached, cached, output, cost| ("m".to_owned(), uncached, cached, output, cost);
        assert_eq!(used(&format!("{{{all}}}")), [m(40.0, 60.0, 5.0, Some(0.3))]);
        let part = r#"{"n_input_tokens": 30, "n_cache_tokens": 10, "n_output_tokens": 2, "cost_usd": 0.1}"#;
        let other = ("b".to_owned(), 20.0, 10.0, 2.0, Some(0.1));
        let [of_b, rest] = &used(&format!(r#"{{{all}, "model_usage": {{"b": {part}}}}}"#))[..]
        else {
            panic!()
        };
        assert_eq!(*of_b, other);
        assert_eq!((&*rest.0, rest.1, rest.2, rest.3), ("m", 20.0, 50.0, 3.0));
        // What the models used is all, or more than all.
        let whole = format!(r#"{{{all}, "model_usage": {{"m": {{{all}}}}}}}"#);
        assert_eq!(used(&whole), [m(40.0, 60.0, 5.0, Some(0.3))]);
        let more = r#"{"n_input_tokens": 900}"#;
        assert_eq!(
            used(&format!(r#"{{{all}, "model_usage": {{"b": {more}}}}}"#)),
            used(&format!("{{{all}}}"))
        );
        let odd = r#"{"n_input_tokens": 10, "n_cache_tokens": 60, "model_usage": null}"#;
        assert_eq!(used(odd), [m(0.0, 10.0, 0.0, None)]);
    }

    #[test]
    fn an_exception_determines_how_a_trial_ended() {
        use OutcomeStatus::{Cancelled, Error, Success, Timeout};
        for (exception, status, message) in [
            ("null", Success, None),
            (
                r#"{"exception_type": "AgentTimeoutError", "exception_message": "x"}"#,
                Timeout,
                Some("AgentTimeoutError: x"),
            ),
            (
                r#"{"exception_type": "VerifierTimeoutError"}"#,
                Timeout,
                Some("VerifierTimeoutError"),
            ),
            (
                r#"{"exception_type": "Timeout", "exception_message": "of litellm"}"#,
                Error,
                Some("Timeout: of litellm"),
            ),
            (
                r#"{"exception_type": "CancelledError", "exception_message": " "}"#,
                Cancelled,
                Some("CancelledError"),
            ),
            (r#"{"exception_type": "KeyboardInterrupt"}"#, Cancelled, Some("KeyboardInterrupt")),
            (r#"{"exception_message": "alone"}"#, Error, Some("alone")),
            ("{}", Error, None),
            ("1", Error, None),
        ] {
            let outcome = accepted(&with(&format!(r#", "exception_info": {exception}"#)));
            assert_eq!((outcome.status, outcome.error_message.as_deref()), (status, message));
        }
        let odd = accepted(&with(
            r#", "exception_info": {"exception_type": 1, "exception_message": "\ud800"}"#,
        ));
        assert_eq!(
            warnings(&odd),
            [
                ("/exception_info/exception_message", codes::TEXT_REPLACED),
                ("/exception_info/exception_type", codes::WRONG_TYPE)
            ]
        );
    }

    #[test]
    fn the_reward_is_the_score() {
        let score = |rewards: &str, more: &str| {
            let item = with(more).replace(r#"{"reward": 1}"#, rewards);
            let outcome = accepted(&item);
            let codes: Vec<&str> = outcome.warnings.iter().map(|warning| warning.code).collect();
            let all: Vec<(String, Option<f64>)> =
                outcome.scores.iter().map(|it| (it.name.clone(), it.value)).collect();
            (outcome.headline.is_some(), all, codes)
        };
        let named = |list: &[(&str, Option<f64>)]| -> Vec<(String, Option<f64>)> {
            list.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
        };
        let unscored = || named(&[("reward", None)]);
        for (rewards, has_headline, all) in [
            (r#"{"reward": 0.25, "b": 1}"#, true, [("reward", Some(0.25)), ("b", Some(1.0))]),
            (r#"{"reward": 12, "b": -3}"#, true, [("reward", Some(12.0)), ("b", Some(-3.0))]),
            // No reward replaces another one, and they are not averaged.
            (r#"{"a": 0.5, "b": 1}"#, false, [("a", Some(0.5)), ("b", Some(1.0))]),
        ] {
            assert_eq!(score(rewards, ""), (has_headline, named(&all), vec![]), "{rewards}");
        }
        let valid = score(r#"{"reward": 1}"#, r#", "reward_valid": true"#);
        assert_eq!(valid, (true, named(&[("reward", Some(1.0))]), vec![]));
        let invalid = score(r#"{"reward": 1}"#, r#", "reward_valid": false"#);
        assert_eq!(invalid, (true, unscored(), vec![codes::NOT_SCORED, codes::SCORE_MISSING]));
        for missing in ["null", "{}", r#"{"reward": null}"#] {
            let expected = (true, unscored(), vec![codes::SCORE_MISSING]);
            assert_eq!(score(missing, ""), expected, "{missing}");
        }
        for (wrong, code) in [
            ("[1]", codes::WRONG_TYPE),
            (r#"{"reward": "1"}"#, codes::WRONG_TYPE),
            (r#"{"reward": true}"#, codes::WRONG_TYPE),
            (r#"{"reward": NaN}"#, codes::NOT_FINITE),
        ] {
            let (_, all, mut found) = score(wrong, "");
            found.sort_unstable();
            let mut expected = vec![code, codes::SCORE_MISSING];
            expected.sort_unstable();
            assert_eq!((all, found), (unscored(), expected), "{wrong}");
        }
    }

    #[test]
    fn a_trial_is_identified_by_its_id_and_name() {
        let identity = |item: &str, header: Option<&str>| {
            let outcome = arc_format_testing::accepted::<HarborFormat>(header, item);
            let planned = HarborFormat::scenario(header, item).unwrap();
            (outcome.key, outcome.place, planned.run_id)
        };
        let text = |text: &str| Some(text.to_owned());
        let first = with(r#", "id": "1", "config": {"job_id": "j"}"#);
        assert_eq!(identity(&first, None), (text("1"), text("t__1"), text("j")));
        // A retry has the same name and another id; what a resumed job runs again has another name.
        let retried = first.replace(r#""id": "1""#, r#""id": "2""#);
        assert_eq!(identity(&retried, None), (text("2"), text("t__1"), text("j")));
        let resumed = retried.replace("t__1", "t__2");
        assert_eq!(identity(&resumed, None), (text("2"), text("t__2"), text("j")));
        // Versions without `job_id` have the id only in the job.
        let old = with(r#", "config": {"job_id": null}"#);
        assert_eq!(identity(&old, Some(r#"{"id": "k"}"#)), (None, text("t__1"), text("k")));
        for item in [
            with(r#", "id": "", "config": []"#).replace("t__1", " "),
            with(r#", "id": 1, "config": {"job_id": {}}"#).replace(r#""t__1""#, "[]"),
        ] {
            assert_eq!(identity(&item, Some("{}")), (None, None, None), "{item}");
        }
        let long = with("").replace("t__1", &"t".repeat(600));
        assert_eq!(identity(&long, None).1.unwrap().len(), 512);
    }

    #[test]
    fn decorations_that_are_wrong_are_warnings() {
        let outcome = accepted(&with(
            r#", "source": 1, "step_results": {}, "started_at": 5, "agent_result": {"n_input_tokens": "x", "cost_usd": 1e999}"#,
        ));
        assert_eq!(outcome.scenario.id, "org/t");
        assert_eq!(
            warnings(&outcome),
            [
                ("/agent_result/cost_usd", codes::OUT_OF_RANGE),
                ("/agent_result/n_input_tokens", codes::WRONG_TYPE),
                ("/source", codes::WRONG_TYPE),
                ("/started_at", codes::TIME_UNREADABLE),
                ("/started_at", codes::WRONG_TYPE),
                ("/step_results", codes::WRONG_TYPE),
            ]
        );
    }

    #[test]
    fn long_names_are_cut_or_refused() {
        let item = with(&format!(r#", "source": "{}""#, "s".repeat(600)));
        assert_eq!(accepted(&item).scenario.id.len(), 512);
        assert_eq!(
            rejected::<HarborFormat>(None, &with("").replace("org/t", &"t".repeat(600))),
            [("/task_name".to_owned(), codes::ID_TOO_LONG)]
        );
    }
}

#[test]
fn a_result_must_name_its_task() {
    for (item, path, code) in [
        ("{}", "/task_id", codes::MISSING_SCENARIO),
        (r#"{"task_id": null}"#, "/task_id", codes::MISSING_SCENARIO),
        (r#"{"task_id": ""}"#, "/task_id", codes::EMPTY_ID),
        (r#"{"task_id": 1}"#, "/task_id", codes::WRONG_TYPE),
        (r#"{"task_name": {}}"#, "/task_name", codes::WRONG_TYPE),
        (
            r#"{"task_id": "a", "task_id": "b", "failure_mode": "unset"}"#,
            "/task_id",
            codes::DUPLICATE_KEY,
        ),
        (r#"{"task_id": "a", "x": [nan]}"#, "/x/0", codes::MALFORMED_JSON),
        ("[]", "", codes::WRONG_TYPE),
        ("", "", codes::MALFORMED_JSON),
    ] {
        assert_eq!(rejected::<HarborFormat>(None, item), [(path.to_owned(), code)], "{item}");
    }
}

#[test]
fn files_of_other_tools_are_not_recognised() {
    for other in [
        String::from_utf8(fixture("terminal-bench/run_metadata.json")).unwrap(),
        r#"{"results": [{"task": "x"}]}"#.to_owned(),
        r#"{"scenario": {"id": "s"}, "trajectory": {"task_id": "x", "trial_name": "y"}}"#
            .to_owned(),
        r#"{"task_id": "x", "status": "done"}"#.to_owned(),
        String::new(),
    ] {
        assert_eq!(HarborFormat::detect("results.json", other.as_bytes()), None, "{other}");
    }
}

#[test]
fn a_truncated_result_is_refused() {
    let whole = framed("terminal-bench/results.json").documents[0].clone();
    rejects_truncated_results::<HarborFormat>(None, &whole);
}

#[test]
fn files_of_other_formats_are_not_recognised() {
    arc_format_testing::recognises_no_other::<HarborFormat>("harbor");
}

const NAMES: &[&str] = &[
    "task_id",
    "task_name",
    "trial_name",
    "instruction",
    "is_resolved",
    "failure_mode",
    "unset",
    "parser_results",
    "passed",
    "total_input_tokens",
    "trial_started_at",
    "trial_ended_at",
    "source",
    "verifier_result",
    "rewards",
    "reward",
    "exception_info",
    "exception_type",
    "exception_message",
    "step_results",
    "agent_result",
    "n_input_tokens",
    "n_output_tokens",
    "cost_usd",
    "metadata",
    "n_episodes",
    "rollout_details",
    "agent_execution",
    "started_at",
    "finished_at",
    "stats",
    "accuracy",
];

proptest! {
    #[test]
    fn no_json_makes_it_panic(item in any_json(NAMES), name in "[a-z.]{0,3}") {
        let _ = check::<HarborFormat>(None, &item);
        // The same with a task, so that the later rules are reached.
        if let Some(rest) = item.strip_prefix('{').filter(|rest| rest.len() > 1) {
            for member in ["task_id", "task_name"] {
                let named = format!(r#"{{"{member}":"{name}",{rest}"#);
                let _ = check::<HarborFormat>(Some(&item), &named);
            }
        }
    }
}
