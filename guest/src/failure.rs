//! What a failure was about, found from its error text.

use std::borrow::Cow;

use crate::answer::{ErrorCategory, OutcomeStatus};
use crate::json::{Place, Reader, Value};

/// The longest error code, in bytes of UTF-8: it is indexed, and a long key breaks an index.
const MAX_CODE_BYTES: usize = 128;

/// How much of an error text is searched for its category. What went wrong stands at the start
/// of a message or at the end of a traceback.
const SEARCHED_BYTES: usize = 16 << 10;

/// A word or phrase in lower case. One that begins or ends with a space must begin or end a word.
type Sign = &'static str;

/// The categories in the order in which they are tried, and what tells them.
const SIGNS: [(ErrorCategory, &[Sign]); 8] = [
    (
        ErrorCategory::Timeout,
        &["timeout", "timed out", "time out", "time limit", "deadline", "took too long"],
    ),
    (
        ErrorCategory::RateLimit,
        &[
            "rate limit",
            "rate_limit",
            "rate-limit",
            "ratelimit",
            "too many requests",
            " 429 ",
            "quota",
            "throttl",
        ],
    ),
    (
        ErrorCategory::Network,
        &[
            "network",
            "connection",
            "connecterror",
            "connect error",
            " dns ",
            "socket",
            "unreachable",
            "econnre",
            "name resolution",
            "getaddrinfo",
            " ssl",
            " tls ",
            "certificate",
            "broken pipe",
            " 502 ",
            " 503 ",
            " 504 ",
            "bad gateway",
            "service unavailable",
        ],
    ),
    (
        ErrorCategory::Resource,
        &[
            "out of memory",
            "outofmemory",
            "memoryerror",
            "memory limit",
            " oom",
            "disk full",
            "no space left",
            "enospc",
            "resource exhausted",
            "resource_exhausted",
            "resource limit",
            "resourceerror",
            "insufficient resource",
            "cannot allocate",
            "too many open files",
        ],
    ),
    (
        ErrorCategory::ToolError,
        &[
            " tool ",
            " tools ",
            "toolerror",
            "tool_",
            "_tool",
            "toolcall",
            "toolexception",
            "function call",
        ],
    ),
    (
        ErrorCategory::ModelError,
        &[
            " model ",
            "modelerror",
            "model_",
            " llm",
            "openai",
            "anthropic",
            "apierror",
            "api error",
            "api_error",
            "completion",
            "content filter",
            "content_filter",
            "content policy",
            "context length",
            "context_length",
            "context window",
            "overloaded",
        ],
    ),
    (
        ErrorCategory::ValidationError,
        &[
            "validat",
            "invalid",
            "schema",
            "malformed",
            "parse error",
            "parseerror",
            "jsondecode",
            "valueerror",
            "typeerror",
            "keyerror",
            "assert",
        ],
    ),
    (ErrorCategory::SandboxError, &["sandbox", "container", " modal ", "microvm"]),
];

/// What a result says of its failure.
#[derive(Debug, Default)]
pub(crate) struct Failure {
    pub(crate) code: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) category: Option<ErrorCategory>,
}

/// Reads an error. One that is not a string counts as its JSON text.
pub(crate) fn read<'a>(
    reader: &mut Reader<'a>,
    error: Option<Value<'a>>,
    place: Place,
    status: OutcomeStatus,
) -> Failure {
    let message = error
        .map(|value| {
            let text = reader.decoded(value, place);
            text.unwrap_or(Cow::Borrowed(value.json()))
        })
        .filter(|text| !text.trim().is_empty());
    let code = match (error, &message) {
        (Some(object), Some(_)) if object.is_object() => type_of(reader, object, place),
        (_, message) => message.as_deref().and_then(first_word),
    };
    Failure {
        category: category(message.as_deref(), status),
        code,
        message: message.map(Cow::into_owned),
    }
}

/// The type that an error object names, else the first word of its message.
fn type_of<'a>(reader: &mut Reader<'a>, error: Value<'a>, place: Place) -> Option<String> {
    ["type", "code", "name", "message"].into_iter().find_map(|member| {
        let value = error.member(member)?;
        let text = reader.decoded(value, Place { object: &place.pointer(), member })?;
        first_word(&text)
    })
}

