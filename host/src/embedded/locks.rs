//! Locks on files, which the kernel releases when a process ends for any reason.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::EmbeddedError;

/// The interval at which a lock is tried. A blocking wait could not be cancelled.
const RETRY: Duration = Duration::from_millis(10);

/// Whether others can hold the lock at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Shared,
    Alone,
}

/// A file that can be locked. The lock belongs to the open file, which child processes inherit only if it is passed to
/// them.
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

    /// Acquires the lock if it is free, and returns whether it did.
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

    /// Acquires the lock, and waits for it for at most `patience`; `waiting` is called once if the lock is not free.
    /// Returns whether it was acquired.
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

    /// Returns the file, which holds the lock until it is closed.
    pub(super) fn into_file(self) -> File {
        self.file
    }
}

/// Returns whether a process holds this lock exclusively. The check acquires the lock briefly in shared mode, so
/// several processes can check at once.
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
