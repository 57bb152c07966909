//! Statements on a connection or in a transaction. Only this module decides whether statements have
//! names.
//!
//! A named statement is parsed and planned once for a connection, which is the fastest way. The name
//! belongs to the server's session, though, and a pooler in transaction mode (PgBouncer) assigns a
//! different one to each transaction. Behind a pooler, statements have no names: they are parsed with
//! each use, in one message with their values, and leave nothing behind. The types of their parameters,
//! which must be known to send values, are queried once per pool.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Buf;
use tokio_postgres::types::{BorrowToSql, ToSql, Type};
use tokio_postgres::{CopyInSink, Error, Row, RowStream, SimpleQueryMessage, Statement};
use uuid::Uuid;

use super::super::metrics::Counters;
use super::watch::PendingCalls;
use crate::lock::lock;

/// A connection, or a transaction on one.
pub(crate) trait GenericClient: tokio_postgres::GenericClient {}

impl<C: tokio_postgres::GenericClient> GenericClient for C {}

/// The parameter types of unnamed statements, shared by a pool.
pub(super) type KnownTypes = Arc<Mutex<HashMap<String, Arc<[Type]>>>>;

/// How the statements of one connection are prepared.
#[derive(Clone, Debug)]
pub(super) enum PrepareMode {
    /// With names, for as long as the connection exists.
    Named(Arc<Mutex<HashMap<String, Statement>>>),
    /// Without names, with each use.
    Unnamed(KnownTypes),
}

/// A statement that is ready to be run, on the connection that prepared it.
#[derive(Clone, Debug)]
pub(crate) enum PreparedStatement {
    /// The server has prepared it.
    Named(Statement),
    /// It is sent with its values.
    Unnamed {
        /// The statement.
        sql: String,
        /// The types of its parameters.
        types: Arc<[Type]>,
    },
}

/// A statement to run: a prepared one, or its text.
pub(crate) trait AsStatement: Sync {
    /// Returns the prepared statement or the text.
    fn as_statement(&self) -> StatementOrText<'_>;
}

/// A prepared statement, or the text of one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum StatementOrText<'a> {
    /// Already prepared.
    Prepared(&'a PreparedStatement),
    /// Prepared for one use.
    Text(&'a str),
}

impl AsStatement for PreparedStatement {
    fn as_statement(&self) -> StatementOrText<'_> {
        StatementOrText::Prepared(self)
    }
}

impl AsStatement for str {
    fn as_statement(&self) -> StatementOrText<'_> {
        StatementOrText::Text(self)
    }
}

/// A connection or a transaction, with tokio-postgres's methods.
#[derive(Debug)]
pub(crate) struct Session<C> {
    client: C,
    prepare_mode: PrepareMode,
    counters: Arc<Counters>,
    pending: Arc<PendingCalls>,
    out_of_step: Arc<AtomicBool>,
}

/// A transaction; one that is dropped is rolled back.
pub(crate) type Transaction<'a> = Session<tokio_postgres::Transaction<'a>>;

impl<C: GenericClient> Session<C> {
    pub(super) fn new(client: C, prepare_mode: PrepareMode) -> Self {
        Session {
            client,
            prepare_mode,
            counters: Arc::default(),
            pending: Arc::default(),
            out_of_step: Arc::default(),
        }
    }

    /// Counts its calls in these counters.
    pub(super) fn counted_by(self, counters: &Arc<Counters>) -> Self {
        Session { counters: Arc::clone(counters), ..self }
    }

    /// Returns the calls that wait for an answer.
    pub(super) fn pending(&self) -> &Arc<PendingCalls> {
        &self.pending
    }

    /// Whether a COPY was refused or abandoned at its start. tokio-postgres then sends a second end of
    /// the statement, and its answer is taken for that of a later one: the connection must be closed.
    pub(super) fn is_out_of_step(&self) -> bool {
        self.out_of_step.load(Ordering::Relaxed)
    }

    /// Waits for a call and counts it; used for messages that are not sent by a method of this type,
    /// such as the end of a COPY.
    pub(crate) async fn counted<T>(
        &self,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let begun = Instant::now();
        let answer = self.watched(call).await;
        self.counters.query(begun.elapsed(), answer.is_err());
        answer
    }

    /// Waits for a call; returns an error once no answer to it can arrive any more.
    pub(crate) async fn watched<T>(&self, call: impl Future<Output = T>) -> T {
        let _waiting = self.pending.begin();
        call.await
    }

