//! An evaluation suite's own figures.

use arc_format_kit::json::{Place, Reader};
use arc_format_kit::{Score, SuiteSummary, Violation, finite};

use crate::GuideFormat;
use crate::result::read_dimensions;
use crate::run_report;

/// Validates a suite's summary; see `extract-suite` in `wit/extraction.wit`.
///
/// # Errors
/// Every violation found.
pub fn extract_suite(suite: &str) -> Result<SuiteSummary, Vec<Violation>> {
    finite::suite::<GuideFormat>(suite)
}

/// [`extract_suite`] of a suite in which all numbers are finite.
pub(crate) fn suite(suite: &str) -> Result<SuiteSummary, Vec<Violation>> {
    const NAMES: [&str; 9] = [
        "average_reliability_score",
        "total_cost_usd",
        "parallel_execution_time",
        "successful_runs",
        "total_tokens_used",
        "average_execution_time",
        "average_dimension_scores",
        "speedup_factor",
        "run_report",
    ];
    let (mut reader, root) = Reader::new(suite)?;
    let members = reader.root(root, NAMES);
    let answer =
        members.map(|[score, cost, seconds, runs, tokens, mean_seconds, means, speedup, run]| {
            let at = |member| Place { object: "", member };
            let average_dimension_scores: Vec<Score> =
                read_dimensions(&mut reader, None, means, at(NAMES[6]));
            SuiteSummary {
                average_reliability_score: reader.number(score, at(NAMES[0])),
                total_cost_usd: reader.amount(cost, at(NAMES[1])),
                execution_time_ms: reader.milliseconds(seconds, at(NAMES[2])),
                successful_runs: reader.tokens(runs, at(NAMES[3])),
                total_tokens_used: reader.tokens(tokens, at(NAMES[4])),
                average_execution_time_ms: reader.milliseconds(mean_seconds, at(NAMES[5])),
                average_dimension_scores,
                speedup_factor: reader.amount(speedup, at(NAMES[7])),
                run: run_report::read(&mut reader, run, at(NAMES[8])),
                warnings: Vec::new(),
            }
        });
    reader.finish_suite(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_and_seconds_become_milliseconds() {
        let suite = extract_suite(
            r#"{"average_reliability_score": 85, "parallel_execution_time": 2.5, "total_cost_usd": null,
                "average_dimension_scores": {"a": 0.5}, "successful_runs": 3}"#,
        )
        .unwrap();
        // No scale is guessed.
        assert_eq!(suite.average_reliability_score, Some(85.0));
        assert_eq!(suite.execution_time_ms, Some(2500.0));
        assert_eq!(suite.total_cost_usd, None);
        assert_eq!(suite.average_dimension_scores.len(), 1);
    }

    #[test]
    fn a_wrong_figure_is_named() {
        let violations =
            extract_suite(r#"{"total_cost_usd": "1", "speedup_factor": -1}"#).unwrap_err();
        let paths: Vec<&str> = violations.iter().map(|violation| violation.path.as_str()).collect();
        assert_eq!(paths, ["/total_cost_usd", "/speedup_factor"]);
    }
}
