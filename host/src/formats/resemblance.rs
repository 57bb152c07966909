//! What a file that no format recognises could be, for the error about it.

/// Kinds of files, each with texts that its beginning contains.
const KINDS: [(&str, &[&str]); 11] = [
    ("a report of SWE-bench", &["\"resolved_ids\"", "\"submitted_instances\""]),
    ("predictions for SWE-bench", &["\"instance_id\"", "\"model_patch\""]),
    ("the results of a simulation of tau2-bench", &["\"tasks\"", "\"simulations\""]),
    ("the trajectories of tau-bench", &["\"task_id\"", "\"reward\"", "\"traj\""]),
    ("the output of OpenAI's Batch API", &["\"custom_id\"", "\"response\""]),
    (
        "the results of lm-evaluation-harness, whose samples_*.jsonl beside it are recorded",
        &["\"results\"", "\"configs\""],
    ),
    ("the configuration of a Harbor job", &["\"n_attempts\"", "\"jobs_dir\""]),
    ("a report of JUnit", &["<testsuite"]),
    ("a Parquet file", &["PAR1"]),
    ("a SQLite database", &["SQLite format 3"]),
    ("a zip archive", &["PK\u{3}\u{4}"]),
];

/// Returns the kind of a file with this name and beginning, if it can be guessed.
pub(super) fn resemblance(file_name: &str, head: &[u8]) -> Option<&'static str> {
    let head = String::from_utf8_lossy(head);
    let kind = KINDS.iter().find(|(_, texts)| texts.iter().all(|text| head.contains(text)));
    let ending = file_name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    kind.map(|(kind, _)| *kind).or(match ending.as_deref() {
        Some("csv" | "tsv") => Some("a table"),
        Some("yaml" | "yml") => Some("a YAML file"),
        _ => None,
    })
}
