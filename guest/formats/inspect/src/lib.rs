//! Logs of Inspect AI as results.
//!
//! A log is a zip archive (`.eval`) with an entry for each sample, or one JSON document (`.json`)
//! with an array of them. A sample is a result; the data of the whole log is the header.
//!
//! | field of the outcome | member of the sample |
//! |---|---|
//! | `scenario.id` | `TASK/ID`: `eval.task` of the header, and `id` (text or number); only the id if there is no header |
//! | `scenario.task-prompt` | `input`: a text, or the last message of the user in a list of messages, as Inspect's own `input_text` |
//! | `trial` | `epoch` |
//! | `status` | see below |
//! | `reliability-score` | `scores`: the first scorer with a number from 0 to 1; if it has several, their mean |
//! | `dimension-scores` | `scores`: `SCORER`, `SCORER/KEY` of a dictionary, `SCORER/INDEX` of a list; see below |
//! | `execution-time` | `started_at`, else the `timestamp` of the first event |
//! | `execution-time-ms` | `total_time`, else from `started_at` to `completed_at`, else from the first event to the last |
//! | `tokens-used` | `model_usage`: the sum of `total_tokens` over all models, which counts cache and reasoning as Inspect does |
//! | `prompt-tokens` | the same of `input_tokens`, with those read from and written to a cache if `total_tokens` counts them separately |
//! | `completion-tokens` | the same of `output_tokens` |
//! | `cost-usd` | the same of `total_cost`, which only newer versions have, if prices are known |
//! | `event-count` | the number of `events`; of `messages` if the list is empty |
//! | `error-code`, `error-message` | `error`: the exception's name; message and traceback. Without an error, `limit`: `time_limit`; its reason |
//! | `trajectory` | `output`, the model's last output |
//! | `detailed-trajectory` | `messages` |
//! | `dimensions` | `scores` |
//!
//! **Status.** `error` if the sample has an `error`; `cancelled` if that is the error of a
//! cancelled task. Otherwise the `limit` that ended the sample: `time` and `working` are a
//! `timeout`, `operator` (a person stopped it) is `cancelled`. The limits of messages, tokens,
//! turns, cost, context and `custom` ones leave a `success`, because Inspect scores the agent's
//! work until then and counts the sample as completed; error code and message contain the limit.
//! Everything else is a success.
//!
//! **Scores** become numbers as in Inspect's `value_to_float`: `C` 1, `P` 0.5, `I` and `N` 0, `yes`
//! and `true` 1, `no` and `false` 0 in any case, booleans, numbers, and texts that are one. A value
//! that is then not a number, or not from 0 to 1, is not a dimension and has a warning.
//!
//! **Spans.** `events` are not returned as the trajectory: in newer logs they refer to pools of
//! messages beside them (`events_data`, `attachments`), so they cannot be read on their own. They
//! are completely in the document.
//!
//! **Attachments.** The content of a text `attachment://HASH` is in the sample's `attachments`.
//! References are resolved in every text that is extracted from the sample.
//!
//! **Old logs.** `score` instead of `scores` makes the dimension `score`; `transcript.events` and
//! `transcript.content` are read as `events` and `attachments`; `tc://` as `attachment://`.
//!
//! **The suite's figures** are those of the header's `results` and `stats`; see [`InspectFormat`].
//!
//! Tested with logs of versions 0.3.25 (which has no usage by sample, so its tokens are 0), 0.3.95,
//! 0.3.133 and 0.3.285, schema version 2.

mod attachments;
mod format;
mod header;
mod layout;
mod sample;
mod scenario;
mod scores;
mod suite;
mod usage;

pub use format::InspectFormat;

arc_format_kit::export_format!(InspectFormat);
