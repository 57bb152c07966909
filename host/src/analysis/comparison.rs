//! A baseline and its candidates.

use std::collections::BTreeMap;

use serde::Serialize;

use super::difference::Difference;
use super::figures::{RunFigures, check_policy};
use super::interval::LEVEL;
use super::metric::Metric;
use super::moments::difference;
use super::multiplicity::Correction;
use super::options::{NotScoredPolicy, Options};
use super::pairing::{Denominators, Pair, Pairing};
use super::power::Power;
use super::refusal::Refusal;
use super::run::Run;
use super::summary::{Resource, RunSummary, tags};
use super::verdict::Verdict;

/// The comparison of a baseline with its candidates.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComparisonReport {
    /// The metric.
    pub metric: Metric,
    /// How a trial counts that ran and has no score.
    pub not_scored_policy: NotScoredPolicy,
    /// What the clusters of the scenarios are; `None` if the scenarios are independent.
    pub cluster_by: Option<String>,
    /// The part of all intervals that contain the true value.
    pub level: f64,
    /// The seed of the random numbers.
    pub seed: u64,
    /// The correction for several candidates or tags.
    pub correction: Correction,
    /// How many candidates were compared, for which their p-values are corrected.
    pub compared_candidates: usize,
    /// How many pairs of a candidate and a tag were compared, for which their p-values are corrected.
    pub compared_tags: usize,
    /// The figures of the baseline.
    pub baseline: RunFigures,
    /// The candidates, in the order in which they were named.
    pub candidates: Vec<RunComparison>,
}

/// The comparison of a candidate with the baseline.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunComparison {
    /// The verdict.
    pub verdict: Verdict,
    /// The figures of the candidate.
    pub candidate: RunFigures,
    /// What became of each scenario.
    pub denominators: Denominators,
    /// Whether the same versions of extractors made the results of both runs.
    pub extractors: ExtractorAgreement,
    /// The difference of the scores; `None` if no scenario has a score in both runs.
    pub difference: Option<Difference>,
    /// How small a difference the compared scenarios can show; `None` with fewer than two.
    pub power: Option<Power>,
    /// The scenarios whose score is worse than in the baseline, the worst first.
    pub worse: Vec<ScenarioDifference>,
    /// The scenarios whose score is better, the best first.
    pub better: Vec<ScenarioDifference>,
    /// The scenarios of each tag; empty if they were not requested.
    pub by_tag: Vec<TagDifference>,
    /// The difference of the cost in US dollars of a trial.
    pub cost_usd: Option<Difference>,
    /// The difference of the tokens of a trial.
    pub tokens: Option<Difference>,
    /// The difference of the duration in seconds of a trial.
    pub duration_seconds: Option<Difference>,
}

/// The versions of the extractors that made the results of two runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExtractorAgreement {
    /// Whether they are the same; `None` if those of a run are unknown.
    pub is_same: Option<bool>,
    /// The versions of the baseline, in order.
    pub baseline: Vec<String>,
    /// The versions of the candidate, in order.
    pub candidate: Vec<String>,
}

/// A scenario whose score differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScenarioDifference {
    /// The scenario's id.
    pub id: String,
    /// The mean over the baseline's trials.
    pub baseline: f64,
    /// The mean over the candidate's trials.
    pub candidate: f64,
    /// The candidate's mean minus the baseline's.
    pub difference: f64,
    /// How many trials of the baseline have a score.
    pub baseline_trials: usize,
    /// How many trials of the candidate have a score.
    pub candidate_trials: usize,
}

/// The difference of the scores over the scenarios of a tag.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TagDifference {
    /// The tag.
    pub tag: String,
    /// The difference.
    pub difference: Difference,
}

/// Compares candidates with a baseline.
///
/// # Errors
/// [`Refusal::NotScored`] and [`Refusal::NoWorstValue`] by the policy.
pub fn compare(
    baseline: &Run,
    candidates: &[Run],
    metric: &Metric,
    options: &Options,
) -> Result<ComparisonReport, Refusal> {
    let runs: Vec<&Run> = std::iter::once(baseline).chain(candidates).collect();
    let metric = metric.with_kind_of(runs.iter().copied());
    check_policy(&runs, &metric, options)?;
    let baseline = RunSummary::new(baseline, &metric, options);
    let mut compared: Vec<RunComparison> = candidates
        .iter()
        .map(|candidate| RunComparison::new(&baseline, candidate, &metric, options))
        .collect();
    let compared_candidates = correct(compared_scores(&mut compared), options.correction);
    let compared_tags = correct(compared_tags(&mut compared), options.correction);
    for one in &mut compared {
        one.verdict = Verdict::of(one, &baseline.run.name, &metric, candidates.len());
    }
    Ok(ComparisonReport {
        not_scored_policy: options.not_scored_policy,
        cluster_by: options.cluster_by.clone(),
        level: LEVEL,
        seed: options.seed,
        correction: options.correction,
        compared_candidates,
        compared_tags,
        baseline: RunFigures::of(&baseline, &metric, options),
        candidates: compared,
        metric,
    })
}

/// Returns the differences of the scores.
fn compared_scores(compared: &mut [RunComparison]) -> Vec<&mut Difference> {
    compared.iter_mut().filter_map(|one| one.difference.as_mut()).collect()
}

/// Returns the differences of the scores of each tag.
fn compared_tags(compared: &mut [RunComparison]) -> Vec<&mut Difference> {
    let tags = compared.iter_mut().flat_map(|one| &mut one.by_tag);
    tags.map(|tag| &mut tag.difference).collect()
}

