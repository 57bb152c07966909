//! Builds the components that the tests run: the command component, which the wasmtime command runs, the runners in
//! Rust, which `arc-host run` runs, a misbehaving format, and formats of the program as standalone components.

use std::path::PathBuf;

use anyhow::{Context, Result};

fn main() -> Result<()> {
    arc_guest_build::rerun_if_changed(&[
        "guest/Cargo.toml",
        "guest/src",
        "guest/command",
        "guest/format-kit/Cargo.toml",
        "guest/format-kit/build.rs",
        "guest/format-kit/src",
        "guest/framing/Cargo.toml",
        "guest/framing/src",
        "tests/formats/hostile",
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
    let hostile = arc_guest_build::build_extractor("arc-hostile-format")?;
    write("ARC_HOSTILE_FORMAT", "hostile.wasm", &hostile)?;
    let with_wasi = arc_guest_build::build_with_wasi("arc-hostile-format")?;
    write("ARC_WASI_FORMAT", "hostile-wasi.wasm", &with_wasi)?;
    // The program's own formats too: added again as components, they are subject to the fuel limit.
    for name in ["harbor", "lm-eval", "openai-evals", "otel", "promptfoo"] {
        arc_guest_build::rerun_if_changed(&[&format!("guest/formats/{name}/src")])?;
        let component = arc_guest_build::build_extractor(&format!("arc-format-{name}"))?;
        let variable = format!("ARC_FORMAT_{}", name.to_uppercase().replace('-', "_"));
        write(&variable, &format!("{name}.wasm"), &component)?;
    }
    Ok(())
}

/// Writes a component to a file and sets the variable by which the tests find it.
fn write(variable: &str, name: &str, bytes: &[u8]) -> Result<()> {
    let folder = PathBuf::from(std::env::var_os("OUT_DIR").context("OUT_DIR is not set")?);
    let path = folder.join(name);
    std::fs::write(&path, bytes).with_context(|| format!("write {name}"))?;
    println!("cargo::rustc-env={variable}={}", path.display());
    Ok(())
}
