//! Extraction of one scenario result.

use std::borrow::Cow;

use arc_format_kit::json::{MAX_SCORES, Place, Reader, Value};
use arc_format_kit::number::MAX_WHOLE;
use arc_format_kit::scenario::read_trial;
use arc_format_kit::score::reject_duplicates;
use arc_format_kit::time::in_utc;
use arc_format_kit::usage::{ReportedTokens, TokenUsage};
use arc_format_kit::{
    Origin, Outcome, OutcomeStatus, Score, Violation, codes, failure, finite, verdict,
};

use crate::GuideFormat;
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
    finite::outcome::<GuideFormat>(None, document)
}

/// [`extract_outcome`] of a document in which all numbers are finite.
pub(crate) fn outcome(document: &str) -> Result<Outcome, Vec<Violation>> {
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
    let [status, prompt, seconds, start_time, events, usage, inner_error, model] = reader.object(
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
            "model",
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
    let model = reader.decoration(|reader| reader.text(model, at("model")));
    let tokens = Tokens::read(reader, usage, model.as_deref());
    let score = Reliability::read(reader, reliability);

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
        headline: score.has_overall.then(|| OVERALL.to_owned()),
        scores: score.scores,
        grade: score.grade,
        invalidation: None,
        execution_time,
        execution_time_ms: execution_time_ms.unwrap_or(0.0),
        origin: Origin { models: model.into_iter().collect(), ..Origin::default() },
        tokens_used: tokens.total,
        prompt_tokens: tokens.prompt,
        completion_tokens: tokens.completion,
        cost_usd: tokens.cost,
        usage: tokens.usage,
        event_count,
        error_code: failure.code,
        error_message: failure.message,
        error_category: failure.category,
        failure_class: failure.class,
        failure_rule: failure.rule,
        modal_call_id,
        sandbox_id,
        trajectory: trajectory.and_then(|value| reader.span(value)),
        detailed_trajectory: detailed.and_then(|value| reader.span(value)),
        dimensions: score.dimensions.and_then(|value| reader.span(value)),
        key: None,
        place: None,
        revised_at: None,
        discarded_tokens: 0.0,
        discarded_cost_usd: 0.0,
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
    /// By model and kind, if the result names the model or a kind.
    usage: Vec<TokenUsage>,
}

impl Tokens {
    fn read<'a>(reader: &mut Reader<'a>, usage: Option<Value<'a>>, model: Option<&str>) -> Tokens {
        let place = Place { object: TRAJECTORY, member: "token_usage" };
        let names = [
            "total_tokens",
            "prompt_tokens",
            "completion_tokens",
            "total_cost",
            "cache_read_tokens",
            "cache_write_tokens",
            "reasoning_tokens",
        ];
        let [total, prompt, completion, cost, kinds @ ..] = reader.object(usage, place, names);
        let at = |member| Place { object: TOKEN_USAGE, member };
        let prompt = reader.tokens(prompt, at("prompt_tokens")).unwrap_or(0.0);
        let completion = reader.tokens(completion, at("completion_tokens")).unwrap_or(0.0);
        let total = reader.tokens(total, at("total_tokens"));
        let cost = reader.amount(cost, at("total_cost"));
        let [cache_read, cache_write, reasoning] = reader.decoration(|reader| {
            let named = kinds.into_iter().zip(names.into_iter().skip(4));
            let mut counts = named.map(|(kind, name)| reader.tokens(kind, at(name)));
            [(); 3].map(|()| counts.next().flatten().unwrap_or(0.0))
        });
        let reported = ReportedTokens {
            input: prompt,
            cache_read,
            cache_write,
            output: completion,
            reasoning,
            total,
        };
        let calls =
            TokenUsage { model: model.map(str::to_owned), cost_usd: cost, ..reported.usage() };
        let mut total = total.unwrap_or(prompt + completion);
        if let Some(usage) = usage.filter(|_| total > MAX_WHOLE) {
            reader.out_of_range(place, usage, "token counts whose sum is at most 2^53");
        }
        let has_kinds = model.is_some() || cache_read + cache_write + reasoning > 0.0;
        if has_kinds {
            total = total.max(calls.total_tokens);
        }
        let is_used = has_kinds && !calls.is_zero();
        let cost = cost.unwrap_or(0.0);
        Tokens {
            total,
            prompt,
            completion,
            cost,
            usage: is_used.then_some(calls).into_iter().collect(),
        }
    }
}

