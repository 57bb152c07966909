//! `arc-host record`: records result files in the database.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use uuid::Uuid;

use super::CommandStatus;
use super::connection;
use super::global::Global;
use super::interrupt::stop_on_interrupt;
use super::options::{self, FormatOptions, MetricOptions};
use super::output::{self, BAD, BOLD, GOOD, Output, WARNING};
use crate::blocking::blocking;
use crate::delivery::{
    Destination, FileIdentity, FileOptions, FileSummary, Progress, RecordedFile, Sink as _, Stage,
    record_file,
};
use crate::documents::DocumentFile;
use crate::error::{Error, Result};
use crate::extraction::Extractor;
use crate::formats::{Formats, OpenedFile};
use crate::store::SimulationStart;

/// How many rejected results are shown to a person; the JSON output and the database have all of
/// them.
const SHOWN_REJECTED: usize = 10;

#[derive(Debug, Args)]
pub(super) struct Record {
    /// Result files; - is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// The simulation's name. Default: the file's name.
    #[arg(long)]
    name: Option<String>,

    /// A tag of the simulation. Can be repeated.
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,

    /// A file with the agent's configuration (JSON or other text), stored with the simulation.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    format: FormatOptions,

    #[command(flatten)]
    declared: MetricOptions,

    /// The simulation's id. If it exists, the results are added to it, and its plan does not
    /// change.
    #[arg(long, value_name = "ID", value_parser = options::id, conflicts_with = "new")]
    simulation: Option<Uuid>,

    /// Create a new simulation, even for a file that was recorded before.
    #[arg(long)]
    new: bool,
}

pub(super) async fn run(
    global: &Global,
    arguments: Record,
    output: &mut Output,
) -> Result<CommandStatus> {
    if arguments.simulation.is_some() && arguments.files.len() > 1 {
        return Err(Error::invalid(
            "--simulation takes one FILE: each file is a simulation of its own",
        ));
    }
    let configuration = arguments.config.as_deref().map(Configuration::read).transpose()?;
    let stop = Arc::new(AtomicBool::new(false));
    let recording = Arc::new(AtomicBool::new(false));
    stop_on_interrupt(Arc::clone(&stop), Arc::clone(&recording))?;

    // No database is created or started for files that do not exist.
    if !arguments.files.iter().any(|path| looks_readable(path)) {
        for path in &arguments.files {
            if let Err(error) = DocumentFile::open(path) {
                output::show_error(&error);
            }
        }
        return Ok(CommandStatus::Incomplete);
    }
    let opened = connection::open_source(global).await?;
    let destination = connection::destination(global, opened.source()).await?;
    let (extractor, formats) = match &destination {
        Destination::Database(recorder) => {
            (recorder.extractor().clone(), recorder.formats().clone())
        }
        Destination::Service(_) => (connection::extractor(global)?, connection::formats(global)?),
    };
    let mut start = SimulationStart {
        simulation_name: arguments.name.clone(),
        tags: arguments.tags.clone(),
        metrics: arguments.declared.definitions(),
        ..SimulationStart::default()
    };
    if let Some(Configuration { name, text }) = &configuration {
        start.config_version_id = destination.create_configuration(name, text, None).await?.0;
    }
    let options = FileOptions {
        start,
        identity: match (arguments.simulation, arguments.new) {
            (Some(simulation_id), _) => FileIdentity::Named(simulation_id),
            (None, true) => FileIdentity::New,
            (None, false) => FileIdentity::OfContent,
        },
        batches: None,
    };
    let recorder = FilesRecorder {
        extractor,
        formats,
        options,
        destination,
        arguments: &arguments,
        stop: Arc::clone(&stop),
    };
    let mut done = CommandStatus::Complete;
    for path in &arguments.files {
        let opened = open_file(&recorder, path).await;
        recording.store(true, Ordering::Relaxed);
        let recorded = match opened {
            Ok(opened) => recorder.record(opened, output).await,
            Err(error) => Err(error),
        };
        recording.store(false, Ordering::Relaxed);
        done = done.max(match recorded {
            Ok(done) => done,
            Err(error) if stop.load(Ordering::Relaxed) => {
                output::note(&error.report());
                CommandStatus::Interrupted
            }
            Err(error) => {
                output::show_error(&error);
                CommandStatus::Incomplete
            }
        });
        if done == CommandStatus::Interrupted {
            break;
        }
    }
    if let Destination::Database(recorder) = &recorder.destination {
        recorder.close().await;
    }
    Ok(done)
}

/// Returns whether the file looks readable, so that it is worth opening a database.
fn looks_readable(path: &Path) -> bool {
    path == Path::new("-") || fs::metadata(path).is_ok_and(|there| !there.is_dir())
}

/// Opens a file and detects its format.
async fn open_file(recorder: &FilesRecorder<'_>, path: &Path) -> Result<OpenedFile> {
    let (formats, built_in) = (recorder.formats.clone(), recorder.extractor.clone());
    let FormatOptions { format, header } = &recorder.arguments.format;
    let (path, format, header) = (path.to_owned(), format.clone(), header.clone());
    blocking(move || {
        let file = DocumentFile::open(&path)?;
        formats.open(&built_in, file, format.as_deref(), header.as_deref(), output::warn)
    })
    .await?
}

/// The agent's configuration, as read from its file.
struct Configuration {
    name: String,
    text: String,
}

impl Configuration {
    fn read(path: &Path) -> Result<Self> {
        let context = format!("could not read the configuration {}", path.display());
        let text = fs::read_to_string(path).map_err(|error| Error::io(context, error))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Configuration { name, text })
    }
}

