//! Tokens and cost by role and model, by one convention for all tools.
//!
//! Providers differ in what their counts include: OpenAI's prompt tokens include those that were read
//! from a cache, Anthropic's do not; OpenAI's completion tokens include reasoning, Gemini's do not. The
//! five kinds of [`TokenUsage`] have no token in common, and their sum is at most the total.
//! [`ReportedTokens`] converts the counts of a tool; its total decides what they include.

use serde::Serialize;

use crate::answer::{Outcome, number, optional_number};
use crate::number::MAX_WHOLE;
use crate::scenario::bounded_id;

/// The role of calls that score a result.
pub const SCORER: &str = "scorer";

/// The role of calls that play the user to whom the agent speaks.
pub const USER_SIMULATOR: &str = "user_simulator";

/// The tokens and the cost of the calls of one role to one model. All counts are whole numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TokenUsage {
    /// [`SCORER`], [`USER_SIMULATOR`] or the tool's own name of another role; `None`: the agent.
    pub role: Option<String>,
    /// The model, as the tool names it.
    pub model: Option<String>,
    /// Tokens of the prompts that were neither read from a cache nor written to one.
    #[serde(serialize_with = "number")]
    pub uncached_input_tokens: f64,
    /// Tokens of the prompts that were read from a cache.
    #[serde(serialize_with = "number")]
    pub cache_read_tokens: f64,
    /// Tokens of the prompts that were written to a cache.
    #[serde(serialize_with = "number")]
    pub cache_write_tokens: f64,
    /// Tokens of the completions without reasoning.
    #[serde(serialize_with = "number")]
    pub output_tokens: f64,
    /// Tokens of reasoning.
    #[serde(serialize_with = "number")]
    pub reasoning_tokens: f64,
    /// All tokens; more than the sum of the five kinds if the tool reports only a total.
    #[serde(serialize_with = "number")]
    pub total_tokens: f64,
    /// The cost in US dollars as the tool reports it.
    #[serde(serialize_with = "optional_number")]
    pub cost_usd: Option<f64>,
    /// Whether they belong to a try that the tool discarded.
    pub discarded: bool,
}

impl TokenUsage {
    /// Returns the tokens of the prompts.
    pub fn prompt_tokens(&self) -> f64 {
        self.uncached_input_tokens + self.cache_read_tokens + self.cache_write_tokens
    }

    /// Returns the tokens of the completions, with those of reasoning.
    pub fn completion_tokens(&self) -> f64 {
        self.output_tokens + self.reasoning_tokens
    }

    /// Whether the calls are the agent's: of any role but [`SCORER`] and [`USER_SIMULATOR`].
    pub fn is_agent(&self) -> bool {
        !matches!(self.role.as_deref(), Some(SCORER | USER_SIMULATOR))
    }

    /// Whether there is neither a token nor a cost.
    pub fn is_zero(&self) -> bool {
        self.total_tokens == 0.0 && self.cost_usd.unwrap_or_default() == 0.0
    }

    /// Adds other calls of the same role and model. The cost is known if one of them has one.
    pub fn add(&mut self, other: &TokenUsage) {
        self.each_count(other, |own, other| (own + other).min(MAX_WHOLE));
        if let Some(cost) = other.cost_usd {
            let sum = self.cost_usd.unwrap_or_default() + cost;
            self.cost_usd = Some(sum).filter(|sum| sum.is_finite());
        }
    }

    /// Removes calls that are counted under another role.
    pub fn remove(&mut self, other: &TokenUsage) {
        self.each_count(other, |own, other| (own - other).max(0.0));
        if let (Some(own), Some(cost)) = (self.cost_usd.as_mut(), other.cost_usd) {
            let rest = *own - cost;
            // Sums of the same costs in another order differ in their last digits.
            *own = if rest > cost * 1e-9 { rest } else { 0.0 };
        }
    }

    /// Limits the names to 512 bytes. If the kinds are more than the total, as numbers beyond 2^53 can be
    /// that are limited to it, only the total is left.
    pub(crate) fn bound(&mut self) {
        for name in [&mut self.role, &mut self.model] {
            *name = name.take().filter(|name| !name.is_empty()).map(bounded_id);
        }
        if self.prompt_tokens() + self.completion_tokens() > self.total_tokens {
            *self = TokenUsage {
                role: self.role.take(),
                model: self.model.take(),
                total_tokens: self.total_tokens,
                cost_usd: self.cost_usd,
                discarded: self.discarded,
                ..TokenUsage::default()
            };
        }
    }

