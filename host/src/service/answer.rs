//! JSON answers and problems.

use std::borrow::Cow;

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use serde::Serialize;

use crate::blocking::Aborted;
use crate::error::Error;
use crate::wire::{Problem, ProblemCode};

/// The result of a handler.
pub(super) type Answer = Result<Response<Body>, Failure>;

/// An error on its way to a client: the part for the client, and the part for the log only.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) problem: Box<Problem>,
    /// For the log.
    pub(super) cause: Option<Cause>,
}

/// Marks an answer with an error that a retry can change.
#[derive(Clone, Copy, Debug)]
pub(super) struct ResultFailures;

/// Marks an answer that must not be delayed in a compressor, because the client might wait for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct CompressionOptOut;

/// The data of an answer for the log, besides its status.
#[derive(Clone, Debug)]
pub(super) struct Cause {
    /// Why it failed.
    pub(super) reason: String,
    /// The hint.
    pub(super) hint: Option<String>,
}

impl From<&Error> for Cause {
    fn from(error: &Error) -> Self {
        Cause { reason: error.report(), hint: error.hint().map(Cow::into_owned) }
    }
}

impl Failure {
    pub(super) fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Problem::new(code, detail).into()
    }

    /// Adds a hint.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.problem.hint = Some(hint.into());
        self
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Failure { problem: Box::new(problem), cause: None }
    }
}

impl From<Aborted> for Failure {
    fn from(error: Aborted) -> Self {
        Error::from(error).into()
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let cause = Some(Cause::from(&error));
        Failure { problem: Box::new(Problem::from(error)), cause }
    }
}

impl IntoResponse for Failure {
    /// Returns an answer without a body: [`super::observe`] adds the problem, with the request's id.
    fn into_response(self) -> Response<Body> {
        let Failure { problem, cause } = self;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status(problem.status);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = problem.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if problem.code == ProblemCode::Unauthorized {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(cause) = cause {
            response.extensions_mut().insert(cause);
        }
        response.extensions_mut().insert(*problem);
        response
    }
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Returns a JSON answer.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    let (status, text) = match serde_json::to_vec(value) {
        Ok(text) => (status, text),
        // All answers have text keys, so serializing cannot fail.
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, b"{}".to_vec()),
    };
    json_text(status, text)
}

/// Returns an answer with serialized JSON.
pub(super) fn json_text(status: StatusCode, text: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Returns a JSON answer: 200 for completed work or, with 202, for work that is queued.
pub(super) fn done(spooled: bool, value: &impl Serialize) -> Response<Body> {
    json(if spooled { StatusCode::ACCEPTED } else { StatusCode::OK }, value)
}
