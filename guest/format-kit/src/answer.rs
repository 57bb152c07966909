//! The answers of the extractor, with the names of `wit/types.wit`, which describes each field.

use serde::{Serialize, Serializer};

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
}

/// One of the scores that make up a reliability score.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DimensionScore {
    /// The dimension's name.
    pub name: String,
    /// From 0 to 1.
    #[serde(serialize_with = "number")]
    pub score: f64,
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
    /// From 0 to 1.
    #[serde(serialize_with = "optional_number")]
    pub reliability_score: Option<f64>,
    /// For example `B`.
    pub grade: Option<String>,
    /// In the document's order.
    pub dimension_scores: Vec<DimensionScore>,
    /// The start of the run: RFC 3339, UTC, at most microseconds.
    pub execution_time: Option<String>,
    /// Milliseconds.
    #[serde(serialize_with = "number")]
    pub execution_time_ms: f64,
    /// A whole number.
    #[serde(serialize_with = "number")]
    pub tokens_used: f64,
    /// A whole number.
    #[serde(serialize_with = "number")]
    pub prompt_tokens: f64,
    /// A whole number.
    #[serde(serialize_with = "number")]
    pub completion_tokens: f64,
    /// US dollars.
    #[serde(serialize_with = "number")]
    pub cost_usd: f64,
    /// The number of elements of the full trajectory.
    pub event_count: u32,
    /// At most 128 bytes.
    pub error_code: Option<String>,
    /// The whole error text.
    pub error_message: Option<String>,
    /// Absent for a success.
    pub error_category: Option<ErrorCategory>,
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
            reliability_score: None,
            grade: None,
            dimension_scores: Vec::new(),
            execution_time: None,
            execution_time_ms: 0.0,
            tokens_used: 0.0,
            prompt_tokens: 0.0,
            completion_tokens: 0.0,
            cost_usd: 0.0,
            event_count: 0,
            error_code: None,
            error_message: None,
            error_category: None,
            modal_call_id: None,
            sandbox_id: None,
            trajectory: None,
            detailed_trajectory: None,
            dimensions: None,
            warnings: Vec::new(),
        }
    }
}

/// A suite's own figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SuiteSummary {
    /// From 0 to 1.
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
    pub average_dimension_scores: Vec<DimensionScore>,
    /// A factor.
    #[serde(serialize_with = "optional_number")]
    pub speedup_factor: Option<f64>,
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
fn number<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
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
fn optional_number<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => number(value, serializer),
        None => serializer.serialize_none(),
    }
}
