//! Reads recorded rows that are to be extracted again: rejected results and outcomes, as streams with
//! their documents, so that memory only holds the current ones.

use futures_util::{Stream, StreamExt as _};
use jiff::Timestamp;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::Store;
use super::connection::Transaction;
use super::extracted::ExtractedColumns;
use super::outcome_columns::COMPARED;
use super::outcome_sql::{document, of_simulation};
use super::statement::Statement;
use crate::error::{Error, Result};
use crate::identity::Fingerprint;
use crate::json_text::JsonText;

/// A rejected result with the fields that its sender passed.
#[derive(Clone, Debug)]
pub(crate) struct RejectedSubmission {
    pub(crate) outcome_id: Uuid,
    pub(crate) received_at: Timestamp,
    pub(crate) position: Option<i64>,
    pub(crate) line: Option<i64>,
    pub(crate) trial: Option<i32>,
    pub(crate) modal_call_id: Option<String>,
    pub(crate) sandbox_id: Option<String>,
    pub(crate) violations: JsonText,
    /// `None` if only the beginning was stored.
    pub(crate) document: Option<Vec<u8>>,
    pub(crate) header_id: Option<Uuid>,
}

/// An outcome with its document and the columns that were extracted from it.
#[derive(Clone, Debug)]
pub(crate) struct ExtractedOutcome {
    pub(crate) outcome_id: Uuid,
    pub(crate) received_at: Timestamp,
    pub(crate) extractor_id: Uuid,
    pub(crate) trial: Option<i32>,
    pub(crate) modal_call_id: Option<String>,
    pub(crate) sandbox_id: Option<String>,
    pub(crate) document: String,
    pub(crate) header_id: Option<Uuid>,
    pub(crate) columns: ExtractedColumns,
}

/// The simulations whose results are to be extracted again.
const WITH_REJECTED: &str =
    "SELECT simulation_id, pg_catalog.count(*) FROM arc_recorder.rejected_results
     WHERE ($1::uuid IS NULL OR simulation_id = $1) AND extractor_id IN (
         SELECT extractor_id FROM arc_recorder.extractors WHERE name = $2)
     GROUP BY simulation_id ORDER BY simulation_id";
const WITH_OUTCOMES: &str = "SELECT simulation_id FROM arc_recorder.simulations AS simulation
     WHERE ($1::uuid IS NULL OR simulation_id = $1) AND EXISTS (
         SELECT FROM arc_recorder.outcomes AS outcome
         WHERE outcome.simulation_id = simulation.simulation_id
             AND outcome.partition_time = simulation.partition_time
             AND outcome.extractor_id IN (
                 SELECT extractor_id FROM arc_recorder.extractors
                 WHERE name = $3 AND extractor_id IS DISTINCT FROM $2)
     )
     ORDER BY created_at, simulation_id";

