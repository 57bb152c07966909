//! Documents that contain `NaN`, `Infinity` or `-Infinity`, which some tools write as numbers
//! although JSON does not have them (Python's `json` does so by default).
//!
//! Such a document is read with `null` in their places, which means absent, and the outcome has a
//! warning. The document itself is stored unchanged, so the spans of the outcome are converted to
//! positions in the original text.

use std::borrow::Cow;

use crate::answer::{Outcome, PlannedScenario, Scenario, Score, Span, SuiteSummary, Violation};
use crate::format::Format;
use crate::{codes, syntax};

/// The text that replaces a number that is not finite.
const NULL: &str = "null";

/// The numbers that JSON does not have.
const WORDS: [&str; 2] = ["NaN", "Infinity"];

/// [`Format::outcome`], also for documents with numbers that are not finite.
///
/// # Errors
/// Every violation found.
pub fn outcome<F: Format>(header: Option<&str>, item: &str) -> Result<Outcome, Vec<Violation>> {
    match F::outcome(header, item) {
        Err(violations) if has_not_finite(&violations) => {
            let replaced = Replaced::read(item);
            let outcome = F::outcome(header, &replaced.text)?;
            Ok(replaced.restore(item, outcome))
        }
        answer => answer,
    }
}

/// [`Format::scenario`], also for documents with numbers that are not finite.
///
/// # Errors
/// Every violation found in that part of the result.
pub fn scenario<F: Format>(
    header: Option<&str>,
    item: &str,
) -> Result<PlannedScenario, Vec<Violation>> {
    match F::scenario(header, item) {
        Err(violations) if has_not_finite(&violations) => {
            let replaced = Replaced::read(item);
            let mut planned = F::scenario(header, &replaced.text)?;
            replaced.restore_scenario(&mut planned.scenario);
            Ok(planned)
        }
        answer => answer,
    }
}

/// [`Format::suite`], also for headers with numbers that are not finite.
///
/// # Errors
/// Every violation found.
pub fn suite<F: Format>(header: &str) -> Result<SuiteSummary, Vec<Violation>> {
    match F::suite(header) {
        Err(violations) if has_not_finite(&violations) => {
            let replaced = Replaced::read(header);
            let mut summary = F::suite(&replaced.text)?;
            summary.warnings.extend(replaced.warning(header));
            Ok(summary)
        }
        answer => answer,
    }
}

fn has_not_finite(violations: &[Violation]) -> bool {
    violations.iter().any(|violation| violation.code == codes::NOT_A_JSON_NUMBER)
}

/// Replaces `NaN` and infinities by `null`.
pub fn with_null_for_nan(text: &str) -> Cow<'_, str> {
    Replaced::read(text).text
}

/// A text with `null` in the places of numbers that are not finite.
struct Replaced<'t> {
    text: Cow<'t, str>,
    /// The ends of the replaced numbers, in the original text and in the new one.
    ends: Vec<(usize, usize)>,
    /// The first of the numbers, and its position in the original text.
    first: Option<(&'t str, usize)>,
}

impl<'t> Replaced<'t> {
    fn read(text: &'t str) -> Self {
        let mut clean = String::new();
        let (mut kept, mut position) = (0, 0);
        let (mut ends, mut first) = (Vec::new(), None);
        let bytes = text.as_bytes();
        while let Some(found) =
            bytes.get(position..).and_then(|rest| memchr::memchr3(b'"', b'N', b'I', rest))
        {
            let at = position + found;
            position = at + 1;
            if bytes.get(at) == Some(&b'"') {
                position = (syntax::string_end(bytes, at + 1) + 1).min(bytes.len());
                continue;
            }
            let rest = text.get(at..).unwrap_or_default();
            let Some(word) = WORDS.into_iter().find(|word| rest.starts_with(word)) else {
                continue;
            };
            let before = text.get(kept..at).unwrap_or_default();
            let unsigned = before.strip_suffix('-').unwrap_or(before);
            let start = kept + unsigned.len();
            position = at + word.len();
            first.get_or_insert((text.get(start..position).unwrap_or(word), start));
            clean.push_str(unsigned);
            clean.push_str(NULL);
            kept = position;
            ends.push((position, clean.len()));
        }
        if ends.is_empty() {
            return Replaced { text: Cow::Borrowed(text), ends, first };
        }
        clean.push_str(text.get(kept..).unwrap_or_default());
        Replaced { text: Cow::Owned(clean), ends, first }
    }

    /// Converts an outcome to positions in the original text, and adds the warning.
    fn restore(&self, original: &str, mut outcome: Outcome) -> Outcome {
        let Outcome { scenario, scores, trajectory, detailed_trajectory, dimensions, .. } =
            &mut outcome;
        self.restore_scenario(scenario);
        let explanations = scores.iter_mut().map(|Score { explanation, .. }| explanation);
        for span in [trajectory, detailed_trajectory, dimensions].into_iter().chain(explanations) {
            *span = span.map(|span| self.original_span(span));
        }
        outcome.warnings.extend(self.warning(original));
        outcome
    }

