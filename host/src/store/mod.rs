//! The store: everything that is SQL.
//!
//! A [`Store`] is a pool of connections to one database whose schema it has checked. It stores and
//! returns rows; their meaning is the recorder's concern.

mod access_tokens;
mod annotations;
mod attempts;
mod clock;
mod column_type;
mod columns;
mod configurations;
mod connection;
mod cursor;
mod earlier_system;
mod export;
mod extracted;
mod figures;
mod frozen_figures;
mod headers;
mod health;
mod history;
mod layout;
mod metric_declarations;
mod metrics;
mod migrating;
mod migration_script;
mod migrations;
mod missing;
mod origin;
pub(crate) mod outcome_columns;
mod outcome_page;
mod outcome_sql;
mod outcomes;
mod performance;
mod prices;
mod rejected;
mod removal;
mod retention;
mod revisions;
mod row_time;
mod run_report;
mod selections;
mod simulation_labels;
mod simulation_page;
mod simulation_reference;
mod simulation_score;
mod simulations;
mod sql;
mod starting;
mod statement;
mod writing;

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::{OnceCell, Semaphore};
use tokio_postgres::config::SslMode;

pub use access_tokens::TokenRow;
pub use annotations::{
    Annotation, AnnotationKind, AnnotationState, MOST_ANNOTATIONS, NewAnnotation, ReviewFigures,
};
pub use attempts::{Attempt, PlannedScenario};
pub use clock::{DatabaseClock, ReceiptTime};
pub use column_type::ColumnType;
pub use connection::ConnectionSettings;
#[cfg(any(test, fuzzing))]
pub(crate) use connection::fuzz_connections;
pub use earlier_system::{
    EarlierConfiguration, EarlierOutcomes, EarlierRun, EarlierSimulation, EarlierSystem,
};
pub use export::{ExportSelection, OutcomeRows};
pub use extracted::ColumnChange;
pub(crate) use extracted::ExtractedColumns;
pub(crate) use figures::is_agent;
pub use figures::{FigureScope, Figures, MetricFigures, SupersededResult, UsageFigures};
pub use health::{Health, Policy, PoolStats};
pub(crate) use history::{ExtractedOutcome, RejectedSubmission};
pub use layout::Layout;
pub use metrics::Metrics;
pub use migrating::MigrationReport;
pub use migration_script::migration_script_for_empty;
pub use migrations::SchemaState;
pub use missing::{MOST_MISSING, MissingReason, MissingTrial};
pub(crate) use origin::NAME_BYTES;
pub use origin::Origin;
pub(crate) use outcome_columns::{AddedFields, ScoreColumns, UsageColumns};
pub use outcome_columns::{OutcomeRow, outcome_columns_of_table};
pub use outcome_page::{Attachments, OutcomePage};
pub use outcomes::{OutcomeFilter, OutcomeRecord, RecordedOutcome};
pub use performance::{Failure, HourlyPerformance, Performance, PerformanceSummary};
pub use prices::{ModelPrices, PriceTable, PriceTableSummary, TokenCounts};
pub use rejected::{RejectedPage, RejectedResult};
pub use removal::RemovedSimulation;
pub use retention::{ExpiredSimulations, RemovedRows, RetentionTime, hours_before};
pub use revisions::Revision;
pub use run_report::{
    Aggregation, MetricDefinition, MetricDefinitions, MetricKind, MissingPolicy, ReportedFigure,
    RunReport,
};
pub use selections::{ListedResults, ResultList};
pub use simulation_labels::SimulationLabels;
pub(crate) use simulation_labels::check_tags;
pub use simulation_page::{ListedSimulation, OriginFilter, SimulationFilter, SimulationPage};
pub use simulation_score::{ScoreSource, SimulationScore};
pub use simulations::{Simulation, SimulationStatus};
pub use sql::SqlAnswer;
pub(crate) use starting::{ChangedDefinitions, scenario_key, whole};
pub use starting::{
    DEFAULT_PROJECT, NO_CONFIGURATION, NewSimulation, PlannedRow, SimulationStart, check_project,
};
pub use writing::{RejectedRow, ResultKey};
pub(crate) use writing::{Replay, RewriteTransaction, RewrittenOutcome, simulations_of};

use connection::{CONNECT_TIMEOUT, Connector, Manager, Pool};

use crate::error::{Error, Result, TRY_AGAIN};
#[cfg(any(test, fuzzing))]
pub(crate) use cursor::fuzz as fuzz_cursor;
use metrics::Counters;
use writing::LookUpPolicy;

/// How long a call waits for a connection before it fails.
const POOL_WAIT: Duration = Duration::from_secs(30);

/// A pool of connections to one database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    pool: Pool,
    counters: Arc<Counters>,
    clock: Arc<DatabaseClock>,
    prices: Arc<prices::CachedPrices>,
    known_layout: Arc<row_time::KnownLayout>,
    look_up: Arc<LookUpPolicy>,
    copying: Arc<OnceCell<bool>>,
    /// For rows that are larger than a page.
    large_rows: Arc<Semaphore>,
    /// For transactions with long documents.
    large_writes: Arc<Semaphore>,
}

