//! The pool of connections.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};
use tokio::task::AbortHandle;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::super::clock::{DatabaseClock, Reading, epoch_micros};
use super::super::metrics::Counters;
use super::connect::Connector;
use super::session::{KnownTypes, Session};
use super::watch;
use crate::error::{Error, TRY_AGAIN};

/// A connection that was idle for this long is tested before it is used again: a firewall might have
/// dropped it, or this process might have been frozen and resumed on another machine. The test costs a
/// round trip.
const TEST_AFTER: Duration = Duration::from_secs(5);

/// How long the answer to the test can take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// No name in a statement is resolved in schemas in which other roles create functions and operators.
/// All names of functions also have their schema, for sessions that a pooler shares, in which no
/// setting persists: except `unnest` of several arrays, which is syntax and always PostgreSQL's own.
const SEARCH_PATH: &str = "SET search_path = pg_catalog, pg_temp";

/// A pool of connections.
pub(crate) type Pool = managed::Pool<Manager>;

/// Makes the connections of a pool.
#[derive(Debug)]
pub(crate) struct Manager {
    connector: Arc<Connector>,
    types: KnownTypes,
    counters: Arc<Counters>,
    clock: Arc<DatabaseClock>,
}

impl Manager {
    pub(crate) fn new(
        connector: Connector,
        counters: Arc<Counters>,
        clock: Arc<DatabaseClock>,
    ) -> Self {
        Manager { connector: Arc::new(connector), types: KnownTypes::default(), counters, clock }
    }
}

impl managed::Manager for Manager {
    type Type = PooledConnection;
    type Error = Error;

    async fn create(&self) -> Result<PooledConnection, Error> {
        // Connecting is rare and its future is large; without the box, every call that can connect
        // would be as large.
        let connected = Box::pin(self.connector.connect(&self.types)).await?;
        let session = connected.session.counted_by(&self.counters);
        if connected.own_session {
            let set = session.client().batch_execute(SEARCH_PATH).await;
            set.map_err(|error| Error::postgres_without_values("set up the connection", error))?;
        }
        let watch = connected.origin.map(|origin| {
            let (connector, types) = (Arc::clone(&self.connector), KnownTypes::clone(&self.types));
            let pending = Arc::downgrade(session.pending());
            let watch = watch::watch(connector, types, origin, pending, connected.task.clone());
            tokio::spawn(watch).abort_handle()
        });
        let clock = Arc::clone(&self.clock);
        let pooled = PooledConnection {
            session,
            task: connected.task,
            watch,
            taken: ClockReading::now(),
            clock,
        };
        let answers = match self.clock.is_due() {
            true => pooled.measures_clock().await,
            false => pooled.answers().await,
        };
        if !answers {
            return Err(Error::unavailable("the database does not answer").with_hint(TRY_AGAIN));
        }
        Ok(pooled)
    }

    async fn recycle(&self, pooled: &mut PooledConnection, _: &Metrics) -> RecycleResult<Error> {
        if pooled.session.client().is_closed() {
            return Err(RecycleError::message("the connection is closed"));
        }
        if pooled.session.is_out_of_step() {
            return Err(RecycleError::message("the connection is out of step"));
        }
        let answers = if self.clock.is_due() {
            pooled.measures_clock().await
        } else {
            !pooled.taken.longer_ago_than(TEST_AFTER) || pooled.answers().await
        };
        if !answers {
            return Err(RecycleError::message("the connection does not answer"));
        }
        pooled.taken = ClockReading::now();
        Ok(())
    }
}

/// A connection of the pool.
#[derive(Debug)]
pub(crate) struct PooledConnection {
    session: Session<Client>,
    task: AbortHandle,
    /// Aborts the connection if no answer can arrive any more.
    watch: Option<AbortHandle>,
    /// When it was last taken from the pool.
    taken: ClockReading,
    clock: Arc<DatabaseClock>,
}

/// How many times in a row the clock is measured, if the first round trips are slow.
const MEASUREMENTS: u32 = 4;

/// The query of the server's time, in a form that no setting of a session changes.
const TIME: &str = "SELECT pg_catalog.date_part('epoch', pg_catalog.clock_timestamp())";

impl PooledConnection {
    /// Tests whether the server answers on the connection soon. The query returns the server's time, by
    /// which the host's clock is measured.
    pub(crate) async fn answers(&self) -> bool {
        let begun = Reading::now();
        let asked = self.session.client().simple_query(TIME);
        let Ok(Ok(messages)) = tokio::time::timeout(ANSWER_WITHIN, asked).await else {
            return false;
        };
        let round_trip = begun.elapsed();
        let time = messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0).and_then(epoch_micros),
            _ => None,
        });
        if let Some(time) = time {
            self.clock.record(begun, round_trip, time);
        }
        true
    }

    /// Tests the connection several times, because the fastest answer is the most exact.
    async fn measures_clock(&self) -> bool {
        for _ in 0..MEASUREMENTS {
            if !self.answers().await {
                return false;
            }
            if self.clock.is_precise() {
                break;
            }
        }
        true
    }
}

/// The time on both clocks: one stops while the machine is suspended, the other can be set.
#[derive(Debug)]
struct ClockReading {
    steady: Instant,
    wall: SystemTime,
}

impl ClockReading {
    fn now() -> Self {
        ClockReading { steady: Instant::now(), wall: SystemTime::now() }
    }

    fn longer_ago_than(&self, time: Duration) -> bool {
        // A clock that was set back does not measure the time in between.
        self.steady.elapsed() > time || self.wall.elapsed().map_or(true, |wall| wall > time)
    }
}

impl Deref for PooledConnection {
    type Target = Session<Client>;

    fn deref(&self) -> &Session<Client> {
        &self.session
    }
}

impl DerefMut for PooledConnection {
    fn deref_mut(&mut self) -> &mut Session<Client> {
        &mut self.session
    }
}

impl Drop for PooledConnection {
    /// The statements on the connection end with it.
    fn drop(&mut self) {
        self.task.abort();
        self.watch.iter().for_each(AbortHandle::abort);
    }
}
