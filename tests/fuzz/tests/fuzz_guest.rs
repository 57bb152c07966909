//! The targets of code that runs in components, under libFuzzer; `tests/fuzz/run` builds and
//! starts it.

#![no_main]
#![allow(unsafe_code, reason = "libFuzzer calls a function by its exported name")]

use std::sync::OnceLock;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    static TARGET: OnceLock<fn(&[u8])> = OnceLock::new();
    TARGET.get_or_init(|| arc_fuzz::chosen(arc_fuzz::TARGETS))(input);
});
