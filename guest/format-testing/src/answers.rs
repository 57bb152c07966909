//! Rules that the answers of every format must satisfy.

use arc_format_kit::number::MAX_WHOLE;
use arc_format_kit::usage::TokenUsage;
use arc_format_kit::{Format, Origin, Outcome, Score, Span, Violation, finite};

/// Runs every function of a format on one result, and checks the general rules: both passes agree
/// on scenario, trial, place and revision, spans are JSON, figures are in their ranges.
pub fn check<F: Format>(header: Option<&str>, item: &str) -> Result<Outcome, Vec<Violation>> {
    let head = &item.as_bytes()[..item.len().min(4096)];
    let _ = (F::detect("", head), F::classify(item));
    for header in [Some(item), header].into_iter().flatten() {
        if let Ok(suite) = F::suite(header) {
            check_origin(&suite.run.origin);
        }
    }
    let scenario = finite::scenario::<F>(header, item);
    let answer = finite::outcome::<F>(header, item);
    assert_eq!(finite::outcome::<F>(header, item), answer, "asked twice: {item}");
    match &answer {
        Err(violations) => check_violations(violations),
        Ok(outcome) => {
            check_outcome(item, outcome);
            let planned = scenario.expect("an accepted result has a scenario");
            assert_eq!((&planned.scenario, planned.trial), (&outcome.scenario, outcome.trial));
            assert_eq!(
                (&planned.place, &planned.revised_at),
                (&outcome.place, &outcome.revised_at)
            );
        }
    }
    answer
}

fn check_violations(violations: &[Violation]) {
    assert!(!violations.is_empty(), "refused without a reason");
    for violation in violations {
        assert!(violation.path.is_empty() || violation.path.starts_with('/'), "{violation:?}");
        assert!(!violation.message.is_empty() && !violation.path.contains('\0'), "{violation:?}");
    }
}

fn check_outcome(item: &str, outcome: &Outcome) {
    let id = &outcome.scenario.id;
    assert!((1..=512).contains(&id.len()), "{id:?}");
    assert!(outcome.trial.is_none_or(|trial| (1..=10_000).contains(&trial)), "{outcome:?}");
    let explanations = outcome.scores.iter().map(|score| score.explanation);
    for span in [
        outcome.scenario.definition,
        outcome.trajectory,
        outcome.detailed_trajectory,
        outcome.dimensions,
    ]
    .into_iter()
    .chain(explanations)
    {
        if let Some(part) = slice(item, span) {
            let part = finite::with_null_for_nan(part);
            serde_json::from_str::<serde::de::IgnoredAny>(&part).expect("a span is JSON");
        }
    }
    for Score { name, value, lowest, highest, label, .. } in &outcome.scores {
        assert!(!name.is_empty() && !name.contains('\0'), "{outcome:?}");
        assert!(label.as_ref().is_none_or(|label| !label.contains('\0')), "{outcome:?}");
        assert!([value, lowest, highest].into_iter().flatten().all(|number| number.is_finite()));
        if let (Some(value), Some(highest)) = (value, highest) {
            assert!((lowest.unwrap_or_default()..=*highest).contains(value), "{outcome:?}");
        }
    }
    let mut names: Vec<&str> = outcome.scores.iter().map(|score| &*score.name).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "a score twice: {names:?}");
    if let Some(headline) = &outcome.headline {
        assert!(names.contains(&headline.as_str()), "{headline} is no score: {names:?}");
    }
    for name in [&outcome.key, &outcome.place].into_iter().flatten() {
        assert!((1..=512).contains(&name.len()) && !name.contains('\0'), "{name:?}");
    }
    assert!(outcome.discarded_tokens <= outcome.tokens_used, "{outcome:?}");
    for count in [outcome.tokens_used, outcome.prompt_tokens, outcome.completion_tokens] {
        assert!((0.0..=9_007_199_254_740_992.0).contains(&count) && count.fract() == 0.0);
    }
    outcome.usage.iter().for_each(check_usage);
    if !outcome.usage.is_empty() {
        let agent = outcome.usage.iter().filter(|calls| calls.is_agent());
        let total: f64 = agent.map(|calls| calls.total_tokens).sum();
        assert_eq!(outcome.tokens_used, total.min(MAX_WHOLE), "{outcome:?}");
    }
    check_origin(&outcome.origin);
    for amount in [outcome.execution_time_ms, outcome.cost_usd] {
        assert!(amount.is_finite() && amount >= 0.0, "{outcome:?}");
    }
    assert!(outcome.error_code.as_ref().is_none_or(|code| code.len() <= 128));
    for text in [&outcome.scenario.name, &outcome.scenario.task_prompt, &outcome.error_message]
        .into_iter()
        .flatten()
        .chain([id])
    {
        assert!(!text.contains('\0'), "PostgreSQL cannot keep {text:?}");
    }
    outcome.warnings.iter().for_each(|warning| check_violations(std::slice::from_ref(warning)));
}

