//! The thread that commits.
//!
//! It takes what is there, writes it in one transaction, and answers after the fsync. What comes
//! meanwhile shares the next one, so that a crowd of callers costs little more than one.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};

use redb::{Durability, ReadableTable as _, Table, WriteTransaction};
use tokio::sync::oneshot;

use super::counts::Change;
use super::disk::{ASIDE, Disk, DiskResult, ENTRIES, HeadRow, WAITING, head, head_row};
use super::entry::{Encoded, Head};
use crate::error::{Error, Result};

/// How many jobs share a transaction at most, so that the first of them does not wait for long.
const TRANSACTION_JOBS: usize = 1_000;

/// With so many bytes a transaction is full; a job that is greater has one of its own.
const TRANSACTION_BYTES: u64 = 8 << 20;

/// What is to be done in a transaction.
#[derive(Debug)]
pub(super) enum Work {
    /// Puts entries at the end of the queue.
    Append(Vec<Encoded>),
    /// Removes entries, waiting or aside.
    Remove(Vec<u64>),
    /// Puts waiting entries aside, each with a reason.
    SetAside(Vec<(u64, String)>),
    /// Puts entries that are aside and come before this one at the end of the queue, as many as
    /// one transaction takes.
    TakeBack(u64),
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
        let mut next = orders.recv().map_err(|_| TryRecvError::Disconnected);
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

/// Does the jobs in one transaction, all or none, and answers them.
fn commit(disk: &Disk, jobs: Vec<Job>) {
    let accepted: Vec<Head> = jobs.iter().flat_map(|job| job.work.accepted()).collect();
    let done = disk.with(|database| {
        let mut transaction = database.begin_write()?;
        // The default too; said here because everything rests on it.
        transaction.set_durability(Durability::Immediate)?;
        let (answers, change) = write(disk, &transaction, &jobs)?;
        transaction.commit()?;
        disk.counts.committed(&change, &accepted);
        Ok(answers)
    });
    // Whoever asked may have gone; what is done stays done.
    match done {
        Ok(answers) => {
            for (job, answer) in jobs.into_iter().zip(answers) {
                let _ = job.answer.send(Ok(answer));
            }
        }
        Err(error) => {
            disk.counts.failed(&accepted);
            let message = error.to_string();
            for job in jobs {
                let _ = job.answer.send(Err(Error::Unavailable(message.clone())));
            }
        }
    }
}

impl Work {
    /// How much it writes, where that is known before.
    fn bytes(&self) -> u64 {
        match self {
            Work::Append(entries) => entries.iter().map(|entry| entry.head.bytes).sum(),
            Work::TakeBack(_) => TRANSACTION_BYTES,
            Work::Remove(_) | Work::SetAside(_) => 0,
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
}

/// The tables of a transaction, and what it changes.
struct Tables<'t> {
    entries: Table<'t, u64, &'static [u8]>,
    waiting: Table<'t, u64, HeadRow>,
    aside: Table<'t, u64, (HeadRow, &'static str)>,
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
        aside: transaction.open_table(ASIDE)?,
        change: Change::default(),
    };
    let mut answers = Vec::with_capacity(jobs.len());
    for job in jobs {
        answers.push(match &job.work {
            Work::Append(entries) => {
                let mut sequences = Vec::with_capacity(entries.len());
                for entry in entries {
                    let sequence = disk.next_sequence();
                    tables.append(sequence, &entry.head, &entry.bytes)?;
                    sequences.push(sequence);
                }
                sequences
            }
            Work::Remove(sequences) => tables.remove(sequences)?,
            Work::SetAside(entries) => tables.set_aside(entries)?,
            Work::TakeBack(end) => tables.take_back(disk, *end)?,
        });
    }
    let first = tables.waiting.first()?.map(|(_, row)| head(row.value()));
    tables.change.oldest_at = first.map(|head| head.spooled_at);
    Ok((answers, tables.change))
}

impl Tables<'_> {
    fn append(&mut self, sequence: u64, head: &Head, bytes: &[u8]) -> DiskResult<()> {
        self.entries.insert(sequence, bytes)?;
        self.waiting.insert(sequence, head_row(head))?;
        self.change.waiting(head, 1);
        Ok(())
    }

    /// Gives those that were there. One that is not was removed before, which is as well.
    fn remove(&mut self, sequences: &[u64]) -> DiskResult<Vec<u64>> {
        let mut removed = Vec::with_capacity(sequences.len());
        for sequence in sequences {
            let waiting = self.waiting.remove(sequence)?.map(|row| head(row.value()));
            let aside = match waiting {
                Some(_) => None,
                None => self.aside.remove(sequence)?.map(|row| head(row.value().0)),
            };
            match (waiting, aside) {
                (Some(head), _) => self.change.waiting(&head, -1),
                (None, Some(head)) => self.change.aside(&head, -1),
                (None, None) => continue,
            }
            self.entries.remove(sequence)?;
            removed.push(*sequence);
        }
        Ok(removed)
    }

    fn set_aside(&mut self, entries: &[(u64, String)]) -> DiskResult<Vec<u64>> {
        let mut put = Vec::with_capacity(entries.len());
        for (sequence, reason) in entries {
            let row = self.waiting.remove(sequence)?.map(|row| row.value());
            let Some(row) = row else { continue };
            self.aside.insert(sequence, (row, reason.as_str()))?;
            self.change.waiting(&head(row), -1);
            self.change.aside(&head(row), 1);
            put.push(*sequence);
        }
        Ok(put)
    }

    fn take_back(&mut self, disk: &Disk, end: u64) -> DiskResult<Vec<u64>> {
        let mut bytes = 0;
        let mut taken = Vec::new();
        for row in self.aside.range(..end)? {
            let (sequence, row) = row?;
            let head = head(row.value().0);
            bytes += head.bytes;
            taken.push((sequence.value(), head));
            if taken.len() >= TRANSACTION_JOBS || bytes >= TRANSACTION_BYTES {
                break;
            }
        }
        let mut sequences = Vec::with_capacity(taken.len());
        for (old, head) in taken {
            self.aside.remove(old)?;
            self.change.aside(&head, -1);
            let entry = self.entries.remove(old)?.map(|entry| entry.value().to_vec());
            let sequence = disk.next_sequence();
            self.append(sequence, &head, &entry.unwrap_or_default())?;
            sequences.push(sequence);
        }
        Ok(sequences)
    }
}
