//! The layout of a run's files.

use arc_format_kit::{Header, Items, Layout};

/// The results beside samples without a date in their name: the tool's current name, the name that
/// older versions and people use, and the tool's name with a file name as a prefix.
const RESULTS: [&str; 3] = ["results_*.json", "results.json", "*_20*T*.json"];

/// Returns the task and the date in the name of a file of samples: `samples_TASK_DATE.jsonl`.
pub(crate) fn task_and_date(file_name: &str) -> Option<(&str, &str)> {
    let (stem, _) = file_name.strip_prefix("samples_")?.rsplit_once('.')?;
    let (task, date) = stem.rsplit_once('_')?;
    let is_date = date.starts_with("20") && date.contains('T');
    (is_date && !task.is_empty()).then_some((task, date))
}

/// Returns the patterns of the results beside samples. The tool writes both with the same date.
fn results_of(file_name: &str) -> Vec<String> {
    match task_and_date(file_name) {
        Some((_, date)) => {
            vec![
                format!("results_{date}.json"),
                format!("*_{date}.json"),
                "results.json".to_owned(),
            ]
        }
        None => RESULTS.map(str::to_owned).to_vec(),
    }
}

/// See [`arc_format_kit::Format::detect`]. The name of a file adds nothing to its first line.
pub(crate) fn detect(file_name: &str, head: &[u8]) -> Option<Layout> {
    let head = head.trim_ascii_start();
    // The first versions wrote an array over many lines, regardless of the file name.
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
        header: Header::SiblingFile(results_of(file_name)),
        classify_items: true,
    })
}
