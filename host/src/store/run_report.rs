//! What a tool reports about a whole run, and the definitions of metrics, as they are stored: JSON with
//! the names of `wit/types.wit` in snake case.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::origin::Origin;
use super::simulations::SimulationStatus;
use crate::error::{Error, Result};

/// The maximum number of metrics that a simulation defines.
const MAX_METRICS: usize = 1_000;

/// What the values of a metric are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are clear; wit/types.wit describes them")]
pub enum MetricKind {
    Binary,
    Fraction,
    Number,
    Label,
}

impl MetricKind {
    /// All of them.
    pub const ALL: [MetricKind; 4] =
        [MetricKind::Binary, MetricKind::Fraction, MetricKind::Number, MetricKind::Label];

    /// Returns its name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            MetricKind::Binary => "binary",
            MetricKind::Fraction => "fraction",
            MetricKind::Number => "number",
            MetricKind::Label => "label",
        }
    }
}

/// The definition of a metric in a simulation. Absent members are unknown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricDefinition {
    /// The name, as in the scores of results.
    pub name: String,
    /// The unit, such as `seconds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The lowest possible value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lowest: Option<f64>,
    /// The highest possible value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub highest: Option<f64>,
    /// Whether a higher value is better; true if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub higher_is_better: Option<bool>,
    /// What the values are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<MetricKind>,
    /// A result passes if its value reaches this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pass_threshold: Option<f64>,
    /// Whether this metric is the simulation's score; `false` in a declaration withdraws that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headline: Option<bool>,
}

impl MetricDefinition {
    /// Returns the definition of the results' own score, which is the metric without a name, with the
    /// range from 0 to `highest`.
    pub fn score_to(highest: f64) -> Self {
        MetricDefinition {
            lowest: Some(0.0),
            highest: Some(highest),
            ..MetricDefinition::default()
        }
    }

    /// Replaces the members that another definition of the same metric has. A withdrawn headline is no
    /// member: another definition of the headline counts again.
    fn update(&mut self, other: &MetricDefinition) {
        fn replace<T: Clone>(own: &mut Option<T>, other: &Option<T>) {
            if other.is_some() {
                own.clone_from(other);
            }
        }
        replace(&mut self.unit, &other.unit);
        replace(&mut self.lowest, &other.lowest);
        replace(&mut self.highest, &other.highest);
        replace(&mut self.higher_is_better, &other.higher_is_better);
        replace(&mut self.kind, &other.kind);
        replace(&mut self.pass_threshold, &other.pass_threshold);
        replace(&mut self.headline, &other.headline);
        self.headline = self.headline.filter(|headline| *headline);
    }

    /// Returns the range of the values, if it is known: the lowest is 0 if only the highest is known.
    pub(crate) fn range(&self) -> Option<(f64, f64)> {
        self.highest.map(|highest| (self.lowest.unwrap_or_default(), highest))
    }
}

/// The metrics of a simulation, of which later definitions replace members of earlier ones.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MetricDefinitions(Vec<MetricDefinition>);

impl MetricDefinitions {
    /// Returns the definitions, in the order in which the metrics were first defined.
    pub fn list(&self) -> &[MetricDefinition] {
        &self.0
    }

    /// Whether no metric is defined.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the definition of a metric.
    pub fn get(&self, name: &str) -> Option<&MetricDefinition> {
        self.0.iter().find(|metric| metric.name == name)
    }

    /// Returns the metric that is the simulation's score, if one is defined as such.
    pub fn headline(&self) -> Option<&MetricDefinition> {
        self.0.iter().find(|metric| metric.headline == Some(true))
    }

    /// Checks the number of the metrics, and their ranges.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn check(&self) -> Result<()> {
        if self.0.len() > MAX_METRICS {
            return Err(Error::invalid(format!(
                "{} metrics are more than the {MAX_METRICS} that a simulation defines",
                self.0.len()
            )));
        }
        for metric in &self.0 {
            if let Some((lowest, highest)) = metric.range()
                && lowest >= highest
            {
                let name = match metric.name.as_str() {
                    "" => "the score".to_owned(),
                    name => format!("metric {name:?}"),
                };
                return Err(Error::invalid(format!(
                    "{name} has the lowest value {lowest} and the highest {highest}"
                ))
                .with_hint("the highest must be above the lowest, which is 0 if it is not set"));
            }
        }
        Ok(())
    }

    /// Adds definitions, whose members replace earlier ones.
    pub fn update(&mut self, definitions: &[MetricDefinition]) {
        for definition in definitions {
            if definition.headline == Some(true) {
                self.0.iter_mut().for_each(|metric| metric.headline = None);
            }
            if self.get(&definition.name).is_none() {
                let name = definition.name.clone();
                self.0.push(MetricDefinition { name, ..MetricDefinition::default() });
            }
            let defined = self.0.iter_mut().filter(|metric| metric.name == definition.name);
            defined.for_each(|metric| metric.update(definition));
        }
    }
}

