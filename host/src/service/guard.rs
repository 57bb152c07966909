//! Who gets in, and how many at once.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response, header};
use axum::middleware::Next;
use axum::response::IntoResponse as _;

use super::answer::{Answer, Failure};
use super::app::{App, SharedApp};
use crate::access::{AccessError, Scope};
use crate::wire::{Problem, ProblemCode};

/// The name of the token with which a request came, for the log.
#[derive(Clone, Debug)]
pub(super) struct TokenName(pub(super) String);

/// What a path asks of a request before its handler sees it. One layer asks all of it: every layer
/// of a router is cloned, boxed and polled with each request.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    pub(super) app: SharedApp,
    /// The scope that its token must have; none where every known token will do.
    pub(super) scope: Option<Scope>,
    /// Whether its answer must begin in time.
    pub(super) timed: bool,
}

/// Lets a request pass that there is a place for, whose token will do, and whose body can be read;
/// and gives it its time.
pub(super) async fn admit(
    State(gate): State<Gate>,
    request: Request,
    next: Next,
) -> Response<Body> {
    let passed = pass(&gate, request, next).await;
    passed.unwrap_or_else(Failure::into_response)
}

async fn pass(gate: &Gate, mut request: Request, next: Next) -> Answer {
    let app = &gate.app;
    let _place = app.requests.try_acquire().map_err(|_| too_many(app.settings.requests as u64))?;
    let name = check(gate.scope, app, request.headers())?;
    // A body that is still encoded here is encoded in a way that is not known.
    let encoding = request.headers().get(header::CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| encoding != "identity") {
        return Err(Failure::new(
            ProblemCode::UnsupportedMediaType,
            "a body is encoded with gzip or zstd, or not at all",
        ));
    }
    if let Some(name) = &name {
        request.extensions_mut().insert(name.clone());
    }
    let answered = next.run(request);
    let mut response = if gate.timed {
        let limit = app.request_time();
        tokio::time::timeout(limit, answered).await.map_err(|_| too_late(limit.as_secs()))?
    } else {
        answered.await
    };
    if let Some(name) = name {
        response.extensions_mut().insert(name);
    }
    Ok(response)
}

fn too_many(limit: u64) -> Failure {
    Problem::new(
        ProblemCode::TooManyRequests,
        format!("{limit} requests are under way, as many as may be; try again in a second"),
    )
    .limit(limit)
    .retry_after(1)
    .into()
}

/// A request has its time until its answer begins; a stream goes on after that.
fn too_late(limit_seconds: u64) -> Failure {
    Problem::new(
        ProblemCode::Timeout,
        format!(
            "the answer took longer than {limit_seconds} s; what was recorded stays recorded, and \
             the same request again is safe"
        ),
    )
    .limit(limit_seconds)
    .retry_after(1)
    .into()
}

fn check(
    scope: Option<Scope>,
    app: &App,
    headers: &HeaderMap,
) -> Result<Option<TokenName>, Failure> {
    let Some(tokens) = &app.tokens else { return Ok(None) };
    let presented = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    let Some(presented) = presented else {
        return Err(Failure::new(
            ProblemCode::Unauthorized,
            "this service asks for a token; send it as `Authorization: Bearer …`",
        ));
    };
    match tokens.check(presented, scope) {
        Ok(bearer) => Ok(Some(TokenName(bearer.name.clone()))),
        Err(error @ AccessError::MissingScope { .. }) => {
            Err(Failure::new(ProblemCode::Forbidden, error.to_string()))
        }
        Err(error) => Err(Failure::new(ProblemCode::Unauthorized, error.to_string())),
    }
}
