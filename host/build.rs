//! Provides the crate with files from outside of it: the extraction component and the bundled formats,
//! which it embeds, the migrations, and the contract.
//!
//! In the workspace, components are built from `guest/`. The package of the crate is outside of a
//! workspace and contains all of this in its folder `packaged`, so that an installation from it has
//! the released components, byte for byte.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// The formats that are part of the program: their names, which are also their folders under
/// `guest/formats`.
const FORMATS: [&str; 6] = ["harbor", "inspect", "lm-eval", "openai-evals", "otel", "promptfoo"];

fn main() -> Result<()> {
    let folder = PathBuf::from(
        std::env::var_os("CARGO_MANIFEST_DIR").context("CARGO_MANIFEST_DIR is not set")?,
    );
    let workspace = folder.parent().context("the crate is at the root")?;
    // No crate contains this folder, so it exists beside this one only in the workspace.
    let in_workspace = workspace.join("migrations").is_dir();
    let packaged = folder.join("packaged");
    let root = if in_workspace { workspace } else { &packaged };
    ensure!(
        root.join("migrations").is_dir(),
        "{} has no migrations: this package was not made by .ci/release",
        packaged.display()
    );
    let out_dir = PathBuf::from(std::env::var_os("OUT_DIR").context("OUT_DIR is not set")?);
    println!("cargo::rustc-env=ARC_MIGRATIONS={}", root.join("migrations").display());
    write(&out_dir, "bindgen.rs", bindgen(&root.join("wit")).as_bytes())?;

    let component = |package: &str| {
        if in_workspace {
            return arc_guest_build::build_extractor(package);
        }
        let path = packaged.join("components").join(format!("{package}.wasm"));
        std::fs::read(&path).with_context(|| format!("read {}", path.display()))
    };
    write(&out_dir, "extractor.wasm", &component("arc-extractor")?)?;
    let mut bundled = String::from("pub(super) const BUNDLED: &[Bundled] = &[\n");
    for name in FORMATS {
        write(&out_dir, &format!("{name}.wasm"), &component(&format!("arc-format-{name}"))?)?;
        let path = out_dir.join(format!("{name}.wasm"));
        // Writing to a string cannot fail.
        let _ = writeln!(
            bundled,
            "    Bundled {{ name: {name:?}, component: include_bytes!({path:?}) }},"
        );
    }
    bundled.push_str("];\n");
    write(&out_dir, "bundled.rs", bundled.as_bytes())?;

    // The line tables, compressed, are a third as large; the standard library reads them for a backtrace.
    if std::env::var_os("CARGO_CFG_TARGET_OS").is_some_and(|system| system == "linux") {
        println!("cargo::rustc-link-arg-bins=-Wl,--compress-debug-sections=zlib");
    }

    if in_workspace {
        watch_sources()
    } else {
        println!("cargo::rerun-if-changed={}", packaged.display());
        Ok(())
    }
}

/// Returns a wrapper of wasmtime's macro for a contract in this folder, because the macro accepts only
/// literal paths, and resolves relative ones from the crate's folder.
fn bindgen(wit: &Path) -> String {
    format!(
        "macro_rules! bindgen {{
            ($($options:tt)*) => {{
                wasmtime::component::bindgen!({{ path: {wit:?}, $($options)* }});
            }};
        }}"
    )
}

fn watch_sources() -> Result<()> {
    arc_guest_build::rerun_if_changed(&[
        "guest/Cargo.toml",
        "guest/src",
        "guest/format-kit/Cargo.toml",
        "guest/format-kit/build.rs",
        "guest/format-kit/src",
        "guest/framing/Cargo.toml",
        "guest/framing/src",
        "host/build.rs",
        "wit",
        "Cargo.lock",
        "Cargo.toml",
    ])?;
    for name in FORMATS {
        let folder = format!("guest/formats/{name}");
        arc_guest_build::rerun_if_changed(&[
            &format!("{folder}/Cargo.toml"),
            &format!("{folder}/src"),
        ])?;
    }
    Ok(())
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    std::fs::write(folder.join(name), bytes).with_context(|| format!("write {name}"))
}
