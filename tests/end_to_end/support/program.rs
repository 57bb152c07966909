//! The program under test.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use super::{TestDatabase, fetched_programs};

/// `arc-host` with the settings of one test.
#[derive(Clone, Debug)]
pub struct Program {
    database: Option<String>,
    service: Option<String>,
    cache_dir: PathBuf,
    variables: Vec<(&'static str, PathBuf)>,
}

/// A run that has ended.
#[derive(Debug)]
pub struct Finished {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Program {
    /// Returns the path of the program.
    pub fn path() -> &'static Path {
        Path::new(env!("CARGO_BIN_EXE_arc-host-under-test"))
    }

    /// Returns the program with a test's database.
    pub fn on(database: &TestDatabase) -> Self {
        Program { database: Some(database.url().to_owned()), ..Self::without_database() }
    }

    /// Returns the program with the database of this URL.
    pub fn with_url(url: &str) -> Self {
        Program { database: Some(url.to_owned()), ..Self::without_database() }
    }

    /// Returns the program with the service of this URL.
    pub fn on_service(url: &str) -> Self {
        Program { service: Some(url.to_owned()), ..Self::without_database() }
    }

    /// Returns the program without a database setting.
    pub fn without_database() -> Self {
        // All tests share one cache, so that the component is compiled once.
        let cache_dir = std::env::temp_dir()
            .join(format!("arc-recorder-tests-cache-{}", nix::unistd::geteuid()));
        Program { database: None, service: None, cache_dir, variables: Vec::new() }
    }

    /// Returns the program with a further environment variable.
    pub fn with_variable(mut self, name: &'static str, value: impl Into<PathBuf>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// Returns the program with these arguments, in an environment without the user's settings.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = self.in_environment(Self::path());
        command.args(arguments);
        command
    }

    /// Returns another program in the environment in which this one runs, such as a shell.
    pub fn in_environment(&self, other: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(other);
        // Removes settings of every kind, since libpq's variables are defaults of every URL.
        for (name, _) in std::env::vars_os() {
            let bytes = name.as_encoded_bytes();
            let settings = [&b"ARC_"[..], b"MODAL_", b"TIMESCALE_", b"PG"];
            if settings.iter().any(|prefix| bytes.starts_with(prefix)) {
                command.env_remove(name);
            }
        }
        // Nothing is downloaded unless a test is about downloads.
        command.env("ARC_NO_DOWNLOAD", "1");
        if let Some(programs) = fetched_programs() {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let folders = std::env::split_paths(&path).chain([programs.to_owned()]);
            command.env("PATH", std::env::join_paths(folders).expect("folders of a PATH"));
        }
        if let Some(url) = &self.database {
            command.env("ARC_DATABASE_URL", url);
        }
        if let Some(url) = &self.service {
            command.env("ARC_SERVER", url);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.env("ARC_CACHE_DIR", &self.cache_dir);
        command
    }

    /// Returns another program in the same environment, for building a template of this repository
    /// with cargo.
    pub fn in_environment_of_a_build(&self, other: impl AsRef<OsStr>) -> Command {
        let mut command = self.in_environment(other);
        // The flags of the tests' build must not affect the template.
        for name in ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER"] {
            command.env_remove(name);
        }
        // The crates that the tests themselves were built with are on this machine.
        command.env("CARGO_NET_OFFLINE", "true");
        command
    }

    /// Runs the program and waits for its end.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Finished {
        self.run_with_input(arguments, b"")
    }

    /// Runs the program with this standard input and waits for its end.
    pub fn run_with_input<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
        input: &[u8],
    ) -> Finished {
        let mut child = self.spawn(arguments);
        let mut stdin = child.stdin.take().expect("standard input is piped");
        let input = input.to_vec();
        // A program that does not read its input closes it early, which is not an error.
        let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let finished = child.wait_with_output().expect("the program can be waited for").into();
        writer.join().expect("the writer ends");
        finished
    }

    /// Starts the program with all its streams piped.
    pub fn spawn<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Child {
        self.command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program can be started")
    }
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        Finished {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Finished {
    /// Asserts the exit code.
    #[track_caller]
    pub fn ended(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "exit code\nstdout:\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// Parses the standard output as one JSON value.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error} in {}\nstderr:\n{}", self.stdout, self.stderr))
    }

    /// Parses the standard output as JSON values, one per line.
    #[track_caller]
    pub fn json_lines(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }
}
