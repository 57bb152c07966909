//! Who gets in, and how many at once.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response, header};
use axum::middleware::Next;
use axum::response::IntoResponse as _;

use super::answer::Failure;
use super::app::SharedApp;
use crate::access::{AccessError, Scope};
use crate::wire::{Problem, ProblemCode};

/// The name of the token with which a request came, for the log.
#[derive(Clone, Debug)]
pub(super) struct TokenName(pub(super) String);

/// Lets requests pass whose token has the scope.
pub(super) async fn read(app: State<SharedApp>, request: Request, next: Next) -> Response<Body> {
    with_scope(Scope::Read, &app, request, next).await
}

/// The same for those that record.
pub(super) async fn record(app: State<SharedApp>, request: Request, next: Next) -> Response<Body> {
    with_scope(Scope::Record, &app, request, next).await
}

/// The same for what every known token may ask.
pub(super) async fn known(app: State<SharedApp>, request: Request, next: Next) -> Response<Body> {
    let scope = match check(Scope::Record, &app, request.headers()) {
        Ok(_) => Scope::Record,
        Err(_) => Scope::Read,
    };
    with_scope(scope, &app, request, next).await
}

async fn with_scope(
    scope: Scope,
    app: &SharedApp,
    mut request: Request,
    next: Next,
) -> Response<Body> {
    let name = match check(scope, app, request.headers()) {
        Ok(name) => name,
        Err(failure) => return failure.into_response(),
    };
    let Some(name) = name else { return next.run(request).await };
    request.extensions_mut().insert(name.clone());
    let mut response = next.run(request).await;
    response.extensions_mut().insert(name);
    response
}

fn check(scope: Scope, app: &SharedApp, headers: &HeaderMap) -> Result<Option<TokenName>, Failure> {
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

/// Lets so many requests be under way at once as the settings say.
pub(super) async fn limit(
    State(app): State<SharedApp>,
    request: Request,
    next: Next,
) -> Response<Body> {
    let Ok(place) = app.requests.try_acquire() else {
        let limit = app.settings.requests as u64;
        let failure: Failure = Problem::new(
            ProblemCode::TooManyRequests,
            format!("{limit} requests are under way, as many as may be; try again in a second"),
        )
        .limit(limit)
        .retry_after(1)
        .into();
        return failure.into_response();
    };
    let response = next.run(request).await;
    drop(place);
    response
}
