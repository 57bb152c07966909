//! What a log reports about the whole run: the spec at its beginning, and the final report.

use arc_format_kit::finite::with_null_for_nan;
use arc_format_kit::json::{Reader, Value};
use arc_format_kit::memo::Memo;
use arc_format_kit::time::in_utc;
use arc_format_kit::{
    Aggregation, MissingPolicy, Origin, ReportedFigure, RunReport, RunStatus, SuiteSummary,
    Violation, codes,
};

use crate::event::run_id;
use crate::sample::MATCH;

/// The class of evals that a model grades.
const GRADED_BY_MODEL: &str = "modelgraded.classify:ModelBasedClassify";

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
        origin: spec.map(origin).unwrap_or_default(),
        status: Some(status),
        status_reason,
        created_at: created_at.clone(),
        started_at: created_at,
        total_tokens: total.filter(|total| total.fract() == 0.0 && *total >= 0.0),
        figures: figures(&metrics_of(spec), report),
        ..RunReport::default()
    }
}

thread_local! {
    static GRADED: Memo<bool> = const { Memo::new() };
}

/// Whether a model grades the samples of a run, by its header.
pub(crate) fn is_graded(header: Option<&str>) -> bool {
    let read = |header: &str| {
        let header = with_null_for_nan(header);
        let (mut reader, root) = Reader::new(&header).ok()?;
        let lines = reader.root_elements(root)?;
        Some(class_of(lines.into_iter().find_map(|line| line.member("spec"))) == GRADED_BY_MODEL)
    };
    let Some(header) = header else { return false };
    GRADED.with(|memo| *memo.get(header, |header| read(header).unwrap_or_default()))
}

/// Returns who ran what.
fn origin(spec: Value) -> Origin {
    let text = |value: Value| value.decode().map(|text| text.text.into_owned());
    let models = spec.member("completion_fns").and_then(Value::elements).unwrap_or_default();
    let mut models: Vec<String> = models.into_iter().filter_map(text).collect();
    if class_of(Some(spec)) == GRADED_BY_MODEL && models.len() > 1 {
        models.pop();
    }
    let config = spec.member("run_config").and_then(|it| it.member("eval_spec")?.member("args"));
    Origin {
        models,
        task: spec.member("eval_name").and_then(text),
        dataset: config.and_then(|config| config.member("samples_jsonl")).and_then(text),
        tool: Some("openai-evals".to_owned()),
        ..Origin::default()
    }
    .with_provider_of_models()
}

/// Returns the class of the run's eval, without the package of the tool.
fn class_of(spec: Option<Value>) -> String {
    let class = spec.and_then(|spec| spec.member("run_config")?.member("eval_spec")?.member("cls"));
    let class = class.and_then(Value::decode).map(|class| class.text).unwrap_or_default();
    class.strip_prefix("evals.elsuite.").unwrap_or_default().to_owned()
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
    match &*class_of(spec) {
        "basic.includes:Includes"
        | "basic.json_validator:JsonValidator"
        | "basic.match:Match"
        | "basic.match_with_solvers:MatchWithSolvers"
        | "multiple_choice:MultipleChoice" => vec![("accuracy", MATCH)],
        "basic.fuzzy_match:FuzzyMatch" => {
            vec![("accuracy", "accuracy"), ("f1_score", "f1_score")]
        }
        "basic.json_match:JsonMatch" => vec![("accuracy", "accuracy")],
        GRADED_BY_MODEL => {
            vec![("score", "score"), ("metascore", "metascore")]
        }
        _ => Vec::new(),
    }
}
