//! The format of the harness's samples.

use arc_format_kit::{Format, Layout, Outcome, PlannedScenario, Role, SuiteSummary, Violation};

use crate::{document, layout, line, suite};

/// Samples of lm-evaluation-harness, with the results of their run.
///
/// The results of the file's task report the figures of its metrics and the number of its documents, and
/// those of a single task `total_evaluation_time_seconds`. If there are several tasks and the file was
/// renamed, only the start and the status of the run are taken.
#[derive(Debug)]
pub struct LmEvalFormat;

impl Format for LmEvalFormat {
    const NAME: &'static str = "lm-eval";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const AUTHORS: &'static str = "Arc Recorder";
    const DESCRIPTION: &'static str = "Samples of lm-evaluation-harness: a result for each \
        document, with a score for each metric and filter, and the run's results beside";

    fn detect(file_name: &str, head: &[u8]) -> Option<Layout> {
        layout::detect(file_name, head)
    }

    fn classify(item: &str) -> Role {
        line::role(item)
    }

    fn outcome(header: Option<&str>, item: &str) -> Result<Outcome, Vec<Violation>> {
        document::outcome(header, item)
    }

    fn scenario(header: Option<&str>, item: &str) -> Result<PlannedScenario, Vec<Violation>> {
        document::planned(header, item)
    }

    fn suite(header: &str) -> Result<SuiteSummary, Vec<Violation>> {
        suite::summary(header)
    }
}
