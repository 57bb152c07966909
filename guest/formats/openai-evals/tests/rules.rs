//! The rules for logs of OpenAI's evals, one by one, and over logs that evals wrote.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests fail by panicking"
)]

use arc_format_kit::usage::TokenUsage;
use arc_format_kit::{
    Aggregation, ErrorCategory, Format, Header, Items, Outcome, OutcomeStatus, Role, RunStatus,
    Score, codes, finite,
};
use arc_format_openai_evals::OpenAiEvalsFormat;
use arc_format_testing::{
    FramedFile, any_json, check, frame, rejected, rejects_truncated_results, scores, slice,
    warnings,
};
use proptest::prelude::*;

fn framed(name: &str) -> FramedFile {
    let folder =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/fixtures/formats/openai-evals/");
    frame::<OpenAiEvalsFormat>(name, &std::fs::read(format!("{folder}{name}")).unwrap()).unwrap()
}

fn accepted(item: &str) -> Outcome {
    arc_format_testing::accepted::<OpenAiEvalsFormat>(None, item)
}

fn event(kind: &str, data: &str) -> String {
    format!(
        r#"{{"run_id": "r", "event_id": 0, "sample_id": "e.dev.1", "type": "{kind}", "data": {data},
            "created_by": "", "created_at": "2026-01-01 00:00:00.5+00:00"}}"#
    )
}

fn sample(events: &[(&str, &str)]) -> String {
    let events: Vec<String> = events.iter().map(|(kind, data)| event(kind, data)).collect();
    format!("[{}]", events.join(","))
}

#[test]
fn a_log_with_matches_is_read_to_its_end() {
    let log = framed("capitals.dev.v0.jsonl");
    assert_eq!((&log.layout.items, &log.layout.header), (&Items::Lines, &Header::Item));
    assert!(log.layout.classify_items && log.header.unwrap().contains("capitals.dev.v0"));
    let mut outcomes: Vec<Outcome> = log.documents.iter().map(|item| accepted(item)).collect();
    outcomes.sort_by(|first, second| first.scenario.id.cmp(&second.scenario.id));
    let found: Vec<_> =
        outcomes.iter().map(|it| (&*it.scenario.id, it.headline_value(), it.event_count)).collect();
    assert_eq!(
        found,
        [
            ("capitals.dev.0", Some(1.0), 2),
            ("capitals.dev.1", Some(0.0), 2),
            ("capitals.dev.2", Some(1.0), 2)
        ]
    );
    let prompts: Vec<_> =
        outcomes.iter().map(|it| it.scenario.task_prompt.as_deref().unwrap()).collect();
    assert_eq!(
        prompts,
        [
            "The capital of France?",
            "The capital of Italy?",
            "In one word: what is the capital of France?"
        ]
    );
    // The usage in the final report.
    assert_eq!(outcomes.iter().map(|it| it.tokens_used).sum::<f64>(), 42.0);
    assert_eq!(outcomes.iter().map(|it| it.prompt_tokens).sum::<f64>(), 36.0);
    assert!(
        outcomes.iter().all(|it| it.status == OutcomeStatus::Success && it.warnings.is_empty())
    );
    assert!(outcomes.iter().all(|it| it.execution_time.is_some() && it.execution_time_ms > 0.0));
}

