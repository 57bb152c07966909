//! A number in a result is read as exactly the double that was written, in any spelling, and is the
//! same in the verdict as JSON text.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "tests fail by panicking"
)]

use arc_extractor::{Outcome, codes, extract_json, extract_outcome};
use proptest::prelude::*;

fn result(score: &str, seconds: &str, cost: &str) -> String {
    format!(
        r#"{{"scenario": {{"id": "s"}}, "reliability_score": {{"overall_score": {score}, "dimension_scores": {{"d": {score}}}}},
            "trajectory": {{"status": "success", "execution_time_seconds": {seconds}, "token_usage": {{"total_cost": {cost}}}}}}}"#
    )
}

fn outcome(document: &str) -> Outcome {
    extract_outcome(document).unwrap_or_else(|found| panic!("{document}: {found:?}"))
}

/// Reads a number in the verdict's JSON, which the standard library parses exactly.
fn written(verdict: &str, member: &str) -> f64 {
    let (_, after) = verdict.split_once(&format!("\"{member}\":")).unwrap();
    let end = after.find([',', '}']).unwrap();
    after[..end].parse().unwrap()
}

/// Returns the spellings with which programs write a double so that it can be read again.
fn spellings(number: f64) -> [String; 5] {
    [
        format!("{number:?}").replace("inf", "1e999"),
        format!("{number:.17e}"),
        format!("{number:.16e}"),
        format!("{number:E}"),
        serde_json::to_string(&number).unwrap(),
    ]
}

/// Returns any finite double that is not negative: any bit pattern.
fn any_amount() -> impl Strategy<Value = f64> {
    any::<u64>()
        .prop_map(|bits| f64::from_bits(bits & (u64::MAX >> 1)))
        .prop_filter("an amount is finite", |number| number.is_finite())
}

/// Returns any finite double; minus zero is read as zero.
fn any_score() -> impl Strategy<Value = f64> {
    let any_sign = (any_amount(), any::<bool>())
        .prop_map(|(amount, negative)| if negative { -amount } else { amount } + 0.0);
    prop_oneof![any_sign, 0.0..=1.0_f64, -100.0..100.0_f64]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_cost_is_the_double_that_was_written(cost in any_amount()) {
        for text in spellings(cost) {
            let document = result("1", "0", &text);
            prop_assert_eq!(outcome(&document).cost_usd.to_bits(), cost.to_bits(), "{}", &text);
            let verdict = extract_json(&document);
            prop_assert_eq!(written(&verdict, "cost_usd").to_bits(), cost.to_bits(), "{}", &text);
        }
    }

    #[test]
    fn a_score_is_the_double_that_was_written(score in any_score()) {
        for text in spellings(score) {
            let document = result(&text, "0", "0");
            let outcome = outcome(&document);
            prop_assert_eq!(outcome.scores.len(), 2);
            for found in &outcome.scores {
                prop_assert_eq!(found.value.map(f64::to_bits), Some(score.to_bits()), "{}", &text);
                prop_assert_eq!((found.lowest, found.highest), (None, None));
            }
            prop_assert_eq!(outcome.headline_value().map(f64::to_bits), Some(score.to_bits()));
            let verdict = extract_json(&document);
            prop_assert_eq!(written(&verdict, "value").to_bits(), score.to_bits());
        }
    }

    /// A declared scale bounds the score, and changes no bit of it.
    #[test]
    fn a_scale_does_not_change_a_score(scale in any_amount(), part in 0.0..=1.0_f64) {
        prop_assume!(scale > 0.0);
        let score = scale * part;
        let document = format!(
            r#"{{"scenario": {{"id": "s"}}, "reliability_score":
                {{"scale": {scale:?}, "overall_score": {score:?}, "dimension_scores": {{"d": {score:?}}}}}}}"#
        );
        for found in outcome(&document).scores {
            prop_assert_eq!(found.value.map(f64::to_bits), Some(score.to_bits()));
            prop_assert_eq!((found.lowest, found.highest), (Some(0.0), Some(scale)));
        }
    }

    /// Durations are written in seconds and stored in milliseconds: the double nearest to the same
    /// number of nanoseconds.
    #[test]
    fn a_duration_has_the_nanoseconds_that_were_written(nanoseconds in 0..1_000_000_000_000_000_u64) {
        let seconds = format!("{}.{:09}", nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
        let milliseconds = format!("{}.{:06}", nanoseconds / 1_000_000, nanoseconds % 1_000_000);
        let milliseconds: f64 = milliseconds.parse().unwrap();
        let document = result("1", &seconds, "0");
        prop_assert_eq!(outcome(&document).execution_time_ms.to_bits(), milliseconds.to_bits());
        let verdict = extract_json(&document);
        prop_assert_eq!(written(&verdict, "execution_time_ms").to_bits(), milliseconds.to_bits());
    }
}

/// Shortest spellings that fast parsers of floats read wrong by one bit.
#[test]
fn the_last_bit_is_read() {
    for text in [
        "0.30000000000000004",
        "1.7976931348623157e308",
        "5e-324",
        "2.2250738585072014e-308",
        "9007199254740993.0000000001",
        "0.000000000000000000000000012345678901234567",
        "12345678901234567890.12345",
        "8.41e21",
        "0.8512345678901233",
    ] {
        let expected: f64 = text.parse().unwrap();
        let found = outcome(&result("1", "0", text)).cost_usd;
        assert_eq!(found.to_bits(), expected.to_bits(), "{text}");
    }
}

/// A verdict stays small for any number of problems: a document of 16 MiB can have a million
/// invalid scores.
#[test]
fn of_very_many_violations_the_first_are_reported() {
    let wrong: Vec<String> = (0..300_000).map(|index| format!(r#""d{index}": "x""#)).collect();
    let document = format!(
        r#"{{"scenario": {{"id": "s"}}, "reliability_score": {{"overall_score": 1, "dimension_scores": {{{}}}}}}}"#,
        wrong.join(", ")
    );
    let violations = extract_outcome(&document).unwrap_err();
    assert_eq!(violations.len(), 1_001);
    let last = violations.last().unwrap();
    assert_eq!((last.code, last.path.as_str()), (codes::MORE_FOUND, ""));
    assert_eq!(last.message, "299000 more were found; the first 1000 are reported");
    assert!(extract_json(&document).len() < 200_000);
}

#[test]
fn of_very_many_scores_the_first_are_extracted() {
    let many: Vec<String> = (0..300_000).map(|index| format!(r#""d{index}": 1"#)).collect();
    let document = format!(
        r#"{{"scenario": {{"id": "s"}}, "trajectory": {{"status": "success"}}, "reliability_score":
            {{"overall_score": 0.5, "dimension_scores": {{{}}}}}}}"#,
        many.join(", ")
    );
    let outcome = extract_outcome(&document).unwrap();
    assert_eq!(outcome.scores.len(), 100_000);
    assert_eq!(outcome.scores[0].value, Some(0.5));
    let warnings: Vec<&str> = outcome.warnings.iter().map(|warning| warning.code).collect();
    assert_eq!(warnings, [codes::SCORES_OMITTED]);
}