impl Store {
    /// Returns the names of all extractors that are registered in the database.
    pub(crate) async fn extractor_names(&self) -> Result<Vec<String>> {
        let failed = |error| Error::postgres("read the extractors", error);
        let client = self.client().await?;
        let select = "SELECT DISTINCT name FROM arc_recorder.extractors ORDER BY name";
        let rows = client.query(select, &[]).await.map_err(failed)?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Returns the simulations with rejected results of the extractor with this name, and the total
    /// number of these results.
    pub(crate) async fn rejected_simulations(
        &self,
        simulation_id: Option<Uuid>,
        extractor: &str,
    ) -> Result<(Vec<Uuid>, u64)> {
        let failed = |error| Error::postgres("find the rejected results", error);
        let client = self.client().await?;
        let found = client.query(WITH_REJECTED, &[&simulation_id, &extractor]).await;
        let rows = found.map_err(failed)?;
        let total: i64 = rows.iter().map(|row| row.get::<_, i64>(1)).sum();
        Ok((rows.iter().map(|row| row.get(0)).collect(), u64::try_from(total).unwrap_or(0)))
    }

    /// Returns the simulations with outcomes of an extractor of this name other than `current`, or of
    /// any of this name if `current` is `None`; the oldest first.
    pub(crate) async fn simulations_to_reextract(
        &self,
        simulation_id: Option<Uuid>,
        current: Option<Uuid>,
        extractor: &str,
    ) -> Result<Vec<Uuid>> {
        let failed = |error| Error::postgres("find the outcomes to extract again", error);
        let client = self.client().await?;
        let rows = client.query(WITH_OUTCOMES, &[&simulation_id, &current, &extractor]).await;
        Ok(rows.map_err(failed)?.iter().map(|row| row.get(0)).collect())
    }

    /// Returns a simulation's rejected results of the extractor with this name, in order of their keys,
    /// as the database sends them.
    pub(crate) async fn rejected_submissions(
        &self,
        simulation_id: Uuid,
        extractor: &str,
    ) -> Result<impl Stream<Item = Result<RejectedSubmission>> + use<>> {
        let failed = |error| Error::postgres("read the rejected results", error);
        let client = self.client().await?;
        let select = "SELECT outcome_id, received_at, position, trial, modal_call_id, sandbox_id,
                violations,
                CASE WHEN pg_catalog.octet_length(document) = document_bytes THEN document END,
                header_id, line
            FROM arc_recorder.rejected_results
            WHERE simulation_id = $1 AND extractor_id IN (
                SELECT extractor_id FROM arc_recorder.extractors WHERE name = $2)
            ORDER BY simulation_id, outcome_id";
        let parameters: [&(dyn ToSql + Sync); 2] = [&simulation_id, &extractor];
        let rows = client.query_raw(select, parameters).await.map_err(failed)?;
        // The connection returns to the pool when the last row was read.
        Ok(rows.map(move |row| {
            let _held = &client;
            let row = row.map_err(failed)?;
            Ok(RejectedSubmission {
                outcome_id: row.get(0),
                received_at: row.get(1),
                position: row.get(2),
                line: row.get(9),
                trial: row.get(3),
                modal_call_id: row.get(4),
                sandbox_id: row.get(5),
                violations: row.get(6),
                document: row.get(7),
                header_id: row.get(8),
            })
        }))
    }

    /// Returns a simulation's outcomes of an extractor of this name other than `current`, or of any of
    /// this name if `current` is `None`, in order of their keys, as the database sends them.
    pub(crate) async fn extracted_outcomes(
        &self,
        simulation_id: Uuid,
        current: Option<Uuid>,
        extractor: &str,
    ) -> Result<impl Stream<Item = Result<ExtractedOutcome>> + use<>> {
        let failed = |error| Error::postgres("read the outcomes to extract again", error);
        let time = self.row_time(simulation_id).await?;
        let client = self.client().await?;
        let select = Statement::new(format!(
            "SELECT outcome_id, received_at, extractor_id, header_id, {document} AS document, {}
             FROM arc_recorder.outcomes AS outcome
             WHERE {of_simulation} AND extractor_id IN (
                 SELECT extractor_id FROM arc_recorder.extractors
                 WHERE name = $3 AND extractor_id IS DISTINCT FROM $2)
             ORDER BY simulation_id, outcome_id",
            COMPARED.join(", "),
            of_simulation = of_simulation("outcome"),
            document = document("outcome")
        ));
        let select = select.with(simulation_id).with(current).with(extractor.to_owned()).at(time);
        let rows = client.query_raw(select.sql.as_ref(), select.values()).await.map_err(failed)?;
        Ok(rows.map(move |row| {
            let _held = &client;
            let row = row.map_err(failed)?;
            Ok(ExtractedOutcome {
                outcome_id: row.get("outcome_id"),
                received_at: row.get("received_at"),
                extractor_id: row.get("extractor_id"),
                trial: row.get("trial"),
                modal_call_id: row.get("modal_call_id"),
                sandbox_id: row.get("sandbox_id"),
                columns: ExtractedColumns::stored(&row).map_err(failed)?,
                header_id: row.get("header_id"),
                document: row.get("document"),
            })
        }))
    }
}

/// Marks the figures of a simulation that has ended as stale, in the transaction that changes its
/// outcomes; see [`super::frozen_figures`].
pub(super) async fn mark_figures_stale(
    transaction: &Transaction<'_>,
    simulation_id: Uuid,
) -> std::result::Result<(), tokio_postgres::Error> {
    let mark = "SELECT arc_recorder.note_results(ARRAY[$1::uuid])";
    transaction.execute(mark, &[&simulation_id]).await?;
    Ok(())
}

/// Acquires the lock of a simulation's extracted fields until the end of the transaction, so that only
/// one transaction changes them.
pub(super) async fn lock_history(
    transaction: &Transaction<'_>,
    simulation_id: Uuid,
) -> std::result::Result<(), tokio_postgres::Error> {
    let mut fingerprint = Fingerprint::new("history-lock");
    fingerprint.part(simulation_id.as_bytes());
    let (key, _) = fingerprint.uuid().as_u64_pair();
    // Compressed chunks of TimescaleDB limit the number of changes in a transaction by default; other
    // servers ignore the setting.
    transaction
        .query_one(
            "SELECT pg_catalog.pg_advisory_xact_lock($1), pg_catalog.set_config(
                 'timescaledb.max_tuples_decompressed_per_dml_transaction', '0', true)",
            &[&key.cast_signed()],
        )
        .await?;
    Ok(())
}
