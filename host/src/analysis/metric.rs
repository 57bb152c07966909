//! The definition of the metric that is compared.

use serde::{Deserialize, Serialize};

use super::run::{Run, Trial};
use crate::store::MetricKind;

/// The definition of a metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// The name, as in the scores of results.
    pub name: String,
    /// The unit, such as `seconds`.
    pub unit: Option<String>,
    /// The lowest possible value.
    pub lowest: Option<f64>,
    /// The highest possible value.
    pub highest: Option<f64>,
    /// Whether a higher value is better.
    pub higher_is_better: bool,
    /// What the values are; `None` if nothing defines it.
    pub kind: Option<MetricKind>,
    /// A trial passes if its score reaches this value in the metric's direction.
    pub pass_threshold: Option<f64>,
}

impl Metric {
    /// Returns a metric of values that are 0 or 1, of which 1 is better.
    pub fn binary(name: &str) -> Self {
        Metric { kind: Some(MetricKind::Binary), ..Metric::number(name) }
    }

    /// Returns a metric of values from 0 to 1, of which higher ones are better.
    pub fn fraction(name: &str) -> Self {
        Metric { kind: Some(MetricKind::Fraction), ..Metric::number(name) }
    }

    /// Returns a metric of numbers without a known range, of which higher ones are better.
    pub fn number(name: &str) -> Self {
        Metric {
            name: name.to_owned(),
            unit: None,
            lowest: None,
            highest: None,
            higher_is_better: true,
            kind: Some(MetricKind::Number),
            pass_threshold: None,
        }
    }

    /// Returns the metric with a kind: the declared one, or else binary if each score of the runs is 0 or 1,
    /// and otherwise number.
    #[must_use]
    pub fn with_kind_of<'a>(&self, runs: impl IntoIterator<Item = &'a Run>) -> Self {
        let kind = self.kind.unwrap_or_else(|| {
            let scenarios = runs.into_iter().flat_map(|run| &run.scenarios);
            let trials = scenarios.flat_map(|scenario| &scenario.trials);
            let mut scores = trials.filter_map(Trial::counted_score).peekable();
            let is_scored = scores.peek().is_some();
            match is_scored && scores.all(|score| score == 0.0 || score == 1.0) {
                true => MetricKind::Binary,
                false => MetricKind::Number,
            }
        });
        Metric { kind: Some(kind), ..self.clone() }
    }

    /// Returns the value that a trial has to reach to pass: the declared one; of binary metrics without one,
    /// the better of 0 and 1; `None` for other metrics.
    pub fn threshold(&self) -> Option<f64> {
        let is_binary = self.kind == Some(MetricKind::Binary);
        let better = if self.higher_is_better { 1.0 } else { 0.0 };
        self.pass_threshold.or(is_binary.then_some(better)).filter(|value| value.is_finite())
    }

    /// Returns whether a trial with a score passes; `None` if the metric has no threshold.
    pub fn passes(&self, score: f64) -> Option<bool> {
        let threshold = self.threshold()?;
        Some(if self.higher_is_better { score >= threshold } else { score <= threshold })
    }

    /// Returns the lowest and the highest possible value, if both are known: 0 and 1 of binary metrics and of
    /// fractions that define no other.
    pub fn range(&self) -> Option<(f64, f64)> {
        let is_unit = matches!(self.kind, Some(MetricKind::Binary | MetricKind::Fraction));
        let bound = |declared: Option<f64>, default| declared.or(is_unit.then_some(default));
        let lowest = bound(self.lowest, 0.0).filter(|value| value.is_finite())?;
        let highest = bound(self.highest, 1.0).filter(|value| value.is_finite())?;
        (lowest < highest).then_some((lowest, highest))
    }

    /// Returns the score of a trial without one under [`NotScoredPolicy::Zero`](super::NotScoredPolicy::Zero).
    ///
    /// It is 0, or the lowest possible value if that is above 0. If lower is better, 0 would be the best score,
    /// and the highest possible value counts instead; `None` if that is unknown.
    pub fn not_scored_value(&self) -> Option<f64> {
        match self.higher_is_better {
            true => Some(self.lowest.map_or(0.0, |lowest| lowest.max(0.0))),
            false => self.range().map(|(_, highest)| highest).or(self.highest),
        }
    }

    /// Returns 1 if higher is better, and -1 otherwise.
    pub(super) fn direction(&self) -> f64 {
        if self.higher_is_better { 1.0 } else { -1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_is_reached_in_the_direction_of_the_metric() {
        let mut metric = Metric::number("seconds");
        assert_eq!(metric.passes(3.0), None);
        metric.pass_threshold = Some(2.0);
        assert_eq!(metric.passes(2.0), Some(true));
        metric.higher_is_better = false;
        assert_eq!((metric.passes(2.0), metric.passes(2.1)), (Some(true), Some(false)));
        let errors = Metric { higher_is_better: false, ..Metric::binary("error") };
        assert_eq!((errors.passes(0.0), errors.passes(1.0)), (Some(true), Some(false)));
        assert_eq!(Metric::fraction("share").threshold(), None);
    }

    #[test]
    fn what_has_no_score_never_counts_as_the_best() {
        assert_eq!(Metric::binary("correct").not_scored_value(), Some(0.0));
        let stars = Metric { lowest: Some(1.0), highest: Some(5.0), ..Metric::number("stars") };
        assert_eq!(stars.not_scored_value(), Some(1.0));
        let seconds = Metric { higher_is_better: false, ..Metric::number("seconds") };
        assert_eq!(seconds.not_scored_value(), None);
        let error = Metric { higher_is_better: false, ..Metric::binary("error") };
        assert_eq!(error.not_scored_value(), Some(1.0));
    }
}
