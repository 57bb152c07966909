//! What replaying and extracting again share: bounded batches, and ids that prove the trial.

use futures_util::{Stream, StreamExt as _};
use uuid::Uuid;

use crate::error::Result;
use crate::identity;

/// How many documents are extracted again together.
const BATCH_DOCUMENTS: usize = 1_000;

/// How many bytes of documents are extracted again together, and one more document: memory stays
/// bounded for large ones.
const BATCH_BYTES: usize = 4 << 20;

/// The next rows of a stream; none at its end.
pub(super) async fn next_batch<R>(
    rows: &mut (impl Stream<Item = Result<R>> + Unpin),
    document_bytes: impl Fn(&R) -> usize,
) -> Result<Vec<R>> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    while batch.len() < BATCH_DOCUMENTS && bytes < BATCH_BYTES {
        let Some(row) = rows.next().await else { break };
        let row = row?;
        bytes += document_bytes(&row);
        batch.push(row);
    }
    Ok(batch)
}

/// The trial that the caller passed with a document, if any: the one that makes its id, of which
/// it is a part. Nothing where neither does, so that the id is not that of these bytes.
pub(super) fn passed_trial(
    simulation_id: Uuid,
    outcome_id: Uuid,
    trial: Option<i32>,
    document: &[u8],
) -> Option<Option<u32>> {
    let stored = trial.and_then(|trial| u32::try_from(trial).ok());
    [None, stored]
        .into_iter()
        .find(|passed| identity::outcome_id(simulation_id, *passed, document) == outcome_id)
}
