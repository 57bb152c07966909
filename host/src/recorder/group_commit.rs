//! Group commit: the items that wait for a transaction, and the decision when one begins.
//!
//! A transaction begins when the waiting rows are worth another connection, and also when the oldest of
//! them has waited long: the open transactions might be blocked by a lock that only some simulations
//! need, and the other simulations must not wait for it. Rows have no timers: while any row waits, one
//! task polls the queue.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use crate::lock::lock;
use crate::paging::BATCH_ROWS;

/// The maximum number of rows in a transaction: enough that a commit costs little for each row, and few
/// enough that a failed transaction is cheap to repeat.
pub(super) const TRANSACTION_ROWS: usize = BATCH_ROWS;

/// The maximum number of bytes of documents in a transaction, which bounds memory.
const TRANSACTION_BYTES: usize = 8 << 20;

/// How many rows must wait before a transaction begins while none, one, two or three others are open,
/// each on a connection. A single row is better written by the next transaction, together with others,
/// than by one of its own that takes the processor from the first.
const ROWS_FOR_ANOTHER: [usize; 4] = [1, 12, 64, 256];

/// This many bytes of documents are worth another transaction, even if they are few rows.
const BYTES_FOR_ANOTHER: usize = 1 << 20;

/// A row that has waited for this long is worth another transaction, too. It is several times the
/// duration of a commit that nothing blocks.
const WAITED_LONG: Duration = Duration::from_millis(20);

/// The interval at which the queue is polled while any row waits.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// An item that can wait in a queue.
pub(super) trait Item: Send + 'static {
    /// Returns how many rows it has.
    fn rows(&self) -> usize;

    /// Returns how many bytes of documents it has.
    fn bytes(&self) -> usize;

    /// Returns the simulation of its rows, if it is known.
    fn simulation_id(&self) -> Option<Uuid>;
}

/// Writes the items that it takes from a queue.
pub(super) trait Writer: Send + Sync + 'static {
    /// The items that wait.
    type Item: Item;

    /// Returns the queue.
    fn group_commit(&self) -> &Mutex<GroupCommit<Self::Item>>;

    /// Writes the items of one transaction.
    fn write(&self, taken: Vec<Self::Item>) -> impl Future<Output = ()> + Send;
}

/// The waiting items and the open transactions.
#[derive(Debug)]
pub(super) struct GroupCommit<T> {
    waiting: VecDeque<(Instant, T)>,
    rows: usize,
    bytes: usize,
    open: Vec<OpenTransaction>,
    begun: u64,
    /// Whether a task polls it.
    watched: bool,
}

#[derive(Debug)]
struct OpenTransaction {
    number: u64,
    begun_at: Instant,
    simulations: HashSet<Uuid>,
}

/// The items of a transaction, and its number.
struct TransactionItems<T> {
    number: u64,
    taken: Vec<T>,
}

impl<T> Default for GroupCommit<T> {
    fn default() -> Self {
        GroupCommit {
            waiting: VecDeque::new(),
            rows: 0,
            bytes: 0,
            open: Vec::new(),
            begun: 0,
            watched: false,
        }
    }
}

impl<T: Item> GroupCommit<T> {
    fn push(&mut self, item: T) {
        self.rows += item.rows();
        self.bytes += item.bytes();
        self.waiting.push_back((Instant::now(), item));
    }

    /// Returns the items of the next transaction, if one is worth beginning now.
    fn next(&mut self) -> Option<TransactionItems<T>> {
        let needed = *ROWS_FOR_ANOTHER.get(self.open.len())?;
        if self.waiting.is_empty() {
            return None;
        }
        let now = Instant::now();
        // The last slot is not for items that might wait for a lock that the open transactions hold.
        let last = self.open.len() + 1 == ROWS_FOR_ANOTHER.len();
        let blocked = if last { self.blocked(now) } else { HashSet::new() };
        let can_go = |item: &T| item.simulation_id().is_none_or(|id| !blocked.contains(&id));
        let (rows, bytes) = if blocked.is_empty() {
            (self.rows, self.bytes)
        } else {
            let going = self.waiting.iter().filter(|(_, item)| can_go(item));
            going
                .fold((0, 0), |(rows, bytes), (_, item)| (rows + item.rows(), bytes + item.bytes()))
        };
        if rows < needed && bytes < BYTES_FOR_ANOTHER {
            let oldest = self.waiting.iter().find(|(_, item)| can_go(item));
            if oldest.is_none_or(|(since, _)| now.duration_since(*since) < WAITED_LONG) {
                return None;
            }
        }
        let taken = self.take(can_go);
        if taken.is_empty() {
            return None;
        }
        self.begun += 1;
        let number = self.begun;
        let simulations = taken.iter().filter_map(Item::simulation_id).collect();
        self.open.push(OpenTransaction { number, begun_at: now, simulations });
        Some(TransactionItems { number, taken })
    }

