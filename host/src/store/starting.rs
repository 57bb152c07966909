//! Starting a simulation: its row and its plan, in one transaction.

use std::collections::HashMap;

use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::Store;
use super::columns::column;
use super::connection::Transaction;
use super::metric_declarations::{declared_headline, keep_declaration};
use super::origin::{self, Origin};
use super::run_report::{MetricDefinition, MetricDefinitions};
use super::simulations::{COLUMNS, Simulation, locked_for_change, not_found};
use super::statement::Statement;
use crate::error::{Error, Result};
use crate::identity::{self, Fingerprint};
use crate::paging::BATCH_ROWS;

/// The maximum number of bytes of scenarios in one statement, plus one scenario: a message has at most
/// 1 GiB.
const PLAN_BYTES: usize = 8 << 20;

/// The version of the configuration of a simulation that specifies none.
pub const NO_CONFIGURATION: &str = "unspecified";

/// The project of simulations that belong to no other.
pub const DEFAULT_PROJECT: &str = "default";

/// The longest name of a project, in bytes.
const PROJECT_BYTES: usize = 100;

/// Checks the name of a project.
///
/// # Errors
/// [`Error::Invalid`] if it has no byte, more than 100, or a control character.
pub fn check_project(project: &str) -> Result<()> {
    if (1..=PROJECT_BYTES).contains(&project.len()) && !project.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "invalid project: {project:?} (expected a name of 1 to {PROJECT_BYTES} bytes without control characters)"
    )))
}

/// The fields with which a simulation is started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SimulationStart {
    /// Made by the client, so that a start can be repeated; made here if it is absent.
    pub simulation_id: Option<Uuid>,
    /// The project that it belongs to, of 1 to 100 bytes. Default: the variable `ARC_PROJECT`, then
    /// `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The version of the agent's configuration. An unknown one is recorded, not refused.
    pub config_version_id: String,
    /// The planned scenarios: a JSON array of scenario objects, at most 16 MiB.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scenarios: String,
    /// How many times each scenario is run, from 1 to 10,000. Default: 1.
    pub trials: Option<u32>,
    /// The same for each scenario, in the order of `scenarios`, if they are not run equally often.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scenario_trials: Vec<u32>,
    /// A display name.
    pub simulation_name: Option<String>,
    /// Its tags. Those that an existing simulation lacks are added.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The Modal app that runs the evaluation.
    pub modal_app_id: Option<String>,
    /// The Modal environment. Default: the variable `MODAL_ENVIRONMENT`, then `production`.
    pub modal_environment: Option<String>,
    /// How many sandboxes run at once.
    pub sandbox_instances: Option<u32>,
    /// Who runs what, as far as it is known; it counts instead of what the tool or the results name.
    #[serde(default, skip_serializing_if = "Origin::is_empty")]
    pub origin: Origin,
    /// Any other data about the simulation: a JSON object.
    pub metadata: Option<String>,
    /// The definitions of metrics, which replace those of the tool.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<MetricDefinition>,
    /// The highest value of the results' own score, whose lowest is 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score_scale: Option<f64>,
    /// Whether the plan of an existing simulation gets the scenarios that it lacks, instead of being a
    /// conflict: several logs of one run are one simulation.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub plan_may_grow: bool,
    /// When it was started, if that was before it is sent to the database. Default: now.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
}

impl Default for SimulationStart {
    /// Returns a start without a configuration and without planned scenarios.
    fn default() -> Self {
        SimulationStart {
            simulation_id: None,
            project: None,
            config_version_id: NO_CONFIGURATION.to_owned(),
            scenarios: String::new(),
            trials: None,
            scenario_trials: Vec::new(),
            simulation_name: None,
            tags: Vec::new(),
            modal_app_id: None,
            modal_environment: None,
            sandbox_instances: None,
            origin: Origin::default(),
            metadata: None,
            metrics: Vec::new(),
            score_scale: None,
            plan_may_grow: false,
            started_at: None,
        }
    }
}

impl SimulationStart {
    /// Returns how many times each scenario is run.
    pub fn trials(&self) -> u32 {
        self.trials.unwrap_or(1)
    }

    /// Returns the definitions of metrics, with the scale of the results' own score as that of the metric
    /// without a name.
    pub(crate) fn declared_metrics(&self) -> MetricDefinitions {
        let mut metrics = MetricDefinitions::default();
        metrics.update(&self.metrics);
        if let Some(highest) = self.score_scale {
            metrics.update(&[MetricDefinition::score_to(highest)]);
        }
        metrics
    }