    /// Returns the warning about the replaced numbers; `None` without any.
    fn warning(&self, original: &str) -> Option<Violation> {
        let (number, at) = self.first?;
        let others = match self.ends.len() {
            1 => String::new(),
            count => format!(", and {} other numbers that are not finite", count - 1),
        };
        Some(Violation {
            path: syntax::pointer_at(original, at),
            code: codes::NOT_FINITE,
            message: format!("{number} is read as absent{others}; the document is unchanged"),
        })
    }

    fn restore_scenario(&self, scenario: &mut Scenario) {
        scenario.definition = scenario.definition.map(|span| self.original_span(span));
    }

    fn original_span(&self, span: Span) -> Span {
        let start = self.original(span.offset);
        Span { offset: start, length: self.original(span.offset + span.length) - start }
    }

    /// Returns the position in the original text of a position outside the replaced numbers.
    fn original(&self, position: u32) -> u32 {
        let position = position as usize;
        let before = self.ends.partition_point(|(_, end)| *end <= position);
        let last = before.checked_sub(1).and_then(|last| self.ends.get(last));
        let original = last.map_or(position, |(original, end)| position - end + original);
        // A document is far shorter than 4 GiB.
        u32::try_from(original).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::OutcomeStatus;

    /// Returns the trajectory and every member's text of a document.
    struct Whole;

    impl Format for Whole {
        const NAME: &'static str = "whole";
        const VERSION: &'static str = "1.0.0";
        const AUTHORS: &'static str = "";
        const DESCRIPTION: &'static str = "";

        fn detect(_: &str, _: &[u8]) -> Option<crate::Layout> {
            None
        }

        fn outcome(_: Option<&str>, item: &str) -> Result<Outcome, Vec<Violation>> {
            let (mut reader, root) = crate::json::Reader::new(item)?;
            let answer = reader.root(root, ["trajectory", "text"]).map(|[trajectory, text]| {
                let mut score = Score::new("text", None);
                score.explanation = text.and_then(|text| reader.span(text));
                Outcome {
                    trajectory: trajectory.and_then(|value| reader.span(value)),
                    scores: vec![score],
                    ..Outcome::new(
                        Scenario {
                            id: "a".to_owned(),
                            name: None,
                            task_prompt: None,
                            definition: None,
                        },
                        OutcomeStatus::Success,
                    )
                }
            });
            reader.finish_outcome(answer)
        }

        fn scenario(_: Option<&str>, _: &str) -> Result<PlannedScenario, Vec<Violation>> {
            Err(Vec::new())
        }

        fn suite(header: &str) -> Result<SuiteSummary, Vec<Violation>> {
            let (mut reader, root) = crate::json::Reader::new(header)?;
            let answer = reader.root(root, ["cost"]).map(|[cost]| SuiteSummary {
                total_cost_usd: cost.and_then(crate::json::Value::number),
                ..SuiteSummary::default()
            });
            reader.finish_suite(answer)
        }
    }

    #[test]
    fn spans_are_those_of_the_unchanged_document() {
        let item = r#"{"a": [NaN, "NaN é", -Infinity], "trajectory": {"x": Infinity}, "b": NaN, "text": "NaN"}"#;
        let outcome = outcome::<Whole>(None, item).unwrap();
        let part = |span: Option<Span>| {
            let span = span.unwrap();
            &item[span.offset as usize..][..span.length as usize]
        };
        assert_eq!(part(outcome.trajectory), r#"{"x": Infinity}"#);
        assert_eq!(part(outcome.scores[0].explanation), r#""NaN""#);
        assert_eq!(outcome.warnings.len(), 1);
        assert_eq!(outcome.warnings[0].path, "/a/0");
        assert!(outcome.warnings[0].message.contains("3 other"), "{:?}", outcome.warnings);
    }

    #[test]
    fn a_header_with_such_numbers_is_read() {
        let summary = suite::<Whole>(r#"{"cost": 2, "mean": {"a": [NaN]}}"#).unwrap();
        assert_eq!(summary.total_cost_usd, Some(2.0));
        let found: Vec<_> =
            summary.warnings.iter().map(|warning| (&*warning.path, warning.code)).collect();
        assert_eq!(found, [("/mean/a/0", codes::NOT_FINITE)]);
        assert_eq!(suite::<Whole>(r#"{"cost": NaN}"#).unwrap().total_cost_usd, None);
        assert!(suite::<Whole>(r#"{"cost": 1}"#).unwrap().warnings.is_empty());
        assert!(suite::<Whole>(r#"{"cost": NaN, }"#).is_err());
    }

    #[test]
    fn other_text_that_is_not_json_is_still_refused() {
        for item in [r#"{"a": NaN, "b": nothing}"#, r#"{"a": NaNs}"#, r#"{"a": Infinit}"#] {
            assert!(outcome::<Whole>(None, item).is_err(), "{item}");
        }
    }

    #[test]
    fn strings_are_unchanged() {
        let text = r#"{"NaN": "Infinity \" NaN", "b": -Infinity}"#;
        assert_eq!(with_null_for_nan(text), r#"{"NaN": "Infinity \" NaN", "b": null}"#);
        assert!(matches!(with_null_for_nan("{\"N\": \"I\"}"), Cow::Borrowed(_)));
    }
}
