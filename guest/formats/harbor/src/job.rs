//! What the tools report about a whole run or job.
//!
//! **terminal-bench** writes its file after each trial, with no mark of the run's end, so the status
//! is unknown. `accuracy` is the mean of `is_resolved`, and `n_resolved` its sum.
//!
//! **Harbor** writes `finished_at` only at the end of a job. Its times are local, without an offset,
//! so they are no points in time here; only the duration is known. `updated_at` is in UTC while the
//! job runs and local at its end, so it orders no copies of the file: the ends of the trials do. Its
//! metrics are per group of trials with the same agent, model and data set, over the trials whose
//! rewards are valid:
//!
//! - If the group has one reward only, a metric is named `mean`, `sum`, `min` or `max`; if it has
//!   several, it has their names and not its own. Then `reward_stats`, which has every value, shows
//!   whether it is the mean or the sum; otherwise it is not compared.
//! - A trial with valid rewards that lacks one of them counts as 0 under its name, and a trial
//!   without valid rewards does not count. If a job has both, the figure is not compared, because a
//!   figure has one policy for all results without a value.
//! - A job with `reward_stats` but without metrics was not written by a run, which has the mean if no
//!   other metric was chosen. Then the mean is computed from `reward_stats` by that same rule.
//! - The figures of a job with several groups are not compared: each is over a part of the results.

use std::borrow::Cow;

use arc_format_kit::finite::with_null_for_nan;
use arc_format_kit::json::{Place, Reader, Value};
use arc_format_kit::time::in_utc;
use arc_format_kit::{
    Aggregation, MetricDefinition, MetricKind, MissingPolicy, ReportedFigure, RunReport, RunStatus,
    SuiteSummary, Violation,
};

use crate::bench::RESOLVED;
use crate::time::between;
use crate::trial::REWARD;
use crate::{identity, origin};

const AT: fn(&'static str) -> Place<'static> = |member| Place { object: "", member };

/// Reads a header; see `extract-suite` in `wit/extraction.wit`.
pub(crate) fn suite(header: &str) -> Result<SuiteSummary, Vec<Violation>> {
    let header = with_null_for_nan(header);
    let (mut reader, root) = Reader::new(&header)?;
    let names = ["id", "accuracy", "n_total_trials", "stats", "started_at", "finished_at"];
    let answer = reader.root(root, names).map(|[id, accuracy, total, stats, start, end]| {
        reader.decoration(|reader| {
            let id = reader.text(id, AT("id")).and_then(identity);
            let summary = if total.is_some() || stats.is_some() {
                harbor(reader, [total, stats, start, end])
            } else {
                SuiteSummary { run: terminal_bench(reader, root, accuracy), ..Default::default() }
            };
            SuiteSummary { run: RunReport { run_id: id, ..summary.run }, ..summary }
        })
    });
    reader.finish_suite(answer)
}

/// Returns the id of a run from its header.
pub(crate) fn run_id(header: &str) -> Option<String> {
    let id = arc_format_kit::json::leading_member(header, &["id"])?;
    id.decode().map(|id| id.text.into_owned()).and_then(identity)
}

fn terminal_bench<'a>(
    reader: &mut Reader<'a>,
    root: Value<'a>,
    accuracy: Option<Value<'a>>,
) -> RunReport {
    let count = |reader: &mut Reader<'a>, name: &'static str| {
        let value = root.member(name).filter(|value| value.json() != "null");
        reader.tokens(value, AT(name))
    };
    let accuracy = reader.number(accuracy, AT("accuracy"));
    let resolved = count(reader, "n_resolved");
    let unresolved = count(reader, "n_unresolved");
    let figure = |name: &str, value, aggregation| ReportedFigure {
        missing: MissingPolicy::Zero,
        ..figure(RESOLVED, name, value, aggregation)
    };
    let mut figures = Vec::new();
    if accuracy.is_some() {
        let headline = figure("accuracy", accuracy, Aggregation::Mean);
        figures.push(ReportedFigure { headline: true, ..headline });
    }
    if resolved.is_some() {
        figures.push(figure("n_resolved", resolved, Aggregation::Sum));
    }
    figures.extend(pass_at_k(root, RESOLVED));
    RunReport {
        reported_results: resolved.zip(unresolved).map(|(resolved, others)| resolved + others),
        metrics: vec![MetricDefinition {
            name: RESOLVED.to_owned(),
            lowest: Some(0.0),
            highest: Some(1.0),
            kind: Some(MetricKind::Binary),
            headline: true,
            ..MetricDefinition::default()
        }],
        figures,
        origin: origin::of_terminal_bench(),
        ..RunReport::default()
    }
}

