//! Reasons for a failed connection: whether a retry, another server or another kind of encryption can
//! succeed.

use std::borrow::Cow;
use std::error::Error as _;

use crate::error::{Error, TRY_AGAIN, transient};
use crate::reason::database_message;

/// The reason why a connection to one server failed.
#[derive(Debug)]
pub(super) struct ConnectFailure {
    /// The reason, as a part of a sentence.
    pub(super) reason: String,
    /// Whether a retry can succeed.
    pub(super) retryable: bool,
    /// Whether the server itself refused, as its copies would.
    pub(super) refused: bool,
    /// The remedy, if it is known.
    hint: Option<Cow<'static, str>>,
    source: Option<tokio_postgres::Error>,
}

impl ConnectFailure {
    /// An error that is not one of the server; a retry can succeed.
    pub(super) fn for_now(reason: String) -> Self {
        ConnectFailure { reason, retryable: true, refused: false, hint: None, source: None }
    }

    pub(super) fn of(error: tokio_postgres::Error) -> Self {
        let reason = database_message(&error);
        if let Some(server) = error.as_db_error() {
            let retryable = transient(server.code());
            // A server that starts or stops is skipped.
            let refused = !server.code().code().starts_with("57P0");
            let hint = server.hint().map(|hint| hint.to_owned().into());
            return ConnectFailure { reason, retryable, refused, hint, source: Some(error) };
        }
        // tokio-postgres exposes the kind of an error in no other way.
        let text = error.to_string();
        let (more, hint, retryable, refused) = match reason.as_str() {
            "password missing" => (
                ": the server asks for one",
                Some(
                    "set PGPASSWORD, or add the password to ~/.pgpass (which must not be readable \
                     by others)",
                ),
                false,
                true,
            ),
            _ if text.starts_with("authentication error") => ("", None, false, true),
            "server does not support TLS" => (", which sslmode asks for", None, false, false),
            _ if from_rustls(&error) => {
                ("", Some("see sslmode, sslrootcert and sslcert"), false, false)
            }
            _ => ("", None, !text.starts_with("invalid configuration"), false),
        };
        ConnectFailure {
            reason: format!("{reason}{more}"),
            retryable,
            refused,
            hint: hint.map(Cow::Borrowed),
            source: Some(error),
        }
    }

    /// Combines the failures of two attempts, the first of which was with or without TLS.
    pub(super) fn of_both(
        with_tls_first: bool,
        first: tokio_postgres::Error,
        second: tokio_postgres::Error,
    ) -> Self {
        let (first, second) = (ConnectFailure::of(first), ConnectFailure::of(second));
        let (one, other) = if with_tls_first { ("with", "without") } else { ("without", "with") };
        ConnectFailure {
            reason: format!("{one} TLS: {}; {other} TLS: {}", first.reason, second.reason),
            hint: second.hint.or(first.hint),
            ..second
        }
    }

    /// Whether to try without TLS after this error: the connection was made, and was then closed by TLS
    /// or by a server that does not accept it.
    pub(super) fn about_tls(error: &tokio_postgres::Error) -> bool {
        let text = error.to_string();
        ["error performing TLS handshake", "error communicating with the server"].contains(&&*text)
    }

    pub(super) fn at(mut self, place: &str) -> Self {
        self.reason = format!("{place}: {}", self.reason);
        self
    }
}

/// Whether TLS itself failed, and not the connection below it.
fn from_rustls(error: &tokio_postgres::Error) -> bool {
    let mut source = error.source();
    while let Some(inner) = source {
        let within = inner.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if within.is_some_and(|within| within.is::<rustls::Error>()) {
            return true;
        }
        source = inner.source();
    }
    false
}

/// What to check if a connection failed.
const CHECK: &str = "check the URL, and that the server runs and accepts this user";

impl Error {
    /// Returns the error of a failed connection.
    pub(super) fn connection(error: tokio_postgres::Error) -> Self {
        Error::connect_failure(vec![ConnectFailure::of(error)])
    }

    /// Returns the error of a failed connection to all servers of the list.
    pub(super) fn connect_failure(failures: Vec<ConnectFailure>) -> Self {
        let reasons: Vec<&str> = failures.iter().map(|failure| failure.reason.as_str()).collect();
        let reasons = reasons.join("; ");
        let any_retryable = failures.iter().any(|failure| failure.retryable);
        let last = failures.into_iter().next_back();
        let (error, hint) = if last.as_ref().is_some_and(|it| it.refused && it.retryable) {
            let message = format!("the database did not accept the connection: {reasons}");
            (Error::unavailable(message), TRY_AGAIN)
        } else if any_retryable {
            (Error::unavailable(format!("could not connect to the database: {reasons}")), CHECK)
        } else {
            // A wrong password or certificate stays wrong until an operator corrects it.
            (Error::configuration(format!("the database refused the connection: {reasons}")), CHECK)
        };
        let Some(ConnectFailure { hint: own_hint, source, .. }) = last else {
            return error.with_hint(hint);
        };
        let error = error.with_hint(own_hint.unwrap_or(Cow::Borrowed(hint)));
        match source {
            Some(source) => error.with_source(source),
            None => error,
        }
    }
}
