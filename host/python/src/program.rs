//! Runs the command line from Python.

use std::ffi::OsString;
use std::path::PathBuf;

use arc_host::cli::{self, Program};
use pyo3::prelude::*;

/// Runs the command line and returns its exit code. The process must do nothing else.
#[pyfunction]
pub(crate) fn run_program(
    py: Python<'_>,
    arguments: Vec<OsString>,
    executable: PathBuf,
    before_arguments: Vec<OsString>,
    postgres_bins: Vec<PathBuf>,
) -> u8 {
    let program = Program { command: Some((executable, before_arguments)), postgres_bins };
    py.detach(|| cli::main(program, arguments))
}
