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
    /// The program's file.
    pub fn path() -> &'static Path {
        Path::new(env!("CARGO_BIN_EXE_arc-host-under-test"))
    }

    /// The program with a test's database.
    pub fn on(database: &TestDatabase) -> Self {
        Program { database: Some(database.url().to_owned()), ..Self::without_database() }
    }

    /// The program with the database that a URL names.
    pub fn with_url(url: &str) -> Self {
        Program { database: Some(url.to_owned()), ..Self::without_database() }
    }

    /// The program with the service that a URL names.
    pub fn on_service(url: &str) -> Self {
        Program { service: Some(url.to_owned()), ..Self::without_database() }
    }

    /// The program with no database named.
    pub fn without_database() -> Self {
        // One cache for all tests: the component is compiled once.
        let cache_dir = std::env::temp_dir()
            .join(format!("arc-recorder-tests-cache-{}", nix::unistd::geteuid()));
        Program { database: None, service: None, cache_dir, variables: Vec::new() }
    }

    /// The same with a variable of the environment.
    pub fn with_variable(mut self, name: &'static str, value: impl Into<PathBuf>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// Returns the program with these arguments, in an environment without anything of the user's.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = self.in_environment(Self::path());
        command.args(arguments);
        command
    }

    /// Returns another program in the environment in which this one runs, such as a shell.
    pub fn in_environment(&self, other: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(other);
        // Settings of every kind; libpq's variables are defaults of every URL.
        for (name, _) in std::env::vars_os() {
            let bytes = name.as_encoded_bytes();
            let settings = [&b"ARC_"[..], b"MODAL_", b"TIMESCALE_", b"PG"];
            if settings.iter().any(|prefix| bytes.starts_with(prefix)) {
                command.env_remove(name);
            }
        }
        // Nothing comes from elsewhere unless a test is about that.
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

    /// Returns the same for a program that builds a template of this repository with cargo.
    pub fn in_environment_of_a_build(&self, other: impl AsRef<OsStr>) -> Command {
        let mut command = self.in_environment(other);
        // Flags of the build of the tests are not for the template.
        for name in ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER"] {
            command.env_remove(name);
        }
        // The packages that the tests themselves were built with are on this machine.
        command.env("CARGO_NET_OFFLINE", "true");
        command
    }

    /// Runs the program to its end.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Finished {
        self.run_with_input(arguments, b"")
    }

    /// Runs the program to its end with this standard input.
    pub fn run_with_input<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
        input: &[u8],
    ) -> Finished {
        let mut child = self.spawn(arguments);
        let mut stdin = child.stdin.take().expect("standard input is piped");
        let input = input.to_vec();
        // A program that does not read its input closes it early, which is its right.
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
    /// Asserts how it ended.
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

    /// The one JSON value it wrote.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error} in {}\nstderr:\n{}", self.stdout, self.stderr))
    }

    /// The JSON values it wrote, one a line.
    #[track_caller]
    pub fn json_lines(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }
}
