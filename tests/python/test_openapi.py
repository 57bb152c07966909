"""The service's OpenAPI document: it is valid, and the service conforms to it."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from services import serving

validator = pytest.importorskip("openapi_spec_validator", reason="SKIPPED: not installed")
pytest.importorskip("schemathesis", reason="SKIPPED: not installed")


@pytest.fixture(scope="module")
def service(server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a service."""
    folder = tmp_path_factory.mktemp("service")
    with serving(server.database(), folder, "--log-level", "warn") as running:
        yield running.url


def test_the_document_is_valid(service: str) -> None:
    with urllib.request.urlopen(f"{service}/openapi.json") as answer:
        document = json.load(answer)
    validator.validate(document)
    assert document["openapi"].startswith("3.1")


def test_the_service_conforms_to_its_document(service: str, tmp_path: Path) -> None:
    command = [str(Path(sys.executable).parent / "schemathesis"), "run"]
    command += [f"{service}/openapi.json", "--max-examples", "25", "--generation-deterministic"]
    # The event stream does not end while the simulation runs.
    command += ["--exclude-path", "/v1/simulations/{simulation_id}/events"]
    # The extractor decides which documents are valid: it accepts more than the schema describes, and
    # has rules that no schema can express.
    command += ["--exclude-checks", "positive_data_acceptance,negative_data_rejection"]
    command += ["--suppress-health-check", "all", "--no-color"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " generated, " in done.stdout and " passed" in done.stdout, done.stdout
