//! OpenTelemetry traces of generative AI as a format: OTLP in JSON, one document or one per line,
//! as a collector's file exporter writes it.
//!
//! **A trace is a result.** Its parts are the spans that have an attribute `gen_ai.*`, or name a
//! test (`test.case.*`, `test.suite.name`). All others (HTTP requests, queries) are left out, so
//! that a file of a whole system's traffic has only the results of its agents. A trace that only
//! names tests is rejected as `not_an_evaluation`. A conversation of several traces is several
//! results.
//!
//! | field of the outcome | location |
//! |---|---|
//! | `scenario.id` | `test.suite.name/test.case.name`; else derived from agent and prompt, with a warning; else `gen_ai.conversation.id` or the trace's id, with a warning, as neither is the same in another run |
//! | `scenario.name` | `test.case.name`, else `gen_ai.agent.name` |
//! | `scenario.task_prompt` | the last message of the user in the first `gen_ai.input.messages`, else `content` of the first event `gen_ai.user.message`, else `gen_ai.prompt` |
//! | `trial`, `place` | a trace has no trial number: its id is its place, so each trace of a scenario is a trial |
//! | `key` | the trace's id |
//! | `revised_at` | the latest end of a span or time of an evaluation: of two exports of a trace, the one with later data counts |
//! | `status` | that of the first `invoke_agent` or `invoke_workflow` span that has no GenAI span above it; without one, of the GenAI span that ended last of those that have none above (an earlier call might have been retried): code 2 is an error, or a timeout or cancellation, depending on `error.type` |
//! | `scores` | one for each `gen_ai.evaluation.name` of the events `gen_ai.evaluation.result` (or of spans with the same attributes): `gen_ai.evaluation.score.value` unchanged, on no declared scale. Of several with the same name, the latest counts, with a warning if they differ. Without a value, the score is that of `gen_ai.evaluation.score.label` from 0 to 1 (`pass`, `not_relevant`), or none with a warning if the label's value is not known. Also `test.case.result.status`: `pass` is 1, `fail` 0 |
//! | `headline` | the evaluation that is called `score`, `overall`, `overall_score` or `reliability_score`; else `test.case.result.status`; else the only evaluation. None, with a warning, of several evaluations: one of them is not the result's own score, and neither is their mean |
//! | `explanation` of a score | `gen_ai.evaluation.explanation` |
//! | `execution_time` | the earliest start of its spans |
//! | `execution_time_ms` | from there to the latest end |
//! | tokens | `gen_ai.usage.input_tokens` and `output_tokens`, summed over the calls of models (`chat`, `text_completion`, `generate_content`); if none has any, over agents that are in no other agent with any. So no token counts twice |
//! | `cost_usd` | `gen_ai.usage.cost` of the same spans: not a convention of OpenTelemetry, but some instrumentations write it |
//! | `event_count` | the number of its spans |
//! | `error_message` | the status's message, else `exception.message` of its `exception` event |
//! | `error_code` | `error.type`, else `exception.type` |
//! | `trajectory` | the span whose status counts |
//! | `detailed_trajectory` | all its spans |
//!
//! 64-bit integers can be texts, as in OTLP, or numbers. Evaluations that are written as log
//! records are in other files, and are not read. Tested with OpenTelemetry's SDK for Python 1.45.2
//! and the conventions of `opentelemetry-semantic-conventions` 0.66b2.

mod attribute;
mod score;
mod span;
mod trace;
mod usage;

use arc_format_kit::json::Reader;
use arc_format_kit::outline::Outline;
use arc_format_kit::{Format, Header, Items, Layout, Outcome, PlannedScenario, Role, Violation};

/// OpenTelemetry traces of generative AI.
#[derive(Debug)]
pub struct OtelFormat;

impl Format for OtelFormat {
    const NAME: &'static str = "otel";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const AUTHORS: &'static str = "Arc Recorder";
    const DESCRIPTION: &'static str = "OpenTelemetry traces of generative AI as OTLP JSON; a result \
        is the array of a trace's spans that have gen_ai attributes";

    fn detect(_file_name: &str, head: &[u8]) -> Option<Layout> {
        let outline = Outline::of(head);
        let known = outline.has("/resourceSpans/*/scopeSpans")
            || outline.has("/resourceSpans/*/resource")
            || outline.has("/resourceSpans/*/schemaUrl");
        known.then(|| Layout {
            items: Items::Elements("/resourceSpans/*/scopeSpans/*/spans/*".to_owned()),
            header: Header::EnclosingDocument,
            classify_items: true,
        })
    }

    fn classify(item: &str) -> Role {
        let Ok((mut reader, root)) = Reader::new(item) else { return Role::Result };
        match reader.root(root, ["traceId", "attributes", "events"]) {
            None => Role::Result,
            Some([trace, attributes, events]) => {
                if !span::matters(attributes, events) {
                    return Role::Other;
                }
                match trace.and_then(span::trace_key) {
                    Some(key) => Role::Part(key),
                    None => Role::Result,
                }
            }
        }
    }

    /// The header names the service of the spans, which is stored with them; results do not use it.
    fn outcome(_header: Option<&str>, item: &str) -> Result<Outcome, Vec<Violation>> {
        let (mut reader, root) = Reader::new(item)?;
        let answer = span::read_all(&mut reader, root)
            .and_then(|spans| trace::outcome(&mut reader, root, &spans));
        reader.finish_outcome(answer)
    }

    fn scenario(_header: Option<&str>, item: &str) -> Result<PlannedScenario, Vec<Violation>> {
        let (mut reader, root) = Reader::new(item)?;
        let answer = span::read_all(&mut reader, root).and_then(|spans| {
            let scenario = trace::scenario(&mut reader, &spans)?;
            Some(PlannedScenario {
                place: trace::id(&spans),
                revised_at: trace::revised_at(&spans),
                ..PlannedScenario::new(scenario)
            })
        });
        reader.finish(answer)
    }
}

arc_format_kit::export_format!(OtelFormat);
