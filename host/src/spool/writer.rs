//! The thread that commits.
//!
//! It takes what is there, writes it in one transaction, and answers after the fsync. What comes
//! meanwhile shares the next one, so that a crowd of callers costs little more than one.
//!
//! Where the disk is full, nothing is added, and what frees room goes on with the room that is kept
//! for it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::time::Duration;

use jiff::Timestamp;
use redb::{Database, Durability, ReadableTable as _, Table, WriteTransaction};
use tokio::sync::oneshot;

use super::SpoolFailure;
use super::counts::Change;
use super::disk::{
    DEAD_LETTERS, Disk, DiskResult, ENTRIES, Failure, HeadRow, LAST_SEQUENCE, RETRIED, WAITING,
    head, head_row, trouble_of,
};
use super::entry::{EncodedEntry, Entry, Head};
use crate::error::{Error, Result};

/// How many jobs share a transaction at most, so that the first of them does not wait for long.
const TRANSACTION_JOBS: usize = 1_000;

/// With so many bytes a transaction is full; a job that is greater has one of its own.
const TRANSACTION_BYTES: u64 = 8 << 20;

/// How many entries leave the queue in a transaction while the disk is full: few, so that the room
/// that is kept for it is enough.
const FULL_DISK_ENTRIES: usize = 100;

/// How often it is looked whether a trouble is over.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// What is to be done in a transaction.
#[derive(Debug)]
pub(super) enum Work {
    /// Puts entries at the end of the queue.
    Append(Vec<EncodedEntry>),
    /// Removes entries, waiting ones or dead letters.
    Remove(Vec<u64>),
    /// Removes entries that are dead-lettered, and no others.
    Drop(Vec<u64>),
    /// Dead-letters entries, each with a reason, and until when it is tried again by itself.
    NewDeadLetter(Vec<NewDeadLetter>),
    /// Tries these entries again by themselves no more; where they are does not change.
    EndRetries(Vec<u64>),
    /// Puts entries that are dead-lettered at the end of the queue, but for those that cannot be read.
    Requeue(Vec<u64>),
    /// Corrects the heads of waiting entries, which are not those of the entries themselves.
    Correct(Vec<(u64, Head)>),
}

/// An entry that is dead-lettered.
#[derive(Clone, Debug)]
pub(super) struct NewDeadLetter {
    pub(super) sequence: u64,
    pub(super) reason: String,
    pub(super) retry_until: Option<Timestamp>,
}

/// Work, and where its answer goes: the sequence numbers that it made or found.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) work: Work,
    pub(super) answer: oneshot::Sender<Result<Vec<u64>>>,
}

/// What is sent to the thread.
#[derive(Debug)]
pub(super) enum Order {
    Work(Job),
    /// Ends the thread after what was sent before. Dropped when the file is closed.
    Close(oneshot::Sender<()>),
}

/// Starts the thread. It ends when it is told to, or when nobody can send it anything any more.
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
        // Waits for the first, and takes what else is there.
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

/// Waits for an order; looks meanwhile whether a trouble is over.
fn first(disk: &Disk, orders: &Receiver<Order>) -> std::result::Result<Order, TryRecvError> {
    loop {
        if !disk.counts.troubled() {
            return orders.recv().map_err(|_| TryRecvError::Disconnected);
        }
        match orders.recv_timeout(PROBE_EVERY) {
            Ok(order) => return Ok(order),
            Err(RecvTimeoutError::Disconnected) => return Err(TryRecvError::Disconnected),
            Err(RecvTimeoutError::Timeout) => disk.probe(),
        }
    }
}

/// Does the jobs in one transaction, all or none, and answers them. On a full disk those that add
/// something are refused, and the others are done apart.
fn commit(disk: &Disk, jobs: Vec<Job>) {
    let mut adding: u64 = jobs.iter().map(|job| job.work.disk_bytes()).sum();
    let (jobs, refused) = if adding > 0 && !disk.has_room_for(adding) {
        // Those that are left add nothing, and say nothing of the room.
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
                disk.counts.trouble(None);
            }
            answer(jobs, answers);
        }
        Err(Failure::Of(error)) if trouble_of(&error) == SpoolFailure::DiskFull => {
            let (freeing, adding) = jobs.into_iter().partition(|job| job.work.disk_bytes() == 0);
            refuse(disk, adding);
            free(disk, freeing);
        }
        Err(failure) => fail(disk, jobs, failure),
    }
}

