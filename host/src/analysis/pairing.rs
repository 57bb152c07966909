//! The pairs of scenarios of two runs: by id and content, never by position.

use std::cmp::Ordering;

use serde::Serialize;

use super::run::TrialState;
use super::summary::{RunSummary, ScenarioSummary};

/// What became of each scenario of two runs: each is in exactly one group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Denominators {
    /// The number of scenarios that both runs have with the same content and a score, which are compared.
    pub in_both: usize,
    /// How many of them have no digest of their content in one of the runs, so that only their ids were compared.
    pub content_not_verified: usize,
    /// The ids that only the baseline has.
    pub only_in_baseline: Vec<String>,
    /// The ids that only the candidate has.
    pub only_in_candidate: Vec<String>,
    /// The ids whose content differs.
    pub changed: Vec<String>,
    /// The ids of which one of the runs ran trials, but has no score.
    pub not_scored: Vec<String>,
    /// The ids of which one of the runs has only invalidated results.
    pub invalidated: Vec<String>,
    /// The ids of which one of the runs has only failures of infrastructure.
    pub infrastructure: Vec<String>,
    /// The ids that were planned in both runs, and of which one has no result.
    pub missing: Vec<String>,
    /// The ids that several scenarios of one run share.
    pub duplicate_ids: Vec<String>,
}

impl Denominators {
    /// Returns the number of ids of both runs.
    pub fn all(&self) -> usize {
        let groups = [
            &self.only_in_baseline,
            &self.only_in_candidate,
            &self.changed,
            &self.not_scored,
            &self.invalidated,
            &self.infrastructure,
            &self.missing,
            &self.duplicate_ids,
        ];
        self.in_both + groups.iter().map(|group| group.len()).sum::<usize>()
    }
}

/// A scenario that both runs have, with a score in each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair<'a> {
    pub(super) baseline: &'a ScenarioSummary<'a>,
    pub(super) candidate: &'a ScenarioSummary<'a>,
}

/// The pairs of two runs, in order of the ids, and what became of the other scenarios.
#[derive(Clone, Debug, Default)]
pub(super) struct Pairing<'a> {
    pub(super) pairs: Vec<Pair<'a>>,
    pub(super) denominators: Denominators,
}

impl<'a> Pairing<'a> {
    pub(super) fn new(baseline: &'a RunSummary<'a>, candidate: &'a RunSummary<'a>) -> Self {
        let mut pairing = Pairing::default();
        pairing.denominators.duplicate_ids = duplicate_ids(baseline, candidate);
        // Both are in order of the ids.
        let (mut left, mut right) = (baseline.scenarios.as_slice(), candidate.scenarios.as_slice());
        loop {
            let order = match (left.first(), right.first()) {
                (Some(a), Some(b)) => a.scenario.id.cmp(&b.scenario.id),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => break,
            };
            let next = |is_taken: bool, side: &mut &'a [ScenarioSummary<'a>]| {
                let (first, rest) = side.split_first().filter(|_| is_taken)?;
                *side = rest;
                Some(first)
            };
            let a = next(order != Ordering::Greater, &mut left);
            let b = next(order != Ordering::Less, &mut right);
            pairing.add(a, b);
        }
        pairing
    }

    fn add(
        &mut self,
        baseline: Option<&'a ScenarioSummary<'a>>,
        candidate: Option<&'a ScenarioSummary<'a>>,
    ) {
        let groups = &mut self.denominators;
        let Some(any) = baseline.or(candidate) else { return };
        if groups.duplicate_ids.binary_search(&any.scenario.id).is_ok() {
            return;
        }
        let group = match (baseline, candidate) {
            (Some(baseline), Some(candidate)) => group_of(baseline, candidate, groups),
            (Some(_), None) => Some(&mut groups.only_in_baseline),
            (None, _) => Some(&mut groups.only_in_candidate),
        };
        if let Some(group) = group {
            group.push(any.scenario.id.clone());
            return;
        }
        groups.in_both += 1;
        self.pairs.extend(
            baseline.zip(candidate).map(|(baseline, candidate)| Pair { baseline, candidate }),
        );
    }
}

