//! A verdict as JSON text, for embedders without records.

use crate::answer::{Outcome, Verdict, Violation};

/// Returns the verdict of an answer as JSON text; see `extract-json` in `wit/extraction.wit`.
pub fn json(answer: Result<Outcome, Vec<Violation>>) -> String {
    let verdict = match answer {
        Ok(outcome) => Verdict::Accepted { outcome: Box::new(outcome) },
        Err(violations) => Verdict::Rejected { violations },
    };
    // The verdict has text keys and finite numbers only, so writing it cannot fail.
    serde_json::to_string(&verdict).unwrap_or_default()
}

/// Returns the verdict on a result that never reaches the extractor, because its framing is not
/// valid.
pub fn rejected_json(code: &'static str, message: String) -> String {
    json(Err(vec![Violation { path: String::new(), code, message }]))
}
