//! Repair: copies the readable entries of a damaged file to a new one.
//!
//! The file's lists are read as far as possible, with every entry that they refer to. Entries that are
//! still missing are searched for in the whole file, by the mark at the start of each entry: one with
//! the right digest is as it was written, regardless of where it was found. The damaged file is not
//! changed, and stays beside the new one.
//!
//! A removed entry can still be in the file. If the lists can be read, it stays removed, unless it
//! could be the one that is missing under its number. If they cannot, it is stored again: recording it
//! again changes nothing. Two entries can have had the same number one after the other: both are then
//! stored, one of them under a new number.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Bound;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use jiff::Timestamp;
use redb::backends::FileBackend;
use redb::{
    BackendError, Database, ReadableDatabase as _, ReadableTable as _, ReadableTableMetadata as _,
    StorageBackend,
};
use serde::Serialize;

use super::disk::{
    DEAD_LETTERS, DiskResult, ENTRIES, FILE, LAST_SEQUENCE, RETRIED, WAITING, catch_panic, head,
    head_row, last_sequence, make_tables, retried_table,
};
use super::entry::{Entry, Head, MARK, PREAMBLE_BYTES, Preamble, UNREADABLE, Unreadable, seal};
use super::read_bytes;
use super::writer::begin;
use crate::error::{Error, Result};
use crate::lock::lock;

/// The new file's name until it is complete.
const NEW_FILE: &str = "spool.redb.new";

/// A transaction is full with this many bytes.
const TRANSACTION_BYTES: usize = 8 << 20;

/// How much of the file is read at once in a search.
const SEARCHED_BYTES: usize = 4 << 20;

/// The size of the blocks that are held in memory when redb changes a file while opening it.
const BLOCK_BYTES: u64 = 4096;

/// The result of a repair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RepairReport {
    /// Intact entries, copied to the new file.
    pub read: u64,
    /// Damaged entries. They are dead letters of the new file, with the bytes that are left of them.
    pub damaged: u64,
    /// Whether the lists of the entries could be read. If not, entries that were delivered before can
    /// be among those that were read, and others can be missing.
    pub lists_read: bool,
    /// The path of the damaged file; `None` if nothing was damaged, and nothing was changed.
    pub damaged_file: Option<PathBuf>,
}

/// Copies the readable entries of the spool in a folder, which no process has open, to a new file.
/// A spool without damage is left unchanged.
///
/// # Errors
/// [`Error::Invalid`] if the folder has no spool, [`Error::Configuration`] if a process uses it,
/// [`Error::Io`] if the new file cannot be written; the old one then still exists.
pub fn repair(folder: &Path) -> Result<RepairReport> {
    let path = folder.join(FILE);
    let io = |what: &str, error| Error::io(format!("could not {what} {}", path.display()), error);
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(nix::libc::O_NOFOLLOW);
    let file = match options.open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Error::invalid(format!("there is no spool in {}", folder.display()))
                .with_hint("pass the spool folder of the process"));
        }
        Err(error) => return Err(io("open", error)),
    };
    let second = || file.try_clone().map_err(|error| io("open", error));
    // A damaged page that belongs to no entry would be an error when the file is opened after a kill.
    let intact = open_unchanged(second()?, true).is_ok();
    // If redb fails before it locks the file, this lock excludes other processes.
    let old = match open_unchanged(second()?, false) {
        Ok(old) => Some(old),
        Err(redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch) => {
            return Err(in_use(folder));
        }
        Err(error) => {
            tracing::debug!(%error, "the file cannot be opened as a database");
            if matches!(file.try_lock(), Err(std::fs::TryLockError::WouldBlock)) {
                return Err(in_use(folder));
            }
            None
        }
    };

    let new_path = folder.join(NEW_FILE);
    let made = Repair::new(&new_path).and_then(|mut repair| {
        let lists_read = match &old {
            Some(old) => repair.take_listed(old),
            None => Ok(false),
        }?;
        // Evaluated before the search: entries that it finds are only in the new file.
        let untouched = intact && lists_read && repair.missing.is_empty();
        if !untouched {
            repair.search(&file, lists_read)?;
        }
        Ok((repair.finish(lists_read)?, untouched))
    });
    let (mut report, untouched) = match made {
        Ok(made) => made,
        Err(error) => {
            remove(&new_path)?;
            let (context, error) = (format!("could not write {}", new_path.display()), error);
            return Err(Error::io(context, io_error(error)));
        }
    };
    drop(old);
    if untouched {
        remove(&new_path)?;
        return Ok(report);
    }
    let sync = || {
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(|error| io("make", error))
    };
    let damaged_file = keep_damaged(folder, &path).map_err(|error| io("rename", error))?;
    sync()?;
    std::fs::rename(&new_path, &path).map_err(|error| io("make", error))?;
    sync()?;
    report.damaged_file = Some(damaged_file);
    Ok(report)
}

