//! What the results report about a run.

use std::collections::BTreeMap;

use arc_format_kit::json::{Reader, Value};
use arc_format_kit::time::milliseconds_of;
use arc_format_kit::{
    Aggregation, MetricDefinition, MetricKind, MissingPolicy, ReportedFigure, RunReport, RunStatus,
    SuiteSummary, Violation,
};

use crate::header::{Run, figures_of, is_of_file, parts, start};

/// Metrics whose aggregation is the mean if a task names none.
const MEAN_BY_DEFAULT: [&str; 5] =
    ["acc", "acc_norm", "acc_bytes", "acc_mutual_info", "exact_match"];

/// See [`arc_format_kit::Format::suite`].
pub(crate) fn summary(header: &str) -> Result<SuiteSummary, Vec<Violation>> {
    let (mut reader, root) = Reader::new(header)?;
    let (file_task, root) = parts(root);
    if root.json() == "null" {
        return Ok(SuiteSummary::default());
    }
    let names = ["configs", "results", "higher_is_better", "n-samples", "date"];
    let answer = reader.root(root, names).map(|members| {
        let [configs, results, rising, samples, date] = members;
        let mut summary = SuiteSummary::default();
        if results.and_then(Value::members).is_none_or(|results| results.is_empty()) {
            return summary;
        }
        let all = configs.or(results).and_then(Value::members).unwrap_or_default();
        let of_file = |name: &str| is_of_file(file_task.as_deref(), name);
        let tasks: Vec<_> = all.iter().filter(|(name, _)| of_file(&name.text)).collect();
        if tasks.is_empty() {
            return summary;
        }
        // The tool writes the results at the end of a run, or not at all.
        summary.run.status = Some(RunStatus::Completed);
        let date = date.and_then(start);
        summary.run.origin = Run::read(header).origin.clone();
        summary.run.created_at = date.clone();
        summary.run.revised_at = date.clone();
        summary.run.started_at = date;
        if let [(name, task)] = *tasks {
            let task = Task::read(configs.and(Some(*task)));
            read_figures(
                &mut summary.run,
                &task,
                of_task(results, &name.text),
                of_task(rising, &name.text),
            );
            read_counts(&mut summary.run, &task, of_task(samples, &name.text));
            // The time of all tasks together.
            let seconds = root.member("total_evaluation_time_seconds").filter(|_| all.len() == 1);
            summary.execution_time_ms = seconds.and_then(milliseconds);
        }
        summary
    });
    reader.finish_suite(answer)
}

/// Returns the member of a table that belongs to a task.
fn of_task<'a>(table: Option<Value<'a>>, task: &str) -> Option<Value<'a>> {
    table.and_then(|table| table.member(task))
}

/// The metrics of a task, as far as its configuration defines them.
#[derive(Default)]
struct Task {
    /// Whether the aggregation of each listed metric is the mean.
    means: BTreeMap<String, bool>,
    /// Whether the task computes its metrics with a function of its own.
    has_own_function: bool,
}

impl Task {
    fn read(config: Option<Value>) -> Self {
        let Some(config) = config else { return Task::default() };
        let metrics = config.member("metric_list").and_then(Value::elements).unwrap_or_default();
        let text = |object: Value<'_>, member| {
            object.member(member).and_then(Value::decode).map(|text| text.text.into_owned())
        };
        let mean = |metric: Value<'_>| {
            let name = text(metric, "metric")?;
            let is_mean = match text(metric, "aggregation") {
                Some(aggregation) => aggregation == "mean",
                None => MEAN_BY_DEFAULT.contains(&name.as_str()),
            };
            Some((name, is_mean))
        };
        Task {
            means: metrics.into_iter().filter_map(mean).collect(),
            has_own_function: config.member("process_results").is_some(),
        }
    }

    /// A metric that is not listed has the aggregation of the metric whose function returned it, or
    /// else the mean. A task that lists none can be a Python class with aggregations of its own.
    fn aggregation(&self, metric: &str) -> Aggregation {
        let is_mean = self.means.get(metric).copied();
        let is_mean = is_mean
            .unwrap_or_else(|| !self.means.is_empty() && self.means.values().all(|mean| *mean));
        if is_mean { Aggregation::Mean } else { Aggregation::NotComparable }
    }

    /// Returns what the values of a metric are, if the tool's own function computes them.
    fn kind(&self, metric: &str) -> Option<MetricKind> {
        if self.has_own_function || !self.means.contains_key(metric) {
            return None;
        }
        match metric {
            "acc" | "acc_norm" | "acc_bytes" | "acc_mutual_info" => Some(MetricKind::Binary),
            "exact_match" => Some(MetricKind::Fraction),
            _ => None,
        }
    }
}

/// Reads a task's figures and the definitions of their metrics.
fn read_figures(run: &mut RunReport, task: &Task, results: Option<Value>, rising: Option<Value>) {
    for figure in figures_of(results) {
        let headline = run.figures.is_empty();
        let number = |value: Value| value.number().filter(|number| number.is_finite());
        let rises = rising.and_then(|rising| rising.member(&figure.metric)).map(Value::json);
        let kind = task.kind(&figure.metric);
        run.metrics.push(MetricDefinition {
            name: figure.score.clone(),
            lowest: kind.map(|_| 0.0),
            highest: kind.map(|_| 1.0),
            higher_is_better: match rises {
                Some("true") => Some(true),
                Some("false") => Some(false),
                _ => None,
            },
            kind,
            headline,
            ..MetricDefinition::default()
        });
        run.figures.push(ReportedFigure {
            metric: figure.score,
            figure: figure.key,
            value: number(figure.value).map(|value| value + 0.0),
            standard_error: figure.error.and_then(number),
            aggregation: task.aggregation(&figure.metric),
            missing: MissingPolicy::Exclude,
            tolerance: number(figure.value).and_then(tolerance),
            headline,
        });
    }
}

/// Returns the rounding error of a figure that was summed in single precision, as numpy's `float32`
/// is: any other mean has such a value only if it is a simple fraction.
fn tolerance(value: f64) -> Option<f64> {
    #[expect(clippy::cast_possible_truncation, reason = "the rounding is the question")]
    let is_single = f64::from(value as f32).to_bits() == value.to_bits();
    let is_simple = (value * 4096.0).fract() == 0.0;
    (is_single && !is_simple).then_some(value.abs() * 1e-5)
}

/// Reads the number of results. The tool counts as evaluated the rows of the metric that most rows
/// have, which are all rows unless the task has a function that can leave metrics out. The size of
/// the dataset is no plan: the results do not have the rows that `--samples` selected.
fn read_counts(run: &mut RunReport, task: &Task, samples: Option<Value>) {
    if task.means.is_empty() || task.has_own_function {
        return;
    }
    let count = samples.and_then(|samples| samples.member("effective")?.number());
    let count = count.filter(|count| count.fract() == 0.0 && (0.0..=1e9).contains(count));
    (run.planned_results, run.reported_results) = (count, count);
}

/// Reads seconds, which the tool writes as a text.
fn milliseconds(seconds: Value) -> Option<f64> {
    let seconds = match seconds.decode() {
        Some(text) => text.text.trim().parse().ok(),
        None => seconds.number(),
    };
    seconds.map(milliseconds_of).filter(|time| time.is_finite() && *time >= 0.0)
}
