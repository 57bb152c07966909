//! Starts a supervisor, and reports why it failed.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use super::folders::DataFolder;
use super::log::Log;
use super::process;
use super::programs::Programs;
use super::supervisor::SupervisorArguments;
use super::{EmbeddedError, EmbeddedSettings};

/// A supervisor that this process started. Dropping this does not stop it.
#[derive(Debug)]
pub(super) struct Supervisor {
    log: Log,
    logs: PathBuf,
    ended: Receiver<Option<ExitStatus>>,
}

impl Supervisor {
    /// Starts a supervisor that is independent of this process: it has a session of its own, and inherits no file.
    pub(super) fn launch(
        settings: &EmbeddedSettings,
        folder: &DataFolder,
        programs: &Programs,
    ) -> Result<Self, EmbeddedError> {
        let program = settings.supervisor.program.clone();
        let (log, file) = Log::open(folder.supervisor_log())?;
        let arguments = SupervisorArguments {
            data_dir: folder.path().to_owned(),
            bin_dir: programs.bin_dir.clone(),
            server_settings: settings.server_settings.clone(),
        };
        let mut command = Command::new(here(&program)?);
        command.args(&settings.supervisor.args).args(arguments.to_args());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).current_dir("/");
        let started = process::detached(&mut command).spawn();
        let mut child =
            started.map_err(|source| EmbeddedError::NoSupervisor { program, source })?;

        let (sender, ended) = mpsc::channel();
        // It is still this process's child, and would remain a zombie if it were not waited for.
        let waiting =
            thread::Builder::new().name("database-supervisor".to_owned()).spawn(move || {
                let _ = sender.send(child.wait().ok());
            });
        waiting.map_err(|source| EmbeddedError::Process { action: "start a thread", source })?;
        Ok(Self { log, logs: folder.path().to_owned(), ended })
    }

    /// Returns the supervisor's result, or `None` while it runs. It also succeeds if it finds another supervisor or is
    /// terminated by a signal that it handles.
    pub(super) fn ended(&self) -> Option<Result<(), EmbeddedError>> {
        let status = match self.ended.try_recv() {
            Ok(status) => status,
            Err(mpsc::TryRecvError::Empty) => return None,
            Err(mpsc::TryRecvError::Disconnected) => None,
        };
        if status.is_some_and(|status| status.success()) {
            return Some(Ok(()));
        }
        let said = self.log.supervisor_reason();
        let ended = || {
            status.map_or_else(
                || "the supervisor ended".to_owned(),
                |status| format!("the supervisor ended with {status}"),
            )
        };
        // A process that a signal killed logs nothing.
        let reason = if status.is_some_and(|status| status.code().is_none()) {
            ended()
        } else {
            said.unwrap_or_else(ended)
        };
        Some(Err(EmbeddedError::NotStarted { reason, logs: self.logs.clone() }))
    }
}

/// Returns the absolute path of the program, because the supervisor starts in another folder.
fn here(program: &Path) -> Result<PathBuf, EmbeddedError> {
    // A bare name is searched for on the PATH.
    if program.components().count() < 2 {
        return Ok(program.to_owned());
    }
    std::path::absolute(program)
        .map_err(|source| EmbeddedError::NoSupervisor { program: program.to_owned(), source })
}
