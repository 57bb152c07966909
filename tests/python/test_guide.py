"""Every code block of the integration guide runs unchanged, against a real database.

A prelude defines the names that the guide assumes; only the old `modal` module is a stand-in.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import logging
import os
import re
import types
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest

from arc_recorder import create_sync_arc_api
from services import serving

GUIDE = Path(__file__).parents[2].parent / "shared" / "guide.md"


def blocks() -> list[tuple[int, str, str]]:
    """Returns the line, the language and the text of each block."""
    if not GUIDE.exists():
        return []
    found = []
    language, begin, lines = None, 0, []
    for number, line in enumerate(GUIDE.read_text().splitlines(), 1):
        fence = re.match(r"```(\w*)", line)
        if fence and language is None:
            language, begin, lines = fence[1], number, []
        elif fence:
            found.append((begin, language or "", "\n".join(lines)))
            language = None
        else:
            lines.append(line)
    return found


BLOCKS = blocks()
PYTHON = {line: text for line, language, text in BLOCKS if language == "python"}
needs_guide = pytest.mark.skipif(
    not BLOCKS, reason="SKIPPED: ../shared/guide.md is not beside this clone"
)
pytestmark = needs_guide


def block(beginning: str) -> str:
    """Returns the only block that contains this line."""
    found = [text for text in PYTHON.values() if beginning in text]
    assert len(found) == 1, f"{len(found)} blocks have {beginning!r}"
    return found[0]


def result(scenario_id: str, status: str = "success", score: float = 0.85) -> dict[str, Any]:
    """Returns a result like the guide's `evaluate_single_scenario`."""
    trajectory: dict[str, Any] = {
        "status": status,
        "task_prompt": "What's the weather in NYC?",
        "final_response": "The weather in NYC is…",
        "execution_time_seconds": 2.5,
        "full_trajectory": [{"tool": "weather", "arguments": {"city": "NYC"}}],
        "token_usage": {
            "prompt_tokens": 150,
            "completion_tokens": 50,
            "total_tokens": 200,
            "total_cost": 0.006,
        },
    }
    if status != "success":
        trajectory["error"] = "rate limit exceeded"
    return {
        "scenario": {"id": scenario_id, "name": f"Scenario {scenario_id}"},
        "trajectory": trajectory,
        "reliability_score": {
            "overall_score": score,
            "grade": "B",
            "dimension_scores": {"tool_execution": 0.9},
        },
        "detailed_trajectory": {"steps": 1},
    }


class Secret:
    @staticmethod
    def from_name(name: str) -> str:
        return name


def modal() -> types.ModuleType:
    """The part of the old `modal` API that the guide uses."""
    module = types.ModuleType("modal")
    module.function = lambda **_: lambda function: function  # type: ignore[attr-defined]
    module.Secret = Secret  # type: ignore[attr-defined]
    module.current_app_id = lambda: "ap-123"  # type: ignore[attr-defined]
    module.current_call_id = lambda: "fc-456"  # type: ignore[attr-defined]
    return module


SCENARIOS = [{"id": f"scenario_{number}", "name": f"Scenario {number}"} for number in range(4)]
AGENT = {"model": "gpt-4.1", "temperature": 0.7, "tools": ["weather"]}


def suite(agent: Any, scenarios: List[Dict[str, Any]]) -> dict[str, Any]:
    results = [
        result(scenario["id"], "error" if index == 3 else "success", 0.8)
        for index, scenario in enumerate(scenarios)
    ]
    return {"results": results, "average_reliability_score": 0.8, "total_cost_usd": 0.024}


def single(task: Tuple[Dict[str, Any], Dict[str, Any], int]) -> dict[str, Any]:
    scenario, _agent, index = task
    return result(scenario["id"], "error" if index == 3 else "success", 0.8)


class Mapped:
    """A stand-in for a Modal function with `.map`."""

    def __call__(self, task: Any) -> dict[str, Any]:
        return single(task)

    def map(self, tasks: Any) -> Any:
        return (single(task) for task in tasks)


