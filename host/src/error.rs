//! Errors, classified by who can fix them and by whether a retry can succeed.
//!
//! The text of an error describes what happened. Its causes are its sources, and advice is its hint:
//! neither is part of the text, and each interface shows them in its own way.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_postgres::error::SqlState;
use uuid::Uuid;

use crate::bindings::exports::arc::recording::types::Violation;
use crate::blocking::Aborted;
use crate::reason::{report, with_hint};

/// The result of all fallible functions of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// An error; it never contains a secret.
///
/// Its text describes what happened, without the causes, which are its sources ([`Error::report`] has
/// both), and without advice, which is [`Error::hint`]. [`Error::retryable`] returns whether the same
/// call can succeed later.
///
/// The source of an error of PostgreSQL is a [`tokio_postgres::Error`]; [`Error::sqlstate`] is its
/// code.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// An argument is not valid.
    Invalid(ErrorDetail),

    /// A document is not valid; all of its violations.
    Rejected {
        /// The document, such as `the result`.
        what: &'static str,
        /// The violations, each with its path.
        violations: Vec<Violation>,
    },

    /// The requested object does not exist.
    NotFound(ErrorDetail),

    /// It exists, but differs from the caller's request.
    Conflict(ErrorDetail),

    /// The simulation was removed, and records nothing any more.
    SimulationRemoved(ErrorDetail),

    /// Several simulations have this name, or an id that begins like this.
    Ambiguous {
        /// The first of them, the newest first.
        candidates: Vec<SimulationCandidate>,
        /// What happened.
        detail: ErrorDetail,
    },

    /// A setting is missing or wrong, or the machine lacks something.
    Configuration(ErrorDetail),

    /// The database is unavailable, overloaded, or ended the connection. The same call can succeed
    /// later.
    Unavailable(ErrorDetail),

    /// The database is unavailable, and the spool is full. Nothing of the call was stored; the same
    /// call can succeed later.
    SpoolFull {
        /// The maximum size of the spool in bytes.
        limit_bytes: u64,
        /// What happened.
        detail: ErrorDetail,
    },

    /// The spool cannot store anything: its disk is full or fails, or its file is damaged. This does
    /// not depend on the database. The same call can succeed later.
    SpoolUnavailable {
        /// The failure, without a path.
        failure: SpoolFailure,
        /// What happened.
        detail: ErrorDetail,
    },

    /// The database refuses a value or a row, and would refuse it again from any sender. The database
    /// itself works.
    Refused(ErrorDetail),

    /// The database cannot execute the call in its current state: a privilege or a table is missing, or
    /// its files are damaged. The same call succeeds once an operator has fixed that.
    Database(ErrorDetail),

    /// A bug of this program or of the database: a statement that the server does not accept. The same
    /// call succeeds in a version in which it is fixed.
    Internal(ErrorDetail),

    /// The schema in the database is not one that this program can work with.
    Schema(ErrorDetail),

    /// The extraction component could not be loaded.
    Component(ErrorDetail),

    /// A file or stream could not be read or written.
    Io {
        /// What failed, such as `could not read results.jsonl`.
        context: String,
        /// What the caller can do, as part of a sentence, if the context and the source do not show it.
        hint: Option<Cow<'static, str>>,
        /// The error of the system.
        source: std::io::Error,
    },

    /// The embedded database could not be started.
    #[cfg(feature = "embedded")]
    Embedded(crate::embedded::EmbeddedError),
}

/// A simulation that a name or the beginning of an id matches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimulationCandidate {
    /// Its id.
    pub simulation_id: Uuid,
    /// A display name.
    pub simulation_name: Option<String>,
    /// When it was recorded.
    pub created_at: Timestamp,
}

