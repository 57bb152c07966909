//! Embedding the extraction component: each example of `tests/embedding` extracts the same
//! documents and prints the host's verdicts, byte for byte.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{
    Files, Program, chromium, copy_folder, fixture, node_modules, run, skip_without_tool,
};

/// Returns the folder of an example.
fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("embedding").join(name)
}

/// The component, documents one per line, and the host's verdicts on them.
struct Reference {
    files: Files,
    component: PathBuf,
    documents: PathBuf,
    verdicts: String,
}

impl Reference {
    fn new() -> Self {
        let files = Files::new();
        let component = files.path("arc-extractor.wasm");
        let program = Program::without_database();
        program.run(["component".as_ref(), "--output".as_ref(), component.as_os_str()]).ended(0);
        let documents = files.write("documents.jsonl", documents().join("\n") + "\n");
        let reference =
            program.run(["validate".as_ref(), "--json".as_ref(), documents.as_os_str()]).ended(2);
        Reference { files, component, documents, verdicts: reference.stdout }
    }

    /// Compares an example's output with the host's verdicts.
    #[track_caller]
    fn assert_same(&self, printed: &str) {
        let (mut host, mut other) = (self.verdicts.lines(), printed.lines());
        for document in documents() {
            assert_eq!(host.next(), other.next(), "{document}");
        }
        assert!(printed == self.verdicts, "the same bytes");
    }
}

/// Returns the fixtures' documents that are text and that the host reads as a single line.
pub fn documents() -> Vec<String> {
    let mut documents = Vec::new();
    for name in ["results.jsonl", "hostile.jsonl"] {
        let bytes = std::fs::read(fixture(name)).unwrap();
        let lines = bytes.split(|byte| *byte == b'\n');
        let lines = lines.filter_map(|line| std::str::from_utf8(line).ok());
        documents.extend(lines.map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()));
    }
    assert!(documents.len() > 400, "{}", documents.len());
    documents
}

/// Asserts that the page of an example quotes its program verbatim.
#[track_caller]
fn assert_page_shows(name: &str, language: &str, program: &str) {
    let page = std::fs::read_to_string(example(name).join("README.md")).unwrap();
    let program = std::fs::read_to_string(example(name).join(program)).unwrap();
    let blocks: Vec<&str> = page
        .split(&format!("```{language}\n"))
        .skip(1)
        .map(|text| text.split("```").next().unwrap())
        .collect();
    assert!(!blocks.is_empty(), "{name} shows its program");
    for block in blocks {
        assert!(program.contains(block), "the page of {name} differs from its program:\n{block}");
    }
}

/// Returns the Python that has the package `wasmtime`.
fn python_with_wasmtime() -> Option<PathBuf> {
    let python = PathBuf::from(std::env::var_os("ARC_TEST_PYTHON")?);
    let tried = Command::new(&python).args(["-c", "import wasmtime.component"]).output().ok()?;
    tried.status.success().then_some(python)
}

#[test]
fn python_with_the_wasmtime_package() {
    assert_page_shows("python", "python", "verdicts.py");
    let Some(python) = python_with_wasmtime() else {
        return skip_without_tool(
            "the component in Python",
            "ARC_TEST_PYTHON names no Python with the package wasmtime",
        );
    };
    let reference = Reference::new();
    let mut command = Command::new(python);
    command
        .arg(example("python").join("verdicts.py"))
        .args([&reference.component, &reference.documents]);
    reference.assert_same(&run(&mut command));
}

/// Writes the component as an ES module to the folder of these files.
fn transpile(reference: &Reference) -> bool {
    let Some(node_modules) = node_modules() else { return false };
    copy_folder(&example("node"), &reference.files.path("."));
    std::os::unix::fs::symlink(node_modules, reference.files.path("node_modules")).unwrap();
    let mut command = Command::new("node");
    command.arg(reference.files.path("transpile.mjs")).arg(&reference.component);
    run(command.arg(reference.files.path("extractor")));
    true
}

#[test]
fn node_through_jco() {
    assert_page_shows("node", "js", "verdicts.mjs");
    let reference = Reference::new();
    if !transpile(&reference) {
        return skip_without_tool(
            "the component in Node",
            "`npm ci` in host/typescript was not run",
        );
    }
    let mut command = Command::new("node");
    command.arg(reference.files.path("verdicts.mjs")).arg(&reference.documents);
    reference.assert_same(&run(&mut command));
}

#[test]
fn a_browser_through_jco() {
    assert_page_shows("browser", "html", "index.html");
    let Some(chromium) = chromium() else {
        return skip_without_tool("the component in a browser", "Chromium is not installed");
    };
    let reference = Reference::new();
    if !transpile(&reference) {
        return skip_without_tool(
            "the component in a browser",
            "`npm ci` in host/typescript was not run",
        );
    }
    copy_folder(&example("browser"), &reference.files.path("."));
    let mut command = Command::new("node");
    command
        .arg(reference.files.path("in_chromium.mjs"))
        .arg(reference.files.path("."))
        .arg("index.html");
    reference.assert_same(&run(command.env("ARC_TEST_CHROMIUM", chromium)));
}

#[test]
fn c_with_the_c_api_of_wasmtime() {
    assert_page_shows("c", "c", "verdicts.c");
    let Some(c_api) = std::env::var_os("ARC_TEST_WASMTIME_C_API").map(PathBuf::from) else {
        return skip_without_tool(
            "the component in C",
            "ARC_TEST_WASMTIME_C_API names no folder with wasmtime's include and lib",
        );
    };
    let reference = Reference::new();
    let (program, lib) = (reference.files.path("verdicts"), c_api.join("lib"));
    // The program is valid as C and as C++.
    for compiler in [
        &["cc", "-std=c11"][..],
        &["c++", "-std=c++17", "-x", "c++"],
        &["c++", "-std=c++20", "-x", "c++"],
    ] {
        let mut command = Command::new(compiler[0]);
        command.args(&compiler[1..]).args(["-Wall", "-Wextra", "-Werror", "-o"]).arg(&program);
        command.arg(example("c").join("verdicts.c")).arg("-isystem").arg(c_api.join("include"));
        command.arg("-L").arg(&lib).arg("-lwasmtime");
        run(command.arg(format!("-Wl,-rpath,{}", lib.display())));
        let mut command = Command::new(&program);
        reference.assert_same(&run(command.args([&reference.component, &reference.documents])));
    }
}

#[test]
fn the_core_module() {
    assert_page_shows("core", "js", "verdicts.mjs");
    if Command::new("node").arg("--version").output().is_err() {
        return skip_without_tool("the core module in Node", "Node is not installed");
    }
    let reference = Reference::new();
    let module = reference.files.path("arc-extractor.core.wasm");
    Program::without_database()
        .run(["component".as_ref(), "--core".as_ref(), "--output".as_ref(), module.as_os_str()])
        .ended(0);
    let mut command = Command::new("node");
    command.arg(example("core").join("verdicts.mjs")).args([&module, &reference.documents]);
    reference.assert_same(&run(&mut command));
}
