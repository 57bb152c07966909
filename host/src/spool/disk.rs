//! The spool's file: opening, reopening after a failure, and reading.
//!
//! An entry is stored in one table under its sequence number for its whole life. Two further tables
//! list the waiting entries and the dead letters, with the data that is needed without reading the
//! entry itself: opening the spool reads only these, and dead-lettering does not move a document.
//!
//! redb makes no promise for a file that another program has changed; its failures and panics on such a
//! file are returned as errors.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock, RwLockReadGuard};

use jiff::Timestamp;
use redb::backends::FileBackend;
use redb::{
    Database, DatabaseError, ReadTransaction, ReadableDatabase as _, ReadableTable as _,
    ReadableTableMetadata as _, TableDefinition, TableError,
};
use uuid::Uuid;

use super::SpoolFailure;
use super::counts::{Counts, DiskContents, closed};
use super::entry::Head;
use super::reserve::{self, Reserve};
use crate::error::{Error, Result};
use crate::lock::{read, write};

/// The encoded entries, waiting ones or dead letters.
pub(super) const ENTRIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("entries");

/// The waiting entries.
pub(super) const WAITING: TableDefinition<'_, u64, HeadRow> = TableDefinition::new("waiting");

/// The dead letters, each with its reason.
pub(super) const DEAD_LETTERS: TableDefinition<'_, u64, (HeadRow, &str)> =
    TableDefinition::new("dead_letters");

/// Until when dead letters are retried automatically, in nanoseconds.
pub(super) const RETRIED: TableDefinition<'_, u64, i128> = TableDefinition::new("retried");

/// The last used sequence number, so that no number is reused when the spool is empty.
pub(super) const LAST_SEQUENCE: TableDefinition<'_, (), u64> =
    TableDefinition::new("last_sequence");

/// A head as a row: the simulation, the spooling time in nanoseconds, and the length.
pub(super) type HeadRow = (Option<u128>, i128, u64);

/// The file's name in the folder.
pub(super) const FILE: &str = "spool.redb";

/// How many bytes of memory redb can use for its page cache: entries are written once and read once, in
/// order, so a larger cache would hold pages that are not read again.
const CACHE_BYTES: usize = 32 << 20;

/// Files above this size are compacted when the spool is empty: redb itself returns little space.
const SHRINK_BYTES: u64 = 64 << 20;

/// A result with the error of redb or of the system.
pub(super) type DiskResult<T> = std::result::Result<T, redb::Error>;

/// Opens a database on an open file.
pub(super) type Opener =
    Box<dyn Fn(File) -> std::result::Result<Database, DatabaseError> + Send + Sync>;

/// The spool's file, and the counts of its entries.
pub(super) struct Disk {
    folder: PathBuf,
    opener: Opener,
    open: RwLock<FileState>,
    pub(super) counts: Arc<Counts>,
    pub(super) reserve: Reserve,
    next_sequence: AtomicU64,
}

enum FileState {
    Open(Database),
    /// It failed, and the next operation reopens it, unless it is damaged.
    Failed,
    Closed,
}

/// Returns the opener for production use.
pub(super) fn file_opener() -> Opener {
    Box::new(|file| {
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_BYTES);
        builder.create_with_backend(FileBackend::new(file)?)
    })
}

