//! A simulation's figures, computed from its outcomes.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use tokio_postgres::Row;
use uuid::Uuid;

use super::Store;
use super::statement::Statement;
#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;
use crate::extraction::OutcomeStatus;

/// The figures of a simulation's recorded outcomes.
///
/// Score and progress use the latest attempt at each scenario and trial; cost, tokens and the counts by
/// status and category use every attempt.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Planned scenarios times trials, plus those that were recorded without being planned.
    pub total_scenarios: i64,
    /// How many of them have an outcome.
    pub completed_scenarios: i64,
    /// How many of them have a success as their latest outcome.
    pub successful_outcomes: i64,
    /// How many of them have a latest outcome that is not a success.
    pub failed_outcomes: i64,
    /// Recorded outcomes, of every attempt.
    pub recorded_outcomes: i64,
    /// Rejected results.
    pub rejected_results: i64,
    /// The mean of the latest scores, from 0 to 1.
    pub overall_score: Option<f64>,
    /// The cost in US dollars.
    pub total_cost_usd: f64,
    /// The number of tokens.
    pub total_tokens: i64,
    /// The suite's duration in milliseconds, if the suite has reported it.
    pub execution_time_ms: Option<f64>,
    /// How many outcomes have each status.
    pub by_status: BTreeMap<OutcomeStatus, i64>,
    /// How many outcomes have each error category.
    pub by_error_category: BTreeMap<String, i64>,
}

/// One pass over narrow columns of one simulation's rows, which reads no document. Attempts at a
/// scenario are grouped by a hash of its id first, because numbers are sorted far faster than texts
/// with a common prefix. Sums are exact, because a sum of floats depends on their order, and 0.1 + 0.2
/// dollars are 0.3: whole numbers of 10⁻¹⁵ of a score and 10⁻¹² dollars, or decimals if a cost is
/// beyond those. A sum that exceeds its type is limited to the type's maximum, so that absurd results
/// do not hide all other figures.
const FIGURES: &str = r#"
    WITH ranked AS (
        SELECT scenario_id, trial, status, error_category, reliability_score, cost_usd, tokens_used,
            pg_catalog.lead(trial) OVER (
                PARTITION BY pg_catalog.hashtextextended(scenario_id, 0),
                    scenario_id COLLATE "C", trial
                ORDER BY received_at, outcome_id
            ) IS NULL AS latest
        FROM arc_recorder.outcomes
        WHERE simulation_id = $1
    ), grouped AS MATERIALIZED (
        SELECT ranked.status, ranked.error_category, pg_catalog.count(*) AS recorded,
            pg_catalog.sum(tokens_used) AS tokens,
            coalesce(pg_catalog.sum((cost_usd * 1e12::float8)::bigint)
                    FILTER (WHERE cost_usd < 9e6::float8), 0)
                    * 0.000000000001
                + coalesce(pg_catalog.sum(cost_usd::numeric)
                    FILTER (WHERE cost_usd >= 9e6::float8), 0) AS cost_usd,
            pg_catalog.count(*) FILTER (WHERE latest) AS latest,
            pg_catalog.count(*) FILTER (WHERE latest
                AND (plan.scenario_id IS NULL OR ranked.trial > simulation.trials)) AS unplanned,
            pg_catalog.count(reliability_score) FILTER (WHERE latest) AS scored,
            pg_catalog.sum((reliability_score * 1e15::float8)::bigint) FILTER (WHERE latest) AS score
        FROM ranked
        JOIN arc_recorder.simulations AS simulation ON simulation.simulation_id = $1
        LEFT JOIN arc_recorder.planned_scenarios AS plan
            ON plan.simulation_id = $1 AND plan.scenario_id = ranked.scenario_id
        GROUP BY ranked.status, ranked.error_category
    )
    SELECT
        (SELECT planned_scenarios::bigint * trials FROM arc_recorder.simulations
            WHERE simulation_id = $1) AS planned,
        coalesce(pg_catalog.sum(unplanned), 0)::bigint AS unplanned,
        coalesce(pg_catalog.sum(latest), 0)::bigint AS completed,
        coalesce(pg_catalog.sum(latest) FILTER (WHERE status = 'success'), 0)::bigint AS successful,
        (pg_catalog.sum(score) * 0.000000000000001 / nullif(pg_catalog.sum(scored), 0::numeric))::float8
            AS overall_score,
        coalesce(pg_catalog.sum(recorded), 0)::bigint AS recorded,
        least(coalesce(pg_catalog.sum(cost_usd), 0), 1.7976931348623157e308)::float8
            AS total_cost_usd,
        least(coalesce(pg_catalog.sum(tokens), 0), 9223372036854775807)::bigint AS total_tokens,
        (SELECT pg_catalog.count(*) FROM arc_recorder.rejected_results WHERE simulation_id = $1)
            AS rejected,
        (SELECT coalesce(pg_catalog.json_object_agg(status, total), '{}') FROM
            (SELECT status, pg_catalog.sum(recorded)::bigint AS total FROM grouped GROUP BY status)
                AS statuses) AS by_status,
        (SELECT coalesce(pg_catalog.json_object_agg(error_category, total), '{}') FROM
            (SELECT error_category, pg_catalog.sum(recorded)::bigint AS total FROM grouped
                WHERE error_category IS NOT NULL GROUP BY error_category) AS categories)
            AS by_error_category
    FROM grouped"#;

