//! Builds the extraction component and the bundled formats, and hands them to the crate, which embeds
//! them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The formats that come with the program: their folders under `guest/formats`, and their names.
const FORMATS: [&str; 6] = ["harbor", "inspect", "lm-eval", "openai-evals", "otel", "promptfoo"];

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
    let out_dir = PathBuf::from(std::env::var_os("OUT_DIR").context("OUT_DIR is not set")?);
    write(&out_dir, "extractor.wasm", &arc_guest_build::build_extractor("arc-extractor")?)?;

    let mut bundled = String::from("pub(super) const BUNDLED: &[Bundled] = &[\n");
    for name in FORMATS {
        let folder = format!("guest/formats/{name}");
        arc_guest_build::rerun_if_changed(&[
            &format!("{folder}/Cargo.toml"),
            &format!("{folder}/src"),
        ])?;
        let component = arc_guest_build::build_extractor(&format!("arc-format-{name}"))?;
        write(&out_dir, &format!("{name}.wasm"), &component)?;
        let path = out_dir.join(format!("{name}.wasm"));
        // Writing to a string cannot fail.
        let _ = writeln!(
            bundled,
            "    Bundled {{ name: {name:?}, component: include_bytes!({path:?}) }},"
        );
    }
    bundled.push_str("];\n");
    write(&out_dir, "bundled.rs", bundled.as_bytes())
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    std::fs::write(folder.join(name), bytes).with_context(|| format!("write {name}"))
}
