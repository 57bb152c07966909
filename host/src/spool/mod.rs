//! A queue on disk that stores what cannot be recorded while the database is unavailable.
//!
//! An appended entry is on the disk when the answer is returned, and stays there until it is removed:
//! nothing is lost, neither by a kill at any moment nor by a full disk. Only one process can have a
//! spool open.
//!
//! The file is a [redb] database. Its commits ([`redb::Durability::Immediate`], in two phases) write
//! new pages beside the old ones, call `fdatasync` (`F_FULLFSYNC` on macOS), and then do the same for
//! the header that refers to them. With one phase, redb would repair a crash, or one damaged page after
//! it, by returning to the previous commit, and entries acknowledged since would silently be lost. Each
//! commit therefore costs two `fdatasync` calls, independent of its size, and what arrives during a commit
//! shares the next one.
//!
//! Each entry has its own digest, which is checked at every read: only the damaged entry is
//! dead-lettered. If a page is damaged that entries share, or the file as a whole, no entry is added or
//! removed any more, because redb could free and reuse pages with other entries; [`repair()`] recovers
//! the readable ones.
//!
//! Measured on 2 cores and a virtual disk, with entries of 9.0 KB, of which 8.7 KB are the document, in
//! three runs: 1,200 to 1,700 appends a second by one caller, 13,000 to 18,000 by 64 tasks; 25,000 to
//! 51,000 read and removed again, in portions of 500. A spool of 20,000 of them opens in 4 ms, and in
//! 0.5 s after a kill, because redb then checks the whole file.
//!
//! The limit counts the bytes of the disk that entries take: redb stores each in a page of a power of
//! two, up to twice its own size. The file can seem larger, because it has holes. An empty spool is
//! compacted. A reserve of 4 MiB beside the file, which the limit does not count, ensures that entries
//! can be removed while the disk is full.

mod counts;
mod delivery_answer;
mod disk;
mod entry;
mod repair;
mod reserve;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::HashSet;
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use jiff::Timestamp;
use redb::{Database, ReadableDatabase as _, ReadableTable as _};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use uuid::Uuid;

pub use crate::error::SpoolFailure;
use crate::error::{Error, Result};
use crate::recorder::SimulationStart;
use counts::Counts;
pub use delivery_answer::{DeliveryAnswer, StartAnswer};
use disk::{
    DEAD_LETTERS, Disk, DiskResult, ENTRIES, Opener, WAITING, catch_panic, classify, head,
    retried_table,
};
pub use entry::{Entry, SpooledCall};
use entry::{Head, Unreadable};
pub use repair::{RepairReport, repair};
use writer::{Job, Order, Work};

/// The most entries that are requeued in a transaction, and the most bytes of them.
const REQUEUED_ENTRIES: usize = 1_000;
const REQUEUED_BYTES: u64 = 8 << 20;

/// The start of a simulation is looked for among this many of its first entries.
const FIRST_ENTRIES: usize = 16;

/// The spool's folder and its limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpoolSettings {
    /// A folder that outlives the process; created if it is missing, with access only for its owner.
    pub folder: PathBuf,
    /// The most bytes of the disk that entries take, waiting ones and dead letters.
    pub limit_bytes: u64,
}

/// A queue on disk. Cheap to clone. Dropping the last clone closes it; [`Spool::close`] waits until it
/// is closed.
#[derive(Clone, Debug)]
pub struct Spool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    disk: Arc<Disk>,
    counts: Arc<Counts>,
    orders: Sender<Order>,
}

/// The state of the spool.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct SpoolState {
    /// How many entries are waiting.
    pub depth: u64,
    /// How many bytes of the disk the entries take: waiting entries, dead letters, and entries that are
    /// being written.
    pub bytes: u64,
    /// The most bytes that they can take.
    pub limit_bytes: u64,
    /// When the entry at the head of the queue was spooled.
    pub oldest_at: Option<Timestamp>,
    /// How many dead letters there are.
    pub dead_letters: u64,
    /// Whether the limit is reached: entries were refused, and none was removed since.
    pub full: bool,
    /// Why no entry can be stored, even below the limit.
    #[serde(default)]
    pub error: Option<SpoolFailure>,
}

