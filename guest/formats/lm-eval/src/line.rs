//! One line of a file of samples.

use std::borrow::Cow;
use std::collections::BTreeMap;

use arc_format_kit::json::{Place, Reader, Value};
use arc_format_kit::{Role, codes, finite};

use crate::header::is_plain;

/// The members of a line that are read, and that are not metrics.
const NAMES: [&str; 7] = ["doc_id", "doc", "arguments", "resps", "filter", "metrics", "doc_hash"];

/// Further members that are not metrics.
const OTHERS: [&str; 4] = ["target", "filtered_resps", "prompt_hash", "target_hash"];

/// A line: one document under one filter.
pub(crate) struct Line<'a> {
    /// The pointer to it: empty if it is the whole document.
    pub(crate) pointer: String,
    pub(crate) id: Option<Value<'a>>,
    /// The row of the dataset.
    pub(crate) row: Option<Value<'a>>,
    pub(crate) arguments: Option<Value<'a>>,
    pub(crate) answers: Option<Value<'a>>,
    pub(crate) hash: Option<Value<'a>>,
    /// `none` if the line has none.
    pub(crate) filter: Cow<'a, str>,
    /// The metrics in the line's order; a duplicate name is in the list as often as in the line.
    pub(crate) metrics: Vec<(String, Value<'a>)>,
}

impl<'a> Line<'a> {
    /// Reads the lines of a document: a single line, or an array of lines.
    pub(crate) fn read_all(reader: &mut Reader<'a>, root: Value<'a>) -> Option<Vec<Line<'a>>> {
        if !root.is_array() {
            let members = reader.root(root, NAMES)?;
            return Some(vec![Line::new(reader, String::new(), root, members)]);
        }
        let elements = reader.root_elements(root)?;
        let mut lines = Vec::with_capacity(elements.len());
        for (index, element) in elements.into_iter().enumerate() {
            let member = index.to_string();
            let place = Place { object: "", member: &member };
            let members = reader.object(Some(element), place, NAMES);
            lines.push(Line::new(reader, place.pointer(), element, members));
        }
        Some(lines)
    }

    fn new(
        reader: &mut Reader<'a>,
        pointer: String,
        object: Value<'a>,
        members: [Option<Value<'a>>; 7],
    ) -> Self {
        let [id, row, arguments, answers, filter, metrics, hash] = members;
        let place = Place { object: &pointer, member: "filter" };
        let filter = filter.and_then(|filter| reader.decoded(filter, place));
        Line {
            id,
            row,
            arguments,
            answers,
            hash,
            filter: filter.unwrap_or(Cow::Borrowed("none")),
            metrics: metrics_of(object, metrics),
            pointer,
        }
    }

    /// Returns the place of a member.
    pub(crate) fn at<'p>(&'p self, member: &'p str) -> Place<'p> {
        Place { object: &self.pointer, member }
    }

    /// Returns the number of the row in its dataset.
    pub(crate) fn number(&self, reader: &mut Reader<'a>) -> Option<Cow<'a, str>> {
        let place = self.at("doc_id");
        let Some(id) = self.id else {
            let message = "the line has no doc_id".to_owned();
            reader.violation(place.pointer(), codes::MISSING_SCENARIO, message);
            return None;
        };
        if id.is_number() {
            return Some(Cow::Borrowed(id.json()));
        }
        let text = reader.decoded(id, place).filter(|text| !text.is_empty());
        if text.is_none() {
            reader.wrong_type(place, id, "a number or a text that is not empty");
        }
        text
    }

    /// Returns the text of the first request.
    pub(crate) fn prompt(&self, reader: &mut Reader<'a>) -> Option<String> {
        let arguments = self.arguments?;
        let text = match arguments.member("gen_args_0") {
            Some(request) => request.member("arg_0")?,
            None => *arguments.elements()?.first()?.elements()?.first()?,
        };
        let object = self.at("arguments").pointer();
        let object = format!("{object}/gen_args_0");
        reader.decoded(text, Place { object: &object, member: "arg_0" }).map(Cow::into_owned)
    }
}

/// See [`arc_format_kit::Format::classify`].
pub(crate) fn role(item: &str) -> Role {
    let role = role_of(item);
    // A line with NaN is not JSON, so it has no role until those numbers are replaced.
    role.or_else(|| role_of(&finite::with_null_for_nan(item))).unwrap_or(Role::Result)
}

/// Returns the role of a line; `None` if it is no JSON object.
fn role_of(item: &str) -> Option<Role> {
    let (mut reader, root) = Reader::new(item).ok()?;
    let [id, hash, filter] = reader.root(root, ["doc_id", "doc_hash", "filter"])?;
    let filter = filter.and_then(Value::decode).map(|filter| filter.text);
    let Some((id, _)) = id.zip(filter.filter(|filter| !is_plain(filter))) else {
        return Some(Role::Result);
    };
    let hash = hash.and_then(Value::decode).map(|hash| hash.text).unwrap_or_default();
    Some(Role::Part(format!("{}\n{hash}", id.compact())))
}

/// Returns the metrics of a line: those that it names, or else every member that can be one.
fn metrics_of<'a>(object: Value<'a>, named: Option<Value<'a>>) -> Vec<(String, Value<'a>)> {
    let members = object.members().unwrap_or_default();
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
