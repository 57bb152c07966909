//! Reads the scenario that a result belongs to.

use arc_format_kit::json::{Place, Reader, Value};
use arc_format_kit::scenario::{make_id, read_definition, read_trial};
use arc_format_kit::{PlannedScenario, Scenario, Violation, finite};

use crate::GuideFormat;

/// The trial in a result's `recording` object.
pub(crate) const TRIAL: Place = Place { object: "/recording", member: "trial" };

/// Reads only the scenario that a result belongs to; see `extract-scenario` in
/// `wit/extraction.wit`.
///
/// # Errors
/// Every violation found in that part of the result.
pub fn extract_scenario(document: &str) -> Result<PlannedScenario, Vec<Violation>> {
    finite::scenario::<GuideFormat>(None, document)
}

/// [`extract_scenario`] of a document in which all numbers are finite.
pub(crate) fn scenario(document: &str) -> Result<PlannedScenario, Vec<Violation>> {
    let (mut reader, root) = Reader::new(document)?;
    let names = ["scenario", "trajectory", "recording"];
    let answer = reader.root(root, names).and_then(|[scenario, trajectory, recording]| {
        // `extract_outcome` reports the other problems of the result.
        let recording = recording.filter(|value| value.is_object());
        let [trial] =
            reader.object(recording, Place { object: "", member: "recording" }, ["trial"]);
        let trial = read_trial(&mut reader, trial, TRIAL);
        let scenario = read_scenario(&mut reader, scenario, trajectory)?;
        Some(PlannedScenario { trial, ..PlannedScenario::new(scenario) })
    });
    reader.finish(answer)
}

/// Reads the scenario of a result: its `scenario` object, with the trajectory's prompt if that has
/// none.
pub(crate) fn read_scenario<'a>(
    reader: &mut Reader<'a>,
    scenario: Option<Value<'a>>,
    trajectory: Option<Value<'a>>,
) -> Option<Scenario> {
    let place = Place { object: "", member: "scenario" };
    match scenario {
        Some(definition) => {
            read_definition(reader, definition, place, |reader| prompt_of(reader, trajectory))
        }
        None => {
            let task_prompt = prompt_of(reader, trajectory);
            let id = make_id(reader, &place.pointer(), 0, None, task_prompt.as_deref())?;
            Some(Scenario { id, name: None, task_prompt, definition: None })
        }
    }
}

/// Returns the prompt of a trajectory, if it has one. Its type is checked with the trajectory.
fn prompt_of<'a>(reader: &mut Reader<'a>, trajectory: Option<Value<'a>>) -> Option<String> {
    let prompt = trajectory?.member("task_prompt")?;
    let text = reader.decoded(prompt, Place { object: "/trajectory", member: "task_prompt" })?;
    Some(text.into_owned())
}
