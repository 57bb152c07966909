//! The trials of a simulation that have no valid outcome.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use uuid::Uuid;

use super::Store;
use super::figures::ranked;
use super::outcome_sql::reviews;
use super::statement::Statement;
use crate::error::Result;

/// The most trials that are returned.
pub const MOST_MISSING: usize = 100_000;

/// Why a trial has no valid outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingReason {
    /// No result has come, or it was rejected: a rejected result has no scenario.
    NeverRecorded,
    /// Its latest outcome is a failure of infrastructure.
    Infrastructure,
    /// Its latest outcome was invalidated.
    Invalidated,
    /// The tool's final list lacks its result.
    Superseded,
}

impl MissingReason {
    /// Returns the name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            MissingReason::NeverRecorded => "never_recorded",
            MissingReason::Infrastructure => "infrastructure",
            MissingReason::Invalidated => "invalidated",
            MissingReason::Superseded => "superseded",
        }
    }

    fn from_database(name: &str) -> Self {
        match name {
            "infrastructure" => MissingReason::Infrastructure,
            "invalidated" => MissingReason::Invalidated,
            "superseded" => MissingReason::Superseded,
            _ => MissingReason::NeverRecorded,
        }
    }
}

/// A planned or recorded trial that has no valid outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingTrial {
    /// The scenario.
    pub scenario_id: String,
    /// The trial, counted from 1.
    pub trial: i32,
    /// Why.
    pub reason: MissingReason,
    /// The latest outcome, if there is one that does not count.
    pub outcome_id: Option<Uuid>,
}

/// Trials without a number are numbered in the order in which they were received, those that have a valid
/// outcome first, so that the last ones of a scenario are missing. A rejected result has no scenario, so
/// that the trial it was for has no result.
static MISSING: LazyLock<String> = LazyLock::new(|| {
    format!(
        r#"WITH {reviews}, {ranked}, placed AS MATERIALIZED (
        SELECT scenario_id, trial, outcome_id,
            CASE WHEN invalidated THEN 'invalidated' WHEN infrastructure THEN 'infrastructure' END
                AS reason,
            coalesce(trial, pg_catalog.row_number() OVER (
                PARTITION BY scenario_id COLLATE "C", trial
                ORDER BY invalidated OR infrastructure, received_at, outcome_id)::integer) AS number
        FROM ranked WHERE latest
    ), lost AS MATERIALIZED (
        SELECT DISTINCT ON (scenario_id COLLATE "C", coalesce(trial, 0)) scenario_id, trial, outcome_id
        FROM ranked WHERE superseded
        ORDER BY scenario_id COLLATE "C", coalesce(trial, 0), received_at DESC
    ), planned AS MATERIALIZED (
        SELECT plan.scenario_id, trials.number, plan.execution_order
        FROM arc_recorder.planned_scenarios AS plan
        JOIN arc_recorder.simulations AS simulation USING (simulation_id)
        CROSS JOIN LATERAL pg_catalog.generate_series(1,
            coalesce(plan.trials, simulation.trials)) AS trials (number)
        WHERE plan.simulation_id = $1
    )
    SELECT coalesce(planned.scenario_id, placed.scenario_id) AS scenario_id,
        coalesce(planned.number, placed.number) AS trial,
        coalesce(placed.reason, CASE WHEN lost.outcome_id IS NOT NULL THEN 'superseded'
            ELSE 'never_recorded' END) AS reason,
        coalesce(placed.outcome_id, lost.outcome_id) AS outcome_id
    FROM planned
    FULL JOIN placed ON placed.scenario_id = planned.scenario_id AND placed.number = planned.number
    LEFT JOIN lost ON lost.scenario_id = planned.scenario_id
        AND coalesce(lost.trial, planned.number) = planned.number AND placed.outcome_id IS NULL
    WHERE placed.outcome_id IS NULL OR placed.reason IS NOT NULL
    ORDER BY planned.execution_order NULLS LAST,
        coalesce(planned.scenario_id, placed.scenario_id) COLLATE "C",
        coalesce(planned.number, placed.number)
    LIMIT $2"#,
        reviews = reviews(),
        ranked = ranked("outcome.outcome_id, outcome.received_at", "CROSS JOIN reviews"),
    )
});

impl MissingTrial {
    fn from_row(row: &Row) -> Self {
        MissingTrial {
            scenario_id: row.get("scenario_id"),
            trial: row.get("trial"),
            reason: MissingReason::from_database(row.get("reason")),
            outcome_id: row.get("outcome_id"),
        }
    }
}

impl Store {
    /// Returns the trials of a simulation that have no valid outcome, in the order of the plan: those that
    /// are planned and have none, and those whose latest outcome was invalidated or is a failure of
    /// infrastructure; at most 100,000. Recording them completes the run.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if there is no such simulation.
    pub async fn missing_trials(&self, simulation_id: Uuid) -> Result<Vec<MissingTrial>> {
        let limit = i64::try_from(MOST_MISSING).unwrap_or(i64::MAX);
        let statement = Statement::new(MISSING.as_str()).with(simulation_id).with(limit);
        let rows = self.rows_of(simulation_id, statement, "read the missing trials").await?;
        if rows.is_empty() {
            self.simulation(simulation_id).await?;
        }
        Ok(rows.iter().map(MissingTrial::from_row).collect())
    }
}
