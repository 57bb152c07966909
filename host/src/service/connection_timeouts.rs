//! Time limits of a connection for the phases in which hyper itself would wait without a limit.

use std::io::{ErrorKind, Result};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// The preface of an HTTP/2 connection (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A stream that is closed if its protocol is unknown for too long. From then on the protocol's own
/// limits apply.
pub(super) struct PrefaceTimeout<S> {
    stream: S,
    /// How much of the preface has arrived, and the deadline for the rest.
    undecided: Option<(usize, Pin<Box<Sleep>>)>,
}

impl<S> PrefaceTimeout<S> {
    pub(super) fn new(stream: S, limit: Duration) -> Self {
        PrefaceTimeout { stream, undecided: Some((0, Box::pin(tokio::time::sleep(limit)))) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PrefaceTimeout<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let before = buffer.filled().len();
        let answer = Pin::new(&mut self.stream).poll_read(context, buffer);
        let Some((known, limit)) = &mut self.undecided else { return answer };
        if answer.is_pending() {
            return limit.as_mut().poll(context).map(|()| Err(ErrorKind::TimedOut.into()));
        }
        let come = buffer.filled().get(before..).unwrap_or_default();
        let expected = PREFACE.get(*known..).unwrap_or_default();
        if come.len() < expected.len() && expected.starts_with(come) {
            *known += come.len();
        } else {
            self.undecided = None;
        }
        answer
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PrefaceTimeout<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[std::io::IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// A stream that is closed if the peer reads nothing for too long.
pub(super) struct WriteTimeout<S> {
    stream: S,
    limit: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<S> WriteTimeout<S> {
    pub(super) fn new(stream: S, limit: Duration) -> Self {
        WriteTimeout { stream, limit, waiting: None }
    }

    /// Returns the result, or an error if the peer has not read for too long.
    fn judge<T>(&mut self, context: &mut Context<'_>, answer: Poll<Result<T>>) -> Poll<Result<T>> {
        if answer.is_ready() {
            self.waiting = None;
            return answer;
        }
        let limit = self.limit;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        match waiting.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteTimeout<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteTimeout<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        let answer = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(context, answer)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[std::io::IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let answer = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.judge(context, answer)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let answer = Pin::new(&mut self.stream).poll_flush(context);
        self.judge(context, answer)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let answer = Pin::new(&mut self.stream).poll_shutdown(context);
        self.judge(context, answer)
    }
}
