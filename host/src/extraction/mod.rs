//! Extraction: the sandboxed component that interprets a result.
//!
//! An [`Extractor`] is a compiled component, ready to be instantiated; a [`Session`] is one instance of
//! it, used for a run of documents by one thread. A document that makes the component trap, run too
//! long or use too much memory fails without effect on others: the session continues with a new
//! instance.

mod contract;
mod core_module;
mod engine;
mod error_category;
mod failure_class;
mod layout;
mod outcome_status;
mod session;
mod violations;
#[cfg_attr(not(feature = "wasi"), path = "without_wasi.rs")]
mod wasi;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sha2::{Digest, Sha256};
use uuid::Uuid;
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

pub(crate) use contract::{ComponentNames, NotComponent, PACKAGE, VERSION};
pub use contract::{Contract, read_contract};
pub use core_module::core_module;
pub(crate) use layout::matches_pattern;
pub use layout::{FileLayout, HEAD_BYTES, HeaderLayout, ItemLayout, ItemRole};
pub use outcome_status::InvalidStatus;
pub use session::{ExtractionError, Session};
pub(crate) use violations::{violations_of_json, violations_to_json, whole};

pub use crate::component_cache::{CompilerCommand, LoadOptions};

pub use crate::bindings::exports::arc::recording::types::{
    Aggregation, ErrorCategory, FailureClass, Invalidation, MetricDefinition, MetricKind,
    MissingPolicy, Origin, Outcome, OutcomeStatus, PlannedScenario, ReportedFigure, RunReport,
    RunStatus, Scenario, Score, Span, SuiteSummary, TokenUsage, Violation,
};

use crate::bindings::ExtractorPre;
use crate::blocking::blocking;
use crate::component_cache;
use crate::error::{Error, Result};
use crate::identity::Fingerprint;
use engine::{Metering, SharedEngine};

/// The built-in extraction component, as the build made it.
pub const BUILT_IN: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/extractor.wasm"));

/// The limits of one document.
#[derive(Clone, Copy, Debug)]
pub struct ExtractionLimits {
    /// How long its extraction can run in a third-party component. Real documents take microseconds to
    /// milliseconds; the built-in component's work is bounded by the document's size, so it runs
    /// without a clock, which makes it a third faster.
    pub deadline: Duration,
    /// The fuel of a third-party component for a call, regardless of its input: some instructions of
    /// WebAssembly consume none, all others one unit each.
    pub fuel: u64,
    /// Additional fuel for each byte of its input.
    pub fuel_per_byte: u64,
    /// The maximum fuel of a call, for a document of any length.
    pub fuel_most: u64,
    /// The maximum memory of the component's instance, in bytes.
    pub memory_bytes: usize,
    /// The maximum length of the component's answer in bytes, with its lists and texts counted as the
    /// host stores them.
    pub answer_bytes: usize,
    /// The maximum length of a document, in bytes of UTF-8; longer ones never reach the component.
    pub document_bytes: usize,
}

impl Default for ExtractionLimits {
    fn default() -> Self {
        ExtractionLimits {
            // A thousand times the duration of the longest document on a slow machine.
            deadline: Duration::from_secs(10),
            // Half a second of the fastest code, which an interpreter needs for its start.
            fuel: 1_000_000_000,
            // The built-in component consumes about 20 for each byte, JavaScript in an interpreter a
            // hundred times as much.
            fuel_per_byte: 20_000,
            // About twenty seconds of the fastest code; JavaScript takes as long for 15 MB.
            fuel_most: 40_000_000_000,
            // The longest document, its copy while strings are decoded, and room for the answer.
            memory_bytes: 128 << 20,
            // An answer repeats at most the prompt and the error text; the rest is spans.
            answer_bytes: 48 << 20,
            // The built-in component's own limit.
            document_bytes: 16 << 20,
        }
    }
}

/// The source of an extractor, and its limits.
#[derive(Clone, Debug, Default)]
pub struct ExtractionSettings {
    /// The limits of one document.
    pub limits: ExtractionLimits,
    /// The folder that stores compiled components; `None` for compiling at every start.
    pub cache_dir: Option<PathBuf>,
}

impl ExtractionSettings {
    fn loading(&self) -> LoadOptions {
        LoadOptions { cache_dir: self.cache_dir.clone(), ..LoadOptions::default() }
    }
}

/// The maximum length of the name and of the version of an extractor, in bytes.
const MAX_NAME_BYTES: usize = 128;

/// The identity of an extractor, which is stored with every outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtractorIdentity {
    /// Derived from the other fields.
    pub id: Uuid,
    /// The extractor's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The SHA-256 of the component's bytes.
    pub sha256: [u8; 32],
}

