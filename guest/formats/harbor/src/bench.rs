//! Extraction of one result of terminal-bench.

use arc_format_kit::failure::Failure;
use arc_format_kit::json::{Place, Reader, Value};
use arc_format_kit::scenario::MAX_TRIALS;
use arc_format_kit::time::in_utc;
use arc_format_kit::usage::ReportedTokens;
use arc_format_kit::{Outcome, OutcomeStatus, PlannedScenario, Scenario, Score, codes};

use crate::{Members, identity, origin, required_text, time};

/// The name of a result's own score.
pub(crate) const RESOLVED: &str = "is_resolved";

const AT: fn(&'static str) -> Place<'static> = |member| Place { object: "", member };

/// Reads only the scenario.
pub(crate) fn planned<'a>(
    reader: &mut Reader<'a>,
    members: &Members<'a>,
) -> Option<PlannedScenario> {
    let names = ["task_id", "instruction", "trial_name", "trial_ended_at"];
    let [task, instruction, trial_name, end] = members.all(names);
    let id = required_text(reader, task, AT("task_id"))?;
    let (task_prompt, trial_name) = reader.decoration(|reader| {
        let prompt = reader.text(instruction, AT("instruction"));
        (prompt, reader.text(trial_name, AT("trial_name")))
    });
    let trial = trial_name.as_deref().and_then(|name| trial_of(&id, name));
    // With a number, scenario and trial are the place.
    let place = trial_name.filter(|_| trial.is_none()).and_then(identity);
    let scenario = Scenario { name: Some(id.clone()), id, task_prompt, definition: None };
    let revised_at = end.and_then(Value::decode).and_then(|end| in_utc(&end.text));
    Some(PlannedScenario { scenario, trial, run_id: None, place, revised_at })
}

/// Returns the N of `TASK.N-of-M.RUN`.
fn trial_of(task: &str, trial_name: &str) -> Option<u32> {
    let rest = trial_name.strip_prefix(task)?.strip_prefix('.')?;
    let trial = rest.split_once("-of-")?.0.parse().ok()?;
    (trial >= 1 && f64::from(trial) <= MAX_TRIALS).then_some(trial)
}

/// Reads the whole result.
pub(crate) fn outcome<'a>(reader: &mut Reader<'a>, members: &Members<'a>) -> Option<Outcome> {
    let planned = planned(reader, members)?;
    let [resolved, mode, tests, input, output] = members.all([
        "is_resolved",
        "failure_mode",
        "parser_results",
        "total_input_tokens",
        "total_output_tokens",
    ]);
    let status = read_status(reader, mode);
    let message = match status {
        (OutcomeStatus::Success, _) => None,
        (_, mode) => mode,
    };
    let status = status.0;
    let failure = Failure::new(message.as_deref(), message.as_deref(), status);

    let mut scores = vec![read_resolved(reader, resolved)];
    let tests = tests.filter(|tests| {
        let right = tests.is_object();
        if !right {
            reader.decoration(|it| it.wrong_type(AT("parser_results"), *tests, "an object"));
        }
        right
    });
    let names = ["agent_started_at", "agent_ended_at", "trial_started_at", "trial_ended_at"];
    let [agent_start, agent_end, trial_start, trial_end] = members.all(names);
    let (execution_time, execution_time_ms) = if agent_start.is_some() && agent_end.is_some() {
        time::phase(reader, (agent_start, AT(names[0])), (agent_end, AT(names[1])))
    } else {
        time::phase(reader, (trial_start, AT(names[2])), (trial_end, AT(names[3])))
    };
    let [input, output] =
        [(input, "total_input_tokens"), (output, "total_output_tokens")].map(|(value, name)| {
            reader.decoration(|reader| reader.tokens(value, AT(name))).unwrap_or(0.0)
        });
    let tokens = ReportedTokens { input, output, ..ReportedTokens::default() };
    scores.extend(tests.and_then(tests_passed));
    let [id] = members.all(["id"]);
    let key = reader.decoration(|reader| reader.text(id, AT("id"))).and_then(identity);
    Some(Outcome {
        trial: planned.trial,
        scores,
        headline: Some(RESOLVED.to_owned()),
        key,
        place: planned.place,
        revised_at: planned.revised_at,
        execution_time,
        execution_time_ms,
        origin: origin::of_terminal_bench(),
        error_code: failure.code,
        error_message: failure.message,
        error_category: failure.category,
        failure_class: failure.class,
        failure_rule: failure.rule,
        dimensions: tests.and_then(|tests| reader.span(tests)),
        ..Outcome::new(planned.scenario, status).with_usage(vec![tokens.usage()])
    })
}

/// Reads how the trial ended, and the tool's name for it.
fn read_status<'a>(
    reader: &mut Reader<'a>,
    mode: Option<Value<'a>>,
) -> (OutcomeStatus, Option<String>) {
    if mode.is_none() {
        reader.warning(
            AT("failure_mode").pointer(),
            codes::STATUS_MISSING,
            "the result has no failure_mode; it counts as an error".to_owned(),
        );
        return (OutcomeStatus::Error, None);
    }
    let mode = reader.text(mode, AT("failure_mode"));
    let status = match mode.as_deref() {
        Some("unset" | "none") => OutcomeStatus::Success,
        Some("agent_timeout" | "test_timeout") => OutcomeStatus::Timeout,
        _ => OutcomeStatus::Error,
    };
    (status, mode)
}

/// Reads the score. The tool counts an absent or null one, of tests that were inconclusive, as not
/// resolved.
fn read_resolved<'a>(reader: &mut Reader<'a>, resolved: Option<Value<'a>>) -> Score {
    let value = match resolved.map(Value::json) {
        Some("true") => Some(1.0),
        Some("false") | None => Some(0.0),
        Some(_) => None,
    };
    if let (None, Some(resolved)) = (value, resolved) {
        let place = AT(RESOLVED);
        reader.decoration(|reader| reader.wrong_type(place, resolved, "a boolean"));
        reader.warning(
            place.pointer(),
            codes::SCORE_MISSING,
            "it is unknown whether the task was resolved; averages leave it out".to_owned(),
        );
    }
    Score::new(RESOLVED, value).of(1.0)
}

/// Returns the share of tests that passed, if there are any.
fn tests_passed(tests: Value) -> Option<Score> {
    let tests = tests.members()?;
    let passed = tests.iter().filter(|(_, status)| status.json() == r#""passed""#).count();
    let share = passed as f64 / tests.len() as f64;
    (!tests.is_empty()).then(|| Score::new("tests_passed", Some(share)).of(1.0))
}
