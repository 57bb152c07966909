//! What lies where in the data folder.

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

/// The data folder, which exists; its path is the real one, so that every process has the same name for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DataFolder {
    path: PathBuf,
}

/// What the supervisor leaves for those who connect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ServerRecord {
    pub(super) socket_dir: PathBuf,
    pub(super) programs: Programs,
}

impl DataFolder {
    /// The folder that was named, else the default one; made if it is missing.
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

    /// PostgreSQL's own data directory.
    pub(super) fn cluster(&self) -> PathBuf {
        self.path.join("postgres")
    }

    /// The programs that were fetched, a folder for each version.
    pub(super) fn fetched(&self) -> PathBuf {
        self.path.join("programs")
    }

    /// The socket's folder, if its path is short enough.
    pub(super) fn socket_dir(&self) -> PathBuf {
        self.path.join("run")
    }

    /// Held, shared, by everyone who uses the database; held alone by a supervisor that stops it.
    pub(super) fn users_lock(&self) -> PathBuf {
        self.path.join("users.lock")
    }

    /// Held by the one who makes the cluster and starts a supervisor.
    pub(super) fn start_lock(&self) -> PathBuf {
        self.path.join("start.lock")
    }

    /// Held by the supervisor as long as it lives.
    pub(super) fn supervisor_lock(&self) -> PathBuf {
        self.path.join("supervisor.lock")
    }

    /// Held by every process of a server, and carrying the process id of the first.
    pub(super) fn server_lock(&self) -> PathBuf {
        self.path.join("server.lock")
    }

    pub(super) fn server_log(&self) -> PathBuf {
        self.path.join("postgres.log")
    }

    pub(super) fn supervisor_log(&self) -> PathBuf {
        self.path.join("supervisor.log")
    }

    /// What the last supervisor wrote; it may have ended since.
    pub(super) fn record(&self) -> Option<ServerRecord> {
        serde_json::from_slice(&fs::read(self.record_path()).ok()?).ok()
    }

    /// Replaces the record at once, so that nobody reads half of it.
    pub(super) fn write_record(&self, record: &ServerRecord) -> Result<(), EmbeddedError> {
        let write = || -> io::Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(&self.path)?;
            file.write_all(&serde_json::to_vec(record)?)?;
            file.persist(self.record_path())?;
            Ok(())
        };
        write().map_err(EmbeddedError::file("write", self.record_path()))
    }

    /// Takes the record back.
    pub(super) fn forget_record(&self) {
        let _ = fs::remove_file(self.record_path());
    }

    fn record_path(&self) -> PathBuf {
        self.path.join("server.json")
    }
}

/// The data folder that was named, else the default one; made if it is missing.
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

/// Makes the folder and what is missing above it, private to the user; root's are open for passing through,
/// since `postgres` runs as somebody else.
fn make(path: &Path) -> io::Result<()> {
    let mode = if Uid::effective().is_root() { 0o711 } else { 0o700 };
    let mut missing: Vec<&Path> = path.ancestors().take_while(|folder| !folder.exists()).collect();
    while let Some(folder) = missing.pop() {
        match DirBuilder::new().mode(mode).create(folder) {
            // Set once more, because a strict umask would have closed it.
            Ok(()) => fs::set_permissions(folder, Permissions::from_mode(mode))?,
            // Another process makes the same folder.
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
    fn missing_folders_are_made_and_are_nobody_elses() {
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
