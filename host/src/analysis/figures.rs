//! The figures of one run.

use serde::Serialize;

use super::distributions::{normal_quantile, t_quantile};
use super::interval::{Interval, IntervalMethod, LEVEL, wilson_bounds};
use super::metric::Metric;
use super::moments::{mean, sum, variance};
use super::options::{NotScoredPolicy, Options};
use super::pass_rates::{PassRate, Passes, pass_rates};
use super::refusal::Refusal;
use super::run::{Run, Trial, TrialState};
use super::sample::{MIN_UNITS, Sample};
use super::summary::{Resource, RunSummary, ScenarioSummary, not_scored_trials};
use crate::store::MetricKind;

/// With fewer passes or failures than this, counted in effective results, Wilson's interval is approximate.
const MIN_PASSES_AND_FAILURES: f64 = 5.0;

/// The figures of one run. A trial that has no score, was invalidated, failed by infrastructure or is missing is counted,
/// and is in no mean.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunFigures {
    /// The run.
    pub run: String,
    /// Whether the run is still running.
    pub is_interim: bool,
    /// How a trial counts that ran and has no score.
    pub not_scored_policy: NotScoredPolicy,
    /// The score of such a trial; `None` if it does not count.
    pub not_scored_value: Option<f64>,
    /// The number of scenarios, without those that share an id.
    pub scenarios: usize,
    /// The ids that several scenarios share, which are left out.
    pub duplicate_ids: Vec<String>,
    /// The trials by what became of them.
    pub trials: TrialCounts,
    /// The score: the mean over the scenarios of each scenario's mean over its trials; `None` if none has a score.
    pub score: Option<Estimate>,
    /// pass@k and pass^k; `None` if the metric has no pass threshold.
    pub pass_rates: Option<Vec<PassRate>>,
    /// How much the trials of a scenario differ; `None` if no scenario has two trials with a score.
    pub flakiness: Option<Flakiness>,
    /// The cost in US dollars of a trial.
    pub cost_usd: Option<Estimate>,
    /// The tokens of a trial.
    pub tokens: Option<Estimate>,
    /// The duration of a trial in seconds.
    pub duration_seconds: Option<Estimate>,
}

/// The planned trials of a run, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TrialCounts {
    /// All planned trials.
    pub planned: usize,
    /// They ran and have a score.
    pub scored: usize,
    /// They ran and have no score.
    pub not_scored: usize,
    /// They were marked as ones that do not count.
    pub invalidated: usize,
    /// They failed by infrastructure.
    pub infrastructure: usize,
    /// They have no result.
    pub missing: usize,
    /// The attempts that preceded those that count.
    pub retries: usize,
}

/// The mean over scenarios of the means over their trials.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// The mean.
    pub value: f64,
    /// The number of scenarios.
    pub scenarios: usize,
    /// The number of clusters; `None` if the scenarios are independent.
    pub clusters: Option<usize>,
    /// The standard error of independent scenarios; `None` with fewer than two scenarios.
    pub standard_error: Option<f64>,
    /// The standard error of clusters of scenarios; `None` without clusters or with fewer than two.
    pub clustered_standard_error: Option<f64>,
    /// The interval; `None` if the standard error is undefined.
    pub interval: Option<Interval>,
}

/// How much the trials of a scenario differ. Unlike the score, it is over the scenarios with at least two trials.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Flakiness {
    /// The mean over scenarios of the variance between their trials.
    pub within_variance: f64,
    /// The variance of the scenarios' expected scores; `None` with fewer than two scenarios.
    pub between_variance: Option<f64>,
    /// The part of the variance that is between trials, from 0 to 1: if it is large, more trials help, otherwise
    /// more scenarios; `None` if nothing varies.
    pub flakiness: Option<f64>,
    /// The number of scenarios with at least two trials.
    pub scenarios: usize,
    /// The ids of the scenarios of which some trials passed and some did not.
    pub flaky_scenarios: Vec<String>,
}

impl RunFigures {
    /// Computes the figures of a run.
    ///
    /// # Errors
    /// [`Refusal::NotScored`] and [`Refusal::NoWorstValue`] by the policy.
    pub fn new(run: &Run, metric: &Metric, options: &Options) -> Result<Self, Refusal> {
        let metric = metric.with_kind_of([run]);
        check_policy(&[run], &metric, options)?;
        Ok(RunFigures::of(&RunSummary::new(run, &metric, options), &metric, options))
    }

