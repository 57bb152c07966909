//! How the samples of a run stand in their files.

use arc_format_kit::{Header, Items, Layout};

/// The results beside the samples: as the tool names them, as older versions and people do, and as
/// it names them where it was given a file's name to begin with.
const RESULTS: [&str; 3] = ["results_*.json", "results.json", "*_20*T*.json"];

/// See [`arc_format_kit::Format::detect`]. The name of a file says nothing that its first line
/// does not.
pub(crate) fn detect(_file_name: &str, head: &[u8]) -> Option<Layout> {
    let head = head.trim_ascii_start();
    // The first versions wrote an array over many lines, whatever they called it.
    let (items, first) = match head.strip_prefix(b"[") {
        Some(rest) => (Items::Documents, rest.trim_ascii_start()),
        None => (Items::Lines, head),
    };
    let inside = first.strip_prefix(b"{")?.trim_ascii_start();
    let has = |name: &[u8]| inside.windows(name.len()).any(|window| window == name);
    let leads = inside.starts_with(b"\"doc_id\"") && has(b"\"doc\"");
    let others: [&[u8]; 4] = [b"\"doc_id\"", b"\"target\"", b"\"arguments\"", b"\"resps\""];
    (leads || others.iter().all(|name| has(name))).then(|| Layout {
        items,
        header: Header::SiblingFile(RESULTS.map(str::to_owned).to_vec()),
        classify_items: false,
    })
}