impl Disk {
    pub(super) fn open(folder: &Path, opener: Opener, counts: Arc<Counts>) -> Result<Self> {
        make_folder(folder).map_err(|error| {
            Error::io(format!("could not make the spool's folder {}", folder.display()), error)
        })?;
        let disk = Disk {
            folder: folder.to_owned(),
            opener,
            open: RwLock::new(FileState::Failed),
            counts,
            reserve: Reserve::new(folder),
            next_sequence: AtomicU64::new(1),
        };
        let database = disk.open_file().map_err(|error| disk.open_error(error))?;
        *write(&disk.open) = FileState::Open(database);
        if !disk.has_room_for(0) {
            // The error is recorded; the entries can still be delivered if the file has free pages.
            let error = disk.no_room();
            tracing::warn!(
                error = error.report(),
                hint = error.hint().as_deref(),
                "the spool accepts no entries"
            );
        }
        Ok(disk)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the next sequence number, greater than all used before.
    pub(super) fn next_sequence(&self) -> u64 {
        self.next_sequence.fetch_add(1, Ordering::Relaxed)
    }

    /// Runs an operation on the database, which is reopened if it failed before. An error of the
    /// operation marks the database as failed. The database is not reopened while an operation uses it,
    /// so operations can update the counts.
    pub(super) fn with<T>(&self, work: impl FnOnce(&Database) -> DiskResult<T>) -> Result<T> {
        self.with_database(work).map_err(|failure| self.unavailable(failure))
    }

    /// Runs an operation as [`Disk::with`] does, and returns the error of redb or of the system.
    pub(super) fn with_database<T>(
        &self,
        work: impl FnOnce(&Database) -> DiskResult<T>,
    ) -> std::result::Result<T, Failure> {
        let guard = self.opened()?;
        let FileState::Open(database) = &*guard else { return Err(Failure::Closed) };
        let done = catch_panic(|| work(database));
        drop(guard);
        done.map_err(|error| {
            // redb refuses everything after an error of the disk, until it is opened again.
            let mut open = write(&self.open);
            if matches!(*open, FileState::Open(_)) {
                discard(&mut open);
            }
            Failure::Of(error)
        })
    }

    /// Records why no entry can be stored, and returns it as the caller's error.
    pub(super) fn unavailable(&self, failure: Failure) -> Error {
        let folder = self.folder.display();
        let error = match failure {
            Failure::Closed => return closed(),
            Failure::Of(error) => error,
        };
        let failure = classify(&error);
        self.counts.set_failure(Some(failure));
        let (message, hint) = match failure {
            SpoolFailure::DiskFull => (
                format!("the disk of the spool in {folder} is full"),
                "what the spool holds is still delivered, and it keeps more when there is room on \
                 the disk"
                    .to_owned(),
            ),
            SpoolFailure::Damaged => (
                format!("the file of the spool in {folder} is damaged"),
                format!(
                    "end this process, and read what can be read with `arc-host spool repair \
                     --spool-dir {folder}`"
                ),
            ),
            SpoolFailure::DiskError | SpoolFailure::Closed => (
                format!("the spool in {folder} could not be read or written"),
                "it works again when its disk does".to_owned(),
            ),
        };
        Error::SpoolUnavailable { failure, detail: message.into() }
            .with_hint(hint)
            .with_source(error)
    }

    /// Returns the error of entries that are not written because there is no room for them.
    pub(super) fn no_room(&self) -> Error {
        self.unavailable(Failure::Of(redb::Error::Io(io::ErrorKind::StorageFull.into())))
    }

    /// Returns whether the disk has room for entries of this size, beside the reserve for removals,
    /// which is created if it is missing.
    pub(super) fn has_room_for(&self, disk_bytes: u64) -> bool {
        let made = match self.reserve.make() {
            Ok(()) => true,
            Err(error) if reserve::is_full(&error) => false,
            // Access to the spool's own file shows any other failure.
            Err(_) => return true,
        };
        let used = self.counts.disk_bytes();
        made && self.reserve.room_for(disk_bytes, self.file_bytes(), used).unwrap_or(true)
    }

    /// Checks whether the failure is over.
    pub(super) fn probe(&self) {
        // A damaged file does not recover.
        if self.counts.state().error == Some(SpoolFailure::Damaged) || !self.has_room_for(0) {
            return;
        }
        let readable = self.with(|database| {
            let transaction = database.begin_read()?;
            Ok(transaction.open_table(WAITING).map(drop)?)
        });
        if readable.is_ok() {
            self.counts.set_failure(None);
        }
    }

    /// Returns how many bytes of the disk the file takes.
    fn file_bytes(&self) -> u64 {
        self.folder.join(FILE).metadata().map_or(0, |file| file.blocks().saturating_mul(512))
    }

    /// Compacts the file of an empty spool if that frees enough of the disk.
    pub(super) fn shrink_empty(&self) {
        let least = match self.counts.state().error {
            // Each page is worth it.
            Some(SpoolFailure::DiskFull) => 1 << 20,
            _ => SHRINK_BYTES,
        };
        if !self.counts.empty() || self.file_bytes() <= least {
            return;
        }
        let mut open = write(&self.open);
        if let FileState::Open(database) = &mut *open
            && catch_panic(|| database.compact().map_err(redb::Error::from)).is_err()
        {
            // Compaction is optional, and nothing is lost: the next operation reopens the file.
            discard(&mut open);
        }
    }

    /// Closes the file after the operations in progress.
    pub(super) fn close(&self) {
        let mut open = write(&self.open);
        discard(&mut open);
        *open = FileState::Closed;
    }

    fn opened(&self) -> std::result::Result<RwLockReadGuard<'_, FileState>, Failure> {
        loop {
            let guard = read(&self.open);
            if !matches!(*guard, FileState::Failed) {
                return Ok(guard);
            }
            drop(guard);
            let mut open = write(&self.open);
            if matches!(*open, FileState::Failed) {
                if self.counts.state().error == Some(SpoolFailure::Damaged) {
                    let reason = "damage was found before".to_owned();
                    return Err(Failure::Of(redb::Error::Corrupted(reason)));
                }
                let database = self.open_file().map_err(Failure::Of)?;
                *open = FileState::Open(database);
            }
        }
    }

