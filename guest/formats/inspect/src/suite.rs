//! The figures of a whole log.

use std::borrow::Cow;

use arc_format_kit::finite::with_null_for_nan;
use arc_format_kit::json::{Place, Reader, Value};
use arc_format_kit::score::Dimensions;
use arc_format_kit::time::milliseconds_between;
use arc_format_kit::{SuiteSummary, Violation};

use crate::usage::Usage;

/// The metrics that are a mean, in order of preference.
const MEANS: [&str; 2] = ["accuracy", "mean"];

/// See [`arc_format_kit::Format::suite`]. Problems of a header do not make it useless: each figure
/// is optional. Inspect writes `NaN` for the mean of no scores.
pub(crate) fn summary(header: &str) -> Result<SuiteSummary, Vec<Violation>> {
    let header = with_null_for_nan(header);
    let (mut reader, root) = Reader::new(&header)?;
    let members = reader.root(root, ["results", "stats"]);
    let answer = members.map(|[results, stats]| {
        let mut summary = SuiteSummary::default();
        read_scores(&mut summary, results);
        let member = |name| stats.and_then(|stats| stats.member(name));
        let usage = Usage::read(
            &mut reader,
            member("model_usage").filter(|usage| usage.json() != "null"),
            Place { object: "/stats", member: "model_usage" },
        );
        summary.total_tokens_used = (usage.total > 0.0).then_some(usage.total);
        summary.total_cost_usd = usage.cost;
        let times = [member("started_at"), member("completed_at")];
        if let [Some(started), Some(completed)] = times.map(|time| text(time?)) {
            summary.execution_time_ms = milliseconds_between(&started, &completed);
        }
        summary
    });
    reader.finish_suite(answer)
}

/// Reads the mean of every score that has one. The first score belongs to the first scorer, like
/// the overall score of a sample, unless that scorer has several scores by key, which have other
/// names.
fn read_scores(summary: &mut SuiteSummary, results: Option<Value>) {
    let scores = results.and_then(|results| results.member("scores"));
    let mut means = Dimensions::default();
    for (index, score) in scores.and_then(Value::elements).into_iter().flatten().enumerate() {
        let member = |name| score.member(name).and_then(text);
        // `pass_at_2`, `max` and the like are not the mean over all trials.
        if member("reducer").is_some_and(|reducer| reducer != "mean") {
            continue;
        }
        let (Some(name), Some(metrics)) = (member("name"), score.member("metrics")) else {
            continue;
        };
        let Some(mean) = MEANS.iter().find_map(|metric| mean_of(metrics, metric)) else {
            continue;
        };
        let scorer = member("scorer").unwrap_or_else(|| name.clone());
        let single = scorer == name;
        if index == 0 && single {
            summary.average_reliability_score = Some(mean);
        }
        let name = if single { name.into_owned() } else { format!("{scorer}/{name}") };
        if means.get(&name).is_none() {
            means.set(name, mean);
        }
    }
    summary.average_dimension_scores = means.into_scores();
}

fn mean_of(metrics: Value, metric: &str) -> Option<f64> {
    let mean = metrics.member(metric)?.member("value")?.number()?;
    (0.0..=1.0).contains(&mean).then_some(mean + 0.0)
}

/// Returns the text of a string that is not blank.
fn text(value: Value<'_>) -> Option<Cow<'_, str>> {
    value.decode().map(|text| text.text).filter(|text| !text.is_empty())
}
