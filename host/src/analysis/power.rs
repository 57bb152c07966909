//! How small a difference runs of a size can show, and how large runs have to be (Miller 2024, arXiv 2411.00640).

use serde::Serialize;

use super::distributions::normal_quantile;
use super::figures::inverse_trials;
use super::interval::Interval;
use super::moments::{mean, variance};
use super::null_variance::{Discordance, MIN_DIFFERENT_UNITS};
use super::pairing::Pair;
use super::sample::Sample;
use super::summary::ScenarioSummary;

/// The probability with which a difference is to be found.
pub const POWER: f64 = 0.8;

/// How often a range of differences is halved, until it has a single one.
const ROUNDS: usize = 60;

/// How small a difference the compared scenarios can show.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Power {
    /// The probability of finding a difference.
    pub power: f64,
    /// The smallest difference that is found with this probability, in the unit of the metric; `None` if it is
    /// unknown.
    pub smallest_difference: Option<f64>,
    /// The number of compared scenarios.
    pub scenarios: usize,
    /// The number of trials of a scenario, as the harmonic mean, in the baseline.
    pub baseline_trials: f64,
    /// The same in the candidate.
    pub candidate_trials: f64,
    /// The factor by which clusters multiply the variance of the mean.
    pub design_effect: f64,
    /// The variance of a scenario's difference between the runs.
    pub variance: f64,
    /// The part of it that more trials reduce; `None` if it is unknown, because a run has one trial of each
    /// scenario.
    pub trial_variance: Option<f64>,
    /// The typical size of a scenario's difference that is not 0, or the range of the metric if all are 0; `None`
    /// if it is unknown.
    pub typical_size: Option<f64>,
    /// The mean of the absolute differences.
    pub mean_size: f64,
    /// How many scenarios or clusters differ. Fewer than 20 show little of the variance, and the smallest
    /// difference is then that of a test with the variance that the scores would have under it.
    pub different_units: usize,
}

