//! A destination in memory, for tests, with scripted failures.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::{DeliveryAnswer, Sink, StartAnswer};
use crate::error::{Error, Result};
use crate::lock::lock;
use crate::recorder::{
    CheckedStart, Document, ItemVerdict, ReceivedResult, SimulationCompleted, SimulationFigures,
    SimulationStart, SimulationStarted, Submission, Verdict,
};
use crate::spool::{Entry, Spool, SpoolSettings, SpooledCall};
use crate::store::{DatabaseClock, SimulationStatus};

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failing {
    /// The destination is unavailable, and nothing is committed.
    Unavailable,
    /// The call is committed, and the answer is lost.
    AnswerLost,
    /// Something is missing in the database until an operator adds it.
    Database,
    /// A fault of the program.
    Internal,
}

/// A destination that keeps everything in memory.
#[derive(Clone, Debug)]
pub(super) struct MemorySink {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    clock: DatabaseClock,
    memory: Mutex<Memory>,
}

/// The contents of a [`MemorySink`], and its next answers.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// The simulations that it knows.
    pub(super) simulations: HashSet<Uuid>,
    /// The committed results in the order of their commits, each with its simulation.
    pub(super) committed: Vec<(Uuid, Uuid)>,
    /// Simulations that were completed or ended, each with the number of its results committed by then.
    pub(super) ended: Vec<(Uuid, usize)>,
    /// The stored configurations.
    pub(super) configurations: Vec<String>,
    /// The results of the next calls; calls after these succeed.
    pub(super) script: VecDeque<Option<Failing>>,
    /// The verdicts on certain results, by their ids.
    pub(super) verdicts: HashMap<Uuid, Verdict>,
    /// Whether it does not answer at all.
    pub(super) unavailable: bool,
    /// The documents of the received results, in order.
    pub(super) documents: Vec<Document>,
    /// How many calls to record results there were, successful or not.
    pub(super) calls: usize,
    /// How many pings there were.
    pub(super) pings: usize,
}

impl MemorySink {
    /// Creates a sink that knows these simulations.
    pub(super) fn with_simulations(simulations: impl IntoIterator<Item = Uuid>) -> Self {
        let memory = Memory { simulations: simulations.into_iter().collect(), ..Memory::default() };
        let shared = Shared { clock: DatabaseClock::new(), memory: Mutex::new(memory) };
        MemorySink { shared: Arc::new(shared) }
    }

    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        lock(&self.shared.memory)
    }

    /// Returns the ids of the committed results of a simulation, in order.
    pub(super) fn committed(&self, simulation_id: Uuid) -> Vec<Uuid> {
        let memory = self.memory();
        let own = memory.committed.iter().filter(|(of, _)| *of == simulation_id);
        own.map(|(_, outcome_id)| *outcome_id).collect()
    }

    /// Does a call according to the script.
    fn call<T>(&self, work: impl FnOnce(&mut Memory) -> Result<T>) -> Result<T> {
        let mut memory = self.memory();
        memory.calls += 1;
        if memory.unavailable {
            return Err(unavailable());
        }
        match memory.script.pop_front().flatten() {
            None => work(&mut memory),
            Some(Failing::Unavailable) => Err(unavailable()),
            Some(Failing::AnswerLost) => work(&mut memory).and(Err(unavailable())),
            Some(Failing::Database) => Err(Error::database("a right is missing")),
            Some(Failing::Internal) => Err(Error::internal("a fault of the program")),
        }
    }
}

fn unavailable() -> Error {
    Error::unavailable("the destination is unavailable")
}

impl Memory {
    fn known(&self, simulation_id: Uuid) -> Result<()> {
        match self.simulations.contains(&simulation_id) {
            true => Ok(()),
            false => Err(Error::not_found(format!("there is no simulation {simulation_id}"))),
        }
    }

    fn end(&mut self, simulation_id: Uuid) -> Result<()> {
        self.known(simulation_id)?;
        let results = self.committed.iter().filter(|(of, _)| *of == simulation_id).count();
        self.ended.push((simulation_id, results));
        Ok(())
    }

    fn record(&mut self, simulation_id: Uuid, received: ReceivedResult) -> ItemVerdict {
        let outcome_id = received.outcome_id;
        self.documents.push(received.submission.document);
        let key = (simulation_id, outcome_id);
        let verdict = match self.verdicts.get(&outcome_id) {
            Some(verdict) => verdict.clone(),
            None if self.committed.contains(&key) => Verdict::Duplicate,
            None => {
                self.committed.push(key);
                Verdict::Stored
            }
        };
        ItemVerdict { outcome_id, verdict, warnings: Vec::new() }
    }
}

