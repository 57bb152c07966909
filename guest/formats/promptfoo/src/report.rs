//! Reads what promptfoo reports about an evaluation.
//!
//! `stats` are the sums of the metrics of all prompts (`Eval.getStats` of promptfoo 0.121.20), which
//! are updated after each result. So a figure of the evaluation is the sum over its prompts.

use std::collections::BTreeMap;

use arc_format_kit::finite::with_null_for_nan;
use arc_format_kit::json::{Place, Reader, Value};
use arc_format_kit::time::in_utc;
use arc_format_kit::usage::ReportedTokens;
use arc_format_kit::{
    Aggregation, MetricDefinition, MetricKind, MissingPolicy, ReportedFigure, RunReport, RunStatus,
    SuiteSummary, Violation,
};

use crate::header::{eval_id, parts};
use crate::score::{PASS, SCORE, metric_name};
use crate::weights::Weights;
use crate::{provider, usage};

/// Reads the evaluation's own figures; see `extract-suite` in `wit/extraction.wit`.
pub(crate) fn suite(header: &str) -> Result<SuiteSummary, Vec<Violation>> {
    let header = &*with_null_for_nan(header);
    let (mut reader, root) = Reader::new(header)?;
    let checked = reader.root(root, []);
    let answer = checked.map(|[]: [Option<Value>; 0]| {
        let (summary, config) = parts(root);
        let stats = summary.member("stats").filter(|stats| stats.is_object());
        reader.decoration(|reader| {
            let place = Place { object: "", member: "stats" };
            let [duration, usage] = reader.object(stats, place, ["durationMs", "tokenUsage"]);
            let usage_place = Place { object: "/stats", member: "tokenUsage" };
            let used = usage::read(reader, usage, usage_place);
            let assertions = usage.and_then(|usage| usage.member("assertions"));
            let place = Place { object: "/stats/tokenUsage", member: "assertions" };
            let graded = usage::read(reader, assertions, place);
            let total = used.total.map(|total| total + graded.total.unwrap_or_default());
            let mut run = run(root, summary, config, stats);
            // Promptfoo counts a response without `total` as 0; but its result has no usage of its
            // own, it has the sum of the others here. Version 2 of the file has no prompts; its sum
            // was computed in another way.
            let is_sum = summary.member("prompts").is_some_and(Value::is_array);
            let is_whole =
                |it: ReportedTokens| it.total.unwrap_or_default() >= it.input + it.output;
            run.total_tokens = total.filter(|_| is_sum && is_whole(used) && is_whole(graded));
            SuiteSummary {
                execution_time_ms: reader
                    .amount(duration, Place { object: "/stats", member: "durationMs" }),
                total_tokens_used: total,
                run,
                ..SuiteSummary::default()
            }
        })
    });
    reader.finish_suite(answer)
}

