//! The store: everything that is SQL.
//!
//! A [`Store`] is a pool of connections to one database whose schema it has checked. What it
//! stores and gives are rows; what they mean is the recorder's to say.

mod columns;
mod connection;
mod figures;
mod health;
mod migrations;
mod outcomes;
mod performance;
mod rejected;
mod simulations;
mod writing;

use std::time::Duration;

use tokio_postgres::config::SslMode;

pub use connection::ConnectionSettings;
pub use figures::Figures;
pub use health::Health;
pub use migrations::{Migrated, SchemaState};
pub use outcomes::{OutcomeFilter, RecordedOutcome};
pub use performance::{Failure, HourlyPerformance, Performance, PerformanceSummary};
pub use rejected::RejectedResult;
pub(crate) use simulations::scenario_key;
pub use simulations::{NewSimulation, PlannedRow, Simulation, SimulationStatus};

pub use writing::{OutcomeRow, RejectedRow, ResultKey};

use connection::{CONNECT_TIMEOUT, Connector, Manager, Pool};

use crate::error::{Error, Result};

/// How long a call waits for a connection before it gives up.
const POOL_WAIT: Duration = Duration::from_secs(30);

/// A pool of connections to one database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    pool: Pool,
}

impl Store {
    /// Sets up a pool of at most `connections` to the database that the settings name, and
    /// connects with none yet: see [`Store::check_schema`] and [`Store::migrate`].
    ///
    /// # Errors
    /// [`Error::Configuration`] where a file of a certificate or key will not do.
    pub fn with_settings(settings: &ConnectionSettings, connections: usize) -> Result<Self> {
        Self::with_connector(Connector::new(settings)?, connections)
    }

    /// Sets up a pool of at most `connections` without TLS, for a database of this machine, and
    /// connects with none yet. Its statements have names, which poolers do not understand.
    ///
    /// # Errors
    /// [`Error::Configuration`] where the settings ask for TLS: see [`Store::with_settings`].
    pub fn new(mut config: tokio_postgres::Config, connections: usize) -> Result<Self> {
        if config.get_ssl_mode() == SslMode::Require {
            return Err(Error::Configuration(
                "TLS (sslmode=require) needs connection settings that are made from a URL"
                    .to_owned(),
            ));
        }
        if config.get_application_name().is_none() {
            config.application_name("arc-host");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        Self::with_connector(Connector::plain(config), connections)
    }

    fn with_connector(connector: Connector, connections: usize) -> Result<Self> {
        let pool = Pool::builder(Manager::new(connector))
            .max_size(connections)
            .wait_timeout(Some(POOL_WAIT))
            .runtime(deadpool::Runtime::Tokio1)
            .build()
            .map_err(|error| {
                Error::Configuration(format!("could not set up the connections: {error}"))
            })?;
        Ok(Store { pool })
    }

    async fn client(&self) -> Result<deadpool::managed::Object<Manager>> {
        self.pool.get().await.map_err(Error::pool)
    }

    /// Closes the connections; calls that are under way end first.
    pub fn close(&self) {
        self.pool.close();
    }
}
