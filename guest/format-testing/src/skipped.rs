//! Lists the skipped parts of a test program in one block when it ends: the harness does not show
//! the output of tests that succeed.

#![allow(unsafe_code, reason = "the standard library runs nothing at the end of a process")]

use std::io::Write as _;
use std::sync::{Mutex, Once, PoisonError};

static SKIPPED: Mutex<Vec<String>> = Mutex::new(Vec::new());

unsafe extern "C" {
    fn atexit(function: extern "C" fn()) -> i32;
}

/// Registers a function that runs at the end of the process, once.
pub(crate) fn at_exit(once: &Once, function: extern "C" fn()) {
    once.call_once(|| {
        // SAFETY: the function has no arguments, and uses only data that lives as long as the
        // process.
        let registered = unsafe { atexit(function) };
        assert_eq!(registered, 0, "atexit");
    });
}

/// Records that a test, or a part of one, is skipped.
pub fn skip(what: &str, why: &str) {
    static LIST: Once = Once::new();
    at_exit(&LIST, list);
    let line = format!("{what}: {why}");
    let mut skipped = SKIPPED.lock().unwrap_or_else(PoisonError::into_inner);
    if !skipped.contains(&line) {
        skipped.push(line);
    }
}

extern "C" fn list() {
    let skipped = SKIPPED.lock().unwrap_or_else(PoisonError::into_inner);
    let lines: String = skipped.iter().map(|line| format!("    {line}\n")).collect();
    let block = format!("\nSKIPPED in this run: {}\n{lines}", skipped.len());
    // If the stream is closed, there is no way to report it.
    let _ = std::io::stderr().lock().write_all(block.as_bytes());
}
