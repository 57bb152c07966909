//! The metrics of a log, and the figures that Inspect reports for them.

use arc_format_kit::json::Value;
use arc_format_kit::{Aggregation, MetricDefinition, MissingPolicy, ReportedFigure};

use crate::header::{Entry, Headline, ScorerDefinitions, headline, text};
use crate::suite::distinct;

/// The metrics that are the standard error of the mean beside them.
const STANDARD_ERRORS: [&str; 2] = ["stderr", "bootstrap_stderr"];

/// Reads the metrics and their figures. Inspect first reduces the epochs of each sample to one
/// value, by default their mean, and leaves out values that were not scored. Its figures also count
/// samples that were invalidated.
pub(crate) fn read(
    eval: Option<Value>,
    results: Option<Value>,
    is_invalidated: bool,
) -> (Vec<MetricDefinition>, Vec<ReportedFigure>) {
    let declared = ScorerDefinitions::of(eval);
    let entries = Entry::all(results);
    let scores = if entries.is_empty() {
        distinct(declared.scores.iter().map(crate::header::DeclaredScore::metric_name))
    } else {
        distinct(entries.iter().map(Entry::metric_name))
    };
    let headline_figure = headline(eval, results, &entries);
    let headline = match headline_figure {
        Some((entry, _)) => Some(entry.metric_name()),
        None if entries.is_empty() => {
            match declared.headline(eval.and_then(|eval| eval.member("headline_metric"))) {
                Headline::Score(name) => Some(name),
                _ => None,
            }
        }
        None => None,
    };
    let metrics = scores.into_iter().map(|name| MetricDefinition {
        headline: headline.as_deref() == Some(&name),
        name,
        ..MetricDefinition::default()
    });
    let metrics = metrics.collect();
    let plan = Plan::of(eval);
    let mut figures = Vec::new();
    for entry in &entries {
        // A figure that counts samples which do not count is not the score of the run.
        let own = headline_figure
            .filter(|(of, _)| std::ptr::eq(*of, entry) && !is_invalidated)
            .map(|(_, key)| key);
        let aggregation =
            if is_invalidated { Aggregation::NotComparable } else { plan.aggregation(entry) };
        figures.extend(figures_of(entry, &declared, aggregation, own));
    }
    (metrics, figures)
}

/// What the plan of a log determines about its figures.
struct Plan {
    samples: Option<f64>,
    /// Whether epochs are not reduced.
    has_no_reducer: bool,
}

impl Plan {
    fn of(eval: Option<Value>) -> Plan {
        let member = |object, name| eval.and_then(|eval| eval.member(object)?.member(name));
        let ids = member("dataset", "sample_ids").and_then(Value::element_count).map(f64::from);
        let reducers = member("config", "epochs_reducer").and_then(Value::element_count);
        Plan {
            samples: ids.or_else(|| member("dataset", "samples")?.number()),
            has_no_reducer: reducers == Some(0),
        }
    }

    /// Returns how the means of an entry are computed from the samples.
    fn aggregation(&self, entry: &Entry) -> Aggregation {
        let samples_are_known = || Some((self.samples?, entry.values?));
        match entry.reducer.as_deref() {
            None if self.has_no_reducer => Aggregation::Mean,
            // More values than samples: the metric asks for the values of each epoch.
            None if samples_are_known().is_some_and(|(samples, values)| values > samples) => {
                Aggregation::Mean
            }
            None | Some("mean") => Aggregation::ScenarioMean,
            Some(_) => Aggregation::NotComparable,
        }
    }
}

/// Returns the figures of the metrics of one score.
fn figures_of(
    entry: &Entry,
    declared: &ScorerDefinitions,
    aggregation: Aggregation,
    headline: Option<&str>,
) -> Vec<ReportedFigure> {
    let value_of = |metric: Value| metric.member("value").and_then(finite);
    let is_standard_error = |metric: &Value| {
        let name = metric.member("name").and_then(text);
        name.is_some_and(|name| STANDARD_ERRORS.contains(&&*name))
    };
    let has_mean = entry.metrics.iter().any(|(_, metric)| declared.is_mean(*metric));
    let errors = entry.metrics.iter().map(|(_, metric)| *metric).filter(is_standard_error);
    let standard_error = errors.filter_map(value_of).next();
    let mut figures = Vec::new();
    for (key, metric) in &entry.metrics {
        if has_mean && headline != Some(key) && is_standard_error(metric) {
            continue;
        }
        let is_mean = declared.is_mean(*metric);
        figures.push(ReportedFigure {
            metric: entry.metric_name(),
            // As Inspect shows it.
            figure: match entry.reducer.as_deref() {
                None | Some("mean") => key.clone(),
                Some(reducer) => format!("{key}/{reducer}"),
            },
            value: value_of(*metric),
            standard_error: standard_error.filter(|error| is_mean && *error >= 0.0),
            aggregation: if is_mean { aggregation } else { Aggregation::NotComparable },
            missing: MissingPolicy::Exclude,
            tolerance: None,
            headline: headline == Some(key),
        });
    }
    figures
}

/// Returns a number; one that is too large for a 64-bit float is left out.
fn finite(value: Value) -> Option<f64> {
    value.number().filter(|number| number.is_finite()).map(|number| number + 0.0)
}
