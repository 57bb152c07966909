//! Extraction of a result from the events of a sample.

use arc_format_kit::failure::Failure;
use arc_format_kit::json::{Place, Reader, Value};
use arc_format_kit::number::MAX_WHOLE;
use arc_format_kit::scenario::{bounded_id, checked_id};
use arc_format_kit::time::{in_utc, milliseconds_between};
use arc_format_kit::{Outcome, OutcomeStatus, Scenario, codes};

use crate::event::{Event, of_kind, run_id};
use crate::scores;

/// Reads the scenario.
pub(crate) fn scenario<'a>(reader: &mut Reader<'a>, events: &[Event<'a>]) -> Option<Scenario> {
    let named = events.iter().find_map(|event| Some((event, event.sample?)));
    let Some((event, sample)) = named else {
        reader.violation(
            String::new(),
            codes::MISSING_SCENARIO,
            "no event has a sample_id, so it is not known which sample was run".to_owned(),
        );
        return None;
    };
    let id = if sample.is_number() {
        sample.json().to_owned()
    } else {
        checked_id(reader, Some(sample), Place { object: &event.pointer, member: "sample_id" })?
    };
    let raw = of_kind(events, "raw_sample").next();
    let raw_data = raw.and_then(|event| event.data);
    let task_prompt = of_kind(events, "sampling")
        .map(|event| (event, "prompt"))
        .chain(raw.map(|event| (event, "input")))
        .find_map(|(event, member)| {
            let prompt = event.data?.member(member)?;
            prompt_text(reader, prompt, Place { object: &event.data_pointer(), member })
        });
    let definition = raw_data.and_then(|data| reader.span(data));
    Some(Scenario { id, name: None, task_prompt, definition })
}

/// Returns the text of a prompt: the text itself, or the last message of the user.
fn prompt_text<'a>(reader: &mut Reader<'a>, prompt: Value<'a>, place: Place) -> Option<String> {
    if prompt.is_string() {
        return reader.decoded(prompt, place).map(Into::into);
    }
    let messages = prompt.elements()?;
    let of_user =
        |message: &&Value| message.member("role").is_some_and(|role| role.json() == r#""user""#);
    let message = messages.iter().rfind(of_user).or(messages.last())?;
    let content = message.member("content")?;
    reader.decoded(content, place).map(Into::into)
}

/// Reads the whole result.
pub(crate) fn outcome<'a>(
    reader: &mut Reader<'a>,
    root: Value<'a>,
    events: &[Event<'a>],
) -> Option<Outcome> {
    let scenario = scenario(reader, events)?;
    let (status, failure) = match of_kind(events, "error").next() {
        None => (OutcomeStatus::Success, Failure::default()),
        Some(event) => {
            let pointer = event.data_pointer();
            let mut text = |member| {
                let value = event.data?.member(member).filter(|value| value.json() != "null");
                reader.decoration(|reader| reader.text(value, Place { object: &pointer, member }))
            };
            let (message, kind) = (text("message"), text("type"));
            let message = message.filter(|text| !text.trim().is_empty()).or_else(|| kind.clone());
            let status = OutcomeStatus::Error;
            (status, Failure::new(message.as_deref(), kind.as_deref(), status))
        }
    };
    let (scores, headline) = scores::read(reader, events);
    let (execution_time, execution_time_ms) = times(reader, events);
    // A run has each sample once; a log that grows has more events of it later.
    let key = run_id(events).map(|run| bounded_id(format!("{run}/{}", scenario.id)));
    let stamps = events.iter().filter_map(|event| in_utc(&event.created_at?.decode()?.text));
    let tokens = Tokens::sum(reader, events);
    let data_of = |kind| of_kind(events, kind).rev().find_map(|event| event.data);
    Some(Outcome {
        scores,
        headline,
        execution_time,
        execution_time_ms,
        tokens_used: tokens.total.min(MAX_WHOLE),
        prompt_tokens: tokens.prompt.min(MAX_WHOLE),
        completion_tokens: tokens.completion.min(MAX_WHOLE),
        event_count: u32::try_from(events.len()).unwrap_or(u32::MAX),
        error_code: failure.code,
        error_message: failure.message,
        error_category: failure.category,
        trajectory: data_of("sampling").and_then(|data| reader.span(data)),
        detailed_trajectory: reader.span(root),
        dimensions: data_of("metrics").and_then(|data| reader.span(data)),
        key,
        revised_at: stamps.max(),
        ..Outcome::new(scenario, status)
    })
}

/// Returns the time of the first event, and the duration from it to the last.
fn times<'a>(reader: &mut Reader<'a>, events: &[Event<'a>]) -> (Option<String>, f64) {
    let mut stamps = events.iter().filter_map(|event| Some((event, event.created_at?)));
    let Some((event, first)) = stamps.next() else { return (None, 0.0) };
    let last = stamps.next_back().map_or(first, |(_, last)| last);
    let [first, last] =
        [first, last].map(|value| value.decode().map(|text| text.text).unwrap_or_default());
    let began = in_utc(&first);
    if began.is_none() {
        reader.warning(
            Place { object: &event.pointer, member: "created_at" }.pointer(),
            codes::TIME_UNREADABLE,
            "the time is not an RFC 3339 time with an offset; the time of receipt is used"
                .to_owned(),
        );
    }
    (began, milliseconds_between(&first, &last).unwrap_or(0.0))
}

/// The tokens of all model calls.
#[derive(Default)]
struct Tokens {
    total: f64,
    prompt: f64,
    completion: f64,
}

impl Tokens {
    fn sum<'a>(reader: &mut Reader<'a>, events: &[Event<'a>]) -> Self {
        let mut sum = Tokens::default();
        for event in of_kind(events, "sampling") {
            let usage = event.data.and_then(|data| data.member("usage"));
            let usage = usage.filter(|usage| usage.json() != "null");
            let data = event.data_pointer();
            reader.decoration(|reader| {
                let names = ["total_tokens", "prompt_tokens", "completion_tokens"];
                let members = reader.object(usage, Place { object: &data, member: "usage" }, names);
                let pointer = format!("{data}/usage");
                let [total, prompt, completion] = members;
                let at = |member| Place { object: &pointer, member };
                let total = reader.tokens(total, at(names[0]));
                let prompt = reader.tokens(prompt, at(names[1])).unwrap_or(0.0);
                let completion = reader.tokens(completion, at(names[2])).unwrap_or(0.0);
                sum.total += total.unwrap_or(prompt + completion);
                sum.prompt += prompt;
                sum.completion += completion;
            });
        }
        sum
    }
}
