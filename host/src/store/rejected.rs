//! Rejected results: kept once each, with the reasons.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Store;
use crate::error::{Error, Result};

/// A rejected result as it was kept.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[expect(missing_docs, reason = "the columns of the table, described in its migration")]
pub struct RejectedResult {
    pub outcome_id: Uuid,
    pub received_at: Timestamp,
    pub position: Option<i64>,
    pub trial: Option<i32>,
    pub violations: serde_json::Value,
    pub document_bytes: i64,
}

impl Store {
    /// What was rejected in a simulation, in order of receipt; without the documents.
    ///
    /// # Errors
    /// [`Error::Database`] or [`Error::Unavailable`].
    pub async fn rejected(&self, simulation_id: Uuid) -> Result<Vec<RejectedResult>> {
        let failed = |error| Error::database("read the rejected results", &error);
        let client = self.client().await?;
        let select = client
            .prepare_cached(
                "SELECT outcome_id, received_at, position, trial, violations, document_bytes
                 FROM arc_recorder.rejected_results WHERE simulation_id = $1
                 ORDER BY received_at, outcome_id",
            )
            .await
            .map_err(failed)?;
        let rows = client.query(&select, &[&simulation_id]).await.map_err(failed)?;
        let result = |row: &tokio_postgres::Row| RejectedResult {
            outcome_id: row.get(0),
            received_at: row.get(1),
            position: row.get(2),
            trial: row.get(3),
            violations: row.get(4),
            document_bytes: row.get(5),
        };
        Ok(rows.iter().map(result).collect())
    }

    /// The kept bytes of a rejected result: all of them, or the beginning of one that was larger
    /// than the limit.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is none with this id.
    pub async fn rejected_document(
        &self,
        simulation_id: Uuid,
        outcome_id: Uuid,
    ) -> Result<Vec<u8>> {
        let failed = |error| Error::database("read the rejected result", &error);
        let client = self.client().await?;
        let row = client
            .query_opt(
                "SELECT document FROM arc_recorder.rejected_results
                 WHERE simulation_id = $1 AND outcome_id = $2",
                &[&simulation_id, &outcome_id],
            )
            .await
            .map_err(failed)?;
        row.map(|row| row.get(0)).ok_or_else(|| {
            Error::NotFound(format!(
                "no rejected result {outcome_id} in simulation {simulation_id}; list them with \
                 `arc-host rejected {simulation_id}`"
            ))
        })
    }
}
