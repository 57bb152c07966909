//! Paths, and what a request passes through on its way to a handler.

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{Extensions, HeaderMap, Response, StatusCode, Version};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::IntoResponse as _;
use axum::routing::get;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, Predicate as _};
use tower_http::decompression::RequestDecompressionLayer;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::Failure;
use super::app::SharedApp;
use super::record::Uncompressed;
use super::{answer, events, guard, observe, reading, record, simulations};
use crate::wire::{Problem, ProblemCode};

/// What the OpenAPI document says of the whole.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Arc Recorder",
        description = "Records the results of AI-agent evaluations, exactly once. Answers come after the commit; every request may be sent again.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    tags(
        (name = "recording", description = "Needs a token with the scope `record`"),
        (name = "reading", description = "Needs a token with the scope `read`"),
        (name = "operation", description = "How the service is")
    ),
    // Named in a parameter, where they are not found by themselves.
    components(schemas(super::parameters::OutcomeStatusWord)),
    modifiers(&Bearer)
)]
struct Document;

/// The way in which tokens are sent.
struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("A token of `arc-host token new`, where the service asks for one"))
            .build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("token", SecurityScheme::Http(bearer));
    }
}

fn recording() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new()
        .routes(routes!(simulations::create_configuration))
        .routes(routes!(simulations::start_simulation))
        .routes(routes!(record::record_outcomes))
        .routes(routes!(simulations::complete_simulation))
        .routes(routes!(simulations::fail_simulation))
        .routes(routes!(simulations::cancel_simulation))
}

fn questions() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new()
        .routes(routes!(simulations::list_simulations))
        .routes(routes!(simulations::simulation_status))
        .routes(routes!(reading::list_outcomes))
        .routes(routes!(reading::list_rejected))
        .routes(routes!(reading::simulation_performance))
        .routes(routes!(reading::list_failures))
        .routes(routes!(reading::extract))
        .routes(routes!(reading::metrics))
        .routes(routes!(reading::prometheus_metrics))
}

/// What every token may ask.
fn health() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new().routes(routes!(reading::health))
}

fn probes() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new().routes(routes!(reading::live)).routes(routes!(reading::ready))
}

fn streams() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new().routes(routes!(events::simulation_events))
}

/// The OpenAPI document of the service.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let all = OpenApiRouter::with_openapi(Document::openapi())
        .merge(recording())
        .merge(questions())
        .merge(health())
        .merge(streams())
        .merge(probes());
    let mut document = all.into_openapi();
    // A token is for those services that ask for one: none is an answer, too.
    let with = utoipa::openapi::SecurityRequirement::new("token", Vec::<String>::new());
    let without = utoipa::openapi::SecurityRequirement::default();
    document.security = Some(vec![with, without]);
    document
}

/// The whole service.
pub(super) fn router(app: &SharedApp) -> Router {
    let read = || from_fn_with_state(SharedApp::clone(app), guard::read);
    let known = || from_fn_with_state(SharedApp::clone(app), guard::known);
    let record = || from_fn_with_state(SharedApp::clone(app), guard::record);
    let timed = || from_fn_with_state(SharedApp::clone(app), time_limit);
    let (recording, _) = recording().split_for_parts();
    let (questions, _) = questions().split_for_parts();
    let (health, _) = health().split_for_parts();
    let (streams, _) = streams().split_for_parts();
    let (probes, _) = probes().split_for_parts();
    let description = || async { answer::json(StatusCode::OK, &openapi()) };
    Router::new()
        .merge(recording.route_layer(record()).layer(timed()))
        .merge(questions.route_layer(read()).layer(timed()))
        .merge(health.route_layer(known()).layer(timed()))
        .merge(streams.route_layer(read()))
        .layer(from_fn_with_state(SharedApp::clone(app), guard::limit))
        .merge(probes)
        .route("/openapi.json", get(description))
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        // The limits are the service's own, with errors that say them.
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn(unsupported_encoding))
        .layer(RequestDecompressionLayer::new().pass_through_unaccepted(true))
        .layer(CompressionLayer::new().compress_when(DefaultPredicate::new().and(compressible)))
        .layer(from_fn_with_state(SharedApp::clone(app), observe::observe))
        .with_state(SharedApp::clone(app))
}

/// Whether an answer may be compressed.
fn compressible(_: StatusCode, _: Version, _: &HeaderMap, extensions: &Extensions) -> bool {
    extensions.get::<Uncompressed>().is_none()
}

async fn unknown_path() -> Failure {
    Failure::new(ProblemCode::NotFound, "there is no such path; /openapi.json lists them")
}

async fn unknown_method() -> Failure {
    Failure::new(
        ProblemCode::MethodNotAllowed,
        "this path takes other methods; /openapi.json lists them",
    )
}

/// A body that is still encoded here is encoded in a way that is not known.
async fn unsupported_encoding(request: Request, next: Next) -> Response<Body> {
    let encoding = request.headers().get(axum::http::header::CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| encoding != "identity") {
        return Failure::new(
            ProblemCode::UnsupportedMediaType,
            "a body is encoded with gzip or zstd, or not at all",
        )
        .into_response();
    }
    next.run(request).await
}

/// A request has its time until its answer begins; a stream goes on after that.
async fn time_limit(State(app): State<SharedApp>, request: Request, next: Next) -> Response<Body> {
    let limit = app.request_time();
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let failure: Failure = Problem::new(
                ProblemCode::Timeout,
                format!(
                    "the answer took longer than {} s; what was recorded stays recorded, and the \
                     same request again is safe",
                    limit.as_secs()
                ),
            )
            .limit(limit.as_secs())
            .retry_after(1)
            .into();
            failure.into_response()
        }
    }
}