/// Links the damaged file under a second name. The new file then replaces the original name in one step: if
/// this process ends at any moment, one of the two files has the original name.
fn keep_damaged(folder: &Path, path: &Path) -> io::Result<PathBuf> {
    let mut second = Timestamp::now().as_second();
    loop {
        let damaged_file = folder.join(format!("{FILE}.damaged-{second}"));
        match std::fs::hard_link(path, &damaged_file) {
            Ok(()) => return Ok(damaged_file),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => second += 1,
            // Some file systems do not support hard links.
            Err(_) => return std::fs::rename(path, &damaged_file).map(|()| damaged_file),
        }
    }
}

fn in_use(folder: &Path) -> Error {
    Error::configuration(format!("another process has the spool in {} open", folder.display()))
        .with_hint("end it first")
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io(format!("could not remove {}", path.display()), error))
        }
        _ => Ok(()),
    }
}

fn io_error(error: redb::Error) -> io::Error {
    match error {
        redb::Error::Io(error) => error,
        other => io::Error::other(other),
    }
}

/// An entry that is missing or damaged.
struct DamagedEntry {
    head: Head,
    /// The bytes that are left of it.
    bytes: Vec<u8>,
    reason: String,
    /// Why it is dead-lettered, if it is.
    dead_letter_reason: Option<String>,
    retry_until: Option<i128>,
}

/// A position in the file with an intact preamble.
struct EntryCandidate {
    at: u64,
    length: u64,
    sequence: u64,
    preamble: [u8; PREAMBLE_BYTES],
    /// `None` if the rest is damaged.
    head: Option<Head>,
}

/// A row of one of the lists.
struct ListRow {
    sequence: u64,
    head: Head,
    dead_letter_reason: Option<String>,
    retry_until: Option<i128>,
}

/// The contents of the new file.
struct Repair {
    new: Database,
    read: u64,
    /// The preambles of the entries in the new file, which include their digests.
    taken: HashSet<[u8; PREAMBLE_BYTES]>,
    taken_sequences: HashSet<u64>,
    /// The greatest sequence number seen.
    last_sequence: u64,
    missing: BTreeMap<u64, DamagedEntry>,
    unwritten: Vec<(ListRow, Vec<u8>)>,
    unwritten_bytes: usize,
}

