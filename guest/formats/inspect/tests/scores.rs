//! The rules about scores.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests fail by panicking"
)]

use arc_format_inspect::InspectFormat;
use arc_format_kit::{Format, codes, finite};
use arc_format_testing::{scores, warnings};
use serde_json::{Value, json};

mod sample;

use sample::*;

/// A header with this metric of the scorer `x`.
fn header_with(metrics: &Value, more: &Value) -> String {
    let mut score = json!({"name": "x", "scorer": "x", "metrics": metrics});
    for (name, value) in more.as_object().unwrap() {
        score[name] = value.clone();
    }
    json!({"version": 2, "eval": {"task": "t", "task_id": "T"}, "results": {"scores": [score]}})
        .to_string()
}

#[test]
fn scores_are_the_numbers_that_inspect_counts() {
    for (value, expected, highest) in [
        (json!("C"), Some(1.0), Some(1.0)),
        (json!("P"), Some(0.5), Some(1.0)),
        (json!("I"), Some(0.0), Some(1.0)),
        (json!("N"), Some(0.0), Some(1.0)),
        (json!("Yes"), Some(1.0), Some(1.0)),
        (json!("FALSE"), Some(0.0), Some(1.0)),
        (json!(true), Some(1.0), Some(1.0)),
        (json!(false), Some(0.0), Some(1.0)),
        // A number has no range.
        (json!(" 0.25 "), Some(0.25), None),
        (json!("1E2"), Some(100.0), None),
        (json!(0.75), Some(0.75), None),
        (json!(1), Some(1.0), None),
        (json!(7), Some(7.0), None),
        (json!(-1.5), Some(-1.5), None),
    ] {
        let outcome = accept(json!({"scores": {"x": {"value": value}}}));
        let score = &outcome.scores[0];
        assert_eq!((score.value, score.highest), (expected, highest), "{value}");
        assert_eq!(score.lowest, highest.map(|_| 0.0));
        let label = match &value {
            Value::Number(_) => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        assert_eq!(score.label, label);
        assert_eq!(outcome.headline.as_deref(), Some("x"));
        assert_eq!(outcome.warnings, [], "{value}");
    }
    let huge = accepted(r#"{"id": 1, "scores": {"x": {"value": 1e999}}}"#);
    assert_eq!((huge.headline.as_deref(), huge.headline_value()), (Some("x"), None));
    let warned = [("/scores", codes::SCORE_MISSING), ("/scores/x/value", codes::OUT_OF_RANGE)];
    assert_eq!(warnings(&huge), warned);
}

#[test]
fn an_unknown_label_has_a_number_only_if_inspect_computes_a_mean_of_it() {
    let own = json!({"mean": {"name": "mean", "params": {}}});
    let custom = json!({"accuracy": {"name": "accuracy", "params": {"to_float": "to_float"}}});
    let group = json!({"mean": {"name": "mean", "group": "grouped"}});
    let other = json!({"frequency": {"name": "frequency"}});
    for (metrics, value) in [(own, Some(0.0)), (custom, None), (group, None), (other, None)] {
        let header = header_with(&metrics, &json!({}));
        for label in ["c", "GOOD", "inf", "nan", ""] {
            let item = sample(&json!({"scores": {"x": {"value": label}}}));
            let outcome = InspectFormat::outcome(Some(&header), &item).unwrap();
            assert_eq!(outcome.scores[0].value, value, "{metrics}");
            assert_eq!(outcome.scores[0].label.as_deref(), Some(label));
            assert!(warnings(&outcome).contains(&("/scores/x/value", codes::LABEL_UNKNOWN)));
        }
    }
    // The log of a run that was killed has definitions only.
    for (name, value) in [("inspect_ai/accuracy", Some(0.0)), ("accuracy", None)] {
        let header = json!({"eval": {"task": "t", "scorers": [
            {"name": "x", "metrics": [{"name": name, "options": {}}]}]}})
        .to_string();
        let item = sample(&json!({"scores": {"x": {"value": "GOOD"}}}));
        let outcome = InspectFormat::outcome(Some(&header), &item).unwrap();
        assert_eq!(outcome.scores[0].value, value, "{name}");
    }
}

#[test]
fn no_scorer_stands_for_another() {
    let scores_of = r#"{
        "length": {"value": 1700},
        "style": {"value": {"brevity": 0.5, "words": 14, "tone": "C", "none": null}},
        "list": {"value": [1, "I", "?"]},
        "last": {"value": 0, "explanation": "because"},
        "unscored": {"value": null},
        "nothing": null
    }"#;
    let text = format!(r#"{{"id": 1, "epoch": 1, "scores": {scores_of}}}"#);
    let outcome = accepted(&text);
    assert_eq!(
        (outcome.headline.as_deref(), outcome.headline_value()),
        (Some("length"), Some(1700.0))
    );
    assert_eq!(
        scores(&outcome),
        [
            ("length", 1700.0),
            ("style/brevity", 0.5),
            ("style/words", 14.0),
            ("style/tone", 1.0),
            ("list/0", 1.0),
            ("list/1", 0.0),
            ("last", 0.0)
        ]
    );
    let unscored: Vec<&str> = outcome
        .scores
        .iter()
        .filter(|score| score.value.is_none())
        .map(|score| score.name.as_str())
        .collect();
    assert_eq!(unscored, ["style/none", "list/2", "unscored", "nothing"]);
    assert_eq!(warnings(&outcome), [("/scores/list/value/2", codes::LABEL_UNKNOWN)]);
    let last = outcome.scores.iter().find(|score| score.name == "last").unwrap();
    assert_eq!(slice(&text, last.explanation), Some(json!("because")));
    assert_eq!(slice(&text, outcome.dimensions), Some(serde_json::from_str(scores_of).unwrap()));
}

#[test]
fn the_headline_is_the_one_of_the_header() {
    let of = |header: &Value, scores: Value| {
        let item = sample(&json!({"scores": scores}));
        let outcome = InspectFormat::outcome(Some(&header.to_string()), &item).unwrap();
        (outcome.headline.clone(), outcome.headline_value(), outcome.warnings.len())
    };
    let mean = json!({"mean": {"name": "mean", "value": 1}});
    let entry = |scorer: &str, name: &str| json!({"name": name, "scorer": scorer, "metrics": mean});
    let all = json!({"b": {"value": {"p": 3, "q": 4}}, "a": {"value": 1}});
    let entries = json!([entry("b", "p"), entry("b", "q"), entry("a", "a")]);
    let header = |entries: &Value, headline: Value| json!({"eval": {"task": "t"}, "results": {"scores": entries, "headline": headline}});
    let named = |name: &str| Some(name.to_owned());
    // Older logs do not name it, and it is the first metric of the first score.
    assert_eq!(of(&header(&entries, json!(null)), all.clone()), (named("b/p"), Some(3.0), 0));
    let declared = json!({"scorer": "b", "score": "q", "metric": "mean"});
    assert_eq!(of(&header(&entries, declared), all.clone()), (named("b/q"), Some(4.0), 0));
    let stale = json!({"scorer": "gone", "metric": "mean"});
    assert_eq!(of(&header(&entries, stale), all.clone()), (named("b/p"), Some(3.0), 0));
    // A sample without it.
    let only = json!({"a": {"value": 1}});
    assert_eq!(of(&header(&entries, json!(null)), only.clone()), (None, None, 1));
    let unscored = json!({"b": {"value": null}, "a": {"value": 1}});
    assert_eq!(of(&header(&entries, json!(null)), unscored), (named("b/p"), None, 1));
    // A first scorer without metrics: Inspect has no headline.
    let none = json!([{"name": "b", "scorer": "b", "metrics": {}}, entry("a", "a")]);
    assert_eq!(of(&header(&none, json!(null)), all.clone()), (None, None, 1));
    // A log without results.
    let metrics = json!([{"name": "inspect_ai/mean"}]);
    let scorers = |list: Value| json!({"eval": {"task": "t", "scorers": list}});
    let a = json!([{"name": "a", "metrics": metrics}]);
    assert_eq!(of(&scorers(a), all.clone()), (named("a"), Some(1.0), 0));
    let b = json!([{"name": "b", "metrics": {"p": metrics, "q": metrics}}]);
    assert_eq!(of(&scorers(b), all.clone()), (named("b/p"), Some(3.0), 0));
    // No header names it, and the first scorer has several: none is chosen.
    let parts_first = json!({"a": {"value": {"p": 3}}, "b": {"value": 1}});
    assert_eq!(of(&json!({"eval": {"task": "t"}}), parts_first), (None, None, 1));
    assert_eq!(of(&json!({"eval": {"task": "t"}}), only), (named("a"), Some(1.0), 0));
}

#[test]
fn a_value_of_several_parts_is_0_in_inspects_own_mean() {
    let header = header_with(&json!({"accuracy": {"name": "accuracy"}}), &json!({}));
    for (value, parts) in
        [(json!([1, 2]), ["x/0", "x/1"]), (json!({"a": 1, "b": 2}), ["x/a", "x/b"])]
    {
        let item = sample(&json!({"scores": {"x": {"value": value}}}));
        let outcome = InspectFormat::outcome(Some(&header), &item).unwrap();
        assert_eq!(scores(&outcome), [("x", 0.0), (parts[0], 1.0), (parts[1], 2.0)]);
        assert_eq!(warnings(&outcome), [("/scores/x/value", codes::NOT_SCORED)]);
    }
}

/// `null` can be left of a `NaN`, unless the header reports that no value was unscored.
#[test]
fn a_null_of_a_key_is_0_only_if_nothing_was_unscored() {
    let item = sample(&json!({"scores": {"x": {"value": {"a": null, "b": 1}}}}));
    for (unscored, epochs, value) in [(0, 1, Some(0.0)), (1, 1, None), (0, 2, None)] {
        let header =
            json!({"eval": {"task": "t", "config": {"epochs": epochs}}, "results": {"scores": [
            {"name": "a", "scorer": "x", "scored_samples": 3, "unscored_samples": unscored,
                "metrics": {"mean": {"name": "mean"}}}]}})
            .to_string();
        let outcome = InspectFormat::outcome(Some(&header), &item).unwrap();
        assert_eq!(outcome.scores[0].value, value);
    }
}

#[test]
fn a_sample_that_was_not_scored_is_valid() {
    for scores in [json!({}), json!(null)] {
        let outcome = accept(json!({"scores": scores}));
        assert_eq!((outcome.headline_value(), outcome.scores.len()), (None, 0));
        assert_eq!(warnings(&outcome), [("/scores", codes::SCORE_MISSING)]);
    }
    let outcome = accept(json!({"scores": [1]}));
    let warned = [("/scores", codes::SCORE_MISSING), ("/scores", codes::WRONG_TYPE)];
    assert_eq!(warnings(&outcome), warned);
    assert_eq!(outcome.dimensions, None);
    let nan =
        r#"{"id": 1, "scores": {"x": {"value": NaN, "explanation": "é"}, "y": {"value": 1}}}"#;
    let outcome = finite::outcome::<InspectFormat>(Some(HEADER), nan).unwrap();
    assert_eq!((outcome.headline.as_deref(), outcome.headline_value()), (Some("x"), None));
    assert_eq!(slice(nan, outcome.scores[0].explanation), Some(json!("é")));
    let warned = [("/scores", codes::SCORE_MISSING), ("/scores/x/value", codes::NOT_FINITE)];
    assert_eq!(warnings(&outcome), warned);
}

#[test]
fn the_members_of_old_logs_are_read() {
    let text = json!({"id": 1, "epoch": 1, "input": "x", "score": {"value": "P"},
        "transcript": {"events": [{"timestamp": "2024-07-01T10:00:00+02:00"}, {},
            {"timestamp": "2024-07-01T10:00:02+02:00"}], "content": {}}})
    .to_string();
    let outcome = accepted(&text);
    assert_eq!(scores(&outcome), [("score", 0.5)]);
    assert_eq!(outcome.headline_value(), Some(0.5));
    assert_eq!(slice(&text, outcome.dimensions), Some(json!({"value": "P"})));
    assert_eq!((outcome.event_count, outcome.execution_time_ms), (3, 2_000.0));
    // Inspect names the score after the log's scorer.
    let header = header_with(&json!({"accuracy": {"name": "accuracy"}}), &json!({}));
    for members in [
        json!({"scores": null, "score": {"value": "P"}}),
        json!({"scores": {"88F74D2C": {"value": "P"}}}),
    ] {
        let found = InspectFormat::outcome(Some(&header), &sample(&members)).unwrap();
        assert_eq!((scores(&found), found.headline.as_deref()), (vec![("x", 0.5)], Some("x")));
    }
    assert_eq!(outcome.execution_time.as_deref(), Some("2024-07-01T08:00:00.000000Z"));
    assert_eq!(outcome.warnings, []);
}

/// If two scorers produce the same name, it has one score: the last.
#[test]
fn a_dimension_of_two_scorers_occurs_once() {
    let outcome =
        accepted(&sample(&json!({"scores": {"a": {"value": {"b": 1}}, "a/b": {"value": 0}}})));
    assert_eq!(scores(&outcome), [("a/b", 0.0)]);
    assert_eq!(outcome.headline, None);
}
