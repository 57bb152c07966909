//! The TypeScript package: packed, installed in an empty folder, and used in Node, Bun, Deno, workerd
//! and a browser against a running service.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::json;

use crate::embedding::documents;
use crate::support::{
    Files, Program, Service, TestDatabase, chromium, copy_folder, node_modules, run,
    skip_without_tool, typescript,
};

/// The packed package, and a folder in which it is installed with the compiled tests.
struct Package {
    tarball: PathBuf,
    installed: PathBuf,
}

/// Returns the package, packed once for all tests; notes the skipped test and returns `None` if a
/// tool is missing.
fn package(what: &str) -> Option<&'static Package> {
    static PACKAGE: OnceLock<Option<Package>> = OnceLock::new();
    let package = PACKAGE.get_or_init(|| node_modules().map(|modules| Package::new(&modules)));
    if package.is_none() {
        skip_without_tool(what, "`npm ci` in host/typescript was not run");
    }
    package.as_ref()
}

fn npm(arguments: &[&str]) -> Command {
    let mut command = Command::new("npm");
    command.args(["--no-audit", "--no-fund", "--no-update-notifier"]).args(arguments);
    command
}

/// Returns the folder of the programs that `npm ci` has installed; `None` without them.
fn tools() -> Option<PathBuf> {
    node_modules().map(|modules| modules.join(".bin"))
}

/// Asserts that Node's test runner ran tests, and that all of them passed.
#[track_caller]
fn assert_all_pass(printed: &str) {
    assert!(printed.contains("\n# pass ") && printed.contains("\n# fail 0\n"), "{printed}");
    assert!(!printed.contains("\n# pass 0\n"), "{printed}");
}

/// Returns the TypeScript blocks of the package's page.
fn examples() -> Vec<String> {
    let page = std::fs::read_to_string(typescript().join("README.md")).unwrap();
    let blocks = page.split("```ts\n").skip(1);
    blocks.map(|text| text.split("```").next().unwrap().to_owned()).collect()
}

impl Package {
    fn new(node_modules: &Path) -> Self {
        // In the build's folder, because no single test must remove the shared package.
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("typescript");
        if folder.exists() {
            std::fs::remove_dir_all(&folder).unwrap();
        }
        std::fs::create_dir_all(&folder).unwrap();
        let mut pack = npm(&["pack", "--pack-destination"]);
        run(pack.arg(&folder).current_dir(typescript()).env("ARC_HOST", Program::path()));
        let tarball = folder.join("arc-recorder-0.1.0.tgz");
        let installed = folder.join("installed");
        copy_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("typescript"), &installed);
        std::fs::write(installed.join("package.json"), r#"{"type": "module"}"#).unwrap();
        // The package has no dependencies, so the installation does not need a registry.
        let mut install = npm(&["install", "--offline", "--no-package-lock"]);
        run(install.arg(&tarball).current_dir(&installed));
        for (number, example) in examples().iter().enumerate() {
            // Each example is a module of its own.
            let module = format!("{example}\nexport {{}};\n");
            std::fs::write(installed.join(format!("example{number}.ts")), module).unwrap();
        }
        let mut compile = Command::new("node");
        compile.arg(node_modules.join("typescript/bin/tsc")).arg("-p").arg(&installed);
        run(compile.arg("--typeRoots").arg(node_modules.join("@types")));
        let documents = documents();
        let verdicts: Vec<String> =
            documents.iter().map(|document| arc_extractor::extract_json(document)).collect();
        let given = json!({"documents": documents, "verdicts": verdicts});
        std::fs::write(installed.join("documents.json"), given.to_string()).unwrap();
        Package { tarball, installed }
    }
}

#[test]
fn the_package_contains_its_files_and_nothing_else() {
    let Some(package) = package("the TypeScript package") else { return };
    let listed = run(Command::new("tar").arg("-tzf").arg(&package.tarball));
    let names: Vec<&str> =
        listed.lines().map(|name| name.strip_prefix("package/").unwrap()).collect();
    for wanted in [
        "package.json",
        "README.md",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "dist/index.js",
        "dist/index.d.ts",
        "dist/inlined.js",
        "dist/inlined.d.ts",
        "dist/component/extractor.js",
        "dist/component/extractor.d.ts",
        "dist/component/extractor.core.wasm",
    ] {
        assert!(names.contains(&wanted), "{wanted} is not in {names:?}");
    }
    for name in names.iter().filter(|name| name.contains('/')) {
        let known =
            name.ends_with(".js") || name.ends_with(".d.ts") || name.ends_with(".core.wasm");
        assert!(name.starts_with("dist/") && known, "{name}");
    }
    assert_eq!(names.iter().filter(|name| !name.contains('/')).count(), 4, "{names:?}");
    // The package needs no other package.
    let modules = std::fs::read_dir(package.installed.join("node_modules")).unwrap();
    let modules: Vec<_> = modules.map(|entry| entry.unwrap().file_name()).collect();
    let foreign = modules.iter().filter(|name| !name.to_string_lossy().starts_with('.'));
    assert_eq!(foreign.collect::<Vec<_>>(), ["arc-recorder"]);
}

#[test]
fn a_build_without_the_decoders_that_it_replaces_fails() {
    if node_modules().is_none() {
        let why = "`npm ci` in host/typescript was not run";
        return skip_without_tool("the build of the TypeScript package", why);
    }
    let files = Files::new();
    // A component without a text, so the transpiled code has no decoder. The build fails before it removes `dist`.
    let component = files.write("empty.wasm", b"\0asm\x0d\0\x01\0");
    let mut build = Command::new("node");
    build.arg(typescript().join("build.mjs")).env("ARC_COMPONENT", component);
    let output = build.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && printed.contains("has 0 decoders"), "{printed}");
}

