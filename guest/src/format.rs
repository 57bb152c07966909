//! The format of the integration guide.

use arc_format_kit::outline::Outline;
use arc_format_kit::{
    Format, Header, Items, Layout, Outcome, PlannedScenario, SuiteSummary, Violation,
};

/// The format of the integration guide: scenario, trajectory and reliability score in one object.
#[derive(Debug)]
pub struct GuideFormat;

/// Members that a result of this format has, and that are unlikely in any other.
const MEMBERS: [&str; 8] = [
    "/scenario/id",
    "/scenario/name",
    "/scenario/task_prompt",
    "/trajectory/status",
    "/trajectory/token_usage",
    "/trajectory/full_trajectory",
    "/reliability_score",
    "/detailed_trajectory",
];

impl Format for GuideFormat {
    const NAME: &'static str = "arc-guide";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const AUTHORS: &'static str = "Arc Recorder";
    const DESCRIPTION: &'static str = "Arc scenario results: scenario, trajectory, \
        reliability_score, detailed_trajectory and recording in one JSON object";

    /// Recognises a file by the member names of its first document: a single one, an element of an
    /// array, or an element of an object's `results`.
    fn detect(file_name: &str, head: &[u8]) -> Option<Layout> {
        let outline = Outline::of(head);
        let known = ["", "/*", "/results/*"]
            .iter()
            .any(|place| MEMBERS.iter().any(|member| outline.has(&format!("{place}{member}"))));
        if !known {
            return None;
        }
        let file_name = file_name.to_ascii_lowercase();
        let lines = file_name.ends_with(".jsonl") || file_name.ends_with(".ndjson");
        let items = if lines { Items::Lines } else { Items::Documents };
        Some(Layout { items, header: Header::None, classify_items: false })
    }

    fn outcome(_header: Option<&str>, item: &str) -> Result<Outcome, Vec<Violation>> {
        crate::result::outcome(item)
    }

    fn scenario(_header: Option<&str>, item: &str) -> Result<PlannedScenario, Vec<Violation>> {
        crate::scenario::scenario(item)
    }

    fn suite(header: &str) -> Result<SuiteSummary, Vec<Violation>> {
        crate::suite::suite(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_recognised_in_every_container() {
        let result = r#"{"x": 1, "scenario": {"id": "a"}}"#;
        for text in [
            result.to_owned(),
            format!("[{result}, {result}]"),
            format!("{{\"suite\": \"s\", \"results\": [{result}]}}"),
            format!("{result}\n{result}\n"),
            r#"{"trajectory": {"status": "succ"#.to_owned(),
        ] {
            assert!(GuideFormat::detect("", text.as_bytes()).is_some(), "{text}");
        }
        for text in
            ["", "{}", "[]", "text", r#"{"doc": {"scenario": {"id": "a"}}, "scenario": "b"}"#]
        {
            assert!(GuideFormat::detect("", text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn the_name_says_that_lines_are_documents() {
        let head = br#"{"reliability_score": 1}"#;
        let items = |name| GuideFormat::detect(name, head).map(|layout| layout.items);
        assert_eq!(items("a.JSONL"), Some(Items::Lines));
        assert_eq!(items("a.json"), Some(Items::Documents));
    }
}
