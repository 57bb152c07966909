//! The runs that are compared, as their caller reads them.

use serde::{Deserialize, Serialize};

/// A run of one metric.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Run {
    /// The name that reports use.
    pub name: String,
    /// Whether the run is still running: its intervals are interim, and there is no verdict.
    pub is_interim: bool,
    /// The versions of the extractors that made its results.
    pub extractor_versions: Vec<String>,
    /// The scenarios, in any order.
    pub scenarios: Vec<Scenario>,
}

/// A scenario of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Scenario {
    /// The id, which makes pairs together with the content.
    pub id: String,
    /// A digest of the content; `None` if the content was not recorded.
    pub content_digest: Option<String>,
    /// The group of similar scenarios that it belongs to, such as a repository.
    pub cluster: Option<String>,
    /// The tags.
    pub tags: Vec<String>,
    /// The planned trials, each with the attempt that counts, in any order.
    pub trials: Vec<Trial>,
}

/// A trial of a scenario: the attempt that counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Trial {
    /// What became of it.
    pub state: TrialState,
    /// The score. A score that is not finite does not count.
    pub score: Option<f64>,
    /// The cost in US dollars.
    pub cost_usd: Option<f64>,
    /// The tokens.
    pub tokens: Option<f64>,
    /// The duration in seconds.
    pub duration_seconds: Option<f64>,
    /// How many attempts preceded the one that counts.
    pub retries: u32,
}

/// What became of a trial.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrialState {
    /// It ran and has a score.
    Scored,
    /// It ran and has no score.
    NotScored,
    /// It failed by infrastructure, which is no evidence about the agent.
    Infrastructure,
    /// Its result was marked as one that does not count.
    Invalidated,
    /// It was planned and has no result.
    #[default]
    Missing,
}

impl Trial {
    /// Returns a trial with a score.
    pub fn scored(score: f64) -> Self {
        Trial { state: TrialState::Scored, score: Some(score), ..Trial::default() }
    }

    /// Returns a trial that has no score.
    pub fn without_score(state: TrialState) -> Self {
        Trial { state, ..Trial::default() }
    }

    /// Returns the score if it counts: of a scored trial, and finite.
    pub fn counted_score(&self) -> Option<f64> {
        self.score.filter(|score| self.state == TrialState::Scored && score.is_finite())
    }

    /// Returns what became of the trial; a score that is absent or not finite makes it not scored.
    pub fn counted_state(&self) -> TrialState {
        match self.state {
            TrialState::Scored if self.counted_score().is_none() => TrialState::NotScored,
            state => state,
        }
    }
}

impl Scenario {
    /// Returns a scenario with the scores of its trials.
    pub fn scored(id: &str, scores: &[f64]) -> Self {
        Scenario {
            id: id.to_owned(),
            trials: scores.iter().map(|score| Trial::scored(*score)).collect(),
            ..Scenario::default()
        }
    }
}

impl Run {
    /// Returns a run of scenarios that are named by their numbers.
    pub fn of_scores<T: AsRef<[f64]>>(name: &str, scores: &[T]) -> Self {
        let scenario = |(number, scores): (usize, &T)| {
            Scenario::scored(&format!("scenario-{number:05}"), scores.as_ref())
        };
        Run {
            name: name.to_owned(),
            scenarios: scores.iter().enumerate().map(scenario).collect(),
            ..Run::default()
        }
    }
}

/// Returns the index of the attempt at a trial that counts: the first one that is neither a failure of
/// infrastructure nor invalidated, or else the last.
///
/// An attempt that ran replaces failures of infrastructure before it. A later attempt, such as an agent's own
/// retry, does not replace an attempt that ran: the score would be the best of several.
pub fn counted_attempt(attempts: &[TrialState]) -> Option<usize> {
    let ran = |state: &TrialState| matches!(state, TrialState::Scored | TrialState::NotScored);
    attempts.iter().position(ran).or(attempts.len().checked_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_failures_of_infrastructure_and_invalidated_attempts_are_replaced() {
        use TrialState::{Infrastructure, Invalidated, NotScored, Scored};
        assert_eq!(counted_attempt(&[]), None);
        assert_eq!(counted_attempt(&[Infrastructure, Scored]), Some(1));
        assert_eq!(counted_attempt(&[Scored, Scored]), Some(0));
        assert_eq!(counted_attempt(&[Invalidated, NotScored, Scored]), Some(1));
        assert_eq!(counted_attempt(&[Infrastructure, Infrastructure]), Some(1));
    }

    #[test]
    fn a_score_that_is_not_finite_is_none() {
        assert_eq!(Trial::scored(f64::NAN).counted_state(), TrialState::NotScored);
        assert_eq!(Trial::scored(f64::INFINITY).counted_score(), None);
        let late = Trial { state: TrialState::Invalidated, ..Trial::scored(1.0) };
        assert_eq!(late.counted_score(), None);
    }
}
