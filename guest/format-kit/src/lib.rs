//! The building blocks of a format component.
//!
//! A format reads the results of one evaluation tool: it implements [`Format`], and
//! [`export_format!`] turns it into a component of the world `arc:recording/extractor`, without any
//! import. Natively the same code is a library, so that the two can be compared. There is no I/O,
//! no clock and no randomness: a verdict depends only on the bytes of header and item.
//!
//! | item | purpose |
//! |---|---|
//! | [`Format`] | the interface of a format: the layout of its files, and the extraction of its results |
//! | [`Outcome`] and its parts | the answers, with the names of `wit/types.wit` |
//! | [`Layout`], [`Items`], [`Header`], [`Role`], [`TreeNode`] | the layout of files, with the names of `wit/container.wit` |
//! | [`json`] | members of a document without copies, and their violations |
//! | [`scenario`], [`failure`], [`number`], [`score`], [`time`] | the rules that all formats share |
//! | [`usage`] | tokens and cost by role and model, from the counts that tools report |
//! | [`finite`] | documents that contain `NaN` or an infinity |
//! | [`outline`] | the member names at the start of a file, by which it is recognised |
//! | [`memo`] | a header that is read once for all results of a file |
//! | [`codes`] | the stable codes of violations and warnings |
//! | [`verdict`] | a verdict as JSON text |

mod answer;
pub mod codes;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod component;
pub mod failure;
pub mod failure_class;
pub mod finite;
mod format;
pub mod json;
pub mod memo;
pub mod number;
mod origin;
pub mod outline;
pub mod scenario;
pub mod score;
mod syntax;
pub mod time;
pub mod usage;
pub mod verdict;

pub use answer::{
    Aggregation, ErrorCategory, FailureClass, Invalidation, MetricDefinition, MetricKind,
    MissingPolicy, Origin, Outcome, OutcomeStatus, PlannedScenario, ReportedFigure, RunReport,
    RunStatus, Scenario, Score, Span, SuiteSummary, Verdict, Violation,
};
pub use arc_framing::{NodeKind, TreeNode};
pub use format::{Format, Header, Items, Layout, Role};
pub use syntax::{MAX_DEPTH, MAX_DOCUMENT_BYTES};

/// Exports a type that implements [`Format`] as the crate's component, if the crate is built for
/// WebAssembly; otherwise it does nothing.
#[macro_export]
macro_rules! export_format {
    ($format:ident) => {
        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code, reason = "exports cross the component boundary by pointers")]
        mod exported_format {
            type Component = $crate::component::Exported<super::$format>;
            $crate::component::bindings::export!(
                Component with_types_in $crate::component::bindings
            );
        }
    };
}
