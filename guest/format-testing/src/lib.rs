//! Shared code of the tests of formats: files framed as a host frames them, rules that the answers
//! of every format must satisfy, and JSON of any shape.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "tests fail by panicking"
)]

mod answers;
mod any;
mod framed_file;
mod others;
mod reported;
mod skipped;

pub use answers::{accepted, check, rejected, rejects_truncated_results, scores, slice, warnings};
pub use any::any_json;
pub use framed_file::{FramedFile, frame};
pub use others::recognises_no_other;
pub use reported::agrees;
pub use skipped::skip;
