"""The Modal example, run in this process with `.local()` and read back."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shlex
import subprocess
import sys
import venv
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from arc_recorder import create_sync_arc_api

pytest.importorskip("modal")

WHEEL = os.environ.get("ARC_TEST_WHEEL")
EXAMPLE = Path(__file__).parents[2] / "host" / "python" / "examples" / "modal_evaluation.py"
STATUSES = {
    "weather_nyc": "success",
    "convert_distance": "success",
    "weather_unknown_city": "success",
    "book_table": "error",
}


@pytest.fixture
def database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("ARC_DATABASE_URL", database_url)
    for variable in ("MODAL_ENVIRONMENT", "MODAL_TASK_ID"):
        monkeypatch.delenv(variable, raising=False)
    return database_url


@pytest.fixture
def example(database: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location("modal_evaluation", EXAMPLE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def outcomes_of(database: str, simulation_id: str) -> dict[str, dict[str, Any]]:
    with create_sync_arc_api(database) as api:
        outcomes = list(api.get_scenario_outcomes(simulation_id))
    assert len(outcomes) == len({outcome["scenario_id"] for outcome in outcomes})
    return {str(outcome["scenario_id"]): dict(outcome) for outcome in outcomes}


def status_of(database: str, simulation_id: str) -> dict[str, Any]:
    with create_sync_arc_api(database) as api:
        return dict(api.get_simulation_status(simulation_id))


def run(example: ModuleType, name: str) -> dict[str, Any]:
    """Runs one of the two patterns."""

    async def patterns() -> Any:
        version = await example.create_configuration.local(example.AGENT)
        return await getattr(example, name).local(example.AGENT, example.SCENARIOS, version)

    return dict(asyncio.run(patterns()))


def test_the_script_runs_both_patterns_without_a_network(database: str, tmp_path: Path) -> None:
    finished = subprocess.run(
        [sys.executable, str(EXAMPLE), "--local"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert finished.returncode == 0, finished.stderr
    lines = finished.stdout.splitlines()
    assert len(lines) == 2
    for line in lines:
        assert "completed: 4 results, score 0.688, $0.00" in line
        outcomes = outcomes_of(database, line.split()[1])
        assert {key: outcome["status"] for key, outcome in outcomes.items()} == STATUSES


@pytest.mark.parametrize("pattern", ["run_evaluation_suite_with_db", "run_evaluation_suite_live"])
def test_both_patterns_record_the_same(example: ModuleType, database: str, pattern: str) -> None:
    suite = run(example, pattern)
    outcomes = outcomes_of(database, suite["simulation_id"])
    assert {key: outcome["status"] for key, outcome in outcomes.items()} == STATUSES
    scores = [outcomes[key]["reliability_score"] for key in STATUSES]
    assert scores == [1.0, 1.0, 0.75, 0.0]
    failed = outcomes["book_table"]
    assert (failed["error_code"], failed["error_category"]) == ("ToolError", "tool_error")
    assert all(outcome["warnings"] in (None, []) for outcome in outcomes.values())
    assert all(outcome["modal_call_id"] is None for outcome in outcomes.values())

    status = status_of(database, suite["simulation_id"])
    assert (status["status"], status["progress_percentage"]) == ("completed", 100.0)
    assert (status["successful_outcomes"], status["failed_outcomes"]) == (3, 1)
    used = sum(result["trajectory"]["token_usage"]["total_cost"] for result in suite["results"])
    assert status["total_cost_usd"] == pytest.approx(used)
    assert status["modal_app_id"] is None
    assert status["metadata"]["agent_model"] == example.AGENT["model"]


def test_the_batch_names_its_call_and_returns_its_ids(
    example: ModuleType, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(example.modal, "current_function_call_id", lambda: "fc-123")
    suite = run(example, "run_evaluation_suite_with_db")
    outcomes = outcomes_of(database, suite["simulation_id"])
    for index, scenario in enumerate(example.SCENARIOS):
        outcome = outcomes[scenario["id"]]
        assert outcome["modal_call_id"] == f"fc-123_{index}"
        assert outcome["outcome_id"] == suite["database_tracking"]["outcome_ids"][index]


def test_scenarios_on_modal_record_themselves(
    example: ModuleType, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The remote path, with a `starmap` that runs the method here."""

    class Starmap:
        def __init__(self, evaluator: Any) -> None:
            self.evaluator = evaluator

        async def aio(self, inputs: list[Any], **options: Any) -> AsyncIterator[Any]:
            assert options == {"order_outputs": False, "return_exceptions": True}
            for work in reversed(inputs):
                if work[0]["id"] == "book_table":
                    yield RuntimeError("the container is gone")
                else:
                    yield await self.evaluator.evaluate.local(*work)
            await self.evaluator.close()

    class Evaluator:
        def __init__(self) -> None:
            self.evaluate = self
            self.starmap = Starmap(real())

    real = example.ScenarioEvaluator
    monkeypatch.setattr(example, "ScenarioEvaluator", Evaluator)
    monkeypatch.setattr(example.modal, "is_local", lambda: False)
    monkeypatch.setattr(example.modal, "current_function_call_id", lambda: "fc-123")
    monkeypatch.setattr(example.modal, "current_input_id", lambda: "in-1")
    suite = run(example, "run_evaluation_suite_live")
    assert [result["modal"]["input_id"] for result in suite["results"]] == ["in-1"] * 3
    outcomes = outcomes_of(database, suite["simulation_id"])
    assert {outcome["modal_call_id"] for outcome in outcomes.values()} == {"fc-123"}
    assert outcomes["weather_nyc"]["sandbox_id"] == "local_0"
    status = status_of(database, suite["simulation_id"])
    assert (status["completed_scenarios"], status["total_scenarios"]) == (3, 4)


