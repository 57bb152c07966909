//! The rules of the format, one by one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests fail by panicking"
)]

use arc_format_kit::{
    Aggregation, Format, Header, Items, Outcome, OutcomeStatus, Role, RunReport, RunStatus, Span,
    SuiteSummary, codes,
};
use arc_format_lm_eval::LmEvalFormat;
use arc_format_testing::{
    check, recognises_no_other, rejected, rejects_truncated_results, scores, warnings,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const HASH: &str = "781517f25523c27ef7883d75b2c0c27790458e46556814319409c1fd1776dc52";

/// Returns the results of a run of these tasks.
fn header(tasks: &[(&str, &[&str], u32, &str)]) -> String {
    let mut header = json!({"results": {}, "configs": {}, "n-samples": {},
        "higher_is_better": {}, "date": 1_767_323_045.5});
    for (name, figures, documents, template) in tasks {
        header["configs"][name] = json!({"doc_to_text": template});
        header["n-samples"][name] = json!({"original": documents, "effective": 1});
        header["results"][name] = json!({"alias": name});
        for figure in *figures {
            header["results"][name][figure] = json!(0.5);
        }
    }
    header.to_string()
}

fn one_task() -> String {
    header(&[("t", &["acc,none", "acc_norm,none", "f1,none", "acc,strict"], 100, "{{question}}")])
}

fn line() -> Value {
    json!({
        "doc_id": 7, "doc": {"question": "q"}, "target": "3",
        "arguments": {"gen_args_0": {"arg_0": "Q: q", "arg_1": {}}},
        "resps": [["a"], ["b"]], "filtered_resps": ["a"], "filter": "none",
        "metrics": ["acc"], "doc_hash": HASH, "prompt_hash": "1", "target_hash": "2", "acc": 1.0,
    })
}

/// Returns a line with these members besides the usual ones.
fn with(members: &Value) -> String {
    let mut line = line();
    for (name, value) in members.as_object().unwrap() {
        line[name] = value.clone();
    }
    line.to_string()
}

#[track_caller]
fn accepted(text: &str) -> Outcome {
    arc_format_testing::accepted::<LmEvalFormat>(Some(&one_task()), text)
}

#[track_caller]
fn accept(members: Value) -> Outcome {
    accepted(&with(&members))
}

#[track_caller]
fn check_rejected(text: &str, path: &str, code: &'static str) {
    assert_eq!(
        rejected::<LmEvalFormat>(Some(&one_task()), text),
        [(path.to_owned(), code)],
        "{text}"
    );
}

fn slice(text: &str, span: Option<Span>) -> Option<Value> {
    arc_format_testing::slice(text, span).map(|part| serde_json::from_str(part).unwrap())
}

#[test]
fn samples_are_recognised_by_their_first_line() {
    let layout = LmEvalFormat::detect("samples_t.jsonl", br#"{"doc_id": 0, "doc": {"#).unwrap();
    assert_eq!(layout.items, Items::Lines);
    let patterns = ["results_*.json", "results.json", "*_20*T*.json"].map(str::to_owned).to_vec();
    assert_eq!(layout.header, Header::SiblingFile(patterns));
    assert!(layout.classify_items);
    let named = |name: &str| {
        let Header::SiblingFile(patterns) =
            LmEvalFormat::detect(name, br#"{"doc_id": 0, "doc": {"#).unwrap().header
        else {
            panic!("no sibling file");
        };
        patterns
    };
    // The results of the same run have the same date.
    let date = "2026-01-02T03-04-05.678901";
    let beside = [format!("results_{date}.json"), format!("*_{date}.json"), "results.json".into()];
    assert_eq!(named(&format!("samples_t_{date}.jsonl")), beside);
    let array = b"[\n  {\n    \"doc_id\": 0,\n    \"doc\": {";
    assert_eq!(LmEvalFormat::detect("", array).unwrap().items, Items::Documents);
    let mixed = br#"{"target": 1, "resps": [], "arguments": [], "doc_id": 0}"#;
    assert!(LmEvalFormat::detect("a.jsonl", mixed).is_some());
    for other in [
        &b""[..],
        b"{}",
        br#"{"results": {"t": {"acc,none": 1}}, "configs": {}}"#,
        br#"{"id": "a", "doc_id": 4}"#,
        br#"{"doc_id": 4}"#,
        br#"{"spec": {"run_id": "a"}}"#,
        br#"{"version": 2, "status": "success", "eval": {"run_id": "doc_id"}}"#,
        b"PK\x03\x04samples_doc_id",
    ] {
        assert!(LmEvalFormat::detect("samples_t_2026.jsonl", other).is_none());
    }
}

#[test]
fn a_line_is_a_success_with_its_metrics() {
    let text = with(&json!({}));
    let outcome = accepted(&text);
    assert_eq!(outcome.scenario.id, "t/7");
    assert_eq!(outcome.scenario.task_prompt.as_deref(), Some("Q: q"));
    assert_eq!(slice(&text, outcome.scenario.definition), Some(json!({"question": "q"})));
    assert_eq!((outcome.status, outcome.trial), (OutcomeStatus::Success, None));
    assert_eq!(outcome.headline.as_deref(), Some("acc,none"));
    assert_eq!(scores(&outcome), [("acc,none", 1.0)]);
    assert_eq!((outcome.scores[0].lowest, outcome.scores[0].highest), (None, None));
    assert_eq!((&outcome.key, &outcome.place), (&None, &None));
    assert_eq!(slice(&text, outcome.trajectory), Some(line()["arguments"].clone()));
    assert_eq!(slice(&text, outcome.detailed_trajectory), Some(line()["resps"].clone()));
    assert_eq!(outcome.event_count, 2);
    assert_eq!(outcome.execution_time.as_deref(), Some("2026-01-02T03:04:05.500000Z"));
    assert_eq!(outcome.warnings, []);
}

/// Returns the array of these lines.
fn array(lines: &[&str]) -> String {
    format!("[{}]", lines.join(", "))
}

#[test]
fn the_lines_of_a_document_are_parts_of_one_result() {
    let strict = with(&json!({"filter": "strict"}));
    let other = with(&json!({"filter": "other", "acc": 0.0}));
    assert!(matches!(LmEvalFormat::classify(&strict), Role::Part(_)));
    assert_eq!(LmEvalFormat::classify(&strict), LmEvalFormat::classify(&other));
    // NaN does not tear a document apart.
    let not_finite = strict.replace("1.0", "NaN");
    assert!(not_finite.contains("NaN"));
    assert_eq!(LmEvalFormat::classify(&not_finite), LmEvalFormat::classify(&other));
    for different in [json!({"doc_id": 8}), json!({"doc_id": "7"}), json!({"doc_hash": "0"})] {
        assert_ne!(LmEvalFormat::classify(&with(&different)), LmEvalFormat::classify(&strict));
    }
    // Old lines have no hash.
    let old = |doc: &str| LmEvalFormat::classify(&format!(r#"{{"doc_id": 1, "doc": {doc}}}"#));
    assert_ne!(old("{}"), old("[]"));
    for invalid in ["", "[", "{}", "[1]", r#"{"doc": 1}"#, r#"{"doc_id": 1"#] {
        assert_eq!(LmEvalFormat::classify(invalid), Role::Result, "{invalid}");
    }
}

#[test]
fn a_filter_is_part_of_the_metric_and_not_of_the_scenario() {
    let strict = with(&json!({"filter": "strict"}));
    let other = with(&json!({"acc": 0.25, "acc_norm": 1, "metrics": ["acc", "acc_norm"]}));
    let text = array(&[&strict, &other]);
    let outcome = accepted(&text);
    assert_eq!(outcome.scenario.id, "t/7");
    let expected = [("acc,strict", 1.0), ("acc,none", 0.25), ("acc_norm,none", 1.0)];
    assert_eq!(scores(&outcome), expected);
    assert_eq!(outcome.headline.as_deref(), Some("acc,none"), "the header lists it first");
    assert_eq!(slice(&text, outcome.scenario.definition), Some(json!({"question": "q"})));
    assert_eq!(slice(&text, outcome.detailed_trajectory), Some(line()["resps"].clone()));
    assert_eq!(outcome.event_count, 2);
    assert_eq!(outcome.warnings, []);
    // Without a header the first metric of the first filter is the headline.
    let alone = LmEvalFormat::outcome(None, &text).unwrap();
    assert_eq!(scores(&alone), expected);
    assert_eq!(alone.headline.as_deref(), Some("acc,strict"));
}

#[test]
fn a_metric_of_a_document_is_scored_once() {
    let again = with(&json!({"acc": 0.0}));
    let outcome = accepted(&array(&[&with(&json!({})), &again]));
    assert_eq!(scores(&outcome), [("acc,none", 0.0)]);
    assert_eq!(warnings(&outcome), [("/1/acc", codes::DUPLICATE_KEY)]);
    check_rejected("[]", "", codes::MISSING_SCENARIO);
    let found = rejected::<LmEvalFormat>(Some(&one_task()), "[1]");
    assert_eq!(found[0], ("/0".to_owned(), codes::WRONG_TYPE));
    let other = with(&json!({"doc_id": 8}));
    let text = array(&[&again, &other]);
    check_rejected(&text, "/1/doc_id", codes::MISSING_SCENARIO);
}

#[test]
fn the_filters_of_old_lines_are_those_of_the_header_in_their_order() {
    let line = |acc: f64| {
        let mut line = line();
        line.as_object_mut().unwrap().remove("filter");
        line["acc"] = json!(acc);
        line.to_string()
    };
    let text = array(&[&line(0.25), &line(0.5)]);
    let header = header(&[("t", &["acc,a-strict", "acc_stderr,a-strict", "acc,loose"], 100, "")]);
    let outcome = arc_format_testing::accepted::<LmEvalFormat>(Some(&header), &text);
    assert_eq!(scores(&outcome), [("acc,a-strict", 0.25), ("acc,loose", 0.5)]);
    assert_eq!(outcome.scenario.id, "t/7");
    assert_eq!(outcome.warnings, []);
    // Without it they are not known.
    let alone = LmEvalFormat::outcome(None, &text).unwrap();
    assert_eq!(scores(&alone), [("acc", 0.5)]);
    assert!(warnings(&alone).contains(&("/1/acc", codes::DUPLICATE_KEY)));
    for filter in [json!(null), json!(5)] {
        let outcome = accept(json!({"filter": filter, "metrics": []}));
        assert_eq!(outcome.scenario.id, "t/7", "{filter}");
    }
}

#[test]
fn a_line_without_results_or_with_others_has_an_id_of_its_document() {
    let text = with(&json!({}));
    let made = "doc-781517f25523c27ef788/7";
    let outcome = LmEvalFormat::outcome(None, &text).unwrap();
    assert_eq!(outcome.scenario.id, made);
    let warned = [("", codes::HEADER_MISSING), ("/doc_id", codes::SCENARIO_ID_MADE)];
    assert_eq!(warnings(&outcome), warned);
    assert_eq!(outcome.execution_time, None);
    for other in [
        "{}".to_owned(),
        "nonsense".to_owned(),
        header(&[("t", &["f1,none"], 100, "")]),
        header(&[("t", &["acc,strict"], 100, "")]),
        header(&[("t", &["acc,none"], 7, "")]),
        header(&[("t", &["acc,none"], 100, "{{passage}}")]),
    ] {
        let outcome = LmEvalFormat::outcome(Some(&other), &text).unwrap();
        assert_eq!(outcome.scenario.id, made, "{other}");
        // Nothing is taken from the header of another task.
        assert_eq!(warnings(&outcome), warned, "{other}");
        assert_eq!(outcome.execution_time, None);
    }
    let two = header(&[("t", &["acc,none"], 100, ""), ("u", &["acc,none"], 100, "{{question}}")]);
    let outcome = LmEvalFormat::outcome(Some(&two), &text).unwrap();
    assert_eq!(outcome.scenario.id, made);
    assert_eq!(warnings(&outcome), [("/doc_id", codes::SCENARIO_ID_MADE)]);
    assert!(outcome.execution_time.is_some(), "the run is the same for all tasks");
    assert_eq!(outcome.headline.as_deref(), Some("acc,none"));
}

#[test]
fn the_task_is_the_one_that_the_line_can_belong_to() {
    let header = header(&[
        ("other_metric", &["f1,none"], 100, ""),
        ("other_filter", &["acc,strict"], 100, ""),
        ("too_few", &["acc,none"], 7, ""),
        ("other_member", &["acc,none"], 100, "{{passage}}"),
        ("longer_name", &["acc_norm,none"], 100, ""),
        ("right", &["acc,none", "acc_norm,none"], 8, "Q: {{ question }} {{other.member}}"),
    ]);
    let outcome = LmEvalFormat::outcome(Some(&header), &with(&json!({}))).unwrap();
    assert_eq!(outcome.scenario.id, "right/7");
    assert_eq!(outcome.warnings, []);
    // Old results name their figures by the metric only.
    let old = json!({"results": {"old": {"acc": 0.5, "acc_stderr": 0.1}}}).to_string();
    let outcome = LmEvalFormat::outcome(Some(&old), &with(&json!({}))).unwrap();
    assert_eq!(outcome.scenario.id, "old/7");
    assert_eq!((scores(&outcome), outcome.headline.as_deref()), (vec![("acc", 1.0)], Some("acc")));
}

#[test]
fn an_old_line_has_its_metrics_among_its_members() {
    let text = r#"{"doc_id": 1, "doc": {"a": 1}, "target": 2, "arguments": [["Q", "A"]],
        "resps": [[["-1.5", "False"]]], "filtered_resps": [], "em": true, "acc": 0.5,
        "pair": [1, 2], "note": "x"}"#;
    let outcome = LmEvalFormat::outcome(None, text).unwrap();
    assert_eq!(scores(&outcome), [("em", 1.0), ("acc", 0.5)]);
    assert_eq!(outcome.headline.as_deref(), Some("em"));
    assert_eq!(outcome.scenario.task_prompt.as_deref(), Some("Q"));
    assert!(outcome.scenario.id.starts_with("scenario-"));
    assert_eq!(outcome.trajectory, None);
    assert_eq!(outcome.event_count, 1);
    let other = LmEvalFormat::outcome(None, &text.replacen('1', "2", 1)).unwrap();
    assert_ne!(other.scenario.id, outcome.scenario.id, "the number is part of it");
}

#[test]
fn values_are_unchanged() {
    let outcome = accept(json!({"metrics": ["f1", "acc_norm", "acc", "gone", 5], "f1": 17,
        "acc_norm": [1, 2], "acc": -0.25}));
    assert_eq!(scores(&outcome), [("f1,none", 17.0), ("acc,none", -0.25)]);
    assert_eq!(outcome.headline.as_deref(), Some("acc,none"));
    assert_eq!(outcome.warnings, []);
    // The parts of a perplexity are no number.
    let parts = &outcome.scores[1];
    assert_eq!((parts.name.as_str(), parts.value, &parts.label), ("acc_norm,none", None, &None));
    let flag = accept(json!({"acc": true}));
    let score = &flag.scores[0];
    assert_eq!((score.value, score.lowest, score.highest), (Some(1.0), Some(0.0), Some(1.0)));
    let minus = with(&json!({})).replace("\"acc\":1.0", "\"acc\":-0.0");
    assert!(accepted(&minus).headline_value().unwrap().is_sign_positive());
}

#[test]
fn a_value_that_is_no_number_is_a_score_without_a_value() {
    for (acc, label, warned) in [
        (json!(null), None, &[("", codes::SCORE_MISSING)][..]),
        (json!({"a": 1}), None, &[("", codes::SCORE_MISSING)]),
        (json!("1"), Some("1"), &[("", codes::SCORE_MISSING), ("/acc", codes::LABEL_UNKNOWN)]),
    ] {
        let outcome = accept(json!({"acc": acc}));
        assert_eq!(
            (outcome.headline.as_deref(), outcome.headline_value()),
            (Some("acc,none"), None)
        );
        assert_eq!((outcome.scores.len(), outcome.scores[0].label.as_deref()), (1, label));
        assert_eq!(warnings(&outcome), warned);
    }
    let huge = with(&json!({})).replace("\"acc\":1.0", "\"acc\":1e999");
    let outcome = accepted(&huge);
    assert_eq!(outcome.headline_value(), None);
    assert_eq!(warnings(&outcome), [("", codes::SCORE_MISSING), ("/acc", codes::OUT_OF_RANGE)]);
    for number in ["NaN", "Infinity", "-Infinity"] {
        let outcome =
            accepted(&with(&json!({})).replace("\"acc\":1.0", &format!("\"acc\":{number}")));
        assert_eq!((outcome.scores.len(), outcome.headline_value()), (1, None));
        assert_eq!(warnings(&outcome), [("", codes::SCORE_MISSING), ("/acc", codes::NOT_FINITE)]);
    }
    // A document for which the task returned no metric has the score nevertheless.
    let outcome = accept(json!({"metrics": []}));
    assert_eq!((outcome.scores.len(), outcome.headline.as_deref()), (1, Some("acc,none")));
    assert_eq!(warnings(&outcome), [("", codes::SCORE_MISSING)]);
    // Without a header no metric is known.
    let outcome = LmEvalFormat::outcome(None, &with(&json!({"metrics": []}))).unwrap();
    assert_eq!((outcome.scores.len(), outcome.headline), (0, None));
}

#[test]
fn metrics_come_in_the_order_in_which_they_are_named() {
    let outcome = accept(json!({"metrics": ["f1", "acc"], "f1": 0.5, "acc": 0.25}));
    assert_eq!(scores(&outcome), [("f1,none", 0.5), ("acc,none", 0.25)]);
    assert_eq!(outcome.headline_value(), Some(0.25), "the header lists it first");
}

#[test]
fn an_invalid_line_is_rejected_at_its_place() {
    check_rejected("{}", "/doc_id", codes::MISSING_SCENARIO);
    check_rejected(&with(&json!({"doc_id": null})), "/doc_id", codes::MISSING_SCENARIO);
    for id in [json!(""), json!([1]), json!(true)] {
        check_rejected(&with(&json!({"doc_id": id})), "/doc_id", codes::WRONG_TYPE);
    }
    check_rejected("5", "", codes::WRONG_TYPE);
    check_rejected(r#"{"doc_id": 1, "doc": {"a"#, "/doc", codes::MALFORMED_JSON);
    check_rejected(r#"{"doc_id": 1, "doc_id": 2}"#, "/doc_id", codes::DUPLICATE_KEY);
    let twice = r#"{"doc_id": 1, "metrics": ["acc"], "acc": 1, "acc": 0}"#;
    check_rejected(twice, "/acc", codes::DUPLICATE_KEY);
    let planned =
        LmEvalFormat::scenario(Some(&one_task()), &twice.replace("doc_id\": 1", "doc_id\": 7"));
    assert_eq!(planned.unwrap().scenario.id, "t/7", "a plan takes it");
}

#[test]
fn missing_members_and_odd_texts_do_no_harm() {
    let outcome = accepted(r#"{"doc_id": "x\ud800"}"#);
    assert_eq!(outcome.scenario.id, "t/x\u{FFFD}");
    assert!(outcome.scenario.task_prompt.is_none() && outcome.scenario.definition.is_none());
    assert_eq!(outcome.event_count, 0);
    let warned = [("", codes::SCORE_MISSING), ("/doc_id", codes::TEXT_REPLACED)];
    assert_eq!(warnings(&outcome), warned);
    for arguments in [json!([]), json!([[]]), json!({"gen_args_0": 1}), json!(5), json!([[5]])] {
        let outcome = accept(json!({"arguments": arguments, "resps": "x", "doc": [1]}));
        assert_eq!(outcome.scenario.task_prompt, None, "{arguments}");
        assert_eq!(outcome.detailed_trajectory, None);
    }
    let long = accept(json!({"doc_id": "y".repeat(600)})).scenario.id;
    assert!(long.len() <= 512 && long.starts_with("t/yyy"));
    // A value that is not a hash is not used in an id.
    let odd = with(&json!({"doc_hash": "not hexadecimal, but long enough"}));
    assert!(LmEvalFormat::outcome(None, &odd).unwrap().scenario.id.starts_with("scenario-"));
}

#[test]
fn the_report_has_the_figures_of_a_single_task() {
    let mut header = json!({
        "configs": {"t": {"metric_list": [{"metric": "ppl", "aggregation": "perplexity"},
            {"metric": "brier", "aggregation": "mean"}, {"metric": "acc", "aggregation": "mean"},
            {"metric": "count", "aggregation": "mean"}]}},
        "higher_is_better": {"t": {"brier": false, "acc": true, "ppl": null}},
        "total_evaluation_time_seconds": "2.5", "date": 0,
    });
    let results = r#"{"alias": "t", "ppl,none": 0.5, "count,none": 12, "brier,none": NaN,
        "brier_stderr,none": NaN, "acc,none": 0.75, "acc_stderr,none": 0.125}"#;
    let text =
        header.to_string().replacen('{', &format!(r#"{{"results": {{"t": {results}}}, "#), 1);
    let suite = LmEvalFormat::suite(&text).unwrap();
    assert_eq!(suite.average_reliability_score, None);
    assert_eq!(suite.execution_time_ms, Some(2_500.0));
    let figures = |run: &RunReport| -> Vec<(String, Option<f64>, Option<f64>, bool)> {
        let figures = run.figures.iter();
        let is_mean = |aggregation| aggregation == Aggregation::Mean;
        figures
            .map(|it| {
                assert_eq!(it.metric, it.figure);
                (it.figure.clone(), it.value, it.standard_error, is_mean(it.aggregation))
            })
            .collect()
    };
    assert_eq!(
        figures(&suite.run),
        [
            ("ppl,none".to_owned(), Some(0.5), None, false),
            ("count,none".to_owned(), Some(12.0), None, true),
            ("brier,none".to_owned(), None, None, true),
            ("acc,none".to_owned(), Some(0.75), Some(0.125), true),
        ]
    );
    let run = &suite.run;
    assert_eq!((run.run_id.as_ref(), run.status), (None, Some(RunStatus::Completed)));
    assert_eq!(run.created_at.as_deref(), Some("1970-01-01T00:00:00.000000Z"));
    let headlines: Vec<bool> = run.figures.iter().map(|figure| figure.headline).collect();
    assert_eq!(headlines, [true, false, false, false]);
    let directions: Vec<_> = run.metrics.iter().map(|metric| metric.higher_is_better).collect();
    assert_eq!(directions, [None, None, Some(false), Some(true)]);

    header["results"] = json!({"t": {"acc,a": 0.5, "acc,b": 1.0}});
    let suite = LmEvalFormat::suite(&header.to_string()).unwrap();
    let expected = [("acc,a", 0.5), ("acc,b", 1.0)]
        .map(|(name, value)| (name.to_owned(), Some(value), None, true));
    assert_eq!(figures(&suite.run), expected);

    header["configs"]["u"] = json!({});
    let suite = LmEvalFormat::suite(&header.to_string()).unwrap();
    assert_eq!((suite.execution_time_ms, figures(&suite.run)), (None, Vec::new()));
    assert_eq!(suite.run.status, Some(RunStatus::Completed));
    assert_eq!(LmEvalFormat::suite("{}").unwrap(), SuiteSummary::default());
    let odd = LmEvalFormat::suite(r#"{"configs": {"t": 5}, "results": []}"#).unwrap();
    assert_eq!(figures(&odd.run), []);
    assert!(LmEvalFormat::suite("[]").is_err());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-f0-9é\u{0}{}%]{0,24}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let names = prop_oneof![
            Just("gen_args_0".to_owned()),
            Just("arg_0".to_owned()),
            Just("acc".to_owned()),
            Just("acc,none".to_owned()),
            Just("doc_to_text".to_owned()),
            "[a-z~/]{0,3}",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((names, inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

const MEMBERS: [&str; 13] = [
    "doc_id",
    "doc",
    "arguments",
    "resps",
    "filter",
    "metrics",
    "doc_hash",
    "acc",
    "configs",
    "results",
    "n-samples",
    "higher_is_better",
    "date",
];

fn any_document() -> impl Strategy<Value = String> {
    prop::collection::vec((prop::sample::select(&MEMBERS[..]), any_json()), 0..9).prop_map(
        |members| {
            let members = members.into_iter().map(|(name, value)| (name.to_owned(), value));
            Value::Object(members.collect()).to_string()
        },
    )
}

#[test]
fn a_truncated_line_is_refused() {
    rejects_truncated_results::<LmEvalFormat>(
        Some(&one_task()),
        &with(&json!({"doc": {"question": "é"}})),
    );
}

#[test]
fn files_of_other_formats_are_not_recognised() {
    recognises_no_other::<LmEvalFormat>("lm-eval");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_line_makes_it_panic(
        line in any_document(), header in any_document(), other in any_json(), cut in 0_usize..200,
    ) {
        let cut = line.get(..cut).unwrap_or(&line);
        for text in [line.as_str(), cut, &other.to_string()] {
            let _ = check::<LmEvalFormat>(Some(&header), text);
            let _ = check::<LmEvalFormat>(None, text);
            let _ = check::<LmEvalFormat>(Some(&header), &format!("[{text},{line}]"));
        }
    }
}
