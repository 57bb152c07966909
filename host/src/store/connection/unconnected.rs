//! Why there is no connection: whether trying again may help, and whether another server or another
//! kind of encryption may do.

use std::error::Error as _;

use crate::error::{Error, server_message, transient};
use crate::reason::innermost;

/// Why one server gave no connection.
#[derive(Debug)]
pub(super) struct Unconnected {
    /// A part of a sentence.
    pub(super) reason: String,
    /// Whether the same may work later.
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
        // tokio-postgres does not say in another way what kind of error it is.
        let text = error.to_string();
        let (hint, retryable, refused) = match reason.as_str() {
            "password missing" => (
                ": the server asks for one; give it in PGPASSWORD or in ~/.pgpass (which others \
                 may not be allowed to read)",
                false,
                true,
            ),
            _ if text.starts_with("authentication error") => ("", false, true),
            "server does not support TLS" => (", which sslmode asks for", false, false),
            _ if from_rustls(error) => (" (sslmode, sslrootcert, sslcert say more)", false, false),
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

    /// Whether a connection without TLS may be made where this one could not: one that was made,
    /// and then broken off by TLS or by what a server does when it does not like it.
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

    /// A connection that could not be made with any of the servers that may give it.
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
            // A wrong password or certificate stays wrong until somebody mends it.
            Error::Configuration(format!("the database refused the connection: {reasons}; {hint}"))
        }
    }
}
