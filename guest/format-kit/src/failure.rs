//! Classifies a failure by its error text.

use std::borrow::Cow;

use crate::answer::{ErrorCategory, FailureClass, OutcomeStatus};
use crate::failure_class;
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
        "type error", "key error",
    ]),
    (ErrorCategory::SandboxError, &["sandbox", "container", "modal ", "microvm"]),
];

/// The ends of the names of exceptions, by which they are recognised in a text.
#[rustfmt::skip]
const EXCEPTIONS: [&str; 15] = [
    "Cancelled", "Crash", "Denied", "Error", "Exceeded", "Exception", "Exhausted", "Exit", "Failure",
    "Interrupt", "Iteration", "NotFound", "Timeout", "Unavailable", "Warning",
];

/// The names of system errors, as programs in C and JavaScript write them.
#[rustfmt::skip]
const SYSTEM_ERRORS: [&str; 20] = [
    "EACCES", "EADDRINUSE", "EAI_AGAIN", "ECONNABORTED", "ECONNREFUSED", "ECONNRESET", "EEXIST",
    "EHOSTUNREACH", "EINVAL", "EIO", "EISDIR", "EMFILE", "ENETUNREACH", "ENOENT", "ENOMEM", "ENOSPC",
    "ENOTFOUND", "EPERM", "EPIPE", "ETIMEDOUT",
];

/// The words before the status of an HTTP response.
const BEFORE_STATUS: [&str; 4] = ["http", "status", "code", "error"];

/// The error fields of a result.
#[derive(Debug, Default)]
pub struct Failure {
    /// The error's code or type; at most 128 bytes. `None` if neither is known.
    pub code: Option<String>,
    /// The whole error text.
    pub message: Option<String>,
    /// The kind of the failure; `None` for a success.
    pub category: Option<ErrorCategory>,
    /// Whose failure it is; `None` for a success.
    pub class: Option<FailureClass>,
    /// The rule that decided; `None` if none did.
    pub rule: Option<String>,
}

impl Failure {
    /// Classifies an error text, if there is one. The code is the error's type if that is known, or
    /// else the code or type that the text starts with.
    pub fn new(message: Option<&str>, kind: Option<&str>, status: OutcomeStatus) -> Self {
        let message = message.filter(|message| !message.trim().is_empty());
        Failure::with_code(message, kind.and_then(code_of_member), status)
    }