    pub(super) fn of(summary: &RunSummary<'_>, metric: &Metric, options: &Options) -> Self {
        let run = summary.run;
        let passes: Option<Vec<Passes>> =
            summary.scored().map(|scenario| scenario.passes).collect();
        let resource = |resource| resource_estimate(summary, resource, options);
        RunFigures {
            run: run.name.clone(),
            is_interim: run.is_interim,
            not_scored_policy: options.not_scored_policy,
            not_scored_value: match options.not_scored_policy {
                NotScoredPolicy::Zero => metric.not_scored_value(),
                NotScoredPolicy::Exclude | NotScoredPolicy::Stop => None,
            },
            scenarios: summary.scenarios.len(),
            duplicate_ids: summary.duplicate_ids.iter().map(|id| (*id).to_owned()).collect(),
            trials: TrialCounts::of(run),
            score: score_estimate(summary, metric, options),
            pass_rates: passes.filter(|_| metric.threshold().is_some()).map(|all| pass_rates(&all)),
            flakiness: Flakiness::of(summary),
            cost_usd: resource(Resource::Cost),
            tokens: resource(Resource::Tokens),
            duration_seconds: resource(Resource::Duration),
        }
    }
}

/// Checks that the policy allows the runs to be judged.
pub(super) fn check_policy(
    runs: &[&Run],
    metric: &Metric,
    options: &Options,
) -> Result<(), Refusal> {
    match options.not_scored_policy {
        NotScoredPolicy::Zero if metric.not_scored_value().is_none() => {
            Err(Refusal::NoWorstValue { metric: metric.name.clone() })
        }
        NotScoredPolicy::Stop => runs.iter().try_for_each(|run| {
            let counts = not_scored_trials(run);
            let ids: Vec<String> = counts.keys().map(|id| (*id).to_owned()).collect();
            match ids.is_empty() {
                true => Ok(()),
                false => Err(Refusal::NotScored {
                    run: run.name.clone(),
                    trials: counts.values().sum(),
                    ids,
                }),
            }
        }),
        NotScoredPolicy::Zero | NotScoredPolicy::Exclude => Ok(()),
    }
}

impl TrialCounts {
    fn of(run: &Run) -> Self {
        let mut counts = TrialCounts::default();
        for trial in run.scenarios.iter().flat_map(|scenario| &scenario.trials) {
            counts.add(trial);
        }
        counts
    }

    fn add(&mut self, trial: &Trial) {
        self.planned += 1;
        self.retries += usize::try_from(trial.retries).unwrap_or(usize::MAX);
        let count = match trial.counted_state() {
            TrialState::Scored => &mut self.scored,
            TrialState::NotScored => &mut self.not_scored,
            TrialState::Infrastructure => &mut self.infrastructure,
            TrialState::Invalidated => &mut self.invalidated,
            TrialState::Missing => &mut self.missing,
        };
        *count += 1;
    }
}

impl Estimate {
    /// Returns the mean of a sample with an interval; `None` without values.
    fn of(sample: &Sample, interval: Option<Interval>, is_interim: bool) -> Option<Self> {
        Some(Estimate {
            value: sample.mean()?,
            scenarios: sample.len(),
            clusters: sample.clusters(),
            standard_error: sample.standard_error(),
            clustered_standard_error: sample.clustered_standard_error(),
            interval: interval.map(|interval| Interval { is_interim, ..interval }),
        })
    }
}

/// Returns the sample of values of scenarios, with their clusters if these are used.
pub(super) fn sample<'a>(
    values: impl IntoIterator<Item = (Option<&'a str>, f64)>,
    options: &Options,
) -> Sample {
    let (clusters, values): (Vec<Option<&str>>, Vec<f64>) = values.into_iter().unzip();
    match options.cluster_by {
        Some(_) => Sample::clustered(values, clusters),
        None => Sample::new(values),
    }
}

fn score_estimate(
    summary: &RunSummary<'_>,
    metric: &Metric,
    options: &Options,
) -> Option<Estimate> {
    let sample = sample_of(summary, |scenario| scenario.score, options);
    let is_rate = is_rate(metric) && summary.scored().all(|scenario| scenario.is_zero_or_one);
    let interval = match is_rate {
        true => rate_interval(&sample, summary.scored().map(|one| one.scored_trials).sum()),
        false => sample.interval(sample.is_approximate()),
    };
    Estimate::of(&sample, interval, summary.run.is_interim)
}

/// Returns whether scores that are all 0 or 1 are a rate.
pub(super) fn is_rate(metric: &Metric) -> bool {
    metric.kind != Some(MetricKind::Number)
}

