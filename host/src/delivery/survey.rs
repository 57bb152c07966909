//! The first reading of a file: which scenarios it holds, and the fingerprint of its bytes.

use std::collections::HashSet;

use arc_framing::{Content, Envelope};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::file::{FileRecording, Progress, Stage};
use crate::blocking::blocking;
use crate::documents::{DocumentFile, DocumentPlace, FileLimits};
use crate::error::{Error, Result};
use crate::extraction::{DimensionScore, Scenario, Session, Span, SuiteSummary};
use crate::identity::Fingerprint;
use crate::recorder::{PlanDigest, planned_row};
use crate::store::{PlannedRow, scenario_key};
use crate::wire::NotFiniteBody;

/// What a file holds.
#[derive(Debug)]
pub struct Survey {
    file: DocumentFile,
    pub(super) sha256: [u8; 32],
    /// What the file says of the whole suite.
    pub(super) summary: Summary,
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
                return Err(self.stopped_at_the_start());
            }
            let (None, Content::Text(text)) = (frame.problem, frame.content) else { continue };
            // What is wrong with a result is said when it is recorded.
            let Ok(Ok(planned)) = session.extract_scenario(header, &text) else { continue };
            trials = trials.max(planned.trial.unwrap_or(1));
            if seen.insert(scenario_key(&planned.scenario.id)) {
                let most = self.file.limits().scenarios;
                if seen.len() > most {
                    return Err(FileLimits::broken(self.file.name(), most, "scenarios"));
                }
                digest.add(&self.planned_row(planned.scenario, &text));
                found.push(place);
            }
        }
        let (sha256, envelope) = frames.finish()?;
        if results == 0 && envelope.is_none() && header.is_none() {
            return Err(Error::invalid(format!("{} holds no results", self.file.name())));
        }
        let mut summary = Summary::default();
        match (header, envelope) {
            // A header says the same of all results as the members around them do.
            (Some(header), _) => summary.read_header(&mut session, header),
            (None, Some(envelope)) => {
                let (name, results) = (self.file.name(), usize::try_from(results));
                summary.read_envelope(name, &envelope, results.unwrap_or(usize::MAX))?;
            }
            (None, None) => {}
        }
        if self.file.has_further_headers() {
            summary.incomplete = true;
            summary.notes.push(format!(
                "{} has more than one header, and only the first is used: record each run as a file \
                 of its own",
                self.file.name()
            ));
        }
        let file = self.file.clone();
        Ok(Survey { file, sha256, summary, found, plan_sha256: digest.finish(), trials, results })
    }

    fn stopped_at_the_start(&self) -> Error {
        Error::invalid(format!("stopped before anything of {} was recorded", self.file.name()))
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

/// What a file says of all its results.
#[derive(Debug, Default)]
pub(super) struct Summary {
    /// A suite's own summary; nothing where there is none that can be used.
    pub(super) text: Option<String>,
    /// What people should know of it.
    pub(super) notes: Vec<String>,
    /// Whether something of it could not be read, and is left out.
    pub(super) incomplete: bool,
}

/// The members that belong to a request of the service, and each of which is for one result.
#[derive(Default, Deserialize)]
#[serde(default)]
struct RequestMembers<'e> {
    #[serde(borrow)]
    modal_call_ids: Option<&'e RawValue>,
    #[serde(borrow)]
    sandbox_ids: Option<&'e RawValue>,
    #[serde(borrow)]
    trials: Option<&'e RawValue>,
    #[serde(borrow)]
    not_finite: Option<&'e RawValue>,
}

impl RequestMembers<'_> {
    /// The first member that says something of each result, as a request does.
    fn first(&self, results: usize) -> Option<&'static str> {
        fn each<T: serde::de::DeserializeOwned>(raw: Option<&RawValue>, results: usize) -> bool {
            let values: Option<Vec<Option<T>>> =
                raw.and_then(|raw| serde_json::from_str(raw.get()).ok());
            values
                .is_some_and(|values| values.len() == results && values.iter().any(Option::is_some))
        }
        [
            ("trials", each::<u32>(self.trials, results)),
            ("modal_call_ids", each::<String>(self.modal_call_ids, results)),
            ("sandbox_ids", each::<String>(self.sandbox_ids, results)),
            ("not_finite", each::<Vec<NotFiniteBody>>(self.not_finite, results)),
        ]
        .into_iter()
        .find_map(|(name, found)| found.then_some(name))
    }
}

impl Summary {
    /// Reads what stands around the results of a file. What is not whole is not used at all: a figure
    /// that is missing would be taken for one that the suite does not give.
    ///
    /// # Errors
    /// [`Error::Invalid`] where it says of each result what only a request can say of it.
    fn read_envelope(&mut self, file: &str, envelope: &Envelope, results: usize) -> Result<()> {
        let members: RequestMembers = serde_json::from_str(envelope.text()).unwrap_or_default();
        if let Some(name) = members.first(results) {
            return Err(Error::invalid(format!(
                "{file} has `{name}` beside its results, as the body of a request has"
            ))
            .with_hint(
                "in a file each result says it itself, as \"recording\": {\"trial\": 1, \
                 \"modal_call_id\": \"…\", \"sandbox_id\": \"…\"}, or send the file as a request \
                 (POST /v1/simulations/ID/outcomes)",
            ));
        }
        match envelope.problem() {
            None => self.text = Some(envelope.text().to_owned()),
            Some(problem) => {
                self.incomplete = true;
                self.notes.push(format!(
                    "{file}: {problem}; nothing of what stands beside the results is used, and the \
                     computed figures count"
                ));
            }
        }
        Ok(())
    }

    /// Reads what a header says of all results, in the words of a suite's own summary.
    fn read_header(&mut self, session: &mut Session, header: &str) {
        let summary = match session.extract_suite(header) {
            Ok(Ok(summary)) => summary,
            Ok(Err(violations)) => {
                let first = violations.first().map_or_else(String::new, |first| {
                    let place = if first.path.is_empty() { "the header" } else { &first.path };
                    format!(" ({} at {place}: {})", first.code, first.message)
                });
                self.incomplete = true;
                self.notes.push(format!(
                    "the figures of the file's header are not valid{first}; the computed figures \
                     count"
                ));
                return;
            }
            Err(error) => {
                self.incomplete = true;
                self.notes.push(format!(
                    "the figures of the file's header could not be read ({error}); the computed \
                     figures count"
                ));
                return;
            }
        };
        let SuiteSummary {
            average_reliability_score,
            total_cost_usd,
            execution_time_ms,
            successful_runs,
            total_tokens_used,
            average_execution_time_ms,
            average_dimension_scores,
            speedup_factor,
            warnings,
        } = summary;
        self.notes.extend(warnings.into_iter().map(|warning| {
            format!("the file's header: {} at {}: {}", warning.code, warning.path, warning.message)
        }));
        let seconds =
            |milliseconds: Option<f64>| milliseconds.map(|milliseconds| milliseconds / 1e3);
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
        match serde_json::to_string(&words) {
            Ok(text) => self.text = Some(text),
            Err(error) => {
                self.incomplete = true;
                self.notes.push(format!(
                    "the figures of the file's header could not be kept ({error}); the computed \
                     figures count"
                ));
            }
        }
    }
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
        if self.recording.stopped() {
            return Some(Err(self.recording.stopped_at_the_start()));
        }
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
