//! `arc-host run`: a runner that is a component.

use super::Done;
use super::arguments::Run;
use super::connection;
use super::global::Global;
use super::interrupt::{Interrupts, STOPPING, exit_after};
use super::output;
use crate::error::{Error, Result};
use crate::runners::{GrantedFolder, Grants, Runner, RunnerSettings};

pub(super) async fn run(global: &Global, arguments: Run) -> Result<Done> {
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
    let mut words = vec![path];
    words.extend(arguments.arguments);
    // Until here a signal simply ends the program: nothing has been handed over.
    let mut interrupts = Interrupts::listen()?;
    let exit = tokio::select! {
        exit = runner.run(recorder.clone(), &words, &grants) => Some(exit),
        _ = interrupts.recv() => {
            output::note("stopping after the results that are under way; Ctrl-C again ends at once");
            exit_after(STOPPING, Done::Interrupted);
            None
        }
    };
    // What the runner has handed over is stored, however it ended. That lasts where the database is
    // unavailable, and then a person may have had enough.
    tokio::select! {
        () = recorder.close() => {}
        _ = interrupts.recv() => std::process::exit(i32::from(Done::Interrupted.exit_code())),
    }
    match exit {
        Some(exit) => Ok(Done::Exit(u8::try_from(exit?.code).unwrap_or(u8::MAX))),
        None => {
            output::note("stopped; what was recorded is kept");
            Ok(Done::Interrupted)
        }
    }
}

fn grants(arguments: &Run) -> Grants {
    let folders = |folders: &[(std::path::PathBuf, String)], writable| -> Vec<GrantedFolder> {
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