/// Checks that the kinds of tokens are at most the total.
fn check_usage(calls: &TokenUsage) {
    let kinds = [
        calls.uncached_input_tokens,
        calls.cache_read_tokens,
        calls.cache_write_tokens,
        calls.output_tokens,
        calls.reasoning_tokens,
    ];
    for count in kinds.into_iter().chain([calls.total_tokens]) {
        assert!((0.0..=MAX_WHOLE).contains(&count) && count.fract() == 0.0, "{calls:?}");
    }
    assert!(kinds.iter().sum::<f64>() <= calls.total_tokens, "{calls:?}");
    assert!(calls.cost_usd.is_none_or(|cost| cost.is_finite() && cost >= 0.0), "{calls:?}");
    for name in [&calls.role, &calls.model].into_iter().flatten() {
        assert!((1..=512).contains(&name.len()) && !name.contains('\0'), "{name:?}");
    }
}

/// Checks the limits of the texts.
pub(crate) fn check_origin(origin: &Origin) {
    let json = serde_json::to_value(origin).expect("an origin has a JSON text");
    for member in json.as_object().expect("an object").values() {
        let texts = member.as_array().map_or(std::slice::from_ref(member), Vec::as_slice);
        for text in texts.iter().filter_map(|text| text.as_str()) {
            assert!((1..=512).contains(&text.len()) && !text.contains('\0'), "{origin:?}");
        }
    }
}

/// Returns the part of a document at a span.
pub fn slice(document: &str, span: Option<Span>) -> Option<&str> {
    let span = span?;
    let (offset, length) = (span.offset as usize, span.length as usize);
    Some(&document[offset..offset + length])
}

/// Returns the outcome of a result that must be valid.
#[track_caller]
pub fn accepted<F: Format>(header: Option<&str>, item: &str) -> Outcome {
    check::<F>(header, item).unwrap_or_else(|found| panic!("{item}: {found:?}"))
}

/// Returns the violations of a result that must not be valid, sorted.
#[track_caller]
pub fn rejected<F: Format>(header: Option<&str>, item: &str) -> Vec<(String, &'static str)> {
    match check::<F>(header, item) {
        Ok(outcome) => panic!("accepted: {item}: {outcome:?}"),
        Err(violations) => {
            let mut places: Vec<_> =
                violations.into_iter().map(|violation| (violation.path, violation.code)).collect();
            places.sort_unstable();
            places
        }
    }
}

/// Returns the warnings of an outcome, sorted.
pub fn warnings(outcome: &Outcome) -> Vec<(&str, &'static str)> {
    let mut warnings: Vec<_> =
        outcome.warnings.iter().map(|warning| (warning.path.as_str(), warning.code)).collect();
    warnings.sort_unstable();
    warnings
}

/// Returns the scores of an outcome that have a number, in their order.
pub fn scores(outcome: &Outcome) -> Vec<(&str, f64)> {
    outcome.scores.iter().filter_map(|it| Some((it.name.as_str(), it.value?))).collect()
}

/// Truncates a valid result at every length: it is no longer JSON, and nothing else is reported.
#[track_caller]
pub fn rejects_truncated_results<F: Format>(header: Option<&str>, item: &str) {
    accepted::<F>(header, item);
    for end in (0..item.len()).filter(|end| item.is_char_boundary(*end)) {
        let found = rejected::<F>(header, &item[..end]);
        let codes: Vec<&str> = found.iter().map(|(_, code)| *code).collect();
        assert_eq!(codes, [arc_format_kit::codes::MALFORMED_JSON], "{end}: {found:?}");
    }
}
