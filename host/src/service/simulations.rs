//! Configurations and simulations: started, listed, ended.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use uuid::Uuid;

use super::answer::{self, Answer, Failure};
use super::app::{App, SharedApp};
use super::body;
use super::parameters::{
    BodyType, MOST_LISTED, Parameters, SimulationId, SimulationsQuery, body_type, checked_limit,
    no_parameters,
};
use super::room::Held;
use crate::delivery::Delivered;
use crate::recorder::{SimulationCompleted, SimulationProgress};
use crate::store::SimulationStatus;
use crate::wire::{
    ConfigurationCreated, ConfigurationRequest, EndRequest, Problem, ProblemCode, SimulationEnded,
    SimulationList, StartRequest, StartedBody, SuiteDocument,
};

/// How many simulations a page has unless another number is asked for.
const PAGE: u32 = 50;

/// The body of a request whose body is JSON, and its room in memory.
async fn read(
    app: &App,
    request: Request,
) -> Result<(axum::http::request::Parts, Vec<u8>, Held), Failure> {
    let (parts, body) = request.into_parts();
    no_parameters(&parts.uri)?;
    let (bytes, room) = body::whole(app, body, app.body_limit()).await?;
    if !bytes.is_empty() && body_type(&parts.headers)? != BodyType::Json {
        return Err(Failure::new(
            ProblemCode::UnsupportedMediaType,
            "the body of this request is application/json",
        ));
    }
    Ok((parts, bytes, room))
}

/// A body as what it should be.
///
/// # Errors
/// Where it is something else.
pub(super) fn parse<'b, T: serde::Deserialize<'b>>(bytes: &'b [u8]) -> Result<T, Failure> {
    serde_json::from_slice(bytes).map_err(|error| {
        Failure::new(ProblemCode::InvalidRequest, format!("the body does not do: {error}"))
    })
}

fn path(parts: &axum::http::request::Parts) -> String {
    parts.uri.path().to_owned()
}

/// Keep a version of an agent's configuration.
#[utoipa::path(
    post, path = "/v1/configurations", tag = "recording", operation_id = "create_configuration",
    params(("Idempotency-Key" = Option<String>, Header, description = "Gives a retry the first answer", min_length = 1, max_length = 255, pattern = "^[!-~]+$")),
    request_body = ConfigurationRequest,
    responses(
        (status = 200, description = "The same content has the same id", body = ConfigurationCreated),
        (status = 202, description = "It is in the service's spool", body = ConfigurationCreated),
        (status = "default", description = "An error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn create_configuration(State(app): State<SharedApp>, request: Request) -> Answer {
    let (parts, bytes, _room) = read(&app, request).await?;
    let answer = async {
        let ConfigurationRequest { name, config, user_id } = parse(&bytes)?;
        // Text stays text; anything else is kept as the client wrote it.
        let text = match &config {
            serde_json::Value::String(text) => text.clone(),
            _ => configuration_text(&bytes)?,
        };
        let kept = app.delivery.create_configuration(&name, &text, user_id.as_deref()).await?;
        let (config_version_id, delivered) = kept;
        let spooled = delivered == Delivered::Spooled;
        Ok(answer::done(spooled, &ConfigurationCreated { config_version_id, spooled }))
    };
    app.keys.once(&parts.headers, &path(&parts), &bytes, Box::pin(answer)).await
}

/// The configuration as it stands in the body, so that its id is that of its own text.
fn configuration_text(bytes: &[u8]) -> Result<String, Failure> {
    #[derive(serde::Deserialize)]
    struct Raw<'b> {
        #[serde(borrow)]
        config: &'b serde_json::value::RawValue,
    }
    let raw: Raw = parse(bytes)?;
    Ok(raw.config.get().to_owned())
}

