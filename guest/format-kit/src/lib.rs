//! What a format component is made of.
//!
//! A format says what the results of one evaluation tool mean: it implements [`Format`], and
//! [`export_format!`] makes it a component of the world `arc:recording/extractor`, without any
//! import. Natively the same code is a library, so that the two can be compared. There is no I/O,
//! no clock and no randomness: a verdict depends on the bytes of header and item alone.
//!
//! | item | what it is for |
//! |---|---|
//! | [`Format`] | what a format says: how its results stand in files, and what each means |
//! | [`Outcome`] and its parts | the answers, in the words of `wit/types.wit` |
//! | [`Layout`], [`Items`], [`Header`], [`Role`] | how results stand in files, in the words of `wit/container.wit` |
//! | [`json`] | members of a document without copies, and what is wrong with them |
//! | [`scenario`], [`failure`], [`number`], [`score`], [`time`] | the rules that all formats share |
//! | [`outline`] | the names in the start of a file, by which it is recognised |
//! | [`memo`] | a header that is read once for all results of a file |
//! | [`codes`] | the stable words for violations and warnings |
//! | [`verdict`] | a verdict as JSON text |

mod answer;
pub mod codes;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod component;
pub mod failure;
mod format;
pub mod json;
pub mod memo;
pub mod number;
pub mod outline;
pub mod scenario;
pub mod score;
mod syntax;
pub mod time;
pub mod verdict;

pub use answer::{
    DimensionScore, ErrorCategory, Outcome, OutcomeStatus, PlannedScenario, Scenario, Span,
    SuiteSummary, Verdict, Violation,
};
pub use format::{Format, Header, Items, Layout, Role};
pub use syntax::{MAX_DEPTH, MAX_DOCUMENT_BYTES};

/// Makes a type that implements [`Format`] the component that the crate is, when the crate is
/// built for WebAssembly; elsewhere it does nothing.
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
