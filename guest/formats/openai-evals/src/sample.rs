//! Extraction of a result from the events of a sample.

use arc_format_kit::failure::Failure;
use arc_format_kit::json::{Place, Reader, Value};
use arc_format_kit::scenario::{bounded_id, checked_id};
use arc_format_kit::score::Scores;
use arc_format_kit::time::{in_utc, milliseconds_between};
use arc_format_kit::usage::{ReportedTokens, SCORER, TokenUsage, add};
use arc_format_kit::{Outcome, OutcomeStatus, PlannedScenario, Scenario, Score, codes};

use crate::event::{Event, run_id};

/// The score of the matches.
pub(crate) const MATCH: &str = "correct";

/// The metric that the tool takes for the main one of an eval that does not name another.
const PRIMARY: &str = "accuracy";

/// Reads the scenario and the run.
pub(crate) fn planned<'a>(
    reader: &mut Reader<'a>,
    events: &[Event<'a>],
) -> Option<PlannedScenario> {
    let scenario = scenario(reader, events)?;
    let run_id = events.iter().find_map(|event| run_id(event.run?));
    let revised_at = times(reader, events).last;
    Some(PlannedScenario { run_id, revised_at, ..PlannedScenario::new(scenario) })
}

fn scenario<'a>(reader: &mut Reader<'a>, events: &[Event<'a>]) -> Option<Scenario> {
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

fn of_kind<'e, 'a>(
    events: &'e [Event<'a>],
    kind: &'static str,
) -> impl DoubleEndedIterator<Item = &'e Event<'a>> {
    events.iter().filter(move |event| event.kind == kind)
}

/// Reads the whole result.
pub(crate) fn outcome<'a>(
    reader: &mut Reader<'a>,
    root: Value<'a>,
    events: &[Event<'a>],
    is_graded: bool,
) -> Option<Outcome> {
    let scenario = scenario(reader, events)?;
    let run_id = events.iter().find_map(|event| run_id(event.run?));
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
    let (scores, headline) = scores(reader, events);
    let Times { first, last, milliseconds } = times(reader, events);
    let usage = usage(reader, events, is_graded);
    let data_of = |kind| of_kind(events, kind).rev().find_map(|event| event.data);
    Some(Outcome {
        scores,
        headline,
        execution_time: first,
        execution_time_ms: milliseconds,
        key: run_id.map(|run| bounded_id(format!("{run}/{}", scenario.id))),
        revised_at: last,
        event_count: u32::try_from(events.len()).unwrap_or(u32::MAX),
        error_code: failure.code,
        error_message: failure.message,
        error_category: failure.category,
        failure_class: failure.class,
        failure_rule: failure.rule,
        trajectory: data_of("sampling").and_then(|data| reader.span(data)),
        detailed_trajectory: reader.span(root),
        dimensions: data_of("metrics").and_then(|data| reader.span(data)),
        ..Outcome::new(scenario, status).with_usage(usage)
    })
}

/// Reads the scores, and the name of the one that is the sample's own.
fn scores<'a>(reader: &mut Reader<'a>, events: &[Event<'a>]) -> (Vec<Score>, Option<String>) {
    let mut scores = Scores::default();
    let verdicts: Vec<f64> =
        of_kind(events, "match").filter_map(|event| boolean(event.data?.member(MATCH)?)).collect();
    if !verdicts.is_empty() {
        let share = verdicts.iter().sum::<f64>() / verdicts.len() as f64;
        scores.set(Score::new(MATCH, Some(share)).of(1.0));
    }
    for event in of_kind(events, "metrics") {
        let pointer = event.data_pointer();
        for (name, value) in event.data.and_then(Value::members).unwrap_or_default() {
            // The score of the matches is not overwritten by a metric of the same name.
            if name.text.is_empty() || (name.text == MATCH && !verdicts.is_empty()) {
                continue;
            }
            let place = Place { object: &pointer, member: &name.text };
            let Some(score) = metric(reader, &name.text, value, place) else { continue };
            if scores.get(&score.name).is_some_and(|other| *other != score) {
                let message =
                    format!("{:?} was recorded more than once; the last counts", score.name);
                reader.warning(place.pointer(), codes::SCORE_REPEATED, message);
            }
            scores.set(score);
        }
    }
    let list = scores.into_list();
    let headline = headline(&list).map(|score| score.name.clone());
    let found = headline.as_deref().and_then(|name| list.iter().find(|score| score.name == name));
    if found.is_none_or(|score| score.value.is_none()) {
        let message = match (found, list.is_empty()) {
            (Some(score), _) => format!("{:?} has no number; averages leave it out", score.name),
            (None, true) => "the sample has no match and no metric; averages leave it out".into(),
            (None, false) => {
                "the sample has no match and no metric named accuracy, so none of its \
                metrics is its own score"
                    .to_owned()
            }
        };
        reader.warning(String::new(), codes::SCORE_MISSING, message);
    }
    (list, headline)
}

