"""MLflow's tracking store: a run for each result (`runs`), or a trace (`traces`)."""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

# Set before the import: no telemetry, and a queue that is never full, so that no trace is dropped. Its batches keep
# the default of five spans: with a hundred, some spans arrive while their own trace is being stored, and are dropped.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["MLFLOW_ASYNC_TRACE_LOGGING_MAX_QUEUE_SIZE"] = "100000"

import mlflow
from frame import Subject, package_versions, run
from mlflow.entities import Metric, RunTag
from mlflow.tracing.constant import SpanAttributeKey

#: Threads that log runs at once.
WRITERS = 4


def figures(result: dict[str, Any]) -> dict[str, float]:
    """The fields of a result that are numbers."""
    trajectory, usage = result["trajectory"], result["trajectory"]["token_usage"]
    return {
        "reliability_score": result["reliability_score"]["overall_score"],
        "execution_time_ms": trajectory["execution_time_seconds"] * 1_000,
        "tokens_used": usage["total_tokens"],
        "cost_usd": usage["total_cost"],
        **result["reliability_score"]["dimension_scores"],
    }


class Tracking(Subject):
    """The store of `mlflow.set_tracking_uri("postgresql://…")`, in this process, without a server."""

    def prepare(self) -> None:
        mlflow.set_tracking_uri(self.url.replace("postgresql:", "postgresql+psycopg2:"))
        self.client = mlflow.MlflowClient()
        artifacts = self.folder / "artifacts"
        self.experiment_id = self.client.create_experiment("comparison", artifacts.as_uri())
        mlflow.set_experiment(experiment_id=self.experiment_id)

    def versions(self) -> dict[str, str]:
        return package_versions("mlflow", "sqlalchemy", "psycopg2-binary")


class Runs(Tracking):
    """create_run with the texts as tags, log_batch with all numbers at once, the document as an artifact (a tag
    holds 8,000 characters), and set_terminated."""

    def send(self, results: list[dict[str, Any]]) -> None:
        with ThreadPoolExecutor(WRITERS) as writers:
            list(writers.map(self.log, results))

    def log(self, result: dict[str, Any]) -> None:
        trajectory, scenario = result["trajectory"], result["scenario"]
        tags = {"scenario_id": scenario["id"], "status": trajectory["status"]}
        if "error" in trajectory:
            tags["error"] = trajectory["error"]
        made = self.client.create_run(self.experiment_id, tags=tags, run_name=scenario["name"])
        run_id, at_ms = made.info.run_id, made.info.start_time
        metrics = [Metric(name, value, at_ms, 0) for name, value in figures(result).items()]
        self.client.log_batch(run_id, metrics=metrics, tags=[RunTag("grade", result["reliability_score"]["grade"])])
        document = json.dumps(result, separators=(",", ":"), ensure_ascii=False)
        self.client.log_text(run_id, document, "result.json")
        succeeded = trajectory["status"] == "success"
        self.client.set_terminated(run_id, "FINISHED" if succeeded else "FAILED")

    def found(self, filter_string: str) -> list[Any]:
        found: list[Any] = []
        token = None
        while True:
            page = self.client.search_runs(
                [self.experiment_id], filter_string, max_results=1_000, page_token=token
            )
            found += page
            token = page.token
            if not token:
                return found

    def stored(self) -> int:
        return len(self.found(""))

    def failed(self) -> int:
        return len(self.found("attributes.status = 'FAILED'"))

    def read(self, scenario_id: str) -> str | None:
        runs = self.found(f"tags.scenario_id = '{scenario_id}'")
        if not runs:
            return None
        return mlflow.artifacts.load_text(f"runs:/{runs[0].info.run_id}/result.json")


class Traces(Tracking):
    """A span for each result: the prompt is its input, the document its output, the score an assessment that is stored
    with it, the other fields attributes and tags. MLflow's exporter sends in the background with its defaults: batches
    of five spans and ten threads. The measurement ends when it is flushed."""

    def send(self, results: list[dict[str, Any]]) -> None:
        for result in results:
            trajectory, usage = result["trajectory"], result["trajectory"]["token_usage"]
            with mlflow.start_span(name=result["scenario"]["name"], span_type="AGENT") as span:
                span.set_inputs(trajectory["task_prompt"])
                span.set_outputs(result)
                span.set_attributes(figures(result))
                span.set_attribute(
                    SpanAttributeKey.CHAT_USAGE,
                    {
                        "input_tokens": usage["prompt_tokens"],
                        "output_tokens": usage["completion_tokens"],
                        "total_tokens": usage["total_tokens"],
                    },
                )
                mlflow.update_current_trace(tags={"scenario_id": result["scenario"]["id"]})
                mlflow.log_feedback(
                    trace_id=span.trace_id,
                    name="reliability_score",
                    value=result["reliability_score"]["overall_score"],
                )
                span.set_status("OK" if trajectory["status"] == "success" else "ERROR")
        mlflow.flush_trace_async_logging()

    def found(self, filter_string: str | None, spans: bool = False) -> list[Any]:
        found: list[Any] = []
        token = None
        while True:
            page = self.client.search_traces(
                locations=[self.experiment_id], filter_string=filter_string, max_results=500,
                page_token=token, include_spans=spans,
            )  # fmt: skip
            found += page
            token = page.token
            if not token:
                return found

    def stored(self) -> int:
        return len(self.found(None))

    def failed(self) -> int:
        return len(self.found("trace.status = 'ERROR'"))

    def read(self, scenario_id: str) -> str | None:
        traces = self.found(f"tag.scenario_id = '{scenario_id}'", spans=True)
        if not traces or not traces[0].data.spans:
            return None
        outputs = traces[0].data.spans[0].outputs
        return json.dumps(outputs, separators=(",", ":"), ensure_ascii=False)


run({"runs": Runs, "traces": Traces}[sys.argv[1]])