/// How a tool computes a figure from the values of its results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are clear; wit/types.wit describes them")]
pub enum Aggregation {
    Mean,
    ScenarioMean,
    Sum,
    NotComparable,
}

/// How a figure counts a result that has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are clear; wit/types.wit describes them")]
pub enum MissingPolicy {
    Exclude,
    Zero,
}

impl fmt::Display for MissingPolicy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            MissingPolicy::Exclude => "exclude",
            MissingPolicy::Zero => "zero",
        })
    }
}

/// A figure of a whole run, as its tool reports it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReportedFigure {
    /// The metric whose values it aggregates.
    pub metric: String,
    /// The tool's name of the figure.
    pub figure: String,
    /// Its value; `None` if the tool could not compute it.
    pub value: Option<f64>,
    /// The standard error that the tool reports with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard_error: Option<f64>,
    /// How it is computed from the results.
    pub aggregation: Aggregation,
    /// How it counts results without a value.
    pub missing: MissingPolicy,
    /// The largest difference that rounding explains; 1e-9 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<f64>,
    /// Whether it is the score of the run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub headline: bool,
}

/// What a tool reports about a whole run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunReport {
    /// The tool's own id of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<SimulationStatus>,
    /// Why it did not complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_reason: Option<String>,
    /// When this log of the run was created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// When this copy of the log was last changed: the latest of the header's times of changes and of
    /// the results' revisions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revised_at: Option<Timestamp>,
    /// When the run started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When the run ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
    /// Who ran what.
    #[serde(skip_serializing_if = "Origin::is_empty")]
    pub origin: Origin,
    /// How many results were planned, all trials counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub planned_results: Option<f64>,
    /// How many results the log reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reported_results: Option<f64>,
    /// All tokens, counted the way that the results count them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_tokens: Option<f64>,
    /// The cost in US dollars, counted the way that the results count it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_cost_usd: Option<f64>,
    /// The metrics, as far as the log defines them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<MetricDefinition>,
    /// The figures.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub figures: Vec<ReportedFigure>,
}

impl RunReport {
    /// Whether nothing is reported.
    pub fn is_empty(&self) -> bool {
        *self == RunReport::default()
    }

    /// Returns the figure that is the score of the run.
    pub fn headline(&self) -> Option<&ReportedFigure> {
        self.figures.iter().find(|figure| figure.headline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(name: &str) -> MetricDefinition {
        MetricDefinition { name: name.to_owned(), ..MetricDefinition::default() }
    }

    #[test]
    fn later_definitions_replace_members() {
        let mut metrics = MetricDefinitions::default();
        metrics.update(&[
            MetricDefinition { highest: Some(5.0), headline: Some(true), ..metric("judge") },
            metric("style"),
        ]);
        metrics.update(&[MetricDefinition { lowest: Some(1.0), ..metric("judge") }]);
        assert_eq!(metrics.get("judge").unwrap().range(), Some((1.0, 5.0)));
        assert_eq!(metrics.headline().unwrap().name, "judge");
        metrics.update(&[MetricDefinition { headline: Some(true), ..metric("style") }]);
        assert_eq!(metrics.headline().unwrap().name, "style");
        assert_eq!(metrics.list().len(), 2);
        metrics.update(&[MetricDefinition { headline: Some(false), ..metric("judge") }]);
        assert_eq!(metrics.headline().unwrap().name, "style", "it was not the headline");
        let text = serde_json::to_string(&metrics).unwrap();
        assert_eq!(serde_json::from_str::<MetricDefinitions>(&text).unwrap(), metrics);
        metrics.update(&[MetricDefinition { headline: Some(false), ..metric("style") }]);
        assert_eq!((metrics.headline(), metrics.get("style")), (None, Some(&metric("style"))));
    }

    #[test]
    fn a_report_is_read_as_it_was_written() {
        let text = r#"{"run_id":"r","status":"incomplete","figures":[{"metric":"m","figure":"accuracy",
            "value":0.5,"aggregation":"scenario_mean","missing":"zero","headline":true}]}"#;
        let report: RunReport = serde_json::from_str(text).unwrap();
        assert_eq!(report.headline().unwrap().value, Some(0.5));
        let again = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<RunReport>(&again).unwrap(), report);
        assert!(serde_json::from_str::<RunReport>("{}").unwrap().is_empty());
    }
}
