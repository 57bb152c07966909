//! The layout of a log's file.

use arc_format_kit::finite::with_null_for_nan;
use arc_format_kit::json::{Reader, leading_member};
use arc_format_kit::outline::Outline;
use arc_format_kit::{Header, Items, Layout, Role};

/// The entries of an archive that are samples, or parts of them. Ids are part of the name
/// unescaped, so an id with a slash (`HumanEval/0`) creates folders. A sample of a chunked log is a
/// folder: `samples/ID_epoch_1/sample.json` beside its messages and events.
const SAMPLES: &str = "samples/**_epoch_**.json";

/// The location of the header: the second has no results, and is the only one of an aborted run.
const HEADERS: [&str; 2] = ["header.json", "_journal/start.json"];

/// The first bytes of a zip archive.
const ZIP: &[u8] = b"PK\x03\x04";

/// Names that only Inspect's archives have among their entries; one of them comes first.
const ENTRIES: [&[u8]; 2] = [b"_journal/start.json", b"_epoch_"];

/// Members at the start of a log, one list of which is enough. Inspect writes them in a fixed
/// order, but a program that saves a log again can sort them, so that only some are near the start.
const MEMBERS: [&[&str]; 4] = [
    &["/eval/created", "/eval/run_id", "/eval/task"],
    &["/eval/created", "/eval/config", "/eval/dataset"],
    &["/eval/created", "/eval/eval_id", "/eval/dataset"],
    &["/samples/*/epoch", "/samples/*/id", "/samples/*/input", "/samples/*/target"],
];

/// The members that each sample has.
const SAMPLE_MEMBERS: [&str; 3] = ["id", "epoch", "input"];

/// See [`arc_format_kit::Format::detect`].
pub(crate) fn detect(file_name: &str, head: &[u8]) -> Option<Layout> {
    if head.starts_with(ZIP) {
        let named = file_name.to_ascii_lowercase().ends_with(".eval");
        let is_log = named || ENTRIES.iter().any(|name| contains(head, name));
        return is_log.then(|| Layout {
            items: Items::Entries(SAMPLES.to_owned()),
            header: Header::Entry(HEADERS.map(str::to_owned).to_vec()),
            classify_items: true,
        });
    }
    let outline = Outline::of(head);
    MEMBERS.iter().any(|members| outline.has_all(members)).then(|| Layout {
        items: Items::Elements("/samples/*".to_owned()),
        header: Header::EnclosingDocument,
        classify_items: false,
    })
}

/// See [`arc_format_kit::Format::classify`]: the other entries of a chunked sample are no results.
/// What cannot be read is a result, which is then rejected.
pub(crate) fn classify(item: &str) -> Role {
    // Inspect writes these members first, so that only the start of a sample is read here.
    if SAMPLE_MEMBERS.iter().all(|name| leading_member(item, &[name]).is_some()) {
        return Role::Result;
    }
    let item = with_null_for_nan(item);
    let Ok((mut reader, root)) = Reader::new(&item) else { return Role::Result };
    if root.is_array() {
        return match reader.root_elements(root) {
            Some(_) => Role::Other,
            None => Role::Result,
        };
    }
    match reader.root(root, SAMPLE_MEMBERS) {
        Some(members) if members.iter().any(Option::is_none) => Role::Other,
        _ => Role::Result,
    }
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}