impl Repair {
    fn new(path: &Path) -> DiskResult<Self> {
        // Left by a repair that did not complete.
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).mode(0o600).open(path)?;
        let new = Database::builder().create_with_backend(FileBackend::new(file)?)?;
        make_tables(&new)?;
        Ok(Repair {
            new,
            read: 0,
            taken: HashSet::new(),
            taken_sequences: HashSet::new(),
            last_sequence: 0,
            missing: BTreeMap::new(),
            unwritten: Vec::new(),
            unwritten_bytes: 0,
        })
    }

    /// Copies the entries in the lists. Returns whether the lists could be read completely.
    fn take_listed(&mut self, old: &Database) -> DiskResult<bool> {
        let (rows, all) = listed(old);
        // If it cannot be read, the numbers of the entries are used.
        if let Ok(last) = catch_panic(|| last_sequence(&old.begin_read()?)) {
            self.last_sequence = self.last_sequence.max(last);
        }
        let opened = catch_panic(|| {
            let transaction = old.begin_read()?;
            Ok(transaction.open_table(ENTRIES)?)
        });
        let Ok(entries) = opened else { return Ok(false) };
        for row in rows {
            let bytes = read_bytes(&entries, row.sequence, <[u8]>::to_vec).map_err(|error| {
                Unreadable::Damaged(format!("the entry in the spool is damaged: {error}"))
            });
            let read = match &bytes {
                Ok(bytes) => Entry::read(row.sequence, bytes),
                Err(unreadable) => Err(unreadable.clone()),
            };
            match (read, bytes) {
                (Ok(entry), Ok(bytes)) => self.take(row, &entry, bytes)?,
                // Intact as far as this version can check; a newer version can read it.
                (Err(Unreadable::Unknown(_)), Ok(bytes)) => self.keep(row, bytes)?,
                (Err(unreadable), bytes) => {
                    let missing = DamagedEntry {
                        head: row.head,
                        bytes: bytes.unwrap_or_default(),
                        reason: unreadable.reason().to_owned(),
                        dead_letter_reason: row.dead_letter_reason,
                        retry_until: row.retry_until,
                    };
                    self.missing.insert(row.sequence, missing);
                }
                (Ok(_), Err(_)) => {}
            }
        }
        Ok(all)
    }

    /// Copies an intact entry.
    fn take(&mut self, mut row: ListRow, entry: &Entry, bytes: Vec<u8>) -> DiskResult<()> {
        // The list can be damaged although the entry is intact.
        row.head = Head {
            simulation_id: entry.call.simulation_id(),
            spooled_at: entry.spooled_at,
            bytes: bytes.len() as u64,
        };
        self.keep(row, bytes)
    }

    fn keep(&mut self, row: ListRow, bytes: Vec<u8>) -> DiskResult<()> {
        self.read += 1;
        if let Some(preamble) = bytes.first_chunk() {
            self.taken.insert(*preamble);
        }
        self.taken_sequences.insert(row.sequence);
        self.last_sequence = self.last_sequence.max(row.sequence);
        self.write(row, bytes)
    }

    fn write(&mut self, row: ListRow, bytes: Vec<u8>) -> DiskResult<()> {
        self.unwritten_bytes += bytes.len();
        self.unwritten.push((row, bytes));
        if self.unwritten_bytes >= TRANSACTION_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> DiskResult<()> {
        let transaction = begin(&self.new)?;
        {
            let mut entries = transaction.open_table(ENTRIES)?;
            let mut waiting = transaction.open_table(WAITING)?;
            let mut dead_letters = transaction.open_table(DEAD_LETTERS)?;
            let mut retried = transaction.open_table(RETRIED)?;
            for (row, bytes) in self.unwritten.drain(..) {
                entries.insert(row.sequence, bytes.as_slice())?;
                match &row.dead_letter_reason {
                    None => drop(waiting.insert(row.sequence, head_row(&row.head))?),
                    Some(reason) => {
                        dead_letters
                            .insert(row.sequence, (head_row(&row.head), reason.as_str()))?;
                        if let Some(until) = row.retry_until {
                            retried.insert(row.sequence, until)?;
                        }
                    }
                }
            }
        }
        self.unwritten_bytes = 0;
        Ok(transaction.commit()?)
    }

    /// Searches the whole file for the missing entries, or for all entries if the lists could not be
    /// read.
    fn search(&mut self, file: &File, lists_read: bool) -> DiskResult<()> {
        for found in self.find(file, lists_read)? {
            let EntryCandidate { at, length, sequence, preamble, head } = found;
            let mut bytes = read_at(file, at, length)?;
            let Some(head) = head else {
                self.note_damaged(sequence, &preamble, bytes, lists_read);
                continue;
            };
            let Ok(entry) = Entry::read(sequence, &bytes) else { continue };
            // Another entry can have had the number before: the missing one is the one in the list.
            let listed = self.missing.get(&sequence).map(|missing| missing.head);
            let mut row = ListRow { sequence, head, dead_letter_reason: None, retry_until: None };
            if listed == Some(head) {
                // If it was dead-lettered because it could not be read, it is queued again.
                if let Some(DamagedEntry { dead_letter_reason: Some(reason), retry_until, .. }) =
                    self.missing.remove(&sequence)
                    && !reason.starts_with(UNREADABLE)
                {
                    row.dead_letter_reason = Some(reason);
                    row.retry_until = retry_until;
                }
            } else if listed.is_some() || self.taken_sequences.contains(&sequence) {
                row.sequence = self.new_sequence();
                seal(&mut bytes, row.sequence);
            }
            self.take(row, &entry, bytes)?;
        }
        Ok(())
    }

    /// Returns all positions with an intact preamble, each preamble once: by sequence number, then
    /// newest first, with damaged entries last.
    fn find(&mut self, file: &File, lists_read: bool) -> DiskResult<Vec<EntryCandidate>> {
        let file_length = file.metadata()?.len();
        let last_missing = self.missing.last_key_value().map_or(0, |(sequence, _)| *sequence);
        self.last_sequence = self.last_sequence.max(last_missing);
        let mut found: HashMap<[u8; PREAMBLE_BYTES], EntryCandidate> = HashMap::new();
        for at in marks(file)? {
            let mut preamble = [0; PREAMBLE_BYTES];
            // The file can be truncated here.
            if file.read_exact_at(&mut preamble, at).is_err() {
                continue;
            }
            let Some(Preamble { sequence, entry_bytes, .. }) = Preamble::read(&preamble) else {
                continue;
            };
            self.last_sequence = self.last_sequence.max(sequence);
            if self.taken.contains(&preamble)
                || found.get(&preamble).is_some_and(|found| found.head.is_some())
                || (lists_read && !self.missing.contains_key(&sequence))
            {
                continue;
            }
            let length = entry_bytes.min(file_length.saturating_sub(at));
            let bytes = read_at(file, at, length)?;
            let head = Entry::read(sequence, &bytes).ok().map(|entry| Head {
                simulation_id: entry.call.simulation_id(),
                spooled_at: entry.spooled_at,
                bytes: length,
            });
            found.insert(preamble, EntryCandidate { at, length, sequence, preamble, head });
        }
        let mut found: Vec<EntryCandidate> = found.into_values().collect();
        found.sort_unstable_by_key(|found| {
            (found.sequence, Reverse(found.head.map(|head| head.spooled_at)), found.at)
        });
        Ok(found)
    }

    /// Records the remaining bytes of a damaged entry.
    fn note_damaged(
        &mut self,
        sequence: u64,
        preamble: &[u8; PREAMBLE_BYTES],
        bytes: Vec<u8>,
        lists_read: bool,
    ) {
        let missing = self.missing.get_mut(&sequence);
        if let Some(missing) = missing
            && (missing.bytes.is_empty() || missing.bytes.starts_with(preamble))
        {
            if missing.bytes.len() < bytes.len() {
                missing.bytes = bytes;
            }
            return;
        }
        // If the lists can be read, an entry that is not in them was removed.
        if lists_read {
            return;
        }
        let used = self.missing.contains_key(&sequence) || self.taken_sequences.contains(&sequence);
        let number = if used { self.new_sequence() } else { sequence };
        let head =
            Head { simulation_id: None, spooled_at: Timestamp::now(), bytes: bytes.len() as u64 };
        let missing = DamagedEntry {
            head,
            bytes,
            reason: "the entry in the spool is damaged: its bytes are not those that were written"
                .to_owned(),
            dead_letter_reason: None,
            retry_until: None,
        };
        self.missing.insert(number, missing);
    }

    /// Returns an unused sequence number.
    fn new_sequence(&mut self) -> u64 {
        loop {
            self.last_sequence = self.last_sequence.wrapping_add(1).max(1);
            let sequence = self.last_sequence;
            if !self.taken_sequences.contains(&sequence) && !self.missing.contains_key(&sequence) {
                return sequence;
            }
        }
    }

    /// Writes the missing entries as dead letters, and closes the new file.
    fn finish(mut self, lists_read: bool) -> DiskResult<RepairReport> {
        let damaged = self.missing.len() as u64;
        for (sequence, missing) in std::mem::take(&mut self.missing) {
            let DamagedEntry { mut head, bytes, reason, .. } = missing;
            head.bytes = bytes.len() as u64;
            let row =
                ListRow { sequence, head, dead_letter_reason: Some(reason), retry_until: None };
            self.last_sequence = self.last_sequence.max(sequence);
            self.write(row, bytes)?;
        }
        self.flush()?;
        let transaction = begin(&self.new)?;
        transaction.open_table(LAST_SEQUENCE)?.insert((), self.last_sequence)?;
        transaction.commit()?;
        Ok(RepairReport { read: self.read, damaged, lists_read, damaged_file: None })
    }
}

