//! The first reading of a file: which scenarios it holds, and the fingerprint of its bytes.

use std::collections::HashSet;

use arc_framing::Content;
use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::file::{FileRecording, Progress, Stage};
use crate::documents::{DocumentFile, DocumentPlace};
use crate::error::{Error, Result};
use crate::extraction::{DimensionScore, Scenario, Session, Span, SuiteSummary};
use crate::identity::Fingerprint;
use crate::recorder::{PlanDigest, blocking, planned_row};
use crate::store::{PlannedRow, scenario_key};

/// What a file holds.
#[derive(Debug)]
pub struct Survey {
    file: DocumentFile,
    pub(super) sha256: [u8; 32],
    /// What the file says of the whole suite.
    pub(super) envelope: Option<String>,
    /// Of each scenario, where the result that defines it stands.
    found: Vec<DocumentPlace>,
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

impl FileRecording {
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
                return Err(Error::Invalid(format!(
                    "stopped before anything of {} was recorded",
                    self.file.name()
                )));
            }
            let (None, Content::Text(text)) = (frame.problem, frame.content) else { continue };
            // What is wrong with a result is said when it is recorded.
            let Ok(Ok(planned)) = session.extract_scenario(header, &text) else { continue };
            trials = trials.max(planned.trial.unwrap_or(1));
            if seen.insert(scenario_key(&planned.scenario.id)) {
                digest.add(&self.planned_row(planned.scenario, &text));
                found.push(place);
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

    /// A scenario as a row of the plan. One that no scenario object of the guide's format defines gets
    /// a definition here, so that it is the same row whether the plan goes to a database or, as a list
    /// of scenarios, to a service.
    fn planned_row(&self, scenario: Scenario, document: &str) -> PlannedRow {
        if self.format.is_none() && scenario.definition.is_some() {
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
    let words = SuiteWords {
        average_reliability_score,
        total_cost_usd,
        parallel_execution_time: seconds(execution_time_ms),
        successful_runs,
        total_tokens_used,
        average_execution_time: seconds(average_execution_time_ms),
        average_dimension_scores: Dimensions(average_dimension_scores),
        speedup_factor,
    };
    serde_json::to_string(&words).ok()
}

/// A suite's summary in its own words, which is written as text from the start.
#[derive(Serialize)]
struct SuiteWords {
    average_reliability_score: Option<f64>,
    total_cost_usd: Option<f64>,
    parallel_execution_time: Option<f64>,
    successful_runs: Option<f64>,
    total_tokens_used: Option<f64>,
    average_execution_time: Option<f64>,
    average_dimension_scores: Dimensions,
    speedup_factor: Option<f64>,
}

/// Scores by dimension.
struct Dimensions(Vec<DimensionScore>);

impl Serialize for Dimensions {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|one| (&one.name, one.score)))
    }
}

/// A plan as the list that a service takes.
pub(super) fn scenario_list(plan: impl Iterator<Item = Result<PlannedRow>>) -> Result<String> {
    let mut definitions = Vec::new();
    for planned in plan {
        // Each has one, see `planned_row`.
        definitions.extend(planned?.definition);
    }
    Ok(format!("[{}]", definitions.join(",")))
}

/// Reads the scenarios of a plan from the file again, so that the survey need not keep them.
pub(super) struct PlanReader<'s> {
    recording: &'s FileRecording,
    survey: &'s Survey,
    session: Session,
    next: usize,
}

impl<'s> PlanReader<'s> {
    pub(super) fn new(recording: &'s FileRecording, survey: &'s Survey, session: Session) -> Self {
        PlanReader { recording, survey, session, next: 0 }
    }
}

impl Iterator for PlanReader<'_> {
    type Item = Result<PlannedRow>;

    fn next(&mut self) -> Option<Self::Item> {
        let place = *self.survey.found.get(self.next)?;
        self.next += 1;
        Some(self.read(place))
    }
}

impl PlanReader<'_> {
    fn read(&mut self, place: DocumentPlace) -> Result<PlannedRow> {
        let text = self.survey.file.text_at(place)?;
        match self.session.extract_scenario(self.survey.file.header(), &text)? {
            Ok(planned) => Ok(self.recording.planned_row(planned.scenario, &text)),
            Err(_) => Err(self.recording.changed()),
        }
    }
}
