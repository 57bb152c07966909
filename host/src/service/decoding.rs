//! Decompression of request bodies: gzip, or zstd with a limited window.

use std::io::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::BoxError;
use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::header;
use bytes::{Buf as _, Bytes};
use flate2::write::MultiGzDecoder;
use hyper::body::Frame;
use zstd::zstd_safe::{self, DCtx, DParameter, InBuffer, OutBuffer};

use super::answer::Failure;
use super::memory_budget::{MemoryBudget, MemoryPermit};
use crate::documents::Compression;
use crate::wire::ProblemCode;

/// The largest window of zstd, as a power of two: the 8 MiB that every decoder must accept (RFC 9659).
const WINDOW_LOG: u32 = 23;

/// The size of a part of decompressed output.
const PART_BYTES: usize = 32 << 10;

/// Decompresses a request's body as it is read; the decoder's own memory is reserved in `room`.
///
/// # Errors
/// If the encoding is unknown.
pub(super) fn decode(room: &MemoryBudget, mut request: Request) -> Result<Request, Failure> {
    let Some(encoding) = request.headers().get(header::CONTENT_ENCODING) else {
        return Ok(request);
    };
    let compression = match encoding.as_bytes() {
        b"identity" => return Ok(request),
        b"gzip" => Compression::Gzip,
        b"zstd" => Compression::Zstd,
        _ => {
            return Err(Failure::new(
                ProblemCode::UnsupportedMediaType,
                "a body is encoded with gzip or zstd, or not at all",
            ));
        }
    };
    let decoder = Decoder::new(room, compression)?;
    request.headers_mut().remove(header::CONTENT_ENCODING);
    request.headers_mut().remove(header::CONTENT_LENGTH);
    Ok(request.map(|body| DecodedBody::of(body, Bytes::new(), decoder)))
}

/// Decompresses a compressed file as it is read; `start` is the part that was read already.
///
/// # Errors
/// If there is no memory for the decoder.
pub(super) fn decode_file(
    room: &MemoryBudget,
    compression: Compression,
    start: Bytes,
    body: Body,
) -> Result<Body, Failure> {
    Ok(DecodedBody::of(body, start, Decoder::new(room, compression)?))
}

/// A refusal that the body did not cause.
#[derive(Debug)]
pub(super) struct BodyRefusal(pub(super) Failure);

impl std::fmt::Display for BodyRefusal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.write_str(&self.0.problem.detail)
    }
}

impl std::error::Error for BodyRefusal {}

/// A body that is decompressed part by part, as it is read.
struct DecodedBody {
    body: Body,
    /// Received bytes that are not decompressed yet.
    input: Bytes,
    decoder: Decoder,
    /// Whether the decoder can have more output than it has returned.
    more: bool,
    ended: bool,
}

impl HttpBody for DecodedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let decoded = ready!(self.poll_part(context));
        self.ended |= !matches!(decoded, Ok(Some(_)));
        Poll::Ready(decoded.map(|part| part.map(Frame::data)).transpose())
    }
}

impl DecodedBody {
    fn of(body: Body, input: Bytes, decoder: Decoder) -> Body {
        Body::new(DecodedBody { body, input, decoder, more: false, ended: false })
    }

    /// Returns the next part that is not empty; `None` at the end.
    fn poll_part(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BoxError>> {
        if self.ended {
            return Poll::Ready(Ok(None));
        }
        loop {
            while self.more || !self.input.is_empty() {
                let before = self.input.len();
                let part = match &mut self.decoder {
                    Decoder::Gzip(gzip) => gunzip(gzip, &mut self.input)?,
                    Decoder::Zstd(zstd) => zstd.decode(&mut self.input)?,
                };
                self.more = part.len() >= PART_BYTES;
                if !part.is_empty() {
                    return Poll::Ready(Ok(Some(part.into())));
                }
                if before > 0 && self.input.len() == before {
                    return Poll::Ready(Err("it is no compressed data from there on".into()));
                }
            }
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                // Trailers are ignored.
                Some(frame) => self.input = frame?.into_data().unwrap_or_default(),
                None => {
                    let rest = match &mut self.decoder {
                        Decoder::Gzip(gzip) => end_of_gzip(gzip)?,
                        Decoder::Zstd(zstd) => zstd.end()?,
                    };
                    self.ended = true;
                    return Poll::Ready(Ok((!rest.is_empty()).then(|| rest.into())));
                }
            }
        }
    }
}

enum Decoder {
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    Zstd(Zstd),
}

impl Decoder {
    fn new(room: &MemoryBudget, compression: Compression) -> Result<Self, Failure> {
        Ok(match compression {
            Compression::Gzip => Decoder::Gzip(Box::new(MultiGzDecoder::new(Vec::new()))),
            Compression::Zstd => Decoder::Zstd(Zstd::new(room)?),
        })
    }
}

/// Decompresses some of the input: each write returns at most its own buffer of 32 KiB.
fn gunzip(gzip: &mut MultiGzDecoder<Vec<u8>>, input: &mut Bytes) -> std::io::Result<Vec<u8>> {
    let taken = gzip.write(input)?;
    input.advance(taken);
    if input.is_empty() {
        // A client might wait for the answer to the part that it has sent so far.
        gzip.flush()?;
    }
    Ok(std::mem::take(gzip.get_mut()))
}

fn end_of_gzip(gzip: &mut MultiGzDecoder<Vec<u8>>) -> std::io::Result<Vec<u8>> {
    gzip.try_finish()?;
    Ok(std::mem::take(gzip.get_mut()))
}

/// A zstd decoder, with the memory for its window.
struct Zstd {
    context: DCtx<'static>,
    room: MemoryPermit,
    /// Whether a frame has begun and not ended.
    open: bool,
}

impl Zstd {
    fn new(room: &MemoryBudget) -> Result<Self, Failure> {
        let context = DCtx::try_create().and_then(|mut context| {
            context.set_parameter(DParameter::WindowLogMax(WINDOW_LOG)).ok()?;
            Some(context)
        });
        let Some(context) = context else {
            return Err(Failure::new(ProblemCode::Internal, "there is no decoder for zstd"));
        };
        Ok(Zstd { context, room: room.empty_permit(), open: false })
    }

    fn decode(&mut self, input: &mut Bytes) -> Result<Vec<u8>, BoxError> {
        let mut part = Vec::with_capacity(PART_BYTES);
        let mut taken = InBuffer::around(input);
        let mut output = OutBuffer::around(&mut part);
        let left = self.context.decompress_stream(&mut output, &mut taken).map_err(reason)?;
        self.open = left > 0;
        let taken = taken.pos();
        input.advance(taken);
        // The frame defines the window size, which is known only after the frame has begun.
        self.room.grow(self.context.sizeof()).map_err(BodyRefusal)?;
        Ok(part)
    }

    fn end(&mut self) -> Result<Vec<u8>, BoxError> {
        if self.open {
            return Err("it is cut off".into());
        }
        Ok(Vec::new())
    }
}

fn reason(code: usize) -> String {
    let name = zstd_safe::get_error_name(code);
    if name.contains("memory") {
        let mib = 1 << (WINDOW_LOG - 20);
        return format!("its zstd window is larger than {mib} MiB; compress it without --long");
    }
    format!("zstd: {name}")
}