/// Returns the group of a scenario that both runs have; `None` if it is compared.
fn group_of<'g>(
    baseline: &ScenarioSummary<'_>,
    candidate: &ScenarioSummary<'_>,
    groups: &'g mut Denominators,
) -> Option<&'g mut Vec<String>> {
    let digests =
        baseline.scenario.content_digest.as_ref().zip(candidate.scenario.content_digest.as_ref());
    if digests.is_some_and(|(a, b)| a != b) {
        return Some(&mut groups.changed);
    }
    let sides = [baseline, candidate];
    let without = sides.iter().filter(|side| side.score.is_none()).map(|side| side.state).min();
    match without {
        None => {
            groups.content_not_verified += usize::from(digests.is_none());
            None
        }
        Some(TrialState::Scored | TrialState::NotScored) => Some(&mut groups.not_scored),
        Some(TrialState::Infrastructure) => Some(&mut groups.infrastructure),
        Some(TrialState::Invalidated) => Some(&mut groups.invalidated),
        Some(TrialState::Missing) => Some(&mut groups.missing),
    }
}

fn duplicate_ids(baseline: &RunSummary<'_>, candidate: &RunSummary<'_>) -> Vec<String> {
    let both = baseline.duplicate_ids.iter().chain(&candidate.duplicate_ids);
    let mut ids: Vec<String> = both.map(|id| (*id).to_owned()).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::metric::Metric;
    use crate::analysis::options::Options;
    use crate::analysis::run::{Run, Scenario, Trial};

    fn run(scenarios: &[(&str, Option<&str>, Trial)]) -> Run {
        let scenario = |(id, digest, trial): &(&str, Option<&str>, Trial)| Scenario {
            id: (*id).to_owned(),
            content_digest: digest.map(str::to_owned),
            trials: vec![trial.clone()],
            ..Scenario::default()
        };
        Run { scenarios: scenarios.iter().map(scenario).collect(), ..Run::default() }
    }

    fn denominators(baseline: &Run, candidate: &Run) -> (usize, Denominators) {
        let metric = Metric::binary("correct");
        let [a, b] =
            [baseline, candidate].map(|run| RunSummary::new(run, &metric, &Options::default()));
        let pairing = Pairing::new(&a, &b);
        (pairing.pairs.len(), pairing.denominators)
    }

    #[test]
    fn each_scenario_is_in_one_group() {
        let scored = Trial::scored(1.0);
        let without = Trial::without_score;
        let baseline = run(&[
            ("paired", Some("x"), scored.clone()),
            ("changed", Some("x"), scored.clone()),
            ("only-a", Some("x"), scored.clone()),
            ("unknown", None, scored.clone()),
            ("infra", Some("x"), scored.clone()),
            ("invalid", Some("x"), without(TrialState::Invalidated)),
            ("no-score", Some("x"), Trial::scored(f64::NAN)),
            ("missing", Some("x"), scored.clone()),
            ("twice", Some("x"), scored.clone()),
            ("twice", Some("x"), scored.clone()),
        ]);
        let candidate = run(&[
            ("twice", Some("x"), scored.clone()),
            ("only-b", Some("x"), scored.clone()),
            ("missing", Some("x"), without(TrialState::Missing)),
            ("no-score", Some("x"), without(TrialState::Infrastructure)),
            ("invalid", Some("x"), scored.clone()),
            ("infra", Some("x"), without(TrialState::Infrastructure)),
            ("unknown", Some("x"), scored.clone()),
            ("changed", Some("y"), scored.clone()),
            ("paired", Some("x"), scored),
        ]);
        let (pairs, groups) = denominators(&baseline, &candidate);
        assert_eq!((pairs, groups.in_both, groups.content_not_verified), (2, 2, 1));
        assert_eq!(groups.only_in_baseline, ["only-a"]);
        assert_eq!(groups.only_in_candidate, ["only-b"]);
        assert_eq!(groups.changed, ["changed"]);
        assert_eq!(groups.not_scored, ["no-score"]);
        assert_eq!(groups.invalidated, ["invalid"]);
        assert_eq!(groups.infrastructure, ["infra"]);
        assert_eq!(groups.missing, ["missing"]);
        assert_eq!(groups.duplicate_ids, ["twice"]);
        assert_eq!(groups.all(), 10);
    }
}
