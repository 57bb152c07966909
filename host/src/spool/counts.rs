//! Counts of the spool's entries, kept in memory so that reading them needs no file access.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use jiff::Timestamp;
use tokio::sync::watch;
use uuid::Uuid;

use super::entry::Head;
use super::{SpoolFailure, SpoolState};
use crate::error::{Error, ErrorDetail, Result};
use crate::lock::lock;

/// The counts of the entries on the disk and of those accepted for it.
#[derive(Debug)]
pub(super) struct Counts {
    limit_bytes: u64,
    inner: Mutex<Inner>,
    /// Whether an entry is waiting or the spool is closed.
    waits: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Inner {
    kept: DiskContents,
    /// The bytes of accepted entries that are not committed yet.
    accepted_bytes: u64,
    accepted: HashMap<Uuid, u64>,
    /// Whether an entry was refused for lack of room, and none was removed since.
    refused: bool,
    /// Why no entry can be stored, even below the limit.
    failure: Option<SpoolFailure>,
    closed: bool,
}

/// The counts of the entries on the disk.
#[derive(Debug, Default)]
pub(super) struct DiskContents {
    waiting: u64,
    dead_letters: u64,
    /// The bytes of the disk that both take.
    bytes: u64,
    oldest_at: Option<Timestamp>,
    /// How many waiting entries each simulation has.
    simulations: HashMap<Uuid, u64>,
}

impl DiskContents {
    /// Counts a waiting entry.
    pub(super) fn add_waiting(&mut self, head: &Head) {
        self.waiting += 1;
        self.bytes += head.disk_bytes();
        self.oldest_at = self.oldest_at.or(Some(head.spooled_at));
        add(&mut self.simulations, head.simulation_id, 1);
    }

    /// Returns how many entries there are, waiting ones and dead letters.
    pub(super) fn entries(&self) -> u64 {
        self.waiting + self.dead_letters
    }

    /// Counts a dead letter.
    pub(super) fn add_dead_letter(&mut self, head: &Head) {
        self.dead_letters += 1;
        self.bytes += head.disk_bytes();
    }
}

/// The changes of a transaction.
#[derive(Debug, Default)]
pub(super) struct Change {
    waiting: i64,
    dead_letters: i64,
    bytes: i64,
    simulations: HashMap<Uuid, i64>,
    /// When the first entry in the queue was spooled, after the transaction.
    pub(super) oldest_at: Option<Timestamp>,
}

impl Change {
    /// Counts an entry that enters the queue (1) or leaves it (-1).
    pub(super) fn waiting(&mut self, head: &Head, by: i64) {
        self.waiting += by;
        self.bytes += by * i64::try_from(head.disk_bytes()).unwrap_or(i64::MAX);
        if let Some(id) = head.simulation_id {
            *self.simulations.entry(id).or_default() += by;
        }
    }

    /// Counts an entry that becomes a dead letter (1) or stops being one (-1).
    pub(super) fn dead_letters(&mut self, head: &Head, by: i64) {
        self.dead_letters += by;
        self.bytes += by * i64::try_from(head.disk_bytes()).unwrap_or(i64::MAX);
    }
}

impl Counts {
    pub(super) fn new(limit_bytes: u64) -> Self {
        let waits = watch::Sender::new(false);
        Counts { limit_bytes, inner: Mutex::default(), waits }
    }

    /// Accepts entries if there is room, and passes them on with `send` in the order in which they
    /// were accepted.
    pub(super) fn accept(
        &self,
        folder: &Path,
        heads: &[Head],
        send: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let more: u64 = heads.iter().map(Head::disk_bytes).sum();
        let mut inner = self.inner();
        inner.open()?;
        let held = inner.kept.bytes + inner.accepted_bytes;
        if held.saturating_add(more) > self.limit_bytes {
            inner.refused = true;
            let limit_bytes = self.limit_bytes;
            let detail = ErrorDetail::from(format!(
                "the spool in {} is full: it holds {held} of at most {limit_bytes} bytes of the \
                 disk, and {more} more do not fit",
                folder.display()
            ));
            return Err(Error::SpoolFull { limit_bytes, detail }.with_hint(
                "the spool has room again after entries were delivered to the database, or with a \
                 higher limit",
            ));
        }
        send()?;
        inner.accepted_bytes += more;
        for head in heads {
            add(&mut inner.accepted, head.simulation_id, 1);
        }
        Ok(())
    }

    /// Passes other work on, in order with the accepted entries.
    pub(super) fn forward(&self, send: impl FnOnce() -> Result<()>) -> Result<()> {
        let inner = self.inner();
        inner.open()?;
        send()
    }

