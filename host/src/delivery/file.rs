//! A file of results as a simulation.
//!
//! The file is read twice. The first reading ([`Survey`]) finds its scenarios and fingerprints its
//! bytes, from which the simulation's id is derived; the second records. Recording the same file again
//! therefore finds its simulation, completes an interrupted recording, and stores nothing twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use uuid::Uuid;

use super::file_summary::{FileSummary, ResultPlace};
use super::survey::{PlanReader, Survey, scenario_list};
use super::{DeliveryAnswer, Destination, Sink as _};
use crate::documents::DocumentFile;
use crate::error::{Error, Result};
use crate::extraction::{Extractor, Violation};
use crate::formats::{OpenedFile, Unrecognised};
use crate::paging::is_full;
use crate::recorder::{
    ItemVerdict, ReceivedResult, ResultFormat, SCORE_WARNINGS, Submission, whole_failure,
};
use crate::store::{NewSimulation, ResultList, SimulationStart, SimulationStatus};

/// How many batches are recorded concurrently: one is stored while the next is extracted.
const BATCHES_UNDER_WAY: usize = 2;

/// The stage of a progress report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Finding the scenarios; nothing is stored yet.
    Survey,
    /// Recording.
    Record,
}

/// The progress of a reading of the file.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// The stage.
    pub stage: Stage,
    /// Bytes read of the file.
    pub read_bytes: u64,
    /// All bytes of the file.
    pub file_bytes: u64,
    /// Results seen so far.
    pub results: u64,
}

/// The recording of one file.
#[derive(Clone, Debug)]
pub struct FileRecording {
    pub(super) extractor: Extractor,
    destination: Destination,
    pub(super) file: DocumentFile,
    /// The format of the results; `None` for the built-in one.
    pub(super) format: Option<Arc<ResultFormat>>,
    /// Present if no format detects the file.
    pub(super) unrecognised: Option<Unrecognised>,
    /// Set by the caller to stop after the batches in progress.
    stop: Arc<AtomicBool>,
    /// One permit for each batch in memory, shared by all files.
    shared_batches: Option<Arc<Semaphore>>,
}

impl FileRecording {
    /// Prepares to record a file. Setting `stop` ends it after the batches in progress.
    pub fn new(opened: OpenedFile, destination: Destination, stop: Arc<AtomicBool>) -> Self {
        let OpenedFile { file, extractor, format, unrecognised } = opened;
        let shared_batches = None;
        FileRecording { extractor, destination, file, format, unrecognised, stop, shared_batches }
    }

    /// Limits the batches in memory to the permits of a semaphore, shared with other recordings.
    #[must_use]
    pub fn sharing(self, shared_batches: Option<Arc<Semaphore>>) -> Self {
        FileRecording { shared_batches, ..self }
    }

    /// Returns the file's name.
    pub fn file_name(&self) -> &str {
        self.file.name()
    }

    pub(super) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Starts the simulation that the survey describes, or finds the existing one: `start` has its id,
    /// and the file its plan and its metadata. Returns its status, unless the start is in the spool of
    /// a service whose database is unavailable, and warnings about the plan.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the id exists with another plan; [`Error::Invalid`] if the plan is too
    /// long for a service.
    pub async fn start(
        &self,
        survey: &Survey,
        mut start: SimulationStart,
    ) -> Result<(DeliveryAnswer<SimulationStatus>, Vec<Violation>)> {
        let plan = PlanReader::open(self, survey).await;
        // PostgreSQL does not allow NUL in text.
        start.simulation_name = start.simulation_name.map(|name| name.replace('\0', "\u{FFFD}"));
        let mut metadata = serde_json::json!({"recorded_from": self.file_name()});
        if let (Some(format), Some(members)) = (&self.format, metadata.as_object_mut()) {
            members.insert("format".to_owned(), format.name().into());
        }
        start.metadata = Some(metadata.to_string());
        start.trials = Some(survey.trials());
        match &self.destination {
            Destination::Database(recorder) => {
                let scenarios = u32::try_from(survey.scenarios()).unwrap_or(u32::MAX);
                let new = NewSimulation::new(start, scenarios, survey.plan_sha256());
                let (simulation, warnings) = recorder.start_planned(&new, plan).await?;
                Ok((DeliveryAnswer::Committed(simulation.status), warnings))
            }
            Destination::Service(client) => {
                start.scenarios = scenario_list(plan)?;
                start.scenario_trials = survey.scenario_trials().to_vec();
                let started = client.start_simulation(start).await?;
                let answer = match started.spooled {
                    true => DeliveryAnswer::Spooled,
                    false => DeliveryAnswer::Committed(started.simulation.status),
                };
                Ok((answer, started.simulation.warnings))
            }
        }
    }

