//! The scores of traces: values are unchanged, and none is taken for another.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests fail by panicking"
)]

use arc_format_kit::{Format as _, Outcome, Score, codes, finite};
use arc_format_otel::OtelFormat;
use arc_format_testing::{frame, scores, slice, warnings};
use proptest::prelude::*;
use serde_json::{Value, json};

const NAME: &str = "gen_ai.evaluation.name";
const VALUE: &str = "gen_ai.evaluation.score.value";
const LABEL: &str = "gen_ai.evaluation.score.label";
const VERDICT: &str = "test.case.result.status";

/// Returns the outcomes of a file, each of a trace.
fn file(name: &str) -> Vec<Outcome> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/fixtures/formats/otel/");
    let bytes = std::fs::read(format!("{folder}{name}")).unwrap();
    let file = frame::<OtelFormat>(name, &bytes).unwrap();
    file.documents.iter().map(|item| accepted(item)).collect()
}

fn accepted(item: &str) -> Outcome {
    arc_format_testing::accepted::<OtelFormat>(None, item)
}

fn attribute(key: &str, value: Value) -> Value {
    let kind = match &value {
        Value::String(_) => "stringValue",
        Value::Bool(_) => "boolValue",
        Value::Number(number) if number.is_f64() => "doubleValue",
        Value::Number(_) => "intValue",
        _ => return json!({"key": key, "value": value}),
    };
    json!({"key": key, "value": {kind: value}})
}

fn attributes(values: &[(&str, Value)]) -> Value {
    values.iter().map(|(key, value)| attribute(key, value.clone())).collect()
}

/// Returns an evaluation, as the event of a span, at this second.
fn evaluation(at: u64, values: &[(&str, Value)]) -> Value {
    json!({
        "name": "gen_ai.evaluation.result", "timeUnixNano": (at * 1_000_000_000).to_string(),
        "attributes": attributes(values),
    })
}

/// Returns a trace of a test, whose only span has these attributes and events.
fn trace(values: &[(&str, Value)], events: &[Value]) -> String {
    let mut own = vec![("gen_ai.operation.name", json!("chat")), ("test.case.name", json!("t"))];
    own.extend_from_slice(values);
    json!([{
        "traceId": "AB01", "spanId": "1", "startTimeUnixNano": "1000000000",
        "endTimeUnixNano": "2000000000", "attributes": attributes(&own), "events": events,
    }])
    .to_string()
}

