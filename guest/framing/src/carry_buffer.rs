//! A range of the stream that is copied across chunks.

/// A chunk, and its offset in the stream.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) base: u64,
    pub(crate) bytes: &'a [u8],
}

impl<'a> View<'a> {
    /// Returns the offset in the stream of an index in this chunk.
    pub(crate) fn offset(&self, index: usize) -> u64 {
        self.base + index as u64
    }

    /// Returns the bytes from an index in this chunk to its end.
    pub(crate) fn rest(&self, index: usize) -> &'a [u8] {
        self.bytes.get(index..).unwrap_or_default()
    }

    /// Returns the bytes between two offsets of the stream that are in this chunk.
    pub(crate) fn between(&self, from: u64, to: u64) -> &'a [u8] {
        let index = |offset: u64| {
            usize::try_from(offset.saturating_sub(self.base))
                .unwrap_or(usize::MAX)
                .min(self.bytes.len())
        };
        self.bytes.get(index(from)..index(to)).unwrap_or_default()
    }
}

/// Whether a byte is white space around documents. ASCII white space, so a form feed counts
/// although JSON does not allow it.
#[inline]
pub(crate) fn white(byte: u8) -> bool {
    byte.is_ascii_whitespace()
}

/// Bytes from `start` on, up to `limit` of them. Bytes are copied only at the end of their chunk or
/// of the range, so a range within one chunk is copied once, to its exact size.
#[derive(Debug)]
pub(crate) struct CarryBuffer {
    start: u64,
    limit: usize,
    bytes: Vec<u8>,
}

impl CarryBuffer {
    pub(crate) fn new(start: u64, limit: usize) -> Self {
        Self { start, limit, bytes: Vec::new() }
    }

    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    /// Copies the required bytes of a chunk before it is dropped.
    pub(crate) fn carry(&mut self, view: View<'_>) {
        self.append(view, u64::MAX);
    }

    /// Returns the bytes up to `end`, or the first `limit` of them.
    pub(crate) fn finish(mut self, view: View<'_>, end: u64) -> Vec<u8> {
        self.append(view, end);
        let length = usize::try_from(end.saturating_sub(self.start)).unwrap_or(usize::MAX);
        self.bytes.truncate(length);
        self.bytes
    }

    /// Returns a copy of the bytes between two offsets, unless they are beyond the limit.
    pub(crate) fn copy(&self, view: View<'_>, from: u64, to: u64) -> Option<Vec<u8>> {
        if to.saturating_sub(self.start) > self.limit as u64 {
            return None;
        }
        let earlier = View { base: self.start, bytes: &self.bytes };
        let seen = self.start + self.bytes.len() as u64;
        let mut bytes = earlier.between(from, to).to_vec();
        bytes.extend_from_slice(view.between(from.max(seen), to));
        Some(bytes)
    }

    fn append(&mut self, view: View<'_>, end: u64) {
        let next = self.start + self.bytes.len() as u64;
        let limit = self.start.saturating_add(self.limit as u64);
        let more = view.between(next, end.min(limit));
        let needed = self.bytes.len() + more.len();
        if needed > self.bytes.capacity() {
            // Doubling keeps copying linear, and stopping at the limit keeps memory within it.
            let wanted = needed.max((self.bytes.capacity() * 2).min(self.limit));
            self.bytes.reserve_exact(wanted - self.bytes.len());
        }
        self.bytes.extend_from_slice(more);
    }
}
