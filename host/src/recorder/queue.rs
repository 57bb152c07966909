//! The queue between extraction and the database.
//!
//! Whoever records puts rows into the queue and waits for their answer. The writer takes what is
//! there, commits it in one transaction, and answers. Nobody waits for a timer: a lone call is
//! written at once, and calls that come while a commit is under way share the next one. The queue
//! is bounded in bytes; when it is full, putting waits, and nothing is dropped.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::Instant;

use super::retry::Pauses;
use crate::error::Error;
use crate::store::{OutcomeRow, RejectedRow, ResultKey, Store};

/// How many rows a transaction has at most: enough that a commit costs little for each, few
/// enough that a transaction which fails is cheap to repeat.
pub(super) const TRANSACTION_ROWS: usize = 1_000;

/// How many bytes of documents a transaction has at most, so that memory stays bounded.
const TRANSACTION_BYTES: usize = 8 << 20;

/// How many bytes may wait in the queue and in transactions under way.
const QUEUE_BYTES: usize = 48 << 20;

/// The unit in which the queue's bytes are counted: a semaphore holds fewer permits than bytes.
const UNIT_BYTES: usize = 1 << 10;

/// Transactions under way at once, each with a connection. While one waits for the disk, the next
/// sends its rows; the server lets commits that come together share a flush.
const TRANSACTIONS: usize = 4;

/// How long transient errors of the database are retried before the rows are given back.
const RETRY_FOR: Duration = Duration::from_secs(30);

/// Rows of one call.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) outcomes: Vec<Arc<OutcomeRow>>,
    pub(super) rejected: Vec<Arc<RejectedRow>>,
}

impl Rows {
    fn len(&self) -> usize {
        self.outcomes.len() + self.rejected.len()
    }

    fn bytes(&self) -> usize {
        let outcomes = self.outcomes.iter().map(|row| row.document.len());
        let rejected = self.rejected.iter().map(|row| row.document.len());
        outcomes.chain(rejected).sum()
    }
}

/// What became of the rows of one call.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// Outcomes that were not there before.
    pub(super) new: HashSet<ResultKey>,
    /// Rows that were not written: whether trying again may help, and why.
    pub(super) failed: HashMap<ResultKey, (bool, String)>,
}

/// Rows on their way, with the place for their answer.
struct Waiting {
    rows: Rows,
    answer: oneshot::Sender<Written>,
    _room: OwnedSemaphorePermit,
}

/// The queue. Its writer ends when it is dropped and empty.
#[derive(Debug)]
pub(super) struct Queue {
    sender: mpsc::UnboundedSender<Waiting>,
    room: Arc<Semaphore>,
}

impl Queue {
    /// Starts the writer, which must happen inside a tokio runtime.
    pub(super) fn start(store: &Store) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        tokio::spawn(write_all(store.clone(), receiver));
        Queue { sender, room: Arc::new(Semaphore::new(QUEUE_BYTES / UNIT_BYTES)) }
    }

    /// Writes rows, and gives the answer after the commit.
    pub(super) async fn write(&self, rows: Rows) -> Written {
        if rows.len() == 0 {
            return Written::default();
        }
        let keys: Vec<ResultKey> = keys(&rows).collect();
        let units = (rows.bytes() / UNIT_BYTES + 1).min(QUEUE_BYTES / UNIT_BYTES);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let (answer, answered) = oneshot::channel();
        let sent = match Arc::clone(&self.room).acquire_many_owned(units).await {
            Ok(room) => self.sender.send(Waiting { rows, answer, _room: room }).is_ok(),
            Err(_) => false,
        };
        let written = if sent { answered.await.ok() } else { None };
        // Only the end of the runtime ends the writer before the queue.
        written.unwrap_or_else(|| Written {
            new: HashSet::new(),
            failed: keys
                .into_iter()
                .map(|key| (key, (true, "the recorder was shut down before the commit".to_owned())))
                .collect(),
        })
    }
}

fn keys(rows: &Rows) -> impl Iterator<Item = ResultKey> {
    rows.outcomes.iter().map(|row| row.key).chain(rows.rejected.iter().map(|row| row.key))
}

