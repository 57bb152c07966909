//! The Python package's own tests, run by pytest against the wheel that was built from this tree.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{skip, skip_without_tool};

/// A Python with the wheel and pytest; `.ci/run` creates one.
const PYTHON: &str = "ARC_TEST_PYTHON";

/// Runs a file of tests, and returns the last line that pytest printed.
fn pytest(file: &str) {
    let Some(python) = std::env::var_os(PYTHON).map(PathBuf::from) else {
        return skip_without_tool(
            &format!("the Python tests {file}"),
            &format!("{PYTHON} names no Python that has the wheel and pytest"),
        );
    };
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("python");
    let done = Command::new(&python)
        .args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "-rs"])
        .arg(tests.join(file))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&done.stdout);
    println!("{file}: {}", printed.lines().last().unwrap_or_default());
    // `-rs` lists them as `SKIPPED [1] test_it.py:5: why`.
    for line in printed.lines().filter_map(|line| line.strip_prefix("SKIPPED ")) {
        skip("a Python test", line.trim());
    }
    assert!(
        done.status.success() && printed.contains(" passed"),
        "{file}: {}\n{printed}\n{}",
        done.status,
        String::from_utf8_lossy(&done.stderr)
    );
}

macro_rules! files {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            pytest(concat!("test_", stringify!($name), ".py"));
        })*

        #[test]
        fn every_file_of_tests_is_run() {
            let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("python");
            let mut here: Vec<String> = std::fs::read_dir(tests)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .filter(|name| name.starts_with("test_") && name.ends_with(".py"))
                .collect();
            here.sort();
            let mut run = vec![$(concat!("test_", stringify!($name), ".py")),*];
            run.sort_unstable();
            assert_eq!(here, run);
        }
    };
}

files!(cancelled comparison documents forks formats generated_clients guide modal_example openapi pytest_plugin readme recording service tables types wheel);
