//! A format, called as a host calls it.

use std::collections::BTreeMap;

use arc_format_kit::{Format, Header, Items, Role, TreeNode, finite};
use arc_format_testing::check;
use arc_framing::{Container, ElementPattern, Frame, Framer, Limits, tree_documents};

use super::extraction::{check_summary, check_violations};

/// How many results of a file are checked, because each is extracted several times.
const MOST_RESULTS: usize = 16;

/// The input is a file, or a header, a zero byte, and a result. A zero byte is never in JSON.
pub(super) fn format<F: Format>(input: &[u8]) {
    let names = ["", "log.json", "samples_task.jsonl", "log.eval"];
    let head = &input[..input.len().min(4096)];
    let layouts = names.map(|name| F::detect(name, head));
    // A file that is detected without a name is also detected with one.
    assert!(layouts[0].is_none() || layouts.iter().all(Option::is_some), "{layouts:?}");
    match input.iter().position(|byte| *byte == 0) {
        Some(end) => {
            let (header, item) = (&input[..end], &input[end + 1..]);
            if let (Ok(header), Ok(item)) = (std::str::from_utf8(header), std::str::from_utf8(item))
            {
                ask::<F>(Some(header), item);
            }
        }
        None => {
            if let Ok(item) = std::str::from_utf8(input) {
                ask::<F>(None, item);
            }
            file::<F>(input);
        }
    }
}

fn ask<F: Format>(header: Option<&str>, item: &str) {
    // `check` tests the properties of an outcome. A repeated call must return the same,
    // independent of the calls between.
    let answer = check::<F>(header, item);
    let _ = check::<F>(None, item);
    assert_eq!(finite::outcome::<F>(header, item), answer, "called again: {item}");
    assert_eq!(F::classify(item), F::classify(item), "called twice: {item}");
    if let Err(violations) = &answer {
        check_violations(violations);
    }
    for text in header.into_iter().chain([item]) {
        match finite::suite::<F>(text) {
            Ok(suite) => check_summary(&suite),
            Err(violations) => check_violations(&violations),
        }
    }
}

/// Splits a file as the host does, and extracts its results with the header.
fn file<F: Format>(input: &[u8]) {
    let Some(layout) = F::detect("", &input[..input.len().min(4096)]) else { return };
    let limits = Limits::default();
    let mut framer = match &layout.items {
        Items::Documents => Framer::new(Container::Auto, limits),
        Items::Lines => Framer::new(Container::Lines, limits),
        Items::Elements(pointer) | Items::ElementsOrFiles(pointer, _) => {
            let pattern = ElementPattern::new(pointer).expect("the pattern of a format is valid");
            Framer::of_elements(pattern, limits)
        }
        // The host reads archives; their entries are single results here.
        Items::Entries(_) => return,
    };
    if framer.push(input).and_then(|()| framer.finish()).is_err() {
        return;
    }
    let frames: Vec<Frame> = std::iter::from_fn(|| framer.next_frame()).collect();
    let items = frames.iter().filter(|frame| frame.problem.is_none()).filter_map(Frame::text);
    let mut header = match layout.header {
        Header::EnclosingDocument => framer.enclosing_document().map(str::to_owned),
        _ => None,
    };
    let mut header_items = Vec::new();
    let mut results = Vec::new();
    let mut parts: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut trees: BTreeMap<String, (Vec<TreeNode<String>>, Vec<&str>)> = BTreeMap::new();
    for item in items {
        match if layout.classify_items { F::classify(item) } else { Role::Result } {
            Role::Result => results.push(item.to_owned()),
            Role::Part(key) => parts.entry(key).or_default().push(item),
            Role::Node(key, node) => {
                let (nodes, items) = trees.entry(key).or_default();
                nodes.push(node);
                items.push(item);
            }
            Role::Header if layout.header == Header::Item => header_items.push(item),
            Role::Header | Role::Other => {}
        }
    }
    if !header_items.is_empty() {
        header = Some(format!("[{}]", header_items.join(",")));
    }
    let trees = trees.values().flat_map(|(nodes, items)| {
        let documents = tree_documents(nodes).into_iter();
        documents.map(|parts| parts.into_iter().map(|part| items[part]).collect::<Vec<_>>())
    });
    let parts = parts.into_values().chain(trees);
    results.extend(parts.map(|parts| format!("[{}]", parts.join(","))));
    for result in results.iter().take(MOST_RESULTS) {
        ask::<F>(header.as_deref(), result);
    }
}