    fn each_count(&mut self, other: &TokenUsage, count: impl Fn(f64, f64) -> f64) {
        for (own, other) in [
            (&mut self.uncached_input_tokens, other.uncached_input_tokens),
            (&mut self.cache_read_tokens, other.cache_read_tokens),
            (&mut self.cache_write_tokens, other.cache_write_tokens),
            (&mut self.output_tokens, other.output_tokens),
            (&mut self.reasoning_tokens, other.reasoning_tokens),
            (&mut self.total_tokens, other.total_tokens),
        ] {
            *own = count(*own, other);
        }
    }
}

/// The counts of a tool, as it reports them; 0 if it does not.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ReportedTokens {
    /// Tokens of the prompts, with or without those of the cache.
    pub input: f64,
    /// Tokens of the prompts that were read from a cache.
    pub cache_read: f64,
    /// Tokens of the prompts that were written to a cache.
    pub cache_write: f64,
    /// Tokens of the completions, with or without those of reasoning.
    pub output: f64,
    /// Tokens of reasoning.
    pub reasoning: f64,
    /// All tokens.
    pub total: Option<f64>,
}

impl ReportedTokens {
    /// Returns the counts by the convention of [`TokenUsage`], of an agent without a model.
    ///
    /// Input includes the cache's tokens, and output includes reasoning, unless the total is a sum that
    /// counts them apart, or there are more of them than of what would include them.
    pub fn usage(self) -> TokenUsage {
        let ReportedTokens { input, cache_read, cache_write, output, reasoning, total } = self;
        let cached = cache_read + cache_write;
        let sum = |apart: (bool, bool)| {
            let cached = if apart.0 { cached } else { 0.0 };
            let reasoning = if apart.1 { reasoning } else { 0.0 };
            input + cached + output + reasoning
        };
        let possible =
            |apart: &(bool, bool)| (apart.0 || cached <= input) && (apart.1 || reasoning <= output);
        let candidates = [(false, false), (true, false), (false, true), (true, true)];
        let by_total = total.and_then(|total| {
            candidates.into_iter().find(|apart| possible(apart) && sum(*apart) == total)
        });
        let (cached_apart, reasoning_apart) =
            by_total.unwrap_or((cached > input, reasoning > output));
        let uncached = if cached_apart { input } else { input - cached };
        let output = if reasoning_apart { output } else { output - reasoning };
        let all = uncached + cached + output + reasoning;
        TokenUsage {
            uncached_input_tokens: uncached,
            cache_read_tokens: cache_read,
            cache_write_tokens: cache_write,
            output_tokens: output,
            reasoning_tokens: reasoning,
            total_tokens: total.unwrap_or(all).max(all).min(MAX_WHOLE),
            ..TokenUsage::default()
        }
    }
}

/// Returns the role by the name that a tool has for it: `grader`, `judge` and `scorer` are
/// [`SCORER`], `user` and `user_simulator` are [`USER_SIMULATOR`]; others stay.
pub fn role(name: &str) -> String {
    match name {
        "grader" | "judge" | SCORER => SCORER.to_owned(),
        "user" | USER_SIMULATOR => USER_SIMULATOR.to_owned(),
        other => other.to_owned(),
    }
}

/// Adds calls to those of the same role, model and try.
pub fn add(list: &mut Vec<TokenUsage>, usage: TokenUsage) {
    let same = list.iter_mut().find(|own| {
        own.role == usage.role && own.model == usage.model && own.discarded == usage.discarded
    });
    match same {
        Some(own) => own.add(&usage),
        None => list.push(usage),
    }
}

