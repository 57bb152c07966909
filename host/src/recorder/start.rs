//! Starting a simulation from a list of scenarios, which the guest reads.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Recorder;
use super::plan::{Plan, PlanDigest, planned_row};
use crate::error::{Error, Result};
use crate::extraction::{Scenario, Session, Violation};
use crate::identity::Fingerprint;
use crate::json_text::{JsonText, is_json, nesting};
use crate::store::{
    MetricDefinition, MetricDefinitions, NewSimulation, PlannedRow, SimulationStart,
    SimulationStatus, check_project, check_tags, whole,
};

/// The maximum number of trials of a scenario, as in the extraction rules.
const MAX_TRIALS: u32 = 10_000;

/// The deepest nesting of a configuration that is JSON. PostgreSQL's parser recurses, and supports some
/// thousands of levels.
const CONFIGURATION_DEPTH: usize = 1_000;

/// The deepest nesting of a simulation's metadata, which readers in every language must manage.
const METADATA_DEPTH: usize = 127;

/// The maximum length of a list of scenarios in bytes: the limit of the extraction component for one
/// call.
const SCENARIOS_BYTES: usize = 16 << 20;

/// The answer to a start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SimulationStarted {
    /// The simulation's id.
    pub simulation_id: Uuid,
    /// How many scenarios are planned.
    pub scenario_count: u32,
    /// `running`, or the status of a simulation that was started before.
    pub status: SimulationStatus,
    /// When it was first started.
    pub created_at: Timestamp,
    /// Whether the version of the configuration was created before.
    pub configuration_exists: bool,
    /// Warnings: [`DEFINITION_CHANGED`](super::DEFINITION_CHANGED).
    #[serde(default)]
    pub warnings: Vec<Violation>,
}

/// A start that was validated as far as is possible without the database.
#[derive(Debug)]
#[allow(
    unreachable_pub,
    reason = "a trait of delivery names it, and there is no delivery without the feature `client`"
)]
pub struct CheckedStart {
    /// How many scenarios it plans.
    pub(crate) scenario_count: u32,
    /// Its trials and the digest of its plan, if the plan was read here.
    identity: Option<(u32, [u8; 32])>,
    plan: Option<Plan>,
}

impl CheckedStart {
    /// Makes one whose scenarios are only counted.
    pub(crate) fn counted(scenario_count: u32) -> Self {
        CheckedStart { scenario_count, identity: None, plan: None }
    }

    /// Whether two starts are known to have different plans.
    pub(crate) fn differs_from(&self, other: &CheckedStart) -> bool {
        self.identity.zip(other.identity).is_some_and(|(one, other)| one != other)
    }
}

impl Recorder {
    /// Stores a version of an agent's configuration and returns its id. The same name, content and user
    /// always have the same id, so that storing it again changes nothing. Text that is not JSON, such
    /// as YAML, is stored as a JSON string.
    ///
    /// # Errors
    /// [`Error::Invalid`] if a text contains a NUL character, or JSON is nested deeper than 1,000
    /// levels; [`Error::Database`] or [`Error::Unavailable`].
    pub async fn create_configuration(
        &self,
        name: &str,
        configuration: &str,
        user_id: Option<&str>,
    ) -> Result<String> {
        let id = configuration_id(name, configuration, user_id)?;
        let quoted = (!is_json(configuration)).then(|| JsonText::of(&configuration)).transpose();
        let quoted = quoted.map_err(|error| Error::invalid(error.to_string()))?;
        let content = quoted.as_ref().map_or(configuration, JsonText::as_str);
        self.make_ready().await?;
        self.shared.store.create_configuration(&id, name, content, user_id).await?;
        Ok(id)
    }

    /// Starts a simulation and writes its plan. The first writer of an id wins: the same start again
    /// returns the same answer.
    ///
    /// # Errors
    /// [`Error::Rejected`] if the scenarios are not valid, for example if two have the same id;
    /// [`Error::Invalid`] if another argument is not valid; [`Error::Conflict`] if the id exists with
    /// another plan.
    pub async fn start_simulation(&self, mut start: SimulationStart) -> Result<SimulationStarted> {
        check(&start)?;
        name_model(&mut start);
        let plan = self.read_scenarios(std::mem::take(&mut start.scenarios)).await?;
        let (plan, plan_sha256) = with_trials(plan, &start.scenario_trials)?;
        let planned_scenarios = u32::try_from(plan.len()).unwrap_or(u32::MAX);
        let new = NewSimulation::new(start, planned_scenarios, plan_sha256);
        let (simulation, warnings) = self.start_planned(&new, plan.into_iter().map(Ok)).await?;
        let store = &self.shared.store;
        Ok(SimulationStarted {
            simulation_id: simulation.simulation_id,
            scenario_count: u32::try_from(simulation.planned_scenarios).unwrap_or(0),
            status: simulation.status,
            created_at: simulation.created_at,
            configuration_exists: store.configuration_exists(&simulation.config_version_id).await?,
            warnings,
        })
    }

