//! Validates an evaluation result and extracts the fields that people query.
//!
//! The same code is the extraction component (built for `wasm32-unknown-unknown`, world
//! `arc:recording/extractor`, without any import) and a native library, so that the two can be
//! compared. It has no I/O, no clock and no randomness: a document's verdict depends on its
//! bytes alone.
//!
//! - [`extract_outcome`], [`extract_scenario`], [`extract_scenarios`], [`extract_suite`]: what a
//!   text means, or every violation found in it;
//! - [`extract_json`]: the verdict on a result as JSON text;
//! - [`Outcome`] and its parts: the answers;
//! - [`codes`]: the stable words for violations and warnings.

mod answer;
pub mod codes;
#[cfg(target_arch = "wasm32")]
mod component;
mod failure;
mod json;
mod result;
mod scenario;
mod score;
mod suite;
mod syntax;

pub use answer::{
    DimensionScore, ErrorCategory, Outcome, OutcomeStatus, PlannedScenario, Scenario, Span,
    SuiteSummary, Verdict, Violation,
};
pub use result::{extract_json, extract_outcome, rejected_json};
pub use scenario::{extract_scenario, extract_scenarios};
pub use suite::extract_suite;
pub use syntax::{MAX_DEPTH, MAX_DOCUMENT_BYTES};

/// The extractor's name, kept with every outcome.
pub const NAME: &str = "arc-guide";

/// The extractor's version, kept with every outcome.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The format it reads, in a sentence.
pub const FORMAT: &str = "Arc scenario results: scenario, trajectory, reliability_score, \
                          detailed_trajectory and recording in one JSON object";
