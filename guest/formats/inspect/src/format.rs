//! The format of Inspect's logs.

use arc_format_kit::{Format, Layout, Outcome, PlannedScenario, SuiteSummary, Violation};

use crate::{layout, sample, scenario, suite};

/// Logs of Inspect AI, `.eval` and `.json`.
///
/// This is taken from a header: the run's id is `eval.task_id`, which a retry of the run keeps; its
/// end is `status`, and a header without one, or with `started`, is that of a run without an end; the
/// planned results are the samples of the dataset times epochs. Every metric of `results` is a
/// figure. `accuracy` and `mean` are compared with the results if epochs are reduced by their mean and
/// no sample was invalidated, because Inspect's figures include invalidated ones. The headline is
/// Inspect's own, or else the first of these two of the first score. Tokens and cost are the sums of
/// `stats.model_usage`; the duration is from `stats.started_at` to `completed_at`. The number of
/// successful runs is left out, because Inspect's `completed_samples` also counts samples that a time
/// limit ended.
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
