//! Writing results: outcomes and rejected results, in one transaction.
//!
//! A few rows are written with statements whose parameters are arrays, in one round trip. Many rows
//! are written with COPY, which is nearly twice as fast: keys that already exist are looked up and left
//! out, because a COPY fails on the first of them and leaves its rows dead. If such a key is inserted
//! between the look-up and the COPY, the rows are sent again as arrays, with `ON CONFLICT`. A server
//! without COPY only gets arrays.

mod document;
mod late;
mod outcome;
mod rejected;
mod replayed;
mod rewritten;
mod standbys;

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU32, Ordering};

use jiff::Timestamp;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

pub(crate) use late::simulations_of;
pub use rejected::RejectedRow;
pub(crate) use replayed::Replay;
pub(crate) use rewritten::{RewriteTransaction, RewrittenOutcome};

use super::connection::{Transaction, is_pglite};
use super::outcome_columns::OutcomeRow;
use super::{Connection, Store};
use crate::error::{Error, Result};
use crate::extraction::ExtractorIdentity;

/// From this many outcomes, COPY is faster than arrays, including its additional round trips.
const COPY_ROWS: usize = 64;

/// From this many outcomes, COPY without a look-up of their keys is faster than arrays. If a key
/// exists, the rows before it are dead rows in the table, so this is only for a few outcomes.
const COPY_WITHOUT_LOOK_UP_ROWS: usize = 8;

/// For how many transactions the keys are looked up after a duplicate: a client that sends stored
/// results again does so for a while.
const LOOK_UP_TRANSACTIONS: u32 = 256;

/// Decides whether COPY without a look-up is worth trying.
#[derive(Debug, Default)]
pub(in crate::store) struct LookUpPolicy {
    transactions: AtomicU32,
}

impl LookUpPolicy {
    /// Records that a key existed.
    fn record_duplicate(&self) {
        self.transactions.store(LOOK_UP_TRANSACTIONS, Ordering::Relaxed);
    }

    /// Whether the look-up can be skipped; called once for each transaction.
    fn may_skip(&self) -> bool {
        let less = |left: u32| left.checked_sub(1);
        self.transactions.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_err()
    }
}

/// A connection whose transaction might still be open: unless it has ended, the connection is closed.
struct OpenTransaction(Option<Connection>);

impl OpenTransaction {
    /// Returns the connection to the pool, because the transaction has ended.
    fn finish(mut self) {
        drop(self.0.take());
    }
}

impl Drop for OpenTransaction {
    fn drop(&mut self) {
        if let Some(client) = self.0.take() {
            drop(Connection::take(client));
        }
    }
}

/// Only a few transactions with more bytes of documents run at once.
const LONG_WRITE_BYTES: usize = 6 << 20;

/// The key of both fact tables. `partition_time` is always the simulation's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResultKey {
    /// The simulation.
    pub simulation_id: Uuid,
    /// Derived from the simulation, the trial that was passed, and the document's bytes.
    pub outcome_id: Uuid,
    /// When the simulation was started.
    pub partition_time: Timestamp,
}

impl Store {
    /// Registers the extractor, so that outcomes can refer to it.
    ///
    /// # Errors
    /// [`Error::Database`] or [`Error::Unavailable`].
    pub async fn register_extractor(&self, extractor: &ExtractorIdentity) -> Result<()> {
        let failed = |error| Error::postgres("register the extractor", error);
        let client = self.client().await?;
        let sha256 = extractor.sha256.as_slice();
        client
            .execute(
                // Without VALUES, which on a cluster of Citus need the privilege of an update.
                "INSERT INTO arc_recorder.extractors (extractor_id, name, version, component_sha256)
                 SELECT $1::uuid, $2::text, $3::text, $4::bytea
                 ON CONFLICT (extractor_id) DO NOTHING",
                &[&extractor.id, &extractor.name, &extractor.version, &sha256],
            )
            .await
            .map_err(failed)?;
        Ok(())
    }

