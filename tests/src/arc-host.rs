//! `arc-host` itself, built with the tests so that they can run it.

#[path = "../../host/src/allocator.rs"]
mod allocator;

use std::process::ExitCode;

use arc_host::cli::Program;

fn main() -> ExitCode {
    allocator::return_memory_soon();
    arc_host::cli::main(Program::default(), std::env::args_os().collect()).into()
}