    /// Classifies an error text; its code or type can be known already.
    fn with_code(message: Option<&str>, code: Option<String>, status: OutcomeStatus) -> Self {
        let code = code.or_else(|| code_of_text(message?));
        let (class, rule) = failure_class::classify(code.as_deref(), message, status, None).unzip();
        Failure {
            category: category(message, code.as_deref(), status),
            class,
            rule: rule.flatten().map(str::to_owned),
            code,
            message: message.map(str::to_owned),
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
    for (error, place) in errors {
        let Some(error) = error else { continue };
        let text = reader.decoded(error, place).unwrap_or(Cow::Borrowed(error.json()));
        if !text.trim().is_empty() {
            let code = code_of_error(reader, error, place);
            return Failure::with_code(Some(&text), code, status);
        }
    }
    Failure::with_code(None, None, status)
}

/// Returns the type or code that an error object names, or else that of its message.
fn code_of_error<'a>(reader: &mut Reader<'a>, error: Value<'a>, place: Place) -> Option<String> {
    let mut text = |member| {
        let value = error.member(member)?;
        let place = Place { object: &place.pointer(), member };
        let text = reader.decoded(value, place);
        text.or(value.is_number().then(|| Cow::Borrowed(value.json())))
    };
    let named = ["type", "code", "name"].into_iter().find_map(|name| code_of_member(&text(name)?));
    named.or_else(|| code_of_text(&text("message")?))
}

/// Returns a member's text as a code, if it is a single word.
fn code_of_member(text: &str) -> Option<String> {
    let mut words = text.split_whitespace();
    match (words.next(), words.next()) {
        (Some(word), None) => bounded(word.trim_end_matches([':', ';', ',', '.', '!'])),
        _ => code_of_text(text),
    }
}

/// Returns the code or type that a text names: at its start (`ValueError: no`, `TimeoutError('…')`,
/// `Error [ERR_X]: no`, `rate_limit_exceeded`, `[Errno 111] refused`), as the name of a system error
/// or the status of an HTTP response in its first line, or in the last line of a Python traceback.
fn code_of_text(text: &str) -> Option<String> {
    let line = text.trim_start().lines().next()?.trim_end();
    let code = code_at_start(line)
        .or_else(|| line.split(|it| !is_of_name(it)).find(|word| SYSTEM_ERRORS.contains(word)))
        .or_else(|| http_status(line))
        .or_else(|| code_at_start(exception_line(text)?));
    code.and_then(bounded)
}

/// Returns the code or type at the start of a line.
fn code_at_start(line: &str) -> Option<&str> {
    let line = line.strip_prefix("Error ").filter(|rest| rest.starts_with('[')).unwrap_or(line);
    if let Some((code, _)) = line.strip_prefix('[').and_then(|line| line.split_once(']')) {
        let number = code.strip_prefix("Errno ").unwrap_or_default();
        return (number.parse::<i32>().is_ok() || is_code(code)).then_some(code);
    }
    let end = line.find(|it: char| it.is_whitespace() || matches!(it, '(' | '[' | ','));
    let word = line.get(..end.unwrap_or(line.len()))?;
    let name = word.trim_end_matches(':');
    let is_marked = end.is_none() || name.len() < word.len();
    (is_exception(name) || (is_marked && is_code(name))).then_some(name)
}

/// Whether a word is the name of an exception: `ValueError`, `openai.RateLimitError`, `httpx.ReadTimeout`.
fn is_exception(word: &str) -> bool {
    let name = word.rsplit(['.', ':']).next().unwrap_or_default();
    let end = EXCEPTIONS.iter().find(|end| name.ends_with(**end));
    // `Error: no` is the start of any sentence; `Exception` is a type of Python.
    end.is_some_and(|end| name.len() > end.len() || name.len() < word.len() || *end == "Exception")
        && name.starts_with(|first: char| first.is_uppercase() || first == '_')
        && word.chars().all(|it| is_of_name(it) || matches!(it, '.' | ':' | '$'))
}

/// Whether a word is a code: `rate_limit_exceeded`, `ERR_INVALID_URL`, `ECONNRESET`, `E1234`.
fn is_code(word: &str) -> bool {
    let is_number = |text: &str| text.len() >= 3 && text.bytes().all(|it| it.is_ascii_digit());
    let letters = word.trim_start_matches(|it: char| it.is_ascii_uppercase());
    let is_numbered = letters.len() < word.len() && is_number(letters.trim_start_matches('-'));
    let has_one_case = !(word.contains(char::is_uppercase) && word.contains(char::is_lowercase));
    let is_constant = has_one_case
        && word.trim_matches('_').contains('_')
        && word.starts_with(|first: char| first.is_ascii_alphabetic())
        && word.chars().all(is_of_name);
    is_numbered || is_constant || SYSTEM_ERRORS.contains(&word)
}

fn is_of_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Returns the status of an HTTP response that a line names: `HTTP 429`, `Error code: 503 - …`,
/// `429 Too Many Requests`.
fn http_status(line: &str) -> Option<&str> {
    let words: Vec<&str> = line.split(|it| !is_of_name(it)).filter(|it| !it.is_empty()).collect();
    let is_status = |word: &str| {
        word.len() == 3 && word.parse::<u16>().is_ok_and(|status| (400..600).contains(&status))
    };
    let after_word = words.windows(2).find_map(|pair| match pair {
        [before, status] if is_status(status) => {
            BEFORE_STATUS.contains(&&*before.to_ascii_lowercase()).then_some(*status)
        }
        _ => None,
    });
    let at_start = || {
        let (status, rest) = line.split_once(' ')?;
        let is_reason = rest.starts_with(|first: char| first.is_uppercase() || first == '{');
        (is_status(status) && is_reason).then_some(status)
    };
    after_word.or_else(at_start)
}

/// Returns the line of a Python traceback that names the exception: the first after the last stack
/// that is not indented.
fn exception_line(text: &str) -> Option<&str> {
    let (_, stack) = text.rsplit_once("Traceback (most recent call last):")?;
    stack.lines().skip(1).find(|line| !line.starts_with(char::is_whitespace))
}

/// Returns a code of at most 128 bytes; `None` if it is empty.
fn bounded(code: &str) -> Option<String> {
    let end = code.floor_char_boundary(MAX_CODE_BYTES);
    code.get(..end).filter(|code| !code.is_empty()).map(str::to_owned)
}

/// Whether the failure is that of an assertion about the agent's answer.
fn is_assertion(message: &str, code: Option<&str>) -> bool {
    let named = code.and_then(|code| code.rsplit('.').next());
    let start: String = message.trim_start().chars().take(16).collect();
    matches!(named, Some("AssertionError" | "AssertionException"))
        || start.eq_ignore_ascii_case("assertion failed")
}

/// Returns the first category with a pattern that the text matches. If none matches, the status
/// decides; without a text, only a status that is itself an error has a category. The text of a failed
/// assertion is about the agent's answer, so it matches none.
fn category(
    message: Option<&str>,
    code: Option<&str>,
    status: OutcomeStatus,
) -> Option<ErrorCategory> {
    let default = match status {
        OutcomeStatus::Success => return None,
        OutcomeStatus::Timeout => ErrorCategory::Timeout,
        OutcomeStatus::Error | OutcomeStatus::Cancelled => ErrorCategory::SystemError,
    };
    let Some(message) = message else {
        return (status != OutcomeStatus::Cancelled).then_some(default);
    };
    if is_assertion(message, code) {
        return Some(default);
    }
    Some(matching(&without_frames(message)).unwrap_or(default))
}

/// Returns a text without the frames of a JavaScript stack, which have names of functions and files.
pub(crate) fn without_frames(message: &str) -> Cow<'_, str> {
    const FRAME: &str = "    at ";
    if !message.contains(FRAME) {
        return message.into();
    }
    let lines = message.lines().filter(|line| !line.starts_with(FRAME));
    lines.collect::<Vec<_>>().join("\n").into()
}

