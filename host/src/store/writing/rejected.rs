//! The table of rejected results.

use bytes::Bytes;
use jiff::Timestamp;
use uuid::Uuid;

use super::super::columns::column;
use super::super::connection::{GenericClient, PreparedStatement, Session};
use super::ResultKey;
use crate::json_text::JsonText;

/// A rejected result to be stored.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the columns of the table, described in its migration")]
pub struct RejectedRow {
    pub key: ResultKey,
    pub extractor_id: Uuid,
    pub header_id: Option<Uuid>,
    pub received_at: Timestamp,
    pub position: Option<i64>,
    pub line: Option<i64>,
    pub trial: Option<i32>,
    pub modal_call_id: Option<String>,
    pub sandbox_id: Option<String>,
    pub violations: JsonText,
    pub document_bytes: i64,
    pub document: Bytes,
}

/// Prepares [`insert`] for these rows; `None` for no rows.
pub(super) async fn prepare_insert(
    client: &Session<impl GenericClient>,
    rows: &[&RejectedRow],
) -> Result<Option<PreparedStatement>, tokio_postgres::Error> {
    if rows.is_empty() {
        return Ok(None);
    }
    let insert = client
        .prepare_cached(
            "INSERT INTO arc_recorder.rejected_results (
                 simulation_id, outcome_id, partition_time, extractor_id, received_at, position, trial,
                 modal_call_id, sandbox_id, violations, document_bytes, document, header_id, line)
             SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::uuid[],
                 $5::timestamptz[], $6::bigint[], $7::integer[], $8::text[], $9::text[],
                 $10::jsonb[], $11::bigint[], $12::bytea[], $13::uuid[], $14::bigint[])
             ON CONFLICT (simulation_id, outcome_id, partition_time) DO NOTHING",
        )
        .await?;
    Ok(Some(insert))
}

/// Stores the rows whose keys do not exist. They are few, so arrays are used for any number. Its
/// message is sent at its first poll.
pub(super) async fn insert(
    client: &Session<impl GenericClient>,
    insert: Option<&PreparedStatement>,
    rows: &[&RejectedRow],
) -> Result<(), tokio_postgres::Error> {
    let Some(insert) = insert else { return Ok(()) };
    client
        .execute(
            insert,
            &[
                &column(rows, |row| row.key.simulation_id),
                &column(rows, |row| row.key.outcome_id),
                &column(rows, |row| row.key.partition_time),
                &column(rows, |row| row.extractor_id),
                &column(rows, |row| row.received_at),
                &column(rows, |row| row.position),
                &column(rows, |row| row.trial),
                &column(rows, |row| row.modal_call_id.as_deref()),
                &column(rows, |row| row.sandbox_id.as_deref()),
                &column(rows, |row| &row.violations),
                &column(rows, |row| row.document_bytes),
                &column(rows, |row| &*row.document),
                &column(rows, |row| row.header_id),
                &column(rows, |row| row.line),
            ],
        )
        .await?;
    Ok(())
}
