//! Compares what a tool reports about a run with the figures of the recorded results.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::store::{Aggregation, Figures, MetricFigures, MissingPolicy, ReportedFigure, RunReport};

/// The largest difference that does not count, unless the tool rounds its figures: a sum of floats depends on
/// its order.
const TOLERANCE: f64 = 1e-9;

/// How the recorded results compare with what the tool reports about the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reconciliation {
    /// Whether nothing differs.
    pub agrees: bool,
    /// Every figure that the tool reports, with that of the recorded results.
    pub figures: Vec<FigureComparison>,
}

/// A figure of the tool, and the same of the recorded results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FigureComparison {
    /// The metric; `null` for results, tokens and cost.
    pub metric: Option<String>,
    /// The figure, such as `accuracy`, `results`, `tokens` or `cost_usd`.
    pub figure: String,
    /// The tool's value; `null` if the tool could not compute it.
    pub reported: Option<f64>,
    /// The value of the recorded results; `null` if it cannot be computed from them.
    pub computed: Option<f64>,
    /// The result of the comparison.
    pub result: ComparisonResult,
}

/// The result of comparing a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ComparisonResult {
    /// The same, within the tolerance of the figure.
    Equal,
    /// Not the same.
    Different,
    /// The figure cannot be computed from the values of the results, such as a perplexity.
    NotComparable,
}

impl Reconciliation {
    /// Compares a report with the figures; `None` if it has nothing to compare.
    pub(super) fn of(report: &RunReport, figures: &Figures) -> Option<Self> {
        let mut compared = Vec::new();
        let recorded = figures.completed_scenarios + figures.invalidated_outcomes;
        // The tools sum the results that their file has: the last try of each.
        let counts = [
            ("results", report.reported_results, as_number(recorded)),
            ("tokens", report.total_tokens, as_number(figures.latest_tokens)),
            ("cost_usd", report.total_cost_usd, figures.latest_cost_usd),
        ];
        for (figure, reported, computed) in counts {
            if let Some(reported) = reported {
                compared.push(FigureComparison {
                    metric: None,
                    figure: figure.to_owned(),
                    reported: Some(reported),
                    computed: Some(computed),
                    result: match figure {
                        "cost_usd" => compare(Some(reported), Some(computed), TOLERANCE),
                        // Numbers of results and tokens are exact.
                        _ if reported == computed => ComparisonResult::Equal,
                        _ => ComparisonResult::Different,
                    },
                });
            }
        }
        compared.extend(report.figures.iter().map(|reported| {
            let metric = figures.metrics.iter().find(|metric| metric.name == reported.metric);
            FigureComparison::of(reported, metric, figures.completed_scenarios)
        }));
        let agrees = compared.iter().all(|one| one.result != ComparisonResult::Different);
        (!compared.is_empty()).then_some(Reconciliation { agrees, figures: compared })
    }

    /// Returns the comparison as a line for people.
    pub fn summary(&self) -> String {
        let mut text = String::new();
        let of = |result| self.figures.iter().filter(move |one| one.result == result);
        let different: Vec<&FigureComparison> = of(ComparisonResult::Different).collect();
        // The figures of several metrics can have the same name.
        let mut metrics = self.figures.iter().filter_map(|one| one.metric.as_deref());
        let first = metrics.next();
        let several = metrics.any(|metric| Some(metric) != first);
        let listed: Vec<String> = match different.is_empty() {
            true => of(ComparisonResult::Equal).map(|one| one.equal_text(several)).collect(),
            false => different.iter().map(|one| one.different_text(several)).collect(),
        };
        let verdict = if self.agrees { "agrees with the log" } else { "differs from the log" };
        // Writing to a string cannot fail.
        let _ = match listed.is_empty() {
            true => write!(text, "nothing to compare with the log"),
            false => write!(text, "{verdict}: {}", listed.join(", ")),
        };
        let not_compared: Vec<String> =
            of(ComparisonResult::NotComparable).map(|one| one.name(several)).collect();
        if !not_compared.is_empty() {
            let _ = write!(text, "; not compared: {}", not_compared.join(", "));
        }
        text
    }
}

impl FigureComparison {
    fn of(reported: &ReportedFigure, metric: Option<&MetricFigures>, results: i64) -> Self {
        let computed = match metric {
            Some(metric) => computed(reported, metric),
            // No result has a value, and 0 counts for each.
            None if reported.missing == MissingPolicy::Zero && results > 0 => Some(0.0),
            None => None,
        };
        let comparable = reported.aggregation != Aggregation::NotComparable;
        FigureComparison {
            metric: Some(reported.metric.clone()),
            figure: reported.figure.clone(),
            reported: reported.value,
            computed: computed.filter(|_| comparable),
            result: match comparable {
                true => compare(reported.value, computed, reported.tolerance.unwrap_or(TOLERANCE)),
                false => ComparisonResult::NotComparable,
            },
        }
    }

    /// The name of the figure, with that of its metric if there are several.
    fn name(&self, several: bool) -> String {
        match self.metric.as_deref() {
            Some(metric) if several && *metric != self.figure => {
                format!("{} of {metric}", self.figure)
            }
            _ => self.figure.clone(),
        }
    }

    fn equal_text(&self, several: bool) -> String {
        let number = self.number(self.computed);
        match self.figure.as_str() {
            "results" => format!("{number} of {} samples", self.number(self.reported)),
            "tokens" => format!("{number} tokens"),
            "cost_usd" => format!("${number}"),
            _ => format!("{} {number}", self.name(several)),
        }
    }

