//! What can go wrong, sorted by who can mend it and whether trying again may help.

use std::error::Error as _;
use std::fmt;

use serde::{Deserialize, Serialize};
use tokio_postgres::error::{DbError, SqlState};

use crate::bindings::exports::arc::recording::types::Violation;
use crate::blocking::Aborted;
use crate::reason::innermost;

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

    /// The database is unavailable, overloaded, or ended the connection. The same call again may work.
    #[error("{0}")]
    Unavailable(String),

    /// The database is unavailable, and the spool has no room for more. Nothing of the call was kept; the
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
        trouble: SpoolFailure,
        /// What happened and what to do.
        message: String,
    },

    /// The database refuses what it was given, and would refuse it again, whoever sends it: a value
    /// or a row does not do. Nothing else is wrong with it.
    #[error("{0}")]
    Refused(String),

    /// The database cannot do it as it is: a right or a table is missing, or its files are damaged.
    /// The same call works again when somebody has mended that.
    #[error("{0}")]
    Database(String),

    /// A fault of this program, or of the database's: a statement that the server does not take. The
    /// same call works with a version in which it is mended.
    #[error("{0}")]
    Internal(String),

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
    #[cfg(feature = "embedded")]
    #[error(transparent)]
    Embedded(#[from] crate::embedded::EmbeddedError),
}

/// What is at fault when something fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request: the same one fails again.
    Request,
    /// Nothing for good: the database, the service or the spool is unavailable just now, and the same
    /// request might succeed later.
    Unavailable,
    /// The installation, such as a setting, a file, a privilege or the schema: the same request
    /// succeeds once an operator has changed that.
    Setup,
    /// This program or the server, which has a bug.
    Internal,
}

impl ErrorKind {
    /// Whether the same request might succeed although nothing is changed.
    pub fn may_retry(self) -> bool {
        self == ErrorKind::Unavailable
    }
}

/// Why a spool can keep nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SpoolFailure {
    /// Its disk has no room.
    DiskFull,
    /// Its disk cannot be read or written.
    DiskError,
    /// Its file is not as it was written.
    Damaged,
    /// It was closed.
    Closed,
}

impl fmt::Display for SpoolFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            SpoolFailure::DiskFull => "the spool's disk is full",
            SpoolFailure::DiskError => "the spool's disk cannot be read or written",
            SpoolFailure::Damaged => "the spool's file is damaged",
            SpoolFailure::Closed => "the spool was closed",
        })
    }
}

