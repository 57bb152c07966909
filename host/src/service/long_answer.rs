//! Long answers: sent in parts, with the memory that they use, and within a time limit.
//!
//! hyper takes a part of a body when it has room for it, so a body that is passed as a whole is held by
//! hyper, without accounting. Memory that is reserved here is released when the last part has been
//! taken, or when the client has taken none for too long, or all of them too slowly: over HTTP/2 the
//! connection continues then, and nothing else would notice.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::Response;
use bytes::{Buf as _, Bytes};
use hyper::body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::answer::CompressionOptOut;
use super::memory_budget::MemoryPermit;
use super::min_rate::MinRate;
use crate::lock::lock;

/// A longer answer is sent in parts of this many bytes.
pub(super) const PART_BYTES: usize = 64 << 10;

/// How fast a client must read an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct AnswerPace {
    /// How long the client can take nothing.
    pub(super) stall: Duration,
    /// The least rate, over `stall`; 0 is no limit. A stream has none: its reader can do work for each
    /// line.
    pub(super) min_bytes_per_second: u64,
}

/// Text with its reserved memory, which is released with the last of its bytes.
pub(super) fn with_room(text: Vec<u8>, mut room: MemoryPermit) -> Bytes {
    drop(room.split_off(text.capacity()));
    Bytes::from_owner(WithRoom { text, _room: room })
}

struct WithRoom {
    text: Vec<u8>,
    _room: MemoryPermit,
}

impl AsRef<[u8]> for WithRoom {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

/// Sends an answer in parts if it is long or of unknown length. One of known length keeps the request's
/// permit until it has been sent: a stream has one of its own. A client that accepts compressed answers
/// gets it compressed if a compressor is free.
pub(super) fn in_parts(
    mut response: Response<Body>,
    place: Option<impl Send + 'static>,
    mut pace: AnswerPace,
    compressors: Option<&Arc<Semaphore>>,
) -> Response<Body> {
    let place = match response.body().size_hint().exact() {
        Some(length) if length <= PART_BYTES as u64 => return response,
        Some(_) => place.map(|place| -> Place { Box::new(place) }),
        None => {
            pace.min_bytes_per_second = 0;
            None
        }
    };
    let compressor = compressors.and_then(|free| Arc::clone(free).try_acquire_owned().ok());
    if compressors.is_some() && compressor.is_none() {
        response.extensions_mut().insert(CompressionOptOut);
    }
    response.map(|body| Body::new(LongAnswer::new(body, place, pace, compressor)))
}

/// The body of an answer that goes out in parts.
struct LongAnswer {
    rest: Arc<Mutex<Option<Rest>>>,
    watch: AbortHandle,
    /// The compressor is outside of this, and lives as long.
    _compressor: Option<OwnedSemaphorePermit>,
}

/// The request's place, which is free again when this is dropped.
type Place = Box<dyn Send>;

/// The part that has not been sent yet. Dropping it releases all of its memory.
struct Rest {
    body: Body,
    /// The part of the body that has arrived and has not been sent.
    come: Bytes,
    /// Since when the client could take more: not while the answer itself is waited for.
    since: Option<Instant>,
    /// How long the client can take for the last part.
    rate: Option<MinRate>,
    /// The bytes of the last part that went out.
    out_bytes: usize,
    _place: Option<Place>,
}

impl LongAnswer {
    fn new(
        body: Body,
        place: Option<Place>,
        pace: AnswerPace,
        compressor: Option<OwnedSemaphorePermit>,
    ) -> Self {
        let AnswerPace { stall, min_bytes_per_second } = pace;
        let rest = Rest {
            body,
            come: Bytes::new(),
            since: Some(Instant::now()),
            rate: (min_bytes_per_second > 0).then(|| MinRate::new(min_bytes_per_second, stall)),
            out_bytes: 0,
            _place: place,
        };
        let rest = Arc::new(Mutex::new(Some(rest)));
        let watch = tokio::spawn(abort_stalled(Arc::clone(&rest), stall)).abort_handle();
        LongAnswer { rest, watch, _compressor: compressor }
    }
}

impl Drop for LongAnswer {
    fn drop(&mut self) {
        self.watch.abort();
        // The task that holds it, too, ends a moment later.
        drop(lock(&self.rest).take());
    }
}

/// Drops the rest of an answer if the client takes nothing for this long, or less than the least rate.
async fn abort_stalled(rest: Arc<Mutex<Option<Rest>>>, limit: Duration) {
    let mut look_at = Instant::now() + limit;
    loop {
        tokio::time::sleep_until(look_at).await;
        let mut rest = lock(&rest);
        let Some(held) = rest.as_ref() else { return };
        let limit = held.rate.as_ref().map_or(limit, |rate| limit.min(rate.left()));
        let until = held.since.unwrap_or_else(Instant::now) + limit;
        if until <= Instant::now() {
            drop(rest.take());
            return;
        }
        look_at = until;
    }
}

impl HttpBody for LongAnswer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut rest = lock(&self.rest);
        if let Some(held) = rest.as_mut()
            && held.was_taken_in_time()
        {
            let polled = held.poll_part(context);
            held.since = polled.is_ready().then(Instant::now);
            if let Poll::Ready(Some(Ok(frame))) = &polled {
                held.out_bytes = frame.data_ref().map_or(0, Bytes::len);
            }
            return polled;
        }
        drop(rest.take());
        let error = "the client has read the answer too slowly";
        Poll::Ready(Some(Err(axum::Error::new(error))))
    }

    fn is_end_stream(&self) -> bool {
        lock(&self.rest)
            .as_ref()
            .is_some_and(|held| held.come.is_empty() && held.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        lock(&self.rest).as_ref().map_or_else(SizeHint::default, |held| {
            let come = held.come.len() as u64;
            let body = held.body.size_hint();
            let mut hint = SizeHint::new();
            if let Some(upper) = body.upper() {
                hint.set_upper(upper + come);
            }
            hint.set_lower(body.lower() + come);
            hint
        })
    }
}

