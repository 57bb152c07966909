//! Classifies a failure by its error text.

use std::borrow::Cow;

use crate::answer::{ErrorCategory, OutcomeStatus};
use crate::json::{Place, Reader, Value};

/// The longest error code, in bytes of UTF-8: short enough for an index, whose entries are limited in
/// size.
const MAX_CODE_BYTES: usize = 128;

/// How many bytes of an error text are searched for its category, at each end. The cause is at the
/// start of a message or at the end of a traceback.
const SEARCHED_BYTES: usize = 16 << 10;

/// A pattern in lower case that matches after a space; one with a trailing space matches only
/// before a space.
type Sign = &'static str;

/// The categories in the order in which they are tried, and their patterns.
#[rustfmt::skip]
const SIGNS: [(ErrorCategory, &[Sign]); 8] = [
    (ErrorCategory::Timeout, &[
        "timeout", "timed out", "time out ", "time limit", "deadline", "took too long", "etimedout",
    ]),
    (ErrorCategory::RateLimit, &[
        "rate limit", "ratelimit", "too many requests", "http 429", "status 429", "code 429",
        "error 429", "quota ", "quotas ", "throttl",
    ]),
    (ErrorCategory::Network, &[
        "network", "connection", "connect error", "dns ", "socket", "unreachable", "econn",
        "ehostunreach", "enotfound", "eai again", "name resolution", "getaddrinfo", "ssl ", "tls ",
        "certificate", "broken pipe", "http 502", "http 503", "http 504", "status 502",
        "status 503", "status 504", "code 502", "code 503", "code 504", "bad gateway",
        "service unavailable",
    ]),
    (ErrorCategory::Resource, &[
        "out of memory", "memory error", "memory limit", "oom ", "disk full", "no space left",
        "enospc", "resource exhausted", "resource limit", "resource error",
        "insufficient resource", "cannot allocate", "too many open files",
    ]),
    (ErrorCategory::ToolError, &["tool ", "tools ", "toolcall", "function call"]),
    (ErrorCategory::ModelError, &[
        "model ", "models ", "llm", "openai", "open ai ", "anthropic", "api error", "completion",
        "content filter", "content policy", "context length", "context window", "overloaded",
    ]),
    (ErrorCategory::ValidationError, &[
        "validat", "invalid", "schema", "malformed", "parse error", "json decode", "value error",
        "type error", "key error", "assert",
    ]),
    (ErrorCategory::SandboxError, &["sandbox", "container", "modal ", "microvm"]),
];

/// The error fields of a result.
#[derive(Debug, Default)]
pub struct Failure {
    /// The error's type, or the first word of its text; at most 128 bytes.
    pub code: Option<String>,
    /// The whole error text.
    pub message: Option<String>,
    /// The kind of the failure; `None` for a success.
    pub category: Option<ErrorCategory>,
}

impl Failure {
    /// Classifies an error text, if there is one. The code is the error's type if that is known, or
    /// else the text's first word.
    pub fn new(message: Option<&str>, kind: Option<&str>, status: OutcomeStatus) -> Self {
        let message = message.filter(|message| !message.trim().is_empty());
        Failure {
            code: kind.and_then(first_word).or_else(|| message.and_then(first_word)),
            message: message.map(str::to_owned),
            category: category(message, status),
        }
    }
}

/// Reads the first of the errors that is not blank. An error that is not a string is read as its
/// JSON text.
pub fn read<'a, const N: usize>(
    reader: &mut Reader<'a>,
    errors: [(Option<Value<'a>>, Place); N],
    status: OutcomeStatus,
) -> Failure {
    let mut found = None;
    for (error, place) in errors {
        let Some(value) = error else { continue };
        let text = reader.decoded(value, place).unwrap_or(Cow::Borrowed(value.json()));
        if !text.trim().is_empty() {
            found = Some((value, place, text));
            break;
        }
    }
    let Some((error, place, message)) = found else {
        return Failure { category: category(None, status), ..Failure::default() };
    };
    let code = if error.is_object() { type_of(reader, error, place) } else { first_word(&message) };
    Failure {
        category: category(Some(&message), status),
        code,
        message: Some(message.into_owned()),
    }
}

/// Returns the type that an error object names, or else the first word of its message.
fn type_of<'a>(reader: &mut Reader<'a>, error: Value<'a>, place: Place) -> Option<String> {
    ["type", "code", "name", "message"].into_iter().find_map(|member| {
        let value = error.member(member)?;
        let text = reader.decoded(value, Place { object: &place.pointer(), member })?;
        first_word(&text)
    })
}

