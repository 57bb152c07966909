//! The results that the body of a request holds, found by the framing and not read.

use arc_framing::{Container, Framer, FramingError, Limits};
use axum::http::HeaderMap;

use super::answer::Failure;
use super::app::App;
use super::body::TURN_BYTES;
use super::room::{Held, RESULT_BYTES};
use crate::recorder::{Document, Submission};
use crate::wire::{DOCUMENT_BYTES, ItemBody, Problem, ProblemCode};

/// What a body holds.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) submissions: Vec<Submission>,
    /// Whether it is one result, and not a list with one.
    pub(super) single: bool,
    /// What is said once for all results.
    pub(super) header: Option<String>,
}

/// The documents of a JSON body, as the framing finds them: a part at a time, so that others have
/// their turn, and a body with more than `most` is refused before they take room.
///
/// # Errors
/// Where there are too many, or no room for them, or what stands beside them is wrong.
pub(super) async fn documents(
    bytes: &[u8],
    limits: Limits,
    most: u64,
    room: &mut Held,
) -> Result<Sent, Failure> {
    let mut framer = Framer::new(Container::Auto, limits);
    let mut submissions = Vec::new();
    let mut held_bytes = bytes.len();
    for part in bytes.chunks(TURN_BYTES) {
        framer.push(part).map_err(unreadable)?;
        take_frames(most, &mut framer, &mut submissions, &mut held_bytes)?;
        room.grow(held_bytes)?;
        if part.len() == TURN_BYTES {
            tokio::task::yield_now().await;
        }
    }
    framer.finish().map_err(unreadable)?;
    take_frames(most, &mut framer, &mut submissions, &mut held_bytes)?;
    room.grow(held_bytes)?;
    let envelope = framer.envelope().map(|envelope| envelope.text().to_owned());
    let header = match &envelope {
        Some(envelope) => apply_envelope(&mut submissions, envelope)?,
        None => None,
    };
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    if first.is_none() {
        return Err(Failure::new(
            ProblemCode::InvalidRequest,
            "the body is empty; it must hold one result, an array, or an object with `results`",
        ));
    }
    let single = submissions.len() == 1 && envelope.is_none() && first != Some(&b'[');
    Ok(Sent { submissions, single, header })
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
) -> Result<(), Failure> {
    while let Some(frame) = framer.next_frame() {
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
