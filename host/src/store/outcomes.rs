//! Recorded outcomes, read without their documents unless these are asked for.

use futures_util::{Stream, StreamExt as _};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use uuid::Uuid;

use super::Store;
use super::statement::Statement;
use crate::error::{Error, Result};
use crate::json_text::JsonText;

/// Which outcomes of a simulation are wanted.
#[derive(Clone, Debug, Default)]
pub struct OutcomeFilter {
    /// Only those of this scenario.
    pub scenario_id: Option<String>,
    /// Only those with this status.
    pub status: Option<String>,
}

/// A recorded outcome.
#[derive(Clone, Debug, Serialize, Deserialize)]
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
    pub metrics: JsonText,
    pub warnings: Option<JsonText>,
    pub extractor: String,
    /// The document's own trajectory object, as JSON text, where it was asked for and is there.
    #[serde(default, skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub trajectory: Option<String>,
    /// The document, byte for byte, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
}

/// The columns of [`RecordedOutcome`] that the table has; never the document.
pub(super) const COLUMNS: &str = r#"outcome.outcome_id, outcome.scenario_id, outcome.scenario_name,
    outcome.trial, outcome.execution_time, outcome.received_at, outcome.status,
    outcome.reliability_score, outcome.execution_time_ms, outcome.tokens_used, outcome.cost_usd,
    outcome.error_code, outcome.error_category, outcome.error_message, outcome.modal_call_id,
    outcome.sandbox_id, outcome.metrics, outcome.warnings"#;

/// All of a simulation's outcomes, or all of a scenario's.
pub(super) fn statement(simulation_id: Uuid, filter: &OutcomeFilter) -> Statement {
    let mut statement = Statement::new("").with(simulation_id);
    let mut conditions = [String::new(), String::new()];
    let [scenario, status] = &mut conditions;
    if let Some(scenario_id) = &filter.scenario_id {
        statement = statement.with(scenario_id.clone());
        *scenario = format!("AND outcome.scenario_id COLLATE \"C\" = ${}", statement.count());
    }
    if let Some(word) = &filter.status {
        statement = statement.with(word.clone());
        *status = format!("WHERE status = ${}", statement.count());
    }
    statement.sql = format!(
        r#"SELECT numbered.*, extractor.name || ' ' || extractor.version AS extractor
        FROM (
            SELECT {COLUMNS}, outcome.extractor_id,
                pg_catalog.row_number() OVER (
                    PARTITION BY outcome.scenario_id COLLATE "C", outcome.trial
                    ORDER BY outcome.received_at, outcome.outcome_id) AS attempt
            FROM arc_recorder.outcomes AS outcome
            WHERE outcome.simulation_id = $1 {scenario}
        ) AS numbered
        LEFT JOIN arc_recorder.extractors AS extractor USING (extractor_id)
        {status}
        ORDER BY scenario_id COLLATE "C", trial, attempt"#
    )
    .into();
    statement
}

impl Store {
    /// A simulation's outcomes in order of scenario, trial and attempt, as they come from the
    /// database; no documents. A connection is held until the last of them is read.
    ///
    /// # Errors
    /// [`Error::Database`] or [`Error::Unavailable`].
    pub async fn outcomes(
        &self,
        simulation_id: Uuid,
        filter: &OutcomeFilter,
    ) -> Result<impl Stream<Item = Result<RecordedOutcome>> + use<>> {
        let failed = |error| Error::postgres("read the outcomes", error);
        let client = self.client().await?;
        let statement = statement(simulation_id, filter);
        let select = client.prepare_cached(&statement.sql).await.map_err(failed)?;
        let rows = client.query_raw(&select, statement.values()).await.map_err(failed)?;
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
        let failed = |error| Error::postgres("read the documents", error);
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
                Error::not_found(format!("outcome {id} not found in simulation {simulation_id}"))
            })
        };
        outcome_ids.iter().map(take).collect()
    }
}

impl RecordedOutcome {
    pub(super) fn from_row(row: &Row) -> Self {
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
            trajectory: None,
            document: None,
        }
    }
}
