//! The queue in front of the database.
//!
//! Calls put their results into the queue and wait for the answer. A transaction takes the waiting
//! results, commits them, and answers. A single call is written at once; calls that arrive during a
//! commit share the next transaction or, if the commit takes long, begin another one. The queue is
//! bounded in bytes; when it is full, calls wait, and nothing is dropped.
//!
//! Small calls are queued as they were received, and the transaction that takes them extracts them: one
//! after the other, with the extractor's code and memory in the processor's caches, which costs half as
//! much as between two requests. Large ones are extracted before they are queued, on several
//! cores.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use uuid::Uuid;

use super::group_commit::{self, GroupCommit, Item, Writer};
use super::received_result::ReceivedResult;
use super::retry_reason::RetryReason;
use super::rows::{ExtractionResult, Target};
use super::scheduling::InlineExtraction;
use super::submission::{FailureKind, ItemVerdict, Verdict};
use super::writing::{WriteSummary, write_all};
use crate::extraction::Violation;
use crate::store::{OutcomeRow, RejectedRow, Store};

/// Warning: the result was recorded before, and a later revision of it counts.
pub(crate) const LATER_REVISION_COUNTS: &str = "later_revision_counts";

/// How many bytes can be in the queue and in open transactions.
const QUEUE_BYTES: usize = 48 << 20;

/// The unit in which the queue's bytes are counted: a semaphore holds fewer permits than bytes.
const UNIT_BYTES: usize = 1 << 10;

/// The results of one call.
#[derive(Debug)]
pub(super) enum Results {
    /// Not extracted yet.
    Received(Target, Vec<ReceivedResult>),
    /// Already extracted.
    Extracted(Vec<ExtractionResult>),
}

impl Results {
    fn len(&self) -> usize {
        match self {
            Results::Received(_, received) => received.len(),
            Results::Extracted(extracted) => extracted.len(),
        }
    }

    fn ids(&self) -> Vec<Uuid> {
        match self {
            Results::Received(_, received) => received.iter().map(|one| one.outcome_id).collect(),
            Results::Extracted(extracted) => {
                extracted.iter().map(ExtractionResult::outcome_id).collect()
            }
        }
    }

    /// Returns the simulation of the results; all results of a call are of one simulation.
    fn simulation_id(&self) -> Option<Uuid> {
        match self {
            Results::Received(target, _) => Some(target.plan.simulation_id),
            Results::Extracted(extracted) => extracted.iter().find_map(|item| match item {
                ExtractionResult::Outcome(row) => Some(row.key.simulation_id),
                ExtractionResult::Rejected(row, _) => Some(row.key.simulation_id),
                ExtractionResult::Failed { .. } => None,
            }),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Results::Received(_, received) => {
                received.iter().map(|one| one.submission.document_bytes()).sum()
            }
            Results::Extracted(extracted) => {
                extracted.iter().map(ExtractionResult::memory_bytes).sum()
            }
        }
    }
}

/// Queued results, with the channel for the answer.
#[derive(Debug)]
struct QueuedCall {
    results: Results,
    bytes: usize,
    answer: oneshot::Sender<Vec<ItemVerdict>>,
    room: OwnedSemaphorePermit,
}

/// Extracted results that are ready to be written.
struct ExtractedCall {
    extracted: Vec<ExtractionResult>,
    answer: oneshot::Sender<Vec<ItemVerdict>>,
    room: OwnedSemaphorePermit,
}

/// The queue. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    store: Store,
    retry_reason: RetryReason,
    room: Arc<Semaphore>,
    group_commit: Mutex<GroupCommit<QueuedCall>>,
}

impl Item for QueuedCall {
    fn rows(&self) -> usize {
        self.results.len()
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn simulation_id(&self) -> Option<Uuid> {
        self.results.simulation_id()
    }
}

impl Writer for Shared {
    type Item = QueuedCall;

    fn group_commit(&self) -> &Mutex<GroupCommit<QueuedCall>> {
        &self.group_commit
    }

    async fn write(&self, taken: Vec<QueuedCall>) {
        self.write_taken(taken).await;
    }
}

impl Queue {
    pub(super) fn new(store: &Store) -> Self {
        let room = Arc::new(Semaphore::new(QUEUE_BYTES / UNIT_BYTES));
        let shared = Shared {
            store: store.clone(),
            retry_reason: RetryReason::default(),
            room,
            group_commit: Mutex::default(),
        };
        Queue { shared: Arc::new(shared) }
    }

    /// Writes results, and returns their verdicts after the commit. A transaction that has begun is
    /// completed even if the caller no longer waits for the answer. The call's permit is released when
    /// the queue has room for the results.
    pub(super) async fn write(
        &self,
        results: Results,
        call: Option<OwnedSemaphorePermit>,
    ) -> Vec<ItemVerdict> {
        if results.len() == 0 {
            return Vec::new();
        }
        let ids = results.ids();
        let bytes = results.bytes();
        let units = (bytes / UNIT_BYTES + 1).min(QUEUE_BYTES / UNIT_BYTES);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let answered = match Arc::clone(&self.shared.room).acquire_many_owned(units).await {
            Ok(room) => {
                let answered = self.put(results, bytes, room);
                drop(call);
                answered.await.map_err(|_| {
                    // A panic, or the end of the runtime, has aborted the transaction.
                    let message = "the transaction was aborted before its commit";
                    (message, Some("send the results again"))
                })
            }
            Err(_) => Err(("the recorder was closed before the commit", None)),
        };
        answered.unwrap_or_else(|(message, hint)| {
            let failed = |outcome_id| {
                let verdict = Verdict::Failed {
                    kind: FailureKind::Unavailable,
                    message: message.to_owned(),
                    hint: hint.map(str::to_owned),
                };
                ItemVerdict { outcome_id, verdict, warnings: Vec::new() }
            };
            ids.into_iter().map(failed).collect()
        })
    }

