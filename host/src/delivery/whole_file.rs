//! Recording a file from its first byte to a completed simulation, for the command line, the service
//! and Python.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use serde::Serialize;
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::turns::Turn;
use super::{
    DeliveryAnswer, Destination, FileRecording, FileSummary, Progress, RejectedItem, Sink as _,
    Source, Survey,
};
use crate::error::{Error, Result};
use crate::extraction::OutcomeStatus;
use crate::formats::OpenedFile;
use crate::recorder::{Headline, Reconciliation, SimulationProgress, new_simulation_id};
use crate::store::{Origin, SimulationStart, SimulationStatus, SupersededResult};

/// The simulation that a file is recorded in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FileIdentity {
    /// The one of the tool's own id of the run, which all logs of the run share. If the tool has none,
    /// the one derived from the file's bytes, the name that the caller set, else the file's own without
    /// its folder, and the configuration: the same file again finds it.
    #[default]
    OfContent,
    /// A new one.
    New,
    /// This one; if it exists, the results are added to it and its plan does not change.
    Named(Uuid),
    /// This one, of several files: each adds its scenarios to the plan, and the simulation is completed
    /// after all of them.
    Joint(Uuid),
}

/// How a file is recorded.
#[derive(Clone, Debug, Default)]
pub struct FileOptions {
    /// The parameters of the simulation's start. Its plan and its metadata are those of the file, and
    /// its id is that of `identity`. The name defaults to the file's.
    pub start: SimulationStart,
    /// The simulation.
    pub identity: FileIdentity,
    /// One permit for each batch in memory, shared by concurrent recordings. `None` without such a
    /// limit.
    pub batches: Option<Arc<Semaphore>>,
    /// The turn of the file among those that are recorded at the same time.
    pub turn: Option<Arc<Turn>>,
}

/// The result of recording a file.
#[derive(Debug)]
pub struct RecordedFile {
    /// The file's name.
    pub file_name: String,
    /// The format of its results; `None` for the built-in one.
    pub format: Option<String>,
    /// The simulation's name.
    pub name: String,
    /// The simulation.
    pub simulation_id: Uuid,
    /// The summary of its results.
    pub summary: FileSummary,
    /// The progress of the simulation, if it could be read; `None` if some of it is in a spool.
    pub progress: Option<SimulationProgress>,
    /// Notes for the user.
    pub notes: Vec<String>,
    /// Whether a part of the file's information about all its results could not be read, and is left
    /// out; `notes` have the details.
    pub incomplete: bool,
    /// Why the simulation could not be completed or read.
    pub completion_error: Option<Error>,
    /// Who ran what, as the file reports it.
    pub origin: Origin,
    /// The total duration, in seconds.
    pub elapsed_seconds: f64,
}

/// The result of recording a file, for programs.
#[derive(Clone, Debug, Serialize)]
pub struct FileReport {
    /// The file's name.
    pub file: String,
    /// The format of its results; `null` for the built-in one.
    pub format: Option<String>,
    /// The simulation.
    pub simulation_id: Uuid,
    /// Its name.
    pub simulation_name: String,
    /// Its status; `null` if it could not be read.
    pub status: Option<SimulationStatus>,
    /// Results that were newly stored.
    pub stored: u64,
    /// Results that were already stored.
    pub duplicate: u64,
    /// Results that wait in a service's spool until its database is available.
    pub spooled: u64,
    /// Results that are not valid.
    pub rejected: u64,
    /// Results that were not recorded.
    pub failed: u64,
    /// Why the first of these was not recorded.
    pub failure: Option<String>,
    /// What to do about that, if `failure` does not show it.
    pub failure_hint: Option<String>,
    /// Whether recording was stopped before the end of the file.
    pub interrupted: bool,
    /// How many outcomes have each status, all results of the simulation together.
    pub by_status: Option<BTreeMap<OutcomeStatus, i64>>,
    /// How many outcomes have each error category.
    pub by_error_category: Option<BTreeMap<String, i64>>,
    /// How many outcomes are failures of each class.
    pub by_failure_class: Option<BTreeMap<String, i64>>,
    /// The score that counts: from 0 to 1 if its scale is known, otherwise as the tool wrote it.
    pub overall_score: Option<f64>,
    /// The highest value of the scores as the tool wrote them; `null` if their scale is unknown.
    pub score_scale: Option<f64>,
    /// The score that counts, with its name and its origin.
    pub headline: Option<Headline>,
    /// How the recorded results compare with what the tool reports; `null` if it reports nothing.
    pub reconciliation: Option<Reconciliation>,
    /// Why the simulation did not complete.
    pub status_reason: Option<String>,
    /// Results that the tool's final list lacks, and that do not count.
    pub superseded_outcomes: Option<i64>,
    /// The first of them, at most 100.
    pub superseded_results: Vec<SupersededResult>,
    /// The tokens of everything that ran.
    pub total_tokens: Option<i64>,
    /// The cost in US dollars.
    pub total_cost_usd: Option<f64>,
    /// The planned trials of all scenarios, and unplanned ones.
    pub total_scenarios: Option<i64>,
    /// Those with an outcome.
    pub completed_scenarios: Option<i64>,
    /// How many accepted results have each warning.
    pub warnings: BTreeMap<String, u64>,
    /// The first results that are not valid.
    pub rejected_results: Vec<RejectedItem>,
    /// What else of the file is not recorded as it is in the file, and other notes.
    pub notes: Vec<String>,
    /// How long it took, in seconds.
    pub elapsed_seconds: f64,
}

