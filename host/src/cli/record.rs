//! `arc-host record`: records result files in the database.

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use clap::Args;
use indicatif::ProgressBar;
use serde_json::json;
use uuid::Uuid;

use super::CommandStatus;
use super::connection;
use super::global::Global;
use super::interrupt::stop_on_interrupt;
use super::options::{self, FormatOptions, MetricOptions};
use super::output::{self, BAD, BOLD, GOOD, Output, WARNING};
use crate::blocking::blocking;
use crate::delivery::{
    Destination, FileIdentity, FileOptions, FileSummary, FilesRecording, FilesSummary, Progress,
    RecordedFile, Sink as _, Stage,
};
use crate::documents::{DocumentFile, STANDARD_INPUT};
use crate::error::{Error, Result};
use crate::formats::{FileCollection, FoundFile};
use crate::lock::lock;
use crate::recorder::SimulationProgress;
use crate::store::{SimulationStart, SimulationStatus};

/// How many rejected results are shown to a person; the JSON output and the database have all of
/// them.
const SHOWN_REJECTED: usize = 10;

/// How many files are shown to a person one by one, and of more files, how many of those with a problem.
const SHOWN_FILES: usize = 20;
const SHOWN_PROBLEMS: usize = 10;

#[derive(Debug, Args)]
pub(super) struct Record {
    /// Result files and folders; - is standard input. Of a folder, and the folders in it, all files that
    /// a format recognises are recorded. Files can be compressed with gzip or zstd.
    #[arg(required_unless_present = "files_from", value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// A file with further paths, one a line; - is standard input.
    #[arg(long, value_name = "FILE")]
    files_from: Option<PathBuf>,

    /// The paths of --files-from end with a NUL character, as find -print0 writes them.
    #[arg(short = '0', long = "null", requires = "files_from")]
    null_separated: bool,

    /// The simulation's name. Default: the file's, or that of the folder of a run or of all files.
    #[arg(long)]
    name: Option<String>,

    /// The project of the simulation. Default: ARC_PROJECT, or at a service that of the token, or
    /// `default`.
    #[arg(long, value_name = "NAME")]
    project: Option<String>,

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

    /// Record all files into one simulation. Default: files of one run are one simulation, and every
    /// other file is one.
    #[arg(long)]
    one_simulation: bool,

    /// Record all files into the simulation with this id. If it exists, the results are added to it, and
    /// its plan does not change.
    #[arg(long, value_name = "ID", value_parser = options::id, conflicts_with = "new")]
    simulation: Option<Uuid>,

    /// Create a new simulation, even for a file that was recorded before.
    #[arg(long)]
    new: bool,

    /// Show every file, also of many.
    #[arg(long, short)]
    verbose: bool,
}

impl Record {
    /// Returns the named paths, with those of the list.
    fn paths(&self) -> Result<Vec<PathBuf>> {
        let mut paths = self.paths.clone();
        if let Some(list) = &self.files_from {
            let failed = |error| {
                Error::io(format!("could not read the list of files {}", list.display()), error)
            };
            let mut text = Vec::new();
            if list == Path::new("-") {
                io::stdin().lock().read_to_end(&mut text).map_err(failed)?;
            } else {
                text = fs::read(list).map_err(failed)?;
            }
            let end = if self.null_separated { 0 } else { b'\n' };
            let listed = text.split(|byte| *byte == end);
            let listed = listed.map(|path| match self.null_separated {
                true => path,
                false => path.strip_suffix(b"\r").unwrap_or(path),
            });
            let listed = listed.filter(|path| !path.is_empty());
            paths.extend(listed.map(|path| std::ffi::OsString::from_vec(path.to_vec()).into()));
        }
        match paths.is_empty() {
            true => Err(Error::invalid("the list of files is empty")),
            false => Ok(paths),
        }
    }

