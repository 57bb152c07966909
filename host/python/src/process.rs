//! What a process has one of: the threads that work, the thread that delivers, the loaded extractor.
//!
//! A fork copies the memory and none of the threads. What the child finds of its parent's is
//! therefore never used nor dropped, only forgotten, and made anew when it is first needed.

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use arc_host::database::components_cache;
use arc_host::extraction::{ExtractionSettings, Extractor};
use pyo3::prelude::*;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::OnceCell;

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
    /// The built-in extractor, loaded when it is first needed.
    pub(crate) async fn extractor(&self) -> arc_host::Result<Extractor> {
        let load = || async {
            let settings = ExtractionSettings {
                cache_dir: components_cache(),
                ..ExtractionSettings::default()
            };
            tokio::task::spawn_blocking(move || Extractor::built_in(&settings))
                .await
                .map_err(|error| arc_host::Error::Component(error.to_string()))?
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

/// To be called before the interpreter ends: no thread of the host enters it from then on.
#[pyfunction]
pub(crate) fn stop(py: Python<'_>) {
    if let Some(process) = current() {
        py.detach(|| process.deliveries.end());
    }
}
