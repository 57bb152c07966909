//! Batches of results from a stream of lines.

use arc_framing::{Container, Framer, Limits};
use axum::body::Body;

use super::answer::Failure;
use super::app::App;
use super::body::{self, Chunks};
use super::memory_budget::{MemoryPermit, RESULT_BYTES};
use super::submitted_results::{limits, unreadable};
use crate::paging::{BATCH_BYTES, is_full};
use crate::recorder::Submission;

/// An upper bound of the size of a received part.
const CHUNK_BYTES: usize = 64 << 10;

/// Reads batches of results from a stream.
pub(super) struct Reader {
    chunks: Chunks,
    framer: Framer,
    position: u64,
    batch: Vec<Submission>,
    /// The bytes of the batch's documents.
    batch_bytes: usize,
    /// The bytes received so far.
    come_bytes: u64,
    /// The position of the end of the last document.
    framed_bytes: u64,
    /// The most bytes without the end of a document.
    limit_bytes: u64,
    document_bytes: usize,
    room: MemoryPermit,
    /// Whether the end was reached.
    ended: bool,
    /// Why the stream ended early.
    failure: Option<Failure>,
}

impl Reader {
    pub(super) fn new(app: &App, body: Body) -> Self {
        let chunks = Chunks::new(body, app.body_stall());
        Reader::of(chunks, limits(app), app.body_limit(), app.stream_room.empty_permit())
    }

    /// At least `body_limit` bytes can arrive without the end of a document.
    pub(super) fn of(chunks: Chunks, limits: Limits, body_limit: u64, room: MemoryPermit) -> Self {
        let document_bytes = limits.max_document_bytes;
        Reader {
            chunks,
            framer: Framer::new(Container::Lines, limits),
            position: 0,
            batch: Vec::new(),
            batch_bytes: 0,
            come_bytes: 0,
            framed_bytes: 0,
            // A document that is slightly too long is reported as such, without loss of others.
            limit_bytes: body_limit.max(2 * document_bytes as u64),
            document_bytes,
            room,
            ended: false,
            failure: None,
        }
    }

    /// Returns whether the end was reached.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// Returns whether the batch is as large as a transaction.
    pub(super) fn full(&self) -> bool {
        is_full(self.batch.len(), self.batch_bytes)
    }

    /// Returns whether the batch is empty.
    pub(super) fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// Reserves memory for the next part of the body.
    ///
    /// # Errors
    /// If not enough is available now.
    pub(super) fn make_room(&mut self) -> Result<(), Failure> {
        // The bytes are copied once while they are processed.
        let batch_bytes = 2 * self.batch_bytes + self.batch.len() * RESULT_BYTES;
        self.room.grow(batch_bytes + self.open_bytes() + CHUNK_BYTES)
    }

    /// Reads the part that has arrived, up to a batch. A client that waits for its verdicts before it
    /// sends more must receive them.
    pub(super) async fn take_what_is_there(&mut self) {
        let until = self.come_bytes + BATCH_BYTES as u64;
        while !self.ended && !self.full() && self.come_bytes < until && self.make_room().is_ok() {
            self.chunks.pause().await;
            if futures_util::FutureExt::now_or_never(self.read()).is_none() {
                return;
            }
        }
    }

    /// Returns the batch, with its memory; the next one begins with the part that has already arrived.
    pub(super) fn take(&mut self) -> (Vec<Submission>, MemoryPermit) {
        let room = self.room.split_off(self.open_bytes() + CHUNK_BYTES);
        self.batch_bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        self.collect();
        (batch, room)
    }

    /// Processes a part of the body, or its end.
    pub(super) async fn read(&mut self) {
        let framed = match self.chunks.next().await {
            Ok(Some(chunk)) => {
                self.come_bytes += chunk.len() as u64;
                self.framer.push(&chunk).map_err(unreadable)
            }
            Ok(None) => {
                self.ended = true;
                self.framer.finish().map_err(unreadable)
            }
            Err(failure) => Err(failure),
        };
        self.collect();
        match framed {
            Err(failure) => self.stop(failure),
            Ok(()) if self.come_bytes - self.framed_bytes > self.limit_bytes => {
                self.stop(body::too_large(self.limit_bytes).into());
            }
            Ok(()) => {}
        }
    }

    /// Ends the reading for this reason. The current batch is kept.
    pub(super) fn stop(&mut self, failure: Failure) {
        self.ended = true;
        self.failure.get_or_insert(failure);
    }

    /// Stops reading for this reason, and drops the batch.
    pub(super) fn abandon(&mut self, failure: Failure) {
        self.batch.clear();
        self.stop(failure);
    }

    /// Returns why the stream ended early; `None` if the body was complete.
    pub(super) fn into_failure(self) -> Option<Failure> {
        self.failure
    }

    /// Returns how many bytes of an incomplete document the framer holds.
    fn open_bytes(&self) -> usize {
        let open = self.come_bytes.saturating_sub(self.framed_bytes);
        usize::try_from(open).unwrap_or(usize::MAX).min(self.document_bytes)
    }

    /// Takes the complete documents, up to the limit of the batch.
    fn collect(&mut self) {
        while !self.full() {
            let Some(frame) = self.framer.next_frame() else { break };
            self.framed_bytes = frame.offset + frame.length;
            let submission = Submission::from_frame(frame, self.position);
            self.position += 1;
            self.batch_bytes += submission.document_bytes();
            self.batch.push(submission);
        }
    }
}
