//! `arc-host` itself, built beside the tests so that they can run it.

use std::process::ExitCode;

use arc_host::cli::Program;

fn main() -> ExitCode {
    arc_host::cli::main(Program::default(), std::env::args_os()).into()
}
