//! Work that is under way, and who waits for it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use arc_host::Error;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use serde::Serialize;
use tokio::sync::oneshot::{self, Receiver};

use crate::delivery::Delivery;
use crate::errors;
use crate::process::{self, Process};

/// How often a thread that waits looks whether somebody pressed Ctrl-C.
pub(crate) const LOOK_FOR_SIGNALS: Duration = Duration::from_millis(50);

type Value = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;

/// What a call has given.
pub(crate) struct Answer(Result<Value, Error>);

impl Answer {
    pub(crate) fn into_python(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match self.0 {
            Ok(value) => value(py),
            Err(error) => Err(errors::exception(py, &error)),
        }
    }
}

/// Work that is under way. It goes on whether or not anybody waits for its answer.
#[pyclass(frozen)]
pub(crate) struct Call {
    receiver: Mutex<Option<Receiver<Answer>>>,
    generation: u64,
}

impl Call {
    /// Begins work, whose answer becomes dicts, lists, texts and numbers.
    pub(crate) fn begin<T: Serialize + Send + 'static>(
        process: &'static Process,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Self {
        // JSON between the two, because parts of an answer are JSON text already, which is not read here.
        let work = async move {
            let answer = work.await?;
            serde_json::to_string(&answer)
                .map_err(|error| Error::internal("an answer cannot be written").with_source(error))
        };
        Self::begin_with(process, work, |py, text| {
            let loads = py.import("json")?.getattr("loads")?;
            Ok(loads.call1((text,))?.unbind())
        })
    }

    /// Begins work, whose answer is made a Python object by `convert`.
    pub(crate) fn begin_with<T: Send + 'static>(
        process: &'static Process,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
        convert: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
    ) -> Self {
        let (sender, receiver) = oneshot::channel();
        process.runtime.spawn(async move {
            let answer =
                work.await.map(|value| Box::new(move |py: Python<'_>| convert(py, value)) as Value);
            // Whoever asked may have gone.
            let _ = sender.send(Answer(answer));
        });
        Call { receiver: Mutex::new(Some(receiver)), generation: process::generation() }
    }

    fn take(&self) -> PyResult<Receiver<Answer>> {
        if self.generation != process::generation() {
            return Err(PyRuntimeError::new_err("this call was begun before the process forked"));
        }
        let receiver = self.receiver.lock().unwrap_or_else(PoisonError::into_inner).take();
        receiver.ok_or_else(|| PyRuntimeError::new_err("this call's answer was taken already"))
    }
}

#[pymethods]
impl Call {
    /// Waits for the answer, and for Ctrl-C, after which it can be waited for again.
    fn wait(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let mut receiver = self.take()?;
        let process = process::process(py)?;
        loop {
            let answered = py.detach(|| {
                process
                    .runtime
                    .block_on(async { tokio::time::timeout(LOOK_FOR_SIGNALS, &mut receiver).await })
            });
            match answered {
                Ok(Ok(answer)) => return answer.into_python(py),
                Ok(Err(_)) => return Err(broken_off()),
                Err(_) => {
                    if let Err(interrupted) = py.check_signals() {
                        *self.receiver.lock().unwrap_or_else(PoisonError::into_inner) =
                            Some(receiver);
                        return Err(interrupted);
                    }
                }
            }
        }
    }

    /// Has the answer set in a future of an event loop.
    fn deliver(&self, py: Python<'_>, event_loop: Py<PyAny>, future: Py<PyAny>) -> PyResult<()> {
        let receiver = self.take()?;
        let process = process::process(py)?;
        if process.deliveries.ended() {
            return Err(PyRuntimeError::new_err(
                "the interpreter is ending, and no event loop gets an answer any more",
            ));
        }
        process.runtime.spawn(async move {
            let answer = match receiver.await {
                Ok(answer) => answer,
                Err(_) => Answer(Ok(Box::new(|_| Err(broken_off())))),
            };
            process.deliveries.send(Delivery { event_loop, future, answer });
        });
        Ok(())
    }
}

fn broken_off() -> PyErr {
    PyRuntimeError::new_err("the call was broken off by a panic; please report it")
}