    /// Returns the project that it belongs to.
    pub fn project(&self) -> &str {
        self.project.as_deref().unwrap_or(DEFAULT_PROJECT)
    }

    /// Sets the project and the Modal environment to those of this process, if the start names none.
    pub(crate) fn resolve_environment(&mut self) {
        if self.project.is_none() {
            self.project = std::env::var("ARC_PROJECT").ok().filter(|name| !name.is_empty());
        }
        self.modal_environment.get_or_insert_with(|| {
            std::env::var("MODAL_ENVIRONMENT").unwrap_or_else(|_| "production".to_owned())
        });
    }
}

/// A start whose list of scenarios was read.
#[derive(Clone, Debug)]
pub struct NewSimulation {
    /// The simulation's id.
    pub simulation_id: Uuid,
    /// How many scenarios the plan has.
    pub planned_scenarios: u32,
    /// The SHA-256 of the plan: two starts with the same id must have the same digest.
    pub plan_sha256: [u8; 32],
    start: SimulationStart,
}

impl NewSimulation {
    /// Makes one from a start and the size and digest of its plan. It has the id and the Modal
    /// environment of the start, or else a new id and this process's environment.
    pub fn new(mut start: SimulationStart, planned_scenarios: u32, plan_sha256: [u8; 32]) -> Self {
        start.resolve_environment();
        start.origin.normalize();
        start.tags.sort_unstable();
        start.tags.dedup();
        let simulation_id = start.simulation_id.unwrap_or_else(identity::new_id);
        NewSimulation { simulation_id, planned_scenarios, plan_sha256, start }
    }

    /// Returns the fields with which it is started.
    pub(crate) fn start(&self) -> &SimulationStart {
        &self.start
    }

    /// Whether the plan of an existing simulation gets the scenarios that it lacks.
    pub(crate) fn plan_may_grow(&self) -> bool {
        self.start.plan_may_grow
    }

    /// Returns how many times each scenario is run, in the type of the database's column.
    pub(crate) fn trials(&self) -> i32 {
        whole(self.start.trials())
    }
}

/// Returns a count in the type of the database's column.
pub(crate) fn whole(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
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
    /// How many times it is run; `None`: as often as each scenario of the simulation.
    pub trials: Option<u32>,
}

impl Store {
    /// Writes a simulation and its plan in one transaction, unless its id already exists, and returns
    /// its row and whether it was written now. The plan is read once, in order.
    ///
    /// # Errors
    /// [`Error::SimulationRemoved`], [`Error::Database`], [`Error::Unavailable`], or an error of reading the
    /// plan.
    pub async fn start_simulation(
        &self,
        new: &NewSimulation,
        plan: impl Iterator<Item = Result<PlannedRow>>,
    ) -> Result<(Simulation, bool)> {
        let failed = |error| Error::postgres("start the simulation", error);
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(failed)?;
        let simulation_id = new.simulation_id;
        let require = "SELECT arc_recorder.require_not_removed($1)";
        let require = transaction.prepare_cached(require).await.map_err(failed)?;
        transaction.query_one(&require, &[&simulation_id]).await.map_err(failed)?;
        let declared = new.start.declared_metrics();
        let insert = insertion(new, &declared);
        let prepared = transaction.prepare_cached(&insert.sql).await.map_err(failed)?;
        let row = transaction.query_opt(&prepared, &insert.values()).await.map_err(failed)?;
        let Some(row) = row else {
            drop(transaction);
            drop(client);
            self.wait_for_standbys().await?;
            return Ok((self.simulation(simulation_id).await?, false));
        };
        if !declared.is_empty() {
            keep_declaration(&transaction, simulation_id, declared.list()).await.map_err(failed)?;
        }
        let mut first_order = 1_i32;
        let mut plan = plan.peekable();
        loop {
            let rows = next_rows(&mut plan)?;
            let last = plan.peek().is_none();
            if first_order == 1 {
                transaction.batch_execute(lock_scenarios(last)).await.map_err(failed)?;
            }
            write_plan(&transaction, simulation_id, new.trials(), first_order, &rows).await?;
            first_order = first_order.saturating_add(i32::try_from(rows.len()).unwrap_or(i32::MAX));
            if last {
                break;
            }
        }
        transaction.commit().await.map_err(failed)?;
        Ok((Simulation::from_row(&row), true))
    }

