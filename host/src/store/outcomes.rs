//! Outcomes: written in batches, read without their documents unless these are asked for.

use std::collections::HashSet;

use futures_util::{Stream, StreamExt as _};
use jiff::Timestamp;
use serde::Serialize;
use tokio_postgres::Row;
use uuid::Uuid;

use super::columns::column;
use super::{RejectedRow, Store};
use crate::error::{Error, Result};
use crate::extraction::{ExtractorIdentity, Span, Violation};

/// An outcome to be stored.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the columns of the table, described in wit/types.wit")]
pub struct OutcomeRow {
    pub outcome_id: Uuid,
    pub scenario_id: String,
    pub scenario_name: Option<String>,
    pub trial: i32,
    pub received_at: Timestamp,
    pub execution_time: Timestamp,
    pub status: &'static str,
    pub reliability_score: Option<f64>,
    pub execution_time_ms: f64,
    pub tokens_used: i64,
    pub cost_usd: f64,
    pub error_code: Option<String>,
    pub error_category: Option<&'static str>,
    pub error_message: Option<String>,
    pub modal_call_id: Option<String>,
    pub sandbox_id: Option<String>,
    pub metrics: serde_json::Value,
    pub warnings: Option<serde_json::Value>,
    /// The warnings again, for the verdict.
    pub warning_list: Vec<Violation>,
    pub scenario: Option<Span>,
    pub trajectory: Option<Span>,
    pub detailed_trajectory: Option<Span>,
    pub dimensions: Option<Span>,
    pub document: String,
}

/// Which outcomes of a simulation are wanted.
#[derive(Clone, Debug, Default)]
pub struct OutcomeFilter {
    /// Only those of this scenario.
    pub scenario_id: Option<String>,
    /// Only those with this status.
    pub status: Option<String>,
}

/// A recorded outcome.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the columns of the table, described in wit/recorder.wit")]
pub struct RecordedOutcome {
    pub outcome_id: Uuid,
    pub scenario_id: String,
    pub scenario_name: Option<String>,
    pub trial: i32,
    pub attempt: i64,
    pub execution_time: Timestamp,
    pub received_at: Timestamp,
    pub status: String,
    pub reliability_score: Option<f64>,
    pub execution_time_ms: f64,
    pub tokens_used: i64,
    pub cost_usd: f64,
    pub error_code: Option<String>,
    pub error_category: Option<String>,
    pub error_message: Option<String>,
    pub modal_call_id: Option<String>,
    pub sandbox_id: Option<String>,
    pub metrics: serde_json::Value,
    pub warnings: Option<serde_json::Value>,
    pub extractor: String,
}

const INSERT: &str = "
    INSERT INTO arc_recorder.outcomes (
        simulation_id, started_at, extractor_id, outcome_id, scenario_id, scenario_name, trial,
        received_at, execution_time, status, reliability_score, execution_time_ms, tokens_used,
        cost_usd, error_code, error_category, error_message, modal_call_id, sandbox_id, metrics,
        warnings, scenario_offset, scenario_length, trajectory_offset, trajectory_length,
        detailed_trajectory_offset, detailed_trajectory_length, dimensions_offset,
        dimensions_length, document)
    SELECT $1, $2, $3, outcome_id, scenario_id, scenario_name, trial, received_at, execution_time,
        status, reliability_score, execution_time_ms, tokens_used, cost_usd, error_code,
        error_category, error_message, modal_call_id, sandbox_id, metrics, warnings,
        scenario_offset, scenario_length, trajectory_offset, trajectory_length,
        detailed_trajectory_offset, detailed_trajectory_length, dimensions_offset,
        dimensions_length, document::json
    FROM unnest(
        $4::uuid[], $5::text[], $6::text[], $7::integer[], $8::timestamptz[], $9::timestamptz[],
        $10::text[], $11::float8[], $12::float8[], $13::bigint[], $14::float8[], $15::text[],
        $16::text[], $17::text[], $18::text[], $19::text[], $20::jsonb[], $21::jsonb[],
        $22::integer[], $23::integer[], $24::integer[], $25::integer[], $26::integer[],
        $27::integer[], $28::integer[], $29::integer[], $30::text[])
        AS row (outcome_id, scenario_id, scenario_name, trial, received_at, execution_time,
            status, reliability_score, execution_time_ms, tokens_used, cost_usd, error_code,
            error_category, error_message, modal_call_id, sandbox_id, metrics, warnings,
            scenario_offset, scenario_length, trajectory_offset, trajectory_length,
            detailed_trajectory_offset, detailed_trajectory_length, dimensions_offset,
            dimensions_length, document)
    ON CONFLICT (simulation_id, outcome_id, started_at) DO NOTHING
    RETURNING outcome_id";