    /// Validates a start without the database, and returns how many scenarios it plans. Its plan is
    /// remembered for [`Recorder::preview`].
    ///
    /// # Errors
    /// As [`Recorder::start_simulation`], except for those that only the database can report.
    pub async fn check_start(&self, start: &SimulationStart) -> Result<u32> {
        let checked = self.read_start(start).await?;
        let scenario_count = checked.scenario_count;
        self.expect_start(checked);
        Ok(scenario_count)
    }

    /// Validates a start as [`Recorder::check_start`], without remembering the plan.
    pub(crate) async fn read_start(&self, start: &SimulationStart) -> Result<CheckedStart> {
        let trials = check(start)?;
        let planned = self.read_scenarios(start.scenarios.clone()).await?;
        let (planned, plan_sha256) = with_trials(planned, &start.scenario_trials)?;
        let plan = start.simulation_id.map(|id| Plan::expected(id, whole(trials), &planned));
        Ok(CheckedStart {
            scenario_count: u32::try_from(planned.len()).unwrap_or(u32::MAX),
            identity: Some((trials, plan_sha256)),
            plan,
        })
    }

    /// Remembers the plan of a start that is not in the database yet.
    pub(crate) fn expect_start(&self, checked: CheckedStart) {
        if let Some(plan) = checked.plan {
            self.expect_plan(plan);
        }
    }

    /// Returns the plan of a list of scenarios.
    async fn read_scenarios(&self, scenarios: String) -> Result<Vec<PlannedRow>> {
        if scenarios.len() > SCENARIOS_BYTES {
            return Err(Error::invalid(format!(
                "the list of scenarios has {} bytes, more than the {SCENARIOS_BYTES} that one \
                 start takes",
                scenarios.len()
            ))
            .with_hint("omit the members that the plan does not need"));
        }
        let read = move |session: &mut Session| -> Result<Vec<PlannedRow>> {
            let answer = session.extract_scenarios(&scenarios);
            let answer: std::result::Result<Vec<Scenario>, Vec<Violation>> =
                answer.map_err(Error::from)?;
            let found = answer.map_err(|violations| Error::Rejected {
                what: "the list of scenarios",
                violations,
            })?;
            Ok(found.into_iter().map(|scenario| planned_row(scenario, &scenarios)).collect())
        };
        self.extractor().run(read).await?
    }
}

/// The member of the metadata that names the model, as in the guide.
const AGENT_MODEL: &str = "agent_model";

/// Takes the model from the metadata if the start names none.
fn name_model(start: &mut SimulationStart) {
    let metadata = start.metadata.as_deref().filter(|text| text.contains(AGENT_MODEL));
    if start.origin.models.is_empty()
        && let Some(members) = metadata.and_then(|text| serde_json::from_str::<Members>(text).ok())
    {
        start.origin.models.extend(members.agent_model);
    }
}

/// The members of the metadata that are read.
#[derive(Deserialize)]
struct Members {
    agent_model: Option<String>,
}

/// Returns the id of a version of an agent's configuration, derived from its name, content and user.
///
/// # Errors
/// [`Error::Invalid`] if a text contains a NUL character, or JSON is nested too deep.
pub(crate) fn configuration_id(
    name: &str,
    configuration: &str,
    user_id: Option<&str>,
) -> Result<String> {
    for (what, text) in [("name", Some(name)), ("text", Some(configuration)), ("user id", user_id)]
    {
        storable(&format!("the configuration's {what}"), text)?;
    }
    // Text that is not JSON is stored as a string, regardless of its brackets.
    if nesting(configuration) > CONFIGURATION_DEPTH && is_json(configuration) {
        return Err(Error::invalid(format!(
            "the configuration's objects and arrays are nested deeper than {CONFIGURATION_DEPTH}, \
             which the database does not read"
        ))
        .with_hint("pass it as text that is not JSON, or make it flatter"));
    }
    let mut fingerprint = Fingerprint::new("configuration");
    fingerprint.part(name.as_bytes());
    fingerprint.part(configuration.as_bytes());
    if let Some(user_id) = user_id {
        fingerprint.part(user_id.as_bytes());
    }
    Ok(fingerprint.uuid().to_string())
}

