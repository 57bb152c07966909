//! Performance over time: a simulation by the hour, and the latest failures of all simulations.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Store;
use super::annotations::target_name;
use super::figures::dollars;
use super::outcome_sql::{
    failure_class, headline, invalidation, is_current_anywhere, is_current_of_many, join_scale,
    of_simulation, scale, scaled_score, with_replaced,
};
use super::statement::Statement;
#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;
use crate::extraction::OutcomeStatus;

/// One hour of a simulation, with all attempts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HourlyPerformance {
    /// The beginning of the hour.
    pub hour: Timestamp,
    /// The number of outcomes.
    pub total_outcomes: i64,
    /// The mean of their scores, from 0 to 1, without failures of infrastructure; `None` if none has a
    /// score.
    pub avg_reliability: Option<f64>,
    /// The mean of their durations in milliseconds.
    pub avg_execution_time: f64,
    /// Their cost in US dollars.
    pub total_cost: f64,
    /// How many are not a success.
    pub error_count: i64,
}

/// The summary of several hours of a simulation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PerformanceSummary {
    /// The number of outcomes.
    pub total_outcomes: i64,
    /// The mean of their scores: of all outcomes, not of the hours.
    pub avg_reliability: Option<f64>,
    /// Their cost in US dollars.
    pub total_cost: f64,
}

/// A simulation over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Performance {
    /// The simulation.
    pub simulation_id: Uuid,
    /// The requested number of hours.
    pub time_range_hours: f64,
    /// The metric of most scores; `None` without scores.
    pub headline: Option<String>,
    /// The hours that have outcomes, in order: the last 20,000 of them.
    pub hourly_metrics: Vec<HourlyPerformance>,
    /// The summary of all these hours.
    pub summary: PerformanceSummary,
}

/// An outcome that is not a success, of any simulation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns of the table, described in wit/recorder.wit")]
pub struct Failure {
    pub outcome_id: Uuid,
    pub simulation_id: Uuid,
    pub simulation_name: Option<String>,
    pub model: Option<String>,
    pub scenario_id: String,
    pub execution_time: Timestamp,
    pub status: OutcomeStatus,
    pub error_code: Option<String>,
    pub error_category: Option<String>,
    pub failure_class: Option<String>,
    pub failure_rule: Option<String>,
    pub modal_call_id: Option<String>,
    pub error_message: Option<String>,
}

/// The row without an hour is the sum of the others, weighted by outcome. Sums are exact as those of
/// [`super::Figures`] are.
fn performance_statement(simulation_id: Uuid, hours: f64) -> Statement {
    Statement::new(format!(
        r#"WITH {replaced}{scale}, outcomes AS (
             SELECT outcome.execution_time, outcome.execution_time_ms, outcome.cost_usd,
                 outcome.status, {headline} AS headline,
                 CASE WHEN ({invalidation}) IS NULL
                         AND ({failure_class}) IS DISTINCT FROM 'infrastructure'
                     THEN {scaled} END AS reliability_score
             FROM arc_recorder.outcomes AS outcome
             {joined}
             WHERE {of_simulation} AND {current}
                 AND outcome.execution_time >= pg_catalog.now()
                     - pg_catalog.make_interval(secs => $2::float8 * 3600::float8)
         )
         SELECT pg_catalog.date_trunc('hour', execution_time, 'UTC') AS hour,
             pg_catalog.count(*) AS total_outcomes,
             (pg_catalog.sum((reliability_score * 1e15::float8)::bigint) * 0.000000000000001
                 / nullif(pg_catalog.count(reliability_score), 0)::numeric)::float8 AS avg_reliability,
             coalesce(pg_catalog.avg(execution_time_ms::numeric), 0)::float8 AS avg_execution_time,
             least(
                 {cost_usd},
                 1.7976931348623157e308
             )::float8 AS total_cost,
             pg_catalog.count(*) FILTER (WHERE status <> 'success') AS error_count,
             pg_catalog.mode() WITHIN GROUP (ORDER BY headline COLLATE "C") AS headline
         FROM outcomes
         GROUP BY GROUPING SETS ((1), ())
         ORDER BY 1 DESC NULLS FIRST
         LIMIT 20001"#,
        cost_usd = dollars("cost_usd", "true"),
        invalidation = invalidation("outcome"),
        failure_class = failure_class("outcome"),
        scale = scale(),
        scaled = scaled_score("outcome"),
        headline = headline("outcome"),
        joined = join_scale("outcome"),
        replaced = with_replaced(),
        of_simulation = of_simulation("outcome"),
        current = is_current_of_many(),
    ))
    .with(simulation_id)
    .with(hours)
}

/// How many characters of a message are in a list; one more is read, to find out whether it is longer.
const MESSAGE_CHARACTERS: usize = 1_000;

fn shortened(mut message: String) -> String {
    if let Some((end, _)) = message.char_indices().nth(MESSAGE_CHARACTERS) {
        message.truncate(end);
        message.push('…');
    }
    message
}

