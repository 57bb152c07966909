//! The first reading of a file: finds its scenarios and fingerprints its bytes.

use std::collections::{HashMap, HashSet};

use arc_framing::{Content, Envelope};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::file::{FileRecording, Progress, Stage};
use crate::documents::{DocumentFile, DocumentPlace, FileLimits};
use crate::error::{Error, Result};
use crate::extraction::{Scenario, Session, Span, SuiteSummary};
use crate::formats::Unrecognised;
use crate::identity::Fingerprint;
use crate::recorder::{Dimensions, PlanDigest, planned_row, run_report};
use crate::store::{PlannedRow, RunReport, scenario_key};
use crate::wire::NotFiniteBody;

/// The result of the first reading of a file.
#[derive(Debug)]
pub struct Survey {
    file: DocumentFile,
    pub(super) sha256: [u8; 32],
    /// The file's own summary of the whole suite.
    pub(super) summary: Summary,
    plan: SurveyedPlan,
    plan_sha256: [u8; 32],
    trials: u32,
    /// The trials of each scenario, if they are not equally many.
    scenario_trials: Vec<u32>,
    results: u64,
    /// The tool's own id of the run, of the header or of the first result that has one.
    run_id: Option<String>,
    /// The name of the results' format; empty for the built-in one.
    format: String,
}

impl Survey {
    /// Returns how many results the file holds, valid or not.
    pub fn results(&self) -> u64 {
        self.results
    }

    /// Returns the SHA-256 of the plan of the file's scenarios.
    pub fn plan_sha256(&self) -> [u8; 32] {
        self.plan_sha256
    }

    /// Returns how many different scenarios the results belong to.
    pub fn scenarios(&self) -> usize {
        self.plan.len()
    }

    /// Returns the greatest number of trials of a scenario.
    pub fn trials(&self) -> u32 {
        self.trials
    }

    /// Returns the number of trials of each scenario, in the order of the plan; empty if each has as many
    /// as [`Survey::trials`].
    pub fn scenario_trials(&self) -> &[u32] {
        &self.scenario_trials
    }

    /// Returns whether the tool has an id of the run.
    pub fn has_run_id(&self) -> bool {
        self.run_id.is_some()
    }

    /// Returns the id that is derived from the project and the tool's own id of the run: every log of the run contains it,
    /// with any bytes and under any name. `None` if the tool has no such id.
    pub fn run_simulation_id(&self, project: &str) -> Option<Uuid> {
        let mut fingerprint = Fingerprint::new("simulation-of-run");
        fingerprint.part(project.as_bytes());
        fingerprint.part(self.format.as_bytes());
        fingerprint.part(self.run_id.as_ref()?.as_bytes());
        Some(fingerprint.uuid())
    }

    /// Returns the id that is derived from the project, the file's bytes, a name and a configuration.
    pub fn simulation_id(&self, project: &str, name: &str, config_version_id: &str) -> Uuid {
        let mut fingerprint = Fingerprint::new("simulation-of-file");
        fingerprint.part(project.as_bytes());
        fingerprint.part(&self.sha256);
        fingerprint.part(name.as_bytes());
        fingerprint.part(config_version_id.as_bytes());
        fingerprint.uuid()
    }
}

/// The most bytes of a plan that are kept in memory from the survey to the start.
const PLAN_BYTES: usize = 4 << 20;

/// The scenarios of the survey, in order. The results that define them are read and extracted once;
/// only those that do not fit into memory are read again when the simulation starts.
#[derive(Debug)]
struct SurveyedPlan {
    rows: Vec<PlannedRow>,
    /// How many more bytes the rows can have.
    left_bytes: usize,
    /// The places of the results that define the scenarios after the rows.
    places: Vec<DocumentPlace>,
}

impl SurveyedPlan {
    /// Returns a plan that keeps rows of at most this many bytes.
    fn keeping(bytes: usize) -> Self {
        SurveyedPlan { rows: Vec::new(), left_bytes: bytes, places: Vec::new() }
    }

    fn len(&self) -> usize {
        self.rows.len() + self.places.len()
    }

