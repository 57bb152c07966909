//! The wasmtime engine: its preallocated memory, its limits, and how it is interrupted.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::{
    Config, Engine, EngineWeak, InstanceAllocationStrategy, PoolingAllocationConfig, Result,
};

use super::{ExtractionLimits, IdleSessions, Session, SessionOwner};
use crate::lock::lock;

/// The interval at which the engine's epoch is incremented. A deadline is late by at most this.
const TICK: Duration = Duration::from_millis(10);

/// How much of a used memory remains mapped for the next instance: the need of an ordinary document, so
/// that instantiating does not fault the same pages in again.
const KEEP_RESIDENT_BYTES: usize = 1 << 20;

/// Inputs of more bytes are read one after the other.
const LONG_INPUT_BYTES: usize = 2 << 20;

/// How long a thread sleeps before it tries to acquire an instance again.
const WAIT_FOR_INSTANCE: Duration = Duration::from_millis(1);

/// A permit to hold one instance of the pool.
pub(super) type Permit = OwnedSemaphorePermit;

/// Whether the code in an engine is metered and can be interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Metering {
    /// Not at all: for the built-in components, whose work is bounded by the document's size. The
    /// checks in every iteration of a loop would cost half as much again as the extraction itself.
    Off,
    /// By fuel in proportion to the document: for third-party components without imports. They compute
    /// and never wait, so that fuel bounds their time, too; an additional deadline would cost a fifth
    /// of the whole.
    Fuel,
    /// By fuel and by a deadline: for third-party components that call functions of the host, which
    /// take time and no fuel.
    FuelAndDeadline,
}

/// An engine with its pool and its ticker. Extractors share it, and so they share its instances.
pub(super) struct SharedEngine {
    pub(super) engine: Engine,
    pub(super) metering: Metering,
    pub(super) limits: ExtractionLimits,
    /// As many permits as the pool has instances: an exhausted pool is an error, a permit waits.
    instances: Arc<Semaphore>,
    /// How many instances the pool has.
    pub(super) total_instances: usize,
    /// Sessions that wait for their owner's next call, the most recently used last. They hold
    /// instances, so owners that share these share the instances.
    idle: IdleSessions,
    /// For a long input: an instance takes several times its memory to read it.
    long_inputs: Mutex<()>,
}

impl SharedEngine {
    pub(super) fn new(limits: &ExtractionLimits, metering: Metering) -> Result<Self> {
        // Extraction is pure computation, so more sessions than cores only wait for each other; one
        // more per core lets the next batch begin while an answer is passed on.
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let instances = u32::try_from(cores * 2).unwrap_or(u32::MAX).min(256);

        let mut pool = PoolingAllocationConfig::default();
        pool.total_component_instances(instances);
        // A component made from one core module has that module and the adapter shims of its
        // exports; what JavaScript and Python are compiled to has several more.
        // Those have empty memories beside their own, too: the limit of bytes is for all together.
        let (core_instances, memories, table_elements) = match metering {
            Metering::Off => (8, 1, 10_000),
            Metering::Fuel | Metering::FuelAndDeadline => (32, 4, 100_000),
        };
        pool.max_core_instances_per_component(core_instances);
        pool.total_core_instances(instances.saturating_mul(core_instances));
        pool.max_memories_per_component(memories);
        pool.total_memories(instances.saturating_mul(memories));
        pool.max_memory_size(limits.memory_bytes);
        // One table of functions for each core instance, and a bound on its length that no
        // extractor of reasonable size comes near: an interpreter has some ten thousand functions.
        pool.max_tables_per_component(core_instances);
        pool.total_tables(instances.saturating_mul(core_instances));
        pool.table_elements(table_elements);
        pool.linear_memory_keep_resident(KEEP_RESIDENT_BYTES);

        let mut config = Config::new();
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        config.epoch_interruption(metering == Metering::FuelAndDeadline);
        config.consume_fuel(metering != Metering::Off);
        // A component that needs a proposal beyond the defaults is not one that every embedder runs.
        config.wasm_component_model(true);
        let engine = Engine::new(&config)?;
        if metering == Metering::FuelAndDeadline {
            start_ticker(engine.weak())?;
        }
        let total_instances = instances as usize;
        Ok(SharedEngine {
            engine,
            metering,
            limits: *limits,
            instances: Arc::new(Semaphore::new(total_instances)),
            total_instances,
            idle: IdleSessions::default(),
            long_inputs: Mutex::default(),
        })
    }

    pub(super) async fn permit(&self) -> Option<Permit> {
        // The semaphore is never closed, so waiting for it cannot fail.
        Arc::clone(&self.instances).acquire_owned().await.ok()
    }

    /// Acquires a permit on a thread that can block.
    pub(super) fn permit_now(&self) -> Option<Permit> {
        loop {
            match Arc::clone(&self.instances).try_acquire_owned() {
                Ok(permit) => return Some(permit),
                Err(tokio::sync::TryAcquireError::Closed) => return None,
                Err(tokio::sync::TryAcquireError::NoPermits) => {
                    std::thread::sleep(WAIT_FOR_INSTANCE);
                }
            }
        }
    }

    /// Waits, if the input of this instance is long, until no other instance reads a long input.
    pub(super) fn turn(&self, input_bytes: usize) -> Option<MutexGuard<'_, ()>> {
        let long = input_bytes > LONG_INPUT_BYTES;
        long.then(|| lock(&self.long_inputs))
    }

    pub(super) fn idle(&self) -> MutexGuard<'_, Vec<(SessionOwner, Session)>> {
        lock(&self.idle)
    }
}

/// The number of ticks of a deadline, rounded up, and one more because the first can end at once.
pub(super) fn ticks(deadline: Duration) -> u64 {
    let ticks = deadline.as_nanos().div_ceil(TICK.as_nanos()).saturating_add(1);
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

/// Increments the epoch for as long as the engine exists.
fn start_ticker(engine: EngineWeak) -> Result<()> {
    std::thread::Builder::new()
        .name("arc-epoch".to_owned())
        .spawn(move || {
            while let Some(engine) = engine.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(TICK);
            }
        })
        .map_err(|error| wasmtime::Error::msg(format!("start the epoch ticker: {error}")))?;
    Ok(())
}
