//! Extraction of one scenario result.

use arc_format_kit::json::{Place, Reader, Value};
use arc_format_kit::number::MAX_WHOLE;
use arc_format_kit::scenario::read_trial;
use arc_format_kit::score::Scale;
use arc_format_kit::time::in_utc;
use arc_format_kit::{DimensionScore, Outcome, OutcomeStatus, Violation, codes, failure, verdict};

use crate::scenario::{TRIAL, read_scenario};

const TRAJECTORY: &str = "/trajectory";
const TOKEN_USAGE: &str = "/trajectory/token_usage";
const RELIABILITY: &str = "/reliability_score";
const RECORDING: &str = "/recording";

/// Validates one result and extracts its fields; see `extract-outcome` in `wit/extraction.wit`.
///
/// # Errors
/// Every violation found, so that all problems of a result are reported at the same time.
pub fn extract_outcome(document: &str) -> Result<Outcome, Vec<Violation>> {
    let (mut reader, root) = Reader::new(document)?;
    let names = [
        "scenario",
        "trajectory",
        "reliability_score",
        "detailed_trajectory",
        "recording",
        "error",
    ];
    let answer = reader.root(root, names).and_then(|members| read(&mut reader, members));
    reader.finish_outcome(answer)
}

/// Returns the verdict on one result as JSON text; see `extract-json` in `wit/extraction.wit`.
pub fn extract_json(document: &str) -> String {
    verdict::json(extract_outcome(document))
}

fn read<'a>(reader: &mut Reader<'a>, members: [Option<Value<'a>>; 6]) -> Option<Outcome> {
    let [scenario, trajectory, reliability, detailed, recording, outer_error] = members;
    let scenario = read_scenario(reader, scenario, trajectory);
    let [status, prompt, seconds, start_time, events, usage, inner_error] = reader.object(
        trajectory,
        Place { object: "", member: "trajectory" },
        [
            "status",
            "task_prompt",
            "execution_time_seconds",
            "start_time",
            "full_trajectory",
            "token_usage",
            "error",
        ],
    );
    // A prompt that is a string is read with the scenario.
    if let Some(prompt) = prompt.filter(|value| !value.is_string()) {
        let place = Place { object: TRAJECTORY, member: "task_prompt" };
        reader.wrong_type(place, prompt, "a string");
    }

    let status = read_status(reader, status);
    let errors = [
        (inner_error, Place { object: TRAJECTORY, member: "error" }),
        (outer_error, Place { object: "", member: "error" }),
    ];
    let failure = failure::read(reader, errors, status.unwrap_or(OutcomeStatus::Error));

    let at = |member| Place { object: TRAJECTORY, member };
    let execution_time_ms = reader.milliseconds(seconds, at("execution_time_seconds"));
    let execution_time = read_time(reader, start_time);
    let event_count = read_event_count(reader, events);
    let tokens = Tokens::read(reader, usage);
    let score = Score::read(reader, reliability);

    let [call, sandbox, trial] = reader.object(
        recording,
        Place { object: "", member: "recording" },
        ["modal_call_id", "sandbox_id", "trial"],
    );
    let trial = read_trial(reader, trial, TRIAL);
    let modal_call_id = reader.text(call, Place { object: RECORDING, member: "modal_call_id" });
    let sandbox_id = reader.text(sandbox, Place { object: RECORDING, member: "sandbox_id" });

    Some(Outcome {
        scenario: scenario?,
        trial,
        status: status?,
        reliability_score: score.overall,
        grade: score.grade,
        dimension_scores: score.dimension_scores,
        execution_time,
        execution_time_ms: execution_time_ms.unwrap_or(0.0),
        tokens_used: tokens.total,
        prompt_tokens: tokens.prompt,
        completion_tokens: tokens.completion,
        cost_usd: tokens.cost,
        event_count,
        error_code: failure.code,
        error_message: failure.message,
        error_category: failure.category,
        modal_call_id,
        sandbox_id,
        trajectory: trajectory.and_then(|value| reader.span(value)),
        detailed_trajectory: detailed.and_then(|value| reader.span(value)),
        dimensions: score.dimensions.and_then(|value| reader.span(value)),
        warnings: Vec::new(),
    })
}

