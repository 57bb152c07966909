//! What waits for a transaction, and when one begins.
//!
//! A transaction begins when enough waits for it to be worth a connection of its own, and also when
//! what waits has waited for long: another one may be held up in the database by a lock that only
//! some simulations need, and the rest must not wait for it. No row has a timer: while anything
//! waits, one task looks at the queue now and then.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use crate::lock::lock;
use crate::paging::BATCH_ROWS;

/// How many rows a transaction has at most: enough that a commit costs little for each, few
/// enough that a transaction which fails is cheap to repeat.
pub(super) const TRANSACTION_ROWS: usize = BATCH_ROWS;

/// How many bytes of documents a transaction has at most, so that memory stays bounded.
const TRANSACTION_BYTES: usize = 8 << 20;

/// How many rows must wait before a transaction begins beside those that are under way, each with
/// a connection: none, one, two or three. A row that is alone is better off in the next
/// transaction, with others, than in one of its own that takes the processor from the first.
const ROWS_FOR_ANOTHER: [usize; 4] = [1, 12, 64, 256];

/// As many bytes of documents are worth another transaction, however few rows they are.
const BYTES_FOR_ANOTHER: usize = 1 << 20;

/// Whoever has waited for so long is worth another transaction, too: several times what a commit
/// takes where nothing holds it up.
const WAITED_LONG: Duration = Duration::from_millis(20);

/// How often the queue is looked at while anything waits.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What can wait in a queue.
pub(super) trait Item: Send + 'static {
    /// How many rows it has.
    fn rows(&self) -> usize;

    /// How many bytes of documents.
    fn bytes(&self) -> usize;

    /// Whose rows they are, where it is known.
    fn simulation_id(&self) -> Option<Uuid>;
}

/// Writes what it takes from a queue.
pub(super) trait Writer: Send + Sync + 'static {
    /// What waits.
    type Item: Item;

    /// Where it waits.
    fn group_commit(&self) -> &Mutex<GroupCommit<Self::Item>>;

    /// Writes what belongs into one transaction.
    fn write(&self, taken: Vec<Self::Item>) -> impl Future<Output = ()> + Send;
}

/// What waits, and which transactions are under way.
#[derive(Debug)]
pub(super) struct GroupCommit<T> {
    waiting: VecDeque<(Instant, T)>,
    rows: usize,
    bytes: usize,
    under_way: Vec<OpenTransaction>,
    begun: u64,
    /// Whether a task looks at it.
    watched: bool,
}

#[derive(Debug)]
struct OpenTransaction {
    number: u64,
    begun_at: Instant,
    simulations: HashSet<Uuid>,
}

/// What is to be written, and the number of its transaction.
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
            under_way: Vec::new(),
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

    /// A further transaction, where one is worth it now.
    fn next(&mut self) -> Option<TransactionItems<T>> {
        let needed = *ROWS_FOR_ANOTHER.get(self.under_way.len())?;
        if self.waiting.is_empty() {
            return None;
        }
        let now = Instant::now();
        // The last place is not for those who may wait for one another's lock in the others.
        let last = self.under_way.len() + 1 == ROWS_FOR_ANOTHER.len();
        let held_up = if last { self.held_up(now) } else { HashSet::new() };
        let may_go = |item: &T| item.simulation_id().is_none_or(|id| !held_up.contains(&id));
        let (rows, bytes) = if held_up.is_empty() {
            (self.rows, self.bytes)
        } else {
            let going = self.waiting.iter().filter(|(_, item)| may_go(item));
            going
                .fold((0, 0), |(rows, bytes), (_, item)| (rows + item.rows(), bytes + item.bytes()))
        };
        if rows < needed && bytes < BYTES_FOR_ANOTHER {
            let oldest = self.waiting.iter().find(|(_, item)| may_go(item));
            if oldest.is_none_or(|(since, _)| now.duration_since(*since) < WAITED_LONG) {
                return None;
            }
        }
        let taken = self.take(may_go);
        if taken.is_empty() {
            return None;
        }
        self.begun += 1;
        let number = self.begun;
        let simulations = taken.iter().filter_map(Item::simulation_id).collect();
        self.under_way.push(OpenTransaction { number, begun_at: now, simulations });
        Some(TransactionItems { number, taken })
    }

    /// Takes as much as a transaction has; what may not go stays where it is.
    fn take(&mut self, may_go: impl Fn(&T) -> bool) -> Vec<T> {
        let (mut rows, mut bytes) = (0, 0);
        let (mut taken, mut passed_over) = (Vec::new(), Vec::new());
        while rows < TRANSACTION_ROWS && bytes < TRANSACTION_BYTES {
            let Some((since, next)) = self.waiting.pop_front() else { break };
            if may_go(&next) {
                rows += next.rows();
                bytes += next.bytes();
                taken.push(next);
            } else {
                passed_over.push((since, next));
            }
        }
        for waiting in passed_over.into_iter().rev() {
            self.waiting.push_front(waiting);
        }
        self.rows -= rows;
        self.bytes -= bytes;
        taken
    }

    /// The simulations of transactions that have been under way for long.
    fn held_up(&self, now: Instant) -> HashSet<Uuid> {
        let long = |one: &&OpenTransaction| now.duration_since(one.begun_at) >= WAITED_LONG;
        self.under_way.iter().filter(long).flat_map(|one| one.simulations.iter().copied()).collect()
    }

    fn end(&mut self, number: u64) {
        self.under_way.retain(|one| one.number != number);
    }
}

