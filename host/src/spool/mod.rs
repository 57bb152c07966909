//! A queue on disk that keeps what cannot be recorded while the database is away.
//!
//! What is appended is on the disk when the answer comes, and stays there until it is removed:
//! nothing is dropped, neither by a kill at any moment nor by a full disk. One process has a spool
//! open at a time.
//!
//! The file is a [redb] database. Its commits ([`redb::Durability::Immediate`]) write new pages
//! beside the old ones, then the header that names them with a checksum, and call `fdatasync` once
//! (`F_FULLFSYNC` on macOS); after a crash, a header whose checksum is wrong is passed over for the
//! one before it. So each commit costs one `fdatasync`, whatever it holds, and what arrives while
//! one is under way shares the next.
//!
//! Measured on 2 cores and a virtual disk, with entries of 9.0 KB, of which 8.7 KB are the document,
//! in three runs: 1,200 to 1,700 appends a second by one caller, 13,000 to 18,000 by 64 tasks;
//! 25,000 to 51,000 read and removed again, in portions of 500. A spool of 20,000 of them opens in
//! 4 ms, and in 0.5 s after a kill, because redb then checks the whole file.
//!
//! The limit counts the entries' own bytes. redb gives each a page of a power of two, so that they
//! take up to twice as much of the disk (1.8 times, in that measurement), and the file may seem
//! larger still, because it has holes. An empty spool gives the room back.

mod counts;
mod disk;
mod entry;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use jiff::Timestamp;
use redb::{Database, ReadableDatabase as _, ReadableTable as _};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::{Error, Result};
use counts::Counts;
use disk::{ASIDE, Disk, DiskResult, ENTRIES, Opener, WAITING, head};
use entry::Head;
pub use entry::{Entry, SpooledCall};
use writer::{Job, Order, Work};

/// Where the spool is, and how much it may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpoolSettings {
    /// A folder that outlives the process; made where it is missing, closed to others.
    pub folder: PathBuf,
    /// The most bytes of entries, waiting and aside.
    pub limit_bytes: u64,
}

/// A queue on disk. Cheap to clone; the last clone that goes closes it, and [`Spool::close`] waits
/// until it is closed.
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

/// What the spool holds.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub struct SpoolState {
    /// How many entries wait.
    pub depth: u64,
    /// How many bytes the entries have, waiting, aside, and under way to the disk.
    pub bytes: u64,
    /// The most bytes that they may have.
    pub limit_bytes: u64,
    /// When the entry at the head of the queue was spooled.
    pub oldest_at: Option<Timestamp>,
    /// How many entries were put aside.
    pub aside: u64,
    /// Whether there is no room: entries were refused, and none was removed since.
    pub full: bool,
}

/// An entry that waits.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Its number: later entries have greater ones.
    pub sequence: u64,
    /// What is to be recorded.
    pub entry: Entry,
}

/// What of the queue is not wanted.
#[derive(Clone, Debug, Default)]
pub struct PassedOver {
    /// Everything of these simulations.
    pub simulations: HashSet<Uuid>,
    /// These entries.
    pub sequences: HashSet<u64>,
}

impl PassedOver {
    fn has(&self, sequence: u64, head: &Head) -> bool {
        self.sequences.contains(&sequence)
            || head.simulation_id.is_some_and(|id| self.simulations.contains(&id))
    }
}

/// An entry that was put aside.
#[derive(Clone, Debug)]
pub struct Aside {
    /// Its number.
    pub sequence: u64,
    /// Why it was put aside.
    pub reason: String,
    /// What was to be recorded; none where this version of the program cannot read it.
    pub entry: Option<Entry>,
}

impl Spool {
    /// Opens the spool, or makes it. This reads a few bytes for each entry, and the whole file where
    /// the last process was killed, so it is nothing for a thread that must not block.
    ///
    /// # Errors
    /// [`Error::Configuration`] where another process has it open, [`Error::Io`] where the folder or
    /// the file cannot be made, read or written.
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

    /// Keeps entries durably, all or none, in order, and gives their sequence numbers after the
    /// fsync. What has begun is kept even where nobody waits for the answer any more.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where they do not fit into the limit; and where the disk fails, after
    /// which they may be there or not, so that appending them again may keep them twice.
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

    /// Whether anything of this simulation waits, from the moment it is accepted until it is removed
    /// or put aside. Quick: nothing is read.
    pub fn holds(&self, simulation_id: Uuid) -> bool {
        self.shared.counts.holds(simulation_id)
    }

    /// The oldest waiting entries in order: at most so many, and at most so many bytes, but one
    /// where there is any. Those that cannot be read are put aside on the way.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the disk fails.
    pub async fn next(&self, most_entries: usize, most_bytes: usize) -> Result<Vec<Waiting>> {
        self.next_but(PassedOver::default(), most_entries, most_bytes).await
    }

    /// The same without what is passed over: none where nothing else waits.
    ///
    /// # Errors
    /// As [`Spool::next`].
    pub async fn next_but(
        &self,
        passed_over: PassedOver,
        most_entries: usize,
        most_bytes: usize,
    ) -> Result<Vec<Waiting>> {
        let (passed_over, most_bytes) = (Arc::new(passed_over), most_bytes as u64);
        loop {
            let but = Arc::clone(&passed_over);
            let read =
                move |database: &Database| read_next(database, &but, most_entries, most_bytes);
            let (waiting, unread) = self.read(read).await?;
            let nothing_read = unread.is_empty();
            if !nothing_read {
                let reason = unread.first().map_or("", |(_, reason)| reason.as_str());
                tracing::warn!(
                    entries = unread.len(),
                    reason,
                    "entries of the spool cannot be read, and are put aside"
                );
                self.set_aside(unread).await?;
            }
            if nothing_read || !waiting.is_empty() {
                return Ok(waiting);
            }
        }
    }

