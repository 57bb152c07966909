//! Observing a request: its id, a line of log, and the counters.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, Response};
use axum::middleware::Next;
use axum::response::IntoResponse as _;
use futures_util::FutureExt as _;

use super::answer::{self, Cause, Failure};
use super::app::SharedApp;
use super::body_drain;
use super::guard::Caller;
use crate::identity;
use crate::wire::{Problem, ProblemCode};

/// The header with the request's id, in requests and answers.
const REQUEST_ID: &str = "x-request-id";

/// The longest id of a request that a client can choose.
const LONGEST_ID: usize = 64;

/// A request's id, for the log messages of its handler.
#[derive(Clone, Debug)]
pub(super) struct RequestId(pub(super) Arc<str>);

/// The address of the client or proxy at the other end of a connection, for the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClientAddress(pub(super) SocketAddr);

/// Assigns a request its id, and logs its outcome.
pub(super) async fn observe(
    State(app): State<SharedApp>,
    mut request: Request,
    next: Next,
) -> Response<Body> {
    let begun = Instant::now();
    let under_way = app.metrics.under_way();
    let request_id = request_id(&request);
    request.extensions_mut().insert(request_id.clone());
    let client = request.extensions().get::<ClientAddress>().copied();
    let request = body_drain::drain_rest(&app, request);
    let method = request.method().clone();
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let shown_path = request.uri().path().to_owned();
    let allowed = app.origins.as_ref().map_or(Ok(()), |origins| origins.check(&request));
    let handled = match allowed {
        Ok(()) => std::panic::AssertUnwindSafe(next.run(request)).catch_unwind().await,
        Err(failure) => Ok(failure.into_response()),
    };
    let mut response = handled.unwrap_or_else(|_| {
        let mut failure = Failure::new(ProblemCode::Internal, "the service has a fault")
            .hint("the service's log has more under the request's id");
        failure.cause = Some(Cause { reason: "a handler panicked".to_owned(), hint: None });
        failure.into_response()
    });
    if let Some(mut problem) = response.extensions_mut().remove::<Problem>() {
        problem.request_id = Some(request_id.0.to_string());
        *response.body_mut() = answer::json(response.status(), &problem).into_body();
    }
    if let Ok(id) = HeaderValue::from_str(&request_id.0) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    let time = begun.elapsed();
    let status = response.status().as_u16();
    app.metrics.answered(known_method(&method), path.as_deref().unwrap_or("other"), status, time);
    drop(under_way);
    let token = response.extensions().get::<Caller>().map(|caller| caller.name.as_str());
    let cause = response.extensions().get::<Cause>();
    let hint = cause.and_then(|cause| cause.hint.as_deref());
    let cause = cause.map(|cause| cause.reason.as_str());
    let duration_ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    // One message per request, at a level that shows whether an operator should look.
    macro_rules! log {
        ($level:ident) => {
            tracing::$level!(target: "arc_host::requests", %method, path = shown_path, status, duration_ms, request_id = &*request_id.0, client = client.map(|client| client.0.to_string()), token, cause, hint, "request")
        };
    }
    match status {
        500.. => log!(warn),
        400.. => log!(info),
        _ => log!(debug),
    }
    response
}

/// Returns the client's id of the request, if it is valid, else a new one: a prefix of this process and
/// a number.
fn request_id(request: &Request) -> RequestId {
    static PROCESS: LazyLock<String> = LazyLock::new(|| identity::new_id().simple().to_string());
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let chosen = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let usable = |id: &&str| {
        (1..=LONGEST_ID).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    RequestId(chosen.filter(usable).map_or_else(
        || format!("{}-{}", *PROCESS, COUNT.fetch_add(1, Ordering::Relaxed)).into(),
        Arc::from,
    ))
}

/// Returns the method as a label: unknown methods share one, because a client can invent any number of
/// them.
fn known_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::HEAD => "HEAD",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
