//! Attributes in OTLP: a list of keys and tagged values.

use std::collections::BTreeMap;

use arc_format_kit::json::{Place, Reader, Text, Value};

/// The attributes of a span or an event.
pub(crate) struct Attributes<'a> {
    /// The pointer to the list.
    pointer: String,
    list: Vec<(Text<'a>, Value<'a>)>,
}

impl<'a> Attributes<'a> {
    /// Reads a list; elements that are not attributes are skipped.
    pub(crate) fn read(value: Option<Value<'a>>, pointer: String) -> Self {
        let elements = value.and_then(Value::elements).unwrap_or_default();
        let list = elements
            .into_iter()
            .map(|element| {
                // A skipped element keeps its index, so that indexes are those of the list.
                let mut key = Text { text: "".into(), replaced: false };
                let mut value = element;
                for (name, member) in element.members().unwrap_or_default() {
                    match &*name.text {
                        "key" => key = member.decode().unwrap_or(key),
                        "value" => value = member,
                        _ => {}
                    }
                }
                (key, value)
            })
            .collect();
        Attributes { pointer, list }
    }

    /// Returns the names of the attributes.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|(key, _)| &*key.text)
    }

    /// Returns the pointer to the list.
    pub(crate) fn pointer(&self) -> &str {
        &self.pointer
    }

    /// Returns the pointer to an attribute's value, and the value.
    pub(crate) fn find(&self, key: &str) -> Option<(String, Value<'a>)> {
        let index = self.list.iter().position(|(other, _)| other.text == key)?;
        let (_, value) = self.list.get(index)?;
        Some((self.place(index), *value))
    }

    /// Returns the pointer to the value of the attribute with this index.
    fn place(&self, index: usize) -> String {
        format!("{}/{index}/value", self.pointer)
    }

    /// Returns an attribute that is a text and not blank.
    pub(crate) fn text(&self, reader: &mut Reader<'a>, key: &str) -> Option<String> {
        let (pointer, value) = self.find(key)?;
        decoded(reader, &pointer, value)
    }

    /// Returns the first of these attributes that is a text and not blank.
    pub(crate) fn first_text(&self, reader: &mut Reader<'a>, keys: &[&str]) -> Option<String> {
        keys.iter().find_map(|key| self.text(reader, key))
    }

    /// Returns the texts of a list of messages that has an attribute for each of their parts: the
    /// rest of the key after the number, and the text. They are ordered by number.
    pub(crate) fn numbered(
        &self,
        reader: &mut Reader<'a>,
        prefix: &str,
    ) -> BTreeMap<u32, Vec<(&str, String)>> {
        let mut found: BTreeMap<u32, Vec<(&str, String)>> = BTreeMap::new();
        for (index, (key, value)) in self.list.iter().enumerate() {
            if let Some((number, rest)) =
                key.text.strip_prefix(prefix).and_then(|rest| rest.split_once('.'))
                && let Ok(number) = number.parse()
                && let Some(text) = decoded(reader, &self.place(index), *value)
            {
                found.entry(number).or_default().push((rest, text));
            }
        }
        found
    }

    /// Returns an attribute that is a number, with its pointer. An integer can be written as a
    /// text.
    pub(crate) fn number(&self, key: &str) -> Option<(String, Value<'a>, f64)> {
        let (pointer, value) = self.find(key)?;
        ["intValue", "doubleValue"].into_iter().find_map(|member| {
            let value = value.member(member)?;
            let number = match value.decode() {
                Some(text) => text.text.parse().ok()?,
                None => value.number()?,
            };
            Some((format!("{pointer}/{member}"), value, number))
        })
    }
}

/// Decodes a value that is a text and not blank.
fn decoded<'a>(reader: &mut Reader<'a>, pointer: &str, value: Value<'a>) -> Option<String> {
    let value = value.member("stringValue")?;
    let place = Place { object: pointer, member: "stringValue" };
    let text = reader.decoration(|reader| reader.text(Some(value), place))?;
    Some(text).filter(|text| !text.trim().is_empty())
}