/// The text of an error, its cause, and advice.
#[derive(Clone, Debug)]
pub struct ErrorDetail {
    /// What happened.
    pub message: String,
    /// What the caller can do, as part of a sentence, if the message does not show it.
    pub hint: Option<Cow<'static, str>>,
    /// The error that caused this one.
    pub source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl fmt::Display for ErrorDetail {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl<M: Into<String>> From<M> for ErrorDetail {
    fn from(message: M) -> Self {
        ErrorDetail { message: message.into(), hint: None, source: None }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Rejected { what, violations } => {
                write!(formatter, "{what} is not valid: {}", sentences(violations))
            }
            Error::Io { context, .. } => formatter.write_str(context),
            #[cfg(feature = "embedded")]
            Error::Embedded(error) => error.fmt(formatter),
            other => other.detail().map_or(Ok(()), |detail| detail.fmt(formatter)),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Error::Io { source, .. } => Some(source),
            #[cfg(feature = "embedded")]
            Error::Embedded(error) => error.source(),
            other => {
                let source = other.detail()?.source.as_deref()?;
                Some(source)
            }
        }
    }
}

#[cfg(feature = "embedded")]
impl From<crate::embedded::EmbeddedError> for Error {
    fn from(error: crate::embedded::EmbeddedError) -> Self {
        Error::Embedded(error)
    }
}

/// The party at fault in an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request: the same one fails again.
    Request,
    /// The database, the service or the spool is temporarily unavailable: the same request might
    /// succeed later.
    Unavailable,
    /// The installation, such as a setting, a file, a privilege or the schema: the same request
    /// succeeds once an operator has corrected it.
    Setup,
    /// A bug of this program or of the server.
    Internal,
}

impl ErrorKind {
    /// Whether the same request might succeed although nothing is changed.
    pub fn may_retry(self) -> bool {
        self == ErrorKind::Unavailable
    }
}