/// Puts an item into the queue, and begins a transaction if one is worth it.
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
        tokio::spawn(watch.look());
    }
}

/// Writes what was taken, and then what has come meanwhile, in a task of its own: a caller that
/// gives up must not break off what others wait for.
fn begin<W: Writer>(writer: &Arc<W>, begun: TransactionItems<W::Item>) {
    let TransactionItems { number, mut taken } = begun;
    let mut place = TransactionSlot { writer: Arc::clone(writer), number };
    tokio::spawn(async move {
        loop {
            place.writer.write(taken).await;
            let Some(begun) = place.next() else { break };
            taken = begun;
        }
    });
}

fn locked<W: Writer>(writer: &W) -> MutexGuard<'_, GroupCommit<W::Item>> {
    lock(writer.group_commit())
}

/// A transaction's place among those under way.
struct TransactionSlot<W: Writer> {
    writer: Arc<W>,
    number: u64,
}

impl<W: Writer> TransactionSlot<W> {
    /// What comes after a transaction that has ended.
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
    /// The place is free again even after a panic, and what waited for it goes on.
    fn drop(&mut self) {
        let mut group = locked(&*self.writer);
        group.end(self.number);
        // The end of the runtime ends the tasks, too, and nothing is to begin there.
        let next = if std::thread::panicking() { group.next() } else { None };
        drop(group);
        if let Some(begun) = next {
            begin(&self.writer, begun);
        }
    }
}

/// The task that looks at a queue while anything waits.
struct Watchdog<W: Writer> {
    writer: Arc<W>,
    /// Whether it has said that it ends; the mark is another one's by then.
    ended: bool,
}

impl<W: Writer> Watchdog<W> {
    async fn look(mut self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let mut group = locked(&*self.writer);
            if group.waiting.is_empty() {
                // Whoever comes next begins another task.
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
    /// Also where the runtime ends and the task with it.
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

    /// How long anything may take before a test gives up.
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

    /// Tells what it writes, and waits for leave to end.
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
    async fn nobody_waits_long_for_a_transaction_that_is_held_up() {
        let (writer, mut written) = slow();
        put(&writer, row(1, 0));
        assert_eq!(next(&mut written).await, [row(1, 0)]);
        // The first one does not end, and a single row is not worth another one by itself.
        put(&writer, row(2, 0));
        assert_eq!(next(&mut written).await, [row(2, 0)]);
    }

    #[tokio::test]
    async fn a_simulation_that_is_held_up_does_not_take_every_place() {
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
            // The look came between the two.
            writer.leave.add_permits(4);
            others.extend(next(&mut written).await);
        }
        assert!(others.starts_with(&[row(2, 0)]), "{others:?}");
        // What was passed over keeps its order.
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
    async fn a_panic_strands_nobody() {
        let (writer, mut written) = slow();
        put(&writer, row(PANICS, 0));
        assert_eq!(next(&mut written).await, [row(PANICS, 0)]);
        put(&writer, row(2, 0));
        writer.leave.add_permits(1);
        assert_eq!(next(&mut written).await, [row(2, 0)]);
        writer.leave.add_permits(1);
        // All places are free again.
        tokio::time::timeout(DEADLINE, async {
            while !locked(&*writer).under_way.is_empty() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("its place is free again");
    }
}