/// The name of the overall score among the scores.
pub(crate) const OVERALL: &str = "reliability_score";

/// The scores of a result: the overall score, and one for each dimension.
#[derive(Default)]
struct Reliability<'a> {
    scores: Vec<Score>,
    has_overall: bool,
    grade: Option<String>,
    dimensions: Option<Value<'a>>,
}

impl<'a> Reliability<'a> {
    /// Reads a score object, or a bare number.
    fn read(reader: &mut Reader<'a>, value: Option<Value<'a>>) -> Reliability<'a> {
        let place = Place { object: "", member: "reliability_score" };
        let at = |member| Place { object: RELIABILITY, member };
        let (written, written_place, scale, grade, dimensions) = match value {
            Some(object) if object.is_object() => {
                let names = ["overall_score", "grade", "dimension_scores", "scale"];
                let [overall, grade, dimensions, scale] = reader.object(value, place, names);
                let scale = read_scale(reader, scale, at("scale"));
                let grade = reader.text(grade, at("grade"));
                (overall, at("overall_score"), scale, grade, dimensions)
            }
            _ => (value, place, None, None, None),
        };
        let mut scores = Vec::new();
        if written.is_none() {
            reader.warning(
                written_place.pointer(),
                codes::SCORE_MISSING,
                "the result has no overall reliability score; averages leave it out".to_owned(),
            );
        } else {
            scores.extend(read_score(reader, OVERALL, scale, written, written_place));
        }
        let has_overall = !scores.is_empty();
        scores.extend(read_dimensions(reader, scale, dimensions, at("dimension_scores")));
        Reliability { scores, has_overall, grade, dimensions }
    }
}

/// Reads the highest value of the scores of a result; `None` if it is not declared.
fn read_scale<'a>(reader: &mut Reader<'a>, value: Option<Value<'a>>, place: Place) -> Option<f64> {
    let scale = reader.number(value, place)?;
    if scale > 0.0 {
        return Some(scale);
    }
    reader.out_of_range(place, value?, "a number above 0");
    None
}

/// Reads one score, which is unchanged. It must be in the range of the scale, if that is declared.
fn read_score<'a>(
    reader: &mut Reader<'a>,
    name: &str,
    scale: Option<f64>,
    value: Option<Value<'a>>,
    place: Place,
) -> Option<Score> {
    let number = reader.number(value, place)? + 0.0;
    let score = Score::new(name, Some(number));
    match scale {
        None => Some(score),
        Some(scale) if (0.0..=scale).contains(&number) => Some(score.of(scale)),
        Some(scale) => {
            reader.out_of_range(place, value?, &format!("a score from 0 to {scale}"));
            None
        }
    }
}

/// Reads an object of dimension scores, in its order; `null` means absent.
pub(crate) fn read_dimensions<'a>(
    reader: &mut Reader<'a>,
    scale: Option<f64>,
    value: Option<Value<'a>>,
    place: Place,
) -> Vec<Score> {
    let Some(value) = value else { return Vec::new() };
    let Some(members) = value.members() else {
        reader.wrong_type(place, value, "an object");
        return Vec::new();
    };
    let object = place.pointer();
    let names = reject_duplicates(reader, &members, &object);
    let mut scores = Vec::with_capacity(members.len().min(MAX_SCORES));
    for (name, value) in &members {
        let place = Place { object: &object, member: &name.text };
        if name.replaced {
            reader.warn_replaced(place);
        }
        if value.json() == "null" {
            continue;
        }
        let metric = metric_name(&name.text, &names);
        let score = read_score(reader, &metric, scale, Some(*value), place);
        // One more than are extracted, so that there is a warning.
        if scores.len() <= MAX_SCORES {
            scores.extend(score);
        }
    }
    scores
}

/// Returns the name of a dimension's score: that of the dimension, unless it is empty or the name
/// of the overall score. `others` are all dimensions, sorted.
fn metric_name<'n>(dimension: &'n str, others: &[&str]) -> Cow<'n, str> {
    if dimension != OVERALL && !dimension.is_empty() {
        return Cow::Borrowed(dimension);
    }
    let mut name = format!("dimension_scores/{dimension}");
    while others.binary_search(&name.as_str()).is_ok() {
        name.insert_str(0, "dimension_scores/");
    }
    Cow::Owned(name)
}
