//! The answers of the extractor, with the names of `wit/types.wit`, which describes each field.

use serde::{Serialize, Serializer};

use crate::usage::TokenUsage;

/// A part of a document, in bytes of UTF-8. As JSON: `[offset, length]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// From the document's first byte to the part's first.
    pub offset: u32,
    /// The part's length.
    pub length: u32,
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.offset, self.length).serialize(serializer)
    }
}

/// A problem of a document, or a note about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The place: a JSON Pointer (RFC 6901); empty for the whole document.
    pub path: String,
    /// One of [`crate::codes`].
    pub code: &'static str,
    /// The problem as a sentence.
    pub message: String,
}

/// How the run of a scenario ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are clear; wit/types.wit describes them")]
pub enum OutcomeStatus {
    Success,
    Error,
    Timeout,
    Cancelled,
}

/// The kind of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are clear; wit/types.wit describes them")]
pub enum ErrorCategory {
    Timeout,
    RateLimit,
    Network,
    Resource,
    ToolError,
    ModelError,
    ValidationError,
    SandboxError,
    SystemError,
}

/// Whose failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are clear; wit/types.wit describes them")]
pub enum FailureClass {
    Infrastructure,
    Agent,
    Scorer,
    Harness,
    Undecided,
}

/// A scenario: the task for an agent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scenario {
    /// 1 to 512 bytes; derived from name and prompt if the document has none.
    pub id: String,
    /// The name.
    pub name: Option<String>,
    /// The prompt.
    pub task_prompt: Option<String>,
    /// The position of the scenario's own object.
    pub definition: Option<Span>,
}

/// The scenario that a result belongs to, and the trial that it names.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedScenario {
    /// The scenario.
    pub scenario: Scenario,
    /// Counted from 1.
    pub trial: Option<u32>,
    /// The tool's own id of the run, if each result contains it.
    pub run_id: Option<String>,
    /// The result's place in the run.
    pub place: Option<String>,
    /// When this revision was made, as in [`Outcome`].
    pub revised_at: Option<String>,
}

impl PlannedScenario {
    /// Creates one of a result that names neither a trial nor its run.
    pub fn new(scenario: Scenario) -> Self {
        PlannedScenario { scenario, trial: None, run_id: None, place: None, revised_at: None }
    }
}

/// A score of a result, as the tool wrote it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    /// The metric's name, unique in the result.
    pub name: String,
    /// The number that the tool's own mean counts; always finite. `None` if the result has no score
    /// under this metric.
    #[serde(serialize_with = "optional_number")]
    pub value: Option<f64>,
    /// The value as the tool wrote it, if that is not a number.
    pub label: Option<String>,
    /// The lowest value that the result itself declares.
    #[serde(serialize_with = "optional_number")]
    pub lowest: Option<f64>,
    /// The highest value that the result itself declares.
    #[serde(serialize_with = "optional_number")]
    pub highest: Option<f64>,
    /// The position of the scorer's text, a JSON string.
    pub explanation: Option<Span>,
}

impl Score {
    /// Creates a score whose scale the result does not declare.
    pub fn new(name: impl Into<String>, value: Option<f64>) -> Self {
        let name = name.into();
        Score { name, value, label: None, lowest: None, highest: None, explanation: None }
    }

    /// Declares that the value is a part of the range from 0 to `highest`.
    #[must_use]
    pub fn of(self, highest: f64) -> Self {
        Score { lowest: Some(0.0), highest: Some(highest), ..self }
    }
}

/// A mark that a result does not count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Invalidation {
    /// Who invalidated it.
    pub author: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// When: RFC 3339, UTC, at most microseconds.
    pub at: Option<String>,
}

/// What the values of a metric are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are clear; wit/types.wit describes them")]
pub enum MetricKind {
    Binary,
    Fraction,
    Number,
    Label,
}

/// The definition of a metric in a simulation.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct MetricDefinition {
    /// The name, as in [`Score`].
    pub name: String,
    /// The unit.
    pub unit: Option<String>,
    /// The lowest possible value.
    #[serde(serialize_with = "optional_number")]
    pub lowest: Option<f64>,
    /// The highest possible value.
    #[serde(serialize_with = "optional_number")]
    pub highest: Option<f64>,
    /// True if absent.
    pub higher_is_better: Option<bool>,
    /// What the values are.
    pub kind: Option<MetricKind>,
    /// From this value on, a result passes.
    #[serde(serialize_with = "optional_number")]
    pub pass_threshold: Option<f64>,
    /// Whether it is the simulation's score.
    pub headline: bool,
}

/// How a tool computes a figure from the values of its results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are clear; wit/types.wit describes them")]
pub enum Aggregation {
    Mean,
    ScenarioMean,
    Sum,
    NotComparable,
}