/// Reads the rows of both lists as far as possible, and returns whether they are complete.
fn listed(old: &Database) -> (Vec<ListRow>, bool) {
    let mut rows: BTreeMap<u64, ListRow> = BTreeMap::new();
    let mut all = true;
    let mut until: HashMap<u64, i128> = HashMap::new();
    all &= catch_panic(|| {
        let Some(retried) = retried_table(&old.begin_read()?)? else { return Ok(()) };
        for row in retried.iter()? {
            let (sequence, value) = row?;
            until.insert(sequence.value(), value.value());
        }
        Ok(())
    })
    .is_ok();
    let mut add = |sequence: u64, head: Head, dead_letter_reason: Option<String>| {
        let retry_until = until.get(&sequence).copied();
        rows.insert(sequence, ListRow { sequence, head, dead_letter_reason, retry_until });
    };
    all &= catch_panic(|| {
        let table = old.begin_read()?.open_table(WAITING)?;
        for row in table.iter()? {
            let (sequence, row) = row?;
            add(sequence.value(), head(row.value()), None);
        }
        Ok(())
    })
    .is_ok();
    all &= catch_panic(|| {
        let table = old.begin_read()?.open_table(DEAD_LETTERS)?;
        for row in table.iter()? {
            let (sequence, row) = row?;
            let (row, reason) = row.value();
            add(sequence.value(), head(row), Some(reason.to_owned()));
        }
        Ok(())
    })
    .is_ok();
    // A list that lost or gained a row by the damage counts as unreadable.
    all &= catch_panic(|| {
        let entries = old.begin_read()?.open_table(ENTRIES)?;
        let mut named = 0;
        for row in entries.iter()? {
            named += u64::from(rows.contains_key(&row?.0.value()));
        }
        Ok(named == rows.len() as u64 && named == entries.len()?)
    })
    .unwrap_or(false);
    (rows.into_values().collect(), all)
}

