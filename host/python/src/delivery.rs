//! The thread that delivers answers to event loops.
//!
//! Only this thread takes the interpreter's lock for an answer, so the runtime's threads never
//! wait for Python.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use arc_host::lock::lock;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::call::Answer;

/// The channel to the thread.
#[derive(Debug)]
pub(crate) struct Deliveries {
    sender: Sender<Message>,
    thread: Mutex<Option<JoinHandle<()>>>,
    ended: AtomicBool,
}

enum Message {
    Answer(Delivery),
    End,
}

/// An answer, and the future of an event loop that waits for it.
pub(crate) struct Delivery {
    pub(crate) event_loop: Py<PyAny>,
    pub(crate) future: Py<PyAny>,
    pub(crate) answer: Answer,
}

impl Deliveries {
    /// Starts the thread.
    pub(crate) fn begin() -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("arc-recorder-answers".to_owned())
            .spawn(move || deliver_all(&receiver))?;
        Ok(Deliveries { sender, thread: Mutex::new(Some(thread)), ended: AtomicBool::new(false) })
    }

    /// Sends an answer to the thread.
    pub(crate) fn send(&self, delivery: Delivery) {
        if let Err(mpsc::SendError(Message::Answer(delivery))) =
            self.sender.send(Message::Answer(delivery))
        {
            // The interpreter is ending, and no future is awaited any more. Only a thread that is attached to it
            // can release its objects.
            std::mem::forget(delivery);
        }
    }

    /// Returns whether deliveries have ended.
    pub(crate) fn ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Ends the thread after the answers that were sent before are delivered.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
        let thread = lock(&self.thread).take();
        if let Some(thread) = thread {
            // Sending fails if the thread has already ended.
            let _ = self.sender.send(Message::End);
            let _ = thread.join();
        }
    }
}

fn deliver_all(receiver: &Receiver<Message>) {
    while let Ok(Message::Answer(delivery)) = receiver.recv() {
        let mut waiting = Some(delivery);
        let entered = Python::try_attach(|py| {
            if let Some(delivery) = waiting.take() {
                deliver(py, delivery);
            }
        });
        if entered.is_none() {
            std::mem::forget(waiting);
            return;
        }
    }
}

fn deliver(py: Python<'_>, delivery: Delivery) {
    static SETTLE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let Delivery { event_loop, future, answer } = delivery;
    let (value, error) = match answer.into_python(py) {
        Ok(value) => (value, py.None()),
        Err(error) => (py.None(), error.into_value(py).into_any()),
    };
    let settled = SETTLE.import(py, "arc_recorder._waiting", "settle").and_then(|settle| {
        event_loop.bind(py).call_method1("call_soon_threadsafe", (settle, future, value, error))
    });
    // If the loop was closed meanwhile, no task waits for the answer.
    drop(settled);
}