/// Why a spool cannot store anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SpoolFailure {
    /// Its disk has no room.
    DiskFull,
    /// Its disk cannot be read or written.
    DiskError,
    /// Its file was changed or damaged.
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
    /// Returns the party at fault, which decides what to do next.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Invalid(_)
            | Error::Rejected { .. }
            | Error::NotFound(_)
            | Error::Conflict(_)
            | Error::SimulationRemoved(_)
            | Error::Ambiguous { .. }
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

    /// Whether the same call can succeed later without any change.
    pub fn retryable(&self) -> bool {
        self.kind().may_retry()
    }

    /// Returns what the caller can do, if the text does not show it.
    pub fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            #[cfg(feature = "embedded")]
            Error::Embedded(error) => error.hint(),
            Error::Io { hint, .. } => hint.as_deref().map(Cow::Borrowed),
            other => other.detail()?.hint.as_deref().map(Cow::Borrowed),
        }
    }

    /// Returns the SQLSTATE of the database's error that caused this one.
    pub fn sqlstate(&self) -> Option<&str> {
        let mut source = self.source();
        while let Some(error) = source {
            if let Some(error) = error.downcast_ref::<tokio_postgres::Error>() {
                return error.code().map(SqlState::code);
            }
            source = error.source();
        }
        None
    }

    /// Returns the text with the causes, and without the hint, for a person or a log.
    ///
    /// The detail of an error of the database's server is omitted, because it can contain the values of
    /// a row.
    pub fn report(&self) -> String {
        report(self)
    }

    /// Returns the text with the causes and the hint, for an interface that has a single text for both.
    pub fn report_with_hint(&self) -> String {
        with_hint(self.report(), self.hint().as_deref())
    }

    /// Adds advice. An invalid document has none, and the embedded database has its own.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        match &mut self {
            Error::Io { hint: of_file, .. } => *of_file = Some(hint.into()),
            other => {
                if let Some(detail) = other.detail_mut() {
                    detail.hint = Some(hint.into());
                }
            }
        }
        self
    }

    /// Adds the error that caused this one, unless it always has one.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        if let Some(detail) = self.detail_mut() {
            detail.source = Some(Arc::from(source.into()));
        }
        self
    }

    fn detail(&self) -> Option<&ErrorDetail> {
        match self {
            Error::Invalid(detail)
            | Error::NotFound(detail)
            | Error::Conflict(detail)
            | Error::SimulationRemoved(detail)
            | Error::Ambiguous { detail, .. }
            | Error::Configuration(detail)
            | Error::Unavailable(detail)
            | Error::SpoolFull { detail, .. }
            | Error::SpoolUnavailable { detail, .. }
            | Error::Refused(detail)
            | Error::Database(detail)
            | Error::Internal(detail)
            | Error::Schema(detail)
            | Error::Component(detail) => Some(detail),
            Error::Rejected { .. } | Error::Io { .. } => None,
            #[cfg(feature = "embedded")]
            Error::Embedded(_) => None,
        }
    }

    fn detail_mut(&mut self) -> Option<&mut ErrorDetail> {
        match self {
            Error::Invalid(detail)
            | Error::NotFound(detail)
            | Error::Conflict(detail)
            | Error::SimulationRemoved(detail)
            | Error::Ambiguous { detail, .. }
            | Error::Configuration(detail)
            | Error::Unavailable(detail)
            | Error::SpoolFull { detail, .. }
            | Error::SpoolUnavailable { detail, .. }
            | Error::Refused(detail)
            | Error::Database(detail)
            | Error::Internal(detail)
            | Error::Schema(detail)
            | Error::Component(detail) => Some(detail),
            Error::Rejected { .. } | Error::Io { .. } => None,
            #[cfg(feature = "embedded")]
            Error::Embedded(_) => None,
        }
    }

    /// Returns [`Error::Invalid`] with this text.
    pub fn invalid(message: impl Into<String>) -> Self {
        Error::Invalid(message.into().into())
    }

    /// Returns [`Error::NotFound`] with this text.
    pub fn not_found(message: impl Into<String>) -> Self {
        Error::NotFound(message.into().into())
    }

    /// Returns [`Error::Conflict`] with this text.
    pub fn conflict(message: impl Into<String>) -> Self {
        Error::Conflict(message.into().into())
    }

    /// Returns [`Error::SimulationRemoved`] with this text.
    pub fn simulation_removed(message: impl Into<String>) -> Self {
        Error::SimulationRemoved(message.into().into())
            .with_hint("record the results as a new simulation (`arc-host record --new`)")
    }

    /// Returns [`Error::Configuration`] with this text.
    pub fn configuration(message: impl Into<String>) -> Self {
        Error::Configuration(message.into().into())
    }

    /// Returns [`Error::Unavailable`] with this text.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Error::Unavailable(message.into().into())
    }

    /// Returns [`Error::Refused`] with this text.
    pub fn refused(message: impl Into<String>) -> Self {
        Error::Refused(message.into().into())
    }

    /// Returns [`Error::Database`] with this text.
    pub fn database(message: impl Into<String>) -> Self {
        Error::Database(message.into().into())
    }

    /// Returns [`Error::Internal`] with this text.
    pub fn internal(message: impl Into<String>) -> Self {
        Error::Internal(message.into().into())
    }

    /// Returns [`Error::Schema`] with this text.
    pub fn schema(message: impl Into<String>) -> Self {
        Error::Schema(message.into().into())
    }

    /// Returns [`Error::Component`] with this text.
    pub fn component(message: impl Into<String>) -> Self {
        Error::Component(message.into().into())
    }

    pub(crate) fn io(context: impl Into<String>, source: std::io::Error) -> Self {
        Error::Io { context: context.into(), hint: None, source }
    }

    /// Returns the error of a failed database operation with values of the caller; `what` describes it
    /// and begins with a verb. Errors of the values are [`Error::Refused`].
    pub(crate) fn postgres(what: &str, error: tokio_postgres::Error) -> Self {
        let detail = ErrorDetail::from(format!("could not {what}"));
        let failed = match error.as_db_error() {
            Some(server) if server.code().code() == SIMULATION_REMOVED => {
                return Error::simulation_removed(server.message());
            }
            Some(server) => {
                let failed = Error::of_server(detail, server.code());
                match server.hint() {
                    Some(hint) => failed.with_hint(hint.to_owned()),
                    None => failed,
                }
            }
            None if connection_lost(&error) => Error::Unavailable(detail).with_hint(TRY_AGAIN),
            // A value that cannot be sent.
            None if error.to_string().starts_with("error serializing") => Error::Refused(detail),
            None => Error::Database(detail),
        };
        failed.with_source(error)
    }

    /// Returns the error of a failed database operation without values of the caller, which therefore
    /// is never [`Error::Refused`]; `what` as in [`Error::postgres`].
    pub(crate) fn postgres_without_values(what: &str, error: tokio_postgres::Error) -> Self {
        match Error::postgres(what, error) {
            Error::Refused(detail) => Error::Database(detail),
            error => error,
        }
    }

    /// Returns an error of the server, classified by its code.
    fn of_server(detail: ErrorDetail, state: &SqlState) -> Self {
        match ErrorKind::of_sqlstate(state) {
            ErrorKind::Unavailable => Error::Unavailable(detail).with_hint(TRY_AGAIN),
            ErrorKind::Request => Error::Refused(detail),
            ErrorKind::Setup => Error::Database(detail),
            ErrorKind::Internal => Error::Internal(detail),
        }
    }

    /// Whether the request itself is at fault, and is refused whenever it is sent again. All other
    /// errors are those of the destination.
    pub(crate) fn is_request_error(&self) -> bool {
        self.kind() == ErrorKind::Request
    }

    /// Returns the error of acquiring a connection from the pool.
    pub(crate) fn pool(error: deadpool::managed::PoolError<Error>) -> Self {
        use deadpool::managed::PoolError;
        match error {
            PoolError::Backend(error) => error,
            PoolError::Timeout(_) => {
                Error::unavailable("no database connection became free in time")
                    .with_hint("try again, or allow more connections")
            }
            other => Error::unavailable("could not get a database connection").with_source(other),
        }
    }
}

