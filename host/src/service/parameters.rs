//! Extractors of handlers for the path, the query and the headers.

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri, header};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use uuid::Uuid;

use super::answer::Failure;
use super::app::SharedApp;
use super::guard::Caller;
use crate::extraction::OutcomeStatus;
use crate::recorder::time_since;
use crate::store::{OriginFilter, SimulationFilter, SimulationStatus};
use crate::wire::{NDJSON, ProblemCode};

/// The most simulations or failures of a page: they are short.
pub(super) const MOST_LISTED: u32 = 10_000;

/// How many characters of an unknown parameter's name are shown.
const SHOWN_CHARACTERS: usize = 64;

/// The id of the existing simulation that the path refers to, by its id, a prefix of it, its name, or as
/// `latest`.
#[derive(Clone, Copy, Debug)]
pub(super) struct SimulationId(pub(super) Uuid);

impl FromRequestParts<SharedApp> for SimulationId {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &SharedApp) -> Result<Self, Failure> {
        let reference = path_text(parts, app).await?;
        let caller = parts.extensions.get::<Caller>();
        let project = caller.and_then(Caller::project);
        let id = app.recorder.resolve_simulation_in(&reference, project).await?;
        app.require_project(caller, id).await?;
        Ok(SimulationId(id))
    }
}

impl IntoParams for SimulationId {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let described = ParameterBuilder::new()
            .name("simulation_id")
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(Some("The simulation's id, a unique prefix of it, its name, or `latest`"))
            .schema(Some(ObjectBuilder::new().schema_type(Type::String)));
        vec![described.build()]
    }
}

/// The id of a simulation in the path of a call that records results: they can come before its start, so
/// nothing else can refer to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct RecordedSimulationId(pub(super) Uuid);

impl FromRequestParts<SharedApp> for RecordedSimulationId {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &SharedApp) -> Result<Self, Failure> {
        match Uuid::try_parse(&path_text(parts, app).await?) {
            Ok(id) => {
                app.require_project(parts.extensions.get::<Caller>(), id).await?;
                Ok(RecordedSimulationId(id))
            }
            Err(_) => Err(Failure::new(
                ProblemCode::InvalidRequest,
                "the path holds no simulation's id; an id is a UUID of 36 characters",
            )),
        }
    }
}

/// Returns the variable part of the path.
async fn path_text(parts: &mut Parts, app: &SharedApp) -> Result<String, Failure> {
    match Path::<String>::from_request_parts(parts, app).await {
        Ok(Path(text)) => Ok(text),
        Err(rejection) => Err(Failure::new(ProblemCode::InvalidRequest, rejection.body_text())),
    }
}

/// The query of the URL.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameters<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Parameters<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let read: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, state).await;
        match read {
            Ok(Query(parameters)) => Ok(Parameters(parameters)),
            Err(rejection) => Err(Failure::new(ProblemCode::InvalidRequest, rejection.body_text())),
        }
    }
}

/// Refuses parameters of a call without parameters: they would silently have no effect.
///
/// # Errors
/// If there are any.
pub(super) fn no_parameters(uri: &Uri) -> Result<(), Failure> {
    let Some(query) = uri.query().filter(|query| !query.is_empty()) else { return Ok(()) };
    let name: String =
        query.split(['=', '&']).next().unwrap_or_default().chars().take(SHOWN_CHARACTERS).collect();
    Err(Failure::new(
        ProblemCode::InvalidRequest,
        format!("unknown query parameter {name:?}: this call takes none"),
    )
    .hint("leave it out"))
}

/// A reference to a simulation.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ReferenceQuery {
    /// The simulation's id, a unique prefix of it of at least 4 hexadecimal digits, its name, or `latest`.
    pub(super) simulation: String,
}

/// A page of a list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SimulationsQuery {
    /// Only those with this status.
    pub(super) status: Option<SimulationStatus>,
    /// Only those whose name contains this text, in any case; if it has `*` or `?`, those whose whole name
    /// matches it.
    pub(super) name: Option<String>,
    /// Only those of this project.
    pub(super) project: Option<String>,
    /// Only those with this tag.
    pub(super) tag: Option<String>,
    /// Only those whose evaluation began then or later: a date or a time (RFC 3339), or a duration before
    /// now, such as 7d.
    pub(super) since: Option<String>,
    /// Only those one of whose models contains this text, in any case, as `name`.
    pub(super) model: Option<String>,
    /// Only those whose provider contains this text, in any case, as `name`.
    pub(super) provider: Option<String>,
    /// Only those whose agent contains this text, in any case, as `name`.
    pub(super) agent: Option<String>,
    /// Only those whose task contains this text, in any case, as `name`.
    pub(super) task: Option<String>,
    /// Only those whose data set contains this text, in any case, as `name`.
    pub(super) dataset: Option<String>,
    /// Only those that this tool ran, in any case, as `name`.
    pub(super) tool: Option<String>,
    /// How many at most. Default: 50.
    #[param(minimum = 1, maximum = 10_000)]
    pub(super) limit: Option<u32>,
    /// The cursor that the previous page returned.
    pub(super) cursor: Option<String>,
}

