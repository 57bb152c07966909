//! Retention: whole simulations that are too old are removed permanently.
//!
//! If outcomes are stored in chunks (TimescaleDB), chunks with no row to keep are dropped, which costs
//! the same for any number of rows. All other rows are deleted in small transactions with pauses
//! between them, so that recording continues. A simulation's own row is deleted last: an interrupted
//! run leaves simulations that the next run finishes.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::layout::Layout;
use super::outcome_sql::of_simulation;
use super::statement::Statement;
use super::{SchemaState, Store};
use crate::error::{Error, Result};
use crate::paging::BATCH_ROWS;

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The time that decides how old a simulation is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RetentionTime {
    /// When the simulation was accepted, so that the log of an old evaluation is kept as long as a new one.
    #[default]
    Acceptance,
    /// When the evaluation began.
    Evaluation,
}

impl RetentionTime {
    /// Returns the column of the time.
    fn column(self) -> &'static str {
        match self {
            RetentionTime::Acceptance => "partition_time",
            RetentionTime::Evaluation => "started_at",
        }
    }
}

/// Simulations that are older than the retention period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExpiredSimulations {
    /// Simulations that are older than this are removed.
    pub before: Timestamp,
    /// Their ids, the oldest first.
    pub simulation_ids: Vec<Uuid>,
    /// How many outcomes they have.
    pub outcomes: u64,
    /// How many rejected results they have.
    pub rejected_results: u64,
    /// The end of the chunks that can be dropped; `None` if there are no chunks.
    #[serde(skip)]
    chunks_before: Option<Timestamp>,
    /// The chunks that can be dropped.
    pub chunks: Vec<String>,
}

/// The number of removed rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RemovedRows {
    /// Whole simulations.
    pub simulations: u64,
    /// Chunks that were dropped, with all their outcomes or documents.
    pub chunks: u64,
    /// Outcomes that were deleted row by row.
    pub deleted_outcomes: u64,
}

/// A table with rows of a simulation, and the column that distinguishes its rows.
const PARTS: [(&str, &str); 8] = [
    // Before the documents, so that no outcome lacks its document.
    ("outcomes", "outcome_id"),
    ("documents", "outcome_id"),
    ("annotations", "annotation_id"),
    ("rejected_results", "outcome_id"),
    ("replaced_extractions", "outcome_id"),
    ("planned_scenarios", "scenario_id"),
    ("metric_declarations", "declaration_id"),
    ("selections", "selection_id"),
];

/// Whether a table is a hypertable in the layout for TimescaleDB.
fn has_chunks(table: &str) -> bool {
    matches!(table, "outcomes" | "documents")
}

/// The simulations that are older than `$1`. A running simulation that has recently received results is in
/// use.
fn expired_statement(before: Timestamp, by: RetentionTime) -> Statement {
    let time = by.column();
    Statement::new(format!(
        "SELECT simulation_id FROM arc_recorder.simulations AS simulation
         WHERE {time} < $1 AND (status <> 'running' OR NOT EXISTS (
             SELECT FROM arc_recorder.outcomes AS outcome
             WHERE outcome.simulation_id = simulation.simulation_id
                 AND outcome.partition_time = simulation.partition_time
                 AND outcome.received_at >= $1
         ))
         ORDER BY {time}, simulation_id"
    ))
    .with(before)
}

/// Returns the time this many hours before another.
///
/// # Errors
/// [`Error::Invalid`] if that is earlier than any time that the database can store.
pub fn hours_before(now: Timestamp, hours: f64) -> Result<Timestamp> {
    let too_long = |_| {
        Error::invalid(format!("{hours} hours ago is before all times"))
            .with_hint("name a shorter duration")
    };
    let ago = jiff::SignedDuration::try_from_secs_f64(hours * 3_600.0).map_err(too_long)?;
    now.checked_sub(ago).map_err(too_long)
}

impl Store {
    /// Returns the time this many hours ago by the database's clock, so that a host with a wrong clock
    /// removes nothing too early.
    ///
    /// # Errors
    /// As [`hours_before`] and [`Store::now`].
    pub async fn hours_ago(&self, hours: f64) -> Result<Timestamp> {
        hours_before(self.now().await?, hours)
    }