impl Sink for MemorySink {
    fn clock(&self) -> &DatabaseClock {
        &self.shared.clock
    }

    fn unknown_for(&self) -> Duration {
        Duration::ZERO
    }

    fn unavailable_reason(&self) -> Option<String> {
        None
    }

    async fn ping(&self) -> Result<()> {
        let mut memory = self.memory();
        memory.pings += 1;
        if memory.unavailable { Err(unavailable()) } else { Ok(()) }
    }

    async fn create_configuration(
        &self,
        name: &str,
        configuration: &str,
        user_id: Option<&str>,
    ) -> Result<(String, DeliveryAnswer<()>)> {
        let id = crate::recorder::configuration_id(name, configuration, user_id)?;
        self.call(|memory| {
            memory.configurations.push(id.clone());
            Ok((id, DeliveryAnswer::Committed(())))
        })
    }

    async fn check_start(&self, _: &SimulationStart) -> Result<CheckedStart> {
        Ok(CheckedStart::counted(0))
    }

    fn expect_start(&self, _: CheckedStart) {}

    async fn correct_start(&self, _: &mut SimulationStart) -> Result<()> {
        Ok(())
    }

    async fn start_simulation(&self, start: SimulationStart) -> Result<StartAnswer> {
        let simulation_id = start.simulation_id.unwrap();
        self.call(|memory| {
            memory.simulations.insert(simulation_id);
            let simulation = SimulationStarted {
                simulation_id,
                scenario_count: 0,
                status: SimulationStatus::Running,
                created_at: Timestamp::UNIX_EPOCH,
                configuration_exists: false,
                warnings: Vec::new(),
            };
            Ok(StartAnswer { simulation, spooled: false })
        })
    }

    async fn record_received(
        &self,
        simulation_id: Uuid,
        received: Vec<ReceivedResult>,
    ) -> Result<Vec<ItemVerdict>> {
        self.call(|memory| {
            memory.known(simulation_id)?;
            Ok(received.into_iter().map(|one| memory.record(simulation_id, one)).collect())
        })
    }

    fn knows_plan(&self, _: Uuid) -> bool {
        true
    }

    async fn preview(&self, _: Uuid, received: Vec<ReceivedResult>) -> Result<Vec<ItemVerdict>> {
        let spooled = |received: ReceivedResult| ItemVerdict {
            outcome_id: received.outcome_id,
            verdict: Verdict::Spooled,
            warnings: Vec::new(),
        };
        Ok(received.into_iter().map(spooled).collect())
    }

    async fn check_suite(&self, _: &str) -> Result<()> {
        Ok(())
    }

    async fn complete_simulation(
        &self,
        simulation_id: Uuid,
        _: Option<&str>,
    ) -> Result<DeliveryAnswer<SimulationCompleted>> {
        self.call(|memory| {
            memory.end(simulation_id)?;
            let figures = SimulationFigures {
                overall_score: None,
                total_cost_usd: 0.0,
                execution_time_seconds: 0.0,
            };
            Ok(DeliveryAnswer::Committed(SimulationCompleted {
                simulation_id,
                status: SimulationStatus::Completed,
                figures,
                computed: figures,
                score_scale: None,
                completed_at: Timestamp::UNIX_EPOCH,
                warnings: Vec::new(),
            }))
        })
    }

    async fn end_simulation(
        &self,
        simulation_id: Uuid,
        status: SimulationStatus,
        _: &str,
    ) -> Result<DeliveryAnswer<SimulationStatus>> {
        self.call(|memory| {
            memory.end(simulation_id)?;
            Ok(DeliveryAnswer::Committed(status))
        })
    }
}

/// Returns a simulation's id.
pub(super) fn simulation(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// Returns a different result for each number.
pub(super) fn submission(number: usize) -> Submission {
    Submission::new(format!("{{\"number\":{number}}}"))
}

/// Returns the id of a result.
pub(super) fn outcome(simulation_id: Uuid, number: usize) -> Uuid {
    submission(number).outcome_id(simulation_id)
}

/// Returns a result as an entry of the spool.
pub(super) fn entry(simulation_id: Uuid, number: usize) -> Entry {
    let result = ReceivedResult::new(simulation_id, Timestamp::now(), submission(number));
    Entry { spooled_at: Timestamp::now(), call: SpooledCall::Result { simulation_id, result } }
}

/// Opens a spool in a folder.
pub(super) fn spool(folder: &tempfile::TempDir) -> Spool {
    let folder = folder.path().join("spool");
    Spool::open(&SpoolSettings { folder, limit_bytes: 64 << 20 }).unwrap()
}