impl SpoolState {
    /// Returns whether the spool accepts entries.
    pub fn accepts_entries(&self) -> bool {
        !self.full && self.error.is_none()
    }
}

/// A waiting entry.
#[derive(Clone, Debug)]
pub struct WaitingEntry {
    /// Its sequence number: later entries have greater ones.
    pub sequence: u64,
    /// The entry.
    pub entry: Entry,
}

/// The entries of the queue to skip.
#[derive(Clone, Debug, Default)]
pub struct SkippedEntries {
    /// All entries of these simulations.
    pub simulations: HashSet<Uuid>,
    /// These entries.
    pub sequences: HashSet<u64>,
}

impl SkippedEntries {
    fn contains(&self, sequence: u64, head: &Head) -> bool {
        self.sequences.contains(&sequence)
            || head.simulation_id.is_some_and(|id| self.simulations.contains(&id))
    }
}

/// An entry that was dead-lettered.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// Its sequence number.
    pub sequence: u64,
    /// Why it was dead-lettered.
    pub reason: String,
    /// The entry; `None` if it is damaged, or was written by a newer version of the program.
    pub entry: Option<Entry>,
}

/// An entry that is waiting or dead-lettered.
#[derive(Clone, Debug)]
pub struct StoredEntry {
    /// Its sequence number: later entries have greater ones. A requeued entry gets a new one.
    pub sequence: u64,
    /// The simulation that it belongs to; `None` for a configuration.
    pub simulation_id: Option<Uuid>,
    /// When it was spooled.
    pub spooled_at: Timestamp,
    /// Its length.
    pub bytes: u64,
    /// The entry; `None` if it cannot be read.
    pub entry: Option<Entry>,
    /// Why it cannot be read.
    pub unreadable: Option<String>,
    /// Why it is dead-lettered; `None` while it is waiting.
    pub dead_letter: Option<String>,
    /// Until when it is retried automatically, if it is.
    pub retry_until: Option<Timestamp>,
}

/// Which entries to list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntryFilter {
    /// Only those with a greater sequence number.
    pub after: u64,
    /// Only dead letters.
    pub dead_letters: bool,
}

/// The counts of a requeue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequeueCounts {
    /// How many are waiting again.
    pub entries: u64,
    /// How many cannot be read, and stay dead letters.
    pub unreadable: u64,
}

/// An entry that the destination refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its sequence number.
    pub sequence: u64,
    /// Why it is refused.
    pub reason: String,
    /// Until when it is retried automatically.
    pub retry_until: Option<Timestamp>,
}

impl Spool {
    /// Opens the spool, and creates it if it is missing. This reads a few bytes for each entry, and the
    /// whole file if the last process was killed, so call it on a thread that can block.
    ///
    /// # Errors
    /// [`Error::Configuration`] if another process uses it, [`Error::Io`] if the folder or the file
    /// cannot be created, read or written.
    pub fn open(settings: &SpoolSettings) -> Result<Spool> {
        Spool::open_with(settings, disk::file_opener())
    }

    fn open_with(settings: &SpoolSettings, opener: Opener) -> Result<Spool> {
        let counts = Arc::new(Counts::new(settings.limit_bytes));
        let disk = Arc::new(Disk::open(&settings.folder, opener, Arc::clone(&counts))?);
        let orders = writer::start(Arc::clone(&disk))
            .map_err(|error| Error::io("could not start the spool's thread", error))?;
        Ok(Spool { shared: Arc::new(Shared { disk, counts, orders }) })
    }

