//! The client of the service: the recorder's calls over HTTP.
//!
//! Connections are kept alive, bodies to other machines are compressed, and a request without an
//! answer, or with a retryable error, is sent again. Ids are derived from content, so nothing is
//! recorded twice.

mod counters;
mod portions;
mod reading;
mod recording;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER,
};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::backoff::{Backoff, RetryPolicy};
use crate::error::{Error, ErrorDetail, Result, TRY_AGAIN};
use crate::extraction::Violation;
use crate::store::Metrics;
use crate::tls;
use crate::wire::{Problem, ProblemCode};
use counters::Counters;
use portions::Portions;

/// The variable that names a service to use instead of a database.
pub const SERVER_VARIABLE: &str = "ARC_SERVER";

/// The variable with the token of a client.
pub const TOKEN_VARIABLE: &str = "ARC_TOKEN";

/// The timeout for connecting.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// The timeout of a request, which is longer than the service's own.
const REQUEST_TIME: Duration = Duration::from_secs(150);

/// How long a request is retried before its error is returned.
pub(crate) const RETRY_FOR: Duration = Duration::from_secs(30);

/// How long an idle connection is kept: shorter than in the service, so that it is rarely found
/// closed.
const IDLE_TIME: Duration = Duration::from_secs(20);

/// The length from which a body is compressed.
const COMPRESSED_FROM: usize = 1 << 10;

/// How much of an answer that is not a problem document is shown.
const SHOWN_CHARACTERS: usize = 200;

/// The URL of a service, and the options of its client.
#[derive(Clone)]
pub struct ClientSettings {
    /// `http://host:port` or `https://host`, with a path if the service is under one.
    pub url: String,
    /// The token, if the service requires one.
    pub token: Option<String>,
    /// Whether bodies are compressed; by default those to other machines are.
    pub compress: Option<bool>,
}

impl fmt::Debug for ClientSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        // Neither the token nor the URL, which can contain secrets, is shown.
        formatter.debug_struct("ClientSettings").finish_non_exhaustive()
    }
}

/// A client of the service. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct ServiceClient {
    http: reqwest::Client,
    base: Arc<Url>,
    compress: bool,
    counters: Arc<Counters>,
    portions: Arc<Portions>,
}

impl fmt::Debug for ServiceClient {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "ServiceClient({})", self.describe())
    }
}

/// A request that can be sent again.
pub(super) struct Call {
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    headers: HeaderMap,
    body: Bytes,
}

