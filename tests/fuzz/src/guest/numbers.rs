//! Numbers are read as exactly the double that was written.

use arc_extractor::{extract_json, extract_outcome, extract_suite};
use serde_json::Value;

/// The input is the text of a number in JSON; otherwise it has the bits of a double.
pub(super) fn numbers(input: &[u8]) {
    let text = std::str::from_utf8(input).ok().map(str::trim_ascii).filter(|text| is_number(text));
    if let Some(text) = text {
        reads(text, text.parse().expect("a number of JSON is one of Rust"));
    }
    let mut bits = [0; 8];
    input.iter().take(8).enumerate().for_each(|(index, byte)| bits[index] = *byte);
    let number = f64::from_le_bytes(bits);
    if number.is_finite() {
        for text in [format!("{number:?}"), format!("{number:e}"), format!("{number:.20e}")] {
            reads(&text, number);
        }
        // All of its digits: up to 1,100.
        reads(&format!("{number:.1080}"), number);
    }
}

/// Returns whether this is a number as RFC 8259 defines it, in any range.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (number, None),
    };
    let unsigned = |text: &str| digits(text.strip_prefix(['+', '-']).unwrap_or(text));
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(unsigned)
}

/// Checks that the number is read as this double in every member, or refused for its range.
fn reads(text: &str, number: f64) {
    let document = |score: &str, seconds: &str, cost: &str| {
        format!(
            r#"{{"scenario":{{"id":"a"}},"reliability_score":{score},"trajectory":{{"status":"success",
            "execution_time_seconds":{seconds},"token_usage":{{"total_cost":{cost}}}}}}}"#
        )
    };
    let amount = number.is_finite() && number >= 0.0;

    let cost = document("1", "1", text);
    let outcome = extract_outcome(&cost);
    assert_eq!(outcome.as_ref().ok().map(|outcome| outcome.cost_usd), amount.then_some(number));
    // The answer as text has the same number.
    let verdict: Value = serde_json::from_str(&extract_json(&cost)).unwrap();
    assert_eq!(verdict["outcome"]["cost_usd"].as_f64(), amount.then_some(number), "{text}");

    let score = extract_outcome(&document(text, "1", "1")).ok();
    let score = score.map(|outcome| outcome.headline_value().expect("it has one"));
    // Every score is unchanged; -0 is 0.
    let expected = number.is_finite().then_some(number + 0.0);
    assert_eq!(score, expected, "{text}");

    let time = extract_outcome(&document("1", text, "1")).ok();
    let time = time.map(|outcome| outcome.execution_time_ms);
    let milliseconds = number * 1_000.0;
    assert_eq!(time.is_some(), amount && milliseconds.is_finite(), "{text}");
    if let Some(time) = time {
        // Rounded to a nanosecond; the difference is at most that, or the precision of a double.
        let apart = (time - milliseconds).abs();
        assert!(apart <= 1e-6_f64.max(milliseconds * f64::EPSILON), "{text}: {time}");
    }

    let suite = extract_suite(&format!(r#"{{"total_cost_usd":{text}}}"#)).ok();
    assert_eq!(suite.map(|suite| suite.total_cost_usd), amount.then_some(Some(number)), "{text}");
}
