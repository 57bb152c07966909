//! Errors over HTTP: problem documents (RFC 9457) with stable codes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::ViolationBody;
use crate::error::{Error, SimulationCandidate};

/// The kind of a problem, for programs to compare. It never changes its meaning.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProblemCode {
    /// The request does not match the OpenAPI document.
    InvalidRequest,
    /// The members next to `results` in the body are incomplete, so none of the body is recorded.
    EnvelopeIncomplete,
    /// A document is not valid; `violations` has the places and reasons.
    Rejected,
    /// The requested object does not exist.
    NotFound,
    /// The path does not support the method.
    MethodNotAllowed,
    /// The object exists, but differs from the request.
    Conflict,
    /// Several simulations have this name, or an id that begins like this; `candidates` lists them.
    AmbiguousSimulation,
    /// The simulation was removed, and records nothing any more.
    SimulationRemoved,
    /// The path does not accept this type of body, or its encoding is not supported.
    UnsupportedMediaType,
    /// The request accepts none of the available types of response.
    NotAcceptable,
    /// The body is longer than the service accepts.
    BodyTooLarge,
    /// The body has more results than the service accepts.
    TooManyResults,
    /// The body came too slowly.
    BodyTimeout,
    /// The token is missing, unknown or revoked.
    Unauthorized,
    /// The token does not have the scope that this needs.
    Forbidden,
    /// The service does not answer under this host's name.
    HostNotAllowed,
    /// The request comes from a web page that is not allowed to use the service.
    OriginNotAllowed,
    /// Too many requests at once.
    TooManyRequests,
    /// The same key was used with another request.
    IdempotencyKeyReused,
    /// The first request with this key is still in progress.
    IdempotencyKeyInUse,
    /// The database refuses the data, and would refuse a retry.
    Refused,
    /// The database is unavailable or overloaded.
    Unavailable,
    /// The spool has reached its limit: nothing can be kept until the database has taken some of it.
    SpoolFull,
    /// The spool can store nothing, regardless of the database: its disk is full, does not work, or its
    /// file is damaged.
    SpoolUnavailable,
    /// The disk has no room for the file that was sent.
    DiskFull,
    /// The service is shutting down.
    ShuttingDown,
    /// The answer took too long.
    Timeout,
    /// An internal error of the service; its log has the details under the request's id.
    Internal,
    /// A code of a newer service.
    #[serde(other)]
    Other,
}

impl ProblemCode {
    /// Returns the HTTP status of the code.
    pub fn status(self) -> u16 {
        match self {
            ProblemCode::InvalidRequest | ProblemCode::EnvelopeIncomplete => 400,
            ProblemCode::Unauthorized => 401,
            ProblemCode::Forbidden
            | ProblemCode::HostNotAllowed
            | ProblemCode::OriginNotAllowed => 403,
            ProblemCode::NotFound => 404,
            ProblemCode::MethodNotAllowed => 405,
            ProblemCode::NotAcceptable => 406,
            ProblemCode::BodyTimeout => 408,
            ProblemCode::Conflict
            | ProblemCode::AmbiguousSimulation
            | ProblemCode::IdempotencyKeyInUse => 409,
            ProblemCode::SimulationRemoved => 410,
            ProblemCode::BodyTooLarge | ProblemCode::TooManyResults => 413,
            ProblemCode::UnsupportedMediaType => 415,
            ProblemCode::Rejected | ProblemCode::IdempotencyKeyReused | ProblemCode::Refused => 422,
            ProblemCode::TooManyRequests => 429,
            ProblemCode::Internal | ProblemCode::Other => 500,
            ProblemCode::Unavailable
            | ProblemCode::SpoolFull
            | ProblemCode::SpoolUnavailable
            | ProblemCode::DiskFull
            | ProblemCode::ShuttingDown => 503,
            ProblemCode::Timeout => 504,
        }
    }

    /// Returns the summary of the kind of problem, the same for every problem with this code.
    pub fn title(self) -> &'static str {
        match self {
            ProblemCode::InvalidRequest => "The request is not valid",
            ProblemCode::EnvelopeIncomplete => "The members next to the results are incomplete",
            ProblemCode::Rejected => "The document is not valid",
            ProblemCode::NotFound => "Not found",
            ProblemCode::MethodNotAllowed => "This method is not for this path",
            ProblemCode::Conflict => "It exists in another form",
            ProblemCode::AmbiguousSimulation => "Several simulations match",
            ProblemCode::SimulationRemoved => "The simulation was removed",
            ProblemCode::UnsupportedMediaType => "This type of body is not taken",
            ProblemCode::NotAcceptable => "No such type of answer",
            ProblemCode::BodyTooLarge => "The body is too large",
            ProblemCode::TooManyResults => "Too many results in one body",
            ProblemCode::BodyTimeout => "The body came too slowly",
            ProblemCode::Unauthorized => "A token is needed",
            ProblemCode::Forbidden => "The token does not allow this",
            ProblemCode::HostNotAllowed => "The service does not have this name",
            ProblemCode::OriginNotAllowed => "This web page is not allowed",
            ProblemCode::TooManyRequests => "Too many requests at once",
            ProblemCode::IdempotencyKeyReused => "The key belongs to another request",
            ProblemCode::IdempotencyKeyInUse => "The first request with this key is in progress",
            ProblemCode::Refused => "The database refuses this",
            ProblemCode::Unavailable => "The database is unavailable",
            ProblemCode::SpoolFull => "The spool is full",
            ProblemCode::SpoolUnavailable => "The spool is unavailable",
            ProblemCode::DiskFull => "The disk is full",
            ProblemCode::ShuttingDown => "The service is stopping",
            ProblemCode::Timeout => "The answer took too long",
            ProblemCode::Internal | ProblemCode::Other => "A fault of the service",
        }
    }

    /// Returns whether a retry of the same request can succeed.
    pub fn retryable(self) -> bool {
        matches!(self.status(), 408 | 429 | 503 | 504) || self == ProblemCode::IdempotencyKeyInUse
    }
}

