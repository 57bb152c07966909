//! A PostgreSQL server of one test, which can be stopped and started, and functions that all test servers use.

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

/// The longest wait for a server.
const DEADLINE: Duration = Duration::from_secs(60);

/// A PostgreSQL server on a Unix socket, which a test can stop and start. Its database is empty.
#[derive(Debug)]
pub struct DatabaseServer {
    runtime: Runtime,
    folder: PathBuf,
    /// Removed with the server, if the server created the folder.
    _own: Option<TempDir>,
    settings: Vec<String>,
    child: Option<Child>,
}

impl DatabaseServer {
    /// Creates and starts a server.
    pub fn start() -> Self {
        let mut server = Self::stopped();
        server.resume();
        server
    }

    /// Creates a server without starting it.
    pub fn stopped() -> Self {
        let own = TempDir::new().unwrap();
        let mut server = Self::within(own.path(), &[]);
        server._own = Some(own);
        server
    }

    /// Creates a server in the caller's folder, with further settings (`name=value`), without starting it.
    pub fn within(folder: &Path, settings: &[&str]) -> Self {
        let server = Self::without_cluster(folder, settings);
        fs::create_dir(server.cluster()).unwrap();
        chown_to_server_account(&server.cluster());
        let made = as_server(&installed_programs().join("initdb"))
            .args(["--no-sync", "--auth=trust", "--username=arc", "--encoding=UTF8"])
            // Small WAL segments, so that a small disk has room for some.
            .args(["--locale=C", "--wal-segsize=1", "--pgdata"])
            .arg(server.cluster())
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        server
    }

    /// Returns a server without a cluster in the caller's folder: see [`DatabaseServer::follow`].
    pub fn without_cluster(folder: &Path, settings: &[&str]) -> Self {
        fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
        DatabaseServer {
            runtime: Runtime::new().unwrap(),
            folder: folder.to_owned(),
            _own: None,
            settings: settings.iter().map(|&setting| setting.to_owned()).collect(),
            child: None,
        }
    }

    fn cluster(&self) -> PathBuf {
        self.folder.join("cluster")
    }

    /// Returns the folder of the server's socket.
    pub fn socket_folder(&self) -> PathBuf {
        self.cluster()
    }

    /// Returns the URL of the server's database.
    pub fn url(&self) -> String {
        let folder = self.cluster().display().to_string().replace('/', "%2F");
        format!("postgresql:///postgres?host={folder}&user=arc")
    }

