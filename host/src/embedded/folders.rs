//! The paths in the data folder.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy as _;
use nix::unistd::Uid;
use serde::{Deserialize, Serialize};

use super::EmbeddedError;
use super::programs::Programs;

const NAME: &str = "arc-recorder";

/// Root's own folder is closed to the user that `postgres` runs as.
const FOLDER_OF_ROOT: &str = "/var/lib/arc-recorder";

/// The data folder, which exists. Its path is canonical, so that every process uses the same one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DataFolder {
    path: PathBuf,
}

/// The record that the supervisor writes for clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ServerRecord {
    pub(super) socket_dir: PathBuf,
    pub(super) programs: Programs,
}

impl DataFolder {
    /// Opens the named folder, or else the default one, and creates it if it does not exist.
    pub(super) fn open(named: Option<&Path>) -> Result<Self, EmbeddedError> {
        let path = match named {
            Some(path) => std::path::absolute(path).map_err(EmbeddedError::file("find", path))?,
            None => default_path()?,
        };
        make(&path).map_err(EmbeddedError::file("make the data folder", &path))?;
        let real =
            path.canonicalize().map_err(EmbeddedError::file("open the data folder", &path))?;
        // Its name is written into a file and into a URL.
        if real.to_str().is_none() {
            return Err(EmbeddedError::NotUtf8 { path: real });
        }
        Ok(Self { path: real })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns PostgreSQL's data directory.
    pub(super) fn cluster(&self) -> PathBuf {
        self.path.join("postgres")
    }

    /// Returns the folder of downloaded programs, with a subfolder for each version.
    pub(super) fn fetched(&self) -> PathBuf {
        self.path.join("programs")
    }

    /// Returns the socket's folder, which is used if its path is short enough.
    pub(super) fn socket_dir(&self) -> PathBuf {
        self.path.join("run")
    }

    /// Returns the lock that every user of the database holds in shared mode, and a supervisor that stops
    /// the server exclusively.
    pub(super) fn users_lock(&self) -> PathBuf {
        self.path.join("users.lock")
    }

    /// Returns the lock of the process that creates the cluster and starts a supervisor.
    pub(super) fn start_lock(&self) -> PathBuf {
        self.path.join("start.lock")
    }

    /// Returns the lock that the supervisor holds as long as it runs.
    pub(super) fn supervisor_lock(&self) -> PathBuf {
        self.path.join("supervisor.lock")
    }

    /// Returns the lock that every process of a server holds. The file contains the process id of the
    /// postmaster.
    pub(super) fn server_lock(&self) -> PathBuf {
        self.path.join("server.lock")
    }

    pub(super) fn server_log(&self) -> PathBuf {
        self.path.join("postgres.log")
    }

    pub(super) fn supervisor_log(&self) -> PathBuf {
        self.path.join("supervisor.log")
    }

    /// Returns the record of the last supervisor, which might have ended since.
    pub(super) fn record(&self) -> Option<ServerRecord> {
        serde_json::from_slice(&fs::read(self.record_path()).ok()?).ok()
    }

    /// Replaces the record atomically, so that no process reads an incomplete one.
    pub(super) fn write_record(&self, record: &ServerRecord) -> Result<(), EmbeddedError> {
        let write = || -> io::Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(&self.path)?;
            file.write_all(&serde_json::to_vec(record)?)?;
            file.persist(self.record_path())?;
            Ok(())
        };
        write().map_err(EmbeddedError::file("write", self.record_path()))
    }

    /// Removes the record.
    pub(super) fn forget_record(&self) {
        let _ = fs::remove_file(self.record_path());
    }

    fn record_path(&self) -> PathBuf {
        self.path.join("server.json")
    }
}

/// Returns the named data folder, or else the default one, and creates it if it does not exist.
pub(crate) fn data_folder(named: Option<&Path>) -> Result<PathBuf, EmbeddedError> {
    DataFolder::open(named).map(|folder| folder.path)
}

fn default_path() -> Result<PathBuf, EmbeddedError> {
    if Uid::effective().is_root() {
        return Ok(PathBuf::from(FOLDER_OF_ROOT));
    }
    let strategy = etcetera::base_strategy::choose_native_strategy()
        .map_err(|error| EmbeddedError::NoDataFolder { reason: error.to_string() })?;
    Ok(strategy.data_dir().join(NAME))
}

/// Creates the folder and its missing parents, private to the user. Root's folders can be traversed by
/// others, because `postgres` runs as another user.
fn make(path: &Path) -> io::Result<()> {
    let mode = if Uid::effective().is_root() { 0o711 } else { 0o700 };
    let mut missing: Vec<&Path> = path.ancestors().take_while(|folder| !folder.exists()).collect();
    while let Some(folder) = missing.pop() {
        match DirBuilder::new().mode(mode).create(folder) {
            // Set explicitly, because a strict umask restricts the mode.
            Ok(()) => fs::set_permissions(folder, Permissions::from_mode(mode))?,
            // Another process has created the same folder.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
            Err(error) => return Err(error),
        }
    }
    if path.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::Version;

    #[test]
    fn missing_folders_are_created_with_access_for_their_owner_only() {
        let root = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(Some(&root.path().join("Größe und mehr/inner"))).unwrap();
        let mode = fs::metadata(folder.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o066, 0, "{mode:o}");
        assert_eq!(DataFolder::open(Some(folder.path())).unwrap(), folder);
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        fs::write(&file, "").unwrap();
        for path in [file.clone(), file.join("inner")] {
            let error = DataFolder::open(Some(&path)).unwrap_err();
            assert!(error.to_string().contains("could not make the data folder"), "{error}");
            assert!(error.hint().unwrap().contains("name another"), "{error:?}");
        }
    }

    #[test]
    fn the_record_is_read_as_it_was_written() {
        let root = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(Some(root.path())).unwrap();
        assert_eq!(folder.record(), None);
        let version = Version { major: 15, full: "15.18".to_owned() };
        let programs = Programs { bin_dir: "/opt/post gres/bin".into(), version };
        let record = ServerRecord { socket_dir: folder.socket_dir(), programs };
        folder.write_record(&record).unwrap();
        assert_eq!(folder.record(), Some(record));
    }
}
