//! The results of a request's body, found by framing, without parsing.

use arc_framing::{Container, Framer, FramingError, Limits};
use axum::http::HeaderMap;

use super::answer::Failure;
use super::app::App;
use super::body::{Chunks, TURN_BYTES, too_large};
use super::idempotency::IdempotentRequest;
use super::memory_budget::{MemoryPermit, RESULT_BYTES};
use super::request_metadata::{RequestMetadata, read_metadata};
use crate::blocking::blocking;
use crate::documents;
use crate::recorder::{Document, Submission};
use crate::wire::{DOCUMENT_BYTES, HEADER_BYTES, Problem, ProblemCode};

/// The memory for a member of a list beside `results`.
const MEMBER_BYTES: usize = 64;

/// The contents of a body.
#[derive(Debug)]
pub(super) struct SubmittedResults {
    pub(super) submissions: Vec<Submission>,
    /// Whether it is a single result rather than a list with one.
    pub(super) single: bool,
    /// The header that all results share.
    pub(super) header: Option<String>,
}

/// The limits of a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyLimits {
    pub(super) bytes: u64,
    pub(super) results: u64,
}

/// Frames the documents of a JSON body while it arrives, so that it is never in memory as a whole. A
/// body with more than `most` is refused before its results use memory. The members next to the results
/// can use all available memory: all of them are applied, or the request is refused.
///
/// # Errors
/// If there are too many documents, or no memory for them, or if a member next to them is invalid or
/// incomplete.
pub(super) async fn documents(
    mut chunks: Chunks,
    limits: Limits,
    most: BodyLimits,
    room: &mut MemoryPermit,
    asked: &mut IdempotentRequest,
) -> Result<SubmittedResults, Failure> {
    // The separators between the members can be longer in the copy than in the body.
    let longest = usize::try_from(most.bytes).unwrap_or(usize::MAX).saturating_mul(2);
    let limits = Limits { max_envelope_bytes: longest, ..limits };
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
            whole_envelope(&framer)?;
            take_frames(
                most.results,
                &mut framer,
                &mut submissions,
                &mut held_bytes,
                &mut framed_bytes,
            )?;
            // The unfinished document, in a buffer that doubles, and the members next to the documents.
            let open = usize::try_from(come_bytes - framed_bytes).unwrap_or(usize::MAX);
            let doubled = open.min(limits.max_document_bytes);
            room.grow(held_bytes.saturating_add(open).saturating_add(doubled))?;
        }
    }
    framer.finish().map_err(unreadable)?;
    whole_envelope(&framer)?;
    take_frames(most.results, &mut framer, &mut submissions, &mut held_bytes, &mut framed_bytes)?;
    room.grow(held_bytes)?;
    if first.is_none() {
        return Err(Failure::new(
            ProblemCode::InvalidRequest,
            "the body is empty; it must hold one result, an array, or an object with `results`",
        ));
    }
    if let Some(envelope) = framer.envelope() {
        has_room(envelope.text(), held_bytes, room)?;
    }
    let envelope = framer.envelope().map(|envelope| envelope.text().to_owned());
    let single = submissions.len() == 1 && envelope.is_none() && first != Some(b'[');
    let Some(envelope) = envelope else {
        return Ok(SubmittedResults { submissions, single, header: None });
    };
    drop(framer);
    // A long body takes a while to parse; other tasks run in between.
    let (submissions, header) = if envelope.len() > TURN_BYTES {
        blocking(move || apply_envelope(submissions, &envelope)).await??
    } else {
        apply_envelope(submissions, &envelope)?
    };
    Ok(SubmittedResults { submissions, single, header })
}

/// Checks that no member next to the results was left out.
///
/// # Errors
/// If one was: it might distinguish one result from another.
fn whole_envelope(framer: &Framer) -> Result<(), Failure> {
    let Some(problem) = framer.envelope().and_then(arc_framing::Envelope::problem) else {
        return Ok(());
    };
    Err(Failure::new(
        ProblemCode::EnvelopeIncomplete,
        format!("{problem}; nothing of this request was recorded"),
    )
    .hint("send it whole"))
}

/// Reserves memory for the parsed members next to `results`: lists of short texts take many times their
/// own length. Called before they are copied.
///
/// # Errors
/// If there is not enough, now or ever.
fn has_room(envelope: &str, held_bytes: usize, room: &mut MemoryPermit) -> Result<(), Failure> {
    let members = envelope.bytes().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count();
    let bytes = held_bytes + 2 * envelope.len() + members.saturating_mul(MEMBER_BYTES);
    if !room.fits(bytes) {
        let limit = room.most_bytes();
        return Err(Problem::new(
            ProblemCode::BodyTooLarge,
            format!(
                "the results and the members next to them take {bytes} bytes of memory, and bodies \
                 can take {limit} (max_body_memory_mib)"
            ),
        )
        .hint("send fewer results at once")
        .limit(limit)
        .into());
    }
    room.grow(bytes)
}

/// Takes the complete documents.
///
/// # Errors
/// If there are more than a body can have.
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
                ProblemCode::TooManyResults,
                format!("the body holds more than {limit} results"),
            )
            .hint("send fewer at once, or stream them as application/x-ndjson")
            .limit(limit)
            .into());
        }
        let submission = Submission::from_frame(frame, position);
        *held_bytes += submission.document_bytes() + RESULT_BYTES;
        submissions.push(submission);
    }
    Ok(())
}