const SELECT: &str = "
    SELECT * FROM (
        SELECT outcome.outcome_id, outcome.scenario_id, outcome.scenario_name, outcome.trial,
            row_number() OVER (PARTITION BY outcome.scenario_id, outcome.trial
                ORDER BY outcome.received_at, outcome.outcome_id) AS attempt,
            outcome.execution_time, outcome.received_at, outcome.status,
            outcome.reliability_score, outcome.execution_time_ms, outcome.tokens_used,
            outcome.cost_usd, outcome.error_code, outcome.error_category, outcome.error_message,
            outcome.modal_call_id, outcome.sandbox_id, outcome.metrics, outcome.warnings,
            extractor.name || ' ' || extractor.version AS extractor
        FROM arc_recorder.outcomes AS outcome
        LEFT JOIN arc_recorder.extractors AS extractor USING (extractor_id)
        WHERE outcome.simulation_id = $1 AND ($2::text IS NULL OR outcome.scenario_id = $2)
    ) AS numbered
    WHERE $3::text IS NULL OR status = $3
    ORDER BY scenario_id, trial, attempt";

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

    /// Stores outcomes and rejected results of one simulation in one transaction, and gives the
    /// ids of the outcomes that were not there before. The rows go in sorted by key, so that two
    /// writers of the same rows wait for each other and never deadlock.
    ///
    /// # Errors
    /// [`Error::Database`] where a row is refused, and then nothing of the batch is stored;
    /// [`Error::Unavailable`].
    pub(crate) async fn insert_results(
        &self,
        simulation_id: Uuid,
        started_at: Timestamp,
        extractor_id: Uuid,
        outcomes: &[&OutcomeRow],
        rejected: &[&RejectedRow],
    ) -> Result<HashSet<Uuid>> {
        let failed = |error| Error::database("store the results", &error);
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(failed)?;
        let mut stored = HashSet::new();
        if !outcomes.is_empty() {
            let mut rows = outcomes.to_vec();
            rows.sort_unstable_by_key(|row| row.outcome_id);
            let insert = transaction.prepare_cached(INSERT).await.map_err(failed)?;
            let [scenario_offset, scenario_length] = span_columns(&rows, |row| row.scenario);
            let [trajectory_offset, trajectory_length] = span_columns(&rows, |row| row.trajectory);
            let [detailed_offset, detailed_length] =
                span_columns(&rows, |row| row.detailed_trajectory);
            let [dimensions_offset, dimensions_length] = span_columns(&rows, |row| row.dimensions);
            let inserted = transaction
                .query(
                    &insert,
                    &[
                        &simulation_id,
                        &started_at,
                        &extractor_id,
                        &column(&rows, |row| row.outcome_id),
                        &column(&rows, |row| row.scenario_id.as_str()),
                        &column(&rows, |row| row.scenario_name.as_deref()),
                        &column(&rows, |row| row.trial),
                        &column(&rows, |row| row.received_at),
                        &column(&rows, |row| row.execution_time),
                        &column(&rows, |row| row.status),
                        &column(&rows, |row| row.reliability_score),
                        &column(&rows, |row| row.execution_time_ms),
                        &column(&rows, |row| row.tokens_used),
                        &column(&rows, |row| row.cost_usd),
                        &column(&rows, |row| row.error_code.as_deref()),
                        &column(&rows, |row| row.error_category),
                        &column(&rows, |row| row.error_message.as_deref()),
                        &column(&rows, |row| row.modal_call_id.as_deref()),
                        &column(&rows, |row| row.sandbox_id.as_deref()),
                        &column(&rows, |row| &row.metrics),
                        &column(&rows, |row| row.warnings.as_ref()),
                        &scenario_offset,
                        &scenario_length,
                        &trajectory_offset,
                        &trajectory_length,
                        &detailed_offset,
                        &detailed_length,
                        &dimensions_offset,
                        &dimensions_length,
                        &column(&rows, |row| row.document.as_str()),
                    ],
                )
                .await
                .map_err(failed)?;
            stored.extend(inserted.iter().map(|row| row.get::<_, Uuid>(0)));
        }
        if !rejected.is_empty() {
            super::rejected::insert(
                &transaction,
                simulation_id,
                started_at,
                extractor_id,
                rejected,
            )
            .await?;
        }
        transaction.commit().await.map_err(failed)?;
        Ok(stored)
    }

    /// A simulation's outcomes in order of scenario, trial and attempt, as they come from the
    /// database; no documents.
    ///
    /// # Errors
    /// [`Error::Database`] or [`Error::Unavailable`].
    pub async fn outcomes(
        &self,
        simulation_id: Uuid,
        filter: &OutcomeFilter,
    ) -> Result<impl Stream<Item = Result<RecordedOutcome>> + use<>> {
        let failed = |error| Error::database("read the outcomes", &error);
        let client = self.client().await?;
        let select = client.prepare_cached(SELECT).await.map_err(failed)?;
        let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
            [&simulation_id, &filter.scenario_id, &filter.status];
        let rows = client.query_raw(&select, parameters).await.map_err(failed)?;
        // The connection goes back to the pool when the last row is read.
        Ok(rows.map(move |row| {
            let _held = &client;
            row.map(|row| RecordedOutcome::from_row(&row)).map_err(failed)
        }))
    }

    /// The documents of some outcomes, byte for byte, in the order of the ids.
    ///
    /// # Errors
    /// [`Error::NotFound`] where an id is not one of this simulation's.
    pub async fn documents(
        &self,
        simulation_id: Uuid,
        outcome_ids: &[Uuid],
    ) -> Result<Vec<String>> {
        let failed = |error| Error::database("read the documents", &error);
        let client = self.client().await?;
        let select = client
            .prepare_cached(
                "SELECT outcome_id, document::text FROM arc_recorder.outcomes
                 WHERE simulation_id = $1 AND outcome_id = ANY ($2)",
            )
            .await
            .map_err(failed)?;
        let rows = client.query(&select, &[&simulation_id, &outcome_ids]).await.map_err(failed)?;
        let mut found: std::collections::HashMap<Uuid, String> =
            rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let take = |id: &Uuid| {
            found.remove(id).ok_or_else(|| {
                Error::NotFound(format!("outcome {id} not found in simulation {simulation_id}"))
            })
        };
        outcome_ids.iter().map(take).collect()
    }
}

