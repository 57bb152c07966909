//! Validates an evaluation result and extracts the fields that people query.
//!
//! The same code is the extraction component (built for `wasm32-unknown-unknown`, world
//! `arc:recording/extractor`, without any import) and a native library, so that the two can be
//! compared. It has no I/O, no clock and no randomness: a document's verdict depends only on its
//! bytes.
//!
//! - [`extract_outcome`], [`extract_scenario`], [`extract_scenarios`], [`extract_suite`]: the
//!   fields of a text, or every violation found in it;
//! - [`extract_json`]: the verdict on a result as JSON text;
//! - [`GuideFormat`]: the same as a format, which makes the crate a component;
//! - [`Outcome`], [`codes`]: the answers and their stable codes, which all formats share.

mod format;
mod result;
mod run_report;
mod scenario;
mod suite;

pub use arc_format_kit::scenario::extract_scenarios;
pub use arc_format_kit::verdict::rejected_json;
pub use arc_format_kit::{
    ErrorCategory, MAX_DEPTH, MAX_DOCUMENT_BYTES, Outcome, OutcomeStatus, PlannedScenario,
    RunReport, Scenario, Score, Span, SuiteSummary, Verdict, Violation, codes,
};
pub use format::GuideFormat;
pub use result::{extract_json, extract_outcome};
pub use scenario::extract_scenario;
pub use suite::extract_suite;

arc_format_kit::export_format!(GuideFormat);
