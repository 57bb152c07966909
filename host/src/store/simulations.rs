//! Simulations and their plans.

use std::collections::HashSet;

use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use utoipa::ToSchema;
use uuid::Uuid;

use super::columns::column;
use super::connection::Transaction;
use super::{Figures, Store};
use crate::error::{Error, Result};
use crate::identity::Fingerprint;

/// How many planned scenarios one statement writes.
const PLAN_ROWS: usize = 1_000;

/// How many bytes of scenarios one statement takes, and one more: a message has at most 1 GiB.
const PLAN_BYTES: usize = 8 << 20;

/// Where a simulation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SimulationStatus {
    /// Outcomes are coming in.
    Running,
    /// Its figures are fixed.
    Completed,
    /// Given up by its runner.
    Failed,
    /// Stopped on purpose.
    Cancelled,
}

impl SimulationStatus {
    /// The word in the database and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            SimulationStatus::Running => "running",
            SimulationStatus::Completed => "completed",
            SimulationStatus::Failed => "failed",
            SimulationStatus::Cancelled => "cancelled",
        }
    }

    fn from_word(word: &str) -> Self {
        match word {
            "completed" => SimulationStatus::Completed,
            "failed" => SimulationStatus::Failed,
            "cancelled" => SimulationStatus::Cancelled,
            // The column's CHECK allows no other word.
            _ => SimulationStatus::Running,
        }
    }
}

/// What a simulation is started with, apart from the scenarios themselves.
#[derive(Clone, Debug)]
pub struct NewSimulation {
    /// Made by the client.
    pub simulation_id: Uuid,
    /// A name for people.
    pub simulation_name: Option<String>,
    /// The version of the agent's configuration; an unknown one is noted, not refused.
    pub config_version_id: String,
    /// The Modal app that runs the evaluation.
    pub modal_app_id: Option<String>,
    /// The Modal environment.
    pub modal_environment: String,
    /// How many sandboxes run at once.
    pub sandbox_instances: Option<i32>,
    /// A JSON object.
    pub metadata: Option<String>,
    /// How many times each scenario is run.
    pub trials: i32,
    /// How many scenarios the plan has.
    pub planned_scenarios: i32,
    /// The SHA-256 of the plan: two starts with the same id must have the same.
    pub plan_sha256: [u8; 32],
    /// When it was started; now, where that is absent.
    pub started_at: Option<Timestamp>,
}

/// One scenario of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedRow {
    /// Derived from the other fields.
    pub scenario_version_id: Uuid,
    /// Unique in the plan.
    pub scenario_id: String,
    /// The scenario's name.
    pub name: Option<String>,
    /// Its prompt.
    pub task_prompt: Option<String>,
    /// Its own JSON object.
    pub definition: Option<String>,
}

/// A simulation's own row.
#[derive(Clone, Debug)]
pub struct Simulation {
    /// Its id.
    pub simulation_id: Uuid,
    /// A name for people.
    pub simulation_name: Option<String>,
    /// The version of the agent's configuration.
    pub config_version_id: String,
    /// Where it stands.
    pub status: SimulationStatus,
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
    /// When it was started; part of the key of all its outcomes.
    pub started_at: Timestamp,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
    /// The score that counts, from 0 to 1; fixed by completing.
    pub overall_score: Option<f64>,
    /// The cost that counts, in US dollars; fixed by completing.
    pub total_cost_usd: Option<f64>,
    /// Its duration in milliseconds; fixed by completing.
    pub execution_time_ms: Option<f64>,
    /// What the suite said of itself.
    pub suite_figures: Option<serde_json::Value>,
    /// What the outcomes say, where that is known to be still so.
    pub(super) frozen: Option<Figures>,
}

