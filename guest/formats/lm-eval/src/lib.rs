//! Samples of lm-evaluation-harness as results.
//!
//! A run that logs its samples (`--log_samples`) leaves a file for each task,
//! `samples_TASK_DATE.jsonl`, with a line for each document and filter, and one
//! `results_DATE.json` for all tasks, which is the header of each. A line is a result.
//!
//! | field of the outcome | member of the line |
//! |---|---|
//! | `scenario.id` | `TASK/DOC_ID`, and `/FILTER` if the filter has a name other than `none`; see below |
//! | `scenario.task-prompt` | the first request's text: `arguments.gen_args_0.arg_0`, of old lines `arguments[0][0]` |
//! | `scenario.definition` | `doc`, the row of the dataset |
//! | `trial` | none: repeats are several answers in one line, which are scored together |
//! | `status` | `success`: a run that fails writes no samples |
//! | `reliability-score` | the first metric that is a number from 0 to 1 and better when higher |
//! | `dimension-scores` | the metrics: those that `metrics` names; of old lines, every other member that is a number or boolean |
//! | `execution-time` | `date` of the header: the start of the run, the nearest time in the files |
//! | `execution-time-ms`, tokens, cost | not in the files: 0 |
//! | `event-count` | the number of requests, as `resps` has answers |
//! | `trajectory` | `arguments`, the requests |
//! | `detailed-trajectory` | `resps`, the unprocessed answers |
//!
//! **Filters.** A task can read the same answers in several ways, such as `strict-match` and
//! `flexible-extract`; each adds lines of its own, one filter after the other. Each line is a
//! scenario of its own, because the tool has figures for each filter too, and none of them is
//! marked as the main one. The dimensions are named as the tool names its figures,
//! `exact_match,strict-match`; without a filter just `exact_match`.
//!
//! **Tasks.** A line does not name its task, and a results file can have many. Those that the line
//! cannot belong to are left out: if they have no figure for one of its metrics and its filter, if
//! they have fewer documents than the line's `doc_id`, or if their `doc_to_text` uses a member that
//! `doc` does not have. If one is left, it is the task. If not, the id is `doc-HASH/DOC_ID`, of the
//! start of `doc_hash`, which is the same in every run on the same data, and there is a warning; of
//! old lines without `doc_hash` it is derived from `doc_id` and prompt.
//!
//! **Metrics** that are a pair or a list (the perplexity of a text, `inst_level` accuracies) are
//! not dimensions and have a warning, and so have numbers outside 0 to 1. A metric that is better
//! when lower, according to the header, is a dimension, but never the overall score.
//!
//! **The suite's figures** are read if the results are of one task, for metrics whose `aggregation`
//! is the mean; see [`LmEvalFormat`].
//!
//! Tested with files of version 0.4.13 and of one from January 2026.

mod format;
mod header;
mod layout;
mod line;
mod suite;

pub use format::LmEvalFormat;

arc_format_kit::export_format!(LmEvalFormat);
