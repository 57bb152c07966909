//! The bodies of requests that record, and of their responses.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::extraction::Violation;
use crate::json_text::JsonText;
use crate::recorder::{
    FailureKind, ItemVerdict, NotFinite, NotFiniteNumber, SimulationStarted, Verdict,
};
use crate::store::{
    MetricDefinition, NO_CONFIGURATION, NewAnnotation, Origin, SimulationStart, SimulationStatus,
};

/// A version of an agent's configuration.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfigurationRequest {
    /// A name for people.
    pub name: String,
    /// The configuration: any JSON value; text that is not JSON, such as YAML, as a string.
    #[schema(value_type = serde_json::Value)]
    pub config: JsonText,
    /// The id of the user that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
}

/// The response to a new configuration.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct ConfigurationCreated {
    /// The id of the version; the same content has the same id.
    pub config_version_id: String,
    /// Whether it is kept in the spool until the database is back.
    #[serde(default)]
    pub spooled: bool,
}

/// The request that starts a simulation.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartSimulationRequest {
    /// Created by the client, so that a start can be retried; if absent, created by the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulation_id: Option<Uuid>,
    /// The project that it belongs to; if absent, that of the token, or else `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 100)]
    pub project: Option<String>,
    /// The version of the agent's configuration. An unknown one is noted, not refused.
    #[serde(default = "no_configuration")]
    pub config_version_id: String,
    /// The planned scenarios: an array of scenario objects.
    #[schema(value_type = Vec<serde_json::Value>)]
    pub scenarios: Box<RawValue>,
    /// How many times each scenario is run, from 1 to 10,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 10_000)]
    pub trials: Option<u32>,
    /// The same for each scenario, in the order of `scenarios`, if they are not run equally often.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scenario_trials: Vec<u32>,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulation_name: Option<String>,
    /// Its tags, each of 1 to 100 bytes. Those that an existing simulation lacks are added.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The Modal app that runs the evaluation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modal_app_id: Option<String>,
    /// The Modal environment; `production` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modal_environment: Option<String>,
    /// How many sandboxes run at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox_instances: Option<u32>,
    /// Who runs what, as far as it is known; it counts instead of what the tool or the results name.
    #[serde(default, skip_serializing_if = "Origin::is_empty")]
    pub origin: Origin,
    /// Other information about the simulation: an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<std::collections::HashMap<String, serde_json::Value>>)]
    pub metadata: Option<Box<RawValue>>,
    /// The definitions of metrics, which replace those of the tool; the metric with the empty name is
    /// the score of each result.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<MetricDefinition>,
    /// The highest value of the results' own score, whose lowest is 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score_scale: Option<f64>,
    /// Whether an existing simulation with another plan gets the scenarios that its plan lacks. If not,
    /// another plan is a conflict.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub plan_may_grow: bool,
}

fn no_configuration() -> String {
    NO_CONFIGURATION.to_owned()
}

impl From<StartSimulationRequest> for SimulationStart {
    fn from(request: StartSimulationRequest) -> Self {
        let text = |raw: Box<RawValue>| raw.get().to_owned();
        SimulationStart {
            simulation_id: request.simulation_id,
            project: request.project,
            config_version_id: request.config_version_id,
            scenarios: text(request.scenarios),
            trials: request.trials,
            scenario_trials: request.scenario_trials,
            simulation_name: request.simulation_name,
            tags: request.tags,
            modal_app_id: request.modal_app_id,
            modal_environment: request.modal_environment,
            sandbox_instances: request.sandbox_instances,
            origin: request.origin,
            metadata: request.metadata.map(text),
            metrics: request.metrics,
            score_scale: request.score_scale,
            plan_may_grow: request.plan_may_grow,
            started_at: None,
        }
    }
}

impl TryFrom<SimulationStart> for StartSimulationRequest {
    type Error = Error;

