//! `arc-host record`: files of results into the database.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde::Serialize;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use uuid::Uuid;

use super::Done;
use super::arguments::{Global, Record};
use super::connection;
use super::output::{self, BAD, BOLD, GOOD, Output};
use crate::documents::DocumentFile;
use crate::error::{Error, Result};
use crate::recorder::{FileRecording, FileSummary, Progress, RejectedItem, Survey};
use crate::store::{Figures, NewSimulation, Simulation};
use crate::{Recorder, recorder};

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
    status: &'static str,
    stored: u64,
    duplicate: u64,
    rejected: usize,
    failed: u64,
    interrupted: bool,
    by_status: &'s std::collections::BTreeMap<String, i64>,
    by_error_category: &'s std::collections::BTreeMap<String, i64>,
    overall_score: Option<f64>,
    total_tokens: i64,
    total_cost_usd: f64,
    total_scenarios: i64,
    completed_scenarios: i64,
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
    let database = connection::open_current(global).await?;
    let recorder = Recorder::new(extractor, database.store().clone()).await?;
    let config_version_id = match &configuration {
        Some(Configuration { name, text }) => {
            recorder.create_configuration(name, text, None).await?
        }
        None => NO_CONFIGURATION.to_owned(),
    };
    let mut done = Done::All;
    for path in &arguments.files {
        let file = DocumentFile::open(path);
        recording.store(true, Ordering::Relaxed);
        let recorded = match file {
            Ok(file) => {
                record_file(&recorder, &arguments, &config_version_id, file, &stop, output).await
            }
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
    recorder.close().await;
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

async fn record_file(
    recorder: &Recorder,
    arguments: &Record,
    config_version_id: &str,
    file: DocumentFile,
    stop: &Arc<AtomicBool>,
    output: &mut Output,
) -> Result<Done> {
    let begun = Instant::now();
    let file_name = file.name().to_owned();
    let name = arguments.name.clone().unwrap_or_else(|| file.stem());
    let length = file.length();
    let recording = FileRecording::new(recorder.clone(), file, Arc::clone(stop));

    let survey = with_progress(length, "reading  ", |report| recording.survey(report)).await?;
    let simulation =
        find_or_start(recorder, arguments, config_version_id, &recording, &survey, &name).await?;
    let simulation_id = simulation.simulation_id;

    let summary =
        with_progress(length, "recording", |report| recording.record(simulation_id, report))
            .await?;
    // What can never be recorded does not keep the simulation open.
    let whole = !summary.retryable && !summary.interrupted;
    // Results that are added to somebody else's simulation do not complete it.
    let own = simulation.plan_sha256 == survey.plan_sha256();
    let (simulation, figures) = if whole && own {
        let (simulation, figures, left_out) = recording.complete(&survey, simulation_id).await?;
        if let Some(reason) = left_out {
            output::warn(&format!("{reason}; the computed figures count"));
        }
        (simulation, figures)
    } else {
        (simulation, recorder.store().figures(simulation_id).await?)
    };

    let elapsed_seconds = begun.elapsed().as_secs_f64();
    if output.json() {
        output.value(&Summary {
            file: &file_name,
            simulation_id,
            simulation_name: simulation.simulation_name.as_deref().unwrap_or(&name),
            status: simulation.status.word(),
            stored: summary.stored,
            duplicate: summary.duplicate,
            rejected: summary.rejected.len(),
            failed: summary.failed,
            interrupted: summary.interrupted,
            by_status: &figures.by_status,
            by_error_category: &figures.by_error_category,
            overall_score: simulation.score(&figures),
            total_tokens: figures.total_tokens,
            total_cost_usd: simulation.cost_usd(&figures),
            total_scenarios: figures.total_scenarios,
            completed_scenarios: figures.completed_scenarios,
            warnings: &summary.warnings,
            rejected_results: &summary.rejected,
            elapsed_seconds,
        })?;
    } else {
        print(output, &file_name, &simulation, &summary, &figures, elapsed_seconds)?;
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
    Ok(match (&summary, summary.rejected.is_empty()) {
        (FileSummary { interrupted: true, .. }, _) => Done::Interrupted,
        (FileSummary { failed: 1.., .. }, _) => Done::Not,
        (_, false) => Done::Rejected,
        (_, true) => Done::All,
    })
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

/// The simulation that takes the results: the one that was named, the one that this file made
/// before, or a new one.
async fn find_or_start(
    recorder: &Recorder,
    arguments: &Record,
    config_version_id: &str,
    recording: &FileRecording,
    survey: &Survey,
    name: &str,
) -> Result<Simulation> {
    if let Some(named) = arguments.simulation
        && let Some(simulation) = recorder.store().find_simulation(named).await?
    {
        return Ok(simulation);
    }
    let own_id = || {
        if arguments.new {
            recorder::new_simulation_id()
        } else {
            survey.simulation_id(name, config_version_id)
        }
    };
    let simulation_id = arguments.simulation.unwrap_or_else(own_id);
    let environment = recorder::default_modal_environment();
    recording
        .start(survey, |new: &mut NewSimulation| {
            new.simulation_id = simulation_id;
            new.simulation_name = Some(name.replace('\0', "\u{FFFD}"));
            new.config_version_id = config_version_id.to_owned();
            new.modal_environment = environment;
            new.metadata = Some(json!({"recorded_from": recording.file_name()}).to_string());
        })
        .await
}

fn print(
    output: &mut Output,
    file_name: &str,
    simulation: &Simulation,
    summary: &FileSummary,
    figures: &Figures,
    elapsed_seconds: f64,
) -> Result<()> {
    let results = summary.stored + summary.duplicate + summary.rejected.len() as u64;
    let rejected = summary.rejected.len();
    let style = if rejected > 0 { BAD } else { GOOD };
    output.line(&format!(
        "{BOLD}{}{BOLD:#}: {} as simulation {BOLD}{}{BOLD:#} ({})",
        output::printable(file_name),
        output::results(results),
        simulation.simulation_id,
        simulation.status.word()
    ))?;
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = results as f64 / elapsed_seconds.max(1e-9);
    output.fields(&[
        ("stored", output::count(summary.stored)),
        ("duplicate", output::count(summary.duplicate)),
        ("rejected", format!("{style}{}{style:#}", output::count(rejected as u64))),
        ("by status", output::tally(&figures.by_status)),
        ("errors", output::tally(&figures.by_error_category)),
        ("score", output::score(simulation.score(figures))),
        ("tokens", output::count(figures.total_tokens)),
        ("cost", output::dollars(simulation.cost_usd(figures))),
        ("time", format!("{elapsed_seconds:.2} s, {rate:.0} results/s")),
    ])?;
    if !summary.warnings.is_empty() {
        let warnings: Vec<String> = summary
            .warnings
            .iter()
            .map(|(code, total)| format!("{code} {}", output::count(*total)))
            .collect();
        output.fields(&[("warnings ", warnings.join(", "))])?;
    }
    for item in summary.rejected.iter().take(SHOWN_REJECTED) {
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
    if rejected > SHOWN_REJECTED {
        output.line(&format!(
            "  … and {} more: arc-host rejected {}",
            rejected - SHOWN_REJECTED,
            simulation.simulation_id
        ))?;
    }
    Ok(())
}
