//! The answers of the extractor, in the words of `wit/types.wit`, where each field is described.

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

/// One thing that is wrong with a document, or worth knowing about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Where: a JSON Pointer (RFC 6901); empty for the whole document.
    pub path: String,
    /// What: one of [`crate::codes`].
    pub code: &'static str,
    /// The same as a sentence.
    pub message: String,
}

/// How the run of a scenario ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it; wit/types.wit describes them")]
pub enum OutcomeStatus {
    Success,
    Error,
    Timeout,
    Cancelled,
}

/// What a failure was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it; wit/types.wit describes them")]
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

/// The task that an agent was given.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scenario {
    /// 1 to 512 bytes; made from name and prompt where the document has none.
    pub id: String,
    /// The name.
    pub name: Option<String>,
    /// The prompt.
    pub task_prompt: Option<String>,
    /// Where the scenario's own object is.
    pub definition: Option<Span>,
}

/// The scenario a result belongs to, and the trial it names.
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

/// What a valid result says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The scenario that was run.
    pub scenario: Scenario,
    /// Which trial of it, counted from 1.
    pub trial: Option<u32>,
    /// How the run ended.
    pub status: OutcomeStatus,
    /// From 0 to 1.
    #[serde(serialize_with = "optional_number")]
    pub reliability_score: Option<f64>,
    /// Such as `B`.
    pub grade: Option<String>,
    /// In the document's order.
    pub dimension_scores: Vec<DimensionScore>,
    /// When the run started: RFC 3339, UTC, at most microseconds.
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
    /// Elements of the full trajectory.
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
    /// Where the trajectory object is.
    pub trajectory: Option<Span>,
    /// Where the detailed trajectory is.
    pub detailed_trajectory: Option<Span>,
    /// Where the object of dimension scores is.
    pub dimensions: Option<Span>,
    /// What was assumed or replaced.
    pub warnings: Vec<Violation>,
}

impl Outcome {
    /// The outcome of a run that says nothing more: zero of everything, and nothing known.
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

/// The figures that a suite gives for itself.
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
    /// What was assumed or replaced.
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
        /// Why; at least one.
        violations: Vec<Violation>,
    },
}

/// Writes a whole number without a fraction, as every other language would.
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
