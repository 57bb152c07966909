//! The events of a sample.

use arc_format_kit::json::{Place, Reader, Value};

/// One event.
pub(crate) struct Event<'a> {
    /// The pointer to it: empty if it is the whole document.
    pub(crate) pointer: String,
    /// `type`, empty if it has none.
    pub(crate) kind: String,
    pub(crate) sample: Option<Value<'a>>,
    /// The id of the run.
    pub(crate) run: Option<Value<'a>>,
    /// `data`, if it is an object.
    pub(crate) data: Option<Value<'a>>,
    pub(crate) created_at: Option<Value<'a>>,
}

impl Event<'_> {
    /// Returns the pointer to `data`.
    pub(crate) fn data_pointer(&self) -> String {
        format!("{}/data", self.pointer)
    }
}

/// Reads the events: an array, or a single event that was sent on its own.
pub(crate) fn read_all<'a>(reader: &mut Reader<'a>, root: Value<'a>) -> Option<Vec<Event<'a>>> {
    const NAMES: [&str; 5] = ["sample_id", "type", "data", "created_at", "run_id"];
    if root.is_object() {
        let members = reader.root(root, NAMES)?;
        return Some(vec![read(reader, String::new(), members)]);
    }
    let elements = reader.root_elements(root)?;
    let mut events = Vec::with_capacity(elements.len());
    for (index, element) in elements.into_iter().enumerate() {
        let member = index.to_string();
        let place = Place { object: "", member: &member };
        let members = reader.object(Some(element), place, NAMES);
        events.push(read(reader, place.pointer(), members));
    }
    Some(events)
}

fn read<'a>(
    reader: &mut Reader<'a>,
    pointer: String,
    members: [Option<Value<'a>>; 5],
) -> Event<'a> {
    let [sample, kind, data, created_at, run] = members;
    let at = |member| Place { object: &pointer, member };
    let kind = reader.decoration(|reader| reader.text(kind, at("type"))).unwrap_or_default();
    let data = data.filter(|data| data.is_object());
    Event { pointer, kind, sample, run, data, created_at }
}

/// Returns the key of a sample's events: its id, a text or a number.
pub(crate) fn sample_key(sample: Value) -> Option<String> {
    if sample.is_number() {
        return Some(sample.json().to_owned());
    }
    sample.decode().map(|text| text.text.into_owned())
}

/// Returns the id of a run, if it can be one.
pub(crate) fn run_id(value: Value) -> Option<String> {
    let id = value.decode().filter(|text| !text.replaced)?.text.into_owned();
    (1..=512).contains(&id.len()).then_some(id)
}
