//! Fuzz targets for input over HTTP; see [`crate::fuzzing`].

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a property that does not hold panics"
)]

use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::time::Duration;

use arc_framing::{Container, Frame, Framer, Limits};
use axum::body::Body;
use axum::extract::{FromRequestParts, Request};
use axum::http::{HeaderMap, HeaderValue, header};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::answer::Failure;
use super::body::{self, Chunks};
use super::decoding;
use super::files::FileQuery;
use super::idempotency::Keys;
use super::memory_budget::MemoryBudget;
use super::parameters::{
    LimitQuery, OutcomesQuery, Parameters, RangeQuery, RecordQuery, SimulationsQuery, body_type,
    checked_scenario, wants_lines,
};
use super::reader::Reader;
use super::settings::{SETTINGS, ServiceSettings};
use super::simulations::parse;
use super::submitted_results::{self, BodyLimits};
use crate::recorder::{Document, SimulationStart, Submission, duration_hours};
use crate::wire;

/// How long a body can make no progress. All parts are ready.
const STALL: Duration = Duration::from_secs(60);

/// The memory budget of the service, in MiB.
const ROOM_MIB: u64 = 16;

/// The most bytes of a body.
const BODY_LIMIT_BYTES: u64 = 256 << 10;

/// The most results of a body.
const MOST_RESULTS: u64 = 20;

/// Runs a future that only waits for its turn.
fn wait<T>(future: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    }
    RUNTIME.with(|runtime| runtime.block_on(future))
}

/// Derives the sizes of the parts from the input.
fn mix(input: &[u8]) -> usize {
    input.iter().fold(7, |mix: usize, byte| mix.wrapping_mul(31) ^ usize::from(*byte))
}

/// Returns a body in parts of this many bytes.
fn in_parts(input: &[u8], part_bytes: usize) -> Body {
    let parts: Vec<_> =
        input.chunks(part_bytes.max(1)).map(|part| Ok::<_, Infallible>(part.to_vec())).collect();
    Body::from_stream(futures_util::stream::iter(parts))
}

/// Checks that the whole budget is available again.
fn all_is_given_back(room: &MemoryBudget) {
    let all = usize::try_from(ROOM_MIB << 20).unwrap();
    assert!(room.empty_permit().grow(all).is_ok(), "room is lost");
}

/// Checks that a refusal has a status that assigns the fault, and a message.
fn is_the_callers_fault(failure: &Failure) {
    let problem = &failure.problem;
    assert!((400..500).contains(&problem.status), "{problem:?}");
    assert!(!problem.detail.is_empty(), "{problem:?}");
}

/// The input is a JSON body: of requests as the service reads them, and of answers as the client does.
pub(crate) fn bodies(input: &[u8]) {
    same_again::<wire::ConfigurationRequest>(input);
    same_again::<wire::EndSimulationRequest>(input);
    same_again::<wire::ResultsMetadata>(input);
    same_again::<wire::NotFiniteBody>(input);
    same_again::<wire::ResultVerdict>(input);
    same_again::<wire::BatchVerdicts>(input);
    same_again::<wire::Problem>(input);
    same_again::<wire::SimulationList>(input);
    if let Some(request) = same_again::<wire::StartSimulationRequest>(input) {
        let start = SimulationStart::from(request);
        for text in [Some(&start.scenarios), start.metadata.as_ref()].into_iter().flatten() {
            assert!(serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok(), "{text}");
        }
    }
}

/// Checks that a value is the same after writing and reading.
fn same_again<T: DeserializeOwned + Serialize>(input: &[u8]) -> Option<T> {
    let value: T = match parse(input) {
        Ok(value) => value,
        Err(failure) => {
            is_the_callers_fault(&failure);
            return None;
        }
    };
    let text = serde_json::to_string(&value).expect("a value that was read can be written");
    let again: T = serde_json::from_str(&text).expect("a value that was written can be read");
    assert_eq!(serde_json::to_string(&again).unwrap(), text);
    Some(value)
}

