"""What every subject runs in: a process of its own, in its own environment, that takes orders on standard input.

The process makes ready, says so, and waits. `send` hands all results to the subject and measures until they are
committed; `probe` hands over one odd document; `end` ends it. Each answer is a line of JSON.
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
        url: of an empty database, over a unix socket.
        folder: for files of its own; gone after the run.
        path: the documents, one a line.
        results: the same, as the dicts that an evaluation has in hand.
        child_bytes: the most memory that a process had which was made for them, beside servers.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self.url: str = settings["url"]
        self.folder = Path(settings["folder"])
        self.path = Path(settings["path"])
        self.lines = self.path.read_text().splitlines()
        self.results: list[dict[str, Any]] = [json.loads(line) for line in self.lines]
        self.child_bytes = 0

    def prepare(self) -> None:
        """Connects and makes tables; not measured."""

    def send(self, results: list[dict[str, Any]]) -> None:
        """Records results, and returns when all of them are committed."""
        raise NotImplementedError

    def stored(self) -> int:
        """How many results are there."""
        raise NotImplementedError

    def failed(self) -> int:
        """How many of them did not succeed, as the tool finds them: by a field, not by reading documents."""
        raise NotImplementedError

    def read(self, scenario_id: str) -> str | None:
        """The document of a scenario as the tool gives it back, as text; None where there is none."""
        raise NotImplementedError

    def servers(self) -> list[int]:
        """Processes that work for the subject beside this one and PostgreSQL."""
        return []

    def versions(self) -> dict[str, str]:
        """The packages that matter, with their versions."""
        raise NotImplementedError

    def close(self) -> None:
        """Ends what it has started."""


def package_versions(*names: str) -> dict[str, str]:
    """The versions of installed packages."""
    from importlib.metadata import version

    return {name: version(name) for name in names}


def run(make: Callable[[dict[str, Any]], Subject]) -> None:
    """Takes orders until there are none."""
    # Libraries print; the answers have a pipe of their own.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(answer: dict[str, Any]) -> None:
        print(json.dumps(answer), file=answers, flush=True)

    subject = make(json.loads(sys.stdin.readline()))
    try:
        subject.prepare()
    except Exception as error:
        # What it has not got so far, it cannot end; its own error counts.
        with contextlib.suppress(Exception):
            subject.close()
        sys.exit(first_line(error))
    try:
        # The collector's looks at the documents are no subject's own cost.
        gc.collect()
        gc.freeze()
        say({"versions": subject.versions()})
        for order in map(json.loads, sys.stdin):
            if order["order"] == "send":
                say(measure(subject))
            elif order["order"] == "probe":
                say({"verdict": probe(subject, order["document"])})
            else:
                break
    finally:
        subject.close()


def measure(subject: Subject) -> dict[str, Any]:
    """Sends everything, and gives what it took."""
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
        "kept": kept(subject.read(subject.results[0]["scenario"]["id"]), subject.lines[0]),
    }


def probe(subject: Subject, line: str) -> str:
    """What becomes of one odd document: `refused`, `lost` without a word, or how it was kept."""
    result = json.loads(line)
    before = subject.stored()
    try:
        subject.send([result])
    except Exception as error:
        return f"refused: {first_line(error)}"
    if subject.stored() == before:
        return "lost"
    return kept(subject.read(result["scenario"]["id"]), line)


def kept(found: str | None, line: str) -> str:
    """How much of a document came back: its bytes, its value (spelt or ordered in another way), or less."""
    if found is None:
        return "not kept"
    if found == line:
        return "bytes"
    try:
        return "value" if json.loads(found) == json.loads(line) else "altered"
    except ValueError:
        return "altered"


def first_line(error: BaseException) -> str:
    """An error in a line."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0] if text else ''}"[:200]


def own_cpu_s() -> float:
    """Processor time of this process and of those that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def tree(pid: int) -> list[int]:
    """A process and its descendants."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(found for child in children for found in tree(int(child)))]


def tree_cpu_s(pid: int) -> float:
    """Processor time of a process, its descendants, and those of them that have ended."""
    ticks = 0
    for one in tree(pid):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def memory_bytes(pid: int, name: str) -> int:
    """A figure of a process's memory."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(name)), 0)
