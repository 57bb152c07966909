//! The results that the body of a request holds, found by the framing and not read.

use arc_framing::{Container, Framer, FramingError, Limits};
use axum::http::HeaderMap;

use super::answer::Failure;
use super::app::App;
use super::body::{Chunks, TURN_BYTES, too_large};
use super::idempotency::Asked;
use super::room::{Held, RESULT_BYTES};
use crate::recorder::{Document, Submission};
use crate::wire::{DOCUMENT_BYTES, ItemBody, Problem, ProblemCode};

/// How much memory a member of a list beside `results` takes.
const MEMBER_BYTES: usize = 64;

/// What a body holds.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) submissions: Vec<Submission>,
    /// Whether it is one result, and not a list with one.
    pub(super) single: bool,
    /// What is said once for all results.
    pub(super) header: Option<String>,
}

/// How much a body may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Most {
    pub(super) bytes: u64,
    pub(super) results: u64,
}

/// The documents of a JSON body, as the framing finds them while the body comes, so that it is never
/// in memory as a whole. A body with more than `most` is refused before its results take room.
///
/// # Errors
/// Where there are too many, or no room for them, or what stands beside them is wrong.
pub(super) async fn documents(
    mut chunks: Chunks,
    limits: Limits,
    most: Most,
    room: &mut Held,
    asked: &mut Asked,
) -> Result<Sent, Failure> {
    let mut framer = Framer::new(Container::Auto, limits);
    let mut submissions = Vec::new();
    let (mut come_bytes, mut framed_bytes, mut held_bytes) = (0_u64, 0, 0);
    let mut first = None;
    while let Some(chunk) = chunks.next().await? {
        come_bytes += chunk.len() as u64;
        if come_bytes > most.bytes {
            return Err(too_large(most.bytes).into());
        }
        first = first.or_else(|| chunk.iter().copied().find(|byte| !byte.is_ascii_whitespace()));
        for part in chunk.chunks(TURN_BYTES) {
            asked.take(part);
            framer.push(part).map_err(unreadable)?;
            take_frames(
                most.results,
                &mut framer,
                &mut submissions,
                &mut held_bytes,
                &mut framed_bytes,
            )?;
            // The document that has not come to its end, in a buffer that doubles.
            let open = usize::try_from(come_bytes - framed_bytes).unwrap_or(usize::MAX);
            room.grow(held_bytes + open.saturating_mul(2).min(limits.max_document_bytes))?;
        }
    }
    framer.finish().map_err(unreadable)?;
    take_frames(most.results, &mut framer, &mut submissions, &mut held_bytes, &mut framed_bytes)?;
    room.grow(held_bytes)?;
    if first.is_none() {
        return Err(Failure::new(
            ProblemCode::InvalidRequest,
            "the body is empty; it must hold one result, an array, or an object with `results`",
        ));
    }
    let header = match framer.envelope() {
        Some(envelope) => {
            has_room(envelope.text(), held_bytes, room)?;
            apply_envelope(&mut submissions, envelope.text())?
        }
        None => None,
    };
    let single = submissions.len() == 1 && framer.envelope().is_none() && first != Some(b'[');
    Ok(Sent { submissions, single, header })
}

/// Sees to it that there is room for what stands beside `results`, as it is when it was read: lists
/// of short texts take many times their own length.
///
/// # Errors
/// Where there is none, now or ever.
fn has_room(envelope: &str, held_bytes: usize, room: &mut Held) -> Result<(), Failure> {
    let members = envelope.bytes().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count();
    let bytes = held_bytes + 2 * envelope.len() + members.saturating_mul(MEMBER_BYTES);
    if !room.fits(bytes) {
        return Err(Failure::new(
            ProblemCode::BodyTooLarge,
            "what stands beside `results` takes more memory than bodies may; send fewer results at \
             once",
        ));
    }
    room.grow(bytes)
}