/// The first word without the punctuation that follows it, at most 128 bytes.
fn first_word(text: &str) -> Option<String> {
    let word = text.split_whitespace().next()?;
    let word = word.trim_end_matches([':', ';', ',', '.', '!']);
    let end = word.floor_char_boundary(MAX_CODE_BYTES);
    word.get(..end).filter(|word| !word.is_empty()).map(str::to_owned)
}

/// The first category whose signs the text has. A text that tells nothing leaves what the status
/// tells; without a text, only a status that is an error of its own has a category.
fn category(message: Option<&str>, status: OutcomeStatus) -> Option<ErrorCategory> {
    let told = match status {
        OutcomeStatus::Success => return None,
        OutcomeStatus::Timeout => ErrorCategory::Timeout,
        OutcomeStatus::Error | OutcomeStatus::Cancelled => ErrorCategory::SystemError,
    };
    let Some(message) = message else {
        return (status != OutcomeStatus::Cancelled).then_some(told);
    };
    let text = searchable(message);
    let found = SIGNS.iter().find(|(_, signs)| signs.iter().any(|sign| text.contains(sign)));
    Some(found.map_or(told, |(category, _)| *category))
}

/// The text's start and end in lower case, with a space for everything that is not part of a
/// word, so that a sign can ask for a word's beginning or end.
fn searchable(message: &str) -> String {
    let head = message.get(..message.floor_char_boundary(SEARCHED_BYTES)).unwrap_or_default();
    let tail_start = message.ceil_char_boundary(message.len().saturating_sub(SEARCHED_BYTES));
    let tail = message.get(tail_start.max(head.len())..).unwrap_or_default();
    let mut text = String::with_capacity(head.len() + tail.len() + 3);
    text.push(' ');
    for part in [head, " ", tail, " "] {
        text.extend(part.chars().map(|character| match character {
            'A'..='Z' => character.to_ascii_lowercase(),
            '_' | '-' => character,
            _ if character.is_alphanumeric() => character,
            _ => ' ',
        }));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_category_is_found() {
        for (text, expected) in [
            ("TimeoutError: the run took more than 60 s", ErrorCategory::Timeout),
            ("Deadline exceeded while calling the tool", ErrorCategory::Timeout),
            ("HTTP 429: slow down", ErrorCategory::RateLimit),
            ("RateLimitError from OpenAI", ErrorCategory::RateLimit),
            ("ConnectionResetError: [Errno 104]", ErrorCategory::Network),
            ("CUDA out of memory", ErrorCategory::Resource),
            ("there was no room for the model", ErrorCategory::ModelError),
            ("tool 'search' raised", ErrorCategory::ToolError),
            ("ToolError: weather", ErrorCategory::ToolError),
            ("openai.BadRequestError", ErrorCategory::ModelError),
            ("pydantic.ValidationError: 2 fields", ErrorCategory::ValidationError),
            ("Sandbox terminated", ErrorCategory::SandboxError),
            ("something else", ErrorCategory::SystemError),
            ("", ErrorCategory::SystemError),
        ] {
            assert_eq!(category(Some(text), OutcomeStatus::Error), Some(expected), "{text}");
        }
    }

    #[test]
    fn the_status_tells_what_the_text_does_not() {
        assert_eq!(category(None, OutcomeStatus::Timeout), Some(ErrorCategory::Timeout));
        assert_eq!(category(Some("gave up"), OutcomeStatus::Timeout), Some(ErrorCategory::Timeout));
        assert_eq!(category(None, OutcomeStatus::Error), Some(ErrorCategory::SystemError));
        assert_eq!(category(None, OutcomeStatus::Cancelled), None);
        assert_eq!(category(Some("network down"), OutcomeStatus::Success), None);
    }

    #[test]
    fn the_end_of_a_long_traceback_is_searched() {
        let text = format!("Traceback\n{}\nToolError: x", "  File \"a.py\"\n".repeat(10_000));
        assert_eq!(category(Some(&text), OutcomeStatus::Error), Some(ErrorCategory::ToolError));
    }

    #[test]
    fn the_code_is_a_bounded_first_word() {
        assert_eq!(first_word("ValueError: no"), Some("ValueError".into()));
        assert_eq!(first_word(" ... "), None);
        assert_eq!(first_word(&"é".repeat(100)).unwrap().len(), 128);
    }
}