impl From<Aborted> for Error {
    fn from(error: Aborted) -> Self {
        Error::component("the extraction was aborted").with_source(error)
    }
}

/// The SQLSTATE of the migrations' functions for a simulation that was removed.
const SIMULATION_REMOVED: &str = "ARC01";

/// The hint of an error that might not occur again.
pub(crate) const TRY_AGAIN: &str = "try again";

/// How many violations a message contains; the type contains all of them.
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

/// Whether an error of the client is an error of the connection, and not of the request.
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

/// The kinds of the server's errors by the prefix of the SQLSTATE; the longest prefix counts. All others
/// are [`ErrorKind::Setup`], so that nothing is refused or lost because of an unknown code.
const KINDS_BY_SQLSTATE: &[(&str, ErrorKind)] = &[
    // Connection exceptions.
    ("08", ErrorKind::Unavailable),
    ("0A", ErrorKind::Internal),
    // Values that are not valid.
    ("22", ErrorKind::Request),
    // Constraints.
    ("23", ErrorKind::Request),
    ("21", ErrorKind::Internal),
    ("24", ErrorKind::Internal),
    ("25", ErrorKind::Internal),
    // A server that accepts no writes, because another one is the primary now.
    ("25006", ErrorKind::Unavailable),
    // A transaction that was idle for too long.
    ("25P03", ErrorKind::Unavailable),
    // Names of prepared statements in sessions that a pooler shares: existing, or missing.
    ("26000", ErrorKind::Unavailable),
    ("42P05", ErrorKind::Unavailable),
    ("28", ErrorKind::Setup),
    ("34", ErrorKind::Internal),
    ("3D000", ErrorKind::Setup),
    ("3F000", ErrorKind::Setup),
    // Lost races and deadlocks.
    ("40", ErrorKind::Unavailable),
    ("42", ErrorKind::Internal),
    // A missing privilege, table, column or object.
    ("42501", ErrorKind::Setup),
    ("42P01", ErrorKind::Setup),
    ("42703", ErrorKind::Setup),
    ("42704", ErrorKind::Setup),
    ("44", ErrorKind::Request),
    // Exhausted resources, such as the disk.
    ("53", ErrorKind::Unavailable),
    // Limits, such as the depth of JSON.
    ("54", ErrorKind::Request),
    ("55", ErrorKind::Setup),
    ("55006", ErrorKind::Unavailable),
    ("55P03", ErrorKind::Unavailable),
    // Cancelled statements and timeouts; a server that stops or starts.
    ("57", ErrorKind::Unavailable),
    // Failures of the server's system, such as its disk.
    ("58", ErrorKind::Unavailable),
    ("72000", ErrorKind::Unavailable),
    // Exceptions of a trigger of the database's owner.
    ("P0", ErrorKind::Internal),
    ("P0001", ErrorKind::Request),
    // A bug of the server; damaged files.
    ("XX000", ErrorKind::Internal),
    ("XX001", ErrorKind::Setup),
    ("XX002", ErrorKind::Setup),
];