#[test]
fn it_works_in_node() {
    let Some(package) = package("the TypeScript package in Node") else { return };
    let (database, files) = (TestDatabase::new(), Files::new());
    let program = Program::on(&database);
    let service = Service::start(&program, &files, &[]);
    let small_files = Files::new();
    let small = ["--max-body-mib", "1", "--max-results-per-body", "100"];
    let small = Service::start(&program, &small_files, &small);
    // A service whose certificate is not trusted.
    let secret_files = Files::new();
    let key = rcgen::KeyPair::generate().unwrap();
    let parameters = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = parameters.self_signed(&key).unwrap().pem();
    let [certificate, key] = [("server.crt", certificate), ("server.key", key.serialize_pem())]
        .map(|(name, text)| secret_files.write(name, text).display().to_string());
    let tls = ["--tls-certificate", &certificate, "--tls-key", &key];
    let secret = Service::start(&program, &secret_files, &tls);
    let mut node = Command::new("node");
    node.args(["--test", "--test-reporter=tap", "node.js"]).current_dir(&package.installed);
    node.env("ARC_TEST_SERVICE", service.url()).env("ARC_TEST_SMALL_SERVICE", small.url());
    assert_all_pass(&run(node.env("ARC_TEST_SECRET_SERVICE", secret.url())));
}

/// Runs all checks in a runtime other than Node.
fn assert_works_in(runtime: &str, package: &Package, program: &mut Command) {
    let (database, files) = (TestDatabase::new(), Files::new());
    // The page of a browser comes from another server, so the service must allow its origin.
    let service = Service::start(&Program::on(&database), &files, &["--allow-origins", "*"]);
    program.args(["runtimes.js", runtime]).current_dir(&package.installed);
    let printed = run(program.env("ARC_TEST_SERVICE", service.url()));
    assert!(!printed.contains("FAILED"), "{printed}");
    assert!(printed.lines().filter(|line| line.starts_with("ok ")).count() >= 20, "{printed}");
}

/// Runs all checks in a runtime that is a package of npm.
fn assert_works_in_package(runtime: &str) {
    let what = format!("the TypeScript package in {runtime}");
    let Some(package) = package(&what) else { return };
    let Some(tools) = tools() else {
        return skip_without_tool(&what, "`npm ci` in host/typescript was not run");
    };
    if !tools.join(runtime).exists() {
        return skip_without_tool(&what, "`npm ci` in host/typescript has not installed it");
    }
    assert_works_in(runtime, package, Command::new("node").env("ARC_TEST_TOOLS", tools));
}

#[test]
fn it_works_in_bun() {
    assert_works_in_package("bun");
}

#[test]
fn it_works_in_deno() {
    assert_works_in_package("deno");
}

#[test]
fn it_works_in_the_runtime_of_workers() {
    assert_works_in_package("workerd");
}

#[test]
fn it_works_in_a_browser() {
    let Some(chromium) = chromium() else {
        return skip_without_tool(
            "the TypeScript package in a browser",
            "Chromium is not installed",
        );
    };
    let Some(package) = package("the TypeScript package in a browser") else { return };
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut node = Command::new("node");
    node.env("ARC_TEST_IN_CHROMIUM", tests.join("embedding/browser/in_chromium.mjs"));
    assert_works_in("chromium", package, node.env("ARC_TEST_CHROMIUM", chromium));
}

#[test]
fn its_page_types_and_bundles_are_correct() {
    let what = "the bundles of the TypeScript package";
    let Some(package) = package(what) else { return };
    let Some(tools) = tools() else {
        return skip_without_tool(what, "`npm ci` in host/typescript was not run");
    };
    let mut node = Command::new("node");
    node.args(["--test", "--test-reporter=tap", "package.js"]).current_dir(&package.installed);
    assert_all_pass(&run(node.env("ARC_TEST_TOOLS", tools)));
}

#[test]
fn the_examples_of_its_page_run() {
    let Some(package) = package("the page of the TypeScript package") else { return };
    let (database, files) = (TestDatabase::new(), Files::new());
    let service = Service::start(&Program::on(&database), &files, &[]);
    let count = examples().len();
    assert!(count >= 3, "{count}");
    for number in 0..count {
        let path = package.installed.join(format!("example{number}.js"));
        let script = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, script.replace("http://127.0.0.1:7117", service.url())).unwrap();
        run(Command::new("node").arg(&path));
    }
    assert!(database.count("SELECT count(*) FROM arc_recorder.outcomes") > 0);
}

#[test]
fn its_types_are_those_of_the_service() {
    let Some(_) = package("the types of the TypeScript package") else { return };
    let (database, files) = (TestDatabase::new(), Files::new());
    let service = Service::start(&Program::on(&database), &files, &[]);
    let document = files.write("openapi.json", service.get("/openapi.json").has(200).body);
    let made = files.path("service.ts");
    let mut node = Command::new("node");
    run(node.arg(typescript().join("generate.mjs")).arg(document).arg(&made));
    let kept = std::fs::read_to_string(typescript().join("src/service.ts")).unwrap();
    assert!(
        std::fs::read_to_string(made).unwrap() == kept,
        "the service has changed: run `arc-host serve`, and in host/typescript \
         `npm run generate http://127.0.0.1:7117/openapi.json`"
    );
}
