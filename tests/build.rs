//! Builds the command component, which the tests run under the wasmtime command.

use anyhow::Result;

fn main() -> Result<()> {
    arc_guest_build::rerun_if_changed(&[
        "guest/Cargo.toml",
        "guest/src",
        "guest/command",
        "guest/framing/Cargo.toml",
        "guest/framing/src",
        "Cargo.lock",
        "Cargo.toml",
    ])?;
    let command = arc_guest_build::build_command("arc-verdict")?;
    println!("cargo::rustc-env=ARC_VERDICT_COMPONENT={}", command.display());
    Ok(())
}