/// Finds the marks in the file, and returns the position of the version byte before each.
fn marks(file: &File) -> io::Result<Vec<u64>> {
    let length = file.metadata()?.len();
    let finder = memchr::memmem::Finder::new(&MARK);
    let (mut found, mut at) = (Vec::new(), 0);
    while at < length {
        let part = read_at(file, at, (SEARCHED_BYTES as u64).min(length - at))?;
        found
            .extend(finder.find_iter(&part).filter_map(|place| (at + place as u64).checked_sub(1)));
        if part.len() < SEARCHED_BYTES {
            break;
        }
        // A mark can span the boundary.
        at += (part.len() - MARK.len() + 1) as u64;
    }
    found.dedup();
    Ok(found)
}

fn read_at(file: &File, at: u64, length: u64) -> io::Result<Vec<u8>> {
    let length = usize::try_from(length).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, at)?;
    Ok(bytes)
}

/// Opens a file without changing it, after a check of the whole file if `checked`: redb's changes stay
/// in memory.
fn open_unchanged(file: File, checked: bool) -> DiskResult<Database> {
    catch_panic(|| {
        let length = file.metadata()?.len();
        let backend = OverlayBackend {
            file: FileBackend::new(file)?,
            changed: Mutex::new(Overlay { blocks: HashMap::new(), length }),
        };
        let mut builder = Database::builder();
        builder.set_check_integrity_on_open(checked);
        Ok(builder.create_with_backend(backend)?)
    })
}

