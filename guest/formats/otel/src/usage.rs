//! The usage of a trace, with each token counted once.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use arc_format_kit::codes;
use arc_format_kit::json::Reader;
use arc_format_kit::number::MAX_WHOLE;

use crate::span::Span;

/// Tokens and cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) input: f64,
    pub(crate) output: f64,
    pub(crate) cost: f64,
    /// Whether any usage was reported.
    reported: bool,
}

/// Sums up the calls of models; if they have no usage, the outermost agents that have.
pub(crate) fn sum(reader: &mut Reader, spans: &[Span]) -> Usage {
    let operation = |span: &Span, names: &[&str]| {
        span.operation.as_deref().is_some_and(|operation| names.contains(&operation))
    };
    let mut calls = Usage::default();
    for span in spans {
        if operation(span, &["chat", "text_completion", "generate_content"]) {
            calls.add(of(reader, span));
        }
    }
    if calls.reported {
        return calls;
    }
    let agents: Vec<(&Span, Usage)> = spans
        .iter()
        .filter(|span| operation(span, &["invoke_agent", "invoke_workflow", "create_agent"]))
        .map(|span| (span, of(reader, span)))
        .filter(|(_, usage)| usage.reported)
        .collect();
    let above = AgentAncestors::of(spans, &agents);
    let mut outermost = Usage::default();
    let outside = agents.iter().filter(|(agent, _)| !above.is_inside(agent));
    outside.for_each(|(_, usage)| outermost.add(*usage));
    outermost
}

/// Finds the spans below an agent that reports usage: by their parents or, if a span between them
/// was left out, by time. A trace can have very many spans, so each is visited once.
struct AgentAncestors<'s, 'a> {
    by_id: BTreeMap<&'s str, &'s Span<'a>>,
    /// The ids of the agents.
    agents: BTreeSet<&'s str>,
    /// The agents' times, ordered by start; see [`EnclosingAgents`].
    times: Vec<EnclosingAgents<'s>>,
    /// Cached results for the spans with these ids.
    cache: RefCell<BTreeMap<&'s str, Ancestor<'s, 'a>>>,
}

/// The result of following a span's parents: an agent, or a span without a parent in the trace.
#[derive(Clone, Copy)]
enum Ancestor<'s, 'a> {
    /// The id of the first agent above.
    Agent(&'s str),
    Nothing,
    /// The parent of this span was left out.
    Unknown(&'s Span<'a>),
}

/// Of the agents that begin no later than `start`: the two that end last, with the pointers to
/// them.
struct EnclosingAgents<'s> {
    start: i128,
    latest: [Option<(i128, &'s str)>; 2],
}

impl<'s, 'a> AgentAncestors<'s, 'a> {
    fn of(spans: &'s [Span<'a>], agents: &[(&'s Span<'a>, Usage)]) -> Self {
        let mut by_id = BTreeMap::new();
        for span in spans {
            if let Some(id) = span.id.as_deref() {
                by_id.entry(id).or_insert(span);
            }
        }
        let mut times: Vec<(i128, i128, &str)> = agents
            .iter()
            .filter_map(|(agent, _)| Some((agent.start?, agent.end?, agent.pointer.as_str())))
            .collect();
        times.sort_unstable();
        let mut latest = [None; 2];
        let times = times.into_iter().map(|(start, end, pointer)| {
            let [first, second] = latest;
            let found = Some((end, pointer));
            latest = match () {
                () if first.is_none_or(|(first, _)| end > first) => [found, first],
                () if second.is_none_or(|(second, _)| end > second) => [first, found],
                () => latest,
            };
            EnclosingAgents { start, latest }
        });
        let times = times.collect();
        let agents = agents.iter().filter_map(|(agent, _)| agent.id.as_deref()).collect();
        AgentAncestors { by_id, agents, times, cache: RefCell::default() }
    }

    fn is_inside(&self, span: &'s Span<'a>) -> bool {
        match self.above(span) {
            // A span is not its own ancestor, although spans can be each other's parents.
            Ancestor::Agent(id) => span.id.as_deref() != Some(id),
            Ancestor::Nothing => false,
            Ancestor::Unknown(top) => self.is_within_time(top, &span.pointer),
        }
    }

    /// Follows the parents up to an agent, or as far as they are in the trace.
    fn above(&self, span: &'s Span<'a>) -> Ancestor<'s, 'a> {
        let mut passed: Vec<&str> = Vec::new();
        let mut cache = self.cache.borrow_mut();
        let mut at = span;
        let found = loop {
            if let Some(id) = at.id.as_deref() {
                if let Some(found) = cache.get(id) {
                    break *found;
                }
                // Prevents an endless loop if spans are each other's parents.
                cache.insert(id, Ancestor::Nothing);
                passed.push(id);
            }
            let Some(parent) = at.parent.as_deref() else { break Ancestor::Nothing };
            if self.agents.contains(parent) {
                break Ancestor::Agent(parent);
            }
            match self.by_id.get(parent) {
                Some(parent) => at = parent,
                None => break Ancestor::Unknown(at),
            }
        };
        passed.into_iter().for_each(|id| {
            cache.insert(id, found);
        });
        found
    }

    /// Whether an agent, other than the one at `own`, encloses a span in time and is longer.
    fn is_within_time(&self, span: &Span, own: &str) -> bool {
        let (Some(start), Some(end)) = (span.start, span.end) else { return false };
        let longest = |count: usize| {
            let enclosing = self.times.get(count.checked_sub(1)?)?;
            let others = enclosing.latest.into_iter().flatten();
            others.filter(|(_, pointer)| *pointer != own).map(|(end, _)| end).max()
        };
        let earlier = longest(self.times.partition_point(|agent| agent.start < start));
        let no_later = longest(self.times.partition_point(|agent| agent.start <= start));
        earlier.is_some_and(|latest| latest >= end) || no_later.is_some_and(|latest| latest > end)
    }
}

/// Reads the usage of one span.
fn of(reader: &mut Reader, span: &Span) -> Usage {
    let mut read = |keys: &[&str], whole: bool| {
        let (pointer, value, number) = keys.iter().find_map(|key| span.attributes.number(key))?;
        let fits = (0.0..=MAX_WHOLE).contains(&number) && (!whole || number.fract() == 0.0);
        if fits {
            return Some(number + 0.0);
        }
        let found: String = value.json().chars().take(40).collect();
        let expected = if whole { "a count of tokens" } else { "an amount of money" };
        reader.warning(
            pointer,
            codes::OUT_OF_RANGE,
            format!("expected {expected}, found {found}; it is left out"),
        );
        None
    };
    // The second names are those of the conventions before 2024.
    let input = read(&["gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"], true);
    let output = read(&["gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"], true);
    let cost = read(&["gen_ai.usage.cost"], false);
    Usage {
        input: input.unwrap_or(0.0),
        output: output.unwrap_or(0.0),
        cost: cost.unwrap_or(0.0),
        reported: input.or(output).or(cost).is_some(),
    }
}

impl Usage {
    fn add(&mut self, other: Usage) {
        self.input = (self.input + other.input).min(MAX_WHOLE);
        self.output = (self.output + other.output).min(MAX_WHOLE);
        self.cost += other.cost;
        self.reported |= other.reported;
    }
}
