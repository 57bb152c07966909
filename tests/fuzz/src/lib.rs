//! Fuzz targets, their corpus, and their runner.
//!
//! A target is a function that takes any bytes and panics if a property does not hold. Every `cargo
//! test` runs each of them on its corpus and on a bounded number of mutations of it ([`short_run()`]);
//! `tests/fuzz/run` runs one under libFuzzer, guided by coverage, for any time. `README.md` beside this
//! crate has the instructions, and the faults found.
//!
//! | module | contents |
//! |---|---|
//! | `guest` | the targets of code that runs in components: framing, extractors, formats, numbers |
//! | `short_run` | the deterministic run in `cargo test` |
//! | `mutation` | mutations of inputs |
//!
//! The host's targets test private parts of it, so they are in `arc-host` itself, in its module
//! `fuzzing`; the same code runs them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::print_stderr,
    reason = "a property that does not hold panics, and the run prints the input"
)]

mod guest;
mod mutation;
mod short_run;

pub use guest::TARGETS;
pub use short_run::{corpus, short_run};

/// The name of a target, which is also that of its corpus folder, and its function.
pub type Target = (&'static str, fn(&[u8]));

/// Returns the target that the variable `ARC_FUZZ_TARGET` names, for the fuzzer.
pub fn chosen(targets: &[Target]) -> fn(&[u8]) {
    let name = std::env::var("ARC_FUZZ_TARGET").unwrap_or_default();
    let names: Vec<&str> = targets.iter().map(|(name, _)| *name).collect();
    match targets.iter().find(|(known, _)| *known == name) {
        Some((_, run)) => *run,
        None => panic!("ARC_FUZZ_TARGET is {name:?}; it must be one of {}", names.join(", ")),
    }
}
