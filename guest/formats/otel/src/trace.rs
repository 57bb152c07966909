//! Extraction of a result from the spans of a trace.

use std::collections::BTreeSet;

use arc_format_kit::failure::Failure;
use arc_format_kit::json::{Place, Reader, Value};
use arc_format_kit::number::MAX_WHOLE;
use arc_format_kit::scenario::{bounded_id, make_id};
use arc_format_kit::time::of_unix_nanoseconds;
use arc_format_kit::{Outcome, OutcomeStatus, Scenario, codes};

use crate::span::{EVALUATION, Span};
use crate::{score, usage};

/// Reads the scenario of the trace.
pub(crate) fn scenario<'a>(reader: &mut Reader<'a>, spans: &[Span<'a>]) -> Option<Scenario> {
    if !spans.iter().any(|span| span.generative) {
        reader.violation(
            String::new(),
            codes::NOT_AN_EVALUATION,
            "no span of the trace has an attribute gen_ai.*, so it is no run of an agent or a model"
                .to_owned(),
        );
        return None;
    }
    let mut first = |key: &str| spans.iter().find_map(|span| span.attributes.text(reader, key));
    let test = first("test.case.name");
    let suite = first("test.suite.name");
    let agent = first("gen_ai.agent.name");
    let conversation = first("gen_ai.conversation.id");
    let task_prompt = prompt(reader, spans);
    let id = match (&test, &suite, &task_prompt) {
        (Some(test), Some(suite), _) => bounded_id(format!("{suite}/{test}")),
        (Some(test), None, _) => bounded_id(test.clone()),
        (None, _, Some(prompt)) => {
            // The place of the missing id is the trace itself.
            let violations_before = reader.violation_count();
            make_id(reader, "", violations_before, agent.as_deref(), Some(prompt))?
        }
        (None, _, None) => {
            let Some(id) = conversation.or_else(|| id(spans)) else {
                reader.violation(
                    String::new(),
                    codes::MISSING_SCENARIO,
                    "the spans have no traceId, and nothing else that identifies the scenario"
                        .to_owned(),
                );
                return None;
            };
            reader.warning(
                String::new(),
                codes::SCENARIO_ID_MADE,
                "no attribute test.case.name identifies the scenario, and no prompt was recorded; \
                 the id of its conversation or trace is used instead"
                    .to_owned(),
            );
            bounded_id(id)
        }
    };
    Some(Scenario { id, name: test.or(agent), task_prompt, definition: None })
}

/// Returns the first prompt of the agent or model.
fn prompt<'a>(reader: &mut Reader<'a>, spans: &[Span<'a>]) -> Option<String> {
    let mut by_start: Vec<&Span> = spans.iter().collect();
    by_start.sort_by_key(|span| span.start);
    let messages = by_start
        .iter()
        .find_map(|span| last_of_user(&span.attributes.text(reader, "gen_ai.input.messages")?));
    messages
        .or_else(|| {
            let mut events = by_start.iter().flat_map(|span| &span.events);
            events.find_map(|event| {
                let content = (event.name == "gen_ai.user.message")
                    .then(|| event.attributes.text(reader, "content"));
                content.flatten()
            })
        })
        .or_else(|| by_start.iter().find_map(|span| span.attributes.text(reader, "gen_ai.prompt")))
}

