//! Bodies of requests: read with a limit, and no longer than they make progress.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt as _;

use super::answer::Failure;
use super::app::App;
use super::room::Held;
use crate::error::innermost;
use crate::wire::{Problem, ProblemCode};

/// The parts of a body as they come.
#[derive(Debug)]
pub(super) struct Chunks {
    body: Body,
    stall: Duration,
}

impl Chunks {
    /// `stall` is how long the body may make no progress.
    pub(super) fn new(body: Body, stall: Duration) -> Self {
        Chunks { body, stall }
    }

    /// The next part; nothing at the end.
    ///
    /// # Errors
    /// Where it does not come in time, or cannot be decompressed, or the client has gone.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            let frame = match tokio::time::timeout(self.stall, self.body.frame()).await {
                Err(_) => {
                    let seconds = self.stall.as_secs();
                    return Err(Problem::new(
                        ProblemCode::BodyTimeout,
                        format!(
                            "nothing of the body came for {seconds} s; send it faster, or again"
                        ),
                    )
                    .limit(seconds)
                    .into());
                }
                Ok(None) => return Ok(None),
                Ok(Some(Err(error))) => {
                    return Err(Failure::new(
                        ProblemCode::InvalidRequest,
                        format!("the body could not be read to its end: {}", innermost(&error)),
                    ));
                }
                Ok(Some(Ok(frame))) => frame,
            };
            // Trailers say nothing here.
            if let Ok(bytes) = frame.into_data() {
                return Ok(Some(bytes));
            }
        }
    }
}

/// A whole body, with the room that it takes.
///
/// # Errors
/// Where it is longer than `limit` bytes, or there is no room for it, or as [`Chunks::next`].
pub(super) async fn whole(app: &App, body: Body, limit: u64) -> Result<(Vec<u8>, Held), Failure> {
    let mut chunks = Chunks::new(body, app.body_stall());
    let mut room = app.room.for_a_body();
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.next().await? {
        let length = bytes.len() + chunk.len();
        if length as u64 > limit {
            return Err(too_large(limit).into());
        }
        room.grow(length)?;
        bytes.extend_from_slice(&chunk);
    }
    Ok((bytes, room))
}

pub(super) fn too_large(limit: u64) -> Problem {
    Problem::new(
        ProblemCode::BodyTooLarge,
        format!(
            "the body is longer than {limit} bytes; send fewer results at once, or stream them \
             as application/x-ndjson"
        ),
    )
    .limit(limit)
}
