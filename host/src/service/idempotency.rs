//! The header `Idempotency-Key`: a request that is repeated with its key gets the first answer.
//!
//! Retries are safe without it, because ids are derived from content; with it, the answer to a retry is
//! identical (`stored`, not `duplicate`). Keys are stored in memory: the latest [`KEPT`] with answers
//! of at most [`LONGEST`] bytes, and [`KEPT_BYTES`] in total. After a restart, or for an older or
//! longer answer, the request is processed again, which is safe too.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard};

use axum::body::{Body, HttpBody as _};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use utoipa::IntoParams;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};

use super::answer::{Answer, Failure, ResultFailures};
use crate::lock::lock;
use crate::wire::{Problem, ProblemCode};

/// The most stored answers.
const KEPT: usize = 4_096;

/// The longest stored answer, in bytes.
const LONGEST: usize = 64 << 10;

/// The most bytes of all stored answers: most are small.
const KEPT_BYTES: usize = 16 << 20;

/// The longest key in bytes.
const LONGEST_KEY: usize = 255;

/// The keys of the latest requests.
#[derive(Debug, Default)]
pub(super) struct Keys {
    kept: Mutex<ResponseCache>,
}

#[derive(Debug, Default)]
struct ResponseCache {
    known: HashMap<String, CachedResponse>,
    order: VecDeque<String>,
    bytes: usize,
}

/// A request with a key, as far as its body has been read.
#[derive(Debug)]
pub(super) struct IdempotentRequest(Option<(String, Sha256)>);

impl IntoParams for IdempotentRequest {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let text = ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
            .min_length(Some(1))
            .max_length(Some(LONGEST_KEY))
            .pattern(Some("^[!-~]+$"));
        let described = ParameterBuilder::new()
            .name("Idempotency-Key")
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some("A retry with the same key gets the first answer"))
            .schema(Some(text));
        vec![described.build()]
    }
}

impl IdempotentRequest {
    /// Takes the next part of the body.
    pub(super) fn take(&mut self, part: &[u8]) {
        if let IdempotentRequest(Some((_, digest))) = self {
            digest.update(part);
        }
    }
}

#[derive(Debug)]
struct CachedResponse {
    request: [u8; 32],
    /// `None` while the request is in progress.
    answer: Option<(StatusCode, HeaderValue, Bytes)>,
}

/// Removes the key of a request that ended without an answer to store.
struct PendingResponse<'k> {
    keys: &'k Keys,
    key: Option<String>,
}

impl Drop for PendingResponse<'_> {
    fn drop(&mut self) {
        if let Some(key) = &self.key {
            self.keys.kept().known.remove(key);
        }
    }
}

