//! The host's targets under libFuzzer; `tests/fuzz/run` builds and starts it.

#![no_main]
#![allow(unsafe_code, reason = "libFuzzer calls a function by its exported name")]

use std::sync::OnceLock;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    static TARGET: OnceLock<fn(&[u8])> = OnceLock::new();
    TARGET.get_or_init(|| arc_fuzz::chosen(HOST))(input);
});

/// Only an instrumented host has these targets.
#[cfg(fuzzing)]
const HOST: &[arc_fuzz::Target] = arc_host::fuzzing::TARGETS;
#[cfg(not(fuzzing))]
const HOST: &[arc_fuzz::Target] = &[];