    fn different_text(&self, several: bool) -> String {
        let (log, here) = (self.number(self.reported), self.number(self.computed));
        format!("{} is {log} in the log and {here} in the recorded results", self.name(several))
    }

    fn number(&self, value: Option<f64>) -> String {
        let Some(value) = value else { return "absent".to_owned() };
        match self.figure.as_str() {
            "results" | "tokens" => {
                #[expect(clippy::cast_possible_truncation, reason = "a count, for people")]
                let count = value as i64;
                with_separators(count)
            }
            "cost_usd" => format!("{value:.4}"),
            _ => three_decimals(value),
        }
    }
}

/// Returns a number with three decimals, or more if it would be zero otherwise.
fn three_decimals(value: f64) -> String {
    if value != 0.0 && value.abs() < 0.001 { format!("{value:.2e}") } else { format!("{value:.3}") }
}

/// Returns a whole number with a comma between thousands.
fn with_separators(count: i64) -> String {
    let digits = count.unsigned_abs().to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if count < 0 { format!("-{text}") } else { text }
}

fn computed(reported: &ReportedFigure, metric: &MetricFigures) -> Option<f64> {
    let zero = reported.missing == MissingPolicy::Zero;
    match reported.aggregation {
        Aggregation::Mean if zero => metric.mean_with_zero,
        Aggregation::Mean => metric.mean,
        Aggregation::ScenarioMean if zero => metric.scenario_mean_with_zero,
        Aggregation::ScenarioMean => metric.scenario_mean,
        Aggregation::Sum => Some(metric.sum.unwrap_or_default()),
        Aggregation::NotComparable => None,
    }
}

fn compare(reported: Option<f64>, computed: Option<f64>, tolerance: f64) -> ComparisonResult {
    match (reported, computed) {
        (Some(reported), Some(computed)) => {
            let allowed = tolerance.max(reported.abs() * TOLERANCE);
            match (reported - computed).abs() <= allowed {
                true => ComparisonResult::Equal,
                false => ComparisonResult::Different,
            }
        }
        (None, None) => ComparisonResult::Equal,
        // The tool could not compute it.
        (None, Some(_)) => ComparisonResult::NotComparable,
        (Some(_), None) => ComparisonResult::Different,
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are below 2^53")]
fn as_number(count: i64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(aggregation: Aggregation, value: Option<f64>) -> ReportedFigure {
        ReportedFigure {
            metric: "match".to_owned(),
            figure: "accuracy".to_owned(),
            value,
            standard_error: None,
            aggregation,
            missing: MissingPolicy::Exclude,
            tolerance: None,
            headline: true,
        }
    }

    fn recorded() -> Figures {
        Figures {
            completed_scenarios: 20,
            total_tokens: 30_000,
            latest_tokens: 24_323,
            metrics: vec![MetricFigures {
                name: "match".to_owned(),
                mean: Some(0.8),
                scenario_mean: Some(0.75),
                mean_with_zero: Some(0.4),
                ..MetricFigures::default()
            }],
            ..Figures::default()
        }
    }

    #[test]
    fn a_report_that_agrees_says_what_was_compared() {
        let report = RunReport {
            reported_results: Some(20.0),
            total_tokens: Some(24_323.0),
            figures: vec![
                figure(Aggregation::Mean, Some(0.8 + 1e-12)),
                ReportedFigure {
                    figure: "perplexity".to_owned(),
                    ..figure(Aggregation::NotComparable, Some(3.0))
                },
            ],
            ..RunReport::default()
        };
        let reconciliation = Reconciliation::of(&report, &recorded()).unwrap();
        assert!(reconciliation.agrees);
        assert_eq!(
            reconciliation.summary(),
            "agrees with the log: 20 of 20 samples, 24,323 tokens, accuracy 0.800; not compared: \
             perplexity"
        );
    }

    #[test]
    fn every_difference_is_named() {
        let report = RunReport {
            reported_results: Some(21.0),
            figures: vec![
                figure(Aggregation::ScenarioMean, Some(0.8)),
                ReportedFigure {
                    metric: "other".to_owned(),
                    ..figure(Aggregation::Mean, Some(0.5))
                },
            ],
            ..RunReport::default()
        };
        let reconciliation = Reconciliation::of(&report, &recorded()).unwrap();
        assert!(!reconciliation.agrees);
        assert_eq!(
            reconciliation.summary(),
            "differs from the log: results is 21 in the log and 20 in the recorded results, accuracy \
             of match is 0.800 in the log and 0.750 in the recorded results, accuracy of other is \
             0.500 in the log and absent in the recorded results"
        );
    }

    #[test]
    fn each_figure_has_its_own_rule() {
        let compared = |figure: ReportedFigure| {
            let report = RunReport { figures: vec![figure], ..RunReport::default() };
            Reconciliation::of(&report, &recorded()).unwrap().figures[0].result
        };
        let equal = ComparisonResult::Equal;
        let zero =
            ReportedFigure { missing: MissingPolicy::Zero, ..figure(Aggregation::Mean, Some(0.4)) };
        assert_eq!(compared(zero.clone()), equal);
        let none_recorded = ReportedFigure { metric: "none".to_owned(), value: Some(0.0), ..zero };
        assert_eq!(compared(none_recorded), equal);
        let rounded =
            ReportedFigure { tolerance: Some(0.005), ..figure(Aggregation::Mean, Some(0.804)) };
        assert_eq!(compared(rounded), equal);
        let without_value = figure(Aggregation::Mean, None);
        assert_eq!(compared(without_value), ComparisonResult::NotComparable);
        assert_eq!(Reconciliation::of(&RunReport::default(), &recorded()), None);
    }
}
