//! What the README and the manuals say: commands run as they stand there, shown output is what comes,
//! links lead somewhere, and settings and metrics have the names that the program gives them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Files, Finished, Program, Service, TestDatabase, result, skip_without_tool};

/// Sections whose commands are run one after another, with the database of a test. `ID` stands for a
/// simulation.
const SECTIONS: [(&str, &str); 4] = [
    ("README.md", "Look at what was recorded"),
    ("README.md", "Take outcomes to other programs"),
    ("README.md", "After the extractor was mended"),
    ("host/DATABASES.md", "Schema, layouts and retention"),
];

/// The root of the repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn text_of(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap()
}

/// The text of a section.
fn section<'t>(text: &'t str, heading: &str) -> &'t str {
    let (_, section) = text.split_once(&format!("\n## {heading}\n")).unwrap();
    section.split("\n## ").next().unwrap()
}

/// The blocks of a language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let after_fences = text.split(fence.as_str()).skip(1);
    after_fences.map(|text| text.split("```").next().unwrap().to_owned()).collect()
}

/// A shell in a folder from which the repository's files look as from its root, where `arc-host` is the
/// program under test.
struct Shell {
    program: Program,
    files: Files,
    /// What stands before every command.
    before: String,
}

impl Shell {
    fn new(program: &Program) -> Self {
        let files = Files::new();
        for room in ["tests", "guest", "host"] {
            std::os::unix::fs::symlink(root().join(room), files.path(room)).unwrap();
        }
        let path = Program::path().display();
        let before = format!("set -euo pipefail\narc-host() {{ '{path}' \"$@\"; }}\n");
        Shell { program: program.clone(), files, before }
    }

    /// Runs a script in the environment that the program has.
    fn run(&self, script: &str) -> Finished {
        let program = self.program.command(["ignored"]);
        let mut shell = Command::new("bash");
        for (name, value) in program.get_envs() {
            match value {
                // Where a service is named, no database is.
                Some(value) if !script.contains("--server") || name != "ARC_DATABASE_URL" => {
                    shell.env(name, value)
                }
                _ => shell.env_remove(name),
            };
        }
        // The shell's folder is where its files are made.
        let script = format!("{}{script}", self.before);
        shell.current_dir(self.files.path("")).args(["-c", &script]);
        shell.stdin(std::process::Stdio::null()).output().unwrap().into()
    }
}

