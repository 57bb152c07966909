//! What a log's header reports about the run.

use arc_format_kit::finite::with_null_for_nan;
use arc_format_kit::json::{Place, Reader, Value};
use arc_format_kit::time::{in_utc, milliseconds_between};
use arc_format_kit::{
    Aggregation, MissingPolicy, ReportedFigure, RunReport, RunStatus, SuiteSummary, Violation,
};

use crate::header::{headline, score_name, text};
use crate::usage::Usage;

/// The metrics that are a mean over the samples of the mean over their epochs, in order of preference.
const MEANS: [&str; 2] = ["accuracy", "mean"];

/// See [`arc_format_kit::Format::suite`]. Problems of a header do not make it useless: each figure
/// is optional. Inspect writes `NaN` for the mean of no scores.
pub(crate) fn summary(header: &str) -> Result<SuiteSummary, Vec<Violation>> {
    let header = with_null_for_nan(header);
    let (mut reader, root) = Reader::new(&header)?;
    let names = ["status", "eval", "results", "stats", "error", "invalidated"];
    let answer = reader.root(root, names).map(|[status, eval, results, stats, error, invalid]| {
        let member = |name| stats.and_then(|stats| stats.member(name));
        let usage = Usage::read(
            &mut reader,
            member("model_usage").filter(|usage| usage.json() != "null"),
            Place { object: "/stats", member: "model_usage" },
        );
        let total_tokens = (usage.total > 0.0).then_some(usage.total);
        let [started, completed] = [member("started_at"), member("completed_at")].map(text);
        let execution_time_ms = started
            .as_ref()
            .zip(completed.as_ref())
            .and_then(|(started, completed)| milliseconds_between(started, completed));
        let time = |time: Option<String>| time.and_then(|time| in_utc(&time));
        let of_eval = |name| eval.and_then(|eval| eval.member(name));
        let count = |name| results.and_then(|results| results.member(name)?.number());
        let (status, status_reason) = ending(status, error);
        let has_invalid = invalid.is_some_and(|invalid| invalid.json() == "true");
        SuiteSummary {
            total_cost_usd: usage.cost,
            execution_time_ms,
            total_tokens_used: total_tokens,
            run: RunReport {
                run_id: text(of_eval("task_id")),
                status: Some(status),
                status_reason,
                created_at: time(text(of_eval("created"))),
                started_at: time(started),
                completed_at: time(completed),
                planned_results: eval.and_then(planned),
                reported_results: count("total_samples").filter(|_| status == RunStatus::Completed),
                total_tokens: total_tokens.filter(|_| status == RunStatus::Completed),
                total_cost_usd: usage.cost.filter(|_| status == RunStatus::Completed),
                figures: results.map(|it| figures(it, has_invalid)).unwrap_or_default(),
                ..RunReport::default()
            },
            ..SuiteSummary::default()
        }
    });
    reader.finish_suite(answer)
}

/// Returns how the run ended. The header of a log that was never finished has no status.
fn ending(status: Option<Value>, error: Option<Value>) -> (RunStatus, Option<String>) {
    let reason = text(error.and_then(|error| error.member("message")));
    match text(status).as_deref() {
        Some("success") => (RunStatus::Completed, None),
        Some("error") => {
            (RunStatus::Failed, reason.or_else(|| Some("the log has the status error".to_owned())))
        }
        Some("cancelled") => {
            let reason = reason.or_else(|| Some("the log has the status cancelled".to_owned()));
            (RunStatus::Cancelled, reason)
        }
        _ => {
            let reason = "the log has no end: the run was killed, or has not ended yet";
            (RunStatus::Incomplete, Some(reason.to_owned()))
        }
    }
}

/// Returns how many results are planned: samples times epochs.
fn planned(eval: Value) -> Option<f64> {
    let dataset = eval.member("dataset")?;
    let listed = dataset.member("sample_ids").and_then(Value::element_count).map(f64::from);
    let samples =
        listed.filter(|count| *count > 0.0).or_else(|| dataset.member("samples")?.number());
    let epochs = eval.member("config").and_then(|config| config.member("epochs")?.number());
    samples.map(|samples| samples * epochs.unwrap_or(1.0)).filter(|count| *count > 0.0)
}

/// Reads every metric of every score. Only a mean is computed from the values of the samples: `max`,
/// `pass_at_2` and other reducers are not. The figures of a log with invalidated samples include these,
/// so they are not comparable.
fn figures(results: Value, has_invalid: bool) -> Vec<ReportedFigure> {
    let own = headline(results);
    let own_metric = results.member("headline").and_then(|own| text(own.member("metric")));
    let mut figures: Vec<ReportedFigure> = Vec::new();
    for score in results.member("scores").and_then(Value::elements).unwrap_or_default() {
        let (Some(name), Some(metrics)) = (text(score.member("name")), score.member("metrics"))
        else {
            continue;
        };
        let scorer = text(score.member("scorer")).unwrap_or_else(|| name.clone());
        let metric = score_name(scorer, name);
        let reducer = text(score.member("reducer")).filter(|reducer| reducer != "mean");
        let metrics = metrics.members().unwrap_or_default();
        let value_of = |wanted: &str| {
            let (_, metric) = metrics.iter().find(|(name, _)| name.text == wanted)?;
            metric.member("value")?.number().filter(|value| value.is_finite())
        };
        let standard_error = value_of("stderr");
        let shown = match &own_metric {
            Some(shown) if own.as_ref() == Some(&metric) => Some(shown.as_str()),
            _ => MEANS.into_iter().find(|mean| metrics.iter().any(|(name, _)| name.text == *mean)),
        };
        for (name, _) in metrics.iter().filter(|(name, _)| name.text != "stderr") {
            let is_mean = MEANS.contains(&&*name.text);
            let comparable = is_mean && reducer.is_none() && !has_invalid;
            let figure = match &reducer {
                Some(reducer) => format!("{} ({reducer})", name.text),
                None => name.text.clone().into_owned(),
            };
            let is_shown = own.as_ref() == Some(&metric) && shown == Some(&*name.text);
            figures.push(ReportedFigure {
                metric: metric.clone(),
                figure,
                value: value_of(&name.text),
                standard_error: standard_error.filter(|_| is_mean),
                aggregation: match comparable {
                    true => Aggregation::ScenarioMean,
                    false => Aggregation::NotComparable,
                },
                missing: MissingPolicy::Exclude,
                tolerance: None,
                headline: is_shown && comparable && !figures.iter().any(|figure| figure.headline),
            });
        }
    }
    figures
}
