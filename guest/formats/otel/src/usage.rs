//! What a trace used, each token once.

use arc_format_kit::codes;
use arc_format_kit::json::Reader;
use arc_format_kit::score::MAX_WHOLE;

use crate::span::Span;

/// Tokens and cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) input: f64,
    pub(crate) output: f64,
    pub(crate) cost: f64,
    /// Whether anything was told at all.
    told: bool,
}

/// Sums up the calls of models; where they tell nothing, the outermost agents that do.
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
    if calls.told {
        return calls;
    }
    let agents: Vec<(&Span, Usage)> = spans
        .iter()
        .filter(|span| operation(span, &["invoke_agent", "invoke_workflow", "create_agent"]))
        .map(|span| (span, of(reader, span)))
        .filter(|(_, usage)| usage.told)
        .collect();
    let mut outermost = Usage::default();
    for (agent, usage) in &agents {
        let inside = agents.iter().any(|(other, _)| is_inside(agent, other, spans));
        if !inside {
            outermost.add(*usage);
        }
    }
    outermost
}

/// Whether a span is below another: by its parents, or, where a span between them was left out, by
/// its time.
fn is_inside(inner: &Span, outer: &Span, spans: &[Span]) -> bool {
    if inner.pointer == outer.pointer {
        return false;
    }
    let mut above = inner;
    // Spans that are each other's parents would never end.
    for _ in 0..spans.len() {
        let Some(parent) = above.parent.as_ref() else { return false };
        if outer.id.as_ref() == Some(parent) {
            return true;
        }
        match spans.iter().find(|span| span.id.as_ref() == Some(parent)) {
            Some(parent) => above = parent,
            None => {
                return match (outer.start, above.start, above.end, outer.end) {
                    (Some(begin), Some(start), Some(stop), Some(end)) => {
                        begin <= start && stop <= end && (begin, end) != (start, stop)
                    }
                    _ => false,
                };
            }
        }
    }
    false
}

/// What one span tells.
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
        told: input.or(output).or(cost).is_some(),
    }
}

impl Usage {
    fn add(&mut self, other: Usage) {
        self.input = (self.input + other.input).min(MAX_WHOLE);
        self.output = (self.output + other.output).min(MAX_WHOLE);
        self.cost += other.cost;
        self.told |= other.told;
    }
}