/// A file that is read and locked, but not written to.
#[derive(Debug)]
struct OverlayBackend {
    file: FileBackend,
    changed: Mutex<Overlay>,
}

#[derive(Debug)]
struct Overlay {
    /// The changed blocks by number.
    blocks: HashMap<u64, Vec<u8>>,
    length: u64,
}

impl OverlayBackend {
    /// Returns the current content of a block.
    fn block(&self, changed: &Overlay, number: u64) -> io::Result<Vec<u8>> {
        if let Some(block) = changed.blocks.get(&number) {
            return Ok(block.clone());
        }
        let mut block = vec![0; usize::try_from(BLOCK_BYTES).map_err(io::Error::other)?];
        let (begin, length) = (number * BLOCK_BYTES, self.file.len()?);
        let there = length.saturating_sub(begin).min(BLOCK_BYTES);
        let there = usize::try_from(there).map_err(io::Error::other)?;
        if let Some(place) = block.get_mut(..there).filter(|place| !place.is_empty()) {
            self.file.read(begin, place)?;
        }
        Ok(block)
    }

    /// Iterates over the blocks that a range touches: the number of each, the offset in it, and the
    /// part of the range.
    fn parts(
        offset: u64,
        length: usize,
    ) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
        let block = BLOCK_BYTES as usize;
        let mut done = 0;
        std::iter::from_fn(move || {
            if done >= length {
                return None;
            }
            let at = offset + done as u64;
            let begin = (at % BLOCK_BYTES) as usize;
            let take = (block - begin).min(length - done);
            done += take;
            Some((at / BLOCK_BYTES, begin, done - take..done))
        })
    }

    fn changed(&self) -> std::sync::MutexGuard<'_, Overlay> {
        lock(&self.changed)
    }
}

impl StorageBackend for OverlayBackend {
    fn len(&self) -> io::Result<u64> {
        Ok(self.changed().length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let changed = self.changed();
        if offset.saturating_add(out.len() as u64) > changed.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for (number, begin, part) in OverlayBackend::parts(offset, out.len()) {
            let block = self.block(&changed, number)?;
            if let (Some(place), Some(from)) =
                (out.get_mut(part.clone()), block.get(begin..begin + part.len()))
            {
                place.copy_from_slice(from);
            }
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.changed().length = length;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut changed = self.changed();
        for (number, begin, part) in OverlayBackend::parts(offset, data.len()) {
            let mut block = self.block(&changed, number)?;
            if let (Some(place), Some(from)) =
                (block.get_mut(begin..begin + part.len()), data.get(part))
            {
                place.copy_from_slice(from);
            }
            changed.blocks.insert(number, block);
        }
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> std::result::Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn lock_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> std::result::Result<(), BackendError> {
        self.file.lock_range(start, end)
    }

    fn unlock_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> std::result::Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> std::result::Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}
