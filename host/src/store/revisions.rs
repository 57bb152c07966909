//! The revisions of results: rows with the same key, of which the one that was made last counts.

use std::sync::LazyLock;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Store;
use super::outcome_sql::revision;
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

/// Only results that have several revisions.
static REVISIONS: LazyLock<String> = LazyLock::new(|| {
    format!(
        r#"
    SELECT result_key, revision, revision = revisions AS counts, outcome_id, scenario_id, place,
        revised_at, received_at, headline, score, invalidated
    FROM (
        SELECT result_key, outcome_id, scenario_id, place, revised_at, received_at, headline, score,
            invalidation IS NOT NULL AS invalidated,
            pg_catalog.count(*) OVER (PARTITION BY result_key COLLATE "C") AS revisions,
            pg_catalog.row_number() OVER (
                PARTITION BY result_key COLLATE "C" ORDER BY {order}) AS revision
        FROM arc_recorder.outcomes AS outcome
        WHERE simulation_id = $1 AND result_key IS NOT NULL
    ) AS numbered
    WHERE revisions > 1
    ORDER BY scenario_id COLLATE "C", result_key COLLATE "C", revision
    LIMIT $2"#,
        order = revision("outcome")
    )
});

impl Store {
    /// Returns the results of a simulation that have several revisions, with each of them, in order of
    /// scenario, key and revision: at most 10,000.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such simulation.
    pub async fn revisions(&self, simulation_id: Uuid) -> Result<Vec<Revision>> {
        let statement = Statement::new(REVISIONS.as_str()).with(simulation_id).with(MOST_REVISIONS);
        let rows = self.rows(&statement, "read the revisions").await?;
        if rows.is_empty() {
            self.simulation(simulation_id).await?;
        }
        let read = |row: &tokio_postgres::Row| Revision {
            result_key: row.get("result_key"),
            revision: row.get("revision"),
            counts: row.get("counts"),
            outcome_id: row.get("outcome_id"),
            scenario_id: row.get("scenario_id"),
            place: row.get("place"),
            revised_at: row.get("revised_at"),
            received_at: row.get("received_at"),
            headline: row.get("headline"),
            score: row.get("score"),
            invalidated: row.get("invalidated"),
        };
        Ok(rows.iter().map(read).collect())
    }
}