    /// Starts the stopped server, and waits until it answers.
    pub fn resume(&mut self) {
        assert!(self.child.is_none(), "it runs");
        let since = Instant::now();
        self.child = Some(self.spawn());
        loop {
            match self.runtime.block_on(self.try_connect()) {
                Ok(_) => return,
                Err(error) => assert!(since.elapsed() < DEADLINE, "{error:?}\n{}", self.log()),
            }
            // After SIGKILL the server's other processes remain for a moment, and prevent a new one from starting.
            if !self.runs() {
                self.child = Some(self.spawn());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn spawn(&self) -> Child {
        let log = fs::File::options().create(true).append(true).open(self.folder.join("log"));
        let mut command = as_server(&installed_programs().join("postgres"));
        command
            .arg("-D")
            .arg(self.cluster())
            // No test simulates a crash of the machine, so fsync is off.
            .args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=100"])
            .arg("-c")
            .arg(format!("unix_socket_directories={}", self.cluster().display()));
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        command.stdout(Stdio::null()).stderr(log.unwrap()).spawn().unwrap()
    }

    /// Returns whether the server was started and has not ended.
    fn runs(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().unwrap().is_none())
    }

    /// Waits until the server answers, and starts it again if it has ended.
    pub fn restore(&mut self) {
        let since = Instant::now();
        while self.runs() {
            match self.runtime.block_on(self.try_connect()) {
                Ok(_) => return,
                Err(error) => assert!(since.elapsed() < DEADLINE, "{error:?}\n{}", self.log()),
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.kill();
        self.resume();
    }

    /// Returns the server's log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Stops the server as an administrator does: active transactions are aborted.
    pub fn stop(&mut self) {
        self.end(Signal::SIGINT);
    }

    /// Stops the server as in a crash.
    pub fn crash(&mut self) {
        self.end(Signal::SIGQUIT);
    }

    /// Kills the server's main process with SIGKILL. The others notice that and end.
    pub fn kill(&mut self) {
        self.end(Signal::SIGKILL);
    }

    /// Kills one of the processes that serve a connection with SIGKILL, after which the server ends all of them and
    /// recovers.
    pub fn kill_a_connection(&self) {
        let find = "SELECT pid FROM pg_stat_activity
             WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
             ORDER BY state = 'active' DESC LIMIT 1";
        if let [row] = self.query(find).as_slice() {
            let _ = kill(Pid::from_raw(row.get(0)), Signal::SIGKILL);
        }
    }

    fn end(&mut self, signal: Signal) {
        if let Some(mut child) = self.child.take() {
            let _ = kill(Pid::from_raw(child.id() as i32), signal);
            let _ = child.wait();
        }
    }

    /// Becomes a standby of another server, from a base backup, and starts. The previous cluster is deleted.
    pub fn follow(&mut self, primary: &DatabaseServer) {
        assert!(self.child.is_none(), "it runs");
        let _ = fs::remove_dir_all(self.cluster());
        fs::create_dir(self.cluster()).unwrap();
        chown_to_server_account(&self.cluster());
        fs::set_permissions(self.cluster(), Permissions::from_mode(0o700)).unwrap();
        let copied = as_server(&installed_programs().join("pg_basebackup"))
            .args(["--no-sync", "--checkpoint=fast", "--write-recovery-conf", "--username=arc"])
            .arg("--host")
            .arg(primary.socket_folder())
            .arg("--pgdata")
            .arg(self.cluster())
            .output()
            .unwrap();
        assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
        // The backup includes the lock file of the primary's socket.
        let _ = fs::remove_file(self.cluster().join(".s.PGSQL.5432.lock"));
        self.resume();
    }

    /// Promotes the standby to a primary.
    pub fn promote(&self) {
        let promoted = as_server(&installed_programs().join("pg_ctl"))
            .args(["promote", "--wait", "--silent", "--pgdata"])
            .arg(self.cluster())
            .output()
            .unwrap();
        assert!(promoted.status.success(), "{}", String::from_utf8_lossy(&promoted.stderr));
    }

    /// Changes a setting of the running server permanently.
    pub fn set(&self, name: &str, value: Option<&str>) {
        match value {
            Some(value) => self.query(&format!("ALTER SYSTEM SET {name} = '{value}'")),
            None => self.query(&format!("ALTER SYSTEM RESET {name}")),
        };
        self.query("SELECT pg_reload_conf()");
    }

    /// Waits until the number that a query counts satisfies the condition.
    #[track_caller]
    pub fn wait_until(&self, sql: &str, good: impl Fn(i64) -> bool) {
        let since = Instant::now();
        while !good(self.count(sql)) {
            assert!(
                since.elapsed() < DEADLINE,
                "{sql} returns {}\n{}",
                self.count(sql),
                self.log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    async fn try_connect(&self) -> Result<Client, tokio_postgres::Error> {
        let config = Config::from_str(&self.url()).unwrap();
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    async fn connect(&self) -> Client {
        let since = Instant::now();
        loop {
            match self.try_connect().await {
                Ok(client) => return client,
                Err(error) => assert!(since.elapsed() < DEADLINE, "{error:?}\n{}", self.log()),
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

    /// Returns the number of rows that a query counts.
    #[track_caller]
    pub fn count(&self, sql: &str) -> i64 {
        self.query(sql)[0].get(0)
    }
}

impl Drop for DatabaseServer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("the database's log:\n{}", self.log());
        }
        self.end(Signal::SIGQUIT);
    }
}

/// Returns a port on which no process listens.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Returns the account that runs servers if this is root, which servers refuse to run as.
fn account() -> Option<User> {
    geteuid().is_root().then(|| {
        let find = |name| User::from_name(name).unwrap();
        find("postgres").or_else(|| find("nobody")).unwrap()
    })
}

/// Returns a command under the servers' account, in an environment without the user's settings.
pub fn as_server(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("LC_ALL", "C").current_dir("/").stdin(Stdio::null());
    if let Some(account) = account() {
        command.uid(account.uid.as_raw()).gid(account.gid.as_raw());
    }
    command
}

/// Changes the owner of a file or folder to the account that runs servers.
pub fn chown_to_server_account(path: &Path) {
    if let Some(account) = account() {
        chown(path, Some(account.uid.as_raw()), Some(account.gid.as_raw())).unwrap();
    }
}
