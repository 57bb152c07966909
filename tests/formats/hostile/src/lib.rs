//! A format component that misbehaves as its results request.
//!
//! Each line of a `.hostile` file is an object with a scenario's `id` and the fault to cause as
//! `do`. Built for `wasm32-wasip2` it also imports WASI, which formats do not need.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "it exists to misbehave"
)]

use std::hint::black_box;

use arc_format_kit::json::Reader;
use arc_format_kit::{
    Format, Header, Items, Layout, Outcome, OutcomeStatus, PlannedScenario, Role, Scenario, Score,
    Span, Violation,
};

/// The format.
#[derive(Debug)]
pub struct Hostile;

arc_format_kit::export_format!(Hostile);

impl Format for Hostile {
    const NAME: &'static str = "hostile";
    const VERSION: &'static str = "0.1.0";
    const AUTHORS: &'static str = "A. N. Author";
    const DESCRIPTION: &'static str = "Lines that name the fault to cause";

    fn detect(file_name: &str, _head: &[u8]) -> Option<Layout> {
        match file_name.rsplit_once('.')?.1 {
            "hostile" => {
                Some(Layout { items: Items::Lines, header: Header::None, classify_items: false })
            }
            "confused" => {
                let items = Items::Elements("nowhere".to_owned());
                Some(Layout { items, header: Header::EnclosingDocument, classify_items: true })
            }
            "classified" => {
                Some(Layout { items: Items::Lines, header: Header::Item, classify_items: true })
            }
            "endless" => spin(),
            _ => None,
        }
    }

    fn classify(item: &str) -> Role {
        match value(item, "is").as_deref() {
            Some("header") => Role::Header,
            Some("other") => Role::Other,
            Some("trap") => panic!("asked for"),
            Some(part) => Role::Part(part.to_owned()),
            None => Role::Result,
        }
    }

    fn outcome(header: Option<&str>, item: &str) -> Result<Outcome, Vec<Violation>> {
        let planned = Self::scenario(header, item)?;
        let mut outcome = Outcome::new(planned.scenario, OutcomeStatus::Success);
        outcome.scores = vec![Score::new("hostile", Some(1.0))];
        outcome.headline = Some("hostile".to_owned());
        match value(item, "do").as_deref() {
            None => {}
            Some("loop") => spin(),
            Some("grow") => grow(),
            Some("trap") => panic!("asked for"),
            Some("recurse") => {
                black_box(recurse(1));
            }
            Some("answer") => return Err(many_violations()),
            Some("span") => outcome.trajectory = Some(Span { offset: 1, length: u32::MAX }),
            Some("split") => outcome.trajectory = span_into(item, "é", 1),
            Some("print") => println!("this is never shown"),
            Some("header") => outcome.scenario.name = header.map(str::to_owned),
            Some("sleep") => std::thread::sleep(std::time::Duration::from_secs(1 << 30)),
            Some("clock") => {
                let now = std::time::SystemTime::now();
                let since = now.duration_since(std::time::UNIX_EPOCH).unwrap();
                outcome.execution_time_ms = since.as_secs_f64() * 1e3;
            }
            Some(other) => {
                return Err(vec![Violation {
                    path: "/do".to_owned(),
                    code: "unknown_deed",
                    message: format!("unknown value of do: {other:?}"),
                }]);
            }
        }
        Ok(outcome)
    }

    fn scenario(_header: Option<&str>, item: &str) -> Result<PlannedScenario, Vec<Violation>> {
        // In a document of several parts the first one has the id.
        let id = value(item, "id").unwrap_or_else(|| item.chars().take(40).collect());
        let scenario = Scenario { id, name: None, task_prompt: None, definition: None };
        Ok(PlannedScenario::new(scenario))
    }
}

/// Returns the text of a member of the first object in the item.
fn value(item: &str, member: &str) -> Option<String> {
    let (mut reader, root) = Reader::new(item).ok()?;
    let object = root.elements().and_then(|parts| parts.first().copied()).unwrap_or(root);
    let [text] = reader.root(object, [member])?;
    Some(text?.decode()?.text.into_owned())
}

fn spin() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

fn grow() -> ! {
    let mut all: Vec<Vec<u8>> = Vec::new();
    loop {
        all.push(black_box(vec![1; 1 << 20]));
    }
}

fn recurse(depth: u64) -> u64 {
    if depth == u64::MAX {
        return 0;
    }
    let here = black_box([depth; 64]);
    1 + recurse(depth + 1) + here[(depth % 64) as usize]
}

/// Returns about 100 MB of violations.
fn many_violations() -> Vec<Violation> {
    let message = "again ".repeat(1 << 14);
    (0..1_000)
        .map(|_| Violation { path: String::new(), code: "again", message: message.clone() })
        .collect()
}

/// Returns a span that begins in the middle of a character.
fn span_into(item: &str, text: &str, within: usize) -> Option<Span> {
    let at = u32::try_from(item.find(text)? + within).ok()?;
    Some(Span { offset: at, length: 3 })
}
