//! A host for runners that are components: WASI with the granted access, and the recorder.

use std::path::PathBuf;
use std::time::Duration;

use sha2::{Digest, Sha256};
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Config, Engine, Store, StoreLimits, StoreLimitsBuilder};
use wasmtime_wasi::p2::bindings::Command;
use wasmtime_wasi::{I32Exit, WasiCtx, WasiCtxView, WasiView};

use super::{Grants, RecorderCtxView, RecorderView, add_to_linker};
use crate::Recorder;
use crate::component_cache;
use crate::error::{Error, Result};
use crate::extraction::LoadOptions;

/// The interval at which a runner that only computes yields to other tasks of its thread, and
/// detects that its future was dropped.
const TICK: Duration = Duration::from_millis(10);

/// How to build a component that can be run.
pub(super) const BUILD_HINT: &str = "build a program for WASI 0.2: in Rust with --target wasm32-wasip2, \
    in Python or JavaScript as docs/components.md shows";

/// The limits of a runner.
#[derive(Clone, Debug)]
pub struct RunnerSettings {
    /// The memory of each of its linear memories, in bytes.
    pub memory_bytes: usize,
    /// The cache folder of compiled components; `None` to compile at every start.
    pub cache_dir: Option<PathBuf>,
}

impl Default for RunnerSettings {
    fn default() -> Self {
        // Enough for a runner that holds a whole suite of large results.
        RunnerSettings { memory_bytes: 1 << 30, cache_dir: None }
    }
}

/// How a runner ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// The exit code; 0 for success.
    pub code: i32,
}

/// A compiled runner.
pub struct Runner {
    engine: Engine,
    component: Component,
    memory_bytes: usize,
}

impl std::fmt::Debug for Runner {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.debug_struct("Runner").finish_non_exhaustive()
    }
}

/// The data of a runner's store.
struct State {
    wasi: WasiCtx,
    resources: ResourceTable,
    limits: StoreLimits,
    recorder: Recorder,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.resources }
    }
}

impl RecorderView for State {
    fn recorder(&mut self) -> RecorderCtxView<'_> {
        RecorderCtxView { recorder: &self.recorder }
    }
}

impl Runner {
    /// Compiles a component, or loads it from the cache.
    ///
    /// # Errors
    /// [`Error::Component`] if it is not a component, exports no `wasi:cli/run`, or has an import that
    /// this host does not provide.
    pub fn new(component: &[u8], settings: &RunnerSettings) -> Result<Self> {
        let broken = |error: wasmtime::Error| {
            let reason = error.root_cause().to_string();
            let reason = reason.lines().next().unwrap_or("unknown reason").to_owned();
            Error::component(format!("this is not a component that can be run: {reason}"))
                .with_hint(BUILD_HINT)
        };
        // Before it is compiled, which can take many seconds.
        super::requirements::check(component)?;
        let mut config = Config::new();
        config.epoch_interruption(true);
        let engine = Engine::new(&config).map_err(broken)?;
        let sha256: [u8; 32] = Sha256::digest(component).into();
        let loading =
            LoadOptions { cache_dir: settings.cache_dir.clone(), ..LoadOptions::default() };
        let component =
            component_cache::load(&engine, component, &sha256, &loading).map_err(broken)?;
        Ok(Runner { engine, component, memory_bytes: settings.memory_bytes })
    }

    /// Runs it to its end. The arguments begin with its own name. Its standard streams are this
    /// process's; it has no files, network or environment except those that are granted. If the
    /// future is dropped, the run ends, but results that it has passed to the recorder are still
    /// recorded.
    ///
    /// # Errors
    /// [`Error::Component`] if a function that it imports does not exist, or if it traps;
    /// [`Error::Configuration`] if a granted folder cannot be opened.
    pub async fn run(
        &self,
        recorder: Recorder,
        arguments: &[String],
        grants: &Grants,
    ) -> Result<Exit> {
        let mut linker = Linker::new(&self.engine);
        let link = |error: wasmtime::Error| {
            Error::component(format!("could not set up the runner's imports: {error}"))
        };
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).map_err(link)?;
        add_to_linker(&mut linker).map_err(link)?;
        let state = State {
            wasi: grants.context(arguments)?,
            resources: ResourceTable::new(),
            limits: StoreLimitsBuilder::new().memory_size(self.memory_bytes).build(),
            recorder,
        };
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| &mut state.limits);
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        let _ticker = Ticker::start(&self.engine);
        let instance = Command::instantiate_async(&mut store, &self.component, &linker).await;
        let command = instance.map_err(|error| {
            Error::component(format!(
                "the runner imports something that this host does not provide: {}",
                error.root_cause()
            ))
        })?;
        match command.wasi_cli_run().call_run(&mut store).await {
            Ok(Ok(())) => Ok(Exit { code: 0 }),
            Ok(Err(())) => Ok(Exit { code: 1 }),
            Err(error) => match error.downcast_ref::<I32Exit>() {
                Some(I32Exit(code)) => Ok(Exit { code: *code }),
                None => Err(Error::component(format!("the runner failed: {error:?}"))),
            },
        }
    }
}

/// Increments the engine's epoch until it is dropped.
struct Ticker(tokio::task::JoinHandle<()>);

impl Ticker {
    fn start(engine: &Engine) -> Self {
        let engine = engine.clone();
        Ticker(tokio::spawn(async move {
            loop {
                tokio::time::sleep(TICK).await;
                engine.increment_epoch();
            }
        }))
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_not_a_component_are_refused() {
        for bytes in [&b"{}"[..], b"", b"\0asm\x01\0\0\0"] {
            let error = Runner::new(bytes, &RunnerSettings::default()).unwrap_err();
            assert!(matches!(error, Error::Component(_)), "{error}");
        }
    }
}