impl Outcome {
    /// Sets tokens and cost from the calls by role and model: the result's own are the agent's. Calls
    /// without a token and without a cost are left out.
    #[must_use]
    pub fn with_usage(mut self, mut usage: Vec<TokenUsage>) -> Self {
        usage.retain(|calls| !calls.is_zero());
        usage.iter_mut().for_each(TokenUsage::bound);
        let sum = |of: &dyn Fn(&TokenUsage) -> f64| {
            let agent = usage.iter().filter(|calls| calls.is_agent());
            agent.map(of).sum::<f64>() + 0.0
        };
        let count = |of: &dyn Fn(&TokenUsage) -> f64| sum(of).min(MAX_WHOLE);
        let cost = |calls: &TokenUsage| calls.cost_usd.unwrap_or_default();
        let finite = |cost: f64| if cost.is_finite() { cost } else { 0.0 };
        let discarded = |calls: &TokenUsage, value: f64| if calls.discarded { value } else { 0.0 };
        self.tokens_used = count(&|calls| calls.total_tokens);
        self.prompt_tokens = count(&TokenUsage::prompt_tokens);
        self.completion_tokens = count(&TokenUsage::completion_tokens);
        self.cost_usd = finite(sum(&cost));
        self.discarded_tokens = count(&|calls| discarded(calls, calls.total_tokens));
        self.discarded_cost_usd = finite(sum(&|calls| discarded(calls, cost(calls))));
        self.usage = usage;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(reported: ReportedTokens) -> [f64; 6] {
        let usage = reported.usage();
        [
            usage.uncached_input_tokens,
            usage.cache_read_tokens,
            usage.cache_write_tokens,
            usage.output_tokens,
            usage.reasoning_tokens,
            usage.total_tokens,
        ]
    }

    #[test]
    fn the_total_decides_what_the_counts_include() {
        let counts = ReportedTokens {
            input: 100.0,
            cache_read: 60.0,
            output: 50.0,
            reasoning: 30.0,
            ..ReportedTokens::default()
        };
        let total = |total| ReportedTokens { total: Some(total), ..counts };
        assert_eq!(kinds(counts), [40.0, 60.0, 0.0, 20.0, 30.0, 150.0]);
        assert_eq!(kinds(total(150.0)), [40.0, 60.0, 0.0, 20.0, 30.0, 150.0]);
        assert_eq!(kinds(total(210.0)), [100.0, 60.0, 0.0, 20.0, 30.0, 210.0]);
        assert_eq!(kinds(total(180.0)), [40.0, 60.0, 0.0, 50.0, 30.0, 180.0]);
        assert_eq!(kinds(total(240.0)), [100.0, 60.0, 0.0, 50.0, 30.0, 240.0]);
        // No sum: the total has other tokens, too, or fewer than its parts.
        assert_eq!(kinds(total(500.0)), [40.0, 60.0, 0.0, 20.0, 30.0, 500.0]);
        assert_eq!(kinds(total(1.0)), [40.0, 60.0, 0.0, 20.0, 30.0, 150.0]);
        let more_cached = ReportedTokens { cache_read: 900.0, cache_write: 50.0, ..counts };
        assert_eq!(kinds(more_cached), [100.0, 900.0, 50.0, 20.0, 30.0, 1_100.0]);
    }

    #[test]
    fn the_kinds_are_never_more_than_the_total() {
        let most = ReportedTokens { input: MAX_WHOLE, output: MAX_WHOLE, ..Default::default() };
        let mut usage = TokenUsage { model: Some("m".repeat(600)), ..most.usage() };
        usage.bound();
        assert_eq!((usage.total_tokens, usage.prompt_tokens()), (MAX_WHOLE, 0.0));
        assert_eq!(usage.model.unwrap().len(), 512);
    }

    #[test]
    fn the_results_own_figures_are_the_agents() {
        let calls = |role: Option<&str>, tokens: f64, discarded| TokenUsage {
            role: role.map(str::to_owned),
            output_tokens: tokens,
            total_tokens: tokens,
            cost_usd: Some(tokens / 10.0),
            discarded,
            ..TokenUsage::default()
        };
        let mut list = Vec::new();
        add(&mut list, calls(None, 5.0, false));
        add(&mut list, calls(None, 7.0, false));
        add(&mut list, calls(None, 100.0, true));
        add(&mut list, calls(Some(SCORER), 1_000.0, false));
        add(&mut list, calls(Some("critic"), 10_000.0, false));
        add(&mut list, TokenUsage::default());
        let scenario =
            crate::Scenario { id: "a".to_owned(), name: None, task_prompt: None, definition: None };
        let outcome = Outcome::new(scenario, crate::OutcomeStatus::Success).with_usage(list);
        assert_eq!((outcome.tokens_used, outcome.completion_tokens), (10_112.0, 10_112.0));
        assert_eq!((outcome.discarded_tokens, outcome.discarded_cost_usd), (100.0, 10.0));
        assert_eq!((outcome.usage.len(), outcome.prompt_tokens), (4, 0.0));
    }
}
