//! The types that are sent over HTTP: the service writes those that the client reads, and vice
//! versa. The OpenAPI document is generated from them.
//!
//! A reader ignores unknown members, so that an older client understands a newer service; an
//! unknown member of a request is refused, so that a typing error is noticed.

mod described;
mod documents;
mod problem;
mod reading;
mod recording;
mod spool;
#[cfg(test)]
mod tests;

#[cfg(all(test, feature = "export"))]
pub(crate) use described::described_outcome;
pub(crate) use described::{InvalidationBody, ScoreBody, describe};
pub use documents::{
    ResultDocument, ResultsDocument, ResultsEnvelope, ScenarioDocument, SuiteDocument,
    TrajectoryDocument,
};
pub use problem::{Problem, ProblemCode};
pub use reading::{
    AnnotationList, FailureList, MissingList, OutcomeBody, OutcomeList, RejectedList,
    ResolvedSimulation, RevisionList, ServiceHealth, SimulationList, SimulationSummary,
};
pub(crate) use recording::BatchWriter;
pub use recording::{
    AnnotateRequest, BatchVerdicts, ConfigurationCreated, ConfigurationRequest,
    DeclareMetricsRequest, EndSimulationRequest, NotFiniteBody, RecordingVerdicts,
    RenameSimulationRequest, ResultVerdict, ResultsMetadata, SelectRevisionRequest,
    SimulationEnded, StartSimulationRequest, StartedBody, TagSimulationRequest, VerdictKind,
    ViolationBody,
};
pub use spool::{
    DeadLetterSelection, SpoolDropped, SpoolEntry, SpoolEntryDocument, SpoolEntryKind,
    SpoolEntryList, SpoolEntryState, SpoolRequeued,
};

/// One result per line.
pub const NDJSON: &str = "application/x-ndjson";

/// A single result, which is never split into several.
pub const ONE_DOCUMENT: &str = "application/octet-stream";

/// The whole length in bytes of a result of which only the beginning is sent, because it is longer
/// than any extractor accepts.
pub const DOCUMENT_BYTES: &str = "arc-document-bytes";

/// The length in bytes of the header at the end of a body that is a single result.
pub const HEADER_BYTES: &str = "arc-header-bytes";