fn failures_statement(limit: i64, project: Option<&str>) -> Statement {
    let of_project = match project {
        Some(_) => {
            "AND simulation_id IN (
                 SELECT simulation_id FROM arc_recorder.simulations WHERE project = $2)"
        }
        None => "",
    };
    let statement = Statement::new(format!(
        "SELECT outcome_id, simulation_id, scenario_id, execution_time, status, error_code,
             error_category, pg_catalog.left(modal_call_id, 512),
             pg_catalog.left(error_message, 1001), model, failure_class, failure_rule, result_key
         FROM arc_recorder.outcomes AS outcome
         WHERE status <> 'success' AND {} {of_project}
         ORDER BY execution_time DESC, outcome_id LIMIT $1",
        is_current_anywhere("outcome")
    ))
    .with(limit);
    match project {
        Some(project) => statement.with(project.to_owned()),
        None => statement,
    }
}

impl Store {
    /// Aggregates the runs of the last `hours` hours by the hour in which they began, and all of them
    /// together.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such simulation.
    pub async fn performance(&self, simulation_id: Uuid, hours: f64) -> Result<Performance> {
        self.simulation(simulation_id).await?;
        let statement = performance_statement(simulation_id, hours);
        let what = "read the simulation's performance";
        let rows = self.rows_of(simulation_id, statement, what).await?;
        let mut performance = Performance {
            simulation_id,
            time_range_hours: hours,
            headline: None,
            hourly_metrics: Vec::new(),
            summary: PerformanceSummary::default(),
        };
        for row in rows.iter().rev() {
            match row.get("hour") {
                Some(hour) => performance.hourly_metrics.push(HourlyPerformance {
                    hour,
                    total_outcomes: row.get("total_outcomes"),
                    avg_reliability: row.get("avg_reliability"),
                    avg_execution_time: row.get("avg_execution_time"),
                    total_cost: row.get("total_cost"),
                    error_count: row.get("error_count"),
                }),
                None => {
                    performance.headline = row.get("headline");
                    performance.summary = PerformanceSummary {
                        total_outcomes: row.get("total_outcomes"),
                        avg_reliability: row.get("avg_reliability"),
                        total_cost: row.get("total_cost"),
                    };
                }
            }
        }
        Ok(performance)
    }

    /// Returns the latest outcomes of all simulations that are not a success, newest first. A message
    /// of more than 1,000 characters is truncated, and ends with `…`; the outcomes of the simulation
    /// have the complete message.
    ///
    /// # Errors
    /// [`Error::Database`] or [`Error::Unavailable`].
    pub async fn failures(&self, limit: i64) -> Result<Vec<Failure>> {
        self.failures_in(limit, None).await
    }

    /// The same of the simulations of a project.
    ///
    /// # Errors
    /// As [`Store::failures`].
    pub async fn failures_in(&self, limit: i64, project: Option<&str>) -> Result<Vec<Failure>> {
        let rows =
            self.rows(&failures_statement(limit, project), "read the latest failures").await?;
        let failure = |row: &tokio_postgres::Row| Failure {
            outcome_id: row.get(0),
            simulation_id: row.get(1),
            simulation_name: None,
            model: row.get(9),
            scenario_id: row.get(2),
            execution_time: row.get(3),
            status: OutcomeStatus::from_database(row.get(4)),
            error_code: row.get(5),
            error_category: row.get(6),
            failure_class: row.get(10),
            failure_rule: row.get(11),
            modal_call_id: row.get(7),
            error_message: row.get::<_, Option<String>>(8).map(shortened),
        };
        let mut failures: Vec<Failure> = rows.iter().map(failure).collect();
        let keys: Vec<Option<String>> = rows.iter().map(|row| row.get(12)).collect();
        // Not joined: a planner without statistics would read all simulations.
        let mut ids: Vec<Uuid> = failures.iter().map(|failure| failure.simulation_id).collect();
        ids.sort_unstable();
        ids.dedup();
        let names = Statement::new(
            "SELECT simulation_id, pg_catalog.left(simulation_name, 512),
                 CASE WHEN pg_catalog.cardinality(models) = 1 THEN models[1] END
             FROM arc_recorder.simulations WHERE simulation_id = ANY ($1)",
        )
        .with(ids.clone());
        let rows = self.rows(&names, "read the names of simulations").await?;
        let mut classes = self.annotated_classes(ids).await?;
        for (failure, key) in failures.iter_mut().zip(&keys) {
            let target = target_name(key.as_deref(), failure.outcome_id);
            if let Some((class, author)) = classes.remove(&(failure.simulation_id, target)) {
                (failure.failure_class, failure.failure_rule) = (Some(class), Some(author));
            }
        }
        let names: HashMap<Uuid, &tokio_postgres::Row> =
            rows.iter().map(|row| (row.get(0), row)).collect();
        for failure in &mut failures {
            if let Some(row) = names.get(&failure.simulation_id) {
                failure.simulation_name = row.get(1);
                failure.model = failure.model.take().or_else(|| row.get(2));
            }
        }
        Ok(failures)
    }
}
