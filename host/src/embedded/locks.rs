//! Locks on files: the kernel releases them however a process ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::EmbeddedError;

/// How often a lock that is taken is tried again. A blocking wait could not be given up.
const RETRY: Duration = Duration::from_millis(10);

/// Whether others may hold the lock at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Shared,
    Alone,
}

/// A file that can be locked. The lock goes with the file, which programs started from here only inherit when it is
/// handed to them.
#[derive(Debug)]
pub(super) struct LockFile {
    file: File,
    path: PathBuf,
}

impl LockFile {
    pub(super) fn open(path: PathBuf) -> Result<Self, EmbeddedError> {
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(nix::libc::O_NOFOLLOW);
        let file = options.open(&path).map_err(EmbeddedError::file("open", &path))?;
        Ok(Self { file, path })
    }

    /// Takes the lock if it is free.
    pub(super) fn try_take(&self, mode: Mode) -> Result<bool, EmbeddedError> {
        let tried = match mode {
            Mode::Shared => self.file.try_lock_shared(),
            Mode::Alone => self.file.try_lock(),
        };
        match tried {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(source)) => {
                Err(EmbeddedError::File { action: "lock", path: self.path.clone(), source })
            }
        }
    }

    /// Takes the lock, waiting for it up to `patience`; `waiting` is called once if it is not free. Gives whether it was had.
    pub(super) async fn take(
        &self,
        mode: Mode,
        patience: Duration,
        waiting: impl FnOnce(),
    ) -> Result<bool, EmbeddedError> {
        if self.try_take(mode)? {
            return Ok(true);
        }
        waiting();
        let since = Instant::now();
        while since.elapsed() < patience {
            tokio::time::sleep(RETRY).await;
            if self.try_take(mode)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// The file, which holds the lock until it is closed.
    pub(super) fn into_file(self) -> File {
        self.file
    }
}

/// Whether somebody holds this lock alone. Looking takes it for a moment, shared, so others may look too.
pub(super) fn held(path: &Path) -> Result<bool, EmbeddedError> {
    Ok(!LockFile::open(path.to_owned())?.try_take(Mode::Shared)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_share_and_a_supervisor_waits_for_the_last() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.lock");
        let open = || LockFile::open(path.clone()).unwrap();
        let (first, second, supervisor) = (open(), open(), open());
        assert!(first.try_take(Mode::Shared).unwrap());
        assert!(second.try_take(Mode::Shared).unwrap());
        assert!(!supervisor.try_take(Mode::Alone).unwrap());
        drop(first);
        assert!(!supervisor.try_take(Mode::Alone).unwrap());
        assert!(!held(&path).unwrap());
        drop(second.into_file());
        assert!(supervisor.try_take(Mode::Alone).unwrap());
        assert!(held(&path).unwrap());
        assert!(!open().try_take(Mode::Shared).unwrap());
    }
}
