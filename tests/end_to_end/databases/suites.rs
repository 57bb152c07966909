//! The recorder's tests on other servers: this test binary runs itself, with the server as a setting.

use std::process::Command;

use crate::support::{print_uncaptured, skip, skip_without_tool};

/// The tests of recording and of queries.
const RECORDER: [&str; 13] = [
    "containers::",
    "databases::retention::",
    "history::",
    "late_results::",
    "pages::",
    "queries::",
    "recorder_api::",
    "recording::",
    "references::",
    "removal::",
    "schema::",
    "simulations::",
    "state_machine::",
];

/// Runs the tests and reports how many ran on which server.
#[track_caller]
fn run(server: &str, variable: &str, value: &str, but: &[&str]) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(RECORDER).args(["--test-threads", "2"]).env(variable, value);
    for name in but {
        command.args(["--skip", name]);
        skip(&format!("{name} on {server}"), "it needs a server of its own");
    }
    let output = command.output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let sum = stdout.lines().rfind(|line| line.starts_with("test result:")).unwrap_or("no result");
    let stderr = String::from_utf8_lossy(&output.stderr);
    // The skipped tests are listed at the end of the output.
    let mut block = stderr.lines().skip_while(|line| !line.starts_with("SKIPPED"));
    let skipped = block.by_ref().skip(1).map_while(|line| line.strip_prefix("    "));
    for (what, why) in skipped.filter_map(|line| line.split_once(": ")) {
        skip(&format!("{what} on {server}"), why);
    }
    print_uncaptured(&format!(
        "the recorder's tests on {server}: {}",
        sum.replace("test result: ", "")
    ));
    assert!(output.status.success(), "on {server}:\n{stdout}\n{stderr}");
}

#[test]
fn the_recorder_works_on_other_versions_of_postgresql() {
    let Some(folders) = std::env::var_os("ARC_TEST_POSTGRES_BINS") else {
        skip_without_tool("other versions of PostgreSQL", "ARC_TEST_POSTGRES_BINS is not set");
        return;
    };
    for folder in std::env::split_paths(&folders) {
        let version = Command::new(folder.join("postgres")).arg("--version").output().unwrap();
        let version = String::from_utf8_lossy(&version.stdout).trim().replace("postgres ", "");
        run(&version, "ARC_TEST_POSTGRES_BIN", folder.to_str().unwrap(), &[]);
    }
}

#[test]
fn the_recorder_works_on_timescaledb() {
    on_server("TimescaleDB", "ARC_TEST_TIMESCALE_URL");
}

#[test]
fn the_recorder_works_on_citus() {
    on_server("Citus", "ARC_TEST_CITUS_URL");
}

/// Runs the tests on a server that not every machine can install, so that it is allowed to be missing.
#[track_caller]
fn on_server(name: &str, variable: &str) {
    match std::env::var(variable) {
        Ok(url) => run(name, "ARC_TEST_SERVER_URL", &url, &["schema::a_database_that_does_not"]),
        Err(_) => skip(
            &format!("the recorder's tests on a full {name}"),
            &format!("{variable} names no server"),
        ),
    }
}
