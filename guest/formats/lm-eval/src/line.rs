//! The lines of a document.

use std::borrow::Cow;
use std::collections::BTreeMap;

use arc_format_kit::codes;
use arc_format_kit::json::{Place, Reader, Value};

/// The members that are not metrics, of every version.
const NAMES: [&str; 8] =
    ["doc_id", "doc", "arguments", "resps", "filter", "metrics", "doc_hash", "filtered_resps"];

/// Further members that are not metrics.
const OTHERS: [&str; 3] = ["target", "prompt_hash", "target_hash"];

/// A line: the answers to a document, as one filter reads them.
pub(crate) struct Line<'a> {
    /// The pointer to it: empty if it is the whole result.
    pub(crate) pointer: String,
    pub(crate) id: Option<Value<'a>>,
    pub(crate) document: Option<Value<'a>>,
    pub(crate) arguments: Option<Value<'a>>,
    pub(crate) answers: Option<Value<'a>>,
    pub(crate) hash: Option<Value<'a>>,
    /// Versions up to 0.4.5 do not write it.
    pub(crate) filter: Option<Cow<'a, str>>,
    /// The metrics in the line's order; a duplicate name is in the list as often as in the line.
    pub(crate) metrics: Vec<(String, Value<'a>)>,
}

impl<'a> Line<'a> {
    /// Returns the place of a member of the line.
    pub(crate) fn at<'p>(&'p self, member: &'p str) -> Place<'p> {
        Place { object: &self.pointer, member }
    }
}

/// Reads the lines of a document: an array, or a single line that was sent on its own.
pub(crate) fn read_all<'a>(reader: &mut Reader<'a>, root: Value<'a>) -> Option<Vec<Line<'a>>> {
    if !root.is_array() {
        let members = reader.root(root, NAMES)?;
        return Some(vec![read(reader, String::new(), root, members)]);
    }
    let elements = reader.root_elements(root)?;
    if elements.is_empty() {
        let message = "the result has no line, so it is not known which document it belongs to";
        reader.violation(String::new(), codes::MISSING_SCENARIO, message.to_owned());
        return None;
    }
    let mut lines = Vec::with_capacity(elements.len());
    for (index, element) in elements.into_iter().enumerate() {
        let place = Place { object: "", member: &index.to_string() };
        let members = reader.object(Some(element), place, NAMES);
        lines.push(read(reader, place.pointer(), element, members));
    }
    Some(lines)
}

fn read<'a>(
    reader: &mut Reader<'a>,
    pointer: String,
    line: Value<'a>,
    members: [Option<Value<'a>>; 8],
) -> Line<'a> {
    let [id, document, arguments, answers, filter, metrics, hash, _] = members;
    let place = Place { object: &pointer, member: "filter" };
    let filter = filter.and_then(|filter| reader.decoded(filter, place));
    let metrics = metrics_of(line, metrics);
    Line { pointer, id, document, arguments, answers, hash, filter, metrics }
}

/// Returns the metrics of a line: those that it names, or else every member that can be one.
fn metrics_of<'a>(line: Value<'a>, named: Option<Value<'a>>) -> Vec<(String, Value<'a>)> {
    let members = line.members().unwrap_or_default();
    let named = named.and_then(Value::elements).map(|names| {
        let names = names.into_iter().filter_map(Value::decode);
        let mut places = BTreeMap::new();
        for (place, name) in names.enumerate() {
            places.entry(name.text.into_owned()).or_insert(place);
        }
        places
    });
    let is_metric = |name: &str, value: Value| match &named {
        Some(named) => named.contains_key(name),
        None => {
            !NAMES.contains(&name)
                && !OTHERS.contains(&name)
                && (value.is_number() || matches!(value.json(), "true" | "false"))
        }
    };
    let mut found: Vec<(String, Value)> = members
        .into_iter()
        .filter(|(name, value)| !name.text.is_empty() && is_metric(&name.text, *value))
        .map(|(name, value)| (name.text.into_owned(), value))
        .collect();
    if let Some(named) = &named {
        found.sort_by_key(|(name, _)| named.get(name));
    }
    found
}
