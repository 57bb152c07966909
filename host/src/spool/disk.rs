//! The file: opened, opened again after a failure, and read.
//!
//! An entry lies in one table under its sequence number for as long as it is kept. Two further
//! tables say which entries wait and which are dead-lettered, with what must be known of each without
//! reading it: opening the spool reads these alone, and dead-lettering does not move a document.
//!
//! Of a file that somebody else has changed redb promises nothing: where it stumbles over one, that
//! is an error here like any other.

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

/// Which entries wait.
pub(super) const WAITING: TableDefinition<'_, u64, HeadRow> = TableDefinition::new("waiting");

/// Which entries are dead-lettered, and why.
pub(super) const DEAD_LETTERS: TableDefinition<'_, u64, (HeadRow, &str)> =
    TableDefinition::new("dead_letters");

/// Until when dead letters are tried again by themselves, in nanoseconds.
pub(super) const RETRIED: TableDefinition<'_, u64, i128> = TableDefinition::new("retried");

/// The last sequence number that was used, so that none is used again when the spool is empty.
pub(super) const LAST_SEQUENCE: TableDefinition<'_, (), u64> =
    TableDefinition::new("last_sequence");

/// A head in the database: the simulation, when it was spooled in nanoseconds, and its bytes.
pub(super) type HeadRow = (Option<u128>, i128, u64);

/// The file's name in the folder.
pub(super) const FILE: &str = "spool.redb";

/// How many bytes of memory redb may use for pages: the newest are written, and the oldest read
/// soon after one another, so that more would hold what nobody asks for again.
const CACHE_BYTES: usize = 32 << 20;

/// A file that is greater is made small when the spool is empty: redb itself gives little back.
const SHRINK_BYTES: u64 = 64 << 20;

/// What redb or the system said.
pub(super) type DiskResult<T> = std::result::Result<T, redb::Error>;

/// Makes a database of an open file.
pub(super) type Opener =
    Box<dyn Fn(File) -> std::result::Result<Database, DatabaseError> + Send + Sync>;

/// The spool's file, and the counts of what it holds.
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
    /// It failed, and is opened again by whoever comes next.
    Failed,
    Closed,
}

