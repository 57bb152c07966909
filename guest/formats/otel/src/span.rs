//! The spans of a trace.

use arc_format_kit::codes;
use arc_format_kit::json::{Place, Reader, Value};

use crate::attribute::Attributes;

/// The name of the event that contains a score.
pub(crate) const EVALUATION: &str = "gen_ai.evaluation.result";

/// One span.
pub(crate) struct Span<'a> {
    /// The span itself.
    pub(crate) value: Value<'a>,
    /// The pointer to it: empty if it is the whole document.
    pub(crate) pointer: String,
    pub(crate) trace_id: Option<String>,
    pub(crate) id: Option<String>,
    pub(crate) parent: Option<String>,
    /// Nanoseconds since 1970.
    pub(crate) start: Option<i128>,
    pub(crate) end: Option<i128>,
    pub(crate) attributes: Attributes<'a>,
    pub(crate) events: Vec<Event<'a>>,
    pub(crate) status: Option<Value<'a>>,
    /// `gen_ai.operation.name`.
    pub(crate) operation: Option<String>,
    /// Whether it is about generative AI.
    pub(crate) generative: bool,
}

/// One event of a span.
pub(crate) struct Event<'a> {
    pub(crate) name: String,
    /// Nanoseconds since 1970.
    pub(crate) time: Option<i128>,
    pub(crate) attributes: Attributes<'a>,
}

/// Reads the spans: an array, or a single span that was sent on its own.
pub(crate) fn read_all<'a>(reader: &mut Reader<'a>, root: Value<'a>) -> Option<Vec<Span<'a>>> {
    const NAMES: [&str; 8] = [
        "traceId",
        "spanId",
        "parentSpanId",
        "startTimeUnixNano",
        "endTimeUnixNano",
        "attributes",
        "events",
        "status",
    ];
    if root.is_object() {
        let members = reader.root(root, NAMES)?;
        return Some(vec![read(reader, root, String::new(), members)]);
    }
    let elements = reader.root_elements(root)?;
    let mut spans = Vec::with_capacity(elements.len());
    for (index, element) in elements.into_iter().enumerate() {
        let member = index.to_string();
        let place = Place { object: "", member: &member };
        let members = reader.object(Some(element), place, NAMES);
        spans.push(read(reader, element, place.pointer(), members));
    }
    Some(spans)
}

fn read<'a>(
    reader: &mut Reader<'a>,
    value: Value<'a>,
    pointer: String,
    members: [Option<Value<'a>>; 8],
) -> Span<'a> {
    let [trace, id, parent, start, end, attributes, events, status] = members;
    let [start, end] = [(start, "startTimeUnixNano"), (end, "endTimeUnixNano")]
        .map(|(value, member)| nanoseconds(reader, value, Place { object: &pointer, member }));
    let attributes = Attributes::read(attributes, format!("{pointer}/attributes"));
    let events = events.and_then(Value::elements).unwrap_or_default();
    let events = events.into_iter().enumerate().filter_map(|(index, event)| {
        let name = event.member("name")?.decode()?.text.into_owned();
        let pointer = format!("{pointer}/events/{index}/attributes");
        let attributes = Attributes::read(event.member("attributes"), pointer);
        let time = event.member("timeUnixNano").and_then(parse_nanoseconds);
        Some(Event { name, time: time.filter(|time| *time != 0), attributes })
    });
    let events: Vec<Event> = events.collect();
    let generative = attributes.keys().any(|key| key.starts_with("gen_ai."))
        || events.iter().any(|event| event.name.starts_with("gen_ai."));
    let operation = attributes.text(reader, "gen_ai.operation.name");
    Span {
        value,
        trace_id: trace.and_then(trace_key),
        id: id.and_then(trace_key),
        parent: parent.and_then(trace_key),
        start,
        end,
        attributes,
        events,
        status: status.filter(|status| status.is_object()),
        operation,
        generative,
        pointer,
    }
}

/// Returns an id: hexadecimal digits in lower case. An empty id counts as absent.
pub(crate) fn trace_key(value: Value) -> Option<String> {
    let text = value.decode()?.text;
    (!text.is_empty()).then(|| text.to_ascii_lowercase())
}

/// Whether a span is a part of a result.
pub(crate) fn matters(attributes: Option<Value>, events: Option<Value>) -> bool {
    let key = |key: &str| {
        key.starts_with("gen_ai.") || key.starts_with("test.case.") || key == "test.suite.name"
    };
    has_key(attributes, key) || has_event(events, |name| name.starts_with("gen_ai."))
}

fn has_key(attributes: Option<Value>, is: impl Fn(&str) -> bool) -> bool {
    let attributes = attributes.and_then(Value::elements).unwrap_or_default();
    attributes.iter().any(|attribute| {
        attribute.member("key").and_then(Value::decode).is_some_and(|key| is(&key.text))
    })
}

fn has_event(events: Option<Value>, is: impl Fn(&str) -> bool) -> bool {
    let events = events.and_then(Value::elements).unwrap_or_default();
    events.iter().any(|event| {
        event.member("name").and_then(Value::decode).is_some_and(|name| is(&name.text))
    })
}

/// Returns a time: a whole number, or a text of one.
fn parse_nanoseconds(value: Value) -> Option<i128> {
    let time: Option<u64> = match value.decode() {
        Some(text) => text.text.parse().ok(),
        None => value.json().parse().ok(),
    };
    time.map(i128::from)
}

/// Reads a time: a whole number, or a text of one. 0 counts as absent.
fn nanoseconds<'a>(
    reader: &mut Reader<'a>,
    value: Option<Value<'a>>,
    place: Place,
) -> Option<i128> {
    let value = value?;
    match parse_nanoseconds(value) {
        Some(0) => None,
        Some(time) => Some(time),
        None => {
            reader.warning(
                place.pointer(),
                codes::TIME_UNREADABLE,
                "the time is not a whole number of nanoseconds since 1970".to_owned(),
            );
            None
        }
    }
}
