//! The store: everything that is SQL.
//!
//! A [`Store`] is a pool of connections to one database whose schema it has checked. What it
//! stores and gives are rows; what they mean is the recorder's to say.

mod columns;
mod extracted;
mod figures;
mod health;
mod history;
mod migrations;
mod outcomes;
mod performance;
mod rejected;
mod simulations;
mod writing;

use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio_postgres::NoTls;
use tokio_postgres::config::SslMode;

pub use extracted::ColumnChange;
pub(crate) use extracted::ExtractedColumns;
pub use figures::Figures;
pub use health::Health;
pub(crate) use history::{ExtractedOutcome, KeptResult};
pub use migrations::{Migrated, SchemaState};
pub use outcomes::{OutcomeFilter, RecordedOutcome};
pub use performance::{Failure, HourlyPerformance, Performance, PerformanceSummary};
pub use rejected::RejectedResult;
pub(crate) use simulations::scenario_key;
pub use simulations::{NewSimulation, PlannedRow, Simulation, SimulationStatus};

pub use writing::{OutcomeRow, RejectedRow, ResultKey};
pub(crate) use writing::{Replay, Rewriting, Rewritten};

use crate::error::{Error, Result};

/// How long a call waits for a connection before it gives up.
const POOL_WAIT: Duration = Duration::from_secs(30);

/// How long making a connection may take, unless the URL says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A pool of connections to one database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    pool: Pool,
}

impl Store {
    /// Sets up a pool of at most `connections`, and checks nothing yet: see
    /// [`Store::check_schema`] and [`Store::migrate`].
    ///
    /// # Errors
    /// [`Error::Configuration`] where the settings ask for what this program cannot do.
    pub fn new(mut config: tokio_postgres::Config, connections: usize) -> Result<Self> {
        if config.get_ssl_mode() == SslMode::Require {
            return Err(Error::Configuration(
                "the URL asks for TLS (sslmode=require), which this version cannot do yet; \
                 use a server on this machine, or a tunnel, with sslmode=prefer"
                    .to_owned(),
            ));
        }
        if config.get_application_name().is_none() {
            config.application_name("arc-host");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        let manager_config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(config, NoTls, manager_config);
        let pool = Pool::builder(manager)
            .max_size(connections)
            .wait_timeout(Some(POOL_WAIT))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| {
                Error::Configuration(format!("could not set up the connections: {error}"))
            })?;
        Ok(Store { pool })
    }

    async fn client(&self) -> Result<deadpool_postgres::Object> {
        self.pool.get().await.map_err(Error::pool)
    }

    /// Closes the connections; calls that are under way end first.
    pub fn close(&self) {
        self.pool.close();
    }
}