/// The input is the JSON body of a recording request.
pub(crate) fn record(input: &[u8]) {
    let limits = Limits { max_document_bytes: 1 << 10, ..Limits::default() };
    let room = MemoryBudget::new(ROOM_MIB);
    let mut held = room.empty_permit();
    let chunks = Chunks::new(in_parts(input, 1 + mix(input) % 97), STALL);
    let most =
        BodyLimits { bytes: BODY_LIMIT_BYTES.max(input.len() as u64), results: MOST_RESULTS };
    let mut asked = Keys::begin(&HeaderMap::new(), "/").unwrap();
    let sent = wait(submitted_results::documents(chunks, limits, most, &mut held, &mut asked));
    drop(held);
    all_is_given_back(&room);
    let sent = match sent {
        Ok(sent) => sent,
        Err(failure) => return is_the_callers_fault(&failure),
    };
    let framed = frames(input, Container::Auto, limits);
    are_these(&sent.submissions, &framed);
    assert!(sent.submissions.len() as u64 <= MOST_RESULTS);
    assert!(!sent.single || sent.submissions.len() == 1);
    assert!(!sent.single || sent.header.is_none(), "one result has nothing beside it");
    for submission in &sent.submissions {
        for place in &submission.not_finite {
            let Document::Text(text) = &submission.document else { panic!("it is no text") };
            assert!(text[place.offset..].starts_with("null"), "{place:?} of {text}");
        }
    }
}

/// The input is a stream of lines, received in parts.
pub(crate) fn lines(input: &[u8]) {
    let limits = Limits { max_document_bytes: 1 << 10, ..Limits::default() };
    let room = MemoryBudget::new(ROOM_MIB);
    let chunks = Chunks::new(in_parts(input, 1 + mix(input) % 97), STALL);
    let mut reader = Reader::of(chunks, limits, BODY_LIMIT_BYTES, room.empty_permit());
    let mut submissions = Vec::new();
    while !reader.ended() {
        wait(async {
            if submissions.len().is_multiple_of(2) {
                reader.take_what_is_there().await;
            } else {
                reader.make_room().unwrap();
                reader.read().await;
            }
        });
        let (batch, held) = reader.take();
        submissions.extend(batch);
        drop(held);
    }
    submissions.extend(reader.take().0);
    match reader.into_failure() {
        Some(failure) => is_the_callers_fault(&failure),
        None => are_these(&submissions, &frames(input, Container::Lines, limits)),
    }
    all_is_given_back(&room);
}

fn frames(input: &[u8], container: Container, limits: Limits) -> Vec<Frame> {
    let mut framer = Framer::new(container, limits);
    framer.push(input).and_then(|()| framer.finish()).expect("it was framed before");
    std::iter::from_fn(|| framer.next_frame()).collect()
}

/// Checks that the submissions are the frames, in order and unchanged.
fn are_these(submissions: &[Submission], frames: &[Frame]) {
    assert_eq!(submissions.len(), frames.len());
    for (position, (submission, frame)) in submissions.iter().zip(frames).enumerate() {
        assert_eq!(submission.position, Some(position as u64));
        match &submission.document {
            Document::Text(text) => {
                assert_eq!(frame.problem, None);
                assert_eq!(text.as_bytes(), frame.bytes());
            }
            Document::Unreadable { bytes, length, violation } => {
                assert!(frame.problem.is_some_and(|problem| problem.code() == violation.code));
                assert_eq!((&**bytes, *length), (frame.bytes(), frame.length));
            }
        }
    }
}

/// The input is a body with `Content-Encoding: gzip`.
pub(crate) fn gzip(input: &[u8]) {
    compressed("gzip", input, |input| {
        let mut all = Vec::new();
        flate2::read::MultiGzDecoder::new(input).read_to_end(&mut all).map(|_| all)
    });
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(input).unwrap();
    comes_back("gzip", input, &packed.finish().unwrap());
}

/// The input is a body with `Content-Encoding: zstd`.
pub(crate) fn zstd(input: &[u8]) {
    compressed("zstd", input, |mut input| zstd::stream::decode_all(&mut input));
    comes_back("zstd", input, &zstd::stream::encode_all(input, 1).unwrap());
}

