"""Arize Phoenix: its server on this database, a span and an annotation for each result, by its own client."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
from frame import Subject, package_versions, run
from phoenix.client import Client

#: Spans in a request.
BATCH = 500
#: The timeout in seconds for the start of the server (it migrates), and for storing accepted
#: spans.
DEADLINE = 300.0
PROJECT = "comparison"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def trace_id(scenario_id: str) -> str:
    """Returns a trace id that depends only on the scenario; its first half is the span's id."""
    return uuid.uuid5(uuid.NAMESPACE_OID, scenario_id).hex


class Phoenix(Subject):
    """`spans.log_spans`, 500 a request, and `spans.log_span_annotations` with the scores. The server answers when it
    has queued them; the measurement ends when both are in the database."""

    def prepare(self) -> None:
        port = free_port()
        environment = {
            **os.environ,
            "PHOENIX_SQL_DATABASE_URL": self.url,
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_PORT": str(port),
            "PHOENIX_GRPC_PORT": str(free_port()),
            "PHOENIX_WORKING_DIR": str(self.folder),
            "PHOENIX_TELEMETRY_ENABLED": "false",
            "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
        }
        self.log = open(self.folder / "phoenix.log", "wb")
        program = Path(sys.executable).with_name("phoenix")
        self.process = subprocess.Popen(
            [program, "serve"], env=environment, stdout=self.log, stderr=self.log
        )
        self.base = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + DEADLINE
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"Phoenix did not start: {Path(self.log.name).read_text()[-2000:]}")
            time.sleep(0.2)
        self.client = Client(base_url=self.base)
        self.loop = asyncio.new_event_loop()
        self.database = self.loop.run_until_complete(asyncpg.connect(self.url))
        urllib.request.urlopen(
            urllib.request.Request(
                f"{self.base}/v1/projects",
                json.dumps({"name": PROJECT}).encode(),
                {"content-type": "application/json"},
            )
        ).close()

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.base}/healthz", timeout=2):
                return True
        except OSError:
            return False

    def span(self, result: dict[str, Any]) -> Any:
        """Returns a trace of one span, with ids derived from the scenario's, so that sending it again is the same span."""
        trajectory, usage = result["trajectory"], result["trajectory"]["token_usage"]
        made = trace_id(result["scenario"]["id"])
        begun = datetime.fromisoformat(trajectory["start_time"].replace("Z", "+00:00"))
        ended = begun + timedelta(seconds=trajectory["execution_time_seconds"])
        succeeded = trajectory["status"] == "success"
        return {
            "name": result["scenario"]["name"],
            "context": {"trace_id": made, "span_id": made[:16]},
            "span_kind": "AGENT",
            "start_time": begun.isoformat(),
            "end_time": ended.isoformat(),
            "status_code": "OK" if succeeded else "ERROR",
            "status_message": trajectory.get("error", ""),
            "attributes": {
                "input.value": trajectory["task_prompt"],
                "output.value": json.dumps(result, separators=(",", ":"), ensure_ascii=False),
                "output.mime_type": "application/json",
                "llm.token_count.prompt": usage["prompt_tokens"],
                "llm.token_count.completion": usage["completion_tokens"],
                "metadata": json.dumps(
                    {"scenario_id": result["scenario"]["id"], "cost_usd": usage["total_cost"]}
                ),
            },
        }

    def send(self, results: list[dict[str, Any]]) -> None:
        spans = before = self.value("SELECT count(*) FROM spans")
        annotations = self.value("SELECT count(*) FROM span_annotations")
        for first in range(0, len(results), BATCH):
            part = results[first : first + BATCH]
            made = [self.span(result) for result in part]
            done = self.client.spans.log_spans(project_identifier=PROJECT, spans=made, timeout=120)
            spans += done["total_queued"]
            self.client.spans.log_span_annotations(
                span_annotations=[
                    {
                        "name": "reliability_score",
                        "annotator_kind": "CODE",
                        "span_id": span["context"]["span_id"],
                        "result": {
                            "score": result["reliability_score"]["overall_score"],
                            "label": result["reliability_score"]["grade"],
                        },
                    }
                    for span, result in zip(made, part)
                ]
            )
        self.until("spans", spans)
        self.until("span_annotations", annotations + spans - before)

    def until(self, table: str, wanted: int) -> None:
        """Waits until the server has stored the accepted rows."""
        deadline = time.monotonic() + DEADLINE
        while self.value(f"SELECT count(*) FROM {table}") < wanted:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{table} never had {wanted} rows")
            time.sleep(0.02)

    def value(self, sql: str, *values: Any) -> Any:
        return self.loop.run_until_complete(self.database.fetchval(sql, *values))

    def stored(self) -> int:
        return self.value("SELECT count(*) FROM spans")

    def failed(self) -> int:
        return self.value("SELECT count(*) FROM spans WHERE status_code = 'ERROR'")

    def read(self, scenario_id: str) -> str | None:
        return self.value(
            "SELECT attributes #>> '{output,value}' FROM spans WHERE span_id = $1",
            trace_id(scenario_id)[:16],
        )

    def servers(self) -> list[int]:
        return [self.process.pid]

    def versions(self) -> dict[str, str]:
        return package_versions("arize-phoenix", "arize-phoenix-client")

    def close(self) -> None:
        self.loop.run_until_complete(self.database.close())
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()


run(Phoenix)
