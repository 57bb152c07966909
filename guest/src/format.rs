//! The guide's format among the others.

use arc_format_kit::{
    Format, Header, Items, Layout, Outcome, PlannedScenario, SuiteSummary, Violation,
};

/// The format of the integration guide: scenario, trajectory and reliability score in one object.
#[derive(Debug)]
pub struct GuideFormat;

impl Format for GuideFormat {
    const NAME: &'static str = "arc-guide";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const AUTHORS: &'static str = "Arc Recorder";
    const DESCRIPTION: &'static str = "Arc scenario results: scenario, trajectory, \
        reliability_score, detailed_trajectory and recording in one JSON object";

    /// Any JSON may hold such results, so it is recognised by their members' names alone.
    fn recognise(file_name: &str, head: &[u8]) -> Option<Layout> {
        let head = String::from_utf8_lossy(head);
        let names = ["\"scenario\"", "\"trajectory\"", "\"reliability_score\""];
        if !names.iter().any(|name| head.contains(name)) {
            return None;
        }
        let file_name = file_name.to_ascii_lowercase();
        let lines = file_name.ends_with(".jsonl") || file_name.ends_with(".ndjson");
        let items = if lines { Items::Lines } else { Items::Documents };
        Some(Layout { items, header: Header::None, classified: false })
    }

    fn outcome(_header: Option<&str>, item: &str) -> Result<Outcome, Vec<Violation>> {
        crate::extract_outcome(item)
    }

    fn scenario(_header: Option<&str>, item: &str) -> Result<PlannedScenario, Vec<Violation>> {
        crate::extract_scenario(item)
    }

    fn suite(header: &str) -> Result<SuiteSummary, Vec<Violation>> {
        crate::extract_suite(header)
    }
}