    /// Returns the simulations that are older than a time, except those that are still running and
    /// have had results since. Nothing is changed.
    ///
    /// # Errors
    /// [`Error::Schema`] if the schema is not current.
    pub async fn expired(
        &self,
        before: Timestamp,
        by: RetentionTime,
    ) -> Result<ExpiredSimulations> {
        let expired = self.find_expired(before, by, self.layout().await?).await?;
        let count = Statement::new(
            "SELECT (SELECT pg_catalog.count(*)
                     FROM arc_recorder.simulations AS simulation
                     JOIN arc_recorder.outcomes AS outcome USING (simulation_id, partition_time)
                     WHERE simulation.simulation_id = ANY ($1)),
                 (SELECT pg_catalog.count(*) FROM arc_recorder.rejected_results
                     WHERE simulation_id = ANY ($1))",
        )
        .with(expired.simulation_ids.clone());
        let rows = self.rows(&count, "count the expired rows").await?;
        let count = |place| rows.first().map_or(0, |row| row.get::<_, i64>(place));
        Ok(ExpiredSimulations {
            outcomes: u64::try_from(count(0)).unwrap_or(0),
            rejected_results: u64::try_from(count(1)).unwrap_or(0),
            ..expired
        })
    }

    /// Removes the simulations that [`Store::expired`] returns, with all of their rows, and reports the
    /// number of removed rows to `progress` after each. It is safe to repeat, and to interrupt.
    ///
    /// # Errors
    /// As [`Store::expired`]; [`Error::Database`] if the user is not allowed to delete.
    pub async fn remove_expired(
        &self,
        before: Timestamp,
        by: RetentionTime,
        mut progress: impl FnMut(&RemovedRows) + Send,
    ) -> Result<RemovedRows> {
        let layout = self.layout().await?;
        let expired = self.find_expired(before, by, layout).await?;
        let mut removed = RemovedRows::default();
        if let Some(chunks_before) = expired.chunks_before
            && !expired.chunks.is_empty()
        {
            removed.chunks = self.drop_chunks(chunks_before).await?;
            progress(&removed);
        }
        for simulation_id in expired.simulation_ids {
            removed.deleted_outcomes += self.delete_rows(simulation_id, layout).await?;
            removed.simulations += 1;
            progress(&removed);
        }
        Ok(removed)
    }

    /// Returns the layout of the tables.
    ///
    /// # Errors
    /// [`Error::Schema`] if the schema is not current.
    pub async fn layout(&self) -> Result<Layout> {
        if !matches!(self.check_schema().await?, SchemaState::Current(_)) {
            return Err(Error::schema("the database's schema is not up to date")
                .with_hint("run `arc-host migrate`"));
        }
        let client = self.client().await?;
        Layout::recorded(&client).await
    }

    async fn find_expired(
        &self,
        before: Timestamp,
        by: RetentionTime,
        layout: Layout,
    ) -> Result<ExpiredSimulations> {
        let expired = expired_statement(before, by);
        let rows = self.rows(&expired, "find the expired simulations").await?;
        let simulation_ids: Vec<Uuid> = rows.iter().map(|row| row.get(0)).collect();
        let mut expired = ExpiredSimulations {
            before,
            simulation_ids,
            outcomes: 0,
            rejected_results: 0,
            chunks_before: None,
            chunks: Vec::new(),
        };
        if layout == Layout::Timescale && !expired.simulation_ids.is_empty() {
            // No chunk with a row to keep is dropped.
            let kept = Statement::new(
                "SELECT least($1, pg_catalog.min(partition_time)) FROM arc_recorder.simulations
                 WHERE partition_time < $1 AND simulation_id <> ALL ($2)",
            )
            .with(before)
            .with(expired.simulation_ids.clone());
            let rows = self.rows(&kept, "find the simulations to keep").await?;
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

    /// Calls a function of TimescaleDB with the chunks of outcomes and documents that end before a time.
    /// The extension can be in any schema.
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
            "SELECT chunk::text
             FROM pg_catalog.unnest(ARRAY['arc_recorder.outcomes', 'arc_recorder.documents']::regclass[])
                 AS hypertable
             CROSS JOIN LATERAL {home}.{function}(hypertable, older_than => $1::timestamptz) AS chunk"
        ))
        .with(before);
        let rows = self.rows(&call, "work on the chunks of outcomes and documents").await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Deletes all rows of one simulation, and returns the number of its deleted outcomes.
    pub(super) async fn delete_rows(&self, simulation_id: Uuid, layout: Layout) -> Result<u64> {
        let mut outcomes = 0;
        for (table, key) in PARTS {
            // In the columnstore, a simulation is deleted by batches instead of rows; its documents
            // are deleted after it.
            if layout == Layout::Timescale && has_chunks(table) {
                continue;
            }
            loop {
                let begun = Instant::now();
                // A transaction takes about ten milliseconds.
                let delete = Statement::new(format!(
                    "DELETE FROM arc_recorder.{table} WHERE simulation_id = $1 AND {key} = ANY (ARRAY(
                         SELECT {key} FROM arc_recorder.{table} WHERE simulation_id = $1
                         ORDER BY {key} LIMIT $2))"
                ))
                .with(simulation_id)
                .with(i64::try_from(BATCH_ROWS).unwrap_or(i64::MAX));
                let deleted = self.change(&delete, "delete the simulation's rows").await?;
                if table == "outcomes" {
                    outcomes += deleted;
                }
                if deleted < BATCH_ROWS as u64 {
                    break;
                }
                // Half of the time is left to other clients.
                tokio::time::sleep(begun.elapsed().min(LONGEST_PAUSE)).await;
            }
        }
        Ok(outcomes + self.delete_rest(simulation_id).await?)
    }

    /// Deletes a simulation's own row together with rows that were added in the meantime. Recording
    /// holds the figures lock until the end of its transaction.
    async fn delete_rest(&self, simulation_id: Uuid) -> Result<u64> {
        let failed = |error| Error::postgres("delete the simulation's rows", error);
        let time = self.row_time(simulation_id).await?;
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
            let of_simulation = match has_chunks(table) {
                true => of_simulation("one"),
                false => "one.simulation_id = $1".to_owned(),
            };
            let delete = format!("DELETE FROM arc_recorder.{table} AS one WHERE {of_simulation}");
            let delete = Statement::new(delete).with(simulation_id).at(time);
            let deleted = transaction.execute(delete.sql.as_ref(), &delete.values()).await;
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
