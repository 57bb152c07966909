//! The thread that commits.
//!
//! It takes all jobs in the channel, writes them in one transaction, and answers after the fsync. Jobs
//! that arrive meanwhile share the next transaction, so that many concurrent callers cost little more than
//! one.
//!
//! If the disk is full, nothing is added, and jobs that free room continue with the reserve.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::time::Duration;

use redb::{Database, Durability, ReadableTable as _, Table, WriteTransaction};
use tokio::sync::oneshot;

use super::counts::Change;
use super::disk::{
    DEAD_LETTERS, Disk, DiskResult, ENTRIES, Failure, HeadRow, LAST_SEQUENCE, RETRIED, WAITING,
    classify, head, head_row,
};
use super::entry::{EncodedEntry, Entry, Head};
use super::{Refusal, SpoolFailure};
use crate::error::{Error, Result};

/// The most jobs in a transaction, so that the first of them does not wait for long.
const TRANSACTION_JOBS: usize = 1_000;

/// A transaction is full with this many bytes; a larger job has one of its own.
const TRANSACTION_BYTES: u64 = 8 << 20;

/// The most entries that leave the queue in a transaction while the disk is full: few, so that the
/// reserve is enough.
const FULL_DISK_ENTRIES: usize = 100;

/// How often the thread checks whether a failure is over.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// The operations of a transaction.
#[derive(Debug)]
pub(super) enum Work {
    /// Adds entries at the end of the queue.
    Append(Vec<EncodedEntry>),
    /// Removes entries, waiting ones or dead letters.
    Remove(Vec<u64>),
    /// Removes dead letters, and no waiting entries.
    Drop(Vec<u64>),
    /// Dead-letters entries, each with a reason and the end of its automatic retries.
    DeadLetter(Vec<Refusal>),
    /// Ends the automatic retries of these entries, which stay in their list.
    EndRetries(Vec<u64>),
    /// Moves dead letters to the end of the queue, except those that cannot be read.
    Requeue(Vec<u64>),
    /// Corrects heads in the list of waiting entries that do not match the entries themselves.
    Correct(Vec<(u64, Head)>),
}

/// Work, and the channel of its answer: the sequence numbers that it assigned or found.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) work: Work,
    pub(super) answer: oneshot::Sender<Result<Vec<u64>>>,
}

/// A message to the thread.
#[derive(Debug)]
pub(super) enum Order {
    Work(Job),
    /// Ends the thread after the jobs sent before. The sender is dropped when the file is closed.
    Close(oneshot::Sender<()>),
}

/// Starts the thread. It ends on [`Order::Close`], or when all senders are dropped.
pub(super) fn start(disk: Arc<Disk>) -> std::io::Result<Sender<Order>> {
    let (sender, receiver) = channel();
    std::thread::Builder::new().name("spool".to_owned()).spawn(move || run(&disk, &receiver))?;
    Ok(sender)
}

fn run(disk: &Disk, orders: &Receiver<Order>) {
    let mut closing = None;
    while closing.is_none() {
        let mut jobs = Vec::new();
        let mut bytes = 0;
        // Waits for the first job, and takes the others that have arrived.
        let mut next = first(disk, orders);
        loop {
            match next {
                Ok(Order::Work(job)) => {
                    bytes += job.work.bytes();
                    jobs.push(job);
                }
                Ok(Order::Close(closed)) => {
                    closing = Some(Some(closed));
                    break;
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    closing = Some(None);
                    break;
                }
            }
            if jobs.len() >= TRANSACTION_JOBS || bytes >= TRANSACTION_BYTES {
                break;
            }
            next = orders.try_recv();
        }
        if !jobs.is_empty() {
            commit(disk, jobs);
            disk.shrink_empty();
        }
    }
    disk.close();
    drop(closing);
}

/// Waits for an order, and checks meanwhile whether a failure is over.
fn first(disk: &Disk, orders: &Receiver<Order>) -> std::result::Result<Order, TryRecvError> {
    loop {
        if !disk.counts.has_failure() {
            return orders.recv().map_err(|_| TryRecvError::Disconnected);
        }
        match orders.recv_timeout(PROBE_EVERY) {
            Ok(order) => return Ok(order),
            Err(RecvTimeoutError::Disconnected) => return Err(TryRecvError::Disconnected),
            Err(RecvTimeoutError::Timeout) => disk.probe(),
        }
    }
}