    /// Stores entries durably, all or none, in order, and returns their sequence numbers after the
    /// fsync. A started append completes even if the caller stops waiting.
    ///
    /// # Errors
    /// [`Error::SpoolFull`] if they exceed the limit; [`Error::SpoolUnavailable`] if the disk is full
    /// or fails. After such a failure they are possibly stored, and appending them again can store them
    /// twice.
    pub async fn append(&self, entries: Vec<Entry>) -> Result<Vec<u64>> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let encoded: Vec<_> = entries.into_iter().map(Entry::encode).collect::<Result<_>>()?;
        let heads: Vec<Head> = encoded.iter().map(|entry| entry.head).collect();
        let (order, answer) = order(Work::Append(encoded));
        let Shared { disk, counts, .. } = &*self.shared;
        counts.accept(disk.folder(), &heads, || self.send(order))?;
        answered(answer).await
    }

    /// Returns whether any entry of this simulation is waiting, from the moment it is accepted until it
    /// is removed or dead-lettered. Does not read the file.
    pub fn holds(&self, simulation_id: Uuid) -> bool {
        self.shared.counts.holds(simulation_id)
    }

    /// Returns the oldest waiting entries in order: at most `most_entries` of at most `most_bytes`, but
    /// at least one if any is waiting. Entries that cannot be read are dead-lettered.
    ///
    /// # Errors
    /// [`Error::SpoolUnavailable`] if the disk fails.
    pub async fn next(&self, most_entries: usize, most_bytes: usize) -> Result<Vec<WaitingEntry>> {
        self.next_except(SkippedEntries::default(), most_entries, most_bytes).await
    }

    /// Returns entries as [`Spool::next`] does, without those to skip.
    ///
    /// # Errors
    /// As [`Spool::next`].
    pub async fn next_except(
        &self,
        skipped: SkippedEntries,
        most_entries: usize,
        most_bytes: usize,
    ) -> Result<Vec<WaitingEntry>> {
        let (skipped, most_bytes) = (Arc::new(skipped), most_bytes as u64);
        loop {
            let skip = Arc::clone(&skipped);
            let read =
                move |database: &Database| read_next(database, &skip, most_entries, most_bytes);
            let QueuePart { waiting, unread, wrong_heads } = self.read(read).await?;
            let all_read = unread.is_empty() && wrong_heads.is_empty();
            if let Some((_, reason)) = unread.first() {
                tracing::warn!(
                    entries = unread.len(),
                    reason = reason.as_str(),
                    "entries of the spool cannot be read, and are dead-lettered"
                );
                self.dead_letter_entries(unread).await?;
            }
            if !wrong_heads.is_empty() {
                tracing::warn!(
                    entries = wrong_heads.len(),
                    "the list of the spool's entries is damaged, and corrected from the entries"
                );
                self.work(Work::Correct(wrong_heads)).await?;
            }
            if all_read || !waiting.is_empty() {
                return Ok(waiting);
            }
        }
    }

    /// Returns the dead letters that are retried automatically, oldest first, without those to skip: at
    /// most `most_entries` of at most `most_bytes`, but at least one if there is any.
    ///
    /// # Errors
    /// As [`Spool::next`].
    pub async fn next_retried(
        &self,
        skipped: SkippedEntries,
        most_entries: usize,
        most_bytes: usize,
    ) -> Result<Vec<WaitingEntry>> {
        self.next_retried_at(Timestamp::now(), skipped, most_entries, most_bytes as u64).await
    }

    async fn next_retried_at(
        &self,
        now: Timestamp,
        skipped: SkippedEntries,
        most_entries: usize,
        most_bytes: u64,
    ) -> Result<Vec<WaitingEntry>> {
        let read = move |database: &Database| {
            read_retried(database, &skipped, now, most_entries, most_bytes)
        };
        let (found, expired) = self.read(read).await?;
        if !expired.is_empty() {
            // Expired ones need not be read again.
            self.work(Work::EndRetries(expired)).await?;
        }
        Ok(found)
    }

    /// Removes entries durably, waiting ones and dead letters, because they were recorded. Missing
    /// entries are ignored.
    ///
    /// # Errors
    /// [`Error::SpoolUnavailable`] if the disk fails.
    pub async fn remove(&self, sequences: Vec<u64>) -> Result<()> {
        if !sequences.is_empty() {
            self.work(Work::Remove(sequences)).await?;
        }
        Ok(())
    }

    /// Dead-letters waiting entries that the database permanently refused, each with the reason. They
    /// stay stored and count toward the limit, but [`Spool::next`] does not return them. An entry that
    /// already is a dead letter gets the new reason; missing entries are ignored.
    ///
    /// # Errors
    /// [`Error::SpoolUnavailable`] if the disk fails.
    pub async fn dead_letter_entries(&self, entries: Vec<(u64, String)>) -> Result<()> {
        let refusals = entries.into_iter().map(|(sequence, reason)| Refusal {
            sequence,
            reason,
            retry_until: None,
        });
        self.dead_letter_refused(refusals.collect()).await
    }

    /// Dead-letters entries that can be retried automatically for a while, which begins when they are
    /// dead-lettered.
    ///
    /// # Errors
    /// As [`Spool::dead_letter_entries`].
    pub async fn dead_letter_refused(&self, entries: Vec<Refusal>) -> Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        self.work(Work::DeadLetter(entries)).await?;
        Ok(())
    }

    /// Returns at most `most` dead letters, oldest first.
    ///
    /// # Errors
    /// [`Error::SpoolUnavailable`] if the disk fails.
    pub async fn dead_letters(&self, most: usize) -> Result<Vec<DeadLetter>> {
        let listed = EntryFilter { after: 0, dead_letters: true };
        let entries = self.list(listed, most, u64::MAX).await?;
        let dead_letter = |kept: StoredEntry| DeadLetter {
            sequence: kept.sequence,
            reason: kept.dead_letter.unwrap_or_default(),
            entry: kept.entry,
        };
        Ok(entries.into_iter().map(dead_letter).collect())
    }

    /// Returns entries, oldest first: at most `most_entries` of at most `most_bytes`, but at least one
    /// if there is any.
    ///
    /// # Errors
    /// [`Error::SpoolUnavailable`] if the disk fails.
    pub async fn list(
        &self,
        listed: EntryFilter,
        most_entries: usize,
        most_bytes: u64,
    ) -> Result<Vec<StoredEntry>> {
        self.read(move |database| read_list(database, listed, most_entries, most_bytes)).await
    }

    /// Returns an entry and its bytes as far as they can be read; `None` if no entry has this number.
    ///
    /// # Errors
    /// [`Error::SpoolUnavailable`] if the disk fails.
    pub async fn entry(&self, sequence: u64) -> Result<Option<(StoredEntry, Vec<u8>)>> {
        self.read(move |database| read_one(database, sequence)).await
    }

    /// Returns the start of a simulation, if it is waiting.
    ///
    /// # Errors
    /// [`Error::SpoolUnavailable`] if the disk fails.
    pub async fn start_of(&self, simulation_id: Uuid) -> Result<Option<SimulationStart>> {
        self.read(move |database| read_start(database, simulation_id)).await
    }

    /// Moves all present dead letters to the end of the queue, under new sequence numbers, and returns
    /// how many were moved. Unreadable ones stay dead letters.
    ///
    /// # Errors
    /// [`Error::SpoolUnavailable`] if the disk fails; some are possibly moved by then.
    pub async fn requeue_all(&self) -> Result<u64> {
        Ok(self.requeue(None).await?.entries)
    }

    /// Moves these dead letters, or all of them, to the end of the queue, under new sequence numbers.
    /// Unreadable ones stay dead letters.
    ///
    /// # Errors
    /// [`Error::SpoolUnavailable`] if the disk fails; some are possibly moved by then.
    /// [`Error::NotFound`] if one of these numbers is not a dead letter: none is requeued then.
    pub async fn requeue(&self, sequences: Option<Vec<u64>>) -> Result<RequeueCounts> {
        let mut requeued = RequeueCounts::default();
        for part in self.dead_letter_parts(sequences).await? {
            let wanted = part.len() as u64;
            let taken = self.work(Work::Requeue(part)).await?.len() as u64;
            requeued.entries += taken;
            requeued.unreadable += wanted.saturating_sub(taken);
        }
        Ok(requeued)
    }

    /// Permanently removes these dead letters, or all of them, and returns how many were removed. Never
    /// removes a waiting entry.
    ///
    /// # Errors
    /// As [`Spool::requeue`].
    pub async fn drop_dead_letters(&self, sequences: Option<Vec<u64>>) -> Result<u64> {
        let mut dropped = 0;
        for part in self.dead_letter_parts(sequences).await? {
            dropped += self.work(Work::Drop(part)).await?.len() as u64;
        }
        Ok(dropped)
    }

    /// Splits these dead letters, or all of them, into parts of a transaction's size.
    async fn dead_letter_parts(&self, sequences: Option<Vec<u64>>) -> Result<Vec<Vec<u64>>> {
        // Entries that are dead-lettered later are not included, so that this ends.
        let heads = self.read(read_dead_letter_heads).await?;
        let wanted: Option<HashSet<u64>> = sequences.map(|list| list.into_iter().collect());
        if let Some(wanted) = &wanted {
            let known: HashSet<u64> = heads.iter().map(|(sequence, _)| *sequence).collect();
            let mut unknown: Vec<u64> = wanted.difference(&known).copied().collect();
            unknown.sort_unstable();
            if let Some(first) = unknown.first() {
                return Err(Error::not_found(format!(
                    "the spool has no dead letter with the number {first}"
                ))
                .with_hint("`arc-host spool list` shows them"));
            }
        }
        let (mut parts, mut bytes) = (Vec::new(), 0);
        let mut part = Vec::new();
        for (sequence, length) in heads {
            if wanted.as_ref().is_some_and(|wanted| !wanted.contains(&sequence)) {
                continue;
            }
            part.push(sequence);
            bytes += length;
            if part.len() >= REQUEUED_ENTRIES || bytes >= REQUEUED_BYTES {
                parts.push(std::mem::take(&mut part));
                bytes = 0;
            }
        }
        parts.push(part);
        parts.retain(|part| !part.is_empty());
        Ok(parts)
    }

    /// Returns the state of the spool. Does not read the file.
    pub fn state(&self) -> SpoolState {
        self.shared.counts.state()
    }

    /// Completes when an entry is waiting, or when the spool is closed.
    pub async fn changed(&self) {
        self.shared.counts.changed().await;
    }

    /// Completes the work in progress, and closes the file. Later calls fail with
    /// [`Error::SpoolUnavailable`]; closing again does nothing.
    pub async fn close(&self) {
        let (sender, closed) = oneshot::channel();
        self.shared.counts.close(|| {
            // If the thread has ended, it has closed the file.
            let _ = self.shared.orders.send(Order::Close(sender));
        });
        // No answer is sent: the sender is dropped when the file is closed.
        let _ = closed.await;
    }

    async fn work(&self, work: Work) -> Result<Vec<u64>> {
        let (order, answer) = order(work);
        self.shared.counts.forward(|| self.send(order))?;
        answered(answer).await
    }

    fn send(&self, order: Order) -> Result<()> {
        self.shared.orders.send(order).map_err(|_| interrupted())
    }

    /// Reads on a thread that can block.
    async fn read<T: Send + 'static>(
        &self,
        read: impl Fn(&Database) -> DiskResult<T> + Send + 'static,
    ) -> Result<T> {
        let disk = Arc::clone(&self.shared.disk);
        let reading = tokio::task::spawn_blocking(move || {
            // The first attempt can fail because of a failed commit before it, after which the file is
            // reopened.
            disk.with_database(&read).or_else(|_| disk.with(&read))
        });
        reading.await.map_err(|_| interrupted())?
    }
}

