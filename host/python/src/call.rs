//! A call in progress, and the ways to wait for it.

use std::sync::Mutex;
use std::time::Duration;

use arc_host::Error;
use arc_host::lock::lock;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use serde::Serialize;
use tokio::sync::oneshot::{self, Receiver};

use crate::delivery::Delivery;
use crate::errors;
use crate::process::{self, Process};

/// How often a waiting thread checks for Ctrl-C.
pub(crate) const SIGNAL_CHECK_INTERVAL: Duration = Duration::from_millis(50);

type Value = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;

/// The answer of a call.
pub(crate) struct Answer(Result<Value, Error>);

impl Answer {
    pub(crate) fn into_python(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match self.0 {
            Ok(value) => value(py),
            Err(error) => Err(errors::exception(py, &error)),
        }
    }
}

/// A call in progress. Its work continues whether or not its answer is awaited.
#[pyclass(frozen)]
pub(crate) struct Call {
    receiver: Mutex<Option<Receiver<Answer>>>,
    generation: u64,
}

impl Call {
    /// Begins work. Its answer becomes dicts, lists, strings and numbers.
    pub(crate) fn begin<T: Serialize + Send + 'static>(
        process: &'static Process,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Self {
        // The answer passes through JSON, because parts of it are already JSON text, which is not parsed here.
        let work = async move {
            let answer = work.await?;
            serde_json::to_string(&answer).map_err(|error| {
                Error::internal("an answer cannot be serialized").with_source(error)
            })
        };
        Self::begin_with(process, work, |py, text| {
            let loads = py.import("json")?.getattr("loads")?;
            Ok(loads.call1((text,))?.unbind())
        })
    }

    /// Begins work. `convert` makes a Python object from its answer.
    pub(crate) fn begin_with<T: Send + 'static>(
        process: &'static Process,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
        convert: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
    ) -> Self {
        let (sender, receiver) = oneshot::channel();
        process.runtime.spawn(async move {
            let answer =
                work.await.map(|value| Box::new(move |py: Python<'_>| convert(py, value)) as Value);
            // Sending fails if the caller no longer waits.
            let _ = sender.send(Answer(answer));
        });
        Call { receiver: Mutex::new(Some(receiver)), generation: process::generation() }
    }

    fn take(&self) -> PyResult<Receiver<Answer>> {
        if self.generation != process::generation() {
            return Err(PyRuntimeError::new_err("this call was begun before the process forked"));
        }
        let receiver = lock(&self.receiver).take();
        receiver.ok_or_else(|| PyRuntimeError::new_err("this call's answer was taken already"))
    }
}

#[pymethods]
impl Call {
    /// Waits for the answer, or for Ctrl-C, after which it can be waited for again.
    fn wait(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let mut receiver = self.take()?;
        let process = process::process(py)?;
        loop {
            let answered = py.detach(|| {
                process.runtime.block_on(async {
                    tokio::time::timeout(SIGNAL_CHECK_INTERVAL, &mut receiver).await
                })
            });
            match answered {
                Ok(Ok(answer)) => return answer.into_python(py),
                Ok(Err(_)) => return Err(aborted()),
                Err(_) => {
                    if let Err(interrupted) = py.check_signals() {
                        *lock(&self.receiver) = Some(receiver);
                        return Err(interrupted);
                    }
                }
            }
        }
    }

    /// Delivers the answer to a future of an event loop.
    fn deliver(&self, py: Python<'_>, event_loop: Py<PyAny>, future: Py<PyAny>) -> PyResult<()> {
        let receiver = self.take()?;
        let process = process::process(py)?;
        if process.deliveries.ended() {
            return Err(PyRuntimeError::new_err(
                "the interpreter is ending, so event loops receive no more answers",
            ));
        }
        process.runtime.spawn(async move {
            let answer = match receiver.await {
                Ok(answer) => answer,
                Err(_) => Answer(Ok(Box::new(|_| Err(aborted())))),
            };
            process.deliveries.send(Delivery { event_loop, future, answer });
        });
        Ok(())
    }
}

fn aborted() -> PyErr {
    PyRuntimeError::new_err("the call was aborted by a panic; please report it")
}
