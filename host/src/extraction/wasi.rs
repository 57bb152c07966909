//! WASI for extraction components that cannot do without: a world in which nothing ever happens.
//!
//! Components that were compiled from JavaScript or Python may import WASI although they need none
//! of it. Where the operator grants it, they get one without files, network, arguments, variables
//! and input, whose output goes nowhere, whose clocks stand still, and whose random bytes are always
//! the same: so a verdict still depends on the document alone. Nothing in it waits: a moment that
//! somebody wants to sleep to is there at once, for no thread is to be held by a component that does
//! nothing, which neither fuel nor the deadline would end.

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

/// Gives the components of a linker this WASI.
pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_sync(linker)?;
    // wasmtime's own clock would wait for real time to go by.
    linker.allow_shadowing(true);
    monotonic_clock::add_to_linker::<State, Standing>(linker, |state| StandingClock {
        table: state.ctx().table,
    })?;
    linker.allow_shadowing(false);
    Ok(())
}

/// Clocks that stand still.
struct Standing;

/// How finely a standing clock tells the time, in nanoseconds.
const RESOLUTION_NS: u64 = 1_000_000_000;

impl HostWallClock for Standing {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(RESOLUTION_NS)
    }

    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

impl HostMonotonicClock for Standing {
    fn resolution(&self) -> u64 {
        RESOLUTION_NS
    }

    fn now(&self) -> u64 {
        0
    }
}

impl HasData for Standing {
    type Data<'a> = StandingClock<'a>;
}

/// The clock by which components wait.
struct StandingClock<'a> {
    table: &'a mut ResourceTable,
}

impl monotonic_clock::Host for StandingClock<'_> {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(HostMonotonicClock::now(&Standing))
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(RESOLUTION_NS)
    }

    fn subscribe_instant(&mut self, _: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let moment = self.table.push(Moment)?;
        subscribe(self.table, moment)
    }

    fn subscribe_duration(&mut self, _: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.subscribe_instant(0)
    }
}

/// A moment that is always there already.
struct Moment;

#[wasmtime_wasi::async_trait]
impl Pollable for Moment {
    async fn ready(&mut self) {}
}

impl Wasi {
    pub(super) fn new() -> Self {
        let context = WasiCtxBuilder::new()
            .wall_clock(Standing)
            .monotonic_clock(Standing)
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
