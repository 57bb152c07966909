//! Recorded runs as the comparison takes them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::analysis::{Metric, Run, Scenario, Trial, TrialState, counted_attempt};
use crate::error::{Error, Result};
use crate::store::{Attempt, PlannedScenario, Simulation, SimulationStatus, Store};

/// A recorded run and the definition of the metric that is compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ComparedRun {
    /// The simulation.
    pub simulation_id: Uuid,
    /// The run: every planned trial with the attempt that counts.
    pub run: Run,
    /// The metric.
    pub metric: Metric,
}

impl ComparedRun {
    /// Reads a recorded run: under a metric, or else under the simulation's score. `cluster` is the field
    /// of the scenarios' definitions by which they form clusters.
    ///
    /// The first attempt at a trial counts that is neither invalidated nor a failure of infrastructure: a
    /// run that is repeated until it succeeds does not have the best of several.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such simulation; [`Error::Invalid`] if no result has the metric.
    pub async fn read(
        store: &Store,
        simulation_id: Uuid,
        metric: Option<&str>,
        cluster: Option<&str>,
    ) -> Result<Self> {
        let simulation = store.simulation(simulation_id).await?;
        let attempts = store.attempts(simulation_id, metric).await?;
        let plan = store.planned_scenarios(simulation_id, cluster).await?;
        let name = match metric {
            Some(name) => name.to_owned(),
            None => most_common_headline(&attempts).unwrap_or_default(),
        };
        let has_value = attempts.iter().any(|attempt| value(attempt, metric, &name).is_some());
        if metric.is_some() && !has_value {
            let title = simulation.simulation_name.as_deref().unwrap_or("unnamed");
            return Err(Error::invalid(format!(
                "no result of simulation {simulation_id} ({title}) has the metric {name:?}"
            ))
            .with_hint(format!("list its metrics with `arc-host metrics {simulation_id}`")));
        }
        let scenarios = scenarios(&attempts, plan, metric, &name);
        let versions: BTreeSet<&str> =
            attempts.iter().map(|attempt| attempt.extractor.as_str()).collect();
        let run = Run {
            name: title(&simulation),
            is_interim: simulation.status == SimulationStatus::Running,
            extractor_versions: versions.into_iter().map(str::to_owned).collect(),
            scenarios,
        };
        Ok(ComparedRun { simulation_id, run, metric: definition(&simulation, metric, name) })
    }
}

/// Returns the name that reports use: the simulation's own, and the beginning of its id.
fn title(simulation: &Simulation) -> String {
    let id = simulation.simulation_id.to_string();
    let short = id.split('-').next().unwrap_or_default();
    match &simulation.simulation_name {
        Some(name) => format!("{name} ({short})"),
        None => short.to_owned(),
    }
}

/// Returns the metric of the simulation's score that most attempts have.
fn most_common_headline(attempts: &[Attempt]) -> Option<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for headline in attempts.iter().filter_map(|attempt| attempt.headline.as_deref()) {
        *counts.entry(headline).or_default() += 1;
    }
    let most = counts.into_iter().rev().max_by_key(|(_, count)| *count);
    most.map(|(name, _)| name.to_owned())
}

/// Returns the value of an attempt under the metric.
fn value(attempt: &Attempt, metric: Option<&str>, name: &str) -> Option<f64> {
    match metric {
        Some(_) => attempt.metric_value,
        None => attempt.score.filter(|_| attempt.headline.as_deref() == Some(name)),
    }
}

fn state(attempt: &Attempt, value: Option<f64>) -> TrialState {
    match (attempt.is_invalidated, attempt.is_infrastructure, value) {
        (true, _, _) => TrialState::Invalidated,
        (false, true, _) => TrialState::Infrastructure,
        (false, false, Some(_)) => TrialState::Scored,
        (false, false, None) => TrialState::NotScored,
    }
}

/// Returns the trial with the attempt that counts of these, which are all of one trial.
fn trial(attempts: &[&Attempt], metric: Option<&str>, name: &str) -> Trial {
    let values: Vec<Option<f64>> =
        attempts.iter().map(|attempt| value(attempt, metric, name)).collect();
    let states: Vec<TrialState> =
        attempts.iter().zip(&values).map(|(attempt, value)| state(attempt, *value)).collect();
    let counted = counted_attempt(&states)
        .and_then(|index| Some((index, attempts.get(index)?, states.get(index)?)));
    let Some((index, attempt, state)) = counted else { return Trial::default() };
    #[expect(clippy::cast_precision_loss, reason = "numbers of tokens are below 2^53")]
    let tokens = attempt.tokens_used as f64;
    // A tool that reports no tokens has 0 of them.
    let is_known = attempt.tokens_used > 0;
    Trial {
        state: *state,
        score: values.get(index).copied().flatten(),
        cost_usd: Some(attempt.cost_usd).filter(|cost| is_known || *cost > 0.0),
        tokens: Some(tokens).filter(|_| is_known),
        duration_seconds: Some(attempt.execution_time_ms / 1_000.0).filter(|time| *time > 0.0),
        retries: u32::try_from(index).unwrap_or(u32::MAX),
    }
}

/// Returns the scenarios of the plan, and those that were recorded without being planned.
fn scenarios(
    attempts: &[Attempt],
    plan: Vec<PlannedScenario>,
    metric: Option<&str>,
    name: &str,
) -> Vec<Scenario> {
    let mut trials: HashMap<&str, Vec<Trial>> = HashMap::new();
    let same_trial = |one: &Attempt, other: &Attempt| {
        (&one.scenario_id, one.trial, &one.place) == (&other.scenario_id, other.trial, &other.place)
    };
    for of_trial in attempts.chunk_by(same_trial) {
        let Some(first) = of_trial.first() else { continue };
        let of_trial: Vec<&Attempt> = of_trial.iter().collect();
        trials.entry(&first.scenario_id).or_default().push(trial(&of_trial, metric, name));
    }
    let mut scenarios: Vec<Scenario> = plan
        .into_iter()
        .map(|planned| {
            let mut trials = trials.remove(planned.scenario_id.as_str()).unwrap_or_default();
            let planned_trials = usize::try_from(planned.trials).unwrap_or_default();
            if trials.len() < planned_trials {
                trials.resize(planned_trials, Trial::default());
            }
            Scenario {
                content_digest: Some(planned.scenario_version_id.to_string()),
                cluster: planned.field,
                tags: Vec::new(),
                trials,
                id: planned.scenario_id,
            }
        })
        .collect();
    scenarios.extend(trials.into_iter().map(|(id, trials)| Scenario {
        id: id.to_owned(),
        trials,
        ..Scenario::default()
    }));
    scenarios.sort_unstable_by(|one, other| one.id.cmp(&other.id));
    scenarios
}

/// Returns the definition of the metric: its own, or of the results' own score that without a name.
fn definition(simulation: &Simulation, metric: Option<&str>, name: String) -> Metric {
    let metrics = simulation.metrics();
    let own = || metrics.get("").filter(|_| metric.is_none());
    let defined = metrics.get(&name).or_else(own);
    Metric {
        unit: defined.and_then(|one| one.unit.clone()),
        lowest: defined.and_then(|one| one.lowest),
        highest: defined.and_then(|one| one.highest),
        higher_is_better: defined.and_then(|one| one.higher_is_better).unwrap_or(true),
        kind: defined.and_then(|one| one.kind),
        pass_threshold: defined.and_then(|one| one.pass_threshold),
        name,
    }
}
