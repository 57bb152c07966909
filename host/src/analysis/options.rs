//! The options of a comparison.

use serde::{Deserialize, Serialize};

use super::multiplicity::Correction;

/// The seed of random numbers, unless another one is chosen.
pub const DEFAULT_SEED: u64 = 20_261_201;

/// How a trial counts that ran and has no score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotScoredPolicy {
    /// As the score 0 (see [`Metric::not_scored_value`](super::Metric::not_scored_value)).
    Zero,
    /// Not at all.
    #[default]
    Exclude,
    /// There is no comparison.
    Stop,
}

impl NotScoredPolicy {
    /// Returns its name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            NotScoredPolicy::Zero => "zero",
            NotScoredPolicy::Exclude => "exclude",
            NotScoredPolicy::Stop => "stop",
        }
    }
}

/// The options of figures and comparisons.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// How a trial counts that ran and has no score.
    pub not_scored_policy: NotScoredPolicy,
    /// What the clusters of the scenarios are, such as `repository`; `None`: the scenarios are independent, and
    /// their clusters are not used.
    pub cluster_by: Option<String>,
    /// Whether to compare the scenarios of each tag.
    pub by_tag: bool,
    /// The correction for several candidates or tags.
    pub correction: Correction,
    /// Whether the score's difference always has a bootstrap interval, and not only if its values are skewed.
    pub bootstrap: bool,
    /// The seed of the random numbers.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            not_scored_policy: NotScoredPolicy::default(),
            cluster_by: None,
            by_tag: false,
            correction: Correction::default(),
            bootstrap: false,
            seed: DEFAULT_SEED,
        }
    }
}