    /// Whether there is one file, which needs no summary.
    fn is_one_file(&self, paths: &[PathBuf]) -> bool {
        self.files_from.is_none() && matches!(paths, [path] if !path.is_dir())
    }
}

pub(super) async fn run(
    global: &Global,
    arguments: Record,
    output: &mut Output,
) -> Result<CommandStatus> {
    let begun = Instant::now();
    let configuration = arguments.config.as_deref().map(Configuration::read).transpose()?;
    let stop = Arc::new(AtomicBool::new(false));
    let recording = Arc::new(AtomicBool::new(false));
    stop_on_interrupt(Arc::clone(&stop), Arc::clone(&recording))?;

    let paths = arguments.paths()?;
    // Nothing is created for paths that do not exist.
    if !paths.iter().any(|path| path == Path::new(STANDARD_INPUT) || path.exists()) {
        for path in &paths {
            if let Err(error) = DocumentFile::open(path) {
                output::show_error(&error);
            }
        }
        return Ok(CommandStatus::Incomplete);
    }
    let is_one_file = arguments.is_one_file(&paths);
    let (built_in, formats) = (connection::extractor(global)?, connection::formats(global)?);
    let FormatOptions { format, header } = arguments.format.clone();
    let collection = {
        let (formats, built_in, format) = (formats.clone(), built_in.clone(), format.clone());
        let collect = move || formats.collect(&built_in, &paths, format.as_deref(), output::warn);
        blocking(collect).await??
    };
    let FileCollection { files, other_files, failures } = collection;
    let mut report = Report {
        verbose: arguments.verbose || files.len() + failures.len() <= SHOWN_FILES,
        verbose_asked: arguments.verbose,
        problems: 0,
        status: CommandStatus::Complete,
        summary: FilesSummary::new(other_files),
        output,
    };
    for (name, error) in &failures {
        report.failed(name, error);
    }
    // No database is created or started if there is nothing to record.
    if !files.is_empty() {
        let opened = connection::open_source(global).await?;
        let destination = connection::destination(global, opened.source()).await?;
        let mut start = SimulationStart {
            simulation_name: arguments.name.clone(),
            project: arguments.project.clone(),
            tags: arguments.tags.clone(),
            metrics: arguments.declared.definitions(),
            ..SimulationStart::default()
        };
        if let Some(Configuration { name, text }) = &configuration {
            start.config_version_id = destination.create_configuration(name, text, None).await?.0;
        }
        let identity = match (arguments.simulation, arguments.new) {
            (Some(simulation_id), _) => FileIdentity::Named(simulation_id),
            (None, true) => FileIdentity::New,
            (None, false) => FileIdentity::OfContent,
        };
        let mut files_recording = FilesRecording {
            built_in,
            formats,
            destination,
            options: FileOptions { start, identity, ..FileOptions::default() },
            format,
            header_file: header,
            stop: Arc::clone(&stop),
        };
        files_recording.group(&files, arguments.one_simulation).await?;
        report.record_all(&files_recording, files, recording).await?;
        if let Destination::Database(recorder) = &files_recording.destination {
            recorder.close().await;
        }
    }
    if !is_one_file {
        report.show_summary(begun)?;
    }
    if stop.load(Ordering::Relaxed) {
        output::note("stopped; run the same command again to record the rest");
    }
    Ok(report.status)
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

/// What became of the files of a command.
struct Report<'o> {
    /// Whether every file is shown.
    verbose: bool,
    /// Whether the caller asked for that.
    verbose_asked: bool,
    /// How many files with a problem were shown.
    problems: usize,
    status: CommandStatus,
    summary: FilesSummary,
    output: &'o mut Output,
}