fn run(root: Value, summary: Value, config: Option<Value>, stats: Option<Value>) -> RunReport {
    let time = |object: Option<Value>, member| {
        let written = object?.member(member)?.decode()?;
        in_utc(&written.text)
    };
    let started_at = time(Some(summary), "timestamp");
    let metadata = root.member("metadata");
    let has_duration =
        stats.and_then(|stats| stats.member("durationMs")).is_some_and(Value::is_number);
    let (status, status_reason) = if has_duration {
        (Some(RunStatus::Completed), None)
    } else if writes_duration(metadata) {
        let reason = "promptfoo wrote no duration: the evaluation was paused or killed";
        (Some(RunStatus::Incomplete), Some(reason.to_owned()))
    } else {
        (None, None)
    };
    let count = |member| number(stats?.member(member)?).filter(|count| count.fract() == 0.0);
    let counts = ["successes", "failures", "errors"].map(|name| (name, count(name)));
    let reported = match counts {
        // Before promptfoo counted errors, they were failures.
        [(_, Some(successes)), (_, Some(failures)), (_, errors)] => {
            Some(successes + failures + errors.unwrap_or_default())
        }
        _ => None,
    };
    let mut figures = Vec::new();
    for (name, value) in counts {
        let aggregation =
            if name == "successes" { Aggregation::Sum } else { Aggregation::NotComparable };
        if value.is_some() {
            figures.push(figure(PASS, name.to_owned(), value, aggregation));
        }
    }
    let prompts = summary.member("prompts").and_then(Value::elements).unwrap_or_default();
    let metrics: Vec<Value> =
        prompts.iter().filter_map(|prompt| prompt.member("metrics")).collect();
    let cost = sum(metrics.iter().filter_map(|metrics| metrics.member("cost")));
    if let Some(value) = sum(metrics.iter().filter_map(|metrics| metrics.member("score"))) {
        figures.push(figure(SCORE, "metrics.score".to_owned(), value, Aggregation::Sum));
    }
    figures.extend(named_figures(&metrics, &Weights::read(config)));
    RunReport {
        run_id: eval_id(root),
        origin: provider::of_run(summary, config, metadata),
        status,
        status_reason,
        created_at: started_at.clone(),
        // A change of the evaluation is in the next export of it.
        revised_at: time(metadata, "exportedAt").or_else(|| started_at.clone()),
        started_at,
        reported_results: reported.filter(|count| *count >= 0.0),
        total_cost_usd: cost.flatten().filter(|cost| *cost >= 0.0),
        metrics: vec![
            MetricDefinition {
                name: PASS.to_owned(),
                lowest: Some(0.0),
                highest: Some(1.0),
                higher_is_better: Some(true),
                kind: Some(MetricKind::Binary),
                headline: true,
                ..MetricDefinition::default()
            },
            MetricDefinition {
                name: SCORE.to_owned(),
                higher_is_better: Some(true),
                kind: Some(MetricKind::Number),
                ..MetricDefinition::default()
            },
        ],
        figures,
        ..RunReport::default()
    }
}

/// Returns the sums of the named metrics, which promptfoo weights.
fn named_figures(metrics: &[Value], weights: &Weights) -> Vec<ReportedFigure> {
    let mut names = Vec::new();
    let mut values: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for metrics in metrics {
        let members = metrics.member("namedScores").and_then(Value::members);
        for (name, value) in members.unwrap_or_default() {
            let name = name.text.into_owned();
            if !values.contains_key(&name) {
                names.push(name.clone());
            }
            values.entry(name).or_default().push(value);
        }
    }
    let figure_of = |name: String| {
        let value = sum(values.get(&name)?.iter().copied())?;
        let aggregation =
            if weights.are_one(&name) { Aggregation::Sum } else { Aggregation::NotComparable };
        Some(figure(&metric_name(&name), format!("metrics.namedScores.{name}"), value, aggregation))
    };
    names.into_iter().filter_map(figure_of).collect()
}

fn figure(
    metric: &str,
    figure: String,
    value: Option<f64>,
    aggregation: Aggregation,
) -> ReportedFigure {
    ReportedFigure {
        metric: metric.to_owned(),
        figure,
        value,
        standard_error: None,
        aggregation,
        missing: MissingPolicy::Exclude,
        tolerance: None,
        headline: false,
    }
}

/// Returns the sum of numbers: `None` without any, `Some(None)` if one of them is not finite,
/// which promptfoo writes as `null`.
fn sum<'a>(values: impl Iterator<Item = Value<'a>>) -> Option<Option<f64>> {
    let numbers: Vec<Option<f64>> = values.map(number).collect();
    if numbers.is_empty() {
        return None;
    }
    let sum: Option<f64> = numbers.into_iter().sum();
    Some(sum.filter(|sum| sum.is_finite()).map(|sum| sum + 0.0))
}

fn number(value: Value) -> Option<f64> {
    value.number().filter(|number| number.is_finite())
}

/// Whether the version of promptfoo that wrote the file writes the duration of each evaluation that
/// came to its end.
fn writes_duration(metadata: Option<Value>) -> bool {
    let version = metadata.and_then(|metadata| metadata.member("promptfooVersion")?.decode());
    let Some(version) = version else { return false };
    let mut parts = version.text.split('.').map(|part| part.parse::<u32>().unwrap_or_default());
    let version = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    version >= (0, 121)
}