/// Does the jobs in one transaction, all or none, and answers them. On a full disk the jobs that add
/// entries are refused, and the others are done separately.
fn commit(disk: &Disk, jobs: Vec<Job>) {
    let mut adding: u64 = jobs.iter().map(|job| job.work.disk_bytes()).sum();
    let (jobs, refused) = if adding > 0 && !disk.has_room_for(adding) {
        // The remaining jobs add nothing, so their success does not show that the disk has room.
        adding = 0;
        jobs.into_iter().partition(|job| job.work.disk_bytes() == 0)
    } else {
        (jobs, Vec::new())
    };
    refuse(disk, refused);
    if jobs.is_empty() {
        return;
    }
    match transact(disk, &jobs) {
        Ok(answers) => {
            if adding > 0 {
                disk.counts.set_failure(None);
            }
            answer(jobs, answers);
        }
        Err(Failure::Of(error)) if classify(&error) == SpoolFailure::DiskFull => {
            let (freeing, adding) = jobs.into_iter().partition(|job| job.work.disk_bytes() == 0);
            refuse(disk, adding);
            free(disk, freeing);
        }
        Err(failure) => fail(disk, jobs, failure),
    }
}

fn answer(jobs: Vec<Job>, answers: Vec<Vec<u64>>) {
    for (job, answer) in jobs.into_iter().zip(answers) {
        // The caller has possibly stopped waiting; the work stays done.
        let _ = job.answer.send(Ok(answer));
    }
}

/// Answers jobs for which the disk has no room.
fn refuse(disk: &Disk, jobs: Vec<Job>) {
    for job in jobs {
        disk.counts.failed(&job.work.accepted().collect::<Vec<_>>());
        let _ = job.answer.send(Err(disk.no_room()));
    }
}

fn fail(disk: &Disk, jobs: Vec<Job>, failure: Failure) {
    let error = disk.unavailable(failure);
    for job in jobs {
        disk.counts.failed(&job.work.accepted().collect::<Vec<_>>());
        let again = match &error {
            Error::SpoolUnavailable { failure, detail } => {
                Error::SpoolUnavailable { failure: *failure, detail: detail.clone() }
            }
            other => Error::unavailable(other.report()),
        };
        let _ = job.answer.send(Err(again));
    }
}

/// Does the jobs that free room on a full disk, with the room of the reserve.
fn free(disk: &Disk, jobs: Vec<Job>) {
    if jobs.is_empty() {
        return;
    }
    if let Err(error) = disk.reserve.release() {
        return fail(disk, jobs, Failure::Of(redb::Error::Io(error)));
    }
    for job in jobs {
        let Job { work, answer } = job;
        let mut done = Vec::new();
        let freed = work.parts(FULL_DISK_ENTRIES).into_iter().try_for_each(|work| {
            // The answer of a part is not used.
            let part = Job { work, answer: oneshot::channel().0 };
            let answers = transact(disk, std::slice::from_ref(&part))?;
            done.extend(answers.into_iter().flatten());
            Ok(())
        });
        let _ = answer.send(match freed {
            Ok(()) => Ok(done),
            Err(failure) => Err(disk.unavailable(failure)),
        });
    }
}

/// Does the jobs in one transaction, all or none.
fn transact(disk: &Disk, jobs: &[Job]) -> std::result::Result<Vec<Vec<u64>>, Failure> {
    let accepted: Vec<Head> = jobs.iter().flat_map(|job| job.work.accepted()).collect();
    disk.with_database(|database| {
        let transaction = begin(database)?;
        let (answers, change) = write(disk, &transaction, jobs)?;
        transaction.commit()?;
        disk.counts.committed(&change, &accepted);
        Ok(answers)
    })
}

/// Begins a transaction that is durable when it is committed, and that no crash can undo: the header
/// that refers to its pages is written after them.
pub(super) fn begin(database: &Database) -> DiskResult<WriteTransaction> {
    let mut transaction = database.begin_write()?;
    // The default, set explicitly because durability depends on it.
    transaction.set_durability(Durability::Immediate)?;
    // In one phase, a damaged page of the last commit would silently undo it after a kill.
    transaction.set_two_phase_commit(true);
    Ok(transaction)
}

impl Work {
    /// Returns how many bytes the work writes, if that is known in advance.
    fn bytes(&self) -> u64 {
        match self {
            Work::Append(entries) => entries.iter().map(|entry| entry.head.bytes).sum(),
            Work::Requeue(_) => TRANSACTION_BYTES,
            Work::Remove(_)
            | Work::Drop(_)
            | Work::DeadLetter(_)
            | Work::EndRetries(_)
            | Work::Correct(_) => 0,
        }
    }

    /// Returns how many more bytes of the disk the work takes; 0 if it frees some.
    fn disk_bytes(&self) -> u64 {
        match self {
            Work::Append(entries) => entries.iter().map(|entry| entry.head.disk_bytes()).sum(),
            other => other.bytes(),
        }
    }

