"""A private PostgreSQL for the session, and a separate database for each test."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from arc_recorder import SyncArcDBClient

pytest_plugins = ["pytester"]

REQUIRED = os.environ.get("ARC_TEST_REQUIRE_TOOLS") == "1"


def pytest_configure() -> None:
    # The environment's own variables must not select a database, service or sandbox.
    for name in list(os.environ):
        if name.startswith(("ARC_", "MODAL_", "TIMESCALE_")) and not name.startswith("ARC_TEST_"):
            del os.environ[name]


def library(name: str) -> Any:
    """Imports a library that reads Arrow, or skips the test if it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        if REQUIRED:
            pytest.fail(f"{name} is not installed, and ARC_TEST_REQUIRE_TOOLS is set")
        return pytest.skip(f"SKIPPED: {name} is not installed")


class Server:
    """An embedded database, which the fixture keeps running."""

    def __init__(self, folder: Path, client: SyncArcDBClient) -> None:
        self._folder = folder
        self._numbers = itertools.count()
        shown = client.engine.execute("SHOW unix_socket_directories")
        self._sockets = shown.scalar().strip('"')
        self.execute("CREATE DATABASE template_arc")
        with SyncArcDBClient(self.url("template_arc")) as template:
            template.deploy_schema()

    def url(self, database: str) -> str:
        return f"postgresql://arc@/{database}?host={self._sockets}"

    def execute(self, sql: str) -> None:
        """Runs a statement outside of a transaction."""
        command = [sys.executable, "-m", "arc_recorder", "psql", "--data-dir", str(self._folder)]
        command += ["--", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def database(self, template: str = "template_arc") -> str:
        """Creates a database and returns its URL."""
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)


@contextlib.contextmanager
def database_folder() -> Iterator[Path]:
    """Creates a folder for an embedded database, which writes to it until its last user has ended."""
    folder = Path(tempfile.mkdtemp(prefix="arc-py-"))
    # The user that PostgreSQL runs as needs access to it, too.
    folder.chmod(0o755)
    try:
        yield folder / "data"
    finally:
        deadline = time.monotonic() + 30
        while folder.exists():
            try:
                shutil.rmtree(folder)
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with database_folder() as data, SyncArcDBClient(data_dir=data) as client:
        health = client.initialize()
        assert health["status"] == "ok", health
        yield Server(data, client)


@pytest.fixture
def new_database(server: Server) -> Callable[[], str]:
    """Returns a function that creates databases."""
    return server.database


@pytest.fixture
def database_url(server: Server) -> str:
    """Creates a database with the current schema."""
    return server.database()
