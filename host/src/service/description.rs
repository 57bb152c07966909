//! The OpenAPI document as the service publishes it: in the form that generators of clients read.

use serde_json::{Map, Value, json};

/// The media type of a body of bytes.
const BYTES: &str = "application/octet-stream";

/// The schemas of documents that can have other members, which are stored with them.
const OPEN: [&str; 4] =
    ["ResultDocument", "ScenarioDocument", "TrajectoryDocument", "SuiteDocument"];

/// Rewrites a document for generators of clients:
///
/// - a body of bytes is a binary string, not an array of numbers;
/// - a default of `null` is left out: it means the same as its absence, and generated code of typed
///   languages assigns it;
/// - documents can have other members, which generated clients drop otherwise;
/// - one result has no member `results`, so that it differs from several, and an array of results, which
///   the service accepts, is no alternative: generators make no valid code of an array among others.
pub(super) fn for_generators(document: &mut Value) {
    rewrite(document);
    let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut)
    else {
        return;
    };
    for name in OPEN {
        if let Some(members) = schemas.get_mut(name).and_then(Value::as_object_mut) {
            members.insert("additionalProperties".to_owned(), true.into());
        }
    }
    if let Some(members) = schemas.get_mut("ResultDocument").and_then(Value::as_object_mut) {
        members.insert("not".to_owned(), json!({"required": ["results"]}));
    }
    let several = schemas.get_mut("ResultsDocument").and_then(|schema| schema.get_mut("oneOf"));
    if let Some(alternatives) = several.and_then(Value::as_array_mut) {
        alternatives.retain(|schema| schema.get("type").is_none_or(|name| name != "array"));
    }
}

/// Rewrites the bodies and the defaults of a part of a document.
fn rewrite(part: &mut Value) {
    match part {
        Value::Array(elements) => elements.iter_mut().for_each(rewrite),
        Value::Object(members) => {
            if let Some(bytes) = members.get_mut(BYTES).and_then(Value::as_object_mut) {
                bytes.insert("schema".to_owned(), json!({"type": "string", "format": "binary"}));
            }
            if is_schema(members) && members.get("default").is_some_and(Value::is_null) {
                members.remove("default");
            }
            members.values_mut().for_each(rewrite);
        }
        _ => {}
    }
}

/// Whether an object of the document describes a value: the names of properties are not members of one.
fn is_schema(members: &Map<String, Value>) -> bool {
    ["type", "oneOf", "anyOf", "allOf", "$ref"].iter().any(|name| members.contains_key(*name))
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
            "components": {"schemas": {
                "ResultDocument": {"type": "object", "properties": {
                    "default": {"type": ["string", "null"], "default": null},
                    "kept": {"type": "boolean", "default": false},
                }},
                "ResultsDocument": {"oneOf": [
                    {"$ref": "#/one"}, {"type": "array", "items": {"$ref": "#/one"}}, {"$ref": "#/many"},
                ]},
            }},
        });
        for_generators(&mut document);
        let expected = json!({
            "body": {"content": {"application/octet-stream": {
                "schema": {"type": "string", "format": "binary"}
            }}},
            "components": {"schemas": {
                "ResultDocument": {
                    "type": "object",
                    "properties": {
                        "default": {"type": ["string", "null"]},
                        "kept": {"type": "boolean", "default": false},
                    },
                    "additionalProperties": true,
                    "not": {"required": ["results"]},
                },
                "ResultsDocument": {"oneOf": [{"$ref": "#/one"}, {"$ref": "#/many"}]},
            }},
        });
        assert_eq!(document, expected);
    }
}
