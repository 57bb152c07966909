//! A reader of a shared file with a position of its own.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A reader with a position of its own. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct ReadAt {
    file: Arc<File>,
    position: u64,
    /// The length when the file was opened; later bytes are ignored.
    length: u64,
    /// The bytes that can still be read, and the flag that is set if they did not suffice.
    most: Option<(u64, Arc<AtomicBool>)>,
}

impl ReadAt {
    pub(super) fn new(file: Arc<File>, length: u64) -> Self {
        ReadAt { file, position: 0, length, most: None }
    }

    /// Returns a reader with a limit in bytes, and a flag that is set when the limit is exceeded.
    /// Clones of a [`BufferedAt`] of it have no limit.
    pub(super) fn reading_at_most(self, bytes: u64) -> (Self, Arc<AtomicBool>) {
        let exhausted = Arc::<AtomicBool>::default();
        (ReadAt { most: Some((bytes, Arc::clone(&exhausted))), ..self }, exhausted)
    }
}

/// The same with a buffer; every clone has its own.
#[derive(Debug)]
pub(super) struct BufferedAt(BufReader<ReadAt>);

/// How much of the file is read at once.
const BUFFER_BYTES: usize = 64 << 10;

impl BufferedAt {
    pub(super) fn new(reader: ReadAt) -> Self {
        BufferedAt(BufReader::with_capacity(BUFFER_BYTES, reader))
    }
}

impl Clone for BufferedAt {
    fn clone(&self) -> Self {
        BufferedAt::new(ReadAt { position: 0, most: None, ..self.0.get_ref().clone() })
    }
}

impl Read for BufferedAt {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Seek for BufferedAt {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

impl Read for ReadAt {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.length.saturating_sub(self.position));
        let wanted = left.unwrap_or(usize::MAX).min(buffer.len());
        let buffer = buffer.get_mut(..wanted).unwrap_or_default();
        let read = self.file.read_at(buffer, self.position)?;
        self.position += read as u64;
        if let Some((left, exhausted)) = &mut self.most {
            let Some(less) = left.checked_sub(read as u64) else {
                exhausted.store(true, Ordering::Relaxed);
                return Err(io::ErrorKind::FileTooLarge.into());
            };
            *left = less;
        }
        Ok(read)
    }
}

impl Seek for ReadAt {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.length.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
