//! `arc-host metrics`: shows and declares the metrics of a simulation.

use clap::Args;

use super::CommandStatus;
use super::connection;
use super::global::Global;
use super::options::{MetricOptions, SimulationArgument};
use super::output::{self, Output};
use crate::error::Result;
use crate::recorder::SimulationProgress;
use crate::store::{MetricDefinition, MetricKind};

#[derive(Debug, Args)]
pub(super) struct Metrics {
    #[command(flatten)]
    simulation: SimulationArgument,

    #[command(flatten)]
    declared: MetricOptions,
}

pub(super) async fn run(
    global: &Global,
    arguments: Metrics,
    output: &mut Output,
) -> Result<CommandStatus> {
    let definitions = arguments.declared.definitions();
    let opened = connection::open_source(global).await?;
    let simulation_id = arguments.simulation.resolve(opened.source()).await?;
    let progress = match definitions.is_empty() {
        true => opened.source().simulation_status(simulation_id).await?,
        false => {
            let destination = connection::destination(global, opened.source()).await?;
            destination.declare_metrics(simulation_id, &definitions).await?
        }
    };
    if output.json() {
        for metric in &progress.metrics {
            let definition = definition_of(&progress, &metric.name);
            let assumed = progress.higher_is_better_assumed.contains(&metric.name);
            let higher = definition.and_then(|definition| definition.higher_is_better);
            output.value(&serde_json::json!({
                "figures": metric,
                "definition": definition,
                "higher_is_better": higher.unwrap_or(true),
                "higher_is_better_assumed": assumed,
            }))?;
        }
        return Ok(CommandStatus::Complete);
    }
    if progress.metrics.is_empty() {
        output::note("no result has a score yet");
        return Ok(CommandStatus::Complete);
    }
    let headline = progress.headline.as_ref().map(|headline| headline.metric.as_str());
    let rows = progress.metrics.iter().map(|metric| {
        let definition = definition_of(&progress, &metric.name);
        let score = if headline == Some(metric.name.as_str()) { "score" } else { "" };
        vec![
            metric.name.clone(),
            score.to_owned(),
            output::score(metric.scenario_mean),
            output::count(metric.scored),
            output::count(metric.unscored),
            output::score(metric.lowest),
            output::score(metric.highest),
            described(definition, progress.higher_is_better_assumed.contains(&metric.name)),
        ]
    });
    let header = ["metric", "", "mean", "scored", "unscored", "lowest", "highest", "definition"];
    output.table(&header, &["mean", "scored", "unscored", "lowest", "highest"], rows)?;
    for declared in &definitions {
        let name = &declared.name;
        // A missing score is among the warnings.
        let other = !name.is_empty() && declared.headline != Some(true);
        if other && progress.metrics.iter().all(|metric| metric.name != *name) {
            output::note(&format!("no result has a value of the declared metric {name:?}"));
        }
    }
    output::warn_all(&progress.warnings);
    Ok(CommandStatus::Complete)
}

/// Returns the definition of a metric; of the score, that of the metric without a name.
fn definition_of<'p>(progress: &'p SimulationProgress, name: &str) -> Option<&'p MetricDefinition> {
    let find = |name: &str| progress.metric_definitions.iter().find(|metric| metric.name == name);
    let is_score = progress.headline.as_ref().is_some_and(|headline| headline.metric == name);
    find(name).or_else(|| if is_score { find("") } else { None })
}

/// Formats the definition and the direction of a metric for people.
fn described(definition: Option<&MetricDefinition>, assumed: bool) -> String {
    let mut parts = Vec::new();
    if let Some(definition) = definition {
        if let Some((lowest, highest)) = definition.range() {
            parts.push(format!("{lowest} to {highest}"));
        }
        parts.extend(definition.unit.clone());
        parts.extend(definition.kind.map(|kind| kind.as_str().to_owned()));
    }
    let higher = definition.and_then(|definition| definition.higher_is_better) != Some(false);
    parts.push(format!("{} is better", output::better(higher, assumed)));
    let threshold = definition.and_then(|definition| definition.pass_threshold);
    parts.extend(threshold.map(|threshold| format!("passes at {threshold}")));
    parts.join(", ")
}

/// Parses the definition of a metric: `NAME:KEY=VALUE,KEY=VALUE`.
pub(super) fn parse_metric(text: &str) -> std::result::Result<MetricDefinition, String> {
    // A name can have colons, and the keys have none.
    let (name, members) = match text.rsplit_once(':') {
        Some((name, members)) if members.contains('=') => (name, members),
        _ => (text, ""),
    };
    if members.is_empty() && name.contains('=') {
        return Err(format!("no name before the members of {name:?} (expected NAME:KEY=VALUE)"));
    }
    let mut metric = MetricDefinition { name: name.to_owned(), ..MetricDefinition::default() };
    for member in members.split(',').filter(|member| !member.is_empty()) {
        let (key, value) = member
            .split_once('=')
            .ok_or_else(|| format!("invalid member {member:?} (expected KEY=VALUE)"))?;
        let number = || {
            let number = value.parse::<f64>().ok().filter(|number| number.is_finite());
            number.ok_or_else(|| format!("invalid {key}: {value:?} (expected a number)"))
        };
        let boolean = || {
            value
                .parse::<bool>()
                .map_err(|_| format!("invalid {key}: {value:?} (expected true or false)"))
        };
        match key {
            "unit" => metric.unit = Some(value.to_owned()),
            "lowest" => metric.lowest = Some(number()?),
            "highest" => metric.highest = Some(number()?),
            "higher_is_better" => metric.higher_is_better = Some(boolean()?),
            "pass_threshold" => metric.pass_threshold = Some(number()?),
            "headline" => metric.headline = Some(boolean()?),
            "kind" => {
                let kind = MetricKind::ALL.into_iter().find(|kind| kind.as_str() == value);
                metric.kind = Some(kind.ok_or_else(|| {
                    format!("invalid kind: {value:?} (expected binary, fraction, number or label)")
                })?);
            }
            _ => {
                return Err(format!(
                    "unknown member {key:?} (expected unit, lowest, highest, higher_is_better, \
                     kind, pass_threshold or headline)"
                ));
            }
        }
    }
    Ok(metric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_a_name_with_members() {
        let metric =
            parse_metric("judge/tone:1:lowest=1,highest=10,kind=number,headline=true").unwrap();
        assert_eq!(metric.name, "judge/tone:1");
        assert_eq!(metric.range(), Some((1.0, 10.0)));
        assert_eq!((metric.kind, metric.headline), (Some(MetricKind::Number), Some(true)));
        assert_eq!(parse_metric("plain").unwrap().name, "plain");
        for (text, reason) in [
            ("a:highest=x", "expected a number"),
            ("a:highest=inf", "expected a number"),
            ("a:top=1", "unknown member \"top\""),
            ("a:kind=stars", "expected binary"),
            ("a:headline=yes", "expected true or false"),
            ("a:lowest=1,highest", "expected KEY=VALUE"),
            ("score,highest=5", "expected NAME:KEY=VALUE"),
        ] {
            let error = parse_metric(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
