//! A simulation's plan: which scenarios, and how many trials of each.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use crate::extraction::Scenario;
use crate::identity::{self, Fingerprint};
use crate::store::{PlannedRow, Simulation, scenario_key};

/// What recording needs to know of a simulation; it never changes after the start.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) simulation_id: Uuid,
    pub(super) started_at: Timestamp,
    pub(super) trials: i32,
    scenarios: HashSet<Uuid>,
}

impl Plan {
    pub(super) fn new(simulation: &Simulation, scenarios: HashSet<Uuid>) -> Self {
        Plan {
            simulation_id: simulation.simulation_id,
            started_at: simulation.started_at,
            trials: simulation.trials,
            scenarios,
        }
    }

    /// Stands for a plan that cannot be read just now.
    pub(super) fn unknown(simulation_id: Uuid) -> Self {
        Plan { simulation_id, started_at: Timestamp::now(), trials: 1, scenarios: HashSet::new() }
    }

    /// The plan of a start that the database has not seen yet.
    pub(super) fn expected(simulation_id: Uuid, trials: i32, planned: &[PlannedRow]) -> Self {
        let scenarios = planned.iter().map(|row| scenario_key(&row.scenario_id)).collect();
        Plan { trials, scenarios, ..Plan::unknown(simulation_id) }
    }

    /// Whether a scenario and trial are part of the plan.
    pub(super) fn contains(&self, scenario_id: &str, trial: i32) -> bool {
        trial <= self.trials && self.scenarios.contains(&scenario_key(scenario_id))
    }
}

/// How many simulations' plans are kept in memory. A runner works on one or a few.
const KEPT_PLANS: usize = 64;

/// How many scenarios they have in all: each takes some 30 bytes.
const KEPT_SCENARIOS: usize = 500_000;

/// The plans that are kept in memory.
#[derive(Debug, Default)]
pub(super) struct Plans {
    kept: HashMap<Uuid, Arc<Plan>>,
    scenarios: usize,
}

impl Plans {
    pub(super) fn get(&self, simulation_id: Uuid) -> Option<Arc<Plan>> {
        self.kept.get(&simulation_id).cloned()
    }

    /// Keeps a plan, however large it is, and lets others go for it.
    pub(super) fn keep(&mut self, plan: Arc<Plan>) {
        self.forget(plan.simulation_id);
        let scenarios = plan.scenarios.len();
        while !self.kept.is_empty()
            && (self.kept.len() >= KEPT_PLANS || self.scenarios + scenarios > KEPT_SCENARIOS)
        {
            // Which one goes hardly matters: it is read again when it is needed. All at once would
            // have to be read again where one more simulation than these is recorded.
            let Some(one) = self.kept.keys().next().copied() else { break };
            self.forget(one);
        }
        self.scenarios += scenarios;
        self.kept.insert(plan.simulation_id, plan);
    }

    pub(super) fn forget(&mut self, simulation_id: Uuid) {
        if let Some(plan) = self.kept.remove(&simulation_id) {
            self.scenarios -= plan.scenarios.len();
        }
    }
}

/// A scenario as a row of the plan; its definition is a part of the document it was read from.
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
    }
}

/// The digest of a plan, fed scenario by scenario in order. Two starts with one id must have the
/// same.
#[derive(Debug)]
pub struct PlanDigest(Fingerprint);

impl PlanDigest {
    /// The digest of a plan without scenarios so far.
    pub fn new() -> Self {
        PlanDigest(Fingerprint::new("plan"))
    }

    /// Adds the next scenario.
    pub fn add(&mut self, planned: &PlannedRow) {
        self.0.part(planned.scenario_version_id.as_bytes());
    }

    /// The digest of all of them.
    pub fn finish(self) -> [u8; 32] {
        self.0.digest()
    }
}

impl Default for PlanDigest {
    fn default() -> Self {
        Self::new()
    }
}
