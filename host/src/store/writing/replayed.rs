//! Rejected results that were extracted again: into the outcomes, or kept with newer reasons.

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

/// What of a simulation's rejected results became of being extracted again.
#[derive(Debug)]
pub(crate) struct Replay<'r> {
    pub(crate) simulation_id: Uuid,
    pub(crate) started_at: Timestamp,
    /// Who extracts now.
    pub(crate) extractor_id: Uuid,
    /// Those that are accepted now.
    pub(crate) accepted: &'r [&'r OutcomeRow],
    /// Those that are rejected for other reasons now.
    pub(crate) reasons: &'r [(Uuid, JsonText)],
}

impl Store {
    /// Moves results from the rejected ones to the outcomes, and writes the new reasons of others,
    /// in one transaction; gives the keys of the outcomes that were not there before. What a
    /// rejected result had been is kept in `replaced_extractions`. One that somebody else has
    /// moved meanwhile is left alone.
    ///
    /// # Errors
    /// [`Error::Refused`] where a row is refused, and then nothing is changed;
    /// [`Error::Unavailable`].
    pub(crate) async fn store_replay(&self, replay: &Replay<'_>) -> Result<HashSet<ResultKey>> {
        let mut client = self.client().await?;
        let replayed = async {
            let transaction = client.transaction().await?;
            lock_history(&transaction, replay.simulation_id).await?;
            // Before any row, as late results do it, or the two could wait for each other.
            mark_figures_stale(&transaction, replay.simulation_id).await?;
            let removed = remove(&transaction, replay).await?;
            let mut rows = replay.accepted.to_vec();
            rows.retain(|row| removed.contains(&row.key.outcome_id));
            rows.sort_unstable_by_key(|row| row.key);
            let stored = outcome::insert(&transaction, &rows).await?;
            change_reasons(&transaction, replay).await?;
            transaction.commit().await?;
            Ok(stored)
        };
        replayed.await.map_err(|error: tokio_postgres::Error| {
            Error::postgres("store what was extracted again", error)
        })
    }
}

/// Takes accepted results out of the rejected ones, and gives the ids of those that were there.
async fn remove(
    transaction: &Transaction<'_>,
    replay: &Replay<'_>,
) -> std::result::Result<HashSet<Uuid>, tokio_postgres::Error> {
    let remove = transaction
        .prepare_cached(
            "DELETE FROM arc_recorder.rejected_results
             WHERE simulation_id = $1 AND started_at = $2 AND outcome_id = ANY ($3)
             RETURNING outcome_id, extractor_id,
                 pg_catalog.jsonb_build_object('violations', violations, 'position', position)",
        )
        .await?;
    let ids: Vec<Uuid> = replay.accepted.iter().map(|row| row.key.outcome_id).collect();
    let Replay { simulation_id, started_at, extractor_id, .. } = replay;
    let removed = transaction.query(&remove, &[simulation_id, started_at, &ids]).await?;
    // A statement of its own, which every layout of the tables takes.
    let keep = transaction
        .prepare_cached(
            "INSERT INTO arc_recorder.replaced_extractions (simulation_id, outcome_id,
                 started_at, replaced_at, extractor_id, replaced_by, verdict, replaced)
             SELECT $1, outcome_id, $2, pg_catalog.clock_timestamp(), extractor_id, $3, 'rejected', replaced
             FROM unnest($4::uuid[], $5::uuid[], $6::jsonb[])
                 AS row (outcome_id, extractor_id, replaced)",
        )
        .await?;
    let id = |row: &Row, place: usize| row.get::<_, Uuid>(place);
    transaction
        .execute(
            &keep,
            &[
                simulation_id,
                started_at,
                extractor_id,
                &column(&removed, |row| id(row, 0)),
                &column(&removed, |row| id(row, 1)),
                &column(&removed, |row| row.get::<_, JsonText>(2)),
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
             WHERE simulation_id = $1 AND outcome_id = $2 AND started_at = $3",
        )
        .await?;
    let Replay { simulation_id, started_at, extractor_id, .. } = replay;
    // Sent together: one round trip, and an index look-up for each whatever the statistics say.
    let updates = replay.reasons.iter().map(|(outcome_id, violations)| {
        let update = &update;
        async move {
            transaction
                .execute(update, &[simulation_id, outcome_id, started_at, violations, extractor_id])
                .await
        }
    });
    try_join_all(updates).await?;
    Ok(())
}
