//! The revisions of results: rows with the same key, of which the one that was made last counts, or the
//! selected one.

use std::sync::LazyLock;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use uuid::Uuid;

use super::Store;
use super::outcome_sql::{made, of_simulation, revision};
use super::statement::Statement;
#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;

/// The maximum number of revisions that are returned.
const MOST_REVISIONS: i64 = 10_000;

/// One revision of a result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Revision {
    /// The tool's own id of the execution, which all revisions of the result share.
    pub result_key: String,
    /// Counted from 1, in the order in which the revisions were made.
    pub revision: i64,
    /// Whether it is the one that counts.
    pub counts: bool,
    /// Whether it was selected as the one that counts.
    pub selected: bool,
    /// Whether the tool's final list lacks the result, so that no revision counts.
    pub superseded: bool,
    /// The outcome's id.
    pub outcome_id: Uuid,
    /// The scenario's id.
    pub scenario_id: String,
    /// The result's place in the run.
    pub place: Option<String>,
    /// When it was made; `None` if the tool does not report it, and then the time of receipt counts.
    pub revised_at: Option<Timestamp>,
    /// When it was received.
    pub received_at: Timestamp,
    /// The metric of its own score.
    pub headline: Option<String>,
    /// The value of that score, as the tool wrote it.
    pub score: Option<f64>,
    /// Whether it is marked as a result that does not count.
    pub invalidated: bool,
}

/// Results that have several revisions, or a selection; or that with the key `$3`.
static REVISIONS: LazyLock<String> = LazyLock::new(|| {
    format!(
        r#"
    SELECT result_key, revision, outcome_id = current_id AND superseded IS NOT TRUE AS counts,
        selected_id IS NOT DISTINCT FROM outcome_id AS selected,
        superseded IS TRUE AS superseded, outcome_id, scenario_id, place, revised_at, received_at,
        headline, score, invalidated
    FROM (
        SELECT outcome.result_key, outcome.outcome_id, outcome.scenario_id, outcome.place,
            outcome.revised_at, outcome.received_at, outcome.headline, outcome.score,
            selected.superseded, selected.outcome_id AS selected_id,
            outcome.invalidation IS NOT NULL AS invalidated,
            pg_catalog.count(*) OVER (PARTITION BY outcome.result_key COLLATE "C") AS revisions,
            pg_catalog.row_number() OVER (
                PARTITION BY outcome.result_key COLLATE "C" ORDER BY {made}) AS revision,
            pg_catalog.first_value(outcome.outcome_id) OVER (
                PARTITION BY outcome.result_key COLLATE "C" ORDER BY {order} DESC) AS current_id
        FROM arc_recorder.outcomes AS outcome
        LEFT JOIN arc_recorder.valid_selections AS selected
            ON selected.simulation_id = $1
            AND selected.result_key = outcome.result_key COLLATE "C"
        WHERE {of_simulation} AND outcome.result_key IS NOT NULL
            AND ($3::text IS NULL OR outcome.result_key COLLATE "C" = $3)
    ) AS numbered
    WHERE $3::text IS NOT NULL OR revisions > 1 OR superseded
    ORDER BY scenario_id COLLATE "C", result_key COLLATE "C", revision
    LIMIT $2"#,
        of_simulation = of_simulation("outcome"),
        made = made("outcome"),
        order = revision("outcome")
    )
});

/// Returns the query of the revisions of a simulation's results, or of the result with a key.
pub(super) fn revisions_statement(simulation_id: Uuid, result_key: Option<&str>) -> Statement {
    Statement::new(REVISIONS.as_str())
        .with(simulation_id)
        .with(MOST_REVISIONS)
        .with(result_key.map(str::to_owned))
}

impl Revision {
    pub(super) fn from_row(row: &Row) -> Self {
        Revision {
            result_key: row.get("result_key"),
            revision: row.get("revision"),
            counts: row.get("counts"),
            selected: row.get("selected"),
            superseded: row.get("superseded"),
            outcome_id: row.get("outcome_id"),
            scenario_id: row.get("scenario_id"),
            place: row.get("place"),
            revised_at: row.get("revised_at"),
            received_at: row.get("received_at"),
            headline: row.get("headline"),
            score: row.get("score"),
            invalidated: row.get("invalidated"),
        }
    }
}

impl Store {
    /// Returns the results of a simulation that have several revisions or are superseded, with each
    /// revision, in order of scenario, key and revision: at most 10,000.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such simulation.
    pub async fn revisions(&self, simulation_id: Uuid) -> Result<Vec<Revision>> {
        let statement = revisions_statement(simulation_id, None);
        let rows = self.rows_of(simulation_id, statement, "read the revisions").await?;
        if rows.is_empty() {
            self.simulation(simulation_id).await?;
        }
        Ok(rows.iter().map(Revision::from_row).collect())
    }
}