impl Call {
    pub(super) fn get(path: impl Into<String>) -> Self {
        Call {
            method: Method::GET,
            path: path.into(),
            query: Vec::new(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    pub(super) fn post(
        path: impl Into<String>,
        kind: &'static str,
        body: impl Into<Bytes>,
    ) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        Call { method: Method::POST, headers, body: body.into(), ..Call::get(path) }
    }

    pub(super) fn with(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.query.extend(value.map(|value| (name, value.to_string())));
        self
    }

    pub(super) fn header(mut self, name: &'static str, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }
}

/// Why a request failed.
enum RequestFailure {
    /// The same request can succeed later.
    Retryable(Error, Option<Duration>),
    /// The same request cannot succeed.
    Final(Error),
    /// Its body is longer than the service, or a proxy before it, accepts.
    TooLarge(TooLarge),
}

/// A body that is longer than accepted.
struct TooLarge {
    error: Error,
    /// The limit, if it was reported.
    limit: Option<Limit>,
}

/// A limit of a service.
enum Limit {
    Results(u64),
    Bytes(u64),
}

impl RequestFailure {
    fn into_error(self) -> Error {
        match self {
            RequestFailure::Retryable(error, _) | RequestFailure::Final(error) => error,
            RequestFailure::TooLarge(too_large) => too_large.error,
        }
    }
}

impl ServiceClient {
    /// Creates a client of the service at a URL, without connecting to it.
    ///
    /// # Errors
    /// [`Error::Configuration`] if the URL or the token is not valid.
    pub fn new(settings: &ClientSettings) -> Result<Self> {
        let wrong = |reason: &str| {
            Error::configuration(format!("invalid service URL: {reason}"))
                .with_hint("use a URL such as https://arc.example or http://127.0.0.1:7117")
        };
        let mut base = Url::parse(&settings.url).map_err(|error| wrong(&error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(wrong("it must begin with http:// or https:// and a host"));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(wrong("pass a token separately"));
        }
        base.set_query(None);
        base.set_fragment(None);
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let here = of_this_machine(&base);
        let mut headers = HeaderMap::new();
        let token = settings.token.as_deref().map(str::trim).filter(|token| !token.is_empty());
        if let Some(token) = token {
            // The token is a secret, so none of it is shown.
            let value = Some(token)
                .filter(|token| token.bytes().all(|byte| byte.is_ascii_graphic()))
                .and_then(|token| HeaderValue::from_str(&format!("Bearer {token}")).ok());
            let mut value = value.ok_or_else(|| {
                Error::configuration(
                    "the token contains characters that are not allowed in a token",
                )
                .with_hint("copy it again")
            })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let tls = tls::client_config()
            .map_err(|error| Error::configuration("could not set up TLS").with_source(error))?;
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(concat!("arc-host/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .connect_timeout(CONNECT_TIME)
            .timeout(REQUEST_TIME)
            .pool_idle_timeout(IDLE_TIME)
            .tcp_nodelay(true)
            // A service does not redirect, and the token must not be sent to another server.
            .redirect(reqwest::redirect::Policy::none());
        // A proxy cannot reach the services of this machine.
        let builder = if here { builder.no_proxy() } else { builder };
        let http = builder.build().map_err(|error| {
            Error::configuration("could not set up the client").with_source(error)
        })?;
        let compress = settings.compress.unwrap_or(!here);
        Ok(ServiceClient {
            http,
            base: Arc::new(base),
            compress,
            counters: Arc::default(),
            portions: Arc::default(),
        })
    }

    /// Returns the URL of the service for display.
    pub fn describe(&self) -> String {
        self.base.as_str().trim_end_matches('/').to_owned()
    }

    /// Sends a request until it has a final answer, and parses it.
    async fn json<T: DeserializeOwned>(&self, call: Call) -> Result<T> {
        let bytes = self.bytes(call).await?;
        self.parse(&bytes)
    }

    fn parse<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T> {
        serde_json::from_slice(bytes).map_err(|error| {
            Error::configuration(format!(
                "the answer of {} is not one of an Arc Recorder service",
                self.describe()
            ))
            .with_hint("check the URL")
            .with_source(error)
        })
    }

    /// Sends a request until it has a final answer, without parsing it.
    async fn bytes(&self, call: Call) -> Result<Bytes> {
        self.answer(call).await.map_err(RequestFailure::into_error)
    }

    /// Sends a request until it has a final answer, and reports a body that is too long separately.
    async fn answer(&self, call: Call) -> std::result::Result<Bytes, RequestFailure> {
        let call = self.compressed(call).map_err(RequestFailure::Final)?;
        let mut backoff = Backoff::new(RetryPolicy::SERVER);
        let until = Instant::now() + RETRY_FOR;
        loop {
            let (error, wanted) = match self.once(&call).await {
                Ok(bytes) => return Ok(bytes),
                Err(RequestFailure::Retryable(error, wanted)) => (error, wanted),
                Err(failure) => return Err(failure),
            };
            let Some(pause) = backoff.next_pause_until(until, wanted.unwrap_or_default()) else {
                return Err(RequestFailure::Retryable(error, wanted));
            };
            tokio::time::sleep(pause).await;
            self.counters.sent_again();
        }
    }

    /// Checks that the service answers and accepts the token, without retries.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if it does not answer, [`Error::Configuration`] if it refuses.
    pub async fn check(&self) -> Result<()> {
        self.try_once(&Call::get("v1/health")).await.map(drop)
    }

    /// Returns the counters of this client since it was created, with requests in place of
    /// statements.
    pub fn own_metrics(&self) -> Metrics {
        self.counters.metrics()
    }

    /// Checks that the service is reachable, without retries and without a token.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if it does not answer.
    pub async fn reach(&self) -> Result<()> {
        self.try_once(&Call::get("health/live")).await.map(drop)
    }

    /// Sends a request once.
    async fn try_once(&self, call: &Call) -> Result<Bytes> {
        self.once(call).await.map_err(RequestFailure::into_error)
    }

    fn compressed(&self, mut call: Call) -> Result<Call> {
        if self.compress && call.body.len() >= COMPRESSED_FROM {
            // The first level: a network is rarely faster, and it costs a few microseconds a result.
            let body = zstd::bulk::compress(&call.body, 1)
                .map_err(|error| Error::io("could not compress the results", error))?;
            call.body = body.into();
            call.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("zstd"));
        }
        Ok(call)
    }

    fn request(&self, call: &Call) -> Result<RequestBuilder> {
        let mut url = self.base.join(&call.path).map_err(|error| {
            Error::invalid(format!("{} is not a path of a service", call.path)).with_source(error)
        })?;
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        let request = self.http.request(call.method.clone(), url).headers(call.headers.clone());
        Ok(request.body(call.body.clone()))
    }

    async fn once(&self, call: &Call) -> std::result::Result<Bytes, RequestFailure> {
        let begun = Instant::now();
        let answer = self.send(call).await;
        self.counters.answered(begun.elapsed(), answer.is_ok());
        answer
    }

    async fn send(&self, call: &Call) -> std::result::Result<Bytes, RequestFailure> {
        let mut request = self.request(call).map_err(RequestFailure::Final)?;
        if !call.headers.contains_key(ACCEPT) {
            request = request.header(ACCEPT, "application/json");
        }
        let response = request.send().await.map_err(|error| self.unanswered(error))?;
        let (status, wanted) = (response.status(), retry_after(&response));
        let body = response.bytes().await.map_err(|error| self.unanswered(error))?;
        if status.is_success() {
            return Ok(body);
        }
        let problem = match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => problem,
            Err(_) => return Err(self.foreign(status, &body, wanted)),
        };
        let wanted = problem.retry_after_seconds.map(u64::from).map(Duration::from_secs).or(wanted);
        let limit = match problem.code {
            ProblemCode::TooManyResults => problem.limit.map(Limit::Results),
            ProblemCode::BodyTooLarge => problem.limit.map(Limit::Bytes),
            _ => None,
        };
        let (again, error) = (problem.retryable, error_of(problem));
        if status == StatusCode::PAYLOAD_TOO_LARGE {
            return Err(RequestFailure::TooLarge(TooLarge { error, limit }));
        }
        Err(if again {
            RequestFailure::Retryable(error, wanted)
        } else {
            RequestFailure::Final(error)
        })
    }

    /// Returns the error for a request without an answer: the service or the network is unavailable.
    fn unanswered(&self, error: reqwest::Error) -> RequestFailure {
        let place = self.describe();
        // The message names the service, without the query.
        let error = error.without_url();
        if error.is_builder() {
            let message = format!("the request to {place} cannot be made, and nothing was sent");
            return RequestFailure::Final(Error::invalid(message).with_source(error));
        }
        if tls_refused(&error) {
            return RequestFailure::Final(
                Error::configuration(format!("{place} could not be trusted"))
                    .with_hint("SSL_CERT_FILE names the authority to trust")
                    .with_source(error),
            );
        }
        RequestFailure::Retryable(
            Error::unavailable(format!("{place} did not answer"))
                .with_hint("check the URL, and that the service runs, and try again")
                .with_source(error),
            None,
        )
    }

    /// Returns the error for an answer of a proxy or another server.
    fn foreign(&self, status: StatusCode, body: &[u8], wanted: Option<Duration>) -> RequestFailure {
        let text: String = String::from_utf8_lossy(body).chars().take(SHOWN_CHARACTERS).collect();
        let place = self.describe();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            let error = Error::unavailable(format!("{place} answered {status}"));
            return RequestFailure::Retryable(error.with_hint(TRY_AGAIN), wanted);
        }
        if status == StatusCode::PAYLOAD_TOO_LARGE {
            let error = Error::invalid(format!(
                "a proxy before {place} accepts no body of this length ({status})"
            ))
            .with_hint("allow longer ones there");
            return RequestFailure::TooLarge(TooLarge { error, limit: None });
        }
        RequestFailure::Final(
            Error::configuration(format!(
                "{place} answered {status}, which is not an answer of an Arc Recorder service ({})",
                text.trim()
            ))
            .with_hint("check the URL"),
        )
    }
}

/// Converts a problem document to an error.
fn error_of(problem: Problem) -> Error {
    let detail =
        ErrorDetail { message: problem.detail, hint: problem.hint.map(Cow::Owned), source: None };
    match problem.code {
        ProblemCode::Rejected => Error::Rejected {
            what: "the document",
            violations: problem.violations.into_iter().map(Violation::from).collect(),
        },
        ProblemCode::NotFound => Error::NotFound(detail),
        ProblemCode::Conflict => Error::Conflict(detail),
        ProblemCode::SimulationRemoved => Error::SimulationRemoved(detail),
        ProblemCode::AmbiguousSimulation => {
            Error::Ambiguous { candidates: problem.candidates, detail }
        }
        ProblemCode::Unauthorized | ProblemCode::Forbidden => {
            Error::configuration(format!("the service refuses: {detail}"))
                .with_hint(format!("pass a valid token with --token or {TOKEN_VARIABLE}"))
        }
        // This concerns the address of the service, and not the content of the request.
        ProblemCode::HostNotAllowed | ProblemCode::OriginNotAllowed => {
            Error::configuration(format!("the service refuses: {detail}"))
        }
        ProblemCode::InvalidRequest
        | ProblemCode::EnvelopeIncomplete
        | ProblemCode::MethodNotAllowed
        | ProblemCode::NotAcceptable
        | ProblemCode::UnsupportedMediaType
        | ProblemCode::BodyTooLarge
        | ProblemCode::TooManyResults
        | ProblemCode::IdempotencyKeyReused => Error::Invalid(detail),
        ProblemCode::Refused => Error::Refused(detail),
        _ if problem.retryable => Error::Unavailable(detail),
        // A code of a newer service: the status shows whether the request or the service is the
        // cause.
        _ if (400..500).contains(&problem.status) => Error::Refused(detail),
        _ => Error::Database(detail),
    }
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Returns whether a URL refers to this machine.
fn of_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Returns whether TLS failed, so that a retry would not help.
fn tls_refused(error: &(dyn std::error::Error + 'static)) -> bool {
    // The wrapped error of an I/O error is not its source.
    let within = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    error.is::<rustls::Error>()
        || within.is_some_and(|within| tls_refused(within))
        || error.source().is_some_and(tls_refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(url: &str) -> Result<ServiceClient> {
        let settings =
            ClientSettings { url: url.to_owned(), token: Some("arc_x".to_owned()), compress: None };
        ServiceClient::new(&settings)
    }

    #[test]
    fn an_invalid_url_is_refused() {
        for url in ["", "arc.example", "ftp://arc.example", "http://", "http://a:b@arc.example"] {
            let error = client(url).unwrap_err();
            assert!(matches!(error, Error::Configuration(_)), "{url}: {error}");
        }
        // The secret of a URL is in no message.
        assert!(!client("http://a:hidden@arc.example").unwrap_err().to_string().contains("hidden"));
    }

    #[test]
    fn a_service_that_refuses_its_name_is_not_an_error_of_the_request() {
        for code in [
            ProblemCode::HostNotAllowed,
            ProblemCode::OriginNotAllowed,
            ProblemCode::Unauthorized,
            ProblemCode::Forbidden,
        ] {
            let error = error_of(Problem::new(code, "not under this name"));
            assert!(matches!(error, Error::Configuration(_)), "{code:?}: {error}");
            assert!(!error.is_request_error(), "a spool would not keep it: {code:?}");
            assert!(error.to_string().contains("not under this name"), "{error}");
        }
    }

    #[test]
    fn a_token_that_is_not_valid_in_a_header_is_refused_and_not_shown() {
        let with = |token: &str| {
            ServiceClient::new(&ClientSettings {
                url: "http://127.0.0.1:7117".to_owned(),
                token: Some(token.to_owned()),
                compress: None,
            })
        };
        for token in ["arc_hidden\nx: y", "arc_hidden\0", "arc_hiddené", "arc hidden"] {
            let error = with(token).unwrap_err();
            assert!(matches!(error, Error::Configuration(_)), "{error}");
            assert!(!error.to_string().contains("hidden"), "{error}");
        }
        for token in [" arc_padded\r\n", ""] {
            with(token).unwrap();
        }
    }

    #[test]
    fn a_service_can_be_under_a_path_and_bodies_to_this_machine_are_not_compressed() {
        let there = client("https://arc.example/recorder?x=1").unwrap();
        assert_eq!(there.describe(), "https://arc.example/recorder");
        assert_eq!(there.base.join("v1/health").unwrap().path(), "/recorder/v1/health");
        assert!(there.compress);
        for here in ["http://127.0.0.1:7117", "http://[::1]:7117/", "http://localhost"] {
            assert!(!client(here).unwrap().compress, "{here}");
        }
    }
}
