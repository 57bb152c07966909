//! Logs of Inspect AI as results.
//!
//! A log is a zip archive (`.eval`) with an entry for each sample, or one JSON document (`.json`)
//! with an array of them. A sample is a result; what is said once for all is the header.
//!
//! | field of the outcome | member of the sample |
//! |---|---|
//! | `scenario.id` | `TASK/ID`: `eval.task` of the header, and `id` (text or number); the id alone where there is no header |
//! | `scenario.task-prompt` | `input`: a text, or of messages the last one of the user, as Inspect's own `input_text` |
//! | `trial` | `epoch` |
//! | `status` | see below |
//! | `reliability-score` | `scores`: the first scorer that gives a number from 0 to 1; where it gives several, their mean |
//! | `dimension-scores` | `scores`: `SCORER`, `SCORER/KEY` of a dictionary, `SCORER/INDEX` of a list; see below |
//! | `execution-time` | `started_at`, else the `timestamp` of the first event |
//! | `execution-time-ms` | `total_time`, else from `started_at` to `completed_at`, else from the first event to the last |
//! | `tokens-used` | `model_usage`: the sum of `total_tokens` over all models, which counts cache and reasoning as Inspect does |
//! | `prompt-tokens` | the same of `input_tokens`, with those read from and written to a cache where `total_tokens` counts them beside |
//! | `completion-tokens` | the same of `output_tokens` |
//! | `cost-usd` | the same of `total_cost`, which only newer versions have, where prices are known |
//! | `event-count` | the number of `events`; of `messages` where there are none |
//! | `error-code`, `error-message` | `error`: the exception's name; message and traceback. Without an error, `limit`: `time_limit`; its reason |
//! | `trajectory` | `output`, what the model said last |
//! | `detailed-trajectory` | `messages` |
//! | `dimensions` | `scores` |
//!
//! **Status.** `error`, where the sample has an `error`; `cancelled`, where that is a cancelled
//! task's. Else the `limit` that ended the sample: `time` and `working` are a `timeout`, `operator`
//! (somebody stopped it) is `cancelled`. The limits of messages, tokens, turns, cost, context and
//! `custom` ones leave a `success`, because Inspect scores what the agent had done by then and counts
//! the sample as completed; error code and message say which limit it was. Everything else is a success.
//!
//! **Scores** become numbers as in Inspect's `value_to_float`: `C` 1, `P` 0.5, `I` and `N` 0, `yes` and
//! `true` 1, `no` and `false` 0 in any case, booleans, numbers, and texts that are one. What is no number
//! then, or not from 0 to 1, is no dimension and has a warning.
//!
//! **Spans.** `events` are not given as the trajectory: in newer logs they refer to pools of messages
//! beside them (`events_data`, `attachments`), so that they cannot be read alone. They are in
//! the document, whole.
//!
//! **Attachments.** A text that is `attachment://HASH` stands in the sample's `attachments`. Every
//! text that is lifted out of the sample is resolved.
//!
//! **Old logs.** `score` instead of `scores` makes the dimension `score`; `transcript.events` and
//! `transcript.content` are read as `events` and `attachments`; `tc://` as `attachment://`.
//!
//! **The suite's figures** are those of the header's `results` and `stats`; see [`InspectFormat`].
//!
//! Tried with logs of versions 0.3.25 (which has no usage by sample, so that its tokens are 0), 0.3.95,
//! 0.3.133 and 0.3.285, schema version 2.

mod attachments;
mod format;
mod layout;
mod sample;
mod scenario;
mod scores;
mod suite;
mod usage;

pub use format::InspectFormat;

arc_format_kit::export_format!(InspectFormat);
