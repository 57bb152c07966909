//! The outcomes table: its columns in one place, for COPY and for arrays.

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;

use jiff::Timestamp;
use tokio_postgres::CopyInSink;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::super::columns::column;
use super::super::connection::{GenericClient, Session, Transaction};
use super::late::{NOTE, NOTED};
use super::{RawJson, ResultKey};
use crate::extraction::{Span, Violation};
use crate::json_text::JsonText;

/// An outcome to be stored.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the columns of the table, described in wit/types.wit")]
pub struct OutcomeRow {
    pub key: ResultKey,
    pub extractor_id: Uuid,
    pub header_id: Option<Uuid>,
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
    pub metrics: JsonText,
    pub warnings: Option<JsonText>,
    /// The warnings again, for the verdict.
    pub warning_list: Vec<Violation>,
    pub scenario: Option<Span>,
    pub trajectory: Option<Span>,
    pub detailed_trajectory: Option<Span>,
    pub dimensions: Option<Span>,
    pub document: Arc<String>,
}

/// The columns in the order of [`copy`] and [`insert`]: name, type, type of the array.
#[rustfmt::skip]
const COLUMNS: [(&str, Type, &str); 31] = [
    ("simulation_id", Type::UUID, "uuid"),
    ("outcome_id", Type::UUID, "uuid"),
    ("started_at", Type::TIMESTAMPTZ, "timestamptz"),
    ("scenario_id", Type::TEXT, "text"),
    ("scenario_name", Type::TEXT, "text"),
    ("trial", Type::INT4, "integer"),
    ("received_at", Type::TIMESTAMPTZ, "timestamptz"),
    ("execution_time", Type::TIMESTAMPTZ, "timestamptz"),
    ("status", Type::TEXT, "text"),
    ("reliability_score", Type::FLOAT8, "float8"),
    ("execution_time_ms", Type::FLOAT8, "float8"),
    ("tokens_used", Type::INT8, "bigint"),
    ("cost_usd", Type::FLOAT8, "float8"),
    ("error_code", Type::TEXT, "text"),
    ("error_category", Type::TEXT, "text"),
    ("error_message", Type::TEXT, "text"),
    ("modal_call_id", Type::TEXT, "text"),
    ("sandbox_id", Type::TEXT, "text"),
    ("metrics", Type::JSONB, "jsonb"),
    ("warnings", Type::JSONB, "jsonb"),
    ("extractor_id", Type::UUID, "uuid"),
    ("header_id", Type::UUID, "uuid"),
    ("scenario_offset", Type::INT4, "integer"),
    ("scenario_length", Type::INT4, "integer"),
    ("trajectory_offset", Type::INT4, "integer"),
    ("trajectory_length", Type::INT4, "integer"),
    ("detailed_trajectory_offset", Type::INT4, "integer"),
    ("detailed_trajectory_length", Type::INT4, "integer"),
    ("dimensions_offset", Type::INT4, "integer"),
    ("dimensions_length", Type::INT4, "integer"),
    ("document", Type::JSON, "json"),
];

fn names() -> String {
    COLUMNS.map(|(name, ..)| name).join(", ")
}

static COPY: LazyLock<String> =
    LazyLock::new(|| format!("COPY arc_recorder.outcomes ({}) FROM STDIN BINARY", names()));

static INSERT: LazyLock<String> = LazyLock::new(|| {
    let arrays: Vec<String> = COLUMNS
        .iter()
        .enumerate()
        .map(|(index, (.., kind))| format!("${}::{kind}[]", index + 1))
        .collect();
    format!(
        "INSERT INTO arc_recorder.outcomes ({}) SELECT * FROM unnest({})
         WHERE {NOTED}
         ON CONFLICT (simulation_id, outcome_id, started_at) DO NOTHING
         RETURNING simulation_id, outcome_id, started_at",
        names(),
        arrays.join(", ")
    )
});

