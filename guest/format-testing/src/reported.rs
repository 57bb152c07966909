//! Compares what a tool reports about a run with the figures of its results.

use std::collections::BTreeMap;

use arc_format_kit::{Aggregation, MissingPolicy, Outcome, ReportedFigure, RunReport};

/// Panics unless each comparable figure of a report is that of the outcomes, which are those of one
/// file without repetitions. Returns how many figures were compared.
#[track_caller]
pub fn agrees(report: &RunReport, outcomes: &[Outcome]) -> usize {
    if let Some(reported) = report.reported_results {
        assert_eq!(reported, outcomes.len() as f64, "number of results");
    }
    let counted: Vec<&Outcome> =
        outcomes.iter().filter(|outcome| outcome.invalidation.is_none()).collect();
    let mut compared = 0;
    for figure in &report.figures {
        let Some(reported) = figure.value else { continue };
        if figure.aggregation == Aggregation::NotComparable {
            continue;
        }
        let computed = computed(figure, &counted);
        let difference = computed.map(|computed| (computed - reported).abs());
        let tolerance = figure.tolerance.unwrap_or(1e-9).max(reported.abs() * 1e-9);
        assert!(
            difference.is_some_and(|difference| difference <= tolerance),
            "{}: the tool reports {reported}, the results have {computed:?}: {figure:?}",
            figure.figure
        );
        compared += 1;
    }
    if let Some(reported) = report.total_tokens {
        let tokens: f64 = outcomes.iter().map(tokens_of).sum();
        assert_eq!(reported, tokens, "tokens");
        compared += 1;
    }
    if let Some(reported) = report.total_cost_usd {
        let cost: f64 = outcomes.iter().map(cost_of).sum();
        assert!((reported - cost).abs() <= 1e-9, "cost: {reported}, the results have {cost}");
        compared += 1;
    }
    compared
}

/// Returns the tokens of all roles.
fn tokens_of(outcome: &Outcome) -> f64 {
    match outcome.usage.as_slice() {
        [] => outcome.tokens_used,
        usage => usage.iter().map(|calls| calls.total_tokens).sum(),
    }
}

/// Returns the cost of all roles.
fn cost_of(outcome: &Outcome) -> f64 {
    match outcome.usage.as_slice() {
        [] => outcome.cost_usd,
        usage => usage.iter().filter_map(|calls| calls.cost_usd).sum(),
    }
}

/// Computes a figure from the outcomes that count.
fn computed(figure: &ReportedFigure, outcomes: &[&Outcome]) -> Option<f64> {
    let value = |outcome: &Outcome| {
        let score = outcome.scores.iter().find(|score| score.name == figure.metric);
        let value = score.and_then(|score| score.value);
        match figure.missing {
            MissingPolicy::Zero => Some(value.unwrap_or_default()),
            MissingPolicy::Exclude => value,
        }
    };
    let mut scenarios: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for outcome in outcomes {
        if let Some(value) = value(outcome) {
            scenarios.entry(&outcome.scenario.id).or_default().push(value);
        }
    }
    let values: Vec<f64> = match figure.aggregation {
        Aggregation::ScenarioMean => scenarios.values().map(|values| mean(values)).collect(),
        _ => scenarios.into_values().flatten().collect(),
    };
    match figure.aggregation {
        Aggregation::Sum => Some(values.iter().sum()),
        _ if values.is_empty() => None,
        _ => Some(mean(&values)),
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