impl RecordedFile {
    /// Returns how the recorded results compare with what the tool reports, if it reports anything.
    pub fn reconciliation(&self) -> Option<&Reconciliation> {
        self.progress.as_ref()?.reconciliation.as_ref()
    }

    /// Whether the recorded results differ from what the tool reports.
    pub fn differs(&self) -> bool {
        self.reconciliation().is_some_and(|reconciliation| !reconciliation.agrees)
    }

    /// Returns the report for programs.
    pub fn report(&self) -> FileReport {
        let RecordedFile { file_name, format, name, simulation_id, summary, .. } = self;
        let progress = self.progress.as_ref();
        let named = progress.and_then(|known| known.simulation_name.as_deref());
        FileReport {
            file: file_name.clone(),
            format: format.clone(),
            simulation_id: *simulation_id,
            simulation_name: named.unwrap_or(name).to_owned(),
            status: progress.map(|known| known.status),
            stored: summary.stored,
            duplicate: summary.duplicate,
            spooled: summary.spooled,
            rejected: summary.rejected,
            failed: summary.failed,
            failure: summary.failure.as_ref().map(ToString::to_string),
            failure_hint: summary.failure.as_ref().and_then(|failure| failure.hint.clone()),
            interrupted: summary.interrupted,
            by_status: progress.map(|known| known.by_status.clone()),
            by_error_category: progress.map(|known| known.by_error_category.clone()),
            by_failure_class: progress.map(|known| known.by_failure_class.clone()),
            overall_score: progress.and_then(|known| known.overall_score),
            score_scale: progress.and_then(|known| known.score_scale),
            headline: progress.and_then(|known| known.headline.clone()),
            reconciliation: self.reconciliation().cloned(),
            status_reason: progress.and_then(|known| known.status_reason.clone()),
            superseded_outcomes: progress.map(|known| known.superseded_outcomes),
            superseded_results: progress
                .map(|known| known.superseded_results.clone())
                .unwrap_or_default(),
            total_tokens: progress.map(|known| known.total_tokens),
            total_cost_usd: progress.map(|known| known.total_cost_usd),
            total_scenarios: progress.map(|known| known.total_scenarios),
            completed_scenarios: progress.map(|known| known.completed_scenarios),
            warnings: summary.warnings.clone(),
            rejected_results: summary.rejected_results.clone(),
            notes: self.notes.clone(),
            elapsed_seconds: self.elapsed_seconds,
        }
    }
}

