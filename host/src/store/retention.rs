//! What is older than it is to be kept: whole simulations, removed for good.
//!
//! Where outcomes lie in chunks (TimescaleDB), chunks in which nothing is to stay are dropped, which costs
//! the same for any number of rows. All other rows go in small transactions with pauses between
//! them, so that recording goes on beside. A simulation's own row goes last: a run that is broken off
//! leaves simulations that the next run finishes.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::layout::Layout;
use super::statement::Statement;
use super::{SchemaState, Store};
use crate::error::{Error, Result};

/// How many rows a transaction deletes: some ten milliseconds of work.
const BATCH_ROWS: i64 = 1_000;

/// How long a pause is at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Simulations that are older than what is to be kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Expired {
    /// Those that were started before are not to be kept.
    pub before: Timestamp,
    /// Which they are, the oldest first.
    pub simulation_ids: Vec<Uuid>,
    /// How many outcomes they have.
    pub outcomes: u64,
    /// How many rejected results they have.
    pub rejected_results: u64,
    /// Up to where whole chunks can be dropped; none where there are no chunks.
    #[serde(skip)]
    chunks_before: Option<Timestamp>,
    /// The chunks that can be dropped.
    pub chunks: Vec<String>,
}

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// Whole simulations.
    pub simulations: u64,
    /// Chunks that were dropped with all their outcomes.
    pub chunks: u64,
    /// Outcomes that were deleted row by row.
    pub deleted_outcomes: u64,
}

/// What belongs to a simulation, with the column that tells its rows apart.
const PARTS: [(&str, &str); 4] = [
    ("outcomes", "outcome_id"),
    ("rejected_results", "outcome_id"),
    ("replaced_extractions", "outcome_id"),
    ("planned_scenarios", "scenario_id"),
];

/// Of those that still run, one to which results came lately is in use.
const EXPIRED: &str = "
    SELECT simulation_id FROM arc_recorder.simulations AS simulation
    WHERE started_at < $1 AND (status <> 'running' OR NOT EXISTS (
        SELECT FROM arc_recorder.outcomes AS outcome
        WHERE outcome.simulation_id = simulation.simulation_id AND outcome.received_at >= $1
    ))
    ORDER BY started_at, simulation_id";

/// The time so many hours before another.
///
/// # Errors
/// [`Error::Invalid`] where that is before all times that the database can hold.
pub fn hours_before(now: Timestamp, hours: f64) -> Result<Timestamp> {
    let too_long = |_| {
        Error::invalid(format!("{hours} hours ago is before all times"))
            .with_hint("name a shorter duration")
    };
    let ago = jiff::SignedDuration::try_from_secs_f64(hours * 3_600.0).map_err(too_long)?;
    now.checked_sub(ago).map_err(too_long)
}

impl Store {
    /// The time so many hours ago by the database's clock: a host whose clock is wrong removes
    /// nothing too early.
    ///
    /// # Errors
    /// As [`hours_before`] and [`Store::now`].
    pub async fn hours_ago(&self, hours: f64) -> Result<Timestamp> {
        hours_before(self.now().await?, hours)
    }

