//! Samples of lm-evaluation-harness as results.
//!
//! A run that logs its samples (`--log_samples`) leaves a file for each task,
//! `samples_TASK_DATE.jsonl`, with a line for each document and filter, and one
//! `results_DATE.json` for all tasks, which is the header of each.
//!
//! A result is a document: the array of its lines, one for each filter. It is an array also if
//! there is a single filter, because an item does not show whether there are others, and because
//! all results of the format then have the same shape. A line that is sent on its own is also a
//! result.
//!
//! | field of the outcome | member of the lines; of several, the first one's |
//! |---|---|
//! | `scenario.id` | `TASK/DOC_ID`; see below |
//! | `scenario.task-prompt` | the first request's text: `arguments.gen_args_0.arg_0`, of old lines `arguments[0][0]` |
//! | `scenario.definition` | `doc`, the row of the dataset |
//! | `trial`, `key`, `place` | none: a run has each document once, and repeats are several answers in one line, which are scored together |
//! | `status` | `success`: a run that fails writes no samples |
//! | `scores` | the metrics of all lines: those that `metrics` names; of old lines, every other member that is a number or boolean |
//! | `headline` | the first figure of the task in the header, which is the first metric under the first filter; if the task is not known, the first score |
//! | `execution-time` | `date` of the header: the start of the run, the nearest time in the files |
//! | `execution-time-ms`, tokens, cost | not in the files: 0 |
//! | `event-count` | the number of requests, as `resps` has answers |
//! | `trajectory` | `arguments`, the requests |
//! | `detailed-trajectory` | `resps`, the unprocessed answers |
//!
//! **Filters.** A task can read the same answers in several ways, such as `strict-match` and
//! `flexible-extract`. Each is a metric of its own, with the name of its figure in the header:
//! `exact_match,strict-match`, and `exact_match,none` if the task has no filters. Versions up to
//! 0.4.5 do not write the filter into the line: the filters of a document's lines are then those of
//! the header, in their order. Results of version 0.3 have no filters, and names without them.
//!
//! **Values** are unchanged: a boolean is 0 or 1 of the range from 0 to 1, a number has no range. A
//! text is a label without a number. A pair or a list (the parts of a perplexity or a BLEU score,
//! `inst_level` accuracies), `null` and `NaN` are scores without a value: the tool does not compute
//! a mean of them. If the headline has no value, there is a warning.
//!
//! **Tasks.** A line does not name its task, and a results file can have many. Those that the line
//! cannot belong to are left out: if they have no figure for one of its metrics and its filter, if
//! they have fewer documents than the line's `doc_id`, or if their `doc_to_text` uses a member that
//! `doc` does not have. If one is left, it is the task. If not, the id is `doc-HASH/DOC_ID`, of the
//! start of `doc_hash`, which is the same in every run on the same data, and there is a warning; of
//! old lines without `doc_hash` it is derived from `doc_id` and prompt. If none is left, the header
//! is not the line's, nothing is taken from it, and there is the warning `header_missing`.
//!
//! **The header** is the results file with the same date in its name as the samples; only of
//! samples without a date it can be any results file of the folder.
//!
//! **The report of the run.** The tool has no id of a run that is the same in all its files, so
//! there is none. The figures are reported if the results are of one task. A figure is the mean of
//! its metric if `metric_list` says so (`mean`, `nanmean`, or a metric of the tool whose own
//! aggregation is the mean), or if the metric is not in the list and all others are means. Any other
//! is not compared. A document without a value is left out. The number of results is reported if
//! the header has it exactly: `sample_len` is the largest number of values of one metric, which is
//! less than the number of documents if a task returns no metrics for some, so it must be all
//! documents or the limit of them. The figure of `--predict_only` (`bypass`, always 999) has no
//! value.
//!
//! Tested with files of version 0.4.13 and of one from January 2026.

mod aggregation;
mod document;
mod format;
mod header;
mod layout;
mod line;
mod suite;

pub use format::LmEvalFormat;

arc_format_kit::export_format!(LmEvalFormat);
