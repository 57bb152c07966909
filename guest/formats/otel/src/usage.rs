//! The usage of a trace, with each token counted once.

use std::collections::BTreeMap;

use arc_format_kit::codes;
use arc_format_kit::json::Reader;
use arc_format_kit::number::MAX_WHOLE;
use arc_format_kit::usage::{ReportedTokens, SCORER, TokenUsage, add};

use crate::span::{Kind, Span};
use crate::tree::{Flags, Run};

/// The names of the counts, by convention, by older conventions and by instrumentation.
const INPUT: [&str; 8] = [
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.prompt_tokens",
    "llm.token_count.prompt",
    "llm.usage.prompt_tokens",
    "ai.usage.inputTokens",
    "ai.usage.promptTokens",
    "ai.usage.tokens",
    "gen_ai.aggregated_usage.input_tokens",
];
const OUTPUT: [&str; 7] = [
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.completion_tokens",
    "llm.token_count.completion",
    "llm.usage.completion_tokens",
    "ai.usage.outputTokens",
    "ai.usage.completionTokens",
    "gen_ai.aggregated_usage.output_tokens",
];
const TOTAL: [&str; 4] = [
    "gen_ai.usage.total_tokens",
    "llm.token_count.total",
    "llm.usage.total_tokens",
    "ai.usage.totalTokens",
];
const CACHE_READ: [&str; 6] = [
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_read_input_tokens",
    "llm.token_count.prompt_details.cache_read",
    "ai.usage.inputTokenDetails.cacheReadTokens",
    "ai.usage.cachedInputTokens",
    "gen_ai.aggregated_usage.cache_read.input_tokens",
];
const CACHE_WRITE: [&str; 7] = [
    "gen_ai.usage.cache_creation.input_tokens",
    "gen_ai.usage.cache_write.input_tokens",
    "gen_ai.usage.cache_creation_input_tokens",
    "gen_ai.usage.cache_write_input_tokens",
    "llm.token_count.prompt_details.cache_write",
    "ai.usage.inputTokenDetails.cacheWriteTokens",
    "gen_ai.aggregated_usage.cache_creation.input_tokens",
];
const REASONING: [&str; 8] = [
    "gen_ai.usage.reasoning.output_tokens",
    "gen_ai.usage.reasoning_tokens",
    "gen_ai.usage.details.reasoning_tokens",
    "llm.token_count.completion_details.reasoning",
    "llm.usage.reasoning_tokens",
    "ai.usage.outputTokenDetails.reasoningTokens",
    "ai.usage.reasoningTokens",
    "gen_ai.aggregated_usage.details.reasoning_tokens",
];
const COST: [&str; 4] =
    ["operation.cost", "llm.cost.total", "gen_ai.usage.cost", "gen_ai.usage.total_cost"];

/// The names of the model: that of the answer before that of the request.
pub(crate) const MODELS: [&str; 9] = [
    "gen_ai.response.model",
    "gen_ai.request.model",
    "llm.model_name",
    "embedding.model_name",
    "reranker.model_name",
    "ai.response.model",
    "ai.model.id",
    "langfuse.observation.model.name",
    "model_name",
];

/// The id of the provider's answer.
const ANSWER: &str = "gen_ai.response.id";

/// Langfuse's usage and cost, which are JSON objects in the form of the provider or its own.
const LANGFUSE_USAGE: &str = "langfuse.observation.usage_details";
const LANGFUSE_COST: &str = "langfuse.observation.cost_details";

/// The usage that a span reports.
#[derive(Default)]
struct Reported {
    tokens: Option<TokenUsage>,
    cost: Option<f64>,
}