    /// Returns the client of tokio-postgres, for operations that are not statements.
    pub(super) fn client(&self) -> &C {
        &self.client
    }

    /// Prepares a statement that is run repeatedly.
    pub(crate) async fn prepare_cached(&self, sql: &str) -> Result<PreparedStatement, Error> {
        let cache = match &self.prepare_mode {
            PrepareMode::Named(cache) => cache,
            PrepareMode::Unnamed(known) => return self.unnamed(sql, known).await,
        };
        if let Some(statement) = lock(cache).get(sql) {
            return Ok(PreparedStatement::Named(statement.clone()));
        }
        let statement = self.watched(self.client.client().prepare(sql)).await?;
        lock(cache).insert(sql.to_owned(), statement.clone());
        Ok(PreparedStatement::Named(statement))
    }

    /// Prepares a statement that is planned anew each time, for its values and the current tables.
    pub(crate) async fn prepare_planned_anew(&self, sql: &str) -> Result<PreparedStatement, Error> {
        Ok(match self.prepare_cached(sql).await? {
            PreparedStatement::Named(statement) => {
                PreparedStatement::Unnamed { sql: sql.to_owned(), types: statement.params().into() }
            }
            unnamed @ PreparedStatement::Unnamed { .. } => unnamed,
        })
    }

    /// Returns all rows of a statement.
    pub(crate) async fn query(
        &self,
        statement: &(impl AsStatement + ?Sized),
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        self.counted(async {
            let client = self.client.client();
            match self.prepared(statement).await? {
                PreparedStatement::Named(statement) => client.query(&statement, values).await,
                PreparedStatement::Unnamed { sql, types } => {
                    client.query_typed(&sql, &typed(values, &types)).await
                }
            }
        })
        .await
    }