impl SimulationsQuery {
    /// Returns the filter of these parameters.
    ///
    /// # Errors
    /// If the time is not valid.
    pub(super) fn filter(&self) -> Result<SimulationFilter, Failure> {
        let since = self.since.as_deref().map(|text| time_since(text, Timestamp::now()));
        let since = since
            .transpose()
            .map_err(|reason| Failure::new(ProblemCode::InvalidRequest, reason))?;
        let (name, tag) = (self.name.clone(), self.tag.clone());
        let origin = OriginFilter {
            model: self.model.clone(),
            provider: self.provider.clone(),
            agent: self.agent.clone(),
            task: self.task.clone(),
            dataset: self.dataset.clone(),
            tool: self.tool.clone(),
        };
        let project = self.project.clone();
        Ok(SimulationFilter { status: self.status, name, project, tag, since, origin })
    }
}

/// A page of something of a simulation.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// How many at most. Default: 100.
    #[param(minimum = 1, maximum = 1000)]
    pub(super) limit: Option<u32>,
    /// The cursor that the previous page returned.
    pub(super) cursor: Option<String>,
}

/// What of a run is compared.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ComparedRunQuery {
    /// The metric. Default: the simulation's score.
    pub(super) metric: Option<String>,
    /// The field of the scenarios' definitions by which they form clusters.
    pub(super) cluster: Option<String>,
}

/// Whose annotations.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AnnotationQuery {
    /// Only those of this outcome's result, in all its revisions.
    pub(super) outcome_id: Option<Uuid>,
}

/// Which outcomes.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OutcomesQuery {
    /// Only those of this scenario.
    pub(super) scenario_id: Option<String>,
    /// Only those with this status: success, error, timeout or cancelled.
    pub(super) status: Option<OutcomeStatus>,
    /// The most rows; a stream of lines returns all of them.
    #[param(minimum = 1, maximum = 1000)]
    pub(super) limit: Option<u32>,
    /// The cursor that the previous page returned.
    pub(super) cursor: Option<String>,
    /// With the documents' texts.
    #[serde(default)]
    pub(super) documents: bool,
    /// With the documents' own trajectory objects.
    #[serde(default)]
    pub(super) trajectories: bool,
}

/// The id of a scenario, which the database can store.
///
/// # Errors
/// If it contains a NUL, which no scenario's id has.
pub(super) fn checked_scenario(id: Option<String>) -> Result<Option<String>, Failure> {
    match id {
        Some(id) if id.contains('\0') => Err(Failure::new(
            ProblemCode::InvalidRequest,
            "scenario_id has a NUL in it, which no scenario's id has",
        )),
        id => Ok(id),
    }
}

/// Defaults for the results of a request that lack the value themselves.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RecordQuery {
    /// Which trial of its scenario each is, from 1. Part of an outcome's identity.
    #[param(minimum = 1, maximum = 10000)]
    pub(super) trial: Option<u32>,
    /// The Modal function call of the run.
    pub(super) modal_call_id: Option<String>,
    /// The sandbox of the run.
    pub(super) sandbox_id: Option<String>,
    /// The format of the results, which the service must know. Default: arc-guide.
    pub(super) format: Option<String>,
}

/// How far back.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RangeQuery {
    /// A duration such as 90m, 24h, 7d or 2w. Default: 7d.
    pub(super) range: Option<String>,
}

/// How many.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LimitQuery {
    /// How many at most. Default: 50.
    #[param(minimum = 1, maximum = 10_000)]
    pub(super) limit: Option<u32>,
}

impl LimitQuery {
    /// Returns the limit, within its bounds.
    ///
    /// # Errors
    /// If it is out of bounds.
    pub(super) fn checked(&self, default: u32) -> Result<u32, Failure> {
        checked_limit(self.limit, default, MOST_LISTED)
    }
}

/// Returns the limit, up to this maximum.
///
/// # Errors
/// If it is out of bounds.
pub(super) fn checked_limit(limit: Option<u32>, default: u32, most: u32) -> Result<u32, Failure> {
    let limit = limit.unwrap_or(default);
    if (1..=most).contains(&limit) {
        return Ok(limit);
    }
    Err(Failure::new(
        ProblemCode::InvalidRequest,
        format!("limit is {limit}; it must be from 1 to {most}"),
    ))
}

/// The accepted types of bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyType {
    Json,
    Lines,
    OneDocument,
}

/// Returns the type of the request's body.
///
/// # Errors
/// If it is another type.
pub(super) fn body_type(headers: &HeaderMap) -> Result<BodyType, Failure> {
    match media_type(headers).to_ascii_lowercase().as_str() {
        "application/json" => Ok(BodyType::Json),
        NDJSON | "application/jsonl" | "application/json-lines" => Ok(BodyType::Lines),
        crate::wire::ONE_DOCUMENT => Ok(BodyType::OneDocument),
        _ => Err(Failure::new(
            ProblemCode::UnsupportedMediaType,
            "missing or unknown Content-Type (expected application/json, or application/x-ndjson \
             for a result a line)",
        )),
    }
}

/// Returns the media type of the body without its parameters, or an empty text without any.
pub(super) fn media_type(headers: &HeaderMap) -> &str {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim()
}

/// Returns whether the client accepts lines rather than one JSON value.
///
/// # Errors
/// If it accepts neither.
pub(super) fn wants_lines(headers: &HeaderMap) -> Result<bool, Failure> {
    let Some(accept) = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()) else {
        return Ok(false);
    };
    for range in accept.split(',') {
        match range.split(';').next().unwrap_or_default().trim() {
            NDJSON | "application/jsonl" => return Ok(true),
            "application/json" | "application/*" | "*/*" => return Ok(false),
            _ => {}
        }
    }
    Err(Failure::new(
        ProblemCode::NotAcceptable,
        "the answer is application/json or application/x-ndjson",
    )
    .hint("accept one of them"))
}
