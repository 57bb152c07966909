//! Outcomes for an export: as the database sends them, all of one moment, in bounded memory.
//!
//! A simulation is read with one statement, so that no more than one is sorted at once, and all of
//! them in one transaction. Nothing is copied: an [`OutcomeRecord`] borrows the data that the database has sent.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::StreamExt as _;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_postgres::Row;
use uuid::Uuid;

use super::Store;
use super::layout::Layout;
use super::outcome_columns::{OWN, SELECTED, outcome_columns};
use super::outcome_sql::{
    READING_ORDER, document, join_scale, numbered, read_column, scale, with_replaced,
};
use super::outcomes::{OutcomeFilter, OutcomeRecord};
use super::statement::Statement;
use crate::error::{Error, Result};
use crate::paging::next_batch;

/// Which outcomes are exported.
#[derive(Clone, Debug, Default)]
pub struct ExportSelection {
    /// Those of these simulations, in this order; if empty, of all simulations, the oldest first.
    pub simulations: Vec<Uuid>,
    /// The filter of the outcomes.
    pub filter: OutcomeFilter,
    /// Whether the documents are included.
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

/// A simulation's outcomes. The columns are read by their place.
pub(super) fn statement(simulation_id: Uuid, filter: &OutcomeFilter, documents: bool) -> Statement {
    let mut statement = Statement::new("").with(simulation_id);
    let (mut scenario, mut status) = (String::new(), String::new());
    if let Some(scenario_id) = &filter.scenario_id {
        statement = statement.with(scenario_id.clone());
        scenario = format!("AND outcome.scenario_id COLLATE \"C\" = ${}", statement.count());
    }
    if let Some(wanted) = filter.status {
        // After the attempts are counted: a filter leaves out attempts, and numbers none anew.
        statement = statement.with(wanted.as_str());
        status = format!("AND outcome.status = ${}", statement.count());
    }
    let document = if documents { format!(", {}", document("outcome")) } else { String::new() };
    let outer: String =
        OWN.iter().map(|name| format!(", {}", read_column("outcome", name))).collect();
    let inner: Vec<String> = SELECTED.iter().map(|name| format!("outcome.{name}")).collect();
    let columns = format!(
        "outcome.simulation_id, outcome.outcome_id, outcome.partition_time, outcome.extractor_id, {}",
        inner.join(", ")
    );
    statement.sql = format!(
        r#"WITH {replaced}{scale}
        SELECT outcome.outcome_id, outcome.extractor_id{outer}{document}
        FROM ({numbered}) AS outcome
        {joined}
        WHERE outcome.is_current {status}
        ORDER BY {READING_ORDER}"#,
        replaced = with_replaced(),
        scale = scale(),
        joined = join_scale("outcome"),
        numbered = numbered(&columns, "", &scenario)
    )
    .into();
    statement
}

impl Store {
    /// Reads the selected outcomes as of its start, and sends them in chunks, on a connection outside
    /// of the pool. It waits for the receiver, and ends early, without an error, if the receiver is
    /// dropped.
    ///
    /// # Errors
    /// [`Error::NotFound`] if a named simulation does not exist, before any chunk is sent;
    /// [`Error::Database`] or [`Error::Unavailable`].
    pub async fn export(
        &self,
        selection: &ExportSelection,
        chunks: &mpsc::Sender<OutcomeRows>,
    ) -> Result<()> {
        let failed = |error| Error::postgres("export the outcomes", error);
        // The transaction ends with its connection in any case.
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
        let ids = "SELECT simulation_id, partition_time FROM arc_recorder.simulations
             WHERE pg_catalog.cardinality($1::uuid[]) = 0 OR simulation_id = ANY ($1)
             ORDER BY pg_catalog.array_position($1, simulation_id), created_at, simulation_id";
        let ids = client.query(ids, &[wanted]).await.map_err(failed)?;
        let ids: Vec<(Uuid, Timestamp)> = ids
            .iter()
            .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
            .collect::<std::result::Result<_, _>>()
            .map_err(failed)?;
        let is_found = |wanted: &Uuid| ids.iter().any(|(id, _)| id == wanted);
        if let Some(missing) = wanted.iter().find(|id| !is_found(id)) {
            return Err(self.missing_simulation(*missing).await);
        }
        let has_chunks = self.known_layout().await? == Layout::Timescale;
        for (simulation_id, time) in ids {
            let statement = statement(simulation_id, &selection.filter, selection.documents)
                .at(has_chunks.then_some(time));
            let prepared = statement.prepared(&client).await.map_err(failed)?;
            let rows = client.query_raw(&prepared, statement.values()).await.map_err(failed)?;
            let mut rows = std::pin::pin!(rows.fuse());
            loop {
                let rows = next_batch(&mut rows, Row::raw_size_bytes).await.map_err(failed)?;
                if rows.is_empty() {
                    break;
                }
                let extractors = Arc::clone(&extractors);
                let documents = selection.documents;
                let chunk = OutcomeRows { simulation_id, extractors, documents, rows };
                if chunks.send(chunk).await.is_err() {
                    return Ok(());
                }
            }
        }
        client.batch_execute("COMMIT").await.map_err(failed)
    }
}

impl OutcomeRows {
    /// Returns an iterator over the outcomes, each converted when it is reached.
    ///
    /// # Errors
    /// [`Error::Database`] if a value cannot be read.
    pub fn records(&self) -> impl Iterator<Item = Result<OutcomeRecord<'_>>> {
        let failed = |error| Error::postgres("read an outcome", error);
        self.rows.iter().map(move |row| self.record(row).map_err(failed))
    }

    fn record<'r>(
        &'r self,
        row: &'r Row,
    ) -> std::result::Result<OutcomeRecord<'r>, tokio_postgres::Error> {
        let extractor: Uuid = row.try_get(1)?;
        let mut places = 2..;
        let mut place = || places.next().unwrap_or_default();
        macro_rules! record {
            ($(($role:ident $name:ident $type:tt $value:tt))*) => {
                OutcomeRecord {
                    simulation_id: self.simulation_id,
                    outcome_id: row.try_get(0)?,
                    $($name: row.try_get(place())?,)*
                    extractor: self.extractors.get(&extractor).map_or("", String::as_str),
                    document: match self.documents {
                        true => Some(row.try_get::<_, &str>(place())?),
                        false => None,
                    },
                }
            };
        }
        Ok(outcome_columns!(own => record))
    }
}
