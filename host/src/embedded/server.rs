//! One `postgres` process: starts it, checks whether it is ready, and stops it.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::Child;

use super::EmbeddedError;
use super::account::Account;
use super::folders::DataFolder;
use super::locks::LockFile;
use super::log::{self, Log};
use super::process;
use super::programs::Programs;
use super::remains;
use super::socket;

/// How long a fast shutdown, which writes memory to disk, can take before an immediate one follows.
const FAST: Duration = Duration::from_secs(60);

/// How long an immediate shutdown can take; the next start recovers in any case.
const IMMEDIATE: Duration = Duration::from_secs(10);

/// The parameters of every start of a server.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) folder: DataFolder,
    pub(super) programs: Programs,
    pub(super) account: Account,
    pub(super) socket_dir: PathBuf,
    pub(super) settings: Vec<(String, String)>,
}

/// A running `postgres`, child of this process.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    id: u32,
    log: Log,
    cluster: PathBuf,
    started: Instant,
    was_ready: bool,
}

impl Server {
    /// Starts a server, whose processes hold the lock. The server ends with the calling thread.
    pub(super) fn start(plan: &Plan, lock: LockFile) -> Result<Self, EmbeddedError> {
        let (log, file) = Log::open(plan.folder.server_log())?;
        let second = file.try_clone().map_err(EmbeddedError::file("open the log", log.path()))?;
        let program = plan.programs.program("postgres");
        let mut command = plan.account.command(&program);
        // PostgreSQL treats the process id in a leftover file as that of a running server, unless it is an
        // ancestor's.
        command.env("PG_GRANDPARENT_PID", nix::unistd::getppid().to_string());
        command
            .args(arguments(&plan.folder.cluster(), &plan.socket_dir, &plan.settings))
            .stdout(file)
            .stderr(second);
        // A server does not read its standard input, but keeps it open in all its processes.
        let inherited = lock
            .file()
            .try_clone()
            .map_err(EmbeddedError::file("open", plan.folder.server_lock()))?;
        command.stdin(inherited);
        // SIGINT requests a fast shutdown, as a running supervisor does.
        process::ending_with_parent(&mut command, Signal::SIGINT);
        let child = tokio::process::Command::from(command).spawn();
        let child = child
            .map_err(|error| EmbeddedError::BrokenProgram { program, reason: error.to_string() })?;
        let id = child.id().unwrap_or_default();
        if let Err(error) = remains::note(&lock, id) {
            log::say(format_args!("could not note the process id of postgres: {error}"));
        }
        Ok(Self {
            child,
            id,
            log,
            cluster: plan.folder.cluster(),
            started: Instant::now(),
            was_ready: false,
        })
    }

    /// Returns its process id.
    pub(super) fn id(&self) -> u32 {
        self.id
    }

    /// Waits until it ends. This is cancel safe.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        // Checked while it runs, because a server that shuts down removes its state.
        while !self.was_ready {
            match tokio::time::timeout(Duration::from_millis(50), self.child.wait()).await {
                Ok(status) => return status,
                Err(_) => self.was_ready = super::cluster::ready(&self.cluster, self.id),
            }
        }
        self.child.wait().await
    }

    /// Returns whether it has accepted connections since it was started.
    pub(super) fn was_ready(&self) -> bool {
        self.was_ready
    }

    /// Returns the time since it was started.
    pub(super) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Returns why it ended.
    pub(super) fn reason(&self, status: ExitStatus) -> String {
        let said =
            if self.was_ready { self.log.why_ended(self.id) } else { self.log.why_not_started() };
        said.unwrap_or_else(|| format!("postgres ended with {status}"))
    }

    /// Stops it: with a fast shutdown, then an immediate one, then SIGKILL.
    pub(super) async fn stop(mut self) {
        for (signal, patience) in
            [(Signal::SIGINT, FAST), (Signal::SIGQUIT, IMMEDIATE), (Signal::SIGKILL, IMMEDIATE)]
        {
            let Some(id) = self.child.id().and_then(|id| i32::try_from(id).ok()) else {
                return;
            };
            let _ = kill(Pid::from_raw(id), signal);
            match tokio::time::timeout(patience, self.child.wait()).await {
                Ok(_) => return,
                Err(_) => log::say(format_args!(
                    "postgres did not end within {} s of {signal}",
                    patience.as_secs()
                )),
            }
        }
    }
}

/// Returns the command line. The last of two values for a setting applies: preferences come before the caller's
/// settings, and settings that this module depends on after them.
fn arguments(cluster: &Path, socket_dir: &Path, settings: &[(String, String)]) -> Vec<OsString> {
    let taste = [
        ("logging_collector", "off"),
        ("log_destination", "stderr"),
        ("log_line_prefix", "%m [%p] "),
        ("log_timezone", "UTC"),
        // A line every five minutes would bury the others.
        ("log_checkpoints", "off"),
        // Statements can contain recorded data.
        ("log_min_error_statement", "panic"),
    ];
    let port = socket::PORT.to_string();
    let socket_dir = socket::as_setting(socket_dir);
    let fixed = [
        ("listen_addresses", ""),
        ("port", port.as_str()),
        ("unix_socket_directories", socket_dir.as_str()),
        ("unix_socket_permissions", "0700"),
    ];
    let custom = settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let all = taste.into_iter().chain(custom).chain(fixed);
    let folder = ["-D".into(), cluster.as_os_str().to_owned()];
    folder
        .into_iter()
        .chain(all.flat_map(|(name, value)| ["-c".into(), format!("{name}={value}").into()]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callers_settings_apply_except_the_address() {
        let settings = [
            ("fsync".to_owned(), "off".to_owned()),
            ("listen_addresses".to_owned(), "*".to_owned()),
        ];
        let arguments = arguments(Path::new("/data/postgres"), Path::new("/data/a b"), &settings);
        let position =
            |wanted: &str| arguments.iter().rposition(|argument| argument == wanted).unwrap();
        assert!(position("fsync=off") < position("listen_addresses="));
        assert!(position("listen_addresses=*") < position("listen_addresses="));
        position("unix_socket_directories=\"/data/a b\"");
        assert_eq!(arguments.first().unwrap(), "-D");
    }
}