/// Returns the document of an entry that cannot be read as a whole, as far as it can be separated.
pub(crate) fn document_of(bytes: &[u8]) -> &[u8] {
    Entry::document_of(bytes)
}

fn order(work: Work) -> (Order, oneshot::Receiver<Result<Vec<u64>>>) {
    let (answer, answered) = oneshot::channel();
    (Order::Work(Job { work, answer }), answered)
}

async fn answered(answer: oneshot::Receiver<Result<Vec<u64>>>) -> Result<Vec<u64>> {
    answer.await.map_err(|_| interrupted())?
}

fn interrupted() -> Error {
    Error::SpoolUnavailable {
        failure: SpoolFailure::Closed,
        detail: "the spool's work was interrupted".into(),
    }
    .with_hint("start the program again, which keeps what the spool holds")
}

/// A part of the queue.
#[derive(Default)]
struct QueuePart {
    waiting: Vec<WaitingEntry>,
    /// The entries that cannot be read, and why.
    unread: Vec<(u64, String)>,
    /// Entries whose row in the list does not match them.
    wrong_heads: Vec<(u64, Head)>,
}

type Entries = redb::ReadOnlyTable<u64, &'static [u8]>;

/// Reads the bytes of an entry of a list with `read`. If they are missing, or redb cannot reach them,
/// the damaged page is one of the file's own, which other entries share: that is an error of the file.
fn read_bytes<T>(entries: &Entries, sequence: u64, read: impl Fn(&[u8]) -> T) -> DiskResult<T> {
    let found = catch_panic(|| Ok(entries.get(sequence)?.map(|entry| read(entry.value()))))?;
    found
        .ok_or_else(|| redb::Error::Corrupted(format!("the bytes of entry {sequence} are missing")))
}