    /// Adds the scenarios and trials that the plan of an existing simulation lacks, and returns its row. A
    /// scenario that it has keeps its definition; those that have another one here are returned, too. The
    /// plan is read once, in order.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::Unavailable`], or an error of reading the plan.
    pub(crate) async fn extend_plan(
        &self,
        new: &NewSimulation,
        plan: impl Iterator<Item = Result<PlannedRow>>,
    ) -> Result<(Simulation, ChangedDefinitions)> {
        let failed = |error| Error::postgres("extend the simulation's plan", error);
        let simulation_id = new.simulation_id;
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(failed)?;
        let locked = locked_for_change(&transaction, simulation_id).await.map_err(failed)?;
        let Some(simulation) = locked else { return Err(not_found(simulation_id)) };
        let mut first_order = simulation.planned_scenarios.saturating_add(1);
        transaction.batch_execute(lock_scenarios(false)).await.map_err(failed)?;
        let mut plan = plan.peekable();
        let mut changed = ChangedDefinitions::default();
        while plan.peek().is_some() {
            let mut rows = next_rows(&mut plan)?;
            // What applies to each scenario of one start does not apply to those of another.
            for row in &mut rows {
                row.trials.get_or_insert(new.start.trials());
            }
            write_plan(&transaction, simulation_id, simulation.trials, first_order, &rows).await?;
            changed.find(&transaction, simulation_id, &rows).await.map_err(failed)?;
            first_order = first_order.saturating_add(i32::try_from(rows.len()).unwrap_or(i32::MAX));
        }
        let update = format!(
            "UPDATE arc_recorder.simulations SET planned_scenarios = $2
             WHERE simulation_id = $1 RETURNING {COLUMNS}"
        );
        let count = "SELECT pg_catalog.count(*)::integer FROM arc_recorder.planned_scenarios
             WHERE simulation_id = $1";
        let count: i32 =
            transaction.query_one(count, &[&simulation_id]).await.map_err(failed)?.get(0);
        let row = transaction
            .query_one(update.as_str(), &[&simulation_id, &count])
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok((Simulation::from_row(&row), changed))
    }

    /// Returns how many times each planned scenario is run, by the fingerprint of its id (see
    /// [`scenario_key`]).
    pub(crate) async fn planned_trials(
        &self,
        simulation: &Simulation,
    ) -> Result<HashMap<Uuid, i32>> {
        let failed = |error| Error::postgres("read the simulation's plan", error);
        let client = self.client().await?;
        let select = client
            .prepare_cached(
                "SELECT scenario_id, coalesce(trials, $2) FROM arc_recorder.planned_scenarios
                 WHERE simulation_id = $1",
            )
            .await
            .map_err(failed)?;
        let parameters: [&(dyn ToSql + Sync); 2] = [&simulation.simulation_id, &simulation.trials];
        let rows = client.query_raw(&select, parameters).await.map_err(failed)?;
        let planned = rows.map_ok(|row| (scenario_key(row.get(0)), row.get(1)));
        planned.try_collect().await.map_err(failed)
    }
}

/// Makes the statement that writes a simulation, unless its id already exists.
fn insertion(new: &NewSimulation, declared: &MetricDefinitions) -> Statement {
    let NewSimulation { simulation_id, planned_scenarios, plan_sha256, start } = new;
    let places: String = (17..).zip(origin::COLUMNS).map(|(n, _)| format!(", ${n}")).collect();
    let metrics =
        (!declared.is_empty()).then(|| serde_json::to_value(declared).unwrap_or_default());
    let insert = Statement::new(format!(
        "INSERT INTO arc_recorder.simulations (simulation_id, simulation_name,
             config_version_id, modal_app_id, modal_environment, sandbox_instances, metadata, trials,
             planned_scenarios, plan_sha256, partition_time, started_at, metrics, headline, tags,
             declared_origin, project, {})
         SELECT $1, $2, $3, $4, $5, $6, $7::text::json, $8, $9, $10, accepted.at, accepted.at, $12, $13,
             $14, $15, $16{places}
         FROM (SELECT coalesce($11, pg_catalog.clock_timestamp()) AS at OFFSET 0) AS accepted
         ON CONFLICT (simulation_id) DO NOTHING RETURNING {COLUMNS}",
        origin::COLUMNS.join(", ")
    ))
    .with(*simulation_id)
    .with(start.simulation_name.clone())
    .with(start.config_version_id.clone())
    .with(start.modal_app_id.clone())
    .with(start.modal_environment.clone())
    .with(start.sandbox_instances.map(whole))
    .with(start.metadata.clone())
    .with(new.trials())
    .with(whole(*planned_scenarios))
    .with(plan_sha256.to_vec())
    .with(start.started_at)
    .with(metrics)
    .with(declared_headline(declared).map(str::to_owned))
    .with(start.tags.clone())
    .with(start.origin.known())
    .with(start.project().to_owned());
    start.origin.add_to(insert)
}

