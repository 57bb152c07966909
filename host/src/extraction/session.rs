//! One instance of the extraction component, and the effects of one document on it.

use std::sync::Arc;

use wasmtime::{ResourceLimiter, Store, Trap};

use super::engine::{self, Metering, Permit};
use super::layout::{FileLayout, ItemRole};
#[cfg(feature = "wasi")]
use super::wasi::Wasi;
use super::{CompiledComponent, Outcome, PlannedScenario, Scenario, Span, SuiteSummary, Violation};
use crate::bindings::Extractor as Instance;
use crate::bindings::exports::arc::recording::extraction::ExtractorDescription;
use crate::error::{Error, Result as HostResult};

/// An instance whose memory has grown by more than this is not reused for the next document: a single
/// large document would otherwise occupy its memory for as long as the session exists.
const KEPT_GROWTH_BYTES: usize = 16 << 20;

/// The reason why a document got no verdict. Other documents are not affected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExtractionError {
    /// It ran longer than its deadline; on a less busy machine it can succeed.
    #[error("extraction ran longer than its deadline of {0:?}")]
    Deadline(std::time::Duration),
    /// It consumed more fuel than the limit for a document of its size, and always will.
    #[error(
        "the extraction component took more than its {0} units of fuel for a document of this size; \
         it loops, or is too slow: this is a bug in the component"
    )]
    Fuel(u64),
    /// Its answer exceeded the host's limit.
    #[error(
        "the extraction component's answer is larger than the limit of {0} bytes; this is a bug in \
         the component"
    )]
    Answer(usize),
    /// It needed more memory than its limit.
    #[error("extraction needed more than its {0} bytes of memory")]
    Memory(usize),
    /// The component failed because of a bug.
    #[error("the extraction component failed: {0}; this is a bug in the component")]
    Component(String),
}

impl From<ExtractionError> for Error {
    fn from(error: ExtractionError) -> Self {
        let failed = match error {
            ExtractionError::Deadline(_) => Error::unavailable(error.to_string()),
            // A smaller one has a verdict.
            ExtractionError::Memory(_) => Error::invalid(error.to_string()),
            _ => Error::component(error.to_string()),
        };
        match error.hint() {
            Some(hint) => failed.with_hint(hint),
            None => failed,
        }
    }
}

impl ExtractionError {
    /// Whether a retry of the same document can get a verdict.
    pub fn retryable(&self) -> bool {
        matches!(self, ExtractionError::Deadline(_))
    }

    /// Returns what the caller can do, if the text does not show it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            ExtractionError::Deadline(_) => Some("try again, or raise the deadline"),
            ExtractionError::Memory(_) => Some("send a smaller document"),
            ExtractionError::Fuel(_)
            | ExtractionError::Answer(_)
            | ExtractionError::Component(_) => None,
        }
    }
}

/// The data of an instance's store: the size of all its memories, and whether more was refused.
pub(super) struct State {
    limit_bytes: usize,
    memory_bytes: usize,
    refused: bool,
    /// Created when the component first uses WASI.
    #[cfg(feature = "wasi")]
    pub(super) wasi: Option<Box<Wasi>>,
}

impl ResourceLimiter for State {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // A component can have several memories; their sum is limited.
        let wanted = self.memory_bytes.saturating_add(desired.saturating_sub(current));
        let granted = wanted <= self.limit_bytes;
        if granted {
            self.memory_bytes = wanted;
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

/// A run of documents through one instance. It belongs to one simulation: the state that a document
/// leaves in the instance must never reach another owner's documents.
pub struct Session {
    compiled: Arc<CompiledComponent>,
    instance: Option<LiveInstance>,
    /// Held as long as the session can have an instance.
    _permit: Option<Permit>,
}

/// An instance, and the size of its memory when it was new.
struct LiveInstance {
    store: Store<State>,
    instance: Instance,
    new_memory_bytes: usize,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.debug_struct("Session").field("live", &self.instance.is_some()).finish()
    }
}

impl Session {
    pub(super) fn new(compiled: Arc<CompiledComponent>, permit: Option<Permit>) -> Self {
        Session { compiled, instance: None, _permit: permit }
    }

    /// Returns the extractor's identity and its input formats.
    ///
    /// # Errors
    /// See [`ExtractionError`]; so for all calls.
    pub fn describe(&mut self) -> Result<ExtractorDescription, ExtractionError> {
        self.call(0, |instance, store| instance.arc_recording_extraction().call_describe(store))
    }

