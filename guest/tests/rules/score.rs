//! The reliability score, its scale, its grade and its dimensions.

use super::*;

#[test]
fn up_to_one_stays_and_above_is_a_percentage() {
    for (text, expected) in [
        ("0", 0.0),
        ("-0", 0.0),
        ("-0.0", 0.0),
        ("0.5", 0.5),
        ("1", 1.0),
        ("1.0", 1.0),
        ("1.5", 0.015),
        ("85", 0.85),
        ("85.0", 0.85),
        ("1e2", 1.0),
        ("1E+1", 0.1),
        ("100", 1.0),
        ("0.1234567890123456789", 0.123_456_789_012_345_68),
    ] {
        for score in [text.to_owned(), format!(r#"{{"overall_score": {text}}}"#)] {
            let outcome = accepted(&with_score(&score));
            assert_eq!(outcome.reliability_score, Some(expected), "{score}");
            assert!(outcome.reliability_score.unwrap().is_sign_positive(), "{score}");
            assert_eq!(outcome.warnings, [], "{score}");
        }
        let dimension = format!(r#"{{"overall_score": 1, "dimension_scores": {{"d": {text}}}}}"#);
        assert_eq!(accepted(&with_score(&dimension)).dimension_scores[0].score, expected);
    }
}

#[test]
fn outside_of_that_or_no_number_is_refused() {
    for (text, code) in [
        ("-0.1", codes::OUT_OF_RANGE),
        ("-1e-9", codes::OUT_OF_RANGE),
        ("100.5", codes::OUT_OF_RANGE),
        ("1000", codes::OUT_OF_RANGE),
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
fn a_missing_score_is_null_with_a_warning() {
    for (score, path) in [
        ("null", "/reliability_score"),
        ("{}", "/reliability_score/overall_score"),
        (r#"{"overall_score": null, "grade": "A"}"#, "/reliability_score/overall_score"),
        (r#"{"dimension_scores": {"a": 1}}"#, "/reliability_score/overall_score"),
    ] {
        let outcome = accepted(&with_score(score));
        assert_eq!(outcome.reliability_score, None);
        assert_eq!(warnings(&outcome), [(path, codes::SCORE_MISSING)]);
    }
}

#[test]
fn a_declared_scale_beats_the_guess() {
    for (scale, text, expected) in [
        ("10", "8.5", 0.85),
        ("10", "0.5", 0.05),
        ("10", "10", 1.0),
        ("100", "0.5", 0.005),
        ("100", "1", 0.01),
        ("1000", "850", 0.85),
        ("1", "1", 1.0),
        ("0.5", "0.25", 0.5),
        ("5", "-0", 0.0),
    ] {
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
            assert_eq!(outcome.reliability_score, Some(expected), "{document}");
            assert_eq!(outcome.dimension_scores[0].score, expected, "{document}");
        }
    }
    assert_eq!(
        accepted(&with_score(r#"{"scale": null, "overall_score": 85}"#)).reliability_score,
        Some(0.85)
    );
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
        r#"{"overall_score": 1, "dimension_scores": {"z": 1, "a": 0.5, "b": null, "": 0, "t\u006fol/~": 50, "a ": 0.25}}"#,
    ));
    let names: Vec<_> =
        outcome.dimension_scores.iter().map(|each| (each.name.as_str(), each.score)).collect();
    assert_eq!(names, [("z", 1.0), ("a", 0.5), ("", 0.0), ("tool/~", 0.5), ("a ", 0.25)]);
}

#[test]
fn the_name_of_a_dimension_is_escaped_in_its_path() {
    check_rejected(
        &with_score(r#"{"overall_score": 1, "dimension_scores": {"a/b~c": -1}}"#),
        "/reliability_score/dimension_scores/a~1b~0c",
        codes::OUT_OF_RANGE,
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