fn entry_of(
    entries: &Entries,
    sequence: u64,
) -> DiskResult<std::result::Result<Entry, Unreadable>> {
    read_bytes(entries, sequence, |bytes| Entry::read(sequence, bytes))
}

/// Reads the oldest waiting entries.
fn read_next(
    database: &Database,
    skipped: &SkippedEntries,
    most_entries: usize,
    most_bytes: u64,
) -> DiskResult<QueuePart> {
    let transaction = database.begin_read()?;
    let entries = transaction.open_table(ENTRIES)?;
    let (mut read, mut bytes) = (QueuePart::default(), 0);
    for row in transaction.open_table(WAITING)?.iter()? {
        if read.waiting.len() + read.unread.len() >= most_entries {
            break;
        }
        let (sequence, row) = row?;
        let (sequence, head) = (sequence.value(), head(row.value()));
        if skipped.contains(sequence, &head) {
            continue;
        }
        bytes += head.bytes;
        if bytes > most_bytes && !read.waiting.is_empty() {
            break;
        }
        match entry_of(&entries, sequence) {
            Ok(Ok(entry)) => {
                let right = Head {
                    simulation_id: entry.call.simulation_id(),
                    spooled_at: entry.spooled_at,
                    bytes: head.bytes,
                };
                if right == head {
                    read.waiting.push(WaitingEntry { sequence, entry });
                } else {
                    read.wrong_heads.push((sequence, right));
                }
            }
            Ok(Err(unreadable)) => read.unread.push((sequence, unreadable.reason().to_owned())),
            // Entries read so far must not be removed from a damaged file.
            Err(error) if classify(&error) == SpoolFailure::Damaged => return Err(error),
            Err(error) if read.waiting.is_empty() && read.unread.is_empty() => return Err(error),
            // They are handled first, so that the next read begins with the failure.
            Err(_) => break,
        }
    }
    Ok(read)
}