impl ErrorKind {
    /// Returns the kind of an error of the server with this code.
    fn of_sqlstate(state: &SqlState) -> Self {
        let code = state.code();
        let matching = KINDS_BY_SQLSTATE.iter().filter(|(prefix, _)| code.starts_with(prefix));
        let longest = matching.max_by_key(|(prefix, _)| prefix.len());
        longest.map_or(ErrorKind::Setup, |(_, kind)| *kind)
    }
}

/// Whether an error of the server is transient.
pub(crate) fn transient(state: &SqlState) -> bool {
    ErrorKind::of_sqlstate(state).may_retry()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the variant of an error of the server with a code.
    fn kind(code: &str) -> &'static str {
        match Error::of_server("it failed".into(), &SqlState::from_code(code)) {
            Error::Unavailable(_) => "unavailable",
            Error::Refused(_) => "refused",
            Error::Database(_) => "database",
            Error::Internal(_) => "internal",
            _ => "other",
        }
    }

    #[test]
    fn only_invalid_data_is_refused_permanently() {
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
        // An operator has to fix these, and no result must be lost until then.
        for code in ["42501", "42P01", "3F000", "XX001"] {
            assert_eq!(kind(code), "database", "{code}");
        }
    }

    #[test]
    fn only_an_unavailable_database_is_retried_and_only_requests_are_refused_permanently() {
        let kinds = [
            ("22001", ErrorKind::Request),
            ("40001", ErrorKind::Unavailable),
            ("42501", ErrorKind::Setup),
            ("42601", ErrorKind::Internal),
        ];
        for (code, kind) in kinds {
            let error = Error::of_server("it failed".into(), &SqlState::from_code(code));
            assert_eq!(error.kind(), kind, "{code}");
            assert_eq!(error.retryable(), kind == ErrorKind::Unavailable, "{code}");
            assert_eq!(error.is_request_error(), kind == ErrorKind::Request, "{code}");
        }
    }

    #[test]
    fn the_text_has_neither_the_cause_nor_the_hint() {
        let disk = || std::io::Error::other("the disk is gone");
        let detailed = Error::unavailable("it failed").with_hint("try again").with_source(disk());
        let file = Error::io("it failed", disk()).with_hint("try again".to_owned());
        for error in [detailed, file] {
            assert_eq!(error.to_string(), "it failed");
            assert_eq!(error.hint().as_deref(), Some("try again"));
            assert_eq!(error.source().unwrap().to_string(), "the disk is gone");
            assert_eq!(error.report(), "it failed: the disk is gone");
            assert_eq!(error.report_with_hint(), "it failed: the disk is gone; try again");
            assert_eq!(error.sqlstate(), None);
        }
        let plain = Error::not_found("nothing");
        assert_eq!((plain.hint(), plain.report_with_hint()), (None, "nothing".to_owned()));
        assert!(plain.source().is_none());
        // A source that is already part of the text is not repeated.
        let complete = Error::invalid("it failed: the disk is gone, too").with_source(disk());
        assert_eq!(complete.report(), complete.to_string());
    }

    #[test]
    #[cfg(feature = "embedded")]
    fn the_embedded_database_has_its_cause_and_its_hint() {
        let source = std::io::Error::other("no room");
        let program = "/bin/arc-host".into();
        let error = Error::from(crate::embedded::EmbeddedError::NoSupervisor { program, source });
        assert_eq!(error.to_string(), "could not start the database's supervisor /bin/arc-host");
        assert_eq!(error.report(), format!("{error}: no room"));
        assert_eq!(
            error.hint().as_deref(),
            Some("if the program was replaced while it ran, start it again")
        );
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
            // An unknown code.
            ("ZZ999", "database"),
        ];
        for (code, expected) in rows {
            assert_eq!(kind(code), expected, "{code}");
        }
        for (prefix, _) in KINDS_BY_SQLSTATE {
            let tested = rows.iter().any(|(code, _)| code.starts_with(prefix));
            assert!(tested, "{prefix} has no row here");
        }
    }
}
