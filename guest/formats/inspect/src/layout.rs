//! The layout of a log's file.

use arc_format_kit::{Header, Items, Layout};

/// The entries of an archive that are samples. Ids are part of the name unescaped, so an id with a
/// slash (`HumanEval/0`) creates folders, which needs two stars.
const SAMPLES: &str = "samples/**_epoch_*.json";

/// The location of the header: the second has no results, and is the only one of an aborted run.
const HEADERS: [&str; 2] = ["header.json", "_journal/start.json"];

/// The first bytes of a zip archive.
const ZIP: &[u8] = b"PK\x03\x04";

/// Names that only Inspect's archives have among their entries; one of them comes first.
const ENTRIES: [&[u8]; 2] = [b"_journal/start.json", b"_epoch_"];

/// See [`arc_format_kit::Format::detect`].
pub(crate) fn detect(file_name: &str, head: &[u8]) -> Option<Layout> {
    if head.starts_with(ZIP) {
        let named = file_name.to_ascii_lowercase().ends_with(".eval");
        let is_log = named || ENTRIES.iter().any(|name| contains(head, name));
        return is_log.then(|| Layout {
            items: Items::Entries(SAMPLES.to_owned()),
            header: Header::Entry(HEADERS.map(str::to_owned).to_vec()),
            classify_items: false,
        });
    }
    // Other programs save a log with other orders of members, and Windows with a byte order mark.
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head);
    if !text.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    let names: [&[u8]; 4] = [b"\"eval\"", b"\"run_id\"", b"\"created\"", b"\"task\""];
    // Arguments of the task are between these two, and can be longer than the head of the file.
    let others: [&[u8]; 2] = [b"\"task_version\"", b"\"dataset\""];
    let is_log = names.iter().all(|name| contains(text, name))
        && others.iter().any(|name| contains(text, name));
    is_log.then(|| Layout {
        items: Items::Elements("/samples/*".to_owned()),
        header: Header::EnclosingDocument,
        classify_items: false,
    })
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    find(bytes, wanted).is_some()
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