    /// Adds the next scenario, which is defined by the result at this place.
    fn add(&mut self, row: PlannedRow, place: DocumentPlace) {
        let PlannedRow {
            scenario_version_id: _,
            scenario_id,
            name,
            task_prompt,
            definition,
            trials: _,
        } = &row;
        let texts = [name, task_prompt, definition].into_iter().flatten().map(String::len);
        let bytes = size_of::<PlannedRow>() + scenario_id.len() + texts.sum::<usize>();
        match self.left_bytes.checked_sub(bytes) {
            Some(left) if self.places.is_empty() => {
                self.left_bytes = left;
                self.rows.push(row);
            }
            _ => self.places.push(place),
        }
    }
}

impl FileRecording {
    /// Reads the file for the first time. Nothing is stored.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Invalid`] if the file is not JSON text or holds no result.
    pub async fn survey(&self, report: impl FnMut(Progress) + Send + 'static) -> Result<Survey> {
        let this = self.clone();
        let survey = move |session: &mut Session| this.survey_now(session, PLAN_BYTES, report);
        self.extractor.run(survey).await?
    }

    fn survey_now(
        &self,
        session: &mut Session,
        plan_bytes: usize,
        mut report: impl FnMut(Progress),
    ) -> Result<Survey> {
        let document_bytes = self.extractor.limits().document_bytes;
        let mut frames = self.file.frames(document_bytes)?;
        let mut plan = SurveyedPlan::keeping(plan_bytes);
        let mut places = Places::default();
        let mut digest = PlanDigest::new();
        let (mut trials, mut results) = (1, 0);
        let (mut run_id, mut revised_at) = (None, None);
        let mut first_violation = None;
        let header = self.file.header();
        while let Some((place, frame)) = frames.next_document()? {
            results += 1;
            let (read_bytes, file_bytes) = (frames.read_bytes(), self.file.length());
            report(Progress { stage: Stage::Survey, read_bytes, file_bytes, results });
            if self.stopped() {
                return Err(self.stopped_at_the_start());
            }
            // Violations are reported when the result is recorded.
            let text = match (frame.problem, frame.content) {
                (None, Content::Text(text)) => text,
                (problem, _) => {
                    first_violation =
                        first_violation.or(problem.map(|problem| problem.to_string()));
                    continue;
                }
            };
            let planned = match session.extract_scenario(header, &text) {
                Ok(Ok(planned)) => planned,
                Ok(Err(violations)) => {
                    let first = violations.into_iter().next();
                    first_violation = first_violation.or(first.map(|first| match &*first.path {
                        "" => first.message,
                        path => format!("at {path}: {}", first.message),
                    }));
                    continue;
                }
                Err(_) => continue,
            };
            trials = trials.max(planned.trial.unwrap_or(1));
            run_id = run_id.or(planned.run_id);
            let revised = planned.revised_at.as_deref().and_then(|time| time.parse().ok());
            revised_at = revised_at.max(revised);
            let result_place = planned.place.filter(|_| planned.trial.is_none());
            if places.add(scenario_key(&planned.scenario.id), result_place.as_deref()) {
                let most = self.file.limits().scenarios;
                if places.of_scenario.len() > most {
                    return Err(FileLimits::broken(self.file.name(), most, "scenarios"));
                }
                let row = self.planned_row(planned.scenario, &text);
                digest.add(&row);
                plan.add(row, place);
            }
        }
        trials = trials.max(places.most());
        let scenario_trials = places.uneven_trials(trials);
        digest.add_trials(&scenario_trials);
        let (sha256, envelope) = frames.finish()?;
        if results == 0 && envelope.is_none() && header.is_none() {
            return Err(Error::invalid(format!("{} holds no results", self.file.name())));
        }
        if let (Some(unrecognised), Some(violation), true) =
            (&self.unrecognised, first_violation, plan.len() == 0)
        {
            return Err(self.unknown_format(unrecognised, &violation));
        }
        let mut summary = Summary::default();
        match (header, envelope) {
            // A header has the same information about all results as the members around them.
            (Some(header), _) => summary.read_header(session, header, revised_at),
            (None, Some(envelope)) => {
                let (name, results) = (self.file.name(), usize::try_from(results));
                summary.read_envelope(name, &envelope, results.unwrap_or(usize::MAX))?;
            }
            (None, None) => {}
        }
        if results == 0 {
            summary.incomplete = true;
            let reported = summary.run.reported_results.filter(|reported| *reported > 0.0);
            summary.notes.push(match reported {
                Some(reported) => format!(
                    "no result of {} could be found, though its header reports {reported}: they are \
                     stored in another way or in other files",
                    self.file.name()
                ),
                None => format!("{} has no result", self.file.name()),
            });
        }
        let file = self.file.clone();
        let run_id = summary.run.run_id.clone().or(run_id);
        let format = self.format.as_ref().map_or("", |format| format.name()).to_owned();
        Ok(Survey {
            run_id,
            format,
            file,
            sha256,
            summary,
            plan,
            plan_sha256: digest.finish(),
            trials,
            scenario_trials,
            results,
        })
    }

