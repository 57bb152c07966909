//! The data folder of one test, and the processes that use it.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use arc_host::embedded::{Download, EmbeddedDatabase, EmbeddedSettings, SupervisorCommand};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;
use tokio_postgres::{Client, Config, NoTls};

use crate::support::{Finished, Program, fetched_programs, installed_programs, result};

/// The longest wait before a test fails, chosen for a busy machine.
const DEADLINE: Duration = Duration::from_secs(120);

/// Polls until `look` returns a value.
#[track_caller]
pub(super) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(since.elapsed() < DEADLINE, "timed out waiting until {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Connects as soon as the server accepts connections.
pub(super) async fn connect(database: &EmbeddedDatabase) -> Client {
    let since = Instant::now();
    loop {
        match greet(&database.config()).await {
            Ok(client) => return client,
            Err(error) => {
                assert!(since.elapsed() < DEADLINE, "the server accepts no connections: {error:?}")
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn greet(config: &Config) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// A server start, with the supervisor that started it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    pub(super) supervisor: Pid,
    pub(super) server: Pid,
}

/// A data folder inside a temporary folder that every user can enter. Dropped after all its users, it waits until the
/// server has stopped.
#[derive(Debug)]
pub(super) struct Folder {
    root: TempDir,
    /// The folder of PostgreSQL's programs, if the product is not to find one itself.
    bin_dir: Option<PathBuf>,
    /// The data folder itself, which need not exist.
    pub(super) data: PathBuf,
}

impl Folder {
    /// A folder whose cluster has the product's settings.
    pub(super) fn new() -> Self {
        let root = TempDir::new().unwrap();
        fs::set_permissions(root.path(), Permissions::from_mode(0o755)).unwrap();
        let data = root.path().join("data");
        Folder { root, bin_dir: None, data }
    }

    /// A folder whose cluster does not call fsync, which saves most of the disk writes. The data survives the end of
    /// any process, but not a crash of the machine.
    pub(super) fn without_fsync() -> Self {
        let mut folder = Self::new();
        let installed = installed_programs();
        let script = |name: &str, arguments: &str| {
            format!("exec '{}' {arguments}", installed.join(name).display())
        };
        let initdb = script("initdb", r#"--no-sync "$@""#);
        let postgres = script("postgres", r#""$@" -c fsync=off"#);
        let scripts = [("initdb", initdb.as_str()), ("postgres", postgres.as_str())];
        folder.bin_dir = Some(folder.scripts("without-fsync", &scripts));
        folder
    }

    /// Returns a path beside the data folder.
    pub(super) fn beside(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Renames the data folder when it has no users.
    pub(super) fn rename(&mut self, name: &str) {
        self.wait_until_stopped();
        let new = self.beside(name);
        if self.data.exists() {
            fs::rename(&self.data, &new).unwrap();
        }
        self.data = new;
    }

    /// Writes a file of results beside the data folder, readable by every user.
    pub(super) fn results(&self, count: usize) -> PathBuf {
        let path = self.beside("results.jsonl");
        let lines: Vec<String> = (0..count)
            .map(|number| format!("{}\n", result(&format!("scenario-{number}"), "success", 0.5)))
            .collect();
        fs::write(&path, lines.concat()).unwrap();
        path
    }

    /// Creates a folder of programs that are shell scripts, beside the data folder.
    pub(super) fn scripts(&self, name: &str, scripts: &[(&str, &str)]) -> PathBuf {
        let folder = self.beside(name);
        fs::create_dir(&folder).unwrap();
        for (program, script) in scripts {
            let path = folder.join(program);
            fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        }
        folder
    }

    pub(super) fn settings(&self) -> EmbeddedSettings {
        EmbeddedSettings {
            data_dir: Some(self.data.clone()),
            bin_dir: self.bin_dir.clone(),
            further_bin_dirs: fetched_programs().map(Path::to_owned).into_iter().collect(),
            download: Download::Forbidden,
            supervisor: SupervisorCommand {
                program: Program::path().to_owned(),
                args: vec![OsString::from("__supervise")],
            },
            server_settings: Vec::new(),
        }
    }

    /// Makes the test's own process a user of the database.
    pub(super) async fn acquire(&self) -> EmbeddedDatabase {
        EmbeddedDatabase::acquire(&self.settings()).await.unwrap()
    }

    /// Returns the program with this data folder.
    pub(super) fn command<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Command {
        let mut command = Program::without_database().command(arguments);
        command.env("ARC_DATA_DIR", &self.data).stdin(Stdio::null());
        if let Some(bin_dir) = &self.bin_dir {
            command.env("ARC_POSTGRES_BIN", bin_dir);
        }
        command
    }

    /// Records a file and returns the numbers of stored results and duplicates.
    #[track_caller]
    pub(super) fn record(&self, file: &Path) -> (u64, u64) {
        let mut command = self.command(["record".as_ref(), "--json".as_ref(), file.as_os_str()]);
        counts(&Finished::from(command.output().unwrap()).ended(0).json())
    }

    /// Starts a process that uses the database until it is ended, in a process group of its own.
    pub(super) fn user(&self) -> User {
        User::start(self.command(["record", "-"]))
    }

    /// Returns the server starts, in order.
    pub(super) fn starts(&self) -> Vec<Start> {
        let log = fs::read_to_string(self.data.join("supervisor.log")).unwrap_or_default();
        log.lines().filter(|line| line.contains("] started postgres ")).map(start_in).collect()
    }

    /// Returns the last server start; waits for the first one.
    #[track_caller]
    pub(super) fn last_start(&self) -> Start {
        until("a server is started", || self.starts().last().copied())
    }

    /// Returns the servers' log.
    pub(super) fn server_log(&self) -> String {
        fs::read_to_string(self.data.join("postgres.log")).unwrap()
    }

    /// Returns clusters that are being created, or whose creation was aborted.
    pub(super) fn half_made(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.data).into_iter().flatten().flatten();
        entries
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("postgres-new-"))
            .map(|entry| entry.path())
            .collect()
    }

    /// Returns whether no process holds an exclusive lock on this lock file.
    pub(super) fn is_free(&self, lock: &str) -> bool {
        File::open(self.data.join(lock)).map_or(true, |file| file.try_lock_shared().is_ok())
    }

    /// Waits until no supervisor and no server process is left.
    #[track_caller]
    pub(super) fn wait_until_stopped(&self) {
        until("the server is stopped", || self.is_stopped().then_some(()));
    }

    fn is_stopped(&self) -> bool {
        self.is_free("supervisor.lock")
            && self.is_free("server.lock")
            && !self.is_being_supervised()
    }

    /// Returns whether a process was started with this folder as an argument: a supervisor that has not taken its lock
    /// yet. Without /proc, such a supervisor is not found.
    fn is_being_supervised(&self) -> bool {
        let folder = self.data.as_os_str().as_encoded_bytes();
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        processes
            .filter_map(|process| fs::read(process.path().join("cmdline")).ok())
            .any(|arguments| arguments.split(|byte| *byte == 0).any(|argument| argument == folder))
    }

    /// Stops the server after a failure, when some users might not have ended.
    fn stop(&self) {
        let since = Instant::now();
        while !self.is_stopped() && since.elapsed() < DEADLINE {
            // The supervisor that holds the lock is the last one in the log.
            if !self.is_free("supervisor.lock")
                && let Some(start) = self.starts().last()
            {
                let _ = kill(start.supervisor, Signal::SIGTERM);
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if thread::panicking() {
            for log in ["supervisor.log", "postgres.log"] {
                let text = fs::read_to_string(self.data.join(log)).unwrap_or_default();
                println!("{log}:\n{text}");
            }
            self.stop();
        } else {
            self.wait_until_stopped();
        }
    }
}

/// `… supervisor [7] started postgres 15.18 [8] in …`
fn start_in(line: &str) -> Start {
    let ids: Vec<i32> = line
        .split('[')
        .filter_map(|part| part.split_once(']'))
        .filter_map(|(id, _)| id.parse().ok())
        .collect();
    Start { supervisor: Pid::from_raw(ids[0]), server: Pid::from_raw(ids[1]) }
}

/// Returns the numbers of stored results and duplicates.
pub(super) fn counts(summary: &Value) -> (u64, u64) {
    (summary["stored"].as_u64().unwrap(), summary["duplicate"].as_u64().unwrap())
}

/// A process that uses the database until it is ended.
#[derive(Debug)]
pub(super) struct User(Child);

impl User {
    /// Starts a command that reads its standard input, which stays open.
    pub(super) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        User(command.process_group(0).spawn().unwrap())
    }

    /// Sends SIGINT, as Ctrl-C in a terminal does.
    pub(super) fn interrupt(&mut self) -> ExitStatus {
        killpg(Pid::from_raw(self.0.id() as i32), Signal::SIGINT).unwrap();
        self.0.wait().unwrap()
    }

    /// Closes the standard input, which ends the process.
    pub(super) fn leave(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }

    /// Kills the process, but not the others of its group.
    pub(super) fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
