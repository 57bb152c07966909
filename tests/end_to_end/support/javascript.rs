//! Node, Chromium, and the packages that the JavaScript tests use.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Returns the folder of the TypeScript package.
pub fn typescript() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/typescript").canonicalize().unwrap()
}

/// Returns the packages that `npm ci` has installed; `None` without them or without Node.
pub fn node_modules() -> Option<PathBuf> {
    Command::new("node").arg("--version").output().ok()?;
    let folder = typescript().join("node_modules");
    folder.join("typescript").exists().then_some(folder)
}

/// Returns the browser: the one that `ARC_TEST_CHROMIUM` names, or else Debian's.
pub fn chromium() -> Option<PathBuf> {
    let named = std::env::var_os("ARC_TEST_CHROMIUM").map(PathBuf::from);
    let path = named.unwrap_or_else(|| PathBuf::from("/usr/bin/chromium"));
    path.exists().then_some(path)
}

/// Copies the files of a folder.
pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// Runs a program that must succeed, and returns its output.
#[track_caller]
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (printed, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{printed}\n{complained}", output.status);
    printed.into_owned()
}
