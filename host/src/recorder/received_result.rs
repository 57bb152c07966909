//! Results between their receipt and their recording; in the meantime they can be in a spool.

use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::plan::Plan;
use super::queue::Results;
use super::rows::{ExtractionResult, Target};
use super::scheduling::{Placement, extract, extract_on_threads};
use super::sessions::Sessions;
use super::submission::{FailureKind, ItemVerdict, Submission, Verdict};
use super::{Recorder, UNPLANNED};
use crate::error::Result;
use crate::extraction::Violation;
use crate::formats::ResultFormat;
use crate::store::{DatabaseClock, ReceiptTime, SimulationStart};

/// A result that was accepted, with the fields that the host adds before extraction.
#[derive(Clone, Debug)]
pub struct ReceivedResult {
    /// Its id, derived from the simulation, the caller's trial and the document.
    pub outcome_id: Uuid,
    /// When it was accepted: strictly increasing in a host.
    pub received_at: Timestamp,
    /// Whether that time is by the host's own clock, because the database's was not known; it is
    /// corrected when the result is recorded.
    pub host_clock: bool,
    /// The result itself.
    pub submission: Submission,
    /// The warnings that did not come from the document. An accepted outcome has them in addition to
    /// those of the extractor.
    pub(crate) sender_warnings: Vec<Violation>,
}

impl ReceivedResult {
    /// Makes a result that was received at this time of the database's clock.
    pub fn new(simulation_id: Uuid, received_at: Timestamp, submission: Submission) -> Self {
        ReceivedResult {
            outcome_id: submission.outcome_id(simulation_id),
            received_at,
            host_clock: false,
            submission,
            sender_warnings: Vec::new(),
        }
    }

    /// Accepts results of one simulation now, in their order. The clock is that of the database in
    /// which they will be recorded.
    pub fn accept(
        simulation_id: Uuid,
        submissions: Vec<Submission>,
        clock: &DatabaseClock,
    ) -> Vec<Self> {
        let accept = |submission: Submission| {
            let ReceiptTime { at: received_at, host_clock } = clock.next_receipt();
            let received = ReceivedResult::new(simulation_id, received_at, submission);
            ReceivedResult { host_clock, ..received }
        };
        submissions.into_iter().map(accept).collect()
    }

    /// Returns how many bytes the extractor has to read.
    pub(super) fn input_bytes(&self) -> usize {
        self.submission.document_bytes() + self.submission.header().map_or(0, str::len)
    }
}

impl Recorder {
    /// Records results that were received before: they keep their ids and their times. Returns a
    /// verdict for each, in order.
    ///
    /// # Errors
    /// As [`Recorder::record_batch`].
    pub async fn record_received(
        &self,
        simulation_id: Uuid,
        received: Vec<ReceivedResult>,
    ) -> Result<Vec<ItemVerdict>> {
        let verdicts = self.record_with_plan(self.plan(simulation_id).await?, received).await?;
        // The simulation was removed meanwhile, with the results that were stored before.
        let removal = verdicts.iter().find_map(|item| match &item.verdict {
            Verdict::Failed { kind: kind @ FailureKind::SimulationRemoved, message, .. } => {
                Some(kind.into_error(message.clone(), None))
            }
            _ => None,
        });
        match removal {
            None => Ok(verdicts),
            Some(error) => {
                self.plans().forget(simulation_id);
                Err(error)
            }
        }
    }

    async fn record_with_plan(
        &self,
        plan: Arc<Plan>,
        received: Vec<ReceivedResult>,
    ) -> Result<Vec<ItemVerdict>> {
        let received = self.on_the_databases_clock(received).await?;
        let prices = self.shared.store.prices().await?;
        if received.iter().all(|received| received.submission.format.is_none()) {
            let target = Target { plan, sessions: Arc::clone(&self.sessions), prices };
            self.ensure_extractor(target.sessions.extractor().identity()).await?;
            return self.record_part(target, received).await;
        }
        let mut verdicts = Vec::new();
        for part in by_format(received) {
            let sessions = self.sessions_for(part.first()).await?;
            self.ensure_extractor(sessions.extractor().identity()).await?;
            self.ensure_header(part.first()).await?;
            let (plan, prices) = (Arc::clone(&plan), prices.clone());
            let target = Target { plan, sessions, prices };
            verdicts.push(self.record_part(target, part));
        }
        let verdicts = futures_util::future::try_join_all(verdicts).await?;
        Ok(verdicts.into_iter().flatten().collect())
    }

