//! `arc-host record`: files of results into the database.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use uuid::Uuid;

use super::Done;
use super::arguments::{Global, Record};
use super::connection;
use super::output::{self, BAD, BOLD, GOOD, Output};
use crate::Recorder;
use crate::delivery::{
    Destination, FileRecording, FileSimulation, FileSummary, Progress, RejectedItem, Source,
};
use crate::documents::DocumentFile;
use crate::error::{Error, Result};
use crate::extraction::Extractor;
use crate::recorder::{SimulationProgress, new_simulation_id};
use crate::store::SimulationStatus;

/// How many rejected results are shown to a person; all are in the JSON and in the database.
const SHOWN_REJECTED: usize = 10;

/// The configuration of a simulation that names none.
const NO_CONFIGURATION: &str = "unspecified";

/// The summary of one file, as `--json` prints it.
#[derive(Serialize)]
struct Summary<'s> {
    file: &'s str,
    simulation_id: Uuid,
    simulation_name: &'s str,
    status: Option<&'static str>,
    stored: u64,
    duplicate: u64,
    spooled: u64,
    rejected: u64,
    failed: u64,
    interrupted: bool,
    by_status: Option<&'s std::collections::BTreeMap<String, i64>>,
    by_error_category: Option<&'s std::collections::BTreeMap<String, i64>>,
    overall_score: Option<f64>,
    total_tokens: Option<i64>,
    total_cost_usd: Option<f64>,
    total_scenarios: Option<i64>,
    completed_scenarios: Option<i64>,
    warnings: &'s std::collections::BTreeMap<String, u64>,
    rejected_results: &'s [RejectedItem],
    elapsed_seconds: f64,
}

pub(super) async fn run(global: &Global, arguments: Record, output: &mut Output) -> Result<Done> {
    if arguments.simulation.is_some() && arguments.files.len() > 1 {
        return Err(Error::Invalid(
            "--simulation takes one FILE: each file is a simulation of its own".to_owned(),
        ));
    }
    let configuration = arguments.config.as_deref().map(Configuration::read).transpose()?;
    let stop = Arc::new(AtomicBool::new(false));
    let recording = Arc::new(AtomicBool::new(false));
    stop_on_interrupt(Arc::clone(&stop), Arc::clone(&recording))?;

    let extractor = connection::extractor(global)?;
    let opened = connection::open_source(global).await?;
    let destination = match opened.source() {
        Source::Database(store) => {
            Destination::Database(Recorder::new(extractor.clone(), store.clone()).await?)
        }
        Source::Service(client) => Destination::Service(client.clone()),
    };
    let config_version_id = match &configuration {
        Some(Configuration { name, text }) => {
            destination.create_configuration(name, text, None).await?.0
        }
        None => NO_CONFIGURATION.to_owned(),
    };
    let recorder = FilesRecorder {
        extractor,
        destination,
        source: opened.source().clone(),
        arguments: &arguments,
        config_version_id,
        stop: Arc::clone(&stop),
    };
    let mut done = Done::All;
    for path in &arguments.files {
        let file = DocumentFile::open(path);
        recording.store(true, Ordering::Relaxed);
        let recorded = match file {
            Ok(file) => recorder.record(file, output).await,
            Err(error) => Err(error),
        };
        recording.store(false, Ordering::Relaxed);
        done = done.max(match recorded {
            Ok(done) => done,
            _ if stop.load(Ordering::Relaxed) => Done::Interrupted,
            Err(error) => {
                output::complain(&error.to_string());
                Done::Not
            }
        });
        if done == Done::Interrupted {
            break;
        }
    }
    if let Destination::Database(recorder) = &recorder.destination {
        recorder.close().await;
    }
    Ok(done)
}

/// The agent's configuration as its file has it.
struct Configuration {
    name: String,
    text: String,
}

impl Configuration {
    fn read(path: &std::path::Path) -> Result<Self> {
        let context = format!("could not read the configuration {}", path.display());
        let text = fs::read_to_string(path).map_err(|error| Error::io(context, error))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Configuration { name, text })
    }
}

