//! Builds the components that the tests run: the command component, under the wasmtime command,
//! and the runners that are written in Rust, under `arc-host run`.

use anyhow::Result;

fn main() -> Result<()> {
    arc_guest_build::rerun_if_changed(&[
        "guest/Cargo.toml",
        "guest/src",
        "guest/command",
        "guest/framing/Cargo.toml",
        "guest/framing/src",
        "tests/runners/grants",
        "tests/runners/rust",
        "wit",
        "Cargo.lock",
        "Cargo.toml",
    ])?;
    let command = arc_guest_build::build_command("arc-verdict")?;
    println!("cargo::rustc-env=ARC_VERDICT_COMPONENT={}", command.display());
    let runner = arc_guest_build::build_command("arc-rust-runner")?;
    println!("cargo::rustc-env=ARC_RUST_RUNNER_COMPONENT={}", runner.display());
    let grants = arc_guest_build::build_command("arc-grants-runner")?;
    println!("cargo::rustc-env=ARC_GRANTS_RUNNER_COMPONENT={}", grants.display());
    Ok(())
}
