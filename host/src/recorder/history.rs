//! What replaying and extracting again share: bounded batches, ids that prove the trial, and the
//! figures of completed simulations.

use futures_util::{Stream, StreamExt as _};
use serde_json::Value;
use uuid::Uuid;

use super::Recorder;
use crate::error::Result;
use crate::identity;
use crate::store::{Figures, SimulationStatus};

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

impl Recorder {
    /// Computes the figures of completed simulations again whose results were changed by somebody
    /// who could not do it any more.
    pub(super) async fn recompute_stale_figures(&self, simulation_id: Option<Uuid>) -> Result<()> {
        for simulation_id in self.shared.store.stale_figures(simulation_id).await? {
            self.recompute_figures(simulation_id).await?;
        }
        Ok(())
    }

    /// Computes the figures of a simulation again as completing it does, if it is completed. What
    /// the suite said of itself stays.
    pub(super) async fn recompute_figures(&self, simulation_id: Uuid) -> Result<()> {
        let store = &self.shared.store;
        let simulation = store.simulation(simulation_id).await?;
        if simulation.status != SimulationStatus::Completed {
            return Ok(());
        }
        let computed = store.figures(simulation_id).await?;
        let suite = simulation.suite_figures.as_ref();
        let duration = suite.and_then(|suite| suite.get("execution_time_ms"));
        let counting = Figures {
            overall_score: simulation.score(&computed),
            total_cost_usd: simulation.cost_usd(&computed),
            execution_time_ms: duration.and_then(Value::as_f64),
            ..computed.clone()
        };
        store.complete_simulation(simulation_id, &counting, suite, &computed).await?;
        Ok(())
    }
}
