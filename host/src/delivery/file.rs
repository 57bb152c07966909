//! A file of results as a simulation.
//!
//! The file is read twice. The first reading (the survey) finds which scenarios it holds and
//! fingerprints its bytes, from which the simulation's id is made; the second records. So the same
//! file again finds the simulation that it made before, finishes what was broken off, and stores
//! nothing twice.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_framing::Content;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;
use serde::Serialize;
use tokio::sync::mpsc;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Delivered, Destination};
use crate::documents::{DocumentFile, DocumentPlace};
use crate::error::{Error, Result};
use crate::extraction::{Extractor, Scenario, Session, Span, SuiteSummary};
use crate::formats::OpenedFile;
use crate::identity::Fingerprint;
use crate::recorder::{
    ItemVerdict, PlanDigest, ReceivedResult, ResultFormat, SimulationStart, Submission, Verdict,
    blocking, default_modal_environment, planned_row,
};
use crate::store::{NewSimulation, PlannedRow, scenario_key};

/// How many documents a batch has at most: enough that a commit costs little for each.
const BATCH_DOCUMENTS: usize = 1_000;

/// How many bytes of documents a batch has at most, so that memory stays bounded for large ones.
const BATCH_BYTES: usize = 4 << 20;

/// How many batches are on their way at once: one is stored while the next is extracted.
const BATCHES_UNDER_WAY: usize = 2;

/// How many rejected results are remembered one by one; all of them are counted, and kept in the
/// database.
pub const REMEMBERED_REJECTED: usize = 1_000;

/// What a progress report is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Finding the scenarios; nothing is stored yet.
    Survey,
    /// Recording.
    Record,
}

/// How far a reading of the file has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Which reading.
    pub stage: Stage,
    /// Bytes read of the file.
    pub read_bytes: u64,
    /// Results seen so far.
    pub results: u64,
}

/// A scenario that the survey found: where the result that defines it stands.
#[derive(Debug)]
struct Found {
    place: DocumentPlace,
}

/// What a file holds.
#[derive(Debug)]
pub struct Survey {
    file: DocumentFile,
    sha256: [u8; 32],
    envelope: Option<String>,
    found: Vec<Found>,
    plan_sha256: [u8; 32],
    trials: u32,
    results: u64,
}

impl Survey {
    /// How many results the file holds, good or bad.
    pub fn results(&self) -> u64 {
        self.results
    }

    /// The SHA-256 of the plan that the file's scenarios make.
    pub fn plan_sha256(&self) -> [u8; 32] {
        self.plan_sha256
    }

    /// How many different scenarios they belong to.
    pub fn scenarios(&self) -> usize {
        self.found.len()
    }

    /// The most trials of a scenario that a result names.
    pub fn trials(&self) -> u32 {
        self.trials
    }

    /// The id that the file's bytes, a name and a configuration make.
    pub fn simulation_id(&self, name: &str, config_version_id: &str) -> Uuid {
        let mut fingerprint = Fingerprint::new("simulation-of-file");
        fingerprint.part(&self.sha256);
        fingerprint.part(name.as_bytes());
        fingerprint.part(config_version_id.as_bytes());
        fingerprint.uuid()
    }
}

/// A rejected result of a file.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RejectedItem {
    /// Where it stands in the file, counted from 0.
    pub position: u64,
    /// The id under which it is kept.
    pub outcome_id: Uuid,
    /// The first violation's JSON Pointer.
    pub path: String,
    /// The first violation's code.
    pub code: String,
    /// The first violation as a sentence.
    pub message: String,
    /// All of them.
    pub violations: Vec<RejectedReason>,
}

/// One reason for a rejection.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RejectedReason {
    /// A JSON Pointer; empty for the whole document.
    pub path: String,
    /// A stable word.
    pub code: String,
    /// A sentence.
    pub message: String,
}

/// What became of a file's results.
#[derive(Clone, Debug, Default)]
pub struct FileSummary {
    /// Results that were stored now.
    pub stored: u64,
    /// Results that were there before.
    pub duplicate: u64,
    /// Results that are kept in a spool until the database is back.
    pub spooled: u64,
    /// Results that are not valid.
    pub rejected: u64,
    /// The first of them, in order: at most [`REMEMBERED_REJECTED`].
    pub rejected_results: Vec<RejectedItem>,
    /// Results that were not recorded.
    pub failed: u64,
    /// Where the first one that was not recorded stands, and why it was not.
    pub failure: Option<String>,
    /// Whether the same call again may record some of those that were not.
    pub retryable: bool,
    /// How many accepted results have each warning.
    pub warnings: BTreeMap<String, u64>,
    /// Whether it was stopped before the end of the file.
    pub interrupted: bool,
}