/// Returns the query that computes a simulation's figures.
fn statement(simulation_id: Uuid) -> Statement {
    Statement::new(FIGURES).with(simulation_id)
}

impl Store {
    /// Computes a simulation's figures.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such simulation.
    pub async fn figures(&self, simulation_id: Uuid) -> Result<Figures> {
        let rows = self.rows(&statement(simulation_id), "compute the simulation's figures").await?;
        let computed = rows.first().and_then(Figures::from_computed);
        computed.ok_or_else(|| super::simulations::not_found(simulation_id))
    }
}

impl Figures {
    /// Returns the figures; `None` if the simulation, and so its plan, does not exist.
    fn from_computed(row: &Row) -> Option<Self> {
        let planned: i64 = row.get::<_, Option<i64>>("planned")?;
        let unplanned: i64 = row.get("unplanned");
        let completed: i64 = row.get("completed");
        let successful: i64 = row.get("successful");
        Some(Figures {
            total_scenarios: planned + unplanned,
            completed_scenarios: completed,
            successful_outcomes: successful,
            failed_outcomes: completed - successful,
            recorded_outcomes: row.get("recorded"),
            rejected_results: row.get("rejected"),
            overall_score: row.get("overall_score"),
            total_cost_usd: row.get("total_cost_usd"),
            total_tokens: row.get("total_tokens"),
            execution_time_ms: None,
            by_status: counts(&row.get("by_status"), OutcomeStatus::from_database),
            by_error_category: counts(&row.get("by_error_category"), str::to_owned),
        })
    }

    /// Returns the frozen figures: whole numbers from the JSON, the others as the database reads them,
    /// which is exact. `None` if a figure is missing, as in a row of another version.
    pub(super) fn from_frozen(
        frozen: &Value,
        overall_score: Option<f64>,
        total_cost_usd: f64,
    ) -> Option<Self> {
        let count = |name: &str| frozen.get(name)?.as_i64();
        Some(Figures {
            total_scenarios: count("total_scenarios")?,
            completed_scenarios: count("completed_scenarios")?,
            successful_outcomes: count("successful_outcomes")?,
            failed_outcomes: count("failed_outcomes")?,
            recorded_outcomes: count("recorded_outcomes")?,
            rejected_results: count("rejected_results")?,
            overall_score,
            total_cost_usd,
            total_tokens: count("total_tokens")?,
            execution_time_ms: None,
            by_status: counts(frozen.get("by_status")?, OutcomeStatus::from_database),
            by_error_category: counts(frozen.get("by_error_category")?, str::to_owned),
        })
    }
}

fn counts<K: Ord>(object: &Value, key: impl Fn(&str) -> K) -> BTreeMap<K, i64> {
    let members = object.as_object().into_iter().flatten();
    members.map(|(name, count)| (key(name), count.as_i64().unwrap_or(0))).collect()
}
