"""Clients that generators make of the service's OpenAPI document record results and files."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from services import serving

REQUIRED = os.environ.get("ARC_TEST_REQUIRE_TOOLS") == "1"
TESTS = Path(__file__).resolve().parent.parent
#: Programs that use a generated client: each prints the recorded counts.
PROGRAMS = TESTS / "clients"
NODE_MODULES = TESTS.parent / "host" / "typescript" / "node_modules"

#: Results with members that the document does not describe, which are stored, too.
RESULTS = [
    {
        "scenario": {"id": f"scenario-{number}", "name": "Ask", "expected_tools": ["search"]},
        "trajectory": {
            "status": "success",
            "start_time": "2026-03-01T12:00:00Z",
            "execution_time_seconds": 1.5,
            "token_usage": {"prompt_tokens": 7, "total_tokens": 9},
            "full_trajectory": [{"role": "user", "content": "Où ?"}],
            "final_response": "Ici.",
        },
        "reliability_score": {"overall_score": 0.75, "grade": "B"},
        "detailed_trajectory": {"steps": number},
    }
    for number in range(3)
]

#: Java's annotation of generated classes, which the JDK no longer has.
GENERATED = """package javax.annotation;
public @interface Generated { String value(); String date(); String comments(); }
"""


@pytest.fixture(scope="module")
def service(server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a service."""
    folder = tmp_path_factory.mktemp("service")
    with serving(server.database(), folder, "--log-level", "warn") as running:
        yield running.url