    /// Converts a start into its request, without the time at which it started.
    fn try_from(start: SimulationStart) -> Result<Self> {
        let raw = |what: &str, text: String| {
            RawValue::from_string(text)
                .map_err(|error| Error::invalid(format!("{what} is not JSON")).with_source(error))
        };
        Ok(StartSimulationRequest {
            simulation_id: start.simulation_id,
            project: start.project,
            config_version_id: start.config_version_id,
            scenarios: raw("the list of scenarios", start.scenarios)?,
            trials: start.trials,
            scenario_trials: start.scenario_trials,
            simulation_name: start.simulation_name,
            tags: start.tags,
            modal_app_id: start.modal_app_id,
            modal_environment: start.modal_environment,
            sandbox_instances: start.sandbox_instances,
            origin: start.origin,
            metadata: start.metadata.map(|text| raw("the metadata", text)).transpose()?,
            metrics: start.metrics,
            score_scale: start.score_scale,
            plan_may_grow: start.plan_may_grow,
        })
    }
}

/// The request that declares metrics of a simulation.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeclareMetricsRequest {
    /// The definitions, whose members replace earlier ones. The metric with the empty name is the score
    /// of each result.
    pub metrics: Vec<MetricDefinition>,
}

/// The request that renames a simulation.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RenameSimulationRequest {
    /// The new name.
    pub simulation_name: String,
}

/// The request that changes the tags of a simulation.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TagSimulationRequest {
    /// The tags that it gets, each of 1 to 100 bytes.
    #[serde(default)]
    pub add: Vec<String>,
    /// The tags that it loses.
    #[serde(default)]
    pub remove: Vec<String>,
}

/// The request that selects the revision of a result that counts.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SelectRevisionRequest {
    /// The tool's own id of the execution; not needed if only one result has several revisions.
    #[serde(default)]
    pub result_key: Option<String>,
    /// The number of the revision; null or absent: the one that was made last.
    #[serde(default)]
    pub revision: Option<i64>,
}

/// The request that annotates results.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AnnotateRequest {
    /// The annotations, from 1 to 10,000; all are made, or none.
    pub annotations: Vec<NewAnnotation>,
}

/// The response to a start.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct StartedBody {
    /// The simulation, as far as it is known.
    #[serde(flatten)]
    pub started: SimulationStarted,
    /// Whether the start is kept in the spool until the database is back.
    #[serde(default)]
    pub spooled: bool,
}

/// The request that fails or cancels a simulation.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EndSimulationRequest {
    /// The reason, stored with the simulation.
    #[serde(default)]
    pub reason: String,
}

/// The response to a simulation's end.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct SimulationEnded {
    /// The simulation's id.
    pub simulation_id: Uuid,
    /// The simulation's final status.
    pub status: SimulationStatus,
    /// Whether the end is kept in the spool until the database is back.
    #[serde(default)]
    pub spooled: bool,
}

/// The members next to the results of a body `{"results": […]}`: each is an array in the results'
/// order.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
pub struct ResultsMetadata {
    /// The Modal function call of each run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modal_call_ids: Option<Vec<Option<String>>>,
    /// The sandbox of each run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox_ids: Option<Vec<Option<String>>>,
    /// Which trial of its scenario each is, from 1. Part of an outcome's identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trials: Option<Vec<Option<u32>>>,
    /// The numbers of each result that JSON cannot represent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_finite: Option<Vec<Vec<NotFiniteBody>>>,
    /// The information that all results share, if their format has a header: any JSON, or a string
    /// with a header that is not JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub header: Option<Box<RawValue>>,
}

/// A number that JSON cannot represent: the document has `null` in its place.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NotFiniteBody {
    /// The offset of that `null` in the document in bytes.
    pub offset: usize,
    /// The place of that `null` as a JSON Pointer.
    pub path: String,
    /// `NaN`, `Infinity` or `-Infinity`.
    pub number: String,
}

impl From<&NotFinite> for NotFiniteBody {
    fn from(place: &NotFinite) -> Self {
        let NotFinite { offset, path, number } = place;
        NotFiniteBody { offset: *offset, path: path.clone(), number: number.as_str().to_owned() }
    }
}

impl NotFiniteBody {
    /// Returns the place, or `None` if the document has no `null` there.
    pub fn place(&self, document: &str) -> Option<NotFinite> {
        let number =
            [NotFiniteNumber::NaN, NotFiniteNumber::Infinity, NotFiniteNumber::NegativeInfinity]
                .into_iter()
                .find(|number| number.as_str() == self.number)?;
        document.get(self.offset..)?.starts_with("null").then(|| NotFinite {
            offset: self.offset,
            path: self.path.clone(),
            number,
        })
    }
}

