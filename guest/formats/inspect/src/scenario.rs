//! Reads the scenario that a sample belongs to.

use std::borrow::Cow;

use arc_format_kit::json::{Place, Reader, Value};
use arc_format_kit::scenario::{bounded_id, read_trial};
use arc_format_kit::{PlannedScenario, Scenario, Violation, codes};

use crate::attachments::Attachments;
use crate::events::Events;
use crate::header::HeaderData;
use crate::identity;

const ID: Place = Place { object: "", member: "id" };
const EPOCH: Place = Place { object: "", member: "epoch" };
const INPUT: Place = Place { object: "", member: "input" };

/// See [`arc_format_kit::Format::scenario`].
pub(crate) fn planned(header: Option<&str>, item: &str) -> Result<PlannedScenario, Vec<Violation>> {
    let (mut reader, root) = Reader::new(item)?;
    let names = [
        "id",
        "epoch",
        "input",
        "attachments",
        "transcript",
        "completed_at",
        "scores",
        "events",
        "invalidation",
    ];
    let answer = reader.root(root, names).and_then(|members| {
        let [id, epoch, input, attachments, transcript, completed, scores, events, invalidation] =
            members;
        let attachments = Attachments::of(attachments, transcript);
        let header = HeaderData::of(header);
        let trial = trial(&mut reader, epoch);
        let (scenario, id) = scenario(&mut reader, &header, id, input, attachments)?;
        let place = Some(identity::place(&id, trial));
        let events = Events::read(&mut reader, events, transcript, None);
        let revised_at = identity::revised_at(completed, scores, &events, invalidation);
        let run_id = header.run_id.clone();
        Some(PlannedScenario { scenario, trial, run_id, place, revised_at })
    });
    reader.finish(answer)
}

/// Reads the trial. Epochs are counted from 1, as trials are.
pub(crate) fn trial<'a>(reader: &mut Reader<'a>, epoch: Option<Value<'a>>) -> Option<u32> {
    read_trial(reader, epoch, EPOCH)
}

/// Reads the scenario of a sample, and the sample's own id.
pub(crate) fn scenario<'a>(
    reader: &mut Reader<'a>,
    header: &HeaderData,
    id: Option<Value<'a>>,
    input: Option<Value<'a>>,
    attachments: Attachments<'a>,
) -> Option<(Scenario, Cow<'a, str>)> {
    let sample = sample_id(reader, id)?;
    if header.task.is_none() {
        reader.warning(
            String::new(),
            codes::HEADER_MISSING,
            "the sample came without the log's header, so its scenario has the sample's id without \
             the task"
                .to_owned(),
        );
    }
    let id = match &header.task {
        Some(task) => format!("{task}/{sample}"),
        None => sample.clone().into_owned(),
    };
    let task_prompt = prompt(reader, input, attachments);
    Some((Scenario { id: bounded_id(id), name: None, task_prompt, definition: None }, sample))
}

/// Reads an id, which is a text or a whole number.
fn sample_id<'a>(reader: &mut Reader<'a>, id: Option<Value<'a>>) -> Option<Cow<'a, str>> {
    match id {
        None => {
            let message = "the sample has no id".to_owned();
            reader.violation(ID.pointer(), codes::MISSING_SCENARIO, message);
            None
        }
        Some(number) if number.is_number() => Some(Cow::Borrowed(number.json())),
        Some(value) => match reader.decoded(value, ID) {
            Some(text) if text.is_empty() => {
                let message = "the sample's id is the empty text".to_owned();
                reader.violation(ID.pointer(), codes::EMPTY_ID, message);
                None
            }
            Some(text) => Some(text),
            None => {
                reader.wrong_type(ID, value, "a string or a number");
                None
            }
        },
    }
}

/// Returns the input as a text: of a list of messages, the last one of the user.
fn prompt<'a>(
    reader: &mut Reader<'a>,
    input: Option<Value<'a>>,
    attachments: Attachments<'a>,
) -> Option<String> {
    let input = input?;
    if input.is_string() {
        return attachments.text(reader, Some(input), INPUT).map(Cow::into_owned);
    }
    let Some(messages) = input.elements() else {
        reader.decoration(|reader| reader.wrong_type(INPUT, input, "a string or messages"));
        return None;
    };
    let is_user = |message: &&Value| {
        message.member("role").and_then(Value::decode).is_some_and(|role| role.text == "user")
    };
    let content = messages.iter().rev().find(is_user)?.member("content")?;
    if content.is_string() {
        return attachments.text(reader, Some(content), INPUT).map(Cow::into_owned);
    }
    let parts = content.elements()?;
    let texts = parts.iter().filter_map(|part| part.member("text"));
    let texts: Vec<_> =
        texts.filter_map(|text| attachments.text(reader, Some(text), INPUT)).collect();
    if texts.is_empty() { None } else { Some(texts.join("\n")) }
}
