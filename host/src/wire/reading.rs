//! The bodies of answers to questions.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::spool::SpoolState;
use crate::store::{
    Annotation, Failure, Health, ListedSimulation, MissingTrial, Origin, RecordedOutcome,
    RejectedResult, Revision, SimulationStatus,
};

/// A simulation in a list.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct SimulationSummary {
    /// The simulation's id.
    pub simulation_id: Uuid,
    /// The beginning of the id that no other simulation's id has, of at least 8 characters.
    pub short_id: String,
    /// A name for people.
    pub simulation_name: Option<String>,
    /// The project that it belongs to.
    pub project: String,
    /// Its tags, in order.
    pub tags: Vec<String>,
    /// The version of the agent's configuration.
    pub config_version_id: String,
    /// Its status.
    pub status: SimulationStatus,
    /// How many times each scenario is run.
    pub trials: i32,
    /// How many scenarios the plan has.
    pub planned_scenarios: i32,
    /// The score of a completed simulation: from 0 to 1 if its scale is known, otherwise as the tool
    /// wrote it.
    pub overall_score: Option<f64>,
    /// The metric of that score.
    pub score_metric: Option<String>,
    /// The name of its figure, such as `accuracy`; `mean` for a computed one.
    pub score_figure: Option<String>,
    /// The highest value of the scores as the tool wrote them; null if their scale is unknown.
    pub score_scale: Option<f64>,
    /// Who ran what.
    #[serde(flatten)]
    pub origin: Origin,
    /// The cost of a completed simulation in US dollars, as the tool reports it.
    pub total_cost_usd: Option<f64>,
    /// Its cost by the price table.
    pub computed_cost_usd: Option<f64>,
    /// The agent's tokens of a completed simulation.
    pub total_tokens: Option<i64>,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// When the evaluation began.
    pub started_at: Timestamp,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
}

impl From<ListedSimulation> for SimulationSummary {
    fn from(listed: ListedSimulation) -> Self {
        let ListedSimulation { simulation, short_id } = listed;
        SimulationSummary {
            simulation_id: simulation.simulation_id,
            short_id,
            simulation_name: simulation.simulation_name,
            project: simulation.project,
            tags: simulation.tags,
            config_version_id: simulation.config_version_id,
            status: simulation.status,
            trials: simulation.trials,
            planned_scenarios: simulation.planned_scenarios,
            overall_score: simulation.overall_score,
            score_metric: simulation.score_metric,
            score_figure: simulation.score_figure,
            score_scale: simulation.score_scale,
            origin: simulation.origin,
            total_cost_usd: simulation.total_cost_usd,
            computed_cost_usd: simulation.computed_cost_usd,
            total_tokens: simulation.total_tokens,
            created_at: simulation.created_at,
            started_at: simulation.started_at,
            completed_at: simulation.completed_at,
        }
    }
}

/// The simulation that a text refers to.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct ResolvedSimulation {
    /// The simulation's id.
    pub simulation_id: Uuid,
}

/// A page of simulations, newest first.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct SimulationList {
    /// The simulations.
    pub simulations: Vec<SimulationSummary>,
    /// The start of the next page; absent on the last.
    pub cursor: Option<String>,
}

/// The results of a simulation that have several revisions.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct RevisionList {
    /// The revisions, in order of scenario, key and revision; at most 10,000.
    pub revisions: Vec<Revision>,
}

/// The annotations of a simulation's results.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct AnnotationList {
    /// The annotations, oldest first; at most 10,000.
    pub annotations: Vec<Annotation>,
}

/// The trials of a simulation that have no valid outcome.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct MissingList {
    /// The trials, in the order of the plan; at most 100,000.
    pub missing: Vec<MissingTrial>,
}

/// An outcome as it is answered.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OutcomeBody {
    /// Its columns, and the document's text if requested.
    #[serde(flatten)]
    pub outcome: RecordedOutcome,
    /// The document's own trajectory object, if requested and present.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub trajectory: Option<Box<RawValue>>,
}

impl From<RecordedOutcome> for OutcomeBody {
    fn from(mut outcome: RecordedOutcome) -> Self {
        let trajectory = outcome.trajectory.take();
        let trajectory = trajectory.and_then(|text| RawValue::from_string(text).ok());
        OutcomeBody { outcome, trajectory }
    }
}

/// A page of outcomes, in order of scenario, trial and attempt.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OutcomeList {
    /// The outcomes.
    pub outcomes: Vec<OutcomeBody>,
    /// The start of the next page; absent on the last.
    pub cursor: Option<String>,
}

/// A page of the rejected results of a simulation, in order of receipt.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct RejectedList {
    /// The rejected results, without their documents.
    pub rejected: Vec<RejectedResult>,
    /// The start of the next page; absent on the last.
    pub cursor: Option<String>,
}

/// The latest failures of all simulations, newest first.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct FailureList {
    /// The failures.
    pub failures: Vec<Failure>,
}

/// The health of the service, its database and its spool. The status is `degraded` if the database
/// answers, but some results cannot reach it: `error` has the reason.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct ServiceHealth {
    /// The database's state.
    #[serde(flatten)]
    pub database: Health,
    /// The service's version.
    pub service_version: String,
    /// The spool's state, if there is one.
    pub spool: Option<SpoolState>,
}
