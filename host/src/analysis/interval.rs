//! Intervals.

use serde::Serialize;

/// The part of all intervals that contain the true value.
pub const LEVEL: f64 = 0.95;

/// How an interval is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IntervalMethod {
    /// Wilson's score interval with the effective number of results.
    Wilson,
    /// Student's t distribution.
    StudentT,
    /// All values are the same, which is the interval too.
    Exact,
}

/// A two-sided interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// The lower bound.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
    /// The part of all such intervals that contain the true value.
    pub level: f64,
    /// How it is computed.
    pub method: IntervalMethod,
    /// The degrees of freedom of Student's t distribution; `None` for the normal one.
    pub degrees_of_freedom: Option<f64>,
    /// Whether it can contain the true value less often than `level`, because there are too few scenarios, or
    /// too few that differ, or because the values are skewed.
    pub is_approximate: bool,
    /// Whether the run is still running.
    pub is_interim: bool,
}

impl Interval {
    /// Returns half of the width.
    pub fn half_width(&self) -> f64 {
        (self.high - self.low) / 2.0
    }

    /// Returns whether it contains a value.
    pub fn contains(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }

    /// Returns the probability below the upper bound.
    pub(super) fn upper_probability() -> f64 {
        1.0 - (1.0 - LEVEL) / 2.0
    }
}

/// Returns the bounds of Wilson's score interval of a rate over `count` results, which need not be whole.
pub fn wilson_bounds(rate: f64, count: f64, quantile: f64) -> (f64, f64) {
    let square = quantile * quantile;
    let center = (rate + square / (2.0 * count)) / (1.0 + square / count);
    let spread = rate * (1.0 - rate) / count + square / (4.0 * count * count);
    let half = quantile * spread.max(0.0).sqrt() / (1.0 + square / count);
    // At the ends, rounding must not exclude the rate.
    ((center - half).max(0.0).min(rate), (center + half).min(1.0).max(rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_of_20_is_not_plus_or_minus_0() {
        let (low, high) = wilson_bounds(0.0, 20.0, 1.959_963_984_540_054);
        assert_eq!(low, 0.0);
        assert!((high - 0.161_125).abs() < 1e-6, "{high}");
        let (low, high) = wilson_bounds(1.0, 20.0, 1.959_963_984_540_054);
        assert!((low - 0.838_875).abs() < 1e-6 && high == 1.0);
    }
}
