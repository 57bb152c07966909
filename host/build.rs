//! Builds the extraction component and hands it to the crate, which embeds it.

use std::path::PathBuf;

use anyhow::{Context, Result};

fn main() -> Result<()> {
    arc_guest_build::rerun_if_changed(&[
        "guest/Cargo.toml",
        "guest/src",
        "guest/format-kit/Cargo.toml",
        "guest/format-kit/src",
        "guest/framing/Cargo.toml",
        "guest/framing/src",
        "wit",
        "Cargo.lock",
        "Cargo.toml",
    ])?;
    let component = arc_guest_build::build_extractor("arc-extractor")?;
    let out_dir = PathBuf::from(std::env::var_os("OUT_DIR").context("OUT_DIR is not set")?);
    std::fs::write(out_dir.join("extractor.wasm"), component).context("write the component")
}
