//! The logs of OpenAI's evals (`oaieval`) as a format: one JSON object a line.
//!
//! | line | role |
//! |---|---|
//! | `{"spec": …}`, `{"final_report": …}` | a part of the header, the array of both |
//! | `{"sample_id": …, "type": …, "data": …}` | an event, a part of the result of its sample |
//! | an event without a sample | not recorded |
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
//! | `key` | the run and the sample: a log that has grown has revisions of its results |
//! | `revised_at` | `created_at` of the last event |
//! | `run_id` | `run_id` of the first event that has one, as in the header |
//! | `scores` | `correct` for the matches: 1 or 0, of several matches the share of those that are correct; and every metric under its name: a number as it is, a boolean as 1 or 0, `null` as an absent value, a text as a label without a value. Lists and objects are left out. Of several `metrics` events with the same metric, the last one counts, with a warning |
//! | `headline` | `correct`, else the metric `accuracy`, which the tool takes for the main one, else the only metric |
//! | `dimensions` | `data` of the last `metrics` event |
//! | `execution_time`, `execution_time_ms` | `created_at` of the first event, and from there to the last event: the log does not have the start of a sample |
//! | `usage` | `usage` of the `sampling` events by `model`. If the eval's class is `ModelBasedClassify`, the last event is the scorer's: the grader is called once, after the models under test |
//! | `cost_usd` | 0: the log has no prices |
//! | `event_count` | the number of events |
//! | `error_message`, `error_code` | `data.message` and `data.type` of the first `error` event |
//! | `trajectory` | `data` of the last `sampling` event |
//! | `detailed_trajectory` | all events |
//!
//! **The report of the run.** `origin` has the models of `spec.completion_fns`, of several in a
//! `ModelBasedClassify` without the last, which grades, `spec.eval_name` as the task, and the file of its
//! samples, if there is one, as the data set. The spec has the run's id and the time at which it was created. The
//! tool writes the final report at the end of a run, before the last events, so a log without it is
//! incomplete. Every number of the final report is a figure, except the usage, of which the total is
//! that of the results. `eval_spec.cls` of the spec is the class of the eval: `accuracy` of `Match`,
//! `Includes`, `MultipleChoice`, `JsonValidator` and `MatchWithSolvers` is the mean of `correct`;
//! `accuracy` and `f1_score` of `FuzzyMatch`, `accuracy` of `JsonMatch`, and `score` and `metascore` of
//! `ModelBasedClassify` are the means of those metrics. No other figure is compared, because any
//! class can compute it in its own way.
//!
//! Tested with evals 3.0.1.post1.

mod event;
mod report;
mod sample;

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
        let role = role_of(item);
        // A line with NaN is not JSON, so it has no role until those numbers are replaced.
        role.or_else(|| role_of(&with_null_for_nan(item))).unwrap_or(Role::Result)
    }

    fn outcome(header: Option<&str>, item: &str) -> Result<Outcome, Vec<Violation>> {
        let (mut reader, root) = Reader::new(item)?;
        let is_graded = report::is_graded(header);
        let answer = event::read_all(&mut reader, root)
            .and_then(|events| sample::outcome(&mut reader, root, &events, is_graded));
        reader.finish_outcome(answer)
    }

    fn scenario(_header: Option<&str>, item: &str) -> Result<PlannedScenario, Vec<Violation>> {
        let (mut reader, root) = Reader::new(item)?;
        let answer = event::read_all(&mut reader, root)
            .and_then(|events| sample::planned(&mut reader, &events));
        reader.finish(answer)
    }

    fn suite(header: &str) -> Result<SuiteSummary, Vec<Violation>> {
        report::summary(header)
    }
}

/// Returns the role of a line; `None` if it is no JSON object.
fn role_of(item: &str) -> Option<Role> {
    let (mut reader, root) = Reader::new(item).ok()?;
    let members = reader.root(root, ["spec", "final_report", "sample_id", "type"])?;
    Some(match members {
        [Some(spec), ..] if spec.is_object() => Role::Header,
        [_, Some(_), ..] => Role::Header,
        [_, _, Some(sample), Some(_)] => match event::sample_key(sample) {
            Some(key) => Role::Part(key),
            None => Role::Result,
        },
        [_, _, None, Some(_)] => Role::Other,
        _ => Role::Result,
    })
}

arc_format_kit::export_format!(OpenAiEvalsFormat);