fn answer(jobs: Vec<Job>, answers: Vec<Vec<u64>>) {
    for (job, answer) in jobs.into_iter().zip(answers) {
        // Whoever asked may have gone; what is done stays done.
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
            Error::SpoolUnavailable { trouble, detail } => {
                Error::SpoolUnavailable { trouble: *trouble, detail: detail.clone() }
            }
            other => Error::unavailable(other.report()),
        };
        let _ = job.answer.send(Err(again));
    }
}

/// Does what frees room on a full disk, with the room that is kept for it.
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
            // Its answer goes nowhere.
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

/// Begins a transaction that is on the disk when it is committed, and that no crash can undo: the
/// header that names it is written after all that it names.
pub(super) fn begin(database: &Database) -> DiskResult<WriteTransaction> {
    let mut transaction = database.begin_write()?;
    // The default too; said here because everything rests on it.
    transaction.set_durability(Durability::Immediate)?;
    // In one phase a damaged page of the last commit would, after a kill, silently undo it.
    transaction.set_two_phase_commit(true);
    Ok(transaction)
}

impl Work {
    /// How much it writes, where that is known before.
    fn bytes(&self) -> u64 {
        match self {
            Work::Append(entries) => entries.iter().map(|entry| entry.head.bytes).sum(),
            Work::Requeue(_) => TRANSACTION_BYTES,
            Work::Remove(_)
            | Work::Drop(_)
            | Work::NewDeadLetter(_)
            | Work::EndRetries(_)
            | Work::Correct(_) => 0,
        }
    }

    /// How much more of the disk it takes; nothing where it frees some.
    fn disk_bytes(&self) -> u64 {
        match self {
            Work::Append(entries) => entries.iter().map(|entry| entry.head.disk_bytes()).sum(),
            other => other.bytes(),
        }
    }

    /// The entries that are counted as accepted.
    fn accepted(&self) -> impl Iterator<Item = Head> {
        let entries = match self {
            Work::Append(entries) => entries.as_slice(),
            _ => &[],
        };
        entries.iter().map(|entry| entry.head)
    }

    /// The same in parts of at most so many entries.
    fn parts(self, most: usize) -> Vec<Work> {
        fn parts<T: Clone>(all: &[T], most: usize, work: impl Fn(Vec<T>) -> Work) -> Vec<Work> {
            all.chunks(most).map(|part| work(part.to_vec())).collect()
        }
        match self {
            Work::Remove(all) => parts(&all, most, Work::Remove),
            Work::Drop(all) => parts(&all, most, Work::Drop),
            Work::NewDeadLetter(all) => parts(&all, most, Work::NewDeadLetter),
            Work::EndRetries(all) => parts(&all, most, Work::EndRetries),
            Work::Correct(all) => parts(&all, most, Work::Correct),
            whole @ (Work::Append(_) | Work::Requeue(_)) => vec![whole],
        }
    }
}

/// The tables of a transaction, and what it changes.
struct Tables<'t> {
    entries: Table<'t, u64, &'static [u8]>,
    waiting: Table<'t, u64, HeadRow>,
    dead_letters: Table<'t, u64, (HeadRow, &'static str)>,
    retried: Table<'t, u64, i128>,
    /// The last sequence number that was used.
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
            Work::NewDeadLetter(entries) => tables.dead_letter_entries(entries)?,
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

    /// Gives those that exist: dead letters, or waiting too. One that is not was removed before, which
    /// is as well.
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

    /// Dead-letters entries; of those that are dead-lettered already, the reason changes, but not until when
    /// they are tried again: else that would never come.
    fn dead_letter_entries(&mut self, entries: &[NewDeadLetter]) -> DiskResult<Vec<u64>> {
        let mut put = Vec::with_capacity(entries.len());
        for NewDeadLetter { sequence, reason, retry_until } in entries {
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

    /// Gives those that would have been tried again.
    fn end_retries(&mut self, sequences: &[u64]) -> DiskResult<Vec<u64>> {
        let mut ended = Vec::with_capacity(sequences.len());
        for sequence in sequences {
            if self.retried.remove(sequence)?.is_some() {
                ended.push(*sequence);
            }
        }
        Ok(ended)
    }

    /// Gives those that wait again.
    fn requeue(&mut self, disk: &Disk, sequences: &[u64]) -> DiskResult<Vec<u64>> {
        let mut taken = Vec::with_capacity(sequences.len());
        for old in sequences {
            let entry = self.entries.get(old)?.map(|entry| Entry::read(*old, entry.value()));
            // What cannot be read would only be dead-lettered again. A newer version may read it.
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
    fn a_removal_beside_a_refused_append_does_not_say_that_there_is_room() {
        let folder = TempDir::new().unwrap();
        let disk = disk(folder.path());
        // No disk has so much room.
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
