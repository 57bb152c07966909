//! Formats: components that read what other evaluation tools write.

mod bundled;
mod figures;
mod folders;
mod hostile;
mod registry;
mod revisions;
mod scores;
mod selections;
mod templates;
mod traces;
mod work;

use std::path::PathBuf;

use crate::support::{Files, Finished, Program};

/// Returns the path of the misbehaving component.
fn hostile_component() -> PathBuf {
    PathBuf::from(env!("ARC_HOSTILE_FORMAT"))
}

/// Returns the path of the same component, built with WASI.
fn component_with_wasi() -> PathBuf {
    PathBuf::from(env!("ARC_WASI_FORMAT"))
}

/// Runs a command with the formats of these files.
fn run(program: &Program, files: &Files, arguments: &[&str]) -> Finished {
    let folder = files.path("data");
    let mut all = vec!["--data-dir".to_owned(), folder.to_str().unwrap().to_owned()];
    all.extend(arguments.iter().map(|&argument| argument.to_owned()));
    program.run(all)
}

/// Adds a component as a format for the commands of these files.
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
