//! OpenTelemetry traces of generative AI as a format: OTLP in JSON, one document or one per line,
//! as a collector's file exporter writes it.
//!
//! **A run is a result**: a case of an evaluation (`test.case.name`; `case_name` of pydantic-evals),
//! or a run of an agent or a workflow (`invoke_agent`, `invoke_workflow`; `openinference.span.kind`
//! `AGENT`; `traceloop.span.kind` `agent` or `workflow`), if no other span of generative AI is above
//! it: the agents of a chain or a graph are one run. A trace with several runs is several results,
//! each with the spans above it; what else is in the trace is one more. A trace with one run or none is one result. A conversation of several traces is several
//! results.
//!
//! The parts of a result are the spans of generative AI: those with an attribute `gen_ai.*`,
//! `llm.*`, `openinference.*`, `embedding.*`, `traceloop.*`, `langfuse.*` or `ai.operationId`, with an
//! event `gen_ai.*`, and the cases and evaluators. All others (HTTP requests, queries) are left out
//! unless they are above a part, so that a file of a whole system's traffic has only the results of
//! its agents. A trace that only names tests is rejected as `not_an_evaluation`.
//!
//! Names of the conventions come before older ones (`gen_ai.usage.prompt_tokens`, `llm.usage.*`) and
//! those of instrumentations: OpenInference (`llm.*`), the Vercel AI SDK (`ai.*`), OpenLLMetry
//! (`traceloop.*`, `gen_ai.prompt.N.*`), Pydantic AI, Strands, Langfuse and Google's ADK.
//!
//! | field of the outcome | location |
//! |---|---|
//! | `scenario.id` | `test.suite.name/test.case.name`, or `case_name`; else derived from agent and prompt, with a warning; else `gen_ai.conversation.id` or the run's id, with a warning, as neither is the same in another run |
//! | `scenario.name` | that of the case, else that of the agent |
//! | `scenario.task_prompt` | the last message of the user, with its text parts only, in the first span that has messages: `gen_ai.input.messages`, all messages of an agent, `gen_ai.prompt.N.*`, `llm.input_messages.N.*`, `ai.prompt.messages`, or the events `gen_ai.user.message`; else the input of the first span that has one. A failed run has the same one |
//! | `trial`, `place` | a run has no trial number: its id is its place, so each run of a scenario is a trial |
//! | `key` | the trace's id, with `/` and that of the run's span if there is one |
//! | `revised_at` | the latest end of a span or time of an evaluation: of two exports of a run, the one with later data counts |
//! | `status` | that of the run's span if it failed; else of the agent that has no GenAI span above it, or of the agent that it ran last (a workflow can end well after its agent failed); without an agent, of the GenAI span that ended last of those that have none above (an earlier call might have been retried): code 2 is an error, or a timeout or cancellation, depending on `error.type` |
//! | `scores` | one for each `gen_ai.evaluation.name` of the events `gen_ai.evaluation.result` (or of spans with the same attributes): `gen_ai.evaluation.score.value` unchanged, on no declared scale. Of several with the same name, the latest counts, with a warning if they differ. Without a value, the score is that of `gen_ai.evaluation.score.label` from 0 to 1 (`pass`, `not_relevant`), or none with a warning if the label's value is not known. Also `test.case.result.status`: `pass` is 1, `fail` 0; and of a case of pydantic-evals its `assertions` (1 or 0), `scores` and `labels` |
//! | `headline` | the evaluation that is called `score`, `overall`, `overall_score` or `reliability_score`; else `test.case.result.status`; else the only evaluation. None, with a warning, of several evaluations: one of them is not the result's own score, and neither is their mean |
//! | `explanation` of a score | `gen_ai.evaluation.explanation` |
//! | `execution_time` | the start of the run's span, else the earliest of its GenAI spans |
//! | `execution_time_ms` | from there to its end, else to their latest |
//! | `usage`, tokens, `cost_usd` | by the leaf rule: the tokens of a span count if no span below it reports any, and so does its cost, independently (`operation.cost`, `llm.cost.total`, `gen_ai.usage.cost`). A wrapper repeats the calls inside it, however many are stacked. What the largest aggregate has in excess of the calls is not added, with the warning `usage_incomplete`: it can be the sum of a whole conversation, or of calls that another process traces. Calls for embeddings and rankings replace only their own wrappers. Of two spans with the same `gen_ai.response.id`, one within the time of the other, the inner one counts. The role is `scorer` below an evaluator (`evaluator_name`, `openinference.span.kind` `EVALUATOR`) |
//! | `origin` | the models that the usage names, without those for embeddings, else the first that was requested; provider and agent of the first span that names them; `test.suite.name` or pydantic-evals' task and data set. The tool is the instrumentation scope with the most spans, of those of generative AI in the file's header, which is the first of several documents |
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
mod header;
mod prompt;
mod score;
mod span;
mod trace;
mod tree;
mod usage;

use arc_format_kit::json::Reader;
use arc_format_kit::outline::Outline;
use arc_format_kit::{
    Format, Header, Items, Layout, NodeKind, Outcome, PlannedScenario, Role, SuiteSummary,
    TreeNode, Violation,
};

use crate::tree::Run;

/// OpenTelemetry traces of generative AI.
#[derive(Debug)]
pub struct OtelFormat;

impl Format for OtelFormat {
    const NAME: &'static str = "otel";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const AUTHORS: &'static str = "Arc Recorder";
    const DESCRIPTION: &'static str = "OpenTelemetry traces of generative AI as OTLP JSON; a result \
        is the array of the spans of a run";

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
        let Some(span) = span::read_one(&mut reader, root) else { return Role::Result };
        match (&span.trace_id, span.node()) {
            (None, TreeNode { kind: NodeKind::Connector, .. }) => Role::Other,
            (None, _) => Role::Result,
            (Some(trace), node) => Role::Node(trace.clone(), node),
        }
    }

    /// The header names the service of the spans, which is stored with them; results do not use it.
    fn outcome(_header: Option<&str>, item: &str) -> Result<Outcome, Vec<Violation>> {
        let (mut reader, root) = Reader::new(item)?;
        let answer = span::read_all(&mut reader, root)
            .and_then(|spans| trace::outcome(&mut reader, root, &spans));
        reader.finish_outcome(answer)
    }

    fn suite(header: &str) -> Result<SuiteSummary, Vec<Violation>> {
        header::suite(header)
    }

    fn scenario(_header: Option<&str>, item: &str) -> Result<PlannedScenario, Vec<Violation>> {
        let (mut reader, root) = Reader::new(item)?;
        let answer = span::read_all(&mut reader, root).and_then(|spans| {
            let run = Run::of(&spans);
            let scenario = trace::scenario(&mut reader, &spans, &run)?;
            Some(PlannedScenario {
                place: trace::id(&spans, &run),
                revised_at: trace::revised_at(&spans, &run),
                ..PlannedScenario::new(scenario)
            })
        });
        reader.finish(answer)
    }
}

arc_format_kit::export_format!(OtelFormat);
