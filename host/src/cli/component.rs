//! `arc-host component`: writes the extraction component.

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::CommandStatus;
use super::connection;
use super::global::Global;
use super::output::{self, Output};
use crate::error::{Error, Result};
use crate::extraction::{BUILT_IN, core_module};

/// The name of the built-in format.
const BUILT_IN_NAME: &str = "arc-guide";

#[derive(Debug, Args)]
pub(super) struct Component {
    /// The component of this format, as `arc-host formats list` names it.
    /// Default: arc-guide, the built-in one.
    #[arg(long, value_name = "NAME")]
    format: Option<String>,

    /// Write the core module inside of the component, for hosts that load no components. Its
    /// functions take and return strings as defined by the Canonical ABI.
    #[arg(long)]
    core: bool,

    /// The file to write; - is standard output. Default: arc-extractor.wasm, or
    /// arc-format-NAME.wasm; with --core they end with .core.wasm.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Writes the built-in component or that of a format, or the core module inside of it.
pub(super) fn run(
    global: &Global,
    arguments: Component,
    output: &mut Output,
) -> Result<CommandStatus> {
    let (component, name) = match arguments.format.as_deref() {
        None | Some(BUILT_IN_NAME) => (Cow::Borrowed(BUILT_IN), "arc-extractor".to_owned()),
        Some(format) => {
            (connection::formats(global)?.component(format)?, format!("arc-format-{format}"))
        }
    };
    let (bytes, name) = if arguments.core {
        let module = core_module(&component)
            .ok_or_else(|| Error::component("the component contains no core module"))?;
        (module, format!("{name}.core.wasm"))
    } else {
        (&*component, format!("{name}.wasm"))
    };
    let file = arguments.output.unwrap_or_else(|| PathBuf::from(name));
    if file == Path::new("-") {
        output.bytes(bytes)?;
        return Ok(CommandStatus::Complete);
    }
    let path = file.display();
    fs::write(&file, bytes).map_err(|error| Error::io(format!("could not write {path}"), error))?;
    if output.json() {
        output.value(&json!({"file": path.to_string(), "bytes": bytes.len()}))?;
    } else {
        output.line(&format!("wrote {path} ({} bytes)", output::count(bytes.len() as u64)))?;
    }
    Ok(CommandStatus::Complete)
}