/// The writer: takes what is there, writes it, takes what has come meanwhile.
async fn write_all(store: Store, mut receiver: mpsc::UnboundedReceiver<Waiting>) {
    let transactions = Arc::new(Semaphore::new(TRANSACTIONS));
    while let Ok(permit) = Arc::clone(&transactions).acquire_owned().await {
        let Some(first) = receiver.recv().await else { return };
        let (mut rows, mut bytes) = (first.rows.len(), first.rows.bytes());
        let mut taken = vec![first];
        while rows < TRANSACTION_ROWS && bytes < TRANSACTION_BYTES {
            let Ok(next) = receiver.try_recv() else { break };
            rows += next.rows.len();
            bytes += next.rows.bytes();
            taken.push(next);
        }
        let store = store.clone();
        tokio::spawn(async move {
            write_taken(&store, taken).await;
            drop(permit);
        });
    }
}

async fn write_taken(store: &Store, taken: Vec<Waiting>) {
    // The same document may wait more than once: its row goes in once, for the first.
    let mut seen = HashSet::new();
    let mut outcomes: Vec<&OutcomeRow> = Vec::new();
    let mut rejected: Vec<&RejectedRow> = Vec::new();
    for waiting in &taken {
        let rows = &waiting.rows;
        outcomes.extend(rows.outcomes.iter().map(|row| &**row).filter(|row| seen.insert(row.key)));
        rejected.extend(rows.rejected.iter().map(|row| &**row).filter(|row| seen.insert(row.key)));
    }
    let mut written = Written::default();
    let mut parts: Vec<(Vec<&OutcomeRow>, Vec<&RejectedRow>)> = Vec::new();
    for chunk in outcomes.chunks(TRANSACTION_ROWS) {
        parts.push((chunk.to_vec(), Vec::new()));
    }
    for (index, chunk) in rejected.chunks(TRANSACTION_ROWS).enumerate() {
        match parts.get_mut(index) {
            Some((_, rows)) => rows.extend(chunk),
            None => parts.push((Vec::new(), chunk.to_vec())),
        }
    }
    while let Some((outcomes, rejected)) = parts.pop() {
        match write_once(store, &outcomes, &rejected).await {
            Ok(new) => written.new.extend(new),
            // One of them is refused: ever smaller parts, until it is alone.
            Err(Error::Database(_)) if outcomes.len() + rejected.len() > 1 => {
                parts.extend(halves(outcomes, rejected));
            }
            Err(error) => {
                let keys = outcomes.iter().map(|row| row.key);
                let keys = keys.chain(rejected.iter().map(|row| row.key));
                let failure = (error.retryable(), error.to_string());
                written.failed.extend(keys.map(|key| (key, failure.clone())));
            }
        }
    }
    for waiting in taken {
        let mut answer = Written::default();
        for key in keys(&waiting.rows) {
            // The first that waits for a row is the one that stored it.
            if written.new.remove(&key) {
                answer.new.insert(key);
            }
            if let Some(failure) = written.failed.get(&key) {
                answer.failed.insert(key, failure.clone());
            }
        }
        // Whoever asked may have gone; what is written stays written.
        let _ = waiting.answer.send(answer);
    }
}

type Part<'r> = (Vec<&'r OutcomeRow>, Vec<&'r RejectedRow>);

fn halves<'r>(
    mut outcomes: Vec<&'r OutcomeRow>,
    mut rejected: Vec<&'r RejectedRow>,
) -> [Part<'r>; 2] {
    if outcomes.is_empty() {
        let second = rejected.split_off(rejected.len() / 2);
        return [(outcomes, rejected), (Vec::new(), second)];
    }
    let second = outcomes.split_off(outcomes.len() / 2);
    [(outcomes, Vec::new()), (second, rejected)]
}

/// Writes one transaction, again and again while the error may go away by itself.
async fn write_once(
    store: &Store,
    outcomes: &[&OutcomeRow],
    rejected: &[&RejectedRow],
) -> crate::Result<HashSet<ResultKey>> {
    let until = Instant::now() + RETRY_FOR;
    let mut pauses = Pauses::new();
    loop {
        match store.insert_results(outcomes, rejected).await {
            Err(error) if error.retryable() => {
                let pause = pauses.next_pause();
                if Instant::now() + pause > until {
                    return Err(error);
                }
                tokio::time::sleep(pause).await;
            }
            other => return other,
        }
    }
}
