//! Formats: components that read what other evaluation tools write.

mod bundled;
mod hostile;
mod registry;
mod templates;
mod work;

use std::path::PathBuf;

use crate::support::{Files, Finished, Program};

/// The component that misbehaves.
fn hostile_component() -> PathBuf {
    PathBuf::from(env!("ARC_HOSTILE_FORMAT"))
}

/// The same, built with WASI.
fn component_with_wasi() -> PathBuf {
    PathBuf::from(env!("ARC_WASI_FORMAT"))
}

/// Runs a command with formats of its own.
fn run(program: &Program, files: &Files, arguments: &[&str]) -> Finished {
    let folder = files.path("data");
    let mut all = vec!["--data-dir".to_owned(), folder.to_str().unwrap().to_owned()];
    all.extend(arguments.iter().map(|&argument| argument.to_owned()));
    program.run(all)
}

/// Adds a component for the commands of these files.
fn add(
    program: &Program,
    files: &Files,
    component: &std::path::Path,
    options: &[&str],
) -> Finished {
    let mut arguments = vec!["--json", "formats", "add", component.to_str().unwrap()];
    arguments.extend(options);
    run(program, files, &arguments)
}