/// Corrects the p-values of differences for their number, which is returned.
fn correct(differences: Vec<&mut Difference>, correction: Correction) -> usize {
    let mut tests: Vec<_> = differences.into_iter().filter_map(|one| one.test.as_mut()).collect();
    let p_values: Vec<f64> = tests.iter().map(|test| test.p_value).collect();
    for (test, adjusted) in tests.iter_mut().zip(correction.adjust(&p_values)) {
        test.adjusted_p_value = adjusted;
    }
    tests.len()
}

impl RunComparison {
    /// Compares a candidate, without a correction and a verdict.
    fn new(baseline: &RunSummary<'_>, candidate: &Run, metric: &Metric, options: &Options) -> Self {
        let is_interim = baseline.run.is_interim || candidate.is_interim;
        let candidate = RunSummary::new(candidate, metric, options);
        let Pairing { pairs, denominators } = Pairing::new(baseline, &candidate);
        let difference = Difference::of_scores(&pairs, metric, options);
        let (worse, better) = different_scenarios(&pairs, metric);
        let marked = |difference: Option<Difference>| {
            difference.map(|mut difference| {
                difference.mark_interim(is_interim);
                difference
            })
        };
        let resource = |resource| {
            marked(Difference::of(&pairs, |scenario| scenario.resource(resource), options))
        };
        let mut by_tag = if options.by_tag { by_tag(&pairs, metric, options) } else { Vec::new() };
        for tag in &mut by_tag {
            tag.difference.mark_interim(is_interim);
        }
        RunComparison {
            verdict: Verdict::default(),
            candidate: RunFigures::of(&candidate, metric, options),
            extractors: ExtractorAgreement::of(baseline.run, candidate.run),
            power: power(&pairs, metric, options),
            difference: marked(difference),
            denominators,
            worse,
            better,
            by_tag,
            cost_usd: resource(Resource::Cost),
            tokens: resource(Resource::Tokens),
            duration_seconds: resource(Resource::Duration),
        }
    }

    /// Returns whether one of the runs is still running.
    pub(super) fn is_interim(&self) -> bool {
        let interval = self.difference.as_ref().and_then(|difference| difference.interval);
        self.candidate.is_interim || interval.is_some_and(|interval| interval.is_interim)
    }
}

fn power(pairs: &[Pair<'_>], metric: &Metric, options: &Options) -> Option<Power> {
    let sample = super::difference::differences(pairs, |scenario| scenario.score, options);
    let range = metric.range().map(|(lowest, highest)| highest - lowest);
    Power::new(pairs, &sample, range)
}

impl ExtractorAgreement {
    fn of(baseline: &Run, candidate: &Run) -> Self {
        let [baseline, candidate] = [baseline, candidate].map(|run| {
            let mut versions = run.extractor_versions.clone();
            versions.sort_unstable();
            versions.dedup();
            versions
        });
        let is_known = !baseline.is_empty() && !candidate.is_empty();
        let is_same = is_known.then(|| baseline == candidate && baseline.len() == 1);
        ExtractorAgreement { is_same, baseline, candidate }
    }
}

/// Returns the scenarios that are worse and those that are better, the largest differences first.
fn different_scenarios(
    pairs: &[Pair<'_>],
    metric: &Metric,
) -> (Vec<ScenarioDifference>, Vec<ScenarioDifference>) {
    let all = pairs.iter().filter_map(ScenarioDifference::of);
    let (mut worse, mut better): (Vec<_>, Vec<_>) =
        all.partition(|one| one.difference * metric.direction() < 0.0);
    for group in [&mut worse, &mut better] {
        let sizes = group.iter().map(|one: &ScenarioDifference| one.difference.abs());
        let largest = sizes.fold(f64::MIN_POSITIVE, f64::max);
        // What differs only by rounding is in order of the ids.
        let size = |one: &ScenarioDifference| (one.difference.abs() / largest * 1e9).round();
        group.sort_by(|a, b| size(b).total_cmp(&size(a)).then_with(|| a.id.cmp(&b.id)));
    }
    (worse, better)
}

impl ScenarioDifference {
    /// Compares a scenario; `None` if its score is the same.
    fn of(pair: &Pair<'_>) -> Option<Self> {
        let (baseline, candidate) = (pair.baseline.score?, pair.candidate.score?);
        let difference = difference(candidate, baseline);
        (difference != 0.0).then(|| ScenarioDifference {
            id: pair.baseline.scenario.id.clone(),
            baseline,
            candidate,
            difference,
            baseline_trials: pair.baseline.scored_trials,
            candidate_trials: pair.candidate.scored_trials,
        })
    }
}

/// Compares the scenarios of each tag that they have in either run.
fn by_tag(pairs: &[Pair<'_>], metric: &Metric, options: &Options) -> Vec<TagDifference> {
    let mut by_tag: BTreeMap<&str, Vec<Pair<'_>>> = BTreeMap::new();
    for pair in pairs {
        let mut both = tags(pair.baseline.scenario);
        both.extend(tags(pair.candidate.scenario));
        both.sort_unstable();
        both.dedup();
        for tag in both {
            by_tag.entry(tag).or_default().push(*pair);
        }
    }
    // A bootstrap for each tag would take longer than everything else.
    let options = Options { bootstrap: false, ..options.clone() };
    let compare = |(tag, pairs): (&str, Vec<Pair<'_>>)| {
        let difference = Difference::of_scores(&pairs, metric, &options)?;
        Some(TagDifference { tag: tag.to_owned(), difference })
    };
    by_tag.into_iter().filter_map(compare).collect()
}