/// Start a simulation.
///
/// The first writer of an id wins: the same start again gives the same answer, the same id with
/// another plan is a `conflict`.
#[utoipa::path(
    post, path = "/v1/simulations", tag = "recording", operation_id = "start_simulation",
    params(("Idempotency-Key" = Option<String>, Header, description = "Gives a retry the first answer", min_length = 1, max_length = 255, pattern = "^[!-~]+$")),
    request_body = StartRequest,
    responses(
        (status = 200, description = "It runs, or stands where it has come to", body = StartedBody),
        (status = 202, description = "The start is in the service's spool", body = StartedBody),
        (status = "default", description = "An error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn start_simulation(State(app): State<SharedApp>, request: Request) -> Answer {
    let (parts, bytes, _room) = read(&app, request).await?;
    let answer = async {
        let start: StartRequest = parse(&bytes)?;
        let started = app.delivery.start_simulation(start.into()).await?;
        let spooled = started.spooled;
        Ok(answer::done(spooled, &StartedBody { started: started.simulation, spooled }))
    };
    app.keys.once(&parts.headers, &path(&parts), &bytes, Box::pin(answer)).await
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
) -> Answer {
    let limit = checked_limit(query.limit, PAGE, MOST_LISTED)?;
    let page = app.recorder.simulations(query.status, limit, query.cursor.as_deref()).await?;
    let simulations = page.simulations.into_iter().map(Into::into).collect();
    Ok(answer::json(StatusCode::OK, &SimulationList { simulations, cursor: page.cursor }))
}

/// Where a simulation stands.
#[utoipa::path(
    get, path = "/v1/simulations/{simulation_id}", tag = "reading",
    operation_id = "simulation_status",
    params(("simulation_id" = Uuid, Path, description = "The simulation's id")),
    responses(
        (status = 200, description = "Progress, score, cost", body = SimulationProgress),
        (status = "default", description = "An error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn simulation_status(
    State(app): State<SharedApp>,
    SimulationId(simulation_id): SimulationId,
) -> Answer {
    Ok(answer::json(StatusCode::OK, &app.recorder.simulation_status(simulation_id).await?))
}

/// Complete a simulation, with the suite's own summary as the body, all of it optional.
///
/// Completing again gives the same answer. Results that come later are counted.
#[utoipa::path(
    post, path = "/v1/simulations/{simulation_id}/complete", tag = "recording",
    operation_id = "complete_simulation",
    params(
        ("simulation_id" = Uuid, Path, description = "The simulation's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "Gives a retry the first answer", min_length = 1, max_length = 255, pattern = "^[!-~]+$"),
    ),
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
    let (parts, bytes, _room) = read(&app, request).await?;
    let answer = async {
        let text = std::str::from_utf8(&bytes).map_err(|_| {
            Failure::new(ProblemCode::InvalidRequest, "the suite's summary is not UTF-8 text")
        })?;
        let suite = Some(text).filter(|text| !matches!(text.trim(), "" | "null"));
        match app.delivery.complete_simulation(simulation_id, suite).await? {
            Delivered::Committed(completed) => Ok(answer::done(false, &completed)),
            Delivered::Spooled => Ok(ended(simulation_id, SimulationStatus::Completed, true)),
        }
    };
    app.keys.once(&parts.headers, &path(&parts), &bytes, Box::pin(answer)).await
}

/// Mark a simulation as failed.
#[utoipa::path(
    post, path = "/v1/simulations/{simulation_id}/fail", tag = "recording",
    operation_id = "fail_simulation",
    params(
        ("simulation_id" = Uuid, Path, description = "The simulation's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "Gives a retry the first answer", min_length = 1, max_length = 255, pattern = "^[!-~]+$"),
    ),
    request_body(content = Option<EndRequest>, description = "Why"),
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
    params(
        ("simulation_id" = Uuid, Path, description = "The simulation's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "Gives a retry the first answer", min_length = 1, max_length = 255, pattern = "^[!-~]+$"),
    ),
    request_body(content = Option<EndRequest>, description = "Why"),
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
    let (parts, bytes, _room) = read(&app, request).await?;
    let answer = async {
        let EndRequest { reason } = if bytes.is_empty() {
            EndRequest::default()
        } else {
            parse::<Option<_>>(&bytes)?.unwrap_or_default()
        };
        match app.delivery.end_simulation(simulation_id, status, &reason).await? {
            Delivered::Committed(status) => Ok(ended(simulation_id, status, false)),
            Delivered::Spooled => Ok(ended(simulation_id, status, true)),
        }
    };
    app.keys.once(&parts.headers, &path(&parts), &bytes, Box::pin(answer)).await
}

fn ended(
    simulation_id: Uuid,
    status: SimulationStatus,
    spooled: bool,
) -> axum::http::Response<axum::body::Body> {
    answer::done(spooled, &SimulationEnded { simulation_id, status, spooled })
}
