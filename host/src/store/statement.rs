//! Queries as values: the text and its parameters.

use std::borrow::Cow;

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::{Connection, Store};
use crate::error::{Error, Result};

/// A query that is ready to run.
pub(super) struct Statement {
    pub(super) sql: Cow<'static, str>,
    pub(super) parameters: Vec<Box<dyn ToSql + Sync + Send>>,
}

impl Statement {
    /// Makes a query without parameters.
    pub(super) fn new(sql: impl Into<Cow<'static, str>>) -> Self {
        Statement { sql: sql.into(), parameters: Vec::new() }
    }

    /// Adds the next parameter.
    pub(super) fn with(mut self, parameter: impl ToSql + Sync + Send + 'static) -> Self {
        self.parameters.push(Box::new(parameter));
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
}

impl Store {
    /// Runs a query; `what` describes it in errors, and begins with a verb.
    pub(super) async fn rows(&self, statement: &Statement, what: &str) -> Result<Vec<Row>> {
        let failed = |error| Error::postgres(what, error);
        let client = self.client().await?;
        let prepared = client.prepare_cached(&statement.sql).await.map_err(failed)?;
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
        let prepared = client.prepare_cached(&statement.sql).await.map_err(failed)?;
        let rows = client.query(&prepared, &statement.values()).await;
        drop(Connection::take(client));
        rows.map_err(failed)
    }

    /// Runs a statement that returns no rows, and returns how many it changed.
    pub(super) async fn change(&self, statement: &Statement, what: &str) -> Result<u64> {
        let failed = |error| Error::postgres(what, error);
        let client = self.client().await?;
        let prepared = client.prepare_cached(&statement.sql).await.map_err(failed)?;
        client.execute(&prepared, &statement.values()).await.map_err(failed)
    }
}