/// Returns the first category with a pattern that the text matches.
fn matching(message: &str) -> Option<ErrorCategory> {
    let text = searchable(message);
    let occurs = |sign: &Sign| {
        text.match_indices(*sign)
            .any(|(at, _)| text.get(..at).is_some_and(|before| before.ends_with(' ')))
    };
    SIGNS.iter().find(|(_, signs)| signs.iter().any(occurs)).map(|(category, _)| *category)
}

/// Returns the start and the end of the text in lower case, with one space around each word.
/// Separators inside a name (`rate_limit`, `rate-limit`, `RateLimitError`) become spaces, so that
/// one pattern matches all spellings.
pub(crate) fn searchable(message: &str) -> String {
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
            ("connect ECONNREFUSED\n    at RateLimitState.run (a.js:1:2)", ErrorCategory::Network),
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
            let found = category(Some(text), None, OutcomeStatus::Error);
            assert_eq!(found, Some(expected), "{text}");
        }
    }

    #[test]
    fn the_status_decides_if_the_text_matches_no_category() {
        assert_eq!(category(None, None, OutcomeStatus::Timeout), Some(ErrorCategory::Timeout));
        assert_eq!(
            category(Some("gave up"), None, OutcomeStatus::Timeout),
            Some(ErrorCategory::Timeout)
        );
        assert_eq!(category(None, None, OutcomeStatus::Error), Some(ErrorCategory::SystemError));
        assert_eq!(category(None, None, OutcomeStatus::Cancelled), None);
        assert_eq!(category(Some("network down"), None, OutcomeStatus::Success), None);
    }

    #[test]
    fn the_end_of_a_long_traceback_is_searched() {
        let text = format!("Traceback\n{}\nToolError: x", "  File \"a.py\"\n".repeat(10_000));
        assert_eq!(
            category(Some(&text), None, OutcomeStatus::Error),
            Some(ErrorCategory::ToolError)
        );
    }

    #[test]
    fn the_code_is_a_type_or_a_code_that_the_text_names() {
        for (text, code) in [
            ("ValueError: no", "ValueError"),
            ("  TimeoutError('took 60 s')", "TimeoutError"),
            ("Exception('no')", "Exception"),
            ("RateLimitError from OpenAI", "RateLimitError"),
            ("openai.RateLimitError: Error code: 429 - {'error': 1}", "openai.RateLimitError"),
            ("sqlite3.Error: locked", "sqlite3.Error"),
            ("std::io::Error: no such file", "std::io::Error"),
            ("KeyboardInterrupt", "KeyboardInterrupt"),
            ("WorkerCrash: worker 'gw0' crashed", "WorkerCrash"),
            ("docker.errors.NotFound: no image", "docker.errors.NotFound"),
            ("Error [ERR_INVALID_URL]: no", "ERR_INVALID_URL"),
            ("TypeError [ERR_X]: no", "TypeError"),
            ("Error: connect ECONNREFUSED 127.0.0.1:1", "ECONNREFUSED"),
            ("ENOENT: no such file or directory, open 'x'", "ENOENT"),
            ("[Errno 111] Connection refused", "Errno 111"),
            ("HTTP 429: slow down", "429"),
            ("Error code: 503 - {}", "503"),
            ("API error: 500 overloaded", "500"),
            ("Request failed with status code 404", "404"),
            ("429 Too Many Requests", "429"),
            ("rate_limit_exceeded", "rate_limit_exceeded"),
            ("DEADLINE_EXCEEDED: 60 s", "DEADLINE_EXCEEDED"),
            ("E1234: no", "E1234"),
            ("ORA-00942: no such table", "ORA-00942"),
            (
                "Traceback (most recent call last):\n  File \"a\", line 1\n    f()\nKeyError: 'x'",
                "KeyError",
            ),
            (
                "Traceback (most recent call last):\n  f\nKeyError: 1\n\nDuring it, another:\n\n\
                 Traceback (most recent call last):\n  g\na.b.ToolError: two\nlines: of it\n",
                "a.b.ToolError",
            ),
        ] {
            assert_eq!(code_of_text(text).as_deref(), Some(code), "{text}");
        }
        for text in [
            "the run broke",
            "Expected output to contain \"4\"",
            "Error: could not start",
            "Agent: no answer",
            "Timeout: no answer",
            "OpenAI: no answer",
            "broken",
            "max_tokens is too large",
            "500 tests failed",
            "429",
            "Traceback (most recent call last):\n  File \"a\"",
            "Trace",
            " ... ",
        ] {
            assert_eq!(code_of_text(text), None, "{text}");
        }
    }

    #[test]
    fn the_code_of_a_member_is_one_word() {
        for (text, code) in [
            ("E1", Some("E1")),
            (" agent_timeout. ", Some("agent_timeout")),
            ("the agent failed", None),
            ("ToolError: no", Some("ToolError")),
            ("", None),
        ] {
            assert_eq!(code_of_member(text).as_deref(), code, "{text}");
        }
        assert_eq!(code_of_member(&"é".repeat(100)).unwrap().len(), 128);
    }

    #[test]
    fn a_failed_assertion_is_no_validation_error() {
        for text in [
            "AssertionError: the tool returned an invalid value",
            "unittest.AssertionError",
            "Assertion failed: a == b",
            "Expected output to contain \"4\"",
        ] {
            let failure = Failure::new(Some(text), None, OutcomeStatus::Error);
            assert_eq!(failure.category, Some(ErrorCategory::SystemError), "{text}");
        }
    }
}
