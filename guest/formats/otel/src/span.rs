//! The spans of a trace.

use arc_format_kit::json::{Place, Reader, Value};
use arc_format_kit::{NodeKind, TreeNode, codes};

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
    /// Whether it is a case of a test or an evaluation.
    pub(crate) is_case: bool,
    pub(crate) kind: Kind,
}

impl Span<'_> {
    /// Whether a result begins with the span.
    pub(crate) fn is_root(&self) -> bool {
        self.is_case || self.kind == Kind::Agent
    }

    /// Whether it is about generative AI.
    pub(crate) fn is_generative(&self) -> bool {
        self.kind != Kind::Other
    }

    /// Whether its status is an error.
    pub(crate) fn has_failed(&self) -> bool {
        let code = self.status.and_then(|status| status.member("code")).map(Value::json);
        matches!(code, Some("2" | r#""2""# | r#""STATUS_CODE_ERROR""#))
    }

    /// Whether it is a part of a result.
    pub(crate) fn is_part(&self) -> bool {
        self.is_root() || self.is_generative()
    }

    /// Returns its node in the tree of the trace.
    pub(crate) fn node(&self) -> TreeNode<String> {
        let kind = match (self.is_root(), self.is_part()) {
            (true, _) => NodeKind::Root,
            (_, true) => NodeKind::Part,
            _ => NodeKind::Connector,
        };
        TreeNode { id: self.id.clone(), parent: self.parent.clone(), kind }
    }
}

/// The kind of a span, by the conventions of OpenTelemetry and of the instrumentations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A run of an agent or a workflow.
    Agent,
    /// A call of a model for embeddings or a ranking.
    Embedding,
    /// The run of an evaluator.
    Scorer,
    /// Anything else about generative AI.
    Generative,
    /// Anything else.
    Other,
}

impl Kind {
    fn of<'a>(reader: &mut Reader<'a>, attributes: &Attributes<'a>, events: &[Event<'a>]) -> Self {
        for (key, value, kind) in KINDS {
            let begins = |text: String| text.to_ascii_lowercase().starts_with(value);
            if attributes.text(reader, key).is_some_and(begins) {
                return kind;
            }
        }
        let is_generative = attributes.keys().any(is_generative)
            || events.iter().any(|event| event.name.starts_with("gen_ai."));
        if is_generative { Kind::Generative } else { Kind::Other }
    }
}

/// The attributes that name the kind of a span, and how their values begin.
const KINDS: [(&str, &str, Kind); 17] = [
    // A whole of several cases.
    ("gen_ai.operation.name", "experiment", Kind::Other),
    ("evaluator_name", "", Kind::Scorer),
    ("case_name", "", Kind::Generative),
    ("gen_ai.operation.name", "invoke_agent", Kind::Agent),
    ("gen_ai.operation.name", "invoke_workflow", Kind::Agent),
    ("gen_ai.operation.name", "embed", Kind::Embedding),
    ("gen_ai.operation.name", "rerank", Kind::Embedding),
    ("openinference.span.kind", "agent", Kind::Agent),
    ("openinference.span.kind", "embedding", Kind::Embedding),
    ("openinference.span.kind", "reranker", Kind::Embedding),
    ("openinference.span.kind", "evaluator", Kind::Scorer),
    ("traceloop.span.kind", "agent", Kind::Agent),
    ("traceloop.span.kind", "workflow", Kind::Agent),
    ("llm.request.type", "embed", Kind::Embedding),
    ("llm.request.type", "rerank", Kind::Embedding),
    ("ai.operationId", "ai.embed", Kind::Embedding),
    ("ai.operationId", "ai.rerank", Kind::Embedding),
];

/// The attributes that name a case: the convention's, and that of pydantic-evals.
pub(crate) const CASES: [&str; 2] = ["test.case.name", "case_name"];

/// Whether only instrumentations of generative AI write an attribute with this name.
fn is_generative(key: &str) -> bool {
    const PREFIXES: [&str; 6] =
        ["gen_ai.", "llm.", "openinference.", "embedding.", "traceloop.", "langfuse."];
    PREFIXES.iter().any(|prefix| key.starts_with(prefix)) || key == "ai.operationId"
}

/// One event of a span.
pub(crate) struct Event<'a> {
    pub(crate) name: String,
    /// Nanoseconds since 1970.
    pub(crate) time: Option<i128>,
    pub(crate) attributes: Attributes<'a>,
}

/// The members of a span that are read.
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

/// Reads a single span.
pub(crate) fn read_one<'a>(reader: &mut Reader<'a>, root: Value<'a>) -> Option<Span<'a>> {
    let members = reader.root(root, NAMES)?;
    Some(read(reader, root, String::new(), members))
}

/// Reads the spans: an array, or a single span that was sent on its own.
pub(crate) fn read_all<'a>(reader: &mut Reader<'a>, root: Value<'a>) -> Option<Vec<Span<'a>>> {
    if root.is_object() {
        return Some(vec![read_one(reader, root)?]);
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
    let kind = Kind::of(reader, &attributes, &events);
    let is_case = CASES.iter().any(|key| attributes.find(key).is_some());
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
        is_case,
        kind,
        pointer,
    }
}

/// Returns an id: hexadecimal digits in lower case. An empty id counts as absent.
fn trace_key(value: Value) -> Option<String> {
    let text = value.decode()?.text;
    (!text.is_empty()).then(|| text.to_ascii_lowercase())
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
