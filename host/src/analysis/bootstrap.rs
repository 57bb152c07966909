//! The bootstrap interval with a correction of bias and acceleration (`BCa`; Efron 1987).

use serde::Serialize;

use super::distributions::{normal_probability, normal_quantile};
use super::interval::LEVEL;
use super::moments::{quantile_of_sorted, sum};
use super::random::RandomGenerator;
use super::sample::{Sample, Unit};

/// The number of resamples up to [`MAX_UNITS_OF_MANY_RESAMPLES`] units, and above.
const RESAMPLES: [usize; 2] = [10_000, 2_000];

/// Up to this many units, there are many resamples.
const MAX_UNITS_OF_MANY_RESAMPLES: usize = 1_000;

/// Fewer units have too few different resamples.
const MIN_UNITS: usize = 10;

/// An interval of the bootstrap.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BootstrapInterval {
    /// The lower bound.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
    /// The part of all such intervals that contain the true value.
    pub level: f64,
    /// The number of resamples.
    pub resamples: usize,
    /// The seed of the random numbers.
    pub seed: u64,
}

/// Returns the `BCa` interval of the mean, for which scenarios or clusters are resampled with all their trials;
/// `None` with fewer than 10 of them, or if all values are the same.
pub fn bootstrap_interval(sample: &Sample, seed: u64) -> Option<BootstrapInterval> {
    if sample.unit_count() < MIN_UNITS || sample.is_constant() {
        return None;
    }
    let units = sample.units();
    let observed = sample.mean()?;
    let means = resampled_means(&units, seed);
    let bias = bias(&means, observed)?;
    let acceleration = acceleration(&units);
    let tail = (1.0 - LEVEL) / 2.0;
    let bound = |probability: f64| {
        let shifted = bias + normal_quantile(probability)?;
        let corrected = normal_probability(bias + shifted / (1.0 - acceleration * shifted));
        quantile_of_sorted(&means, corrected)
    };
    Some(BootstrapInterval {
        low: bound(tail)?,
        high: bound(1.0 - tail)?,
        level: LEVEL,
        resamples: means.len(),
        seed,
    })
}

/// Returns the means of the resamples in order.
fn resampled_means(units: &[Unit], seed: u64) -> Vec<f64> {
    let [many, few] = RESAMPLES;
    let resamples = if units.len() <= MAX_UNITS_OF_MANY_RESAMPLES { many } else { few };
    let mut generator = RandomGenerator::new(seed);
    let mut mean = || {
        let mut total = Unit::default();
        for _ in 0..units.len() {
            if let Some(unit) = units.get(generator.below(units.len())) {
                total.sum += unit.sum;
                total.count += unit.count;
            }
        }
        total.sum / total.count
    };
    let mut means: Vec<f64> = (0..resamples).map(|_| mean()).collect();
    means.sort_by(f64::total_cmp);
    means
}

/// Returns the normal quantile of the share of resamples below the observed mean; half of those that equal it
/// count. `None` if that is all or none of them.
fn bias(sorted: &[f64], observed: f64) -> Option<f64> {
    let below = sorted.partition_point(|mean| *mean < observed);
    let at_most = sorted.partition_point(|mean| *mean <= observed);
    normal_quantile((below + at_most) as f64 / (2 * sorted.len()) as f64)
}

/// Returns the acceleration, from the means that leave out one unit each.
fn acceleration(units: &[Unit]) -> f64 {
    let all = sum(units.iter().map(|unit| unit.sum));
    let count = sum(units.iter().map(|unit| unit.count));
    let left_out: Vec<f64> =
        units.iter().map(|unit| (all - unit.sum) / (count - unit.count)).collect();
    let center = sum(left_out.iter().copied()) / left_out.len() as f64;
    let power = |exponent| sum(left_out.iter().map(|mean| (center - mean).powi(exponent)));
    let squares = power(2);
    if squares > 0.0 { power(3) / (6.0 * squares * squares.sqrt()) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skewed_interval_is_longer_on_the_side_of_the_long_tail() {
        let values: Vec<f64> = (0..50).map(|i| f64::from(i * i * i)).collect();
        let sample = Sample::new(values);
        let interval = bootstrap_interval(&sample, 3).unwrap();
        let mean = sample.mean().unwrap();
        assert!(interval.high - mean > mean - interval.low, "{interval:?}");
        assert_eq!(Some(interval), bootstrap_interval(&sample, 3));
        assert_eq!(interval.resamples, 10_000);
    }

    #[test]
    fn constant_or_few_values_have_none() {
        assert_eq!(bootstrap_interval(&Sample::new(vec![1.0; 50]), 3), None);
        assert_eq!(bootstrap_interval(&Sample::new(vec![1.0, 2.0]), 3), None);
    }
}
