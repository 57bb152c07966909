//! Disk space that is reserved for removals.
//!
//! The spool's file is copied on write: even removing an entry needs new pages before it frees others.
//! On a full disk nothing could be removed, and the spool would stay full after the database is
//! available again. A file of a few mebibytes beside it is therefore deleted when a removal meets a
//! full disk, and created again when there is room.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The file's name in the folder.
const FILE: &str = "spool.reserve";

/// The size of the reserve: removing a transaction's entries takes a fraction of it.
pub(super) const RESERVE_BYTES: u64 = 4 << 20;

/// The free space beside the reserve that is required for a write, which needs more pages than its own.
const MARGIN_BYTES: u64 = 1 << 20;

/// Disk space that is reserved for removals.
#[derive(Debug)]
pub(super) struct Reserve {
    folder: PathBuf,
    file: PathBuf,
}

impl Reserve {
    pub(super) fn new(folder: &Path) -> Self {
        Reserve { folder: folder.to_owned(), file: folder.join(FILE) }
    }

    /// Returns whether the file exists in full size.
    pub(super) fn is_whole(&self) -> bool {
        self.file.metadata().is_ok_and(|file| file.len() == RESERVE_BYTES)
    }

    /// Creates the file if it is missing.
    ///
    /// # Errors
    /// An error of the system, such as a full disk; no part of the file remains then.
    pub(super) fn make(&self) -> io::Result<()> {
        self.make_with(|| self.free_bytes())
    }

    /// Creates the file on a disk with this much free space.
    fn make_with(&self, free_bytes: impl FnOnce() -> io::Result<u64>) -> io::Result<()> {
        if self.is_whole() {
            return Ok(());
        }
        // Checked first: the attempt would fill the disk for a moment, and other programs that write to
        // it, such as the database, would fail.
        if free_bytes().is_ok_and(|free| free < RESERVE_BYTES + MARGIN_BYTES) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let made = self.write();
        if made.is_err() {
            // A partial reserve would only take space from others.
            self.release()?;
        }
        made
    }

    fn write(&self) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.custom_flags(nix::libc::O_NOFOLLOW).open(&self.file)?;
        // Written rather than only allocated: some file systems promise space that they do not have.
        let zeros = vec![0; 64 << 10];
        for _ in 0..RESERVE_BYTES / zeros.len() as u64 {
            file.write_all(&zeros)?;
        }
        file.sync_all()
    }

    /// Deletes the file. Returns whether it existed.
    ///
    /// # Errors
    /// An error of the system.
    pub(super) fn release(&self) -> io::Result<bool> {
        match std::fs::remove_file(&self.file) {
            Ok(()) => {
                // The space is free only after a sync of the folder.
                File::open(&self.folder)?.sync_all()?;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Returns whether the disk has room for `bytes` more, or the spool's own file has, which takes
    /// `file_bytes` of the disk for `used_bytes`.
    ///
    /// # Errors
    /// An error of the system.
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

    /// Returns how much of the disk is free for this process.
    fn free_bytes(&self) -> io::Result<u64> {
        let disk = nix::sys::statvfs::statvfs(&self.folder)?;
        #[expect(clippy::useless_conversion, reason = "the types differ from system to system")]
        let free = u64::from(disk.blocks_available()).saturating_mul(disk.fragment_size().into());
        Ok(free)
    }
}

/// Returns whether an error means that the disk has no room.
pub(super) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_not_created_on_a_disk_without_room() {
        let folder = tempfile::TempDir::new().unwrap();
        let reserve = Reserve::new(folder.path());
        let error = reserve.make_with(|| Ok(RESERVE_BYTES + MARGIN_BYTES - 1)).unwrap_err();
        assert!(is_full(&error), "{error}");
        assert!(!reserve.file.exists());
        reserve.make_with(|| Ok(RESERVE_BYTES + MARGIN_BYTES)).unwrap();
        assert!(reserve.is_whole());
        reserve.make_with(|| Ok(0)).unwrap();
    }
}