/// The same for one row: with plain parameters the server plans and runs it in half the time.
static INSERT_ONE: LazyLock<String> = LazyLock::new(|| {
    let parameters: Vec<String> = COLUMNS
        .iter()
        .enumerate()
        .map(|(index, (.., kind))| format!("${}::{kind}", index + 1))
        .collect();
    format!(
        "INSERT INTO arc_recorder.outcomes ({}) SELECT {}
         WHERE (SELECT arc_recorder.note_results(ARRAY[$1::uuid]))
         ON CONFLICT (simulation_id, outcome_id, started_at) DO NOTHING",
        names(),
        parameters.join(", ")
    )
});

/// The spans of a row in the order of their columns.
pub(in crate::store) fn span_numbers(row: &OutcomeRow) -> [Option<i32>; 8] {
    // Documents are far shorter than what 31 bits count.
    let bytes = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
    let pair = |span: Option<Span>| {
        [span.map(|span| bytes(span.offset)), span.map(|span| bytes(span.length))]
    };
    let mut numbers = [None; 8];
    let spans = [row.scenario, row.trajectory, row.detailed_trajectory, row.dimensions];
    let values = spans.into_iter().flat_map(pair);
    numbers.iter_mut().zip(values).for_each(|(slot, value)| *slot = value);
    numbers
}

/// The values of a row in the order of their columns.
fn values<'r>(
    row: &'r OutcomeRow,
    spans: &'r [Option<i32>; 8],
    document: &'r RawJson<'r>,
) -> [&'r (dyn ToSql + Sync); 31] {
    let [s0, s1, s2, s3, s4, s5, s6, s7] = spans;
    [
        &row.key.simulation_id,
        &row.key.outcome_id,
        &row.key.started_at,
        &row.scenario_id,
        &row.scenario_name,
        &row.trial,
        &row.received_at,
        &row.execution_time,
        &row.status,
        &row.reliability_score,
        &row.execution_time_ms,
        &row.tokens_used,
        &row.cost_usd,
        &row.error_code,
        &row.error_category,
        &row.error_message,
        &row.modal_call_id,
        &row.sandbox_id,
        &row.metrics,
        &row.warnings,
        &row.extractor_id,
        &row.header_id,
        s0,
        s1,
        s2,
        s3,
        s4,
        s5,
        s6,
        s7,
        document,
    ]
}

/// Writes rows whose keys are not there.
pub(super) async fn copy(
    transaction: &Transaction<'_>,
    rows: &[&OutcomeRow],
) -> Result<(), tokio_postgres::Error> {
    let sink = transaction.copy_in(COPY.as_str()).await?;
    let mut writer = std::pin::pin!(writer(sink));
    write(transaction, writer.as_mut(), rows).await?;
    transaction.counted(writer.finish()).await?;
    Ok(())
}

/// Writes rows whose keys are most likely not there, in a transaction of two round trips: nothing
/// waits for an answer that is needed only to know whether all went well. Says also whether the
/// transaction has ended, either way: the connection can be used again then.
pub(super) async fn copy_boldly(
    client: &Session<tokio_postgres::Client>,
    simulations: &[Uuid],
    rows: &[&OutcomeRow],
) -> (Result<(), tokio_postgres::Error>, bool) {
    let (copied, committed) = match copy_in_transaction(client, simulations, rows).await {
        Ok(answers) => answers,
        // A refusal before the COMMIT was sent; where the server is gone, so is this.
        Err(error) => (Err(error), client.batch_execute("ROLLBACK").await),
    };
    let ended = committed.is_ok();
    (copied.and(committed), ended)
}

/// The answers to the COPY and to the COMMIT.
type Answers = (Result<(), tokio_postgres::Error>, Result<(), tokio_postgres::Error>);

