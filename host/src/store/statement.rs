//! Queries as values: the text and its parameters.

use std::borrow::Cow;

use jiff::Timestamp;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error as PostgresError, Row};

use super::connection::{GenericClient, PreparedStatement, Session};
use super::{Connection, Store};
use crate::error::{Error, Result};

/// The time that all rows of simulation `$1` have in the key of their table, in the text of a query about
/// one simulation: see [`Statement::at`].
pub(super) const TIME: &str = "$time";

/// A query that is ready to run.
pub(super) struct Statement {
    pub(super) sql: Cow<'static, str>,
    pub(super) parameters: Vec<Box<dyn ToSql + Sync + Send>>,
    /// Whether its plan depends on its values.
    planned_anew: bool,
}

/// A part of a query about one simulation that is the first text if its rows are in chunks, and else the
/// second: see [`Statement::at`]. Neither contains such a part.
pub(super) fn by_layout(in_chunks: &str, otherwise: &str) -> String {
    format!("{CHOICE}{in_chunks}{OTHERWISE}{otherwise}{CHOSEN}")
}

/// The marks of [`by_layout`], which no query contains.
const CHOICE: char = '\u{1}';
const OTHERWISE: char = '\u{2}';
const CHOSEN: char = '\u{3}';

impl Statement {
    /// Makes a query without parameters.
    pub(super) fn new(sql: impl Into<Cow<'static, str>>) -> Self {
        Statement { sql: sql.into(), parameters: Vec::new(), planned_anew: false }
    }

    /// Adds the next parameter.
    pub(super) fn with(mut self, parameter: impl ToSql + Sync + Send + 'static) -> Self {
        self.parameters.push(Box::new(parameter));
        self
    }

    /// Completes a query about one simulation: with the time that its rows have in their key, which becomes
    /// the last parameter, or without one ([`Store::row_time`]). A query that names no time stays as it is.
    pub(super) fn at(mut self, time: Option<Timestamp>) -> Self {
        if !self.sql.contains(TIME) {
            return self;
        }
        if let Some(time) = time {
            self = self.with(time);
            self.planned_anew = true;
        }
        self.sql = with_time(&self.sql, time.map(|_| self.count())).into();
        self
    }

    /// Returns how many parameters it has, which is the number of the last one in the text.
    pub(super) fn count(&self) -> usize {
        self.parameters.len()
    }

    /// Returns the parameters as the client takes them.
    pub(super) fn values(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.parameters.iter().map(|parameter| &**parameter as &(dyn ToSql + Sync)).collect()
    }

    /// Prepares it on a connection or in a transaction.
    pub(super) async fn prepared(
        &self,
        client: &Session<impl GenericClient>,
    ) -> std::result::Result<PreparedStatement, PostgresError> {
        match self.planned_anew {
            true => client.prepare_planned_anew(&self.sql).await,
            false => client.prepare_cached(&self.sql).await,
        }
    }
}

/// Replaces [`TIME`] in a query by the parameter with this number, and parts that depend on the layout by
/// those for chunks. Without a number, the conditions that compare a column with the time are left out.
pub(super) fn with_time(sql: &str, number: Option<usize>) -> String {
    let mut chosen = String::with_capacity(sql.len());
    for part in sql.split(CHOSEN) {
        let (before, choice) = part.split_once(CHOICE).unwrap_or((part, ""));
        let (in_chunks, otherwise) = choice.split_once(OTHERWISE).unwrap_or_default();
        chosen.push_str(before);
        chosen.push_str(if number.is_some() { in_chunks } else { otherwise });
    }
    let sql = chosen;
    if let Some(number) = number {
        return sql.replace(TIME, &format!("${number}"));
    }
    let mut text = String::with_capacity(sql.len());
    let mut parts = sql.split(TIME).peekable();
    while let Some(part) = parts.next() {
        let condition = parts.peek().and_then(|_| part.rfind(" AND "));
        text.push_str(condition.and_then(|start| part.get(..start)).unwrap_or(part));
    }
    text
}

impl Store {
    /// Runs a query; `what` describes it in errors, and begins with a verb.
    pub(super) async fn rows(&self, statement: &Statement, what: &str) -> Result<Vec<Row>> {
        let failed = |error| Error::postgres(what, error);
        let client = self.client().await?;
        let prepared = statement.prepared(&client).await.map_err(failed)?;
        client.query(&prepared, &statement.values()).await.map_err(failed)
    }

    /// Runs a query with long rows: the connection is not reused, because it would keep buffers of
    /// their size.
    pub(super) async fn large_rows_of(
        &self,
        statement: &Statement,
        what: &str,
    ) -> Result<Vec<Row>> {
        let failed = |error| Error::postgres(what, error);
        let client = self.client().await?;
        let prepared = statement.prepared(&client).await.map_err(failed)?;
        let rows = client.query(&prepared, &statement.values()).await;
        drop(Connection::take(client));
        rows.map_err(failed)
    }

    /// Runs a statement that returns no rows, and returns how many it changed.
    pub(super) async fn change(&self, statement: &Statement, what: &str) -> Result<u64> {
        let failed = |error| Error::postgres(what, error);
        let client = self.client().await?;
        let prepared = statement.prepared(&client).await.map_err(failed)?;
        client.execute(&prepared, &statement.values()).await.map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_completed_with_the_time_or_without_it() {
        let of = |alias: &str| format!("{alias}.id = $1 AND {alias}.partition_time = {TIME}");
        let sql = format!(
            "SELECT FROM a WHERE {} AND (b OR EXISTS (SELECT FROM c WHERE {}))",
            of("a"),
            of("c")
        );
        assert_eq!(
            with_time(&sql, None),
            "SELECT FROM a WHERE a.id = $1 AND (b OR EXISTS (SELECT FROM c WHERE c.id = $1))"
        );
        assert_eq!(
            with_time(&sql, Some(7)),
            "SELECT FROM a WHERE a.id = $1 AND a.partition_time = $7 AND (b OR EXISTS \
             (SELECT FROM c WHERE c.id = $1 AND c.partition_time = $7))"
        );
        assert_eq!(with_time("SELECT 1 AND 2", None), "SELECT 1 AND 2");
        let parts = format!("a {} b{} c", by_layout("1", "2"), by_layout(", 3", ""));
        assert_eq!(with_time(&parts, None), "a 2 b c");
        assert_eq!(with_time(&parts, Some(1)), "a 1 b, 3 c");
        let other = Statement::new("DELETE $1").with(1_i32).at(Some(Timestamp::UNIX_EPOCH));
        assert_eq!((other.count(), &*other.sql), (1, "DELETE $1"));
        let statement = Statement::new(sql).with(1_i32).at(Some(Timestamp::UNIX_EPOCH));
        assert_eq!((statement.count(), statement.sql.matches("$2").count()), (2, 2));
    }
}