/// The state that all files of a command share.
struct FilesRecorder<'a> {
    extractor: Extractor,
    formats: Formats,
    options: FileOptions,
    destination: Destination,
    arguments: &'a Record,
    stop: Arc<AtomicBool>,
}

impl FilesRecorder<'_> {
    async fn record(&self, opened: OpenedFile, output: &mut Output) -> Result<CommandStatus> {
        let bar = output::progress_bar(opened.file.length(), "reading  ");
        let shown = bar.clone();
        let report = move |progress: Progress| {
            if progress.stage == Stage::Record {
                shown.set_prefix("recording");
            }
            shown.set_position(progress.read_bytes);
            shown.set_message(output::count(progress.results));
        };
        let stop = Arc::clone(&self.stop);
        let recorded = record_file(opened, &self.destination, &self.options, stop, report).await;
        bar.finish_and_clear();
        let recorded = recorded?;
        recorded.notes.iter().for_each(|note| output::warn(note));
        let display = FileDisplay(&recorded);
        display.show(output)?;
        if let Some(error) = &recorded.completion_error {
            output::show_error_with_hint(
                &error.report(),
                Some("run the same command again to finish"),
            );
            return Ok(CommandStatus::Incomplete);
        }
        Ok(display.status())
    }
}

/// The display of a recorded file, or of its recorded part.
struct FileDisplay<'r>(&'r RecordedFile);

impl FileDisplay<'_> {
    fn show(&self, output: &mut Output) -> Result<()> {
        let summary = &self.0.summary;
        if output.json() {
            output.value(&self.0.report())?;
        } else {
            self.print(output)?;
        }
        if let Some(failure) = &summary.failure {
            let what = output::results(summary.failed);
            let hint = match summary.retryable {
                true => Some("run the same command again to record the rest"),
                false => failure.hint.as_deref(),
            };
            output::show_error_with_hint(&format!("{what} could not be recorded: {failure}"), hint);
        }
        if summary.interrupted {
            output::note("stopped; run the same command again to record the rest");
        }
        Ok(())
    }

    fn status(&self) -> CommandStatus {
        match &self.0.summary {
            FileSummary { interrupted: true, .. } => CommandStatus::Interrupted,
            FileSummary { failed: 1.., .. } => CommandStatus::Incomplete,
            FileSummary { rejected: 1.., .. } => CommandStatus::Rejected,
            _ if self.0.incomplete || self.0.differs() => CommandStatus::Rejected,
            _ => CommandStatus::Complete,
        }
    }

    fn print(&self, output: &mut Output) -> Result<()> {
        let RecordedFile { file_name, simulation_id, summary, progress, elapsed_seconds, .. } =
            self.0;
        let results = summary.stored
            + summary.duplicate
            + summary.spooled
            + summary.rejected
            + summary.failed;
        let rejected = summary.rejected;
        let style = if rejected > 0 { BAD } else { GOOD };
        output.line(&format!(
            "{BOLD}{}{BOLD:#}: {} as simulation {BOLD}{}{BOLD:#} ({})",
            output::printable(file_name),
            output::results(results),
            simulation_id,
            match progress {
                Some(known) => known.status.as_str(),
                None if summary.spooled > 0 => "spooled",
                None => "unknown",
            }
        ))?;
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = results as f64 / elapsed_seconds.max(1e-9);
        let mut fields = Vec::new();
        if let Some(format) = &self.0.format {
            fields.push(("format", format.clone()));
        }
        fields.extend([
            ("stored", output::count(summary.stored)),
            ("duplicate", output::count(summary.duplicate)),
            ("rejected", format!("{style}{}{style:#}", output::count(rejected))),
        ]);
        // Rare, and omitted if zero.
        for (what, count, style) in
            [("spooled", summary.spooled, WARNING), ("failed", summary.failed, BAD)]
        {
            if count > 0 {
                fields.push((what, format!("{style}{}{style:#}", output::count(count))));
            }
        }
        if let Some(known) = progress {
            if known.completed_scenarios < known.total_scenarios {
                fields.push(("progress", output::progress(known)));
            }
            fields.extend([
                ("by status", output::tally(&known.by_status)),
                ("errors", output::tally(&known.by_error_category)),
                ("score", output::headline(known)),
                ("tokens", output::tokens(known)),
                ("cost", output::cost(known)),
            ]);
        }
        fields.extend(progress.as_ref().and_then(output::superseded));
        if let Some(reason) =
            self.0.progress.as_ref().and_then(|known| known.status_reason.as_ref())
        {
            fields.push(("reason", output::printable(reason)));
        }
        if let Some(reconciliation) = self.0.reconciliation() {
            let style = if reconciliation.agrees { GOOD } else { BAD };
            let summary = output::printable(&reconciliation.summary());
            fields.push(("log", format!("{style}{summary}{style:#}")));
        }
        fields.push(("time", format!("{elapsed_seconds:.2} s, {rate:.0} results/s")));
        output.fields(&fields)?;
        if !summary.warnings.is_empty() {
            let warnings: Vec<String> = summary
                .warnings
                .iter()
                .map(|(code, total)| format!("{code} {}", output::count(*total)))
                .collect();
            output.fields(&[("warnings ", warnings.join(", "))])?;
        }
        for item in summary.rejected_results.iter().take(SHOWN_REJECTED) {
            output.line(&format!(
                "  {BAD}rejected{BAD:#} result {}: {} at {}: {}",
                item.position,
                item.code,
                if item.path.is_empty() {
                    "the document".to_owned()
                } else {
                    output::printable(&item.path)
                },
                output::printable(&item.message)
            ))?;
        }
        let more = rejected.saturating_sub(SHOWN_REJECTED as u64);
        if more > 0 {
            output.line(&format!("  … and {more} more: arc-host rejected {simulation_id}"))?;
        }
        Ok(())
    }
}
