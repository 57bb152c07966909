//! Arc Recorder's host in Python's process: the part of the package `arc_recorder` that is not Python.
//!
//! A call does three things: it takes its arguments while it holds the interpreter's lock, works
//! on the host's own threads without it, and hands the answer to whoever waits, a thread or an
//! event loop.
//!
//! | module | purpose |
//! |---|---|
//! | [`host`] | the calls |
//! | [`documents`] | Python objects as JSON text |
//! | [`opening`] | what is open: a database or a service, and a spool |
//! | [`table`] | outcomes as a table of Arrow |
//! | [`verdicts`] | verdicts as Python has them |
//! | [`batch`] | results on their way to one call |
//! | [`call`] | work that is under way, and who waits for it |
//! | [`process`] | what a process has one of: the threads, and the loaded extractor; forks |
//! | [`delivery`] | the thread that hands answers to event loops |
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
