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
//! | `scores` | `scores`, in their order: `SCORER`, `SCORER/KEY` of a dictionary, `SCORER/INDEX` of a list; see below |
//! | `headline` | the score that Inspect shows: `results.headline` of the header, else the first of `results.scores`; without one that the sample has, the first scorer with a single value |
//! | `key` | `uuid`; the place in old logs |
//! | `place` | `ID/EPOCH` |
//! | `revised-at` | the latest of `completed_at`, the edits of scores (`history`) and the `timestamp` of the `invalidation` |
//! | `invalidation` | `invalidation`: author, reason, time, with a warning |
//! | `execution-time` | `started_at`, else the `timestamp` of the first event |
//! | `execution-time-ms` | `total_time`, else from `started_at` to `completed_at`, else from the first event to the last |
//! | `tokens-used` | `model_usage`: the sum of `total_tokens` over all models, which counts cache and reasoning as Inspect does; and `discarded-tokens` |
//! | `prompt-tokens` | the same of `input_tokens`, with those read from and written to a cache if `total_tokens` counts them separately |
//! | `completion-tokens` | the same of `output_tokens` |
//! | `cost-usd` | the same of `total_cost`, which only newer versions have, if prices are known |
//! | `discarded-tokens`, `discarded-cost-usd` | the usage of the model events in `error_retries`: tries that failed and were repeated. It is also part of the other counts |
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
//! **Scores** are unchanged. A number has no range, because the log declares none. Other values have
//! the number of Inspect's `value_to_float`: `C` 1, `P` 0.5, `I` and `N` 0, `yes` and `true` 1, `no`
//! and `false` 0 in any case, of the range from 0 to 1, booleans too; and texts that are a number,
//! without a range. A text is also the score's label; one that has no number has a warning. `null`
//! and `NaN` (`Score.unscored()`) are a score without a number, and no other scorer's takes its
//! place: there is a warning if the headline has no number. An edited score is the edit. If two
//! scorers make the same name, the last counts. `explanation` is the scorer's `explanation`.
//!
//! **Attempts.** An epoch of a sample has one place, so a sample that a later log of the run has
//! again, with another `uuid`, is another attempt at the same trial.
//!
//! **Spans.** `events` are not returned as the trajectory: in newer logs they refer to pools of
//! messages beside them (`events_data`, `attachments`), so they cannot be read on their own. They
//! are completely in the document.
//!
//! **Attachments.** The content of a text `attachment://HASH` is in the sample's `attachments`.
//! References are resolved in every text that is extracted from the sample.
//!
//! **Old logs.** `score` instead of `scores` makes the score `score`; `transcript.events` and
//! `transcript.content` are read as `events` and `attachments`; `tc://` as `attachment://`.
//!
//! **The run** and its figures are those of the header's `status`, `eval`, `results` and `stats`; see
//! [`InspectFormat`].
//!
//! **Not read** are logs whose samples are in chunks (`inspect log convert-chunked`): they have no
//! results, but their header reports how many there are.
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
