//! Extraction of one sample.

use std::borrow::Cow;

use arc_format_kit::failure::Failure;
use arc_format_kit::json::{Place, Reader, Value};
use arc_format_kit::time::{in_utc, milliseconds_between};
use arc_format_kit::{Outcome, OutcomeStatus, Violation, codes};

use crate::attachments::Attachments;
use crate::events::Events;
use crate::header::HeaderData;
use crate::identity;
use crate::scenario::{scenario, trial};
use crate::scores::Scores;
use crate::usage::UsageMembers;

const NAMES: [&str; 22] = [
    "id",
    "epoch",
    "input",
    "messages",
    "output",
    "scores",
    "score",
    "events",
    "transcript",
    "model_usage",
    "role_usage",
    "started_at",
    "completed_at",
    "total_time",
    "error",
    "limit",
    "attachments",
    "uuid",
    "invalidation",
    "error_retries",
    "message_refs",
    "model_fallbacks",
];

/// The prefixes of the error text of a cancelled task, in either event loop.
const CANCELLED: [&str; 2] = ["CancelledError(", "Cancelled("];

/// See [`arc_format_kit::Format::outcome`].
pub(crate) fn outcome(header: Option<&str>, item: &str) -> Result<Outcome, Vec<Violation>> {
    let (mut reader, root) = Reader::new(item)?;
    let members = reader.root(root, NAMES);
    let answer = members.and_then(|members| read(&mut reader, header, members));
    reader.finish_outcome(answer)
}

fn read<'a>(
    reader: &mut Reader<'a>,
    header: Option<&str>,
    members: [Option<Value<'a>>; 22],
) -> Option<Outcome> {
    let [
        id,
        epoch,
        input,
        messages,
        output,
        scores,
        score,
        events,
        transcript,
        models,
        roles,
        started,
        completed,
        seconds,
        error,
        limit,
        attachments,
        uuid,
        invalidation,
        retries,
        message_refs,
        fallbacks,
    ] = members;
    let header = HeaderData::of(header);
    let attachments = Attachments::of(attachments, transcript);
    let trial = trial(reader, epoch);
    let scenario = scenario(reader, &header, id, input, attachments);
    let (status, failure) = ending(reader, error, limit, attachments);
    let scored = Scores::read(reader, &header, scores, score);
    let usage = UsageMembers { models, roles, retries, events }.read(reader, &header);
    if message_refs.is_some() {
        reader.warning(
            "/message_refs".to_owned(),
            codes::EVENTS_UNCOUNTED,
            "the log is chunked: the messages and events of this sample are in other entries of \
             the archive, which are not read yet"
                .to_owned(),
        );
    }
    let events = Events::read(reader, events, transcript, messages);
    let revised_at = identity::revised_at(completed, scores, &events, invalidation);
    let invalidation = identity::invalidation(reader, invalidation);
    let (started, completed) = (started.or(events.first), completed.or(events.last));
    let span = |value: Option<Value<'a>>, open: char| {
        reader.span(value.filter(|value| value.json().starts_with(open))?)
    };
    let [trajectory, detailed_trajectory, dimensions] =
        [span(output, '{'), span(messages, '['), span(scored.object, '{')];
    let (scenario, id) = scenario?;
    let place = identity::place(&id, trial);
    Some(Outcome {
        trial,
        scores: scored.list,
        headline: scored.headline,
        invalidation,
        execution_time: start_time(reader, started),
        execution_time_ms: duration(reader, seconds, started, completed),
        origin: header.origin_of_sample(fallbacks),
        event_count: events.count,
        error_code: failure.code,
        error_message: failure.message,
        error_category: failure.category,
        failure_class: failure.class,
        failure_rule: failure.rule,
        trajectory,
        detailed_trajectory,
        dimensions,
        key: Some(identity::key(reader, uuid, &place)),
        place: Some(place),
        revised_at,
        ..Outcome::new(scenario, status).with_usage(usage)
    })
}

/// Whether a value is `null`; for arrays and inner objects, in which the reader does not remove it.
fn is_null(value: Value) -> bool {
    value.json() == "null"
}