    /// Opens the file, creates missing tables, and counts the entries.
    fn open_file(&self) -> DiskResult<Database> {
        let path = self.folder.join(FILE);
        let new = !path.exists();
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.mode(0o600).custom_flags(nix::libc::O_NOFOLLOW).open(&path)?;
        // The entries contain the agents' answers, which users with access to the folder must not read.
        file.set_permissions(Permissions::from_mode(0o600))?;
        let database = catch_panic(|| (self.opener)(file).map_err(redb::Error::from))?;
        catch_panic(|| make_tables(&database))?;
        if new {
            // A new file's name is durable only after a sync of its folder; redb syncs only the file.
            File::open(&self.folder)?.sync_all()?;
        }
        let (kept, last) = catch_panic(|| count(&database))?;
        self.next_sequence.fetch_max(last.saturating_add(1), Ordering::Relaxed);
        self.counts.begin(kept);
        Ok(database)
    }

    fn open_error(&self, error: redb::Error) -> Error {
        let folder = self.folder.display();
        match error {
            redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => {
                Error::configuration(format!("another process has the spool in {folder} open"))
                    .with_hint("end it, or name another folder for this one")
            }
            redb::Error::UpgradeRequired(_) => Error::configuration(format!(
                "the spool in {folder} has another file format"
            ))
            .with_hint(
                "empty it with the version of the program that wrote it, or name another folder",
            )
            .with_source(error),
            error => {
                if classify(&error) != SpoolFailure::Damaged {
                    let context = format!("could not open the spool in {folder}");
                    return Error::io(context, io_error(error));
                }
                let context = format!("the file of the spool in {folder} is damaged");
                Error::io(context, io_error(error)).with_hint(format!(
                    "`arc-host spool repair --spool-dir {folder}` reads what can be read into a \
                     new one, and keeps the damaged one beside it"
                ))
            }
        }
    }
}

/// Why an operation on the database failed.
pub(super) enum Failure {
    /// It was closed.
    Closed,
    /// The error of redb or of the system.
    Of(redb::Error),
}

/// Runs an operation of redb and returns a panic as an error: redb can panic on a damaged file.
pub(super) fn catch_panic<T>(work: impl FnOnce() -> DiskResult<T>) -> DiskResult<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(redb::Error::Corrupted("its own metadata is inconsistent".to_owned()))
    })
}

/// Closes a database that can be damaged.
fn discard(open: &mut FileState) {
    let failed = std::mem::replace(open, FileState::Failed);
    // If closing a damaged database panics, its file is closed when the process ends.
    let _ = catch_panic(|| {
        drop(failed);
        Ok(())
    });
}

