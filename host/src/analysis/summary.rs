//! The scenarios of a run in order of their ids, with the means over their trials.

use std::collections::BTreeMap;

use super::metric::Metric;
use super::moments::{mean, variance};
use super::options::{NotScoredPolicy, Options};
use super::pass_rates::Passes;
use super::run::{Run, Scenario, Trial, TrialState};

/// A run with the means over the trials of its scenarios. For any order of scenarios, trials and tags, it is
/// the same.
#[derive(Clone, Debug)]
pub(super) struct RunSummary<'a> {
    pub(super) run: &'a Run,
    /// In order of the ids, without those of which there are several.
    pub(super) scenarios: Vec<ScenarioSummary<'a>>,
    /// The ids of which there are several scenarios.
    pub(super) duplicate_ids: Vec<&'a str>,
}

/// A scenario with the means over its trials.
#[derive(Clone, Debug)]
pub(super) struct ScenarioSummary<'a> {
    pub(super) scenario: &'a Scenario,
    /// The mean of the scores; `None` if no trial has one.
    pub(super) score: Option<f64>,
    /// The variance of the scores between the trials; `None` of fewer than two.
    pub(super) score_variance: Option<f64>,
    /// How many trials have a score, and how many of them passed; `None` if the metric has no threshold.
    pub(super) passes: Option<Passes>,
    /// How many trials have a score.
    pub(super) scored_trials: usize,
    /// Whether each score is 0 or 1.
    pub(super) is_zero_or_one: bool,
    /// The means of cost, tokens and duration over the trials that ran.
    pub(super) resources: [Option<f64>; 3],
    /// What became of it, if no trial has a score.
    pub(super) state: TrialState,
}

/// What a run uses besides its score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    Cost,
    Tokens,
    Duration,
}

impl<'a> RunSummary<'a> {
    pub(super) fn new(run: &'a Run, metric: &Metric, options: &Options) -> Self {
        let mut by_id: Vec<&Scenario> = run.scenarios.iter().collect();
        by_id.sort_by(|a, b| a.id.cmp(&b.id));
        let mut scenarios = Vec::with_capacity(by_id.len());
        let mut duplicate_ids = Vec::new();
        for same_id in by_id.chunk_by(|a, b| a.id == b.id) {
            match same_id {
                [scenario] => scenarios.push(ScenarioSummary::new(scenario, metric, options)),
                several => duplicate_ids.extend(several.first().map(|first| first.id.as_str())),
            }
        }
        RunSummary { run, scenarios, duplicate_ids }
    }

    /// Returns the scenarios that have a score.
    pub(super) fn scored(&self) -> impl Iterator<Item = &ScenarioSummary<'a>> {
        self.scenarios.iter().filter(|scenario| scenario.score.is_some())
    }
}

impl<'a> ScenarioSummary<'a> {
    fn new(scenario: &'a Scenario, metric: &Metric, options: &Options) -> Self {
        let scores = counted_scores(scenario, metric, options.not_scored_policy);
        let passed = || scores.iter().filter(|score| metric.passes(**score) == Some(true)).count();
        let resource = |of: fn(&Trial) -> Option<f64>| {
            let ran = scenario.trials.iter().filter(|trial| ran(trial));
            let mut values: Vec<f64> =
                ran.filter_map(of).filter(|value| value.is_finite()).collect();
            values.sort_by(f64::total_cmp);
            mean(&values)
        };
        ScenarioSummary {
            scenario,
            score: mean(&scores),
            score_variance: variance(&scores),
            passes: metric.threshold().map(|_| Passes { trials: scores.len(), passed: passed() }),
            scored_trials: scores.len(),
            is_zero_or_one: scores.iter().all(|score| *score == 0.0 || *score == 1.0),
            resources: [
                resource(|trial| trial.cost_usd),
                resource(|trial| trial.tokens),
                resource(|trial| trial.duration_seconds),
            ],
            state: state_without_score(scenario),
        }
    }

    pub(super) fn resource(&self, resource: Resource) -> Option<f64> {
        let [cost, tokens, duration] = self.resources;
        match resource {
            Resource::Cost => cost,
            Resource::Tokens => tokens,
            Resource::Duration => duration,
        }
    }

    /// Returns whether some trials passed and some did not.
    pub(super) fn is_flaky(&self) -> bool {
        self.passes.is_some_and(|passes| 0 < passes.passed && passes.passed < passes.trials)
    }
}

/// Returns the tags of a scenario in order, each once.
pub(super) fn tags(scenario: &Scenario) -> Vec<&str> {
    let mut tags: Vec<&str> = scenario.tags.iter().map(String::as_str).collect();
    tags.sort_unstable();
    tags.dedup();
    tags
}

/// Counts how often each id of scenarios that are not scored occurs in a run.
pub(super) fn not_scored_trials(run: &Run) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for scenario in &run.scenarios {
        let states = scenario.trials.iter().map(Trial::counted_state);
        let count = states.filter(|state| *state == TrialState::NotScored).count();
        if count > 0 {
            *counts.entry(scenario.id.as_str()).or_default() += count;
        }
    }
    counts
}

/// Returns the scores that count, in order of their values.
fn counted_scores(scenario: &Scenario, metric: &Metric, policy: NotScoredPolicy) -> Vec<f64> {
    let substitute = match policy {
        NotScoredPolicy::Zero => metric.not_scored_value(),
        NotScoredPolicy::Exclude | NotScoredPolicy::Stop => None,
    };
    let score = |trial: &Trial| match trial.counted_state() {
        // A negative zero would be written as such.
        TrialState::Scored => trial.counted_score().map(|score| score + 0.0),
        TrialState::NotScored => substitute,
        _ => None,
    };
    let mut scores: Vec<f64> = scenario.trials.iter().filter_map(score).collect();
    scores.sort_by(f64::total_cmp);
    scores
}

fn ran(trial: &Trial) -> bool {
    matches!(trial.state, TrialState::Scored | TrialState::NotScored)
}

/// Returns what became of a scenario without a score: the first of the states that any trial has.
fn state_without_score(scenario: &Scenario) -> TrialState {
    let states = scenario.trials.iter().map(Trial::counted_state);
    states.min().unwrap_or(TrialState::Missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_score_follows_the_policy() {
        let mut scenario = Scenario::scored("a", &[1.0, f64::NAN]);
        scenario.trials.push(Trial::without_score(TrialState::Infrastructure));
        let metric = Metric::binary("correct");
        let score = |not_scored_policy| {
            let options = Options { not_scored_policy, ..Options::default() };
            ScenarioSummary::new(&scenario, &metric, &options).score
        };
        assert_eq!(score(NotScoredPolicy::Exclude), Some(1.0));
        assert_eq!(score(NotScoredPolicy::Zero), Some(0.5));
    }

    #[test]
    fn several_scenarios_of_one_id_are_left_out() {
        let run = Run {
            scenarios: ["b", "a", "b"].map(|id| Scenario::scored(id, &[1.0])).to_vec(),
            ..Run::default()
        };
        let summary = RunSummary::new(&run, &Metric::binary("correct"), &Options::default());
        assert_eq!(summary.duplicate_ids, ["b"]);
        assert_eq!(summary.scenarios.len(), 1);
    }
}
