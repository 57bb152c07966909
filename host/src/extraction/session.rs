//! One instance of the extraction component, and what one document may do to it.

use std::sync::Arc;

use wasmtime::{ResourceLimiter, Store, Trap};

use super::engine::{self, Permit};
use super::{Compiled, Outcome, PlannedScenario, Scenario, SuiteSummary, Violation};
use crate::bindings::Extractor as Instance;
use crate::bindings::exports::arc::recording::extraction::ExtractorDescription;

/// An instance whose memory has grown beyond this is not kept for the next document: one giant
/// would otherwise hold its memory for as long as the session lasts.
const KEPT_MEMORY_BYTES: usize = 16 << 20;

/// Why a document got no verdict. Nothing is wrong with its neighbours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExtractionError {
    /// It ran longer than its deadline; on a less busy machine it may pass.
    #[error("extraction ran longer than its deadline of {0:?}; try again, or raise the deadline")]
    Deadline(std::time::Duration),
    /// It needed more memory than it may have.
    #[error("extraction needed more than its {0} bytes of memory; send a smaller document")]
    Memory(usize),
    /// The component failed, which is a bug in it.
    #[error("the extraction component failed: {0}; this is a bug in the component")]
    Component(String),
}

impl ExtractionError {
    /// Whether the same document again may get a verdict.
    pub fn retryable(&self) -> bool {
        matches!(self, ExtractionError::Deadline(_))
    }
}

/// What the store of an instance holds: how much memory it has, and whether it was refused more.
pub(super) struct State {
    limit_bytes: usize,
    memory_bytes: usize,
    refused: bool,
}

impl ResourceLimiter for State {
    fn memory_growing(
        &mut self,
        _: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let granted = desired <= self.limit_bytes;
        if granted {
            self.memory_bytes = desired;
        } else {
            self.refused = true;
        }
        Ok(granted)
    }

    fn table_growing(
        &mut self,
        _: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(maximum.is_none_or(|maximum| desired <= maximum))
    }
}

/// A run of documents through one instance. It belongs to one simulation: what a document leaves
/// behind in the instance must never meet another owner's.
pub struct Session {
    compiled: Arc<Compiled>,
    instance: Option<(Store<State>, Instance)>,
    /// Held for as long as the session may have an instance.
    _permit: Option<Permit>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.debug_struct("Session").field("live", &self.instance.is_some()).finish()
    }
}

impl Session {
    pub(super) fn new(compiled: Arc<Compiled>, permit: Option<Permit>) -> Self {
        Session { compiled, instance: None, _permit: permit }
    }

    /// Who the extractor is and what it takes.
    ///
    /// # Errors
    /// See [`ExtractionError`]; so for all calls.
    pub fn describe(&mut self) -> Result<ExtractorDescription, ExtractionError> {
        self.call(|instance, store| instance.arc_recording_extraction().call_describe(store))
    }

    /// Validates one result and extracts its fields, or gives every violation found.
    pub fn extract_outcome(
        &mut self,
        document: &str,
    ) -> Result<Result<Outcome, Vec<Violation>>, ExtractionError> {
        self.call(|instance, store| {
            instance.arc_recording_extraction().call_extract_outcome(store, document)
        })
    }

    /// Reads only which scenario a result belongs to.
    pub fn extract_scenario(
        &mut self,
        document: &str,
    ) -> Result<Result<PlannedScenario, Vec<Violation>>, ExtractionError> {
        self.call(|instance, store| {
            instance.arc_recording_extraction().call_extract_scenario(store, document)
        })
    }

    /// Reads a list of scenarios.
    pub fn extract_scenarios(
        &mut self,
        scenarios: &str,
    ) -> Result<Result<Vec<Scenario>, Vec<Violation>>, ExtractionError> {
        self.call(|instance, store| {
            instance.arc_recording_extraction().call_extract_scenarios(store, scenarios)
        })
    }

    /// Reads a suite's own summary.
    pub fn extract_suite(
        &mut self,
        suite: &str,
    ) -> Result<Result<SuiteSummary, Vec<Violation>>, ExtractionError> {
        self.call(|instance, store| {
            instance.arc_recording_extraction().call_extract_suite(store, suite)
        })
    }

    /// The verdict on one result as JSON text.
    pub fn extract_json(&mut self, document: &str) -> Result<String, ExtractionError> {
        self.call(|instance, store| {
            instance.arc_recording_extraction().call_extract_json(store, document)
        })
    }

    /// Calls the instance, within the limits of one document.
    fn call<T>(
        &mut self,
        function: impl FnOnce(&Instance, &mut Store<State>) -> wasmtime::Result<T>,
    ) -> Result<T, ExtractionError> {
        let limits = self.compiled.limits;
        let (mut store, instance) = match self.instance.take() {
            Some(live) => live,
            None => self.instantiate()?,
        };
        store.set_epoch_deadline(engine::ticks(limits.deadline));
        match function(&instance, &mut store) {
            Ok(answer) => {
                if store.data().memory_bytes <= KEPT_MEMORY_BYTES {
                    self.instance = Some((store, instance));
                }
                Ok(answer)
            }
            // The instance is dropped: after a trap nothing in it can be relied on.
            Err(error) if error.downcast_ref::<Trap>() == Some(&Trap::Interrupt) => {
                Err(ExtractionError::Deadline(limits.deadline))
            }
            Err(_) if store.data().refused => Err(ExtractionError::Memory(limits.memory_bytes)),
            Err(error) => Err(ExtractionError::Component(first_line(&error))),
        }
    }

    fn instantiate(&self) -> Result<(Store<State>, Instance), ExtractionError> {
        let shared = &self.compiled;
        let state =
            State { limit_bytes: shared.limits.memory_bytes, memory_bytes: 0, refused: false };
        let mut store = Store::new(&shared.engine.engine, state);
        store.limiter(|state| state);
        store.set_epoch_deadline(engine::ticks(shared.limits.deadline));
        let instance = shared.pre.instantiate(&mut store);
        match instance {
            Ok(instance) => Ok((store, instance)),
            Err(_) if store.data().refused => {
                Err(ExtractionError::Memory(shared.limits.memory_bytes))
            }
            Err(error) => Err(ExtractionError::Component(first_line(&error))),
        }
    }
}

/// The reason without the backtrace of the component's insides.
fn first_line(error: &wasmtime::Error) -> String {
    let reason = error.root_cause().to_string();
    reason.lines().next().unwrap_or("no reason given").to_owned()
}