/// Classifies an error of redb.
pub(super) fn classify(error: &redb::Error) -> SpoolFailure {
    match error {
        redb::Error::Io(error) if reserve::is_full(error) => SpoolFailure::DiskFull,
        // redb reads past the end of a truncated file, or finds another file header.
        redb::Error::Io(error)
            if matches!(
                error.kind(),
                io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData
            ) =>
        {
            SpoolFailure::Damaged
        }
        redb::Error::Io(_) | redb::Error::PreviousIo => SpoolFailure::DiskError,
        redb::Error::Corrupted(_)
        | redb::Error::LockPoisoned(_)
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TableIsMultimap(_)
        | redb::Error::TypeDefinitionChanged { .. }
        | redb::Error::TableDoesNotExist(_) => SpoolFailure::Damaged,
        _ => SpoolFailure::DiskError,
    }
}

/// Opens the table of retries, which files of older versions do not have.
pub(super) fn retried_table(
    transaction: &ReadTransaction,
) -> DiskResult<Option<redb::ReadOnlyTable<u64, i128>>> {
    match transaction.open_table(RETRIED) {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Disk").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// Returns the last used sequence number; 0 in a file without one.
pub(super) fn last_sequence(transaction: &ReadTransaction) -> DiskResult<u64> {
    match transaction.open_table(LAST_SEQUENCE) {
        Ok(table) => Ok(table.get(())?.map_or(0, |last| last.value())),
        Err(TableError::TableDoesNotExist(_)) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// Returns the row of a head.
pub(super) fn head_row(head: &Head) -> HeadRow {
    (head.simulation_id.map(|id| id.as_u128()), head.spooled_at.as_nanosecond(), head.bytes)
}

/// Returns the head of a row.
pub(super) fn head(row: HeadRow) -> Head {
    let (simulation_id, spooled_at, bytes) = row;
    Head {
        simulation_id: simulation_id.map(Uuid::from_u128),
        // Only valid times were written.
        spooled_at: Timestamp::from_nanosecond(spooled_at).unwrap_or(Timestamp::UNIX_EPOCH),
        bytes,
    }
}

/// Creates the folder if it is missing, accessible only to its owner.
fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let missing: Vec<&Path> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    for made in missing {
        // A folder's name is durable only after a sync of its parent.
        let parent = made.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

/// Creates the tables of a new file. An existing file is not written to: its disk could be full.
pub(super) fn make_tables(database: &Database) -> DiskResult<()> {
    match database.begin_read()?.open_table(DEAD_LETTERS) {
        Ok(_) => return Ok(()),
        Err(TableError::TableDoesNotExist(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let transaction = database.begin_write()?;
    transaction.open_table(ENTRIES)?;
    transaction.open_table(WAITING)?;
    transaction.open_table(DEAD_LETTERS)?;
    transaction.open_table(RETRIED)?;
    Ok(transaction.commit()?)
}

/// Counts the entries of the file, and returns the last used sequence number.
fn count(database: &Database) -> DiskResult<(DiskContents, u64)> {
    let transaction = database.begin_read()?;
    let (mut kept, mut last) = (DiskContents::default(), last_sequence(&transaction)?);
    for row in transaction.open_table(WAITING)?.iter()? {
        let (sequence, row) = row?;
        kept.add_waiting(&head(row.value()));
        last = last.max(sequence.value());
    }
    for row in transaction.open_table(DEAD_LETTERS)?.iter()? {
        let (sequence, row) = row?;
        kept.add_dead_letter(&head(row.value().0));
        last = last.max(sequence.value());
    }
    // A damaged list can be cut short, and the entries that it misses would never be delivered.
    let (listed, entries) = (kept.entries(), transaction.open_table(ENTRIES)?.len()?);
    if listed != entries {
        return Err(redb::Error::Corrupted(format!(
            "its lists name {listed} entries, and it has {entries}"
        )));
    }
    Ok((kept, last))
}

fn io_error(error: redb::Error) -> io::Error {
    match error {
        redb::Error::Io(error) => error,
        other => io::Error::other(other),
    }
}
