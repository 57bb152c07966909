//! A simulation's plan: which scenarios, and how many trials of each.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use crate::extraction::{Scenario, Violation};
use crate::identity::{self, Fingerprint};
use crate::store::{ChangedDefinitions, PlannedRow, Simulation, scenario_key, whole};

/// The fields of a simulation that recording needs; they are immutable after the start.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) simulation_id: Uuid,
    pub(super) partition_time: Timestamp,
    /// How many times a scenario is run that the plan does not have.
    trials: i32,
    /// How many times each planned scenario is run.
    scenarios: HashMap<Uuid, i32>,
}

impl Plan {
    pub(super) fn new(simulation: &Simulation, scenarios: HashMap<Uuid, i32>) -> Self {
        Plan {
            simulation_id: simulation.simulation_id,
            partition_time: simulation.partition_time,
            trials: simulation.trials,
            scenarios,
        }
    }

    /// Returns a placeholder for a plan that cannot be read now.
    pub(super) fn unknown(simulation_id: Uuid) -> Self {
        Plan {
            simulation_id,
            partition_time: Timestamp::now(),
            trials: 1,
            scenarios: HashMap::new(),
        }
    }

    /// Returns the plan of a start that is not in the database yet.
    pub(super) fn expected(simulation_id: Uuid, trials: i32, planned: &[PlannedRow]) -> Self {
        let trials_of = |row: &PlannedRow| row.trials.map_or(trials, whole);
        let scenarios =
            planned.iter().map(|row| (scenario_key(&row.scenario_id), trials_of(row))).collect();
        Plan { trials, scenarios, ..Plan::unknown(simulation_id) }
    }

    /// Whether a scenario and trial are part of the plan.
    pub(super) fn contains(&self, scenario_id: &str, trial: Option<i32>) -> bool {
        let planned = self.scenarios.get(&scenario_key(scenario_id));
        planned.is_some_and(|trials| trial.is_none_or(|trial| trial <= *trials))
    }

    /// Returns how many times a scenario is run.
    pub(super) fn trials_of(&self, scenario_id: &str) -> i32 {
        self.scenarios.get(&scenario_key(scenario_id)).copied().unwrap_or(self.trials)
    }
}

/// How many simulations' plans are cached. A runner works on one or a few.
const CACHED_PLANS: usize = 64;

/// How many scenarios the cached plans have in total: each takes about 30 bytes.
const CACHED_SCENARIOS: usize = 500_000;

/// A cache of plans.
#[derive(Debug, Default)]
pub(super) struct Plans {
    by_id: HashMap<Uuid, Arc<Plan>>,
    scenarios: usize,
}

impl Plans {
    pub(super) fn get(&self, simulation_id: Uuid) -> Option<Arc<Plan>> {
        self.by_id.get(&simulation_id).cloned()
    }

    /// Caches a plan of any size, and evicts others for it.
    pub(super) fn keep(&mut self, plan: Arc<Plan>) {
        self.forget(plan.simulation_id);
        let scenarios = plan.scenarios.len();
        while !self.by_id.is_empty()
            && (self.by_id.len() >= CACHED_PLANS || self.scenarios + scenarios > CACHED_SCENARIOS)
        {
            // Which plan is evicted hardly matters: it is read again when it is needed. If all were
            // evicted at once, all would have to be read again whenever one more simulation is
            // recorded.
            let Some(one) = self.by_id.keys().next().copied() else { break };
            self.forget(one);
        }
        self.scenarios += scenarios;
        self.by_id.insert(plan.simulation_id, plan);
    }

    pub(super) fn forget(&mut self, simulation_id: Uuid) {
        if let Some(plan) = self.by_id.remove(&simulation_id) {
            self.scenarios -= plan.scenarios.len();
        }
    }
}

/// Returns the row of a scenario in the plan; its definition is a part of the document it was read
/// from.
pub(crate) fn planned_row(scenario: Scenario, document: &str) -> PlannedRow {
    let definition = scenario.definition.and_then(|span| {
        let start = span.offset as usize;
        document.get(start..start.checked_add(span.length as usize)?)
    });
    PlannedRow {
        scenario_version_id: identity::scenario_version_id(
            &scenario.id,
            scenario.name.as_deref(),
            scenario.task_prompt.as_deref(),
            definition,
        ),
        definition: definition.map(str::to_owned),
        scenario_id: scenario.id,
        name: scenario.name,
        task_prompt: scenario.task_prompt,
        trials: None,
    }
}

/// The code of the warning that scenarios have another definition than in the simulation's plan.
pub const DEFINITION_CHANGED: &str = "definition_changed";

/// Returns the warning about scenarios whose definition is not that of the plan, if there are any.
pub(super) fn changed_definitions(changed: &ChangedDefinitions) -> Option<Violation> {
    let ChangedDefinitions { scenario_ids, count } = changed;
    let ids: Vec<String> = scenario_ids.iter().map(|id| format!("{id:?}")).collect();
    let more = match count - ids.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (*count > 0).then(|| Violation {
        path: "/scenarios".to_owned(),
        code: DEFINITION_CHANGED.to_owned(),
        message: format!(
            "the plan has another definition, which stays, of {}{more}",
            ids.join(", ")
        ),
    })
}

/// The digest of a plan, to which scenarios are added one by one in order. Two starts with the same id
/// must have the same digest.
#[derive(Debug)]
pub struct PlanDigest(Fingerprint);

impl PlanDigest {
    /// Returns the digest of a plan without scenarios so far.
    pub fn new() -> Self {
        PlanDigest(Fingerprint::new("plan"))
    }

    /// Adds the next scenario.
    pub fn add(&mut self, planned: &PlannedRow) {
        self.0.part(planned.scenario_version_id.as_bytes());
    }

    /// Adds how many times each scenario is run, if they are not run equally often.
    pub fn add_trials(&mut self, scenario_trials: &[u32]) {
        for trials in scenario_trials {
            self.0.part(&trials.to_le_bytes());
        }
    }

    /// Returns the digest of all scenarios.
    pub fn finish(self) -> [u8; 32] {
        self.0.digest()
    }
}

impl Default for PlanDigest {
    fn default() -> Self {
        Self::new()
    }
}
