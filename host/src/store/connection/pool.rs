//! The pool of connections.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};
use tokio::task::AbortHandle;
use tokio_postgres::Client;

use super::super::metrics::Counters;
use super::connect::Connector;
use super::session::{KnownTypes, Session};
use super::watch;
use crate::error::Error;

/// A connection that was not taken for so long is tested before it is used again: a firewall may
/// have forgotten it, or this process may have been frozen and thawed on another machine. It costs a
/// round trip.
const TEST_AFTER: Duration = Duration::from_secs(5);

/// How long the answer to the test may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// A pool of connections.
pub(crate) type Pool = managed::Pool<Manager>;

/// Makes the connections of a pool.
#[derive(Debug)]
pub(crate) struct Manager {
    connector: Arc<Connector>,
    types: KnownTypes,
    counters: Arc<Counters>,
}

impl Manager {
    pub(crate) fn new(connector: Connector, counters: Arc<Counters>) -> Self {
        Manager { connector: Arc::new(connector), types: KnownTypes::default(), counters }
    }
}

impl managed::Manager for Manager {
    type Type = Pooled;
    type Error = Error;

    async fn create(&self) -> Result<Pooled, Error> {
        // Connecting is rare and takes much room, which every call that may connect would have.
        let connected = Box::pin(self.connector.connect(&self.types)).await?;
        let session = connected.session.counted_by(&self.counters);
        let watch = connected.origin.map(|origin| {
            let (connector, types) = (Arc::clone(&self.connector), KnownTypes::clone(&self.types));
            let unanswered = Arc::downgrade(session.unanswered());
            let watch = watch::watch(connector, types, origin, unanswered, connected.task.clone());
            tokio::spawn(watch).abort_handle()
        });
        Ok(Pooled { session, task: connected.task, watch, taken: Moment::now() })
    }

    async fn recycle(&self, pooled: &mut Pooled, _: &Metrics) -> RecycleResult<Error> {
        if pooled.session.client().is_closed() {
            return Err(RecycleError::message("the connection is closed"));
        }
        if pooled.taken.longer_ago_than(TEST_AFTER) && !pooled.answers().await {
            return Err(RecycleError::message("the connection does not answer"));
        }
        pooled.taken = Moment::now();
        Ok(())
    }
}

/// A connection of the pool.
#[derive(Debug)]
pub(crate) struct Pooled {
    session: Session<Client>,
    task: AbortHandle,
    /// Ends it where no answer comes any more.
    watch: Option<AbortHandle>,
    /// When it was taken from the pool last.
    taken: Moment,
}

impl Pooled {
    /// Whether the server answers on it, soon.
    pub(crate) async fn answers(&self) -> bool {
        let asked = self.session.client().simple_query("");
        matches!(tokio::time::timeout(ANSWER_WITHIN, asked).await, Ok(Ok(_)))
    }
}

/// A moment on both clocks: the one stands still while the machine does, the other may be set.
#[derive(Debug)]
struct Moment {
    steady: Instant,
    wall: SystemTime,
}

impl Moment {
    fn now() -> Self {
        Moment { steady: Instant::now(), wall: SystemTime::now() }
    }

    fn longer_ago_than(&self, time: Duration) -> bool {
        // A clock that was set back says nothing of what happened meanwhile.
        self.steady.elapsed() > time || self.wall.elapsed().map_or(true, |wall| wall > time)
    }
}

impl Deref for Pooled {
    type Target = Session<Client>;

    fn deref(&self) -> &Session<Client> {
        &self.session
    }
}

impl DerefMut for Pooled {
    fn deref_mut(&mut self) -> &mut Session<Client> {
        &mut self.session
    }
}

impl Drop for Pooled {
    /// What runs on the connection ends with it.
    fn drop(&mut self) {
        self.task.abort();
        self.watch.iter().for_each(AbortHandle::abort);
    }
}
