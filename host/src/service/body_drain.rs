//! Draining request bodies that were not read to their end, because the request was refused.
//!
//! If the connection is closed while a client is still sending, many clients report that instead of the
//! answer: they read only after they have sent everything. The rest is therefore read for a moment and
//! discarded.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::{Version, header};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Frame, SizeHint};

use super::app::SharedApp;

/// How long the rest of a body is read.
const REST: Duration = Duration::from_secs(10);

/// How many bytes of it are read: more than most bodies exceed the limit by.
const REST_BYTES: usize = 256 << 20;

/// Adds reading of the rest of the body, in case the handler does not.
pub(super) fn drain_rest(app: &SharedApp, request: Request) -> Request {
    // HTTP/2 ends a stream without the connection, and reports that.
    if request.version() > Version::HTTP_11 || request.body().is_end_stream() {
        return request;
    }
    // A client that waits for `100 Continue` sends nothing after a refusal.
    let asks = request.headers().contains_key(header::EXPECT);
    let app = SharedApp::clone(app);
    request.map(|body| Body::new(DrainedBody { body: Some(body), app, leave: !asks }))
}

/// A body whose rest is read when it is dropped.
struct DrainedBody {
    body: Option<Body>,
    app: SharedApp,
    /// Whether the client sends the body without waiting, or was asked to send it.
    leave: bool,
}

impl HttpBody for DrainedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.leave = true;
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, HttpBody::size_hint)
    }
}

impl Drop for DrainedBody {
    fn drop(&mut self) {
        let rest = self.body.take().filter(|body| self.leave && !body.is_end_stream());
        // While the process ends there is no runtime.
        if let (Some(rest), Ok(runtime)) = (rest, tokio::runtime::Handle::try_current()) {
            let app = SharedApp::clone(&self.app);
            runtime.spawn(async move {
                tokio::select! {
                    () = app.stopped() => {}
                    _ = tokio::time::timeout(REST, throw_away(rest)) => {}
                }
            });
        }
    }
}

async fn throw_away(mut rest: Body) {
    let mut bytes = 0;
    while let Some(Ok(frame)) = rest.frame().await {
        bytes += frame.into_data().map_or(0, |part| part.len());
        if bytes > REST_BYTES {
            return;
        }
    }
}
