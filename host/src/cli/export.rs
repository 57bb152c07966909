//! `arc-host export`: outcomes for other programs.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, ValueEnum};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::CommandStatus;
use super::connection;
use super::global::Global;
use super::options::OutcomeSelection;
use super::output::{self, Output};
use crate::error::{Error, Result};
use crate::export::{Destination, Exported, Format, export};
use crate::store::ExportSelection;

/// The size of the output buffer.
const BUFFER_BYTES: usize = 1 << 18;

#[derive(Debug, Args)]
pub(super) struct Export {
    /// The simulations: their ids, unique prefixes of at least 4 characters, names, or `latest`. Default:
    /// all simulations, the oldest first.
    #[arg(value_name = "SIMULATION")]
    simulations: Vec<String>,

    /// The format. Default: the one of FILE's extension.
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<FormatName>,

    /// The file to write; - is standard output.
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    output: PathBuf,

    #[command(flatten)]
    selection: OutcomeSelection,

    /// Include the documents, byte for byte as recorded, in a last column of text.
    #[arg(long)]
    documents: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FormatName {
    /// Apache Parquet: typed columns, compressed with zstd.
    Parquet,
    /// Comma-separated values (RFC 4180), with the names of the columns in the first line.
    Csv,
    /// One JSON object per line.
    Jsonl,
}

impl From<FormatName> for Format {
    fn from(name: FormatName) -> Self {
        match name {
            FormatName::Parquet => Format::Parquet,
            FormatName::Csv => Format::Csv,
            FormatName::Jsonl => Format::Jsonl,
        }
    }
}

pub(super) async fn run(
    global: &Global,
    arguments: Export,
    output: &mut Output,
) -> Result<CommandStatus> {
    let format = format_of(arguments.format, &arguments.output)?;
    let to_stream = arguments.output == Path::new("-");
    if to_stream && format == FormatName::Parquet && io::stdout().is_terminal() {
        return Err(Error::invalid("Parquet is not for a terminal")
            .with_hint("name a file with --output, or pipe it to a program"));
    }
    let opened = connection::open_source(global).await?;
    let selection = ExportSelection {
        simulations: opened.source().resolve_simulations(&arguments.simulations).await?,
        filter: arguments.selection.into_filter(),
        documents: arguments.documents,
    };
    let begun = Instant::now();
    let failed =
        |error| Error::io(format!("could not write {}", arguments.output.display()), error);
    let (file, destination) = if to_stream {
        (standard_output().map_err(failed)?, None)
    } else {
        let (file, destination) = Destination::create(&arguments.output)?;
        (file, Some(destination))
    };
    let (mut interrupts, mut terminations) =
        (|| Ok((signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)))()
            .map_err(|error| Error::io("could not listen for Ctrl-C", error))?;

    let bar = output::progress_counter("exporting");
    let shown = bar.clone();
    let buffered = BufWriter::with_capacity(BUFFER_BYTES, file);
    let report = move |outcomes| shown.set_position(outcomes);
    let done = tokio::select! {
        done = export(opened.source(), &selection, format.into(), buffered, report) => Some(done),
        _ = interrupts.recv() => None,
        _ = terminations.recv() => None,
    };
    bar.finish_and_clear();
    let Some(done) = done else {
        output::note("stopped; an incomplete file is not kept");
        return Ok(CommandStatus::Interrupted);
    };
    let (buffered, exported) = match done {
        // The reader has seen enough and closed the pipe.
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => {
            return Ok(CommandStatus::Complete);
        }
        done => done?,
    };
    let Some(destination) = destination else { return Ok(CommandStatus::Complete) };
    let file = buffered.into_inner().map_err(|error| failed(error.into_error()))?;
    let bytes = file.metadata().map_err(failed)?.len();
    destination.keep(&file)?;
    let name = arguments.output.display().to_string();
    summary(&exported, &name, format, bytes, begun.elapsed().as_secs_f64(), output)?;
    Ok(CommandStatus::Complete)
}

/// Returns the named format, or the one of the file's extension.
fn format_of(named: Option<FormatName>, output: &Path) -> Result<FormatName> {
    if let Some(format) = named {
        return Ok(format);
    }
    let extension = output.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    FormatName::from_str(extension, true).map_err(|_| {
        Error::invalid("the output's name has no extension of a known format")
            .with_hint("use --format parquet, csv or jsonl")
    })
}

/// Returns standard output without a buffer that is flushed at each newline.
fn standard_output() -> io::Result<File> {
    io::stdout().flush()?;
    Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?))
}

fn summary(
    exported: &Exported,
    name: &str,
    format: FormatName,
    bytes: u64,
    elapsed_seconds: f64,
    output: &mut Output,
) -> Result<()> {
    let Exported { outcomes, simulations } = *exported;
    if output.json() {
        let format = format.to_possible_value().map(|value| value.get_name().to_owned());
        return output.value(&json!({
            "file": name,
            "format": format,
            "outcomes": outcomes,
            "simulations": simulations,
            "bytes": bytes,
            "elapsed_seconds": elapsed_seconds,
        }));
    }
    output.line(&format!(
        "{}: {} outcome{} of {} simulation{}, {:.1} MB in {elapsed_seconds:.2} s",
        output::printable(name),
        output::count(outcomes),
        if outcomes == 1 { "" } else { "s" },
        output::count(simulations),
        if simulations == 1 { "" } else { "s" },
        bytes_as_megabytes(bytes),
    ))
}

#[expect(clippy::cast_precision_loss, reason = "a size for people")]
fn bytes_as_megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
