"""Arc Recorder: in process (`process`), a file by the program (`file`), or through the service (`service`)."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

from arc_recorder import create_sync_arc_api
from frame import Subject, memory_bytes, package_versions, run

PROGRAM = [sys.executable, "-m", "arc_recorder"]


class Recorder(Subject):
    """In this process: `record_batch`, all results in one call."""

    def prepare(self) -> None:
        self.direct = create_sync_arc_api(self.url)
        self.direct.db.deploy_schema()
        self.api = self.recording_api()
        planned = [result["scenario"] for result in self.results[:1]]
        started = self.api.start_simulation("comparison", planned)
        self.simulation_id = started["simulation_id"]

    def recording_api(self) -> Any:
        return self.direct

    def send(self, results: list[dict[str, Any]]) -> None:
        verdicts = self.api.record_batch(self.simulation_id, results)
        refused = [verdict for verdict in verdicts if verdict["verdict"] in ("rejected", "failed")]
        if refused:
            violation = refused[0]["violations"][0]
            raise ValueError(f"{violation['code']} at {violation['path']}")

    def value(self, sql: str, **values: Any) -> Any:
        return self.direct.db.engine.execute(sql, values).scalar()

    def stored(self) -> int:
        return self.value("SELECT count(*) FROM outcomes")

    def failed(self) -> int:
        return self.value("SELECT count(*) FROM outcomes WHERE status <> 'success'")

    def read(self, scenario_id: str) -> str | None:
        return self.value("SELECT document_text FROM outcome_documents WHERE scenario_id = :id", id=scenario_id)

    def versions(self) -> dict[str, str]:
        return package_versions("arc-recorder")

    def close(self) -> None:
        self.direct.close()


class Program(Recorder):
    """`arc-host record FILE` in a separate process. A file is a simulation, whose id is derived from its bytes."""

    def send(self, results: list[dict[str, Any]]) -> None:
        path = self.path
        if results is not self.results:
            path = self.folder / "probe.jsonl"
            lines = (json.dumps(result, separators=(",", ":"), ensure_ascii=False) for result in results)
            path.write_text("".join(line + "\n" for line in lines))
        command = [*PROGRAM, "record", "--json", "--database-url", self.url, str(path)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        # The system's figure for ended children includes the memory of this process when they were forked.
        while process.poll() is None:
            self.child_bytes = max(self.child_bytes, memory_bytes(process.pid, "VmHWM"))
            time.sleep(0.01)
        stdout, stderr = process.communicate()
        if process.returncode != 0:
            rejected = json.loads(stdout.splitlines()[0]).get("rejected_results") or [{}] if stdout else [{}]
            raise ValueError(json.dumps(rejected[0]) if stdout else stderr)


class Service(Recorder):
    """`arc-host serve` in a separate process on loopback, with the same calls."""

    def recording_api(self) -> Any:
        self.log = open(self.folder / "service.log", "wb")
        command = [*PROGRAM, "serve", "--json", "--listen", "127.0.0.1:0", "--database-url", self.url]
        command += ["--spool-dir", str(self.folder / "spool")]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log)
        assert self.process.stdout is not None
        answer = json.loads(self.process.stdout.readline())
        return create_sync_arc_api(answer["listening"][0])

    def servers(self) -> list[int]:
        return [self.process.pid]

    def close(self) -> None:
        self.api.close()
        super().close()
        self.process.terminate()
        self.process.wait(60)
        self.log.close()


run({"process": Recorder, "file": Program, "service": Service}[sys.argv[1]])