impl Report<'_> {
    async fn record_all(
        &mut self,
        recording: &FilesRecording,
        files: Vec<FoundFile>,
        is_recording: Arc<AtomicBool>,
    ) -> Result<()> {
        let bar = ProgressOfFiles::new(&files);
        let shown = Arc::clone(&bar);
        let started = Arc::clone(&is_recording);
        let report = move |number, progress| {
            started.store(true, Ordering::Relaxed);
            shown.report(number, progress);
        };
        // A signal ends the program while it waits for input.
        let may_wait = files.iter().any(FoundFile::is_read_once);
        let show = |found: FoundFile, recorded: Result<RecordedFile>| {
            if may_wait {
                is_recording.store(false, Ordering::Relaxed);
            }
            bar.bar.suspend(|| match recorded {
                Ok(recorded) => self.recorded(&recorded),
                Err(_) if recording.stop.load(Ordering::Relaxed) => {
                    self.summary.stopped_files += 1;
                    self.status = self.status.max(CommandStatus::Interrupted);
                    Ok(())
                }
                Err(error) => {
                    self.failed(found.name(), &error);
                    Ok(())
                }
            })
        };
        recording.record_each(files, report, show).await?;
        bar.bar.finish_and_clear();
        if self.summary.stopped_files == 0
            && let Some(ended) = recording.end(&self.summary).await?
        {
            if ended.status != SimulationStatus::Completed {
                output::note(&format!(
                    "simulation {} is {}; its results are recorded, and it stays so",
                    ended.simulation_id, ended.status
                ));
            }
            if !self.output.json() {
                self.output.line(&output::title(&ended))?;
                let mut fields = output::origin(&ended.origin);
                fields.push(("progress", output::progress(&ended)));
                fields.extend(figures(&ended));
                self.output.fields(&fields)?;
            }
        }
        Ok(())
    }

    fn failed(&mut self, name: &str, error: &Error) {
        self.status = self.status.max(CommandStatus::Incomplete);
        self.summary.add_failure(name, error);
        if self.verbose {
            output::show_error(error);
        }
    }

    fn recorded(&mut self, recorded: &RecordedFile) -> Result<()> {
        self.summary.add(recorded);
        let display = FileDisplay(recorded);
        let mut status = display.status();
        if recorded.completion_error.is_some() {
            status = status.max(CommandStatus::Incomplete);
        }
        self.status = self.status.max(status);
        let is_problem = status != CommandStatus::Complete && self.problems < SHOWN_PROBLEMS;
        if self.verbose || self.output.json() || is_problem {
            self.problems += usize::from(is_problem);
            recorded.notes.iter().for_each(|note| output::warn(note));
            display.show(self.output)?;
            if let Some(error) = &recorded.completion_error {
                let hint = Some("run the same command again to finish");
                output::show_error_with_hint(&error.report(), hint);
            }
        }
        Ok(())
    }

    fn show_summary(&mut self, begun: Instant) -> Result<()> {
        let summary = std::mem::take(&mut self.summary).since(begun);
        if self.output.json() {
            return self.output.value(&json!({"summary": summary}));
        }
        self.output.line(&format!(
            "{BOLD}total{BOLD:#}: {} as {}",
            output::plural(summary.files, "file"),
            output::plural(summary.simulations, "simulation")
        ))?;
        let mut fields = vec![
            ("stored", output::count(summary.stored)),
            ("duplicate", output::count(summary.duplicate)),
            ("rejected", marked(summary.rejected, BAD)),
        ];
        fields.extend(present([
            ("spooled", summary.spooled, WARNING),
            ("failed", summary.failed, BAD),
            ("failed files", summary.failed_files, BAD),
            ("not recorded", summary.stopped_files, WARNING),
        ]));
        if summary.other_files > 0 {
            let hint = if self.verbose_asked { "" } else { "; --verbose names them" };
            let text = format!("{}, without results{hint}", output::count(summary.other_files));
            fields.push(("other files", text));
        }
        fields.push(("time", format!("{:.2} s", summary.elapsed_seconds)));
        self.output.fields(&fields)?;
        if self.verbose_asked {
            for name in &summary.other_file_names {
                self.output.line(&format!("  without results: {}", output::printable(name)))?;
            }
        }
        if !self.verbose {
            for failed in &summary.failures {
                output::show_error_with_hint(&failed.error, failed.hint.as_deref());
            }
            let more = summary.failed_files - summary.failures.len() as u64;
            if more > 0 {
                output::note(&format!("… and {more} more files; --verbose shows all"));
            }
        }
        Ok(())
    }
}

