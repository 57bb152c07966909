//! The reasons that errors of other libraries contain.

use std::error::Error;

use tokio_postgres::error::DbError;

/// Returns the message of an error's innermost source, which is the most specific one.
pub(crate) fn innermost(error: &dyn Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// Returns the text of an error with those of its sources. One that is part of another is not repeated.
pub(crate) fn report(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let database = error.downcast_ref::<tokio_postgres::Error>();
        let cause = database.map_or_else(|| error.to_string(), database_message);
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        // The sources of a database's error can contain the values of a row.
        source = if database.is_some() { None } else { error.source() };
    }
    text
}

/// Returns a text with a hint, for an interface that has a single text for both.
pub(crate) fn with_hint(text: String, hint: Option<&str>) -> String {
    match hint {
        Some(hint) => format!("{text}; {hint}"),
        None => text,
    }
}

/// Returns the message of an error of the database, or of the connection to it.
pub(crate) fn database_message(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| innermost(error), server_message)
}

/// Returns the message of an error of the server. Its detail is omitted, because it can contain the
/// values of a row; its hint becomes the hint of the host's error.
fn server_message(error: &DbError) -> String {
    format!("{} [SQLSTATE {}]", error.message(), error.code().code())
}