/// How a figure counts a result that has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are clear; wit/types.wit describes them")]
pub enum MissingPolicy {
    Exclude,
    Zero,
}

/// A figure of a whole run, as its tool reports it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReportedFigure {
    /// The metric whose values it aggregates, as in [`Score`].
    pub metric: String,
    /// The tool's name of the figure.
    pub figure: String,
    /// `None` if the tool could not compute it.
    #[serde(serialize_with = "optional_number")]
    pub value: Option<f64>,
    /// The standard error that the tool reports with it.
    #[serde(serialize_with = "optional_number")]
    pub standard_error: Option<f64>,
    /// How it is computed from the results.
    pub aggregation: Aggregation,
    /// How it counts results without a value.
    pub missing: MissingPolicy,
    /// The largest difference that rounding explains; 1e-9 if absent.
    #[serde(serialize_with = "optional_number")]
    pub tolerance: Option<f64>,
    /// Whether it is the score of the run.
    pub headline: bool,
}

/// Who ran what. Absent members are unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// The models under test, in the tool's order, without repeats.
    pub models: Vec<String>,
    /// The provider of the models.
    pub provider: Option<String>,
    /// The agent, or what else calls the models.
    pub agent: Option<String>,
    /// The agent's version.
    pub agent_version: Option<String>,
    /// The task, benchmark or suite.
    pub task: Option<String>,
    /// The task's version.
    pub task_version: Option<String>,
    /// The data set.
    pub dataset: Option<String>,
    /// The data set's version.
    pub dataset_version: Option<String>,
    /// The tool that ran the evaluation.
    pub tool: Option<String>,
    /// The tool's version.
    pub tool_version: Option<String>,
}

/// How a run ended, as its tool reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are clear; wit/types.wit describes them")]
pub enum RunStatus {
    Completed,
    Failed,
    Cancelled,
    Incomplete,
}

/// What a tool reports about a whole run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RunReport {
    /// The tool's own id of the run.
    pub run_id: Option<String>,
    /// How it ended.
    pub status: Option<RunStatus>,
    /// Why it did not complete.
    pub status_reason: Option<String>,
    /// When this log of the run was created: RFC 3339, UTC, at most microseconds.
    pub created_at: Option<String>,
    /// When this copy of the log was last changed, as far as the header has the times of changes.
    pub revised_at: Option<String>,
    /// When the run started.
    pub started_at: Option<String>,
    /// When the run ended.
    pub completed_at: Option<String>,
    /// Who ran what.
    pub origin: Origin,
    /// The number of planned results, all trials counted.
    #[serde(serialize_with = "optional_number")]
    pub planned_results: Option<f64>,
    /// The number of results that the log reports.
    #[serde(serialize_with = "optional_number")]
    pub reported_results: Option<f64>,
    /// All tokens, counted the way that the results count them.
    #[serde(serialize_with = "optional_number")]
    pub total_tokens: Option<f64>,
    /// The cost in US dollars, counted the way that the results count it.
    #[serde(serialize_with = "optional_number")]
    pub total_cost_usd: Option<f64>,
    /// The metrics, as far as the log defines them.
    pub metrics: Vec<MetricDefinition>,
    /// The figures.
    pub figures: Vec<ReportedFigure>,
}