impl Rest {
    /// Whether the client has taken the last part fast enough, which is asked for the next one now.
    fn was_taken_in_time(&mut self) -> bool {
        let (Some(since), Some(rate)) = (self.since.take(), &mut self.rate) else { return true };
        let (waited, left) = (since.elapsed(), rate.left());
        rate.after(waited, std::mem::take(&mut self.out_bytes));
        waited <= left
    }

    fn poll_part(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        while self.come.is_empty() {
            let frame = match std::task::ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                other => return Poll::Ready(other),
            };
            match frame.into_data() {
                Ok(come) if come.len() <= PART_BYTES => {
                    return Poll::Ready(Some(Ok(Frame::data(come))));
                }
                Ok(come) => self.come = come,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
        // A copy: a part of the whole would keep all of it in memory until it is out.
        let part = Bytes::copy_from_slice(
            self.come.get(..PART_BYTES.min(self.come.len())).unwrap_or_default(),
        );
        self.come.advance(part.len());
        if self.come.is_empty() {
            self.come = Bytes::new();
        }
        Poll::Ready(Some(Ok(Frame::data(part))))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::super::memory_budget::MemoryBudget;
    use super::*;

    /// How long a client can take nothing, in the tests.
    const LIMIT: Duration = Duration::from_millis(50);

    /// Of these a part buys hours.
    const PATIENT: AnswerPace =
        AnswerPace { stall: Duration::from_secs(60), min_bytes_per_second: 1 };

    const fn stall(stall: Duration) -> AnswerPace {
        AnswerPace { stall, min_bytes_per_second: 0 }
    }

    async fn long(pace: AnswerPace, mib: usize) -> (Body, MemoryBudget, Arc<Semaphore>) {
        let (room, places) = (MemoryBudget::new(8), Arc::new(Semaphore::new(1)));
        let text: Vec<u8> = (0..mib << 20).map(|place| place.to_le_bytes()[1]).collect();
        let body = with_room(text, room.wait(8 << 20).await);
        let place = Arc::clone(&places).try_acquire_owned().unwrap();
        let response = in_parts(Response::new(Body::from(body)), Some(place), pace, None);
        (response.into_body(), room, places)
    }

    fn all_is_back(room: &MemoryBudget, places: &Semaphore) -> bool {
        places.available_permits() == 1 && room.empty_permit().grow(8 << 20).is_ok()
    }

    #[tokio::test]
    async fn a_long_answer_keeps_its_permit_and_its_memory_until_its_last_part() {
        let (mut body, room, places) = long(PATIENT, 3).await;
        assert_eq!(body.size_hint().exact(), Some(3 << 20));
        // What its text does not take is free at once.
        assert!(room.empty_permit().grow(5 << 20).is_ok());
        let mut come = Vec::new();
        while come.len() < 3 << 20 {
            assert!(!all_is_back(&room, &places), "{}", come.len());
            let part = body.frame().await.unwrap().unwrap().into_data().unwrap();
            assert!(part.len() <= PART_BYTES);
            come.extend_from_slice(&part);
        }
        assert!(come.iter().enumerate().all(|(place, byte)| *byte == place.to_le_bytes()[1]));
        // Its bytes are gone before the last part is.
        assert!(room.empty_permit().grow(8 << 20).is_ok());
        drop(body);
        assert!(all_is_back(&room, &places));
    }

    #[tokio::test]
    async fn a_client_that_reads_nothing_for_too_long_gets_no_more() {
        let (mut body, room, places) = long(stall(LIMIT), 3).await;
        body.frame().await.unwrap().unwrap();
        let given_back = async {
            while !all_is_back(&room, &places) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), given_back)
            .await
            .expect("the memory is released");
        assert!(body.frame().await.unwrap().is_err());
    }

    #[tokio::test]
    async fn a_client_that_reads_too_slowly_gets_no_more() {
        // No client is this fast, so that only the time that is granted at the start counts.
        let pace = AnswerPace { stall: LIMIT * 2, min_bytes_per_second: u64::from(u32::MAX) };
        let read = async |body: &mut Body| {
            for _ in 0..48 {
                // Never as long as the limit of taking nothing.
                tokio::time::sleep(LIMIT / 4).await;
                body.frame().await.unwrap()?;
            }
            Ok::<_, axum::Error>(())
        };
        let (mut body, room, places) = long(pace, 3).await;
        let error = read(&mut body).await.unwrap_err();
        assert!(error.to_string().contains("too slowly"), "{error}");
        assert!(all_is_back(&room, &places), "also while the connection is open");
    }

    #[tokio::test]
    async fn an_answer_without_a_free_compressor_is_sent_uncompressed() {
        let (places, compressors) = (Arc::new(Semaphore::new(2)), Arc::new(Semaphore::new(1)));
        let answer = || {
            let place = Arc::clone(&places).try_acquire_owned().unwrap();
            let long = Response::new(Body::from(vec![0; 2 * PART_BYTES]));
            in_parts(long, Some(place), PATIENT, Some(&compressors))
        };
        let is_compressed =
            |answer: &Response<Body>| answer.extensions().get::<CompressionOptOut>().is_none();
        let first = answer();
        assert!(is_compressed(&first) && !is_compressed(&answer()));
        drop(first);
        assert!(is_compressed(&answer()));
    }

    #[tokio::test]
    async fn waiting_for_an_answer_does_not_count_against_the_client() {
        let slow = futures_util::stream::once(async {
            tokio::time::sleep(LIMIT * 4).await;
            Ok::<_, std::convert::Infallible>(Bytes::from_static(b"late"))
        });
        let places = Arc::new(Semaphore::new(1));
        let place = Arc::clone(&places).try_acquire_owned().unwrap();
        let response =
            in_parts(Response::new(Body::from_stream(slow)), Some(place), stall(LIMIT), None);
        assert_eq!(places.available_permits(), 1, "a stream has a place of its own");
        let collected = response.into_body().collect().await.unwrap();
        assert_eq!(collected.to_bytes(), "late");
    }
}
