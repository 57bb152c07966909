//! Outcomes for an export: as the database sends them, all of one moment, in bounded memory.
//!
//! A simulation is read with one statement, so that no more than one is sorted at once, and all of
//! them in one transaction. Nothing is copied: an [`OutcomeRecord`] borrows what the database has sent.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};
use uuid::Uuid;

use super::Store;
use super::outcomes::OutcomeFilter;
use super::statement::Statement;
use crate::error::{Error, Result};

/// How many outcomes are handed over at once.
const CHUNK_OUTCOMES: usize = 1_024;

/// Fewer are, where they have so many bytes: a document may have 16 MiB.
const CHUNK_BYTES: usize = 1 << 20;

/// Which outcomes are exported.
#[derive(Clone, Debug, Default)]
pub struct ExportSelection {
    /// Those of these simulations, in this order; of all simulations, the oldest first, where none
    /// is named.
    pub simulations: Vec<Uuid>,
    /// Which of theirs.
    pub filter: OutcomeFilter,
    /// Whether the documents come with them.
    pub documents: bool,
}

/// Some outcomes of one simulation, in order of scenario (its id's bytes), trial and attempt.
#[derive(Debug)]
pub struct OutcomeRows {
    simulation_id: Uuid,
    extractors: Arc<HashMap<Uuid, String>>,
    documents: bool,
    rows: Vec<Row>,
}

/// An outcome that is exported: the columns of the table, its attempt, and its extractor by name.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the columns of the table, described in wit/recorder.wit")]
pub struct OutcomeRecord<'r> {
    pub simulation_id: Uuid,
    pub outcome_id: Uuid,
    pub scenario_id: &'r str,
    pub scenario_name: Option<&'r str>,
    pub trial: i32,
    pub attempt: i64,
    pub execution_time: Timestamp,
    pub received_at: Timestamp,
    pub status: &'r str,
    pub reliability_score: Option<f64>,
    pub execution_time_ms: f64,
    pub tokens_used: i64,
    pub cost_usd: f64,
    pub error_code: Option<&'r str>,
    pub error_category: Option<&'r str>,
    pub error_message: Option<&'r str>,
    pub modal_call_id: Option<&'r str>,
    pub sandbox_id: Option<&'r str>,
    /// JSON text.
    #[serde(serialize_with = "json_text")]
    pub metrics: &'r str,
    /// JSON text.
    #[serde(serialize_with = "some_json_text")]
    pub warnings: Option<&'r str>,
    pub extractor: &'r str,
    /// The document, byte for byte, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<&'r str>,
}

/// Writes JSON text as the value that it is.
fn json_text<S: Serializer>(text: &str, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    let value: &RawValue = serde_json::from_str(text).map_err(S::Error::custom)?;
    value.serialize(serializer)
}

fn some_json_text<S: Serializer>(
    text: &Option<&str>,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    match text {
        Some(text) => json_text(text, serializer),
        None => serializer.serialize_none(),
    }
}

/// The text of a `json` or `jsonb` value as it was sent.
struct JsonText<'r>(&'r str);

impl<'r> FromSql<'r> for JsonText<'r> {
    fn from_sql(
        kind: &Type,
        raw: &'r [u8],
    ) -> std::result::Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        let text = match (kind, raw) {
            (&Type::JSONB, [1, text @ ..]) => text,
            (&Type::JSONB, _) => return Err("a jsonb of an unknown version".into()),
            (_, text) => text,
        };
        Ok(JsonText(std::str::from_utf8(text)?))
    }

    fn accepts(kind: &Type) -> bool {
        matches!(*kind, Type::JSON | Type::JSONB)
    }
}

/// A simulation's outcomes. The columns are read by their place. The order is that in which attempts
/// are counted, so that there is one sort.
pub(super) fn statement(simulation_id: Uuid, filter: &OutcomeFilter, documents: bool) -> Statement {
    let mut statement = Statement::new("").with(simulation_id);
    let (mut scenario, mut status) = (String::new(), String::new());
    if let Some(scenario_id) = &filter.scenario_id {
        statement = statement.with(scenario_id.clone());
        scenario = format!("AND outcome.scenario_id COLLATE \"C\" = ${}", statement.count());
    }
    if let Some(word) = &filter.status {
        // After the attempts are counted: a filter leaves out attempts, and numbers none anew.
        statement = statement.with(word.clone());
        status = format!("WHERE status = ${}", statement.count());
    }
    let document = if documents { ", outcome.document" } else { "" };
    let last = if documents { ", document" } else { "" };
    statement.sql = format!(
        r#"SELECT outcome_id, scenario_id, scenario_name, trial, attempt, execution_time,
            received_at, status, reliability_score, execution_time_ms, tokens_used, cost_usd,
            error_code, error_category, error_message, modal_call_id, sandbox_id, metrics, warnings,
            extractor_id{last}
        FROM (
            SELECT outcome.outcome_id, outcome.scenario_id, outcome.scenario_name, outcome.trial,
                pg_catalog.row_number() OVER (
                    PARTITION BY outcome.scenario_id COLLATE "C", outcome.trial
                    ORDER BY outcome.received_at, outcome.outcome_id) AS attempt,
                outcome.execution_time, outcome.received_at, outcome.status,
                outcome.reliability_score, outcome.execution_time_ms, outcome.tokens_used,
                outcome.cost_usd, outcome.error_code, outcome.error_category,
                outcome.error_message, outcome.modal_call_id, outcome.sandbox_id, outcome.metrics,
                outcome.warnings, outcome.extractor_id{document}
            FROM arc_recorder.outcomes AS outcome
            WHERE outcome.simulation_id = $1 {scenario}
        ) AS numbered
        {status}
        ORDER BY scenario_id COLLATE "C", trial, received_at, outcome_id"#
    )
    .into();
    statement
}

