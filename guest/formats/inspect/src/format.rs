//! The format of Inspect's logs.

use arc_format_kit::{Format, Layout, Outcome, PlannedScenario, SuiteSummary, Violation};

use crate::{layout, sample, scenario, suite};

/// Logs of Inspect AI, `.eval` and `.json`.
///
/// These figures are taken from a header: the mean score is the first scorer's `accuracy` or else
/// `mean`, if epochs are reduced by their mean; the means of the dimensions likewise; tokens and
/// cost are the sums of `stats.model_usage`; the duration is from `stats.started_at` to
/// `completed_at`. The number of successful runs is left out, because Inspect's `completed_samples`
/// also counts samples that a time limit ended.
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
