//! Violations as JSON, and the whole numbers of the contract.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Violation;
use crate::json_text::JsonText;

/// Converts a whole number of the contract, which is a float of at most 2^53.
#[expect(clippy::cast_possible_truncation, reason = "every value up to 2^53 fits")]
pub(crate) fn whole(number: f64) -> i64 {
    number as i64
}

impl Serialize for Violation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Violation { path, code, message } = self;
        let json = ViolationJson { path: path.into(), code: code.into(), message: message.into() };
        json.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Violation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ViolationJson::deserialize(deserializer).map(Violation::from)
    }
}

impl From<ViolationJson<'_>> for Violation {
    fn from(json: ViolationJson) -> Self {
        Violation {
            path: json.path.into_owned(),
            code: json.code.into_owned(),
            message: json.message.into_owned(),
        }
    }
}

/// A violation as the database stores it.
#[derive(Deserialize, Serialize)]
struct ViolationJson<'v> {
    #[serde(borrow, default)]
    path: Cow<'v, str>,
    #[serde(borrow, default)]
    code: Cow<'v, str>,
    #[serde(borrow, default)]
    message: Cow<'v, str>,
}

/// Converts violations and warnings to the JSON that is stored, which cannot contain NUL.
pub(crate) fn violations_to_json(violations: &[Violation]) -> JsonText {
    fn text(text: &str) -> Cow<'_, str> {
        if text.contains('\0') { text.replace('\0', "\u{FFFD}").into() } else { text.into() }
    }
    let list: Vec<ViolationJson> = violations
        .iter()
        .map(|one| ViolationJson {
            path: text(&one.path),
            code: text(&one.code),
            message: text(&one.message),
        })
        .collect();
    // Serializing text cannot fail.
    JsonText::of(&list).unwrap_or_default()
}

/// Converts stored JSON to violations and warnings.
pub(crate) fn violations_of_json(json: &JsonText) -> Vec<Violation> {
    let list: Vec<ViolationJson> = json.read().unwrap_or_default();
    list.into_iter().map(Violation::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn violations_come_back_as_they_were_but_for_nul() {
        let violation = |message: &str| Violation {
            path: "/a/0".to_owned(),
            code: "type".to_owned(),
            message: message.to_owned(),
        };
        let json = violations_to_json(&[violation("must be text"), violation("a\0b")]);
        let read = violations_of_json(&json);
        assert_eq!(read, [violation("must be text"), violation("a\u{FFFD}b")]);
        assert!(violations_of_json(&JsonText::default()).is_empty());
    }
}
