//! Outcomes as a table in memory, for programs in this process.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::columns::{Columns, schema};
use super::{Writer, run};
use crate::delivery::Source;
use crate::error::Result;
use crate::store::{ExportSelection, OutcomeRecord};

/// The number of outcomes in a batch of a table.
const BATCH_OUTCOMES: usize = 1 << 16;

/// The size of long texts at which a batch ends early: a column's offsets are 32-bit numbers.
const BATCH_BYTES: usize = 256 << 20;

/// Outcomes as columns, in batches.
#[derive(Clone, Debug)]
pub struct Table {
    /// The columns' names and types.
    pub schema: SchemaRef,
    /// The outcomes, in order of simulation, scenario, trial and attempt.
    pub batches: Vec<RecordBatch>,
}

/// Reads the selected outcomes into memory: some 250 bytes for each, and their documents.
///
/// # Errors
/// [`Error::NotFound`](crate::Error::NotFound) if a named simulation does not exist; an error of
/// the database or the service.
pub async fn table(source: &Source, selection: &ExportSelection) -> Result<Table> {
    let documents = selection.documents;
    let make = move || Ok(TableWriter { columns: Columns::new(documents), batches: Vec::new() });
    let (batches, _) = run(source, selection, make, |_| {}).await?;
    Ok(Table { schema: schema(documents), batches })
}

struct TableWriter {
    columns: Columns,
    batches: Vec<RecordBatch>,
}

impl Writer for TableWriter {
    type Output = Vec<RecordBatch>;

    fn write(&mut self, outcome: &OutcomeRecord) -> Result<()> {
        self.columns.push(outcome);
        if self.columns.rows() >= BATCH_OUTCOMES || self.columns.bytes() >= BATCH_BYTES {
            self.batches.push(self.columns.take()?);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<RecordBatch>> {
        if self.columns.rows() > 0 {
            self.batches.push(self.columns.take()?);
        }
        Ok(self.batches)
    }
}