/// Records a file as a simulation and completes it, if possible. Setting `stop` ends it after the
/// batches in progress; `report` is called with the progress.
///
/// # Errors
/// [`Error::Io`]; [`Error::Invalid`] if the file is not text of its format or holds no result; an error
/// of the destination. Results stored before stay stored, and the same call again records the rest.
pub async fn record_file(
    opened: OpenedFile,
    destination: &Destination,
    options: &FileOptions,
    stop: Arc<AtomicBool>,
    report: impl FnMut(Progress) + Clone + Send + 'static,
) -> Result<RecordedFile> {
    let begun = Instant::now();
    let file_name = opened.file.name().to_owned();
    let mut start = options.start.clone();
    let own_name = start.simulation_name.clone().unwrap_or_else(|| opened.file.stem());
    let name = start.simulation_name.get_or_insert_with(|| opened.file.title()).clone();
    let format = opened.format.as_ref().map(|format| format.name().to_owned());
    let source = destination.source();
    let recording =
        FileRecording::new(opened, destination.clone(), stop).sharing(options.batches.clone());

    let survey = recording.survey(report.clone()).await?;
    start.resolve_environment();
    let simulation_id = match options.identity {
        FileIdentity::OfContent => match survey.run_simulation_id(start.project()) {
            Some(simulation_id) => {
                start.plan_may_grow = true;
                simulation_id
            }
            None => survey.simulation_id(start.project(), &own_name, &start.config_version_id),
        },
        FileIdentity::New => new_simulation_id(),
        FileIdentity::Named(simulation_id) => simulation_id,
        FileIdentity::Joint(simulation_id) => {
            start.plan_may_grow = true;
            simulation_id
        }
    };
    if let Some(turn) = &options.turn {
        turn.wait(simulation_id).await;
    }
    start.simulation_id = Some(simulation_id);
    let declared = start.declared_metrics();
    let mut notes = survey.summary.notes.clone();
    let started = match recording.start(&survey, start).await {
        Ok((started, warnings)) => {
            notes.extend(warnings.into_iter().map(|warning| warning.message));
            Some(started)
        }
        // The simulation exists with a plan of its own, and gets the results.
        Err(Error::Conflict(_)) => {
            if !matches!(options.identity, FileIdentity::Named(_)) {
                notes.push(format!(
                    "simulation {simulation_id} was started before with another plan; its results \
                     are recorded, and it stays as it is: `arc-host status {simulation_id}`"
                ));
            }
            if !declared.is_empty() {
                destination.declare_metrics(simulation_id, declared.list()).await?;
            }
            None
        }
        Err(error) => return Err(error),
    };
    let mut summary = recording.record(&survey, simulation_id, report).await?;
    // These can have the results of several runs.
    let compared = match options.identity {
        FileIdentity::Named(_) | FileIdentity::Joint(_) => Ok(()),
        _ => recording.compare(&survey, simulation_id, &mut summary).await,
    };
    let mut ending = Ending { recording: &recording, survey: &survey, simulation_id, notes };
    // Results that can never be recorded do not keep the simulation open; further files do.
    let is_joint = matches!(options.identity, FileIdentity::Joint(_));
    let whole = !summary.retryable && !summary.interrupted && !is_joint;
    let (progress, completion_error) = if is_joint {
        // After all files.
        (None, None)
    } else if started == Some(DeliveryAnswer::Spooled) || summary.spooled > 0 {
        (None, ending.through_the_spool(started.filter(|_| whole), options.identity).await)
    } else {
        let started = match started.filter(|_| whole) {
            Some(DeliveryAnswer::Committed(status)) => Some(status),
            _ => None,
        };
        ending.directly(&source, started, options.identity).await
    };
    let completion_error = completion_error.or(compared.err());
    let mut notes = ending.notes;
    if let Some(known) = &progress
        && let Some(headline) = &known.headline
        && let (0, Some(other)) = (headline.scored, known.metrics.first())
        && other.scored > 0
    {
        notes.push(format!(
            "no result has a value of the metric {:?}, which is the score; there are others, such as {:?}",
            headline.metric, other.name
        ));
    }
    let warnings = progress.iter().flat_map(|known| &known.warnings);
    notes.extend(warnings.map(|warning| warning.message.clone()));
    let elapsed_seconds = begun.elapsed().as_secs_f64();
    Ok(RecordedFile {
        file_name,
        format,
        name,
        simulation_id,
        summary,
        progress,
        notes,
        incomplete: survey.summary.incomplete,
        completion_error,
        origin: survey.summary.run.origin.clone(),
        elapsed_seconds,
    })
}

/// The end of a recording: completes the simulation, if possible.
struct Ending<'r> {
    recording: &'r FileRecording,
    survey: &'r Survey,
    simulation_id: Uuid,
    /// Notes for the user.
    notes: Vec<String>,
}

