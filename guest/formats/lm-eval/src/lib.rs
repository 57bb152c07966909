//! Samples of lm-evaluation-harness as results.
//!
//! A run that logs its samples (`--log_samples`) leaves a file for each task,
//! `samples_TASK_DATE.jsonl`, with a line for each document and filter, and one
//! `results_DATE.json` for all tasks, which is the header of each.
//!
//! **Documents and filters.** A task can read the same answers in several ways, such as
//! `strict-match` and `flexible-extract`; each adds lines of its own, one filter after the other.
//! A result is a document of the task, under all its filters:
//!
//! | line | role |
//! |---|---|
//! | its filter is `none`, the tool's own, or absent: the usual case | a result |
//! | its filter has another name | a part of the result of its `doc_id` and `doc_hash` |
//!
//! So a result is a line, or the array of the lines of a document, also if it is a single line. A
//! task that itself names one of several filters `none` is not supported: its documents have two
//! results, of which the later one counts.
//!
//! | field of the outcome | member of the line, of several lines of the first |
//! |---|---|
//! | `scenario.id` | `TASK/DOC_ID`; see below |
//! | `scenario.task-prompt` | the first request's text: `arguments.gen_args_0.arg_0`, of old lines `arguments[0][0]` |
//! | `scenario.definition` | `doc`, the row of the dataset |
//! | `trial` | none: repeats are several answers in one line, which are scored together |
//! | `status` | `success`: a run that fails writes no samples |
//! | `scores` | the metrics of every line: those that `metrics` names; of old lines, every other member that is a number or boolean |
//! | `headline` | the first metric in the results of the task; without them, the first metric of the first line |
//! | `execution-time` | `date` of the header: the start of the run, the nearest time in the files |
//! | `origin` | the task, its version and its data set, if the results have several tasks |
//! | `execution-time-ms`, tokens, cost | not in the files: 0 |
//! | `event-count` | the number of requests, as `resps` has answers |
//! | `trajectory` | `arguments`, the requests |
//! | `detailed-trajectory` | `resps`, the unprocessed answers |
//!
//! **Scores** are named as the tool names its figures, `exact_match,strict-match`; under the filter
//! `none` by only the metric: the score of the figure `acc,none` is `acc`, as in lines of every
//! version. A number is the value as it is, a boolean is 0 or 1. `null` and numbers that are not
//! finite are absent values, and a text is a label without a value. A list (the parts of a
//! perplexity, the pair of a BLEU score, `inst_level` accuracies) is no score of the document; if
//! the task's first metric is a list, its documents have no headline. If a document does not have
//! the task's first metric, that score is absent. `bypass`, which is no metric, is never
//! the headline.
//!
//! **Tasks.** A line does not name its task, and a results file can have many. The name of the file of
//! samples contains the task, and the date of the results that belong to it: results of another date
//! are not read. Tasks that the line cannot belong to are left out: if their name is not that of the file, if
//! they have no figure for one of its metrics and its filter, if they have fewer documents than the
//! line's `doc_id`, or if their `doc_to_text` uses a member that `doc` does not have. If one is left,
//! it is the task. If none is left, the results are those of another run, nothing is taken from them,
//! and there is a warning. Without a task, that of the file's name is part of the id; if the file was
//! renamed, the id is `doc-HASH/DOC_ID`, of the start of `doc_hash`, which is the same in every run on
//! the same data, with another warning; of old lines without `doc_hash` it is derived from `doc_id`
//! and prompt.
//!
//! **The run's figures** are read if the task is known, or the only one, under the names of the results
//! (`acc,none`), with their standard errors. A figure is the mean of its score if the task's
//! `metric_list` has the aggregation `mean`, or none for a metric whose default that is. A metric
//! that is not listed has the mean if all listed ones have the mean: the tool takes the aggregation of the
//! listed metric whose function returned it, else the mean. Any other aggregation (a perplexity, a
//! function of the task) is not comparable, and so are the figures of a task without a
//! `metric_list`, which can be a Python class. A document without a metric is left out of its
//! figure, and with a NaN the figure is NaN, which is absent. Values of numpy's `float32` are summed in
//! single precision, so such a figure has a tolerance. The tool defines the range of
//! `acc`, `acc_norm`, `acc_bytes`, `acc_mutual_info` and `exact_match`, unless the task computes
//! its metrics with a function of its own (`process_results`).
//!
//! `origin` has the model that `config.model_args` names (`model_name` is random if they name none; it is
//! used if the results have no arguments), `model_source` as the provider (`hf`, `vllm`), and, if the
//! results are of one task, its version unless that is `Yaml`, the name of an absent one, and
//! `dataset_path/dataset_name`, or the only file that a loader (`json`, `csv`) reads.
//!
//! The number of results is the `effective` one of `n-samples`, unless the task has such a function:
//! then the tool does not count the documents for which it returned no metric. The results have no id
//! of the run.
//!
//! Tested with files of version 0.4.13 and of one from January 2026.

mod document;
mod format;
mod header;
mod layout;
mod line;
mod origin;
mod score;
mod suite;

pub use format::LmEvalFormat;

arc_format_kit::export_format!(LmEvalFormat);
