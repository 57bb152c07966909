//! Why runs cannot be judged.

use serde::Serialize;
use thiserror::Error;

/// How many ids a message names.
const NAMED_IDS: usize = 3;

/// Why runs cannot be compared or judged. It is no evidence about their scores.
#[derive(Clone, Debug, PartialEq, Serialize, Error)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Refusal {
    /// Trials have no score, and the policy is `stop`.
    #[error("{run}: {trials} trials have no score: {}", named(ids))]
    NotScored {
        /// The run.
        run: String,
        /// How many trials have no score.
        trials: usize,
        /// The ids of their scenarios.
        ids: Vec<String>,
    },
    /// The policy is `zero`, lower is better, and the highest value is unknown.
    #[error("{metric}: 0 would be the best score, and the highest possible value is not defined")]
    NoWorstValue {
        /// The metric.
        metric: String,
    },
    /// Several scenarios have the same id.
    #[error("{run}: {} ids have several scenarios: {}", ids.len(), named(ids))]
    DuplicateIds {
        /// The run.
        run: String,
        /// The ids.
        ids: Vec<String>,
    },
    /// The run has no result of scenarios of the baseline, or the baseline none of a planned one.
    #[error("{run}: {} scenarios of the baseline are missing ({allowed} allowed): {}", ids.len(), named(ids))]
    MissingScenarios {
        /// The run.
        run: String,
        /// Their ids.
        ids: Vec<String>,
        /// How many are allowed.
        allowed: usize,
    },
    /// Too many trials failed by infrastructure.
    #[error("{run}: {failed} of {trials} trials failed by infrastructure, more than {} %", percent(*allowed))]
    TooManyInfrastructureFailures {
        /// The run.
        run: String,
        /// How many failed.
        failed: usize,
        /// How many trials were planned.
        trials: usize,
        /// The largest allowed share of them, from 0 to 1.
        allowed: f64,
    },
    /// The run is still running.
    #[error("{run}: the run is still running")]
    Interim {
        /// The run.
        run: String,
    },
    /// No scenario has a score in both runs.
    #[error("{run}: no scenario has a score in this run and in the baseline")]
    NothingInBoth {
        /// The run.
        run: String,
    },
    /// The margin is not a number from 0 on.
    #[error("invalid margin: {margin} (expected a number from 0 on)")]
    InvalidMargin {
        /// The margin.
        margin: f64,
    },
}

/// Lists the first ids.
fn named(ids: &[String]) -> String {
    let first: Vec<&str> = ids.iter().take(NAMED_IDS).map(String::as_str).collect();
    let rest = ids.len() - first.len();
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    format!("{}{more}", first.join(", "))
}

fn percent(share: f64) -> f64 {
    (share * 1e8).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_the_first_ids() {
        let ids = ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec();
        let refusal = Refusal::MissingScenarios { run: "B".to_owned(), ids, allowed: 0 };
        let text = "B: 5 scenarios of the baseline are missing (0 allowed): a, b, c and 2 more";
        assert_eq!(refusal.to_string(), text);
        let refusal = Refusal::TooManyInfrastructureFailures {
            run: "B".to_owned(),
            failed: 3,
            trials: 10,
            allowed: 0.02,
        };
        assert_eq!(
            refusal.to_string(),
            "B: 3 of 10 trials failed by infrastructure, more than 2 %"
        );
    }
}