    /// Returns all rows of a statement that is planned anew each time, for the current tables. A cached
    /// plan that was made for an empty table is slow for a full one.
    pub(crate) async fn query_planned_anew(
        &self,
        sql: &str,
        values: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, Error> {
        self.counted(self.client.client().query_typed(sql, values)).await
    }

    /// Returns the only row of a statement.
    pub(crate) async fn query_one(
        &self,
        statement: &(impl AsStatement + ?Sized),
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Row, Error> {
        self.counted(async {
            let client = self.client.client();
            match self.prepared(statement).await? {
                PreparedStatement::Named(statement) => client.query_one(&statement, values).await,
                PreparedStatement::Unnamed { sql, types } => {
                    client.query_typed_one(&sql, &typed(values, &types)).await
                }
            }
        })
        .await
    }

    /// Returns the only row of a statement, or `None` if it returns no row.
    pub(crate) async fn query_opt(
        &self,
        statement: &(impl AsStatement + ?Sized),
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, Error> {
        self.counted(async {
            let client = self.client.client();
            match self.prepared(statement).await? {
                PreparedStatement::Named(statement) => client.query_opt(&statement, values).await,
                PreparedStatement::Unnamed { sql, types } => {
                    client.query_typed_opt(&sql, &typed(values, &types)).await
                }
            }
        })
        .await
    }

    /// Returns the rows of a statement as they arrive.
    pub(crate) async fn query_raw<P, I>(
        &self,
        statement: &(impl AsStatement + ?Sized),
        values: I,
    ) -> Result<RowStream, Error>
    where
        P: BorrowToSql,
        I: IntoIterator<Item = P>,
        I::IntoIter: ExactSizeIterator,
    {
        self.counted(async {
            let client = self.client.client();
            match self.prepared(statement).await? {
                PreparedStatement::Named(statement) => client.query_raw(&statement, values).await,
                PreparedStatement::Unnamed { sql, types } => {
                    client
                        .query_typed_raw(&sql, values.into_iter().zip(types.iter().cloned()))
                        .await
                }
            }
        })
        .await
    }

    /// Runs a statement, and returns the number of rows that it changed.
    pub(crate) async fn execute(
        &self,
        statement: &(impl AsStatement + ?Sized),
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, Error> {
        self.counted(async {
            let client = self.client.client();
            match self.prepared(statement).await? {
                PreparedStatement::Named(statement) => client.execute(&statement, values).await,
                PreparedStatement::Unnamed { sql, types } => {
                    client.execute_typed(&sql, &typed(values, &types)).await
                }
            }
        })
        .await
    }

    /// Runs statements without values, in one message.
    pub(crate) async fn batch_execute(&self, sql: &str) -> Result<(), Error> {
        self.counted(self.client.client().batch_execute(sql)).await
    }

    /// Begins a COPY to the server. An unnamed statement has a name until the COPY is done, which is
    /// before the transaction ends, so a pooler leaves it in its session.
    pub(crate) async fn copy_in_prepared<U>(
        &self,
        statement: &PreparedStatement,
    ) -> Result<CopyInSink<U>, Error>
    where
        U: Buf + 'static + Send,
    {
        let client = self.client.client();
        // Also if the caller stops waiting.
        self.out_of_step.store(true, Ordering::Relaxed);
        let sink = match statement {
            PreparedStatement::Named(statement) => self.watched(client.copy_in(statement)).await,
            PreparedStatement::Unnamed { sql, .. } => {
                self.watched(client.copy_in(sql.as_str())).await
            }
        }?;
        self.out_of_step.store(false, Ordering::Relaxed);
        Ok(sink)
    }

    async fn prepared(
        &self,
        statement: &(impl AsStatement + ?Sized),
    ) -> Result<PreparedStatement, Error> {
        match (statement.as_statement(), &self.prepare_mode) {
            (StatementOrText::Prepared(prepared), _) => Ok(prepared.clone()),
            (StatementOrText::Text(sql), PrepareMode::Unnamed(known)) => {
                self.unnamed(sql, known).await
            }
            // Its name is released once the caller has its rows.
            (StatementOrText::Text(sql), PrepareMode::Named(_)) => {
                self.client.client().prepare(sql).await.map(PreparedStatement::Named)
            }
        }
    }

    async fn unnamed(&self, sql: &str, known: &KnownTypes) -> Result<PreparedStatement, Error> {
        let types = lock(known).get(sql).cloned();
        let types = match types {
            Some(types) => types,
            // The most common sign of a parameter; in a text that contains it for another reason, the
            // only cost is the query.
            None if !sql.contains('$') => Arc::new([]),
            None => {
                let types = self.ask_for_types(sql).await?;
                lock(known).insert(sql.to_owned(), Arc::clone(&types));
                types
            }
        };
        Ok(PreparedStatement::Unnamed { sql: sql.to_owned(), types })
    }

    /// Queries the types of a statement's parameters, in one message and so in one session, with a name
    /// that is unique.
    async fn ask_for_types(&self, sql: &str) -> Result<Arc<[Type]>, Error> {
        let name = format!("arc_{}", Uuid::now_v7().simple());
        let messages = self
            .client
            .client()
            .simple_query(&format!(
                "PREPARE {name} AS {sql};
                 SELECT pg_catalog.array_to_string(parameter_types::oid[], ',')
                 FROM pg_catalog.pg_prepared_statements WHERE name = '{name}';
                 DEALLOCATE {name}"
            ))
            .await?;
        let row = messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        let numbers = row.unwrap_or_default().split(',').filter(|number| !number.is_empty());
        // A type that is not built in is refused when a value is sent, as one of an unknown type.
        let kind = |number: &str| number.parse().ok().and_then(Type::from_oid);
        Ok(numbers.map(|number| kind(number).unwrap_or(Type::UNKNOWN)).collect())
    }
}

impl Session<tokio_postgres::Client> {
    /// Begins a transaction.
    pub(crate) async fn transaction(&mut self) -> Result<Transaction<'_>, Error> {
        let (prepare_mode, counters) = (self.prepare_mode.clone(), Arc::clone(&self.counters));
        let pending = Arc::clone(&self.pending);
        let out_of_step = Arc::clone(&self.out_of_step);
        let waiting = pending.begin();
        let client = self.client.transaction().await?;
        drop(waiting);
        Ok(Session { client, prepare_mode, counters, pending, out_of_step })
    }
}

impl Session<tokio_postgres::Client> {
    /// Whether a statement that was prepared here can be used in the next transaction, too.
    pub(crate) fn keeps_statements(&self) -> bool {
        matches!(self.prepare_mode, PrepareMode::Named(_))
    }
}

impl Transaction<'_> {
    /// Commits the transaction.
    pub(crate) async fn commit(self) -> Result<(), Error> {
        let (counters, pending) = (self.counters, self.pending);
        let begun = Instant::now();
        let waiting = pending.begin();
        let done = self.client.commit().await;
        drop(waiting);
        counters.query(begun.elapsed(), done.is_err());
        done
    }
}

fn typed<'a>(
    values: &[&'a (dyn ToSql + Sync)],
    types: &[Type],
) -> Vec<(&'a (dyn ToSql + Sync), Type)> {
    values.iter().copied().zip(types.iter().cloned()).collect()
}
