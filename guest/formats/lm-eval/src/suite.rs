//! The figures of a run of one task.

use std::collections::{BTreeMap, BTreeSet};

use arc_format_kit::finite::with_null_for_nan;
use arc_format_kit::json::{Reader, Value};
use arc_format_kit::time::{milliseconds_of, of_unix_nanoseconds};
use arc_format_kit::{
    Aggregation, MetricDefinition, MissingPolicy, ReportedFigure, RunReport, RunStatus,
    SuiteSummary, Violation,
};

use crate::line::score_name;

/// See [`arc_format_kit::Format::suite`].
pub(crate) fn summary(header: &str) -> Result<SuiteSummary, Vec<Violation>> {
    let header = with_null_for_nan(header);
    let (mut reader, root) = Reader::new(&header)?;
    let names = ["configs", "results", "higher_is_better", "total_evaluation_time_seconds", "date"];
    let answer = reader.root(root, names).map(|members| {
        let [configs, results, rising, seconds, date] = members;
        let mut summary = SuiteSummary::default();
        let tasks = configs.and_then(Value::members).unwrap_or_default();
        let [(task, config)] = tasks.as_slice() else { return summary };
        let figures = of_task(results, &task.text).and_then(Value::members).unwrap_or_default();
        let figures: Vec<(String, Option<f64>)> = figures
            .into_iter()
            .map(|(name, value)| (name.text.into_owned(), finite(value)))
            .collect();
        summary.execution_time_ms = seconds.and_then(milliseconds);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a cast saturates, and then it is no time"
        )]
        let date = date.and_then(Value::number).map(|seconds| (seconds * 1e9).round() as i128);
        let figures = reported(&figures, &means(*config));
        summary.run = RunReport {
            // The tool writes its results at the end.
            status: Some(RunStatus::Completed),
            started_at: date.and_then(of_unix_nanoseconds),
            metrics: definitions(&figures, of_task(rising, &task.text)),
            figures,
            ..RunReport::default()
        };
        summary
    });
    reader.finish_suite(answer)
}

/// Returns the member of a task.
fn of_task<'a>(object: Option<Value<'a>>, task: &str) -> Option<Value<'a>> {
    object?.member(task)
}

fn finite(value: Value) -> Option<f64> {
    value.number().filter(|number| number.is_finite())
}

/// Returns the metrics that the task aggregates by their mean.
fn means(config: Value) -> BTreeSet<String> {
    let metrics = config.member("metric_list").and_then(Value::elements).unwrap_or_default();
    let text = |object: Value<'_>, member| {
        object.member(member).and_then(Value::decode).map(|text| text.text.into_owned())
    };
    metrics
        .into_iter()
        .filter(|metric| text(*metric, "aggregation").is_some_and(|kind| kind == "mean"))
        .filter_map(|metric| text(metric, "metric"))
        .collect()
}

/// Returns the figures, which are named `METRIC,FILTER`, with their standard errors.
fn reported(figures: &[(String, Option<f64>)], means: &BTreeSet<String>) -> Vec<ReportedFigure> {
    let by_name: BTreeMap<&str, Option<f64>> =
        figures.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let mut found: Vec<ReportedFigure> = Vec::new();
    for (name, value) in figures {
        let Some((metric, filter)) = name.split_once(',') else { continue };
        if metric.is_empty() || metric.ends_with("_stderr") {
            continue;
        }
        let error = by_name.get(format!("{metric}_stderr,{filter}").as_str());
        found.push(ReportedFigure {
            metric: score_name(metric, filter),
            figure: name.clone(),
            value: *value,
            standard_error: error.copied().flatten(),
            aggregation: match means.contains(metric) {
                true => Aggregation::Mean,
                false => Aggregation::NotComparable,
            },
            missing: MissingPolicy::Exclude,
            tolerance: None,
            headline: found.is_empty(),
        });
    }
    found
}

/// Returns the metrics, with the direction that the tool declares.
fn definitions(figures: &[ReportedFigure], rising: Option<Value>) -> Vec<MetricDefinition> {
    let definition = |figure: &ReportedFigure| {
        let metric = figure.metric.split_once(',').map_or(&*figure.metric, |(metric, _)| metric);
        let direction = rising.and_then(|rising| rising.member(metric));
        MetricDefinition {
            name: figure.metric.clone(),
            higher_is_better: direction.and_then(|direction| match direction.json() {
                "true" => Some(true),
                "false" => Some(false),
                _ => None,
            }),
            ..MetricDefinition::default()
        }
    };
    figures.iter().map(definition).collect()
}

/// Reads seconds, which the tool writes as a text.
fn milliseconds(seconds: Value) -> Option<f64> {
    let seconds = match seconds.decode() {
        Some(text) => text.text.trim().parse().ok(),
        None => seconds.number(),
    };
    seconds.map(milliseconds_of).filter(|time| time.is_finite() && *time >= 0.0)
}
