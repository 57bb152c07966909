//! `arc-host` itself, built beside the tests so that they can run it.

use std::process::ExitCode;

use arc_host::cli::Program;

/// A service that takes results one by one spends a fifth less on each than with glibc's, and keeps
/// less memory afterwards.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    arc_host::cli::main(Program::default(), std::env::args_os()).into()
}
