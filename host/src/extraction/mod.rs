//! Extraction: the sandboxed component that says what a result means.
//!
//! An [`Extractor`] is a compiled component, ready to be instantiated; a [`Session`] is one
//! instance of it, used for a run of documents by one thread. A document that makes the component
//! trap, run too long or take too much memory fails alone: the session goes on with a new
//! instance.

mod core_module;
mod engine;
mod session;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sha2::{Digest, Sha256};
use uuid::Uuid;
use wasmtime::component::{Component, Linker};

pub use core_module::core_module;
pub use session::{ExtractionError, Session};

pub use crate::bindings::exports::arc::recording::types::{
    DimensionScore, ErrorCategory, Outcome, OutcomeStatus, PlannedScenario, Scenario, Span,
    SuiteSummary, Violation,
};

use crate::bindings::ExtractorPre;
use crate::component_cache;
use crate::error::{Error, Result};
use crate::identity::Fingerprint;
use engine::{Interruption, SharedEngine};

/// The built-in extraction component, as the build made it.
pub const BUILT_IN: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/extractor.wasm"));

/// What one document may use.
#[derive(Clone, Copy, Debug)]
pub struct ExtractionLimits {
    /// How long its extraction may run in a component from elsewhere. Real documents take
    /// microseconds to milliseconds; the built-in component's work is bounded by the document's
    /// size, so it runs without a clock, which makes it a third faster.
    pub deadline: Duration,
    /// How much memory the component's instance may hold, in bytes.
    pub memory_bytes: usize,
    /// The longest document, in bytes of UTF-8; longer ones never reach the component.
    pub document_bytes: usize,
}

impl Default for ExtractionLimits {
    fn default() -> Self {
        ExtractionLimits {
            // A thousand times what the longest document takes on a slow machine.
            deadline: Duration::from_secs(10),
            // The longest document, its copy while strings are decoded, and room for the answer.
            memory_bytes: 128 << 20,
            // The built-in component's own limit.
            document_bytes: 16 << 20,
        }
    }
}

/// Where an extractor is loaded from and what it may use.
#[derive(Clone, Debug, Default)]
pub struct ExtractionSettings {
    /// What one document may use.
    pub limits: ExtractionLimits,
    /// The folder that keeps compiled components; none for compiling at every start.
    pub cache_dir: Option<PathBuf>,
}

/// Who extracted: kept with every outcome.
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

/// A compiled extraction component. Cheap to clone.
#[derive(Clone)]
pub struct Extractor {
    compiled: Arc<Compiled>,
    identity: Arc<ExtractorIdentity>,
    idle: IdleSessions,
}

/// Sessions that wait for their owner's next call, the one used last at the end. All recorders on
/// an extractor share its instances, and so this too.
pub(crate) type IdleSessions = Arc<Mutex<Vec<(SessionOwner, Session)>>>;

/// Whose session it is: the number of a recorder, and a simulation.
pub(crate) type SessionOwner = (u64, Uuid);

/// What a session needs to make an instance.
struct Compiled {
    engine: SharedEngine,
    pre: ExtractorPre<session::State>,
    limits: ExtractionLimits,
}

impl Extractor {
    /// Loads the built-in component: from the cache where it is there, else by compiling it.
    ///
    /// # Errors
    /// [`Error::Component`] where the engine cannot be set up or the component does not work.
    pub fn built_in(settings: &ExtractionSettings) -> Result<Self> {
        Self::load(BUILT_IN, settings, Interruption::Never)
    }

    /// Loads a component of the world `arc:recording/extractor`, without any import, from its
    /// bytes: from the cache where it is there, else by compiling it. It is held to the deadline.
    ///
    /// # Errors
    /// [`Error::Component`] where the engine cannot be set up or the component does not work.
    pub fn from_component(bytes: &[u8], settings: &ExtractionSettings) -> Result<Self> {
        Self::load(bytes, settings, Interruption::AtDeadline)
    }

    fn load(
        bytes: &[u8],
        settings: &ExtractionSettings,
        interruption: Interruption,
    ) -> Result<Self> {
        let broken = |error: wasmtime::Error| {
            Error::Component(format!("the extraction component cannot be used: {error:#}"))
        };
        let sha256: [u8; 32] = Sha256::digest(bytes).into();
        let engine = SharedEngine::new(&settings.limits, interruption).map_err(broken)?;
        let folder = settings.cache_dir.as_deref();
        let component =
            component_cache::load(&engine.engine, bytes, &sha256, folder).map_err(broken)?;
        let pre = prepare(&engine, &component).map_err(broken)?;
        let compiled = Arc::new(Compiled { engine, pre, limits: settings.limits });
        let identity = Arc::new(identify(&compiled, sha256)?);
        Ok(Extractor { compiled, identity, idle: IdleSessions::default() })
    }

    /// Who extracts.
    pub fn identity(&self) -> &ExtractorIdentity {
        &self.identity
    }

    /// What one document may use.
    pub fn limits(&self) -> &ExtractionLimits {
        &self.compiled.limits
    }

    /// How many sessions may be open at once.
    pub fn instances(&self) -> usize {
        self.compiled.engine.total_instances
    }

    /// The sessions that are kept.
    pub(crate) fn idle(&self) -> &IdleSessions {
        &self.idle
    }

    /// Begins a session; waits while as many sessions are open as the pool has instances.
    pub async fn session(&self) -> Session {
        Session::new(Arc::clone(&self.compiled), self.compiled.engine.permit().await)
    }
}

/// Asks the component who it is.
fn identify(compiled: &Arc<Compiled>, sha256: [u8; 32]) -> Result<ExtractorIdentity> {
    let description = Session::new(Arc::clone(compiled), None).describe().map_err(|error| {
        Error::Component(format!("the extraction component does not describe itself: {error}"))
    })?;
    let mut fingerprint = Fingerprint::new("extractor");
    fingerprint.part(description.name.as_bytes());
    fingerprint.part(description.version.as_bytes());
    fingerprint.part(&sha256);
    Ok(ExtractorIdentity {
        id: fingerprint.uuid(),
        name: description.name,
        version: description.version,
        sha256,
    })
}

/// Checks the component against its world once, so that instantiating it is quick. The linker is
/// empty: a component that imports anything does not get in.
fn prepare(
    engine: &SharedEngine,
    component: &Component,
) -> wasmtime::Result<ExtractorPre<session::State>> {
    let linker = Linker::new(&engine.engine);
    ExtractorPre::new(linker.instantiate_pre(component)?)
}

impl std::fmt::Debug for Extractor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.debug_tuple("Extractor").field(&self.identity).finish()
    }
}

/// The word for a status in the database and in JSON.
pub fn status_word(status: OutcomeStatus) -> &'static str {
    match status {
        OutcomeStatus::Success => "success",
        OutcomeStatus::Error => "error",
        OutcomeStatus::Timeout => "timeout",
        OutcomeStatus::Cancelled => "cancelled",
    }
}

/// The word for an error category in the database and in JSON.
pub fn category_word(category: ErrorCategory) -> &'static str {
    match category {
        ErrorCategory::Timeout => "timeout",
        ErrorCategory::RateLimit => "rate_limit",
        ErrorCategory::Network => "network",
        ErrorCategory::Resource => "resource",
        ErrorCategory::ToolError => "tool_error",
        ErrorCategory::ModelError => "model_error",
        ErrorCategory::ValidationError => "validation_error",
        ErrorCategory::SandboxError => "sandbox_error",
        ErrorCategory::SystemError => "system_error",
    }
}
