//! The environment of the tests: a private cluster, a database for each test, a server that can be
//! stopped and started, the program itself, its service, and the tools for JavaScript.

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
pub use database::{OpenTransaction, TestDatabase, fetched_programs, installed_programs};
pub use files::{Files, record, result};
pub use javascript::{chromium, copy_folder, node_modules, run, typescript};
pub use program::{Finished, Program};
pub use server::{DatabaseServer, as_server, chown_to_server_account, free_port};
pub use service::{
    Answer, DEADLINE, Http, OpenStream, Service, client as http_client, read_to_end,
};
pub(crate) use skipped::at_exit;
pub use skipped::skip;

/// Waits until a condition holds, and fails after the longest time that a test waits.
#[track_caller]
pub fn wait_for(what: &str, mut reached: impl FnMut() -> bool) {
    let since = Instant::now();
    while !reached() {
        assert!(since.elapsed() < DEADLINE, "{what}: not within {DEADLINE:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Returns the path of a file of `tests/fixtures`.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// Returns the path of a file of the shared data beside the project, if it exists.
pub fn shared_data(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(name);
    path.exists().then_some(path)
}

/// Prints a message even if the harness captures the test's output.
pub fn print_uncaptured(text: &str) {
    let line = format!("\n{text}\n");
    // A closed stream cannot be reported anywhere.
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}

/// Notes that a test was skipped for lack of a tool; fails if all tools are required.
pub fn skip_without_tool(what: &str, why: &str) {
    assert!(
        std::env::var_os("ARC_TEST_REQUIRE_TOOLS").is_none(),
        "{what} must run here (ARC_TEST_REQUIRE_TOOLS is set), but {why}"
    );
    skip(what, why);
}
