//! The prompt of a run, as each instrumentation writes it.

use arc_format_kit::json::{Reader, Value};

use crate::span::{Event, Span};

/// The attributes that have the messages of a call as JSON, by convention and instrumentation.
const MESSAGES: [&str; 7] = [
    "gen_ai.input.messages",
    "pydantic_ai.all_messages",
    "all_messages_events",
    "ai.prompt.messages",
    "ai.prompt",
    "gcp.vertex.agent.llm_request",
    "langfuse.observation.input",
];

/// The prefixes of the messages that have an attribute for each of their parts.
const NUMBERED: [&str; 3] = ["gen_ai.prompt.", "llm.input_messages.", "llm.prompts."];

/// The attributes that have the input of a span in any form.
const INPUTS: [&str; 4] = ["gen_ai.prompt", "inputs", "input.value", "traceloop.entity.input"];

/// Returns the first prompt of the agent or model; the spans are ordered by their start.
pub(crate) fn read<'a>(reader: &mut Reader<'a>, spans: &[&Span<'a>]) -> Option<String> {
    let messages = spans.iter().find_map(|span| of_messages(reader, span));
    messages.or_else(|| {
        spans.iter().find_map(|span| {
            INPUTS.iter().find_map(|key| of_input(&span.attributes.text(reader, key)?))
        })
    })
}

/// Returns the last message of the user among the messages of a span and its events.
fn of_messages<'a>(reader: &mut Reader<'a>, span: &Span<'a>) -> Option<String> {
    let as_json =
        MESSAGES.iter().find_map(|key| last_of_user(json(&span.attributes.text(reader, key)?)?));
    let as_json = as_json.or_else(|| {
        NUMBERED.iter().find_map(|prefix| {
            let messages = span.attributes.numbered(reader, prefix);
            messages.into_values().rev().find_map(|message| of_numbered(&message))
        })
    });
    as_json.or_else(|| span.events.iter().rev().find_map(|event| of_event(reader, event)))
}

fn of_event<'a>(reader: &mut Reader<'a>, event: &Event<'a>) -> Option<String> {
    match event.name.as_str() {
        "gen_ai.user.message" => Some(without_parts(event.attributes.text(reader, "content")?)),
        "gen_ai.content.prompt" => of_input(&event.attributes.text(reader, "gen_ai.prompt")?),
        "gen_ai.client.inference.operation.details" => {
            last_of_user(json(&event.attributes.text(reader, "gen_ai.input.messages")?)?)
        }
        _ => None,
    }
}

/// Returns the text of a message of the user: `role` and `content`, or `message.role` and
/// `message.contents.0.message_content.text`.
fn of_numbered(message: &[(&str, String)]) -> Option<String> {
    let role = message.iter().find(|(key, _)| key.ends_with("role"));
    if !role.is_none_or(|(_, role)| is_user(role)) {
        return None;
    }
    let is_text = |key: &str| {
        matches!(key, "content" | "user" | "message.content")
            || (key.starts_with("message.contents.") && key.ends_with(".message_content.text"))
    };
    let parts = message.iter().filter(|(key, _)| is_text(key));
    join(parts.map(|(_, text)| without_parts(text.clone())).collect())
}

/// Returns the text of a content: if it is JSON text of a list of parts, their texts.
fn without_parts(content: String) -> String {
    let parts = json(&content).filter(|value| {
        value.elements().is_some_and(|parts| parts.into_iter().all(Value::is_object))
    });
    parts.and_then(texts).unwrap_or(content)
}

/// Returns the input of a span: the last message of the user if it has messages, else the text.
fn of_input(input: &str) -> Option<String> {
    let text = json(input).and_then(|value| last_of_user(value).or_else(|| plain(value)));
    Some(text.unwrap_or_else(|| input.to_owned()))
}

/// Returns the text of a JSON string.
fn plain(value: Value) -> Option<String> {
    value.decode().map(|text| text.text.into_owned()).filter(|text| !text.trim().is_empty())
}

/// Returns the value of JSON text.
fn json(text: &str) -> Option<Value<'_>> {
    let (mut reader, value) = Reader::new(text).ok()?;
    match text.trim_start().as_bytes().first()? {
        b'[' => reader.root_elements(value).map(|_| value),
        b'{' => reader.root(value, [""]).map(|_| value),
        b'"' => value.decode().map(|_| value),
        _ => None,
    }
}

fn is_user(role: &str) -> bool {
    matches!(role.to_ascii_lowercase().as_str(), "user" | "human")
}

/// Returns the last message of the user that has a text. The messages are a list, or in a member of
/// an object; lists can be nested, one for each call of a batch.
fn last_of_user(value: Value) -> Option<String> {
    if value.is_object() {
        let is = |name| Some(is_user(&value.member(name)?.decode()?.text));
        match (is("role"), is("type")) {
            (Some(true), _) | (None, Some(true)) => return texts(value),
            (Some(false), _) => return None,
            (None, _) => {}
        }
        let members = ["messages", "contents", "kwargs", "input", "prompt"];
        return members.into_iter().find_map(|name| {
            let inner = value.member(name)?;
            last_of_user(inner).or_else(|| plain(inner))
        });
    }
    value.elements()?.into_iter().rev().find_map(last_of_user)
}

/// Returns the texts of a message, of its parts, or of a list of parts. Parts of other types, such as
/// images and results of tools, have none.
fn texts(value: Value) -> Option<String> {
    if let Some(elements) = value.elements() {
        let parts = elements.into_iter().filter_map(|part| texts(part).or_else(|| plain(part)));
        return join(parts.collect());
    }
    let other = value.member("type").and_then(Value::decode).is_some_and(|kind| {
        !is_user(&kind.text) && !matches!(&*kind.text, "text" | "input_text" | "message")
    });
    if other {
        return None;
    }
    ["parts", "content", "text"].into_iter().find_map(|name| {
        let inner = value.member(name)?;
        texts(inner).or_else(|| plain(inner))
    })
}

fn join(texts: Vec<String>) -> Option<String> {
    Some(texts.join("\n")).filter(|text| !text.trim().is_empty())
}
