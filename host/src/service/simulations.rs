//! Configurations and simulations: start, list, end.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::Uri;
use tokio::sync::SemaphorePermit;
use uuid::Uuid;

use super::answer::{self, Answer, Failure};
use super::app::{App, SharedApp};
use super::body;
use super::guard::Caller;
use super::idempotency::{IdempotentRequest, Keys};
use super::parameters::{
    BodyType, MOST_LISTED, Parameters, ReferenceQuery, SimulationId, SimulationsQuery, body_type,
    checked_limit, no_parameters,
};
use crate::blocking::blocking;
use crate::delivery::DeliveryAnswer;
use crate::recorder::{SimulationCompleted, SimulationProgress};
use crate::store::{
    ListedResults, RemovedSimulation, ResultList, SimulationLabels, SimulationStatus,
};
use crate::wire::{
    AnnotateRequest, AnnotationList, ConfigurationCreated, ConfigurationRequest,
    DeclareMetricsRequest, EndSimulationRequest, Problem, ProblemCode, RenameSimulationRequest,
    ResolvedSimulation, RevisionList, SelectRevisionRequest, SimulationEnded, SimulationList,
    StartSimulationRequest, StartedBody, SuiteDocument, TagSimulationRequest,
};

/// The default number of simulations of a page.
const PAGE: u32 = 50;

/// A longer body is parsed on its own thread, one at a time.
const SHORT_BYTES: usize = 64 << 10;

/// Answers a request with a JSON body of at most this many KiB: with `act` of the body, or with the first
/// answer if its key is known.
async fn once<F: Future<Output = Answer> + Send>(
    app: &App,
    request: Request,
    limit_kib: u64,
    act: impl FnOnce(Arc<Vec<u8>>) -> F,
) -> Answer {
    let (parts, body) = request.into_parts();
    no_parameters(&parts.uri)?;
    let mut asked = Keys::begin(&parts.headers, parts.uri.path())?;
    let limit = (limit_kib << 10).min(app.body_limit());
    let (bytes, _room) = body::whole(app, body, limit).await?;
    if !bytes.is_empty() && body_type(&parts.headers)? != BodyType::Json {
        return Err(Failure::new(
            ProblemCode::UnsupportedMediaType,
            "the body of this request is application/json",
        ));
    }
    asked.take(&bytes);
    app.keys.once(asked, Box::pin(act(Arc::new(bytes)))).await
}

/// Waits until this body can be parsed: parsing a long one uses several times its size.
async fn turn<'a>(app: &'a App, bytes: &[u8]) -> Option<SemaphorePermit<'a>> {
    if bytes.len() <= SHORT_BYTES {
        return None;
    }
    // The semaphore is never closed.
    app.long_bodies.acquire().await.ok()
}

/// Parses a body as the expected type, on its own thread if it is long.
///
/// # Errors
/// If it is of another type.
async fn parsed<T>(bytes: &Arc<Vec<u8>>) -> Result<T, Failure>
where
    T: serde::de::DeserializeOwned + Send + 'static,
{
    if bytes.len() <= SHORT_BYTES {
        return parse(bytes);
    }
    let bytes = Arc::clone(bytes);
    blocking(move || parse(&bytes)).await?
}

/// Parses a body as the expected type.
///
/// # Errors
/// If it is of another type.
pub(super) fn parse<'b, T: serde::Deserialize<'b>>(bytes: &'b [u8]) -> Result<T, Failure> {
    serde_json::from_slice(bytes).map_err(|error| {
        Failure::new(ProblemCode::InvalidRequest, format!("invalid body: {error}"))
    })
}