    /// Returns the heads of the entries that are counted as accepted.
    fn accepted(&self) -> impl Iterator<Item = Head> {
        let entries = match self {
            Work::Append(entries) => entries.as_slice(),
            _ => &[],
        };
        entries.iter().map(|entry| entry.head)
    }

    /// Splits the work into parts of at most `most` entries.
    fn parts(self, most: usize) -> Vec<Work> {
        fn parts<T: Clone>(all: &[T], most: usize, work: impl Fn(Vec<T>) -> Work) -> Vec<Work> {
            all.chunks(most).map(|part| work(part.to_vec())).collect()
        }
        match self {
            Work::Remove(all) => parts(&all, most, Work::Remove),
            Work::Drop(all) => parts(&all, most, Work::Drop),
            Work::DeadLetter(all) => parts(&all, most, Work::DeadLetter),
            Work::EndRetries(all) => parts(&all, most, Work::EndRetries),
            Work::Correct(all) => parts(&all, most, Work::Correct),
            whole @ (Work::Append(_) | Work::Requeue(_)) => vec![whole],
        }
    }
}

/// The tables of a transaction, and its changes.
struct Tables<'t> {
    entries: Table<'t, u64, &'static [u8]>,
    waiting: Table<'t, u64, HeadRow>,
    dead_letters: Table<'t, u64, (HeadRow, &'static str)>,
    retried: Table<'t, u64, i128>,
    /// The last used sequence number.
    last_sequence: Option<u64>,
    change: Change,
}

fn write(
    disk: &Disk,
    transaction: &WriteTransaction,
    jobs: &[Job],
) -> DiskResult<(Vec<Vec<u64>>, Change)> {
    let mut tables = Tables {
        entries: transaction.open_table(ENTRIES)?,
        waiting: transaction.open_table(WAITING)?,
        dead_letters: transaction.open_table(DEAD_LETTERS)?,
        retried: transaction.open_table(RETRIED)?,
        last_sequence: None,
        change: Change::default(),
    };
    let mut answers = Vec::with_capacity(jobs.len());
    for job in jobs {
        answers.push(match &job.work {
            Work::Append(entries) => {
                let mut sequences = Vec::with_capacity(entries.len());
                for entry in entries {
                    let sequence = disk.next_sequence();
                    tables.append(sequence, entry)?;
                    sequences.push(sequence);
                }
                sequences
            }
            Work::Remove(sequences) => tables.remove(sequences, true)?,
            Work::Drop(sequences) => tables.remove(sequences, false)?,
            Work::DeadLetter(entries) => tables.dead_letter_entries(entries)?,
            Work::EndRetries(sequences) => tables.end_retries(sequences)?,
            Work::Requeue(sequences) => tables.requeue(disk, sequences)?,
            Work::Correct(heads) => tables.correct(heads)?,
        });
    }
    if let Some(last) = tables.last_sequence {
        transaction.open_table(LAST_SEQUENCE)?.insert((), last)?;
    }
    let first = tables.waiting.first()?.map(|(_, row)| head(row.value()));
    tables.change.oldest_at = first.map(|head| head.spooled_at);
    Ok((answers, tables.change))
}

