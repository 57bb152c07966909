//! The logs of OpenAI's evals (`oaieval`) as a format: one JSON object a line.
//!
//! | line | role |
//! |---|---|
//! | `{"spec": …}` | the header |
//! | `{"sample_id": …, "type": …, "data": …}` | an event, a part of the result of its sample |
//! | `{"final_report": …}`, an event without a sample | not recorded |
//!
//! A result is the array of all events of a sample, in their order. Its fields:
//!
//! | field of the outcome | location |
//! |---|---|
//! | `scenario.id` | `sample_id`, which begins with the eval's name: `capitals.dev.2` |
//! | `scenario.task_prompt` | the first `sampling` event's `prompt`, else the first `raw_sample`'s `input`: a text, or the last message of the user in a conversation |
//! | `scenario.definition` | `data` of the first `raw_sample` event, if it is an object |
//! | `trial`, `place` | none: a run has each sample once |
//! | `key` | `run_id` and `sample_id`: a log that grows has more events of the same sample later |
//! | `revised_at` | the last `created_at` |
//! | `status` | an error if there is an `error` event, else a success |
//! | `scores` | the members of `metrics` events, and the `correct` of `match` events; see below |
//! | `headline` | `accuracy`; without it the only score that is no label |
//! | `dimensions` | `data` of the last `metrics` event |
//! | `execution_time`, `execution_time_ms` | `created_at` of the first event, and from there to the last event: the log does not have the start of a sample |
//! | tokens | the sum of `usage` over `sampling` events |
//! | `cost_usd` | 0: the log has no prices |
//! | `event_count` | the number of events |
//! | `error_message`, `error_code` | `data.message` and `data.type` of the first `error` event |
//! | `trajectory` | `data` of the last `sampling` event |
//! | `detailed_trajectory` | all events |
//!
//! **Scores.** Values are unchanged: a boolean is 0 or 1 of the range from 0 to 1, a number has no
//! range, and a text is a label without a number, as the `choice` of a model that grades; the tool
//! counts labels. `null` and `NaN` are a score without a value; lists and objects are no scores.
//! The tool calls the mean of `correct` over all `match` events `accuracy`, so this is their name;
//! if an eval records a metric of that name besides (`FuzzyMatch`, `JsonMatch`), the matches are
//! called `match`. If a sample has several events with the same score, its value is their mean. The
//! tool's mean is over events, so it is that of the samples if each has the same number of them.
//!
//! **The report of the run.** `run_id` and `created_at` (in UTC) are those of the spec. Of a final
//! report, `accuracy` is the mean of the score of this name; `f1_score` of `FuzzyMatch`, and `score`
//! and `metascore` of `ModelBasedClassify` are means, too. Other figures are computed by the eval's
//! own code, and not compared. `boostrap_std` is the standard error of the accuracy, and
//! `usage_total_tokens` the tokens of all results.
//!
//! A host passes one line as the header, which is the spec, so the final report is read only from a
//! header that is an array of both lines.
//!
//! Tested with evals 3.0.1.post1.

mod event;
mod report;
mod sample;
mod scores;

use arc_format_kit::finite::with_null_for_nan;
use arc_format_kit::json::Reader;
use arc_format_kit::outline::Outline;
use arc_format_kit::{
    Format, Header, Items, Layout, Outcome, PlannedScenario, Role, SuiteSummary, Violation,
};

/// Logs of OpenAI's evals.
#[derive(Debug)]
pub struct OpenAiEvalsFormat;

impl Format for OpenAiEvalsFormat {
    const NAME: &'static str = "openai-evals";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const AUTHORS: &'static str = "Arc Recorder";
    const DESCRIPTION: &'static str = "Logs of OpenAI's evals: a spec, events of samples and a \
        final report, one JSON object a line; a result is the array of a sample's events";

    fn detect(_file_name: &str, head: &[u8]) -> Option<Layout> {
        let outline = Outline::of(head);
        let known = outline.has_all(&["/spec/completion_fns", "/spec/eval_name"])
            || outline.has_all(&["/run_id", "/event_id", "/sample_id", "/type"]);
        known.then_some(Layout { items: Items::Lines, header: Header::Item, classify_items: true })
    }

    fn classify(item: &str) -> Role {
        // An event with NaN is a part of its sample, too.
        let item = with_null_for_nan(item);
        let Ok((mut reader, root)) = Reader::new(&item) else { return Role::Result };
        let Some(members) = reader.root(root, ["spec", "final_report", "sample_id", "type"]) else {
            return Role::Result;
        };
        match members {
            [Some(spec), ..] if spec.is_object() => Role::Header,
            [_, Some(_), ..] => Role::Other,
            [_, _, Some(sample), Some(_)] => match event::sample_key(sample) {
                Some(key) => Role::Part(key),
                None => Role::Result,
            },
            [_, _, None, Some(_)] => Role::Other,
            _ => Role::Result,
        }
    }

    /// The header contains the settings of the run, which are stored with the samples; results do
    /// not use it.
    fn outcome(_header: Option<&str>, item: &str) -> Result<Outcome, Vec<Violation>> {
        let (mut reader, root) = Reader::new(item)?;
        let answer = event::read_all(&mut reader, root)
            .and_then(|events| sample::outcome(&mut reader, root, &events));
        reader.finish_outcome(answer)
    }

    fn scenario(_header: Option<&str>, item: &str) -> Result<PlannedScenario, Vec<Violation>> {
        let (mut reader, root) = Reader::new(item)?;
        let answer = event::read_all(&mut reader, root).and_then(|events| {
            let scenario = sample::scenario(&mut reader, &events)?;
            let run_id = event::run_id(&events);
            Some(PlannedScenario { run_id, ..PlannedScenario::new(scenario) })
        });
        reader.finish(answer)
    }

    fn suite(header: &str) -> Result<SuiteSummary, Vec<Violation>> {
        report::summary(header)
    }
}

arc_format_kit::export_format!(OpenAiEvalsFormat);