/// An error as the body of an answer (RFC 9457).
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct Problem {
    /// Always `about:blank`: the code names the problem.
    #[serde(rename = "type", default = "about_blank")]
    pub kind: String,
    /// The summary of the kind of problem, the same for every problem with this code.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened, and why.
    pub detail: String,
    /// What to do about it, if `detail` does not show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// A stable code for programs.
    pub code: ProblemCode,
    /// Whether a retry of the same request can succeed.
    pub retryable: bool,
    /// The id of the request in the service's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The limit that was reached, in the unit that `detail` names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// After how many seconds to retry, as in the header `Retry-After`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u32>,
    /// The violations of a document.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<ViolationBody>,
    /// The first simulations that match an ambiguous name or beginning of an id, the newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<SimulationCandidate>,
    /// The id under which a result is kept as rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome_id: Option<Uuid>,
}

fn about_blank() -> String {
    "about:blank".to_owned()
}

impl Problem {
    /// Creates a problem of this kind.
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Problem {
            kind: about_blank(),
            title: code.title().to_owned(),
            status: code.status(),
            detail: detail.into(),
            hint: None,
            code,
            retryable: code.retryable(),
            request_id: None,
            limit: None,
            retry_after_seconds: None,
            violations: Vec::new(),
            candidates: Vec::new(),
            outcome_id: None,
        }
    }

    /// Adds a hint: what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the limit that was reached.
    #[must_use]
    pub fn limit(mut self, limit: u64) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Adds the time after which to retry.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }
}

/// Returns the problem for an error whose reason is only in the service's log.
fn internal() -> Problem {
    Problem::new(ProblemCode::Internal, "the service could not do this")
        .hint("the service's log has more under the request's id")
}

/// Returns the problem for an error whose text the client is allowed to know.
fn disclosed(code: ProblemCode, error: &Error) -> Problem {
    let problem = Problem::new(code, error.report());
    match error.hint() {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}

impl From<Error> for Problem {
    /// The part of an error that a client is allowed to know. The texts of the server and the machine
    /// are not disclosed: they can contain SQL, paths and addresses.
    fn from(error: Error) -> Self {
        match error {
            error @ Error::Invalid(_) => disclosed(ProblemCode::InvalidRequest, &error),
            Error::Rejected { what, violations } => {
                let mut problem = Problem::new(
                    ProblemCode::Rejected,
                    format!("{what} is not valid; `violations` has the places and reasons"),
                );
                problem.violations = violations.into_iter().map(ViolationBody::from).collect();
                problem
            }
            error @ Error::NotFound(_) => disclosed(ProblemCode::NotFound, &error),
            error @ Error::Conflict(_) => disclosed(ProblemCode::Conflict, &error),
            error @ Error::SimulationRemoved(_) => {
                disclosed(ProblemCode::SimulationRemoved, &error)
            }
            Error::Ambiguous { ref candidates, .. } => Problem {
                candidates: candidates.clone(),
                ..disclosed(ProblemCode::AmbiguousSimulation, &error)
            },
            Error::SpoolFull { limit_bytes, .. } => Problem::new(
                ProblemCode::SpoolFull,
                format!("the spool has reached its limit of {limit_bytes} bytes"),
            )
            .hint(SEND_LATER)
            .limit(limit_bytes)
            .retry_after(SPOOL_FULL_SECONDS),
            Error::SpoolUnavailable { failure, .. } => {
                Problem::new(ProblemCode::SpoolUnavailable, failure.to_string())
                    .hint(SEND_LATER)
                    .retry_after(SPOOL_FULL_SECONDS)
            }
            Error::Unavailable(_) => {
                Problem::new(ProblemCode::Unavailable, "the database is unavailable or overloaded")
                    .hint("the same request again is safe")
                    .retry_after(UNAVAILABLE_SECONDS)
            }
            Error::Schema(_) | Error::Configuration(_) | Error::Database(_) => Problem::new(
                ProblemCode::Unavailable,
                "the database cannot be used until it is repaired",
            )
            .hint("the same request again is safe, and the service's log has the cause")
            .retry_after(UNUSABLE_SECONDS),
            Error::Refused(_) => Problem::new(
                ProblemCode::Refused,
                "this cannot be recorded, and sending it again changes nothing",
            )
            .hint("the service's log has more under the request's id"),
            Error::Internal(_) | Error::Component(_) | Error::Io { .. } => internal(),
            #[cfg(feature = "embedded")]
            Error::Embedded(_) => internal(),
        }
    }
}

/// The hint while the spool accepts nothing.
const SEND_LATER: &str = "send the results without a verdict again later";

/// When to retry while the database is unavailable: a restart takes a few seconds.
const UNAVAILABLE_SECONDS: u32 = 2;

/// When to retry if an operator has to repair the database first.
const UNUSABLE_SECONDS: u32 = 30;

/// When to retry while the spool is full or unavailable, which lasts longer.
const SPOOL_FULL_SECONDS: u32 = 15;