    /// Takes the items of one transaction; the items that must not be in it remain in the queue.
    fn take(&mut self, can_go: impl Fn(&T) -> bool) -> Vec<T> {
        let (mut rows, mut bytes) = (0, 0);
        let (mut taken, mut skipped) = (Vec::new(), Vec::new());
        while rows < TRANSACTION_ROWS && bytes < TRANSACTION_BYTES {
            let Some((since, next)) = self.waiting.pop_front() else { break };
            if can_go(&next) {
                rows += next.rows();
                bytes += next.bytes();
                taken.push(next);
            } else {
                skipped.push((since, next));
            }
        }
        for waiting in skipped.into_iter().rev() {
            self.waiting.push_front(waiting);
        }
        self.rows -= rows;
        self.bytes -= bytes;
        taken
    }

    /// Returns the simulations of transactions that have been open for long.
    fn blocked(&self, now: Instant) -> HashSet<Uuid> {
        let long = |one: &&OpenTransaction| now.duration_since(one.begun_at) >= WAITED_LONG;
        self.open.iter().filter(long).flat_map(|one| one.simulations.iter().copied()).collect()
    }

    fn end(&mut self, number: u64) {
        self.open.retain(|one| one.number != number);
    }
}

/// Puts an item into the queue, and begins a transaction if one is worth beginning.
pub(super) fn put<W: Writer>(writer: &Arc<W>, item: W::Item) {
    let mut group = locked(&**writer);
    group.push(item);
    let next = group.next();
    let watch = !group.waiting.is_empty() && !std::mem::replace(&mut group.watched, true);
    drop(group);
    if let Some(begun) = next {
        begin(writer, begun);
    }
    if watch {
        let watch = Watchdog { writer: Arc::clone(writer), ended: false };
        tokio::spawn(watch.poll());
    }
}

/// Writes the taken items, and then those that have arrived in the meantime, in a task of its own: a
/// caller that is cancelled must not abort a transaction that other callers wait for.
fn begin<W: Writer>(writer: &Arc<W>, begun: TransactionItems<W::Item>) {
    let TransactionItems { number, mut taken } = begun;
    let mut slot = TransactionSlot { writer: Arc::clone(writer), number };
    tokio::spawn(async move {
        loop {
            slot.writer.write(taken).await;
            let Some(begun) = slot.next() else { break };
            taken = begun;
        }
    });
}

fn locked<W: Writer>(writer: &W) -> MutexGuard<'_, GroupCommit<W::Item>> {
    lock(writer.group_commit())
}

/// A transaction's slot among the open ones.
struct TransactionSlot<W: Writer> {
    writer: Arc<W>,
    number: u64,
}

impl<W: Writer> TransactionSlot<W> {
    /// Returns the items of the transaction that follows the one that has ended.
    fn next(&mut self) -> Option<Vec<W::Item>> {
        let mut group = locked(&*self.writer);
        group.end(self.number);
        let TransactionItems { number, taken } = group.next()?;
        drop(group);
        self.number = number;
        Some(taken)
    }
}

impl<W: Writer> Drop for TransactionSlot<W> {
    /// Frees the slot even after a panic, so that the waiting items are written.
    fn drop(&mut self) {
        let mut group = locked(&*self.writer);
        group.end(self.number);
        // The end of the runtime also ends the tasks, and no transaction must begin then.
        let next = if std::thread::panicking() { group.next() } else { None };
        drop(group);
        if let Some(begun) = next {
            begin(&self.writer, begun);
        }
    }
}

/// The task that polls a queue while any item waits.
struct Watchdog<W: Writer> {
    writer: Arc<W>,
    /// Whether it has cleared `watched`, which belongs to another task from then on.
    ended: bool,
}

impl<W: Writer> Watchdog<W> {
    async fn poll(mut self) {
        loop {
            tokio::time::sleep(POLL_INTERVAL).await;
            let mut group = locked(&*self.writer);
            if group.waiting.is_empty() {
                // The next item starts another task.
                group.watched = false;
                self.ended = true;
                return;
            }
            let next = group.next();
            drop(group);
            if let Some(begun) = next {
                begin(&self.writer, begun);
            }
        }
    }
}