/// Lets the batches that are under way end at the first Ctrl-C; a second one ends the program, and
/// so does the first while nothing is recorded, such as on standard input that does not end.
pub(super) fn stop_on_interrupt(stop: Arc<AtomicBool>, recording: Arc<AtomicBool>) -> Result<()> {
    let mut interrupts = signal(SignalKind::interrupt())
        .map_err(|error| Error::io("could not listen for Ctrl-C", error))?;
    tokio::spawn(async move {
        while interrupts.recv().await.is_some() {
            if stop.swap(true, Ordering::Relaxed) || !recording.load(Ordering::Relaxed) {
                std::process::exit(130);
            }
            output::note(
                "stopping after the results that are under way; Ctrl-C again ends at once",
            );
        }
    });
    Ok(())
}

/// What all files of a command share.
struct FilesRecorder<'a> {
    extractor: Extractor,
    destination: Destination,
    source: Source,
    arguments: &'a Record,
    config_version_id: String,
    stop: Arc<AtomicBool>,
}

impl FilesRecorder<'_> {
    async fn record(&self, file: DocumentFile, output: &mut Output) -> Result<Done> {
        let begun = Instant::now();
        let file_name = file.name().to_owned();
        let name = self.arguments.name.clone().unwrap_or_else(|| file.stem());
        let length = file.length();
        let (extractor, destination) = (self.extractor.clone(), self.destination.clone());
        let recording = FileRecording::new(extractor, destination, file, Arc::clone(&self.stop));

        let survey = with_progress(length, "reading  ", |report| recording.survey(report)).await?;
        let simulation_id = self.arguments.simulation.unwrap_or_else(|| {
            if self.arguments.new {
                new_simulation_id()
            } else {
                survey.simulation_id(&name, &self.config_version_id)
            }
        });
        let config_version_id = self.config_version_id.clone();
        let new = FileSimulation { simulation_id, name: name.clone(), config_version_id };
        let same_plan = match recording.start(&survey, new).await {
            Ok(()) => true,
            // It exists with a plan of its own, and takes the results.
            Err(Error::Conflict(_)) => false,
            Err(error) => return Err(error),
        };
        let summary = with_progress(length, "recording", |report| {
            recording.record(&survey, simulation_id, report)
        })
        .await?;
        let mut trouble = None;
        let mut progress = self.source.simulation_status(simulation_id).await;
        // What can never be recorded does not keep the simulation open.
        let whole = !summary.retryable && !summary.interrupted;
        if let Ok(known) = &progress
            && whole
            && same_plan
            && self.completes(known)
        {
            match recording.complete(&survey, simulation_id).await {
                Ok(None) => {}
                Ok(Some(reason)) => output::warn(&format!("{reason}; the computed figures count")),
                Err(error) => trouble = Some(error),
            }
            progress = self.source.simulation_status(simulation_id).await;
        }
        let ended = Ended {
            file_name,
            name,
            simulation_id,
            summary,
            progress: progress.map_err(|error| trouble.get_or_insert(error)).ok(),
            elapsed_seconds: begun.elapsed().as_secs_f64(),
        };
        ended.show(output)?;
        if let Some(error) = trouble {
            output::complain(&format!("{error}; run the same command again to finish"));
            return Ok(Done::Not);
        }
        Ok(ended.done())
    }

    /// Whether a simulation of this plan is to be completed. One that was named may be somebody
    /// else's: it is completed when nothing is missing.
    fn completes(&self, progress: &SimulationProgress) -> bool {
        let ended_otherwise =
            matches!(progress.status, SimulationStatus::Failed | SimulationStatus::Cancelled);
        if ended_otherwise {
            output::warn(&format!(
                "simulation {} is {}; its results are recorded, and it stays so",
                progress.simulation_id,
                progress.status.word()
            ));
        }
        let complete = progress.completed_scenarios >= progress.total_scenarios;
        !ended_otherwise && (self.arguments.simulation.is_none() || complete)
    }
}