    /// The error of a file that no format detects, and without a result of the built-in format, whose
    /// first violation is this one.
    fn unknown_format(&self, unrecognised: &Unrecognised, violation: &str) -> Error {
        let resemblance = unrecognised.resemblance.map(|kind| format!(", which looks like {kind}"));
        Error::invalid(format!(
            "no format recognises {}{}, and the built-in one, {}, refuses its first result: {violation}",
            self.file.name(),
            resemblance.unwrap_or_default(),
            self.extractor.identity().name
        ))
        .with_hint(format!(
            "known formats: {}; `arc-host formats` describes them, and --format NAME reads the file in one \
             of them",
            unrecognised.known.join(", ")
        ))
    }

    fn stopped_at_the_start(&self) -> Error {
        Error::invalid(format!("stopped before anything of {} was recorded", self.file.name()))
    }

    /// Returns a scenario as a row of the plan. A scenario without a scenario object in the guide's
    /// format gets a definition here, so that its row is the same whether the plan is sent to a
    /// database or, as a list of scenarios, to a service.
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

/// The scenarios of a file, with the places of results whose trials have no numbers.
#[derive(Default)]
struct Places {
    seen: HashSet<(Uuid, Uuid)>,
    /// The position of each scenario in the plan.
    of_scenario: HashMap<Uuid, usize>,
    /// The number of places of each scenario, in the order of the plan.
    counts: Vec<u32>,
}

impl Places {
    /// Adds a scenario and a place of it, and returns whether the scenario is new.
    fn add(&mut self, scenario: Uuid, place: Option<&str>) -> bool {
        let next = self.counts.len();
        let position = *self.of_scenario.entry(scenario).or_insert(next);
        if position == next {
            self.counts.push(0);
        }
        if let (Some(place), Some(count)) = (place, self.counts.get_mut(position)) {
            let mut fingerprint = Fingerprint::new("place");
            fingerprint.part(place.as_bytes());
            if self.seen.insert((scenario, fingerprint.uuid())) {
                *count = count.saturating_add(1);
            }
        }
        position == next
    }

    /// Returns the greatest number of places of a scenario.
    fn most(&self) -> u32 {
        self.counts.iter().copied().max().unwrap_or_default()
    }

