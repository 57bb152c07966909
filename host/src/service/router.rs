//! Paths, and the layers that a request passes before its handler.

use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Extensions, HeaderMap, HeaderName, Method, StatusCode, Version, header};
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use bytes::Bytes;
use serde_json::Value;
use tower::ServiceBuilder;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, Predicate as _};
use tower_http::cors::{AllowOrigin, CorsLayer};
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::{CompressionOptOut, Failure};
use super::app::SharedApp;
use super::guard::{Gate, RequestKind};
use super::{
    answer, description, events, files, guard, observe, reading, record, simulations, spool,
};
use crate::access::Scope;
use crate::wire::ProblemCode;

/// The description of the whole API in the OpenAPI document.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Arc Recorder",
        description = "Records the results of AI-agent evaluations, exactly once. Answers are sent after the commit; every request can be retried.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    tags(
        (name = "recording", description = "Needs a token with the scope `record`"),
        (name = "reading", description = "Needs a token with the scope `read`"),
        (name = "operation", description = "How the service is")
    ),
    // Only used in parameters and columns, so utoipa does not find them.
    components(schemas(
        crate::extraction::OutcomeStatus,
        crate::wire::InvalidationBody,
        crate::wire::ScoreBody,
    )),
    modifiers(&Bearer)
)]
struct Document;

/// The security scheme of the tokens.
struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("A token of `arc-host token create`, if the service requires one"))
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
        .routes(routes!(simulations::complete_simulation))
        .routes(routes!(simulations::rename_simulation))
        .routes(routes!(simulations::tag_simulation))
        .routes(routes!(simulations::declare_metrics))
        .routes(routes!(simulations::select_revision))
        .routes(routes!(simulations::annotate))
        .routes(routes!(simulations::compare_results))
        .routes(routes!(simulations::fail_simulation))
        .routes(routes!(simulations::cancel_simulation))
}

/// Results, which can be a stream.
fn results() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new().routes(routes!(record::record_outcomes))
}

/// Files can take longer than other requests.
fn files() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new().routes(routes!(files::record_file_sent))
}

fn queries() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new()
        .routes(routes!(simulations::list_simulations))
        .routes(routes!(simulations::resolve_simulation))
        .routes(routes!(simulations::simulation_status))
        .routes(routes!(reading::list_outcomes))
        .routes(routes!(reading::list_rejected))
        .routes(routes!(reading::list_revisions))
        .routes(routes!(reading::list_annotations))
        .routes(routes!(reading::list_missing))
        .routes(routes!(reading::compared_run))
        .routes(routes!(reading::simulation_performance))
        .routes(routes!(reading::list_failures))
        .routes(routes!(reading::extract))
}

/// Paths that must be answered even when all other requests are refused.
fn metrics() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new()
        .routes(routes!(reading::metrics))
        .routes(routes!(reading::prometheus_metrics))
}

/// Paths for all tokens.
fn health() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new().routes(routes!(reading::health))
}

/// Paths for administrators.
fn administration() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new().routes(routes!(simulations::remove_simulation))
}

/// Paths for administrators of all projects.
fn spool_administration() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new()
        .routes(routes!(spool::list_spool_entries))
        .routes(routes!(spool::spool_entry))
        .routes(routes!(spool::requeue_dead_letters))
        .routes(routes!(spool::drop_dead_letters))
}

fn probes() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new().routes(routes!(reading::live)).routes(routes!(reading::ready))
}

fn streams() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new().routes(routes!(events::simulation_events))
}

/// Returns the OpenAPI document of the service.
pub fn openapi() -> Value {
    let all = OpenApiRouter::with_openapi(Document::openapi())
        .merge(recording())
        .merge(results())
        .merge(files())
        .merge(queries())
        .merge(metrics())
        .merge(health())
        .merge(streams())
        .merge(spool_administration())
        .merge(administration())
        .merge(probes());
    let mut document = all.into_openapi();
    // A service without tokens accepts requests without one, so no security is a valid alternative.
    let with = utoipa::openapi::SecurityRequirement::new("token", Vec::<String>::new());
    let without = utoipa::openapi::SecurityRequirement::default();
    document.security = Some(vec![with, without]);
    // A document of texts and numbers is always JSON.
    let mut document = serde_json::to_value(document).unwrap_or_default();
    description::for_generators(&mut document);
    document
}