/// Reads dead letters that are retried, and the numbers of those whose retries have ended.
fn read_retried(
    database: &Database,
    skipped: &SkippedEntries,
    now: Timestamp,
    most_entries: usize,
    most_bytes: u64,
) -> DiskResult<(Vec<WaitingEntry>, Vec<u64>)> {
    let transaction = database.begin_read()?;
    let Some(retried) = retried_table(&transaction)? else { return Ok((Vec::new(), Vec::new())) };
    let entries = transaction.open_table(ENTRIES)?;
    let dead_letters = transaction.open_table(DEAD_LETTERS)?;
    let (mut found, mut expired, mut bytes) = (Vec::new(), Vec::new(), 0);
    for row in retried.iter()? {
        let (sequence, until) = row?;
        let sequence = sequence.value();
        if found.len() >= most_entries || expired.len() >= REQUEUED_ENTRIES {
            break;
        }
        if until.value() < now.as_nanosecond() {
            expired.push(sequence);
            continue;
        }
        let Some(row) = dead_letters.get(sequence)? else { continue };
        let head = head(row.value().0);
        if skipped.contains(sequence, &head) {
            continue;
        }
        bytes += head.bytes;
        if bytes > most_bytes && !found.is_empty() {
            break;
        }
        // An entry that has become unreadable stays a dead letter, and is listed as one.
        if let Ok(entry) = entry_of(&entries, sequence)? {
            found.push(WaitingEntry { sequence, entry });
        }
    }
    Ok((found, expired))
}

/// Reads the numbers of the dead letters, and the length of each.
fn read_dead_letter_heads(database: &Database) -> DiskResult<Vec<(u64, u64)>> {
    let transaction = database.begin_read()?;
    let mut heads = Vec::new();
    for row in transaction.open_table(DEAD_LETTERS)?.iter()? {
        let (sequence, row) = row?;
        heads.push((sequence.value(), head(row.value().0).bytes));
    }
    Ok(heads)
}

