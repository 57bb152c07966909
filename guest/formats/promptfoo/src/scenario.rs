//! Reads the scenario that a result belongs to, and its trial.

use arc_format_kit::json::{Place, Reader, Value};
use arc_format_kit::scenario::{bounded_id, fingerprint};
use arc_format_kit::{PlannedScenario, Scenario, Violation, codes};

use crate::TRIAL_UNKNOWN;
use crate::header::{HeaderData, header_data};

/// The members of a result that identify its scenario.
pub(crate) struct ScenarioMembers<'a> {
    pub(crate) test_case: Option<Value<'a>>,
    pub(crate) vars: Option<Value<'a>>,
    pub(crate) prompt: Option<Value<'a>>,
    pub(crate) provider: Option<Value<'a>>,
    pub(crate) test_index: Option<Value<'a>>,
    pub(crate) prompt_index: Option<Value<'a>>,
    pub(crate) eval_id: Option<Value<'a>>,
}

/// Reads only the scenario; see `extract-item-scenario` in `wit/container.wit`.
pub(crate) fn planned(header: Option<&str>, item: &str) -> Result<PlannedScenario, Vec<Violation>> {
    let header = header_data(header);
    let (mut reader, root) = Reader::new(item)?;
    let names = ["testCase", "vars", "prompt", "provider", "testIdx", "promptIdx", "evalId"];
    let answer = reader.root(root, names).and_then(|members| {
        let [test_case, vars, prompt, provider, test_index, prompt_index, eval_id] = members;
        let scenario_members = ScenarioMembers {
            test_case,
            vars,
            prompt,
            provider,
            test_index,
            prompt_index,
            eval_id,
        };
        scenario_members.read(&mut reader, &header)
    });
    reader.finish(answer)
}

impl<'a> ScenarioMembers<'a> {
    /// Reads the scenario. Members with a wrong type are never a reason to reject a result; a
    /// result without variables, test and prompt has no scenario.
    pub(crate) fn read(
        &self,
        reader: &mut Reader<'a>,
        header: &HeaderData,
    ) -> Option<PlannedScenario> {
        let at = |member| Place { object: "", member };
        let test_case = object(reader, self.test_case, at("testCase"));
        let prompt = object(reader, self.prompt, at("prompt"));
        let vars = self.vars.or_else(|| test_case?.member("vars"));
        if test_case.is_none() && prompt.is_none() && vars.is_none() {
            reader.violation(
                String::new(),
                codes::MISSING_SCENARIO,
                "the result has none of testCase, prompt and vars that identify the scenario"
                    .to_owned(),
            );
            return None;
        }
        let name = text(reader, test_case, "/testCase", "description");
        let task_prompt = text(reader, prompt, "/prompt", "raw");
        let label = text(reader, prompt, "/prompt", "label").or_else(|| task_prompt.clone());
        let provider = match self.provider {
            Some(value) if value.is_string() => {
                reader.decoded(value, at("provider")).map(Into::into)
            }
            provider => {
                let provider = object(reader, provider, at("provider"));
                text(reader, provider, "/provider", "label")
                    .or_else(|| text(reader, provider, "/provider", "id"))
            }
        };
        let compact = |value: Option<Value>| value.map(Value::compact).unwrap_or_default();
        let test = fingerprint(&[
            &compact(vars),
            &compact(test_case.and_then(|test| test.member("assert"))),
        ]);
        let mut id = format!(
            "{}#{}/{}/{}",
            part(name.as_deref().unwrap_or("test")),
            test.get(..8).unwrap_or_default(),
            part(label.as_deref().unwrap_or("prompt")),
            part(provider.as_deref().unwrap_or("provider")),
        );
        let prompt_index = index(reader, self.prompt_index, at("promptIdx"));
        if let Some(index) = prompt_index.filter(|index| header.ambiguous_prompts.contains(index)) {
            id.push_str(&format!("@{index}"));
        }
        let test_index = index(reader, self.test_index, at("testIdx"));
        // Each repetition of a test has a `testIdx` of its own, so the place distinguishes trials.
        let place = test_index.zip(prompt_index).map(|(test, prompt)| format!("{test}/{prompt}"));
        if place.is_none() {
            reader.warning(
                at("testIdx").pointer(),
                TRIAL_UNKNOWN,
                "the result has no testIdx and promptIdx, so it is unknown which trial of its test \
                 it is"
                    .to_owned(),
            );
        }
        let run_id = match self.eval_id {
            Some(id) => reader.decoration(|reader| reader.text(Some(id), at("evalId"))),
            None => None,
        };
        Some(PlannedScenario {
            scenario: Scenario {
                id: bounded_id(id),
                name,
                task_prompt,
                definition: test_case.and_then(|value| reader.span(value)),
            },
            trial: None,
            run_id: run_id.filter(|id| !id.is_empty()).or_else(|| header.eval_id.clone()),
            place,
            revised_at: None,
        })
    }
}

/// Reads a member that should be an object; any other value is left out with a warning.
fn object<'a>(
    reader: &mut Reader<'a>,
    value: Option<Value<'a>>,
    place: Place,
) -> Option<Value<'a>> {
    let value = value?;
    if value.is_object() {
        return Some(value);
    }
    reader.decoration(|reader| reader.wrong_type(place, value, "an object"));
    None
}

fn index(reader: &mut Reader, value: Option<Value>, place: Place) -> Option<u64> {
    let value = value?;
    let index = value.json().parse().ok();
    if index.is_none() {
        reader.decoration(|reader| reader.wrong_type(place, value, "a whole number"));
    }
    index
}

/// Returns a part of an id: one line, or, if it is long, its start and a fingerprint.
fn part(text: &str) -> String {
    const MOST_BYTES: usize = 120;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.len() <= MOST_BYTES && line == text {
        return line;
    }
    let kept = line.get(..line.floor_char_boundary(MOST_BYTES)).unwrap_or_default();
    format!("{kept}#{}", fingerprint(&[text]).get(..8).unwrap_or_default())
}

/// Returns a member of the object that is a text and not blank.
fn text<'a>(
    reader: &mut Reader<'a>,
    object: Option<Value<'a>>,
    pointer: &str,
    member: &str,
) -> Option<String> {
    let value = object?.member(member).filter(|value| value.json() != "null")?;
    let place = Place { object: pointer, member };
    let text = reader.decoration(|reader| reader.text(Some(value), place))?;
    Some(text).filter(|text| !text.trim().is_empty())
}