impl FileSummary {
    fn add(&mut self, position: u64, item: ItemVerdict) {
        for warning in item.warnings {
            *self.warnings.entry(warning.code).or_default() += 1;
        }
        match item.verdict {
            Verdict::Stored => self.stored += 1,
            Verdict::Duplicate => self.duplicate += 1,
            Verdict::Spooled => self.spooled += 1,
            Verdict::Failed { retryable, message, .. } => {
                self.failed += 1;
                self.retryable |= retryable;
                self.failure.get_or_insert_with(|| format!("result {position}: {message}"));
            }
            Verdict::Rejected(_) if self.rejected_results.len() >= REMEMBERED_REJECTED => {
                self.rejected += 1;
            }
            Verdict::Rejected(violations) => {
                self.rejected += 1;
                let reasons: Vec<RejectedReason> = violations
                    .into_iter()
                    .map(|violation| RejectedReason {
                        path: violation.path,
                        code: violation.code,
                        message: violation.message,
                    })
                    .collect();
                let first = reasons.first().cloned();
                let (path, code, message) =
                    first.map(|first| (first.path, first.code, first.message)).unwrap_or_default();
                self.rejected_results.push(RejectedItem {
                    position,
                    outcome_id: item.outcome_id,
                    path,
                    code,
                    message,
                    violations: reasons,
                });
            }
        }
    }
}

/// The simulation that a file becomes.
#[derive(Clone, Debug)]
pub struct FileSimulation {
    /// Its id.
    pub simulation_id: Uuid,
    /// Its name.
    pub name: String,
    /// The version of the agent's configuration.
    pub config_version_id: String,
}

/// The recording of one file.
#[derive(Clone, Debug)]
pub struct FileRecording {
    extractor: Extractor,
    destination: Destination,
    file: DocumentFile,
    /// Of the results; nothing for the built-in one.
    format: Option<Arc<ResultFormat>>,
    /// Set from outside to stop after the batches that are under way.
    stop: Arc<AtomicBool>,
}

impl FileRecording {
    /// Prepares to record a file. Setting `stop` ends it after the batches that are under way.
    pub fn new(opened: OpenedFile, destination: Destination, stop: Arc<AtomicBool>) -> Self {
        let OpenedFile { file, extractor, format } = opened;
        FileRecording { extractor, destination, file, format, stop }
    }

