//! The `arc-host` program: reads the command line and runs it.

#[cfg(feature = "allocator")]
mod allocator;

use std::process::ExitCode;

use arc_host::cli::Program;

fn main() -> ExitCode {
    #[cfg(feature = "allocator")]
    allocator::return_memory_soon();
    arc_host::cli::main(Program::default(), std::env::args_os().collect()).into()
}
