//! The figures of a run of one task.

use arc_format_kit::json::{Reader, Value, with_null_for_nan};
use arc_format_kit::{DimensionScore, SuiteSummary, Violation};

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
    reader.finish(answer)
}

/// Reads the means among a task's figures, which are called `METRIC,FILTER`.
fn read_figures(
    summary: &mut SuiteSummary,
    config: Value,
    figures: Option<Value>,
    rising: Option<Value>,
) {
    let metrics = config.member("metric_list").and_then(Value::elements).unwrap_or_default();
    let is_mean = |metric: &str| {
        metrics.iter().any(|known| {
            is_text(*known, "metric", metric) && is_text(*known, "aggregation", "mean")
        })
    };
    let falls = |metric: &str| {
        rising.and_then(|rising| rising.member(metric)).is_some_and(|value| value.json() == "false")
    };
    let mut filters: Vec<String> = Vec::new();
    let mut overall = None;
    for (name, value) in figures.and_then(Value::members).unwrap_or_default() {
        let Some((metric, filter)) = name.text.split_once(',') else { continue };
        if !filters.iter().any(|known| known == filter) {
            filters.push(filter.to_owned());
        }
        let Some(mean) = value.number().filter(|mean| (0.0..=1.0).contains(mean)) else { continue };
        if !is_mean(metric) {
            continue;
        }
        if !falls(metric) {
            overall = overall.or(Some(mean));
        }
        let name = if filter == "none" { metric } else { &name.text };
        let score = DimensionScore { name: name.to_owned(), score: mean + 0.0 };
        summary.average_dimension_scores.push(score);
    }
    summary.average_reliability_score = overall.filter(|_| filters.len() == 1);
}

/// Whether a member is this text.
fn is_text(object: Value, member: &str, wanted: &str) -> bool {
    object.member(member).and_then(Value::decode).is_some_and(|text| text.text == wanted)
}

/// Seconds, which the tool writes as a text.
fn milliseconds(seconds: Value) -> Option<f64> {
    let seconds = match seconds.decode() {
        Some(text) => text.text.trim().parse().ok(),
        None => seconds.number(),
    };
    seconds.map(|seconds: f64| seconds * 1_000.0).filter(|time| time.is_finite() && *time >= 0.0)
}
