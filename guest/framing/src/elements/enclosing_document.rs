//! The document around the items.

use crate::carry_buffer::View;

/// The largest size that is stored. It is read with every item, so it is far smaller than the
/// items.
const ENCLOSING_DOCUMENT_LIMIT_BYTES: usize = 16 << 20;

/// The first document of a stream without its items.
#[derive(Debug, Default)]
pub(super) struct EnclosingDocument {
    bytes: Vec<u8>,
    /// The start of the current chunk's part of it; `None` within an item.
    from: Option<usize>,
    within_item: bool,
    whole: bool,
    too_long: bool,
}

impl EnclosingDocument {
    pub(super) fn text(&self) -> Option<&str> {
        if self.too_long { None } else { core::str::from_utf8(&self.bytes).ok() }
    }

    /// Starts a chunk.
    pub(super) fn enter(&mut self) {
        self.from = (!self.within_item && !self.whole).then_some(0);
    }

    /// Ends a chunk, and copies its part.
    pub(super) fn leave(&mut self, view: View<'_>) {
        self.take(view, view.bytes.len());
    }

    pub(super) fn begin_item(&mut self, view: View<'_>, at: usize) {
        self.take(view, at);
        self.within_item = true;
        if !self.whole {
            self.append(b"null");
        }
    }

    pub(super) fn end_item(&mut self, end: usize) {
        self.within_item = false;
        self.from = (!self.whole).then_some(end);
    }

    pub(super) fn end_document(&mut self, view: View<'_>, end: usize) {
        self.take(view, end);
        self.whole = true;
    }

    fn take(&mut self, view: View<'_>, end: usize) {
        if let Some(from) = self.from.take() {
            self.append(view.bytes.get(from..end).unwrap_or_default());
        }
    }

    fn append(&mut self, bytes: &[u8]) {
        if self.too_long || self.bytes.len() + bytes.len() > ENCLOSING_DOCUMENT_LIMIT_BYTES {
            self.too_long = true;
            self.bytes = Vec::new();
        } else {
            self.bytes.extend_from_slice(bytes);
        }
    }
}
