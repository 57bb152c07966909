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
    Aggregation, Format, Header, Items, MetricKind, MissingPolicy, Outcome, OutcomeStatus, Role,
    RunStatus, Score, Span, SuiteSummary, codes, finite,
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
    let dated = "samples_my_task_2026-11-29T15-43-33.901078.jsonl";
    let layout = LmEvalFormat::detect(dated, br#"{"doc_id": 0, "doc": {"#).unwrap();
    let own = ["results_DATE.json", "*_DATE.json", "results.json"];
    let own = own.map(|name| name.replace("DATE", "2026-11-29T15-43-33.901078")).to_vec();
    assert_eq!(layout.header, Header::SiblingFile(own));
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

/// Returns the array of two lines of a document, under the filters `exact` and `loose`.
fn two_lines(exact: &Value, loose: &Value) -> String {
    let mut exact = exact.clone();
    let mut loose = loose.clone();
    exact["filter"] = json!("exact");
    loose["filter"] = json!("loose");
    format!("[{},{}]", with(&exact), with(&loose))
}

#[test]
fn a_filter_is_part_of_the_score_and_not_of_the_scenario() {
    let outcome = accept(json!({"filter": "strict"}));
    assert_eq!(outcome.scenario.id, "t/7");
    assert_eq!(scores(&outcome), [("acc,strict", 1.0)]);
    for filter in [json!(null), json!(""), json!(5)] {
        let outcome = accept(json!({"filter": filter, "metrics": []}));
        assert_eq!(outcome.scenario.id, "t/7", "{filter}");
    }
}

#[test]
fn the_lines_of_a_document_are_one_result() {
    let header = header(&[("t", &["acc,exact", "acc,loose"], 100, "{{question}}")]);
    let text = two_lines(&json!({"acc": 0.0}), &json!({"acc": 1.0, "resps": [["b"]]}));
    let outcome = arc_format_testing::accepted::<LmEvalFormat>(Some(&header), &text);
    assert_eq!(outcome.scenario.id, "t/7");
    assert_eq!(scores(&outcome), [("acc,exact", 0.0), ("acc,loose", 1.0)]);
    assert_eq!(outcome.headline.as_deref(), Some("acc,exact"));
    assert_eq!(slice(&text, outcome.detailed_trajectory), Some(line()["resps"].clone()));
    assert_eq!(slice(&text, outcome.scenario.definition), Some(json!({"question": "q"})));
    assert_eq!(outcome.warnings, []);
    // A line in an array of its own is the same result.
    let single = format!("[{}]", with(&json!({"filter": "loose"})));
    let outcome = arc_format_testing::accepted::<LmEvalFormat>(Some(&header), &single);
    assert_eq!(scores(&outcome), [("acc,loose", 1.0)]);
    // The results list a score first that this document does not have.
    assert_eq!(outcome.headline.as_deref(), Some("acc,exact"));
    assert_eq!(outcome.scores.last(), Some(&Score::new("acc,exact", None)));
    assert_eq!(warnings(&outcome), [("/0/metrics", codes::SCORE_MISSING)]);

    let twice = format!("[{},{}]", with(&json!({})), with(&json!({"acc": 0.25})));
    let outcome = accepted(&twice);
    assert_eq!(scores(&outcome), [("acc", 0.25)]);
    assert_eq!(warnings(&outcome), [("/1/acc", codes::SCORE_REPEATED)]);
    check_rejected("[]", "", codes::MISSING_SCENARIO);
    for other in [json!({"doc_id": 8}), json!({"doc_hash": "ab"}), json!({"doc_hash": 1})] {
        check_rejected(&two_lines(&json!({}), &other), "/1/doc_id", codes::MISSING_SCENARIO);
    }
}

#[test]
fn only_a_named_filter_makes_a_line_a_part() {
    let role = LmEvalFormat::classify;
    let strict = with(&json!({"filter": "strict"}));
    let part = Role::Part(format!("7\n{HASH}"));
    assert_eq!(role(&strict), part);
    assert_eq!(role(&strict.replace("\"acc\":1.0", "\"acc\":NaN")), part);
    assert_eq!(role(&with(&json!({"filter": "loose"}))), part);
    assert_ne!(role(&with(&json!({"filter": "strict", "doc_id": 8}))), part);
    assert_ne!(role(&with(&json!({"filter": "strict", "doc_hash": "b"}))), part);
    let text = with(&json!({"filter": "strict", "doc_id": "7"}));
    assert_eq!(role(&text), Role::Part(format!("\"7\"\n{HASH}")));
    for filter in [json!("none"), json!(""), json!(null), json!(5)] {
        assert_eq!(role(&with(&json!({"filter": filter}))), Role::Result, "{filter}");
    }
    for odd in ["", "{", "[]", "1", r#"{"filter": "strict"}"#, r#"{"doc_id": 1}"#] {
        assert_eq!(role(odd), Role::Result, "{odd}");
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
        assert_eq!(warnings(&outcome), warned);
        assert_eq!(outcome.execution_time, None, "the run is another one");
    }
    let two = header(&[("t", &["acc,none"], 100, ""), ("u", &["acc,none"], 100, "{{question}}")]);
    let outcome = LmEvalFormat::outcome(Some(&two), &text).unwrap();
    assert_eq!(outcome.scenario.id, made);
    assert_eq!(warnings(&outcome), [("/doc_id", codes::SCENARIO_ID_MADE)]);
    assert!(outcome.execution_time.is_some());
    let filtered = LmEvalFormat::outcome(None, &with(&json!({"filter": "strict"}))).unwrap();
    assert_eq!(filtered.scenario.id, made);
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
fn the_task_in_the_name_of_the_file_is_the_only_one() {
    let results = header(&[("a/b", &["acc,none"], 100, ""), ("c", &["acc,none"], 100, "")]);
    let read = |file: &str, results: &str| {
        let header = format!(r#"["samples_{file}_2026-09-01T00-00-00.1.jsonl",{results}]"#);
        let outcome = LmEvalFormat::outcome(Some(&header), &with(&json!({}))).unwrap();
        let run = suite(&header).run;
        (outcome.scenario.id.clone(), outcome.warnings.len(), run.figures.len(), run.status)
    };
    // The tool replaces characters in the name.
    let completed = Some(RunStatus::Completed);
    assert_eq!(read("a_b", &results), ("a/b/7".to_owned(), 0, 1, completed));
    assert_eq!(read("c", &results), ("c/7".to_owned(), 0, 1, completed));
    for results in [&results, "null"] {
        assert_eq!(read("other", results), ("other/7".to_owned(), 1, 0, None), "{results}");
    }
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
fn values_are_those_of_the_line() {
    let outcome = accept(json!({"metrics": ["f1", "acc_norm", "acc", "gone", 5], "f1": 17,
        "acc_norm": [1, 2], "acc": -0.25}));
    assert_eq!(scores(&outcome), [("f1", 17.0), ("acc", -0.25)]);
    assert_eq!(outcome.headline.as_deref(), Some("acc"), "the results list it first");
    assert_eq!(warnings(&outcome), [("/acc_norm", codes::NOT_SCORED)]);
    assert!(outcome.scores.iter().all(|score| score.highest.is_none()));
    for (value, number) in [(true, 1.0), (false, 0.0)] {
        let outcome = accept(json!({"acc": value}));
        assert_eq!(outcome.scores, [Score::new("acc", Some(number)).of(1.0)]);
        assert_eq!(outcome.warnings, []);
    }
}

#[test]
fn a_metric_without_a_number_has_no_value() {
    let missing = ("/metrics", codes::SCORE_MISSING);
    let outcome = accept(json!({"acc": null}));
    assert_eq!(outcome.scores, [Score::new("acc", None)]);
    assert_eq!((outcome.headline.as_deref(), warnings(&outcome)), (Some("acc"), vec![missing]));

    let outcome = accept(json!({"acc": "1"}));
    let label = Score { label: Some("1".to_owned()), ..Score::new("acc", None) };
    assert_eq!(outcome.scores, [label]);
    assert_eq!(warnings(&outcome), [("/acc", codes::LABEL_UNKNOWN), missing]);

    let huge = accepted(&with(&json!({})).replace("\"acc\":1.0", "\"acc\":1e999"));
    assert_eq!(huge.scores, [Score::new("acc", None)]);
    assert_eq!(warnings(&huge), [("/acc", codes::NOT_FINITE), missing]);

    let text = with(&json!({})).replace("\"acc\":1.0", "\"acc\":NaN");
    let nan = finite::outcome::<LmEvalFormat>(Some(&one_task()), &text).unwrap();
    assert_eq!(nan.scores, [Score::new("acc", None)]);
    assert_eq!(warnings(&nan), [("/acc", codes::NOT_FINITE), missing]);

    // The tool left it out, as a task's own function can.
    let outcome = accept(json!({"metrics": ["f1"], "f1": 1.0}));
    assert_eq!(outcome.scores, [Score::new("f1", Some(1.0)), Score::new("acc", None)]);
    assert_eq!((outcome.headline.as_deref(), warnings(&outcome)), (Some("acc"), vec![missing]));

    // A list has a number for all documents only, so no document has a score of its own.
    for list in [json!([1, 2]), json!({"a": 1})] {
        let outcome = accept(json!({"acc": list}));
        assert_eq!((outcome.scores.len(), outcome.headline.as_deref()), (0, None));
        assert_eq!(warnings(&outcome), [("/acc", codes::NOT_SCORED), missing]);
    }
}

#[test]
fn predictions_without_metrics_are_not_scored() {
    let results = json!({"t": {"alias": "t", "bypass,none": 999, "bypass_stderr,none": "N/A"}});
    let config = json!({"metric_list": [{"metric": "bypass"}]});
    let header = json!({"results": results, "configs": {"t": config}}).to_string();
    let text = with(&json!({"metrics": ["bypass"], "bypass": null}));
    let outcome = arc_format_testing::accepted::<LmEvalFormat>(Some(&header), &text);
    assert_eq!(outcome.scores, [Score::new("bypass", None)]);
    assert_eq!(outcome.headline, None);
    let run = LmEvalFormat::suite(&header).unwrap().run;
    assert!(run.figures.is_empty() && run.metrics.is_empty());
}

#[test]
fn metrics_come_in_the_order_in_which_they_are_named() {
    let text = with(&json!({"metrics": ["f1", "acc"], "f1": 0.5, "acc": 0.25}));
    let outcome = accepted(&text);
    assert_eq!(scores(&outcome), [("f1", 0.5), ("acc", 0.25)]);
    assert_eq!(outcome.headline_value(), Some(0.25));
    let alone = LmEvalFormat::outcome(None, &text).unwrap();
    assert_eq!(alone.headline_value(), Some(0.5), "without results the line's first");
}

#[test]
fn an_invalid_line_is_rejected_at_its_place() {
    check_rejected("{}", "/doc_id", codes::MISSING_SCENARIO);
    check_rejected(&with(&json!({"doc_id": null})), "/doc_id", codes::MISSING_SCENARIO);
    for id in [json!(""), json!([1]), json!(true)] {
        check_rejected(&with(&json!({"doc_id": id})), "/doc_id", codes::WRONG_TYPE);
    }
    check_rejected("1", "", codes::WRONG_TYPE);
    for odd in ["[1]", "[[]]"] {
        let found = rejected::<LmEvalFormat>(Some(&one_task()), odd);
        assert!(found.contains(&("/0".to_owned(), codes::WRONG_TYPE)), "{found:?}");
    }
    check_rejected(r#"{"doc_id": 1, "acc": NaN, }"#, "", codes::MALFORMED_JSON);
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

fn suite(header: &str) -> SuiteSummary {
    finite::suite::<LmEvalFormat>(header).unwrap()
}

#[test]
fn the_report_has_the_figures_of_a_single_task() {
    let mut header = json!({
        "configs": {"t": {"metric_list": [{"metric": "ppl", "aggregation": "perplexity"},
            {"metric": "brier", "aggregation": "mean"}, {"metric": "acc"}, {"metric": "bleu"},
            {"metric": "own", "aggregation": "def own(items):\n    return mean(items)"}]}},
        "higher_is_better": {"t": {"brier": false, "acc": true, "ppl": null}},
        "n-samples": {"t": {"original": 9, "effective": 5}},
        "total_evaluation_time_seconds": "2.5", "date": 1_767_323_045.5,
    });
    let results = r#"{"alias": "t", "name": "t", "sample_len": 5, "ppl,none": 12.5, "own,none": 3,
        "brier,none": NaN, "brier_stderr,none": NaN, "acc,none": 0.75, "acc_stderr,none": 0.125,
        "bleu,none": 7, "bleu_stderr,none": "N/A", "more,none": 1, "text,none": "x"}"#;
    let text =
        header.to_string().replacen('{', &format!(r#"{{"results": {{"t": {results}}}, "#), 1);
    let found = suite(&text);
    assert_eq!((found.average_reliability_score, found.average_dimension_scores.len()), (None, 0));
    assert_eq!(found.execution_time_ms, Some(2_500.0));
    let codes: Vec<_> = found.warnings.iter().map(|warning| warning.code).collect();
    assert_eq!(codes, [codes::NOT_FINITE]);
    let run = found.run;
    assert_eq!((run.status, run.run_id), (Some(RunStatus::Completed), None));
    assert_eq!(run.started_at.as_deref(), Some("2026-01-02T03:04:05.500000Z"));
    assert_eq!((&run.created_at, &run.revised_at), (&run.started_at, &run.started_at));
    assert_eq!((run.planned_results, run.reported_results), (Some(5.0), Some(5.0)));
    let figures: Vec<_> = run
        .figures
        .iter()
        .map(|it| (&*it.metric, &*it.figure, it.value, it.aggregation, it.headline))
        .collect();
    let (mean, other) = (Aggregation::Mean, Aggregation::NotComparable);
    assert_eq!(
        figures,
        [
            ("ppl", "ppl,none", Some(12.5), other, true),
            ("own", "own,none", Some(3.0), other, false),
            ("brier", "brier,none", None, mean, false),
            ("acc", "acc,none", Some(0.75), mean, false),
            ("bleu", "bleu,none", Some(7.0), other, false),
            ("more", "more,none", Some(1.0), other, false),
        ]
    );
    let errors: Vec<_> = run.figures.iter().filter_map(|it| it.standard_error).collect();
    assert_eq!(errors, [0.125]);
    assert!(run.figures.iter().all(|it| it.missing == MissingPolicy::Exclude));
    let better: Vec<_> = run.metrics.iter().map(|it| it.higher_is_better).collect();
    assert_eq!(better, [None, None, Some(false), Some(true), None, None]);
    let kinds: Vec<_> = run.metrics.iter().map(|it| (it.kind, it.highest)).collect();
    let binary = (Some(MetricKind::Binary), Some(1.0));
    assert_eq!(kinds[3], binary);
    assert_eq!(kinds.iter().filter(|kind| **kind == (None, None)).count(), 5);
    assert!(run.metrics.iter().all(|it| it.headline == (it.name == "ppl")));

    // A function of the task can return any value, and leave documents out.
    header["configs"]["t"] = json!({"metric_list": [{"metric": "acc", "aggregation": "mean"}],
        "process_results": "def f(doc, results): ..."});
    header["results"] = json!({"t": {"acc,a": 0.5, "acc,b": 1.0, "more,b": 1}});
    let run = suite(&header.to_string()).run;
    let names: Vec<_> = run.figures.iter().map(|it| (&*it.metric, it.headline)).collect();
    assert_eq!(names, [("acc,a", true), ("acc,b", false), ("more,b", false)]);
    assert!(run.figures.iter().all(|it| it.aggregation == mean), "all listed metrics are means");
    assert!(run.metrics.iter().all(|it| it.kind.is_none() && it.highest.is_none()));
    assert_eq!((run.planned_results, run.reported_results), (None, None));

    // A task without a list of metrics can be a class with aggregations of its own.
    header["configs"]["t"] = json!({});
    let run = suite(&header.to_string()).run;
    assert!(run.figures.iter().all(|it| it.aggregation == other));

    header["configs"]["u"] = json!({});
    let run = suite(&header.to_string()).run;
    assert!(run.figures.is_empty() && run.metrics.is_empty() && run.planned_results.is_none());
    assert_eq!(run.status, Some(RunStatus::Completed));
}

#[test]
fn old_results_have_figures_without_a_filter() {
    let header = r#"{"results": {"t": {"acc": 0.5, "acc_stderr": 0.25}}, "versions": {"t": 0}}"#;
    let run = suite(header).run;
    assert_eq!(run.figures.len(), 1);
    assert_eq!((&*run.figures[0].metric, &*run.figures[0].figure), ("acc", "acc"));
    assert_eq!(run.figures[0].standard_error, Some(0.25));
    assert_eq!(run.figures[0].aggregation, Aggregation::NotComparable);
}

#[test]
fn a_header_without_results_reports_nothing() {
    for odd in ["{}", r#"{"configs": {"t": 5}, "results": []}"#, r#"{"results": {}, "date": 0}"#] {
        assert_eq!(suite(odd), SuiteSummary::default(), "{odd}");
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
            let array = format!("[{text},{line}]");
            let _ = check::<LmEvalFormat>(Some(&header), &array);
        }
    }
}
