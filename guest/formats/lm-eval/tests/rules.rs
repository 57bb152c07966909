//! The rules of the format, one by one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests fail by panicking"
)]

use arc_format_kit::{Format, Header, Items, Outcome, OutcomeStatus, Span, codes};
use arc_format_lm_eval::LmEvalFormat;
use arc_format_testing::{
    check, scores, recognises_no_other, rejected, rejects_truncated_results, warnings,
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
    assert!(!layout.classify_items);
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
    assert_eq!(outcome.headline_value(), Some(1.0));
    assert_eq!(scores(&outcome), [("acc", 1.0)]);
    assert_eq!(slice(&text, outcome.trajectory), Some(line()["arguments"].clone()));
    assert_eq!(slice(&text, outcome.detailed_trajectory), Some(line()["resps"].clone()));
    assert_eq!(outcome.event_count, 2);
    assert_eq!(outcome.execution_time.as_deref(), Some("2026-01-02T03:04:05.500000Z"));
    assert_eq!(outcome.warnings, []);
}

#[test]
fn a_filter_is_part_of_the_scenario_and_of_the_dimensions() {
    let outcome = accept(json!({"filter": "strict"}));
    assert_eq!(outcome.scenario.id, "t/7/strict");
    assert_eq!(scores(&outcome), [("acc,strict", 1.0)]);
    for filter in [json!(null), json!(""), json!(5)] {
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
        header(&[("t", &["acc,none"], 100, ""), ("u", &["acc,none"], 100, "{{question}}")]),
    ] {
        let outcome = LmEvalFormat::outcome(Some(&other), &text).unwrap();
        assert_eq!(outcome.scenario.id, made, "{other}");
        assert_eq!(warnings(&outcome), [("/doc_id", codes::SCENARIO_ID_MADE)]);
    }
    let filtered = LmEvalFormat::outcome(None, &with(&json!({"filter": "strict"}))).unwrap();
    assert_eq!(filtered.scenario.id, format!("{made}/strict"));
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
    assert_eq!(LmEvalFormat::outcome(Some(&old), &with(&json!({}))).unwrap().scenario.id, "old/7");
}

#[test]
fn an_old_line_has_its_metrics_among_its_members() {
    let text = r#"{"doc_id": 1, "doc": {"a": 1}, "target": 2, "arguments": [["Q", "A"]],
        "resps": [[["-1.5", "False"]]], "filtered_resps": [], "em": true, "acc": 0.5,
        "pair": [1, 2], "note": "x"}"#;
    let outcome = LmEvalFormat::outcome(None, text).unwrap();
    assert_eq!(scores(&outcome), [("em", 1.0), ("acc", 0.5)]);
    assert_eq!(outcome.headline_value(), Some(1.0));
    assert_eq!(outcome.scenario.task_prompt.as_deref(), Some("Q"));
    assert!(outcome.scenario.id.starts_with("scenario-"));
    assert_eq!(outcome.trajectory, None);
    assert_eq!(outcome.event_count, 1);
    let other = LmEvalFormat::outcome(None, &text.replacen('1', "2", 1)).unwrap();
    assert_ne!(other.scenario.id, outcome.scenario.id, "the number is part of it");
}

#[test]
fn metrics_that_are_no_score_are_left_out_with_a_warning() {
    let outcome = accept(json!({"metrics": ["f1", "acc_norm", "acc", "gone", 5], "f1": 17,
        "acc_norm": [1, 2], "acc": 0.25}));
    assert_eq!(scores(&outcome), [("acc", 0.25)]);
    assert_eq!(outcome.headline_value(), Some(0.25));
    let warned = [("/acc_norm", codes::WRONG_TYPE), ("/f1", codes::SCORE_OUT_OF_SCALE)];
    assert_eq!(warnings(&outcome), warned);
    for acc in [json!(null), json!("1"), json!(-0.5)] {
        let outcome = accept(json!({"acc": acc}));
        assert_eq!(outcome.headline_value(), None);
        assert!(warnings(&outcome).contains(&("/metrics", codes::SCORE_MISSING)));
    }
    let huge = with(&json!({})).replace("\"acc\":1.0", "\"acc\":1e999");
    assert_eq!(accepted(&huge).headline_value(), None);
}

