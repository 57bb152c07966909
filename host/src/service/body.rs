//! Request bodies: read with a size limit, and a time limit without progress.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt as _;

use super::answer::Failure;
use super::app::App;
use super::decoding::{self, BodyRefusal};
use super::memory_budget::{MemoryBudget, MemoryPermit};
use crate::documents::Compression;
use crate::reason::innermost;
use crate::wire::{Problem, ProblemCode};

/// After this many bytes other tasks run: a compressed body is always ready to be read.
pub(super) const TURN_BYTES: usize = 64 << 10;

/// The parts of a body as they arrive.
#[derive(Debug)]
pub(super) struct Chunks {
    /// Parts that were read ahead.
    ahead: Option<Bytes>,
    body: Body,
    stall: Duration,
    since_pause_bytes: usize,
}

impl Chunks {
    /// `stall` is how long the body can make no progress.
    pub(super) fn new(body: Body, stall: Duration) -> Self {
        Chunks { ahead: None, body, stall, since_pause_bytes: 0 }
    }

    /// Returns the parts of a file, which are decompressed if the file is compressed, and whether it is.
    ///
    /// # Errors
    /// As [`Chunks::next`], and if there is no memory for the decoder.
    pub(super) async fn of_file(mut self, room: &MemoryBudget) -> Result<(Self, bool), Failure> {
        let mut start = Vec::new();
        while start.len() < Compression::START_BYTES
            && let Some(chunk) = self.next().await?
        {
            start.extend_from_slice(&chunk);
        }
        match Compression::of(&start) {
            Some(compression) => {
                let body = decoding::decode_file(room, compression, start.into(), self.body)?;
                Ok((Chunks { body, ..self }, true))
            }
            None => Ok((Chunks { ahead: Some(start.into()), ..self }, false)),
        }
    }

    /// Lets other tasks run after enough bytes were read.
    pub(super) async fn pause(&mut self) {
        if self.since_pause_bytes >= TURN_BYTES {
            self.since_pause_bytes = 0;
            tokio::task::yield_now().await;
        }
    }

    /// Returns the next part, or nothing at the end.
    ///
    /// # Errors
    /// If it does not arrive in time or cannot be decompressed, or if the client has disconnected.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        self.pause().await;
        if let Some(ahead) = self.ahead.take() {
            return Ok(Some(ahead));
        }
        loop {
            let frame = match tokio::time::timeout(self.stall, self.body.frame()).await {
                Err(_) => {
                    let seconds = self.stall.as_secs();
                    return Err(Problem::new(
                        ProblemCode::BodyTimeout,
                        format!("nothing of the body came for {seconds} s"),
                    )
                    .hint("send it faster, or again")
                    .limit(seconds)
                    .into());
                }
                Ok(None) => return Ok(None),
                Ok(Some(Err(error))) => return Err(unreadable(error)),
                Ok(Some(Ok(frame))) => frame,
            };
            // Trailers are ignored.
            if let Ok(bytes) = frame.into_data() {
                self.since_pause_bytes += bytes.len();
                return Ok(Some(bytes));
            }
        }
    }
}

fn unreadable(error: axum::Error) -> Failure {
    let mut error = error.into_inner();
    loop {
        error = match error.downcast::<BodyRefusal>() {
            Ok(refused) => return refused.0,
            Err(error) => error,
        };
        // An outer body has wrapped the refusal.
        error = match error.downcast::<axum::Error>() {
            Ok(inner) => inner.into_inner(),
            Err(error) => {
                return Failure::new(
                    ProblemCode::InvalidRequest,
                    format!("the body could not be read to its end: {}", innermost(&*error)),
                );
            }
        };
    }
}

/// Returns a whole body, with the memory that is reserved for it.
///
/// # Errors
/// If it is longer than `limit` bytes, or there is no memory for it, or as for [`Chunks::next`].
pub(super) async fn whole(
    app: &App,
    body: Body,
    limit: u64,
) -> Result<(Vec<u8>, MemoryPermit), Failure> {
    collected(Chunks::new(body, app.body_stall()), app.room.empty_permit(), limit).await
}

/// Returns all parts of a body as one.
///
/// # Errors
/// As [`whole`].
pub(super) async fn collected(
    mut chunks: Chunks,
    mut room: MemoryPermit,
    limit: u64,
) -> Result<(Vec<u8>, MemoryPermit), Failure> {
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.next().await? {
        let length = bytes.len() + chunk.len();
        if length as u64 > limit {
            return Err(too_large(limit).into());
        }
        if length > bytes.capacity() {
            // Doubling keeps the copying linear, and the limit bounds the memory.
            let most = usize::try_from(limit).unwrap_or(usize::MAX);
            let wanted = length.max((bytes.capacity() * 2).min(most));
            room.grow(wanted)?;
            bytes.reserve_exact(wanted - bytes.len());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok((bytes, room))
}

pub(super) fn too_large(limit: u64) -> Problem {
    Problem::new(ProblemCode::BodyTooLarge, format!("the body is longer than {limit} bytes"))
        .hint("send fewer results at once, or stream them as application/x-ndjson")
        .limit(limit)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A body that is always ready, like a decompressed one.
    fn of_parts(count: usize) -> Chunks {
        let parts = (0..count).map(|_| Ok::<_, std::convert::Infallible>(vec![b' '; 16 << 10]));
        let body = Body::from_stream(futures_util::stream::iter(parts));
        Chunks::new(body, Duration::from_secs(60))
    }

    #[tokio::test]
    async fn others_have_their_turn_while_a_body_is_read() {
        let turns = Arc::new(AtomicUsize::new(0));
        let counting = Arc::clone(&turns);
        tokio::spawn(async move {
            loop {
                counting.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        });
        let mut chunks = of_parts(64);
        while chunks.next().await.unwrap().is_some() {}
        assert!(turns.load(Ordering::Relaxed) >= 10, "{turns:?}");
    }
}