/// The columns of [`Simulation::from_row`]. Frozen figures are those of a simulation that has ended,
/// for only then a later result marks them. A number that is not whole is read by the database: as
/// JSON it may have more digits than a parser takes.
pub(super) const COLUMNS: &str =
    "simulation_id, simulation_name, config_version_id, status, trials,
    planned_scenarios, plan_sha256, modal_app_id, metadata::text AS metadata, created_at,
    started_at, completed_at, overall_score, total_cost_usd, execution_time_ms, suite_figures,
    CASE WHEN figures_state = 'frozen' AND status <> 'running'
        THEN computed_figures - '{overall_score,total_cost_usd}'::text[] END AS frozen,
    (computed_figures->>'overall_score')::float8 AS frozen_score,
    coalesce((computed_figures->>'total_cost_usd')::float8, 0) AS frozen_cost_usd";

impl Simulation {
    pub(super) fn from_row(row: &Row) -> Self {
        Simulation {
            simulation_id: row.get("simulation_id"),
            simulation_name: row.get("simulation_name"),
            config_version_id: row.get("config_version_id"),
            status: SimulationStatus::from_word(row.get("status")),
            trials: row.get("trials"),
            planned_scenarios: row.get("planned_scenarios"),
            plan_sha256: row.get("plan_sha256"),
            modal_app_id: row.get("modal_app_id"),
            metadata: row.get("metadata"),
            created_at: row.get("created_at"),
            started_at: row.get("started_at"),
            completed_at: row.get("completed_at"),
            overall_score: row.get("overall_score"),
            total_cost_usd: row.get("total_cost_usd"),
            execution_time_ms: row.get("execution_time_ms"),
            suite_figures: row.get("suite_figures"),
            frozen: row.get::<_, Option<serde_json::Value>>("frozen").and_then(|frozen| {
                let (score, cost) = (row.get("frozen_score"), row.get("frozen_cost_usd"));
                Figures::from_frozen(&frozen, score, cost)
            }),
        }
    }

    /// The score that counts by now: the suite's own, else that of the recorded outcomes, which
    /// late results change.
    pub fn score(&self, recorded: &Figures) -> Option<f64> {
        self.suite_figure("average_reliability_score").or(recorded.overall_score)
    }

    /// The cost that counts by now, in US dollars: the suite's own, else that of the recorded
    /// outcomes.
    pub fn cost_usd(&self, recorded: &Figures) -> f64 {
        self.suite_figure("total_cost_usd").unwrap_or(recorded.total_cost_usd)
    }

    fn suite_figure(&self, name: &str) -> Option<f64> {
        self.suite_figures.as_ref()?.get(name)?.as_f64()
    }
}

