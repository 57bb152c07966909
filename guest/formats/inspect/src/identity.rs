//! What distinguishes one execution of a sample from another: its place, its key, and its revisions.

use arc_format_kit::json::{Place, Reader, Value};
use arc_format_kit::scenario::bounded_id;
use arc_format_kit::time::in_utc;
use arc_format_kit::{Invalidation, codes};

use crate::events::Events;

/// Returns the place of a sample in its run: its id and epoch.
pub(crate) fn place(id: &str, trial: Option<u32>) -> String {
    bounded_id(match trial {
        Some(epoch) => format!("{id}/{epoch}"),
        None => id.to_owned(),
    })
}

/// Returns the key of an execution: the sample's `uuid`, or in logs before 0.3.70 its place.
pub(crate) fn key<'a>(reader: &mut Reader<'a>, uuid: Option<Value<'a>>, place: &str) -> String {
    let member = Place { object: "", member: "uuid" };
    let uuid = reader.decoration(|reader| reader.text(uuid, member));
    uuid.filter(|uuid| !uuid.is_empty()).map_or_else(|| place.to_owned(), bounded_id)
}

/// Reads the mark that a sample does not count, and its time.
pub(crate) fn invalidation<'a>(
    reader: &mut Reader<'a>,
    value: Option<Value<'a>>,
) -> Option<Invalidation> {
    let value = value.filter(|value| value.json() != "false")?;
    let whole = Place { object: "", member: "invalidation" };
    let at = |member| Place { object: "/invalidation", member };
    let [author, reason, time] = reader.decoration(|reader| {
        let members = reader.object(Some(value), whole, ["author", "reason", "timestamp"]);
        let [author, reason, time] = members;
        [
            reader.text(author, at("author")),
            reader.text(reason, at("reason")),
            reader.text(time, at("timestamp")),
        ]
    });
    let by = author.as_ref().map(|author| format!(" by {author}")).unwrap_or_default();
    let because = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    reader.warning(
        whole.pointer(),
        codes::INVALIDATED,
        format!("the sample was invalidated{by}{because}; it does not count"),
    );
    let marked_at = time.as_deref().and_then(in_utc);
    if time.is_some() && marked_at.is_none() {
        reader.warning(
            at("timestamp").pointer(),
            codes::TIME_UNREADABLE,
            "the time of the invalidation is not an RFC 3339 time with an offset".to_owned(),
        );
    }
    Some(Invalidation { author, reason, at: marked_at })
}

/// Returns when a sample was last changed: the latest of its end, the times of its last events and of
/// its scores' edits, and that of its invalidation.
pub(crate) fn revised_at<'a>(
    completed: Option<Value<'a>>,
    scores: Option<Value<'a>>,
    events: &Events<'a>,
    invalidation: Option<Value<'a>>,
) -> Option<String> {
    let scores = scores.and_then(Value::members).unwrap_or_default();
    let history = |score: Value<'a>| score.member("history").and_then(Value::elements);
    let edits = scores.into_iter().filter_map(|(_, score)| history(score)).flatten();
    let edited_at = |edit: Value<'a>| edit.member("provenance")?.member("timestamp");
    let invalidated_at = invalidation.and_then(|it| it.member("timestamp"));
    latest(
        [completed, invalidated_at]
            .into_iter()
            .flatten()
            .chain(edits.filter_map(edited_at))
            .chain(events.last_times.iter().copied()),
    )
}

/// Returns the latest of some times; others than RFC 3339 times are left out.
pub(crate) fn latest<'a>(times: impl Iterator<Item = Value<'a>>) -> Option<String> {
    // In this form, later times are greater texts.
    times.filter_map(|time| in_utc(&time.decode()?.text)).max()
}