    /// Reads the file for the second time and records its results.
    ///
    /// # Errors
    /// [`Error::Io`], or an error of the database that concerns no single result. Results stored before
    /// stay stored; the same call again records the rest.
    pub async fn record(
        &self,
        survey: &Survey,
        simulation_id: Uuid,
        mut report: impl FnMut(Progress),
    ) -> Result<FileSummary> {
        let (sender, mut batches) = mpsc::channel::<Result<Batch>>(1);
        let (this, surveyed) = (self.clone(), survey.sha256);
        let reading = tokio::task::spawn_blocking(move || this.read_batches(&surveyed, &sender));
        let mut summary = FileSummary::default();
        let mut position = 0;
        let mut under_way = FuturesOrdered::new();
        let mut reading_done = false;
        let mut failure = None;
        let mut hopeless = false;
        loop {
            tokio::select! {
                biased;
                Some((read_bytes, lines, verdicts)) = under_way.next() => match verdicts {
                    Ok(verdicts) => {
                        let verdicts: Vec<ItemVerdict> = verdicts;
                        let lines: Vec<Option<u64>> = lines;
                        hopeless |= whole_failure(&verdicts).is_some();
                        for (verdict, line) in verdicts.into_iter().zip(lines) {
                            summary.add(ResultPlace { position, line }, verdict);
                            position += 1;
                        }
                        let file_bytes = self.file.length();
                        let results = position;
                        report(Progress { stage: Stage::Record, read_bytes, file_bytes, results });
                    }
                    Err(error) => { failure.get_or_insert(error); }
                },
                batch = batches.recv(), if !reading_done && failure.is_none()
                    && under_way.len() < BATCHES_UNDER_WAY => match batch {
                    None => reading_done = true,
                    Some(Err(error)) => { failure.get_or_insert(error); }
                    Some(Ok(batch)) => {
                        // Received now, so that of two attempts the one later in the file is the
                        // latest.
                        let clock = self.destination.clock();
                        let lines = batch.submissions.iter().map(|one| one.line).collect();
                        let received =
                            ReceivedResult::accept(simulation_id, batch.submissions, clock);
                        under_way.push_back(async move {
                            let _turn = batch.turn;
                            let recorded = self.destination.record_received(simulation_id, received);
                            (batch.read_bytes, lines, recorded.await)
                        });
                    }
                },
                else => break,
            }
            if hopeless {
                // The database has failed: further results would only fail too.
                batches.close();
            }
        }
        drop(batches);
        let complete = reading.await.map_err(|error| {
            Error::component("reading the file was interrupted").with_source(error)
        })?;
        summary.interrupted = !complete && failure.is_none() && !hopeless;
        failure.map_or(Ok(summary), Err)
    }