    /// Counts a committed transaction, and the accepted entries that it wrote. Both change under one
    /// lock, so that `holds` never misses a simulation that the spool holds.
    pub(super) fn committed(&self, change: &Change, accepted: &[Head]) {
        let mut inner = self.inner();
        let kept = &mut inner.kept;
        kept.waiting = kept.waiting.saturating_add_signed(change.waiting);
        kept.dead_letters = kept.dead_letters.saturating_add_signed(change.dead_letters);
        kept.bytes = kept.bytes.saturating_add_signed(change.bytes);
        kept.oldest_at = change.oldest_at;
        for (id, by) in &change.simulations {
            add(&mut kept.simulations, Some(*id), *by);
        }
        if change.bytes < 0 {
            inner.refused = false;
        }
        inner.settle(accepted);
        self.notify(&inner);
    }

    /// Forgets accepted entries that were not written.
    pub(super) fn failed(&self, accepted: &[Head]) {
        self.inner().settle(accepted);
    }

    /// Sets the counts of the entries on the disk.
    pub(super) fn begin(&self, kept: DiskContents) {
        let mut inner = self.inner();
        inner.kept = kept;
        self.notify(&inner);
    }

    /// Stops accepting, and calls `send` after all that was accepted.
    pub(super) fn close(&self, send: impl FnOnce()) {
        let mut inner = self.inner();
        if !inner.closed {
            inner.closed = true;
            self.notify(&inner);
        }
        send();
    }

    pub(super) fn holds(&self, id: Uuid) -> bool {
        let inner = self.inner();
        inner.kept.simulations.contains_key(&id) || inner.accepted.contains_key(&id)
    }

    /// Records why no entry can be stored, or (`None`) that entries can be stored again.
    pub(super) fn set_failure(&self, failure: Option<SpoolFailure>) {
        let mut inner = self.inner();
        if inner.failure == failure {
            return;
        }
        match failure {
            Some(failure) => tracing::warn!(%failure, "the spool is unavailable"),
            None => tracing::info!("the spool is available again"),
        }
        inner.failure = failure;
    }

    /// Returns whether the file or its disk has failed.
    pub(super) fn has_failure(&self) -> bool {
        self.inner().failure.is_some()
    }

    /// Returns how many bytes of the disk the entries take.
    pub(super) fn disk_bytes(&self) -> u64 {
        self.inner().kept.bytes
    }

    /// Returns whether no entry is on the disk.
    pub(super) fn empty(&self) -> bool {
        let inner = self.inner();
        inner.kept.waiting == 0 && inner.kept.dead_letters == 0
    }

    pub(super) fn state(&self) -> SpoolState {
        let inner = self.inner();
        let bytes = inner.kept.bytes + inner.accepted_bytes;
        SpoolState {
            depth: inner.kept.waiting,
            bytes,
            limit_bytes: self.limit_bytes,
            oldest_at: inner.kept.oldest_at,
            dead_letters: inner.kept.dead_letters,
            full: bytes >= self.limit_bytes || (inner.refused && bytes > 0),
            error: inner.failure,
        }
    }

    pub(super) async fn changed(&self) {
        // `self` owns the sender, so the channel is never closed.
        let _ = self.waits.subscribe().wait_for(|waits| *waits).await;
    }

    fn notify(&self, inner: &Inner) {
        let now = inner.closed || inner.kept.waiting > 0;
        self.waits.send_if_modified(|waits| std::mem::replace(waits, now) != now);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }
}

impl Inner {
    fn open(&self) -> Result<()> {
        if self.closed { Err(closed()) } else { Ok(()) }
    }

    fn settle(&mut self, accepted: &[Head]) {
        for head in accepted {
            self.accepted_bytes = self.accepted_bytes.saturating_sub(head.disk_bytes());
            add(&mut self.accepted, head.simulation_id, -1);
        }
    }
}

/// The error of a call after the spool was closed.
pub(super) fn closed() -> Error {
    Error::SpoolUnavailable { failure: SpoolFailure::Closed, detail: "the spool was closed".into() }
        .with_hint("open it again")
}

/// Adds to the count of a simulation, and removes it at 0.
fn add(simulations: &mut HashMap<Uuid, u64>, id: Option<Uuid>, by: i64) {
    let Some(id) = id else { return };
    let count = simulations.entry(id).or_default();
    *count = count.saturating_add_signed(by);
    if *count == 0 {
        simulations.remove(&id);
    }
}
