//! Runners that are components: the `recorder` interface for any linker, and a host that runs them.
//!
//! [`add_to_linker`] gives the components of a linker the interface `arc:recording/recorder`; the
//! store's data says through [`RecorderView`] which recorder that is. [`Runner`] is a whole host
//! for them: arguments, standard streams, the recorder, and of files, network and environment what
//! [`Grants`] say.

mod answers;
mod command;
mod grants;
mod interface;

use wasmtime::component::{HasData, Linker};

pub use command::{Exit, Runner, RunnerSettings};
pub use grants::{GrantedFolder, Grants};

use crate::Recorder;
use crate::bindings::runner::arc::recording::recorder;

/// What a linker's store data must give for components to record through it.
pub trait RecorderView: Send {
    /// The recorder that the component's calls go to.
    fn recorder(&mut self) -> RecorderCtxView<'_>;
}

/// The host's side of one call.
#[derive(Debug)]
pub struct RecorderCtxView<'a> {
    /// The recorder that the call goes to.
    pub recorder: &'a Recorder,
}

struct RecorderHost;

impl HasData for RecorderHost {
    type Data<'a> = RecorderCtxView<'a>;
}

/// Gives the components of a linker the interface `arc:recording/recorder`. The calls wait for the
/// database without blocking a thread, so components are to be called with wasmtime's asynchronous
/// functions, inside a tokio runtime.
///
/// # Errors
/// Where the linker has such an interface already.
pub fn add_to_linker<T: RecorderView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    recorder::add_to_linker::<T, RecorderHost>(linker, T::recorder)
}