fn resource_estimate(
    summary: &RunSummary<'_>,
    resource: Resource,
    options: &Options,
) -> Option<Estimate> {
    let sample = sample_of(summary, |scenario| scenario.resource(resource), options);
    let interval = sample.interval(sample.is_approximate());
    Estimate::of(&sample, interval, summary.run.is_interim)
}

fn sample_of(
    summary: &RunSummary<'_>,
    value: impl Fn(&ScenarioSummary<'_>) -> Option<f64>,
    options: &Options,
) -> Sample {
    let with_cluster = |scenario: &'_ ScenarioSummary<'_>| value(scenario);
    let values = summary
        .scenarios
        .iter()
        .filter_map(|one| with_cluster(one).map(|value| (one.scenario.cluster.as_deref(), value)));
    sample(values, options)
}

/// Returns Wilson's interval of a rate over scenarios, with the number of results that would have the standard
/// error of the rate if they were independent; `None` with fewer than two scenarios or clusters.
pub fn rate_interval(sample: &Sample, trials: usize) -> Option<Interval> {
    let rate = sample.mean()?;
    let spread = sample.spread()?;
    let variance = spread.standard_error * spread.standard_error;
    let count = match variance > 0.0 {
        true => (rate * (1.0 - rate) / variance).min(trials as f64),
        false => sample.len() as f64,
    };
    let degrees_of_freedom = sample.clusters().map(|_| spread.degrees_of_freedom);
    let quantile = match degrees_of_freedom {
        Some(degrees) => t_quantile(Interval::upper_probability(), degrees)?,
        None => normal_quantile(Interval::upper_probability())?,
    };
    let (low, high) = wilson_bounds(rate, count, quantile);
    let fewest = count * rate.min(1.0 - rate);
    Some(Interval {
        low,
        high,
        level: LEVEL,
        method: IntervalMethod::Wilson,
        degrees_of_freedom,
        is_approximate: sample.unit_count() < MIN_UNITS || fewest < MIN_PASSES_AND_FAILURES,
        is_interim: false,
    })
}

impl Flakiness {
    fn of(summary: &RunSummary<'_>) -> Option<Self> {
        let repeated: Vec<&ScenarioSummary<'_>> =
            summary.scored().filter(|scenario| scenario.scored_trials >= 2).collect();
        let within: Vec<f64> = repeated.iter().filter_map(|one| one.score_variance).collect();
        let within_variance = mean(&within)?;
        let scores: Vec<f64> = repeated.iter().filter_map(|one| one.score).collect();
        let inverse_trials = inverse_trials(&repeated)?;
        // The variance of the means has a part of the variance between trials.
        let between_variance =
            variance(&scores).map(|all| (all - within_variance * inverse_trials).max(0.0));
        let all = between_variance.map(|between| between + within_variance);
        let ids = repeated.iter().filter(|scenario| scenario.is_flaky());
        Some(Flakiness {
            within_variance,
            between_variance,
            flakiness: all.filter(|all| *all > 0.0).map(|all| within_variance / all),
            scenarios: repeated.len(),
            flaky_scenarios: ids.map(|one| one.scenario.id.clone()).collect(),
        })
    }
}

/// Returns the mean of 1 by the number of trials; `None` without scenarios.
pub(super) fn inverse_trials(scenarios: &[&ScenarioSummary<'_>]) -> Option<f64> {
    let inverse = scenarios.iter().map(|scenario| 1.0 / scenario.scored_trials as f64);
    (!scenarios.is_empty()).then(|| sum(inverse) / scenarios.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::run::Scenario;

    fn figures(run: &Run, metric: &Metric) -> RunFigures {
        RunFigures::new(run, metric, &Options::default()).unwrap()
    }

    #[test]
    fn unequal_numbers_of_trials_do_not_move_the_score() {
        let run = Run::of_scores("A", &[vec![1.0; 9], vec![0.0]]);
        assert_eq!(figures(&run, &Metric::binary("correct")).score.unwrap().value, 0.5);
    }

    #[test]
    fn a_rate_has_wilsons_interval_with_the_effective_number_of_results() {
        let run = Run::of_scores("A", &[[0.0]; 20]);
        let interval = figures(&run, &Metric::binary("correct")).score.unwrap().interval.unwrap();
        assert_eq!(interval.low, 0.0);
        assert!((interval.high - 0.161).abs() < 5e-4);
        assert!(interval.is_approximate);
        // Trials of a scenario that are as different as those of different scenarios all count.
        let mixed = vec![vec![1.0, 0.0]; 20];
        let interval =
            figures(&Run::of_scores("A", &mixed), &Metric::binary("correct")).score.unwrap();
        let (low, _) = wilson_bounds(0.5, 20.0, 1.959_963_984_540_054);
        assert!((interval.interval.unwrap().low - low).abs() < 1e-12);
    }

    #[test]
    fn one_scenario_has_no_standard_error() {
        let score =
            figures(&Run::of_scores("A", &[[1.0, 0.0]]), &Metric::binary("c")).score.unwrap();
        assert_eq!((score.standard_error, score.interval), (None, None));
        let empty = figures(&Run::default(), &Metric::binary("c"));
        assert_eq!((empty.score, empty.flakiness), (None, None));
    }

    #[test]
    fn passes_are_absent_without_a_threshold() {
        let run = Run::of_scores("A", &[[0.5, 0.7], [0.2, 0.2]]);
        let without = figures(&run, &Metric::fraction("share"));
        assert_eq!(without.pass_rates, None);
        assert!(without.flakiness.unwrap().flaky_scenarios.is_empty());
        let metric = Metric { pass_threshold: Some(0.6), ..Metric::fraction("share") };
        let with = figures(&run, &metric);
        assert_eq!(with.flakiness.unwrap().flaky_scenarios, ["scenario-00000"]);
        let rates = with.pass_rates.unwrap();
        assert_eq!((rates[0].pass_at_k, rates[1].pass_at_k, rates[1].pass_hat_k), (0.25, 0.5, 0.0));
    }

    #[test]
    fn flakiness_is_the_part_of_the_variance_between_trials() {
        let run = Run::of_scores("A", &[[1.0, 1.0], [0.0, 0.0], [1.0, 1.0], [0.0, 0.0]]);
        let metric = Metric::binary("correct");
        assert_eq!(figures(&run, &metric).flakiness.unwrap().flakiness, Some(0.0));
        let run = Run::of_scores("A", &[[1.0, 0.0], [1.0, 0.0]]);
        let flakiness = figures(&run, &metric).flakiness.unwrap();
        assert_eq!((flakiness.flakiness, flakiness.flaky_scenarios.len()), (Some(1.0), 2));
        let run = Run::of_scores("A", &[[1.0, 1.0], [1.0, 1.0]]);
        assert_eq!(figures(&run, &metric).flakiness.unwrap().flakiness, None);
    }

    #[test]
    fn everything_that_does_not_count_is_counted() {
        let mut scenario = Scenario::scored("a", &[1.0, f64::NAN]);
        let states = [TrialState::Infrastructure, TrialState::Invalidated, TrialState::Missing];
        scenario.trials.extend(states.map(Trial::without_score));
        scenario.trials[2].retries = 2;
        scenario.trials[0].cost_usd = Some(3.0);
        scenario.trials[2].cost_usd = Some(100.0);
        let run = Run { scenarios: vec![scenario], ..Run::default() };
        let figures = figures(&run, &Metric::binary("correct"));
        let counts = TrialCounts {
            planned: 5,
            scored: 1,
            not_scored: 1,
            invalidated: 1,
            infrastructure: 1,
            missing: 1,
            retries: 2,
        };
        assert_eq!(figures.trials, counts);
        assert_eq!(figures.cost_usd.unwrap().value, 3.0);
        assert_eq!(figures.score.unwrap().value, 1.0);
    }

    #[test]
    fn the_policy_stop_and_zero_without_a_worst_value_refuse() {
        let run = Run::of_scores("A", &[[f64::NAN]]);
        let stop = Options { not_scored_policy: NotScoredPolicy::Stop, ..Options::default() };
        let refusal = RunFigures::new(&run, &Metric::binary("correct"), &stop).unwrap_err();
        assert_eq!(refusal.to_string(), "A: 1 trials have no score: scenario-00000");
        let zero = Options { not_scored_policy: NotScoredPolicy::Zero, ..Options::default() };
        let seconds = Metric { higher_is_better: false, ..Metric::number("seconds") };
        let refusal = RunFigures::new(&run, &seconds, &zero).unwrap_err();
        assert_eq!(refusal, Refusal::NoWorstValue { metric: "seconds".to_owned() });
        let figures = RunFigures::new(&run, &Metric::binary("correct"), &zero).unwrap();
        assert_eq!((figures.score.unwrap().value, figures.not_scored_value), (0.0, Some(0.0)));
    }
}