impl RecordedOutcome {
    fn from_row(row: &Row) -> Self {
        RecordedOutcome {
            outcome_id: row.get("outcome_id"),
            scenario_id: row.get("scenario_id"),
            scenario_name: row.get("scenario_name"),
            trial: row.get("trial"),
            attempt: row.get("attempt"),
            execution_time: row.get("execution_time"),
            received_at: row.get("received_at"),
            status: row.get("status"),
            reliability_score: row.get("reliability_score"),
            execution_time_ms: row.get("execution_time_ms"),
            tokens_used: row.get("tokens_used"),
            cost_usd: row.get("cost_usd"),
            error_code: row.get("error_code"),
            error_category: row.get("error_category"),
            error_message: row.get("error_message"),
            modal_call_id: row.get("modal_call_id"),
            sandbox_id: row.get("sandbox_id"),
            metrics: row.get("metrics"),
            warnings: row.get("warnings"),
            extractor: row.get::<_, Option<String>>("extractor").unwrap_or_default(),
        }
    }
}

/// The two columns of a span.
fn span_columns(
    rows: &[&OutcomeRow],
    span: impl Fn(&OutcomeRow) -> Option<Span>,
) -> [Vec<Option<i32>>; 2] {
    // Documents are far shorter than what 31 bits count.
    let bytes = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
    [
        column(rows, |row| span(row).map(|span| bytes(span.offset))),
        column(rows, |row| span(row).map(|span| bytes(span.length))),
    ]
}