impl Tables<'_> {
    fn append(&mut self, sequence: u64, entry: &EncodedEntry) -> DiskResult<()> {
        let mut place = self.entries.insert_reserve(sequence, entry.length())?;
        entry.write(sequence, place.as_mut());
        drop(place);
        self.waiting.insert(sequence, head_row(&entry.head))?;
        self.last_sequence = Some(sequence);
        self.change.waiting(&entry.head, 1);
        Ok(())
    }

    /// Removes dead letters, and with `waiting_too` also waiting entries, and returns the sequence
    /// numbers of those that existed. A missing entry was removed before, which is not an error.
    fn remove(&mut self, sequences: &[u64], waiting_too: bool) -> DiskResult<Vec<u64>> {
        let mut removed = Vec::with_capacity(sequences.len());
        for sequence in sequences {
            let waiting = match waiting_too {
                true => self.waiting.remove(sequence)?.map(|row| head(row.value())),
                false => None,
            };
            let dead_letters = match waiting {
                Some(_) => None,
                None => self.dead_letters.remove(sequence)?.map(|row| head(row.value().0)),
            };
            match (waiting, dead_letters) {
                (Some(head), _) => self.change.waiting(&head, -1),
                (None, Some(head)) => self.change.dead_letters(&head, -1),
                (None, None) => continue,
            }
            self.retried.remove(sequence)?;
            self.entries.remove(sequence)?;
            removed.push(*sequence);
        }
        Ok(removed)
    }

    /// Dead-letters entries. An entry that already is a dead letter gets the new reason but keeps the
    /// end of its retries: otherwise the retries would never end.
    fn dead_letter_entries(&mut self, entries: &[Refusal]) -> DiskResult<Vec<u64>> {
        let mut put = Vec::with_capacity(entries.len());
        for Refusal { sequence, reason, retry_until } in entries {
            let waiting = self.waiting.remove(sequence)?.map(|row| row.value());
            let row = match waiting {
                Some(row) => {
                    self.change.waiting(&head(row), -1);
                    self.change.dead_letters(&head(row), 1);
                    row
                }
                None => match self.dead_letters.get(sequence)?.map(|row| row.value().0) {
                    Some(row) => row,
                    None => continue,
                },
            };
            self.dead_letters.insert(sequence, (row, reason.as_str()))?;
            match retry_until {
                Some(until) if waiting.is_some() => {
                    self.retried.insert(sequence, until.as_nanosecond())?;
                }
                Some(_) => {}
                None => {
                    self.retried.remove(sequence)?;
                }
            }
            put.push(*sequence);
        }
        Ok(put)
    }

    /// Ends automatic retries, and returns the entries that had them.
    fn end_retries(&mut self, sequences: &[u64]) -> DiskResult<Vec<u64>> {
        let mut ended = Vec::with_capacity(sequences.len());
        for sequence in sequences {
            if self.retried.remove(sequence)?.is_some() {
                ended.push(*sequence);
            }
        }
        Ok(ended)
    }

    /// Requeues dead letters, and returns those that are waiting again.
    fn requeue(&mut self, disk: &Disk, sequences: &[u64]) -> DiskResult<Vec<u64>> {
        let mut taken = Vec::with_capacity(sequences.len());
        for old in sequences {
            let entry = self.entries.get(old)?.map(|entry| Entry::read(*old, entry.value()));
            // An unreadable entry would only be dead-lettered again. A newer version might be able to
            // read it.
            let Some(Ok(entry)) = entry else { continue };
            let Ok(encoded) = entry.encode() else { continue };
            let Some(row) = self.dead_letters.remove(old)?.map(|row| row.value().0) else {
                continue;
            };
            self.change.dead_letters(&head(row), -1);
            self.retried.remove(old)?;
            self.entries.remove(old)?;
            let sequence = disk.next_sequence();
            self.append(sequence, &encoded)?;
            taken.push(*old);
        }
        Ok(taken)
    }

    fn correct(&mut self, heads: &[(u64, Head)]) -> DiskResult<Vec<u64>> {
        let mut corrected = Vec::with_capacity(heads.len());
        for (sequence, right) in heads {
            let row = self.waiting.remove(sequence)?.map(|row| row.value());
            let Some(row) = row else { continue };
            self.change.waiting(&head(row), -1);
            self.waiting.insert(sequence, head_row(right))?;
            self.change.waiting(right, 1);
            corrected.push(*sequence);
        }
        Ok(corrected)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use jiff::Timestamp;
    use tempfile::TempDir;
    use uuid::Uuid;

    use super::super::counts::Counts;
    use super::super::disk::file_opener;
    use super::*;

    fn disk(folder: &Path) -> Disk {
        Disk::open(folder, file_opener(), Arc::new(Counts::new(u64::MAX))).unwrap()
    }

    fn job(work: Work) -> (Job, oneshot::Receiver<Result<Vec<u64>>>) {
        let (answer, answered) = oneshot::channel();
        (Job { work, answer }, answered)
    }

    #[test]
    fn a_removal_beside_a_refused_append_does_not_clear_the_full_disk() {
        let folder = TempDir::new().unwrap();
        let disk = disk(folder.path());
        // No disk has this much room.
        let head = Head {
            simulation_id: Some(Uuid::from_u128(1)),
            spooled_at: Timestamp::UNIX_EPOCH,
            bytes: 1 << 60,
        };
        let encoded = EncodedEntry { head, front: Vec::new(), document: bytes::Bytes::new() };
        let (append, mut refused) = job(Work::Append(vec![encoded]));
        let (remove, mut removed) = job(Work::Remove(vec![1]));
        commit(&disk, vec![append, remove]);
        assert!(matches!(refused.try_recv(), Ok(Err(Error::SpoolUnavailable { .. }))));
        assert!(matches!(removed.try_recv(), Ok(Ok(sequences)) if sequences.is_empty()));
        assert_eq!(disk.counts.state().error, Some(SpoolFailure::DiskFull));
        disk.close();
    }
}