impl Power {
    /// Computes the power of a comparison; `None` with fewer than two scenarios. `range` is the range of the
    /// metric.
    pub(super) fn new(pairs: &[Pair<'_>], sample: &Sample, range: Option<f64>) -> Option<Self> {
        let all = variance(sample.values())?;
        let baseline: Vec<_> = pairs.iter().map(|pair| pair.baseline).collect();
        let candidate: Vec<_> = pairs.iter().map(|pair| pair.candidate).collect();
        let sides = [&baseline, &candidate].map(|side| trial_variance(side));
        let trial_variance = match sides {
            [Some(a), Some(b)] => Some(a + b),
            _ => None,
        };
        // A negative estimate of the variance of the expected differences counts as 0.
        let variance = trial_variance.map_or(all, |within| all.max(within));
        let mut power = Power {
            power: POWER,
            smallest_difference: None,
            scenarios: pairs.len(),
            baseline_trials: 1.0 / inverse_trials(&baseline)?,
            candidate_trials: 1.0 / inverse_trials(&candidate)?,
            design_effect: sample.design_effect(),
            variance,
            trial_variance,
            typical_size: sample.typical_size().or(range),
            mean_size: sample.mean_size()?,
            different_units: sample.different_units(),
        };
        power.smallest_difference = power.smallest();
        Some(power)
    }

    fn smallest(&self) -> Option<f64> {
        let count = self.scenarios as f64 / self.design_effect;
        let by_variance = smallest_difference(self.variance, count)?;
        let smallest = match self.discordance(0.0) {
            Some(few) if few.different_units < MIN_DIFFERENT_UNITS => {
                let square = quantiles()?.powi(2);
                let if_none_differs = square * few.size / (count + square);
                by_variance.max(if_none_differs).max(self.smallest_of_few(&few, count)?)
            }
            _ => by_variance,
        };
        Some(smallest).filter(|smallest| *smallest > 0.0)
    }

    /// Returns the difference that a test finds which uses the variance that the scores would have under it.
    fn smallest_of_few(&self, few: &Discordance, count: f64) -> Option<f64> {
        let [of_interval, of_power] = both_quantiles()?;
        let error = (self.variance / count).sqrt();
        let is_found = |difference: f64| {
            let error_under_it = (few.variance_at(difference) / count).sqrt();
            difference >= of_interval * error_under_it + of_power * error
        };
        let (mut low, mut high) = (0.0, few.size);
        for _ in 0..ROUNDS {
            if !is_found(high) {
                (low, high) = (high, high * 2.0);
            }
        }
        for _ in 0..ROUNDS {
            let middle = low + (high - low) / 2.0;
            match is_found(middle) {
                true => high = middle,
                false => low = middle,
            }
        }
        Some(high)
    }

    /// Returns how much the scenarios differ, if their mean difference in the metric's direction is `mean`.
    pub(super) fn discordance(&self, mean: f64) -> Option<Discordance> {
        let size = self.typical_size?;
        Some(Discordance::new(size, self.mean_size, mean, self.different_units))
    }

    /// Returns the number of scenarios that show a difference; `None` if none does.
    pub fn scenarios_needed(&self, difference: f64) -> Option<u64> {
        whole(scenarios_needed(self.variance, difference)? * self.design_effect)
    }

    /// Returns the number of trials of each scenario in both runs with which the compared scenarios show a
    /// difference; `None` if it is unknown, or if no number is enough.
    pub fn trials_needed(&self, difference: f64) -> Option<u64> {
        let within = self.trial_variance?;
        let [a, b] = [self.baseline_trials, self.candidate_trials];
        // Of the variance between trials, only its mean over both runs is known here.
        let single = within * 2.0 / (1.0 / a + 1.0 / b);
        let count = self.scenarios as f64 / self.design_effect;
        let allowed = (difference / quantiles()?).powi(2) * count - (self.variance - within);
        (allowed > 0.0).then(|| whole(single / allowed))?
    }
}

/// Returns the smallest difference that `count` scenarios show.
pub fn smallest_difference(variance: f64, count: f64) -> Option<f64> {
    Some(quantiles()? * (variance / count).sqrt())
}

/// Returns the number of scenarios, not rounded, that show a difference.
pub fn scenarios_needed(variance: f64, difference: f64) -> Option<f64> {
    (difference != 0.0).then_some(())?;
    Some(quantiles()?.powi(2) * variance / (difference * difference))
}

/// Returns the sum of the normal quantiles of the interval and of the power.
fn quantiles() -> Option<f64> {
    Some(both_quantiles()?.into_iter().sum())
}

/// Returns the normal quantiles of the interval and of the power.
fn both_quantiles() -> Option<[f64; 2]> {
    Some([normal_quantile(Interval::upper_probability())?, normal_quantile(POWER)?])
}

/// Returns the variance that the trials of a run add to a scenario's mean; `None` if no scenario has two.
fn trial_variance(scenarios: &[&ScenarioSummary<'_>]) -> Option<f64> {
    let variances: Vec<f64> = scenarios.iter().filter_map(|one| one.score_variance).collect();
    Some(mean(&variances)? * inverse_trials(scenarios)?)
}

/// Rounds a number of scenarios or trials up; `None` if it is too large to be of use.
pub(super) fn whole(number: f64) -> Option<u64> {
    const MOST: f64 = 1e9;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the number is between 0 and 1e9"
    )]
    (0.0..MOST).contains(&number).then(|| (number - 1e-9).ceil().max(1.0) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_formula_and_its_inverse() {
        // (1.959964 + 0.841621)² · 0.25 / 0.03² = 2180.1
        let needed = scenarios_needed(0.25, 0.03).unwrap();
        assert!((needed - 2_180.242).abs() < 0.01, "{needed}");
        assert!((smallest_difference(0.25, needed).unwrap() - 0.03).abs() < 1e-12);
        assert_eq!(scenarios_needed(0.25, 0.0), None);
        assert_eq!(whole(3.2), Some(4));
        assert_eq!(whole(f64::NAN), None);
    }

    #[test]
    fn more_trials_help_only_against_the_variance_between_trials() {
        let power = Power {
            power: POWER,
            smallest_difference: None,
            scenarios: 100,
            baseline_trials: 2.0,
            candidate_trials: 2.0,
            design_effect: 1.0,
            variance: 0.25,
            trial_variance: Some(0.2),
            typical_size: None,
            mean_size: 0.1,
            different_units: 50,
        };
        assert_eq!(power.scenarios_needed(0.1), Some(197));
        // 0.05 + 0.4 / K = 100 · 0.01 / 7.8489 = 0.1274
        assert_eq!(power.trials_needed(0.1), Some(6));
        assert_eq!(power.trials_needed(0.06), None);
        assert_eq!(Power { trial_variance: None, ..power }.trials_needed(0.1), None);
    }
}
