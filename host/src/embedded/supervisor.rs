//! The supervisor: a process without a terminal that runs `postgres` as long as it is in use.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::EmbeddedError;
use super::account::Account;
use super::cluster;
use super::folders::{DataFolder, ServerRecord};
use super::locks::{LockFile, Mode};
use super::log;
use super::places::Places;
use super::programs::Programs;
use super::remains;
use super::restart_policy::{RestartDecision, RestartPolicy};
use super::server::{Plan, Server};
use super::socket;

/// The interval at which it checks whether any users are left.
const LOOK_FOR_USERS: Duration = Duration::from_millis(100);

/// How long an earlier supervisor, which has already stopped its server, can take to end.
const PREDECESSOR: Duration = Duration::from_secs(5);

/// The arguments on a supervisor's command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupervisorArguments {
    /// The data folder, which exists.
    pub data_dir: PathBuf,
    /// The folder with PostgreSQL's programs.
    pub bin_dir: PathBuf,
    /// Further settings of the server.
    pub server_settings: Vec<(String, String)>,
}

impl SupervisorArguments {
    /// Returns the command line, for [`from_args`](Self::from_args).
    #[must_use]
    pub fn to_args(&self) -> Vec<OsString> {
        let folders =
            [self.data_dir.clone().into_os_string(), self.bin_dir.clone().into_os_string()];
        folders
            .into_iter()
            .chain(
                self.server_settings.iter().map(|(name, value)| format!("{name}={value}").into()),
            )
            .collect()
    }

    /// Parses the command line that [`to_args`](Self::to_args) returned.
    ///
    /// # Errors
    ///
    /// If another version of the program or a user wrote it.
    pub fn from_args(mut arguments: impl Iterator<Item = OsString>) -> Result<Self, EmbeddedError> {
        let wrong = |reason: &str| EmbeddedError::Arguments { reason: reason.to_owned() };
        let data_dir = arguments.next().ok_or_else(|| wrong("the data folder is missing"))?.into();
        let bin_dir = arguments
            .next()
            .ok_or_else(|| wrong("the folder with PostgreSQL's programs is missing"))?
            .into();
        let setting = |argument: OsString| {
            let (name, value) = argument.to_str().and_then(|text| text.split_once('='))?;
            Some((name.to_owned(), value.to_owned()))
        };
        let server_settings: Option<Vec<_>> = arguments.map(setting).collect();
        let server_settings =
            server_settings.ok_or_else(|| wrong("a server setting is not name=value"))?;
        Ok(Self { data_dir, bin_dir, server_settings })
    }
}

/// Runs the supervisor, and returns when the server has been stopped.
///
/// Call this before the process has an asynchronous runtime or another thread. Errors are already logged, so the
/// caller only converts an error into an exit status.
///
/// # Errors
///
/// If the server does not start, or ends too often.
pub fn supervise(arguments: impl Iterator<Item = OsString>) -> Result<(), EmbeddedError> {
    let process = |action| move |source| EmbeddedError::Process { action, source };
    let outcome = SupervisorArguments::from_args(arguments).and_then(|arguments| {
        // A single thread, because the server ends with the thread that started it.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(process("start the supervisor"))?.block_on(run(arguments))
    });
    if let Err(error) = &outcome {
        log::say_failed(error);
    }
    outcome
}

async fn run(arguments: SupervisorArguments) -> Result<(), EmbeddedError> {
    // From now on these signals stop the server with a fast shutdown.
    let mut end = End::listen()?;
    let folder = DataFolder::open(Some(&arguments.data_dir))?;
    let only_one = LockFile::open(folder.supervisor_lock())?;
    if !only_one.take(Mode::Alone, PREDECESSOR, || {}).await? {
        log::say("another supervisor runs; leaving the server to it");
        return Ok(());
    }
    end.users = Some(LockFile::open(folder.users_lock())?);

    let account = Account::for_cluster(&folder.cluster())?;
    let made_by = cluster::major(&folder.cluster())?;
    let cluster = folder.cluster();
    let programs = Programs::find(
        Some(&arguments.bin_dir),
        made_by.map(|major| (cluster.as_path(), major)),
        &Places::of_this_machine(),
    )?;
    let socket_dir = socket::prepare(&folder, &account)?;
    // A new client must not find an earlier server that is about to be stopped.
    folder.forget_record();
    let plan = Plan { folder, programs, account, socket_dir, settings: arguments.server_settings };

    let outcome = serve(&plan, &mut end).await;
    socket::clean_up(&plan.folder, &plan.socket_dir);
    outcome
}