fn harbor<'a>(reader: &mut Reader<'a>, members: [Option<Value<'a>>; 4]) -> SuiteSummary {
    let [total, stats, start, end] = members;
    let names = ["n_input_tokens", "n_output_tokens", "cost_usd", "evals", "n_cancelled_trials"];
    let [input, output, cost, evals, cancelled] = reader.object(stats, AT("stats"), names);
    // Versions before 0.20 have the second name.
    let counts = ["n_completed_trials", "n_trials"];
    let count = stats.and_then(|stats| counts.iter().find_map(|name| stats.member(name)));
    let at = |member| Place { object: "/stats", member };
    let completed = reader.tokens(count.filter(|it| it.json() != "null"), at(counts[0]));
    let cancelled = reader.tokens(cancelled, at(names[4])).unwrap_or_default();
    let planned = reader.tokens(total, AT("n_total_trials"));
    let input = reader.tokens(input, at(names[0]));
    let output = reader.tokens(output, at(names[1]));
    let total_tokens = match (input, output) {
        (None, None) => None,
        (input, output) => Some(input.unwrap_or(0.0) + output.unwrap_or(0.0)),
    };
    let total_cost_usd = reader.amount(cost, at(names[2]));
    let is_finished = end.is_some();
    let [start, end] = [(start, "started_at"), (end, "finished_at")]
        .map(|(value, member)| reader.text(value, AT(member)).unwrap_or_default());
    let groups: Vec<Group> = evals
        .and_then(Value::members)
        .unwrap_or_default()
        .into_iter()
        .map(|(name, stats)| Group::read(name.text, stats))
        .collect();
    let [started_at, completed_at] = [&start, &end].map(|time| in_utc(time));
    let (status, status_reason) = match is_finished {
        true => (RunStatus::Completed, None),
        false => {
            let status = if cancelled > 0.0 { RunStatus::Cancelled } else { RunStatus::Incomplete };
            let [completed, planned] = [completed, planned].map(Option::unwrap_or_default);
            let reason = format!(
                "the job has no finished_at: {completed} of {planned} trials are completed, {cancelled} of them cancelled"
            );
            (status, Some(reason))
        }
    };
    SuiteSummary {
        total_cost_usd,
        total_tokens_used: total_tokens,
        execution_time_ms: between(&start, &end),
        run: RunReport {
            status: Some(status),
            status_reason,
            created_at: started_at.clone(),
            revised_at: completed_at.clone(),
            started_at,
            completed_at,
            origin: origin::of_job(root),
            planned_results: planned,
            reported_results: completed,
            total_tokens,
            total_cost_usd,
            metrics: definitions(&groups),
            figures: groups.iter().flat_map(|group| group.figures(&groups, completed)).collect(),
            ..RunReport::default()
        },
        ..SuiteSummary::default()
    }
}

/// Returns the name of the reward that is a trial's score: `reward`, or the only one of the job.
fn own_reward<'g>(groups: &'g [Group]) -> Option<&'g str> {
    let mut names = groups.iter().flat_map(|group| &group.rewards).map(|reward| &*reward.name);
    let first = names.clone().next()?;
    if names.clone().any(|name| name == REWARD) {
        return Some(REWARD);
    }
    names.all(|name| name == first).then_some(first)
}