    /// Returns the number of trials of each scenario; empty if each has this many. Numbers of trials
    /// are those of all scenarios; places are the trials of their own scenario only.
    fn uneven_trials(self, trials: u32) -> Vec<u32> {
        let counts = self.counts.into_iter().map(|count| if count == 0 { trials } else { count });
        let counts: Vec<u32> = counts.collect();
        if counts.iter().all(|count| *count == trials) { Vec::new() } else { counts }
    }
}

/// A file's information about all its results.
#[derive(Debug, Default)]
pub(super) struct Summary {
    /// The suite's own summary; `None` if it is missing or not valid.
    pub(super) text: Option<String>,
    /// Notes for the user.
    pub(super) notes: Vec<String>,
    /// Whether a part could not be read, and is left out.
    pub(super) incomplete: bool,
    /// What the tool reports about the run.
    pub(super) run: RunReport,
}

/// The members of a service request that are lists with one value for each result.
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
    /// Returns the first member that is a list for the results, as in a request.
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
    /// Reads the members around the results of a file. An invalid summary is not used at all: a missing
    /// figure could be mistaken for one that the suite does not have.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it has members for single results that only a request can have.
    fn read_envelope(&mut self, file: &str, envelope: &Envelope, results: usize) -> Result<()> {
        let members: RequestMembers = serde_json::from_str(envelope.text()).unwrap_or_default();
        if let Some(name) = members.first(results) {
            return Err(Error::invalid(format!(
                "{file} has `{name}` beside its results, as the body of a request has"
            ))
            .with_hint(
                "in a file this belongs to each result, as \"recording\": {\"trial\": 1, \
                 \"modal_call_id\": \"…\", \"sandbox_id\": \"…\"}, or send the file as a request \
                 (POST /v1/simulations/ID/outcomes)",
            ));
        }
        match envelope.problem() {
            None => self.text = Some(envelope.text().to_owned()),
            Some(problem) => {
                self.incomplete = true;
                self.notes.push(format!(
                    "{file}: {problem}; the members beside the results are not used, and the \
                     computed figures count"
                ));
            }
        }
        Ok(())
    }

    /// Reads a header's information about all results, as the suite's own summary. `revised_at` is the
    /// latest time at which one of the results was revised: tools change results and the figures of
    /// the header together, and few of them write the time of that into the header.
    fn read_header(&mut self, session: &mut Session, header: &str, revised_at: Option<Timestamp>) {
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
            run,
            warnings,
        } = summary;
        self.run = run_report(&run);
        self.run.revised_at = self.run.revised_at.max(revised_at);
        self.notes.extend(warnings.into_iter().map(|warning| {
            format!("the file's header: {} at {}: {}", warning.code, warning.path, warning.message)
        }));
        let seconds =
            |milliseconds: Option<f64>| milliseconds.map(|milliseconds| milliseconds / 1e3);
        let words = SuiteText {
            average_reliability_score,
            total_cost_usd,
            parallel_execution_time: seconds(execution_time_ms),
            successful_runs,
            total_tokens_used,
            average_execution_time: seconds(average_execution_time_ms),
            average_dimension_scores: Dimensions(&average_dimension_scores),
            speedup_factor,
            run_report: &self.run,
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

/// A suite's summary in its own format, written as text from the start.
#[derive(Serialize)]
struct SuiteText<'s> {
    average_reliability_score: Option<f64>,
    total_cost_usd: Option<f64>,
    parallel_execution_time: Option<f64>,
    successful_runs: Option<f64>,
    total_tokens_used: Option<f64>,
    average_execution_time: Option<f64>,
    average_dimension_scores: Dimensions<'s>,
    speedup_factor: Option<f64>,
    #[serde(skip_serializing_if = "RunReport::is_empty")]
    run_report: &'s RunReport,
}

/// Returns a plan as the list of a service request.
pub(super) fn scenario_list(plan: impl Iterator<Item = Result<PlannedRow>>) -> Result<String> {
    let mut definitions = Vec::new();
    for planned in plan {
        // Each row has one, see `planned_row`.
        definitions.extend(planned?.definition);
    }
    Ok(format!("[{}]", definitions.join(",")))
}

/// Reads the scenarios of a plan: those in memory, then the others from the file.
pub(super) struct PlanReader<'s> {
    recording: &'s FileRecording,
    survey: &'s Survey,
    /// For the scenarios that are read from the file.
    session: Option<Session>,
    next: usize,
}

impl<'s> PlanReader<'s> {
    pub(super) async fn open(recording: &'s FileRecording, survey: &'s Survey) -> Self {
        let session = match survey.plan.places.is_empty() {
            true => None,
            false => Some(recording.extractor.session().await),
        };
        PlanReader { recording, survey, session, next: 0 }
    }
}