    /// Reads batches until the end of the file (`true`) or until it is stopped. The bytes must be those
    /// of the survey, because the simulation's id is derived from them.
    fn read_batches(&self, surveyed: &[u8; 32], sender: &mpsc::Sender<Result<Batch>>) -> bool {
        let read = || -> Result<bool> {
            let document_bytes = self.extractor.limits().document_bytes;
            let mut frames = self.file.frames(document_bytes)?;
            let mut batch = self.batch();
            let mut position = 0;
            while let Some(frame) = frames.next_frame()? {
                if self.stopped() {
                    return Ok(false);
                }
                let mut submission = Submission::from_frame(frame, position);
                submission.format.clone_from(&self.format);
                position += 1;
                batch.bytes += submission.document_bytes();
                batch.submissions.push(submission);
                if is_full(batch.submissions.len(), batch.bytes) {
                    batch.read_bytes = frames.read_bytes();
                    if sender.blocking_send(Ok(batch)).is_err() {
                        return Ok(false);
                    }
                    batch = self.batch();
                }
            }
            batch.read_bytes = frames.read_bytes();
            let sent = batch.submissions.is_empty() || sender.blocking_send(Ok(batch)).is_ok();
            if frames.finish()?.0 != *surveyed {
                return Err(self.changed());
            }
            Ok(sent)
        };
        read().unwrap_or_else(|error| {
            // The receiver is closed only if an earlier error is being returned.
            let _ = sender.blocking_send(Err(error));
            false
        })
    }

    /// Returns an empty batch when a permit is available. The holder of a permit does not wait for
    /// another one, so permits are always returned.
    fn batch(&self) -> Batch {
        let turn = self.shared_batches.as_ref().and_then(|turns| {
            // The semaphore is never closed.
            Handle::current().block_on(Arc::clone(turns).acquire_owned()).ok()
        });
        Batch { turn, ..Batch::default() }
    }

    /// The error of a file that has changed since the survey.
    pub(super) fn changed(&self) -> Error {
        Error::invalid(format!("{} has changed while it was read", self.file.name()))
            .with_hint("run again")
    }

    /// Compares the recorded results of the file with those of the run's other files. Only a file with
    /// all results of a run that has ended, each of them recorded, shows which results it lacks.
    ///
    /// # Errors
    /// As [`Destination::compare_results`].
    pub(super) async fn compare(
        &self,
        survey: &Survey,
        simulation_id: Uuid,
        summary: &mut FileSummary,
    ) -> Result<()> {
        let run = &survey.summary.run;
        let recorded = summary.outcome_ids.len() as u64 == survey.results();
        #[expect(clippy::cast_precision_loss, reason = "counts are below 2^53")]
        let all = run.reported_results == Some(survey.results() as f64);
        // What waits in the spool of a service is not recorded yet.
        let is_recorded = !summary.outcome_ids.is_empty() && summary.spooled == 0;
        if !survey.has_run_id() || !is_recorded {
            return Ok(());
        }
        let list = ResultList {
            outcome_ids: std::mem::take(&mut summary.outcome_ids),
            is_final: recorded && all && run.status == Some(SimulationStatus::Completed),
            made_at: run.created_at.max(run.completed_at).max(run.revised_at),
            modified_at: self.file.modified_at(),
        };
        let listed = self.destination.compare_results(simulation_id, &list).await?;
        summary.count_again(&listed.selected);
        Ok(())
    }

    /// Completes the simulation with the file's own summary, and returns warnings about the summary.
    /// A summary that is not valid is left out.
    ///
    /// # Errors
    /// As [`Recorder::complete_simulation`](crate::Recorder::complete_simulation).
    pub async fn complete(&self, survey: &Survey, simulation_id: Uuid) -> Result<Vec<String>> {
        let complete = |suite| self.destination.complete_simulation(simulation_id, suite);
        match complete(survey.summary.text.as_deref()).await {
            Ok(DeliveryAnswer::Committed(completed)) => {
                // The report on the file has the warnings about the score.
                let of_suite = completed
                    .warnings
                    .iter()
                    .filter(|one| !SCORE_WARNINGS.contains(&one.code.as_str()));
                Ok(of_suite.map(|one| format!("{}: {}", one.path, one.message)).collect())
            }
            Ok(DeliveryAnswer::Spooled) => Ok(Vec::new()),
            Err(reason @ Error::Rejected { .. }) => {
                complete(None).await?;
                Ok(vec![format!("{reason}; the computed figures count")])
            }
            Err(error) => Err(error),
        }
    }
}

/// Results that are recorded together.
#[derive(Default)]
struct Batch {
    submissions: Vec<Submission>,
    bytes: usize,
    /// The permit of a batch in memory.
    turn: Option<OwnedSemaphorePermit>,
    /// The position in the file when the batch was full.
    read_bytes: u64,
}