    /// Returns the layout of a file with this name (without its folder) and these first bytes; nothing
    /// if the file is not of the extractor's format.
    ///
    /// # Errors
    /// [`Error::Component`](crate::Error::Component), also if the layout contradicts itself;
    /// [`Error::Unavailable`](crate::Error::Unavailable) if it ran out of time.
    pub fn detect(&mut self, file_name: &str, head: &[u8]) -> HostResult<Option<FileLayout>> {
        let layout = self.call(file_name.len() + head.len(), |instance, store| {
            instance.arc_recording_container().call_detect(store, file_name, head)
        })?;
        layout.map(FileLayout::try_from).transpose()
    }

    /// Returns the role of an item of a file.
    pub fn classify(&mut self, item: &str) -> Result<ItemRole, ExtractionError> {
        self.call(item.len(), |instance, store| {
            instance.arc_recording_container().call_classify(store, item)
        })
    }

    /// Validates one result, of a file with this header, and extracts its fields, or returns every
    /// violation. Its spans are within the document.
    pub fn extract_outcome(
        &mut self,
        header: Option<&str>,
        document: &str,
    ) -> Result<Result<Outcome, Vec<Violation>>, ExtractionError> {
        let answer = match header {
            None => self.call(document.len(), |instance, store| {
                instance.arc_recording_extraction().call_extract_outcome(store, document)
            }),
            Some(header) => self.call(header.len() + document.len(), |instance, store| {
                let container = instance.arc_recording_container();
                container.call_extract_item_outcome(store, header, document)
            }),
        }?;
        if let Ok(outcome) = &answer {
            check_spans(outcome, document)?;
        }
        Ok(answer)
    }

    /// Reads only the scenario of a result, in a file with this header.
    pub fn extract_scenario(
        &mut self,
        header: Option<&str>,
        document: &str,
    ) -> Result<Result<PlannedScenario, Vec<Violation>>, ExtractionError> {
        let answer = match header {
            None => self.call(document.len(), |instance, store| {
                instance.arc_recording_extraction().call_extract_scenario(store, document)
            }),
            Some(header) => self.call(header.len() + document.len(), |instance, store| {
                let container = instance.arc_recording_container();
                container.call_extract_item_scenario(store, header, document)
            }),
        }?;
        if let Ok(planned) = &answer {
            check_scenario(&planned.scenario, document)?;
        }
        Ok(answer)
    }

    /// Reads a list of scenarios.
    pub fn extract_scenarios(
        &mut self,
        scenarios: &str,
    ) -> Result<Result<Vec<Scenario>, Vec<Violation>>, ExtractionError> {
        let answer = self.call(scenarios.len(), |instance, store| {
            instance.arc_recording_extraction().call_extract_scenarios(store, scenarios)
        })?;
        for scenario in answer.iter().flatten() {
            check_scenario(scenario, scenarios)?;
        }
        Ok(answer)
    }

    /// Reads a suite's own summary, or that of a header.
    pub fn extract_suite(
        &mut self,
        suite: &str,
    ) -> Result<Result<SuiteSummary, Vec<Violation>>, ExtractionError> {
        self.call(suite.len(), |instance, store| {
            instance.arc_recording_extraction().call_extract_suite(store, suite)
        })
    }

    /// Returns the verdict on one result, of a file with this header, as JSON text.
    pub fn extract_json(
        &mut self,
        header: Option<&str>,
        document: &str,
    ) -> Result<String, ExtractionError> {
        match header {
            None => self.call(document.len(), |instance, store| {
                instance.arc_recording_extraction().call_extract_json(store, document)
            }),
            Some(header) => self.call(header.len() + document.len(), |instance, store| {
                let container = instance.arc_recording_container();
                container.call_extract_item_json(store, header, document)
            }),
        }
    }

    /// Calls the instance, within the limits of one document, with an input of this many bytes.
    fn call<T>(
        &mut self,
        bytes: usize,
        function: impl FnOnce(&Instance, &mut Store<State>) -> wasmtime::Result<T>,
    ) -> Result<T, ExtractionError> {
        // A third-party component can compute for seconds, or wait for a function of the host.
        if self.compiled.engine.metering != Metering::Off {
            may_block(|| self.call_now(bytes, function))
        } else {
            self.call_now(bytes, function)
        }
    }

