//! Samples of lm-evaluation-harness as results.
//!
//! A run that logs its samples (`--log_samples`) leaves a file for each task,
//! `samples_TASK_DATE.jsonl`, with a line for each document and filter, and one
//! `results_DATE.json` for all tasks, which is the header of each. A line is a result.
//!
//! | field of the outcome | member of the line |
//! |---|---|
//! | `scenario.id` | `TASK/DOC_ID`, and `/FILTER` where the filter has a name other than `none`; see below |
//! | `scenario.task-prompt` | the first request's text: `arguments.gen_args_0.arg_0`, of old lines `arguments[0][0]` |
//! | `scenario.definition` | `doc`, the row of the dataset |
//! | `trial` | none: repeats are several answers in one line, which are scored together |
//! | `status` | `success`: a run that fails writes no samples |
//! | `reliability-score` | the first metric that is a number from 0 to 1 and better when higher |
//! | `dimension-scores` | the metrics: those that `metrics` names; of old lines, every other member that is a number or boolean |
//! | `execution-time` | `date` of the header: when the run began, the nearest that is told |
//! | `execution-time-ms`, tokens, cost | not told: 0 |
//! | `event-count` | the number of requests, as `resps` has answers |
//! | `trajectory` | `arguments`, the requests |
//! | `detailed-trajectory` | `resps`, the answers as they came |
//!
//! **Filters.** A task may read the same answers in several ways, such as `strict-match` and
//! `flexible-extract`; each makes lines of its own, one way after the other. Each line is a
//! scenario of its own, because the tool gives figures for each way too and nothing tells which one
//! counts. The dimensions are named as the tool names its figures, `exact_match,strict-match`;
//! without a filter just `exact_match`.
//!
//! **Tasks.** A line does not say its task, and a results file may have many. Those that the line
//! cannot belong to are left out: where they have no figure for one of its metrics and its
//! filter, where they have fewer documents than the line's `doc_id`, or where their `doc_to_text`
//! takes a member that `doc` has not. If one is left, it is the task. If not, the id is
//! `doc-HASH/DOC_ID`, of the start of `doc_hash`, which is the same in every run on the same data, and
//! there is a warning; of old lines without `doc_hash` it is made from `doc_id` and prompt.
//!
//! **Metrics** that are a pair or a list (the perplexity of a text, `inst_level` accuracies) are no
//! dimension and have a warning, as have numbers outside 0 to 1. A metric that the header calls better when
//! lower is a dimension, but never the overall score.
//!
//! **The suite's figures** are given where the results are of one task, and of metrics whose
//! `aggregation` is the mean; see [`LmEvalFormat`].
//!
//! Tried with files of version 0.4.13 and of one from January 2026.

mod format;
mod header;
mod layout;
mod line;
mod suite;

pub use format::LmEvalFormat;

arc_format_kit::export_format!(LmEvalFormat);
