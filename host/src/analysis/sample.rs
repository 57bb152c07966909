//! One value for each scenario, with the clusters of the scenarios: the unit of all figures.

use std::collections::BTreeMap;

use super::distributions::t_quantile;
use super::interval::{Interval, IntervalMethod, LEVEL};
use super::moments::{
    ROUNDING, are_equal, difference, mean, skewness, squares_around, sum, variance,
};

/// With fewer scenarios or clusters, a t interval of any values is approximate.
pub(super) const MIN_UNITS: usize = 30;

/// By Cochran's rule, a t interval needs this many units for a skewness of 1, and more with its square.
const UNITS_BY_SQUARED_SKEWNESS: f64 = 25.0;

/// One value for each scenario.
#[derive(Clone, Debug)]
pub struct Sample {
    values: Vec<f64>,
    clusters: Option<Clusters>,
}

/// The clusters of the scenarios of a sample.
#[derive(Clone, Debug)]
struct Clusters {
    /// The cluster of each scenario.
    of_values: Vec<usize>,
    count: usize,
}

/// The standard error that an interval uses, with its degrees of freedom.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The standard error.
    pub standard_error: f64,
    /// The degrees of freedom.
    pub degrees_of_freedom: f64,
}

/// A unit that is flipped or resampled as a whole: a scenario, or a cluster of them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Unit {
    /// The sum of the values.
    pub sum: f64,
    /// How many values it has.
    pub count: f64,
}

impl Sample {
    /// Returns a sample of independent scenarios.
    pub fn new(values: Vec<f64>) -> Self {
        Sample { values, clusters: None }
    }

    /// Returns a sample with the name of each scenario's cluster; one without a name is a cluster of its own.
    pub fn clustered<'a>(
        values: Vec<f64>,
        names: impl IntoIterator<Item = Option<&'a str>>,
    ) -> Self {
        let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
        let mut count = 0;
        let mut number = |name: Option<&'a str>| {
            let mut next = || {
                count += 1;
                count - 1
            };
            match name {
                Some(name) => *numbers.entry(name).or_insert_with(next),
                None => next(),
            }
        };
        let of_values: Vec<usize> = names.into_iter().take(values.len()).map(&mut number).collect();
        Sample { values, clusters: Some(Clusters { of_values, count }) }
    }

    /// Returns the values.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Returns the number of scenarios.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Returns whether it has no scenario.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Returns the number of clusters; `None` if the scenarios are independent.
    pub fn clusters(&self) -> Option<usize> {
        self.clusters.as_ref().map(|clusters| clusters.count)
    }

    /// Returns the number of clusters, or of scenarios if these are independent.
    pub fn unit_count(&self) -> usize {
        self.clusters().unwrap_or(self.len())
    }

    /// Returns the mean; `None` without scenarios.
    pub fn mean(&self) -> Option<f64> {
        mean(&self.values)
    }

    /// Returns whether all values are the same, apart from rounding.
    pub fn is_constant(&self) -> bool {
        are_equal(&self.values)
    }

    /// Returns the standard error of the mean of independent scenarios; `None` with fewer than two.
    pub fn standard_error(&self) -> Option<f64> {
        Some((variance(&self.values)? / self.len() as f64).sqrt())
    }

    /// Returns the standard error of the mean of clusters of scenarios; `None` without clusters or with fewer
    /// than two.
    pub fn clustered_standard_error(&self) -> Option<f64> {
        let count = self.clusters().filter(|count| *count >= 2)? as f64;
        if self.is_constant() {
            return Some(0.0);
        }
        let center = self.mean()?;
        let squares = self.units().into_iter().map(|unit| {
            let deviation = difference(unit.sum, unit.count * center);
            deviation * deviation
        });
        Some((count / (count - 1.0) * sum(squares)).sqrt() / self.len() as f64)
    }

    /// Returns the standard error of the mean: that of clusters, if there are any.
    pub fn spread(&self) -> Option<Spread> {
        let standard_error = match self.clusters {
            Some(_) => self.clustered_standard_error()?,
            None => self.standard_error()?,
        };
        let degrees_of_freedom = self.unit_count().checked_sub(1)? as f64;
        Some(Spread { standard_error, degrees_of_freedom })
    }

    /// Returns the factor by which clusters multiply the variance of the mean: at least 1.
    pub(super) fn design_effect(&self) -> f64 {
        let Some(clusters) = self.clusters() else { return 1.0 };
        match (self.clustered_standard_error(), self.standard_error()) {
            (Some(clustered), Some(independent)) if independent > 0.0 => {
                (clustered / independent).powi(2).max(1.0)
            }
            // Nothing varies: as if all scenarios of a cluster were the same one.
            _ => self.len() as f64 / clusters.max(1) as f64,
        }
    }

    /// Returns the interval of the mean by Student's t distribution; `None` if the standard error is undefined.
    pub fn interval(&self, is_approximate: bool) -> Option<Interval> {
        let method = match self.is_constant() {
            true => IntervalMethod::Exact,
            false => IntervalMethod::StudentT,
        };
        let spread = self.spread()?;
        Some(Interval { method, is_approximate, ..spread.interval(self.mean()?)? })
    }

    /// Returns whether a t interval is approximate for values of any distribution: there are fewer than 30 units,
    /// or too few for their skewness.
    pub fn is_approximate(&self) -> bool {
        self.unit_count() < MIN_UNITS || self.is_constant() || self.is_skewed()
    }

    /// Returns whether Cochran's rule asks for more units, because of their skewness.
    pub fn is_skewed(&self) -> bool {
        let units = self.deviations();
        let skewness = skewness(&units);
        (units.len() as f64) < UNITS_BY_SQUARED_SKEWNESS * skewness * skewness
    }

    /// Returns the sums of the units.
    pub fn units(&self) -> Vec<Unit> {
        let Some(clusters) = &self.clusters else {
            return self.values.iter().map(|sum| Unit { sum: *sum, count: 1.0 }).collect();
        };
        let mut units = vec![(Unit::default(), 0.0); clusters.count];
        for (value, cluster) in self.values.iter().zip(&clusters.of_values) {
            if let Some((unit, size)) = units.get_mut(*cluster) {
                unit.sum += value;
                unit.count += 1.0;
                *size += value.abs();
            }
        }
        // What rounding leaves of values that cancel each other is no difference.
        let rounded = |(unit, size): (Unit, f64)| match unit.sum.abs() <= ROUNDING * size {
            true => Unit { sum: 0.0, ..unit },
            false => unit,
        };
        units.into_iter().map(rounded).collect()
    }

    /// Returns the deviations of the units from the mean.
    fn deviations(&self) -> Vec<f64> {
        let center = self.mean().unwrap_or_default();
        self.units().iter().map(|unit| unit.sum - unit.count * center).collect()
    }

    /// Returns how many units are not 0.
    pub(super) fn different_units(&self) -> usize {
        self.units().iter().filter(|unit| unit.sum != 0.0).count()
    }

    /// Returns the mean of the absolute values; `None` without scenarios.
    pub(super) fn mean_size(&self) -> Option<f64> {
        let size = sum(self.values.iter().map(|value| value.abs()));
        (!self.is_empty()).then(|| size / self.len() as f64)
    }

    /// Returns the sum of the squared values by the sum of their absolute values, which is the size of a typical
    /// value that is not 0; `None` if all are 0.
    pub(super) fn typical_size(&self) -> Option<f64> {
        let size = sum(self.values.iter().map(|value| value.abs()));
        (size > 0.0).then(|| squares_around(&self.values, 0.0) / size)
    }
}