/// A connection that returns to the pool when it is dropped.
type Connection = deadpool::managed::Object<Manager>;

impl Store {
    /// Sets up a pool of at most `connections` to the database of the settings, without connecting yet:
    /// see [`Store::check_schema`] and [`Store::migrate`].
    ///
    /// # Errors
    /// [`Error::Configuration`] if a file of a certificate or key cannot be used.
    pub fn with_settings(settings: &ConnectionSettings, connections: usize) -> Result<Self> {
        Self::with_connector(Connector::new(settings)?, connections)
    }

    /// Sets up a pool of at most `connections` without TLS, for a database of this machine, without
    /// connecting yet. Its statements have names, which poolers do not support.
    ///
    /// # Errors
    /// [`Error::Configuration`] if the settings require TLS: see [`Store::with_settings`].
    pub fn new(mut config: tokio_postgres::Config, connections: usize) -> Result<Self> {
        if config.get_ssl_mode() == SslMode::Require {
            return Err(Error::configuration(
                "TLS (sslmode=require) needs connection settings that are made from a URL",
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
        let counters = Arc::new(Counters::default());
        let clock = Arc::new(DatabaseClock::new());
        let manager = Manager::new(connector, Arc::clone(&counters), Arc::clone(&clock));
        let pool = Pool::builder(manager)
            .max_size(connections)
            // The most recently used one is in the processor's caches.
            .queue_mode(deadpool::managed::QueueMode::Lifo)
            .wait_timeout(Some(POOL_WAIT))
            .runtime(deadpool::Runtime::Tokio1)
            .build()
            .map_err(|error| {
                Error::configuration("could not set up the connections").with_source(error)
            })?;
        Ok(Store {
            pool,
            counters,
            clock,
            prices: Arc::default(),
            known_layout: Arc::default(),
            look_up: Arc::default(),
            copying: Arc::default(),
            large_rows: Arc::new(Semaphore::new(1)),
            large_writes: Arc::new(Semaphore::new(2)),
        })
    }

    async fn client(&self) -> Result<Connection> {
        self.pool.get().await.map_err(Error::pool)
    }

    /// Returns the database's clock, as far as this host knows it.
    pub fn clock(&self) -> &DatabaseClock {
        &self.clock
    }

    /// Makes sure that the offset of this host's clock is known.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the database does not return its time.
    pub(crate) async fn measure_clock(&self) -> Result<()> {
        if self.clock.is_measured() {
            return Ok(());
        }
        // If the offset is unknown, using a connection measures it.
        drop(self.client().await?);
        if self.clock.is_measured() {
            return Ok(());
        }
        Err(Error::unavailable("the database's clock could not be read"))
    }

    /// Returns the time by the database's clock, by which the age of rows is determined.
    ///
    /// # Errors
    /// [`Error::Database`] or [`Error::Unavailable`].
    pub async fn now(&self) -> Result<jiff::Timestamp> {
        let failed = |error| Error::postgres_without_values("ask the database for the time", error);
        let client = self.client().await?;
        let row = client.query_one("SELECT pg_catalog.clock_timestamp()", &[]).await;
        Ok(row.map_err(failed)?.get(0))
    }

    /// Returns the current state of the connections.
    pub fn pool_stats(&self) -> PoolStats {
        let pool = self.pool.status();
        PoolStats { size: pool.size, available: pool.available, waiting: pool.waiting }
    }

    /// Tests the idle connections and drops those that are lost, as all of them can be after this
    /// process was frozen and resumed elsewhere. Returns how many were dropped.
    pub async fn test_connections(&self) -> usize {
        let mut dropped = 0;
        let idle = self.pool.status().available;
        let mut tested = Vec::with_capacity(idle);
        for _ in 0..idle {
            // A caller that has taken one in the meantime detects it by using it.
            let Some(Ok(client)) = self.client().now_or_never() else { break };
            tested.push(client);
        }
        for client in tested {
            if !client.answers().await {
                drop(Connection::take(client));
                dropped += 1;
            }
        }
        dropped
    }

    /// Checks that the database is reachable and accepts writes: with a connection of its own, so that
    /// the answer does not depend on other calls.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Configuration`] if no connection can be made;
    /// [`Error::Unavailable`] if it is read-only, as a standby is.
    pub async fn answers(&self) -> Result<()> {
        let client = deadpool::managed::Manager::create(self.pool.manager()).await?;
        if !client.answers().await {
            return Err(Error::unavailable("the database does not answer").with_hint(TRY_AGAIN));
        }
        let asked = client.query_one("SHOW transaction_read_only", &[]).await;
        let failed =
            |error| Error::postgres_without_values("ask whether the database takes writes", error);
        let read_only: String = asked.map_err(failed)?.get(0);
        if read_only == "on" {
            return Err(Error::unavailable(
                "the database takes no writes just now (transaction_read_only is on, as on a \
                 standby)",
            )
            .with_hint(TRY_AGAIN));
        }
        Ok(())
    }

    /// Closes the connections; calls in progress end first.
    pub fn close(&self) {
        self.pool.close();
    }
}