#[test]
fn metrics_come_in_the_order_in_which_they_are_named() {
    let outcome = accept(json!({"metrics": ["f1", "acc"], "f1": 0.5, "acc": 0.25}));
    assert_eq!(scores(&outcome), [("f1", 0.5), ("acc", 0.25)]);
    assert_eq!(outcome.headline_value(), Some(0.5));
}

#[test]
fn a_metric_that_is_better_when_lower_is_no_overall_score() {
    let mut header: Value = serde_json::from_str(&one_task()).unwrap();
    header["higher_is_better"]["t"] = json!({"acc": true, "f1": false});
    let text = with(&json!({"metrics": ["f1", "acc"], "f1": 0.5, "acc": 0.25}));
    let outcome = LmEvalFormat::outcome(Some(&header.to_string()), &text).unwrap();
    assert_eq!(scores(&outcome), [("f1", 0.5), ("acc", 0.25)]);
    assert_eq!(outcome.headline_value(), Some(0.25));
}

#[test]
fn an_invalid_line_is_rejected_at_its_place() {
    check_rejected("{}", "/doc_id", codes::MISSING_SCENARIO);
    check_rejected(&with(&json!({"doc_id": null})), "/doc_id", codes::MISSING_SCENARIO);
    for id in [json!(""), json!([1]), json!(true)] {
        check_rejected(&with(&json!({"doc_id": id})), "/doc_id", codes::WRONG_TYPE);
    }
    check_rejected("[1]", "", codes::WRONG_TYPE);
    check_rejected(r#"{"doc_id": 1, "acc": NaN}"#, "/acc", codes::NOT_A_JSON_NUMBER);
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
    let warned = [("/doc_id", codes::TEXT_REPLACED), ("/metrics", codes::SCORE_MISSING)];
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
fn the_suite_has_the_means_of_a_single_task() {
    let mut header = json!({
        "configs": {"t": {"metric_list": [{"metric": "ppl", "aggregation": "perplexity"},
            {"metric": "brier", "aggregation": "mean"}, {"metric": "acc", "aggregation": "mean"},
            {"metric": "count", "aggregation": "mean"}]}},
        "higher_is_better": {"t": {"brier": false, "acc": true}},
        "total_evaluation_time_seconds": "2.5",
    });
    let results = r#"{"alias": "t", "ppl,none": 0.5, "count,none": 12, "brier,none": 0.25,
        "brier_stderr,none": NaN, "acc,none": 0.75, "acc_stderr,none": "N/A"}"#;
    let text =
        header.to_string().replacen('{', &format!(r#"{{"results": {{"t": {results}}}, "#), 1);
    let suite = LmEvalFormat::suite(&text).unwrap();
    assert_eq!(suite.average_reliability_score, Some(0.75));
    assert_eq!(suite.execution_time_ms, Some(2_500.0));
    let means = |suite: &arc_format_kit::SuiteSummary| -> Vec<(String, f64)> {
        let scores = suite.average_dimension_scores.iter();
        scores.map(|score| (score.name.clone(), score.score)).collect()
    };
    assert_eq!(means(&suite), [("brier".to_owned(), 0.25), ("acc".to_owned(), 0.75)]);

    header["results"] = json!({"t": {"acc,a": 0.5, "acc,b": 1.0}});
    let suite = LmEvalFormat::suite(&header.to_string()).unwrap();
    assert_eq!(suite.average_reliability_score, None, "a document has two outcomes");
    assert_eq!(means(&suite), [("acc,a".to_owned(), 0.5), ("acc,b".to_owned(), 1.0)]);

    header["configs"]["u"] = json!({});
    let none = arc_format_kit::SuiteSummary::default();
    assert_eq!(LmEvalFormat::suite(&header.to_string()).unwrap(), none);
    for odd in ["{}", r#"{"configs": {"t": 5}, "results": []}"#] {
        assert_eq!(LmEvalFormat::suite(odd).unwrap(), none, "{odd}");
    }
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
        }
    }
}