#[test]
fn a_log_with_metrics_and_an_error_is_read_to_its_end() {
    let log = framed("measured.test.v1.jsonl");
    let find = |id: &str| log.documents.iter().find(|item| item.contains(id)).unwrap();
    let right = accepted(find("measured.test.0"));
    assert_eq!(right.headline.as_deref(), Some("accuracy"));
    assert_eq!(scores(&right), [("accuracy", 1.0), ("f1_score", 0.25), ("words", 1.0)]);
    let ranges: Vec<_> = right.scores.iter().map(|score| score.highest).collect();
    assert_eq!(ranges, [Some(1.0), None, None]);
    let item = find("measured.test.0");
    assert!(slice(item, right.scenario.definition).unwrap().contains("ideal"));
    assert!(slice(item, right.dimensions).unwrap().contains("f1_score"));
    assert!(slice(item, right.trajectory).unwrap().contains("sampled"));
    assert_eq!(slice(item, right.detailed_trajectory), Some(item.as_str()));
    assert_eq!(right.event_count, 5);

    let wrong = accepted(find("measured.test.1"));
    assert_eq!(scores(&wrong), [("accuracy", 0.0), ("f1_score", 0.25), ("words", 4.0)]);
    assert_eq!(warnings(&wrong), []);

    let failed = accepted(find("measured.test.2"));
    assert_eq!(failed.status, OutcomeStatus::Error);
    assert_eq!(failed.error_code.as_deref(), Some("ConnectionError"));
    assert_eq!(failed.error_message.as_deref(), Some("Connection refused by the model's host"));
    assert_eq!(failed.error_category, Some(ErrorCategory::Network));
    assert_eq!(failed.scenario.task_prompt.as_deref(), Some("boom"));
    assert_eq!(warnings(&failed), [("", codes::SCORE_MISSING)]);
}