/// Returns the first word without trailing punctuation, at most 128 bytes.
fn first_word(text: &str) -> Option<String> {
    let word = text.split_whitespace().next()?;
    let word = word.trim_end_matches([':', ';', ',', '.', '!']);
    let end = word.floor_char_boundary(MAX_CODE_BYTES);
    word.get(..end).filter(|word| !word.is_empty()).map(str::to_owned)
}

/// Returns the first category with a pattern that the text matches. If none matches, the status
/// decides; without a text, only a status that is itself an error has a category.
fn category(message: Option<&str>, status: OutcomeStatus) -> Option<ErrorCategory> {
    let default = match status {
        OutcomeStatus::Success => return None,
        OutcomeStatus::Timeout => ErrorCategory::Timeout,
        OutcomeStatus::Error | OutcomeStatus::Cancelled => ErrorCategory::SystemError,
    };
    let Some(message) = message else {
        return (status != OutcomeStatus::Cancelled).then_some(default);
    };
    let text = searchable(message);
    let occurs = |sign: &Sign| {
        text.match_indices(*sign)
            .any(|(at, _)| text.get(..at).is_some_and(|before| before.ends_with(' ')))
    };
    let found = SIGNS.iter().find(|(_, signs)| signs.iter().any(occurs));
    Some(found.map_or(default, |(category, _)| *category))
}

/// Returns the start and the end of the text in lower case, with one space around each word.
/// Separators inside a name (`rate_limit`, `rate-limit`, `RateLimitError`) become spaces, so that
/// one pattern matches all spellings.
fn searchable(message: &str) -> String {
    let head = message.get(..message.floor_char_boundary(SEARCHED_BYTES)).unwrap_or_default();
    let tail_start = message.ceil_char_boundary(message.len().saturating_sub(SEARCHED_BYTES));
    let tail = message.get(tail_start.max(head.len())..).unwrap_or_default();
    let mut words = String::with_capacity(head.len() + tail.len() + 2);
    words.push(' ');
    for part in [head, tail] {
        let mut before = ' ';
        let mut characters = part.chars().peekable();
        while let Some(character) = characters.next() {
            let next_lower = characters.peek().is_some_and(char::is_ascii_lowercase);
            let begins_word = character.is_ascii_uppercase()
                && (before.is_ascii_lowercase() || (before.is_ascii_uppercase() && next_lower));
            if (begins_word || !character.is_alphanumeric()) && !words.ends_with(' ') {
                words.push(' ');
            }
            if character.is_alphanumeric() {
                words.push(character.to_ascii_lowercase());
            }
            before = character;
        }
        if !words.ends_with(' ') {
            words.push(' ');
        }
    }
    // A neural network is a model, not a network.
    words.replace(" neural network", " neural")
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
            ("File \"a.py\", line 429, in f\nKeyError: 'x'", ErrorCategory::ValidationError),
            ("missing closing quotation mark", ErrorCategory::SystemError),
            ("no time outside office hours", ErrorCategory::SystemError),
            ("the neural network gave up", ErrorCategory::SystemError),
            ("connect ETIMEDOUT 10.0.0.1:443", ErrorCategory::Timeout),
            ("connect ECONNABORTED", ErrorCategory::Network),
            ("upstream said: status code: 503", ErrorCategory::Network),
            ("tool-call failed", ErrorCategory::ToolError),
            ("model-not-found", ErrorCategory::ModelError),
            ("OpenAIError", ErrorCategory::ModelError),
            ("OutOfMemoryError", ErrorCategory::Resource),
            ("something else", ErrorCategory::SystemError),
            ("", ErrorCategory::SystemError),
        ] {
            assert_eq!(category(Some(text), OutcomeStatus::Error), Some(expected), "{text}");
        }
    }

    #[test]
    fn the_status_decides_if_the_text_matches_no_category() {
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
