//! The `arc-host` program: reads the command line and runs it.

use std::process::ExitCode;

fn main() -> ExitCode {
    arc_host::cli::main()
}
