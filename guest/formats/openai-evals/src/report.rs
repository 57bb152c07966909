//! What a log reports about the whole run: the spec at its beginning, and the final report.

use arc_format_kit::json::{Reader, Value};
use arc_format_kit::time::in_utc;
use arc_format_kit::{
    Aggregation, MissingPolicy, ReportedFigure, RunReport, RunStatus, SuiteSummary, Violation,
    codes,
};

use crate::event::run_id;
use crate::sample::MATCH;

/// The prefix of the figures that count tokens.
const USAGE: &str = "usage_";

/// See [`arc_format_kit::Format::suite`]. The header is the array of the lines with a spec or a
/// final report.
pub(crate) fn summary(header: &str) -> Result<SuiteSummary, Vec<Violation>> {
    let (mut reader, root) = Reader::new(header)?;
    let answer = reader.root_elements(root).and_then(|lines| {
        let named = |name| lines.iter().filter_map(move |line| line.member(name));
        let run = run(named("spec").next(), named("final_report").next_back());
        let is_other = |spec: Value| spec.member("run_id").and_then(run_id) != run.run_id;
        if named("spec").any(is_other) {
            let message = "the file has several runs; record each of them as a file of its own";
            reader.violation(String::new(), codes::SEVERAL_RUNS, message.to_owned());
            return None;
        }
        Some(SuiteSummary { total_tokens_used: run.total_tokens, run, ..SuiteSummary::default() })
    });
    reader.finish_suite(answer)
}

fn run(spec: Option<Value>, report: Option<Value>) -> RunReport {
    let text = |member| spec.and_then(|spec| spec.member(member)).and_then(Value::decode);
    // The tool writes the time in UTC, without an offset.
    let created_at = text("created_at").and_then(|time| in_utc(&format!("{}+00:00", time.text)));
    let (status, status_reason) = match report {
        Some(_) => (RunStatus::Completed, None),
        None => {
            let reason = "the final report is missing: the run was killed, or it is still running";
            (RunStatus::Incomplete, Some(reason.to_owned()))
        }
    };
    let total = report.and_then(|report| report.member("usage_total_tokens")?.number());
    RunReport {
        run_id: spec.and_then(|spec| spec.member("run_id")).and_then(run_id),
        status: Some(status),
        status_reason,
        created_at: created_at.clone(),
        started_at: created_at,
        total_tokens: total.filter(|total| total.fract() == 0.0 && *total >= 0.0),
        figures: figures(&metrics_of(spec), report),
        ..RunReport::default()
    }
}

/// Reads the figures of a final report: its numbers, and `null` for those that were `NaN`.
fn figures(metrics: &[(&str, &str)], report: Option<Value>) -> Vec<ReportedFigure> {
    let members = report.and_then(Value::members).unwrap_or_default();
    let is_figure = |value: Value| value.is_number() || value.json() == "null";
    let figures = members
        .into_iter()
        .filter(|(name, value)| is_figure(*value) && !name.text.starts_with(USAGE));
    let read = |(name, value): (arc_format_kit::json::Text, Value)| {
        let figure = name.text.into_owned();
        let metric = metrics.iter().find(|(known, _)| *known == figure).map(|(_, metric)| *metric);
        ReportedFigure {
            metric: metric.unwrap_or(&figure).to_owned(),
            aggregation: metric.map_or(Aggregation::NotComparable, |_| Aggregation::Mean),
            figure,
            value: value.number().filter(|number| number.is_finite()).map(|number| number + 0.0),
            standard_error: None,
            missing: MissingPolicy::Exclude,
            tolerance: None,
            headline: metric == Some(MATCH),
        }
    };
    figures.map(read).collect()
}

/// Returns the figures of the run's eval that are means over its samples, each with the metric whose
/// mean it is. Other evals compute their figures in ways that the log does not have.
fn metrics_of(spec: Option<Value>) -> Vec<(&'static str, &'static str)> {
    let class = spec.and_then(|spec| spec.member("run_config")?.member("eval_spec")?.member("cls"));
    let class = class.and_then(Value::decode).map(|class| class.text).unwrap_or_default();
    match class.strip_prefix("evals.elsuite.").unwrap_or_default() {
        "basic.includes:Includes"
        | "basic.json_validator:JsonValidator"
        | "basic.match:Match"
        | "basic.match_with_solvers:MatchWithSolvers"
        | "multiple_choice:MultipleChoice" => vec![("accuracy", MATCH)],
        "basic.fuzzy_match:FuzzyMatch" => {
            vec![("accuracy", "accuracy"), ("f1_score", "f1_score")]
        }
        "basic.json_match:JsonMatch" => vec![("accuracy", "accuracy")],
        "modelgraded.classify:ModelBasedClassify" => {
            vec![("score", "score"), ("metascore", "metascore")]
        }
        _ => Vec::new(),
    }
}
