//! Bodies of requests: read with a limit, and no longer than they make progress.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt as _;

use super::answer::Failure;
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

/// A whole body.
///
/// # Errors
/// Where it is longer than `limit` bytes, or as [`Chunks::next`].
pub(super) async fn whole(body: Body, limit: u64, stall: Duration) -> Result<Vec<u8>, Failure> {
    let mut chunks = Chunks::new(body, stall);
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.next().await? {
        if (bytes.len() + chunk.len()) as u64 > limit {
            return Err(too_large(limit).into());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
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

fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