/// The fields of a valid result.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The scenario that was run.
    pub scenario: Scenario,
    /// The trial of the scenario, counted from 1.
    pub trial: Option<u32>,
    /// How the run ended.
    pub status: OutcomeStatus,
    /// In the document's order.
    pub scores: Vec<Score>,
    /// The name of the score that the tool counts as the result's own.
    pub headline: Option<String>,
    /// For example `B`.
    pub grade: Option<String>,
    /// Absent if the result counts.
    pub invalidation: Option<Invalidation>,
    /// The start of the run: RFC 3339, UTC, at most microseconds.
    pub execution_time: Option<String>,
    /// Milliseconds.
    #[serde(serialize_with = "number")]
    pub execution_time_ms: f64,
    /// Who ran this result, as far as it differs from what the run report has.
    pub origin: Origin,
    /// The agent's tokens; a whole number.
    #[serde(serialize_with = "number")]
    pub tokens_used: f64,
    /// A whole number.
    #[serde(serialize_with = "number")]
    pub prompt_tokens: f64,
    /// A whole number.
    #[serde(serialize_with = "number")]
    pub completion_tokens: f64,
    /// The cost of the agent's calls in US dollars.
    #[serde(serialize_with = "number")]
    pub cost_usd: f64,
    /// Tokens and cost by role and model.
    pub usage: Vec<TokenUsage>,
    /// The number of elements of the full trajectory.
    pub event_count: u32,
    /// The error's code or type, at most 128 bytes.
    pub error_code: Option<String>,
    /// The whole error text.
    pub error_message: Option<String>,
    /// Absent for a success.
    pub error_category: Option<ErrorCategory>,
    /// Absent for a success.
    pub failure_class: Option<FailureClass>,
    /// The rule that decided; absent if none did.
    pub failure_rule: Option<String>,
    /// From the `recording` object.
    pub modal_call_id: Option<String>,
    /// From the `recording` object.
    pub sandbox_id: Option<String>,
    /// The position of the trajectory object.
    pub trajectory: Option<Span>,
    /// The position of the detailed trajectory.
    pub detailed_trajectory: Option<Span>,
    /// The position of the object of dimension scores.
    pub dimensions: Option<Span>,
    /// The tool's own id of this execution.
    pub key: Option<String>,
    /// The result's place in the run, at most 512 bytes.
    pub place: Option<String>,
    /// When this revision was made: RFC 3339, UTC, at most microseconds.
    pub revised_at: Option<String>,
    /// A whole number; a part of the agent's tokens.
    #[serde(serialize_with = "number")]
    pub discarded_tokens: f64,
    /// US dollars; a part of the cost.
    #[serde(serialize_with = "number")]
    pub discarded_cost_usd: f64,
    /// Values that were assumed or replaced.
    pub warnings: Vec<Violation>,
}

impl Outcome {
    /// Creates the outcome of a run without any other data: all figures are zero, all options
    /// absent.
    pub fn new(scenario: Scenario, status: OutcomeStatus) -> Self {
        Outcome {
            scenario,
            trial: None,
            status,
            scores: Vec::new(),
            headline: None,
            grade: None,
            invalidation: None,
            execution_time: None,
            execution_time_ms: 0.0,
            origin: Origin::default(),
            tokens_used: 0.0,
            prompt_tokens: 0.0,
            completion_tokens: 0.0,
            cost_usd: 0.0,
            usage: Vec::new(),
            event_count: 0,
            error_code: None,
            error_message: None,
            error_category: None,
            failure_class: None,
            failure_rule: None,
            modal_call_id: None,
            sandbox_id: None,
            trajectory: None,
            detailed_trajectory: None,
            dimensions: None,
            key: None,
            place: None,
            revised_at: None,
            discarded_tokens: 0.0,
            discarded_cost_usd: 0.0,
            warnings: Vec::new(),
        }
    }

    /// Returns the value of the score that the tool counts as the result's own.
    pub fn headline_value(&self) -> Option<f64> {
        let headline = self.headline.as_deref()?;
        self.scores.iter().find(|score| score.name == headline)?.value
    }
}

/// A suite's own figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SuiteSummary {
    /// On the scale of the results.
    #[serde(serialize_with = "optional_number")]
    pub average_reliability_score: Option<f64>,
    /// US dollars.
    #[serde(serialize_with = "optional_number")]
    pub total_cost_usd: Option<f64>,
    /// Milliseconds.
    #[serde(serialize_with = "optional_number")]
    pub execution_time_ms: Option<f64>,
    /// A whole number.
    #[serde(serialize_with = "optional_number")]
    pub successful_runs: Option<f64>,
    /// A whole number.
    #[serde(serialize_with = "optional_number")]
    pub total_tokens_used: Option<f64>,
    /// Milliseconds.
    #[serde(serialize_with = "optional_number")]
    pub average_execution_time_ms: Option<f64>,
    /// The mean of each dimension.
    pub average_dimension_scores: Vec<Score>,
    /// A factor.
    #[serde(serialize_with = "optional_number")]
    pub speedup_factor: Option<f64>,
    /// What the tool reports about the run.
    pub run: RunReport,
    /// Values that were assumed or replaced.
    pub warnings: Vec<Violation>,
}

/// The verdict on one result, as `extract-json` writes it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// The result is valid.
    Accepted {
        /// Its fields.
        outcome: Box<Outcome>,
    },
    /// The result is not valid.
    Rejected {
        /// The reasons; at least one.
        violations: Vec<Violation>,
    },
}

/// Writes a whole number without a fraction, as other languages do.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
pub(crate) fn number<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the value was just checked to be whole and small"
    )]
    if value.fract() == 0.0 && value.abs() <= crate::number::MAX_WHOLE {
        serializer.serialize_i64(*value as i64)
    } else {
        serializer.serialize_f64(*value)
    }
}

#[expect(clippy::ref_option, reason = "serde's signature")]
pub(crate) fn optional_number<S: Serializer>(
    value: &Option<f64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => number(value, serializer),
        None => serializer.serialize_none(),
    }
}
