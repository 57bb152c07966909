//! WASI for extraction components that require it, without any access.
//!
//! Components compiled from JavaScript or Python can import WASI without using it. If the operator
//! allows it, they get a WASI without files, network, arguments, variables and input, whose output is
//! discarded, whose clocks do not advance, and whose random bytes are always the same: so a verdict
//! still depends on nothing but the document. Nothing in it waits: a sleep returns at once, because a
//! component that sleeps must not hold a thread, and neither fuel nor the deadline would end it.

use std::time::Duration;

use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock;
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};
use wasmtime_wasi::{
    Deterministic, HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxBuilder, WasiCtxView,
    WasiView,
};

use super::session::State;

/// What WASI's functions work on.
pub(super) struct Wasi {
    context: WasiCtx,
    table: ResourceTable,
}

/// Adds this WASI to a linker.
pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_sync(linker)?;
    // wasmtime's own clock would wait for real time to go by.
    linker.allow_shadowing(true);
    monotonic_clock::add_to_linker::<State, StoppedClock>(linker, |state| StoppedMonotonicClock {
        table: state.ctx().table,
    })?;
    linker.allow_shadowing(false);
    Ok(())
}

/// Clocks that do not advance.
struct StoppedClock;

/// The resolution of such a clock, in nanoseconds.
const RESOLUTION_NS: u64 = 1_000_000_000;

impl HostWallClock for StoppedClock {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(RESOLUTION_NS)
    }

    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

impl HostMonotonicClock for StoppedClock {
    fn resolution(&self) -> u64 {
        RESOLUTION_NS
    }

    fn now(&self) -> u64 {
        0
    }
}

impl HasData for StoppedClock {
    type Data<'a> = StoppedMonotonicClock<'a>;
}

/// The clock by which components wait.
struct StoppedMonotonicClock<'a> {
    table: &'a mut ResourceTable,
}

impl monotonic_clock::Host for StoppedMonotonicClock<'_> {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(HostMonotonicClock::now(&StoppedClock))
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(RESOLUTION_NS)
    }

    fn subscribe_instant(&mut self, _: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let timer = self.table.push(ElapsedTimer)?;
        subscribe(self.table, timer)
    }

    fn subscribe_duration(&mut self, _: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.subscribe_instant(0)
    }
}

/// A timer that has always elapsed.
struct ElapsedTimer;

#[wasmtime_wasi::async_trait]
impl Pollable for ElapsedTimer {
    async fn ready(&mut self) {}
}

impl Wasi {
    pub(super) fn new() -> Self {
        let context = WasiCtxBuilder::new()
            .wall_clock(StoppedClock)
            .monotonic_clock(StoppedClock)
            .secure_random(Deterministic::new(vec![0]))
            .insecure_random(Deterministic::new(vec![0]))
            .insecure_random_seed(0)
            .allow_tcp(false)
            .allow_udp(false)
            .build();
        Wasi { context, table: ResourceTable::new() }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let wasi = self.wasi.get_or_insert_with(|| Box::new(Wasi::new()));
        WasiCtxView { ctx: &mut wasi.context, table: &mut wasi.table }
    }
}