/// A file that was recorded, as far as it was.
struct Ended {
    file_name: String,
    name: String,
    simulation_id: Uuid,
    summary: FileSummary,
    progress: Option<SimulationProgress>,
    elapsed_seconds: f64,
}

impl Ended {
    fn show(&self, output: &mut Output) -> Result<()> {
        let Ended { file_name, name, simulation_id, summary, progress, elapsed_seconds } = self;
        if output.json() {
            let progress = progress.as_ref();
            let named = progress.and_then(|known| known.simulation_name.as_deref());
            output.value(&Summary {
                file: file_name,
                simulation_id: *simulation_id,
                simulation_name: named.unwrap_or(name),
                status: progress.map(|known| known.status.word()),
                stored: summary.stored,
                duplicate: summary.duplicate,
                spooled: summary.spooled,
                rejected: summary.rejected,
                failed: summary.failed,
                interrupted: summary.interrupted,
                by_status: progress.map(|known| &known.by_status),
                by_error_category: progress.map(|known| &known.by_error_category),
                overall_score: progress.and_then(|known| known.overall_score),
                total_tokens: progress.map(|known| known.total_tokens),
                total_cost_usd: progress.map(|known| known.total_cost_usd),
                total_scenarios: progress.map(|known| known.total_scenarios),
                completed_scenarios: progress.map(|known| known.completed_scenarios),
                warnings: &summary.warnings,
                rejected_results: &summary.rejected_results,
                elapsed_seconds: *elapsed_seconds,
            })?;
        } else {
            self.print(output)?;
        }
        if let Some(failure) = &summary.failure {
            let what = output::results(summary.failed);
            let hint = match summary.retryable {
                true => "; run the same command again to record the rest",
                false => "",
            };
            output::complain(&format!("{what} could not be recorded: {failure}{hint}"));
        }
        if summary.interrupted {
            output::note("stopped; run the same command again to record the rest");
        }
        Ok(())
    }

    fn done(&self) -> Done {
        match &self.summary {
            FileSummary { interrupted: true, .. } => Done::Interrupted,
            FileSummary { failed: 1.., .. } => Done::Not,
            FileSummary { rejected: 1.., .. } => Done::Rejected,
            _ => Done::All,
        }
    }

    fn print(&self, output: &mut Output) -> Result<()> {
        let Ended { file_name, simulation_id, summary, progress, elapsed_seconds, .. } = self;
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
            progress.as_ref().map_or("unknown", |known| known.status.word())
        ))?;
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = results as f64 / elapsed_seconds.max(1e-9);
        let mut fields = vec![
            ("stored", output::count(summary.stored)),
            ("duplicate", output::count(summary.duplicate)),
            ("rejected", format!("{style}{}{style:#}", output::count(rejected))),
        ];
        // Rare, and only said where there is something to say.
        for (what, count) in [("spooled", summary.spooled), ("failed", summary.failed)] {
            if count > 0 {
                fields.push((what, format!("{BAD}{}{BAD:#}", output::count(count))));
            }
        }
        if let Some(known) = progress {
            fields.extend([
                ("by status", output::tally(&known.by_status)),
                ("errors", output::tally(&known.by_error_category)),
                ("score", output::score(known.overall_score)),
                ("tokens", output::count(known.total_tokens)),
                ("cost", output::dollars(known.total_cost_usd)),
            ]);
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

/// Shows a bar while something is read.
async fn with_progress<F, T>(length: u64, what: &str, work: impl FnOnce(Report) -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let bar = output::progress_bar(length, what);
    let shown = bar.clone();
    let report: Report = Box::new(move |progress: Progress| {
        shown.set_position(progress.read_bytes);
        shown.set_message(output::count(progress.results));
    });
    let answer = work(report).await;
    bar.finish_and_clear();
    answer
}

type Report = Box<dyn FnMut(Progress) + Send>;
