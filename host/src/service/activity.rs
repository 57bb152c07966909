//! The activity of an HTTP/2 connection, which is closed if it is idle.
//!
//! For HTTP/1.1, hyper has its own limits; with HTTP/2 a client could keep a connection open without
//! limit by answering pings, or block an answer by never reading it.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::time::Instant;

use crate::lock::lock;

/// The state of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Requests are in progress, or were recently, or the protocol has its own limits.
    Busy,
    /// No request has been in progress for too long.
    Idle,
    /// A client has not read an answer for too long.
    Stalled,
}

/// The activity of a connection.
#[derive(Debug)]
pub(super) struct Activity {
    state: Mutex<Requests>,
}

#[derive(Debug)]
struct Requests {
    is_http1: bool,
    next: u64,
    /// For each request in progress: since when the client has not read the answer.
    under_way: HashMap<u64, Option<Instant>>,
    /// When the last one ended, or the connection began.
    idle_since: Instant,
}

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        let requests = Requests {
            is_http1: false,
            next: 0,
            under_way: HashMap::new(),
            idle_since: Instant::now(),
        };
        Arc::new(Activity { state: Mutex::new(requests) })
    }

    fn requests(&self) -> MutexGuard<'_, Requests> {
        lock(&self.state)
    }

    /// Records that the connection uses HTTP/1.1.
    pub(super) fn is_http1(&self) {
        self.requests().is_http1 = true;
    }

    /// Counts a request that has arrived; it is in progress until the value is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> ActiveRequest {
        let mut requests = self.requests();
        let number = requests.next;
        requests.next += 1;
        requests.under_way.insert(number, None);
        drop(requests);
        ActiveRequest { activity: Arc::clone(self), number }
    }

    /// Returns the state of the connection with these limits for idle connections and unread answers.
    pub(super) fn state(&self, idle: Duration, stalled: Duration) -> State {
        let requests = self.requests();
        if requests.is_http1 {
            return State::Busy;
        }
        if requests.under_way.is_empty() {
            let is_idle = requests.idle_since.elapsed() >= idle;
            return if is_idle { State::Idle } else { State::Busy };
        }
        let waits = |since: &Instant| since.elapsed() >= stalled;
        match requests.under_way.values().flatten().any(waits) {
            true => State::Stalled,
            false => State::Busy,
        }
    }
}

/// A request in progress.
#[derive(Debug)]
pub(super) struct ActiveRequest {
    activity: Arc<Activity>,
    number: u64,
}

impl ActiveRequest {
    /// The body of the answer; the request ends with it.
    pub(super) fn answered(self, body: Body) -> Body {
        // If a client's window is closed from the start, the first part is never polled.
        self.waits_for_client(Some(Instant::now()));
        Body::new(AnswerBody { body, request: self })
    }

    fn waits_for_client(&self, since: Option<Instant>) {
        if let Some(waiting) = self.activity.requests().under_way.get_mut(&self.number) {
            *waiting = since;
        }
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        let mut requests = self.activity.requests();
        requests.under_way.remove(&self.number);
        requests.idle_since = Instant::now();
    }
}

struct AnswerBody {
    body: Body,
    request: ActiveRequest,
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        // The next part is polled when the client has read some of this one.
        let since = frame.is_ready().then(Instant::now);
        self.request.waits_for_client(since);
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn a_connection_is_idle_busy_or_stalled() {
        const LONG: Duration = Duration::from_secs(3_600);
        let activity = Activity::new();
        assert_eq!(activity.state(LONG, LONG), State::Busy);
        assert_eq!(activity.state(Duration::ZERO, LONG), State::Idle);
        let request = activity.begin();
        assert_eq!(activity.state(Duration::ZERO, Duration::ZERO), State::Busy);
        let parts = futures_util::stream::iter([Ok::<_, std::io::Error>("a"), Ok("b")])
            .chain(futures_util::stream::pending());
        let mut body = request.answered(Body::from_stream(parts));
        assert_eq!(activity.state(Duration::ZERO, Duration::ZERO), State::Stalled);
        for _ in 0..2 {
            body.frame().await.unwrap().unwrap();
            assert_eq!(activity.state(Duration::ZERO, LONG), State::Busy);
            assert_eq!(activity.state(Duration::ZERO, Duration::ZERO), State::Stalled);
        }
        // An answer that is not ready is not the client's fault.
        let more = futures_util::FutureExt::now_or_never(body.frame());
        assert!(more.is_none());
        assert_eq!(activity.state(Duration::ZERO, Duration::ZERO), State::Busy);
        drop(body);
        assert_eq!(activity.state(Duration::ZERO, LONG), State::Idle);
        activity.is_http1();
        assert_eq!(activity.state(Duration::ZERO, Duration::ZERO), State::Busy);
    }
}
