//! The least rate at which a body must arrive, or an answer must be read.
//!
//! A body with constant small progress could otherwise use its permit without limit. Only the time in
//! which the service waits for the body counts: a body that the service does not read, because it is
//! busy, is never too slow.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use super::decoding::BodyRefusal;
use crate::wire::{Problem, ProblemCode};

/// A body that is aborted when it arrives more slowly than a rate.
pub(super) struct MinRateBody {
    body: Body,
    rate: MinRate,
    setting: &'static str,
    /// The start of the wait for the next part.
    waiting_since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl MinRateBody {
    /// `grace` is how long the body can send nothing at its start, and how much time it can save up;
    /// `setting` is the source of the rate.
    pub(super) fn new(
        body: Body,
        bytes_per_second: u64,
        grace: Duration,
        setting: &'static str,
    ) -> Self {
        let rate = MinRate::new(bytes_per_second, grace);
        MinRateBody { body, rate, setting, waiting_since: None, timer: None }
    }

    fn too_slow(&self) -> BodyRefusal {
        let MinRate { bytes_per_second: rate, grace, .. } = self.rate;
        let (seconds, setting) = (grace.as_secs(), self.setting);
        BodyRefusal(
            Problem::new(
                ProblemCode::BodyTimeout,
                format!(
                    "the body came more slowly than {rate} bytes a second for {seconds} s \
                     ({setting}, body_idle_timeout_seconds)"
                ),
            )
            .limit(rate)
            .into(),
        )
    }
}

impl HttpBody for MinRateBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            if let Some(since) = this.waiting_since.take() {
                let bytes = match &frame {
                    Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len),
                    _ => 0,
                };
                this.rate.after(since.elapsed(), bytes);
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(BoxError::from)));
        }
        if this.waiting_since.is_none() {
            let now = Instant::now();
            this.waiting_since = Some(now);
            let until = now + this.rate.left;
            match &mut this.timer {
                Some(timer) => timer.as_mut().reset(until),
                none => *none = Some(Box::pin(tokio::time::sleep_until(until))),
            }
        }
        let expired =
            this.timer.as_mut().is_some_and(|timer| timer.as_mut().poll(context).is_ready());
        match expired {
            true => Poll::Ready(Some(Err(Box::new(this.too_slow())))),
            false => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The remaining time for the peer: each byte adds time, and waiting uses it.
#[derive(Debug)]
pub(super) struct MinRate {
    bytes_per_second: u64,
    grace: Duration,
    left: Duration,
}

impl MinRate {
    /// `grace` is how long nothing can happen at the start, and how much time can be saved up.
    pub(super) fn new(bytes_per_second: u64, grace: Duration) -> Self {
        MinRate { bytes_per_second, grace, left: grace }
    }

    /// Returns how long the next bytes can take.
    pub(super) fn left(&self) -> Duration {
        self.left
    }

    /// Records that this many bytes were transferred after this time.
    pub(super) fn after(&mut self, waited: Duration, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let rate = u32::try_from(self.bytes_per_second.max(1)).unwrap_or(u32::MAX);
        let bought = Duration::from_secs(1).saturating_mul(bytes) / rate;
        self.left = self.left.saturating_sub(waited).saturating_add(bought).min(self.grace);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_add_time_and_none_is_saved_beyond_the_grace() {
        let second = Duration::from_secs(1);
        let grace = 30 * second;
        let mut rate = MinRate::new(1_000, grace);
        rate.after(10 * second, 10_000);
        assert_eq!(rate.left, 30 * second);
        rate.after(Duration::ZERO, 1 << 30);
        assert_eq!(rate.left, 30 * second);
        // At one byte every ten seconds, the time runs out.
        for _ in 0..3 {
            rate.after(10 * second, 1);
        }
        assert!(rate.left < Duration::from_millis(10), "{rate:?}");
        rate.after(10 * second, 1);
        assert!(rate.left <= Duration::from_millis(1), "{rate:?}");
    }

    #[tokio::test]
    async fn a_slow_body_is_aborted_and_one_that_is_not_read_is_not() {
        use http_body_util::BodyExt as _;
        let drip = |every: Duration| {
            Body::from_stream(futures_util::stream::unfold((), move |()| async move {
                tokio::time::sleep(every).await;
                Some((Ok::<_, std::convert::Infallible>(Bytes::from_static(b"x")), ()))
            }))
        };
        let grace = Duration::from_millis(200);
        let mut slow = MinRateBody::new(drip(Duration::from_millis(10)), 1_024, grace, "rate");
        let error = loop {
            if let Err(error) = slow.frame().await.unwrap() {
                break error;
            }
        };
        let refused = error.downcast::<BodyRefusal>().unwrap();
        assert_eq!(refused.0.problem.code, ProblemCode::BodyTimeout);
        assert!(refused.0.problem.detail.contains("(rate, body_idle_timeout_seconds)"));
        // The time in which the service does not read is not counted.
        let mut quick = MinRateBody::new(drip(Duration::ZERO), 1, grace, "rate");
        for _ in 0..10 {
            quick.frame().await.unwrap().unwrap();
            tokio::time::sleep(grace / 4).await;
        }
    }
}
