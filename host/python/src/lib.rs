//! Arc Recorder's host in Python's process: the part of the package `arc_recorder` that is not Python.
//!
//! A call has three steps: it reads its arguments with the interpreter's lock, works on the host's
//! threads without it, and delivers the answer to a waiting thread or an event loop.
//!
//! | module | purpose |
//! |---|---|
//! | [`host`] | the calls |
//! | [`documents`] | Python objects as JSON text |
//! | [`opening`] | opens a database or a service, and a spool |
//! | [`table`] | outcomes as an Arrow table |
//! | [`verdicts`] | verdicts as Python objects |
//! | [`batch`] | the results of one call, serialized to JSON |
//! | [`call`] | a call in progress, and the ways to wait for it |
//! | [`process`] | the state of a process: its threads, and the loaded extractor; forks |
//! | [`delivery`] | the thread that delivers answers to event loops |
//! | [`errors`] | the host's errors as exceptions |
//! | [`program`] | the command line |

mod batch;
mod call;
mod delivery;
mod documents;
mod errors;
mod host;
mod opening;
mod process;
mod program;
mod table;
mod verdicts;

/// The module `arc_recorder._native`.
#[pyo3::pymodule(gil_used = true)]
mod _native {
    #[pymodule_export]
    use crate::batch::Batch;
    #[pymodule_export]
    use crate::call::Call;
    #[pymodule_export]
    use crate::documents::Text;
    #[pymodule_export]
    use crate::host::Host;
    #[pymodule_export]
    use crate::process::{after_fork_in_child, stop, take_notes};
    #[pymodule_export]
    use crate::program::run_program;
    #[pymodule_export]
    use crate::table::Table;
}