/// Returns the text of the last message of the user in a list of messages, which is JSON inside a
/// text.
fn last_of_user(messages: &str) -> Option<String> {
    let (_, messages) = Reader::new(messages).ok()?;
    let messages = messages.elements()?;
    let message = messages
        .iter()
        .rfind(|message| message.member("role").is_some_and(|role| role.json() == r#""user""#))?;
    let text = |value: Value| value.decode().map(|text| text.text.into_owned());
    let parts = message.member("parts").and_then(Value::elements).unwrap_or_default();
    let texts: Vec<String> =
        parts.iter().filter_map(|part| text(part.member("content")?)).collect();
    let text = match texts.is_empty() {
        false => texts.join("\n"),
        true => text(message.member("content")?)?,
    };
    Some(text).filter(|text| !text.trim().is_empty())
}

/// Reads the whole result.
pub(crate) fn outcome<'a>(
    reader: &mut Reader<'a>,
    root: Value<'a>,
    spans: &[Span<'a>],
) -> Option<Outcome> {
    let scenario = scenario(reader, spans)?;
    let deciding = deciding(spans)?;
    let (status, failure) = status(reader, deciding);
    let (scores, headline) = score::read(reader, spans);
    let start = spans.iter().filter_map(|span| span.start).min();
    let end = spans.iter().filter_map(|span| span.end).max();
    let length = start.zip(end).map_or(0, |(start, end)| (end - start).max(0));
    let used = usage::sum(reader, spans);
    Some(Outcome {
        scores,
        headline,
        execution_time: start.and_then(of_unix_nanoseconds),
        execution_time_ms: length as f64 / 1e6,
        tokens_used: (used.input + used.output).min(MAX_WHOLE),
        prompt_tokens: used.input,
        completion_tokens: used.output,
        cost_usd: used.cost,
        event_count: u32::try_from(spans.len()).unwrap_or(u32::MAX),
        error_code: failure.code,
        error_message: failure.message,
        error_category: failure.category,
        trajectory: reader.span(deciding.value),
        detailed_trajectory: reader.span(root),
        key: id(spans),
        place: id(spans),
        revised_at: revised_at(spans),
        ..Outcome::new(scenario, status)
    })
}

/// Returns the trace's id, which is the key of its run and its place: each trace is a trial.
pub(crate) fn id(spans: &[Span]) -> Option<String> {
    spans.iter().find_map(|span| span.trace_id.clone()).map(bounded_id)
}

/// Returns the time of the last data of the trace: of two exports of it, the one with the later
/// spans and evaluations is valid.
pub(crate) fn revised_at(spans: &[Span]) -> Option<String> {
    let evaluations = spans
        .iter()
        .flat_map(|span| &span.events)
        .filter(|event| event.name == EVALUATION)
        .filter_map(|event| event.time);
    let last = spans.iter().filter_map(|span| span.end).chain(evaluations).max()?;
    of_unix_nanoseconds(last)
}

/// Returns the span that determines the status of the run.
fn deciding<'s, 'a>(spans: &'s [Span<'a>]) -> Option<&'s Span<'a>> {
    let generative = || spans.iter().filter(|span| span.generative);
    let ids: BTreeSet<&str> = generative().filter_map(|span| span.id.as_deref()).collect();
    let is_below = |span: &Span| span.parent.as_deref().is_some_and(|parent| ids.contains(parent));
    let roots: Vec<&Span> = generative().filter(|span| !is_below(span)).collect();
    let is_agent = |span: &&&Span| {
        matches!(span.operation.as_deref(), Some("invoke_agent" | "invoke_workflow"))
    };
    let agent = roots.iter().filter(is_agent).min_by_key(|span| span.start);
    let last = roots.iter().max_by_key(|span| span.end);
    // If spans are each other's parents, there is no root.
    agent.or(last).copied().or_else(|| generative().next())
}

/// Reads from one span how the run ended.
fn status<'a>(reader: &mut Reader<'a>, span: &Span<'a>) -> (OutcomeStatus, Failure) {
    let code = span.status.and_then(|status| status.member("code")).map(Value::json);
    if !matches!(code, Some("2" | r#""2""# | r#""STATUS_CODE_ERROR""#)) {
        return (OutcomeStatus::Success, Failure::default());
    }
    let exception = span.events.iter().rfind(|event| event.name == "exception");
    let exception_text =
        |reader: &mut Reader<'a>, key| exception.and_then(|it| it.attributes.text(reader, key));
    let kind = span
        .attributes
        .text(reader, "error.type")
        .or_else(|| exception_text(reader, "exception.type"));
    let pointer = format!("{}/status", span.pointer);
    let message = span.status.and_then(|status| status.member("message"));
    let message = message.filter(|message| message.json() != "null");
    let message = reader
        .decoration(|reader| reader.text(message, Place { object: &pointer, member: "message" }))
        .filter(|message| !message.trim().is_empty())
        .or_else(|| exception_text(reader, "exception.message"))
        .or_else(|| kind.clone());
    // The type can have a module prefix: `asyncio.exceptions.CancelledError`.
    let name = kind.as_deref().and_then(|kind| kind.rsplit(['.', ':']).next());
    let name = name.unwrap_or_default().to_ascii_lowercase();
    let status = match name.as_str() {
        "timeout" | "timeouterror" | "timeoutexception" | "deadline_exceeded"
        | "deadlineexceeded" => OutcomeStatus::Timeout,
        "cancelled" | "canceled" | "cancellederror" | "keyboardinterrupt" => {
            OutcomeStatus::Cancelled
        }
        _ => OutcomeStatus::Error,
    };
    (status, Failure::new(message.as_deref(), kind.as_deref(), status))
}
