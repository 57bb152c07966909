//! Verdicts as Python objects.

use arc_host::extraction::Violation;
use arc_host::recorder::{ItemVerdict, Verdict};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

use crate::errors;

/// Returns the ids of the recorded results, and the verdicts on the others.
pub(crate) fn brief_answer<'py>(
    py: Python<'py>,
    verdicts: impl Iterator<Item = ItemVerdict>,
    first: u64,
) -> PyResult<Bound<'py, PyTuple>> {
    let (ids, others) = (PyList::empty(py), PyList::empty(py));
    for (position, item) in (first..).zip(verdicts) {
        match item.verdict {
            Verdict::Stored | Verdict::Duplicate | Verdict::Spooled => {
                ids.append(item.outcome_id.to_string())?
            }
            Verdict::Rejected(_) | Verdict::Failed { .. } => {
                ids.append(py.None())?;
                others.append((position, verdict_dict(py, item)?))?;
            }
        }
    }
    (ids, others).into_pyobject(py)
}

/// Returns a verdict as the dict that `record_batch` returns.
pub(crate) fn verdict_dict<'py>(
    py: Python<'py>,
    item: ItemVerdict,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    let list = |violations: &[Violation]| -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        for violation in violations {
            list.append(errors::dict(py, violation)?)?;
        }
        Ok(list)
    };
    let (verdict, violations, retryable, message, hint) = match &item.verdict {
        Verdict::Stored => ("stored", list(&[])?, false, None, None),
        Verdict::Duplicate => ("duplicate", list(&[])?, false, None, None),
        Verdict::Spooled => ("spooled", list(&[])?, false, None, None),
        Verdict::Rejected(violations) => ("rejected", list(violations)?, false, None, None),
        Verdict::Failed { kind, message, hint } => {
            ("failed", list(&[])?, kind.may_retry(), Some(message.as_str()), hint.as_deref())
        }
    };
    let outcome_id = (!item.outcome_id.is_nil()).then(|| item.outcome_id.to_string());
    dict.set_item("verdict", verdict)?;
    dict.set_item("outcome_id", outcome_id)?;
    dict.set_item("violations", violations)?;
    dict.set_item("warnings", list(&item.warnings)?)?;
    dict.set_item("retryable", retryable)?;
    dict.set_item("message", message)?;
    dict.set_item("hint", hint)?;
    Ok(dict)
}