/// Checks that decompressed bytes are within the limit, the same for all sizes of parts, and the same
/// as those of the library for the whole body.
fn compressed(
    encoding: &'static str,
    input: &[u8],
    library: impl Fn(&[u8]) -> std::io::Result<Vec<u8>>,
) {
    let whole = decompressed(encoding, input, usize::MAX);
    let cut = decompressed(encoding, input, 1 + mix(input) % 17);
    match (whole, cut) {
        (Ok(bytes), Ok(cut)) => {
            assert!(bytes.len() as u64 <= BODY_LIMIT_BYTES, "{} bytes", bytes.len());
            assert!(bytes == cut, "the way it was cut matters");
            // An empty body is valid; it is not a broken frame.
            if !input.is_empty() {
                let expected = library(input).expect("an accepted body is complete");
                assert!(bytes == expected, "the library returns something else");
            }
        }
        (Err(failure), Err(cut)) => {
            is_the_callers_fault(&failure);
            // A body that is both too long and broken can be reported either way: a broken part returns
            // nothing.
            is_the_callers_fault(&cut);
        }
        (whole, cut) => panic!("whole: {whole:?}; cut: {cut:?}"),
    }
}

/// A compressed body is decompressed to the original.
fn comes_back(encoding: &'static str, input: &[u8], packed: &[u8]) {
    let bytes = decompressed(encoding, packed, 1 + mix(input) % 1_000).unwrap();
    assert!(bytes == input, "something else comes back");
}

fn decompressed(encoding: &'static str, input: &[u8], part: usize) -> Result<Vec<u8>, Failure> {
    let room = MemoryBudget::new(ROOM_MIB);
    let mut request = Request::new(in_parts(input, part.min(input.len())));
    request.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    let request = decoding::decode(&room, request)?;
    let chunks = Chunks::new(request.into_body(), STALL);
    let collected = wait(body::collected(chunks, room.empty_permit(), BODY_LIMIT_BYTES));
    let bytes = collected.map(|(bytes, _)| bytes);
    all_is_given_back(&room);
    bytes
}

/// The input is the query of a URL, or the value of a header.
pub(crate) fn queries(input: &[u8]) {
    if let Ok(value) = HeaderValue::from_bytes(input) {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, value.clone());
        headers.insert(header::ACCEPT, value);
        let _ = body_type(&headers).map_err(|failure| is_the_callers_fault(&failure));
        let _ = wants_lines(&headers).map_err(|failure| is_the_callers_fault(&failure));
    }
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Some(query) = query::<SimulationsQuery>(text) {
        let _ = LimitQuery { limit: query.limit }.checked(50);
    }
    if let Some(query) = query::<OutcomesQuery>(text)
        && let Ok(Some(scenario)) = checked_scenario(query.scenario_id)
    {
        assert!(!scenario.contains('\0'));
    }
    let _ = query::<FileQuery>(text);
    if let Some(RecordQuery { trial, .. }) = query::<RecordQuery>(text) {
        let same = query::<RecordQuery>(text).unwrap();
        assert_eq!(trial, same.trial);
    }
    if let Some(RangeQuery { range: Some(range) }) = query(text)
        && let Ok(hours) = duration_hours(&range)
    {
        assert!(hours > 0.0 && hours.is_finite(), "{range}: {hours}");
    }
    if let Some(query) = query::<LimitQuery>(text) {
        match query.checked(50) {
            Ok(limit) => assert!((1..=1_000).contains(&limit)),
            Err(failure) => is_the_callers_fault(&failure),
        }
    }
}

/// Parses a query as a handler does.
fn query<T: DeserializeOwned + Send>(text: &str) -> Option<T> {
    let request = Request::builder().uri(format!("/v1/x?{text}")).body(()).ok()?;
    let (mut parts, ()) = request.into_parts();
    match wait(Parameters::<T>::from_request_parts(&mut parts, &())) {
        Ok(Parameters(parameters)) => Some(parameters),
        Err(failure) => {
            is_the_callers_fault(&failure);
            None
        }
    }
}

/// The input is the text of a settings file, or options of the command line, a line each as
/// `name=value`.
pub(crate) fn settings(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let given: Vec<(String, String)> = text
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.trim().to_owned(), value.to_owned()))
        .collect();
    for read in [ServiceSettings::from_toml(text), ServiceSettings::read(None, &given)] {
        let settings = match read {
            Ok(settings) => settings,
            Err(error) => {
                assert!(!error.to_string().is_empty() && !error.retryable());
                continue;
            }
        };
        assert!(!settings.listen.is_empty() && settings.max_concurrent_requests > 0);
        let printed = settings.to_toml();
        let again = ServiceSettings::from_toml(&printed)
            .unwrap_or_else(|error| panic!("the printed value cannot be read: {error}\n{printed}"));
        assert_eq!(again, settings);
        let named = settings.values_by_name();
        assert_eq!(named.len(), SETTINGS.len());
    }
}