impl Store {
    /// Reads the selected outcomes as they were when it began, and hands them over in chunks, on a
    /// connection beside the pool's. It waits where nobody takes them, and ends early, without an
    /// error, where nobody ever will.
    ///
    /// # Errors
    /// [`Error::NotFound`] where a simulation that is named is not there, before anything is handed
    /// over; [`Error::Database`] or [`Error::Unavailable`].
    pub async fn export(
        &self,
        selection: &ExportSelection,
        chunks: &mpsc::Sender<OutcomeRows>,
    ) -> Result<()> {
        let failed = |error| Error::postgres("export the outcomes", error);
        // Whatever becomes of the transaction ends with its connection.
        let client = deadpool::managed::Manager::create(self.pool.manager()).await?;
        // Compiling a plan takes longer than it saves; a simulation of 100,000 is sorted in memory.
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL jit = off;
             SET LOCAL work_mem = '64MB'";
        client.batch_execute(begin).await.map_err(failed)?;

        let names = "SELECT extractor_id, name || ' ' || version FROM arc_recorder.extractors";
        let names = client.query(names, &[]).await.map_err(failed)?;
        let extractors = names.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
        let extractors: HashMap<Uuid, String> =
            extractors.collect::<std::result::Result<_, _>>().map_err(failed)?;
        let extractors = Arc::new(extractors);

        let wanted = &selection.simulations;
        let ids = "SELECT simulation_id FROM arc_recorder.simulations
             WHERE pg_catalog.cardinality($1::uuid[]) = 0 OR simulation_id = ANY ($1)
             ORDER BY pg_catalog.array_position($1, simulation_id), created_at, simulation_id";
        let ids = client.query(ids, &[wanted]).await.map_err(failed)?;
        let ids: Vec<Uuid> = ids
            .iter()
            .map(|row| row.try_get(0))
            .collect::<std::result::Result<_, _>>()
            .map_err(failed)?;
        if let Some(missing) = wanted.iter().find(|id| !ids.contains(id)) {
            return Err(Error::not_found(format!("simulation {missing} not found"))
                .with_hint("list them with `arc-host simulations`"));
        }
        for simulation_id in ids {
            let statement = statement(simulation_id, &selection.filter, selection.documents);
            let prepared = client.prepare_cached(&statement.sql).await.map_err(failed)?;
            let rows = client.query_raw(&prepared, statement.values()).await.map_err(failed)?;
            let mut rows = std::pin::pin!(rows);
            let mut more = true;
            while more {
                let (mut chunk, mut bytes) = (Vec::new(), 0);
                while chunk.len() < CHUNK_OUTCOMES && bytes < CHUNK_BYTES {
                    let Some(row) = rows.try_next().await.map_err(failed)? else {
                        more = false;
                        break;
                    };
                    bytes += row.raw_size_bytes();
                    chunk.push(row);
                }
                let extractors = Arc::clone(&extractors);
                let documents = selection.documents;
                let chunk = OutcomeRows { simulation_id, extractors, documents, rows: chunk };
                if !chunk.rows.is_empty() && chunks.send(chunk).await.is_err() {
                    return Ok(());
                }
            }
        }
        client.batch_execute("COMMIT").await.map_err(failed)
    }
}

impl OutcomeRows {
    /// The outcomes, each as it is reached.
    ///
    /// # Errors
    /// [`Error::Database`] where a value cannot be read.
    pub fn records(&self) -> impl Iterator<Item = Result<OutcomeRecord<'_>>> {
        let failed = |error| Error::postgres("read an outcome", error);
        self.rows.iter().map(move |row| self.record(row).map_err(failed))
    }

    fn record<'r>(
        &'r self,
        row: &'r Row,
    ) -> std::result::Result<OutcomeRecord<'r>, tokio_postgres::Error> {
        let extractor: Uuid = row.try_get(19)?;
        Ok(OutcomeRecord {
            simulation_id: self.simulation_id,
            outcome_id: row.try_get(0)?,
            scenario_id: row.try_get(1)?,
            scenario_name: row.try_get(2)?,
            trial: row.try_get(3)?,
            attempt: row.try_get(4)?,
            execution_time: row.try_get(5)?,
            received_at: row.try_get(6)?,
            status: row.try_get(7)?,
            reliability_score: row.try_get(8)?,
            execution_time_ms: row.try_get(9)?,
            tokens_used: row.try_get(10)?,
            cost_usd: row.try_get(11)?,
            error_code: row.try_get(12)?,
            error_category: row.try_get(13)?,
            error_message: row.try_get(14)?,
            modal_call_id: row.try_get(15)?,
            sandbox_id: row.try_get(16)?,
            metrics: row.try_get::<_, JsonText>(17)?.0,
            warnings: row.try_get::<_, Option<JsonText>>(18)?.map(|text| text.0),
            extractor: self.extractors.get(&extractor).map_or("", String::as_str),
            document: match self.documents {
                true => Some(row.try_get::<_, JsonText>(20)?.0),
                false => None,
            },
        })
    }
}