/// Keep a version of an agent's configuration.
#[utoipa::path(
    post, path = "/v1/configurations", tag = "recording", operation_id = "create_configuration",
    params(IdempotentRequest),
    request_body = ConfigurationRequest,
    responses(
        (status = 200, description = "The same content has the same id", body = ConfigurationCreated),
        (status = 202, description = "It is in the service's spool", body = ConfigurationCreated),
        (status = "default", description = "An error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn create_configuration(State(app): State<SharedApp>, request: Request) -> Answer {
    let app = &app;
    once(app, request, app.settings.max_configuration_kib, |bytes| async move {
        let _turn = turn(app, &bytes).await;
        let ConfigurationRequest { name, config, user_id } = parsed(&bytes).await?;
        // A string is stored as its text; any other value as the client wrote it.
        let text = match config.read::<String>() {
            Ok(text) => text,
            Err(_) => config.as_str().to_owned(),
        };
        let kept = app.delivery.create_configuration(&name, &text, user_id.as_deref()).await?;
        let (config_version_id, delivered) = kept;
        let spooled = delivered == DeliveryAnswer::Spooled;
        Ok(answer::done(spooled, &ConfigurationCreated { config_version_id, spooled }))
    })
    .await
}

/// Start a simulation.
///
/// The first writer of an id wins: the same start again returns the same answer, the same id with
/// another plan is a `conflict`.
#[utoipa::path(
    post, path = "/v1/simulations", tag = "recording", operation_id = "start_simulation",
    params(IdempotentRequest),
    request_body = StartSimulationRequest,
    responses(
        (status = 200, description = "It is running, or already has a status", body = StartedBody),
        (status = 202, description = "The start is in the service's spool", body = StartedBody),
        (status = "default", description = "An error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn start_simulation(
    State(app): State<SharedApp>,
    caller: Option<Extension<Caller>>,
    request: Request,
) -> Answer {
    let app = &app;
    let caller = caller.as_deref();
    once(app, request, app.settings.max_start_kib, |bytes| async move {
        let _turn = turn(app, &bytes).await;
        let mut start: StartSimulationRequest = parsed(&bytes).await?;
        start.project = Caller::project_of(caller, start.project)?;
        let most = app.settings.max_metadata_kib << 10;
        if start.metadata.as_ref().is_some_and(|metadata| metadata.get().len() as u64 > most) {
            return Err(Problem::new(
                ProblemCode::BodyTooLarge,
                format!(
                    "the metadata is longer than {most} bytes; it is part of every answer about \
                     the simulation"
                ),
            )
            .hint("store long values elsewhere")
            .limit(most)
            .into());
        }
        let started = app.delivery.start_simulation(start.into()).await?;
        let spooled = started.spooled;
        Ok(answer::done(spooled, &StartedBody { started: started.simulation, spooled }))
    })
    .await
}

/// List simulations, newest first.
#[utoipa::path(
    get, path = "/v1/simulations", tag = "reading", operation_id = "list_simulations",
    params(SimulationsQuery),
    responses(
        (status = 200, description = "A page", body = SimulationList),
        (status = "default", description = "An error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list_simulations(
    State(app): State<SharedApp>,
    Parameters(query): Parameters<SimulationsQuery>,
    caller: Option<Extension<Caller>>,
) -> Answer {
    let limit = checked_limit(query.limit, PAGE, MOST_LISTED)?;
    let turn = app.answers.turn().await;
    let mut filter = query.filter()?;
    filter.project = Caller::project_of(caller.as_deref(), filter.project)?;
    let page = app.recorder.simulations(&filter, limit, query.cursor.as_deref()).await?;
    let simulations = page.simulations.into_iter().map(Into::into).collect();
    turn.json(&SimulationList { simulations, cursor: page.cursor }).await
}

/// The status of a simulation.
#[utoipa::path(
    get, path = "/v1/simulations/{simulation_id}", tag = "reading",
    operation_id = "simulation_status",
    params(SimulationId),
    responses(
        (status = 200, description = "Progress, score, cost", body = SimulationProgress),
        (status = "default", description = "An error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn simulation_status(
    State(app): State<SharedApp>,
    SimulationId(simulation_id): SimulationId,
) -> Answer {
    Ok(answer::done(false, &app.recorder.simulation_status(simulation_id).await?))
}

/// Complete a simulation, with the suite's own summary as the body, all of it optional.
///
/// Completing again returns the same answer. Results that come later are counted.
#[utoipa::path(
    post, path = "/v1/simulations/{simulation_id}/complete", tag = "recording",
    operation_id = "complete_simulation",
    params(SimulationId, IdempotentRequest),
    request_body(content = Option<SuiteDocument>, content_type = "application/json", description = "The suite's summary, or nothing"),
    responses(
        (status = 200, description = "It is completed", body = SimulationCompleted),
        (status = 202, description = "The completion is in the service's spool", body = SimulationEnded),
        (status = "default", description = "An error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn complete_simulation(
    State(app): State<SharedApp>,
    SimulationId(simulation_id): SimulationId,
    request: Request,
) -> Answer {
    let app = &app;
    once(app, request, app.settings.max_suite_kib, |bytes| async move {
        let _turn = turn(app, &bytes).await;
        let text = std::str::from_utf8(&bytes).map_err(|_| {
            Failure::new(ProblemCode::InvalidRequest, "the suite's summary is not UTF-8 text")
        })?;
        let suite = Some(text).filter(|text| !matches!(text.trim(), "" | "null"));
        match app.delivery.complete_simulation(simulation_id, suite).await? {
            DeliveryAnswer::Committed(completed) => Ok(answer::done(false, &completed)),
            DeliveryAnswer::Spooled => Ok(ended(simulation_id, SimulationStatus::Completed, true)),
        }
    })
    .await
}

/// Find the simulation that a text refers to.
#[utoipa::path(
    get, path = "/v1/resolve", tag = "reading", operation_id = "resolve_simulation",
    params(ReferenceQuery),
    responses(
        (status = 200, description = "Its id", body = ResolvedSimulation),
        (status = "default", description = "An error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn resolve_simulation(
    State(app): State<SharedApp>,
    Parameters(query): Parameters<ReferenceQuery>,
    caller: Option<Extension<Caller>>,
) -> Answer {
    let caller = caller.as_deref();
    let project = caller.and_then(Caller::project);
    let simulation_id = app.recorder.resolve_simulation_in(&query.simulation, project).await?;
    app.require_project(caller, simulation_id).await?;
    Ok(answer::done(false, &ResolvedSimulation { simulation_id }))
}

/// Rename a simulation.
#[utoipa::path(
    post, path = "/v1/simulations/{simulation_id}/rename", tag = "recording",
    operation_id = "rename_simulation",
    params(SimulationId, IdempotentRequest),
    request_body = RenameSimulationRequest,
    responses(
        (status = 200, description = "The renamed simulation", body = SimulationLabels),
        (status = "default", description = "An error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn rename_simulation(
    State(app): State<SharedApp>,
    SimulationId(simulation_id): SimulationId,
    request: Request,
) -> Answer {
    let app = &app;
    once(app, request, app.settings.max_suite_kib, |bytes| async move {
        let RenameSimulationRequest { simulation_name } = parse(&bytes)?;
        let renamed = app.recorder.rename_simulation(simulation_id, &simulation_name).await?;
        Ok(answer::done(false, &renamed))
    })
    .await
}

/// Add and remove tags of a simulation.
#[utoipa::path(
    post, path = "/v1/simulations/{simulation_id}/tags", tag = "recording",
    operation_id = "tag_simulation",
    params(SimulationId, IdempotentRequest),
    request_body = TagSimulationRequest,
    responses(
        (status = 200, description = "The simulation with its tags", body = SimulationLabels),
        (status = "default", description = "An error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn tag_simulation(
    State(app): State<SharedApp>,
    SimulationId(simulation_id): SimulationId,
    request: Request,
) -> Answer {
    let app = &app;
    once(app, request, app.settings.max_suite_kib, |bytes| async move {
        let TagSimulationRequest { add, remove } = parse(&bytes)?;
        let tagged = app.recorder.tag_simulation(simulation_id, &add, &remove).await?;
        Ok(answer::done(false, &tagged))
    })
    .await
}

/// Remove a simulation permanently, with all its data.
///
/// Later calls for it are refused as `simulation_removed`. Safe to repeat: a request that took
/// too long is continued by the next one. It needs a token with the scope `admin`.
#[utoipa::path(
    post, path = "/v1/simulations/{simulation_id}/remove", tag = "operation",
    operation_id = "remove_simulation",
    params(SimulationId),
    responses(
        (status = 200, description = "It is removed", body = RemovedSimulation),
        (status = "default", description = "An error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn remove_simulation(
    State(app): State<SharedApp>,
    SimulationId(simulation_id): SimulationId,
    caller: Option<Extension<Caller>>,
    uri: Uri,
) -> Answer {
    no_parameters(&uri)?;
    let removed_by = caller.as_ref().map(|Extension(caller)| caller.name.as_str());
    let removed = app.recorder.remove_simulation(simulation_id, removed_by).await?;
    Ok(answer::done(false, &removed))
}

/// Declare metrics of a simulation, without recording its results again.
///
/// Their members replace earlier ones, and the simulation's figures are computed anew.
#[utoipa::path(
    post, path = "/v1/simulations/{simulation_id}/metrics", tag = "recording",
    operation_id = "declare_metrics",
    params(SimulationId, IdempotentRequest),
    request_body = DeclareMetricsRequest,
    responses(
        (status = 200, description = "The progress with the new figures", body = SimulationProgress),
        (status = "default", description = "An error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn declare_metrics(
    State(app): State<SharedApp>,
    SimulationId(simulation_id): SimulationId,
    request: Request,
) -> Answer {
    let app = &app;
    once(app, request, app.settings.max_suite_kib, |bytes| async move {
        let _turn = turn(app, &bytes).await;
        let DeclareMetricsRequest { metrics } = parsed(&bytes).await?;
        let progress = app.recorder.declare_metrics(simulation_id, &metrics).await?;
        Ok(answer::done(false, &progress))
    })
    .await
}

/// Select the revision of a result that counts.
///
/// Every selection is kept, and the newest one is valid. The simulation's figures are computed anew.
#[utoipa::path(
    post, path = "/v1/simulations/{simulation_id}/revisions", tag = "recording",
    operation_id = "select_revision",
    params(SimulationId, IdempotentRequest),
    request_body = SelectRevisionRequest,
    responses(
        (status = 200, description = "All revisions of the result", body = RevisionList),
        (status = "default", description = "An error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn select_revision(
    State(app): State<SharedApp>,
    SimulationId(simulation_id): SimulationId,
    request: Request,
) -> Answer {
    let app = &app;
    once(app, request, app.settings.max_suite_kib, |bytes| async move {
        let SelectRevisionRequest { result_key, revision } = parse(&bytes)?;
        let selected =
            app.recorder.select_revision(simulation_id, result_key.as_deref(), revision).await?;
        Ok(answer::done(false, &RevisionList { revisions: selected }))
    })
    .await
}

/// Annotate results: notes, tags, invalidations, other scores and failure classes, and their undoing.
///
/// All are made, or none. Nothing is overwritten: of the annotations about the same, the newest that is
/// not undone counts, in all later figures. An annotation with an id is made once, however often it is
/// sent.
#[utoipa::path(
    post, path = "/v1/simulations/{simulation_id}/annotations", tag = "recording",
    operation_id = "annotate",
    params(SimulationId, IdempotentRequest),
    request_body = AnnotateRequest,
    responses(
        (status = 200, description = "The annotations that were made", body = AnnotationList),
        (status = "default", description = "An error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn annotate(
    State(app): State<SharedApp>,
    SimulationId(simulation_id): SimulationId,
    caller: Option<Extension<Caller>>,
    request: Request,
) -> Answer {
    let app = &app;
    let caller = caller.map(|Extension(caller)| caller.name.to_string());
    once(app, request, app.settings.max_suite_kib, |bytes| async move {
        let AnnotateRequest { mut annotations } = parse(&bytes)?;
        if let Some(caller) = &caller {
            for author in annotations.iter_mut().filter_map(|one| one.author.as_mut()) {
                *author = format!("{caller}/{author}");
            }
        }
        let made = app.recorder.annotate(simulation_id, &annotations, caller.as_deref()).await?;
        Ok(answer::done(false, &AnnotationList { annotations: made }))
    })
    .await
}

/// Compare a list of recorded results with those of their simulation.
///
/// A result that the tool's final list lacks is superseded: it stays recorded, and is in no figure. One
/// that comes back in a later final list counts again. If the file was changed after a result was
/// invalidated, and has an earlier revision of it, that one counts again.
#[utoipa::path(
    post, path = "/v1/simulations/{simulation_id}/result-list", tag = "recording",
    operation_id = "compare_results",
    params(SimulationId, IdempotentRequest),
    request_body = ResultList,
    responses(
        (status = 200, description = "The changes", body = ListedResults),
        (status = "default", description = "An error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn compare_results(
    State(app): State<SharedApp>,
    SimulationId(simulation_id): SimulationId,
    request: Request,
) -> Answer {
    let app = &app;
    once(app, request, app.settings.max_body_mib << 10, |bytes| async move {
        let _turn = turn(app, &bytes).await;
        let list: ResultList = parsed(&bytes).await?;
        Ok(answer::done(false, &app.recorder.compare_results(simulation_id, &list).await?))
    })
    .await
}

/// Mark a simulation as failed.
#[utoipa::path(
    post, path = "/v1/simulations/{simulation_id}/fail", tag = "recording",
    operation_id = "fail_simulation",
    params(SimulationId, IdempotentRequest),
    request_body(content = Option<EndSimulationRequest>, description = "Why"),
    responses(
        (status = 200, description = "It has failed", body = SimulationEnded),
        (status = 202, description = "The end is in the service's spool", body = SimulationEnded),
        (status = "default", description = "An error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn fail_simulation(
    app: State<SharedApp>,
    simulation: SimulationId,
    request: Request,
) -> Answer {
    end(app, simulation, SimulationStatus::Failed, request).await
}

/// Mark a simulation as stopped on purpose.
#[utoipa::path(
    post, path = "/v1/simulations/{simulation_id}/cancel", tag = "recording",
    operation_id = "cancel_simulation",
    params(SimulationId, IdempotentRequest),
    request_body(content = Option<EndSimulationRequest>, description = "Why"),
    responses(
        (status = 200, description = "It is cancelled", body = SimulationEnded),
        (status = 202, description = "The end is in the service's spool", body = SimulationEnded),
        (status = "default", description = "An error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn cancel_simulation(
    app: State<SharedApp>,
    simulation: SimulationId,
    request: Request,
) -> Answer {
    end(app, simulation, SimulationStatus::Cancelled, request).await
}

async fn end(
    State(app): State<SharedApp>,
    SimulationId(simulation_id): SimulationId,
    status: SimulationStatus,
    request: Request,
) -> Answer {
    let app = &app;
    once(app, request, app.settings.max_suite_kib, |bytes| async move {
        let EndSimulationRequest { reason } = if bytes.is_empty() {
            EndSimulationRequest::default()
        } else {
            parse::<Option<_>>(&bytes)?.unwrap_or_default()
        };
        match app.delivery.end_simulation(simulation_id, status, &reason).await? {
            DeliveryAnswer::Committed(status) => Ok(ended(simulation_id, status, false)),
            DeliveryAnswer::Spooled => Ok(ended(simulation_id, status, true)),
        }
    })
    .await
}

fn ended(
    simulation_id: Uuid,
    status: SimulationStatus,
    spooled: bool,
) -> axum::http::Response<axum::body::Body> {
    answer::done(spooled, &SimulationEnded { simulation_id, status, spooled })
}
