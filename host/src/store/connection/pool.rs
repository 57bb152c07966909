//! The pool of connections.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};
use tokio::task::AbortHandle;
use tokio_postgres::Client;

use super::super::metrics::Counters;
use super::connect::Connector;
use super::session::{KnownTypes, Session};
use crate::error::Error;

/// A pool of connections.
pub(crate) type Pool = managed::Pool<Manager>;

/// Makes the connections of a pool.
#[derive(Debug)]
pub(crate) struct Manager {
    connector: Connector,
    types: KnownTypes,
    counters: Arc<Counters>,
}

impl Manager {
    pub(crate) fn new(connector: Connector, counters: Arc<Counters>) -> Self {
        Manager { connector, types: KnownTypes::default(), counters }
    }
}

impl managed::Manager for Manager {
    type Type = Pooled;
    type Error = Error;

    async fn create(&self) -> Result<Pooled, Error> {
        let connected = self.connector.connect(&self.types).await?;
        let session = connected.session.counted_by(&self.counters);
        Ok(Pooled { session, task: connected.task })
    }

    async fn recycle(&self, pooled: &mut Pooled, _: &Metrics) -> RecycleResult<Error> {
        if pooled.session.client().is_closed() {
            return Err(RecycleError::message("the connection is closed"));
        }
        Ok(())
    }
}

/// A connection of the pool.
#[derive(Debug)]
pub(crate) struct Pooled {
    session: Session<Client>,
    task: AbortHandle,
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
    }
}
