//! The queue in front of the database.
//!
//! Whoever records puts results into the queue and waits for their answer. A transaction takes what
//! is there, commits it, and answers. A lone call is written at once, and calls that come while a
//! commit is under way share the next one, or, where that takes long, have one of their own. The
//! queue is bounded in bytes; when it is full, putting waits, and nothing is dropped.
//!
//! Small calls come as they were received, and are extracted by the transaction that takes them: one
//! after the other, with the extractor's code and memory in the processor's caches, which costs half
//! of what it does between two requests. Large ones have been extracted before, on several cores.

use std::collections::HashSet;
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
use crate::store::{OutcomeRow, RejectedRow, Store};

/// How many bytes may wait in the queue and in transactions under way.
const QUEUE_BYTES: usize = 48 << 20;

/// The unit in which the queue's bytes are counted: a semaphore holds fewer permits than bytes.
const UNIT_BYTES: usize = 1 << 10;

/// The results of one call.
#[derive(Debug)]
pub(super) enum Results {
    /// As they were received.
    Received(Target, Vec<ReceivedResult>),
    /// Extracted already.
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

    /// Whose results they are; all of a call are of one simulation.
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

/// Results on their way, with the place for their answer.
#[derive(Debug)]
struct QueuedCall {
    results: Results,
    bytes: usize,
    answer: oneshot::Sender<Vec<ItemVerdict>>,
    room: OwnedSemaphorePermit,
}

/// Results that have only to be written.
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

    /// Writes results, and gives their verdicts after the commit. What has begun is written even
    /// where nobody waits for the answer any more. The call's permit is let go when the queue has
    /// room for them.
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
                    // A fault, or the end of the runtime, has ended the transaction.
                    let message = "the transaction was broken off before its commit";
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

    /// Waits until nothing is under way. What comes later fails.
    pub(super) async fn close(&self) {
        let all = u32::try_from(QUEUE_BYTES / UNIT_BYTES).unwrap_or(u32::MAX);
        if let Ok(room) = self.shared.room.acquire_many(all).await {
            self.shared.room.close();
            drop(room);
        }
    }

    /// Returns why results are being sent to the database again just now.
    pub(super) fn retry_reason(&self) -> Option<String> {
        self.shared.retry_reason.get()
    }

    /// Puts results into the line, and begins a transaction where one is worth it.
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
    /// Extracts what is not yet, stores all of it, and answers everybody who waits for it.
    async fn write_taken(&self, taken: Vec<QueuedCall>) {
        let taken = self.extract(taken).await;
        // The same document may wait more than once: its row goes in once, for the first.
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
        for ExtractedCall { extracted, answer, room } in taken {
            let verdicts = extracted.into_iter().map(|item| verdict(item, &mut written)).collect();
            drop(room);
            // Whoever asked may have gone; what is written stays written.
            let _ = answer.send(verdicts);
        }
    }

    /// The verdicts of the extractor, with those who wait for more.
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

/// The verdict on an item. Of several items with one document, the first has stored it.
fn verdict(item: ExtractionResult, written: &mut WriteSummary) -> ItemVerdict {
    let (key, warnings, verdict) = match item {
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
    ItemVerdict { outcome_id: key.outcome_id, verdict, warnings }
}
