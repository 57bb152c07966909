//! Outcomes for other programs: Parquet, CSV and JSON lines files, and Arrow tables.
//!
//! One task reads, in order of simulation, scenario, trial and attempt, and a thread writes. A
//! queue of a few chunks connects them, so that memory stays bounded however many outcomes there
//! are. Every format has the same columns with the same names, in the order of [`OutcomeRecord`].

mod columns;
mod comma_separated;
mod destination;
mod json_lines;
mod parquet;
mod reading;
mod table;

use std::io::{self, Write};

use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

pub use destination::Destination;
pub use table::{Table, table};

use crate::delivery::Source;
use crate::error::{Error, Result};
use crate::store::{ExportSelection, OutcomeRecord};
use reading::Chunk;

/// The number of chunks that are read ahead of the writer.
const CHUNKS_AHEAD: usize = 1;

/// A file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Apache Parquet: typed columns, compressed with zstd.
    Parquet,
    /// Comma-separated values (RFC 4180), with the names of the columns in the first line.
    Csv,
    /// One JSON object per line.
    Jsonl,
}

/// The number of exported outcomes and simulations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// The number of outcomes.
    pub outcomes: u64,
    /// The number of simulations that they belong to.
    pub simulations: u64,
}

/// Takes the outcomes of an export, in order.
trait Writer: Send + 'static {
    /// The result of the whole export.
    type Output: Send;

    /// Takes the next outcome.
    fn write(&mut self, outcome: &OutcomeRecord) -> Result<()>;

    /// Finishes after the last outcome.
    fn finish(self) -> Result<Self::Output>;
}

/// Writes the selected outcomes to `output`, and returns it after the last one. `report` is called
/// regularly with the number of outcomes so far. If the future is dropped, the output is
/// incomplete.
///
/// # Errors
/// [`Error::NotFound`] if a named simulation does not exist, before anything is written;
/// [`Error::Io`] of the output; an error of the database or the service.
pub async fn export<W: Write + Send + 'static>(
    source: &Source,
    selection: &ExportSelection,
    format: Format,
    output: W,
    report: impl FnMut(u64) + Send + 'static,
) -> Result<(W, Exported)> {
    let documents = selection.documents;
    match format {
        Format::Parquet => {
            let make = move || parquet::ParquetWriter::new(output, documents);
            run(source, selection, make, report).await
        }
        Format::Csv => {
            let make = move || comma_separated::CsvWriter::new(output, documents);
            run(source, selection, make, report).await
        }
        Format::Jsonl => {
            let make = move || Ok(json_lines::JsonLinesWriter::new(output));
            run(source, selection, make, report).await
        }
    }
}

/// Reads in this task, and writes in a thread. The writer is created at the first chunk, or at the
/// end.
async fn run<W: Writer>(
    source: &Source,
    selection: &ExportSelection,
    make: impl FnOnce() -> Result<W> + Send + 'static,
    report: impl FnMut(u64) + Send + 'static,
) -> Result<(W::Output, Exported)> {
    let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
    let (answer, answered) = oneshot::channel();
    // A thread of its own, for which nothing waits: a cancelled export can be stuck in a write to a
    // pipe that has no reader.
    std::thread::Builder::new()
        .name("export".to_owned())
        .spawn(move || answer.send(write(receiver, make, report)))
        .map_err(|error| Error::io("could not start a thread that writes", error))?;
    let read = reading::read(source, selection, &sender).await;
    if read.is_ok() {
        // If the writer has ended, its result has the reason.
        let _ = sender.send(Message::End).await;
    }
    drop(sender);
    let written = answered.await;
    read?;
    match written {
        Ok(Ok(Some(written))) => Ok(written),
        Ok(Err(error)) => Err(error),
        Ok(Ok(None)) | Err(_) => {
            Err(Error::io("could not write the outcomes", io::ErrorKind::Interrupted.into()))
        }
    }
}

/// A message from the reader to the writer.
enum Message {
    Chunk(Chunk),
    End,
}

/// Writes the received chunks. Returns `None` if they stop before the end.
fn write<W: Writer>(
    mut chunks: mpsc::Receiver<Message>,
    make: impl FnOnce() -> Result<W>,
    mut report: impl FnMut(u64),
) -> Result<Option<(W::Output, Exported)>> {
    let Some(mut received) = chunks.blocking_recv() else { return Ok(None) };
    let mut writer = make()?;
    let mut exported = Exported::default();
    let mut simulation: Option<Uuid> = None;
    loop {
        let Message::Chunk(chunk) = received else { break };
        chunk.each(|outcome| {
            if simulation.replace(outcome.simulation_id) != Some(outcome.simulation_id) {
                exported.simulations += 1;
            }
            exported.outcomes += 1;
            writer.write(outcome)
        })?;
        report(exported.outcomes);
        let Some(next) = chunks.blocking_recv() else { return Ok(None) };
        received = next;
    }
    Ok(Some((writer.finish()?, exported)))
}

/// Returns the error for a failed write to the output.
fn write_error(error: io::Error) -> Error {
    Error::io("could not write the outcomes", error)
}
