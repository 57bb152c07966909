//! `NaN`, `Infinity` and `-Infinity`, which many programs write as numbers although JSON does not
//! have them: the value is absent, and the result is not lost.

use super::*;

const WORDS: [&str; 3] = ["NaN", "Infinity", "-Infinity"];

#[test]
fn a_score_that_is_not_finite_is_absent() {
    for number in WORDS {
        for (score, path) in [
            (number.to_owned(), "/reliability_score"),
            (format!(r#"{{"overall_score": {number}}}"#), "/reliability_score/overall_score"),
        ] {
            let outcome = accepted(&with_score(&score));
            assert_eq!((&outcome.scores[..], &outcome.headline), (&[][..], &None), "{score}");
            assert_eq!(
                warnings(&outcome),
                [(path, codes::NOT_FINITE), (path, codes::SCORE_MISSING)],
                "{score}"
            );
        }
        let document = with_score(&format!(
            r#"{{"overall_score": 1, "dimension_scores": {{"a": {number}, "b": 2, "c": {number}}}}}"#
        ));
        let outcome = accepted(&document);
        assert_eq!(scores(&outcome), [("reliability_score", 1.0), ("b", 2.0)]);
        assert_eq!(
            warnings(&outcome),
            [("/reliability_score/dimension_scores/a", codes::NOT_FINITE)]
        );
        // Spans are those of the unchanged document.
        let dimensions = format!(r#"{{"a": {number}, "b": 2, "c": {number}}}"#);
        assert_eq!(slice(&document, outcome.dimensions), Some(dimensions.as_str()));
    }
}

#[test]
fn any_other_number_that_is_not_finite_is_absent() {
    for number in WORDS {
        let outcome = accepted(&with_trajectory(&format!(
            r#""execution_time_seconds": {number}, "full_trajectory": [{{"logprob": {number}}}],
               "token_usage": {{"total_tokens": {number}, "prompt_tokens": 3, "total_cost": {number}}}"#
        )));
        assert_eq!(outcome.execution_time_ms, 0.0);
        assert_eq!((outcome.tokens_used, outcome.cost_usd, outcome.event_count), (3.0, 0.0, 1));
        assert_eq!(warnings(&outcome), [("/trajectory/execution_time_seconds", codes::NOT_FINITE)]);
        // A scale that is absent is not declared.
        let outcome =
            accepted(&with_score(&format!(r#"{{"overall_score": 7, "scale": {number}}}"#)));
        assert_eq!((outcome.headline_value(), outcome.scores[0].highest), (Some(7.0), None));
    }
}

#[test]
fn the_scenario_of_such_a_result_is_read() {
    let definition = r#"{"id": "s", "weight": NaN}"#;
    let document =
        format!(r#"{{"x": -Infinity, "scenario": {definition}, "recording": {{"trial": 2}}}}"#);
    let planned = extract_scenario(&document).unwrap();
    assert_eq!((planned.scenario.id.as_str(), planned.trial), ("s", Some(2)));
    assert_eq!(slice(&document, planned.scenario.definition), Some(definition));
    let outcome = accepted(&document);
    assert_eq!((outcome.scenario, outcome.trial), (planned.scenario, planned.trial));
}

#[test]
fn the_verdict_as_json_is_the_same() {
    for document in [
        with_score("NaN"),
        with_score(r#"{"overall_score": Infinity, "grade": 1}"#),
        with_members(r#""x": [NaN, "NaN", -Infinity]"#),
        "NaN".to_owned(),
    ] {
        as_json::check(&document);
    }
}

#[test]
fn a_suite_with_such_a_figure_has_the_others() {
    let suite =
        extract_suite(r#"{"average_reliability_score": NaN, "total_cost_usd": 2, "x": [NaN]}"#)
            .unwrap();
    assert_eq!((suite.average_reliability_score, suite.total_cost_usd), (None, Some(2.0)));
    assert_eq!(
        places(suite.warnings),
        [("/average_reliability_score".to_owned(), codes::NOT_FINITE)]
    );
}