def test_a_suite_that_breaks_fails_its_simulation(
    example: ModuleType, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    start = example.start

    async def remembering(*arguments: Any) -> str:
        started.append(await start(*arguments))
        return str(started[0])

    def broken(*_: Any) -> None:
        raise RuntimeError("no agent")

    monkeypatch.setattr(example, "start", remembering)
    monkeypatch.setattr(example, "run_evaluation_suite_parallel", broken)
    with pytest.raises(RuntimeError, match="no agent"):
        run(example, "run_evaluation_suite_with_db")
    assert status_of(database, started[0])["status"] == "failed"


def test_an_evaluation_outlives_a_database_that_is_unavailable(
    example: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARC_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")

    async def evaluate() -> Any:
        evaluator = example.ScenarioEvaluator()
        work = (example.SCENARIOS[0], example.AGENT, 0, "0190cafe-0000-7000-8000-000000000000")
        try:
            return await evaluator.evaluate.local(*work)
        finally:
            await evaluator.close()

    result = asyncio.run(evaluate())
    assert result["trajectory"]["status"] == "success"
    assert result["database_tracking"]["outcome_id"] is None


#: Builds the example's image as `modal run` does.
BUILD = """
import runpy, sys
runpy.run_path(sys.argv[1], run_name="example")["image"].build()
"""


def test_modals_client_sends_an_image_that_takes_the_wheel(tmp_path: Path) -> None:
    from modal_server import modal_server

    name = "arc_recorder-0.1.0-cp39-abi3-manylinux_2_36_x86_64.whl"
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (wheels / name).write_bytes(b"a wheel")
    (wheels / "notes.txt").write_text("not for the image")
    with modal_server() as server:
        built = subprocess.run(
            [sys.executable, "-c", BUILD, EXAMPLE],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "ARC_WHEELS": str(wheels),
                "MODAL_SERVER_URL": f"http://127.0.0.1:{server.port}",
                "MODAL_TOKEN_ID": "ak-1",
                "MODAL_TOKEN_SECRET": "as-1",
            },
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert built.returncode == 0, built.stderr
    _, copied, installed = server.layers
    assert server.files == [f"/wheels/{name}"]
    assert copied == ["FROM base", "COPY . /"]
    assert installed == ["FROM base", f"RUN {INSTALL}"]


INSTALL = "pip install --no-index --find-links /wheels arc-recorder"


@pytest.mark.skipif(WHEEL is None, reason="SKIPPED: ARC_TEST_WHEEL names no wheel")
def test_the_command_of_the_image_installs_the_wheel(tmp_path: Path) -> None:
    assert WHEEL
    venv.create(tmp_path / "image", with_pip=True)
    command = shlex.split(INSTALL.replace("/wheels", str(Path(WHEEL).parent)))
    programs = tmp_path / "image" / "bin"
    command[0] = str(programs / command[0])
    installed = subprocess.run(command, capture_output=True, text=True)
    assert installed.returncode == 0, installed.stderr
    shown = subprocess.run(
        [programs / "arc-host", "--version"], capture_output=True, text=True, check=True
    )
    assert shown.stdout.startswith("arc-host ")
