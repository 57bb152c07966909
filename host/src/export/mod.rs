//! Outcomes for other programs: files of Parquet, CSV and JSON lines, and tables of Arrow.
//!
//! One task reads, in order of simulation, scenario, trial and attempt, and a thread writes; a few
//! chunks lie between them, so that memory stays bounded however many outcomes there are. Every
//! format has the same columns with the same names, in the order of
//! [`OutcomeRecord`].

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

/// How many chunks are read ahead of the writing.
const CHUNKS_AHEAD: usize = 4;

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Apache Parquet: typed columns, compressed with zstd.
    Parquet,
    /// Comma-separated values as RFC 4180 has them, with the names of the columns first.
    Csv,
    /// An object of JSON a line.
    Jsonl,
}

/// What was exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// How many outcomes.
    pub outcomes: u64,
    /// How many simulations they belong to.
    pub simulations: u64,
}

/// Takes the outcomes of an export, in order.
trait Writer: Send + 'static {
    /// What is there at the end.
    type Output: Send;

    /// Takes the next outcome.
    fn write(&mut self, outcome: &OutcomeRecord) -> Result<()>;

    /// Ends: everything was taken.
    fn finish(self) -> Result<Self::Output>;
}

/// Writes the selected outcomes to `output`, and gives it back when all of it is written. `report` is
/// told now and then how many outcomes are. An export whose future is dropped leaves an output
/// without its end.
///
/// # Errors
/// [`Error::NotFound`] where a simulation that is named is not there, before anything is written;
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

/// Reads here, and has a thread write. The writer is made when the first chunk is there, or the end.
async fn run<W: Writer>(
    source: &Source,
    selection: &ExportSelection,
    make: impl FnOnce() -> Result<W> + Send + 'static,
    report: impl FnMut(u64) + Send + 'static,
) -> Result<(W::Output, Exported)> {
    let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
    let (answer, answered) = oneshot::channel();
    // A thread of its own: nobody waits for it where the export is given up while it writes to a
    // pipe that nobody reads.
    std::thread::Builder::new()
        .name("export".to_owned())
        .spawn(move || answer.send(write(receiver, make, report)))
        .map_err(|error| Error::io("could not start a thread that writes", error))?;
    let read = reading::read(source, selection, &sender).await;
    if read.is_ok() {
        // Where nobody takes it, the answer says why.
        let _ = sender.send(Received::End).await;
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

/// What the reader hands to the writer.
enum Received {
    Chunk(Chunk),
    End,
}

/// Writes what comes. Nothing where it breaks off before the end.
fn write<W: Writer>(
    mut chunks: mpsc::Receiver<Received>,
    make: impl FnOnce() -> Result<W>,
    mut report: impl FnMut(u64),
) -> Result<Option<(W::Output, Exported)>> {
    let Some(mut received) = chunks.blocking_recv() else { return Ok(None) };
    let mut writer = make()?;
    let mut exported = Exported::default();
    let mut simulation: Option<Uuid> = None;
    loop {
        let Received::Chunk(chunk) = received else { break };
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

/// A failure to write the output.
fn not_written(error: io::Error) -> Error {
    Error::io("could not write the outcomes", error)
}
