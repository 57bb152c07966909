//! The difference between a baseline and a candidate over the scenarios of both.

use serde::Serialize;

use super::bootstrap::{BootstrapInterval, bootstrap_interval};
use super::figures::{is_rate, sample};
use super::interval::Interval;
use super::mcnemar::mcnemar;
use super::metric::Metric;
use super::moments::{difference, mean};
use super::null_variance::MIN_DIFFERENT_UNITS;
use super::options::Options;
use super::pairing::Pair;
use super::sample::{MIN_UNITS, Sample};
use super::sign_flip::sign_flip_test;
use super::summary::ScenarioSummary;

/// The difference of the means over the scenarios that both runs have: the candidate's minus the baseline's,
/// in both directions of the metric.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The baseline's mean over the scenarios of both runs.
    pub baseline: f64,
    /// The candidate's mean over the scenarios of both runs.
    pub candidate: f64,
    /// The mean of the scenarios' differences.
    pub difference: f64,
    /// The number of scenarios that both runs have.
    pub scenarios: usize,
    /// The number of clusters; `None` if the scenarios are independent.
    pub clusters: Option<usize>,
    /// How many scenarios differ.
    pub different_scenarios: usize,
    /// Whether the difference is the same in each scenario, so that there is nothing to estimate from.
    pub is_exact: bool,
    /// The standard error of independent scenarios; `None` with fewer than two scenarios.
    pub standard_error: Option<f64>,
    /// The standard error of clusters of scenarios; `None` without clusters or with fewer than two.
    pub clustered_standard_error: Option<f64>,
    /// The interval; `None` if the standard error is undefined.
    pub interval: Option<Interval>,
    /// The bootstrap's interval, if the differences are skewed or it was requested.
    pub bootstrap: Option<BootstrapInterval>,
    /// The test whether there is a difference; `None` of cost, tokens and durations.
    pub test: Option<Test>,
}

/// A test whether there is a difference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Test {
    /// The test.
    pub method: TestMethod,
    /// The probability of a difference at least as large without a real one.
    pub p_value: f64,
    /// The same, corrected for the number of comparisons that were looked at.
    pub adjusted_p_value: f64,
    /// How many units differ: pairs, scenarios or clusters.
    pub different_units: usize,
    /// The number of random sign flips; `None` if the p-value is exact.
    pub random_flips: Option<u64>,
    /// The seed of the random numbers; `None` if the p-value is exact.
    pub seed: Option<u64>,
}

/// A test of paired differences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TestMethod {
    /// `McNemar`'s exact test, of one trial with a score of 0 or 1.
    Mcnemar,
    /// The sign-flip test.
    SignFlip,
}

/// Returns the sample of the differences of a value of the scenarios; those without it are left out.
pub(super) fn differences<'a>(
    pairs: &[Pair<'a>],
    value: impl Fn(&ScenarioSummary<'_>) -> Option<f64>,
    options: &Options,
) -> Sample {
    let of_pair = |pair: &Pair<'a>| {
        let cluster = pair.baseline.scenario.cluster.as_deref();
        let cluster = cluster.or(pair.candidate.scenario.cluster.as_deref());
        Some((cluster, difference(value(pair.candidate)?, value(pair.baseline)?)))
    };
    sample(pairs.iter().filter_map(of_pair), options)
}

impl Difference {
    /// Compares a value of the scenarios, without a test; `None` if it is unknown for all scenarios of both runs.
    pub(super) fn of(
        pairs: &[Pair<'_>],
        value: impl Fn(&ScenarioSummary<'_>) -> Option<f64> + Copy,
        options: &Options,
    ) -> Option<Self> {
        let sample = differences(pairs, value, options);
        let both = pairs.iter().filter_map(|pair| value(pair.baseline).zip(value(pair.candidate)));
        let (baseline, candidate): (Vec<f64>, Vec<f64>) = both.unzip();
        let is_approximate =
            sample.is_approximate() || sample.different_units() < MIN_DIFFERENT_UNITS;
        Some(Difference {
            baseline: mean(&baseline)?,
            candidate: mean(&candidate)?,
            difference: sample.mean()?,
            scenarios: sample.len(),
            clusters: sample.clusters(),
            different_scenarios: sample.values().iter().filter(|value| **value != 0.0).count(),
            is_exact: sample.is_constant(),
            standard_error: sample.standard_error(),
            clustered_standard_error: sample.clustered_standard_error(),
            interval: sample.interval(is_approximate),
            bootstrap: match sample.is_skewed() {
                true => bootstrap_interval(&sample, options.seed),
                false => None,
            },
            test: None,
        })
    }

    /// Compares the scores, with a test.
    pub(super) fn of_scores(
        pairs: &[Pair<'_>],
        metric: &Metric,
        options: &Options,
    ) -> Option<Self> {
        let mut compared = Difference::of(pairs, |scenario| scenario.score, options)?;
        let sample = differences(pairs, |scenario| scenario.score, options);
        let is_rate = is_rate(metric) && pairs.iter().all(Pair::is_zero_or_one);
        if let Some(interval) = &mut compared.interval {
            interval.is_approximate = is_approximate(&sample, is_rate);
        }
        if options.bootstrap {
            compared.bootstrap = bootstrap_interval(&sample, options.seed);
        }
        compared.test = Some(test(pairs, &sample, options));
        Some(compared)
    }

    /// Returns the standard error that the interval uses.
    pub fn used_standard_error(&self) -> Option<f64> {
        if self.clusters.is_some() { self.clustered_standard_error } else { self.standard_error }
    }

    /// Marks the intervals of a run that is still running.
    pub(super) fn mark_interim(&mut self, is_interim: bool) {
        if let Some(interval) = &mut self.interval {
            interval.is_interim = is_interim;
        }
    }
}

impl Pair<'_> {
    fn is_zero_or_one(&self) -> bool {
        self.baseline.is_zero_or_one && self.candidate.is_zero_or_one
    }

    fn has_one_trial(&self) -> bool {
        self.baseline.scored_trials == 1 && self.candidate.scored_trials == 1
    }
}

/// Returns whether the t interval of a difference is approximate: too few units differ, or, unless all scores are
/// 0 or 1, there are too few units at all.
pub fn is_approximate(sample: &Sample, is_rate: bool) -> bool {
    let too_few = sample.different_units() < MIN_DIFFERENT_UNITS || sample.is_constant();
    let clusters = sample.clusters().is_some_and(|clusters| clusters < MIN_UNITS);
    too_few || clusters || (!is_rate && sample.is_approximate())
}

fn test(pairs: &[Pair<'_>], sample: &Sample, options: &Options) -> Test {
    let is_single = |pair: &Pair<'_>| pair.is_zero_or_one() && pair.has_one_trial();
    if sample.clusters().is_none() && pairs.iter().all(is_single) {
        let count = |sign: f64| sample.values().iter().filter(|value| **value == sign).count();
        let (worse, better) = (count(-1.0), count(1.0));
        let p_value = mcnemar(worse as u64, better as u64);
        return Test {
            method: TestMethod::Mcnemar,
            p_value,
            adjusted_p_value: p_value,
            different_units: worse + better,
            random_flips: None,
            seed: None,
        };
    }
    let sums: Vec<f64> = sample.units().iter().map(|unit| unit.sum).collect();
    let flips = sign_flip_test(&sums, options.seed);
    Test {
        method: TestMethod::SignFlip,
        p_value: flips.p_value,
        adjusted_p_value: flips.p_value,
        different_units: flips.units,
        random_flips: flips.random_flips,
        seed: flips.random_flips.map(|_| options.seed),
    }
}