    /// The simulations that were started before a time, but for those that still run and have had
    /// results since. Nothing is changed.
    ///
    /// # Errors
    /// [`Error::Schema`] where the schema is not current.
    pub async fn expired(&self, before: Timestamp) -> Result<Expired> {
        let expired = self.find_expired(before, self.layout().await?).await?;
        let count = Statement::new(
            "SELECT (SELECT pg_catalog.count(*) FROM arc_recorder.outcomes
                     WHERE simulation_id = ANY ($1)),
                 (SELECT pg_catalog.count(*) FROM arc_recorder.rejected_results
                     WHERE simulation_id = ANY ($1))",
        )
        .with(expired.simulation_ids.clone());
        let rows = self.rows(&count, "count what is too old").await?;
        let count = |place| rows.first().map_or(0, |row| row.get::<_, i64>(place));
        Ok(Expired {
            outcomes: u64::try_from(count(0)).unwrap_or(0),
            rejected_results: u64::try_from(count(1)).unwrap_or(0),
            ..expired
        })
    }

    /// Removes the simulations that [`Store::expired`] finds, with all that belongs to them, and tells
    /// `progress` after each what was removed so far. Safe to repeat, and to break off.
    ///
    /// # Errors
    /// As [`Store::expired`]; [`Error::Database`] where the user may not delete.
    pub async fn remove_expired(
        &self,
        before: Timestamp,
        mut progress: impl FnMut(&Removed) + Send,
    ) -> Result<Removed> {
        let layout = self.layout().await?;
        let expired = self.find_expired(before, layout).await?;
        let mut removed = Removed::default();
        if let Some(chunks_before) = expired.chunks_before
            && !expired.chunks.is_empty()
        {
            removed.chunks = self.drop_chunks(chunks_before).await?;
            progress(&removed);
        }
        for simulation_id in expired.simulation_ids {
            removed.deleted_outcomes += self.remove_simulation(simulation_id, layout).await?;
            removed.simulations += 1;
            progress(&removed);
        }
        Ok(removed)
    }

    /// The layout of the tables.
    ///
    /// # Errors
    /// [`Error::Schema`] where the schema is not current.
    pub async fn layout(&self) -> Result<Layout> {
        if !matches!(self.check_schema().await?, SchemaState::Current(_)) {
            return Err(Error::schema("the database's schema is not up to date")
                .with_hint("run `arc-host migrate`"));
        }
        let client = self.client().await?;
        Layout::recorded(&client).await
    }

    async fn find_expired(&self, before: Timestamp, layout: Layout) -> Result<Expired> {
        let rows = self.rows(&Statement::new(EXPIRED).with(before), "find what is too old").await?;
        let simulation_ids: Vec<Uuid> = rows.iter().map(|row| row.get(0)).collect();
        let mut expired = Expired {
            before,
            simulation_ids,
            outcomes: 0,
            rejected_results: 0,
            chunks_before: None,
            chunks: Vec::new(),
        };
        if layout == Layout::Timescale && !expired.simulation_ids.is_empty() {
            // Nothing may go with a chunk that is to stay.
            let kept = Statement::new(
                "SELECT least($1, pg_catalog.min(started_at)) FROM arc_recorder.simulations
                 WHERE started_at < $1 AND simulation_id <> ALL ($2)",
            )
            .with(before)
            .with(expired.simulation_ids.clone());
            let rows = self.rows(&kept, "find what is to be kept").await?;
            let chunks_before = rows.first().map_or(before, |row| row.get(0));
            let chunks = self.call_timescale("show_chunks", chunks_before).await?;
            (expired.chunks_before, expired.chunks) = (Some(chunks_before), chunks);
        }
        Ok(expired)
    }

    async fn drop_chunks(&self, before: Timestamp) -> Result<u64> {
        let dropped = self.call_timescale("drop_chunks", before).await?;
        Ok(u64::try_from(dropped.len()).unwrap_or(u64::MAX))
    }

    /// Calls a function of TimescaleDB with the chunks of outcomes that end before a time. The
    /// extension may be in any schema.
    async fn call_timescale(&self, function: &str, before: Timestamp) -> Result<Vec<String>> {
        let home = Statement::new(
            "SELECT pg_catalog.quote_ident(nspname) FROM pg_catalog.pg_extension
             JOIN pg_catalog.pg_namespace ON pg_namespace.oid = extnamespace
             WHERE extname = 'timescaledb'",
        );
        let rows = self.rows(&home, "find TimescaleDB").await?;
        let Some(home) = rows.first().map(|row| row.get::<_, String>(0)) else {
            return Ok(Vec::new());
        };
        let call = Statement::new(format!(
            "SELECT chunk::text FROM {home}.{function}('arc_recorder.outcomes'::regclass,
                 older_than => $1::timestamptz) AS chunk"
        ))
        .with(before);
        let rows = self.rows(&call, "work on the chunks of outcomes").await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Removes one simulation, and gives how many outcomes were deleted for it.
    async fn remove_simulation(&self, simulation_id: Uuid, layout: Layout) -> Result<u64> {
        let mut outcomes = 0;
        for (table, key) in PARTS {
            // In the columnstore a simulation is deleted by the batch, and not by the row.
            if layout == Layout::Timescale && table == "outcomes" {
                continue;
            }
            loop {
                let begun = Instant::now();
                let delete = Statement::new(format!(
                    "DELETE FROM arc_recorder.{table} WHERE simulation_id = $1 AND {key} = ANY (ARRAY(
                         SELECT {key} FROM arc_recorder.{table} WHERE simulation_id = $1
                         ORDER BY {key} LIMIT $2))"
                ))
                .with(simulation_id)
                .with(BATCH_ROWS);
                let deleted = self.change(&delete, "delete what is too old").await?;
                if table == "outcomes" {
                    outcomes += deleted;
                }
                if deleted < BATCH_ROWS.unsigned_abs() {
                    break;
                }
                // Half of the time is for others.
                tokio::time::sleep(begun.elapsed().min(LONGEST_PAUSE)).await;
            }
        }
        Ok(outcomes + self.remove_rest(simulation_id).await?)
    }

    /// Removes a simulation's own row with what came meanwhile. Who records holds the figures lock
    /// to the end of a transaction.
    async fn remove_rest(&self, simulation_id: Uuid) -> Result<u64> {
        let failed = |error| Error::postgres("delete what is too old", error);
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(failed)?;
        transaction
            .query_one(
                "SELECT pg_catalog.pg_advisory_xact_lock(arc_recorder.figures_lock($1)),
                     pg_catalog.set_config(
                     'timescaledb.max_tuples_decompressed_per_dml_transaction', '0', true)",
                &[&simulation_id],
            )
            .await
            .map_err(failed)?;
        let mut outcomes = 0;
        for (table, _) in PARTS {
            let delete = format!("DELETE FROM arc_recorder.{table} WHERE simulation_id = $1");
            let deleted = transaction.execute(delete.as_str(), &[&simulation_id]).await;
            let deleted = deleted.map_err(failed)?;
            if table == "outcomes" {
                outcomes = deleted;
            }
        }
        let delete = "DELETE FROM arc_recorder.simulations WHERE simulation_id = $1";
        transaction.execute(delete, &[&simulation_id]).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok(outcomes)
    }
}