/// Applies the members next to the results, and the header of all, to each result.
fn apply_envelope(
    mut submissions: Vec<Submission>,
    envelope: &str,
) -> Result<(Vec<Submission>, Option<String>), Failure> {
    let wrong = |detail: String| Failure::new(ProblemCode::InvalidRequest, detail);
    let count = submissions.len();
    let metadata = read_metadata(envelope, count)
        .map_err(|error| wrong(format!("invalid member next to `results`: {error}")))?;
    if let Some((name, length)) = metadata.other_length(count) {
        return Err(wrong(format!(
            "{name} has {length} members for {count} results; it must have one for each"
        )));
    }
    let RequestMetadata { modal_call_ids, sandbox_ids, trials, not_finite, header } = metadata;
    let mut modal_call_ids = modal_call_ids.into_iter().flatten();
    let mut sandbox_ids = sandbox_ids.into_iter().flatten();
    let mut trials = trials.into_iter().flatten();
    let mut not_finite = not_finite.into_iter().flatten();
    for (position, submission) in submissions.iter_mut().enumerate() {
        submission.modal_call_id = modal_call_ids.next().flatten();
        submission.sandbox_id = sandbox_ids.next().flatten();
        submission.trial = trials.next().flatten();
        let places = not_finite.next().unwrap_or_default();
        let Document::Text(text) = &submission.document else {
            // It is refused regardless of its numbers.
            continue;
        };
        let found: Option<Vec<_>> = places.iter().map(|place| place.place(text)).collect();
        let Some(found) = found else {
            return Err(wrong(format!(
                "not_finite of result {position} names a place that holds no `null`, or a value \
                 other than NaN, Infinity and -Infinity"
            )));
        };
        if !found.is_sorted_by(|one, next| one.offset < next.offset) {
            return Err(wrong(format!("not_finite of result {position} is not in order")));
        }
        submission.not_finite = found;
    }
    let Some(header) = header else { return Ok((submissions, None)) };
    // A header that is not JSON arrives as a string.
    let header = match serde_json::from_str::<String>(header.get()) {
        Ok(text) => text,
        Err(_) => Box::<str>::from(header).into(),
    };
    short_enough(header.len())?;
    Ok((submissions, Some(header)))
}

/// Refuses a header that is longer than one of a file can be.
fn short_enough(header_bytes: usize) -> Result<(), Failure> {
    if header_bytes <= documents::HEADER_BYTES {
        return Ok(());
    }
    Err(Failure::new(
        ProblemCode::InvalidRequest,
        format!(
            "the header has {header_bytes} bytes; a header has at most {}",
            documents::HEADER_BYTES
        ),
    ))
}

/// Reads a body that is one result as a whole, or up to its header.
///
/// # Errors
/// If the lengths in the request's headers do not match the body.
pub(super) fn one_document(
    app: &App,
    headers: &HeaderMap,
    mut bytes: Vec<u8>,
) -> Result<SubmittedResults, Failure> {
    let wrong = |detail: String| Failure::new(ProblemCode::InvalidRequest, detail);
    let header = match length_in(headers, HEADER_BYTES)? {
        None => None,
        Some(length) => {
            let begin = usize::try_from(length).ok().and_then(|it| bytes.len().checked_sub(it));
            let Some(begin) = begin else {
                return Err(wrong(format!(
                    "{HEADER_BYTES} is {length}, and the body has {} bytes",
                    bytes.len()
                )));
            };
            let header = String::from_utf8(bytes.split_off(begin))
                .map_err(|_| wrong("the header of the result is not UTF-8 text".to_owned()))?;
            short_enough(header.len())?;
            Some(header)
        }
    };
    let limit = limits(app).max_document_bytes;
    let come = bytes.len() as u64;
    let whole = length_in(headers, DOCUMENT_BYTES)?.unwrap_or(come);
    // Only the beginning of a document is sent that is longer than any extractor accepts; nothing else
    // is cut.
    if whole < come || (whole > come && whole <= limit as u64) {
        return Err(wrong(format!(
            "{DOCUMENT_BYTES} is {whole}, and the body has {come} bytes of the result"
        )));
    }
    let mut submission = Submission::from_bytes(bytes, limit);
    submission.part_of(whole, limit);
    Ok(SubmittedResults { submissions: vec![submission], single: true, header })
}

/// Reads a length from a header of the request.
fn length_in(headers: &HeaderMap, name: &str) -> Result<Option<u64>, Failure> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    match value.to_str().ok().and_then(|value| value.parse().ok()) {
        Some(length) => Ok(Some(length)),
        None => Err(Failure::new(
            ProblemCode::InvalidRequest,
            format!("{name} is not a number of bytes"),
        )),
    }
}

pub(super) fn limits(app: &App) -> Limits {
    Limits {
        max_document_bytes: app.recorder.extractor().limits().document_bytes,
        ..Limits::default()
    }
}

pub(super) fn unreadable(error: FramingError) -> Failure {
    Failure::new(ProblemCode::InvalidRequest, format!("invalid body: {error}"))
}