/// Validates a start except for its scenarios, and returns the number of trials.
fn check(start: &SimulationStart) -> Result<u32> {
    let trials = start.trials();
    for trials in start.scenario_trials.iter().chain([&trials]) {
        if !(1..=MAX_TRIALS).contains(trials) {
            return Err(Error::invalid(format!(
                "a plan has 1 to {MAX_TRIALS} trials of each scenario, not {trials}"
            )));
        }
    }
    check_texts(start)?;
    check_tags(&start.tags)?;
    start.project.as_deref().map_or(Ok(()), check_project)?;
    check_metrics(&start.metrics, start.score_scale)?;
    Ok(trials)
}

/// Returns a plan with the number of trials of each scenario, and its digest.
fn with_trials(
    mut plan: Vec<PlannedRow>,
    scenario_trials: &[u32],
) -> Result<(Vec<PlannedRow>, [u8; 32])> {
    if !scenario_trials.is_empty() && scenario_trials.len() != plan.len() {
        return Err(Error::invalid(format!(
            "scenario_trials has {} numbers for {} scenarios",
            scenario_trials.len(),
            plan.len()
        ))
        .with_hint("pass one number for each scenario, in the order of the scenarios"));
    }
    let mut digest = PlanDigest::new();
    plan.iter().for_each(|planned| digest.add(planned));
    digest.add_trials(scenario_trials);
    for (planned, trials) in plan.iter_mut().zip(scenario_trials) {
        planned.trials = Some(*trials);
    }
    Ok((plan, digest.finish()))
}

/// Validates the definitions of metrics.
pub(super) fn check_metrics(
    definitions: &[MetricDefinition],
    score_scale: Option<f64>,
) -> Result<()> {
    if score_scale.is_some_and(|scale| !(scale > 0.0 && scale.is_finite())) {
        return Err(Error::invalid(format!(
            "invalid score_scale: {} (expected the highest score, a number above 0)",
            score_scale.unwrap_or_default()
        )));
    }
    for metric in definitions {
        storable("the metric's name", Some(&metric.name))?;
        storable("the metric's unit", metric.unit.as_deref())?;
        let numbers = [metric.lowest, metric.highest, metric.pass_threshold];
        if numbers.into_iter().flatten().any(|number| !number.is_finite()) {
            let name = match metric.name.as_str() {
                "" => "the score".to_owned(),
                name => format!("metric {name:?}"),
            };
            return Err(Error::invalid(format!("{name} has a range with NaN or an infinity")));
        }
    }
    let mut metrics = MetricDefinitions::default();
    metrics.update(definitions);
    metrics.check()
}

fn check_texts(start: &SimulationStart) -> Result<()> {
    for (what, text) in [
        ("the configuration's id", Some(&start.config_version_id)),
        ("the simulation's name", start.simulation_name.as_ref()),
        ("the Modal app's id", start.modal_app_id.as_ref()),
        ("the Modal environment", start.modal_environment.as_ref()),
        ("the metadata", start.metadata.as_ref()),
    ] {
        storable(what, text.map(String::as_str))?;
    }
    let Some(metadata) = &start.metadata else { return Ok(()) };
    if !metadata.trim_start().starts_with('{') || !is_json(metadata) {
        return Err(Error::invalid("the metadata is not a JSON object"));
    }
    if nesting(metadata) > METADATA_DEPTH {
        return Err(Error::invalid(format!(
            "the metadata's objects and arrays are nested deeper than {METADATA_DEPTH}"
        ))
        .with_hint("make it flatter"));
    }
    Ok(())
}

/// Checks that PostgreSQL can store a text, which cannot contain NUL.
pub(super) fn storable(what: &str, text: Option<&str>) -> Result<()> {
    match text.and_then(|text| text.find('\0')) {
        None => Ok(()),
        Some(at) => Err(Error::invalid(format!(
            "{what} has a NUL character at byte {at}, which no database text can hold"
        ))
        .with_hint("leave it out")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_that_the_database_could_not_read_is_refused_before() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(configuration_id("agent", &nested(CONFIGURATION_DEPTH), None).is_ok());
        let refused = configuration_id("agent", &nested(CONFIGURATION_DEPTH + 1), None);
        assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
        // Neither brackets in a string nor text that is not JSON.
        for text in [format!("\"{}\\\"[\"", "[".repeat(5_000)), "[".repeat(5_000)] {
            assert!(configuration_id("agent", &text, None).is_ok());
        }
    }
}
