//! `arc-host run`: runs a runner that is a component.

use std::path::PathBuf;

use clap::Args;

use super::CommandStatus;
use super::connection;
use super::global::Global;
use super::interrupt::{Interrupts, STOPPING, exit_after};
use super::output;
use crate::error::{Error, Result};
use crate::runners::{GrantedFolder, Grants, Runner, RunnerSettings};

#[derive(Debug, Args)]
pub(super) struct Run {
    /// The component's file (.wasm), of the world arc:recording/runner.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The limit of its memory in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 1_024,
        value_parser = clap::value_parser!(u32).range(1..=4_096))]
    memory: u32,

    /// A folder that it can read, and the path under which it sees it. Default: the same path.
    #[arg(long = "dir", value_name = "HOST[::GUEST]", value_parser = folder)]
    folders: Vec<(PathBuf, String)>,

    /// A folder that it can also write to.
    #[arg(long = "dir-rw", value_name = "HOST[::GUEST]", value_parser = folder)]
    writable_folders: Vec<(PathBuf, String)>,

    /// Grant it this program's access to the network: connect, listen, look up names.
    #[arg(long)]
    allow_net: bool,

    /// An environment variable for it; without a value, it gets the value of this process.
    #[arg(long = "env", value_name = "NAME[=VALUE]", value_parser = variable)]
    variables: Vec<(String, String)>,

    /// Arguments for the runner.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
    arguments: Vec<String>,
}

pub(super) async fn run(global: &Global, arguments: Run) -> Result<CommandStatus> {
    let path = arguments.file.display().to_string();
    let component = std::fs::read(&arguments.file)
        .map_err(|error| Error::io(format!("could not read {path}"), error))?;
    let settings = RunnerSettings {
        memory_bytes: (arguments.memory as usize) << 20,
        cache_dir: connection::components_cache(global),
    };
    let runner = Runner::new(&component, &settings)?;
    let database = connection::open_current(global).await?;
    let recorder = connection::recorder(global, database.store()).await?;
    let grants = grants(&arguments);
    let mut command_line = vec![path];
    command_line.extend(arguments.arguments);
    // Until here a signal simply ends the program, because no result has been passed on.
    let mut interrupts = Interrupts::listen()?;
    let exit = tokio::select! {
        exit = runner.run(recorder.clone(), &command_line, &grants) => Some(exit),
        _ = interrupts.recv() => {
            output::note("stopping after the results in progress; Ctrl-C again ends at once");
            exit_after(STOPPING, CommandStatus::Interrupted);
            None
        }
    };
    // The results that the runner has passed on are stored, however it ended. This can take long if
    // the database is unavailable, so a signal can end it.
    tokio::select! {
        () = recorder.close() => {}
        _ = interrupts.recv() => std::process::exit(i32::from(CommandStatus::Interrupted.exit_code())),
    }
    match exit {
        Some(exit) => Ok(CommandStatus::Exit(u8::try_from(exit?.code).unwrap_or(u8::MAX))),
        None => {
            output::note("stopped; recorded results are kept");
            Ok(CommandStatus::Interrupted)
        }
    }
}

fn grants(arguments: &Run) -> Grants {
    let folders = |folders: &[(PathBuf, String)], writable| -> Vec<GrantedFolder> {
        let granted = folders.iter().cloned();
        granted.map(|(host, guest)| GrantedFolder { host, guest, writable }).collect()
    };
    let mut granted = folders(&arguments.folders, false);
    granted.extend(folders(&arguments.writable_folders, true));
    Grants {
        folders: granted,
        network: arguments.allow_net,
        variables: arguments.variables.clone(),
    }
}

/// Parses a folder, and the path under which the runner sees it.
fn folder(text: &str) -> std::result::Result<(PathBuf, String), String> {
    let (host, guest) = text.split_once("::").unwrap_or((text, text));
    if host.is_empty() || guest.is_empty() {
        return Err(
            "expected the folder's path, or its path and the runner's path: data::/data".into()
        );
    }
    Ok((host.into(), guest.to_owned()))
}

/// Parses a variable and its value; the default is the value of this process.
fn variable(text: &str) -> std::result::Result<(String, String), String> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Ok(value.to_owned())),
        None => (text, std::env::var(text)),
    };
    match value {
        _ if name.is_empty() => Err("a variable has a name".to_owned()),
        Ok(value) => Ok((name.to_owned(), value)),
        Err(error) => Err(format!("{error}; set it with {name}=VALUE")),
    }
}

/// Parses any text as a folder and a variable of a runner; see [`crate::fuzzing`].
#[cfg(any(test, fuzzing))]
pub(super) fn fuzz_words(text: &str) {
    if let Ok((host, guest)) = folder(text) {
        assert!(!host.as_os_str().is_empty() && !guest.is_empty(), "{text}");
        assert!(text.starts_with(&*host.to_string_lossy()) && text.ends_with(&guest), "{text}");
    }
    if let Ok((name, value)) = variable(text) {
        assert!(!name.is_empty(), "{text}");
        assert!(!text.contains('=') || format!("{name}={value}") == text, "{text}");
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn folders_and_variables_of_runners() {
        assert_eq!(super::folder("data").unwrap(), ("data".into(), "data".to_owned()));
        assert_eq!(super::folder("a:b::/c::d").unwrap(), ("a:b".into(), "/c::d".to_owned()));
        assert!(super::folder("::/data").is_err() && super::folder("data::").is_err());
        assert_eq!(super::variable("A=b=c").unwrap(), ("A".to_owned(), "b=c".to_owned()));
        assert_eq!(super::variable("A=").unwrap(), ("A".to_owned(), String::new()));
        assert!(super::variable("=b").is_err());
        let unset = super::variable("ARC_NO_SUCH_VARIABLE").unwrap_err();
        assert!(unset.contains("ARC_NO_SUCH_VARIABLE=VALUE"), "{unset}");
    }
}