impl Error {
    /// Returns what is at fault, which decides what to do next.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Invalid(_)
            | Error::Rejected { .. }
            | Error::NotFound(_)
            | Error::Conflict(_)
            | Error::Refused(_) => ErrorKind::Request,
            Error::Unavailable(_) | Error::SpoolFull { .. } | Error::SpoolUnavailable { .. } => {
                ErrorKind::Unavailable
            }
            Error::Configuration(_)
            | Error::Database(_)
            | Error::Schema(_)
            | Error::Component(_)
            | Error::Io { .. } => ErrorKind::Setup,
            #[cfg(feature = "embedded")]
            Error::Embedded(_) => ErrorKind::Setup,
            Error::Internal(_) => ErrorKind::Internal,
        }
    }

    /// Whether the same call again may work without anybody changing anything.
    pub fn retryable(&self) -> bool {
        self.kind().may_retry()
    }

    pub(crate) fn io(context: impl Into<String>, source: std::io::Error) -> Self {
        Error::Io { context: context.into(), source }
    }

    /// A failure of the database while doing `what` (beginning with a verb), with values of the
    /// caller's: what is wrong with these is refused.
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

    /// The same while doing what has no value of the caller's, who then cannot be to blame for it:
    /// nothing is refused for good.
    pub(crate) fn of_place(what: &str, error: &tokio_postgres::Error) -> Self {
        match Error::database(what, error) {
            Error::Refused(message) => Error::Database(message),
            error => error,
        }
    }

    /// What the server said, sorted by its code.
    fn of_server(message: String, state: &SqlState) -> Self {
        match Cause::of(state) {
            Cause::Moment => Error::Unavailable(format!("{message}; try again")),
            Cause::Call => Error::Refused(message),
            Cause::Place => Error::Database(message),
            Cause::Program => Error::Internal(message),
        }
    }

    /// Whether the error is about what was sent, which is refused whenever it is sent again. All
    /// others are about where it was sent to.
    pub(crate) fn about_the_call(&self) -> bool {
        self.kind() == ErrorKind::Request
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

impl From<Aborted> for Error {
    fn from(error: Aborted) -> Self {
        Error::Component(format!("extraction was broken off: {error}"))
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

/// Who or what is to blame for an error of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The moment: it goes away by itself.
    Moment,
    /// The call: the database refuses the values, and would refuse them again.
    Call,
    /// The place: the database as it is, until somebody mends it.
    Place,
    /// A statement of this program, which this server does not take.
    Program,
}

/// The causes by the beginning of the SQLSTATE; the longest beginning counts. What is not in it is
/// [`Cause::Place`]: nothing is lost by that, and nothing is refused.
const CAUSES: &[(&str, Cause)] = &[
    // Connection exceptions.
    ("08", Cause::Moment),
    ("0A", Cause::Program),
    // Values that are not valid.
    ("22", Cause::Call),
    // Constraints.
    ("23", Cause::Call),
    ("21", Cause::Program),
    ("24", Cause::Program),
    ("25", Cause::Program),
    // A server that takes no writes, since another one does by now.
    ("25006", Cause::Moment),
    // A transaction that waited for too long.
    ("25P03", Cause::Moment),
    // Names of statements in sessions that a pooler shares out: left behind, or gone.
    ("26000", Cause::Moment),
    ("42P05", Cause::Moment),
    ("28", Cause::Place),
    ("34", Cause::Program),
    ("3D000", Cause::Place),
    ("3F000", Cause::Place),
    // Lost races and deadlocks.
    ("40", Cause::Moment),
    ("42", Cause::Program),
    // A right, a table, a column, an object that is missing.
    ("42501", Cause::Place),
    ("42P01", Cause::Place),
    ("42703", Cause::Place),
    ("42704", Cause::Place),
    ("44", Cause::Call),
    // Resources that are used up, such as the disk.
    ("53", Cause::Moment),
    // Limits, such as the depth of JSON.
    ("54", Cause::Call),
    ("55", Cause::Place),
    ("55006", Cause::Moment),
    ("55P03", Cause::Moment),
    // What was cancelled or took too long; a server that stops or starts.
    ("57", Cause::Moment),
    // Faults of the server's system, such as its disk.
    ("58", Cause::Moment),
    ("72000", Cause::Moment),
    // What a trigger of the database's owner refuses.
    ("P0", Cause::Program),
    ("P0001", Cause::Call),
    // A fault of the server; damaged files.
    ("XX000", Cause::Program),
    ("XX001", Cause::Place),
    ("XX002", Cause::Place),
];

impl Cause {
    /// The cause of an error with this code.
    pub(crate) fn of(state: &SqlState) -> Self {
        let fitting = CAUSES.iter().filter(|(beginning, _)| state.code().starts_with(beginning));
        let longest = fitting.max_by_key(|(beginning, _)| beginning.len());
        longest.map_or(Cause::Place, |(_, cause)| *cause)
    }
}

/// Whether an error goes away by itself.
pub(crate) fn transient(state: &SqlState) -> bool {
    Cause::of(state) == Cause::Moment
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
            Error::Internal(_) => "internal",
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
        for code in ["42501", "42P01", "3F000", "XX001"] {
            assert_eq!(kind(code), "database", "{code}");
        }
    }

    #[test]
    fn only_what_is_unavailable_is_retried_and_only_requests_are_refused_for_good() {
        let kinds = [
            ("22001", ErrorKind::Request),
            ("40001", ErrorKind::Unavailable),
            ("42501", ErrorKind::Setup),
            ("42601", ErrorKind::Internal),
        ];
        for (code, kind) in kinds {
            let error = Error::of_server("it failed".to_owned(), &SqlState::from_code(code));
            assert_eq!(error.kind(), kind, "{code}");
            assert_eq!(error.retryable(), kind == ErrorKind::Unavailable, "{code}");
            assert_eq!(error.about_the_call(), kind == ErrorKind::Request, "{code}");
        }
    }

    #[test]
    fn every_row_of_the_table_has_its_kind() {
        let rows = [
            ("08000", "unavailable"),
            ("0A000", "internal"),
            ("21000", "internal"),
            ("22021", "refused"),
            ("23505", "refused"),
            ("24000", "internal"),
            ("25P02", "internal"),
            ("25006", "unavailable"),
            ("25P03", "unavailable"),
            ("26000", "unavailable"),
            ("28000", "database"),
            ("28P01", "database"),
            ("34000", "internal"),
            ("3D000", "database"),
            ("3F000", "database"),
            ("40001", "unavailable"),
            ("42601", "internal"),
            ("42883", "internal"),
            ("42804", "internal"),
            ("42501", "database"),
            ("42P01", "database"),
            ("42703", "database"),
            ("42704", "database"),
            ("42P05", "unavailable"),
            ("44000", "refused"),
            ("53200", "unavailable"),
            ("53300", "unavailable"),
            ("54001", "refused"),
            ("55000", "database"),
            ("55006", "unavailable"),
            ("55P03", "unavailable"),
            ("57014", "unavailable"),
            ("57P03", "unavailable"),
            ("58030", "unavailable"),
            ("72000", "unavailable"),
            ("P0002", "internal"),
            ("P0001", "refused"),
            ("XX000", "internal"),
            ("XX001", "database"),
            ("XX002", "database"),
            // A code of which nothing is known.
            ("ZZ999", "database"),
        ];
        for (code, expected) in rows {
            assert_eq!(kind(code), expected, "{code}");
        }
        for (beginning, _) in CAUSES {
            let tested = rows.iter().any(|(code, _)| code.starts_with(beginning));
            assert!(tested, "{beginning} has no row here");
        }
    }
}
