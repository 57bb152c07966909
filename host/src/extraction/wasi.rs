//! WASI for extraction components that cannot do without: a world in which nothing ever happens.
//!
//! Components that were compiled from JavaScript or Python may import WASI although they need none
//! of it. Where the operator grants it, they get one without files, network, arguments, variables
//! and input, whose output goes nowhere, whose clocks stand still, and whose random bytes are always
//! the same: so a verdict still depends on the document alone.

use std::time::Duration;

use wasmtime::component::ResourceTable;
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

struct Standing;

impl HostWallClock for Standing {
    fn resolution(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

impl HostMonotonicClock for Standing {
    fn resolution(&self) -> u64 {
        1_000_000_000
    }

    fn now(&self) -> u64 {
        0
    }
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