    /// Converts the time of a start from the host's own clock to the database's.
    pub(crate) async fn correct_start(&self, start: &mut SimulationStart) -> Result<()> {
        let store = self.store();
        store.measure_clock().await?;
        start.started_at = start.started_at.map(|started_at| store.clock().corrected(started_at));
        Ok(())
    }

    /// Returns the results with times of receipt by the database's clock.
    async fn on_the_databases_clock(
        &self,
        mut received: Vec<ReceivedResult>,
    ) -> Result<Vec<ReceivedResult>> {
        if received.iter().any(|received| received.host_clock) {
            let store = self.store();
            store.measure_clock().await?;
            for received in received.iter_mut().filter(|received| received.host_clock) {
                received.received_at = store.clock().corrected(received.received_at);
                received.host_clock = false;
            }
        }
        Ok(received)
    }

    /// Records results of one format.
    async fn record_part(
        &self,
        target: Target,
        received: Vec<ReceivedResult>,
    ) -> Result<Vec<ItemVerdict>> {
        let queue = &self.shared.queue;
        match Placement::of(&received, target.sessions.extractor()) {
            Placement::Inline => Ok(queue.write(Results::Received(target, received), None).await),
            Placement::Threads { parts } => {
                // The permit is released when the queue has room for the results. The semaphore is never
                // closed.
                let call = Arc::clone(&self.shared.calls).acquire_owned().await.ok();
                let extracted = extract_on_threads(&target, received, parts).await?;
                Ok(queue.write(Results::Extracted(extracted), call).await)
            }
        }
    }

    /// Returns the expected verdicts on results, as far as they can be determined without the database:
    /// accepted ones have the verdict [`Verdict::Spooled`]. The plan is the one that was read from the
    /// database or passed to [`Recorder::check_start`], if any. Nothing is recorded.
    ///
    /// # Errors
    /// An error of the extraction as a whole.
    pub async fn preview(
        &self,
        simulation_id: Uuid,
        received: Vec<ReceivedResult>,
    ) -> Result<Vec<ItemVerdict>> {
        let known = self.known_plan(simulation_id);
        let planned = known.is_some();
        let plan = known.unwrap_or_else(|| Arc::new(Plan::unknown(simulation_id)));
        let mut verdicts = Vec::with_capacity(received.len());
        for part in by_format(received) {
            let sessions = self.sessions_for(part.first()).await?;
            let target = Target { plan: Arc::clone(&plan), sessions, prices: None };
            let extracted = extract(&target, part).await?;
            verdicts.extend(extracted.into_iter().map(|extracted| preview(extracted, planned)));
        }
        Ok(verdicts)
    }

    async fn sessions_for(&self, received: Option<&ReceivedResult>) -> Result<Arc<Sessions>> {
        match received.and_then(|received| received.submission.format.as_deref()) {
            None => Ok(Arc::clone(&self.sessions)),
            Some(format) => self.sessions_of(format.name()).await,
        }
    }

    /// Ensures that the header of results, if any, is stored in the database.
    async fn ensure_header(&self, received: Option<&ReceivedResult>) -> Result<()> {
        let format = received.and_then(|received| received.submission.format.as_deref());
        let Some(format) = format else { return Ok(()) };
        if let (Some(id), Some(header)) = (format.header_id(), format.header())
            && !self.shared.is_registered(id)
        {
            self.shared.store.keep_header(id, header).await?;
            self.shared.mark_registered(id);
        }
        Ok(())
    }
}

/// Splits results into runs of one format and header, in their order.
fn by_format(received: Vec<ReceivedResult>) -> Vec<Vec<ReceivedResult>> {
    let same =
        |one: &Option<Arc<ResultFormat>>, other: &Option<Arc<ResultFormat>>| match (one, other) {
            (None, None) => true,
            (Some(one), Some(other)) => Arc::ptr_eq(one, other) || one == other,
            _ => false,
        };
    let mut runs: Vec<Vec<ReceivedResult>> = Vec::new();
    for result in received {
        match runs.last_mut() {
            Some(run)
                if run.last().is_some_and(|last| {
                    same(&last.submission.format, &result.submission.format)
                }) =>
            {
                run.push(result);
            }
            _ => runs.push(vec![result]),
        }
    }
    runs
}

