//! The OpenAPI document as the service publishes it: in the form that generators of clients read.

use serde_json::{Map, Value, json};

/// The media type of a body of bytes.
const BYTES: &str = "application/octet-stream";

/// Rewrites a document for generators of clients:
///
/// - a body of bytes is a binary string, not an array of numbers;
/// - alternatives are `anyOf`: one document can match several of them (`oneOf` would refuse it, and
///   generators then try each), except where one of two alternatives is `null`;
/// - a default of `null` is left out: it says the same as its absence, and generated code of typed
///   languages assigns it.
pub(super) fn for_generators(document: &mut Value) {
    match document {
        Value::Array(elements) => elements.iter_mut().for_each(for_generators),
        Value::Object(members) => {
            if let Some(bytes) = members.get_mut(BYTES).and_then(Value::as_object_mut) {
                bytes.insert("schema".to_owned(), json!({"type": "string", "format": "binary"}));
            }
            if is_schema(members) && members.get("default").is_some_and(Value::is_null) {
                members.remove("default");
            }
            if let Some(alternatives) = members.remove("oneOf") {
                let name = if has_null(&alternatives) { "oneOf" } else { "anyOf" };
                members.insert(name.to_owned(), alternatives);
            }
            members.values_mut().for_each(for_generators);
        }
        _ => {}
    }
}

/// Whether an object of the document describes a value: the names of properties are not members of one.
fn is_schema(members: &Map<String, Value>) -> bool {
    ["type", "oneOf", "anyOf", "allOf", "$ref"].iter().any(|name| members.contains_key(*name))
}

/// Whether one of some alternatives is `null`.
fn has_null(alternatives: &Value) -> bool {
    let is_null = |schema: &Value| schema.get("type").is_some_and(|name| name == "null");
    alternatives.as_array().is_some_and(|schemas| schemas.iter().any(is_null))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_rewritten_for_generators() {
        let mut document = json!({
            "body": {"content": {"application/octet-stream": {
                "schema": {"type": "array", "items": {"type": "integer", "format": "int32"}}
            }}},
            "properties": {
                "default": {"type": ["string", "null"], "default": null},
                "choice": {"oneOf": [{"$ref": "#/a"}, {"$ref": "#/b"}]},
                "absent": {"oneOf": [{"type": "null"}, {"$ref": "#/a"}]},
                "kept": {"type": "boolean", "default": false},
            },
        });
        for_generators(&mut document);
        let expected = json!({
            "body": {"content": {"application/octet-stream": {
                "schema": {"type": "string", "format": "binary"}
            }}},
            "properties": {
                "default": {"type": ["string", "null"]},
                "choice": {"anyOf": [{"$ref": "#/a"}, {"$ref": "#/b"}]},
                "absent": {"oneOf": [{"type": "null"}, {"$ref": "#/a"}]},
                "kept": {"type": "boolean", "default": false},
            },
        });
        assert_eq!(document, expected);
    }
}