async fn copy_in_transaction(
    client: &Session<tokio_postgres::Client>,
    simulations: &[Uuid],
    rows: &[&OutcomeRow],
) -> Result<Answers, tokio_postgres::Error> {
    let note = client.prepare_cached(NOTE).await?;
    let copy = client.prepare_cached(COPY.as_str()).await?;
    let simulations: [&(dyn ToSql + Sync); 1] = [&simulations];
    // They are sent in this order, which is the order of their first polls.
    let (begun, noted, sink) = tokio::join!(
        biased;
        client.batch_execute("BEGIN"),
        client.execute(&note, &simulations),
        client.copy_in_prepared(&copy),
    );
    begun?;
    noted?;
    let mut writer = std::pin::pin!(writer(sink?));
    write(client, writer.as_mut(), rows).await?;
    // Where the COPY fails, the COMMIT behind it rolls back.
    let (copied, committed) = tokio::join!(
        biased;
        client.counted(writer.finish()),
        client.batch_execute("COMMIT"),
    );
    Ok((copied.map(drop), committed))
}

fn writer(sink: CopyInSink<Bytes>) -> BinaryCopyInWriter {
    BinaryCopyInWriter::new(sink, &COLUMNS.map(|(_, kind, _)| kind))
}

async fn write(
    client: &Session<impl GenericClient>,
    mut writer: Pin<&mut BinaryCopyInWriter>,
    rows: &[&OutcomeRow],
) -> Result<(), tokio_postgres::Error> {
    for row in rows {
        let (spans, document) = (span_numbers(row), RawJson(&row.document));
        let values = values(row, &spans, &document);
        client.watched(writer.as_mut().write(&values)).await?;
    }
    Ok(())
}

/// Writes the rows whose keys are not there, and gives their keys.
pub(super) async fn insert(
    client: &Session<impl GenericClient>,
    rows: &[&OutcomeRow],
) -> Result<HashSet<ResultKey>, tokio_postgres::Error> {
    if let [row] = rows {
        let insert = client.prepare_cached(INSERT_ONE.as_str()).await?;
        let (spans, document) = (span_numbers(row), RawJson(&row.document));
        let inserted = client.execute(&insert, &values(row, &spans, &document)).await?;
        return Ok((inserted == 1).then_some(row.key).into_iter().collect());
    }
    let insert = client.prepare_cached(INSERT.as_str()).await?;
    let spans = column(rows, |row| span_numbers(row));
    let span = |place: usize| column(&spans, |numbers| numbers.get(place).copied().flatten());
    let inserted = client
        .query(
            &insert,
            &[
                &column(rows, |row| row.key.simulation_id),
                &column(rows, |row| row.key.outcome_id),
                &column(rows, |row| row.key.started_at),
                &column(rows, |row| row.scenario_id.as_str()),
                &column(rows, |row| row.scenario_name.as_deref()),
                &column(rows, |row| row.trial),
                &column(rows, |row| row.received_at),
                &column(rows, |row| row.execution_time),
                &column(rows, |row| row.status),
                &column(rows, |row| row.reliability_score),
                &column(rows, |row| row.execution_time_ms),
                &column(rows, |row| row.tokens_used),
                &column(rows, |row| row.cost_usd),
                &column(rows, |row| row.error_code.as_deref()),
                &column(rows, |row| row.error_category),
                &column(rows, |row| row.error_message.as_deref()),
                &column(rows, |row| row.modal_call_id.as_deref()),
                &column(rows, |row| row.sandbox_id.as_deref()),
                &column(rows, |row| &row.metrics),
                &column(rows, |row| row.warnings.as_ref()),
                &column(rows, |row| row.extractor_id),
                &column(rows, |row| row.header_id),
                &span(0),
                &span(1),
                &span(2),
                &span(3),
                &span(4),
                &span(5),
                &span(6),
                &span(7),
                &column(rows, |row| RawJson(&row.document)),
            ],
        )
        .await?;
    let key = |row: &tokio_postgres::Row| ResultKey {
        simulation_id: row.get(0),
        outcome_id: row.get(1),
        started_at: row.get(2),
    };
    Ok(inserted.iter().map(key).collect())
}
