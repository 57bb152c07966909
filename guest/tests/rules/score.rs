//! The reliability score, its scale, its grade and its dimensions.

use super::*;

/// No number is put on another scale, and none is taken for a percentage.
#[test]
fn a_score_without_a_scale_is_any_number() {
    for (text, expected) in [
        ("0", 0.0),
        ("-0", 0.0),
        ("-0.0", 0.0),
        ("0.5", 0.5),
        ("1", 1.0),
        ("1.0", 1.0),
        ("1.5", 1.5),
        ("85", 85.0),
        ("85.0", 85.0),
        ("1e2", 100.0),
        ("1E+1", 10.0),
        ("100.5", 100.5),
        ("-1", -1.0),
        ("-1e-9", -1e-9),
        ("1e300", 1e300),
        ("0.1234567890123456789", 0.123_456_789_012_345_68),
    ] {
        for score in [text.to_owned(), format!(r#"{{"overall_score": {text}}}"#)] {
            let outcome = accepted(&with_score(&score));
            assert_eq!(outcome.headline.as_deref(), Some("reliability_score"));
            assert_eq!(outcome.headline_value(), Some(expected), "{score}");
            let [found] = &outcome.scores[..] else { panic!("{:?}", outcome.scores) };
            assert_eq!((&found.label, found.lowest, found.highest), (&None, None, None));
            assert_eq!(found.value.unwrap().is_sign_negative(), expected < 0.0, "{score}");
            assert_eq!(outcome.warnings, [], "{score}");
        }
        let dimension = format!(r#"{{"overall_score": 1, "dimension_scores": {{"d": {text}}}}}"#);
        let outcome = accepted(&with_score(&dimension));
        assert_eq!(scores(&outcome), [("reliability_score", 1.0), ("d", expected)]);
    }
}

#[test]
fn the_scores_of_a_judge_from_1_to_5_are_unchanged() {
    let bytes = fixture("formats/native/judge-1-to-5.jsonl");
    let found: Vec<_> = lines(&bytes)
        .into_iter()
        .map(|line| accepted(std::str::from_utf8(line).unwrap()))
        .map(|outcome| (outcome.headline_value(), outcome.scores[0].highest, outcome.warnings))
        .collect();
    let expected = [1.0, 2.0, 4.0, 5.0].map(|score| (Some(score), None, Vec::new()));
    assert_eq!(found, expected);
}

#[test]
fn no_finite_number_is_refused() {
    for (text, code) in [
        ("1e999", codes::OUT_OF_RANGE),
        ("-1e999", codes::OUT_OF_RANGE),
        (r#""0.9""#, codes::WRONG_TYPE),
        ("true", codes::WRONG_TYPE),
        ("[0.9]", codes::WRONG_TYPE),
    ] {
        check_rejected(&with_score(text), "/reliability_score", code);
        check_rejected(
            &with_score(&format!(r#"{{"overall_score": {text}}}"#)),
            "/reliability_score/overall_score",
            code,
        );
        check_rejected(
            &with_score(&format!(r#"{{"overall_score": 1, "dimension_scores": {{"d": {text}}}}}"#)),
            "/reliability_score/dimension_scores/d",
            code,
        );
    }
}

#[test]
fn a_missing_score_is_absent_with_a_warning() {
    for (score, path) in [
        ("null", "/reliability_score"),
        ("{}", "/reliability_score/overall_score"),
        (r#"{"overall_score": null, "grade": "A"}"#, "/reliability_score/overall_score"),
        (r#"{"dimension_scores": {"a": 1}}"#, "/reliability_score/overall_score"),
    ] {
        let outcome = accepted(&with_score(score));
        // A dimension is never taken for the overall score.
        assert_eq!((&outcome.headline, outcome.headline_value()), (&None, None));
        assert_eq!(warnings(&outcome), [(path, codes::SCORE_MISSING)]);
    }
}

#[test]
fn a_declared_scale_is_the_range_and_changes_no_score() {
    for (scale, text) in [
        ("10", "8.5"),
        ("10", "0.5"),
        ("10", "10"),
        ("100", "0.5"),
        ("100", "1"),
        ("1000", "850"),
        ("1", "1"),
        ("0.5", "0.25"),
        ("5", "-0"),
    ] {
        let [highest, value] = [scale, text].map(|text| text.parse::<f64>().unwrap() + 0.0);
        // The scale can be before or after the score.
        for document in [
            format!(
                r#"{{"scale": {scale}, "overall_score": {text}, "dimension_scores": {{"d": {text}}}}}"#
            ),
            format!(
                r#"{{"dimension_scores": {{"d": {text}}}, "overall_score": {text}, "scale": {scale}}}"#
            ),
        ] {
            let outcome = accepted(&with_score(&document));
            assert_eq!(scores(&outcome), [("reliability_score", value), ("d", value)]);
            for score in &outcome.scores {
                assert_eq!((score.lowest, score.highest), (Some(0.0), Some(highest)));
            }
        }
    }
    let outcome = accepted(&with_score(r#"{"scale": null, "overall_score": 85}"#));
    assert_eq!((outcome.headline_value(), outcome.scores[0].highest), (Some(85.0), None));
}

#[test]
fn above_a_declared_scale_is_refused() {
    for (scale, text) in [("10", "10.5"), ("1", "85"), ("10", "-1"), ("1000", "1001")] {
        let score = format!(
            r#"{{"scale": {scale}, "overall_score": {text}, "dimension_scores": {{"d": {text}}}}}"#
        );
        assert_eq!(
            rejected(&with_score(&score)),
            [
                ("/reliability_score/dimension_scores/d".to_owned(), codes::OUT_OF_RANGE),
                ("/reliability_score/overall_score".to_owned(), codes::OUT_OF_RANGE)
            ]
        );
    }
}

#[test]
fn a_scale_is_a_positive_number() {
    for (scale, code) in [
        ("0", codes::OUT_OF_RANGE),
        ("-10", codes::OUT_OF_RANGE),
        ("1e999", codes::OUT_OF_RANGE),
        (r#""10""#, codes::WRONG_TYPE),
        ("true", codes::WRONG_TYPE),
    ] {
        check_rejected(
            &with_score(&format!(r#"{{"overall_score": 0.5, "scale": {scale}}}"#)),
            "/reliability_score/scale",
            code,
        );
    }
}

#[test]
fn dimensions_keep_their_order_and_names() {
    let outcome = accepted(&with_score(
        r#"{"overall_score": 1, "dimension_scores": {"z": 1, "a": 0.5, "b": null, "t\u006fol/~": 50, "a ": 0.25}}"#,
    ));
    assert_eq!(
        scores(&outcome),
        [("reliability_score", 1.0), ("z", 1.0), ("a", 0.5), ("tool/~", 50.0), ("a ", 0.25)]
    );
}

/// The name of a score is unique in the result, and not empty.
#[test]
fn a_dimension_with_the_name_of_the_overall_score_is_renamed() {
    let named = |dimensions: &str| {
        let score = format!(r#"{{"overall_score": 9, "dimension_scores": {dimensions}}}"#);
        let outcome = accepted(&with_score(&score));
        assert_eq!(outcome.headline_value(), Some(9.0));
        outcome.scores.into_iter().skip(1).map(|each| each.name).collect::<Vec<_>>()
    };
    assert_eq!(
        named(r#"{"reliability_score": 1, "": 2}"#),
        ["dimension_scores/reliability_score", "dimension_scores/"]
    );
    assert_eq!(
        named(r#"{"dimension_scores/reliability_score": 1, "reliability_score": 2}"#),
        [
            "dimension_scores/reliability_score",
            "dimension_scores/dimension_scores/reliability_score"
        ]
    );
}

#[test]
fn the_name_of_a_dimension_is_escaped_in_its_path() {
    check_rejected(
        &with_score(r#"{"overall_score": 1, "dimension_scores": {"a/b~c": true}}"#),
        "/reliability_score/dimension_scores/a~1b~0c",
        codes::WRONG_TYPE,
    );
}

#[test]
fn a_grade_is_text() {
    assert_eq!(
        accepted(&with_score(r#"{"overall_score": 1, "grade": "A+ 👍"}"#)).grade.as_deref(),
        Some("A+ 👍")
    );
    check_rejected(
        &with_score(r#"{"overall_score": 1, "grade": 1}"#),
        "/reliability_score/grade",
        codes::WRONG_TYPE,
    );
}
