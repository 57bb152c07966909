//! The disk space for received files: their folder, and the most that all of them can use.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::answer::{Cause, Failure};
use crate::error::{Error, Result};
use crate::wire::{Problem, ProblemCode};

/// The name of the folder beside the spool.
const FOLDER: &str = "files";

/// The prefix of the files' names, for as long as they have one.
const PREFIX: &str = "arc-receiving-";

/// When a client should retry while the disk is full: other files must be recorded first.
const DISK_FULL_SECONDS: u32 = 15;

/// The disk space for received files, shared by all requests.
#[derive(Debug)]
pub(super) struct FileDisk {
    folder: PathBuf,
    limit_bytes: u64,
    used_bytes: AtomicU64,
}

/// The disk space of one file, reserved until this is dropped.
#[derive(Debug)]
pub(super) struct DiskShare {
    disk: Arc<FileDisk>,
    bytes: u64,
}

impl FileDisk {
    /// Opens the disk in a folder, and removes files that a killed process has left there. The folder
    /// is `named`, else beside the spool, else the system's for temporary files.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder cannot be created.
    pub(super) fn open(
        named: Option<&PathBuf>,
        spool: Option<&PathBuf>,
        limit_bytes: u64,
    ) -> Result<Self> {
        let folder = match (named, spool) {
            (Some(folder), _) => folder.clone(),
            (None, Some(spool)) => spool.join(FOLDER),
            (None, None) => std::env::temp_dir(),
        };
        let failed = |error| Error::io(format!("could not use {}", folder.display()), error);
        make_folder(&folder).map_err(failed)?;
        // Files are unlinked as soon as they are created, so that they end with the process: only a
        // process that was killed in between leaves a name. Files of another service can be among those
        // of the system's folder.
        if named.is_some() || spool.is_some() {
            for entry in std::fs::read_dir(&folder).map_err(failed)?.flatten() {
                if entry.file_name().to_string_lossy().starts_with(PREFIX)
                    && let Err(error) = std::fs::remove_file(entry.path())
                {
                    let path = entry.path().display().to_string();
                    tracing::warn!(path, %error, "could not remove a file that was received in part");
                }
            }
        }
        Ok(FileDisk { folder, limit_bytes, used_bytes: AtomicU64::new(0) })
    }

    /// Returns a file without a name, which is deleted with its last user.
    ///
    /// # Errors
    /// An error of the disk.
    pub(super) fn create(&self) -> std::io::Result<File> {
        let make = || tempfile::Builder::new().prefix(PREFIX).tempfile_in(&self.folder);
        let made = match make() {
            // Another process might have removed the folder since.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                make_folder(&self.folder)?;
                make()
            }
            made => made,
        };
        made.map(tempfile::NamedTempFile::into_file)
    }

    /// Returns an empty share of the disk.
    pub(super) fn share(self: &Arc<Self>) -> DiskShare {
        DiskShare { disk: Arc::clone(self), bytes: 0 }
    }
}

impl DiskShare {
    /// Reserves this many more bytes.
    ///
    /// # Errors
    /// If all files together would exceed the limit.
    pub(super) fn grow(&mut self, bytes: u64) -> std::result::Result<(), Failure> {
        let FileDisk { limit_bytes, used_bytes, .. } = &*self.disk;
        let limit = *limit_bytes;
        let more = |used: u64| used.checked_add(bytes).filter(|used| *used <= limit);
        match used_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) {
            Ok(_) => {
                self.bytes += bytes;
                Ok(())
            }
            Err(_) => Err(Problem::new(
                ProblemCode::DiskFull,
                format!(
                    "the files that are being received have {limit} bytes, the limit \
                     (max_file_disk_mib); nothing of this one was recorded"
                ),
            )
            .limit(limit)
            .retry_after(DISK_FULL_SECONDS)
            .into()),
        }
    }
}

impl Drop for DiskShare {
    fn drop(&mut self) {
        self.disk.used_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Creates a folder that is accessible only to this user.
fn make_folder(folder: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Converts an error of the disk while a file is received. A full disk is reported as temporary.
pub(super) fn unwritable(error: std::io::Error) -> Failure {
    let full = matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
    );
    if !full {
        return Error::io("could not keep the file while it is received", error).into();
    }
    let mut failure: Failure = Problem::new(
        ProblemCode::DiskFull,
        "the disk for files that are received is full; nothing of this one was recorded",
    )
    .retry_after(DISK_FULL_SECONDS)
    .into();
    failure.cause = Some(Cause { reason: error.to_string(), hint: None });
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_files_share_the_disk_and_release_their_space() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        std::fs::write(path.join("arc-receiving-left"), "by a process that was killed").unwrap();
        std::fs::write(path.join("another"), "is private").unwrap();
        let disk = Arc::new(FileDisk::open(Some(&path), None, 10).unwrap());
        let names: Vec<_> =
            std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["another"]);
        let (mut one, mut other) = (disk.share(), disk.share());
        one.grow(6).unwrap();
        other.grow(4).unwrap();
        let refused = other.grow(1).unwrap_err();
        assert_eq!(refused.problem.code, ProblemCode::DiskFull);
        assert!(refused.problem.retryable);
        drop(one);
        other.grow(6).unwrap();
        drop(other);
        assert_eq!(disk.used_bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_full_disk_is_distinguished_from_a_broken_one() {
        for (errno, retryable) in [(28, true), (122, true), (27, true), (5, false), (13, false)] {
            let failure = unwritable(std::io::Error::from_raw_os_error(errno));
            assert_eq!(failure.problem.retryable, retryable, "{errno}");
        }
    }
}