    /// Removes entries durably, because they were recorded; also such as are aside. One that is not
    /// there is passed over.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the disk fails.
    pub async fn remove(&self, sequences: Vec<u64>) -> Result<()> {
        if !sequences.is_empty() {
            self.work(Work::Remove(sequences)).await?;
        }
        Ok(())
    }

    /// Puts waiting entries aside that the database refused for good, each with the reason. They are
    /// kept, and count for the limit, but are not among [`Spool::next`]. One that does not wait is
    /// passed over.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the disk fails.
    pub async fn set_aside(&self, entries: Vec<(u64, String)>) -> Result<()> {
        if !entries.is_empty() {
            self.work(Work::SetAside(entries)).await?;
        }
        Ok(())
    }

    /// Entries that are aside, the oldest first, at most so many.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the disk fails.
    pub async fn aside(&self, most: usize) -> Result<Vec<Aside>> {
        self.read(move |database| read_aside(database, most)).await
    }

    /// Puts everything that is aside by now back at the end of the queue, under new sequence
    /// numbers, and gives how many they are.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the disk fails; some may be back by then.
    pub async fn take_back(&self) -> Result<u64> {
        // Those that are put aside while this goes on are left there, so that it comes to an end.
        let end = self.shared.disk.sequences_end();
        let mut taken = 0;
        loop {
            let some = self.work(Work::TakeBack(end)).await?.len() as u64;
            if some == 0 {
                return Ok(taken);
            }
            taken += some;
        }
    }

    /// What the spool holds. Quick: nothing is read.
    pub fn state(&self) -> SpoolState {
        self.shared.counts.state()
    }

    /// Resolves when something waits, at once where something does; and when the spool is closed.
    pub async fn changed(&self) {
        self.shared.counts.changed().await;
    }

    /// Waits for what is under way, and closes the file. Later calls fail with
    /// [`Error::Unavailable`]; closing again does nothing.
    pub async fn close(&self) {
        let (sender, closed) = oneshot::channel();
        self.shared.counts.close(|| {
            // A thread that has ended has closed the file.
            let _ = self.shared.orders.send(Order::Close(sender));
        });
        // An answer never comes: the other end goes when the file is closed.
        let _ = closed.await;
    }

    async fn work(&self, work: Work) -> Result<Vec<u64>> {
        let (order, answer) = order(work);
        self.shared.counts.hand_on(|| self.send(order))?;
        answered(answer).await
    }

    fn send(&self, order: Order) -> Result<()> {
        self.shared.orders.send(order).map_err(|_| broken_off())
    }

    /// Reads on a thread that may block.
    async fn read<T: Send + 'static>(
        &self,
        read: impl Fn(&Database) -> DiskResult<T> + Send + 'static,
    ) -> Result<T> {
        let disk = Arc::clone(&self.shared.disk);
        let reading = tokio::task::spawn_blocking(move || {
            // A second time, because the first may only have met what a commit has left behind.
            disk.with(&read).or_else(|_| disk.with(&read))
        });
        reading.await.map_err(|_| broken_off())?
    }
}

fn order(work: Work) -> (Order, oneshot::Receiver<Result<Vec<u64>>>) {
    let (answer, answered) = oneshot::channel();
    (Order::Work(Job { work, answer }), answered)
}

async fn answered(answer: oneshot::Receiver<Result<Vec<u64>>>) -> Result<Vec<u64>> {
    answer.await.map_err(|_| broken_off())?
}

fn broken_off() -> Error {
    Error::Unavailable(
        "the spool's work was broken off; start the program again, which keeps what the spool holds"
            .to_owned(),
    )
}

/// What was read, and the reasons why the rest cannot be.
type Read = (Vec<Waiting>, Vec<(u64, String)>);

/// The oldest entries that wait.
fn read_next(
    database: &Database,
    but: &PassedOver,
    most_entries: usize,
    most_bytes: u64,
) -> DiskResult<Read> {
    let transaction = database.begin_read()?;
    let entries = transaction.open_table(ENTRIES)?;
    let (mut waiting, mut unread, mut bytes) = (Vec::new(), Vec::new(), 0);
    for row in transaction.open_table(WAITING)?.iter()? {
        if waiting.len() + unread.len() >= most_entries {
            break;
        }
        let (sequence, row) = row?;
        let (sequence, head) = (sequence.value(), head(row.value()));
        if but.has(sequence, &head) {
            continue;
        }
        bytes += head.bytes;
        if bytes > most_bytes && !waiting.is_empty() {
            break;
        }
        let entry = entries.get(sequence)?;
        match Entry::decode(entry.as_ref().map_or(&[], |entry| entry.value())) {
            Ok(entry) => waiting.push(Waiting { sequence, entry }),
            Err(reason) => unread.push((sequence, reason)),
        }
    }
    Ok((waiting, unread))
}

fn read_aside(database: &Database, most: usize) -> DiskResult<Vec<Aside>> {
    let transaction = database.begin_read()?;
    let entries = transaction.open_table(ENTRIES)?;
    let mut aside = Vec::new();
    for row in transaction.open_table(ASIDE)?.iter()?.take(most) {
        let (sequence, row) = row?;
        let sequence = sequence.value();
        let reason = row.value().1.to_owned();
        let entry = entries.get(sequence)?;
        let entry = entry.and_then(|entry| Entry::decode(entry.value()).ok());
        aside.push(Aside { sequence, reason, entry });
    }
    Ok(aside)
}
