//! Outcomes with their documents, with COPY and as arrays.

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::LazyLock;

use bytes::Bytes;
use tokio_postgres::CopyInSink;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::super::columns::column;
use super::super::connection::{GenericClient, PreparedStatement, Session};
use super::super::outcome_columns::{COLUMNS, outcome_columns};
use super::late::NOTE;
use super::{OutcomeRow, ResultKey, document};

fn names() -> String {
    COLUMNS.iter().map(|column| column.name).collect::<Vec<_>>().join(", ")
}

/// The parameters of all columns, each with its type.
fn parameters(parameter: impl Fn(usize, &str) -> String) -> String {
    let parameters =
        (1..).zip(COLUMNS).map(|(number, column)| parameter(number, column.sql_type.name()));
    parameters.collect::<Vec<_>>().join(", ")
}

static COPY: LazyLock<String> =
    LazyLock::new(|| format!("COPY arc_recorder.outcomes ({}) FROM STDIN BINARY", names()));

static INSERT: LazyLock<String> = LazyLock::new(|| {
    format!(
        "INSERT INTO arc_recorder.outcomes ({}) SELECT * FROM unnest({})
         ON CONFLICT (simulation_id, outcome_id, partition_time) DO NOTHING
         RETURNING simulation_id, outcome_id, partition_time",
        names(),
        parameters(|number, sql_type| format!("${number}::{sql_type}[]"))
    )
});

/// The same for one row: with plain parameters, the server plans and runs it in half the time.
static INSERT_ONE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "INSERT INTO arc_recorder.outcomes ({}) VALUES ({})
         ON CONFLICT (simulation_id, outcome_id, partition_time) DO NOTHING",
        names(),
        parameters(|number, sql_type| format!("${number}::{sql_type}"))
    )
});

/// Writes rows whose keys do not exist, and their documents.
pub(super) async fn copy(
    client: &Session<impl GenericClient>,
    rows: &[&OutcomeRow],
) -> Result<(), tokio_postgres::Error> {
    let copy = client.prepare_cached(COPY.as_str()).await?;
    let mut writer = std::pin::pin!(writer(client.copy_in_prepared(&copy).await?));
    write(client, writer.as_mut(), rows).await?;
    client.counted(writer.finish()).await?;
    document::copy(client, rows).await
}

/// Writes rows whose keys most likely do not exist, in a transaction of two round trips: it does not
/// wait for answers that only confirm a step. Also returns whether the transaction has ended, with or
/// without success: only then can the connection be used again.
pub(super) async fn copy_without_look_up(
    client: &Session<tokio_postgres::Client>,
    simulations: &[Uuid],
    rows: &[&OutcomeRow],
) -> (Result<(), tokio_postgres::Error>, bool) {
    let (copied, committed) = match copy_in_transaction(client, simulations, rows).await {
        Ok(answers) => answers,
        // An error before the COMMIT was sent; if the server is gone, the ROLLBACK fails, too.
        Err(error) => (Err(error), client.batch_execute("ROLLBACK").await),
    };
    let ended = committed.is_ok();
    (copied.and(committed), ended)
}

/// The answers to the COPY with its documents, and to the COMMIT.
type Answers = (Result<(), tokio_postgres::Error>, Result<(), tokio_postgres::Error>);

async fn copy_in_transaction(
    client: &Session<tokio_postgres::Client>,
    simulations: &[Uuid],
    rows: &[&OutcomeRow],
) -> Result<Answers, tokio_postgres::Error> {
    let note = client.prepare_cached(NOTE).await?;
    let copy = client.prepare_cached(COPY.as_str()).await?;
    let documents = document::prepare_insert(client, rows).await?;
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
    // If the COPY fails, the COMMIT rolls back. Another COPY cannot be sent before its answer: the
    // messages of one that is refused at its start would be taken for the next statement's.
    let (copied, kept, committed) = tokio::join!(
        biased;
        client.counted(writer.finish()),
        document::insert(client, &documents, rows),
        client.batch_execute("COMMIT"),
    );
    Ok((copied.and(kept), committed))
}

fn writer(sink: CopyInSink<Bytes>) -> BinaryCopyInWriter {
    let types: Vec<Type> = COLUMNS.iter().map(|column| column.sql_type.clone()).collect();
    BinaryCopyInWriter::new(sink, &types)
}

async fn write(
    client: &Session<impl GenericClient>,
    mut writer: Pin<&mut BinaryCopyInWriter>,
    rows: &[&OutcomeRow],
) -> Result<(), tokio_postgres::Error> {
    for row in rows {
        client.watched(writer.as_mut().write(&row.values())).await?;
    }
    Ok(())
}

/// The statements of [`insert`].
pub(super) struct PreparedInsert {
    outcomes: PreparedStatement,
    documents: PreparedStatement,
}

/// Prepares [`insert`] for these rows; `None` for no rows.
pub(super) async fn prepare_insert(
    client: &Session<impl GenericClient>,
    rows: &[&OutcomeRow],
) -> Result<Option<PreparedInsert>, tokio_postgres::Error> {
    let outcomes = match rows {
        [] => return Ok(None),
        [_] => &INSERT_ONE,
        _ => &INSERT,
    };
    Ok(Some(PreparedInsert {
        outcomes: client.prepare_cached(outcomes.as_str()).await?,
        documents: document::prepare_insert(client, rows).await?,
    }))
}

/// Writes the rows whose keys do not exist, with their documents, and returns their keys. Its messages
/// are sent at its first poll.
pub(super) async fn insert(
    client: &Session<impl GenericClient>,
    prepared: Option<&PreparedInsert>,
    rows: &[&OutcomeRow],
) -> Result<HashSet<ResultKey>, tokio_postgres::Error> {
    let Some(prepared) = prepared else { return Ok(HashSet::new()) };
    let (stored, kept) = tokio::join!(
        biased;
        insert_outcomes(client, &prepared.outcomes, rows),
        document::insert(client, &prepared.documents, rows),
    );
    let stored = stored?;
    kept.map(|()| stored)
}

async fn insert_outcomes(
    client: &Session<impl GenericClient>,
    insert: &PreparedStatement,
    rows: &[&OutcomeRow],
) -> Result<HashSet<ResultKey>, tokio_postgres::Error> {
    if let [row] = rows {
        let inserted = client.execute(insert, &row.values()).await?;
        return Ok((inserted == 1).then_some(row.key).into_iter().collect());
    }
    macro_rules! arrays {
        ($(($role:ident $name:ident $type:tt $value:tt))*) => {
            &[
                &column(rows, |row| row.key.simulation_id),
                &column(rows, |row| row.key.outcome_id),
                &column(rows, |row| row.key.partition_time),
                $(&column(rows, |row| &row.$name),)*
            ]
        };
    }
    let inserted = client.query(insert, outcome_columns!(written => arrays)).await?;
    let key = |row: &tokio_postgres::Row| ResultKey {
        simulation_id: row.get(0),
        outcome_id: row.get(1),
        partition_time: row.get(2),
    };
    Ok(inserted.iter().map(key).collect())
}
