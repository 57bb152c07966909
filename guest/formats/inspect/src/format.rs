//! The format of Inspect's logs.

use arc_format_kit::{Format, Layout, Outcome, PlannedScenario, Role, SuiteSummary, Violation};

use crate::{layout, sample, scenario, suite};

/// Logs of Inspect AI, `.eval` and `.json`.
///
/// The header's status, times, plan and figures are the report of the run; see the crate's
/// documentation. Of the suite's own figures it has the tokens and the cost, the sums of
/// `stats.model_usage`, and the duration, from `stats.started_at` to `completed_at`.
#[derive(Debug)]
pub struct InspectFormat;

impl Format for InspectFormat {
    const NAME: &'static str = "inspect";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const AUTHORS: &'static str = "Arc Recorder";
    const DESCRIPTION: &'static str = "Logs of Inspect AI: `.eval` archives and `.json` documents, \
        a result for each sample and epoch";

    fn detect(file_name: &str, head: &[u8]) -> Option<Layout> {
        layout::detect(file_name, head)
    }

    fn classify(item: &str) -> Role {
        layout::classify(item)
    }

    fn outcome(header: Option<&str>, item: &str) -> Result<Outcome, Vec<Violation>> {
        sample::outcome(header, item)
    }

    fn scenario(header: Option<&str>, item: &str) -> Result<PlannedScenario, Vec<Violation>> {
        scenario::planned(header, item)
    }

    fn suite(header: &str) -> Result<SuiteSummary, Vec<Violation>> {
        suite::summary(header)
    }
}
