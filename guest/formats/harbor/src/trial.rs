//! Extraction of one result of Harbor.

use arc_format_kit::failure::Failure;
use arc_format_kit::json::{Place, Reader, Value};
use arc_format_kit::number::MAX_WHOLE;
use arc_format_kit::scenario::bounded_id;
use arc_format_kit::score::{Scores, optional_number};
use arc_format_kit::time::in_utc;
use arc_format_kit::{Outcome, OutcomeStatus, PlannedScenario, Scenario, Score, codes};

use crate::{Members, identity, required_text, time};

/// The reward that Harbor writes if a verifier has one number only.
pub(crate) const REWARD: &str = "reward";

/// Harbor's own time limits.
const TIME_LIMITS: [&str; 4] = [
    "AgentTimeoutError",
    "AgentSetupTimeoutError",
    "EnvironmentStartTimeoutError",
    "VerifierTimeoutError",
];

const AT: fn(&'static str) -> Place<'static> = |member| Place { object: "", member };

/// Reads only the scenario.
pub(crate) fn planned<'a>(
    reader: &mut Reader<'a>,
    members: &Members<'a>,
) -> Option<PlannedScenario> {
    let [name, source, task] = members.all(["task_name", "source", "task_id"]);
    let name = required_text(reader, name, AT("task_name"))?;
    let source = reader.decoration(|reader| reader.text(source, AT("source")));
    let id = match source.filter(|source| !source.is_empty()) {
        Some(source) => bounded_id(format!("{source}/{name}")),
        None => name.clone(),
    };
    let definition = task.filter(|task| task.is_object()).and_then(|task| reader.span(task));
    let scenario = Scenario { id, name: Some(name), task_prompt: None, definition };
    let [trial_name, config, end] = members.all(["trial_name", "config", "finished_at"]);
    let (place, run_id) = reader.decoration(|reader| {
        let name = reader.text(trial_name, AT("trial_name"));
        let [job] = reader.object(config, AT("config"), ["job_id"]);
        (name, reader.text(job, Place { object: "/config", member: "job_id" }))
    });
    Some(PlannedScenario {
        scenario,
        trial: None,
        run_id: run_id.and_then(identity),
        place: place.and_then(identity),
        revised_at: end.and_then(Value::decode).and_then(|end| in_utc(&end.text)),
    })
}

/// Reads the whole result.
pub(crate) fn outcome<'a>(reader: &mut Reader<'a>, members: &Members<'a>) -> Option<Outcome> {
    let planned = planned(reader, members)?;
    let names = [
        "agent_result",
        "verifier_result",
        "exception_info",
        "step_results",
        "agent_execution",
        "started_at",
        "finished_at",
        "reward_valid",
    ];
    let [agent, verifier, exception, steps, execution, start, end, valid] = members.all(names);
    let step_list = steps.and_then(Value::elements).unwrap_or_default();
    let steps = steps.filter(|value| {
        let right = value.is_array();
        if !right {
            reader.decoration(|it| it.wrong_type(AT("step_results"), *value, "an array"));
        }
        right
    });

    let raised = exception.map(|value| (value, "/exception_info".to_owned())).or_else(|| {
        step_list.iter().enumerate().find_map(|(index, step)| {
            let value = step.member("exception_info").filter(|value| value.json() != "null")?;
            Some((value, format!("/step_results/{index}/exception_info")))
        })
    });
    let (status, failure) = match raised {
        None => (OutcomeStatus::Success, Failure::default()),
        Some((exception, pointer)) => read_exception(reader, exception, &pointer),
    };

    let rewards = reader.decoration(|reader| {
        let [rewards] = reader.object(verifier, AT("verifier_result"), ["rewards"]);
        rewards
    });
    let is_valid = valid.map(Value::json) != Some("false");
    let (scores, headline) = read_rewards(reader, rewards, is_valid);

    let began = execution.and_then(|execution| execution.member("started_at"));
    let (execution_time, execution_time_ms) = match (execution, began) {
        (Some(execution), Some(began)) if began.is_string() => {
            let at = |member| Place { object: "/agent_execution", member };
            let ended = execution.member("finished_at").filter(|value| value.json() != "null");
            time::phase(reader, (Some(began), at("started_at")), (ended, at("finished_at")))
        }
        _ => time::phase(reader, (start, AT("started_at")), (end, AT("finished_at"))),
    };

    let mut used = Used::default();
    let details = match agent {
        Some(agent) => used.add(reader, agent, "/agent_result"),
        None => {
            for (index, step) in step_list.iter().enumerate() {
                if let Some(agent) = step.member("agent_result").filter(|it| it.json() != "null") {
                    used.add(reader, agent, &format!("/step_results/{index}/agent_result"));
                }
            }
            None
        }
    };
    let [id] = members.all(["id"]);
    let key = reader.decoration(|reader| reader.text(id, AT("id"))).and_then(identity);
    Some(Outcome {
        trial: planned.trial,
        scores,
        headline,
        key,
        place: planned.place,
        revised_at: planned.revised_at,
        execution_time,
        execution_time_ms,
        tokens_used: (used.input + used.output).min(MAX_WHOLE),
        prompt_tokens: used.input.min(MAX_WHOLE),
        completion_tokens: used.output.min(MAX_WHOLE),
        cost_usd: Some(used.cost).filter(|cost| cost.is_finite()).unwrap_or(0.0),
        event_count: used.episodes,
        error_code: failure.code,
        error_message: failure.message,
        error_category: failure.category,
        trajectory: agent.or(steps).and_then(|value| reader.span(value)),
        detailed_trajectory: details.and_then(|details| reader.span(details)),
        dimensions: rewards
            .filter(|it| it.is_object() && is_valid)
            .and_then(|value| reader.span(value)),
        ..Outcome::new(planned.scenario, status)
    })
}

