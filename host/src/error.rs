//! What can go wrong, sorted by who can mend it and whether trying again may help.
//!
//! The text of an error is what happened. Its causes are its sources, and advice is its hint: neither
//! is part of the text, and each interface shows them in its own way.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio_postgres::error::SqlState;

use crate::bindings::exports::arc::recording::types::Violation;
use crate::blocking::Aborted;
use crate::reason::report;

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong; never a secret.
///
/// Its text is what happened, without the causes, which are its sources ([`Error::report`] has both),
/// and without advice, which is [`Error::hint`]. [`Error::retryable`] reports whether the same call
/// again may work.
///
/// The source of an error of PostgreSQL is a [`tokio_postgres::Error`]; [`Error::sqlstate`] is its code.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The caller's arguments are wrong.
    Invalid(ErrorDetail),

    /// A document is not valid; all that is wrong with it.
    Rejected {
        /// What was read, such as `the result`.
        what: &'static str,
        /// Where it is wrong, and how.
        violations: Vec<Violation>,
    },

    /// There is no such thing.
    NotFound(ErrorDetail),

    /// It exists, but not as the caller says.
    Conflict(ErrorDetail),

    /// A setting is missing or wrong, or the machine lacks something.
    Configuration(ErrorDetail),

    /// The database is unavailable, overloaded, or ended the connection. The same call again may work.
    Unavailable(ErrorDetail),

    /// The database is unavailable, and the spool has no room for more. Nothing of the call was kept; the
    /// same call again may work.
    SpoolFull {
        /// How much the spool may hold, in bytes.
        limit_bytes: u64,
        /// What happened.
        detail: ErrorDetail,
    },

    /// The spool can keep nothing: its disk is full, does not work, or its file is damaged. This says
    /// nothing of the database. The same call again may work.
    SpoolUnavailable {
        /// What is wrong, without a path.
        failure: SpoolFailure,
        /// What happened.
        detail: ErrorDetail,
    },

    /// The database refuses what it was given, and would refuse it again, whoever sends it: a value
    /// or a row does not do. Nothing else is wrong with it.
    Refused(ErrorDetail),

    /// The database cannot do it as it is: a right or a table is missing, or its files are damaged.
    /// The same call works again when somebody has mended that.
    Database(ErrorDetail),

    /// A fault of this program, or of the database's: a statement that the server does not take. The
    /// same call works with a version in which it is mended.
    Internal(ErrorDetail),

    /// The schema in the database is not one that this program can work with.
    Schema(ErrorDetail),

    /// The extraction component could not be loaded.
    Component(ErrorDetail),

    /// A file or stream could not be read or written.
    Io {
        /// What could not be done, such as `could not read results.jsonl`.
        context: String,
        /// What the caller can do, as part of a sentence, if the other two do not show it.
        hint: Option<Cow<'static, str>>,
        /// The error of the system.
        source: std::io::Error,
    },

    /// The embedded database could not be started.
    #[cfg(feature = "embedded")]
    Embedded(crate::embedded::EmbeddedError),
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
    /// What the database's server adds as its detail is left out: it may show the values of a row.
    pub fn report(&self) -> String {
        report(self)
    }

    /// Returns the text with the causes and the hint, for an interface that has a single text for both.
    pub fn report_with_hint(&self) -> String {
        match self.hint() {
            Some(hint) => format!("{}; {hint}", self.report()),
            None => self.report(),
        }
    }

    /// Adds advice. A document that is not valid and the embedded database have their own, or none.
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

    /// A failure of the database while doing `what` (beginning with a verb), with values of the
    /// caller's: what is wrong with these is refused.
    pub(crate) fn postgres(what: &str, error: tokio_postgres::Error) -> Self {
        let detail = ErrorDetail::from(format!("could not {what}"));
        let failed = match error.as_db_error() {
            Some(server) => {
                let failed = Error::of_server(detail, server.code());
                match server.hint() {
                    Some(hint) => failed.with_hint(hint.to_owned()),
                    None => failed,
                }
            }
            None if connection_lost(&error) => Error::Unavailable(detail).with_hint(TRY_AGAIN),
            // A value that cannot even be sent.
            None if error.to_string().starts_with("error serializing") => Error::Refused(detail),
            None => Error::Database(detail),
        };
        failed.with_source(error)
    }

    /// The same while doing what has no value of the caller's, who then cannot be to blame for it:
    /// nothing is refused for good.
    pub(crate) fn of_place(what: &str, error: tokio_postgres::Error) -> Self {
        match Error::postgres(what, error) {
            Error::Refused(detail) => Error::Database(detail),
            error => error,
        }
    }

    /// An error of the server, sorted by its code.
    fn of_server(detail: ErrorDetail, state: &SqlState) -> Self {
        match Cause::of(state) {
            Cause::Moment => Error::Unavailable(detail).with_hint(TRY_AGAIN),
            Cause::Call => Error::Refused(detail),
            Cause::Place => Error::Database(detail),
            Cause::Program => Error::Internal(detail),
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
        Error::component("extraction was broken off").with_source(error)
    }
}

/// The hint of an error that might not occur again.
pub(crate) const TRY_AGAIN: &str = "try again";

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
        match Error::of_server("it failed".into(), &SqlState::from_code(code)) {
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
            let error = Error::of_server("it failed".into(), &SqlState::from_code(code));
            assert_eq!(error.kind(), kind, "{code}");
            assert_eq!(error.retryable(), kind == ErrorKind::Unavailable, "{code}");
            assert_eq!(error.about_the_call(), kind == ErrorKind::Request, "{code}");
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
        // What a text has already is not repeated.
        let said = Error::invalid("it failed: the disk is gone, for good").with_source(disk());
        assert_eq!(said.report(), said.to_string());
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
