//! Stores the results of a replay: rejected results become outcomes, or have new reasons.

use std::collections::HashSet;

use futures_util::future::try_join_all;
use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::super::Store;
use super::super::columns::column;
use super::super::connection::Transaction;
use super::super::history::{lock_history, mark_figures_stale};
use super::{OutcomeRow, ResultKey, outcome};
use crate::error::{Error, Result};
use crate::json_text::JsonText;

/// The results of extracting a simulation's rejected results again.
#[derive(Debug)]
pub(crate) struct Replay<'r> {
    pub(crate) simulation_id: Uuid,
    pub(crate) partition_time: Timestamp,
    /// The current extractor.
    pub(crate) extractor_id: Uuid,
    /// The results that are now accepted.
    pub(crate) accepted: &'r [&'r OutcomeRow],
    /// The new reasons of results that are rejected for other reasons than before.
    pub(crate) reasons: &'r [(Uuid, JsonText)],
}

impl Store {
    /// Moves results from the rejected ones to the outcomes, and writes the new reasons of others, in
    /// one transaction; returns the keys of the outcomes that did not exist before. The previous state
    /// of a rejected result is kept in `replaced_extractions`. A result that another process has moved
    /// in the meantime is skipped.
    ///
    /// # Errors
    /// [`Error::Refused`] if a row is refused, and then nothing is changed;
    /// [`Error::Unavailable`].
    pub(crate) async fn store_replay(&self, replay: &Replay<'_>) -> Result<HashSet<ResultKey>> {
        let mut client = self.client().await?;
        let replayed = async {
            let transaction = client.transaction().await?;
            lock_history(&transaction, replay.simulation_id).await?;
            // Before any row, as late results do, because the two could deadlock otherwise.
            mark_figures_stale(&transaction, replay.simulation_id).await?;
            let removed = remove(&transaction, replay).await?;
            let mut rows = replay.accepted.to_vec();
            rows.retain(|row| removed.contains(&row.key.outcome_id));
            rows.sort_unstable_by_key(|row| row.key);
            let insert = outcome::prepare_insert(&transaction, &rows).await?;
            let stored = outcome::insert(&transaction, insert.as_ref(), &rows).await?;
            change_reasons(&transaction, replay).await?;
            transaction.commit().await?;
            Ok(stored)
        };
        replayed.await.map_err(|error: tokio_postgres::Error| {
            Error::postgres("store the replayed results", error)
        })
    }
}

/// Deletes accepted results from the rejected ones, and returns the ids of those that existed.
async fn remove(
    transaction: &Transaction<'_>,
    replay: &Replay<'_>,
) -> std::result::Result<HashSet<Uuid>, tokio_postgres::Error> {
    let remove = transaction
        .prepare_cached(
            "DELETE FROM arc_recorder.rejected_results
             WHERE simulation_id = $1 AND partition_time = $2 AND outcome_id = ANY ($3)
             RETURNING outcome_id, extractor_id, violations, position",
        )
        .await?;
    let ids: Vec<Uuid> = replay.accepted.iter().map(|row| row.key.outcome_id).collect();
    let Replay { simulation_id, partition_time, extractor_id, .. } = replay;
    let removed = transaction.query(&remove, &[simulation_id, partition_time, &ids]).await?;
    // A statement of its own, which all layouts of the tables support.
    let keep = transaction
        .prepare_cached(
            "INSERT INTO arc_recorder.replaced_extractions (simulation_id, outcome_id,
                 partition_time, replaced_at, extractor_id, replaced_by, verdict, replaced)
             SELECT $1, outcome_id, $2, pg_catalog.clock_timestamp(), extractor_id, $3, 'rejected',
                 pg_catalog.jsonb_build_object('violations', violations, 'position', position)
             FROM unnest($4::uuid[], $5::uuid[], $6::jsonb[], $7::bigint[])
                 AS row (outcome_id, extractor_id, violations, position)",
        )
        .await?;
    let id = |row: &Row, place: usize| row.get::<_, Uuid>(place);
    transaction
        .execute(
            &keep,
            &[
                simulation_id,
                partition_time,
                extractor_id,
                &column(&removed, |row| id(row, 0)),
                &column(&removed, |row| id(row, 1)),
                &column(&removed, |row| row.get::<_, JsonText>(2)),
                &column(&removed, |row| row.get::<_, Option<i64>>(3)),
            ],
        )
        .await?;
    Ok(removed.iter().map(|row| id(row, 0)).collect())
}

async fn change_reasons(
    transaction: &Transaction<'_>,
    replay: &Replay<'_>,
) -> std::result::Result<(), tokio_postgres::Error> {
    let update = transaction
        .prepare_cached(
            "UPDATE arc_recorder.rejected_results SET violations = $4, extractor_id = $5
             WHERE simulation_id = $1 AND outcome_id = $2 AND partition_time = $3",
        )
        .await?;
    let Replay { simulation_id, partition_time, extractor_id, .. } = replay;
    // Sent together: one round trip, and an index look-up for each, regardless of the statistics.
    let updates = replay.reasons.iter().map(|(outcome_id, violations)| {
        let update = &update;
        async move {
            transaction
                .execute(
                    update,
                    &[simulation_id, outcome_id, partition_time, violations, extractor_id],
                )
                .await
        }
    });
    try_join_all(updates).await?;
    Ok(())
}
