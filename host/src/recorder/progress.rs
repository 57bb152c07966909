//! Where a simulation stands, and how it ended, in the words of the calls.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::Result;
use crate::extraction::OutcomeStatus;
use crate::json_text::JsonText;
use crate::store::{Figures, Simulation, SimulationStatus, Store};

/// Where a simulation stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SimulationProgress {
    /// The simulation's id.
    pub simulation_id: Uuid,
    /// A name for people.
    pub simulation_name: Option<String>,
    /// The version of the agent's configuration.
    pub config_version_id: String,
    /// Where it stands.
    pub status: SimulationStatus,
    /// Completed scenarios of all, from 0 to 100.
    pub progress_percentage: f64,
    /// Planned scenarios times trials, and those that were recorded without being planned.
    pub total_scenarios: i64,
    /// Those that have an outcome.
    pub completed_scenarios: i64,
    /// Those whose latest outcome is a success.
    pub successful_outcomes: i64,
    /// Those whose latest outcome is not a success.
    pub failed_outcomes: i64,
    /// How many results were rejected.
    pub rejected_results: i64,
    /// Recorded outcomes, of every attempt.
    pub recorded_outcomes: i64,
    /// How many of them have each status.
    pub by_status: BTreeMap<OutcomeStatus, i64>,
    /// How many of them have each error category.
    pub by_error_category: BTreeMap<String, i64>,
    /// The score that counts, from 0 to 1.
    pub overall_score: Option<f64>,
    /// Tokens of every attempt.
    pub total_tokens: i64,
    /// The cost that counts, in US dollars.
    pub total_cost_usd: f64,
    /// Milliseconds from its start to its end, or to now.
    pub execution_time_ms: f64,
    /// The Modal app that runs the evaluation.
    pub modal_app_id: Option<String>,
    /// What it was started with.
    pub metadata: Option<JsonText>,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// When it was started.
    pub started_at: Timestamp,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
}

impl SimulationProgress {
    /// Reads the progress of a simulation.
    ///
    /// # Errors
    /// As [`Store::simulation_with_figures`].
    pub async fn read(store: &Store, simulation_id: Uuid) -> Result<Self> {
        let (simulation, figures) = store.simulation_with_figures(simulation_id).await?;
        Ok(SimulationProgress::new(&simulation, &figures, store.clock().now()))
    }

    /// A simulation's row and the figures of its outcomes in one; `now` is by the database's clock.
    fn new(simulation: &Simulation, figures: &Figures, now: Timestamp) -> Self {
        let metadata = simulation.metadata.as_deref();
        SimulationProgress {
            simulation_id: simulation.simulation_id,
            simulation_name: simulation.simulation_name.clone(),
            config_version_id: simulation.config_version_id.clone(),
            status: simulation.status,
            progress_percentage: percentage(figures.completed_scenarios, figures.total_scenarios),
            total_scenarios: figures.total_scenarios,
            completed_scenarios: figures.completed_scenarios,
            successful_outcomes: figures.successful_outcomes,
            failed_outcomes: figures.failed_outcomes,
            rejected_results: figures.rejected_results,
            recorded_outcomes: figures.recorded_outcomes,
            by_status: figures.by_status.clone(),
            by_error_category: figures.by_error_category.clone(),
            overall_score: simulation.score(figures),
            total_tokens: figures.total_tokens,
            total_cost_usd: simulation.cost_usd(figures),
            execution_time_ms: simulation
                .execution_time_ms
                .unwrap_or_else(|| elapsed_ms(simulation, now)),
            modal_app_id: simulation.modal_app_id.clone(),
            metadata: metadata.and_then(|text| JsonText::new(text.to_owned()).ok()),
            created_at: simulation.created_at,
            started_at: simulation.started_at,
            completed_at: simulation.completed_at,
        }
    }
}

/// A simulation's three figures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SimulationFigures {
    /// The mean of the latest reliability scores, from 0 to 1; none where no outcome has one.
    pub overall_score: Option<f64>,
    /// The cost of every attempt in US dollars.
    pub total_cost_usd: f64,
    /// Seconds from the simulation's start to its end.
    pub execution_time_seconds: f64,
}

/// The answer to a completion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SimulationCompleted {
    /// The simulation's id.
    pub simulation_id: Uuid,
    /// `completed`.
    pub status: SimulationStatus,
    /// The suite's own figures; the computed ones where it gives none.
    #[serde(flatten)]
    pub figures: SimulationFigures,
    /// The same from the recorded outcomes.
    pub computed: SimulationFigures,
    /// When it was completed first.
    pub completed_at: Timestamp,
}

impl SimulationCompleted {
    pub(super) fn new(simulation: &Simulation, computed: &Figures) -> Self {
        // The completion has just set it.
        let completed_at = simulation.completed_at.unwrap_or(simulation.started_at);
        let elapsed_ms = elapsed_ms(simulation, completed_at);
        SimulationCompleted {
            simulation_id: simulation.simulation_id,
            status: simulation.status,
            figures: SimulationFigures {
                overall_score: simulation.score(computed),
                total_cost_usd: simulation.cost_usd(computed),
                execution_time_seconds: simulation.execution_time_ms.unwrap_or(elapsed_ms)
                    / 1_000.0,
            },
            computed: SimulationFigures {
                overall_score: computed.overall_score,
                total_cost_usd: computed.total_cost_usd,
                execution_time_seconds: elapsed_ms / 1_000.0,
            },
            completed_at,
        }
    }
}

/// Milliseconds from a simulation's start to its end, or to now.
fn elapsed_ms(simulation: &Simulation, now: Timestamp) -> f64 {
    let end = simulation.completed_at.unwrap_or(now);
    // A start may have been given a later time than there is.
    (end.duration_since(simulation.started_at).as_secs_f64() * 1_000.0).max(0.0)
}

#[expect(clippy::cast_precision_loss, reason = "a percentage for people")]
fn percentage(part: i64, whole: i64) -> f64 {
    if whole == 0 { 100.0 } else { part as f64 / whole as f64 * 100.0 }
}
