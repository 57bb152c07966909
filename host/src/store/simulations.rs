//! Simulations: their own rows, and how they end.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use uuid::Uuid;

use super::connection::Transaction;
use super::origin::Origin;
use super::statement::Statement;
use super::{Figures, MetricDefinitions, RunReport, Store};
use crate::error::{Error, Result};
use crate::extraction::InvalidStatus;

/// The status of a simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SimulationStatus {
    /// Outcomes are being recorded.
    Running,
    /// Its figures are fixed.
    Completed,
    /// Its runner reported a failure.
    Failed,
    /// Stopped on purpose.
    Cancelled,
    /// The log of the run has no end: its tool was killed, or is still running.
    Incomplete,
}

impl SimulationStatus {
    /// All of them.
    pub const ALL: [SimulationStatus; 5] = [
        SimulationStatus::Running,
        SimulationStatus::Completed,
        SimulationStatus::Failed,
        SimulationStatus::Cancelled,
        SimulationStatus::Incomplete,
    ];

    /// Returns its name in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            SimulationStatus::Running => "running",
            SimulationStatus::Completed => "completed",
            SimulationStatus::Failed => "failed",
            SimulationStatus::Cancelled => "cancelled",
            SimulationStatus::Incomplete => "incomplete",
        }
    }

    /// Returns the status with a name from the database, whose CHECK allows no other.
    fn from_database(name: &str) -> Self {
        name.parse().unwrap_or(SimulationStatus::Running)
    }
}

impl fmt::Display for SimulationStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for SimulationStatus {
    type Err = InvalidStatus;

    fn from_str(name: &str) -> std::result::Result<Self, InvalidStatus> {
        let found = Self::ALL.into_iter().find(|status| status.as_str() == name);
        found.ok_or_else(|| InvalidStatus::new(name, Self::ALL.map(Self::as_str)))
    }
}

/// A simulation's own row.
#[derive(Clone, Debug)]
pub struct Simulation {
    /// Its id.
    pub simulation_id: Uuid,
    /// A display name.
    pub simulation_name: Option<String>,
    /// The project that it belongs to.
    pub project: String,
    /// Its tags, in order.
    pub tags: Vec<String>,
    /// The version of the agent's configuration.
    pub config_version_id: String,
    /// Its status.
    pub status: SimulationStatus,
    /// Why it did not complete.
    pub status_reason: Option<String>,
    /// How many times each scenario is run.
    pub trials: i32,
    /// How many scenarios the plan has.
    pub planned_scenarios: i32,
    /// The SHA-256 of the plan.
    pub plan_sha256: Vec<u8>,
    /// The Modal app that runs the evaluation.
    pub modal_app_id: Option<String>,
    /// A JSON object.
    pub metadata: Option<String>,
    /// When the row was written.
    pub created_at: Timestamp,
    /// When it was accepted; part of the key of all its outcomes.
    pub(crate) partition_time: Timestamp,
    /// When it was started, or when the evaluation itself began.
    pub started_at: Timestamp,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
    /// The score that counts, from 0 to 1 if its scale is known; fixed by completing.
    pub overall_score: Option<f64>,
    /// The metric of that score.
    pub score_metric: Option<String>,
    /// The name of its figure, such as `accuracy`; `mean` for a computed one.
    pub score_figure: Option<String>,
    /// The highest value of the scores as the tool wrote them; `None` if their scale is unknown.
    pub score_scale: Option<f64>,
    /// Who ran what: as declared, else as the tool reports it, else as the results name it; the last two
    /// are known when it has ended.
    pub origin: Origin,
    /// The declaration at the start.
    pub(super) declared_origin: Origin,
    /// The cost that counts, in US dollars; fixed by completing.
    pub total_cost_usd: Option<f64>,
    /// The cost by the price table; fixed by completing.
    pub computed_cost_usd: Option<f64>,
    /// The agent's tokens; fixed by completing.
    pub total_tokens: Option<i64>,
    /// Its duration in milliseconds; fixed by completing.
    pub execution_time_ms: Option<f64>,
    /// The suite's own figures.
    pub suite_figures: Option<serde_json::Value>,
    /// What the tool reports about the run, if it has.
    pub run_report: Option<RunReport>,
    /// The definitions of metrics that were declared.
    pub declared_metrics: MetricDefinitions,
    /// The figures of the outcomes, if they are known to be current.
    pub(super) frozen: Option<Figures>,
}