    fn call_now<T>(
        &mut self,
        bytes: usize,
        function: impl FnOnce(&Instance, &mut Store<State>) -> wasmtime::Result<T>,
    ) -> Result<T, ExtractionError> {
        let limits = self.compiled.engine.limits;
        let compiled = Arc::clone(&self.compiled);
        let _turn = compiled.engine.turn(bytes);
        let LiveInstance { mut store, instance, new_memory_bytes } = match self.instance.take() {
            Some(live) => live,
            None => self.instantiate()?,
        };
        let fuel = limits.fuel.saturating_add(limits.fuel_per_byte.saturating_mul(bytes as u64));
        let fuel = fuel.min(limits.fuel_most);
        self.refuel(&mut store, fuel);
        let error = match function(&instance, &mut store) {
            Ok(answer) => {
                let grown = store.data().memory_bytes.saturating_sub(new_memory_bytes);
                if grown <= KEPT_GROWTH_BYTES {
                    self.instance = Some(LiveInstance { store, instance, new_memory_bytes });
                }
                return Ok(answer);
            }
            // The instance is dropped, because its state is undefined after a trap.
            Err(error) => error,
        };
        Err(match error.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) => ExtractionError::Deadline(limits.deadline),
            Some(Trap::OutOfFuel) => ExtractionError::Fuel(fuel),
            _ if store.data().refused => ExtractionError::Memory(limits.memory_bytes),
            _ if answer_too_large(&error) => ExtractionError::Answer(limits.answer_bytes),
            _ => ExtractionError::Component(first_line(&error)),
        })
    }

    fn instantiate(&self) -> Result<LiveInstance, ExtractionError> {
        let shared = &self.compiled;
        let limits = shared.engine.limits;
        let state = State {
            limit_bytes: limits.memory_bytes,
            memory_bytes: 0,
            refused: false,
            #[cfg(feature = "wasi")]
            wasi: None,
        };
        let mut store = Store::new(&shared.engine.engine, state);
        store.limiter(|state| state);
        store.set_hostcall_fuel(limits.answer_bytes);
        self.refuel(&mut store, limits.fuel);
        let instance = shared.pre.instantiate(&mut store);
        match instance {
            Ok(instance) => {
                let new_memory_bytes = store.data().memory_bytes;
                Ok(LiveInstance { store, instance, new_memory_bytes })
            }
            Err(_) if store.data().refused => Err(ExtractionError::Memory(limits.memory_bytes)),
            Err(error) => Err(match error.downcast_ref::<Trap>() {
                Some(Trap::Interrupt) => ExtractionError::Deadline(limits.deadline),
                Some(Trap::OutOfFuel) => ExtractionError::Fuel(limits.fuel),
                _ => ExtractionError::Component(first_line(&error)),
            }),
        }
    }

    /// Sets the deadline and the fuel of the next call, if these are metered.
    fn refuel(&self, store: &mut Store<State>, fuel: u64) {
        let engine = &self.compiled.engine;
        if engine.metering == Metering::FuelAndDeadline {
            store.set_epoch_deadline(engine::ticks(engine.limits.deadline));
        }
        if engine.metering != Metering::Off {
            // It fails only if fuel is not metered.
            let _ = store.set_fuel(fuel);
        }
    }
}

/// Runs blocking work, also on a thread of the runtime, which is notified.
fn may_block<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

/// Whether the host refused an answer because it is too large.
fn answer_too_large(error: &wasmtime::Error) -> bool {
    // wasmtime has no type for it.
    format!("{error:#}").contains("fuel allocated for hostcalls has been exhausted")
}

/// Checks that a span is within the document; its reader would read other bytes otherwise.
fn check_spans(outcome: &Outcome, document: &str) -> Result<(), ExtractionError> {
    check_scenario(&outcome.scenario, document)?;
    let spans = [
        ("trajectory", outcome.trajectory),
        ("detailed-trajectory", outcome.detailed_trajectory),
        ("dimensions", outcome.dimensions),
    ];
    spans.into_iter().try_for_each(|(name, span)| check_span(name, span, document))
}

fn check_scenario(scenario: &Scenario, document: &str) -> Result<(), ExtractionError> {
    check_span("scenario's definition", scenario.definition, document)
}

fn check_span(name: &str, span: Option<Span>, document: &str) -> Result<(), ExtractionError> {
    let Some(span) = span else { return Ok(()) };
    let (start, length) = (span.offset as usize, span.length as usize);
    let inside = start.checked_add(length).and_then(|end| document.get(start..end));
    match inside {
        Some(part) if !part.is_empty() => Ok(()),
        _ => Err(ExtractionError::Component(format!(
            "its {name} is {length} bytes from byte {start} on, which is not a part of a document \
             of {} bytes",
            document.len()
        ))),
    }
}

/// Returns the reason without the component's backtrace.
fn first_line(error: &wasmtime::Error) -> String {
    let reason = error.root_cause().to_string();
    reason.lines().next().unwrap_or("unknown reason").to_owned()
}
