//! End-to-end tests: the real program, real PostgreSQL, real components.
//!
//! | module | what it shows |
//! |---|---|
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

mod recording;
mod support;
