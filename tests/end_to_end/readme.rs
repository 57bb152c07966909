//! The README's commands of the service, as they stand there.

use std::path::Path;
use std::process::Command;

use crate::support::{Files, Finished, Program, Service, TestDatabase, skip_without_tool};

/// The shell blocks of a section.
fn blocks(readme: &str, heading: &str) -> Vec<String> {
    let (_, section) = readme.split_once(heading).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let after_fences = section.split("```sh\n").skip(1);
    after_fences.map(|text| text.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn the_commands_of_the_service() {
    if Command::new("curl").arg("--version").output().is_err() {
        return skip_without_tool("the README's curl commands", "curl is not installed");
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let blocks = blocks(&readme, "\n## Serve it over HTTP\n");
    assert!(blocks.len() >= 4, "{blocks:?}");
    assert!(blocks[0].starts_with("arc-host serve "), "{}", blocks[0]);
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let service = Service::start(&program, &files, &[]);
    for block in &blocks[1..] {
        // What the service answers must be a success, and every command must end well.
        let script = format!(
            "set -euo pipefail\narc-host() {{ '{}' \"$@\"; }}\ncurl() {{ command curl --fail-with-body \
             --noproxy '*' \"$@\"; echo >&2; }}\n{}",
            Program::path().display(),
            block.replace("http://127.0.0.1:7117", service.url())
        );
        let mut shell = program.command(["ignored"]);
        // The same environment as the program has.
        let variables: Vec<_> = shell
            .get_envs()
            .map(|(name, value)| (name.to_owned(), value.map(ToOwned::to_owned)))
            .collect();
        shell = Command::new("bash");
        for (name, value) in variables {
            match value {
                // Where a service is named, no database is.
                Some(value) if !block.contains("--server") || name != "ARC_DATABASE_URL" => {
                    shell.env(name, value)
                }
                _ => shell.env_remove(name),
            };
        }
        let finished = shell.current_dir(root).args(["-c", &script]).output().unwrap();
        println!("{}", Finished::from(finished).ended(0).stdout);
    }
    // 240 of the file, three by hand; twice as a stream is once, and once more as a simulation.
    let recorded =
        "SELECT count(*) FROM arc_recorder.outcomes WHERE simulation_id::text LIKE '019ab%'";
    assert_eq!(database.count(recorded), 243);
    let log = "SELECT count(*) FROM arc_recorder.outcomes WHERE header_id IS NOT NULL";
    assert_eq!(database.count(log), 10);
    assert_eq!(database.count("SELECT count(*) FROM arc_recorder.outcomes"), 483 + 10);
    assert_eq!(
        database.count("SELECT count(*) FROM arc_recorder.simulations WHERE status = 'completed'"),
        3
    );
    assert_eq!(
        database
            .count("SELECT count(*) FROM arc_recorder.access_tokens WHERE revoked_at IS NOT NULL"),
        1
    );
}