    /// Waits until nothing is queued or being written. Later calls fail.
    pub(super) async fn close(&self) {
        let all = u32::try_from(QUEUE_BYTES / UNIT_BYTES).unwrap_or(u32::MAX);
        if let Ok(room) = self.shared.room.acquire_many(all).await {
            self.shared.room.close();
            drop(room);
        }
    }

    /// Returns why results are currently being sent to the database again.
    pub(super) fn retry_reason(&self) -> Option<String> {
        self.shared.retry_reason.get()
    }

    /// Puts results into the queue, and begins a transaction if one is worth beginning.
    fn put(
        &self,
        results: Results,
        bytes: usize,
        room: OwnedSemaphorePermit,
    ) -> oneshot::Receiver<Vec<ItemVerdict>> {
        let (answer, answered) = oneshot::channel();
        group_commit::put(&self.shared, QueuedCall { results, bytes, answer, room });
        answered
    }
}

impl Shared {
    /// Extracts the results that are not extracted yet, stores all of them, and answers every waiting
    /// call.
    async fn write_taken(&self, taken: Vec<QueuedCall>) {
        let taken = self.extract(taken).await;
        // The same document can be queued more than once: its row is written once, for the first call.
        let mut seen = HashSet::new();
        let mut outcomes: Vec<&OutcomeRow> = Vec::new();
        let mut rejected: Vec<&RejectedRow> = Vec::new();
        for item in taken.iter().flat_map(|waiting| &waiting.extracted) {
            match item {
                ExtractionResult::Outcome(row) if seen.insert(row.key) => outcomes.push(row),
                ExtractionResult::Rejected(row, _) if seen.insert(row.key) => rejected.push(row),
                _ => {}
            }
        }
        let mut written = write_all(&self.store, &self.retry_reason, &outcomes, &rejected).await;
        let replaced = self.replaced(&outcomes, &written).await;
        for ExtractedCall { extracted, answer, room } in taken {
            let verdicts =
                extracted.into_iter().map(|item| verdict(item, &mut written, &replaced)).collect();
            drop(room);
            // The caller might have been cancelled; the rows remain stored.
            let _ = answer.send(verdicts);
        }
    }

    /// Returns the duplicates of which a later revision counts.
    async fn replaced(&self, outcomes: &[&OutcomeRow], written: &WriteSummary) -> HashSet<Uuid> {
        let mut duplicates: BTreeMap<Uuid, Vec<Uuid>> = BTreeMap::new();
        for row in outcomes {
            let stored_before =
                !written.new.contains(&row.key) && !written.failed.contains_key(&row.key);
            if row.result_key.is_some() && stored_before {
                duplicates.entry(row.key.simulation_id).or_default().push(row.key.outcome_id);
            }
        }
        let mut replaced = HashSet::new();
        for (simulation_id, outcome_ids) in duplicates {
            match self.store.replaced_outcomes(simulation_id, outcome_ids).await {
                Ok(found) => replaced.extend(found),
                // The results are recorded.
                Err(error) => {
                    tracing::warn!(target: "arc_host::recorder", %simulation_id, error = error.report(), hint = error.hint().as_deref(), "it is unknown which revisions of results count");
                }
            }
        }
        replaced
    }

    /// Returns the extracted results of each call.
    async fn extract(&self, taken: Vec<QueuedCall>) -> Vec<ExtractedCall> {
        let mut inline = InlineExtraction::default();
        let mut all = Vec::with_capacity(taken.len());
        for QueuedCall { results, answer, room, .. } in taken {
            let extracted = match results {
                Results::Extracted(extracted) => extracted,
                Results::Received(target, received) => inline.extract(&target, received).await,
            };
            all.push(ExtractedCall { extracted, answer, room });
        }
        inline.finish();
        all
    }
}

/// Returns the verdict on an item. Of several items with the same document, the first was stored.
fn verdict(
    item: ExtractionResult,
    written: &mut WriteSummary,
    replaced: &HashSet<Uuid>,
) -> ItemVerdict {
    let (key, mut warnings, verdict) = match item {
        ExtractionResult::Failed { outcome_id, error } => {
            tracing::warn!(target: "arc_host::recorder", %outcome_id, retryable = error.retryable(), %error, hint = error.hint(), "a result got no verdict from the extractor");
            let verdict = Verdict::not_extracted(&error);
            return ItemVerdict { outcome_id, verdict, warnings: Vec::new() };
        }
        ExtractionResult::Rejected(row, violations) => {
            (row.key, Vec::new(), Verdict::Rejected(violations))
        }
        ExtractionResult::Outcome(row) => {
            let new = written.new.remove(&row.key);
            let verdict = if new { Verdict::Stored } else { Verdict::Duplicate };
            (row.key, row.warning_list.clone(), verdict)
        }
    };
    let verdict = match written.failed.get(&key) {
        Some(failure) => failure.clone(),
        None => verdict,
    };
    if verdict == Verdict::Duplicate && replaced.contains(&key.outcome_id) {
        warnings.push(Violation {
            path: String::new(),
            code: LATER_REVISION_COUNTS.to_owned(),
            message: "the result was recorded before, and a later revision of it counts: \
                      `arc-host revisions` lists them, and selects another"
                .to_owned(),
        });
    }
    ItemVerdict { outcome_id: key.outcome_id, verdict, warnings }
}
