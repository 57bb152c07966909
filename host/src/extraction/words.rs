//! The names of the WIT enums in the database and in JSON.

use std::borrow::Cow;

use serde::{Deserialize, Serialize, Serializer};

use super::{ErrorCategory, Violation};
use crate::json_text::JsonText;

/// The contract's whole numbers are floats of at most 2^53.
#[expect(clippy::cast_possible_truncation, reason = "every value up to 2^53 fits")]
pub(crate) fn whole(number: f64) -> i64 {
    number as i64
}

/// The name of an error category.
pub fn category_word(category: ErrorCategory) -> &'static str {
    match category {
        ErrorCategory::Timeout => "timeout",
        ErrorCategory::RateLimit => "rate_limit",
        ErrorCategory::Network => "network",
        ErrorCategory::Resource => "resource",
        ErrorCategory::ToolError => "tool_error",
        ErrorCategory::ModelError => "model_error",
        ErrorCategory::ValidationError => "validation_error",
        ErrorCategory::SandboxError => "sandbox_error",
        ErrorCategory::SystemError => "system_error",
    }
}

/// The error category with a name; nothing if it belongs to a later version.
pub(crate) fn category_of_word(word: &str) -> Option<ErrorCategory> {
    CATEGORIES.into_iter().find(|category| category_word(*category) == word)
}

const CATEGORIES: [ErrorCategory; 9] = [
    ErrorCategory::Timeout,
    ErrorCategory::RateLimit,
    ErrorCategory::Network,
    ErrorCategory::Resource,
    ErrorCategory::ToolError,
    ErrorCategory::ModelError,
    ErrorCategory::ValidationError,
    ErrorCategory::SandboxError,
    ErrorCategory::SystemError,
];

impl Serialize for Violation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Violation { path, code, message } = self;
        let kept = Kept { path: path.into(), code: code.into(), message: message.into() };
        kept.serialize(serializer)
    }
}

/// A violation as the database keeps it.
#[derive(Deserialize, Serialize)]
struct Kept<'v> {
    #[serde(borrow, default)]
    path: Cow<'v, str>,
    #[serde(borrow, default)]
    code: Cow<'v, str>,
    #[serde(borrow, default)]
    message: Cow<'v, str>,
}

/// Violations and warnings as the database keeps them, which holds no NUL.
pub(crate) fn violations_to_json(violations: &[Violation]) -> JsonText {
    fn text(text: &str) -> Cow<'_, str> {
        if text.contains('\0') { text.replace('\0', "\u{FFFD}").into() } else { text.into() }
    }
    let kept: Vec<Kept> = violations
        .iter()
        .map(|one| Kept {
            path: text(&one.path),
            code: text(&one.code),
            message: text(&one.message),
        })
        .collect();
    // Text is always written as it is.
    JsonText::of(&kept).unwrap_or_default()
}

/// The same back.
pub(crate) fn violations_of_json(kept: &JsonText) -> Vec<Violation> {
    let kept: Vec<Kept> = kept.read().unwrap_or_default();
    let one = |one: Kept| Violation {
        path: one.path.into_owned(),
        code: one.code.into_owned(),
        message: one.message.into_owned(),
    };
    kept.into_iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_what_they_stand_for_are_the_same() {
        for category in CATEGORIES {
            assert_eq!(category_of_word(category_word(category)), Some(category));
        }
        assert_eq!(category_of_word("success"), None);
    }

    #[test]
    fn violations_come_back_as_they_were_but_for_nul() {
        let violation = |message: &str| Violation {
            path: "/a/0".to_owned(),
            code: "type".to_owned(),
            message: message.to_owned(),
        };
        let kept = violations_to_json(&[violation("must be text"), violation("a\0b")]);
        let read = violations_of_json(&kept);
        assert_eq!(read, [violation("must be text"), violation("a\u{FFFD}b")]);
        assert!(violations_of_json(&JsonText::default()).is_empty());
    }
}
