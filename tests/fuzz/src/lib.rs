//! Fuzz targets, their corpus, and what runs them.
//!
//! A target is a function that takes any bytes and panics where a property does not hold. Every
//! `cargo test` runs each of them on its corpus and on a bounded number of mutations of it
//! ([`short_run()`]); `tests/fuzz/run` runs one under libFuzzer, guided by coverage, for as long as one
//! likes. `README.md` beside this crate says how, and what was found.
//!
//! | module | what it holds |
//! |---|---|
//! | `guest` | the targets of what runs in components: framing, extractors, formats, numbers |
//! | `short_run` | the run in `cargo test`, which is the same every time |
//! | `mutation` | inputs made of others |
//!
//! The host's targets are private parts of it, so they stand in `arc-host` itself, in its module
//! `fuzzing`; they are run by the same code.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::print_stderr,
    reason = "a property that does not hold panics, and the run says on which input"
)]

mod guest;
mod mutation;
mod short_run;

pub use guest::TARGETS;
pub use short_run::{corpus, short_run};

/// A name, which is that of the corpus' folder too, and what takes the bytes.
pub type Target = (&'static str, fn(&[u8]));

/// The target with this name, for the fuzzer, which is told it by the variable `ARC_FUZZ_TARGET`.
pub fn chosen(targets: &[Target]) -> fn(&[u8]) {
    let name = std::env::var("ARC_FUZZ_TARGET").unwrap_or_default();
    let names: Vec<&str> = targets.iter().map(|(name, _)| *name).collect();
    match targets.iter().find(|(known, _)| *known == name) {
        Some((_, run)) => *run,
        None => panic!("ARC_FUZZ_TARGET is {name:?}; it must be one of {}", names.join(", ")),
    }
}