/// The kind of a verdict.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum VerdictKind {
    /// Committed now.
    Stored,
    /// Committed before.
    Duplicate,
    /// Kept durably by the service, and recorded when the database is back.
    Spooled,
    /// Not valid; kept with the reasons.
    Rejected,
    /// Not recorded.
    Failed,
}

/// A violation of the rules by a result, or a warning about it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Violation)]
pub struct ViolationBody {
    /// A JSON Pointer (RFC 6901); empty for the whole document.
    pub path: String,
    /// A stable code for programs.
    pub code: String,
    /// A message for people.
    pub message: String,
}

impl From<Violation> for ViolationBody {
    fn from(violation: Violation) -> Self {
        let Violation { path, code, message } = violation;
        ViolationBody { path, code, message }
    }
}

impl From<ViolationBody> for Violation {
    fn from(reason: ViolationBody) -> Self {
        let ViolationBody { path, code, message } = reason;
        Violation { path, code, message }
    }
}

/// The verdict on one result.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize, ToSchema)]
pub struct ResultVerdict {
    /// The position of the result in the request, counted from 0.
    pub position: u64,
    /// The id of the outcome, or of the rejected result.
    pub outcome_id: Uuid,
    /// The kind of the verdict.
    pub verdict: VerdictKind,
    /// Why it was rejected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<ViolationBody>,
    /// The assumptions and replacements in a result that was accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<ViolationBody>,
    /// If the result failed: whether a retry can succeed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retryable: Option<bool>,
    /// If the result failed: whether the database was unavailable; if it was not, only this
    /// result is affected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<bool>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What to do about it, if `message` does not show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// How many of its violations or warnings are left out of this answer to keep it short.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub violations_omitted: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Returns the approximate size of a violation or a warning in a response, in bytes.
fn reason_bytes(reason: &ViolationBody) -> usize {
    reason.path.len() + reason.code.len() + reason.message.len() + REASON_BYTES
}

impl ResultVerdict {
    /// Creates the verdict on the result at this position.
    pub fn new(position: u64, item: ItemVerdict) -> Self {
        let reasons =
            |violations: Vec<Violation>| violations.into_iter().map(ViolationBody::from).collect();
        let mut body = ResultVerdict {
            position,
            outcome_id: item.outcome_id,
            verdict: VerdictKind::Stored,
            violations: Vec::new(),
            warnings: reasons(item.warnings),
            retryable: None,
            unavailable: None,
            message: None,
            hint: None,
            violations_omitted: 0,
        };
        match item.verdict {
            Verdict::Stored => {}
            Verdict::Duplicate => body.verdict = VerdictKind::Duplicate,
            Verdict::Spooled => body.verdict = VerdictKind::Spooled,
            Verdict::Rejected(violations) => {
                body.verdict = VerdictKind::Rejected;
                body.violations = reasons(violations);
            }
            Verdict::Failed { kind, message, hint } => {
                body.verdict = VerdictKind::Failed;
                body.retryable = Some(kind.may_retry());
                body.unavailable = Some(kind == FailureKind::Unavailable);
                body.message = Some(message);
                body.hint = hint;
            }
        }
        body
    }

    /// Returns the approximate size of its violations and warnings in a response, in bytes.
    pub(crate) fn reasons_bytes(&self) -> usize {
        self.violations.iter().chain(&self.warnings).map(reason_bytes).sum()
    }