/// Formats the figures of a simulation, as fields.
fn figures(known: &SimulationProgress) -> [(&'static str, String); 6] {
    [
        ("by status", output::tally(&known.by_status)),
        ("errors", output::tally(&known.by_error_category)),
        ("failures", output::tally(&known.by_failure_class)),
        ("score", output::headline(known)),
        ("tokens", output::tokens(known)),
        ("cost", output::cost(known)),
    ]
}

/// Formats rare counts, as fields; those that are zero are left out.
fn present<const N: usize>(
    counts: [(&'static str, u64, anstyle::Style); N],
) -> impl Iterator<Item = (&'static str, String)> {
    let counts = counts.into_iter().filter(|(_, total, _)| *total > 0);
    counts.map(|(name, total, style)| (name, marked(total, style)))
}

/// Formats a count, with a style unless it is zero.
fn marked(total: u64, style: anstyle::Style) -> String {
    let style = if total > 0 { style } else { GOOD };
    format!("{style}{}{style:#}", output::count(total))
}

/// The progress bar of all files. Each is read twice: for its plan, and to record it.
struct ProgressOfFiles {
    bar: ProgressBar,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    /// The bytes of each file, those that count as done, and its recorded results.
    files: Vec<(u64, u64, u64)>,
    done: u64,
    results: u64,
}

impl ProgressOfFiles {
    fn new(files: &[FoundFile]) -> Arc<Self> {
        let bytes = files.iter().map(FoundFile::bytes);
        let bar = output::progress_bar(bytes.clone().sum(), "recording");
        bar.set_message("0");
        let files = bytes.map(|bytes| (bytes, 0, 0)).collect();
        let counts = Mutex::new(Counts { files, ..Counts::default() });
        Arc::new(ProgressOfFiles { bar, counts })
    }

    fn report(&self, number: usize, progress: Progress) {
        let mut counts = lock(&self.counts);
        let Counts { files, done, results } = &mut *counts;
        let Some((bytes, done_of_file, results_of_file)) = files.get_mut(number) else { return };
        let (all, read) =
            (progress.file_bytes.max(1), progress.read_bytes.min(progress.file_bytes));
        let (passes, recorded) = match progress.stage {
            Stage::Survey => (read, 0),
            Stage::Record => (read + all, progress.results),
        };
        let share = u128::from(*bytes) * u128::from(passes) / (2 * u128::from(all));
        let share = u64::try_from(share).unwrap_or(*bytes);
        *done = *done - *done_of_file + share;
        *results = *results - *results_of_file + recorded;
        (*done_of_file, *results_of_file) = (share, recorded);
        self.bar.set_position(*done);
        self.bar.set_message(output::count(*results));
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
        output.line(&format!(
            "{BOLD}{}{BOLD:#}: {} as simulation {BOLD}{}{BOLD:#} ({})",
            output::printable(file_name),
            output::results(results),
            simulation_id,
            match progress {
                Some(known) => known.status.as_str(),
                None if summary.spooled > 0 => "spooled",
                // The simulation of several files is completed after all of them.
                None if self.0.completion_error.is_none() => "running",
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
            ("rejected", marked(rejected, BAD)),
        ]);
        fields.extend(present([
            ("spooled", summary.spooled, WARNING),
            ("failed", summary.failed, BAD),
        ]));
        if let Some(known) = progress {
            if known.completed_scenarios < known.total_scenarios {
                fields.push(("progress", output::progress(known)));
            }
            fields.extend(figures(known));
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
                "  {BAD}rejected{BAD:#} {}: {} at {}: {}",
                item.place(),
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