impl Spread {
    /// Returns the interval around a mean.
    pub(super) fn interval(self, mean: f64) -> Option<Interval> {
        let quantile = t_quantile(Interval::upper_probability(), self.degrees_of_freedom)?;
        let half = quantile * self.standard_error;
        Some(Interval {
            low: mean - half,
            high: mean + half,
            level: LEVEL,
            method: IntervalMethod::StudentT,
            degrees_of_freedom: Some(self.degrees_of_freedom),
            is_approximate: false,
            is_interim: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_have_the_standard_error_of_the_test_value() {
        let values = vec![1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0];
        let names = ["a", "a", "a", "b", "b", "c", "c", "c", "c"].map(Some);
        let sample = Sample::clustered(values, names);
        assert!((sample.mean().unwrap() - 0.666_67).abs() < 5e-6);
        assert!((sample.standard_error().unwrap() - 0.166_67).abs() < 5e-6);
        let clustered = sample.clustered_standard_error().unwrap();
        assert!((clustered - 0.256_60).abs() < 5e-6, "{clustered}");
        // Without G / (G - 1).
        assert!((clustered * (2.0_f64 / 3.0).sqrt() - 0.209_51).abs() < 5e-6);
        assert_eq!(sample.spread().unwrap().degrees_of_freedom, 2.0);
    }

    #[test]
    fn a_standard_error_of_one_scenario_or_cluster_is_undefined() {
        assert_eq!(Sample::new(vec![1.0]).standard_error(), None);
        assert_eq!(Sample::new(vec![1.0]).interval(false), None);
        let one = Sample::clustered(vec![1.0, 0.0], [Some("a"), Some("a")]);
        assert_eq!(one.clustered_standard_error(), None);
        assert_eq!(one.interval(false), None);
        assert_eq!(Sample::clustered(vec![1.0, 0.0], [None, None]).clusters(), Some(2));
    }

    #[test]
    fn a_skewed_sample_is_approximate() {
        let mut values = vec![0.0; 39];
        values.push(1.0);
        assert!(Sample::new(values).is_approximate());
        assert!(!Sample::new((0..40).map(f64::from).collect()).is_approximate());
    }
}
