//! `arc-host formats`: lists the result formats, and adds and removes the components that read
//! them.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use nix::sys::resource::{Resource, setrlimit};
use serde_json::json;

use super::CommandStatus;
use super::connection;
use super::global::Global;
use super::output::{self, BOLD, Output};
use crate::error::{Error, Result};
use crate::extraction::{ExtractionEngine, ExtractionLimits, read_contract};
use crate::formats::{FormatEntry, FormatSource};

/// The memory limit for compiling a component. An interpreter of 12 MB needs a tenth of it.
const COMPILE_BYTES: u64 = 4 << 30;

/// The limit of processor time for compiling in seconds, over all cores.
const COMPILE_SECONDS: u64 = 120;

#[derive(Debug, Subcommand)]
pub(super) enum FormatsCommand {
    /// List all formats: name, version, authors, and what each reads.
    List,
    /// Add a component of the world arc:recording/extractor under the name that it declares.
    Add(AddFormat),
    /// Remove a format that was added.
    Remove(RemoveFormat),
}

#[derive(Debug, Args)]
pub(super) struct AddFormat {
    /// The component's file (.wasm).
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Link a component that imports WASI to an inert one, without files, network, variables and
    /// input, with clocks that do not advance and constant random bytes.
    #[arg(long)]
    grant_wasi: bool,
}

#[derive(Debug, Args)]
pub(super) struct RemoveFormat {
    /// The format's name.
    #[arg(value_name = "NAME")]
    name: String,
}

pub(super) fn run(
    global: &Global,
    command: FormatsCommand,
    output: &mut Output,
) -> Result<CommandStatus> {
    match command {
        FormatsCommand::List => list(global, output),
        FormatsCommand::Add(arguments) => add(global, &arguments, output),
        FormatsCommand::Remove(arguments) => remove(global, &arguments, output),
    }
}

fn list(global: &Global, output: &mut Output) -> Result<CommandStatus> {
    let guide = connection::extractor(global)?;
    let mut entries = vec![FormatEntry::built_in(&guide)];
    entries.extend(connection::formats(global)?.list()?);
    if output.json() {
        for entry in &entries {
            output.value(entry)?;
        }
        return Ok(CommandStatus::Complete);
    }
    let rows = entries.into_iter().map(|entry| {
        let from = match entry.source {
            FormatSource::BuiltIn => "built in",
            FormatSource::Bundled => "bundled",
            FormatSource::Added if entry.wasi => "added, with WASI",
            FormatSource::Added => "added",
        };
        vec![entry.name, entry.version, from.to_owned(), entry.authors, entry.format]
    });
    output.table(&["name", "version", "from", "authors", "reads"], &[], rows)?;
    Ok(CommandStatus::Complete)
}

fn add(global: &Global, arguments: &AddFormat, output: &mut Output) -> Result<CommandStatus> {
    let path = arguments.file.display();
    let component = fs::read(&arguments.file)
        .map_err(|error| Error::io(format!("could not read {path}"), error))?;
    let formats = connection::formats(global)?;
    let added = formats.add(&component, arguments.grant_wasi)?;
    if output.json() {
        output.value(&added)?;
    } else {
        output.line(&format!(
            "added {BOLD}{}{BOLD:#} {} ({} bytes): {}",
            output::printable(&added.name),
            output::printable(&added.version),
            output::count(added.bytes),
            output::printable(&added.format)
        ))?;
    }
    Ok(CommandStatus::Complete)
}

fn remove(global: &Global, arguments: &RemoveFormat, output: &mut Output) -> Result<CommandStatus> {
    let removed = connection::formats(global)?.remove(&arguments.name)?;
    if output.json() {
        output.value(&json!({"removed": removed.name, "version": removed.version}))?;
    } else {
        output.line(&format!("removed {} {}", removed.name, removed.version))?;
    }
    Ok(CommandStatus::Complete)
}

/// Compiles a component into the cache; the arguments are the folder and the component's file. It
/// runs in a process of its own with limited resources: components come from other people, and no
/// compiler is fast and small for every possible input.
pub(super) fn compile(mut arguments: impl Iterator<Item = OsString>) -> Result<()> {
    let (Some(folder), Some(file), None) = (
        arguments.next().map(PathBuf::from),
        arguments.next().map(PathBuf::from),
        arguments.next(),
    ) else {
        return Err(Error::invalid("compiling takes a folder and a component's file"));
    };
    limit(Resource::RLIMIT_DATA, COMPILE_BYTES)?;
    limit(Resource::RLIMIT_CPU, COMPILE_SECONDS)?;
    compile_now(&folder, &file)
}

fn compile_now(folder: &Path, file: &Path) -> Result<()> {
    let component = fs::read(file)
        .map_err(|error| Error::io(format!("could not read {}", file.display()), error))?;
    // The engine that runs the component: code that is compiled for another one cannot be loaded.
    let limits = ExtractionLimits::default();
    let engine = match read_contract(&component)?.wasi_imports.as_slice() {
        [] => ExtractionEngine::fuelled(&limits)?,
        _ => ExtractionEngine::metered(&limits)?,
    };
    engine.compile(&component, folder)
}

fn limit(resource: Resource, most: u64) -> Result<()> {
    setrlimit(resource, most, most)
        .map_err(|error| Error::io("could not bound the compiler", error.into()))
}
