//! Results for simulations that were removed, which are refused, or have ended: their figures are marked,
//! see [`super::super::frozen_figures`].

use uuid::Uuid;

use super::super::connection::Transaction;
use super::{OutcomeRow, RejectedRow};

/// Records that a transaction adds results; `$1` are the simulations' ids. It is the transaction's first
/// statement, because one that waits for its lock must not hold rows that others wait for.
pub(super) const NOTE: &str = "SELECT arc_recorder.note_results($1::uuid[])";

/// Runs [`NOTE`] for the simulations of these results.
pub(super) async fn note(
    transaction: &Transaction<'_>,
    outcomes: &[&OutcomeRow],
    rejected: &[&RejectedRow],
) -> Result<(), tokio_postgres::Error> {
    let note = transaction.prepare_cached(NOTE).await?;
    transaction.execute(&note, &[&simulations_of(outcomes, rejected)]).await?;
    Ok(())
}

/// Returns the simulations of results, each once.
pub(crate) fn simulations_of(outcomes: &[&OutcomeRow], rejected: &[&RejectedRow]) -> Vec<Uuid> {
    let outcomes = outcomes.iter().map(|row| row.key.simulation_id);
    let mut ids: Vec<Uuid> =
        outcomes.chain(rejected.iter().map(|row| row.key.simulation_id)).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}
