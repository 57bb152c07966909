//! Rewrites re-extracted outcomes: new fields in the row, the old ones in the history.

use std::sync::{Arc, LazyLock};

use deadpool::managed::Object;
use futures_util::future::try_join_all;
use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::super::Store;
use super::super::columns::column;
use super::super::connection::{Manager, Transaction};
use super::super::extracted::ColumnChange;
use super::super::history::{lock_history, mark_figures_stale};
use super::super::outcome_columns::{COMPARED, OutcomeRow, outcome_columns};
use super::ResultKey;
use crate::error::{Error, Result};

/// A connection for rewriting.
#[derive(Debug)]
pub(crate) struct Rewriter(Object<Manager>);

/// The transaction that rewrites the outcomes of one simulation. No other process rewrites that
/// simulation at the same time; recording continues. Dropping it changes nothing.
pub(crate) struct RewriteTransaction<'c> {
    transaction: Transaction<'c>,
    simulation_id: Uuid,
    partition_time: Timestamp,
    rewritten: bool,
}

/// An outcome with its new fields.
#[derive(Debug)]
pub(crate) struct RewrittenOutcome {
    pub(crate) row: Arc<OutcomeRow>,
    /// The extractor of the old fields.
    pub(crate) replaced_extractor_id: Uuid,
    /// The columns that change, with their old values.
    pub(crate) changes: Vec<ColumnChange>,
}

impl Store {
    /// Acquires a connection for rewriting.
    pub(crate) async fn rewriter(&self) -> Result<Rewriter> {
        Ok(Rewriter(self.client().await?))
    }
}

impl Rewriter {
    /// Begins to rewrite a simulation; waits for other processes that rewrite it.
    pub(crate) async fn begin(
        &mut self,
        simulation_id: Uuid,
        partition_time: Timestamp,
    ) -> Result<RewriteTransaction<'_>> {
        let transaction = self.0.transaction().await.map_err(failed)?;
        lock_history(&transaction, simulation_id).await.map_err(failed)?;
        Ok(RewriteTransaction { transaction, simulation_id, partition_time, rewritten: false })
    }
}

fn failed(error: tokio_postgres::Error) -> Error {
    Error::postgres("rewrite the outcomes", error)
}

impl RewriteTransaction<'_> {
    /// Writes new fields, and keeps the old ones. Ids and times of receipt are unchanged.
    pub(crate) async fn rewrite(&mut self, rows: &[RewrittenOutcome]) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        if !std::mem::replace(&mut self.rewritten, true) {
            // Before any row, as late results do, because the two could deadlock otherwise.
            mark_figures_stale(&self.transaction, self.simulation_id).await.map_err(failed)?;
        }
        self.keep_replaced(rows).await.map_err(failed)?;
        self.update(rows).await.map_err(failed)
    }

    async fn keep_replaced(
        &self,
        rows: &[RewrittenOutcome],
    ) -> std::result::Result<(), tokio_postgres::Error> {
        let insert = self
            .transaction
            .prepare_cached(
                "INSERT INTO arc_recorder.replaced_extractions (simulation_id, outcome_id,
                     partition_time, replaced_at, extractor_id, replaced_by, verdict, replaced)
                 SELECT $1, outcome_id, $2, pg_catalog.clock_timestamp(), extractor_id, replaced_by,
                     'accepted', replaced
                 FROM unnest($3::uuid[], $4::uuid[], $5::uuid[], $6::jsonb[])
                     AS row (outcome_id, extractor_id, replaced_by, replaced)",
            )
            .await?;
        self.transaction
            .execute(
                &insert,
                &[
                    &self.simulation_id,
                    &self.partition_time,
                    &column(rows, |row| row.row.key.outcome_id),
                    &column(rows, |row| row.replaced_extractor_id),
                    &column(rows, |row| row.row.extractor_id),
                    &column(rows, |row| replaced(&row.changes)),
                ],
            )
            .await?;
        Ok(())
    }

    async fn update(
        &self,
        rows: &[RewrittenOutcome],
    ) -> std::result::Result<(), tokio_postgres::Error> {
        let update = self.transaction.prepare_cached(UPDATE.as_str()).await?;
        // Sent together: one round trip, and an index look-up for each, regardless of the statistics.
        let updates = rows.iter().map(|row| {
            let (row, update) = (&row.row, &update);
            async move { self.transaction.execute(update, &rewritten_values(row)).await }
        });
        try_join_all(updates).await?;
        Ok(())
    }

    /// Commits all changes at once.
    pub(crate) async fn commit(self) -> Result<()> {
        self.transaction.commit().await.map_err(failed)
    }
}

static UPDATE: LazyLock<String> = LazyLock::new(|| {
    let columns = std::iter::once(&"extractor_id").chain(COMPARED);
    let columns: Vec<String> =
        (4..).zip(columns).map(|(number, name)| format!("{name} = ${number}")).collect();
    format!(
        "UPDATE arc_recorder.outcomes SET {}
         WHERE simulation_id = $1 AND outcome_id = $2 AND partition_time = $3",
        columns.join(", ")
    )
});

/// The parameters of [`UPDATE`].
fn rewritten_values(row: &OutcomeRow) -> [&(dyn ToSql + Sync); 4 + COMPARED.len()] {
    let ResultKey { simulation_id, outcome_id, partition_time } = &row.key;
    macro_rules! values {
        ($(($role:ident $name:ident $type:tt $value:tt))*) => {
            [simulation_id, outcome_id, partition_time, &row.extractor_id, $(&row.$name),*]
        };
    }
    outcome_columns!(compared => values)
}

/// The old values by column.
fn replaced(changes: &[ColumnChange]) -> Value {
    let members = changes.iter().map(|change| (change.column.to_owned(), change.old.clone()));
    Value::Object(members.collect::<Map<_, _>>())
}
