//! The README, the pages of `docs/` and the other documents at the root: commands run as written, shown output is the
//! actual output, links resolve, and commands, options, settings, metrics, variables and paths exist under the names
//! that the pages use.
//!
//! A block of commands that cannot run here has a comment on the line before it:
//!
//! - `<!-- not run: REASON -->`
//! - `<!-- run by PATH -->`, if that script or test runs it

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Files, Finished, Program, Service, TestDatabase, result, skip_without_tool};

/// Pages whose commands have a test of their own, because they need data or a service.
const QUERIES: &str = "docs/queries.md";
const COSTS: &str = "docs/costs.md";
const DATABASES: &str = "docs/databases.md";
const SERVICE: &str = "docs/service.md";

/// The URL of the service on the pages.
const SERVICE_URL: &str = "http://127.0.0.1:7117";

/// Returns the root of the repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn text_of(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap()
}

/// Returns the documents at the root and the pages of `docs/`, as paths from the root.
fn documents() -> Vec<String> {
    let mut documents = Vec::new();
    let mut folders = vec![PathBuf::new(), PathBuf::from("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root().join(&folder)).unwrap() {
            let path = folder.join(entry.unwrap().file_name());
            if root().join(&path).is_dir() {
                if path.starts_with("docs") && path != Path::new("docs") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|end| end == "md") {
                documents.push(path.to_str().unwrap().to_owned());
            }
        }
    }
    documents.sort();
    documents
}

/// Returns the text of a section.
fn section<'t>(text: &'t str, heading: &str) -> &'t str {
    let (_, section) = text.split_once(&format!("\n## {heading}\n")).unwrap();
    section.split("\n## ").next().unwrap()
}

/// How a block is run.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Run {
    Here,
    /// A script or a test at this path.
    By(String),
    /// Not run, for this reason.
    Not(String),
}

/// A fenced block of a page.
#[derive(Debug)]
struct Block {
    language: String,
    text: String,
    run: Run,
}

/// Returns the blocks of a page, in order.
fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut before = "";
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let comment = before.strip_prefix("<!-- ").and_then(|text| text.strip_suffix(" -->"));
            let run = match comment {
                None => Run::Here,
                Some(comment) => {
                    let by = comment.strip_prefix("run by ").map(|path| Run::By(path.to_owned()));
                    let not = comment.strip_prefix("not run: ");
                    by.or_else(|| not.map(|reason| Run::Not(reason.to_owned())))
                        .unwrap_or_else(|| panic!("a comment before a block: {comment}"))
                }
            };
            let inside = lines.by_ref().take_while(|line| !line.starts_with("```"));
            let text = inside.fold(String::new(), |text, line| text + line + "\n");
            blocks.push(Block { language: language.to_owned(), text, run });
        }
        before = line;
    }
    blocks
}

/// Returns the blocks of commands of a page that run here.
fn scripts(text: &str) -> Vec<String> {
    let blocks = blocks(text).into_iter();
    blocks
        .filter(|block| block.language == "sh" && block.run == Run::Here)
        .map(|block| block.text)
        .collect()
}

/// Returns the text of a page outside of blocks.
fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// Returns the code in backquotes outside of blocks.
fn inline_code(text: &str) -> Vec<String> {
    prose(text).split('`').skip(1).step_by(2).map(|code| code.replace('\n', " ")).collect()
}

/// A shell in a folder that contains the repository's files as its root does, with the program under test as
/// `arc-host`.
struct Shell {
    program: Program,
    files: Files,
    /// The commands before every script.
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
        // Formats that a user of this machine has added must not affect the pages.
        let program = program.clone().with_variable("ARC_DATA_DIR", files.path("data"));
        Shell { program, files, before }
    }

    /// Runs a script in the program's environment.
    fn run(&self, script: &str) -> Finished {
        let mut shell = self.program.in_environment("bash");
        if script.contains("--server") {
            // If a service is set, no database is.
            shell.env_remove("ARC_DATABASE_URL");
        }
        // The shell creates its files in its own folder.
        let script = format!("{}{script}", self.before);
        shell.current_dir(self.files.path("")).args(["-c", &script]);
        shell.stdin(std::process::Stdio::null()).output().unwrap().into()
    }
}

/// Returns whether a text matches a pattern, in which `…` matches any text within a line.
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

/// Compares shown output with the actual output; a line that is only `…` matches any lines.
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
            "{command}\nis shown with {pattern:?}, but its output has {line:?}; all of it:\n{came}"
        );
    }
    assert_eq!(
        lines.next(),
        None,
        "{command}: the shown output is incomplete; the whole output:\n{came}"
    );
}

