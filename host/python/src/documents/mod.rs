//! Python objects as JSON text, as people expect them, a slice of time after another.
//!
//! | module | its idea |
//! |---|---|
//! | `writer` | the walk through an object, which can pause anywhere |
//! | `plain` | the values that are JSON as they are: texts, numbers, truth |
//! | `others` | what other types are made of: enums, dates, models, arrays |

mod others;
mod plain;
mod writer;

use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::PyString;

pub(crate) use writer::{Unwritable, Writer, Written};

/// An object that becomes JSON text: metadata, a list of scenarios, a summary. A number that JSON
/// cannot hold becomes null.
#[pyclass]
pub(crate) struct Text {
    writer: Writer,
    what: &'static str,
}

#[pymethods]
impl Text {
    #[new]
    fn new(value: Bound<'_, PyAny>, what: &str) -> Self {
        Text { writer: Writer::new(value, &[]), what: known(what) }
    }

    /// Writes on for about so many milliseconds, and gives the text once it is done. Raises
    /// `ValidationError` where a value cannot be JSON.
    fn proceed<'py>(
        &mut self,
        py: Python<'py>,
        milliseconds: f64,
    ) -> PyResult<Option<Bound<'py, PyString>>> {
        let slice = Duration::try_from_secs_f64(milliseconds / 1_000.0).unwrap_or_default();
        let until = Instant::now().checked_add(slice).unwrap_or_else(Instant::now);
        match self.writer.proceed(py, Some(until)) {
            // A summary's numbers are figures, all of them.
            Ok(Some(Written { not_finite, .. }))
                if self.what == SUITE && !not_finite.is_empty() =>
            {
                let path = not_finite.first().map_or("", |number| number.path.as_str());
                Err(crate::errors::unwritable(py, self.what, path, "must be a finite number"))
            }
            Ok(written) => Ok(written.map(|written| PyString::new(py, &written.text))),
            Err(Unwritable::Raised(error)) => Err(error),
            Err(Unwritable::Value { path, message }) => {
                Err(crate::errors::unwritable(py, self.what, &path, &message))
            }
        }
    }
}

const SUITE: &str = "the suite's summary";

/// What is being made JSON, in the words of the calls.
fn known(what: &str) -> &'static str {
    const KNOWN: [&str; 4] = ["the list of scenarios", "the metadata", SUITE, "the configuration"];
    KNOWN.into_iter().find(|known| *known == what).unwrap_or("the value")
}