class Prelude:
    """The names that the guide assumes, with a simulation that has outcomes."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.names: dict[str, Any] = {}

    async def prepare(self) -> None:
        from arc.database.api import ArcAPI, create_arc_api
        from arc.database.client import ArcDBClient, DatabaseError

        api = await create_arc_api()
        config = await api.db.create_configuration("agent", AGENT)
        started = await api.start_simulation(config, SCENARIOS)
        simulation_id = started["simulation_id"]
        await api.record_batch_outcomes(simulation_id, suite(AGENT, SCENARIOS)["results"])
        self.names.update(
            os=os,
            logger=logging.getLogger("evaluation"),
            datetime=datetime,
            timedelta=timedelta,
            Dict=Dict,
            List=List,
            Tuple=Tuple,
            Any=Any,
            modal=modal(),
            arc_image="image",
            ArcAPI=ArcAPI,
            create_arc_api=create_arc_api,
            ArcDBClient=ArcDBClient,
            DatabaseError=DatabaseError,
            run_evaluation_suite_parallel=suite,
            evaluate_single_scenario=Mapped(),
            scenario_inputs=[(scenario, AGENT, 0) for scenario in SCENARIOS],
            db_api=api,
            db_client=api.db,
            config_version_id=config,
            simulation_id=simulation_id,
        )

    async def run(self, text: str) -> dict[str, Any]:
        """Runs a block after the prelude, and returns its names."""
        # `import modal` in a block imports the stand-in.
        text = text.replace("import modal\n", "\n")
        tree = compile(text, str(GUIDE), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        done = eval(tree, self.names)
        if inspect.isawaitable(done):
            await done
        return self.names


def with_prelude(url: str, test: Callable[[Prelude], Awaitable[None]]) -> None:
    async def run() -> None:
        prelude = Prelude(url)
        await prelude.prepare()
        await test(prelude)

    asyncio.run(run())


@pytest.fixture(params=["database", "service"])
def url(
    request: pytest.FixtureRequest,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[str]:
    """The URL of a database, or of a service."""
    if request.param == "database":
        monkeypatch.setenv("TIMESCALE_SERVICE_URL", database_url)
        yield database_url
        return
    with serving(database_url, tmp_path / "service") as service:
        monkeypatch.setenv("TIMESCALE_SERVICE_URL", service.url)
        yield service.url


def sql(database_url: str, text: str, **params: Any) -> list[dict[str, Any]]:
    """Returns the rows of a statement, read directly from the database."""
    with create_sync_arc_api(database_url) as api:
        return api.db.engine.execute(text, params)


@pytest.mark.parametrize("line", sorted(PYTHON) or [0], ids=lambda line: f"line-{line}")
def test_every_block_runs(line: int, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert BLOCKS, f"{GUIDE} is missing"
    # The guide's `...` is replaced by real arguments.
    text = PYTHON[line].replace(
        "record_scenario_outcome(...)",
        "record_scenario_outcome(simulation_id, evaluate_single_scenario(scenario_inputs[0]))",
    )

    async def test(prelude: Prelude) -> None:
        await prelude.run(text)

    with_prelude(url, test)


def test_all_blocks_run_one_after_another(url: str) -> None:
    async def test(prelude: Prelude) -> None:
        for text in PYTHON.values():
            if "record_scenario_outcome(...)" not in text:
                # A block can use the names of earlier ones, except a database that does not exist.
                api = prelude.names["db_api"]
                await prelude.run(text)
                if "your-connection-string" in text:
                    prelude.names["db_api"] = api

    with_prelude(url, test)


def test_the_batch_pattern_records_the_suite_and_returns_the_values_that_the_guide_prints(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def test(prelude: Prelude) -> None:
        names = await prelude.run(block("async def run_evaluation_suite_with_db"))
        done = await names["run_evaluation_suite_with_db"](
            AGENT, SCENARIOS, prelude.names["config_version_id"]
        )
        tracking = done["database_tracking"]
        assert len(tracking["outcome_ids"]) == 4 and all(tracking["outcome_ids"])
        assert tracking["completion_status"]["overall_score"] == 0.8
        status = await names["db_api"].get_simulation_status(done["simulation_id"])
        assert (status["status"], status["progress_percentage"]) == ("completed", 100.0)
        assert (status["successful_outcomes"], status["failed_outcomes"]) == (3, 1)
        assert status["modal_app_id"] == "ap-123"
        assert status["metadata"] == {
            "agent_model": "gpt-4.1",
            "agent_temperature": 0.7,
            "tools_enabled": ["weather"],
        }
        outcomes = await names["db_api"].get_scenario_outcomes(done["simulation_id"])
        assert [outcome["modal_call_id"] for outcome in outcomes] == [
            f"fc-456_{index}" for index in range(4)
        ]

    with_prelude(url, test)
    printed = capsys.readouterr().out
    assert "[DB] Started simulation" in printed
    assert "[DB] Recorded 4 outcomes" in printed
    assert "[DB] Simulation completed with score 0.80" in printed


def test_the_guides_own_sql_marks_a_broken_suite_as_failed(url: str, database_url: str) -> None:
    async def test(prelude: Prelude) -> None:
        names = await prelude.run(block("async def run_evaluation_suite_with_db"))

        def breaks(*_: Any) -> None:
            raise RuntimeError("the suite broke")

        names["run_evaluation_suite_parallel"] = breaks
        with pytest.raises(RuntimeError, match="the suite broke"):
            await names["run_evaluation_suite_with_db"](
                {**AGENT, "model": "broken"}, SCENARIOS, names["config_version_id"]
            )

    with_prelude(url, test)
    rows = sql(
        database_url,
        "SELECT status, completed_at FROM simulations WHERE simulation_name LIKE 'eval_broken%'",
    )
    assert [row["status"] for row in rows] == ["failed"]
    assert rows[0]["completed_at"]


def test_both_patterns_together_make_no_second_attempt(url: str) -> None:
    async def test(prelude: Prelude) -> None:
        names = await prelude.run(block("async def evaluate_single_scenario_with_db"))
        api = names["db_api"]
        started = await api.start_simulation(names["config_version_id"], SCENARIOS)
        simulation_id = started["simulation_id"]
        results = [
            await names["evaluate_single_scenario_with_db"]((scenario, AGENT, index, simulation_id))
            for index, scenario in enumerate(SCENARIOS)
        ]
        assert all(done["database_tracking"]["outcome_id"] for done in results)
        ids = await api.record_batch_outcomes(simulation_id, results)
        assert ids == [done["database_tracking"]["outcome_id"] for done in results]
        outcomes = await api.get_scenario_outcomes(simulation_id)
        assert [outcome["attempt"] for outcome in outcomes] == [1] * 4
        assert [outcome["sandbox_id"] for outcome in outcomes] == [
            f"sandbox_{index}" for index in range(4)
        ]
        assert outcomes[3]["error_category"] == "rate_limit"

    with_prelude(url, test)


def test_the_guides_own_result_has_the_fields_that_the_guide_lists(url: str) -> None:
    shown = eval(block('"id": "scenario_123"'))
    shown["trajectory"]["full_trajectory"] = [{"tool": "weather"}]
    with create_sync_arc_api(url) as api:
        started = api.start_simulation("configuration", [shown["scenario"]])
        api.record_scenario_outcome(started["simulation_id"], shown, "fc-1")
        [outcome] = api.get_scenario_outcomes(started["simulation_id"], scenario_id="scenario_123")
    assert outcome["status"] == "success"
    assert outcome["execution_time_ms"] == 2_500
    assert outcome["reliability_score"] == 0.85
    assert outcome["tokens_used"] == 200
    assert outcome["cost_usd"] == 0.006
    assert outcome["modal_call_id"] == "fc-1"
    scores = {score["name"]: score["value"] for score in outcome["scores"]}
    assert (scores["reliability_score"], scores["error_handling"]) == (0.85, 0.85)
    assert outcome["trajectory"] is not None
    assert outcome["trajectory"]["final_response"] == "The weather in NYC is..."
    assert outcome["trajectory"]["reliability_dimensions"]["performance"] == 0.9


def test_code_that_the_guide_omits_is_listed(url: str) -> None:
    shown = eval(block('"id": "scenario_123"'))
    with create_sync_arc_api(url) as api:
        started = api.start_simulation("configuration", [shown["scenario"]])
        [verdict] = api.record_batch(started["simulation_id"], [shown])
    assert verdict["violations"][0]["path"] == "/trajectory/full_trajectory/0"


def test_the_variables_of_the_guide_are_those_that_are_read(url: str, database_url: str) -> None:
    [variables] = [text for _, language, text in BLOCKS if language == "bash"]
    assert "TIMESCALE_SERVICE_URL=postgresql://" in variables
    with create_sync_arc_api() as api:
        os.environ["MODAL_ENVIRONMENT"] = "staging"
        try:
            started = api.start_simulation("configuration", SCENARIOS)
        finally:
            del os.environ["MODAL_ENVIRONMENT"]
    [row] = sql(
        database_url,
        "SELECT modal_environment FROM simulations WHERE simulation_id = :id",
        id=started["simulation_id"],
    )
    assert row["modal_environment"] == "staging"