/// The opener of a program.
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
            // It is noted, and what the spool holds can still be delivered, if its file has pages.
            let error = disk.no_room();
            tracing::warn!(
                error = error.report(),
                hint = error.hint().as_deref(),
                "the spool keeps nothing for the moment"
            );
        }
        Ok(disk)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The next sequence number; greater than each that was used before.
    pub(super) fn next_sequence(&self) -> u64 {
        self.next_sequence.fetch_add(1, Ordering::Relaxed)
    }

    /// Works with the database, which is opened again where it has failed before. Where the work
    /// fails the database has failed with it. It is not opened while anything works with it, so
    /// that work may count what it does.
    pub(super) fn with<T>(&self, work: impl FnOnce(&Database) -> DiskResult<T>) -> Result<T> {
        self.with_database(work).map_err(|failure| self.unavailable(failure))
    }

    /// The same, with what redb or the system said.
    pub(super) fn with_database<T>(
        &self,
        work: impl FnOnce(&Database) -> DiskResult<T>,
    ) -> std::result::Result<T, Failure> {
        let guard = self.opened()?;
        let FileState::Open(database) = &*guard else { return Err(Failure::Closed) };
        let done = caught(|| work(database));
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

    /// Notes why nothing can be kept, and says it to a caller.
    pub(super) fn unavailable(&self, failure: Failure) -> Error {
        let folder = self.folder.display();
        let error = match failure {
            Failure::Closed => return closed(),
            Failure::Of(error) => error,
        };
        let trouble = trouble_of(&error);
        self.counts.trouble(Some(trouble));
        let (message, hint) = match trouble {
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
        Error::SpoolUnavailable { trouble, detail: message.into() }
            .with_hint(hint)
            .with_source(error)
    }

    /// What a caller is told whose entries are not written, because there is no room for them.
    pub(super) fn no_room(&self) -> Error {
        self.unavailable(Failure::Of(redb::Error::Io(io::ErrorKind::StorageFull.into())))
    }

    /// Whether the disk has room for entries that take so many bytes of it, beside the reserve for
    /// removing, which is made where it is missing.
    pub(super) fn has_room_for(&self, disk_bytes: u64) -> bool {
        let made = match self.reserve.make() {
            Ok(()) => true,
            Err(error) if reserve::is_full(&error) => false,
            // The spool's own file shows what else is wrong.
            Err(_) => return true,
        };
        let used = self.counts.disk_bytes();
        made && self.reserve.room_for(disk_bytes, self.file_bytes(), used).unwrap_or(true)
    }

    /// Looks whether the trouble is over.
    pub(super) fn probe(&self) {
        // A damaged file stays one.
        if self.counts.state().error == Some(SpoolFailure::Damaged) || !self.has_room_for(0) {
            return;
        }
        let readable = self.with(|database| {
            let transaction = database.begin_read()?;
            Ok(transaction.open_table(WAITING).map(drop)?)
        });
        if readable.is_ok() {
            self.counts.trouble(None);
        }
    }

    /// How much of the disk the file takes.
    fn file_bytes(&self) -> u64 {
        self.folder.join(FILE).metadata().map_or(0, |file| file.blocks().saturating_mul(512))
    }

    /// Gives the room of an empty spool back to the disk, where it is worth it.
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
            && caught(|| database.compact().map_err(redb::Error::from)).is_err()
        {
            // Nobody asked for it, and nothing was lost: whoever comes next opens the file again.
            discard(&mut open);
        }
    }

    /// Closes the file, after what is under way.
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
                let database = self.open_file().map_err(Failure::Of)?;
                *open = FileState::Open(database);
            }
        }
    }

    /// Opens the file, makes what is missing, and counts what is there.
    fn open_file(&self) -> DiskResult<Database> {
        let path = self.folder.join(FILE);
        let new = !path.exists();
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.mode(0o600).custom_flags(nix::libc::O_NOFOLLOW).open(&path)?;
        // Whoever may read the folder must not read what agents have said.
        file.set_permissions(Permissions::from_mode(0o600))?;
        let database = caught(|| (self.opener)(file).map_err(redb::Error::from))?;
        caught(|| make_tables(&database))?;
        if new {
            // The name of a new file is on the disk when its folder is; redb syncs the file alone.
            File::open(&self.folder)?.sync_all()?;
        }
        let (kept, last) = caught(|| count(&database))?;
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
                if trouble_of(&error) != SpoolFailure::Damaged {
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

/// Why the database could not be worked with.
pub(super) enum Failure {
    /// It was closed.
    Closed,
    /// What redb or the system said.
    Of(redb::Error),
}

/// Does what works with redb. Of a damaged file it promises nothing, and may panic.
pub(super) fn caught<T>(work: impl FnOnce() -> DiskResult<T>) -> DiskResult<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(redb::Error::Corrupted("what it says of itself is not consistent".to_owned()))
    })
}

/// Closes a database that may be damaged.
fn discard(open: &mut FileState) {
    let failed = std::mem::replace(open, FileState::Failed);
    // What a damaged one does not close is closed with the process.
    let _ = caught(|| {
        drop(failed);
        Ok(())
    });
}

/// What is wrong where redb says this.
pub(super) fn trouble_of(error: &redb::Error) -> SpoolFailure {
    match error {
        redb::Error::Io(error) if reserve::is_full(error) => SpoolFailure::DiskFull,
        // It reads beyond the end of a file that is cut off, or finds another beginning.
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

/// A table that files of older versions do not have.
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

/// The last sequence number that was stored; 0 in a file in which none was stored yet.
pub(super) fn last_sequence(transaction: &ReadTransaction) -> DiskResult<u64> {
    match transaction.open_table(LAST_SEQUENCE) {
        Ok(table) => Ok(table.get(())?.map_or(0, |last| last.value())),
        Err(TableError::TableDoesNotExist(_)) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// A head as the database has it.
pub(super) fn head_row(head: &Head) -> HeadRow {
    (head.simulation_id.map(|id| id.as_u128()), head.spooled_at.as_nanosecond(), head.bytes)
}

/// A head that was read.
pub(super) fn head(row: HeadRow) -> Head {
    let (simulation_id, spooled_at, bytes) = row;
    Head {
        simulation_id: simulation_id.map(Uuid::from_u128),
        // Only times that there are were written.
        spooled_at: Timestamp::from_nanosecond(spooled_at).unwrap_or(Timestamp::UNIX_EPOCH),
        bytes,
    }
}

/// Makes the folder where it is missing, for nobody else to look into.
fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let missing: Vec<&Path> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    for made in missing {
        // A name is on the disk when the folder that has it is.
        let parent = made.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

/// Makes the tables of a new file. An old one is not written to: its disk may be full.
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

/// What the file holds, and the last sequence number that was used in it.
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
    // A damaged list may end too early, and what it does not name would never be delivered.
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
