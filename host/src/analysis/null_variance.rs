//! The variance that a scenario's difference would have if its mean were another one.

use super::sample::Sample;

/// From this number of units that differ, the variance is estimated from them.
pub(super) const MIN_DIFFERENT_UNITS: usize = 20;

/// How much scenarios differ, as if each difference were 0 or of one size.
///
/// A variance that is estimated from few scenarios that differ is too small whenever too few of them were drawn: at
/// the ceiling, a run that is worse by the margin often has none. Tests of one difference then use the variance
/// that the scores would have under it, as Wilson's interval does for a rate, and Tango's for the difference of
/// paired rates ("Equivalence test and confidence interval for the difference in proportions for the paired-sample
/// design", Statistics in Medicine 1998). For differences of -1, 0 and 1 this is Tango's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Discordance {
    /// The share of scenarios that are worse, if all differences have the typical size.
    pub(super) worse: f64,
    /// The share of scenarios that are better.
    pub(super) better: f64,
    /// The typical size of a difference that is not 0.
    pub(super) size: f64,
    /// How many units differ.
    pub(super) different_units: usize,
}

impl Discordance {
    /// Returns the discordance of differences of which positive ones are better. `range` is the size if no
    /// scenario differs; `None` if that is unknown.
    pub(super) fn of(sample: &Sample, direction: f64, range: Option<f64>) -> Option<Self> {
        let different_units = sample.different_units();
        let size = sample.typical_size().or(range)?;
        let mean = sample.mean()? * direction;
        Some(Discordance::new(size, sample.mean_size()?, mean, different_units))
    }

    /// Returns the discordance of differences with a mean and a mean of their absolute values.
    pub(super) fn new(size: f64, mean_size: f64, mean: f64, different_units: usize) -> Self {
        let share = |sum: f64| (sum / 2.0 / size).max(0.0);
        Discordance {
            worse: share(mean_size - mean),
            better: share(mean_size + mean),
            size,
            different_units,
        }
    }

    /// Returns the least variance of a scenario's difference if the mean is worse by a margin.
    pub(super) fn variance_at(&self, margin: f64) -> f64 {
        let rate = margin / self.size;
        let better = match self.different_units < MIN_DIFFERENT_UNITS {
            true => self.better_at(rate),
            // Nothing needs to be better for the mean to be worse.
            false => 0.0,
        };
        (2.0 * better + rate * (1.0 - rate)).max(0.0) * self.size * self.size
    }

    /// Returns the most likely share of scenarios that are better, if those that are worse are more by `rate`.
    fn better_at(&self, rate: f64) -> f64 {
        let linear = (2.0 - self.worse + self.better) * rate - self.worse - self.better;
        let constant = -self.better * rate * (1.0 - rate);
        ((linear * linear - 8.0 * constant).max(0.0).sqrt() - linear) / 4.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_differs_has_the_variance_of_a_rate() {
        let none = Discordance { worse: 0.0, better: 0.0, size: 1.0, different_units: 0 };
        assert!((none.variance_at(0.1) - 0.1 * 0.9).abs() < 1e-12);
        assert_eq!(none.variance_at(0.0), 0.0);
        assert_eq!(none.variance_at(2.0), 0.0);
    }

    #[test]
    fn few_that_differ_have_the_variance_of_tango() {
        let few = Discordance { worse: 0.06, better: 0.02, size: 1.0, different_units: 8 };
        // At the observed difference, the estimate is the observed one.
        assert!((few.better_at(0.04) - 0.02).abs() < 1e-12);
        assert!((few.variance_at(0.04) - (0.08 - 0.0016)).abs() < 1e-12);
        // Twice the size is four times the variance.
        let large = Discordance { size: 2.0, ..few };
        assert!((large.variance_at(0.08) - 4.0 * few.variance_at(0.04)).abs() < 1e-12);
        let many = Discordance { different_units: 20, ..few };
        assert!((many.variance_at(0.04) - 0.04 * 0.96).abs() < 1e-12);
    }
}