    /// The file's name.
    pub fn file_name(&self) -> &str {
        self.file.name()
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Reads the file for the first time. Nothing is stored.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Invalid`] where the file is not JSON text, or holds no result.
    pub async fn survey(&self, report: impl FnMut(Progress) + Send + 'static) -> Result<Survey> {
        let this = self.clone();
        let session = self.extractor.session().await;
        blocking(move || this.survey_now(session, report)).await?
    }

    fn survey_now(&self, mut session: Session, mut report: impl FnMut(Progress)) -> Result<Survey> {
        let document_bytes = self.extractor.limits().document_bytes;
        let mut frames = self.file.frames(document_bytes)?;
        let mut found = Vec::new();
        let mut seen = HashSet::new();
        let mut digest = PlanDigest::new();
        let (mut trials, mut results) = (1, 0);
        let header = self.file.header();
        while let Some((place, frame)) = frames.next_document()? {
            results += 1;
            report(Progress { stage: Stage::Survey, read_bytes: frames.read_bytes(), results });
            if self.stopped() {
                return Err(Error::Invalid("stopped before anything was recorded".to_owned()));
            }
            let (None, Content::Text(text)) = (frame.problem, frame.content) else { continue };
            // What is wrong with a result is said when it is recorded.
            let Ok(Ok(planned)) = session.extract_scenario(header, &text) else { continue };
            trials = trials.max(planned.trial.unwrap_or(1));
            if seen.insert(scenario_key(&planned.scenario.id)) {
                digest.add(&self.planned_row(planned.scenario, &text));
                found.push(Found { place });
            }
        }
        let (sha256, envelope) = frames.finish()?;
        if results == 0 && envelope.is_none() && header.is_none() {
            return Err(Error::Invalid(format!("{} holds no results", self.file.name())));
        }
        // A header says the same of all results as the members around them do.
        let envelope = match header {
            None => envelope,
            Some(header) => summary_of(&mut session, header),
        };
        let file = self.file.clone();
        Ok(Survey { file, sha256, envelope, found, plan_sha256: digest.finish(), trials, results })
    }

    /// Starts the simulation that the survey describes, or finds it as it was started before.
    ///
    /// # Errors
    /// [`Error::Conflict`] where the id is there with another plan; [`Error::Invalid`] where the
    /// plan is too long to be sent to a service.
    pub async fn start(&self, survey: &Survey, new: FileSimulation) -> Result<()> {
        let session = self.extractor.session().await;
        let plan = PlanReader { recording: self, survey, session, next: 0 };
        let FileSimulation { simulation_id, name, config_version_id } = new;
        // PostgreSQL keeps no NUL in text.
        let name = name.replace('\0', "\u{FFFD}");
        let mut metadata = serde_json::json!({"recorded_from": self.file_name()});
        if let (Some(format), Some(members)) = (&self.format, metadata.as_object_mut()) {
            members.insert("format".to_owned(), format.name().into());
        }
        let metadata = metadata.to_string();
        match &self.destination {
            Destination::Database(recorder) => {
                let new = NewSimulation {
                    simulation_id,
                    simulation_name: Some(name),
                    config_version_id,
                    modal_app_id: None,
                    modal_environment: default_modal_environment(),
                    sandbox_instances: None,
                    metadata: Some(metadata),
                    trials: i32::try_from(survey.trials).unwrap_or(i32::MAX),
                    planned_scenarios: i32::try_from(survey.found.len()).unwrap_or(i32::MAX),
                    plan_sha256: survey.plan_sha256,
                    started_at: None,
                };
                recorder.start_planned(&new, plan).await.map(|_| ())
            }
            Destination::Service(client) => {
                let start = SimulationStart {
                    simulation_id: Some(simulation_id),
                    config_version_id,
                    scenarios: scenario_list(plan)?,
                    trials: Some(survey.trials),
                    simulation_name: Some(name),
                    metadata: Some(metadata),
                    ..SimulationStart::default()
                };
                client.start_simulation(start).await.map(|_| ())
            }
        }
    }

    /// Reads the file for the second time and records its results.
    ///
    /// # Errors
    /// [`Error::Io`], or an error of the database that concerns no single result. What was stored
    /// before stays stored; the same call again does the rest.
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
                Some((read_bytes, verdicts)) = under_way.next() => match verdicts {
                    Ok(verdicts) => {
                        let verdicts: Vec<ItemVerdict> = verdicts;
                        hopeless |= nothing_committed(&verdicts);
                        for verdict in verdicts {
                            summary.add(position, verdict);
                            position += 1;
                        }
                        report(Progress { stage: Stage::Record, read_bytes, results: position });
                    }
                    Err(error) => { failure.get_or_insert(error); }
                },
                batch = batches.recv(), if !reading_done && failure.is_none()
                    && under_way.len() < BATCHES_UNDER_WAY => match batch {
                    None => reading_done = true,
                    Some(Err(error)) => { failure.get_or_insert(error); }
                    Some(Ok(batch)) => {
                        // Received now, so that of two attempts the later in the file is the latest.
                        let received = ReceivedResult::accept(simulation_id, batch.submissions);
                        under_way.push_back(async move {
                            let recorded = self.destination.record_received(simulation_id, received);
                            (batch.read_bytes, recorded.await)
                        });
                    }
                },
                else => break,
            }
            if hopeless {
                // The database is in trouble: reading on would only make more failures.
                batches.close();
            }
        }
        drop(batches);
        let complete = reading.await.map_err(|error| {
            Error::Component(format!("reading the file was broken off: {error}"))
        })?;
        summary.interrupted = !complete && failure.is_none() && !hopeless;
        failure.map_or(Ok(summary), Err)
    }

    /// Reads batches until the file ends (`true`), or until it is told to stop. What was surveyed
    /// must be what is recorded: its bytes have made the simulation's id.
    fn read_batches(&self, surveyed: &[u8; 32], sender: &mpsc::Sender<Result<Batch>>) -> bool {
        let read = || -> Result<bool> {
            let document_bytes = self.extractor.limits().document_bytes;
            let mut frames = self.file.frames(document_bytes)?;
            let mut batch = Batch::default();
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
                if batch.submissions.len() >= BATCH_DOCUMENTS || batch.bytes >= BATCH_BYTES {
                    batch.read_bytes = frames.read_bytes();
                    if sender.blocking_send(Ok(std::mem::take(&mut batch))).is_err() {
                        return Ok(false);
                    }
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
            // Nobody listens any more only where an earlier error is on its way already.
            let _ = sender.blocking_send(Err(error));
            false
        })
    }

    /// A scenario as a row of the plan. Another format's own definition of it is no scenario as
    /// simulations are started with, so one is written.
    fn planned_row(&self, scenario: Scenario, document: &str) -> PlannedRow {
        if self.format.is_none() {
            return planned_row(scenario, document);
        }
        let definition = serde_json::json!({
            "id": scenario.id,
            "name": scenario.name,
            "task_prompt": scenario.task_prompt,
        });
        let definition = definition.to_string();
        let length = u32::try_from(definition.len()).unwrap_or(u32::MAX);
        let scenario = Scenario { definition: Some(Span { offset: 0, length }), ..scenario };
        planned_row(scenario, &definition)
    }

    fn changed(&self) -> Error {
        Error::Invalid(format!("{} has changed while it was read; run again", self.file.name()))
    }

    /// Completes the simulation with what the file says of itself around the results. A summary that
    /// is not valid is left out, and given back as text for a warning.
    ///
    /// # Errors
    /// As [`Recorder::complete_simulation`](crate::Recorder::complete_simulation).
    pub async fn complete(&self, survey: &Survey, simulation_id: Uuid) -> Result<Option<String>> {
        let complete = |suite| self.destination.complete_simulation(simulation_id, suite);
        match complete(survey.envelope.as_deref()).await {
            Ok(Delivered::Committed(_) | Delivered::Spooled) => Ok(None),
            Err(reason @ Error::Rejected { .. }) => {
                complete(None).await?;
                Ok(Some(reason.to_string()))
            }
            Err(error) => Err(error),
        }
    }
}

/// What a header says of all results, in the words of a suite's own summary; nothing where it says
/// nothing that can be used.
fn summary_of(session: &mut Session, header: &str) -> Option<String> {
    let summary = session.extract_suite(header).ok()?.ok()?;
    let SuiteSummary {
        average_reliability_score,
        total_cost_usd,
        execution_time_ms,
        successful_runs,
        total_tokens_used,
        average_execution_time_ms,
        average_dimension_scores,
        speedup_factor,
        warnings: _,
    } = summary;
    let seconds = |milliseconds: Option<f64>| milliseconds.map(|milliseconds| milliseconds / 1e3);
    let dimensions: serde_json::Map<String, serde_json::Value> = average_dimension_scores
        .into_iter()
        .map(|dimension| (dimension.name, dimension.score.into()))
        .collect();
    let words = serde_json::json!({
        "average_reliability_score": average_reliability_score,
        "total_cost_usd": total_cost_usd,
        "parallel_execution_time": seconds(execution_time_ms),
        "successful_runs": successful_runs,
        "total_tokens_used": total_tokens_used,
        "average_execution_time": seconds(average_execution_time_ms),
        "average_dimension_scores": dimensions,
        "speedup_factor": speedup_factor,
    });
    Some(words.to_string())
}

/// A plan as the list that a service takes.
fn scenario_list(plan: impl Iterator<Item = Result<PlannedRow>>) -> Result<String> {
    let mut list = String::from("[");
    for planned in plan {
        let planned = planned?;
        if list.len() > 1 {
            list.push(',');
        }
        match planned.definition {
            Some(definition) => list.push_str(&definition),
            None => {
                let scenario = serde_json::json!({
                    "id": planned.scenario_id,
                    "name": planned.name,
                    "task_prompt": planned.task_prompt,
                });
                list.push_str(&scenario.to_string());
            }
        }
    }
    list.push(']');
    Ok(list)
}

/// Whether a batch failed as a whole, and not only documents that no neighbour has to suffer for.
fn nothing_committed(verdicts: &[ItemVerdict]) -> bool {
    let failed = |item: &ItemVerdict| matches!(item.verdict, Verdict::Failed { .. });
    let away = |item: &ItemVerdict| matches!(item.verdict, Verdict::Failed { away: true, .. });
    verdicts.iter().all(failed) && verdicts.iter().any(away)
}

/// Results that are recorded together.
#[derive(Default)]
struct Batch {
    submissions: Vec<Submission>,
    bytes: usize,
    /// How far the file was read when the batch was full.
    read_bytes: u64,
}

/// Reads the scenarios of a plan from the file again, so that the survey need not keep them.
struct PlanReader<'s> {
    recording: &'s FileRecording,
    survey: &'s Survey,
    session: Session,
    next: usize,
}

impl Iterator for PlanReader<'_> {
    type Item = Result<PlannedRow>;

    fn next(&mut self) -> Option<Self::Item> {
        let found = self.survey.found.get(self.next)?;
        self.next += 1;
        Some(self.read(found))
    }
}

impl PlanReader<'_> {
    fn read(&mut self, found: &Found) -> Result<PlannedRow> {
        let text = self.survey.file.text_at(found.place)?;
        let planned = self.session.extract_scenario(self.survey.file.header(), &text);
        let planned = planned?;
        match planned {
            Ok(planned) => Ok(self.recording.planned_row(planned.scenario, &text)),
            Err(_) => Err(Error::Invalid(format!(
                "{} has changed while it was read; run again",
                self.survey.file.name()
            ))),
        }
    }
}
