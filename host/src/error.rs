//! What can go wrong, sorted by who can mend it and whether trying again may help.

use std::error::Error as _;

use tokio_postgres::error::{DbError, SqlState};

use crate::extraction::{ExtractionError, Violation};

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, why, and what to do about it; never a secret.
///
/// [`Error::retryable`] says whether the same call again may work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller's arguments are wrong.
    #[error("{0}")]
    Invalid(String),

    /// A document is not valid; all that is wrong with it.
    #[error("{what} is not valid: {}", sentences(violations))]
    Rejected {
        /// What was read, such as `the result`.
        what: &'static str,
        /// Where it is wrong, and how.
        violations: Vec<Violation>,
    },

    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),

    /// It exists, but not as the caller says.
    #[error("{0}")]
    Conflict(String),

    /// A setting is missing or wrong, or the machine lacks something.
    #[error("{0}")]
    Configuration(String),

    /// The database is away, overloaded, or ended the connection. The same call again may work.
    #[error("{0}")]
    Unavailable(String),

    /// The database refused, and would refuse again.
    #[error("{0}")]
    Database(String),

    /// The schema in the database is not one that this program can work with.
    #[error("{0}")]
    Schema(String),

    /// The extraction component could not be loaded.
    #[error("{0}")]
    Component(String),

    /// A file or stream could not be read or written.
    #[error("{context}: {source}")]
    Io {
        /// What was tried, beginning with a verb.
        context: String,
        /// What the system said.
        source: std::io::Error,
    },

    /// The embedded database could not be started.
    #[error(transparent)]
    Embedded(#[from] crate::embedded::EmbeddedError),
}

impl Error {
    /// Whether the same call again may work without anybody changing anything.
    pub fn retryable(&self) -> bool {
        matches!(self, Error::Unavailable(_))
    }

    pub(crate) fn io(context: impl Into<String>, source: std::io::Error) -> Self {
        Error::Io { context: context.into(), source }
    }

    /// A failure of the database while doing `what` (beginning with a verb).
    pub(crate) fn database(what: &str, error: &tokio_postgres::Error) -> Self {
        let Some(server) = error.as_db_error() else {
            let reason = reason(error);
            return if connection_lost(error) {
                Error::Unavailable(format!("could not {what}: {reason}; try again"))
            } else {
                Error::Database(format!("could not {what}: {reason}"))
            };
        };
        let message = format!("could not {what}: {}", server_message(server));
        if transient(server.code()) {
            Error::Unavailable(format!("{message}; try again"))
        } else {
            Error::Database(message)
        }
    }

    /// A connection that the pool could not give.
    pub(crate) fn pool(error: deadpool_postgres::PoolError) -> Self {
        use deadpool_postgres::PoolError;
        match error {
            PoolError::Backend(error) => Error::connection(&error),
            PoolError::Timeout(_) => Error::Unavailable(
                "no database connection became free in time; try again, or allow more connections"
                    .to_owned(),
            ),
            other => Error::Unavailable(format!("could not get a database connection: {other}")),
        }
    }

    /// A connection that could not be made.
    pub(crate) fn connection(error: &tokio_postgres::Error) -> Self {
        let hint = "check the URL, and that the server runs and accepts this user";
        match error.as_db_error() {
            // A wrong password or database stays wrong until somebody mends it.
            Some(server) if !transient(server.code()) => Error::Configuration(format!(
                "the database refused the connection: {}; {hint}",
                server_message(server)
            )),
            Some(server) => Error::Unavailable(format!(
                "the database did not accept the connection: {}; try again",
                server_message(server)
            )),
            None => Error::Unavailable(format!(
                "could not connect to the database: {}; {hint}",
                reason(error)
            )),
        }
    }
}

impl From<ExtractionError> for Error {
    fn from(error: ExtractionError) -> Self {
        if error.retryable() {
            Error::Unavailable(error.to_string())
        } else {
            Error::Component(error.to_string())
        }
    }
}

/// How many violations a message holds; the type holds all of them.
const SHOWN_VIOLATIONS: usize = 5;

fn sentences(violations: &[Violation]) -> String {
    let mut shown: Vec<String> = violations
        .iter()
        .take(SHOWN_VIOLATIONS)
        .map(|Violation { path, message, .. }| match path.as_str() {
            "" => message.clone(),
            path => format!("{path}: {message}"),
        })
        .collect();
    if violations.len() > SHOWN_VIOLATIONS {
        shown.push(format!("and {} more", violations.len() - SHOWN_VIOLATIONS));
    }
    shown.join("; ")
}

/// What the server said. Its detail may show the values of a row, so it is left out.
fn server_message(error: &DbError) -> String {
    let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
    format!("{} [SQLSTATE {}]{hint}", error.message(), error.code().code())
}

/// The innermost reason of a client-side error, which says the most.
fn reason(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = inner.to_string();
        source = inner.source();
    }
    text
}

/// Whether an error on this side is about the connection, and not about what was asked.
fn connection_lost(error: &tokio_postgres::Error) -> bool {
    let mut source = error.source();
    while let Some(inner) = source {
        if inner.is::<std::io::Error>() {
            return true;
        }
        source = inner.source();
    }
    error.is_closed()
}

/// Whether an error goes away by itself: connection exceptions (class 08), lost serialisation
/// races, missing resources (class 53) and a server that stops or starts (57P0x).
fn transient(state: &SqlState) -> bool {
    let code = state.code();
    code.starts_with("08")
        || code.starts_with("53")
        || code.starts_with("57P0")
        || *state == SqlState::T_R_SERIALIZATION_FAILURE
        || *state == SqlState::T_R_DEADLOCK_DETECTED
}