impl Iterator for PlanReader<'_> {
    type Item = Result<PlannedRow>;

    fn next(&mut self) -> Option<Self::Item> {
        let SurveyedPlan { rows, places, .. } = &self.survey.plan;
        let number = self.next;
        if number >= self.survey.plan.len() {
            return None;
        }
        if self.recording.stopped() {
            return Some(Err(self.recording.stopped_at_the_start()));
        }
        self.next += 1;
        let trials = self.survey.scenario_trials.get(number).copied();
        let row = match rows.get(number) {
            Some(row) => Ok(row.clone()),
            None => places.get(number - rows.len()).map(|place| self.read(*place))?,
        };
        Some(row.map(|row| PlannedRow { trials, ..row }))
    }
}

impl PlanReader<'_> {
    fn read(&mut self, place: DocumentPlace) -> Result<PlannedRow> {
        let text = self.survey.file.text_at(place)?;
        let Some(session) = &mut self.session else { return Err(self.recording.changed()) };
        match session.extract_scenario(self.survey.file.header(), &text)? {
            Ok(planned) => Ok(self.recording.planned_row(planned.scenario, &text)),
            Err(_) => Err(self.recording.changed()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, Write as _};
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use super::super::Destination;
    use super::*;
    use crate::client::{ClientSettings, ServiceClient};
    use crate::extraction::{ExtractionSettings, Extractor};
    use crate::formats::OpenedFile;

    /// A recording of results, and their file.
    fn recording(extractor: Extractor, results: &str) -> (FileRecording, std::fs::File) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(results.as_bytes()).unwrap();
        file.rewind().unwrap();
        let document_file =
            DocumentFile::opened(file.try_clone().unwrap(), "results.jsonl".to_owned()).unwrap();
        // Nothing is sent to this address.
        let url = "http://127.0.0.1:9".to_owned();
        let client = ServiceClient::new(&ClientSettings { url, token: None, compress: None });
        let opened =
            OpenedFile { file: document_file, extractor, format: None, unrecognised: None };
        let destination = Destination::Service(client.unwrap());
        let stop = Arc::new(AtomicBool::new(false));
        (FileRecording::new(opened, destination, stop), file)
    }

    #[tokio::test]
    async fn a_plan_does_not_depend_on_how_much_of_it_is_read_again() {
        let extractor = Extractor::built_in(&ExtractionSettings::default()).unwrap();
        let result = |number: usize| {
            let prompt = "Describe it. ".repeat(number);
            format!(
                r#"{{"scenario":{{"id":"s{number}","task_prompt":"{prompt}"}},"trajectory":{{"status":"success"}}}}"#
            )
        };
        // Each scenario has a second result, which defines nothing.
        let results: Vec<String> = (0..20).chain(0..20).map(result).collect();
        let (recording, file) = recording(extractor.clone(), &results.join("\n"));
        let mut session = extractor.session().await;
        let mut surveys = Vec::new();
        for plan_bytes in [usize::MAX, 2_000, 0] {
            surveys.push(recording.survey_now(&mut session, plan_bytes, |_| {}).unwrap());
        }
        let [in_memory, in_part, in_file] = surveys.as_slice() else { panic!("{surveys:?}") };
        assert_eq!((in_memory.plan.rows.len(), in_file.plan.rows.len()), (20, 0));
        assert!((1..20).contains(&in_part.plan.rows.len()), "{in_part:?}");
        let mut plans = Vec::new();
        for survey in &surveys {
            assert_eq!((survey.scenarios(), survey.results()), (20, 40));
            assert_eq!(survey.plan_sha256(), in_memory.plan_sha256());
            let plan = PlanReader::open(&recording, survey).await;
            plans.push(plan.collect::<Result<Vec<PlannedRow>>>().unwrap());
        }
        let mut digest = PlanDigest::new();
        plans.iter().flatten().take(20).for_each(|row| digest.add(row));
        assert_eq!(digest.finish(), in_memory.plan_sha256());
        assert!(plans.iter().all(|plan| *plan == plans[0]), "{plans:?}");
        // The rows in memory are not read again.
        file.set_len(0).unwrap();
        let plan = PlanReader::open(&recording, in_memory).await;
        assert_eq!(plan.map(Result::unwrap).collect::<Vec<_>>(), plans[0]);
        let plan = PlanReader::open(&recording, in_part).await;
        assert!(plan.collect::<Result<Vec<PlannedRow>>>().is_err());
    }
}