    /// Stores outcomes and rejected results in one transaction, and returns the keys of the outcomes
    /// that did not exist before. The rows are written in the order of their keys, so that two writers
    /// of the same rows wait for each other and never deadlock.
    ///
    /// # Errors
    /// [`Error::Refused`] if a row is refused, and then no row of the batch is stored;
    /// [`Error::Unavailable`].
    pub(crate) async fn insert_results(
        &self,
        outcomes: &[&OutcomeRow],
        rejected: &[&RejectedRow],
    ) -> Result<HashSet<ResultKey>> {
        let bytes = outcomes.iter().map(|row| row.document.len()).sum::<usize>()
            + rejected.iter().map(|row| row.document.len()).sum::<usize>();
        // Messages to the server are in memory twice. The semaphore is never closed.
        let _turn = match bytes > LONG_WRITE_BYTES {
            true => self.large_writes.acquire().await.ok(),
            false => None,
        };
        let mut outcomes = outcomes.to_vec();
        outcomes.sort_unstable_by_key(|row| row.key);
        let mut rejected = rejected.to_vec();
        rejected.sort_unstable_by_key(|row| row.key);
        let mut conflicts = 0;
        let stored = loop {
            match self.insert_sorted(&outcomes, &rejected, bytes).await {
                Err(error) if is_conflict(&error) && conflicts < MAX_CONFLICTS => conflicts += 1,
                stored => break stored?,
            }
        };
        // It is not known which of the rejected results existed already.
        if stored.len() < outcomes.len() || !rejected.is_empty() {
            self.wait_for_standbys().await?;
        }
        self.counters.stored(stored.len());
        Ok(stored)
    }

    /// Stores rows in the order of their keys; `bytes` are those of all documents.
    async fn insert_sorted(
        &self,
        outcomes: &[&OutcomeRow],
        rejected: &[&RejectedRow],
        bytes: usize,
    ) -> Result<HashSet<ResultKey>> {
        let copied = match outcomes.len() {
            COPY_WITHOUT_LOOK_UP_ROWS.. if !self.supports_copy().await? => None,
            COPY_ROWS.. => self.copy_results(outcomes, rejected).await?,
            COPY_WITHOUT_LOOK_UP_ROWS.. if rejected.is_empty() && self.look_up.may_skip() => {
                self.copy_without_look_up(outcomes).await?
            }
            _ => None,
        };
        match copied {
            Some(stored) => Ok(stored),
            None => self.insert_as_arrays(outcomes, rejected, bytes > LONG_WRITE_BYTES).await,
        }
    }

    /// Whether the server supports COPY. PGlite, which is PostgreSQL compiled to WebAssembly, crashes
    /// on it. Queried once.
    async fn supports_copy(&self) -> Result<bool> {
        let ask = || async {
            let client = self.client().await?;
            let row = client.query_one("SELECT pg_catalog.version()", &[]).await;
            let version: String = row
                .map_err(|error| {
                    Error::postgres_without_values("ask the server for its version", error)
                })?
                .get(0);
            Ok(!is_pglite(&version))
        };
        self.copying.get_or_try_init(ask).await.copied()
    }

    /// Writes with COPY; `None` if a key was inserted between the look-up and the COPY.
    async fn copy_results(
        &self,
        outcomes: &[&OutcomeRow],
        rejected: &[&RejectedRow],
    ) -> Result<Option<HashSet<ResultKey>>> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(failed)?;
        late::note(&transaction, outcomes, rejected).await.map_err(failed)?;
        let known = known_keys(&transaction, outcomes).await?;
        let fresh: Vec<&OutcomeRow> =
            outcomes.iter().copied().filter(|row| !known.contains(&row.key)).collect();
        if !fresh.is_empty() {
            match outcome::copy(&transaction, &fresh).await {
                Err(error) if can_be_duplicate(&error) => return Ok(None),
                copied => copied.map_err(failed)?,
            }
        }
        if !rejected.is_empty() {
            let insert = rejected::prepare_insert(&transaction, rejected).await.map_err(failed)?;
            rejected::insert(&transaction, insert.as_ref(), rejected).await.map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)?;
        Ok(Some(fresh.iter().map(|row| row.key).collect()))
    }

    /// Writes with COPY, without a look-up; `None` if a key exists, or if the connection does not keep
    /// prepared statements.
    async fn copy_without_look_up(
        &self,
        outcomes: &[&OutcomeRow],
    ) -> Result<Option<HashSet<ResultKey>>> {
        let client = self.client().await?;
        if !client.keeps_statements() {
            return Ok(None);
        }
        let simulations = late::simulations_of(outcomes, &[]);
        let open = OpenTransaction(Some(client));
        let Some(client) = &open.0 else { return Ok(None) };
        let (copied, ended) = outcome::copy_without_look_up(client, &simulations, outcomes).await;
        if ended {
            open.finish();
        }
        match copied {
            Ok(()) => Ok(Some(outcomes.iter().map(|row| row.key).collect())),
            Err(error) if can_be_duplicate(&error) => {
                self.look_up.record_duplicate();
                Ok(None)
            }
            Err(error) => Err(failed(error)),
        }
    }

    async fn insert_as_arrays(
        &self,
        outcomes: &[&OutcomeRow],
        rejected: &[&RejectedRow],
        long: bool,
    ) -> Result<HashSet<ResultKey>> {
        let open = OpenTransaction(Some(self.client().await?));
        let Some(client) = &open.0 else { return Ok(HashSet::new()) };
        let (stored, ended) = insert_in_transaction(client, outcomes, rejected).await;
        // After a long write, the connection would keep buffers of that size.
        if ended && !long {
            open.finish();
        }
        stored.map_err(failed)
    }
}

