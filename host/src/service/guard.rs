//! Authentication and limits of requests.

use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response, header};
use axum::middleware::Next;
use axum::response::IntoResponse as _;

use super::answer::{Answer, Failure};
use super::app::{App, SharedApp};
use super::min_rate::MinRateBody;
use super::parameters::{BodyType, body_type};
use super::settings::ServiceSettings;
use super::{decoding, long_answer};
use crate::access::{AccessError, Bearer, Scope, TokenRegistry, TokenWatch};
use crate::wire::{Problem, ProblemCode};

/// The token of a request.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// For the log.
    pub(super) name: String,
    token_id: String,
    scope: Option<Scope>,
    /// The only project that it can read and record.
    project: Option<String>,
}

impl Caller {
    /// Returns the only project that the token can read and record; `None`: all of them.
    pub(super) fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }

    /// Returns the project of a request that can name one: that of the token, if it is bound to one.
    ///
    /// # Errors
    /// If it names another.
    pub(super) fn project_of(
        caller: Option<&Caller>,
        named: Option<String>,
    ) -> Result<Option<String>, Failure> {
        match (caller.and_then(Caller::project), named) {
            (Some(own), Some(named)) if own != named => Err(Failure::new(
                ProblemCode::Forbidden,
                format!("the token belongs to the project {own:?}, not to {named:?}"),
            )),
            (Some(own), _) => Ok(Some(own.to_owned())),
            (None, named) => Ok(named),
        }
    }

    /// The non-secret part of the token.
    pub(super) fn token_id(&self) -> &str {
        &self.token_id
    }

    #[cfg(test)]
    pub(super) fn new(token_id: &str) -> Self {
        Caller {
            name: token_id.to_owned(),
            token_id: token_id.to_owned(),
            scope: None,
            project: None,
        }
    }
}

/// The limit that a request counts toward. Each kind has a separate limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestKind {
    /// Records; a stream of results is counted as a stream instead, by its handler.
    Record,
    /// Records, and is never a stream.
    RecordWhole,
    /// Reads.
    Read,
    /// Sends a file.
    File,
    /// Always answered, such as health and metrics, or counted as a stream.
    Unlimited,
}

/// The requirements of a path, checked before its handler. One layer checks all of them: every layer of
/// a router is cloned, boxed and polled for each request.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    pub(super) app: SharedApp,
    /// The scope that the token must have; `None` if every known token is accepted.
    pub(super) scope: Option<Scope>,
    /// Whether the answer must begin in time.
    pub(super) timed: bool,
    /// Whether it is about all projects, so that a token of one is refused.
    pub(super) all_projects: bool,
    /// The limit that it counts toward.
    pub(super) kind: RequestKind,
}

/// Passes a request on if there is a permit for it, its token is accepted and its body can be read, and
/// starts its time limit.
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
    let caller = check(gate.scope, app, request.headers())?;
    if gate.all_projects
        && let Some(project) = caller.as_ref().and_then(Caller::project)
    {
        return Err(Failure::new(
            ProblemCode::Forbidden,
            format!("the token belongs to the project {project:?}, and this path to all of them"),
        ));
    }
    let is_stream = gate.kind == RequestKind::Record
        && body_type(request.headers()).is_ok_and(|kind| kind == BodyType::Lines);
    let limit = match gate.kind {
        RequestKind::Record if is_stream => None,
        RequestKind::Record | RequestKind::RecordWhole => Some(&app.limits.record),
        RequestKind::Read => Some(&app.limits.read),
        RequestKind::File => Some(&app.limits.files),
        RequestKind::Unlimited => None,
    };
    let place = limit.map(|limit| limit.acquire(caller.as_ref())).transpose()?;
    let (rate, setting) = least_rate(&app.settings, gate.kind);
    // A stream sends its results as they are produced, even if rarely.
    if !is_stream && rate > 0 && !request.body().is_end_stream() {
        let grace = app.body_stall();
        request = request.map(|body| Body::new(MinRateBody::new(body, rate, grace, setting)));
    }
    request = decoding::decode(&app.room, request)?;
    if let Some(caller) = &caller {
        request.extensions_mut().insert(caller.clone());
    }
    let takes_compressed = request.headers().contains_key(header::ACCEPT_ENCODING);
    let answered = next.run(request);
    let mut response = if gate.timed {
        let limit = app.request_time();
        tokio::time::timeout(limit, answered).await.map_err(|_| too_late(limit.as_secs()))?
    } else {
        answered.await
    };
    if let Some(caller) = caller {
        response.extensions_mut().insert(caller);
    }
    let compressors = takes_compressed.then_some(&app.compressors);
    Ok(long_answer::in_parts(response, place, app.answer_pace(), compressors))
}

/// The least rate at which a body of this kind must arrive, and its setting. A file has no other time
/// limit, and only a few are received at once.
fn least_rate(settings: &ServiceSettings, kind: RequestKind) -> (u64, &'static str) {
    match kind {
        RequestKind::File => (settings.min_file_bytes_per_second, "min_file_bytes_per_second"),
        _ => (settings.min_body_bytes_per_second, "min_body_bytes_per_second"),
    }
}

/// The authorization of a stream, which ends if its token is revoked.
pub(super) struct StreamAuthorization {
    token: Option<TokenWatch>,
}

impl StreamAuthorization {
    pub(super) fn of(app: &App, caller: Option<&Caller>) -> Self {
        let follow = |(tokens, caller): (&TokenRegistry, &Caller)| {
            tokens.follow(&caller.token_id, caller.scope)
        };
        StreamAuthorization { token: app.tokens.as_ref().zip(caller).map(follow) }
    }

    /// Checks that the token is still valid.
    ///
    /// # Errors
    /// If it is not.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let checked = self.token.as_ref().map_or(Ok(()), TokenWatch::check);
        checked.map_err(refusal)
    }

    /// Completes with the error when the token is no longer valid.
    pub(super) async fn ended(&mut self) -> Failure {
        match &mut self.token {
            Some(token) => refusal(token.ended().await),
            None => std::future::pending().await,
        }
    }
}

/// Returns the error of a request whose answer has not begun in time; a stream that has begun can
/// continue.
fn too_late(limit_seconds: u64) -> Failure {
    Problem::new(
        ProblemCode::Timeout,
        format!("the answer took longer than {limit_seconds} s; recorded results stay recorded"),
    )
    .hint("the same request again is safe")
    .limit(limit_seconds)
    .retry_after(1)
    .into()
}

fn check(scope: Option<Scope>, app: &App, headers: &HeaderMap) -> Result<Option<Caller>, Failure> {
    let Some(tokens) = &app.tokens else { return Ok(None) };
    let presented = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    let Some(presented) = presented else {
        return Err(Failure::new(ProblemCode::Unauthorized, "this service asks for a token")
            .hint(
                "send it as `Authorization: Bearer …`; `arc-host token create` makes one on the service's \
                 machine",
            ));
    };
    let Bearer { token_id, name, project, .. } = tokens.check(presented, scope).map_err(refusal)?;
    Ok(Some(Caller { name, token_id, scope, project }))
}

fn refusal(error: AccessError) -> Failure {
    let code = match error {
        AccessError::MissingScope { .. } => ProblemCode::Forbidden,
        AccessError::Unknown => ProblemCode::Unauthorized,
    };
    let failure = Failure::new(code, error.to_string());
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
