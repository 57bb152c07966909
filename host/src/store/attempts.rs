//! The attempts at the trials of a simulation, for comparisons.

use std::sync::LazyLock;

use tokio_postgres::Row;
use uuid::Uuid;

use super::Store;
use super::figures::ranked;
use super::outcome_sql::{headline, join_scale, raw_score, scale, scores};
use super::statement::Statement;
use crate::error::Result;

/// An attempt at a trial.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// The scenario.
    pub scenario_id: String,
    /// The trial; `None` if its place distinguishes it.
    pub trial: Option<i32>,
    /// The result's place in the run.
    pub place: Option<String>,
    /// The metric of the simulation's score.
    pub headline: Option<String>,
    /// The value of that score.
    pub score: Option<f64>,
    /// The value of the requested metric.
    pub metric_value: Option<f64>,
    /// Whether it is marked as one that does not count.
    pub is_invalidated: bool,
    /// Whether it is a failure of infrastructure.
    pub is_infrastructure: bool,
    /// The agent's cost in US dollars.
    pub cost_usd: f64,
    /// The agent's tokens.
    pub tokens_used: i64,
    /// The duration in milliseconds.
    pub execution_time_ms: f64,
    /// The extractor with its version.
    pub extractor: String,
}

/// A scenario of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedScenario {
    /// Its id.
    pub scenario_id: String,
    /// The version, derived from its content.
    pub scenario_version_id: Uuid,
    /// How many times it is run.
    pub trials: i32,
    /// The value of the requested field of its definition, as text.
    pub field: Option<String>,
}

/// The attempts in the order in which they ran, those at one trial one after the other.
static ATTEMPTS: LazyLock<String> = LazyLock::new(|| {
    let columns = format!(
        r#"outcome.outcome_id, outcome.received_at, outcome.place, {headline} AS headline, {raw} AS raw,
            (SELECT (one->>'value'::text)::float8 FROM pg_catalog.jsonb_array_elements({scores}) AS one
                WHERE one->>'name'::text = $2 LIMIT 1) AS metric_value,
            CASE WHEN outcome.result_key IS NULL THEN outcome.received_at
                ELSE outcome.execution_time END AS attempted_at,
            outcome.cost_usd, outcome.tokens_used, outcome.execution_time_ms, outcome.extractor_id"#,
        headline = headline("outcome"),
        raw = raw_score("outcome"),
        scores = scores("outcome"),
    );
    format!(
        r#"WITH {scale}, {ranked}
        SELECT ranked.*, coalesce(extractor.name || ' ' || extractor.version, '') AS extractor
        FROM ranked
        LEFT JOIN arc_recorder.extractors AS extractor USING (extractor_id)
        WHERE NOT superseded
        ORDER BY scenario_id COLLATE "C", coalesce(trial, 0), place COLLATE "C", attempted_at,
            received_at, outcome_id"#,
        scale = scale(),
        ranked = ranked(&columns, &join_scale("outcome")),
    )
});

const PLAN: &str = "SELECT plan.scenario_id, plan.scenario_version_id,
        coalesce(plan.trials, simulation.trials) AS trials,
        CASE WHEN $2::text IS NOT NULL THEN (
            SELECT scenario.definition->>$2 FROM arc_recorder.scenarios AS scenario
            WHERE scenario.scenario_version_id = plan.scenario_version_id) END AS field
    FROM arc_recorder.planned_scenarios AS plan
    JOIN arc_recorder.simulations AS simulation USING (simulation_id)
    WHERE plan.simulation_id = $1
    ORDER BY plan.execution_order";

impl Attempt {
    fn from_row(row: &Row) -> Self {
        Attempt {
            scenario_id: row.get("scenario_id"),
            trial: row.get("trial"),
            place: row.get("place"),
            headline: row.get("headline"),
            score: row.get("raw"),
            metric_value: row.get("metric_value"),
            is_invalidated: row.get("invalidated"),
            is_infrastructure: row.get("infrastructure"),
            cost_usd: row.get("cost_usd"),
            tokens_used: row.get("tokens_used"),
            execution_time_ms: row.get("execution_time_ms"),
            extractor: row.get("extractor"),
        }
    }
}

impl Store {
    /// Returns all attempts at the trials of a simulation, in order of scenario, trial, place and time,
    /// each in the revision that counts, with the values of a metric.
    ///
    /// # Errors
    /// [`Error::Database`](crate::Error::Database) or [`Error::Unavailable`](crate::Error::Unavailable).
    pub async fn attempts(
        &self,
        simulation_id: Uuid,
        metric: Option<&str>,
    ) -> Result<Vec<Attempt>> {
        let statement = Statement::new(ATTEMPTS.as_str()).with(simulation_id);
        let statement = statement.with(metric.map(str::to_owned));
        let rows = self.rows_of(simulation_id, statement, "read the attempts").await?;
        Ok(rows.iter().map(Attempt::from_row).collect())
    }

    /// Returns the plan of a simulation, in order, with a field of each scenario's definition.
    ///
    /// # Errors
    /// [`Error::Database`](crate::Error::Database) or [`Error::Unavailable`](crate::Error::Unavailable).
    pub async fn planned_scenarios(
        &self,
        simulation_id: Uuid,
        field: Option<&str>,
    ) -> Result<Vec<PlannedScenario>> {
        let statement = Statement::new(PLAN).with(simulation_id).with(field.map(str::to_owned));
        let rows = self.rows(&statement, "read the simulation's plan").await?;
        let scenario = |row: &Row| PlannedScenario {
            scenario_id: row.get("scenario_id"),
            scenario_version_id: row.get("scenario_version_id"),
            trials: row.get("trials"),
            field: row.get("field"),
        };
        Ok(rows.iter().map(scenario).collect())
    }
}
