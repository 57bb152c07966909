//! Builds the project's Wasm components from build scripts.
//!
//! A nested cargo compiles a crate of this workspace for a Wasm target, in a target directory of
//! its own (`target/components`), so that it never waits for the lock of the build that it is part
//! of. `wit-component` then turns the core module into a component. If the Wasm target is missing,
//! `rustup target add` is tried, and the error has the exact command to run.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

/// The target without a system interface: a core module, which is turned into a component here.
pub const BARE: &str = "wasm32-unknown-unknown";

/// The target with WASI 0.2, for command components; the compiler writes the component itself.
pub const WASI: &str = "wasm32-wasip2";

/// Builds the library crate `package` for [`BARE`] and returns the component's bytes.
///
/// # Errors
/// If the target or the crate cannot be built, or the module does not fit its world.
pub fn build_extractor(package: &str) -> Result<Vec<u8>> {
    let module = library(package, BARE)?;
    wit_component::ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|mut encoder| encoder.encode())
        .with_context(|| format!("turn {package} into a component"))
}

/// Builds the library crate `package` for [`WASI`] and returns the component's bytes.
///
/// # Errors
/// If the target or the crate cannot be built.
pub fn build_with_wasi(package: &str) -> Result<Vec<u8>> {
    library(package, WASI)
}

/// Builds the program `package` for [`WASI`] and returns the path of the command component.
///
/// # Errors
/// If the target or the crate cannot be built.
pub fn build_command(package: &str) -> Result<PathBuf> {
    Ok(build(package, WASI, "--bins")?.join(format!("{package}.wasm")))
}

/// Builds a library crate and returns the bytes of the Wasm file.
fn library(package: &str, target: &str) -> Result<Vec<u8>> {
    let name = format!("{}.wasm", package.replace('-', "_"));
    let path = build(package, target, "--lib")?.join(name);
    std::fs::read(&path).with_context(|| format!("read {}", path.display()))
}

/// Runs the nested cargo and returns the folder of its output.
fn build(package: &str, target: &str, kind: &str) -> Result<PathBuf> {
    ensure_target(target)?;
    let target_dir = components_dir()?;
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["build", "--package", package, kind, "--target", target, "--profile", "component"])
        .arg("--target-dir")
        .arg(&target_dir);
    // Settings of the outer build are for another target, or for a checking compiler.
    for name in ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER", "CLIPPY_ARGS"] {
        command.env_remove(name);
    }
    let own: Vec<_> = env::vars_os()
        .filter(|(name, _)| belongs_to_outer_build(name))
        .map(|(name, _)| name)
        .collect();
    for name in own {
        command.env_remove(name);
    }
    command.env("CARGO_ENCODED_RUSTFLAGS", compiler_flags(target).join("\x1f"));
    // The manifest's directory is inside the workspace, whose Cargo.lock pins the versions.
    let output = command
        .current_dir(workspace_root()?)
        .stdin(Stdio::null())
        .output()
        .context("start the nested cargo")?;
    ensure!(
        output.status.success(),
        "building {package} for {target} failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(target_dir.join(target).join("component"))
}

/// Returns the compiler's flags. The path of cargo's registry differs between machines. It is
/// removed from panic messages, so that the same sources from the same registry produce the same
/// bytes.
fn compiler_flags(target: &str) -> Vec<String> {
    let mut flags = Vec::new();
    if target == BARE {
        flags.push("-Ctarget-feature=+simd128".to_owned());
    }
    let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = || env::var_os("HOME").map(|home| Path::new(&home).join(".cargo"));
    if let Some(folder) = cargo_home.or_else(home) {
        let sources = folder.join("registry/src");
        flags.push(format!("--remap-path-prefix={}=crates", sources.display()));
    }
    flags
}

/// Whether a variable describes the package that cargo builds with this build script; such
/// variables are wrong for another package.
fn belongs_to_outer_build(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return false };
    ["CARGO_PKG_", "CARGO_CFG_", "CARGO_FEATURE_", "CARGO_MANIFEST_", "DEP_"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
        || ["OUT_DIR", "TARGET", "HOST", "NUM_JOBS", "OPT_LEVEL", "PROFILE", "DEBUG"]
            .contains(&name)
}

/// `target/components`, beside the folders of the profiles.
fn components_dir() -> Result<PathBuf> {
    let out_dir = PathBuf::from(
        env::var_os("OUT_DIR").context("OUT_DIR is not set: call this from a build script")?,
    );
    // The expected form is target/<profile>/build/<package>-<hash>/out.
    let target = out_dir.ancestors().nth(4).context("OUT_DIR is not inside a target directory")?;
    Ok(target.join("components"))
}

/// Returns the workspace of the calling build script.
fn workspace_root() -> Result<PathBuf> {
    let manifest_dir =
        env::var_os("CARGO_MANIFEST_DIR").context("CARGO_MANIFEST_DIR is not set")?;
    let root =
        Path::new(&manifest_dir).ancestors().find(|folder| folder.join("Cargo.lock").exists());
    Ok(root.context("no Cargo.lock above the crate")?.to_owned())
}

/// Makes sure that the compiler has the standard library of a target.
fn ensure_target(target: &str) -> Result<()> {
    if has_target(target)? {
        return Ok(());
    }
    // A machine without rustup has its targets from another source; then only the message helps.
    let added =
        Command::new("rustup").args(["target", "add", target]).stdin(Stdio::null()).output();
    match added {
        Ok(output) if output.status.success() && has_target(target)? => Ok(()),
        _ => bail!(
            "the Rust compiler has no standard library for {target}; \
             run `rustup target add {target}` in this folder and build again"
        ),
    }
}

fn has_target(target: &str) -> Result<bool> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", target])
        .output()
        .context("ask the compiler for its targets")?;
    let folder = String::from_utf8_lossy(&output.stdout);
    Ok(output.status.success() && Path::new(folder.trim()).is_dir())
}

/// Makes cargo run the build script again if one of these paths (from the workspace's root)
/// changes.
///
/// # Errors
/// If the workspace cannot be found.
#[expect(clippy::print_stdout, reason = "this is how build scripts talk to cargo")]
pub fn rerun_if_changed(paths: &[&str]) -> Result<()> {
    let root = workspace_root()?;
    for path in paths {
        println!("cargo::rerun-if-changed={}", root.join(path).display());
    }
    Ok(())
}
