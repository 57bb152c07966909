//! Extraction of one result.

use arc_format_kit::failure::Failure;
use arc_format_kit::json::{Place, Reader, Value};
use arc_format_kit::scenario::MAX_ID_BYTES;
use arc_format_kit::usage::{SCORER, TokenUsage};
use arc_format_kit::{Outcome, OutcomeStatus, Violation};

use crate::header::{HeaderData, header_data};
use crate::scenario::ScenarioMembers;
use crate::{provider, score, usage};

/// The start of promptfoo's messages for a test, or the whole evaluation, that took too long.
const TOO_LONG: [&str; 2] = ["Evaluation timed out after ", "Evaluation exceeded max duration of "];

const NAMES: [&str; 18] = [
    "testCase",
    "vars",
    "prompt",
    "provider",
    "testIdx",
    "promptIdx",
    "success",
    "score",
    "failureReason",
    "error",
    "response",
    "gradingResult",
    "namedScores",
    "latencyMs",
    "tokenUsage",
    "cost",
    "evalId",
    "id",
];

/// Validates one result; see `extract-item-outcome` in `wit/container.wit`.
pub(crate) fn outcome(header: Option<&str>, item: &str) -> Result<Outcome, Vec<Violation>> {
    let header = header_data(header);
    let (mut reader, root) = Reader::new(item)?;
    let answer = reader.root(root, NAMES).and_then(|members| read(&mut reader, &header, members));
    reader.finish_outcome(answer)
}

fn read<'a>(
    reader: &mut Reader<'a>,
    header: &HeaderData,
    members: [Option<Value<'a>>; 18],
) -> Option<Outcome> {
    let [test_case, vars, prompt, provider, test_index, prompt_index, members @ ..] = members;
    let [success, score, reason, error, response, grading, named_scores, latency, members @ ..] =
        members;
    let [usage, cost, eval_id, id] = members;
    let scenario_members =
        ScenarioMembers { test_case, vars, prompt, provider, test_index, prompt_index, eval_id };
    let planned = scenario_members.read(reader, header);
    let at = |member| Place { object: "", member };

    let [response_error, response_usage, response_cost] = reader.decoration(|reader| {
        reader.object(response, at("response"), ["error", "tokenUsage", "cost"])
    });
    let failed = match reason.and_then(Value::number) {
        Some(reason) => reason == 2.0,
        None => response_error.is_some() || (error.is_some() && grading.is_none()),
    };
    let message = if failed {
        let errors = [(error, "", "error"), (response_error, "/response", "error")];
        errors.into_iter().find_map(|(value, object, member)| {
            let value = value?;
            let text = reader.decoded(value, Place { object, member });
            let text = text.map_or_else(|| value.json().to_owned(), Into::into);
            Some(text).filter(|text| !text.trim().is_empty())
        })
    } else {
        None
    };
    let status = match &message {
        _ if !failed => OutcomeStatus::Success,
        Some(text) if TOO_LONG.iter().any(|sign| text.starts_with(sign)) => OutcomeStatus::Timeout,
        _ => OutcomeStatus::Error,
    };
    let failure = Failure::new(message.as_deref(), None, status);

    let scores = score::read(reader, success, score, named_scores, grading);
    let id = reader.decoration(|reader| reader.text(id, at("id")));
    let id = id.filter(|id| (1..=MAX_ID_BYTES).contains(&id.len()));

    let (usage, usage_place) = match usage {
        Some(_) => (usage, "/tokenUsage"),
        None => (response_usage, "/response/tokenUsage"),
    };
    let (object, member) = usage_place.rsplit_once('/').unwrap_or_default();
    let used = usage::read(reader, usage, Place { object, member });
    // Promptfoo sums up what the assertions used in both; a comparison of results adds to the first.
    let (graded, graded_place) = match grading.and_then(|grading| grading.member("tokensUsed")) {
        Some(graded) => (Some(graded), Place { object: "/gradingResult", member: "tokensUsed" }),
        None => {
            let assertions = usage.and_then(|usage| usage.member("assertions"));
            (assertions, Place { object: usage_place, member: "assertions" })
        }
    };
    let graded = usage::read(reader, graded, graded_place);
    let (cost, cost_place) = match cost {
        Some(_) => (cost, at("cost")),
        None => (response_cost, Place { object: "/response", member: "cost" }),
    };

    let origin = provider::of_result(provider);
    let usage = vec![
        TokenUsage {
            model: origin.models.first().cloned(),
            cost_usd: reader.decoration(|reader| reader.amount(cost, cost_place)),
            ..used.usage()
        },
        TokenUsage { role: Some(SCORER.to_owned()), ..graded.usage() },
    ];
    let planned = planned?;
    Some(Outcome {
        trial: planned.trial,
        scores,
        headline: Some(score::PASS.to_owned()),
        execution_time: header.began_at.clone(),
        execution_time_ms: reader
            .decoration(|reader| reader.amount(latency, at("latencyMs")))
            .unwrap_or(0.0),
        origin: origin.without(&header.origin),
        error_code: failure.code,
        error_message: failure.message,
        error_category: failure.category,
        failure_class: failure.class,
        failure_rule: failure.rule,
        trajectory: response.and_then(|value| reader.span(value)),
        dimensions: named_scores.filter(|it| it.is_object()).and_then(|value| reader.span(value)),
        key: id.or_else(|| planned.place.clone()),
        place: planned.place,
        ..Outcome::new(planned.scenario, status).with_usage(usage)
    })
}
