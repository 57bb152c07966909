//! Reasons for a failed connection: whether a retry, another server or another kind of encryption can
//! succeed.

use std::error::Error as _;

use crate::error::{Error, server_message, transient};
use crate::reason::innermost;

/// The reason why one server could not be connected to.
#[derive(Debug)]
pub(super) struct Unconnected {
    /// A part of a sentence.
    pub(super) reason: String,
    /// Whether a retry can succeed.
    pub(super) retryable: bool,
    /// Whether the server itself refused, as its copies would.
    pub(super) refused: bool,
}

impl Unconnected {
    pub(super) fn of(error: &tokio_postgres::Error) -> Self {
        if let Some(server) = error.as_db_error() {
            let retryable = transient(server.code());
            // A server that starts or stops is one of those to be passed over.
            let refused = !server.code().code().starts_with("57P0");
            return Unconnected { reason: server_message(server), retryable, refused };
        }
        let reason = innermost(error);
        // tokio-postgres exposes the kind of an error in no other way.
        let text = error.to_string();
        let (hint, retryable, refused) = match reason.as_str() {
            "password missing" => (
                ": the server asks for one; set PGPASSWORD or add it to ~/.pgpass (which must not be \
                 readable by others)",
                false,
                true,
            ),
            _ if text.starts_with("authentication error") => ("", false, true),
            "server does not support TLS" => (", which sslmode asks for", false, false),
            _ if from_rustls(error) => (" (see sslmode, sslrootcert, sslcert)", false, false),
            _ => ("", !text.starts_with("invalid configuration"), false),
        };
        Unconnected { reason: format!("{reason}{hint}"), retryable, refused }
    }

    /// Of two tries, the first of which was with TLS or without.
    pub(super) fn of_both(
        with_tls_first: bool,
        first: &tokio_postgres::Error,
        second: &tokio_postgres::Error,
    ) -> Self {
        let (first, second) = (Unconnected::of(first), Unconnected::of(second));
        let (one, other) = if with_tls_first { ("with", "without") } else { ("without", "with") };
        Unconnected {
            reason: format!("{one} TLS: {}; {other} TLS: {}", first.reason, second.reason),
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

impl Error {
    /// A connection that could not be made.
    pub(super) fn connection(error: &tokio_postgres::Error) -> Self {
        Error::unconnected(&[Unconnected::of(error)])
    }

    /// A connection that could not be made to any of the servers of the list.
    pub(super) fn unconnected(failures: &[Unconnected]) -> Self {
        let reasons: Vec<&str> = failures.iter().map(|failure| failure.reason.as_str()).collect();
        let reasons = reasons.join("; ");
        let hint = "check the URL, and that the server runs and accepts this user";
        if failures.last().is_some_and(|failure| failure.refused && failure.retryable) {
            Error::Unavailable(format!(
                "the database did not accept the connection: {reasons}; try again"
            ))
        } else if failures.iter().any(|failure| failure.retryable) {
            Error::Unavailable(format!("could not connect to the database: {reasons}; {hint}"))
        } else {
            // A wrong password or certificate stays wrong until an operator corrects it.
            Error::Configuration(format!("the database refused the connection: {reasons}; {hint}"))
        }
    }
}
