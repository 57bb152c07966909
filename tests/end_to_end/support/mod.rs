//! What the tests stand on: a private cluster, a database for each test, the program itself.

mod database;
mod program;

use std::path::{Path, PathBuf};

pub use database::TestDatabase;
pub use program::Program;

/// A file of `tests/fixtures`.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// A file of the shared data beside the project, where it is there.
pub fn shared_data(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(name);
    path.exists().then_some(path)
}

/// Says that a test, or a part of one, was left out; where everything must run, that is a failure.
pub fn skip(what: &str, why: &str) {
    assert!(
        std::env::var_os("ARC_TEST_REQUIRE_ALL").is_none(),
        "{what} must run here (ARC_TEST_REQUIRE_ALL is set), but {why}"
    );
    println!("SKIPPED {what}: {why}");
}