/// The description that an extractor returns of itself, besides its identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtractorAbout {
    /// The author; empty if it names none.
    pub authors: String,
    /// The formats that it reads, in a sentence.
    pub format: String,
}

/// A compiled extraction component. Cheap to clone.
#[derive(Clone)]
pub struct Extractor {
    compiled: Arc<CompiledComponent>,
    identity: Arc<ExtractorIdentity>,
    about: Arc<ExtractorAbout>,
}

/// Sessions that wait for their owner's next call, the most recently used last.
pub(crate) type IdleSessions = Mutex<Vec<(SessionOwner, Session)>>;

/// The owner of a session: the number of a recorder with its extractor, and a simulation.
pub(crate) type SessionOwner = (u64, Uuid);

/// The parts from which a session makes an instance.
struct CompiledComponent {
    engine: Arc<SharedEngine>,
    pre: ExtractorPre<session::State>,
}

/// An engine, which all extractors of one kind share with its limits and its instances. Cheap to
/// clone.
#[derive(Clone)]
pub struct ExtractionEngine(Arc<SharedEngine>);

impl ExtractionEngine {
    /// Returns the engine for the built-in components, whose work is bounded by the document's size:
    /// nothing is metered.
    ///
    /// # Errors
    /// [`Error::Component`] if the engine cannot be set up.
    pub fn unmetered(limits: &ExtractionLimits) -> Result<Self> {
        Self::new(limits, Metering::Off)
    }

    /// Returns the engine for third-party components without imports: limited by fuel, which for them
    /// bounds time, too.
    ///
    /// # Errors
    /// [`Error::Component`] if the engine cannot be set up.
    pub fn fuelled(limits: &ExtractionLimits) -> Result<Self> {
        Self::new(limits, Metering::Fuel)
    }

    /// Returns the engine for third-party components with any imports: limited by fuel and deadline.
    ///
    /// # Errors
    /// [`Error::Component`] if the engine cannot be set up.
    pub fn metered(limits: &ExtractionLimits) -> Result<Self> {
        Self::new(limits, Metering::FuelAndDeadline)
    }

    fn new(limits: &ExtractionLimits, metering: Metering) -> Result<Self> {
        SharedEngine::new(limits, metering)
            .map(|engine| ExtractionEngine(Arc::new(engine)))
            .map_err(broken)
    }

    /// Loads a component of the world `arc:recording/extractor` from its bytes: from the cache, or
    /// after compilation if it is not cached.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is no such component, or imports WASI without permission;
    /// [`Error::Component`] if it does not work.
    pub fn load(&self, bytes: &[u8], loading: &LoadOptions) -> Result<Extractor> {
        let contract = read_contract(bytes)?;
        if let (false, [import, ..]) = (loading.grant_wasi, contract.wasi_imports.as_slice()) {
            return Err(Error::invalid(format!(
                "the component imports {import}, which a format needs no more than it needs files \
                 or a clock"
            ))
            .with_hint(
                "build it without WASI, or grant it an empty one (`arc-host formats add \
                 --grant-wasi`)",
            ));
        }
        let wasi = !contract.wasi_imports.is_empty();
        let sha256: [u8; 32] = Sha256::digest(bytes).into();
        let engine = &self.0.engine;
        let component = component_cache::load(engine, bytes, &sha256, loading).map_err(broken)?;
        let pre = prepare(engine, &component, wasi).map_err(broken)?;
        let compiled = Arc::new(CompiledComponent { engine: Arc::clone(&self.0), pre });
        let (identity, about) = identify(&compiled, sha256)?;
        Ok(Extractor { compiled, identity: Arc::new(identity), about: Arc::new(about) })
    }

    /// Compiles a component into the cache, for [`ExtractionEngine::load`].
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is no such component; [`Error::Component`] if it cannot be compiled or
    /// stored.
    pub fn compile(&self, bytes: &[u8], cache_dir: &std::path::Path) -> Result<()> {
        read_contract(bytes)?;
        let sha256: [u8; 32] = Sha256::digest(bytes).into();
        component_cache::compile(&self.0.engine, bytes, &sha256, cache_dir).map_err(broken)
    }
}

impl std::fmt::Debug for ExtractionEngine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.debug_tuple("ExtractionEngine").field(&self.0.metering).finish()
    }
}

fn broken(error: wasmtime::Error) -> Error {
    Error::component(format!("the extraction component cannot be used: {error:#}"))
}

impl Extractor {
    /// Loads the built-in component: from the cache, or after compilation if it is not cached.
    ///
    /// # Errors
    /// [`Error::Component`] if the engine cannot be set up or the component does not work.
    pub fn built_in(settings: &ExtractionSettings) -> Result<Self> {
        ExtractionEngine::unmetered(&settings.limits)?.load(BUILT_IN, &settings.loading())
    }

