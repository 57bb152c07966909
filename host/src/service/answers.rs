//! The memory for answers that are read from the database.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use bytes::Bytes;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::answer::{Answer, Failure, json_text};
use super::long_answer::{PART_BYTES, with_room};
use super::memory_budget::MemoryBudget;
use crate::wire::{Problem, ProblemCode};

/// How many pages are read from the database and serialized concurrently: each uses a few mebibytes
/// meanwhile.
const PAGES_AT_ONCE: usize = 4;

/// How long a serialized answer waits for memory.
const PATIENCE: Duration = Duration::from_secs(5);

/// The memory for answers, from the query to the last byte that the client reads.
#[derive(Debug)]
pub(super) struct Answers {
    turns: Arc<Semaphore>,
    room: MemoryBudget,
}

/// The turn of one query. It ends when its answer is serialized and has memory.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    room: &'a MemoryBudget,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Answers {
    pub(super) fn new(mib: u64) -> Self {
        Answers { turns: Arc::new(Semaphore::new(PAGES_AT_ONCE)), room: MemoryBudget::new(mib) }
    }

    /// Waits for a turn.
    pub(super) async fn turn(&self) -> Turn<'_> {
        // The semaphore is never closed.
        let permit = Arc::clone(&self.turns).acquire_owned().await.ok();
        Turn { room: &self.room, _permit: permit }
    }
}

impl Turn<'_> {
    /// Waits until there is memory for the text, and reserves it until the text has been sent.
    ///
    /// # Errors
    /// If unread answers of other clients use all of the memory.
    pub(super) async fn keep(self, mut text: Vec<u8>) -> Result<Bytes, Failure> {
        // An answer that is sent in one part is buffered by hyper.
        if text.len() <= PART_BYTES {
            return Ok(text.into());
        }
        text.shrink_to_fit();
        match tokio::time::timeout(PATIENCE, self.room.wait(text.len())).await {
            Ok(room) => Ok(with_room(text, room)),
            Err(_) => Err(Problem::new(
                ProblemCode::TooManyRequests,
                "the memory for answers that clients have not read is used up",
            )
            .hint("try again in a second")
            .retry_after(1)
            .into()),
        }
    }

    /// Serializes a JSON answer and reserves its memory.
    ///
    /// # Errors
    /// As [`Turn::keep`].
    pub(super) async fn json(self, value: &impl Serialize) -> Answer {
        match serde_json::to_vec(value) {
            Ok(text) => Ok(json_text(StatusCode::OK, self.keep(text).await?)),
            // All answers have text keys, so serializing cannot fail.
            Err(_) => Ok(json_text(StatusCode::INTERNAL_SERVER_ERROR, "{}")),
        }
    }
}
