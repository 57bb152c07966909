//! `arc-host` itself, built beside the tests so that they can run it.

use std::process::ExitCode;

fn main() -> ExitCode {
    arc_host::cli::main()
}
