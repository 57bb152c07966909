"""The process of a subject, in a separate environment, which reads orders from standard input.

The process prepares itself, reports that, and waits. `send` passes all results to the subject and measures until they
are committed; `probe` passes one odd document; `end` ends the process. Each answer is a line of JSON.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Subject:
    """One way to record results.

    Attributes:
        url: the URL of an empty database, over a unix socket.
        folder: a temporary folder for its files.
        path: the file of documents, one a line.
        results: the same as dicts, as an evaluation has them in memory.
        child_bytes: the peak memory of a child process that records them, other than servers.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self.url: str = settings["url"]
        self.folder = Path(settings["folder"])
        self.path = Path(settings["path"])
        self.lines = self.path.read_text().splitlines()
        self.results: list[dict[str, Any]] = [json.loads(line) for line in self.lines]
        self.child_bytes = 0

    def prepare(self) -> None:
        """Connects and creates tables; not measured."""

    def send(self, results: list[dict[str, Any]]) -> None:
        """Records results, and returns when all of them are committed."""
        raise NotImplementedError

    def stored(self) -> int:
        """Returns the number of stored results."""
        raise NotImplementedError

    def failed(self) -> int:
        """Returns the number of results that did not succeed, by a query of the tool on a field."""
        raise NotImplementedError

    def read(self, scenario_id: str) -> str | None:
        """Returns the document of a scenario as the tool returns it, as text; None if it is not stored."""
        raise NotImplementedError

    def servers(self) -> list[int]:
        """Returns the processes that work for the subject, other than this one and PostgreSQL."""
        return []

    def versions(self) -> dict[str, str]:
        """Returns the relevant packages with their versions."""
        raise NotImplementedError

    def close(self) -> None:
        """Stops the processes and connections that it has started."""


def package_versions(*names: str) -> dict[str, str]:
    """Returns the versions of installed packages."""
    from importlib.metadata import version

    return {name: version(name) for name in names}


def run(make: Callable[[dict[str, Any]], Subject]) -> None:
    """Handles orders until the input ends."""
    # Libraries print to standard output, so answers use a duplicate of it.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def send_answer(answer: dict[str, Any]) -> None:
        print(json.dumps(answer), file=answers, flush=True)

    subject = make(json.loads(sys.stdin.readline()))
    try:
        subject.prepare()
    except Exception as error:
        # Closing can fail for parts that were not prepared; the first error is
        # reported.
        with contextlib.suppress(Exception):
            subject.close()
        sys.exit(first_line(error))
    try:
        # The garbage collector's scans of the documents are not a cost of the
        # subject.
        gc.collect()
        gc.freeze()
        send_answer({"versions": subject.versions()})
        for order in map(json.loads, sys.stdin):
            if order["order"] == "send":
                send_answer(measure(subject))
            elif order["order"] == "probe":
                send_answer({"verdict": probe(subject, order["document"])})
            else:
                break
    finally:
        subject.close()


def measure(subject: Subject) -> dict[str, Any]:
    """Sends everything and returns the figures."""
    Path("/proc/self/clear_refs").write_text("5")
    resident = memory_bytes(os.getpid(), "VmRSS")
    servers = subject.servers()
    cpu, server_cpu = own_cpu_s(), sum(map(tree_cpu_s, servers))
    refused = None
    begun = time.perf_counter()
    try:
        subject.send(subject.results)
    except Exception as error:
        refused = first_line(error)
    seconds = time.perf_counter() - begun
    return {
        "seconds": seconds,
        "refused": refused,
        "client_cpu_s": own_cpu_s() - cpu,
        "server_cpu_s": sum(map(tree_cpu_s, servers)) - server_cpu,
        "client_bytes": max(
            memory_bytes(os.getpid(), "VmHWM") - resident,
            subject.child_bytes,
        ),
        "server_bytes": sum(
            memory_bytes(pid, "VmHWM") for server in servers for pid in tree(server)
        ),
        "stored": subject.stored(),
        "failed": subject.failed(),
        "kept": compare_documents(subject.read(subject.results[0]["scenario"]["id"]), subject.lines[0]),
    }


def probe(subject: Subject, line: str) -> str:
    """Returns the result of one odd document: `refused`, silently `lost`, or how it was kept."""
    result = json.loads(line)
    before = subject.stored()
    try:
        subject.send([result])
    except Exception as error:
        return f"refused: {first_line(error)}"
    if subject.stored() == before:
        return "lost"
    return compare_documents(subject.read(result["scenario"]["id"]), line)


def compare_documents(found: str | None, line: str) -> str:
    """Compares a returned document: the same bytes, the same value (in another notation or order), or altered."""
    if found is None:
        return "not kept"
    if found == line:
        return "bytes"
    try:
        return "value" if json.loads(found) == json.loads(line) else "altered"
    except ValueError:
        return "altered"


def first_line(error: BaseException) -> str:
    """Returns an error in one line."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0] if text else ''}"[:200]


def own_cpu_s() -> float:
    """Returns the processor time of this process and of the child processes that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def tree(pid: int) -> list[int]:
    """Returns a process and its descendants."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(found for child in children for found in tree(int(child)))]


def tree_cpu_s(pid: int) -> float:
    """Returns the processor time of a process and its descendants, including ended ones."""
    ticks = 0
    for one in tree(pid):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def memory_bytes(pid: int, name: str) -> int:
    """Returns a figure of a process's memory."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(name)), 0)
