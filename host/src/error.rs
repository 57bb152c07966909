//! What can go wrong, sorted by who can mend it and whether trying again may help.

use std::error::Error as _;

use tokio_postgres::error::{DbError, SqlState};

use crate::extraction::{ExtractionError, Violation};
use crate::spool::SpoolTrouble;

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

    /// The database is away, and the spool has no room for more. Nothing of the call was kept; the
    /// same call again may work.
    #[error("{message}")]
    SpoolFull {
        /// How much the spool may hold, in bytes.
        limit_bytes: u64,
        /// What happened and what to do.
        message: String,
    },

    /// The spool can keep nothing: its disk is full, does not work, or its file is damaged. This says
    /// nothing of the database. The same call again may work.
    #[error("{message}")]
    SpoolUnavailable {
        /// What is wrong, without a path.
        trouble: SpoolTrouble,
        /// What happened and what to do.
        message: String,
    },

    /// The database refuses what it was given, and would refuse it again, whoever sends it: a value
    /// or a row does not do. Nothing else is wrong with it.
    #[error("{0}")]
    Refused(String),

    /// The database cannot do it as it is: a right or a table is missing, or it has a fault. The
    /// same call works again when somebody has mended that.
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
        /// What could not be done, such as `could not read results.jsonl`.
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
        matches!(
            self,
            Error::Unavailable(_) | Error::SpoolFull { .. } | Error::SpoolUnavailable { .. }
        )
    }

    pub(crate) fn io(context: impl Into<String>, source: std::io::Error) -> Self {
        Error::Io { context: context.into(), source }
    }

    /// A failure of the database while doing `what` (beginning with a verb).
    pub(crate) fn database(what: &str, error: &tokio_postgres::Error) -> Self {
        let Some(server) = error.as_db_error() else {
            let reason = innermost(error);
            return if connection_lost(error) {
                Error::Unavailable(format!("could not {what}: {reason}; try again"))
            } else if error.to_string().starts_with("error serializing") {
                // A value that cannot even be sent.
                Error::Refused(format!("could not {what}: {reason}"))
            } else {
                Error::Database(format!("could not {what}: {reason}"))
            };
        };
        Error::of_server(format!("could not {what}: {}", server_message(server)), server.code())
    }

    /// What the server said, sorted by its code.
    fn of_server(message: String, state: &SqlState) -> Self {
        if transient(state) {
            Error::Unavailable(format!("{message}; try again"))
        } else if refuses_data(state) {
            Error::Refused(message)
        } else {
            Error::Database(message)
        }
    }

    /// Whether the error is about what was sent, which is refused whenever it is sent again. All
    /// others are about where it was sent to.
    pub(crate) fn about_the_call(&self) -> bool {
        match self {
            Error::Invalid(_)
            | Error::Rejected { .. }
            | Error::NotFound(_)
            | Error::Conflict(_)
            | Error::Refused(_) => true,
            Error::Configuration(_)
            | Error::Unavailable(_)
            | Error::SpoolFull { .. }
            | Error::SpoolUnavailable { .. }
            | Error::Database(_)
            | Error::Schema(_)
            | Error::Component(_)
            | Error::Io { .. }
            | Error::Embedded(_) => false,
        }
    }

    /// A connection that the pool could not give.
    pub(crate) fn pool(error: deadpool::managed::PoolError<Error>) -> Self {
        use deadpool::managed::PoolError;
        match error {
            PoolError::Backend(error) => error,
            PoolError::Timeout(_) => Error::Unavailable(
                "no database connection became free in time; try again, or allow more connections"
                    .to_owned(),
            ),
            other => Error::Unavailable(format!("could not get a database connection: {other}")),
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
pub(crate) fn server_message(error: &DbError) -> String {
    let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
    format!("{} [SQLSTATE {}]{hint}", error.message(), error.code().code())
}

/// The innermost reason of an error of another library, which says the most.
pub(crate) fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
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
/// races, missing resources (class 53), a server that stops or starts (57P0x), a statement that was
/// cancelled or took too long, a lock that was not to be had, a server that takes no writes because
/// another one does by now, faults of its system (class 58), and a name of a statement that somebody
/// has left behind in a session that a pooler shares out.
pub(crate) fn transient(state: &SqlState) -> bool {
    let code = state.code();
    code.starts_with("08")
        || code.starts_with("53")
        || code.starts_with("57P0")
        || code.starts_with("58")
        || *state == SqlState::QUERY_CANCELED
        || *state == SqlState::LOCK_NOT_AVAILABLE
        || *state == SqlState::READ_ONLY_SQL_TRANSACTION
        || *state == SqlState::T_R_SERIALIZATION_FAILURE
        || *state == SqlState::T_R_DEADLOCK_DETECTED
        || *state == SqlState::DUPLICATE_PSTATEMENT
}

/// Whether an error is about the data: values that do not do (class 22), broken constraints (classes
/// 23 and 44), limits such as the depth of JSON (class 54), and what a trigger refuses (P0001).
fn refuses_data(state: &SqlState) -> bool {
    ["22", "23", "44", "54", "P0001"].iter().any(|class| state.code().starts_with(class))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How an error with a code is taken.
    fn kind(code: &str) -> &'static str {
        match Error::of_server("it failed".to_owned(), &SqlState::from_code(code)) {
            Error::Unavailable(_) => "unavailable",
            Error::Refused(_) => "refused",
            Error::Database(_) => "database",
            _ => "other",
        }
    }

    #[test]
    fn only_what_is_wrong_with_the_data_is_refused_for_good() {
        for code in
            ["22001", "22P02", "22P05", "23502", "23514", "44000", "54000", "54001", "P0001"]
        {
            assert_eq!(kind(code), "refused", "{code}");
        }
        // A standby, a cancelled statement, a time limit, a lock, a disk, a restart, a full machine.
        for code in
            ["25006", "57014", "55P03", "58030", "58P01", "57P01", "53100", "08006", "40P01"]
        {
            assert_eq!(kind(code), "unavailable", "{code}");
        }
        // Somebody has to mend these, and nothing may be lost until then.
        for code in ["42501", "42P01", "3F000", "XX000", "XX001", "0A000"] {
            assert_eq!(kind(code), "database", "{code}");
        }
    }
}
