//! Room on the disk that is kept for removing.
//!
//! The spool's file is copied on write: also removing an entry needs pages before it frees others.
//! On a full disk nothing could be removed, and the spool would stay full after the database is
//! back. So a file of a few mebibytes is kept beside it, which goes when a removal meets a full
//! disk, and is made again when there is room.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The file's name in the folder.
const FILE: &str = "spool.reserve";

/// How much is kept: removing a transaction's entries takes a fraction of it.
pub(super) const RESERVE_BYTES: u64 = 4 << 20;

/// How much room there must be beside the reserve before something is written: what is written
/// needs more pages than its own.
const MARGIN_BYTES: u64 = 1 << 20;

/// Room that is kept for removing.
#[derive(Debug)]
pub(super) struct Reserve {
    folder: PathBuf,
    file: PathBuf,
}

impl Reserve {
    pub(super) fn new(folder: &Path) -> Self {
        Reserve { folder: folder.to_owned(), file: folder.join(FILE) }
    }

    /// Whether it is there, with all of its bytes.
    pub(super) fn is_whole(&self) -> bool {
        self.file.metadata().is_ok_and(|file| file.len() == RESERVE_BYTES)
    }

    /// Makes it where it is missing.
    ///
    /// # Errors
    /// What the system says, such as that the disk is full; nothing is left of it then.
    pub(super) fn make(&self) -> io::Result<()> {
        self.make_of(|| self.free_bytes())
    }

    /// The same on a disk with so many free bytes.
    fn make_of(&self, free_bytes: impl FnOnce() -> io::Result<u64>) -> io::Result<()> {
        if self.is_whole() {
            return Ok(());
        }
        // Not tried where there is no room: it would fill the disk for a moment, and whatever else
        // writes to it, such as the database, would fail.
        if free_bytes().is_ok_and(|free| free < RESERVE_BYTES + MARGIN_BYTES) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let made = self.write();
        if made.is_err() {
            // What there was room for would be missing elsewhere.
            self.release()?;
        }
        made
    }

    fn write(&self) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.custom_flags(nix::libc::O_NOFOLLOW).open(&self.file)?;
        // Written, and not only asked for: some file systems promise room that they do not have.
        let zeros = vec![0; 64 << 10];
        for _ in 0..RESERVE_BYTES / zeros.len() as u64 {
            file.write_all(&zeros)?;
        }
        file.sync_all()
    }

    /// Gives its room back to the disk. True where there was one.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn release(&self) -> io::Result<bool> {
        match std::fs::remove_file(&self.file) {
            Ok(()) => {
                // The room is free when the folder says so.
                File::open(&self.folder)?.sync_all()?;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether the disk has room for so many bytes more, or the spool's own file has, which takes
    /// `file_bytes` of it for `used_bytes`.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn room_for(
        &self,
        bytes: u64,
        file_bytes: u64,
        used_bytes: u64,
    ) -> io::Result<bool> {
        let wanted = bytes.saturating_add(MARGIN_BYTES);
        if file_bytes.saturating_sub(used_bytes) >= wanted {
            return Ok(true);
        }
        Ok(self.free_bytes()? >= wanted)
    }

    /// How much of the disk is free for this process.
    fn free_bytes(&self) -> io::Result<u64> {
        let disk = nix::sys::statvfs::statvfs(&self.folder)?;
        #[expect(clippy::useless_conversion, reason = "the types differ from system to system")]
        let free = u64::from(disk.blocks_available()).saturating_mul(disk.fragment_size().into());
        Ok(free)
    }
}

/// Whether an error says that the disk has no room.
pub(super) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_not_tried_on_a_disk_without_room() {
        let folder = tempfile::TempDir::new().unwrap();
        let reserve = Reserve::new(folder.path());
        let error = reserve.make_of(|| Ok(RESERVE_BYTES + MARGIN_BYTES - 1)).unwrap_err();
        assert!(is_full(&error), "{error}");
        assert!(!reserve.file.exists());
        reserve.make_of(|| Ok(RESERVE_BYTES + MARGIN_BYTES)).unwrap();
        assert!(reserve.is_whole());
        reserve.make_of(|| Ok(0)).unwrap();
    }
}