/// Returns a definition of each reward of a job.
fn definitions(groups: &[Group]) -> Vec<MetricDefinition> {
    let own = own_reward(groups);
    let mut metrics: Vec<MetricDefinition> = Vec::new();
    for reward in groups.iter().flat_map(|group| &group.rewards) {
        if metrics.iter().all(|metric| metric.name != *reward.name) {
            metrics.push(MetricDefinition {
                name: reward.name.clone().into_owned(),
                headline: own == Some(&*reward.name),
                ..MetricDefinition::default()
            });
        }
    }
    metrics
}

/// The trials with the same agent, model and data set.
struct Group<'a> {
    name: Cow<'a, str>,
    stats: Value<'a>,
    /// The number of trials with valid rewards.
    trials: f64,
    rewards: Vec<Reward<'a>>,
}

/// All values of a reward in a group.
struct Reward<'a> {
    name: Cow<'a, str>,
    count: f64,
    sum: f64,
}

impl<'a> Group<'a> {
    fn read(name: Cow<'a, str>, stats: Value<'a>) -> Self {
        let rewards = stats.member("reward_stats").and_then(Value::members).unwrap_or_default();
        let rewards = rewards.into_iter().filter(|(name, _)| !name.text.is_empty());
        let mut rewards: Vec<Reward> =
            rewards.map(|(name, values)| Reward::read(name.text, values)).collect();
        // In the order of Harbor's metrics.
        rewards.sort_by(|one, other| one.name.cmp(&other.name));
        Group {
            name,
            stats,
            trials: stats.member("n_trials").and_then(Value::number).unwrap_or_default(),
            rewards,
        }
    }

    /// Returns the figures. `completed` is the number of trials of the job.
    fn figures(&self, groups: &[Group], completed: Option<f64>) -> Vec<ReportedFigure> {
        let is_alone = groups.len() == 1;
        let of_group = |name: &str| match is_alone {
            true => name.to_owned(),
            false => format!("{}: {name}", self.name),
        };
        let mut figures: Vec<ReportedFigure> = Vec::new();
        for (name, value) in self.metrics() {
            let (reward, aggregation) = self.aggregation(&name, value);
            let policy = reward.and_then(|reward| self.missing_policy(reward, completed));
            let metric = reward.map_or(&name, |reward| &reward.name);
            if name.is_empty() {
                continue;
            }
            let aggregation = match policy {
                Some(_) if is_alone => aggregation,
                _ => Aggregation::NotComparable,
            };
            // Several metrics of several rewards all have the rewards' names.
            let same = figures.iter().filter(|it| it.metric == **metric).count();
            let own_name = match reward {
                Some(reward) if reward.name == name && same > 0 => format!("{name} ({})", same + 1),
                _ => name.to_string(),
            };
            figures.push(ReportedFigure {
                missing: policy.unwrap_or(MissingPolicy::Zero),
                ..figure(metric, &of_group(&own_name), value, aggregation)
            });
        }
        // The mean counts as the job's score, in any order of the metrics.
        let own = own_reward(groups);
        let is_own = |it: &ReportedFigure| own == Some(it.metric.as_str());
        let headline = figures
            .iter()
            .position(|it| is_own(it) && it.aggregation == Aggregation::Mean)
            .or_else(|| figures.iter().position(is_own))
            .filter(|_| is_alone);
        if let Some(figure) = headline.and_then(|at| figures.get_mut(at)) {
            figure.headline = true;
        }
        if let [only] = &*self.rewards {
            let pass_at_k = pass_at_k(self.stats, &only.name).into_iter();
            figures.extend(pass_at_k.map(|it| {
                let figure = of_group(&it.figure);
                ReportedFigure { figure, ..it }
            }));
        }
        figures
    }

