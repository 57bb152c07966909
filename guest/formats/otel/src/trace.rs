//! Extraction of a result from the spans of a trace.

use arc_format_kit::failure::Failure;
use arc_format_kit::json::{Place, Reader, Value};
use arc_format_kit::scenario::{bounded_id, make_id};
use arc_format_kit::time::of_unix_nanoseconds;
use arc_format_kit::usage::TokenUsage;
use arc_format_kit::{Origin, Outcome, OutcomeStatus, Scenario, codes};

use crate::span::{CASES, EVALUATION, Kind, Span};
use crate::tree::Run;
use crate::{prompt, score, usage};

/// The names of the agent, or of the function that calls the models.
const AGENTS: [&str; 4] =
    ["gen_ai.agent.name", "agent_name", "agent.name", "ai.telemetry.functionId"];

/// The names of the provider, the convention's first.
const PROVIDERS: [&str; 5] =
    ["gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system", "ai.model.provider"];

/// Reads the scenario of the trace.
pub(crate) fn scenario<'a>(
    reader: &mut Reader<'a>,
    spans: &[Span<'a>],
    run: &Run,
) -> Option<Scenario> {
    if !spans.iter().any(Span::is_generative) {
        reader.violation(
            String::new(),
            codes::NOT_AN_EVALUATION,
            "no span of the trace is of generative AI, so it is no run of an agent or a model"
                .to_owned(),
        );
        return None;
    }
    let by_start = run.by_start(spans);
    let mut first =
        |keys: &[&str]| by_start.iter().find_map(|span| span.attributes.first_text(reader, keys));
    let case = first(&CASES);
    let agent = first(&AGENTS);
    let conversation = first(&["gen_ai.conversation.id"]);
    let task_prompt = prompt::read(reader, &by_start);
    let suite = spans.iter().find_map(|span| span.attributes.text(reader, "test.suite.name"));
    let id = match (&case, &suite, &task_prompt) {
        (Some(case), Some(suite), _) => bounded_id(format!("{suite}/{case}")),
        (Some(case), None, _) => bounded_id(case.clone()),
        (None, _, Some(prompt)) => {
            // The place of the missing id is the trace itself.
            let violations_before = reader.violation_count();
            make_id(reader, "", violations_before, agent.as_deref(), Some(prompt))?
        }
        (None, _, None) => {
            let Some(id) = conversation.or_else(|| id(spans, run)) else {
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
    Some(Scenario { id, name: case.or(agent), task_prompt, definition: None })
}

/// Reads the whole result.
pub(crate) fn outcome<'a>(
    reader: &mut Reader<'a>,
    root: Value<'a>,
    spans: &[Span<'a>],
) -> Option<Outcome> {
    let run = Run::of(spans);
    let scenario = scenario(reader, spans, &run)?;
    let deciding = deciding(spans, &run)?;
    let (status, failure) = status(reader, deciding);
    let (scores, headline) = score::read(reader, spans, &run);
    let timed = match run.root.and_then(|root| spans.get(root)) {
        Some(root) => vec![root],
        None => spans.iter().filter(|span| span.is_generative()).collect(),
    };
    let start = timed.iter().filter_map(|span| span.start).min();
    let end = timed.iter().filter_map(|span| span.end).max();
    let length = start.zip(end).map_or(0, |(start, end)| (end - start).max(0));
    let used = usage::read(reader, spans, &run);
    let outcome = Outcome {
        scores,
        headline,
        execution_time: start.and_then(of_unix_nanoseconds),
        execution_time_ms: length as f64 / 1e6,
        origin: origin(reader, spans, &run, &used),
        event_count: u32::try_from(spans.len()).unwrap_or(u32::MAX),
        error_code: failure.code,
        error_message: failure.message,
        error_category: failure.category,
        failure_class: failure.class,
        failure_rule: failure.rule,
        trajectory: reader.span(deciding.value),
        detailed_trajectory: reader.span(root),
        key: id(spans, &run),
        place: id(spans, &run),
        revised_at: revised_at(spans, &run),
        ..Outcome::new(scenario, status)
    };
    Some(outcome.with_usage(used))
}

/// Returns who ran the result, as far as its spans name it.
fn origin<'a>(
    reader: &mut Reader<'a>,
    spans: &[Span<'a>],
    run: &Run,
    used: &[TokenUsage],
) -> Origin {
    let by_start = run.by_start(spans);
    let embeddings: Vec<String> = by_start
        .iter()
        .filter(|span| span.kind == Kind::Embedding)
        .filter_map(|span| span.attributes.first_text(reader, &usage::MODELS))
        .collect();
    let agent_calls = used.iter().filter(|calls| calls.is_agent());
    let mut models: Vec<String> = Vec::new();
    for model in agent_calls.filter_map(|calls| calls.model.as_ref()) {
        if !models.contains(model) && !embeddings.contains(model) {
            models.push(model.clone());
        }
    }
    if models.is_empty() {
        let model =
            by_start.iter().find_map(|span| span.attributes.first_text(reader, &usage::MODELS));
        models.extend(model);
    }
    let mut first =
        |keys: &[&str]| by_start.iter().find_map(|span| span.attributes.first_text(reader, keys));
    let provider = first(&PROVIDERS);
    let agent = first(&AGENTS);
    let agent_version = first(&["gen_ai.agent.version"]);
    let mut of_whole =
        |keys: &[&str]| spans.iter().find_map(|span| span.attributes.first_text(reader, keys));
    Origin {
        models,
        provider,
        agent,
        agent_version,
        task: of_whole(&["test.suite.name", "task_name"]),
        dataset: of_whole(&["dataset_name"]),
        ..Origin::default()
    }
}

/// Returns the id of the run: that of the trace, with that of its root if it has one, because a
/// trace can have several. It is the result's key and place, so that each run is a trial.
pub(crate) fn id(spans: &[Span], run: &Run) -> Option<String> {
    let trace = spans.iter().find_map(|span| span.trace_id.clone())?;
    let root = run.root.and_then(|root| spans.get(root)?.id.as_deref());
    Some(bounded_id(root.map_or_else(|| trace.clone(), |root| format!("{trace}/{root}"))))
}

/// Returns the time of the last data of the run: of two exports of it, the one with the later spans
/// and evaluations is valid.
pub(crate) fn revised_at(spans: &[Span], run: &Run) -> Option<String> {
    let own = || spans.iter().enumerate().filter(|(number, _)| run.has(*number));
    let evaluations = own()
        .flat_map(|(_, span)| &span.events)
        .filter(|event| event.name == EVALUATION)
        .filter_map(|event| event.time);
    let last = own().filter_map(|(_, span)| span.end).chain(evaluations).max()?;
    of_unix_nanoseconds(last)
}

/// Returns the span that determines the status of the run: its root if that failed, else the
/// outermost agent, or the last call. A workflow can end without an error although the agent that
/// it ran last failed; then the agent determines it.
fn deciding<'s, 'a>(spans: &'s [Span<'a>], run: &Run) -> Option<&'s Span<'a>> {
    let all = || spans.iter().enumerate();
    let is_own = |number: usize| {
        run.has(number)
            && !run.is_scoring(number)
            && spans.get(number).is_some_and(|span| span.is_generative() && !span.is_case)
    };
    let below = run.tree.at_or_below(is_own);
    let tops: Vec<(usize, &Span)> = all()
        .filter(|(number, _)| {
            is_own(*number) && !run.tree.parent(*number).is_some_and(|parent| below.get(parent))
        })
        .collect();
    let agents = tops.iter().filter(|(_, span)| span.kind == Kind::Agent);
    let agent = agents.min_by_key(|(_, span)| span.start);
    let last = tops.iter().max_by_key(|(_, span)| span.end);
    let root = run.root.and_then(|root| spans.get(root));
    if let Some(root) = root.filter(|root| root.has_failed()) {
        return Some(root);
    }
    let Some((mut number, mut deciding)) = agent.or(last).copied() else {
        // If spans are each other's parents, there is no top.
        return root.or_else(|| spans.iter().find(|span| span.is_generative()));
    };
    let mut last_below: Vec<Option<(Option<i128>, usize)>> = vec![None; spans.len()];
    for (child, span) in all().filter(|(child, _)| !run.is_scoring(*child)) {
        if let Some(parent) = run.tree.parent(child)
            && let Some(last) = last_below.get_mut(parent)
        {
            *last = (*last).max(Some((span.end, child)));
        }
    }
    // A span that was visited has no last one below it any more, in case of a circle.
    while !deciding.has_failed()
        && let Some((_, child)) = last_below.get_mut(number).and_then(Option::take)
        && let Some(span) = spans.get(child)
    {
        number = child;
        if span.kind == Kind::Agent {
            deciding = span;
        }
    }
    Some(deciding)
}

/// Reads from one span how the run ended.
fn status<'a>(reader: &mut Reader<'a>, span: &Span<'a>) -> (OutcomeStatus, Failure) {
    if !span.has_failed() {
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
