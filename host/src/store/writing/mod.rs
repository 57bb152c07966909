//! Writing results: outcomes and rejected results, in one transaction.
//!
//! Few rows go in with one statement of arrays, which is one round trip. Many go in with COPY,
//! which is nearly twice as fast: the keys that are there already are looked up and left out,
//! because a COPY fails on the first of them and leaves all its rows dead. A key that comes in
//! between is the one case in which the rows are sent again as arrays, whose `ON CONFLICT` knows
//! what to do.

mod late;
mod outcome;
mod rejected;
mod replayed;
mod rewritten;

use std::collections::{BTreeMap, HashSet};

use bytes::BytesMut;
use jiff::Timestamp;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use uuid::Uuid;

pub use outcome::OutcomeRow;
pub(super) use outcome::span_numbers;
pub use rejected::RejectedRow;
pub(crate) use replayed::Replay;
pub(crate) use rewritten::{Rewriting, Rewritten};

use super::Store;
use super::connection::Transaction;
use crate::error::{Error, Result};
use crate::extraction::ExtractorIdentity;

/// From how many outcomes on COPY is faster than arrays, its further round trips included.
const COPY_ROWS: usize = 64;

/// The key of both fact tables. `started_at` is always the simulation's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResultKey {
    /// The simulation.
    pub simulation_id: Uuid,
    /// Derived from the simulation, the trial that was passed, and the document's bytes.
    pub outcome_id: Uuid,
    /// When the simulation was started.
    pub started_at: Timestamp,
}

/// JSON text that is sent as it is.
#[derive(Debug)]
struct RawJson<'a>(&'a str);

impl ToSql for RawJson<'_> {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::JSON
    }

    to_sql_checked!();
}

impl Store {
    /// Makes the extractor known, so that outcomes can name it.
    ///
    /// # Errors
    /// [`Error::Database`] or [`Error::Unavailable`].
    pub async fn register_extractor(&self, extractor: &ExtractorIdentity) -> Result<()> {
        let failed = |error| Error::database("register the extractor", &error);
        let client = self.client().await?;
        let sha256 = extractor.sha256.as_slice();
        client
            .execute(
                "INSERT INTO arc_recorder.extractors (extractor_id, name, version, component_sha256)
                 VALUES ($1, $2, $3, $4) ON CONFLICT (extractor_id) DO NOTHING",
                &[&extractor.id, &extractor.name, &extractor.version, &sha256],
            )
            .await
            .map_err(failed)?;
        Ok(())
    }

    /// Stores outcomes and rejected results in one transaction, and gives the keys of the
    /// outcomes that were not there before. The rows go in sorted by key, so that two writers of
    /// the same rows wait for each other and never deadlock.
    ///
    /// # Errors
    /// [`Error::Database`] where a row is refused, and then nothing of the batch is stored;
    /// [`Error::Unavailable`].
    pub(crate) async fn insert_results(
        &self,
        outcomes: &[&OutcomeRow],
        rejected: &[&RejectedRow],
    ) -> Result<HashSet<ResultKey>> {
        let mut outcomes = outcomes.to_vec();
        outcomes.sort_unstable_by_key(|row| row.key);
        let mut rejected = rejected.to_vec();
        rejected.sort_unstable_by_key(|row| row.key);
        let copied = match outcomes.len() {
            COPY_ROWS.. => self.copy_results(&outcomes, &rejected).await?,
            _ => None,
        };
        let stored = match copied {
            Some(stored) => stored,
            None => self.insert_as_arrays(&outcomes, &rejected).await?,
        };
        self.counters.stored(stored.len());
        Ok(stored)
    }

    /// Nothing where a key came in between the look-up and the COPY.
    async fn copy_results(
        &self,
        outcomes: &[&OutcomeRow],
        rejected: &[&RejectedRow],
    ) -> Result<Option<HashSet<ResultKey>>> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(|error| failed(&error))?;
        late::note(&transaction, outcomes, rejected).await.map_err(|error| failed(&error))?;
        let known = known_keys(&transaction, outcomes).await?;
        let fresh: Vec<&OutcomeRow> =
            outcomes.iter().copied().filter(|row| !known.contains(&row.key)).collect();
        if !fresh.is_empty() {
            match outcome::copy(&transaction, &fresh).await {
                Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => return Ok(None),
                copied => copied.map_err(|error| failed(&error))?,
            }
        }
        if !rejected.is_empty() {
            rejected::insert(&transaction, rejected).await.map_err(|error| failed(&error))?;
        }
        transaction.commit().await.map_err(|error| failed(&error))?;
        Ok(Some(fresh.iter().map(|row| row.key).collect()))
    }

    async fn insert_as_arrays(
        &self,
        outcomes: &[&OutcomeRow],
        rejected: &[&RejectedRow],
    ) -> Result<HashSet<ResultKey>> {
        let mut client = self.client().await?;
        // A statement by itself is a transaction, and saves two round trips.
        let stored = if rejected.is_empty() {
            outcome::insert(&client, outcomes).await
        } else if outcomes.is_empty() {
            rejected::insert(&client, rejected).await.map(|()| HashSet::new())
        } else {
            let insert_both = async {
                let transaction = client.transaction().await?;
                late::note(&transaction, outcomes, rejected).await?;
                let stored = outcome::insert(&transaction, outcomes).await?;
                rejected::insert(&transaction, rejected).await?;
                transaction.commit().await?;
                Ok(stored)
            };
            insert_both.await
        };
        stored.map_err(|error| failed(&error))
    }
}

fn failed(error: &tokio_postgres::Error) -> Error {
    Error::database("store the results", error)
}

/// The LIMIT keeps the planner from joining the key of the whole simulation instead, which it does
/// while a table has no statistics.
const LOOK_UP: &str = "
    SELECT key.outcome_id FROM unnest($3::uuid[]) AS key (outcome_id)
    CROSS JOIN LATERAL (
        SELECT FROM arc_recorder.outcomes AS outcome
        WHERE outcome.simulation_id = $1 AND outcome.started_at = $2
            AND outcome.outcome_id = key.outcome_id
        LIMIT 1
    ) AS known";

/// Which of the outcomes are there already: an index look-up a row, whatever the statistics say.
async fn known_keys(
    transaction: &Transaction<'_>,
    outcomes: &[&OutcomeRow],
) -> Result<HashSet<ResultKey>> {
    let mut by_simulation: BTreeMap<(Uuid, Timestamp), Vec<Uuid>> = BTreeMap::new();
    for row in outcomes {
        let simulation = (row.key.simulation_id, row.key.started_at);
        by_simulation.entry(simulation).or_default().push(row.key.outcome_id);
    }
    let mut known = HashSet::new();
    for ((simulation_id, started_at), ids) in by_simulation {
        let rows = transaction
            .query_planned_anew(
                LOOK_UP,
                &[
                    (&simulation_id, Type::UUID),
                    (&started_at, Type::TIMESTAMPTZ),
                    (&ids, Type::UUID_ARRAY),
                ],
            )
            .await
            .map_err(|error| failed(&error))?;
        let keys =
            rows.iter().map(|row| ResultKey { simulation_id, outcome_id: row.get(0), started_at });
        known.extend(keys);
    }
    Ok(known)
}
