//! The host's errors as exceptions of `arc_recorder.errors`.

use std::io;

use arc_host::Error;
use arc_host::extraction::Violation;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

/// Returns the exception for a thread that could not be started.
pub(crate) fn thread_refused(error: &io::Error) -> PyErr {
    PyOSError::new_err(format!("could not start the recorder's threads: {error}"))
}

/// Returns the exception for an error.
pub(crate) fn exception(py: Python<'_>, error: &Error) -> PyErr {
    static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let kind = match error {
        Error::Invalid(_) | Error::Rejected { .. } => "ValidationError",
        Error::NotFound(_) => "NotFoundError",
        Error::Conflict(_) => "ConflictError",
        Error::SimulationRemoved(_) => "SimulationRemovedError",
        Error::Ambiguous { .. } => "AmbiguousSimulationError",
        Error::Configuration(_) | Error::Embedded(_) => "ConfigurationError",
        Error::Unavailable(_) | Error::SpoolUnavailable { .. } => "UnavailableError",
        Error::Schema(_) => "SchemaError",
        _ => "DatabaseError",
    };
    let violations: PyResult<Vec<Bound<'_, PyDict>>> = match error {
        Error::Rejected { violations, .. } => {
            violations.iter().map(|violation| dict(py, violation)).collect()
        }
        _ => Ok(Vec::new()),
    };
    let made = violations.and_then(|violations| {
        let make = MAKE.import(py, "arc_recorder.errors", "from_host")?;
        let hint = error.hint();
        make.call1((kind, error.report(), error.retryable(), violations, hint.as_deref()))
    });
    made.map_or_else(|error| error, PyErr::from_value)
}

/// Returns a violation as a dict.
pub(crate) fn dict<'py>(py: Python<'py>, violation: &Violation) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("path", &violation.path)?;
    dict.set_item("code", &violation.code)?;
    dict.set_item("message", &violation.message)?;
    Ok(dict)
}

/// Returns the exception for a value that cannot be converted to JSON.
pub(crate) fn unwritable(py: Python<'_>, what: &'static str, path: &str, message: &str) -> PyErr {
    let (path, message) = (path.to_owned(), message.to_owned());
    let violation = Violation { path, code: NOT_JSON.to_owned(), message };
    exception(py, &Error::Rejected { what, violations: vec![violation] })
}

/// The violation code of a value that cannot be converted to JSON.
pub(crate) const NOT_JSON: &str = "not_json";
