"""One run of one subject: an empty database, everything sent twice, then two odd documents."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from cluster import Cluster
from subject_list import Subject

HERE = Path(__file__).parent
BENCHMARKS = HERE.parents[1] / "host" / "python" / "benchmarks"
sys.path.append(str(BENCHMARKS))
sys.path.append(str(HERE / "subjects"))

from frame import tree_cpu_s  # noqa: E402
from results import make_results  # noqa: E402

#: Prefixes of variables that could direct a tool to another database.
FOREIGN = ("PG", "ARC_", "MLFLOW_", "PHOENIX_", "OTEL_", "TIMESCALE_", "PYTHONPATH")


class Documents:
    """The documents, as files of JSON lines. Each has a separate scenario."""

    def __init__(self, folder: Path, count: int, bytes_each: int) -> None:
        self.folder = folder
        self.lines = [line(result) for result in make_results(count, bytes_each)]
        self.bytes_each = sum(len(one.encode()) for one in self.lines) / count
        score = json.loads(self.lines[0])
        score["scenario"]["id"] = "probe-score"
        score["reliability_score"]["overall_score"] = 850
        nul = json.loads(self.lines[1])
        nul["scenario"]["id"] = "probe-nul"
        nul["trajectory"]["final_response"] = "a\0b"
        # As a broken scorer, and a model that read a binary file, produce them.
        self.probes = {"score_of_850": line(score), "nul_character": line(nul)}

    def file(self, count: int) -> Path:
        """Returns a file with the first `count` documents."""
        path = self.folder / f"results-{count}.jsonl"
        if not path.exists():
            path.write_text("\n".join(self.lines[:count]) + "\n")
        return path


def line(result: dict[str, Any]) -> str:
    return json.dumps(result, separators=(",", ":"), ensure_ascii=False)


class SubjectFailed(Exception):
    """A subject that ended unexpectedly, with the last line of its log."""


class Process:
    """A subject in a separate process."""

    def __init__(self, python: Path, subject: Subject, settings: dict[str, str], log: Path) -> None:
        self.log = log
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)
        }
        # The scripts written by hand are also in the benchmark of the Python package.
        environment.update(PYTHONPATH=str(BENCHMARKS), PYTHONDONTWRITEBYTECODE="1")
        file, *arguments = subject.command
        with log.open("wb") as written:
            self.process = subprocess.Popen(
                [python, HERE / "subjects" / file, *arguments],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=written, text=True,
                cwd=settings["folder"], env=environment,
            )  # fmt: skip
        self.ready = self.ask(settings)

    def ask(self, order: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            print(json.dumps(order), file=self.process.stdin, flush=True)
        except BrokenPipeError:
            pass
        answer = self.process.stdout.readline()
        if not answer:
            self.process.wait()
            lines = self.log.read_text(errors="replace").strip().splitlines()
            raise SubjectFailed(lines[-1] if lines else f"it ended with {self.process.returncode}")
        return json.loads(answer)

    def end(self) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        self.process.wait(120)


def files_bytes(folder: Path) -> int:
    """Returns the size of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def measure_subject(
    cluster: Cluster, subject: Subject, python: Path, recorder: Path | None, documents: Documents, count: int
) -> dict[str, Any]:
    """Runs a subject and returns the figures. `recorder` is an interpreter that can create the recorder's tables.

    Raises:
        SubjectFailed: if it ended unexpectedly.
    """
    name = "".join(letter if letter.isalnum() else "_" for letter in subject.name.lower())
    with cluster.database(name), tempfile.TemporaryDirectory(prefix="arc-comparison-files-") as files:
        if subject.tables and recorder is not None:
            command = [recorder, "-m", "arc_recorder", "migrate", "--database-url", cluster.url(name)]
            subprocess.run(command, check=True, capture_output=True)
        settings = {"url": cluster.url(name), "folder": files, "path": str(documents.file(count))}
        log = documents.folder / f"{name}.log"
        process = Process(python, subject, settings, log)
        try:
            sendings = []
            before = cluster.contents(name)
            for _ in range(2):
                in_files = files_bytes(Path(files) / "artifacts")
                cluster.sql("CHECKPOINT")
                cpu = tree_cpu_s(cluster.pid)
                sending = process.ask({"order": "send"})
                sending["postgres_cpu_s"] = tree_cpu_s(cluster.pid) - cpu
                after = cluster.contents(name)
                sending["rows"] = {
                    table: rows - before.get(table, 0)
                    for table, rows in after.items()
                    if table != "bytes" and rows != before.get(table, 0)
                }
                sending["database_bytes"] = after["bytes"] - before["bytes"]
                sending["file_bytes"] = files_bytes(Path(files) / "artifacts") - in_files
                before = copy.copy(after)
                sendings.append(sending)
            probes = {
                kind: process.ask({"order": "probe", "document": document})["verdict"]
                for kind, document in documents.probes.items()
            }
        finally:
            process.end()
    first, second = sendings
    failed = sum(number % 9 == 0 for number in range(count))
    if first["refused"] or first["stored"] != count or first["failed"] != failed:
        raise SubjectFailed(
            f"it stored {first['stored']} of {count} results and found {first['failed']} of {failed} failures"
            + (f" ({first['refused']})" if first["refused"] else "")
        )
    return {
        "versions": process.ready["versions"],
        "documents": count,
        "results_per_second": count / first["seconds"],
        "first": first,
        "again": second,
        "copies_after_second": second["stored"] / count,
        "probes": probes,
    }