/// The columns of [`Simulation::from_row`]. Frozen figures are those of a simulation that has ended,
/// for only then a later result marks them. A fraction is read by the database: as JSON it can have
/// more digits than a parser accepts.
pub(super) const COLUMNS: &str =
    "simulation_id, simulation_name, project, tags, config_version_id, status, trials,
    planned_scenarios, plan_sha256, modal_app_id, metadata::text AS metadata, created_at,
    partition_time, started_at, completed_at, overall_score, score_metric, score_figure,
    score_scale, total_cost_usd, computed_cost_usd, total_tokens, models, provider, agent,
    agent_version, task, task_version, dataset, dataset_version, tool, tool_version, declared_origin,
    execution_time_ms, status_reason, metrics AS declared_metrics,
    suite_figures - 'average_dimension_scores'::text AS suite_figures,
    CASE WHEN figures_state = 'frozen' AND status <> 'running'
        THEN computed_figures - '{overall_score,total_cost_usd,latest_cost_usd}'::text[] END AS frozen,
    (computed_figures->>'overall_score'::text)::float8 AS frozen_score,
    coalesce((computed_figures->>'total_cost_usd'::text)::float8, 0) AS frozen_cost_usd,
    coalesce((computed_figures->>'latest_cost_usd'::text)::float8, 0) AS frozen_latest_cost_usd";

impl Simulation {
    pub(super) fn from_row(row: &Row) -> Self {
        let suite_figures: Option<serde_json::Value> = row.get("suite_figures");
        let report = suite_figures.as_ref().and_then(|figures| figures.get("run_report"));
        let run_report = report.and_then(|report| RunReport::deserialize(report).ok());
        Simulation {
            simulation_id: row.get("simulation_id"),
            simulation_name: row.get("simulation_name"),
            project: row.get("project"),
            tags: row.get("tags"),
            config_version_id: row.get("config_version_id"),
            status: SimulationStatus::from_database(row.get("status")),
            trials: row.get("trials"),
            planned_scenarios: row.get("planned_scenarios"),
            plan_sha256: row.get("plan_sha256"),
            modal_app_id: row.get("modal_app_id"),
            metadata: row.get("metadata"),
            created_at: row.get("created_at"),
            partition_time: row.get("partition_time"),
            started_at: row.get("started_at"),
            completed_at: row.get("completed_at"),
            overall_score: row.get("overall_score"),
            score_metric: row.get("score_metric"),
            score_figure: row.get("score_figure"),
            score_scale: row.get("score_scale"),
            origin: Origin::from_row(row),
            declared_origin: row
                .get::<_, Option<serde_json::Value>>("declared_origin")
                .and_then(|origin| serde_json::from_value(origin).ok())
                .unwrap_or_default(),
            total_cost_usd: row.get("total_cost_usd"),
            computed_cost_usd: row.get("computed_cost_usd"),
            total_tokens: row.get("total_tokens"),
            execution_time_ms: row.get("execution_time_ms"),
            suite_figures,
            run_report,
            status_reason: row.get("status_reason"),
            declared_metrics: row
                .get::<_, Option<serde_json::Value>>("declared_metrics")
                .and_then(|metrics| serde_json::from_value(metrics).ok())
                .unwrap_or_default(),
            frozen: row.get::<_, Option<serde_json::Value>>("frozen").and_then(|frozen| {
                let (score, cost) = (row.get("frozen_score"), row.get("frozen_cost_usd"));
                Figures::from_frozen(&frozen, score, cost, row.get("frozen_latest_cost_usd"))
            }),
        }
    }

    /// Returns the definitions of the metrics: the tool's own, of which declared ones replace members.
    pub fn metrics(&self) -> MetricDefinitions {
        let mut metrics = MetricDefinitions::default();
        if let Some(report) = &self.run_report {
            metrics.update(&report.metrics);
        }
        metrics.update(self.declared_metrics.list());
        metrics
    }

    /// Returns the current cost in US dollars: the suite's own, or else that of the recorded outcomes.
    pub fn cost_usd(&self, recorded: &Figures) -> f64 {
        self.suite_figure("total_cost_usd").unwrap_or(recorded.total_cost_usd)
    }

    /// Returns who ran what: as declared, else as the tool reports it, else as the results name it.
    pub fn origin(&self, recorded: &Figures) -> Origin {
        let mut origin = self.declared_origin.clone();
        if let Some(report) = &self.run_report {
            origin.complete_from(&report.origin);
        }
        origin.complete_from(&recorded.origin);
        origin
    }