/// Runs a server, and restarts it if it ends, until it is no longer needed.
async fn serve(plan: &Plan, end: &mut End) -> Result<(), EmbeddedError> {
    let mut restarts = RestartPolicy::new();
    loop {
        let lock = tokio::select! {
            // Checked first, because both can be ready at once, and a server without users must not be started.
            biased;
            why = end.reached() => {
                log::say(format_args!("{why}: nothing to start"));
                remains::stop(&plan.folder);
                return Ok(());
            }
            lock = remains::clear(&plan.folder, &plan.socket_dir) => lock?,
        };
        plan.folder.write_record(&ServerRecord {
            socket_dir: plan.socket_dir.clone(),
            programs: plan.programs.clone(),
        })?;
        let mut server = Server::start(plan, lock)?;
        log::say(format_args!(
            "started postgres {} [{}] in {}",
            plan.programs.version,
            server.id(),
            plan.folder.path().display()
        ));
        let status = tokio::select! {
            why = end.reached() => {
                log::say(format_args!("{why}: stopping postgres"));
                server.stop().await;
                log::say("postgres is stopped");
                return Ok(());
            }
            status = server.ended() => status.map_err(|source| EmbeddedError::Process { action: "wait for postgres", source })?,
        };
        let reason = server.reason(status);
        log::say(format_args!(
            "postgres ended after {:.1} s: {reason}",
            server.age().as_secs_f32()
        ));
        let blocked = is_blocked(&reason);
        let wait = match restarts.after(server.was_ready(), server.age(), blocked, Instant::now()) {
            RestartDecision::GiveUp => {
                return Err(EmbeddedError::NotStarted {
                    reason,
                    logs: plan.folder.path().to_owned(),
                });
            }
            RestartDecision::Retry(wait) => wait,
        };
        tokio::select! {
            why = end.reached() => {
                log::say(format_args!("{why}: nothing to stop"));
                return Ok(());
            }
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Returns whether this is the error that leftover files, memory or processes of a killed server cause.
fn is_blocked(reason: &str) -> bool {
    let lock_file = reason.contains("lock file") && reason.contains("already exists");
    lock_file
        || reason.contains("pre-existing shared memory")
        || reason.contains("another postmaster")
}

/// The conditions that end a supervisor: no users, or a signal.
struct End {
    terminate: Signal,
    interrupt: Signal,
    users: Option<LockFile>,
}

impl End {
    fn listen() -> Result<Self, EmbeddedError> {
        let listen = |kind| {
            signal(kind)
                .map_err(|source| EmbeddedError::Process { action: "listen for signals", source })
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            users: None,
        })
    }

    /// Waits for one of them, and returns its description. The users' lock is then held, so that new users wait until
    /// this process has ended.
    async fn reached(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "terminated",
            _ = self.interrupt.recv() => "interrupted",
            why = unused(self.users.as_ref()) => why,
        }
    }
}

async fn unused(users: Option<&LockFile>) -> &'static str {
    loop {
        match users.map(|users| users.try_take(Mode::Alone)) {
            Some(Ok(true)) => return "the database has no users",
            Some(Err(_)) => return "the users' lock cannot be read",
            Some(Ok(false)) | None => tokio::time::sleep(LOOK_FOR_USERS).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_as_they_were_written() {
        let arguments = SupervisorArguments {
            data_dir: "/home/zoë/my data".into(),
            bin_dir: "/usr/lib/postgresql/15/bin".into(),
            server_settings: vec![
                ("fsync".into(), "off".into()),
                ("search_path".into(), "a=b, c".into()),
            ],
        };
        assert_eq!(
            SupervisorArguments::from_args(arguments.to_args().into_iter()).unwrap(),
            arguments
        );
        for wrong in [vec![], vec!["/data"], vec!["/data", "/bin", "fsync"]] {
            assert!(SupervisorArguments::from_args(wrong.into_iter().map(OsString::from)).is_err());
        }
    }

    #[test]
    fn leftovers_of_a_killed_server_are_distinguished_from_other_failures() {
        assert!(is_blocked(
            "lock file \"postmaster.pid\" already exists; Is another postmaster (PID 7) running"
        ));
        assert!(is_blocked("pre-existing shared memory block (key 1, ID 2) is still in use"));
        assert!(!is_blocked("could not open file \"postmaster.pid\": Permission denied"));
    }
}