/// Reads the status; `None` if it is not valid.
fn read_status<'a>(reader: &mut Reader<'a>, value: Option<Value<'a>>) -> Option<OutcomeStatus> {
    let place = Place { object: TRAJECTORY, member: "status" };
    if value.is_none() {
        reader.warning(
            place.pointer(),
            codes::STATUS_MISSING,
            "the result has no status; it counts as an error".to_owned(),
        );
        return Some(OutcomeStatus::Error);
    }
    let text = reader.text(value, place)?;
    match text.as_str() {
        "success" => Some(OutcomeStatus::Success),
        "error" => Some(OutcomeStatus::Error),
        "timeout" => Some(OutcomeStatus::Timeout),
        "cancelled" => Some(OutcomeStatus::Cancelled),
        other => {
            let found: String = other.chars().take(40).collect();
            reader.violation(
                place.pointer(),
                codes::UNKNOWN_STATUS,
                format!("expected success, error, timeout or cancelled, found {found:?}"),
            );
            None
        }
    }
}

/// Reads the start of the run in UTC; `None`, with a warning, if it is not an RFC 3339 time.
fn read_time<'a>(reader: &mut Reader<'a>, value: Option<Value<'a>>) -> Option<String> {
    let place = Place { object: TRAJECTORY, member: "start_time" };
    let value = value?;
    let text = value.decode().map(|text| text.text).unwrap_or_default();
    match in_utc(&text) {
        Some(time) => Some(time),
        None => {
            reader.warning(
                place.pointer(),
                codes::TIME_UNREADABLE,
                "the start time is not an RFC 3339 time with an offset; the time of receipt is used"
                    .to_owned(),
            );
            None
        }
    }
}

fn read_event_count<'a>(reader: &mut Reader<'a>, value: Option<Value<'a>>) -> u32 {
    let Some(value) = value else { return 0 };
    value.element_count().unwrap_or_else(|| {
        reader.warning(
            Place { object: TRAJECTORY, member: "full_trajectory" }.pointer(),
            codes::EVENTS_UNCOUNTED,
            "the full trajectory is not an array, so its events were not counted".to_owned(),
        );
        0
    })
}

struct Tokens {
    total: f64,
    prompt: f64,
    completion: f64,
    cost: f64,
}

impl Tokens {
    fn read<'a>(reader: &mut Reader<'a>, usage: Option<Value<'a>>) -> Tokens {
        let place = Place { object: TRAJECTORY, member: "token_usage" };
        let names = ["total_tokens", "prompt_tokens", "completion_tokens", "total_cost"];
        let [total, prompt, completion, cost] = reader.object(usage, place, names);
        let at = |member| Place { object: TOKEN_USAGE, member };
        let prompt = reader.tokens(prompt, at("prompt_tokens")).unwrap_or(0.0);
        let completion = reader.tokens(completion, at("completion_tokens")).unwrap_or(0.0);
        let total = reader.tokens(total, at("total_tokens"));
        let cost = reader.amount(cost, at("total_cost")).unwrap_or(0.0);
        let total = total.unwrap_or(prompt + completion);
        if let Some(usage) = usage.filter(|_| total > MAX_WHOLE) {
            reader.out_of_range(place, usage, "token counts whose sum is at most 2^53");
        }
        Tokens { total, prompt, completion, cost }
    }
}

#[derive(Default)]
struct Score<'a> {
    overall: Option<f64>,
    grade: Option<String>,
    dimension_scores: Vec<DimensionScore>,
    dimensions: Option<Value<'a>>,
}

impl<'a> Score<'a> {
    /// Reads a score object, or a bare number.
    fn read(reader: &mut Reader<'a>, value: Option<Value<'a>>) -> Score<'a> {
        let place = Place { object: "", member: "reliability_score" };
        let at = |member| Place { object: RELIABILITY, member };
        let (score, written, score_place) = match value {
            Some(object) if object.is_object() => {
                let names = ["overall_score", "grade", "dimension_scores", "scale"];
                let [overall, grade, dimensions, scale] = reader.object(value, place, names);
                let scale = Scale::read(reader, scale, at("scale"));
                let score = Score {
                    overall: scale.score(reader, overall, at("overall_score")),
                    grade: reader.text(grade, at("grade")),
                    dimension_scores: scale.dimensions(reader, dimensions, at("dimension_scores")),
                    dimensions,
                };
                (score, overall, at("overall_score"))
            }
            _ => {
                let overall = Scale::Guessed.score(reader, value, place);
                (Score { overall, ..Score::default() }, value, place)
            }
        };
        if written.is_none() {
            reader.warning(
                score_place.pointer(),
                codes::SCORE_MISSING,
                "the result has no overall reliability score; averages leave it out".to_owned(),
            );
        }
        score
    }
}
