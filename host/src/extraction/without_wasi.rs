//! Replaces WASI in a build without the feature `wasi`.

use wasmtime::component::Linker;

use super::session::State;

/// Reports that this build has no WASI.
pub(super) fn add_to_linker(_: &mut Linker<State>) -> wasmtime::Result<()> {
    Err(wasmtime::Error::msg(
        "the component imports WASI, and this program was built without it (feature `wasi` of arc-host)",
    ))
}