/// Reads how the sample ended: with an error, at a limit, or normally.
fn ending<'a>(
    reader: &mut Reader<'a>,
    error: Option<Value<'a>>,
    limit: Option<Value<'a>>,
    attachments: Attachments<'a>,
) -> (OutcomeStatus, Failure) {
    if let Some(error) = error {
        return read_error(reader, error, attachments);
    }
    let place = Place { object: "", member: "limit" };
    let [kind, reason] = reader.decoration(|reader| {
        let values = reader.object(limit, place, ["type", "reason"]);
        [(values[0], "type"), (values[1], "reason")].map(|(value, member)| {
            attachments.text(reader, value, Place { object: "/limit", member })
        })
    });
    let Some(kind) = kind else { return (OutcomeStatus::Success, Failure::default()) };
    let status = match &*kind {
        "time" | "working" => OutcomeStatus::Timeout,
        "operator" => OutcomeStatus::Cancelled,
        _ => OutcomeStatus::Success,
    };
    let reason = reason.unwrap_or_else(|| Cow::Owned(format!("the {kind} limit was reached")));
    let code = format!("{kind}_limit");
    (status, Failure::new(Some(&reason), Some(&code), status))
}

/// Reads an error. Its message determines the category; a traceback contains a lot of other text,
/// so it is used only if there is no message.
fn read_error<'a>(
    reader: &mut Reader<'a>,
    error: Value<'a>,
    attachments: Attachments<'a>,
) -> (OutcomeStatus, Failure) {
    let at = |member| Place { object: "/error", member };
    let whole = Place { object: "", member: "error" };
    let (message, traceback) = if error.is_object() {
        let [message, traceback] =
            reader.decoration(|reader| reader.object(Some(error), whole, ["message", "traceback"]));
        (
            attachments.text(reader, message, at("message")),
            attachments.text(reader, traceback, at("traceback")),
        )
    } else {
        let text = attachments.text(reader, Some(error), whole);
        (Some(text.unwrap_or(Cow::Borrowed(error.json()))), None)
    };
    let [message, traceback] =
        [message, traceback].map(|text| text.filter(|text| !text.trim().is_empty()));
    let cancelled = message
        .as_ref()
        .is_some_and(|message| CANCELLED.iter().any(|start| message.starts_with(start)));
    let status = if cancelled { OutcomeStatus::Cancelled } else { OutcomeStatus::Error };
    let kind = message.as_deref().and_then(exception_name).or(traceback.as_deref());
    let mut failure = Failure::new(message.as_deref().or(traceback.as_deref()), kind, status);
    if let (Some(message), Some(traceback)) = (&message, &traceback) {
        failure.message = Some(format!("{message}\n\n{traceback}"));
    }
    (status, failure)
}

/// Returns the class of an exception whose `repr` is the message: `ValueError('no')`.
fn exception_name(message: &str) -> Option<&str> {
    let (name, _) = message.split_once('(')?;
    let is_name = |character: char| character.is_alphanumeric() || matches!(character, '_' | '.');
    Some(name).filter(|name| !name.is_empty() && name.chars().all(is_name))
}

fn start_time<'a>(reader: &mut Reader<'a>, value: Option<Value<'a>>) -> Option<String> {
    let value = value.filter(|value| !is_null(*value))?;
    let time = value.decode().and_then(|text| in_utc(&text.text));
    if time.is_none() {
        reader.warning(
            "/started_at".to_owned(),
            codes::TIME_UNREADABLE,
            "the start time is not an RFC 3339 time with an offset; the time of receipt is used"
                .to_owned(),
        );
    }
    time
}

/// Returns the time that the sample ran, in milliseconds, including waiting.
fn duration<'a>(
    reader: &mut Reader<'a>,
    seconds: Option<Value<'a>>,
    started: Option<Value<'a>>,
    completed: Option<Value<'a>>,
) -> f64 {
    let place = Place { object: "", member: "total_time" };
    let total = reader.decoration(|reader| reader.milliseconds(seconds, place));
    let between = || milliseconds_between(&started?.decode()?.text, &completed?.decode()?.text);
    total.or_else(between).unwrap_or_default()
}