impl Ending<'_> {
    /// Returns the progress of the simulation at the end, and why it could not be completed or read.
    /// `started` is its status at the start, if it can be completed.
    async fn directly(
        &mut self,
        source: &Source,
        started: Option<SimulationStatus>,
        identity: FileIdentity,
    ) -> (Option<SimulationProgress>, Option<Error>) {
        let mut completion_error = None;
        // Whether to complete a simulation of its own, which was running at the start, needs no figures.
        let of_its_own = started == Some(SimulationStatus::Running)
            && !matches!(identity, FileIdentity::Named(_));
        if of_its_own {
            completion_error = self.complete().await;
        }
        let ended_meanwhile = matches!(completion_error, Some(Error::Conflict(_)));
        if ended_meanwhile {
            completion_error = None;
        }
        if started.is_some()
            && (!of_its_own || ended_meanwhile)
            && let Ok(known) = source.simulation_status(self.simulation_id).await
            && should_complete(&known, identity, &mut self.notes)
        {
            completion_error = self.complete().await;
        }
        let progress = source.simulation_status(self.simulation_id).await;
        (progress.map_err(|error| completion_error.get_or_insert(error)).ok(), completion_error)
    }

    /// Ends the simulation through the spool while the service's database is unavailable: the call
    /// waits behind the recorded results. `started` is the answer to the start, if the simulation can
    /// be ended.
    async fn through_the_spool(
        &mut self,
        started: Option<DeliveryAnswer<SimulationStatus>>,
        identity: FileIdentity,
    ) -> Option<Error> {
        self.notes.push(
            "the service's database is unavailable: spooled results are recorded when it is available again"
                .to_owned(),
        );
        let ended = |status: &SimulationStatus| {
            matches!(status, SimulationStatus::Failed | SimulationStatus::Cancelled)
        };
        match started {
            // A simulation of another owner, or one that was ended on purpose, is not changed.
            _ if matches!(identity, FileIdentity::Named(_)) => None,
            Some(DeliveryAnswer::Committed(status)) if ended(&status) => None,
            Some(_) => self.complete().await,
            None => None,
        }
    }

    async fn complete(&mut self) -> Option<Error> {
        match self.recording.complete(self.survey, self.simulation_id).await {
            Ok(warnings) => {
                self.notes.extend(warnings);
                None
            }
            Err(error) => Some(error),
        }
    }
}

/// Returns whether a simulation with this plan is to be completed. A named simulation can belong to
/// another owner: it is completed when nothing is missing.
fn should_complete(
    progress: &SimulationProgress,
    identity: FileIdentity,
    notes: &mut Vec<String>,
) -> bool {
    // A log that was created later can end it in another way than an earlier one.
    let by_a_log = progress.reconciliation.is_some() && identity == FileIdentity::OfContent;
    let ended_otherwise = !by_a_log
        && matches!(progress.status, SimulationStatus::Failed | SimulationStatus::Cancelled);
    if ended_otherwise {
        notes.push(format!(
            "simulation {} is {}; its results are recorded, and it stays so",
            progress.simulation_id, progress.status
        ));
    }
    let complete =
        progress.completed_scenarios + progress.invalidated_outcomes >= progress.total_scenarios;
    !ended_otherwise && (!matches!(identity, FileIdentity::Named(_)) || complete)
}

impl Destination {
    /// Completes a simulation of several files with who ran what by all of them, and returns its progress;
    /// `None` if it waits in the spool of a service. One that was ended on purpose stays so.
    pub(super) async fn end_joint(
        &self,
        simulation_id: Uuid,
        origin: &Origin,
    ) -> Result<Option<SimulationProgress>> {
        let suite = origin
            .known()
            .map(|origin| format!(r#"{{"run_report":{{"origin":{}}}}}"#, origin.as_str()));
        match self.complete_simulation(simulation_id, suite.as_deref()).await {
            Ok(DeliveryAnswer::Spooled) => return Ok(None),
            Ok(DeliveryAnswer::Committed(_)) | Err(Error::Conflict(_)) => {}
            Err(error) => return Err(error),
        }
        self.source().simulation_status(simulation_id).await.map(Some)
    }

    /// Returns the source of answers about the recorded results.
    pub fn source(&self) -> Source {
        match self {
            Destination::Database(recorder) => Source::Database(recorder.store().clone()),
            Destination::Service(client) => Source::Service(client.clone()),
        }
    }
}
