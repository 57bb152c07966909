//! End-to-end tests: the real program, real PostgreSQL, real components.
//!
//! | module | what it shows |
//! |---|---|
//! | [`component`] | the component alone: imports, verdicts, limits, the wasmtime command |
//! | [`faults`] | nothing lost and nothing twice, whatever is killed |
//! | [`recording`] | files in, outcomes out: the fixtures, real results, duplicates, rejections |

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    unreachable_pub,
    reason = "tests fail by panicking, and say on standard output what they skip"
)]

mod component;
mod faults;
mod recording;
mod support;
