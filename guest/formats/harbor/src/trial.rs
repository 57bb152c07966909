//! Extraction of one result of Harbor.

use arc_format_kit::failure::Failure;
use arc_format_kit::json::{Place, Reader, Value};
use arc_format_kit::scenario::bounded_id;
use arc_format_kit::score::{Scores, optional_number};
use arc_format_kit::time::in_utc;
use arc_format_kit::usage::{ReportedTokens, TokenUsage, add};
use arc_format_kit::{Outcome, OutcomeStatus, PlannedScenario, Scenario, Score, codes};

use crate::{Members, identity, origin, required_text, time};

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

    let [info, source] = members.all(["agent_info", "source"]);
    let origin = origin::of_trial(info, source);
    let mut used = Used { model: origin.models.first().cloned(), ..Used::default() };
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
        origin,
        event_count: used.episodes,
        error_code: failure.code,
        error_message: failure.message,
        error_category: failure.category,
        failure_class: failure.class,
        failure_rule: failure.rule,
        trajectory: agent.or(steps).and_then(|value| reader.span(value)),
        detailed_trajectory: details.and_then(|details| reader.span(details)),
        dimensions: rewards
            .filter(|it| it.is_object() && is_valid)
            .and_then(|value| reader.span(value)),
        ..Outcome::new(planned.scenario, status).with_usage(used.calls)
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
    /// The trial's model.
    model: Option<String>,
    calls: Vec<TokenUsage>,
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
            let names = ["metadata", "rollout_details", "model_usage"];
            let [metadata, details, models] =
                reader.object(Some(agent), Place { object, member }, names);
            let episodes = metadata.and_then(|metadata| metadata.member("n_episodes"));
            let episodes = episodes.and_then(|value| value.json().parse().ok()).unwrap_or(0);
            self.episodes = self.episodes.saturating_add(episodes);
            let all = usage(reader, agent, Place { object, member });
            let by_model =
                by_model(reader, models, Place { object: pointer, member: "model_usage" });
            self.add_calls(all, by_model);
            details
        })
    }

    /// Adds what each model used, and the rest of all as that of the trial's model. Of models that used
    /// more than all, the figures count other calls, too, and are left out: the tool's own totals are of
    /// all.
    fn add_calls(&mut self, all: TokenUsage, by_model: Vec<TokenUsage>) {
        let mut sum = TokenUsage::default();
        by_model.iter().for_each(|calls| sum.add(calls));
        let is_part = sum.total_tokens <= all.total_tokens
            && sum.cost_usd.unwrap_or_default() <= all.cost_usd.unwrap_or_default() * (1.0 + 1e-9);
        let mut rest = TokenUsage { model: self.model.clone(), ..all };
        if is_part {
            rest.remove(&sum);
            by_model.into_iter().for_each(|calls| add(&mut self.calls, calls));
        }
        if !rest.is_zero() {
            add(&mut self.calls, rest);
        }
    }
}

/// Reads the usage of each model of an agent.
fn by_model<'a>(
    reader: &mut Reader<'a>,
    models: Option<Value<'a>>,
    place: Place,
) -> Vec<TokenUsage> {
    let Some(models) = models.filter(|models| models.json() != "null") else { return Vec::new() };
    let Some(members) = models.members() else {
        reader.wrong_type(place, models, "an object");
        return Vec::new();
    };
    let object = place.pointer();
    let of_model = |(name, calls): (arc_format_kit::json::Text<'a>, Value<'a>)| {
        let calls = usage(reader, calls, Place { object: &object, member: &name.text });
        TokenUsage { model: Some(name.text.into_owned()), ..calls }
    };
    members.into_iter().map(of_model).collect()
}

/// Reads the tokens and the cost of an agent or of one of its models. Input includes cached tokens.
fn usage<'a>(reader: &mut Reader<'a>, calls: Value<'a>, place: Place) -> TokenUsage {
    let object = place.pointer();
    let names = ["n_input_tokens", "n_cache_tokens", "n_output_tokens", "cost_usd"];
    let [input, cached, output, cost] = reader.object(Some(calls), place, names);
    let at = |member| Place { object: &object, member };
    let mut count = |value, member| reader.tokens(value, at(member)).unwrap_or_default();
    let input = count(input, names[0]);
    let cache_read = count(cached, names[1]).min(input);
    let output = count(output, names[2]);
    let counts = ReportedTokens { input, cache_read, output, ..ReportedTokens::default() };
    TokenUsage { cost_usd: reader.amount(cost, at(names[3])), ..counts.usage() }
}