/// Returns the score that the tool takes for the main one, or else the only score.
fn headline(scores: &[Score]) -> Option<&Score> {
    let named = |name| scores.iter().find(|score| score.name == name);
    let only = || if let [only] = scores { Some(only) } else { None };
    named(MATCH).or_else(|| named(PRIMARY)).or_else(only)
}

/// Reads a metric; `None` if it is a list or an object, which is not a score.
fn metric<'a>(
    reader: &mut Reader<'a>,
    name: &str,
    value: Value<'a>,
    place: Place,
) -> Option<Score> {
    if let Some(value) = boolean(value) {
        return Some(Score::new(name, Some(value)).of(1.0));
    }
    if value.is_number() {
        let number = reader.decoration(|reader| reader.number(Some(value), place));
        return Some(Score::new(name, number.map(|number| number + 0.0)));
    }
    if let Some(label) = value.decode() {
        let label = label.text.into_owned();
        let found: String = label.chars().take(40).collect();
        let message = format!("{name:?} is the text {found:?}, which has no number");
        reader.warning(place.pointer(), codes::LABEL_UNKNOWN, message);
        return Some(Score { label: Some(label), ..Score::new(name, None) });
    }
    (value.json() == "null").then(|| Score::new(name, None))
}

fn boolean(value: Value) -> Option<f64> {
    match value.json() {
        "true" => Some(1.0),
        "false" => Some(0.0),
        _ => None,
    }
}

/// The times of the first and the last event, and the duration between them.
#[derive(Default)]
struct Times {
    first: Option<String>,
    last: Option<String>,
    milliseconds: f64,
}

fn times<'a>(reader: &mut Reader<'a>, events: &[Event<'a>]) -> Times {
    let mut stamps = events.iter().filter_map(|event| Some((event, event.created_at?)));
    let Some((event, first)) = stamps.next() else { return Times::default() };
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
    let milliseconds = milliseconds_between(&first, &last).unwrap_or(0.0);
    Times { first: began, last: in_utc(&last), milliseconds }
}

/// Reads the tokens of all calls by model. In an eval that a model grades, the last call is the
/// grader's.
fn usage<'a>(reader: &mut Reader<'a>, events: &[Event<'a>], is_graded: bool) -> Vec<TokenUsage> {
    let calls: Vec<&Event<'a>> = of_kind(events, "sampling").collect();
    let last = calls.len().checked_sub(1).filter(|_| is_graded);
    let mut list = Vec::new();
    for (index, event) in calls.into_iter().enumerate() {
        let member = |name| event.data.and_then(|data| data.member(name));
        let usage = member("usage").filter(|usage| usage.json() != "null");
        let tokens = tokens(reader, usage, &event.data_pointer());
        let model = member("model").and_then(Value::decode).map(|model| model.text.into_owned());
        let role = (last == Some(index)).then(|| SCORER.to_owned());
        add(&mut list, TokenUsage { role, model, ..tokens.usage() });
    }
    list
}

/// Reads the token counts of a call, which the tool writes as the API of OpenAI returned them.
fn tokens<'a>(reader: &mut Reader<'a>, usage: Option<Value<'a>>, data: &str) -> ReportedTokens {
    reader.decoration(|reader| {
        let names = ["total_tokens", "prompt_tokens", "completion_tokens"];
        let [total, prompt, completion] =
            reader.object(usage, Place { object: data, member: "usage" }, names);
        let details = ["prompt_tokens_details", "completion_tokens_details"];
        let details = details.map(|name| usage.and_then(|usage| usage.member(name)));
        let pointer = format!("{data}/usage");
        let mut count = |value, member| {
            reader.tokens(value, Place { object: &pointer, member }).unwrap_or_default()
        };
        let detail = |object: Option<Value<'a>>, name| {
            object?.member(name).filter(|value| value.json() != "null")
        };
        let [of_prompt, of_completion] = details;
        ReportedTokens {
            cache_read: count(detail(of_prompt, "cached_tokens"), "prompt_tokens_details"),
            reasoning: count(
                detail(of_completion, "reasoning_tokens"),
                "completion_tokens_details",
            ),
            input: count(prompt, names[1]),
            output: count(completion, names[2]),
            total: reader.tokens(total, Place { object: &pointer, member: names[0] }),
            ..ReportedTokens::default()
        }
    })
}