impl Keys {
    fn kept(&self) -> MutexGuard<'_, ResponseCache> {
        lock(&self.kept)
    }

    /// Begins a request of this path, whose body is read next.
    ///
    /// # Errors
    /// If its key is not valid.
    pub(super) fn begin(headers: &HeaderMap, path: &str) -> Result<IdempotentRequest, Failure> {
        let Some(key) = headers.get("idempotency-key") else { return Ok(IdempotentRequest(None)) };
        let key = key.to_str().ok().filter(|key| (1..=LONGEST_KEY).contains(&key.len()));
        let Some(key) = key else {
            return Err(Failure::new(
                ProblemCode::InvalidRequest,
                format!("an Idempotency-Key is 1 to {LONGEST_KEY} bytes of visible ASCII"),
            ));
        };
        // The same key of another client is a different key.
        let holder = headers.get(header::AUTHORIZATION).map_or(&b""[..], HeaderValue::as_bytes);
        let mut digest = Sha256::new();
        for part in [holder, path.as_bytes()] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        let holder: [u8; 32] = Sha256::digest(holder).into();
        let holder: String = holder.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Ok(IdempotentRequest(Some((format!("{holder} {key}"), digest))))
    }

    /// Returns the answer to a request whose body was read: the first answer, if its key is known.
    pub(super) async fn once(
        &self,
        asked: IdempotentRequest,
        answer: Pin<Box<dyn Future<Output = Answer> + Send + '_>>,
    ) -> Answer {
        let IdempotentRequest(Some((key, digest))) = asked else { return answer.await };
        if let Some(first) = self.known(&key, digest.finalize().into())? {
            return Ok(first);
        }
        let mut under_way = PendingResponse { keys: self, key: Some(key.clone()) };
        let response = answer.await?;
        // Errors that a retry can change are not stored, and neither are long answers.
        let worth = response.status().is_success()
            && response.extensions().get::<ResultFailures>().is_none()
            && response.body().size_hint().exact().is_some_and(|bytes| bytes <= LONGEST as u64);
        let kind = response.headers().get(header::CONTENT_TYPE).cloned();
        let Some(kind) = kind.filter(|_| worth) else { return Ok(response) };
        let (parts, body) = response.into_parts();
        let bytes = match axum::body::to_bytes(body, usize::MAX).await {
            // A copy, because the answer's own bytes reserve memory of the budget.
            Ok(bytes) => Bytes::copy_from_slice(&bytes),
            Err(_) => Bytes::new(),
        };
        self.keep(&key, (parts.status, kind, bytes.clone()));
        under_way.key = None;
        Ok(Response::from_parts(parts, Body::from(bytes)))
    }

    /// Returns the first answer to the same request; `None` if this is the first.
    fn known(&self, key: &str, request: [u8; 32]) -> Result<Option<Response<Body>>, Failure> {
        let mut kept = self.kept();
        match kept.known.get(key) {
            Some(known) if known.request != request => Err(Failure::new(
                ProblemCode::IdempotencyKeyReused,
                "this Idempotency-Key came with another request before",
            )
            .hint("make a new key for each")),
            Some(CachedResponse { answer: None, .. }) => Err(Problem::new(
                ProblemCode::IdempotencyKeyInUse,
                "the first request with this Idempotency-Key is still in progress",
            )
            .hint("ask again later")
            .retry_after(1)
            .into()),
            Some(CachedResponse { answer: Some((status, kind, bytes)), .. }) => {
                let mut response = Response::new(Body::from(bytes.clone()));
                *response.status_mut() = *status;
                response.headers_mut().insert(header::CONTENT_TYPE, kind.clone());
                response
                    .headers_mut()
                    .insert("idempotent-replayed", HeaderValue::from_static("true"));
                Ok(Some(response))
            }
            None => {
                kept.known.insert(key.to_owned(), CachedResponse { request, answer: None });
                Ok(None)
            }
        }
    }

    fn keep(&self, key: &str, answer: (StatusCode, HeaderValue, Bytes)) {
        let mut kept = self.kept();
        if let Some(known) = kept.known.get_mut(key) {
            let bytes = answer.2.len();
            known.answer = Some(answer);
            kept.order.push_back(key.to_owned());
            kept.bytes += bytes;
        }
        while kept.order.len() > KEPT || kept.bytes > KEPT_BYTES {
            let Some(oldest) = kept.order.pop_front() else { break };
            let known = kept.known.remove(&oldest);
            kept.bytes -= known.and_then(|known| known.answer).map_or(0, |(.., bytes)| bytes.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_answers_are_bounded_in_number_and_in_bytes() {
        let keys = Keys::default();
        let keep = |number: usize, length: usize| {
            let key = number.to_string();
            assert!(keys.known(&key, [0; 32]).unwrap().is_none());
            let kind = HeaderValue::from_static("application/json");
            keys.keep(&key, (StatusCode::OK, kind, Bytes::from(vec![b' '; length])));
        };
        (0..2_000).for_each(|number| keep(number, LONGEST));
        let kept = |key: &str| keys.kept().known.contains_key(key);
        assert_eq!(keys.kept().order.len(), KEPT_BYTES / LONGEST);
        assert!(kept("1999") && !kept("0"));
        (2_000..2_000 + KEPT).for_each(|number| keep(number, 2));
        assert_eq!(keys.kept().order.len(), KEPT);
        assert_eq!(keys.kept().bytes, 2 * KEPT);
        assert!(kept("2000") && !kept("1999"));
    }
}