/// Whether a text is a pattern, in which `…` stands for any text within a line.
fn matches(pattern: &str, text: &str) -> bool {
    let mut rest = text;
    let parts: Vec<&str> = pattern.split('…').collect();
    let (first, last) = (parts[0], parts[parts.len() - 1]);
    if parts.len() == 1 {
        return pattern == text;
    }
    if !rest.starts_with(first) || !rest.ends_with(last) || rest.len() < first.len() + last.len() {
        return false;
    }
    rest = &rest[first.len()..rest.len() - last.len()];
    parts[1..parts.len() - 1].iter().all(|part| match rest.split_once(part) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

/// Asserts that shown output is what came; a line that is only `…` stands for any lines.
fn assert_shown(command: &str, shown: &[&str], came: &str) {
    let mut lines = came.lines().map(str::trim_end).peekable();
    for (place, pattern) in shown.iter().enumerate() {
        if pattern.trim() == "…" {
            let next = shown.get(place + 1);
            while lines.peek().is_some_and(|line| next.is_none_or(|next| !matches(next, line))) {
                lines.next();
            }
            continue;
        }
        let line = lines.next();
        assert!(
            line.is_some_and(|line| matches(pattern, line)),
            "{command}\nis shown with {pattern:?}, and this came: {line:?}; all of it:\n{came}"
        );
    }
    assert_eq!(lines.next(), None, "{command}: what is shown ends before it; all of it:\n{came}");
}

#[test]
fn what_is_shown_is_what_comes() {
    // Those that need a tool the machine lacks are counted as well: how many the pages have does not
    // depend on the machine.
    let mut commands = 0;
    for file in ["README.md", "guest/formats/README.md", "host/DATABASES.md", "host/SERVICE.md"] {
        let database = TestDatabase::new();
        let mut shell = Shell::new(&Program::on(&database));
        let wasmtime = super::component::wasmtime();
        if let Some(wasmtime) = &wasmtime {
            shell.before += &format!("wasmtime() {{ '{}' \"$@\"; }}\n", wasmtime.display());
        }
        for block in blocks(&text_of(file), "console") {
            for command in block.split("$ ").skip(1) {
                let mut lines = command.lines();
                let mut script = lines.next().unwrap_or_default().to_owned();
                while script.ends_with('\\') {
                    script = format!("{script}\n{}", lines.next().unwrap_or_default());
                }
                commands += 1;
                if script.starts_with("wasmtime ") && wasmtime.is_none() {
                    skip_without_tool(&script, "the wasmtime command is not on PATH");
                    continue;
                }
                let finished = shell.run(&script);
                println!("{script}\n{}{}", finished.stdout, finished.stderr);
                let lines: Vec<&str> = lines.map(str::trim_end).collect();
                // Nothing is shown where only the exit counts.
                if lines.is_empty() {
                    finished.ended(0);
                } else {
                    assert_shown(&script, &lines, &finished.stdout);
                }
            }
        }
    }
    assert!(commands >= 5, "the pages show {commands} commands");
}

#[test]
fn commands_of_other_sections() {
    let database = TestDatabase::new();
    let shell = Shell::new(&Program::on(&database));
    let recorded = "arc-host record --json tests/fixtures/results.jsonl";
    let id = shell.run(recorded).ended(0).json()["simulation_id"].as_str().unwrap().to_owned();
    shell.run("arc-host record tests/fixtures/hostile.jsonl").ended(2);
    if Command::new("psql").arg("--version").output().is_err() {
        skip_without_tool("`arc-host psql`", "psql is not installed");
    }
    for (file, heading) in SECTIONS {
        let text = text_of(file);
        let blocks = blocks(section(&text, heading), "sh");
        assert!(!blocks.is_empty(), "{file}: {heading}");
        for command in blocks.iter().flat_map(|block| block.lines()) {
            let finished = shell.run(&command.replace(" ID", &format!(" {id}")));
            println!("{command}\n{}{}", finished.stdout, finished.stderr);
            // 2 says that some results are rejected, which they are.
            assert!(matches!(finished.code, Some(0 | 2)), "{command}: {}", finished.stderr);
        }
    }
    // The last one removed what was started half a year ago: nothing.
    assert_eq!(database.count("SELECT count(*) FROM arc_recorder.simulations"), 2);
    let parquet = std::fs::read(shell.files.path("outcomes.parquet")).unwrap();
    assert!(parquet.starts_with(b"PAR1"));
}

/// Every page of the repository.
fn pages() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    let mut folders = vec![root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let made = ["target", "node_modules", "dist"].contains(&name.as_str());
            if path.is_dir() && !path.is_symlink() && !made && !name.starts_with('.') {
                folders.push(path);
            } else if name.ends_with(".md") {
                pages.push(path);
            }
        }
    }
    pages
}

/// What a heading is called in a link.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn anchors(page: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(page).unwrap();
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings.map(|heading| anchor(heading.trim_start_matches('#').trim())).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let (mut links, mut broken) = (0, Vec::new());
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        // Blocks of code have brackets, too.
        let prose = text.split("```").step_by(2).collect::<String>();
        for target in prose.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            links += 1;
            let (path, heading) = target.split_once('#').unwrap_or((target, ""));
            let to = if path.is_empty() { page.clone() } else { page.parent().unwrap().join(path) };
            let there = to.exists()
                && (heading.is_empty() || !to.is_file() || anchors(&to).contains(heading));
            if !there {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(links > 60, "{links}");
    assert!(broken.is_empty(), "{broken:#?}");
}

/// The names in backquotes that stand in the rows of tables.
fn quoted(text: &str) -> BTreeSet<String> {
    let rows = text.lines().filter(|line| line.starts_with('|'));
    rows.flat_map(|row| row.split('`').skip(1).step_by(2)).map(ToOwned::to_owned).collect()
}

