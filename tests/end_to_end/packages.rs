//! The packages of crates: each contains the files that its build needs, and nothing else.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::{Files, Program, run};

/// Returns the workspace, without build products.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Copies a folder recursively, without the products of builds and installations.
fn copy_sources(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if ["target", "node_modules", "dist", ".git", "fixtures"].iter().any(|made| name == *made) {
            continue;
        }
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            copy_sources(&entry.path(), &to.join(&name));
        } else if kind.is_file() {
            std::fs::copy(entry.path(), to.join(&name)).unwrap();
        }
    }
}

/// Returns the paths of all files below a folder, relative to it.
fn files_below(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut left = vec![folder.to_owned()];
    while let Some(at) = left.pop() {
        for entry in std::fs::read_dir(&at).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                left.push(entry.path());
            } else {
                found.insert(entry.path().strip_prefix(folder).unwrap().to_owned());
            }
        }
    }
    found
}

fn cargo(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(folder).env("CARGO_NET_OFFLINE", "true");
    command
}

/// Returns the published crates of the workspace, as listed by `cargo metadata`.
fn published(folder: &Path) -> Vec<Value> {
    let text = run(cargo(folder).args(["metadata", "--no-deps", "--format-version", "1"]));
    let metadata: Value = serde_json::from_str(&text).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages.iter().filter(|package| package["publish"].is_null()).cloned().collect()
}

#[test]
fn every_published_crate_carries_what_its_build_needs() {
    let files = Files::new();
    let copy = files.path("workspace");
    copy_sources(root(), &copy);
    let script = copy.join(".ci/release");
    run(Command::new("bash").arg(script).arg("stage").env("ARC_HOST", Program::path()));

    let mut names = BTreeSet::new();
    for package in published(&copy) {
        let name = package["name"].as_str().unwrap();
        names.insert(name.to_owned());
        let folder = Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap();
        let list = run(cargo(folder).args(["package", "--list", "--allow-dirty"]));
        let listed: BTreeSet<PathBuf> = list.lines().map(PathBuf::from).collect();

        let mut expected: BTreeSet<PathBuf> = [
            "Cargo.toml",
            "Cargo.toml.orig",
            "Cargo.lock",
            "LICENSE-APACHE",
            "LICENSE-MIT",
            "README.md",
        ]
        .map(PathBuf::from)
        .into();
        let sources = files_below(&folder.join("src"));
        expected.extend(sources.iter().map(|path| Path::new("src").join(path)));
        let from_root = |folders: &[&str]| -> Vec<PathBuf> {
            let below = |folder: &&str| {
                let paths = files_below(&root().join(folder)).into_iter();
                paths
                    .filter(|path| path.extension().is_none_or(|end| end != "toml"))
                    .map(|path| Path::new("packaged").join(folder).join(path))
                    .collect::<Vec<_>>()
            };
            folders.iter().flat_map(below).collect()
        };
        match name {
            "arc-host" => {
                expected.insert("build.rs".into());
                expected.extend(from_root(&["wit", "migrations"]));
                let formats = std::fs::read_dir(root().join("guest/formats")).unwrap();
                let formats =
                    formats.map(|entry| entry.unwrap()).filter(|entry| entry.path().is_dir());
                let components =
                    formats.map(|entry| format!("arc-format-{}", entry.file_name().display()));
                for component in components.chain(["arc-extractor".to_owned()]) {
                    let path = PathBuf::from(format!("packaged/components/{component}.wasm"));
                    let bytes = std::fs::read(folder.join(&path)).unwrap();
                    assert!(bytes.starts_with(b"\0asm\x0d\0\x01\0"), "{component} is no component");
                    expected.insert(path);
                }
                let built_in = std::fs::read(folder.join("packaged/components/arc-extractor.wasm"));
                assert_eq!(built_in.unwrap(), arc_host::extraction::BUILT_IN);
            }
            "arc-format-kit" => {
                expected.insert("build.rs".into());
                expected.extend(from_root(&["wit"]));
            }
            _ => {}
        }
        assert_eq!(listed, expected, "{name}");
    }
    let all = ["arc-extractor", "arc-format-kit", "arc-framing", "arc-guest-build", "arc-host"];
    assert_eq!(names, BTreeSet::from(all.map(str::to_owned)));
}

#[test]
fn published_crates_have_metadata_and_depend_on_published_ones() {
    let packages = published(root());
    let names: Vec<&str> =
        packages.iter().map(|package| package["name"].as_str().unwrap()).collect();
    for package in &packages {
        let name = package["name"].as_str().unwrap();
        for member in ["description", "license", "readme", "rust_version"] {
            assert!(
                package[member].as_str().is_some_and(|text| !text.is_empty()),
                "{name}: {member}"
            );
        }
        for member in ["keywords", "categories"] {
            let count = package[member].as_array().unwrap().len();
            assert!((1..=5).contains(&count), "{name}: {member}");
        }
        let keywords = package["keywords"].as_array().unwrap();
        assert!(keywords.iter().all(|keyword| keyword.as_str().unwrap().len() <= 20), "{name}");
        for dependency in package["dependencies"].as_array().unwrap() {
            // Cargo omits dev-dependencies that have no version.
            let (tests, asked) = (dependency["kind"] == "dev", &dependency["req"]);
            if dependency["path"].is_string() && !(tests && asked == "*") {
                let needed = dependency["name"].as_str().unwrap();
                assert!(names.contains(&needed), "{name} needs {needed}, which is not published");
                let version = package["version"].as_str().unwrap();
                assert_eq!(asked, &format!("^{version}"), "{name} needs {needed}");
            }
        }
    }
}