    pub(super) fn suite_figure(&self, name: &str) -> Option<f64> {
        self.suite_figures.as_ref()?.get(name)?.as_f64()
    }
}

/// Locks a simulation in a transaction that changes what its figures depend on, which become stale, and
/// returns its row. The lock of the figures comes before that of the row, as when results are recorded.
pub(super) async fn locked_for_change(
    transaction: &Transaction<'_>,
    simulation_id: Uuid,
) -> std::result::Result<Option<Simulation>, tokio_postgres::Error> {
    let mark = "SELECT arc_recorder.note_results(ARRAY[$1::uuid])";
    transaction.execute(mark, &[&simulation_id]).await?;
    let select = format!(
        "SELECT {COLUMNS} FROM arc_recorder.simulations WHERE simulation_id = $1 FOR UPDATE"
    );
    let row = transaction.query_opt(select.as_str(), &[&simulation_id]).await?;
    Ok(row.as_ref().map(Simulation::from_row))
}

impl Store {
    /// Returns the project of a simulation, if it exists.
    ///
    /// # Errors
    /// [`Error::Database`] or [`Error::Unavailable`].
    pub async fn project_of(&self, simulation_id: Uuid) -> Result<Option<String>> {
        let select =
            Statement::new("SELECT project FROM arc_recorder.simulations WHERE simulation_id = $1");
        let rows = self.rows(&select.with(simulation_id), "read the simulation's project").await?;
        Ok(rows.first().map(|row| row.get(0)))
    }

    /// Returns a simulation's own row.
    ///
    /// # Errors
    /// [`Error::NotFound`] if none has this id; [`Error::SimulationRemoved`].
    pub async fn simulation(&self, simulation_id: Uuid) -> Result<Simulation> {
        match self.find_simulation(simulation_id).await? {
            Some(simulation) => Ok(simulation),
            None => Err(self.missing_simulation(simulation_id).await),
        }
    }

    /// Returns a simulation's own row, if it exists.
    ///
    /// # Errors
    /// [`Error::Database`] or [`Error::Unavailable`].
    pub async fn find_simulation(&self, simulation_id: Uuid) -> Result<Option<Simulation>> {
        let statement = super::frozen_figures::row_statement(simulation_id);
        let rows = self.rows(&statement, "read the simulation").await?;
        Ok(rows.first().map(Simulation::from_row))
    }

    /// Ends a simulation as failed or cancelled, for a reason. A repetition changes nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] if it has ended with another status.
    pub async fn end_simulation(
        &self,
        simulation_id: Uuid,
        status: SimulationStatus,
        reason: &str,
    ) -> Result<Simulation> {
        let failed = |error| Error::postgres("end the simulation", error);
        let client = self.client().await?;
        let update = client
            .prepare_cached(&format!(
                // The time is read before: Citus takes no changing function within an UPDATE.
                "WITH moment AS MATERIALIZED (SELECT pg_catalog.clock_timestamp() AS now)
                 UPDATE arc_recorder.simulations SET
                     status = $2, status_reason = coalesce(status_reason, $3),
                     completed_at = coalesce(completed_at, moment.now),
                     figures_state = CASE status WHEN $2 THEN figures_state ELSE 'stale' END
                 FROM moment
                 WHERE simulation_id = $1 AND status IN ('running', $2)
                 RETURNING {COLUMNS}"
            ))
            .await
            .map_err(failed)?;
        let row = client
            .query_opt(&update, &[&simulation_id, &status.as_str(), &reason])
            .await
            .map_err(failed)?;
        drop(client);
        match row {
            Some(row) => Ok(Simulation::from_row(&row)),
            None => Err(self.wrong_end(simulation_id, status).await),
        }
    }

    /// Returns the reason why a simulation cannot end with this status: it does not exist, or it has
    /// ended with another one.
    pub(super) async fn wrong_end(&self, simulation_id: Uuid, wanted: SimulationStatus) -> Error {
        match self.simulation(simulation_id).await {
            Err(error) => error,
            Ok(simulation) => Error::conflict(format!(
                "simulation {simulation_id} is {} and cannot become {}",
                simulation.status, wanted
            )),
        }
    }
}

pub(super) fn not_found(simulation_id: Uuid) -> Error {
    Error::not_found(format!("simulation {simulation_id} not found"))
        .with_hint("list them with `arc-host simulations`")
}