/// Reads entries of both lists.
struct Lists {
    entries: Entries,
    retried: Option<redb::ReadOnlyTable<u64, i128>>,
}

impl Lists {
    fn open(transaction: &redb::ReadTransaction) -> DiskResult<Self> {
        let entries = transaction.open_table(ENTRIES)?;
        Ok(Lists { entries, retried: retried_table(transaction)? })
    }

    fn kept(
        &self,
        sequence: u64,
        head: &Head,
        dead_letter: Option<String>,
    ) -> DiskResult<(StoredEntry, Vec<u8>)> {
        let until = match &self.retried {
            Some(retried) => retried.get(sequence)?.map(|until| until.value()),
            None => None,
        };
        let bytes = read_bytes(&self.entries, sequence, <[u8]>::to_vec)?;
        let entry = Entry::read(sequence, &bytes);
        let kept = StoredEntry {
            sequence,
            simulation_id: head.simulation_id,
            spooled_at: head.spooled_at,
            bytes: head.bytes,
            unreadable: entry.as_ref().err().map(|error| error.reason().to_owned()),
            entry: entry.ok(),
            dead_letter,
            retry_until: until.and_then(|until| Timestamp::from_nanosecond(until).ok()),
        };
        Ok((kept, bytes))
    }
}

fn read_list(
    database: &Database,
    listed: EntryFilter,
    most_entries: usize,
    most_bytes: u64,
) -> DiskResult<Vec<StoredEntry>> {
    let transaction = database.begin_read()?;
    let range = (Bound::Excluded(listed.after), Bound::Unbounded);
    let mut rows: Vec<(u64, Head, Option<String>)> = Vec::new();
    for row in transaction.open_table(DEAD_LETTERS)?.range(range)?.take(most_entries) {
        let (sequence, row) = row?;
        let (row, reason) = row.value();
        rows.push((sequence.value(), head(row), Some(reason.to_owned())));
    }
    if !listed.dead_letters {
        for row in transaction.open_table(WAITING)?.range(range)?.take(most_entries) {
            let (sequence, row) = row?;
            rows.push((sequence.value(), head(row.value()), None));
        }
        rows.sort_unstable_by_key(|(sequence, ..)| *sequence);
        rows.truncate(most_entries);
    }
    let lists = Lists::open(&transaction)?;
    let (mut found, mut bytes) = (Vec::new(), 0_u64);
    for (sequence, head, dead_letter) in rows {
        bytes = bytes.saturating_add(head.bytes);
        if bytes > most_bytes && !found.is_empty() {
            break;
        }
        found.push(lists.kept(sequence, &head, dead_letter)?.0);
    }
    Ok(found)
}

fn read_one(database: &Database, sequence: u64) -> DiskResult<Option<(StoredEntry, Vec<u8>)>> {
    let transaction = database.begin_read()?;
    let dead_letter = transaction.open_table(DEAD_LETTERS)?.get(sequence)?.map(|row| {
        let (row, reason) = row.value();
        (head(row), Some(reason.to_owned()))
    });
    let found = match dead_letter {
        Some(dead_letter) => Some(dead_letter),
        None => {
            let row = transaction.open_table(WAITING)?.get(sequence)?;
            row.map(|row| (head(row.value()), None))
        }
    };
    let Some((head, dead_letter)) = found else { return Ok(None) };
    Lists::open(&transaction)?.kept(sequence, &head, dead_letter).map(Some)
}

fn read_start(database: &Database, simulation_id: Uuid) -> DiskResult<Option<SimulationStart>> {
    let transaction = database.begin_read()?;
    let entries = transaction.open_table(ENTRIES)?;
    let mut seen = 0;
    for row in transaction.open_table(WAITING)?.iter()? {
        let (sequence, row) = row?;
        if head(row.value()).simulation_id != Some(simulation_id) {
            continue;
        }
        // An unreadable one is dead-lettered when it is next in the queue.
        if let Ok(Entry { call: SpooledCall::Start { start, .. }, .. }) =
            entry_of(&entries, sequence.value())?
        {
            return Ok(Some(*start));
        }
        seen += 1;
        if seen >= FIRST_ENTRIES {
            break;
        }
    }
    Ok(None)
}