/// Takes the documents that are there.
///
/// # Errors
/// Where there are more than a body may have.
fn take_frames(
    limit: u64,
    framer: &mut Framer,
    submissions: &mut Vec<Submission>,
    held_bytes: &mut usize,
    framed_bytes: &mut u64,
) -> Result<(), Failure> {
    while let Some(frame) = framer.next_frame() {
        *framed_bytes = frame.offset + frame.length;
        let position = submissions.len() as u64;
        if position >= limit {
            return Err(Problem::new(
                ProblemCode::TooManyItems,
                format!(
                    "the body holds more than {limit} results; send fewer at once, or stream them \
                     as application/x-ndjson"
                ),
            )
            .limit(limit)
            .into());
        }
        let submission = Submission::from_frame(frame, position);
        *held_bytes += submission.document_bytes() + RESULT_BYTES;
        submissions.push(submission);
    }
    Ok(())
}

/// What stands beside `results`; gives the header of all of them.
fn apply_envelope(
    submissions: &mut [Submission],
    envelope: &str,
) -> Result<Option<String>, Failure> {
    let wrong = |detail: String| Failure::new(ProblemCode::InvalidRequest, detail);
    let beside: ItemBody = serde_json::from_str(envelope)
        .map_err(|error| wrong(format!("what stands beside `results` does not do: {error}")))?;
    let count = submissions.len();
    let lengths = [
        ("modal_call_ids", beside.modal_call_ids.as_ref().map(Vec::len)),
        ("sandbox_ids", beside.sandbox_ids.as_ref().map(Vec::len)),
        ("trials", beside.trials.as_ref().map(Vec::len)),
        ("not_finite", beside.not_finite.as_ref().map(Vec::len)),
    ];
    for (name, length) in lengths {
        if let Some(length) = length.filter(|length| *length != count) {
            return Err(wrong(format!(
                "{name} has {length} members for {count} results; it must have one for each"
            )));
        }
    }
    let ItemBody { modal_call_ids, sandbox_ids, trials, not_finite, header } = beside;
    let mut modal_call_ids = modal_call_ids.unwrap_or_default().into_iter();
    let mut sandbox_ids = sandbox_ids.unwrap_or_default().into_iter();
    let mut trials = trials.unwrap_or_default().into_iter();
    let mut not_finite = not_finite.unwrap_or_default().into_iter();
    for (position, submission) in submissions.iter_mut().enumerate() {
        submission.modal_call_id = modal_call_ids.next().flatten();
        submission.sandbox_id = sandbox_ids.next().flatten();
        submission.trial = trials.next().flatten();
        let (Some(places), Document::Text(text)) = (not_finite.next(), &submission.document) else {
            continue;
        };
        let found: Option<Vec<_>> = places.iter().map(|place| place.place(text)).collect();
        let Some(found) = found else {
            return Err(wrong(format!(
                "not_finite of result {position} names a place that holds no `null`, or a word \
                 other than NaN, Infinity and -Infinity"
            )));
        };
        if !found.is_sorted_by(|one, next| one.offset < next.offset) {
            return Err(wrong(format!("not_finite of result {position} is not in order")));
        }
        submission.not_finite = found;
    }
    // What is no JSON comes as a string.
    Ok(header.map(|header| match serde_json::from_str::<String>(header.get()) {
        Ok(text) => text,
        Err(_) => header.get().to_owned(),
    }))
}

/// A result that is the whole body, whatever it is.
pub(super) fn one_document(app: &App, headers: &HeaderMap, bytes: Vec<u8>) -> Sent {
    let limit = limits(app).max_document_bytes;
    let whole = headers.get(DOCUMENT_BYTES).and_then(|value| value.to_str().ok());
    let whole = whole.and_then(|value| value.parse::<u64>().ok());
    let mut submission = Submission::from_bytes(bytes, limit);
    if let Some(whole) = whole {
        submission.part_of(whole, limit);
    }
    Sent { submissions: vec![submission], single: true, header: None }
}

pub(super) fn limits(app: &App) -> Limits {
    Limits { max_document_bytes: app.recorder.extractor().limits().document_bytes }
}

pub(super) fn unreadable(error: FramingError) -> Failure {
    Failure::new(ProblemCode::InvalidRequest, format!("the body does not do: {error}"))
}
