//! Outcomes, with COPY and as arrays.

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::LazyLock;

use bytes::Bytes;
use tokio_postgres::CopyInSink;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::super::columns::column;
use super::super::connection::{GenericClient, Session, Transaction};
use super::super::outcome_columns::{COLUMNS, outcome_columns};
use super::late::{NOTE, NOTED};
use super::{OutcomeRow, ResultKey};

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
         WHERE {NOTED}
         ON CONFLICT (simulation_id, outcome_id, partition_time) DO NOTHING
         RETURNING simulation_id, outcome_id, partition_time",
        names(),
        parameters(|number, sql_type| format!("${number}::{sql_type}[]"))
    )
});

/// The same for one row: with plain parameters, the server plans and runs it in half the time.
static INSERT_ONE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "INSERT INTO arc_recorder.outcomes ({}) SELECT {}
         WHERE (SELECT arc_recorder.note_results(ARRAY[$1::uuid]))
         ON CONFLICT (simulation_id, outcome_id, partition_time) DO NOTHING",
        names(),
        parameters(|number, sql_type| format!("${number}::{sql_type}"))
    )
});

/// Writes rows whose keys do not exist.
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
    // If the COPY fails, the COMMIT after it rolls back.
    let (copied, committed) = tokio::join!(
        biased;
        client.counted(writer.finish()),
        client.batch_execute("COMMIT"),
    );
    Ok((copied.map(drop), committed))
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
        let document = row.document.as_str();
        client.watched(writer.as_mut().write(&row.values(&document))).await?;
    }
    Ok(())
}

/// Writes the rows whose keys do not exist, and returns their keys.
pub(super) async fn insert(
    client: &Session<impl GenericClient>,
    rows: &[&OutcomeRow],
) -> Result<HashSet<ResultKey>, tokio_postgres::Error> {
    if let [row] = rows {
        let insert = client.prepare_cached(INSERT_ONE.as_str()).await?;
        let document = row.document.as_str();
        let inserted = client.execute(&insert, &row.values(&document)).await?;
        return Ok((inserted == 1).then_some(row.key).into_iter().collect());
    }
    let insert = client.prepare_cached(INSERT.as_str()).await?;
    macro_rules! arrays {
        ($(($role:ident $name:ident $type:tt $value:tt))*) => {
            &[
                &column(rows, |row| row.key.simulation_id),
                &column(rows, |row| row.key.outcome_id),
                &column(rows, |row| row.key.partition_time),
                $(&column(rows, |row| &row.$name),)*
                &column(rows, |row| row.document.as_str()),
            ]
        };
    }
    let inserted = client.query(&insert, outcome_columns!(written => arrays)).await?;
    let key = |row: &tokio_postgres::Row| ResultKey {
        simulation_id: row.get(0),
        outcome_id: row.get(1),
        partition_time: row.get(2),
    };
    Ok(inserted.iter().map(key).collect())
}
