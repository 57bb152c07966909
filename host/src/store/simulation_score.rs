//! The score of a simulation: which figure of which metric it is, and on which scale.

use serde::{Deserialize, Serialize};

use super::run_report::{Aggregation, MetricDefinition, ReportedFigure};
use super::simulations::Simulation;
use super::{Figures, metric_declarations};

/// The name of the figure that is computed from the recorded outcomes.
const COMPUTED: &str = "mean";

/// The name of the suite's own figure.
const OF_SUITE: &str = "average_reliability_score";

/// The origin of a score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoreSource {
    /// The tool reports it as the score of the run.
    Tool,
    /// It is in the suite's own summary.
    Suite,
    /// It was computed from the recorded outcomes.
    Computed,
}

/// The score of a simulation.
#[derive(Clone, Debug, PartialEq)]
pub struct SimulationScore<'s> {
    /// The metric; `None` if no result names one.
    pub metric: Option<&'s str>,
    /// The name of the figure.
    pub figure: &'s str,
    /// Its origin.
    pub source: ScoreSource,
    /// The figure that the tool reports, if it is the score.
    pub reported: Option<&'s ReportedFigure>,
    /// The value as the tool or the suite wrote it; `None` for a computed one.
    pub written: Option<f64>,
    /// The score: from 0 to 1 if its scale is known, otherwise as it was written.
    pub overall: Option<f64>,
    /// The highest value of the scores as the tool wrote them; `None` if the scale of this score is
    /// unknown.
    pub scale: Option<f64>,
}

impl Simulation {
    /// Returns the score that counts: the figure that the tool reports as the score of the run, or the
    /// suite's own, or else that of the recorded outcomes, which late results change. A figure that was
    /// written is converted from the range of the results' scores, if that is the same for all of them. If
    /// annotations change the figures, a mean is computed from the recorded outcomes instead.
    pub fn score<'s>(&'s self, recorded: &'s Figures) -> SimulationScore<'s> {
        let metric = recorded.headline.as_deref();
        let is_reviewed = recorded.review.changes_figures() && recorded.overall_score.is_some();
        let is_mean = |one: &&ReportedFigure| {
            matches!(one.aggregation, Aggregation::Mean | Aggregation::ScenarioMean)
        };
        let reported = self.reported_score(recorded).filter(|one| !(is_reviewed && is_mean(one)));
        if let Some(reported) = reported
            && let Some(value) = reported.value
        {
            // A sum of scores is not on their scale.
            let on_scale = reported.aggregation != Aggregation::Sum;
            let (overall, scale) = scaled(value, recorded.range().filter(|_| on_scale));
            return SimulationScore {
                metric,
                figure: &reported.figure,
                source: ScoreSource::Tool,
                reported: Some(reported),
                written: Some(value),
                overall: Some(overall),
                scale,
            };
        }
        // The suite's summary has a figure of the results' own score only.
        let of_suite = match self.declared_headline(recorded) {
            Some(_) => None,
            None => self.suite_figure(OF_SUITE).filter(|_| !is_reviewed),
        };
        let (figure, source, (overall, scale)) = match of_suite {
            Some(value) => {
                // Without a score of a result, it is the only score.
                let only = || self.declared_range("", recorded).or(Some((0.0, 1.0)));
                let is_only = recorded.scored_outcomes == 0;
                let range = if is_only { only() } else { recorded.range() };
                let (overall, scale) = scaled(value, range);
                (OF_SUITE, ScoreSource::Suite, (Some(overall), scale))
            }
            None => {
                (COMPUTED, ScoreSource::Computed, (recorded.overall_score, recorded.score_scale))
            }
        };
        SimulationScore {
            metric,
            figure,
            source,
            reported: None,
            written: of_suite,
            overall,
            scale,
        }
    }

    /// Returns the figure of the tool that is the score of the run: its own, or of a declared score the
    /// first one.
    fn reported_score(&self, recorded: &Figures) -> Option<&ReportedFigure> {
        let report = self.run_report.as_ref()?;
        let metric = recorded.headline.as_ref()?;
        let comparable = |figure: &&ReportedFigure| {
            figure.metric == *metric && figure.aggregation != Aggregation::NotComparable
        };
        report.headline().filter(|figure| figure.metric == *metric).or_else(|| {
            let declared = self.declared_headline(recorded).is_some();
            report
                .figures
                .iter()
                .filter(comparable)
                .find(|figure| declared && figure.value.is_some())
        })
    }

    /// Returns the declared range of the score, if its metric is this one.
    pub(crate) fn declared_range(&self, metric: &str, recorded: &Figures) -> Option<(f64, f64)> {
        let range = |name| self.declared_metrics.get(name).and_then(MetricDefinition::range);
        let own = self.declared_headline(recorded).is_none();
        range(metric).or_else(|| range("").filter(|_| own))
    }

    /// Returns the metric that was declared as the score, unless it is missing: then the tool's own score
    /// counts.
    pub(crate) fn declared_headline(&self, recorded: &Figures) -> Option<&str> {
        metric_declarations::declared_headline(&self.declared_metrics)
            .filter(|name| recorded.headline.as_deref() == Some(name))
    }

    /// Returns the metric that was declared as the score, if it is missing: no result has such a score.
    pub fn missing_headline(&self, recorded: &Figures) -> Option<&str> {
        metric_declarations::declared_headline(&self.declared_metrics).filter(|name| {
            recorded.recorded_outcomes > 0 && recorded.headline.as_deref() != Some(name)
        })
    }

    /// Returns a function that returns whether a higher value of a metric is better, if that is defined.
    /// The definition without a name is that of the results' own score.
    pub fn higher_is_better(&self, recorded: &Figures) -> impl Fn(&str) -> Option<bool> {
        let metrics = self.metrics();
        let own = match self.declared_headline(recorded) {
            Some(_) => None,
            None => recorded.headline.clone(),
        };
        move |name| {
            let defined = |name: &str| metrics.get(name)?.higher_is_better;
            defined(name).or_else(|| defined("").filter(|_| own.as_deref() == Some(name)))
        }
    }
}

/// Returns a figure that was written, from 0 to 1 if it is in this range, and the highest value of the
/// range.
fn scaled(value: f64, range: Option<(f64, f64)>) -> (f64, Option<f64>) {
    match range {
        Some((lowest, highest)) if (lowest..=highest).contains(&value) => {
            ((value - lowest) / (highest - lowest), Some(highest))
        }
        _ => (value, None),
    }
}