#[test]
fn settings_and_metrics_have_the_names_of_the_program() {
    let readme = text_of("README.md");
    let manual = text_of("host/SERVICE.md");
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let config = program.run(["serve", "--print-config"]).ended(0).stdout;
    let limits = quoted(section(&readme, "Limits"));
    let settings: Vec<_> = limits.iter().filter(|name| !name.starts_with('-')).collect();
    assert!(settings.len() > 8, "{settings:?}");
    for name in settings {
        assert!(
            config.lines().any(|line| line.trim_start_matches("# ").starts_with(name)),
            "{name}"
        );
    }
    for line in config.lines().filter(|line| line.contains(" = ")) {
        let name = line.trim_start_matches("# ").split(" = ").next().unwrap();
        let ended = ["_mib", "_kib", "_seconds"].iter().any(|unit| name.ends_with(unit));
        assert!(!ended || manual.contains(name), "host/SERVICE.md says nothing of {name}");
    }
    let service = Service::start(&program, &files, &[]);
    let id = service.start_simulation(&["a"]);
    let outcome = result("a", "success", 1.0);
    service.post(&format!("/v1/simulations/{id}/outcomes"), &outcome).has(200);
    let metrics = service.get("/metrics").has(200).text();
    let named: Vec<String> = quoted(section(&readme, "Operate"))
        .into_iter()
        .filter(|name| name.starts_with("arc_") && name != "arc_recorder")
        .collect();
    assert!(named.len() >= 4, "{named:?}");
    for name in named {
        assert!(
            metrics.contains(&format!("# TYPE {} ", name.trim_end_matches("_total"))),
            "{name}\n{metrics}"
        );
    }
}

#[test]
fn the_commands_of_the_service() {
    if Command::new("curl").arg("--version").output().is_err() {
        return skip_without_tool("the README's curl commands", "curl is not installed");
    }
    let readme = text_of("README.md");
    let blocks = blocks(section(&readme, "Serve it over HTTP"), "sh");
    assert!(blocks.len() >= 4, "{blocks:?}");
    assert!(blocks[0].starts_with("arc-host serve "), "{}", blocks[0]);
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let service = Service::start(&program, &files, &[]);
    let mut shell = Shell::new(&program);
    // What the service answers must be a success, and every command must end well.
    shell.before += "curl() { command curl --fail-with-body --noproxy '*' \"$@\"; echo >&2; }\n";
    for block in &blocks[1..] {
        let script = block.replace("http://127.0.0.1:7117", service.url());
        println!("{}", shell.run(&script).ended(0).stdout);
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

/// Files that people read or are shown: pages, programs and their messages.
fn texts() -> Vec<(PathBuf, String)> {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output();
    let Some(listed) = listed.ok().filter(|listed| listed.status.success()) else {
        return Vec::new();
    };
    let names = String::from_utf8(listed.stdout).unwrap();
    let shown = ["md", "rs", "py", "ts", "mjs", "js", "toml", "pyi"];
    names
        .split('\0')
        .filter(|name| shown.iter().any(|end| name.ends_with(&format!(".{end}"))))
        // What is done at a release, and this very test.
        .filter(|name| !["RELEASING.md", "tests/end_to_end/readme.rs"].contains(name))
        .filter_map(|name| Some((name.into(), std::fs::read_to_string(root().join(name)).ok()?)))
        .collect()
}

#[test]
fn no_page_names_a_package_that_no_index_has() {
    let texts = texts();
    if texts.is_empty() {
        skip_without_tool("the names of packages in all files", "git lists no file here");
        return;
    }
    let commands =
        ["pip install", "pip_install(", "npm install ", "npm i ", "cargo install ", "cargo add "];
    let ours = ["arc-recorder", "arc-host", "arc-extractor", "arc-format-kit"];
    let mut found = Vec::new();
    for (file, text) in texts {
        for line in text.lines() {
            let Some(what) = commands.iter().find_map(|command| line.split_once(command)) else {
                continue;
            };
            let named = what
                .1
                .split([' ', '"', '\'', '`', ',', '(', ')', '[', ']'])
                .any(|word| ours.contains(&word));
            // A wheel in a folder is no index, and neither is this repository.
            if named && !line.contains("--no-index") && !line.contains("--path") {
                found.push(format!("{}: {}", file.display(), line.trim()));
            }
        }
    }
    assert_eq!(found, Vec::<String>::new());
}