impl Store {
    /// Writes a simulation and its plan in one transaction, unless its id is there already, and
    /// gives its row. `true` says that it was written now. The plan is read once, in order.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::Unavailable`], or what reading the plan gives.
    pub async fn start_simulation(
        &self,
        new: &NewSimulation,
        plan: impl Iterator<Item = Result<PlannedRow>>,
    ) -> Result<(Simulation, bool)> {
        let failed = |error| Error::database("start the simulation", &error);
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(failed)?;
        let insert = transaction
            .prepare_cached(&format!(
                "INSERT INTO arc_recorder.simulations (simulation_id, simulation_name,
                     config_version_id, modal_app_id, modal_environment, sandbox_instances,
                     metadata, trials, planned_scenarios, plan_sha256, started_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7::text::json, $8, $9, $10,
                     coalesce($11, clock_timestamp()))
                 ON CONFLICT (simulation_id) DO NOTHING RETURNING {COLUMNS}"
            ))
            .await
            .map_err(failed)?;
        let row = transaction
            .query_opt(
                &insert,
                &[
                    &new.simulation_id,
                    &new.simulation_name,
                    &new.config_version_id,
                    &new.modal_app_id,
                    &new.modal_environment,
                    &new.sandbox_instances,
                    &new.metadata,
                    &new.trials,
                    &new.planned_scenarios,
                    &new.plan_sha256.as_slice(),
                    &new.started_at,
                ],
            )
            .await
            .map_err(failed)?;
        let Some(row) = row else {
            drop(transaction);
            drop(client);
            self.wait_for_standbys().await?;
            return Ok((self.simulation(new.simulation_id).await?, false));
        };
        let mut first_order = 1_i32;
        let mut plan = plan.peekable();
        loop {
            let rows = next_rows(&mut plan)?;
            let last = plan.peek().is_none();
            if first_order == 1 {
                transaction.batch_execute(lock_scenarios(last)).await.map_err(failed)?;
            }
            write_plan(&transaction, new.simulation_id, first_order, &rows).await?;
            first_order = first_order.saturating_add(i32::try_from(rows.len()).unwrap_or(i32::MAX));
            if last {
                break;
            }
        }
        transaction.commit().await.map_err(failed)?;
        Ok((Simulation::from_row(&row), true))
    }

    /// Keeps a version of an agent's configuration, as JSON text, unless it is there already.
    ///
    /// # Errors
    /// [`Error::Database`] or [`Error::Unavailable`].
    pub async fn create_configuration(
        &self,
        config_version_id: &str,
        name: &str,
        configuration: &str,
        user_id: Option<&str>,
    ) -> Result<()> {
        let failed = |error| Error::database("keep the configuration", &error);
        let client = self.client().await?;
        client
            .execute(
                "INSERT INTO arc_recorder.config_versions (config_version_id, name, configuration,
                     user_id)
                 VALUES ($1, $2, $3::text::json, $4)
                 ON CONFLICT (config_version_id) DO NOTHING",
                &[&config_version_id, &name, &configuration, &user_id],
            )
            .await
            .map_err(failed)?;
        Ok(())
    }

    /// Whether a version of a configuration was kept.
    ///
    /// # Errors
    /// [`Error::Database`] or [`Error::Unavailable`].
    pub async fn configuration_known(&self, config_version_id: &str) -> Result<bool> {
        let failed = |error| Error::database("look the configuration up", &error);
        let client = self.client().await?;
        let row = client
            .query_opt(
                "SELECT FROM arc_recorder.config_versions WHERE config_version_id = $1",
                &[&config_version_id],
            )
            .await
            .map_err(failed)?;
        Ok(row.is_some())
    }

    /// A simulation's own row.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is none with this id.
    pub async fn simulation(&self, simulation_id: Uuid) -> Result<Simulation> {
        self.find_simulation(simulation_id).await?.ok_or_else(|| not_found(simulation_id))
    }

    /// A simulation's own row, where there is one.
    ///
    /// # Errors
    /// [`Error::Database`] or [`Error::Unavailable`].
    pub async fn find_simulation(&self, simulation_id: Uuid) -> Result<Option<Simulation>> {
        let statement = super::standing::row_statement(simulation_id);
        let rows = self.rows(&statement, "read the simulation").await?;
        Ok(rows.first().map(Simulation::from_row))
    }

    /// The fingerprints of the planned scenarios' ids (see [`scenario_key`]). A plan never changes.
    pub(crate) async fn planned_keys(&self, simulation_id: Uuid) -> Result<HashSet<Uuid>> {
        let failed = |error| Error::database("read the simulation's plan", &error);
        let client = self.client().await?;
        let select = client
            .prepare_cached(
                "SELECT scenario_id FROM arc_recorder.planned_scenarios WHERE simulation_id = $1",
            )
            .await
            .map_err(failed)?;
        let parameters: [&Uuid; 1] = [&simulation_id];
        let rows = client.query_raw(&select, parameters).await.map_err(failed)?;
        rows.map_ok(|row| scenario_key(row.get(0))).try_collect().await.map_err(failed)
    }

    /// Ends a simulation as failed or cancelled, for a reason. Repeating it changes nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] where it has ended in another way.
    pub async fn end_simulation(
        &self,
        simulation_id: Uuid,
        status: SimulationStatus,
        reason: &str,
    ) -> Result<Simulation> {
        let failed = |error| Error::database("end the simulation", &error);
        let client = self.client().await?;
        let update = client
            .prepare_cached(&format!(
                // The time is read before: Citus takes no changing function within an UPDATE.
                "WITH moment AS MATERIALIZED (SELECT clock_timestamp() AS now)
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
            .query_opt(&update, &[&simulation_id, &status.word(), &reason])
            .await
            .map_err(failed)?;
        drop(client);
        match row {
            Some(row) => Ok(Simulation::from_row(&row)),
            None => Err(self.wrong_end(simulation_id, status).await),
        }
    }

    /// Why a simulation cannot end in this way: there is none, or it has ended in another.
    pub(super) async fn wrong_end(&self, simulation_id: Uuid, wanted: SimulationStatus) -> Error {
        match self.simulation(simulation_id).await {
            Err(error) => error,
            Ok(simulation) => Error::Conflict(format!(
                "simulation {simulation_id} is {} and cannot become {}",
                simulation.status.word(),
                wanted.word()
            )),
        }
    }
}

/// Stands for a scenario's id in a set that holds a whole plan, whatever the ids' length.
pub(crate) fn scenario_key(scenario_id: &str) -> Uuid {
    let mut fingerprint = Fingerprint::new("scenario-id");
    fingerprint.part(scenario_id.as_bytes());
    fingerprint.uuid()
}

pub(super) fn not_found(simulation_id: Uuid) -> Error {
    Error::NotFound(format!(
        "simulation {simulation_id} not found; list them with `arc-host simulations`"
    ))
}

/// As many rows as one statement takes.
fn next_rows(plan: &mut impl Iterator<Item = Result<PlannedRow>>) -> Result<Vec<PlannedRow>> {
    let (mut rows, mut bytes) = (Vec::new(), 0);
    while rows.len() < PLAN_ROWS && bytes < PLAN_BYTES {
        let Some(planned) = plan.next() else { break };
        let planned = planned?;
        let texts = [&planned.definition, &planned.task_prompt, &planned.name];
        bytes += texts.into_iter().flatten().map(String::len).sum::<usize>();
        rows.push(planned);
    }
    Ok(rows)
}

/// Starts share scenarios, and a statement adds them in order: two statements wait for each other
/// in one direction only. A plan of several statements, which has no order in the whole, is alone.
fn lock_scenarios(one_statement: bool) -> &'static str {
    if one_statement {
        "SELECT pg_advisory_xact_lock_shared(hashtext('arc_recorder.scenarios'))"
    } else {
        "SELECT pg_advisory_xact_lock(hashtext('arc_recorder.scenarios'))"
    }
}