#[test]
fn shown_output_is_the_output() {
    // Commands that need a tool that the machine lacks are counted as well, so that the number of commands does not
    // depend on the machine.
    let mut commands = 0;
    let wasmtime = super::component::wasmtime();
    for file in documents().into_iter().chain(["guest/formats/README.md".to_owned()]) {
        let blocks = blocks(&text_of(&file));
        let shown: Vec<&Block> =
            blocks.iter().filter(|block| block.language == "console").collect();
        if shown.is_empty() {
            continue;
        }
        let database = TestDatabase::new();
        let mut shell = Shell::new(&Program::on(&database));
        if let Some(wasmtime) = &wasmtime {
            shell.before += &format!("wasmtime() {{ '{}' \"$@\"; }}\n", wasmtime.display());
        }
        for block in shown {
            assert_eq!(
                block.run,
                Run::Here,
                "{file}: shown output is only compared with that of commands that run"
            );
            for command in block.text.split("$ ").skip(1) {
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
                // Nothing is shown if only the exit code matters.
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
fn commands_run() {
    let mut ran = 0;
    for file in documents() {
        let scripts = scripts(&text_of(&file));
        if scripts.is_empty() || [QUERIES, COSTS, DATABASES, SERVICE].contains(&file.as_str()) {
            continue;
        }
        let database = TestDatabase::new();
        let shell = Shell::new(&Program::on(&database));
        for script in scripts {
            println!("{file}:\n{script}{}", shell.run(&script).ended(0).stdout);
            ran += 1;
        }
    }
    assert!(ran >= 2, "{ran}");
}

#[test]
fn blocks_that_do_not_run_here_have_a_reason() {
    let mut left_out = 0;
    for file in documents() {
        for block in blocks(&text_of(&file)) {
            if block.run == Run::Here {
                continue;
            }
            assert!(["sh", "console"].contains(&block.language.as_str()), "{file}: {block:?}");
            left_out += 1;
            match block.run {
                Run::Here => {}
                Run::By(path) => assert!(root().join(&path).is_file(), "{file}: {path}"),
                Run::Not(reason) => {
                    assert!(reason.split(' ').count() >= 4, "{file}: {reason}");
                    let paths = reason.split([' ', ';', ',']);
                    for path in paths.filter(|word| word.contains('/')) {
                        assert!(root().join(path).exists(), "{file}: {path}");
                    }
                }
            }
        }
    }
    assert!(left_out >= 10, "{left_out}");
}

/// Creates a shell on a database with two recorded files, the first of which is the simulation `ID`.
fn recorded(database: &TestDatabase) -> (Shell, String) {
    let mut shell = Shell::new(&Program::on(database));
    let command = "arc-host record --json tests/fixtures/results.jsonl";
    let id = shell.run(command).ended(0).json()["simulation_id"].as_str().unwrap().to_owned();
    shell.run("arc-host record tests/fixtures/hostile.jsonl").ended(2);
    // The exit code is 2 because some results are rejected.
    let path = Program::path().display();
    writeln!(shell.before, "arc-host() {{ '{path}' \"$@\" || [ $? = 2 ]; }}").unwrap();
    (shell, id)
}

#[test]
fn queries_and_databases() {
    if Command::new("psql").arg("--version").output().is_err() {
        return skip_without_tool("the commands of the pages on queries", "psql is not installed");
    }
    let database = TestDatabase::new();
    let (shell, id) = recorded(&database);
    for file in [QUERIES, COSTS, DATABASES] {
        let scripts = scripts(&text_of(file));
        assert!(scripts.len() >= 2, "{file}: {scripts:?}");
        for script in scripts {
            let finished = shell.run(&script.replace(" ID", &format!(" {id}"))).ended(0);
            println!("{script}\n{}{}", finished.stdout, finished.stderr);
        }
    }
    // The last command removed simulations that started half a year ago, of which it found none.
    assert_eq!(database.count("SELECT count(*) FROM arc_recorder.simulations"), 2);
    let parquet = std::fs::read(shell.files.path("outcomes.parquet")).unwrap();
    assert!(parquet.starts_with(b"PAR1"));
}

#[test]
fn commands_of_the_service() {
    if Command::new("curl").arg("--version").output().is_err() {
        return skip_without_tool("the curl commands of docs/service.md", "curl is not installed");
    }
    let text = text_of(SERVICE);
    let first = &blocks(&text)[0];
    assert!(first.text.starts_with("arc-host serve "), "{first:?}");
    let scripts = scripts(&text);
    assert!(scripts.len() >= 3, "{scripts:?}");
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let service = Service::start(&program, &files, &[]);
    let mut shell = Shell::new(&program);
    // Every request must succeed, and every command must exit with 0.
    shell.before += "curl() { command curl --fail-with-body --noproxy '*' \"$@\"; echo >&2; }\n";
    for script in scripts {
        let script = script.replace(SERVICE_URL, service.url());
        println!("{}", shell.run(&script).ended(0).stdout);
    }
    // 240 from the file and three by hand; the same 240 twice as a stream are stored once, and once more as another
    // simulation, and as one of a project.
    let recorded =
        "SELECT count(*) FROM arc_recorder.outcomes WHERE simulation_id::text LIKE '019ab%'";
    assert_eq!(database.count(recorded), 243);
    let log = "SELECT count(*) FROM arc_recorder.outcomes WHERE header_id IS NOT NULL";
    assert_eq!(database.count(log), 10);
    assert_eq!(database.count("SELECT count(*) FROM arc_recorder.outcomes"), 723 + 10);
    assert_eq!(
        database.count("SELECT count(*) FROM arc_recorder.simulations WHERE status = 'completed'"),
        4
    );
    assert_eq!(
        database
            .count("SELECT count(*) FROM arc_recorder.access_tokens WHERE revoked_at IS NOT NULL"),
        1
    );
}

/// Follows the README to a recorded file, a query and a format, with nothing but its blocks.
#[test]
fn the_first_steps_of_the_readme() {
    if Command::new("psql").arg("--version").output().is_err() {
        return skip_without_tool("the first steps of the README", "psql is not installed");
    }
    let database = TestDatabase::new();
    let program = Program::on(&database);
    let mut script = program.in_environment_of_a_build(root().join(".ci/first-steps"));
    script.env("ARC_HOST", Program::path());
    // Build products are kept for the next run.
    let build = Path::new(env!("CARGO_TARGET_TMPDIR")).join("first-steps");
    script.env("CARGO_BUILD_BUILD_DIR", build);
    let finished: Finished = script.stdin(std::process::Stdio::null()).output().unwrap().into();
    println!("{}\n{}", finished.stdout, finished.stderr);
    let finished = finished.ended(0);
    assert!(finished.stdout.contains("weather"), "the query finds the failure");
    let by_format = database.query(
        "SELECT name, count(*) FROM arc_recorder.outcomes
         JOIN arc_recorder.extractors USING (extractor_id) GROUP BY name ORDER BY name",
    );
    let by_format: Vec<(String, i64)> =
        by_format.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(by_format, [("arc-guide".to_owned(), 3), ("exam".to_owned(), 3)]);
}

#[test]
fn the_example_in_rust_is_the_one_that_is_compiled() {
    let library = text_of("host/src/lib.rs");
    let lines = library.lines().filter_map(|line| line.strip_prefix("//!"));
    // The page does not show the lines that the documentation hides.
    let shown = lines.map(|line| line.strip_prefix(' ').unwrap_or(line));
    let shown: Vec<&str> = shown.filter(|line| !line.starts_with("# ")).collect();
    let blocks = blocks(&text_of("docs/rust.md"));
    let example = blocks.iter().find(|block| block.language == "rust").unwrap();
    assert!(shown.join("\n").contains(&example.text), "{}", example.text);
}

#[test]
fn the_readme_is_short() {
    let text = text_of("README.md");
    assert!(text.lines().count() <= 220, "{}", text.lines().count());
    let first = &blocks(&text)[0];
    assert_eq!((first.language.as_str(), first.text.lines().count()), ("sh", 2), "{first:?}");
    assert_eq!(first.run, Run::By(".ci/bare-machine".to_owned()));
}

/// Returns every page of the repository.
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

/// Returns the anchor of a heading in a link.
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
fn every_link_resolves() {
    let (mut links, mut broken) = (0, Vec::new());
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        // Blocks of code also contain brackets.
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

/// The output of `--help` of each command.
struct Help {
    program: Program,
    pages: BTreeMap<Vec<String>, String>,
}

impl Help {
    fn page(&mut self, command: &[String]) -> String {
        if let Some(page) = self.pages.get(command) {
            return page.clone();
        }
        let arguments = command.iter().map(String::as_str).chain(["--help"]);
        let page = self.program.run(arguments).ended(0).stdout;
        self.pages.insert(command.to_vec(), page.clone());
        page
    }

    /// Returns whether a command has this subcommand.
    fn has_command(&mut self, command: &[String], name: &str) -> bool {
        let page = self.page(command);
        page.lines().any(|line| {
            line.strip_prefix("  ").and_then(|line| line.split(' ').next()) == Some(name)
        })
    }

    /// Returns the error in a command line after `arc-host`, if it has one.
    fn wrong(&mut self, line: &str) -> Option<String> {
        let ends = [" |", " >", " <", " #", " &&", ";", ")"];
        let end = ends.iter().filter_map(|end| line.find(end)).min().unwrap_or(line.len());
        let (mut command, mut options) = (Vec::new(), Vec::new());
        let mut descending = true;
        for word in line[..end].split_whitespace() {
            if word == "--" || word == "…" {
                break;
            }
            if word.starts_with('-') {
                options.push(word.trim_end_matches([',', '.']).to_owned());
            } else if descending && self.has_command(&command, word) {
                command.push(word.to_owned());
            } else if command.is_empty() {
                // The value of an option that precedes the command.
                let command =
                    word.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-');
                if command {
                    return Some(format!("no command {word}"));
                }
            } else {
                descending = false;
            }
        }
        let page = self.page(&command);
        let missing = options.iter().find(|option| {
            let words = page.split([' ', '\n', ',', '=', '[', '`']);
            !words.into_iter().any(|word| word == option.as_str())
        });
        missing.map(|option| format!("no option {option} of {command:?}"))
    }
}

/// Returns the arguments of `arc-host` if it is the program of a command line, and not an argument of another one.
fn commands_of(line: &str) -> impl Iterator<Item = &str> {
    let program = "arc-host ";
    line.match_indices(program).filter_map(move |(at, _)| {
        let before = &line[..at];
        let begins = before.is_empty() || before.ends_with([' ', '(']);
        let named = ["-p", "--bin"].iter().any(|option| before.trim_end().ends_with(option));
        (begins && !named).then(|| &line[at + program.len()..])
    })
}

#[test]
fn commands_and_options_exist() {
    let mut help = Help { program: Program::without_database(), pages: BTreeMap::new() };
    let (mut commands, mut wrong) = (0, Vec::new());
    for file in documents() {
        // The changelog names items that no longer exist.
        if file == "CHANGELOG.md" {
            continue;
        }
        let text = text_of(&file);
        let mut lines = inline_code(&text);
        for block in blocks(&text).iter().filter(|block| block.language == "sh") {
            let joined = block.text.replace("\\\n", " ");
            lines.extend(joined.lines().map(ToOwned::to_owned));
        }
        for line in lines {
            for command in commands_of(&line) {
                commands += 1;
                if let Some(what) = help.wrong(command) {
                    wrong.push(format!("{file}: {line}: {what}"));
                }
            }
        }
    }
    assert!(commands > 60, "{commands}");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn mistakes_of_a_page_are_found() {
    let mut help = Help { program: Program::without_database(), pages: BTreeMap::new() };
    for right in ["record --json x | head", "--json spool list", "-- record x", "status ID --watch"]
    {
        assert_eq!(help.wrong(right), None, "{right}");
    }
    for wrong in ["recrod x", "record --no-such x", "spool list --watch", "--no-such record x"] {
        assert!(help.wrong(wrong).is_some(), "{wrong}");
    }
    let found: Vec<&str> = commands_of("a; (arc-host x) && cargo test -p arc-host y").collect();
    assert_eq!(found, ["x) && cargo test -p arc-host y"]);
    let page = "```sh\na\nb\n```\n\n<!-- not run: because of this -->\n```sh\nc\n```\n`d` ```";
    assert_eq!(scripts(page), ["a\nb\n"]);
    assert_eq!(blocks(page)[1].run, Run::Not("because of this".to_owned()));
    assert_eq!(inline_code("a `b\nc` d\n```sh\n`e`\n```\n`f`"), ["b c", "f"]);
}

/// Returns the sources and scripts as one text.
fn sources() -> String {
    let mut sources = String::new();
    let mut paths: Vec<PathBuf> =
        ["host", "guest", "wit", "migrations", "tests", ".ci", "rust-toolchain.toml"]
            .map(|name| root().join(name))
            .into();
    while let Some(path) = paths.pop() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            let made = ["target", "node_modules", "dist", "corpus"].contains(&name.as_str());
            if !made && !path.is_symlink() {
                paths.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            }
            continue;
        }
        let ends = [".rs", ".py", ".ts", ".mjs", ".js", ".toml", ".wit", ".sql", ".json"];
        let script = path.starts_with(root().join(".ci"));
        if script || ends.iter().any(|end| name.ends_with(end)) && name != "documentation.rs" {
            sources += &std::fs::read_to_string(path).unwrap_or_default();
        }
    }
    sources
}

/// Names that PostgreSQL, Citus and PgBouncer define.
const FOREIGN_NAMES: [&str; 5] = [
    "citus_add_node",
    "citus_rebalance_start",
    "commit_delay",
    "ignore_startup_parameters",
    "pg_dump",
];

/// Returns whether a text is a name with an underscore, such as a setting, a column or a code.
fn is_name(text: &str) -> bool {
    text.contains('_')
        && text.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

#[test]
fn names_variables_and_paths_exist() {
    let sources = sources();
    let rooms = ["wit/", "guest/", "host/", "migrations/", "tests/", "docs/", "findings/", ".ci/"];
    let (mut names, mut paths, mut missing) = (BTreeSet::new(), 0, Vec::new());
    for file in documents().into_iter().filter(|file| file != "CHANGELOG.md") {
        let text = text_of(&file);
        let variables = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        let variables = variables.filter(|word| word.starts_with("ARC_"));
        // Each setting of the service has a variable, whose name is derived from the setting's.
        let variables = variables.filter(|word| !word.starts_with("ARC_SERVE_"));
        names.extend(variables.map(|name| (file.clone(), name.to_owned())));
        for code in inline_code(&text) {
            if is_name(&code) {
                // Another test compares metrics with those of a service.
                if !code.starts_with("arc_") && !FOREIGN_NAMES.contains(&code.as_str()) {
                    names.insert((file.clone(), code));
                }
            } else if rooms.iter().any(|room| code.starts_with(room))
                && !code.contains([' ', '*', '…', '<', ':'])
                && !code.contains("NAME")
                && !code.contains("TARGET")
                && !code.contains("NNNN")
            {
                paths += 1;
                if !root().join(&code).exists() {
                    missing.push(format!("{file}: {code}"));
                }
            }
        }
    }
    assert!(names.len() > 100 && paths > 40, "{} names, {paths} paths", names.len());
    let unknown = names.iter().filter(|(_, name)| !sources.contains(name.as_str()));
    missing.extend(unknown.map(|(file, name)| format!("{file}: {name}")));
    assert!(missing.is_empty(), "{missing:#?}");
}

/// Returns the rows of the tables of a text, each as its cells.
fn rows(text: &str) -> Vec<Vec<&str>> {
    let rows = text.lines().filter(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').collect()).collect()
}

/// Returns the code in a cell.
fn codes(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn settings_codes_and_metrics_have_the_names_of_the_program() {
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let config = program.run(["serve", "--print-settings"]).ended(0).stdout;
    let settings: BTreeSet<&str> = config
        .lines()
        .filter(|line| line.contains(" = "))
        .filter_map(|line| line.trim_start_matches("# ").split(" = ").next())
        .collect();
    assert!(settings.len() > 30, "{settings:?}");
    let limits = text_of("docs/limits.md");
    let of_limits: BTreeSet<&str> = rows(&limits)
        .iter()
        .filter_map(|row| row.get(2))
        .flat_map(|cell| codes(cell))
        .filter(|name| !name.starts_with('-'))
        .collect();
    assert!(of_limits.len() > 12, "{of_limits:?}");
    let manual = text_of(SERVICE);
    let table = rows(section(&manual, "Settings and limits"));
    let of_service: BTreeSet<&str> = table
        .iter()
        .flat_map(|row| codes(row[0]))
        .filter(|name| is_name(name) || settings.contains(name))
        .collect();
    assert!(of_service.len() > 25, "{of_service:?}");
    for name in of_limits.union(&of_service) {
        assert!(settings.contains(name), "there is no setting {name}");
    }
    for name in &settings {
        let ended = ["_mib", "_kib", "_seconds"].iter().any(|unit| name.ends_with(unit));
        assert!(!ended || manual.contains(name), "{SERVICE} does not have {name}");
    }

    let service = Service::start(&program, &files, &[]);
    let contract = service.get("/openapi.json").has(200).text();
    let (sources, mut refusals) = (sources(), 0);
    for row in &table {
        for code in codes(row[2]).filter(|code| is_name(code) && !settings.contains(code)) {
            refusals += 1;
            // Codes of the service's errors have a status; the others are codes of violations.
            let quoted = format!("\"{code}\"");
            let status = row[2].trim().starts_with(|digit: char| digit.is_ascii_digit());
            let known = if status { &contract } else { &sources };
            assert!(known.contains(&quoted) || !status && contract.contains(&quoted), "{code}");
        }
    }
    assert!(refusals > 20, "{refusals}");

    let id = service.start_simulation(&["a"]);
    let outcome = result("a", "success", 1.0);
    service.post(&format!("/v1/simulations/{id}/outcomes"), &outcome).has(200);
    let metrics = service.get("/metrics").has(200).text();
    let mut named = BTreeSet::new();
    for file in documents().into_iter().filter(|file| file != "CHANGELOG.md") {
        let codes = inline_code(&text_of(&file));
        named.extend(codes.into_iter().filter(|name| name.starts_with("arc_") && is_name(name)));
    }
    // The schema, a crate, and the prefix of tokens.
    named.retain(|name| !["arc_recorder", "arc_host", "arc_"].contains(&name.as_str()));
    assert!(named.len() >= 4, "{named:?}");
    for name in named {
        assert!(
            metrics.contains(&format!("# TYPE {} ", name.trim_end_matches("_total"))),
            "{name}\n{metrics}"
        );
    }
}

#[test]
fn the_names_in_the_architecture_exist() {
    let text = text_of("ARCHITECTURE.md");
    let code: BTreeSet<String> = inline_code(&text).into_iter().collect();
    // Every module of the host belongs to a layer.
    let library = text_of("host/src/lib.rs");
    let modules = library
        .lines()
        .filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'));
    let modules: Vec<&str> = modules.collect();
    assert!(modules.len() > 15, "{modules:?}");
    let missing: Vec<_> = modules.iter().filter(|name| !code.contains(**name)).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md does not have the modules {missing:?}");
    // The types on the path of a result.
    let sources = sources();
    let life = section(&text, "The life of one result");
    let types: BTreeSet<&str> =
        rows(life).iter().filter_map(|row| row.get(1)).flat_map(|cell| codes(cell)).collect();
    assert!(types.len() >= 5, "{types:?}");
    for name in types {
        let defined = ["struct", "enum", "type"]
            .iter()
            .any(|kind| sources.contains(&format!("{kind} {name}")));
        assert!(defined, "no type {name}");
    }
    // Both pages name the type that the column has.
    let database = TestDatabase::new();
    let found = database.query(
        "SELECT data_type FROM information_schema.columns
         WHERE table_schema = 'arc_recorder' AND table_name = 'documents' AND column_name = 'document'",
    );
    let column: String = found[0].get(0);
    let sentence = format!("the column `document` of type `{column}`");
    for file in ["ARCHITECTURE.md", QUERIES] {
        let text = text_of(file).replace('\n', " ");
        assert!(text.contains(&sentence), "{file}: {sentence}");
    }
}

#[test]
fn decisions_have_their_parts_and_are_listed() {
    let index = text_of("docs/README.md");
    let mut decisions: Vec<String> =
        documents().into_iter().filter(|file| file.starts_with("docs/decisions/")).collect();
    decisions.sort();
    assert!(decisions.len() >= 12, "{decisions:?}");
    for (number, file) in decisions.iter().enumerate() {
        let name = file.trim_start_matches("docs/");
        assert!(name.starts_with(&format!("decisions/{:04}-", number + 1)), "{file}");
        let text = text_of(file);
        let title = text.lines().next().unwrap().trim_start_matches("# ");
        let row = format!("[{title}]({name})");
        assert!(index.contains(&row), "docs/README.md does not have {row}");
        let parts = text.lines().filter_map(|line| line.strip_prefix("## "));
        let parts: Vec<&str> = parts.collect();
        assert_eq!(parts, ["Context", "Decision", "Cost", "When to think again"], "{file}");
        assert!(text.lines().count() <= 45, "{file} is longer than half a page");
    }
}

/// Returns the files that people read or are shown: pages, programs and their messages.
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
        // The release checklist, and this test.
        .filter(|name| !["RELEASING.md", "tests/end_to_end/documentation.rs"].contains(name))
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
            // A wheel in a folder does not come from a package index, and neither does this repository.
            if named && !line.contains("--no-index") && !line.contains("--path") {
                found.push(format!("{}: {}", file.display(), line.trim()));
            }
        }
    }
    assert_eq!(found, Vec::<String>::new());
}
