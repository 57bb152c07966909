//! The figures of a run of one task.

use std::collections::BTreeSet;

use arc_format_kit::finite::with_null_for_nan;
use arc_format_kit::json::{Reader, Value};
use arc_format_kit::score::Dimensions;
use arc_format_kit::time::milliseconds_of;
use arc_format_kit::{SuiteSummary, Violation};

use crate::header::names_of;

/// See [`arc_format_kit::Format::suite`].
pub(crate) fn summary(header: &str) -> Result<SuiteSummary, Vec<Violation>> {
    let header = with_null_for_nan(header);
    let (mut reader, root) = Reader::new(&header)?;
    let names = ["configs", "results", "higher_is_better", "total_evaluation_time_seconds"];
    let answer = reader.root(root, names).map(|[configs, results, rising, seconds]| {
        let mut summary = SuiteSummary::default();
        let tasks = configs.and_then(Value::members).unwrap_or_default();
        if let [(task, config)] = tasks.as_slice() {
            let figures = results.and_then(|results| results.member(&task.text));
            let rising = rising.and_then(|rising| rising.member(&task.text));
            read_figures(&mut summary, *config, figures, rising);
            summary.execution_time_ms = seconds.and_then(milliseconds);
        }
        summary
    });
    reader.finish_suite(answer)
}

/// Reads the means among a task's figures, which are named `METRIC,FILTER`.
fn read_figures(
    summary: &mut SuiteSummary,
    config: Value,
    figures: Option<Value>,
    rising: Option<Value>,
) {
    let metrics = config.member("metric_list").and_then(Value::elements).unwrap_or_default();
    let text = |object: Value<'_>, member| {
        object.member(member).and_then(Value::decode).map(|text| text.text.into_owned())
    };
    let means: BTreeSet<String> = metrics
        .into_iter()
        .filter(|metric| text(*metric, "aggregation").is_some_and(|kind| kind == "mean"))
        .filter_map(|metric| text(metric, "metric"))
        .collect();
    let falling = names_of(rising, |value| value.json() == "false");
    let mut filters = BTreeSet::new();
    let mut dimensions = Dimensions::default();
    let mut overall = None;
    for (name, value) in figures.and_then(Value::members).unwrap_or_default() {
        let Some((metric, filter)) = name.text.split_once(',') else { continue };
        filters.insert(filter.to_owned());
        let Some(mean) = value.number().filter(|mean| (0.0..=1.0).contains(mean)) else { continue };
        if !means.contains(metric) {
            continue;
        }
        if !falling.contains(metric) {
            overall = overall.or(Some(mean));
        }
        let name = if filter == "none" { metric } else { &name.text };
        dimensions.set(name.to_owned(), mean + 0.0);
    }
    summary.average_dimension_scores = dimensions.into_scores();
    summary.average_reliability_score = overall.filter(|_| filters.len() == 1);
}

/// Reads seconds, which the tool writes as a text.
fn milliseconds(seconds: Value) -> Option<f64> {
    let seconds = match seconds.decode() {
        Some(text) => text.text.trim().parse().ok(),
        None => seconds.number(),
    };
    seconds.map(milliseconds_of).filter(|time| time.is_finite() && *time >= 0.0)
}
