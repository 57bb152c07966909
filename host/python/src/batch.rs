//! The results of one call, serialized to JSON.

use std::time::{Duration, Instant};

use arc_host::extraction::Violation;
use arc_host::recorder::Submission;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyByteArray, PyBytes, PyList, PyString};

use crate::documents::{JsonText, Unwritable, Writer};
use crate::errors::NOT_JSON;

/// The longest document in bytes, as the extraction rules define it. A longer one is rejected without being read.
const DOCUMENT_BYTES: usize = 16 << 20;

/// Members that the guide's runners add to a result after it was recorded. They are not part of it.
const EXCLUDED_MEMBERS: &[&str] = &["database_tracking"];

/// A result, or the reason for which it cannot be recorded.
pub(crate) enum Item {
    Submission(Submission),
    Unwritable(Violation),
}

/// The results of one call.
#[pyclass]
pub(crate) struct Batch {
    items: Vec<Item>,
    bytes: usize,
    /// The result that is being serialized. A large one takes several calls.
    writing: Option<(Writer, Submission)>,
}

#[pymethods]
impl Batch {
    #[new]
    fn new() -> Self {
        Batch { items: Vec::new(), bytes: 0, writing: None }
    }

    /// Returns the total length of the documents in bytes.
    #[getter]
    fn bytes(&self) -> usize {
        self.bytes
    }

    fn __len__(&self) -> usize {
        self.items.len()
    }

    /// Serializes results from `next` on, for about `milliseconds` or until the batch is full, and
    /// returns the index of the first that is not done. The other lists are parallel to `results`.
    #[expect(clippy::too_many_arguments, reason = "the arguments of the Python call")]
    fn take(
        &mut self,
        results: &Bound<'_, PyList>,
        next: usize,
        milliseconds: f64,
        most_items: usize,
        most_bytes: usize,
        trials: Option<&Bound<'_, PyList>>,
        modal_call_ids: Option<&Bound<'_, PyList>>,
        sandbox_ids: Option<&Bound<'_, PyList>>,
    ) -> PyResult<usize> {
        let py = results.py();
        let slice = Duration::try_from_secs_f64(milliseconds / 1_000.0).unwrap_or_default();
        let until = Instant::now().checked_add(slice).unwrap_or_else(Instant::now);
        let mut next = next;
        while next < results.len() && self.items.len() < most_items && self.bytes < most_bytes {
            let (mut writer, submission) = match self.writing.take() {
                Some(writing) => writing,
                None => {
                    let result = results.get_item(next)?;
                    let submission = Submission {
                        trial: match trial_at(trials, next)? {
                            Ok(trial) => trial,
                            Err(violation) => {
                                self.items.push(Item::Unwritable(violation));
                                next += 1;
                                continue;
                            }
                        },
                        modal_call_id: text_at(modal_call_ids, next)?,
                        sandbox_id: text_at(sandbox_ids, next)?,
                        ..Submission::new("")
                    };
                    if let Some(bytes) = text(&result)? {
                        let Submission { document, .. } =
                            Submission::from_bytes(bytes, DOCUMENT_BYTES);
                        self.add(Submission { document, ..submission });
                        next += 1;
                        continue;
                    }
                    (Writer::new(result, EXCLUDED_MEMBERS), submission)
                }
            };
            match writer.proceed(py, Some(until)) {
                Ok(None) => {
                    self.writing = Some((writer, submission));
                    return Ok(next);
                }
                Ok(Some(JsonText { text, not_finite })) => {
                    let Submission { document, .. } = if text.len() > DOCUMENT_BYTES {
                        Submission::from_bytes(text.into_bytes(), DOCUMENT_BYTES)
                    } else {
                        Submission::new(text)
                    };
                    self.add(Submission { document, not_finite, ..submission });
                }
                Err(Unwritable::Value { path, message }) => {
                    let code = NOT_JSON.to_owned();
                    self.items.push(Item::Unwritable(Violation { path, code, message }));
                }
                Err(Unwritable::Raised(error)) => return Err(error),
            }
            next += 1;
            if Instant::now() >= until {
                break;
            }
        }
        Ok(next)
    }
}

impl Batch {
    fn add(&mut self, mut submission: Submission) {
        self.bytes += submission.document_bytes();
        submission.position = Some(self.items.len() as u64);
        self.items.push(Item::Submission(submission));
    }

    /// Takes the results out of the batch, in order. `first` is the position of the first of them in the whole call.
    pub(crate) fn empty(&mut self, first: u64) -> Vec<Item> {
        self.bytes = 0;
        let mut items = std::mem::take(&mut self.items);
        for item in &mut items {
            if let Item::Submission(Submission { position: Some(position), .. }) = item {
                *position += first;
            }
        }
        items
    }
}

/// Returns the bytes of a document that is already text.
fn text(result: &Bound<'_, PyAny>) -> PyResult<Option<Vec<u8>>> {
    if let Ok(text) = result.cast::<PyString>() {
        return match text.to_cow() {
            Ok(text) => Ok(Some(text.into_owned().into_bytes())),
            // Half a surrogate pair is not valid UTF-8, and is rejected when the document is read.
            Err(_) => {
                let encoded = text.call_method1("encode", ("utf-8", "surrogatepass"))?;
                Ok(Some(encoded.cast::<PyBytes>()?.as_bytes().to_vec()))
            }
        };
    }
    if let Ok(bytes) = result.cast::<PyBytes>() {
        return Ok(Some(bytes.as_bytes().to_vec()));
    }
    if let Ok(bytes) = result.cast::<PyByteArray>() {
        return Ok(Some(bytes.to_vec()));
    }
    Ok(None)
}

/// Returns the trial of a result. An invalid one is a violation of this result only.
fn trial_at(
    list: Option<&Bound<'_, PyList>>,
    index: usize,
) -> PyResult<Result<Option<u32>, Violation>> {
    let Some(list) = list else { return Ok(Ok(None)) };
    let trial = list.get_item(index)?;
    // In Python, True equals 1.
    let number = if trial.is_instance_of::<PyBool>() { None } else { trial.extract().ok() };
    Ok(number.ok_or_else(|| Violation {
        path: "/recording/trial".to_owned(),
        code: "trial_out_of_range".to_owned(),
        message: "a trial is an integer that counts from 1".to_owned(),
    }))
}

/// Returns an id of a result as text. It can be another object, such as a UUID.
fn text_at(list: Option<&Bound<'_, PyList>>, index: usize) -> PyResult<Option<String>> {
    let Some(list) = list else { return Ok(None) };
    let value = list.get_item(index)?;
    if value.is_none() {
        return Ok(None);
    }
    let text = value.str()?;
    let text = match text.to_cow() {
        Ok(text) => text.into_owned(),
        // Half of a surrogate pair is not text. It is recorded like a NUL, with a warning.
        Err(_) => {
            let encoded = text.call_method1("encode", ("utf-16-be", "surrogatepass"))?;
            let units = encoded.cast::<PyBytes>()?.as_bytes().chunks_exact(2);
            let units = units.map(|unit| match unit {
                [high, low] => u16::from_be_bytes([*high, *low]),
                _ => 0,
            });
            char::decode_utf16(units).map(|unit| unit.unwrap_or('\0')).collect()
        }
    };
    Ok(Some(text))
}
