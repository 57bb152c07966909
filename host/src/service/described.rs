//! The OpenAPI document in the form that generators of clients need.

use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;

/// Alternatives of which several can match a body, because an object can have further members: a
/// generated client that accepts exactly one refuses such a body.
const OVERLAPPING: [&str; 2] = ["RecordingVerdicts", "ResultsDocument"];

/// The type of a body that is bytes.
const BYTES: &str = "application/octet-stream";

/// Returns the document with overlapping alternatives as `anyOf`, with bodies of bytes as binary data
/// instead of arrays of numbers, and without defaults of null.
pub(super) fn for_generators(document: OpenApi) -> OpenApi {
    let Ok(mut value) = serde_json::to_value(&document) else { return document };
    improve(&mut value);
    if let Some(schemas) = value.pointer_mut("/components/schemas").and_then(Value::as_object_mut) {
        for name in OVERLAPPING {
            let schema = schemas.get_mut(name).and_then(Value::as_object_mut);
            if let Some(schema) = schema
                && let Some(alternatives) = schema.remove("oneOf")
            {
                schema.insert("anyOf".to_owned(), alternatives);
            }
        }
    }
    serde_json::from_value(value).unwrap_or(document)
}

fn improve(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(improve),
        Value::Object(members) => {
            describe_bytes(members);
            if members.get("default").is_some_and(Value::is_null) {
                members.remove("default");
            }
            members.values_mut().for_each(improve);
        }
        _ => {}
    }
}

fn describe_bytes(members: &mut Map<String, Value>) {
    if let Some(schema) = members.get_mut(BYTES).and_then(|content| content.get_mut("schema")) {
        *schema = json!({"type": "string", "format": "binary"});
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::BYTES;

    #[test]
    fn generators_can_read_the_document() {
        let document = serde_json::to_value(super::super::openapi()).unwrap();
        let text = document.to_string();
        assert!(!text.contains("\"default\":null"));
        for path in ["/v1/files", "/v1/simulations/{simulation_id}/outcomes"] {
            let body = &document["paths"][path]["post"]["requestBody"]["content"][BYTES];
            assert_eq!(body["schema"]["format"], "binary", "{path}: {body}");
        }
        for name in super::OVERLAPPING {
            let schema = &document["components"]["schemas"][name];
            assert!(schema["anyOf"].as_array().is_some_and(|any| any.len() > 1), "{schema}");
            assert_eq!(schema["oneOf"], Value::Null, "{schema}");
        }
    }
}
