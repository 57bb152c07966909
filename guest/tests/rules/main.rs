//! The extraction rules, one by one, and over the fixture files in `tests/fixtures`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests fail by panicking"
)]

mod amounts;
mod as_json;
mod error;
mod finite;
mod fixtures;
mod recording;
mod replaced;
mod run_report;
mod scenario;
mod score;
mod status;
mod syntax;
mod time;
mod whole;

use std::collections::BTreeSet;
use std::path::Path;

use arc_extractor::{
    ErrorCategory, MAX_DEPTH, MAX_DOCUMENT_BYTES, Outcome, OutcomeStatus, Span, Violation, codes,
    extract_json, extract_outcome, extract_scenario, extract_scenarios, extract_suite,
};
use serde_json::{Value, json};

/// Returns a result with an id, a status and a score, so that it has no warnings, and these members
/// in its trajectory.
fn with_trajectory(members: &str) -> String {
    let status = if members.contains(r#""status""#) { "" } else { r#""status": "success""# };
    let parts: Vec<&str> = [status, members].into_iter().filter(|part| !part.is_empty()).collect();
    let trajectory = parts.join(", ");
    format!(
        r#"{{"scenario": {{"id": "s"}}, "trajectory": {{{trajectory}}}, "reliability_score": 1}}"#
    )
}

/// Returns the same with other members beside the trajectory.
fn with_members(members: &str) -> String {
    format!(
        r#"{{"scenario": {{"id": "s"}}, "trajectory": {{"status": "success"}}, "reliability_score": 1, {members}}}"#
    )
}

/// Returns the same with this score.
fn with_score(score: &str) -> String {
    format!(
        r#"{{"scenario": {{"id": "s"}}, "trajectory": {{"status": "success"}}, "reliability_score": {score}}}"#
    )
}

#[track_caller]
fn accepted(document: &str) -> Outcome {
    extract_outcome(document).unwrap_or_else(|found| panic!("{document}: {found:?}"))
}

/// Returns the violations of a document, sorted: their order is not guaranteed.
#[track_caller]
fn rejected(document: &str) -> Vec<(String, &'static str)> {
    match extract_outcome(document) {
        Ok(_) => panic!("accepted: {document}"),
        Err(violations) => places(violations),
    }
}

fn places(violations: Vec<Violation>) -> Vec<(String, &'static str)> {
    assert!(violations.iter().all(|violation| !violation.message.is_empty()));
    let mut places: Vec<_> =
        violations.into_iter().map(|violation| (violation.path, violation.code)).collect();
    places.sort_unstable();
    places
}

#[track_caller]
fn check_rejected(document: &str, path: &str, code: &'static str) {
    assert_eq!(rejected(document), [(path.to_owned(), code)], "{document}");
}

fn warnings(outcome: &Outcome) -> Vec<(&str, &'static str)> {
    let mut warnings: Vec<_> =
        outcome.warnings.iter().map(|warning| (warning.path.as_str(), warning.code)).collect();
    warnings.sort_unstable();
    warnings
}

/// Returns the scores of an outcome that have a number, in their order.
fn scores(outcome: &Outcome) -> Vec<(&str, f64)> {
    outcome.scores.iter().filter_map(|each| Some((each.name.as_str(), each.value?))).collect()
}

fn slice(document: &str, span: Option<Span>) -> Option<&str> {
    let span = span?;
    let (offset, length) = (span.offset as usize, span.length as usize);
    Some(&document[offset..offset + length])
}

fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn json_fixture(name: &str) -> Value {
    serde_json::from_slice(&fixture(name)).unwrap()
}

/// Returns the lines of a fixture that are not blank.
fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    bytes
        .split(|byte| *byte == b'\n')
        .map(|line| line.trim_ascii())
        .filter(|line| !line.is_empty())
        .collect()
}
