//! The time by which the rows of one simulation are found in a hypertable.
//!
//! All results and documents of a simulation have its `partition_time` in their key. In a hypertable, a
//! query that does not name it plans for every chunk and locks them all, and reads every chunk that is in
//! the columnstore. In plain tables and in those of Citus the index on the simulation is enough: another
//! condition would only make the planner expect fewer rows.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use uuid::Uuid;

use super::Store;
use super::layout::Layout;
use super::statement::Statement;
use crate::error::{Error, Result};
use crate::lock::lock;

/// How long a looked-up layout is used. With another one, queries are as right, but slower.
const REFRESH: Duration = Duration::from_secs(60);

/// The layout of the tables, and when it was looked up.
#[derive(Debug, Default)]
pub(super) struct KnownLayout(Mutex<Option<(Layout, Instant)>>);

impl Store {
    /// Returns the layout of the tables, as it was a short time ago; the plain one if the user is not
    /// allowed to know it, or if there are no tables.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub(super) async fn known_layout(&self) -> Result<Layout> {
        let known = *lock(&self.known_layout.0);
        if let Some((layout, looked_up)) = known
            && looked_up.elapsed() < REFRESH
        {
            return Ok(layout);
        }
        let client = self.client().await?;
        let layout = match Layout::recorded(&client).await {
            Err(error @ Error::Unavailable(_)) => return Err(error),
            // The tables are made later.
            Err(error) if error.sqlstate() == Some(SqlState::UNDEFINED_TABLE.code()) => {
                return Ok(Layout::Plain);
            }
            recorded => recorded.unwrap_or(Layout::Plain),
        };
        *lock(&self.known_layout.0) = Some((layout, Instant::now()));
        Ok(layout)
    }

    /// Returns the time that a query about a simulation must name ([`Statement::at`]); `None` if it needs
    /// none, or if the simulation does not exist.
    pub(super) async fn row_time(&self, simulation_id: Uuid) -> Result<Option<Timestamp>> {
        if self.known_layout().await? != Layout::Timescale {
            return Ok(None);
        }
        let select = "SELECT partition_time FROM arc_recorder.simulations WHERE simulation_id = $1";
        let select = Statement::new(select).with(simulation_id);
        let rows = self.rows(&select, "read when the simulation was accepted").await?;
        Ok(rows.first().map(|row| row.get(0)))
    }

    /// Runs a query about one simulation; `what` describes it in errors, and begins with a verb.
    pub(super) async fn rows_of(
        &self,
        simulation_id: Uuid,
        statement: Statement,
        what: &str,
    ) -> Result<Vec<Row>> {
        let statement = statement.at(self.row_time(simulation_id).await?);
        self.rows(&statement, what).await
    }
}
