//! Documents in a stream.

use std::io::Read as _;

use arc_framing::{Envelope, Frame, Framer};
use sha2::{Digest, Sha256};

use super::CHUNK_BYTES;
use super::at::ReadAt;
use crate::error::{Error, Result};

/// One pass over a stream, which also computes the digest of its bytes.
#[derive(Debug)]
pub(super) struct Stream {
    reader: ReadAt,
    name: String,
    framer: Framer,
    digest: Sha256,
    buffer: Vec<u8>,
    read_bytes: u64,
    finished: bool,
}

impl Stream {
    pub(super) fn new(reader: ReadAt, name: String, framer: Framer) -> Self {
        Stream {
            reader,
            name,
            framer,
            digest: Sha256::new(),
            buffer: vec![0; CHUNK_BYTES],
            read_bytes: 0,
            finished: false,
        }
    }

    /// Returns the next frame, or `None` at the end.
    pub(super) fn next_frame(&mut self) -> Result<Option<Frame>> {
        loop {
            if let Some(frame) = self.framer.next_frame() {
                return Ok(Some(frame));
            }
            if self.finished {
                return Ok(None);
            }
            let read = self
                .reader
                .read(&mut self.buffer)
                .map_err(|error| Error::io(format!("could not read {}", self.name), error))?;
            let chunk = self.buffer.get(..read).unwrap_or_default();
            let framed = if chunk.is_empty() {
                self.finished = true;
                self.framer.finish()
            } else {
                self.digest.update(chunk);
                self.read_bytes += read as u64;
                self.framer.push(chunk)
            };
            framed.map_err(|error| {
                Error::invalid(format!("{} is not valid", self.name)).with_source(error)
            })?;
        }
    }

    pub(super) fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    pub(super) fn enclosing_document(&self) -> Option<&str> {
        self.framer.enclosing_document()
    }

    /// Ends the pass: returns the digest, and the members around the results.
    pub(super) fn finish(self) -> ([u8; 32], Option<Envelope>) {
        (self.digest.finalize().into(), self.framer.envelope().cloned())
    }
}