    /// Omits the violations and warnings that would exceed the limit of the response. `left_bytes`
    /// is the space that is left for them.
    pub(crate) fn fit(&mut self, left_bytes: &mut usize) {
        for reasons in [&mut self.violations, &mut self.warnings] {
            let fits = |reason: &&ViolationBody| {
                let left = left_bytes.checked_sub(reason_bytes(reason));
                *left_bytes = left.unwrap_or(0);
                left.is_some()
            };
            let kept = reasons.iter().take_while(fits).count();
            self.violations_omitted += (reasons.len() - kept) as u64;
            reasons.truncate(kept);
        }
    }
}

/// The bytes of a violation or a warning beside its texts, in a response and in memory.
const REASON_BYTES: usize = 128;

impl From<ResultVerdict> for ItemVerdict {
    fn from(mut body: ResultVerdict) -> Self {
        if body.violations_omitted > 0 {
            let more = ViolationBody {
                path: String::new(),
                code: "more_found".to_owned(),
                message: format!(
                    "{} more were found, and are left out of this answer",
                    body.violations_omitted
                ),
            };
            match body.verdict {
                VerdictKind::Rejected => body.violations.push(more),
                _ => body.warnings.push(more),
            }
        }
        let violations =
            |reasons: Vec<ViolationBody>| reasons.into_iter().map(Violation::from).collect();
        let verdict = match body.verdict {
            VerdictKind::Stored => Verdict::Stored,
            VerdictKind::Duplicate => Verdict::Duplicate,
            VerdictKind::Spooled => Verdict::Spooled,
            VerdictKind::Rejected => Verdict::Rejected(violations(body.violations)),
            VerdictKind::Failed => {
                let retryable = body.retryable.unwrap_or(true);
                // An earlier service does not send this member, and has no other reason to retry.
                let kind = match (body.unavailable.unwrap_or(retryable), retryable) {
                    (true, _) => FailureKind::Unavailable,
                    (false, true) => FailureKind::Timeout,
                    (false, false) => FailureKind::Refused,
                };
                let message = body.message.unwrap_or_default();
                Verdict::Failed { kind, message, hint: body.hint }
            }
        };
        ItemVerdict { outcome_id: body.outcome_id, verdict, warnings: violations(body.warnings) }
    }
}

/// The answer to a body of JSON: the verdict on one result, or the verdicts on several.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum RecordingVerdicts {
    /// One result, neither in an array nor in `results`.
    One(ResultVerdict),
    /// Several results.
    Many(BatchVerdicts),
}

/// The verdicts on the results of a request, in order, and the number of each kind.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
pub struct BatchVerdicts {
    /// One for each result.
    pub verdicts: Vec<ResultVerdict>,
    /// Committed now.
    pub stored: u64,
    /// Committed before.
    pub duplicate: u64,
    /// Kept in the spool.
    pub spooled: u64,
    /// Not valid.
    pub rejected: u64,
    /// Not recorded.
    pub failed: u64,
}

impl BatchVerdicts {
    /// Adds the verdict on the next result.
    pub fn add(&mut self, item: ItemVerdict) {
        let body = ResultVerdict::new(self.verdicts.len() as u64, item);
        self.count(body.verdict);
        self.verdicts.push(body);
    }

    fn count(&mut self, verdict: VerdictKind) {
        *match verdict {
            VerdictKind::Stored => &mut self.stored,
            VerdictKind::Duplicate => &mut self.duplicate,
            VerdictKind::Spooled => &mut self.spooled,
            VerdictKind::Rejected => &mut self.rejected,
            VerdictKind::Failed => &mut self.failed,
        } += 1;
    }
}

/// Writes [`BatchVerdicts`] one by one, so that only their text is in memory.
pub(crate) struct BatchWriter {
    text: Vec<u8>,
    position: u64,
    counts: BatchVerdicts,
}

impl BatchWriter {
    pub(crate) fn new() -> Self {
        BatchWriter {
            text: b"{\"verdicts\":[".to_vec(),
            position: 0,
            counts: BatchVerdicts::default(),
        }
    }

    /// Adds the verdict on the next result, with as many reasons as fit into the space that is
    /// left.
    pub(crate) fn add(&mut self, item: ItemVerdict, left_bytes: &mut usize) {
        let mut body = ResultVerdict::new(self.position, item);
        body.fit(left_bytes);
        if self.position > 0 {
            self.text.push(b',');
        }
        self.position += 1;
        self.counts.count(body.verdict);
        // Writing to memory does not fail.
        let _ = serde_json::to_writer(&mut self.text, &body);
    }

    /// Returns the whole text, and the number of failed results.
    pub(crate) fn finish(self) -> (Vec<u8>, u64) {
        let BatchWriter { mut text, counts, .. } = self;
        let BatchVerdicts { stored, duplicate, spooled, rejected, failed, .. } = counts;
        let counts = format!(
            "],\"stored\":{stored},\"duplicate\":{duplicate},\"spooled\":{spooled},\
             \"rejected\":{rejected},\"failed\":{failed}}}"
        );
        text.extend_from_slice(counts.as_bytes());
        (text, failed)
    }
}
