//! The `arc-host` program: reads the command line and runs it.

use std::process::ExitCode;

use arc_host::cli::Program;

fn main() -> ExitCode {
    arc_host::cli::main(Program::default(), std::env::args_os()).into()
}
