//! An evaluation suite's own figures, and what a tool reports about a run: from the types of the
//! contract to those that are stored.

use serde::{Serialize, Serializer};

use super::rows::{Number, storable_text};
use crate::extraction::{self, Score, SuiteSummary};
use crate::json_text::JsonText;
use crate::store::{
    Aggregation, MetricDefinition, MetricKind, MissingPolicy, Origin, ReportedFigure, RunReport,
    SimulationStatus,
};

/// A suite's own figures; missing ones are omitted.
#[derive(Serialize)]
struct SuiteFigures<'s> {
    #[serde(skip_serializing_if = "Option::is_none")]
    average_reliability_score: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_cost_usd: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    execution_time_ms: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    successful_runs: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_tokens_used: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    average_execution_time_ms: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    speedup_factor: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    average_dimension_scores: Option<Dimensions<'s>>,
    #[serde(skip_serializing_if = "RunReport::is_empty")]
    run_report: RunReport,
}

/// The scores of the dimensions as an object.
pub(crate) struct Dimensions<'s>(pub(crate) &'s [Score]);

impl Serialize for Dimensions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let scores = self.0.iter().filter_map(|one| Some((&one.name, one.value?)));
        serializer.collect_map(scores.map(|(name, value)| (storable_text(name), Number(value))))
    }
}

/// Returns the figures as they are stored.
pub(super) fn suite_json(suite: &SuiteSummary) -> JsonText {
    let dimensions = suite.average_dimension_scores.as_slice();
    let figures = SuiteFigures {
        average_reliability_score: suite.average_reliability_score.map(Number),
        total_cost_usd: suite.total_cost_usd.map(Number),
        execution_time_ms: suite.execution_time_ms.map(Number),
        successful_runs: suite.successful_runs.map(Number),
        total_tokens_used: suite.total_tokens_used.map(Number),
        average_execution_time_ms: suite.average_execution_time_ms.map(Number),
        speedup_factor: suite.speedup_factor.map(Number),
        average_dimension_scores: (!dimensions.is_empty()).then_some(Dimensions(dimensions)),
        run_report: run_report(&suite.run),
    };
    // Serializing text and numbers cannot fail.
    JsonText::of(&figures).unwrap_or_default()
}

/// Returns a report as it is stored.
pub(crate) fn run_report(run: &extraction::RunReport) -> RunReport {
    let time = |time: &Option<String>| time.as_ref().and_then(|time| time.parse().ok());
    let text = |text: &Option<String>| text.as_deref().map(|it| storable_text(it).into_owned());
    RunReport {
        run_id: text(&run.run_id),
        status: run.status.map(|status| match status {
            extraction::RunStatus::Completed => SimulationStatus::Completed,
            extraction::RunStatus::Failed => SimulationStatus::Failed,
            extraction::RunStatus::Cancelled => SimulationStatus::Cancelled,
            extraction::RunStatus::Incomplete => SimulationStatus::Incomplete,
        }),
        status_reason: text(&run.status_reason),
        created_at: time(&run.created_at),
        revised_at: time(&run.revised_at),
        started_at: time(&run.started_at),
        completed_at: time(&run.completed_at),
        origin: origin(&run.origin),
        planned_results: run.planned_results,
        reported_results: run.reported_results,
        total_tokens: run.total_tokens,
        total_cost_usd: run.total_cost_usd,
        metrics: run.metrics.iter().map(metric_definition).collect(),
        figures: run.figures.iter().map(reported_figure).collect(),
    }
}

/// Returns who ran what as it is stored.
pub(super) fn origin(origin: &extraction::Origin) -> Origin {
    let mut origin = Origin {
        models: origin.models.clone(),
        provider: origin.provider.clone(),
        agent: origin.agent.clone(),
        agent_version: origin.agent_version.clone(),
        task: origin.task.clone(),
        task_version: origin.task_version.clone(),
        dataset: origin.dataset.clone(),
        dataset_version: origin.dataset_version.clone(),
        tool: origin.tool.clone(),
        tool_version: origin.tool_version.clone(),
    };
    origin.normalize();
    origin
}

/// Returns the definition of a metric as it is stored.
pub(crate) fn metric_definition(metric: &extraction::MetricDefinition) -> MetricDefinition {
    MetricDefinition {
        name: storable_text(&metric.name).into_owned(),
        unit: metric.unit.as_deref().map(|unit| storable_text(unit).into_owned()),
        lowest: metric.lowest,
        highest: metric.highest,
        higher_is_better: metric.higher_is_better,
        kind: metric.kind.map(|kind| match kind {
            extraction::MetricKind::Binary => MetricKind::Binary,
            extraction::MetricKind::Fraction => MetricKind::Fraction,
            extraction::MetricKind::Number => MetricKind::Number,
            extraction::MetricKind::Label => MetricKind::Label,
        }),
        pass_threshold: metric.pass_threshold,
        headline: metric.headline.then_some(true),
    }
}

fn reported_figure(figure: &extraction::ReportedFigure) -> ReportedFigure {
    ReportedFigure {
        metric: storable_text(&figure.metric).into_owned(),
        figure: storable_text(&figure.figure).into_owned(),
        value: figure.value,
        standard_error: figure.standard_error,
        aggregation: match figure.aggregation {
            extraction::Aggregation::Mean => Aggregation::Mean,
            extraction::Aggregation::ScenarioMean => Aggregation::ScenarioMean,
            extraction::Aggregation::Sum => Aggregation::Sum,
            extraction::Aggregation::NotComparable => Aggregation::NotComparable,
        },
        missing: match figure.missing {
            extraction::MissingPolicy::Exclude => MissingPolicy::Exclude,
            extraction::MissingPolicy::Zero => MissingPolicy::Zero,
        },
        tolerance: figure.tolerance,
        headline: figure.headline,
    }
}
