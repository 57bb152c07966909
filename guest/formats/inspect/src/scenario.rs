//! Reads the scenario that a sample belongs to.

use std::borrow::Cow;

use arc_format_kit::json::{Place, Reader, Value, leading_member};
use arc_format_kit::scenario::{bounded_id, read_trial};
use arc_format_kit::{PlannedScenario, Scenario, Violation, codes};

use crate::attachments::Attachments;

const ID: Place = Place { object: "", member: "id" };
const EPOCH: Place = Place { object: "", member: "epoch" };
const INPUT: Place = Place { object: "", member: "input" };

/// See [`arc_format_kit::Format::scenario`].
pub(crate) fn planned(header: Option<&str>, item: &str) -> Result<PlannedScenario, Vec<Violation>> {
    let (mut reader, root) = Reader::new(item)?;
    let names = ["id", "epoch", "input", "attachments", "transcript"];
    let answer = reader.root(root, names).and_then(|members| {
        let [id, epoch, input, attachments, transcript] = members;
        let attachments = Attachments::of(attachments, transcript);
        let trial = trial(&mut reader, epoch);
        let scenario = scenario(&mut reader, header, id, input, attachments)?;
        Some(PlannedScenario { scenario, trial })
    });
    reader.finish(answer)
}

/// Reads the trial. Epochs are counted from 1, as trials are.
pub(crate) fn trial<'a>(reader: &mut Reader<'a>, epoch: Option<Value<'a>>) -> Option<u32> {
    read_trial(reader, epoch, EPOCH)
}

/// Reads the scenario of a sample.
pub(crate) fn scenario<'a>(
    reader: &mut Reader<'a>,
    header: Option<&str>,
    id: Option<Value<'a>>,
    input: Option<Value<'a>>,
    attachments: Attachments<'a>,
) -> Option<Scenario> {
    let id = sample_id(reader, id)?;
    let task = header.and_then(task_of);
    if task.is_none() {
        reader.warning(
            String::new(),
            codes::HEADER_MISSING,
            "the sample came without the log's header, so its scenario has the sample's id without \
             the task"
                .to_owned(),
        );
    }
    let id = match task {
        Some(task) => format!("{task}/{id}"),
        None => id.into_owned(),
    };
    let task_prompt = prompt(reader, input, attachments);
    Some(Scenario { id: bounded_id(id), name: None, task_prompt, definition: None })
}

/// Returns the task that a header names. Only the text before it is read: a header can be long, and
/// can contain `NaN` among its results.
fn task_of(header: &str) -> Option<Cow<'_, str>> {
    let task = leading_member(header, &["eval", "task"])?.decode()?.text;
    Some(task).filter(|task| !task.is_empty())
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