/// Returns the usage of a run by role and model.
///
/// The tokens of a span count if no span below it reports any, and so does its cost, independently:
/// a wrapper repeats the calls inside it, however many are stacked. The innermost spans have the provider's
/// own counts, with their model. What an aggregate above them has in excess is not added, as it can
/// be the sum of a whole conversation or of another agent; a warning has both figures. Calls for
/// embeddings and rankings are no part of an agent's sum, so that they replace only their own
/// wrappers.
pub(crate) fn read<'a>(reader: &mut Reader<'a>, spans: &[Span<'a>], run: &Run) -> Vec<TokenUsage> {
    let reported: Vec<Reported> = spans
        .iter()
        .enumerate()
        .map(|(number, span)| if run.has(number) { of(reader, span) } else { Reported::default() })
        .collect();
    let mut usage = Vec::new();
    for is_embedding in [false, true] {
        let is_same = |number: usize| {
            spans.get(number).is_some_and(|span| (span.kind == Kind::Embedding) == is_embedding)
        };
        let tokens =
            |number: usize| reported.get(number).filter(|_| is_same(number))?.tokens.as_ref();
        let cost = |number: usize| reported.get(number).filter(|_| is_same(number))?.cost;
        let is_repeated = repeated(reader, spans, run, |number| tokens(number).is_some());
        let is_repeated_cost = repeated(reader, spans, run, |number| cost(number).is_some());
        let (mut counted, mut largest) = (0.0, None);
        for (number, span) in spans.iter().enumerate() {
            let own_cost = cost(number).filter(|_| !is_repeated_cost.get(number));
            let own_tokens = tokens(number).filter(|_| !is_repeated.get(number));
            if let Some(sum) = tokens(number).filter(|_| is_repeated.get(number)) {
                let found = (sum.total_tokens, number);
                largest = largest.filter(|largest| *largest >= found).or(Some(found));
            }
            if own_cost.is_none() && own_tokens.is_none() {
                continue;
            }
            let calls = own_tokens.cloned().unwrap_or_default();
            counted += calls.total_tokens;
            add(
                &mut usage,
                TokenUsage {
                    role: run.is_scoring(number).then(|| SCORER.to_owned()),
                    model: span.attributes.first_text(reader, &MODELS),
                    cost_usd: own_cost,
                    ..calls
                },
            );
        }
        if let Some((sum, number)) = largest.filter(|(sum, _)| *sum > counted) {
            let pointer = spans.get(number).map(|span| span.attributes.pointer().to_owned());
            reader.warning(
                pointer.unwrap_or_default(),
                codes::USAGE_INCOMPLETE,
                format!(
                    "the span reports {sum} tokens, and the calls below it {counted}; the calls count"
                ),
            );
        }
    }
    usage
}

/// Returns for each span whether its usage is that of others: those that report and are below it.
/// Within the time of an agent, spans whose parents are in another file are below it, too; and of
/// two spans of the same answer, the one within the time of the other is, also if it is beside it,
/// because the client of a provider can be instrumented more than once.
fn repeated<'a>(
    reader: &mut Reader<'a>,
    spans: &[Span<'a>],
    run: &Run,
    reports: impl Fn(usize) -> bool,
) -> Flags {
    let mut repeated = run.tree.above(&reports);
    let all = || spans.iter().enumerate();
    let lost = all()
        .filter(|(number, span)| span.parent.is_some() && run.tree.parent(*number).is_none())
        .filter(|(number, _)| reports(*number) || repeated.get(*number));
    let lost = Times::of(lost.map(|(_, span)| span));
    let mut answers: BTreeMap<String, Vec<&Span>> = BTreeMap::new();
    for (_, span) in all().filter(|(number, _)| reports(*number)) {
        if let Some(id) = span.attributes.text(reader, ANSWER) {
            answers.entry(id).or_default().push(span);
        }
    }
    let answers: BTreeMap<String, Times> =
        answers.into_iter().map(|(id, same)| (id, Times::of(same.into_iter()))).collect();
    for (number, span) in all().filter(|(number, _)| reports(*number)) {
        let is_answered = span
            .attributes
            .text(reader, ANSWER)
            .is_some_and(|id| answers.get(&id).is_some_and(|same| same.has_one_within(span)));
        if is_answered || (span.kind == Kind::Agent && lost.has_one_within(span)) {
            repeated.set(number);
        }
    }
    repeated
}

/// The times of spans, ordered by start: each start, and the earliest end from there on.
struct Times(Vec<(i128, i128)>);