/// Reads from an exception how the trial ended.
fn read_exception<'a>(
    reader: &mut Reader<'a>,
    exception: Value<'a>,
    pointer: &str,
) -> (OutcomeStatus, Failure) {
    let text = |reader: &mut Reader<'a>, member| {
        let value = exception.member(member).filter(|value| value.json() != "null");
        reader.decoration(|reader| reader.text(value, Place { object: pointer, member }))
    };
    let kind = text(reader, "exception_type").unwrap_or_default();
    let exception_message = text(reader, "exception_message").unwrap_or_default();
    let status = match kind.as_str() {
        "CancelledError" | "KeyboardInterrupt" => OutcomeStatus::Cancelled,
        kind if TIME_LIMITS.contains(&kind) => OutcomeStatus::Timeout,
        _ => OutcomeStatus::Error,
    };
    let message = match (kind.is_empty(), exception_message.trim().is_empty()) {
        (true, _) => exception_message,
        (false, true) => kind.clone(),
        (false, false) => format!("{kind}: {exception_message}"),
    };
    (status, Failure::new(Some(&message), Some(&kind), status))
}

/// Reads the rewards, each a score under its name, and the name of the trial's own.
///
/// Harbor leaves a trial whose rewards are not valid out of its metrics, so they have no value here.
/// Without any reward, [`REWARD`] is listed as unscored.
fn read_rewards<'a>(
    reader: &mut Reader<'a>,
    rewards: Option<Value<'a>>,
    is_valid: bool,
) -> (Vec<Score>, Option<String>) {
    const PLACE: Place = Place { object: "/verifier_result", member: "rewards" };
    let members = rewards.and_then(|value| {
        if !value.is_object() {
            reader.decoration(|reader| reader.wrong_type(PLACE, value, "an object"));
        }
        value.members()
    });
    let mut scores = Scores::default();
    for (name, value) in members.unwrap_or_default() {
        let place = Place { object: "/verifier_result/rewards", member: &name.text };
        if name.text.is_empty() {
            let message = "a reward without a name is left out".to_owned();
            reader.warning(place.pointer(), codes::EMPTY_ID, message);
            continue;
        }
        let number = optional_number(reader, Some(value), place);
        scores.set(Score::new(name.text, number.filter(|_| is_valid)));
    }
    if scores.is_empty() {
        scores.set(Score::new(REWARD, None));
    } else if !is_valid {
        reader.warning(
            PLACE.pointer(),
            codes::NOT_SCORED,
            "the error of the trial makes its rewards invalid; Harbor leaves them out".to_owned(),
        );
    }
    let own = scores.get(REWARD);
    if own.is_some_and(|reward| reward.value.is_none()) {
        reader.warning(
            PLACE.pointer(),
            codes::SCORE_MISSING,
            "the trial has no valid reward; averages leave it out".to_owned(),
        );
    }
    let own = own.map(|reward| reward.name.clone());
    let scores = scores.into_list();
    // A single reward is the trial's score under any name.
    let headline = own.or_else(|| match scores.as_slice() {
        [only] => Some(only.name.clone()),
        _ => None,
    });
    (scores, headline)
}

/// The usage of the agents.
#[derive(Default)]
struct Used {
    input: f64,
    output: f64,
    cost: f64,
    episodes: u32,
}

impl Used {
    /// Adds the usage of an agent, and returns its `rollout_details`.
    fn add<'a>(
        &mut self,
        reader: &mut Reader<'a>,
        agent: Value<'a>,
        pointer: &str,
    ) -> Option<Value<'a>> {
        let (object, member) = pointer.rsplit_once('/').unwrap_or_default();
        reader.decoration(|reader| {
            let names =
                ["n_input_tokens", "n_output_tokens", "cost_usd", "metadata", "rollout_details"];
            let [input, output, cost, metadata, details] =
                reader.object(Some(agent), Place { object, member }, names);
            let at = |member| Place { object: pointer, member };
            self.input += reader.tokens(input, at("n_input_tokens")).unwrap_or(0.0);
            self.output += reader.tokens(output, at("n_output_tokens")).unwrap_or(0.0);
            self.cost += reader.amount(cost, at("cost_usd")).unwrap_or(0.0);
            let episodes = metadata.and_then(|metadata| metadata.member("n_episodes"));
            let episodes = episodes.and_then(|value| value.json().parse().ok()).unwrap_or(0);
            self.episodes = self.episodes.saturating_add(episodes);
            details
        })
    }
}
