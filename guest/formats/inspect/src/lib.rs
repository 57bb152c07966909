//! Logs of Inspect AI as results.
//!
//! A log is a zip archive (`.eval`) with an entry for each sample, or one JSON document (`.json`)
//! with an array of them. A sample is a result; the data of the whole log is the header. In a
//! chunked log a sample is several entries: `sample.json` is the result, with a warning, because
//! its messages and events are in the others, which are not read yet.
//!
//! | field of the outcome | member of the sample |
//! |---|---|
//! | `scenario.id` | `TASK/ID`: `eval.task` of the header, and `id` (text or number); only the id if there is no header |
//! | `scenario.task-prompt` | `input`: a text, or the last message of the user in a list of messages, as Inspect's own `input_text` |
//! | `trial` | `epoch` |
//! | `status` | see below |
//! | `scores` | `scores`: `SCORER`, `SCORER/KEY` of a dictionary, `SCORER/INDEX` of a list; see below |
//! | `headline` | the score of the header's headline metric; see below |
//! | `invalidation` | `invalidation`: its author, reason and timestamp |
//! | `execution-time` | `started_at`, else the `timestamp` of the first event |
//! | `execution-time-ms` | `total_time`, else from `started_at` to `completed_at`, else from the first event to the last |
//! | `origin` | the models that answered instead, in `model_fallbacks`, after those of the run |
//! | `usage` | `model_usage` and `role_usage`; see below |
//! | `event-count` | the number of `events`; of `messages` if the list is empty |
//! | `error-code`, `error-message` | `error`: the exception's name; message and traceback. Without an error, `limit`: `time_limit`; its reason |
//! | `trajectory` | `output`, the model's last output |
//! | `detailed-trajectory` | `messages` |
//! | `dimensions` | `scores` |
//! | `place` | `ID/EPOCH` |
//! | `key` | `uuid`; the place in logs before 0.3.70, which have none |
//! | `revised-at` | the latest of `completed_at`, the times of the last events and of the scores' edits, and the invalidation's |
//!
//! **Status.** `error` if the sample has an `error`; `cancelled` if that is the error of a
//! cancelled task. Otherwise the `limit` that ended the sample: `time` and `working` are a
//! `timeout`, `operator` (a person stopped it) is `cancelled`. The limits of messages, tokens,
//! turns, cost, context and `custom` ones leave a `success`, because Inspect scores the agent's
//! work until then and counts the sample as completed; error code and message contain the limit.
//! Everything else is a success.
//!
//! **Scores** have the number that Inspect's own `mean` and `accuracy` count, which is that of
//! `value_to_float`: `C` 1, `P` 0.5, `I` and `N` 0, `yes` and `true` 1, `no` and `false` 0 in any
//! case, and booleans, all with the range from 0 to 1; numbers as they are, and texts that are one,
//! without a range. `NaN` and `null` mean not scored: the score has no number. What
//! `value_to_float` cannot convert, Inspect counts as 0, with a warning: so it is here if the header
//! has such a mean of the score, and otherwise it has no number. That applies to unknown labels; to
//! a list or a dictionary as a whole; and to `null` under a key, if the header reports that no value
//! was unscored.
//!
//! **The headline** is Inspect's: `results.headline`, or what the task declares, or the first metric
//! of the first score; in a log without results, the one in the definitions of the scorers. Without
//! any, it is the sample's first scorer, unless that has several scores. It is never another
//! scorer's score, or a mean of several.
//!
//! **Usage.** Inspect counts a call under its model, and again under its role if it was made in one
//! (`get_model(role="grader")`). The calls of a role are those of `role_usage`, of the role's model in
//! `eval.model_roles`, else the only model of the sample, else that of the role's first call among the
//! `events`; they are removed from the calls of that model, whose rest is the agent's. `grader`,
//! `judge` and `scorer` are the scorer, `user` and `user_simulator` the user simulator; other roles keep
//! their names. The calls among the `events` of `error_retries` are discarded ones; Inspect keeps those
//! from a try's last call on. `total_tokens` shows whether a provider counts cached tokens and reasoning
//! apart; without it, cached tokens are apart, as in newer versions. Only newer versions have
//! `total_cost`, if prices are known.
//!
//! **Spans.** `events` are not returned as the trajectory: in newer logs they refer to pools of
//! messages beside them (`events_data`, `attachments`), so they cannot be read on their own. They
//! are completely in the document.
//!
//! **Attachments.** The content of a text `attachment://HASH` is in the sample's `attachments`.
//! References are resolved in every text that is extracted from the sample.
//!
//! **Old logs.** `score` instead of `scores` is the score of the header's first scorer;
//! `transcript.events` and `transcript.content` are read as `events` and `attachments`; `tc://` as
//! `attachment://`.
//!
//! **The report of the run.** The id is `eval.task_id`. A log without an end (`_journal/start.json`
//! of an archive, or the status `started`) is incomplete. The plan is `eval.dataset.sample_ids` in
//! all epochs. `results.completed_samples` leaves out samples with an error, which the log has, so
//! it is the number of results only if it is all. Every metric of `results.scores` is a figure, with
//! its reducer (`accuracy/max`) unless that is the mean; `stderr` is the standard error of the means
//! beside it. Inspect's `accuracy` and `mean` without arguments are the mean over samples of the
//! mean over epochs, without reducers the mean over all; unscored values are left out. No figure of
//! another metric or reducer is compared, and none of a log with invalidated samples, which
//! Inspect's figures count. `stats.model_usage` also counts calls of discarded tries that the log
//! does not have, so it is no total of the results.
//!
//! Tested with logs of versions 0.3.25 (which has no usage by sample, so its tokens are 0), 0.3.95,
//! 0.3.133 and 0.3.285, schema version 2.

mod attachments;
mod events;
mod figures;
mod format;
mod header;
mod identity;
mod layout;
mod origin;
mod sample;
mod scenario;
mod scores;
mod suite;
mod usage;

pub use format::InspectFormat;

arc_format_kit::export_format!(InspectFormat);