#[test]
fn every_line_has_a_role() {
    let role = OpenAiEvalsFormat::classify;
    assert_eq!(role(r#"{"spec": {"eval_name": "e"}}"#), Role::Header);
    assert_eq!(role(r#"{"final_report": {"accuracy": 1}, "run_id": "r"}"#), Role::Header);
    assert_eq!(role(r#"{"type": "final_report", "sample_id": null, "data": {}}"#), Role::Other);
    assert_eq!(role(&event("match", "{}")), Role::Part("e.dev.1".into()));
    assert_eq!(role(r#"{"sample_id": 7, "type": "match"}"#), Role::Part("7".into()));
    assert_eq!(role(&event("metrics", r#"{"accuracy": NaN}"#)), Role::Part("e.dev.1".into()));
    assert_eq!(role(r#"{"final_report": {"accuracy": NaN}}"#), Role::Header);
    for odd in [
        "",
        "{",
        "[]",
        "1",
        "{}",
        r#"{"spec": 1}"#,
        r#"{"sample_id": "x"}"#,
        r#"{"sample_id": [], "type": "match"}"#,
    ] {
        assert_eq!(role(odd), Role::Result, "{odd}");
        assert!(OpenAiEvalsFormat::outcome(None, odd).is_err() || odd.contains("\"x\""), "{odd}");
    }
}

#[test]
fn matches_come_before_metrics() {
    let scored = |events: &[(&str, &str)]| {
        let outcome = accepted(&sample(events));
        let found: Vec<(String, f64)> =
            scores(&outcome).into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        (outcome.headline, found)
    };
    let named = |name: &str, score| (name.to_owned(), score);
    let head = |name: &str| Some(name.to_owned());
    let yes = ("match", r#"{"correct": true}"#);
    let no = ("match", r#"{"correct": false, "expected": [1]}"#);
    assert_eq!(scored(&[yes, no]), (head("correct"), vec![named("correct", 0.5)]));
    assert_eq!(
        scored(&[("metrics", r#"{"correct": 0, "b": 0.75}"#), yes]),
        (head("correct"), vec![named("correct", 1.0), named("b", 0.75)])
    );
    assert_eq!(
        scored(&[yes, ("metrics", r#"{"accuracy": 0.0, "f1_score": 0.5}"#)]),
        (
            head("correct"),
            vec![named("correct", 1.0), named("accuracy", 0.0), named("f1_score", 0.5)]
        )
    );
    assert_eq!(
        scored(&[("metrics", r#"{"z": 0.25, "accuracy": 7, "score": 0.5}"#)]),
        (head("accuracy"), vec![named("z", 0.25), named("accuracy", 7.0), named("score", 0.5)])
    );
    // Neither of them is the main metric, and they are not averaged.
    assert_eq!(
        scored(&[("metrics", r#"{"z": 0.25, "is_correct": true}"#)]),
        (None, vec![named("z", 0.25), named("is_correct", 1.0)])
    );
    assert_eq!(
        scored(&[("metrics", r#"{"z": 3, "list": [1], "object": {}}"#)]),
        (head("z"), vec![named("z", 3.0)])
    );
    assert_eq!(scored(&[("match", r#"{"correct": "yes"}"#), ("match", "null")]), (None, vec![]));
}

#[test]
fn values_are_those_of_the_events() {
    let outcome = accepted(&sample(&[(
        "metrics",
        r#"{"perplexity": 17.5, "a/b": -1, "n": 1e999, "choice": "Yes", "none": null, "": 1}"#,
    )]));
    let label = Score { label: Some("Yes".to_owned()), ..Score::new("choice", None) };
    assert_eq!(
        outcome.scores,
        [
            Score::new("perplexity", Some(17.5)),
            Score::new("a/b", Some(-1.0)),
            Score::new("n", None),
            label,
            Score::new("none", None),
        ]
    );
    assert_eq!(
        warnings(&outcome),
        [
            ("", codes::SCORE_MISSING),
            ("/0/data/choice", codes::LABEL_UNKNOWN),
            ("/0/data/n", codes::OUT_OF_RANGE),
        ]
    );
    let item = sample(&[("metrics", r#"{"accuracy": NaN, "f1_score": 0.5}"#)]);
    let outcome = finite::outcome::<OpenAiEvalsFormat>(None, &item).unwrap();
    assert_eq!(outcome.scores, [Score::new("accuracy", None), Score::new("f1_score", Some(0.5))]);
    assert_eq!(outcome.headline.as_deref(), Some("accuracy"));
    let warned = [("", codes::SCORE_MISSING), ("/0/data/accuracy", codes::NOT_FINITE)];
    assert_eq!(warnings(&outcome), warned);
}

#[test]
fn the_last_of_two_values_of_a_metric_counts() {
    let metrics = |first, second| accepted(&sample(&[("metrics", first), ("metrics", second)]));
    let outcome = metrics(r#"{"accuracy": 0}"#, r#"{"accuracy": 1}"#);
    assert_eq!(scores(&outcome), [("accuracy", 1.0)]);
    assert_eq!(warnings(&outcome), [("/1/data/accuracy", codes::SCORE_REPEATED)]);
    assert_eq!(warnings(&metrics(r#"{"accuracy": 1}"#, r#"{"accuracy": 1}"#)), []);
}

#[test]
fn the_run_is_that_of_the_header_and_of_each_event() {
    for name in ["capitals.dev.v0.jsonl", "measured.test.v1.jsonl"] {
        let log = framed(name);
        let run = OpenAiEvalsFormat::suite(&log.header.unwrap()).unwrap().run;
        assert!(run.run_id.is_some() && run.status == Some(RunStatus::Completed));
        assert!(run.created_at.is_some() && run.created_at == run.started_at);
        for item in &log.documents {
            let planned = OpenAiEvalsFormat::scenario(None, item).unwrap();
            assert_eq!(planned.run_id, run.run_id);
        }
    }
    let spec = r#"{"spec": {"run_id": "r", "created_at": "2026-01-02 03:04:05.000006"}}"#;
    let run = OpenAiEvalsFormat::suite(&format!("[{spec}]")).unwrap().run;
    assert_eq!(run.run_id.as_deref(), Some("r"));
    assert_eq!(run.created_at.as_deref(), Some("2026-01-02T03:04:05.000006Z"));
    for odd in [
        r#"[{"spec": 1}]"#,
        r#"[{"spec": {"run_id": "", "created_at": "now"}}]"#,
        r#"[{"spec": {"run_id": "\u0000", "created_at": 5}}]"#,
    ] {
        let run = OpenAiEvalsFormat::suite(odd).unwrap().run;
        assert_eq!((run.run_id, run.created_at), (None, None), "{odd}");
        assert_eq!(run.status, Some(RunStatus::Incomplete), "{odd}");
    }
    // The same spec again is the same run, another one is not.
    assert_eq!(OpenAiEvalsFormat::suite(&format!("[{spec}, {spec}]")).unwrap().run, run);
    let two = format!(r#"[{spec}, {{"spec": {{"run_id": "s"}}}}]"#);
    let violations = OpenAiEvalsFormat::suite(&two).unwrap_err();
    assert_eq!((violations.len(), violations[0].code), (1, codes::SEVERAL_RUNS));
    let planned = OpenAiEvalsFormat::scenario(None, r#"{"sample_id": "s", "type": "match"}"#);
    assert_eq!(planned.unwrap().run_id, None);
}

#[test]
fn the_figures_that_are_compared_depend_on_the_class_of_the_eval() {
    let run = |class: &str, report: &str| {
        let header = format!(
            r#"[{{"spec": {{"run_config": {{"eval_spec": {{"cls": "{class}"}}}}}}}},
                {{"final_report": {report}}}]"#
        );
        OpenAiEvalsFormat::suite(&header).unwrap().run
    };
    let report = r#"{"accuracy": 0.5, "f1_score": 1, "score": null, "counts/A": 2, "names": ["x"],
        "usage_total_tokens": 7, "usage_prompt_tokens": 3}"#;
    for (class, means) in [
        ("basic.match:Match", &[("accuracy", "correct")][..]),
        ("multiple_choice:MultipleChoice", &[("accuracy", "correct")]),
        ("basic.fuzzy_match:FuzzyMatch", &[("accuracy", "accuracy"), ("f1_score", "f1_score")]),
        ("modelgraded.classify:ModelBasedClassify", &[("score", "score")]),
        ("mmmu.eval:MMMU", &[]),
    ] {
        let run = run(&format!("evals.elsuite.{class}"), report);
        let figures = run.figures.iter().map(|figure| (&*figure.figure, figure.value));
        assert_eq!(
            figures.collect::<Vec<_>>(),
            [
                ("accuracy", Some(0.5)),
                ("f1_score", Some(1.0)),
                ("score", None),
                ("counts/A", Some(2.0))
            ]
        );
        let compared = run.figures.iter().filter(|it| it.aggregation == Aggregation::Mean);
        let compared: Vec<_> = compared.map(|it| (&*it.figure, &*it.metric)).collect();
        assert_eq!(compared, means, "{class}");
        // The results' own score is that of the matches.
        let headlines = run.figures.iter().filter(|it| it.headline).map(|it| &*it.metric);
        assert!(headlines.eq(means.iter().map(|it| it.1).filter(|it| *it == "correct")), "{class}");
        assert_eq!(run.total_tokens, Some(7.0));
    }
    for odd in ["null", "1", "[]", r#"{"usage_total_tokens": -1.5}"#] {
        let run = run("match:Match", odd);
        assert_eq!((run.status, run.total_tokens), (Some(RunStatus::Completed), None), "{odd}");
        assert!(run.figures.is_empty(), "{odd}");
    }
}

#[test]
fn times_and_tokens_are_those_of_all_events() {
    let usage = r#"{"prompt": "p", "usage": {"total_tokens": 5, "prompt_tokens": 3, "completion_tokens": 2}}"#;
    let partial = r#"{"usage": {"prompt_tokens": 10, "completion_tokens": null}}"#;
    let item =
        sample(&[("sampling", usage), ("sampling", partial), ("sampling", r#"{"usage": null}"#)]);
    let item = {
        let at = item.rfind("00:00:00.5").unwrap();
        format!("{}00:00:02.25{}", &item[..at], &item[at + 10..])
    };
    let outcome = accepted(&item);
    assert_eq!(
        (outcome.tokens_used, outcome.prompt_tokens, outcome.completion_tokens),
        (15.0, 13.0, 2.0)
    );
    assert_eq!(outcome.execution_time.as_deref(), Some("2026-01-01T00:00:00.500000Z"));
    assert_eq!(outcome.execution_time_ms, 1750.0);
    assert_eq!(outcome.revised_at.as_deref(), Some("2026-01-01T00:00:02.250000Z"));
    assert_eq!(outcome.key.as_deref(), Some("r/e.dev.1"));
    assert_eq!(outcome.scenario.task_prompt.as_deref(), Some("p"));
}

#[test]
fn the_last_call_of_an_eval_that_a_model_grades_is_the_graders() {
    let call = |model: &str, total: u32| {
        format!(
            r#"{{"model": "{model}", "usage": {{"total_tokens": {total}, "prompt_tokens": {total},
                "prompt_tokens_details": {{"cached_tokens": 3, "audio_tokens": null}},
                "completion_tokens_details": {{"reasoning_tokens": null}}}}}}"#
        )
    };
    let (first, second, last) = (call("a", 10), call("a", 20), call("b", 40));
    let item = sample(&[("sampling", &first), ("sampling", &second), ("sampling", &last)]);
    let header = |class: &str| {
        format!(
            r#"[{{"spec": {{"run_id": "r", "completion_fns": ["x/a", "x/b"], "eval_name": "e.dev.v0", "run_config":
                {{"eval_spec": {{"cls": "evals.elsuite.{class}", "args": {{"samples_jsonl": "e/s.jsonl"}}}}}}}}}}]"#
        )
    };
    let calls = |class: &str| {
        let header = header(class);
        let usage = arc_format_testing::accepted::<OpenAiEvalsFormat>(Some(&header), &item).usage;
        let origin = OpenAiEvalsFormat::suite(&header).unwrap().run.origin;
        let of = |it: &TokenUsage| {
            let kinds = (it.uncached_input_tokens, it.cache_read_tokens, it.total_tokens);
            (it.role.clone(), it.model.clone().unwrap(), kinds)
        };
        (usage.iter().map(of).collect::<Vec<_>>(), origin)
    };
    let (usage, origin) = calls("modelgraded.classify:ModelBasedClassify");
    let of_agent = (None, "a".to_owned(), (24.0, 6.0, 30.0));
    let scorer = Some("scorer".to_owned());
    assert_eq!(usage, [of_agent.clone(), (scorer, "b".to_owned(), (37.0, 3.0, 40.0))]);
    assert_eq!((origin.models, origin.provider.as_deref()), (vec!["x/a".to_owned()], Some("x")));
    assert_eq!(
        (origin.task.as_deref(), origin.dataset.as_deref()),
        (Some("e.dev.v0"), Some("e/s.jsonl"))
    );
    assert_eq!(origin.tool.as_deref(), Some("openai-evals"));
    let (usage, origin) = calls("basic.match:Match");
    assert_eq!(usage, [of_agent, (None, "b".to_owned(), (37.0, 3.0, 40.0))]);
    assert_eq!(origin.models, ["x/a", "x/b"]);
}

#[test]
fn decorations_that_are_wrong_are_warnings() {
    let item = r#"[{"sample_id": "s", "type": 1, "created_at": "now"},
        {"sample_id": "s", "type": "sampling", "data": {"prompt": "\ud800", "usage": [1]}},
        {"sample_id": "s", "type": "sampling", "data": {"usage": {"total_tokens": 1.5, "prompt_tokens": "x"}}},
        {"sample_id": "s", "type": "error", "data": {"message": 1, "type": "MemoryError"}},
        {"sample_id": "s", "type": "match", "data": {"correct": true}}]"#;
    let outcome = accepted(item);
    assert_eq!(outcome.scenario.task_prompt.as_deref(), Some("\u{FFFD}"));
    assert_eq!(outcome.error_category, Some(ErrorCategory::Resource));
    assert_eq!(
        warnings(&outcome),
        [
            ("/0/created_at", codes::TIME_UNREADABLE),
            ("/0/type", codes::WRONG_TYPE),
            ("/1/data/prompt", codes::TEXT_REPLACED),
            ("/1/data/usage", codes::WRONG_TYPE),
            ("/2/data/usage/prompt_tokens", codes::WRONG_TYPE),
            ("/2/data/usage/total_tokens", codes::NOT_AN_INTEGER),
            ("/3/data/message", codes::WRONG_TYPE),
        ]
    );
}

#[test]
fn an_invalid_sample_is_rejected() {
    for (item, path, code) in [
        ("[]", "", codes::MISSING_SCENARIO),
        ("{}", "", codes::MISSING_SCENARIO),
        ("[{}]", "", codes::MISSING_SCENARIO),
        ("[1]", "/0", codes::WRONG_TYPE),
        (r#"[{"sample_id": ""}]"#, "/0/sample_id", codes::EMPTY_ID),
        (r#"[{"sample_id": {}}]"#, "/0/sample_id", codes::WRONG_TYPE),
        (r#"[{"sample_id": "a", "sample_id": "b"}]"#, "/0/sample_id", codes::DUPLICATE_KEY),
        (r#"[{"sample_id": "a"}, {"x": Infinity, }]"#, "", codes::MALFORMED_JSON),
        (r#"[{"sample_id": "a"}"#, "", codes::MALFORMED_JSON),
        ("\"x\"", "", codes::WRONG_TYPE),
    ] {
        let found = rejected::<OpenAiEvalsFormat>(None, item);
        assert_eq!(found.last().unwrap().1, code, "{item}: {found:?}");
        assert!(found.iter().any(|(at, _)| at.starts_with(path)), "{item}: {found:?}");
    }
    let long = sample(&[]).replace("[]", &format!(r#"[{{"sample_id": "{}"}}]"#, "x".repeat(600)));
    assert_eq!(
        rejected::<OpenAiEvalsFormat>(None, &long),
        [("/0/sample_id".to_owned(), codes::ID_TOO_LONG)]
    );
}

#[test]
fn logs_are_recognised_by_their_first_line() {
    let recognised = |text: &str| OpenAiEvalsFormat::detect("x.jsonl", text.as_bytes()).is_some();
    assert!(recognised(r#"{"spec": {"completion_fns": ["m"], "eval_name": "e", "run_con"#));
    assert!(recognised(&event("match", "{}")));
    for other in [
        "",
        r#"{"spec": {"name": "x"}}"#,
        r#"{"sample_id": "x", "scores": {}}"#,
        r#"{"scenario": {"id": "s"}, "trajectory": {"spec": {"completion_fns": 1, "eval_name": 1}}}"#,
        r#"[{"spec": {"completion_fns": ["m"], "eval_name": "e"}}]"#,
    ] {
        assert!(!recognised(other), "{other}");
    }
}

#[test]
fn files_of_other_formats_are_not_recognised() {
    arc_format_testing::recognises_no_other::<OpenAiEvalsFormat>("openai-evals");
}

const NAMES: &[&str] = &[
    "sample_id",
    "type",
    "data",
    "created_at",
    "match",
    "metrics",
    "sampling",
    "error",
    "raw_sample",
    "correct",
    "accuracy",
    "prompt",
    "input",
    "role",
    "user",
    "content",
    "usage",
    "total_tokens",
    "prompt_tokens",
    "message",
    "spec",
    "final_report",
];

#[test]
fn a_truncated_result_is_refused() {
    rejects_truncated_results::<OpenAiEvalsFormat>(
        None,
        &sample(&[("match", r#"{"correct": true}"#)]),
    );
}

proptest! {
    #[test]
    fn no_json_makes_it_panic(
        item in any_json(NAMES),
        events in proptest::collection::vec(
            (proptest::sample::select(NAMES), any_json(NAMES), any_json(NAMES)),
            0..4,
        ),
    ) {
        let _ = check::<OpenAiEvalsFormat>(Some(&item), &item);
        let events: Vec<String> = events
            .iter()
            .map(|(kind, data, time)| {
                format!(r#"{{"sample_id":"s","type":"{kind}","data":{data},"created_at":{time}}}"#)
            })
            .collect();
        let _ = check::<OpenAiEvalsFormat>(None, &format!("[{}]", events.join(",")));
    }
}
