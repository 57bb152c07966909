//! What the tests stand on: a private cluster, a database for each test, a server that is stopped
//! and started, the program itself, its service, and what JavaScript needs.

mod clock;
mod database;
mod files;
mod javascript;
mod program;
mod server;
mod service;
#[path = "../../../guest/format-testing/src/skipped.rs"]
mod skipped;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use clock::ShiftedClock;
pub use database::{HeldTransaction, TestDatabase, fetched_programs, installed_programs};
pub use files::{Files, record, result};
pub use javascript::{chromium, copy_folder, node_modules, run, typescript};
pub use program::{Finished, Program};
pub use server::{DatabaseServer, as_server, free_port, give_away};
pub use service::{
    Answer, DEADLINE, Http, OpenStream, Service, client as http_client, read_to_end,
};
pub(crate) use skipped::at_exit;
pub use skipped::skip;

/// Waits until something is so, and fails when that takes longer than a test may.
#[track_caller]
pub fn wait_for(what: &str, mut reached: impl FnMut() -> bool) {
    let since = Instant::now();
    while !reached() {
        assert!(since.elapsed() < DEADLINE, "{what}: not within {DEADLINE:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A file of `tests/fixtures`.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// A file of the shared data beside the project, where it is there.
pub fn shared_data(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(name);
    path.exists().then_some(path)
}

/// Says something past the harness, which keeps what is printed to itself.
pub fn tell(text: &str) {
    let line = format!("\n{text}\n");
    // Nobody can be told that the stream is gone.
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}

/// Says that a test was left out for want of a tool; where all tools must be there, that fails.
pub fn skip_without_tool(what: &str, why: &str) {
    assert!(
        std::env::var_os("ARC_TEST_REQUIRE_TOOLS").is_none(),
        "{what} must run here (ARC_TEST_REQUIRE_TOOLS is set), but {why}"
    );
    skip(what, why);
}
