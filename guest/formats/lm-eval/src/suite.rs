//! What the results report about a run.

use arc_format_kit::finite::with_null_for_nan;
use arc_format_kit::json::{Reader, Value};
use arc_format_kit::time::milliseconds_of;
use arc_format_kit::{
    MetricDefinition, MissingPolicy, ReportedFigure, RunReport, RunStatus, SuiteSummary, Violation,
};

use crate::header::{Figure, Run, Task};

/// See [`arc_format_kit::Format::suite`].
pub(crate) fn summary(header: &str) -> Result<SuiteSummary, Vec<Violation>> {
    let text = with_null_for_nan(header);
    let (mut reader, root) = Reader::new(&text)?;
    let answer = reader.root(root, ["total_evaluation_time_seconds"]).map(|[seconds]| {
        let run = Run::read(header);
        let mut summary = SuiteSummary { run: report(&run), ..SuiteSummary::default() };
        if let [_] = run.tasks.as_slice() {
            summary.execution_time_ms = seconds.and_then(milliseconds);
        }
        summary
    });
    reader.finish_suite(answer)
}

/// Returns the report of a run. Of several tasks it is not known which one the file belongs to, so
/// it has no figures then.
fn report(run: &Run) -> RunReport {
    if run.tasks.is_empty() {
        return RunReport::default();
    }
    let report = RunReport {
        // The tool writes its results at the end.
        status: Some(RunStatus::Completed),
        created_at: run.date.clone(),
        started_at: run.date.clone(),
        ..RunReport::default()
    };
    let [task] = run.tasks.as_slice() else { return report };
    let documents = task.evaluated(run.limit);
    let figures = || task.figures.iter().enumerate();
    RunReport {
        planned_results: documents,
        reported_results: documents,
        metrics: figures().map(|(place, figure)| definition(task, figure, place == 0)).collect(),
        figures: figures().map(|(place, figure)| reported(task, figure, place == 0)).collect(),
        ..report
    }
}

fn definition(task: &Task, figure: &Figure, headline: bool) -> MetricDefinition {
    MetricDefinition {
        name: figure.name.clone(),
        higher_is_better: task.higher_is_better(&figure.metric),
        headline,
        ..MetricDefinition::default()
    }
}

fn reported(task: &Task, figure: &Figure, headline: bool) -> ReportedFigure {
    ReportedFigure {
        metric: figure.name.clone(),
        figure: figure.name.clone(),
        value: figure.value,
        standard_error: figure.standard_error,
        aggregation: task.aggregations.of(&figure.metric),
        // A document for which the task returns no value is in no list of values.
        missing: MissingPolicy::Exclude,
        tolerance: None,
        headline,
    }
}

/// Reads seconds, which the tool writes as a text.
fn milliseconds(seconds: Value) -> Option<f64> {
    let seconds = match seconds.decode() {
        Some(text) => text.text.trim().parse().ok(),
        None => seconds.number(),
    };
    seconds.map(milliseconds_of).filter(|time| time.is_finite() && *time >= 0.0)
}