/// Returns the only score of a trace with this evaluation, and the codes of its warnings.
fn only(values: &[(&str, Value)]) -> (Score, Vec<(String, &'static str)>) {
    let mut values = values.to_vec();
    values.insert(0, (NAME, json!("e")));
    let outcome = accepted(&trace(&[], &[evaluation(3, &values)]));
    let found = warnings(&outcome).into_iter().map(|(at, code)| (at.to_owned(), code)).collect();
    let [score] = <[Score; 1]>::try_from(outcome.scores).unwrap();
    (score, found)
}

mod cases {
    use super::*;

    #[test]
    fn each_of_four_labels_counts() {
        let outcomes = file("labels.json");
        let [outcome] = &outcomes[..] else { panic!("{outcomes:?}") };
        assert_eq!(scores(outcome), [("a", 1.0), ("b", 0.0), ("c", 1.0), ("d", 1.0)]);
        let labels: Vec<_> =
            outcome.scores.iter().filter_map(|score| score.label.as_deref()).collect();
        assert_eq!(labels, ["pass", "not_relevant", "correct", "PASS"]);
        for score in &outcome.scores {
            assert_eq!((score.lowest, score.highest), (Some(0.0), Some(1.0)));
        }
        // One of four is not the score of the result.
        assert_eq!((&outcome.headline, outcome.headline_value()), (&None, None));
        assert_eq!(warnings(outcome), [("", codes::SCORE_MISSING)]);
    }

    #[test]
    fn evaluations_from_1_to_5_are_unchanged() {
        let found: Vec<_> = file("likert.json")
            .into_iter()
            .map(|outcome| {
                let [score] = &outcome.scores[..] else { panic!("{outcome:?}") };
                assert_eq!((&*score.name, score.lowest, score.highest), ("Relevance", None, None));
                assert_eq!(outcome.headline.as_deref(), Some("Relevance"));
                assert_eq!(outcome.warnings, []);
                (outcome.scenario.id.clone(), outcome.headline_value().unwrap())
            })
            .collect();
        let expected = [("s/t1", 1.0), ("s/t3", 3.0), ("s/t4", 4.0), ("s/t5", 5.0)];
        assert_eq!(found, expected.map(|(id, value)| (id.to_owned(), value)));
    }

    #[test]
    fn three_traces_of_a_test_are_three_trials() {
        let outcomes = file("repeats.json");
        let ids = ["b", "c", "d"].map(|last| format!("{last:0>32}/0000000000000001"));
        for (outcome, id) in outcomes.iter().zip(&ids) {
            assert_eq!((&*outcome.scenario.id, outcome.trial), ("s/rep", None));
            assert_eq!((outcome.key.as_ref(), outcome.place.as_ref()), (Some(id), Some(id)));
        }
        let values: Vec<f64> = outcomes.iter().filter_map(Outcome::headline_value).collect();
        assert_eq!(values, [1.0, 1.0, 0.0]);
    }
}

#[test]
fn a_value_is_unchanged() {
    for (written, expected) in [
        (json!({"doubleValue": 0.75}), 0.75),
        (json!({"doubleValue": "0.75"}), 0.75),
        (json!({"doubleValue": 1}), 1.0),
        (json!({"intValue": "85"}), 85.0),
        (json!({"intValue": -3}), -3.0),
        (json!({"doubleValue": 1e300}), 1e300),
        (json!({"doubleValue": -0.0}), 0.0),
    ] {
        let (score, warned) = only(&[(VALUE, written.clone())]);
        assert_eq!(score, Score::new("e", Some(expected)), "{written}");
        assert_eq!(warned, [], "{written}");
    }
}

/// By the conventions, which label is good depends on the evaluator.
#[test]
fn a_label_beside_a_value_does_not_change_it() {
    for (value, label) in [(1.0, "fail"), (0.0, "pass"), (4.0, "splendid"), (0.5, "yes")] {
        let (score, warned) = only(&[(LABEL, json!(label)), (VALUE, json!(value))]);
        assert_eq!(score, Score { label: Some(label.into()), ..Score::new("e", Some(value)) });
        assert_eq!(warned, []);
    }
}

#[test]
fn a_label_without_a_value_is_on_the_scale_from_0_to_1() {
    for (label, value) in [
        ("pass", 1.0),
        ("fail", 0.0),
        ("relevant", 1.0),
        ("not_relevant", 0.0),
        ("correct", 1.0),
        ("incorrect", 0.0),
        ("FAIL", 0.0),
    ] {
        let (score, warned) = only(&[(LABEL, json!(label))]);
        assert_eq!(
            score,
            Score { label: Some(label.into()), ..Score::new("e", Some(value)).of(1.0) }
        );
        assert_eq!(warned, []);
    }
}

#[test]
fn an_unknown_label_is_kept_without_a_number() {
    let (score, warned) = only(&[(LABEL, json!("splendid"))]);
    assert_eq!(score, Score { label: Some("splendid".into()), ..Score::new("e", None) });
    let at = "/0/events/0/attributes/1/value".to_owned();
    assert_eq!(warned, [(String::new(), codes::SCORE_MISSING), (at, codes::LABEL_UNKNOWN)]);
}

#[test]
fn a_boolean_is_0_or_1() {
    for (written, value) in [(true, 1.0), (false, 0.0)] {
        let (score, warned) = only(&[(VALUE, json!(written))]);
        assert_eq!(
            score,
            Score { label: Some(written.to_string()), ..Score::new("e", Some(value)).of(1.0) }
        );
        assert_eq!(warned, []);
    }
    // A text as the value is a label.
    let (score, _) = only(&[(VALUE, json!("correct"))]);
    assert_eq!((score.value, score.label.as_deref()), (Some(1.0), Some("correct")));
}

#[test]
fn a_value_that_is_no_finite_number_is_absent() {
    let at = |member: &str| format!("/0/events/0/attributes/1/value{member}");
    for (written, path, code) in [
        (json!({"doubleValue": "NaN"}), at("/doubleValue"), codes::NOT_FINITE),
        (json!({"doubleValue": "-Infinity"}), at("/doubleValue"), codes::NOT_FINITE),
        (json!({"intValue": "many"}), at("/intValue"), codes::NOT_FINITE),
        (json!({"arrayValue": {}}), at(""), codes::NOT_SCORED),
        (json!({"boolValue": 7}), at(""), codes::NOT_SCORED),
        (json!({"doubleValue": null}), at(""), codes::NOT_SCORED),
        (json!({"stringValue": "0 of 5"}), at(""), codes::LABEL_UNKNOWN),
    ] {
        // The label is never taken for the value.
        let (score, warned) = only(&[(VALUE, written.clone()), (LABEL, json!("pass"))]);
        assert_eq!((score.value, score.label.as_deref()), (None, Some("pass")), "{written}");
        assert_eq!(warned, [(String::new(), codes::SCORE_MISSING), (path, code)], "{written}");
    }
    let item = trace(&[], &[evaluation(3, &[(NAME, json!("e")), (VALUE, json!(0.5))])]);
    let outcome = accepted(&item.replace("0.5", "NaN"));
    assert_eq!((outcome.headline.as_deref(), outcome.headline_value()), (Some("e"), None));
    assert!(outcome.warnings.iter().any(|warning| warning.code == codes::NOT_FINITE));
}

#[test]
fn an_evaluation_that_failed_has_no_score() {
    let (score, warned) = only(&[("error.type", json!("timeout"))]);
    assert_eq!(score, Score::new("e", None));
    assert_eq!(
        warned,
        [
            (String::new(), codes::SCORE_MISSING),
            ("/0/events/0/attributes".into(), codes::NOT_SCORED)
        ]
    );
}

/// A judge's span can have the name of the evaluation that it makes.
#[test]
fn an_evaluation_without_a_score_replaces_none() {
    let scored = evaluation(3, &[(NAME, json!("e")), (VALUE, json!(0.5))]);
    let failed = evaluation(4, &[(NAME, json!("e")), ("error.type", json!("timeout"))]);
    let outcome = accepted(&trace(&[(NAME, json!("e"))], &[scored, failed]));
    assert_eq!((scores(&outcome), warnings(&outcome)), (vec![("e", 0.5)], Vec::new()));
    let outcome = accepted(&trace(&[(NAME, json!("e"))], &[]));
    assert_eq!(outcome.scores, []);
}

#[test]
fn the_explanation_is_a_part_of_the_document() {
    let explanation = ("gen_ai.evaluation.explanation", json!("It is \"é\"."));
    let values = [(NAME, json!("e")), (VALUE, json!(1)), explanation];
    let item = trace(&[], &[evaluation(3, &values)]);
    let score = &accepted(&item).scores[0];
    assert_eq!(slice(&item, score.explanation), Some(r#""It is \"é\".""#));
    let (score, warned) = only(&[(VALUE, json!(1)), ("gen_ai.evaluation.explanation", json!(7))]);
    assert_eq!((score.explanation, warned), (None, Vec::new()));
}

#[test]
fn evaluations_of_events_and_spans_have_their_own_names() {
    let outcome = accepted(&trace(
        &[(NAME, json!("of the span")), (VALUE, json!(0.5))],
        &[
            evaluation(3, &[(NAME, json!("a")), (VALUE, json!(0.2))]),
            evaluation(3, &[(NAME, json!("b")), (LABEL, json!("splendid"))]),
            evaluation(3, &[(VALUE, json!(1.0))]),
            json!({"name": "other", "attributes": attributes(&[(NAME, json!("c")), (VALUE, json!(1))])}),
        ],
    ));
    assert_eq!(scores(&outcome), [("a", 0.2), ("of the span", 0.5)]);
    assert_eq!(outcome.scores.len(), 3);
    assert_eq!(
        warnings(&outcome),
        [
            ("", codes::SCORE_MISSING),
            ("/0/events/1/attributes/1/value", codes::LABEL_UNKNOWN),
            ("/0/events/2/attributes", codes::SCORE_MISSING),
        ]
    );
}

#[test]
fn of_a_repeated_evaluation_the_latest_counts() {
    let of = |at, value: f64| evaluation(at, &[(NAME, json!("e")), (VALUE, json!(value))]);
    for (events, expected, repeated) in [
        ([of(3, 0.25), of(4, 0.75)], 0.75, true),
        ([of(4, 0.75), of(3, 0.25)], 0.75, true),
        // At the same time, or without one, the document's order decides.
        ([of(3, 0.75), of(3, 0.25)], 0.25, true),
        ([of(0, 0.75), of(3, 0.25)], 0.25, true),
        ([of(3, 0.75), of(4, 0.75)], 0.75, false),
    ] {
        let outcome = accepted(&trace(&[], &events));
        assert_eq!(scores(&outcome), [("e", expected)]);
        let expected: &[_] =
            if repeated { &[("/0/events/1/attributes", codes::SCORE_REPEATED)] } else { &[] };
        assert_eq!(warnings(&outcome), expected);
    }
}

#[test]
fn a_case_of_pydantic_evals_has_its_evaluations_as_json() {
    let outcome = accepted(&trace(
        &[
            ("case_name", json!("paris")),
            (
                "assertions",
                json!(r#"{"Equals": {"value": false, "reason": null}, "Has": {"value": true}}"#),
            ),
            ("scores", json!(r#"{"length": {"value": 7}, "odd": {"value": NaN}}"#)),
            ("labels", json!(r#"{"tone": {"value": "kind"}, "verdict": {"value": "correct"}}"#)),
        ],
        &[],
    ));
    let values = [("Equals", 0.0), ("Has", 1.0), ("length", 7.0), ("verdict", 1.0)];
    assert_eq!(scores(&outcome), values);
    let [.., odd, tone, _] = &outcome.scores[..] else { panic!("{outcome:?}") };
    assert_eq!((odd, tone.label.as_deref()), (&Score::new("odd", None), Some("kind")));
    assert_eq!((outcome.scores[0].lowest, outcome.scores[0].highest), (Some(0.0), Some(1.0)));
    let length = r#"{"length": {"value": 7.5}}"#;
    let outcome = accepted(&trace(&[("case_name", json!("oslo")), ("scores", json!(length))], &[]));
    assert_eq!(
        (outcome.headline.as_deref(), outcome.headline_value()),
        (Some("length"), Some(7.5))
    );
    assert_eq!((outcome.scores[0].highest, warnings(&outcome)), (None, Vec::new()));
}

mod headlines {
    use super::*;

    fn headline(values: &[(&str, Value)], evaluations: &[(&str, f64)]) -> Option<(String, f64)> {
        let events: Vec<Value> = evaluations
            .iter()
            .map(|(name, value)| evaluation(3, &[(NAME, json!(name)), (VALUE, json!(value))]))
            .collect();
        let outcome = accepted(&trace(values, &events));
        let missing = warnings(&outcome).contains(&("", codes::SCORE_MISSING));
        assert_eq!(missing, outcome.headline.is_none());
        Some((outcome.headline.clone()?, outcome.headline_value()?))
    }

    fn found(name: &str, value: f64) -> Option<(String, f64)> {
        Some((name.to_owned(), value))
    }

    #[test]
    fn it_is_the_only_evaluation() {
        assert_eq!(headline(&[], &[("style", 3.0)]), found("style", 3.0));
        assert_eq!(headline(&[], &[]), None);
    }

    #[test]
    fn of_several_it_is_the_one_of_the_whole_result() {
        assert_eq!(headline(&[], &[("style", 1.0), ("truth", 1.0)]), None);
        assert_eq!(headline(&[], &[("style", 1.0), ("score", 2.0)]), found("score", 2.0));
        assert_eq!(
            headline(&[], &[("Overall Score", 2.0), ("style", 1.0)]),
            found("Overall Score", 2.0)
        );
        assert_eq!(headline(&[], &[("overall", 1.0), ("score", 2.0)]), found("score", 2.0));
        assert_eq!(headline(&[], &[("style_score", 1.0), ("x", 2.0)]), None);
    }

    #[test]
    fn the_verdict_of_the_test_is_that_of_the_whole_result() {
        let pass = (VERDICT, json!("pass"));
        let fail = (VERDICT, json!("fail"));
        assert_eq!(headline(std::slice::from_ref(&pass), &[]), found(VERDICT, 1.0));
        assert_eq!(headline(std::slice::from_ref(&fail), &[("style", 5.0)]), found(VERDICT, 0.0));
        assert_eq!(
            headline(std::slice::from_ref(&fail), &[("style", 5.0), ("truth", 1.0)]),
            found(VERDICT, 0.0)
        );
        assert_eq!(
            headline(std::slice::from_ref(&fail), &[("score", 0.5), ("truth", 1.0)]),
            found("score", 0.5)
        );
        let outcome = accepted(&trace(&[pass], &[]));
        let expected = Score::new(VERDICT, Some(1.0)).of(1.0);
        assert_eq!(outcome.scores, [Score { label: Some("pass".into()), ..expected }]);
    }

    #[test]
    fn another_verdict_has_no_number() {
        let outcome = accepted(&trace(&[(VERDICT, json!("skipped"))], &[]));
        assert_eq!((outcome.headline.as_deref(), outcome.headline_value()), (Some(VERDICT), None));
        assert_eq!(
            warnings(&outcome),
            [("", codes::SCORE_MISSING), ("/0/attributes/2/value", codes::LABEL_UNKNOWN)]
        );
    }
}

mod revisions {
    use super::*;

    #[test]
    fn a_trace_is_as_old_as_its_last_data() {
        let at = |events: &[Value]| accepted(&trace(&[], events)).revised_at.unwrap();
        assert_eq!(at(&[]), "1970-01-01T00:00:02.000000Z");
        let late = evaluation(9, &[(NAME, json!("e")), (VALUE, json!(1))]);
        assert_eq!(at(&[late]), "1970-01-01T00:00:09.000000Z");
        let other = json!({"name": "exception", "timeUnixNano": "9000000000"});
        assert_eq!(at(&[other]), "1970-01-01T00:00:02.000000Z");
    }

    #[test]
    fn key_and_place_are_the_ids_of_trace_and_run() {
        let item = trace(&[], &[]);
        let outcome = accepted(&item);
        assert_eq!(outcome.key.as_deref(), Some("ab01/1"));
        let planned = finite::scenario::<OtelFormat>(None, &item).unwrap();
        assert_eq!((planned.place.as_deref(), planned.run_id), (Some("ab01/1"), None));
        let long = accepted(&item.replace("AB01", &"ab".repeat(400)));
        assert_eq!((long.key.as_ref().map(String::len), &long.place), (Some(512), &long.key));
        // A span that is sent without its trace.
        let none = OtelFormat::outcome(None, &item.replace("AB01", "")).unwrap();
        assert_eq!((none.key, none.place), (None, None));
    }
}

proptest! {
    #[test]
    fn a_value_is_the_double_that_was_written(bits in any::<u64>(), as_text in any::<bool>()) {
        let value = f64::from_bits(bits) + 0.0;
        prop_assume!(value.is_finite());
        let written = if as_text { json!({"doubleValue": format!("{value:?}")}) } else { json!(value) };
        let (score, warned) = only(&[(VALUE, written)]);
        prop_assert_eq!(score.value.map(f64::to_bits), Some(value.to_bits()));
        prop_assert_eq!((score.lowest, score.highest, warned), (None, None, Vec::new()));
    }
}