impl<W: Writer> Drop for Watchdog<W> {
    /// Also runs when the runtime ends the task.
    fn drop(&mut self) {
        if !self.ended {
            locked(&*self.writer).watched = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::{Semaphore, mpsc};

    use super::*;

    /// The time limit of each step of a test.
    const DEADLINE: Duration = Duration::from_secs(60);

    #[derive(Debug, PartialEq, Eq)]
    struct Row {
        simulation: u128,
        number: u32,
    }

    impl Item for Row {
        fn rows(&self) -> usize {
            1
        }

        fn bytes(&self) -> usize {
            1_000
        }

        fn simulation_id(&self) -> Option<Uuid> {
            Some(Uuid::from_u128(self.simulation))
        }
    }

    /// A simulation whose transactions end in a panic.
    const PANICS: u128 = 7;

    /// Reports the rows that it writes, and waits for permission to finish.
    struct Slow {
        group: Mutex<GroupCommit<Row>>,
        writes: mpsc::UnboundedSender<Vec<Row>>,
        leave: Semaphore,
    }

    impl Writer for Slow {
        type Item = Row;

        fn group_commit(&self) -> &Mutex<GroupCommit<Row>> {
            &self.group
        }

        async fn write(&self, taken: Vec<Row>) {
            let panics = taken.iter().any(|row| row.simulation == PANICS);
            self.writes.send(taken).unwrap();
            self.leave.acquire().await.unwrap().forget();
            assert!(!panics, "this one is meant to panic");
        }
    }

    fn slow() -> (Arc<Slow>, mpsc::UnboundedReceiver<Vec<Row>>) {
        let (writes, written) = mpsc::unbounded_channel();
        let slow = Slow { group: Mutex::default(), writes, leave: Semaphore::new(0) };
        (Arc::new(slow), written)
    }

    fn row(simulation: u128, number: u32) -> Row {
        Row { simulation, number }
    }

    async fn next(written: &mut mpsc::UnboundedReceiver<Vec<Row>>) -> Vec<Row> {
        tokio::time::timeout(DEADLINE, written.recv()).await.expect("it is written").unwrap()
    }

    #[tokio::test]
    async fn rows_do_not_wait_long_for_a_blocked_transaction() {
        let (writer, mut written) = slow();
        put(&writer, row(1, 0));
        assert_eq!(next(&mut written).await, [row(1, 0)]);
        // The first transaction does not end, and a single row is not worth another one at once.
        put(&writer, row(2, 0));
        assert_eq!(next(&mut written).await, [row(2, 0)]);
    }

    #[tokio::test]
    async fn a_blocked_simulation_does_not_take_every_slot() {
        let (writer, mut written) = slow();
        for number in 0..3 {
            put(&writer, row(1, number));
            assert_eq!(next(&mut written).await, [row(1, number)]);
        }
        put(&writer, row(1, 3));
        put(&writer, row(2, 0));
        put(&writer, row(1, 4));
        put(&writer, row(2, 1));
        let mut others = next(&mut written).await;
        if others.len() == 1 {
            // The poll happened between the two.
            writer.leave.add_permits(4);
            others.extend(next(&mut written).await);
        }
        assert!(others.starts_with(&[row(2, 0)]), "{others:?}");
        // The items that were passed over keep their order.
        writer.leave.add_permits(100);
        let mut rest = Vec::new();
        let mut seen: Vec<Row> = others;
        while seen.iter().chain(&rest).count() < 4 {
            rest.extend(next(&mut written).await);
        }
        seen.extend(rest);
        let of = |simulation: u128| -> Vec<u32> {
            let rows = seen.iter().filter(|row| row.simulation == simulation);
            rows.map(|row| row.number).collect()
        };
        assert_eq!((of(1), of(2)), (vec![3, 4], vec![0, 1]));
    }

    #[tokio::test]
    async fn a_panic_frees_its_slot() {
        let (writer, mut written) = slow();
        put(&writer, row(PANICS, 0));
        assert_eq!(next(&mut written).await, [row(PANICS, 0)]);
        put(&writer, row(2, 0));
        writer.leave.add_permits(1);
        assert_eq!(next(&mut written).await, [row(2, 0)]);
        writer.leave.add_permits(1);
        // All slots are free again.
        tokio::time::timeout(DEADLINE, async {
            while !locked(&*writer).open.is_empty() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("its slot is free again");
    }
}
