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
//! | `trial` | none: a log has each sample once |
//! | `status` | an error if there is an `error` event, else a success |
//! | `scores` | `correct` for the matches: the share that is `correct`; and every metric that is a boolean or a number, unchanged; of several `metrics` events with it, the last one |
//! | `headline` | `correct` if there are matches; without any, the first of the metrics `accuracy`, `score`, `correct`, `is_correct`, `passed`, `success`, else the first metric |
//! | `dimensions` | `data` of the last `metrics` event |
//! | `execution_time`, `execution_time_ms` | `created_at` of the first event, and from there to the last event: the log does not have the start of a sample |
//! | tokens | the sum of `usage` over `sampling` events |
//! | `cost_usd` | 0: the log has no prices |
//! | `event_count` | the number of events |
//! | `error_message`, `error_code` | `data.message` and `data.type` of the first `error` event |
//! | `trajectory` | `data` of the last `sampling` event |
//! | `detailed_trajectory` | all events |
//!
//! Tested with evals 3.0.1.post1.

mod event;
mod sample;

use arc_format_kit::json::Reader;
use arc_format_kit::outline::Outline;
use arc_format_kit::time::in_utc;
use arc_format_kit::{
    Format, Header, Items, Layout, Outcome, PlannedScenario, Role, RunReport, SuiteSummary,
    Violation,
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
        let Ok((mut reader, root)) = Reader::new(item) else { return Role::Result };
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

    fn suite(header: &str) -> Result<SuiteSummary, Vec<Violation>> {
        let (mut reader, root) = Reader::new(header)?;
        let answer = reader.root(root, ["spec"]).map(|[spec]| {
            let text = |name| {
                let text = spec?.member(name)?.decode()?.text.into_owned();
                (!text.is_empty()).then_some(text)
            };
            let created_at = text("created_at").and_then(|time| in_utc(&time));
            let run = RunReport { run_id: text("run_id"), created_at, ..RunReport::default() };
            SuiteSummary { run, ..SuiteSummary::default() }
        });
        reader.finish_suite(answer)
    }

    fn scenario(header: Option<&str>, item: &str) -> Result<PlannedScenario, Vec<Violation>> {
        let (mut reader, root) = Reader::new(item)?;
        let answer = event::read_all(&mut reader, root)
            .and_then(|events| sample::scenario(&mut reader, &events))
            .map(PlannedScenario::new);
        let planned = reader.finish(answer)?;
        let run_id = header.and_then(|header| Self::suite(header).ok()?.run.run_id);
        Ok(PlannedScenario { run_id, ..planned })
    }
}

arc_format_kit::export_format!(OpenAiEvalsFormat);