@pytest.fixture(scope="module")
def document(service: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the service's OpenAPI document."""
    path = tmp_path_factory.mktemp("document") / "openapi.json"
    path.write_bytes(answer(f"{service}/openapi.json"))
    return path


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the results as a JSON array."""
    path = tmp_path_factory.mktemp("results") / "results.json"
    path.write_text(json.dumps(RESULTS))
    return path


def answer(url: str) -> bytes:
    with urllib.request.urlopen(url) as response:
        return response.read()


def run(*command: object, **options: Any) -> str:
    """Runs a program, and returns its output."""
    arguments = [str(part) for part in command]
    done = subprocess.run(arguments, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def missing(name: str) -> Any:
    """Skips the test, or fails it if all tools are required."""
    if REQUIRED:
        pytest.fail(f"{name} is not installed, and ARC_TEST_REQUIRE_TOOLS is set")
    return pytest.skip(f"SKIPPED: not installed: {name}")


def program(name: str) -> str:
    """Returns the path of a program."""
    return shutil.which(name) or missing(name)


def node_module(name: str) -> Path:
    """Returns the folder of a package of `npm ci` in host/typescript."""
    folder = NODE_MODULES / name
    return folder if folder.is_dir() else missing(name)


def python_package(name: str) -> Path:
    """Returns the folder of a Python package."""
    found = importlib.util.find_spec(name)
    return Path(found.origin).parent if found and found.origin else missing(name)


def generator_jar() -> Path:
    """Returns the jar of openapi-generator."""
    return python_package("openapi_generator_cli") / "openapi-generator.jar"


def generate(document: Path, target: Path, generator: str, *options: str) -> None:
    """Generates a client with openapi-generator."""
    command = [program("java"), "-jar", generator_jar(), "generate", "-i", document]
    # Only the sources, without tests and pages.
    parts = "apiTests=false,modelTests=false,apiDocs=false,modelDocs=false"
    run(*command, "-g", generator, "-o", target, "--global-property", parts, *options)


def compile_typescript(folder: Path) -> None:
    """Compiles the modules of a folder, with all checks of types."""
    compiler = node_module("typescript") / "bin" / "tsc"
    node_module("@types/node")
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "node_modules").symlink_to(NODE_MODULES)
    options = ["--strict", "--target", "es2022", "--lib", "es2023,dom,dom.iterable"]
    options += ["--module", "nodenext", "--types", "node"]
    run(program("node"), compiler, *options, *folder.glob("*.ts"), cwd=folder)


def without_nulls(value: Any) -> Any:
    """Returns a JSON value without its null members: some clients send null for an absent one."""
    if isinstance(value, list):
        return [without_nulls(element) for element in value]
    if isinstance(value, dict):
        return {name: without_nulls(of) for name, of in value.items() if of is not None}
    return value


def assert_recorded(service: str, printed: str) -> None:
    """Asserts that a program recorded one result, all of them, and a file of them."""
    recorded = json.loads(printed)
    simulation = recorded.pop("simulation")
    assert recorded == {
        "one": "stored",
        # The first result once more is the same document.
        "many": {"stored": len(RESULTS) - 1, "duplicate": 1},
        "completed": len(RESULTS),
        "file": len(RESULTS),
    }
    # Also the members that the document does not describe.
    page = answer(f"{service}/v1/simulations/{simulation}/outcomes?documents=true")
    outcomes = json.loads(page)["outcomes"]
    # They are in the order of their scenarios.
    assert [without_nulls(json.loads(outcome["document"])) for outcome in outcomes] == RESULTS


def test_alternatives_have_types_that_generators_can_build(document: Path) -> None:
    schemas = json.loads(document.read_text())["components"]["schemas"]
    # Of `anyOf`, some generators make a single type with the required members of all alternatives;
    # of an array among the alternatives, code that does not compile.
    for name in ["ResultsDocument", "RecordingVerdicts"]:
        assert all("$ref" in alternative for alternative in schemas[name]["oneOf"]), name
    # Otherwise clients leave out the members that the document does not describe.
    for name in ["ResultDocument", "ScenarioDocument", "TrajectoryDocument"]:
        assert schemas[name]["additionalProperties"] is True, name


def test_python_of_openapi_generator(
    service: str, document: Path, results: Path, tmp_path: Path
) -> None:
    generate(document, tmp_path, "python")
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    command = [sys.executable, PROGRAMS / "openapi_generator.py", service, results]
    assert_recorded(service, run(*command, env=environment))


def test_openapi_python_client(service: str, document: Path, results: Path, tmp_path: Path) -> None:
    python_package("openapi_python_client")
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--path", document]
    run(*command, "--output-path", tmp_path / "arc_client", "--meta", "none")
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    command = [sys.executable, PROGRAMS / "openapi_python_client.py", service, results]
    assert_recorded(service, run(*command, env=environment))


def test_typescript_fetch_of_openapi_generator(
    service: str, document: Path, results: Path, tmp_path: Path
) -> None:
    # With names in camel case, types that allow other members are sent with both spellings.
    options = "--additional-properties=importFileExtension=.js,modelPropertyNaming=original"
    generate(document, tmp_path / "client", "typescript-fetch", options)
    shutil.copy(PROGRAMS / "typescript_fetch.ts", tmp_path)
    compile_typescript(tmp_path)
    command = [program("node"), tmp_path / "typescript_fetch.js", service, results]
    assert_recorded(service, run(*command))


def test_openapi_fetch(service: str, document: Path, results: Path, tmp_path: Path) -> None:
    node_module("openapi-fetch")
    generator = node_module("openapi-typescript") / "bin" / "cli.js"
    run(program("node"), generator, document, "--output", tmp_path / "service.ts")
    shutil.copy(PROGRAMS / "openapi_fetch.ts", tmp_path)
    compile_typescript(tmp_path)
    command = [program("node"), tmp_path / "openapi_fetch.js", service, results]
    assert_recorded(service, run(*command))


def test_java_of_openapi_generator(
    service: str, document: Path, results: Path, tmp_path: Path
) -> None:
    compiler = program("javac")
    # The generator's jar contains Jackson, which the client needs.
    jar = generator_jar()
    options = ["--library", "native", "--additional-properties", "openApiNullable=false"]
    generate(document, tmp_path, "java", *options)
    annotation = tmp_path / "Generated.java"
    annotation.write_text(GENERATED)
    sources = [annotation, PROGRAMS / "Record.java", *(tmp_path / "src" / "main").rglob("*.java")]
    classes = tmp_path / "classes"
    run(compiler, "-nowarn", "-proc:none", "-cp", jar, "-d", classes, *sources)
    command = [program("java"), "-cp", f"{classes}{os.pathsep}{jar}", "Record", service, results]
    assert_recorded(service, run(*command))