    /// Returns the names and values of the metrics; of a group without any, those of the mean.
    fn metrics(&self) -> Vec<(Cow<'a, str>, Option<f64>)> {
        let metrics = self.stats.member("metrics").and_then(Value::elements).unwrap_or_default();
        if metrics.is_empty() && self.trials > 0.0 {
            let name = |reward: &Reward<'a>| match &*self.rewards {
                [_] => Cow::Borrowed("mean"),
                _ => reward.name.clone(),
            };
            let mean = |reward: &Reward<'a>| reward.sum / self.trials;
            let means = self.rewards.iter().map(|it| (name(it), Some(mean(it))));
            return means.filter(|(_, mean)| mean.is_none_or(f64::is_finite)).collect();
        }
        let finite = |value: Value| value.number().filter(|value| value.is_finite());
        let members = metrics.into_iter().filter_map(Value::members).flatten();
        members.map(|(name, value)| (name.text, finite(value))).collect()
    }

    /// Returns the reward that a metric aggregates, and how.
    fn aggregation(&self, name: &str, value: Option<f64>) -> (Option<&Reward<'a>>, Aggregation) {
        if let Some(reward) = self.rewards.iter().find(|reward| reward.name == name) {
            return (Some(reward), self.checked_aggregation(reward, value));
        }
        let [only] = &*self.rewards else { return (None, Aggregation::NotComparable) };
        match name {
            "mean" | "sum" => (Some(only), self.checked_aggregation(only, value)),
            "min" | "max" => (Some(only), Aggregation::NotComparable),
            _ => (None, Aggregation::NotComparable),
        }
    }

    /// Returns which aggregation of all values of a reward is this one.
    fn checked_aggregation(&self, reward: &Reward, value: Option<f64>) -> Aggregation {
        let is = |computed: f64| {
            value.is_some_and(|value| (value - computed).abs() <= 1e-9 * value.abs().max(1.0))
        };
        if self.trials > 0.0 && is(reward.sum / self.trials) {
            Aggregation::Mean
        } else if is(reward.sum) {
            Aggregation::Sum
        } else {
            Aggregation::NotComparable
        }
    }

    /// Returns the policy for trials without this reward; `None` if some count as 0 and others do
    /// not count.
    fn missing_policy(&self, reward: &Reward, completed: Option<f64>) -> Option<MissingPolicy> {
        if reward.count == self.trials {
            Some(MissingPolicy::Exclude)
        } else if Some(self.trials) == completed {
            Some(MissingPolicy::Zero)
        } else {
            None
        }
    }
}

impl<'a> Reward<'a> {
    /// Reads an object with an array of trials for each value.
    fn read(name: Cow<'a, str>, values: Value<'a>) -> Self {
        let (mut count, mut sum) = (0.0, 0.0);
        for (value, trials) in values.members().unwrap_or_default() {
            let trials = f64::from(trials.element_count().unwrap_or_default());
            count += trials;
            sum += value.text.parse().unwrap_or(f64::NAN) * trials;
        }
        Reward { name, count, sum }
    }
}

/// Returns the figures `pass@2`, `pass@4` and so on. They are not compared.
fn pass_at_k(object: Value, metric: &str) -> Vec<ReportedFigure> {
    let members = object.member("pass_at_k").and_then(Value::members).unwrap_or_default();
    let read = |(k, value): (arc_format_kit::json::Text, Value)| {
        let value = value.number().filter(|value| value.is_finite())?;
        let name = format!("pass@{}", k.text);
        Some(figure(metric, &name, Some(value), Aggregation::NotComparable))
    };
    members.into_iter().filter_map(read).collect()
}

fn figure(
    metric: &str,
    name: &str,
    value: Option<f64>,
    aggregation: Aggregation,
) -> ReportedFigure {
    ReportedFigure {
        metric: metric.to_owned(),
        figure: name.to_owned(),
        value,
        standard_error: None,
        aggregation,
        missing: MissingPolicy::Exclude,
        tolerance: None,
        headline: false,
    }
}
