//! The layout of a run's files.

use arc_format_kit::finite::with_null_for_nan;
use arc_format_kit::json::Reader;
use arc_format_kit::{Header, Items, Layout, Role};

/// The results beside samples without a date in their name: the tool's current name, the name that
/// older versions and people use, and the tool's name with a file name as a prefix.
const RESULTS: [&str; 3] = ["results_*.json", "results.json", "*_20*T*.json"];

/// See [`arc_format_kit::Format::detect`]. The file is recognised by its first line only; its name
/// names the results of the same run.
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
        header: Header::SiblingFile(results_beside(file_name)),
        classify_items: true,
    })
}

/// Returns the patterns of the results that can belong to a file of samples. The tool writes both
/// with the same date in their names, so results with another date are of another run.
fn results_beside(file_name: &str) -> Vec<String> {
    match date_of(file_name) {
        Some(date) => {
            vec![
                format!("results_{date}.json"),
                format!("*_{date}.json"),
                "results.json".to_owned(),
            ]
        }
        None => RESULTS.map(str::to_owned).to_vec(),
    }
}

/// Returns the date at the end of a name: `2026-01-02T03-04-05.678901`, without a fraction if that
/// is 0.
fn date_of(file_name: &str) -> Option<&str> {
    const FORM: &[u8] = b"0000-00-00T00-00-00";
    let stem = file_name.strip_suffix(".jsonl").or_else(|| file_name.strip_suffix(".json"))?;
    let (_, date) = stem.rsplit_once('_')?;
    let (seconds, fraction) = date.split_once('.').unwrap_or((date, "0"));
    let has_form = seconds.len() == FORM.len()
        && seconds.bytes().zip(FORM).all(|(byte, form)| match form {
            b'0' => byte.is_ascii_digit(),
            _ => byte == *form,
        });
    (has_form && !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit()))
        .then_some(date)
}

/// See [`arc_format_kit::Format::classify`]: the lines of one document are parts of one result.
/// The hash tells documents with the same number apart, if files of several tasks were joined.
pub(crate) fn classify(item: &str) -> Role {
    let item = with_null_for_nan(item);
    let Ok((mut reader, root)) = Reader::new(&item) else { return Role::Result };
    match reader.root(root, ["doc_id", "doc_hash", "doc"]) {
        Some([Some(id), hash, document]) => {
            let content = hash.or(document).map_or("", |value| value.json());
            Role::Part(format!("{} {content}", id.json()))
        }
        _ => Role::Result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_of_a_run_is_at_the_end_of_a_name() {
        for (name, date) in [
            ("samples_a_b_2026-01-02T03-04-05.678901.jsonl", Some("2026-01-02T03-04-05.678901")),
            ("samples_a_2026-01-02T03-04-05.json", Some("2026-01-02T03-04-05")),
            ("samples_a_2026-01-02T03-04-05.jsonl", Some("2026-01-02T03-04-05")),
            ("samples_a_2026-01-02T03-04-05..jsonl", None),
            ("samples_a_2026-01-02T03-04-05.x.jsonl", None),
            ("samples_a_2026-01-02.jsonl", None),
            ("samples_a.jsonl", None),
            ("", None),
        ] {
            assert_eq!(date_of(name), date, "{name}");
        }
    }
}
