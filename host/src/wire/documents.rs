//! Documents as described in the OpenAPI document: the members that are read. Their meaning, and
//! every other member, is the responsibility of the extraction component, which receives them
//! unchanged.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One result. Only an identification of the scenario is required; any other member is stored with it.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
pub struct ResultDocument {
    /// The scenario that was run.
    pub scenario: Option<ScenarioDocument>,
    /// The trajectory of the run.
    pub trajectory: Option<TrajectoryDocument>,
    /// An object with `overall_score`, `grade`, `dimension_scores` and `scale`, the highest value, or a
    /// number.
    #[schema(value_type = Option<serde_json::Value>)]
    pub reliability_score: Option<serde_json::Value>,
    /// The error, if there was one.
    pub error: Option<String>,
}

/// The scenario that was run.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
pub struct ScenarioDocument {
    /// Its id, up to 512 bytes.
    #[schema(max_length = 512)]
    pub id: Option<String>,
    /// A name for people.
    pub name: Option<String>,
    /// What the agent was asked to do.
    pub task_prompt: Option<String>,
}

/// The trajectory of a run.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
pub struct TrajectoryDocument {
    /// `success`, `error`, `timeout` or `cancelled`.
    pub status: Option<String>,
    /// When the run began: RFC 3339.
    pub start_time: Option<String>,
    /// The duration of the run in seconds.
    #[schema(minimum = 0)]
    pub execution_time_seconds: Option<f64>,
    /// `prompt_tokens`, `completion_tokens`, `total_tokens`, and `total_cost` in US dollars.
    pub token_usage: Option<HashMap<String, f64>>,
    /// The steps, stored unchanged.
    #[schema(value_type = Option<Vec<serde_json::Value>>)]
    pub full_trajectory: Option<Vec<serde_json::Value>>,
}

/// The suite's own summary. A missing figure is computed from the outcomes.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
pub struct SuiteDocument {
    /// The mean reliability score from 0 to 1.
    pub average_reliability_score: Option<f64>,
    /// The cost of the whole suite in US dollars.
    #[schema(minimum = 0)]
    pub total_cost_usd: Option<f64>,
    /// The suite's duration in seconds.
    #[schema(minimum = 0)]
    pub parallel_execution_time: Option<f64>,
    /// How many scenarios succeeded.
    #[schema(minimum = 0)]
    pub successful_runs: Option<u64>,
    /// All tokens used.
    #[schema(minimum = 0)]
    pub total_tokens_used: Option<u64>,
    /// The mean duration of a run in seconds.
    #[schema(minimum = 0)]
    pub average_execution_time: Option<f64>,
    /// The mean score of each dimension.
    pub average_dimension_scores: Option<HashMap<String, f64>>,
    /// How many times faster the scenarios were run than one after the other.
    pub speedup_factor: Option<f64>,
}

/// The body of a request that records: one result, an array of them, or an object with `results`.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum ResultsDocument {
    /// One result.
    One(Box<ResultDocument>),
    /// Several results.
    Many(Vec<ResultDocument>),
    /// Several results, with the members that belong to each of them.
    Envelope(ResultsEnvelope),
}

/// Several results, with the members that belong to each of them.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ResultsEnvelope {
    /// The results.
    pub results: Vec<ResultDocument>,
    /// The members with a value for each result.
    #[serde(flatten)]
    pub beside: super::ResultsMetadata,
}