/// The scenarios of a start whose definition is not that of the existing plan.
#[derive(Debug, Default)]
pub(crate) struct ChangedDefinitions {
    /// The first of their ids.
    pub(crate) scenario_ids: Vec<String>,
    /// How many they are.
    pub(crate) count: usize,
}

impl ChangedDefinitions {
    /// The most ids that are kept.
    const MOST: usize = 10;

    /// Adds those of the scenarios that the plan has with another definition.
    async fn find(
        &mut self,
        transaction: &Transaction<'_>,
        simulation_id: Uuid,
        rows: &[PlannedRow],
    ) -> std::result::Result<(), tokio_postgres::Error> {
        let select = transaction
            .prepare_cached(
                "SELECT planned.scenario_id
                 FROM unnest($2::text[], $3::uuid[]) AS row (scenario_id, version_id)
                 JOIN arc_recorder.planned_scenarios AS planned
                     ON planned.scenario_id = row.scenario_id
                 WHERE planned.simulation_id = $1
                     AND planned.scenario_version_id <> row.version_id
                 ORDER BY planned.execution_order",
            )
            .await?;
        let scenario_ids = column(rows, |row| row.scenario_id.as_str());
        let version_ids = column(rows, |row| row.scenario_version_id);
        let found =
            transaction.query(&select, &[&simulation_id, &scenario_ids, &version_ids]).await?;
        self.count += found.len();
        let left = Self::MOST.saturating_sub(self.scenario_ids.len());
        self.scenario_ids.extend(found.iter().take(left).map(|row| row.get(0)));
        Ok(())
    }
}

/// Returns a fingerprint of a scenario's id, so that a set of a whole plan has a bounded size
/// regardless of the ids' length.
pub(crate) fn scenario_key(scenario_id: &str) -> Uuid {
    let mut fingerprint = Fingerprint::new("scenario-id");
    fingerprint.part(scenario_id.as_bytes());
    fingerprint.uuid()
}

/// Returns as many rows as one statement takes.
fn next_rows(plan: &mut impl Iterator<Item = Result<PlannedRow>>) -> Result<Vec<PlannedRow>> {
    let (mut rows, mut bytes) = (Vec::new(), 0);
    while rows.len() < BATCH_ROWS && bytes < PLAN_BYTES {
        let Some(planned) = plan.next() else { break };
        let planned = planned?;
        let texts = [&planned.definition, &planned.task_prompt, &planned.name];
        bytes += texts.into_iter().flatten().map(String::len).sum::<usize>();
        rows.push(planned);
    }
    Ok(rows)
}

/// Returns the statement that locks the table of scenarios. Statements of starts share the lock and
/// insert scenarios in order, so that two of them wait for each other in one direction only. A plan of
/// several statements is not in order as a whole, and takes the lock exclusively.
fn lock_scenarios(one_statement: bool) -> &'static str {
    if one_statement {
        "SELECT pg_catalog.pg_advisory_xact_lock_shared(pg_catalog.hashtext('arc_recorder.scenarios'))"
    } else {
        "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('arc_recorder.scenarios'))"
    }
}

/// Writes scenarios of a plan. One that the plan has gets further trials, if it is run more often than
/// that; `trials` is the number of those without one of their own.
async fn write_plan(
    transaction: &Transaction<'_>,
    simulation_id: Uuid,
    trials: i32,
    first_order: i32,
    rows: &[PlannedRow],
) -> Result<()> {
    let failed = |error| Error::postgres("write the simulation's plan", error);
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
    // The number is in the text, because Citus passes no parameter on to such a condition.
    let plan = transaction
        .prepare_cached(&format!(
            "INSERT INTO arc_recorder.planned_scenarios AS planned
                 (simulation_id, scenario_id, execution_order, scenario_version_id, trials)
             SELECT $1, scenario_id, $2 + place::integer - 1, version_id, trials
             FROM unnest($3::text[], $4::uuid[], $5::integer[]) WITH ORDINALITY
                 AS row (scenario_id, version_id, trials, place)
             ON CONFLICT (simulation_id, scenario_id) DO UPDATE SET trials = excluded.trials
             WHERE excluded.trials > coalesce(planned.trials, {trials})"
        ))
        .await
        .map_err(failed)?;
    transaction
        .execute(
            &plan,
            &[
                &simulation_id,
                &first_order,
                &scenario_ids,
                &version_ids,
                &column(rows, |row| row.trials.map(whole)),
            ],
        )
        .await
        .map_err(failed)?;
    Ok(())
}