    /// Loads a component of the world `arc:recording/extractor`, without any import, from its bytes:
    /// from the cache, or after compilation if it is not cached. It is limited by fuel and deadline.
    ///
    /// # Errors
    /// As [`ExtractionEngine::load`].
    pub fn from_component(bytes: &[u8], settings: &ExtractionSettings) -> Result<Self> {
        ExtractionEngine::metered(&settings.limits)?.load(bytes, &settings.loading())
    }

    /// Returns the extractor's identity.
    pub fn identity(&self) -> &ExtractorIdentity {
        &self.identity
    }

    /// Returns the extractor's description of itself.
    pub fn about(&self) -> &ExtractorAbout {
        &self.about
    }

    /// Returns the limits of one document.
    pub fn limits(&self) -> &ExtractionLimits {
        &self.compiled.engine.limits
    }

    /// Whether it is metered, because it is a third-party component: by fuel, and by a deadline if it
    /// can wait.
    pub fn metered(&self) -> bool {
        self.compiled.engine.metering != Metering::Off
    }

    /// Returns the maximum number of open sessions, of all extractors on its engine.
    pub fn instances(&self) -> usize {
        self.compiled.engine.total_instances
    }

    /// Returns the idle sessions, of all extractors on its engine.
    pub(crate) fn idle(&self) -> std::sync::MutexGuard<'_, Vec<(SessionOwner, Session)>> {
        self.compiled.engine.idle()
    }

    /// Whether it is this component.
    pub(crate) fn is_of(&self, component: &[u8]) -> bool {
        let sha256: [u8; 32] = Sha256::digest(component).into();
        self.identity.sha256 == sha256
    }

    /// Returns the layout of a file with this name and these first bytes; `None` if it is not of the
    /// extractor's format. Blocks while all instances are in use.
    ///
    /// # Errors
    /// As [`Session::detect`].
    pub fn ask_layout(&self, file_name: &str, head: &[u8]) -> Result<Option<FileLayout>> {
        self.session_now().detect(file_name, head)
    }

    /// Begins a session on a thread that can block: waits while as many sessions are open as the pool
    /// has instances.
    pub fn session_now(&self) -> Session {
        Session::new(Arc::clone(&self.compiled), self.compiled.engine.permit_now())
    }

    /// Runs a computation with a session of its own, on a thread that can block; waits while as many
    /// sessions are open as the pool has instances.
    ///
    /// # Errors
    /// [`Error::Component`] if the computation did not end.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Session) -> T + Send + 'static,
    ) -> Result<T> {
        let mut session = self.session().await;
        Ok(blocking(move || work(&mut session)).await?)
    }

    /// Begins a session; waits while as many sessions are open as the pool has instances.
    pub async fn session(&self) -> Session {
        Session::new(Arc::clone(&self.compiled), self.compiled.engine.permit().await)
    }
}

/// Queries the component's identity.
fn identify(
    compiled: &Arc<CompiledComponent>,
    sha256: [u8; 32],
) -> Result<(ExtractorIdentity, ExtractorAbout)> {
    let description = Session::new(Arc::clone(compiled), None).describe().map_err(|error| {
        Error::component("the extraction component does not describe itself").with_source(error)
    })?;
    for (what, text) in [("name", &description.name), ("version", &description.version)] {
        if text.is_empty() || text.len() > MAX_NAME_BYTES || text.chars().any(char::is_control) {
            return Err(Error::invalid(format!(
                "the component's {what} must be a text of 1 to {MAX_NAME_BYTES} bytes without control \
                 characters, and is {:?}",
                text.chars().take(80).collect::<String>()
            )));
        }
    }
    let mut fingerprint = Fingerprint::new("extractor");
    fingerprint.part(description.name.as_bytes());
    fingerprint.part(description.version.as_bytes());
    fingerprint.part(&sha256);
    let printable = |text: String| text.chars().filter(|one| !one.is_control()).take(500).collect();
    let identity = ExtractorIdentity {
        id: fingerprint.uuid(),
        name: description.name,
        version: description.version,
        sha256,
    };
    let about = ExtractorAbout {
        authors: printable(description.authors),
        format: printable(description.format),
    };
    Ok((identity, about))
}

/// Checks the component against its world once, so that instantiating it is quick. Without WASI, the
/// linker is empty: a component with any import is refused.
fn prepare(
    engine: &Engine,
    component: &Component,
    wasi: bool,
) -> wasmtime::Result<ExtractorPre<session::State>> {
    let mut linker = Linker::new(engine);
    if wasi {
        wasi::add_to_linker(&mut linker)?;
    }
    ExtractorPre::new(linker.instantiate_pre(component)?)
}

impl std::fmt::Debug for Extractor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.debug_tuple("Extractor").field(&self.identity).finish()
    }
}
