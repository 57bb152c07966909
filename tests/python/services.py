"""Services for the tests: real ones, in separate processes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: The timeout of every wait in the tests, in seconds.
DEADLINE = 60.0


class Service:
    """`arc-host serve` in a separate process."""

    def __init__(self, database_url: str, folder: Path, *options: str, port: int = 0) -> None:
        folder.mkdir(exist_ok=True)
        self._log = open(folder / "log", "ab")
        command = [sys.executable, "-m", "arc_recorder", "serve", "--json"]
        command += ["--listen", f"127.0.0.1:{port}", "--database-url", database_url]
        command += ["--spool-dir", str(folder / "spool"), *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self._log)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, (folder / "log").read_text()
        self.url: str = json.loads(line)["listening"][0]

    def stop(self) -> None:
        self.process.terminate()
        assert self.process.wait(DEADLINE) == 0
        self._log.close()


@contextmanager
def serving(database_url: str, folder: Path, *options: str, port: int = 0) -> Iterator[Service]:
    service = Service(database_url, folder, *options, port=port)
    try:
        yield service
    finally:
        if service.process.poll() is None:
            service.stop()
