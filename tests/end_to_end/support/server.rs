//! A PostgreSQL of one test, to be stopped and started; and what servers of tests have in common.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::str::FromStr as _;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, geteuid};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_postgres::{Client, Config, NoTls, Row};

use super::installed_programs;

/// How long a server may take to come up.
const DEADLINE: Duration = Duration::from_secs(60);

/// A PostgreSQL on a unix socket that a test stops and starts. Its database is empty.
#[derive(Debug)]
pub struct DatabaseServer {
    runtime: Runtime,
    folder: TempDir,
    child: Option<Child>,
}

impl DatabaseServer {
    /// A running one.
    pub fn start() -> Self {
        let mut server = Self::stopped();
        server.resume();
        server
    }

    /// One that has not been started yet.
    pub fn stopped() -> Self {
        let folder = TempDir::new().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let cluster = folder.path().join("cluster");
        fs::create_dir(&cluster).unwrap();
        give_away(&cluster);
        let made = as_server(&installed_programs().join("initdb"))
            .args(["--no-sync", "--auth=trust", "--username=arc", "--encoding=UTF8"])
            .args(["--locale=C".as_ref(), "--pgdata".as_ref(), cluster.as_os_str()])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        DatabaseServer { runtime: Runtime::new().unwrap(), folder, child: None }
    }

    fn cluster(&self) -> PathBuf {
        self.folder.path().join("cluster")
    }

    /// The URL of its database.
    pub fn url(&self) -> String {
        let folder = self.cluster().display().to_string().replace('/', "%2F");
        format!("postgresql:///postgres?host={folder}&user=arc")
    }

    /// Starts it where it is stopped, and waits until it answers.
    pub fn resume(&mut self) {
        assert!(self.child.is_none(), "it runs");
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))
            .unwrap();
        let child = as_server(&installed_programs().join("postgres"))
            .arg("-D")
            .arg(self.cluster())
            // What a crash of the machine would do is not tested here.
            .args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=100"])
            .arg("-c")
            .arg(format!("unix_socket_directories={}", self.cluster().display()))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        self.query("SELECT 1");
    }

    /// Ends it as an administrator does: what is under way is broken off.
    pub fn stop(&mut self) {
        self.end(Signal::SIGINT);
    }

    /// Ends it as a crash does.
    pub fn crash(&mut self) {
        self.end(Signal::SIGQUIT);
    }

    fn end(&mut self, signal: Signal) {
        if let Some(mut child) = self.child.take() {
            let _ = kill(Pid::from_raw(child.id() as i32), signal);
            let _ = child.wait();
        }
    }

    async fn connect(&self) -> Client {
        let config = Config::from_str(&self.url()).unwrap();
        let since = Instant::now();
        loop {
            match config.connect(NoTls).await {
                Ok((client, connection)) => {
                    tokio::spawn(connection);
                    return client;
                }
                Err(error) => {
                    let log = fs::read_to_string(self.folder.path().join("log"));
                    assert!(since.elapsed() < DEADLINE, "{error:?}\n{}", log.unwrap_or_default());
                }
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Runs a query on a connection of its own.
    #[track_caller]
    pub fn query(&self, sql: &str) -> Vec<Row> {
        self.runtime.block_on(async {
            let rows = self.connect().await.query(sql, &[]).await;
            rows.unwrap_or_else(|error| panic!("{sql}: {error:?}"))
        })
    }

    /// How many rows a query counts.
    #[track_caller]
    pub fn count(&self, sql: &str) -> i64 {
        self.query(sql)[0].get(0)
    }
}

impl Drop for DatabaseServer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.path().join("log"));
            println!("the database's log:\n{}", log.unwrap_or_default());
        }
        self.end(Signal::SIGQUIT);
    }
}

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Who runs servers where this is root, whom they refuse.
fn account() -> Option<User> {
    geteuid().is_root().then(|| {
        let find = |name| User::from_name(name).unwrap();
        find("postgres").or_else(|| find("nobody")).unwrap()
    })
}

/// A command that runs as a server does, in an environment without anything of the user's.
pub fn as_server(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("LC_ALL", "C").current_dir("/").stdin(Stdio::null());
    if let Some(account) = account() {
        command.uid(account.uid.as_raw()).gid(account.gid.as_raw());
    }
    command
}

/// Gives a file or folder to the one who runs servers.
pub fn give_away(path: &Path) {
    if let Some(account) = account() {
        chown(path, Some(account.uid.as_raw()), Some(account.gid.as_raw())).unwrap();
    }
}