async fn write_plan(
    transaction: &Transaction<'_>,
    simulation_id: Uuid,
    first_order: i32,
    rows: &[PlannedRow],
) -> Result<()> {
    let failed = |error| Error::database("write the simulation's plan", &error);
    let scenario_ids = column(rows, |row| row.scenario_id.as_str());
    let version_ids = column(rows, |row| row.scenario_version_id);
    let scenarios = transaction
        .prepare_cached(
            "INSERT INTO arc_recorder.scenarios
                 (scenario_version_id, scenario_id, name, task_prompt, definition)
             SELECT version_id, scenario_id, name, task_prompt, definition::json
             FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[])
                 AS row (version_id, scenario_id, name, task_prompt, definition)
             ORDER BY version_id
             ON CONFLICT (scenario_version_id) DO NOTHING",
        )
        .await
        .map_err(failed)?;
    transaction
        .execute(
            &scenarios,
            &[
                &version_ids,
                &scenario_ids,
                &column(rows, |row| row.name.as_deref()),
                &column(rows, |row| row.task_prompt.as_deref()),
                &column(rows, |row| row.definition.as_deref()),
            ],
        )
        .await
        .map_err(failed)?;
    let plan = transaction
        .prepare_cached(
            "INSERT INTO arc_recorder.planned_scenarios
                 (simulation_id, scenario_id, execution_order, scenario_version_id)
             SELECT $1, scenario_id, $2 + place::integer - 1, version_id
             FROM unnest($3::text[], $4::uuid[]) WITH ORDINALITY
                 AS row (scenario_id, version_id, place)",
        )
        .await
        .map_err(failed)?;
    transaction
        .execute(&plan, &[&simulation_id, &first_order, &scenario_ids, &version_ids])
        .await
        .map_err(failed)?;
    Ok(())
}