fn preview(extracted: ExtractionResult, planned: bool) -> ItemVerdict {
    let (outcome_id, verdict, warnings) = match extracted {
        ExtractionResult::Outcome(row) => {
            let mut warnings = row.warning_list.clone();
            // Without the plan, it is not known whether a scenario is planned.
            warnings.retain(|warning| planned || warning.code != UNPLANNED);
            (row.key.outcome_id, Verdict::Spooled, warnings)
        }
        ExtractionResult::Rejected(row, violations) => {
            (row.key.outcome_id, Verdict::Rejected(violations), Vec::new())
        }
        // It is extracted again when it is recorded.
        ExtractionResult::Failed { outcome_id, .. } => (outcome_id, Verdict::Spooled, Vec::new()),
    };
    ItemVerdict { outcome_id, verdict, warnings }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::recorder::{FailureKind, whole_failure};

    const SIMULATION: Uuid = Uuid::from_u128(7);

    fn accepted(formats: &[Option<(u8, Option<u8>)>]) -> Vec<ReceivedResult> {
        let submissions = formats.iter().enumerate().map(|(number, format)| {
            let mut submission = Submission::new(format!("{{\"number\":{number}}}"));
            submission.format = format.map(|(name, header)| {
                let header = header.map(|header| header.to_string());
                Arc::new(ResultFormat::new(name.to_string(), header))
            });
            submission
        });
        ReceivedResult::accept(SIMULATION, submissions.collect(), &DatabaseClock::new())
    }

    #[test]
    fn results_are_accepted_with_their_ids_one_after_the_other() {
        let received = accepted(&[None; 100]);
        assert!(received.is_sorted_by(|one, next| one.received_at < next.received_at));
        for one in &received {
            assert_eq!(one.outcome_id, one.submission.outcome_id(SIMULATION));
            assert!(one.host_clock, "the clock of no database is known");
        }
        // The same results have the same ids.
        let again = accepted(&[None; 100]);
        let ids = |all: &[ReceivedResult]| -> Vec<Uuid> {
            all.iter().map(|one| one.outcome_id).collect()
        };
        assert_eq!(ids(&received), ids(&again));
    }

    proptest! {
        /// Runs of one format and header contain all results in their order, and none could be longer.
        #[test]
        fn runs_of_a_format_are_as_long_as_they_can_be(
            formats in prop::collection::vec(
                prop::option::of((0_u8..2, prop::option::of(0_u8..2))),
                0..20,
            ),
        ) {
            let received = accepted(&formats);
            let ids: Vec<Uuid> = received.iter().map(|one| one.outcome_id).collect();
            let runs = by_format(received);
            let after: Vec<Uuid> = runs.iter().flatten().map(|one| one.outcome_id).collect();
            prop_assert_eq!(after, ids);
            let format = |one: &ReceivedResult| one.submission.format.clone();
            for run in &runs {
                prop_assert!(run.iter().all(|one| format(one) == format(&run[0])));
            }
            for pair in runs.windows(2) {
                prop_assert!(format(&pair[0][0]) != format(&pair[1][0]));
            }
        }
    }

    #[test]
    fn a_batch_has_failed_as_a_whole_only_if_others_would_fail_too() {
        let failed = |kind| Verdict::Failed { kind, message: String::new(), hint: None };
        let (unavailable, timeout, internal) = (
            failed(FailureKind::Unavailable),
            failed(FailureKind::Timeout),
            failed(FailureKind::Internal),
        );
        let items = |verdicts: &[Verdict]| -> Vec<ItemVerdict> {
            let item = |verdict: &Verdict| ItemVerdict {
                outcome_id: SIMULATION,
                verdict: verdict.clone(),
                warnings: Vec::new(),
            };
            verdicts.iter().map(item).collect()
        };
        for (verdicts, whole) in [
            (vec![], None),
            (vec![unavailable.clone()], Some(unavailable.clone())),
            (vec![timeout.clone(), internal.clone()], Some(internal)),
            (vec![timeout; 3], None),
            (vec![failed(FailureKind::Refused); 3], None),
            (vec![unavailable.clone(), Verdict::Stored], None),
            (vec![Verdict::Duplicate, unavailable], None),
        ] {
            assert_eq!(whole_failure(&items(&verdicts)), whole.as_ref(), "{verdicts:?}");
        }
    }
}