/// How many times rows are written again after a deadlock with a transaction of another program.
const MAX_CONFLICTS: u32 = 3;

/// Whether a transaction failed only because of another one at the same time: a deadlock, such as with
/// work on a table, or a conflict on a database that serializes transactions.
fn is_conflict(error: &Error) -> bool {
    let conflicts = [SqlState::T_R_DEADLOCK_DETECTED, SqlState::T_R_SERIALIZATION_FAILURE];
    error.sqlstate().is_some_and(|code| conflicts.iter().any(|conflict| conflict.code() == code))
}

/// Whether a COPY can have failed because a key exists: Citus reports that as an internal error.
fn can_be_duplicate(error: &tokio_postgres::Error) -> bool {
    error
        .code()
        .is_some_and(|code| [SqlState::UNIQUE_VIOLATION, SqlState::INTERNAL_ERROR].contains(code))
}

/// Writes the rows whose keys do not exist in a transaction of one round trip, and returns the keys of
/// the outcomes. Also returns whether the transaction has ended.
async fn insert_in_transaction(
    client: &Connection,
    outcomes: &[&OutcomeRow],
    rejected: &[&RejectedRow],
) -> (std::result::Result<HashSet<ResultKey>, tokio_postgres::Error>, bool) {
    let prepare = async {
        Ok((
            client.prepare_cached(late::NOTE).await?,
            outcome::prepare_insert(client, outcomes).await?,
            rejected::prepare_insert(client, rejected).await?,
        ))
    };
    let (note, insert_outcomes, insert_rejected) = match prepare.await {
        Ok(prepared) => prepared,
        Err(error) => return (Err(error), true),
    };
    let simulations = late::simulations_of(outcomes, rejected);
    let simulations: [&(dyn ToSql + Sync); 1] = [&simulations];
    // They are sent in this order, which is the order of their first polls. If one of them fails, the
    // COMMIT rolls back.
    let (begun, noted, stored, kept, committed) = tokio::join!(
        biased;
        client.batch_execute("BEGIN"),
        client.execute(&note, &simulations),
        outcome::insert(client, insert_outcomes.as_ref(), outcomes),
        rejected::insert(client, insert_rejected.as_ref(), rejected),
        client.batch_execute("COMMIT"),
    );
    let ended = committed.is_ok();
    let stored = begun.and(noted).and(stored).and_then(|stored| kept.map(|()| stored));
    (stored.and_then(|stored| committed.map(|()| stored)), ended)
}

fn failed(error: tokio_postgres::Error) -> Error {
    Error::postgres("store the results", error)
}

/// The LIMIT keeps the planner from joining the key of the whole simulation instead, which it does
/// while a table has no statistics.
const LOOK_UP: &str = "
    SELECT key.outcome_id FROM pg_catalog.unnest($3::uuid[]) AS key (outcome_id)
    CROSS JOIN LATERAL (
        SELECT FROM arc_recorder.outcomes AS outcome
        WHERE outcome.simulation_id = $1 AND outcome.partition_time = $2
            AND outcome.outcome_id = key.outcome_id
        LIMIT 1
    ) AS known";

/// Returns which of the outcomes already exist, with one index look-up for each row, regardless of the
/// table's statistics.
async fn known_keys(
    transaction: &Transaction<'_>,
    outcomes: &[&OutcomeRow],
) -> Result<HashSet<ResultKey>> {
    let mut by_simulation: BTreeMap<(Uuid, Timestamp), Vec<Uuid>> = BTreeMap::new();
    for row in outcomes {
        let simulation = (row.key.simulation_id, row.key.partition_time);
        by_simulation.entry(simulation).or_default().push(row.key.outcome_id);
    }
    let mut known = HashSet::new();
    for ((simulation_id, partition_time), ids) in by_simulation {
        let rows = transaction
            .query_planned_anew(
                LOOK_UP,
                &[
                    (&simulation_id, Type::UUID),
                    (&partition_time, Type::TIMESTAMPTZ),
                    (&ids, Type::UUID_ARRAY),
                ],
            )
            .await
            .map_err(failed)?;
        let keys = rows.iter().map(|row| ResultKey {
            simulation_id,
            outcome_id: row.get(0),
            partition_time,
        });
        known.extend(keys);
    }
    Ok(known)
}
