//! Serializes Python objects to JSON text, in time slices.
//!
//! | module | purpose |
//! |---|---|
//! | `writer` | the walk through an object, which can pause anywhere |
//! | `plain` | values of JSON's own types: strings, numbers, booleans |
//! | `others` | conversion of other types: enums, dates, models, arrays |

mod others;
mod plain;
mod writer;

use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::PyString;

pub(crate) use writer::{JsonText, Unwritable, Writer};

/// An object that becomes JSON text, such as metadata, a list of scenarios or a summary. A number that JSON
/// cannot represent becomes null; it keeps its name in a summary, and is refused in a declaration.
#[pyclass]
pub(crate) struct Text {
    writer: Writer,
    what: &'static str,
}

#[pymethods]
impl Text {
    #[new]
    fn new(value: Bound<'_, PyAny>, what: &str) -> Self {
        Text { writer: Writer::new(value, &[]), what: static_name(what) }
    }

    /// Continues for about `milliseconds`, and returns the text once it is complete. Raises
    /// `ValidationError` if a value cannot be converted to JSON.
    fn proceed<'py>(
        &mut self,
        py: Python<'py>,
        milliseconds: f64,
    ) -> PyResult<Option<Bound<'py, PyString>>> {
        let slice = Duration::try_from_secs_f64(milliseconds / 1_000.0).unwrap_or_default();
        let until = Instant::now().checked_add(slice).unwrap_or_else(Instant::now);
        match self.writer.proceed(py, Some(until)) {
            Ok(Some(JsonText { not_finite, .. }))
                if self.what == DECLARATION && !not_finite.is_empty() =>
            {
                let path = not_finite.first().map_or("", |number| number.path.as_str());
                Err(crate::errors::unwritable(py, self.what, path, "must be a finite number"))
            }
            // The extractor reads such a number as absent, and returns a warning about it.
            Ok(Some(written)) if self.what == SUITE => {
                Ok(Some(PyString::new(py, &with_names(&written))))
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
const DECLARATION: &str = "the declaration of metrics";

/// Returns the name of the value for error messages.
fn static_name(what: &str) -> &'static str {
    const NAMES: [&str; 5] =
        ["the list of scenarios", "the metadata", SUITE, DECLARATION, "the configuration"];
    NAMES.into_iter().find(|name| *name == what).unwrap_or("the value")
}

/// Returns the text with `NaN`, `Infinity` or `-Infinity` in the places of numbers that JSON cannot
/// represent, as Python's own `json` writes them.
fn with_names(JsonText { text, not_finite }: &JsonText) -> String {
    let mut named = String::with_capacity(text.len() + not_finite.len() * 8);
    let mut done = 0;
    for place in not_finite {
        named.push_str(text.get(done..place.offset).unwrap_or_default());
        named.push_str(place.number.as_str());
        done = place.offset + "null".len();
    }
    named.push_str(text.get(done..).unwrap_or_default());
    named
}