/// Builds the router of the whole service.
pub(super) fn router(app: &SharedApp) -> Router {
    let layer = |scope, timed, kind, all_projects| {
        let app = SharedApp::clone(app);
        from_fn_with_state(Gate { app, scope, timed, kind, all_projects }, guard::admit)
    };
    let gate = |scope, timed, kind| layer(scope, timed, kind, false);
    let (recording, _) = recording().split_for_parts();
    let (results, _) = results().split_for_parts();
    let (files, _) = files().split_for_parts();
    let (queries, _) = queries().split_for_parts();
    let (metrics, _) = metrics().split_for_parts();
    let (health, _) = health().split_for_parts();
    let (streams, _) = streams().split_for_parts();
    let (administration, _) = administration().split_for_parts();
    let (spool, _) = spool_administration().split_for_parts();
    let (probes, _) = probes().split_for_parts();
    let (record, read, admin) = (Some(Scope::Record), Some(Scope::Read), Some(Scope::Admin));
    // Serialized once: it requires no token, and serializing it takes longer than recording a result.
    let description = Bytes::from(openapi().to_string());
    let description = || async { answer::json_text(StatusCode::OK, description) };
    Router::new()
        .merge(recording.route_layer(gate(record, true, RequestKind::RecordWhole)))
        .merge(results.route_layer(gate(record, true, RequestKind::Record)))
        .merge(files.route_layer(gate(record, false, RequestKind::File)))
        .merge(queries.route_layer(gate(read, true, RequestKind::Read)))
        .merge(metrics.route_layer(gate(read, true, RequestKind::Unlimited)))
        .merge(health.route_layer(gate(None, true, RequestKind::Unlimited)))
        .merge(streams.route_layer(gate(read, false, RequestKind::Unlimited)))
        .merge(administration.route_layer(gate(admin, true, RequestKind::RecordWhole)))
        .merge(spool.route_layer(layer(admin, true, RequestKind::RecordWhole, true)))
        .merge(probes)
        .route("/openapi.json", get(description))
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        // One layer for all: a router's layers are boxed, and everything below is cloned, for each
        // request.
        .layer(
            ServiceBuilder::new()
                .layer(from_fn_with_state(SharedApp::clone(app), observe::observe))
                .option_layer(origins(&app.settings.allow_origins))
                .layer(
                    CompressionLayer::new()
                        .compress_when(DefaultPredicate::new().and(compressible)),
                )
                // The service has its own limits, whose errors name the settings.
                .layer(DefaultBodyLimit::disable()),
        )
        .with_state(SharedApp::clone(app))
}

/// How long a browser caches the permissions of a page.
const REMEMBERED: Duration = Duration::from_secs(3_600);

/// Sends browsers the list of pages that are allowed to use the service. A page sends its token
/// itself: no cookie is accepted here, so no other page can use a stored one.
fn origins(allowed: &[String]) -> Option<CorsLayer> {
    if allowed.is_empty() {
        return None;
    }
    let origin = if allowed.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(allowed.iter().filter_map(|origin| origin.parse().ok()))
    };
    let headers = [
        header::ACCEPT,
        header::AUTHORIZATION,
        header::CONTENT_ENCODING,
        header::CONTENT_TYPE,
        HeaderName::from_static("idempotency-key"),
    ];
    let layer = CorsLayer::new().allow_origin(origin).allow_headers(headers).max_age(REMEMBERED);
    Some(layer.allow_methods([Method::GET, Method::POST]).expose_headers([header::RETRY_AFTER]))
}

/// Returns whether an answer can be compressed.
fn compressible(_: StatusCode, _: Version, _: &HeaderMap, extensions: &Extensions) -> bool {
    extensions.get::<CompressionOptOut>().is_none()
}

async fn unknown_path() -> Failure {
    Failure::new(ProblemCode::NotFound, "there is no such path").hint("/openapi.json lists them")
}

async fn unknown_method() -> Failure {
    Failure::new(ProblemCode::MethodNotAllowed, "this path takes other methods")
        .hint("/openapi.json lists them")
}
