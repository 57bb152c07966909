//! JSON that is stored as its text.
//!
//! Clients' JSON, and JSON that was extracted from it, is never parsed into a tree of values here: a
//! tree takes up to a hundred times the memory of its text.

use std::error::Error;
use std::fmt::{Display, Formatter};

use bytes::{BufMut as _, BytesMut};
use serde::de::IgnoredAny;
use serde::ser::Error as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

/// The version of the binary form of PostgreSQL's `jsonb`, which is text after this byte.
const JSONB_VERSION: u8 = 1;

/// Any JSON value, as its text.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(transparent)]
pub struct JsonText(Box<RawValue>);

impl JsonText {
    /// Validates a text that is one JSON value.
    ///
    /// # Errors
    /// The parser's error, if it is not.
    pub fn new(text: String) -> serde_json::Result<Self> {
        RawValue::from_string(text).map(JsonText)
    }

    /// Serializes a value as JSON.
    ///
    /// # Errors
    /// The serializer's error, if JSON cannot represent the value.
    pub fn of(value: &impl Serialize) -> serde_json::Result<Self> {
        serde_json::value::to_raw_value(value).map(JsonText)
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// Deserializes the value as a type.
    ///
    /// # Errors
    /// The parser's error, if the value has another structure.
    pub fn read<'t, T: Deserialize<'t>>(&'t self) -> serde_json::Result<T> {
        serde_json::from_str(self.as_str())
    }
}

impl Default for JsonText {
    /// Returns `null`.
    fn default() -> Self {
        JsonText(RawValue::NULL.to_owned())
    }
}

impl PartialEq for JsonText {
    /// Compares the texts.
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Display for JsonText {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl<'r> FromSql<'r> for JsonText {
    fn from_sql(kind: &Type, raw: &'r [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        // The database sets spaces between the members of `jsonb`, which take a tenth of its text.
        let text = without_spaces(JsonStr::from_sql(kind, raw)?.as_str());
        Ok(JsonText::new(text)?)
    }

    fn accepts(kind: &Type) -> bool {
        <JsonStr<'_> as FromSql<'_>>::accepts(kind)
    }
}

impl ToSql for JsonText {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        JsonStr(self.as_str()).to_sql(kind, out)
    }

    fn accepts(kind: &Type) -> bool {
        <JsonStr<'_> as ToSql>::accepts(kind)
    }

    to_sql_checked!();
}

/// Any JSON value, as its borrowed text. It is sent, read and written as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonStr<'t>(&'t str);

impl<'t> JsonStr<'t> {
    /// Takes a text that is one JSON value, which the caller knows.
    pub fn new(text: &'t str) -> Self {
        JsonStr(text)
    }

    /// Returns the text.
    pub fn as_str(&self) -> &'t str {
        self.0
    }
}

impl Serialize for JsonStr<'_> {
    /// Writes the value that the text is.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value: &RawValue = serde_json::from_str(self.0).map_err(S::Error::custom)?;
        value.serialize(serializer)
    }
}

impl<'r> FromSql<'r> for JsonStr<'r> {
    fn from_sql(kind: &Type, raw: &'r [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let text = match (kind, raw) {
            (&Type::JSONB, [JSONB_VERSION, text @ ..]) => text,
            (&Type::JSONB, _) => return Err("the version of jsonb is not known".into()),
            (_, text) => text,
        };
        Ok(JsonStr(std::str::from_utf8(text)?))
    }

    fn accepts(kind: &Type) -> bool {
        matches!(*kind, Type::JSON | Type::JSONB)
    }
}

impl ToSql for JsonStr<'_> {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        if *kind == Type::JSONB {
            out.put_u8(JSONB_VERSION);
        }
        out.put_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(kind: &Type) -> bool {
        matches!(*kind, Type::JSON | Type::JSONB)
    }

    to_sql_checked!();
}

/// Whether a text is one JSON value.
pub(crate) fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// Returns the text without the white space between its tokens.
fn without_spaces(text: &str) -> String {
    let (mut within, mut escaped) = (false, false);
    let keep = |byte: char| {
        match byte {
            _ if escaped => escaped = false,
            '\\' if within => escaped = true,
            '"' => within = !within,
            ' ' | '\n' | '\r' | '\t' if !within => return false,
            _ => {}
        }
        true
    };
    let mut text = text.to_owned();
    text.retain(keep);
    text
}

/// Returns how deep the brackets of JSON text are nested.
pub(crate) fn nesting(text: &str) -> usize {
    let (mut depth, mut deepest, mut within, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if within => escaped = true,
            b'"' => within = !within,
            b'[' | b'{' if !within => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !within => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_s_spaces_are_left_out_and_those_of_texts_kept() {
        let text = r#"{"a b": "c \" d\\", "e": [1, 2.50, {"f": null}]}"#;
        let expected = r#"{"a b":"c \" d\\","e":[1,2.50,{"f":null}]}"#;
        let from = |kind: &Type, raw: &[u8]| JsonText::from_sql(kind, raw);
        assert_eq!(from(&Type::JSON, text.as_bytes()).unwrap().as_str(), expected);
        let mut binary = vec![JSONB_VERSION];
        binary.extend_from_slice(text.as_bytes());
        assert_eq!(from(&Type::JSONB, &binary).unwrap().as_str(), expected);
        assert!(from(&Type::JSONB, text.as_bytes()).is_err());
    }
}
