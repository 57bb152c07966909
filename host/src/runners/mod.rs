//! Runners that are components: the `recorder` interface for any linker, and a host that runs them.
//!
//! [`add_to_linker`] provides the interface `arc:recording/recorder` to the components of a linker;
//! the store's data selects the recorder through [`RecorderView`]. [`Runner`] is a complete host
//! for them: arguments, standard streams, the recorder, and the files, network and environment that
//! [`Grants`] allow.

mod answers;
mod command;
mod grants;
mod interface;
mod requirements;

use wasmtime::component::{HasData, Linker};

pub use command::{Exit, Runner, RunnerSettings};
pub use grants::{GrantedFolder, Grants};

use crate::Recorder;
use crate::bindings::runner::arc::recording::recorder;

/// Access to the recorder, which the data of a store must provide.
pub trait RecorderView: Send {
    /// Returns the recorder that receives the component's calls.
    fn recorder(&mut self) -> RecorderCtxView<'_>;
}

/// The host's side of one call.
#[derive(Debug)]
pub struct RecorderCtxView<'a> {
    /// The recorder that receives the call.
    pub recorder: &'a Recorder,
}

struct RecorderHost;

impl HasData for RecorderHost {
    type Data<'a> = RecorderCtxView<'a>;
}

/// Adds the interface `arc:recording/recorder` to a linker. The calls wait for the database without
/// blocking a thread, so components have to be called with wasmtime's asynchronous functions,
/// inside a tokio runtime.
///
/// # Errors
/// If the linker already has such an interface.
pub fn add_to_linker<T: RecorderView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    recorder::add_to_linker::<T, RecorderHost>(linker, T::recorder)
}
