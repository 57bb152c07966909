//! Results between their receipt and their recording, which a spool may lie between.

use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::plan::Plan;
use super::queue::Results;
use super::rows::{Extracted, Received, Target};
use super::submission::{ItemVerdict, Submission, Verdict};
use super::{INLINE_BYTES, Recorder, UNPLANNED};
use crate::error::Result;
use crate::identity;

/// A result that was accepted, with what the host gives it before anything looks into it.
#[derive(Clone, Debug)]
pub struct ReceivedResult {
    /// Its id, derived from the simulation, the caller's trial and the document.
    pub outcome_id: Uuid,
    /// When it was accepted: strictly increasing in a host.
    pub received_at: Timestamp,
    /// The result itself.
    pub submission: Submission,
}

impl ReceivedResult {
    /// Accepts results of one simulation now, in their order.
    pub fn accept(simulation_id: Uuid, submissions: Vec<Submission>) -> Vec<Self> {
        let accept = |submission: Submission| ReceivedResult {
            outcome_id: submission.outcome_id(simulation_id),
            received_at: identity::next_received_at(),
            submission,
        };
        submissions.into_iter().map(accept).collect()
    }
}

impl Recorder {
    /// Records results that were received before: they keep their ids and their times. A verdict
    /// for each, in order.
    ///
    /// # Errors
    /// As [`Recorder::record_batch`].
    pub async fn record_received(
        &self,
        simulation_id: Uuid,
        received: Vec<ReceivedResult>,
    ) -> Result<Vec<ItemVerdict>> {
        let plan = self.plan(simulation_id).await?;
        let extractor_id = self.shared.extractor.identity().id;
        let target = Target { plan, extractor_id };
        let received: Vec<Received> = received.into_iter().map(Received::from).collect();
        let results = if received.iter().map(Received::document_bytes).sum::<usize>() > INLINE_BYTES
        {
            Results::Extracted(self.extract(&target, received).await?)
        } else {
            Results::Received(target, received)
        };
        Ok(self.shared.queue.write(results).await)
    }

    /// What would become of results, as far as it can be told without the database: accepted ones
    /// have the verdict [`Verdict::Spooled`]. Nothing is recorded.
    ///
    /// # Errors
    /// An error of the extraction as a whole.
    pub async fn preview(
        &self,
        simulation_id: Uuid,
        received: Vec<ReceivedResult>,
    ) -> Result<Vec<ItemVerdict>> {
        let plan = Plan::unknown(simulation_id);
        let extractor_id = self.shared.extractor.identity().id;
        let target = Target { plan: Arc::new(plan), extractor_id };
        let received = received.into_iter().map(Received::from).collect();
        let extracted = self.extract(&target, received).await?;
        Ok(extracted.into_iter().map(preview).collect())
    }
}

fn preview(extracted: Extracted) -> ItemVerdict {
    let (outcome_id, verdict, warnings) = match extracted {
        Extracted::Outcome(row) => {
            let mut warnings = row.warning_list.clone();
            // Of a plan that is not known nothing can be said.
            warnings.retain(|warning| warning.code != UNPLANNED);
            (row.key.outcome_id, Verdict::Spooled, warnings)
        }
        Extracted::Rejected(row, violations) => {
            (row.key.outcome_id, Verdict::Rejected(violations), Vec::new())
        }
        // It is extracted again when it is recorded.
        Extracted::Failed { outcome_id, .. } => (outcome_id, Verdict::Spooled, Vec::new()),
    };
    ItemVerdict { outcome_id, verdict, warnings }
}