impl Times {
    fn of<'s, 'a: 's>(spans: impl Iterator<Item = &'s Span<'a>>) -> Self {
        let mut times: Vec<(i128, i128)> =
            spans.filter_map(|span| Some((span.start?, span.end?))).collect();
        times.sort_unstable();
        let mut earliest = i128::MAX;
        for (_, end) in times.iter_mut().rev() {
            earliest = earliest.min(*end);
            *end = earliest;
        }
        Times(times)
    }

    /// Whether one of the spans is within the time of this one and shorter.
    fn has_one_within(&self, span: &Span) -> bool {
        let (Some(start), Some(end)) = (span.start, span.end) else { return false };
        let first_end = |at: usize| self.0.get(at).map(|(_, end)| *end);
        let later = first_end(self.0.partition_point(|(other, _)| *other <= start));
        let no_earlier = first_end(self.0.partition_point(|(other, _)| *other < start));
        later.is_some_and(|other| other <= end) || no_earlier.is_some_and(|other| other < end)
    }
}

/// Reads the usage of one span.
fn of<'a>(reader: &mut Reader<'a>, span: &Span<'a>) -> Reported {
    let mut read = |keys: &[&str], is_count: bool| {
        let (pointer, value, number) = keys.iter().find_map(|key| span.attributes.number(key))?;
        let fits = (0.0..=MAX_WHOLE).contains(&number) && (!is_count || number.fract() == 0.0);
        if fits {
            return Some(number + 0.0);
        }
        let found: String = value.json().chars().take(40).collect();
        let expected = if is_count { "a count of tokens" } else { "an amount of money" };
        reader.warning(
            pointer,
            codes::OUT_OF_RANGE,
            format!("expected {expected}, found {found}; it is left out"),
        );
        None
    };
    let [input, output, total] = [&INPUT[..], &OUTPUT, &TOTAL].map(|keys| read(keys, true));
    let [cache_read, cache_write, reasoning] = [&CACHE_READ[..], &CACHE_WRITE, &REASONING]
        .map(|keys| read(keys, true).unwrap_or_default());
    let counts = ReportedTokens {
        input: input.unwrap_or_default(),
        cache_read,
        cache_write,
        output: output.unwrap_or_default(),
        reasoning,
        total,
    };
    let tokens = input.or(output).or(total).map(|_| counts);
    let cost = read(&COST, false);
    Reported {
        tokens: tokens.or_else(|| of_langfuse(reader, span)).map(ReportedTokens::usage),
        cost: cost.or_else(|| {
            amount(&span.attributes.text(reader, LANGFUSE_COST)?, &["/total"])
                .filter(|cost| *cost > 0.0)
        }),
    }
}

/// Reads Langfuse's usage of a span.
fn of_langfuse<'a>(reader: &mut Reader<'a>, span: &Span<'a>) -> Option<ReportedTokens> {
    let details = span.attributes.text(reader, LANGFUSE_USAGE)?;
    let read = |paths: &[&str]| amount(&details, paths).filter(|count| count.fract() == 0.0);
    let input = read(&["/input", "/prompt_tokens", "/input_tokens"]);
    let output = read(&["/output", "/completion_tokens", "/output_tokens"]);
    let total = read(&["/total", "/total_tokens"]);
    let detail = |paths: &[&str]| read(paths).unwrap_or_default();
    input.or(output).or(total).map(|_| ReportedTokens {
        input: input.unwrap_or_default(),
        cache_read: detail(&[
            "/input_cached_tokens",
            "/cache_read_input_tokens",
            "/prompt_tokens_details/cached_tokens",
            "/input_tokens_details/cached_tokens",
        ]),
        cache_write: detail(&["/cache_creation_input_tokens"]),
        output: output.unwrap_or_default(),
        reasoning: detail(&[
            "/output_reasoning_tokens",
            "/completion_tokens_details/reasoning_tokens",
            "/output_tokens_details/reasoning_tokens",
        ]),
        total,
    })
}

/// Returns the first number of at least 0 at one of these paths in a JSON object.
fn amount(json: &str, paths: &[&str]) -> Option<f64> {
    let (mut reader, root) = Reader::new(json).ok()?;
    reader.root(root, [""])?;
    paths.iter().find_map(|path| {
        let mut names = path.split('/').skip(1);
        let number = names.try_fold(root, |value, name| value.member(name))?.number()?;
        (0.0..=MAX_WHOLE).contains(&number).then_some(number + 0.0)
    })
}
