//! The statistics of runs and of comparisons: no database, no network, no files.
//!
//! Each figure first takes the mean over a scenario's trials and then goes over scenarios: trials are never
//! rows. Every list is put in order first, so that the same results have the same report in any
//! order.
//!
//! - [`RunFigures`]: the score of one run with its interval, pass@k and pass^k, flakiness, cost and time.
//! - [`compare`]: a baseline with its candidates, over the scenarios that both have.
//! - [`gate`]: whether a run is no worse than a baseline by more than a margin.

#![expect(
    clippy::cast_precision_loss,
    reason = "numbers of scenarios, trials and flips are far below 2^53"
)]

mod bootstrap;
mod comparison;
mod difference;
mod distributions;
mod document;
mod figures;
mod gate;
mod interval;
mod markdown;
mod mcnemar;
mod metric;
mod moments;
mod multiplicity;
mod null_variance;
mod number_text;
mod options;
mod pairing;
mod pass_rates;
mod power;
mod random;
mod refusal;
mod run;
mod sample;
mod sign_flip;
mod summary;
#[cfg(test)]
mod tests;
mod text;
mod verdict;

pub use bootstrap::{BootstrapInterval, bootstrap_interval};
pub use comparison::{
    ComparisonReport, ExtractorAgreement, RunComparison, ScenarioDifference, TagDifference, compare,
};
pub use difference::{Difference, Test, TestMethod, is_approximate};
pub use distributions::{
    fair_binomial_probability, normal_probability, normal_quantile, t_probability, t_quantile,
};
pub use figures::{Estimate, Flakiness, RunFigures, TrialCounts, rate_interval};
pub use gate::{Decision, GateInterval, GateOptions, GateReport, correct_gates, gate};
pub use interval::{Interval, IntervalMethod, LEVEL, wilson_bounds};
pub use mcnemar::mcnemar;
pub use metric::Metric;

pub use crate::store::MetricKind;
pub use multiplicity::{Correction, benjamini_hochberg, holm};
pub use options::{DEFAULT_SEED, NotScoredPolicy, Options};
pub use pairing::Denominators;
pub use pass_rates::{PassRate, Passes, pass_rates};
pub use power::{POWER, Power, scenarios_needed, smallest_difference};
pub use random::RandomGenerator;
pub use refusal::Refusal;
pub use run::{Run, Scenario, Trial, TrialState, counted_attempt};
pub use sample::{Sample, Spread, Unit};
pub use sign_flip::{SignFlips, sign_flip_test};
pub use verdict::{Answer, Verdict};
