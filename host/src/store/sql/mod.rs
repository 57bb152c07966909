//! Runs the user's own SQL, for queries that the other calls do not offer.

mod parameters;

use std::error::Error as StdError;
use std::pin::pin;

use bytes::BytesMut;
use futures_util::StreamExt as _;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{Format, FromSql, IsNull, ToSql, Type, to_sql_checked};
use uuid::Uuid;

use super::Store;
use super::connection::Transaction;
use super::layout::Layout;
use super::statement::Statement;
use crate::error::{Error, Result};
use parameters::NumberedStatement;

/// The result of a statement.
#[derive(Debug, Default, Serialize)]
pub struct SqlAnswer {
    /// Its rows, each a JSON object by the names of the columns, as PostgreSQL's `to_json` writes it.
    pub rows: Vec<Box<RawValue>>,
    /// How many rows it returned or changed.
    pub row_count: u64,
}

/// The rows of a statement, and how many it changed if the server reports it.
type StatementRows = (Vec<Row>, Option<u64>);

impl Store {
    /// Runs one statement in a transaction of its own, with this program's schema before those of the
    /// user's own search path. Its parameters are written as `:name`; their values are passed as text,
    /// which the server parses as the type that the statement requires.
    ///
    /// # Errors
    /// [`Error::Invalid`] if a parameter is missing in `values`; an error of the database, with the
    /// server's message.
    pub async fn execute_sql(
        &self,
        sql: &str,
        values: &[(String, Option<String>)],
    ) -> Result<SqlAnswer> {
        let failed = |error| Error::postgres("run the statement", error);
        let numbered = NumberedStatement::read(sql);
        let mut statement = Statement::new("");
        for name in &numbered.names {
            let Some((_, value)) = values.iter().find(|(key, _)| key == name) else {
                return Err(Error::invalid(format!(
                    "the statement has :{name}, but there is no value with this name"
                )));
            };
            statement = statement.with(Text(value.clone()));
        }
        // Citus would move the row to another statement, in which its columns have other names.
        let from = match self.known_layout().await? {
            Layout::Citus => "(TABLE arc_row OFFSET 0) AS arc_row",
            Layout::Plain | Layout::Timescale => "arc_row",
        };
        // The server converts the rows to JSON. It refuses a statement that returns no rows, or is not
        // a query, in this form before it is executed.
        statement.sql = format!(
            "WITH arc_row AS ({}\n) SELECT pg_catalog.to_json(arc_row)::text FROM {from}",
            numbered.sql
        )
        .into();
        match self.run(&statement, |row| raw(row.get::<_, String>(0))).await? {
            Ok(answer) => return Ok(answer),
            Err(error) if error.code().is_some_and(refused_as_part) => {}
            Err(error) => return Err(failed(error)),
        }
        statement.sql = numbered.sql.into();
        self.run(&statement, values_by_name).await?.map_err(failed)
    }

    /// Runs a statement in a transaction, which is rolled back if a row cannot be converted.
    async fn run(
        &self,
        statement: &Statement,
        convert: fn(&Row) -> Result<Box<RawValue>>,
    ) -> Result<std::result::Result<SqlAnswer, tokio_postgres::Error>> {
        let mut client = self.client().await?;
        let run = async {
            let transaction = client.transaction().await?;
            transaction
                .batch_execute(
                    "SELECT pg_catalog.set_config('search_path', 'arc_recorder, ' || reset_val, true)
                     FROM pg_catalog.pg_settings WHERE name = 'search_path'",
                )
                .await?;
            let (rows, changed) = rows(&transaction, statement).await?;
            let rows = match rows.iter().map(convert).collect::<Result<Vec<_>>>() {
                Ok(rows) => rows,
                Err(error) => return Ok(Err(error)),
            };
            transaction.commit().await?;
            Ok(Ok(SqlAnswer { row_count: changed.unwrap_or(rows.len() as u64), rows }))
        };
        match run.await {
            Ok(answer) => Ok(Ok(answer?)),
            Err(error) => Ok(Err(error)),
        }
    }
}

async fn rows(
    transaction: &Transaction<'_>,
    statement: &Statement,
) -> std::result::Result<StatementRows, tokio_postgres::Error> {
    let mut stream = pin!(transaction.query_raw(&*statement.sql, statement.values()).await?);
    let mut rows = Vec::new();
    while let Some(row) = stream.next().await {
        rows.push(row?);
    }
    Ok((rows, stream.rows_affected()))
}

/// Whether a statement was refused because it cannot be part of another one: it returns no rows, or is
/// not a query.
fn refused_as_part(state: &SqlState) -> bool {
    [SqlState::SYNTAX_ERROR, SqlState::FEATURE_NOT_SUPPORTED].contains(state)
}

/// Converts the row of a statement that cannot be part of another one, such as SHOW or EXPLAIN, or a
/// query whose parts change rows.
fn values_by_name(row: &Row) -> Result<Box<RawValue>> {
    let mut object = serde_json::Map::new();
    for (index, column) in row.columns().iter().enumerate() {
        let value = match *column.type_() {
            Type::BOOL => json_value::<bool>(row, index),
            Type::INT2 => json_value::<i16>(row, index),
            Type::INT4 => json_value::<i32>(row, index),
            Type::INT8 => json_value::<i64>(row, index),
            Type::FLOAT4 => json_value::<f32>(row, index),
            Type::FLOAT8 => json_value::<f64>(row, index),
            Type::UUID => json_value::<Uuid>(row, index),
            Type::TIMESTAMPTZ => json_value::<Timestamp>(row, index),
            Type::JSON | Type::JSONB => json_value::<Value>(row, index),
            _ => json_value::<String>(row, index),
        };
        let value = value.ok_or_else(|| {
            Error::invalid(format!(
                "column {} of this statement is of type {}",
                column.name(),
                column.type_()
            ))
            .with_hint(format!("write {}::text in it", column.name()))
        })?;
        object.insert(column.name().to_owned(), value);
    }
    raw(Value::Object(object).to_string())
}

/// Returns a value of a row as JSON, if it is of this type.
fn json_value<'r, T: FromSql<'r> + Serialize>(row: &'r Row, index: usize) -> Option<Value> {
    let value: Option<T> = row.try_get(index).ok()?;
    serde_json::to_value(value).ok()
}

fn raw(json: String) -> Result<Box<RawValue>> {
    RawValue::from_string(json).map_err(|error| {
        Error::database("the database returned a row that is not JSON").with_source(error)
    })
}

/// A value as text, for any type that the server requires.
#[derive(Debug)]
struct Text(Option<String>);

impl ToSql for Text {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn StdError + Sync + Send>> {
        Ok(match &self.0 {
            None => IsNull::Yes,
            Some(text) => {
                out.extend_from_slice(text.as_bytes());
                IsNull::No
            }
        })
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}
