"""An evaluation on Modal that records its results.

    python modal_evaluation.py --local      # in this process: no account and no network
    modal run modal_evaluation.py           # on Modal

Two patterns, side by side:

- `run_evaluation_suite_with_db` evaluates all scenarios in one function and records them in one
  batch. It is the simpler one.
- `run_evaluation_suite_live` has one input of `ScenarioEvaluator` for each scenario, on as many
  containers as Modal starts, and each input records its result at once. `arc-host status ID
  --watch` shows the progress.

On Modal the secret has the database's URL:

    modal secret create timescale-secret TIMESCALE_SERVICE_URL=postgresql://...

The image installs the recorder's wheel from the folder `dist`, or from the folder in ARC_WHEELS:

    python3 -m pip wheel -v --no-deps --wheel-dir dist ./host/python    # in the recorder's repository

In this process, ARC_DATABASE_URL or TIMESCALE_SERVICE_URL has the database's URL; the default is the embedded one.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import modal
from arc_recorder import ArcAPI, create_arc_api

Json = dict[str, Any]

#: The folder with the recorder's wheel.
WHEELS = Path(os.environ.get("ARC_WHEELS", "dist"))


def image_with_recorder(wheels: Path) -> modal.Image:
    """Returns an image with the recorder: the wheels are copied into it, and pip installs the newest that fits."""
    return (
        modal.Image.debian_slim(python_version="3.12")
        .add_local_dir(wheels, "/wheels", copy=True, ignore=~modal.FilePatternMatcher("*.whl"))
        .run_commands("pip install --no-index --find-links /wheels arc-recorder")
    )


app = modal.App("arc-evaluation")
image = image_with_recorder(WHEELS)
secrets = [modal.Secret.from_name("timescale-secret")]  # holds TIMESCALE_SERVICE_URL

AGENT: Json = {
    "name": "rule-agent",
    "model": "rules-1",
    "temperature": 0.0,
    "tools": ["weather", "convert"],
}

SCENARIOS: list[Json] = [
    {
        "id": "weather_nyc",
        "name": "Weather in a city",
        "task_prompt": "What's the weather in NYC?",
        "tool": "weather",
        "argument": "NYC",
        "expected": ["NYC", "sunny"],
    },
    {
        "id": "convert_distance",
        "name": "Kilometres to miles",
        "task_prompt": "How many miles are 10 km?",
        "tool": "convert",
        "argument": "10",
        "expected": ["6.2"],
    },
    {
        "id": "weather_unknown_city",
        "name": "Weather in an unknown city",
        "task_prompt": "What's the weather in Atlantis?",
        "tool": "weather",
        "argument": "Atlantis",
        "expected": ["unknown", "sorry"],
    },
    {
        "id": "book_table",
        "name": "A tool that the agent does not have",
        "task_prompt": "Book a table for two at eight.",
        "tool": "booking",
        "argument": "2 at 20:00",
        "expected": ["booked"],
    },
]


# --------------------------------------------------------------------------------------
# The agent. Replace it with your own; only the structure of the results matters.
# --------------------------------------------------------------------------------------

WEATHER = {"NYC": "sunny, 21 °C", "Oslo": "snow, -3 °C"}
TOOLS: dict[str, Callable[[str], str]] = {
    "weather": lambda city: WEATHER.get(city, "unknown"),
    "convert": lambda kilometres: f"{float(kilometres) * 0.621371:.1f} miles",
}


def evaluate_single_scenario(work: tuple[Json, Json, int]) -> Json:
    """Runs the agent on one scenario and scores its run."""
    scenario, agent_config, _index = work
    start_time, begun = datetime.now(timezone.utc), time.perf_counter()
    events: list[Json] = [{"event": "prompt", "text": scenario["task_prompt"]}]
    tool, answer, error = scenario["tool"], "", None
    try:
        if tool not in agent_config["tools"]:
            raise LookupError(f"the tool {tool!r} is not available to {agent_config['name']}")
        output = TOOLS[tool](scenario["argument"])
        events.append({"event": "tool", "name": tool, "output": output})
        answer = f"{scenario['argument']}: {output}"
        events.append({"event": "answer", "text": answer})
    except Exception as failure:
        error = {"type": "ToolError", "message": str(failure)}

    prompt_tokens = len(scenario["task_prompt"].split()) * 20
    completion_tokens = len(answer.split()) * 10
    trajectory: Json = {
        "status": "error" if error else "success",
        "task_prompt": scenario["task_prompt"],
        "final_response": answer,
        "start_time": start_time.isoformat(),
        "execution_time_seconds": time.perf_counter() - begun,
        "full_trajectory": events,
        "token_usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
            "total_cost": prompt_tokens * 2e-6 + completion_tokens * 8e-6,
        },
    }
    if error:
        trajectory["error"] = error
    quality = sum(word in answer for word in scenario["expected"]) / len(scenario["expected"])
    executed = 0.0 if error else 1.0
    overall = (quality + executed) / 2
    return {
        "scenario": scenario,
        "trajectory": trajectory,
        "reliability_score": {
            "overall_score": overall,
            "grade": "A" if overall >= 0.9 else "B" if overall >= 0.7 else "F",
            "dimension_scores": {"tool_execution": executed, "response_quality": quality},
        },
        "detailed_trajectory": {"agent": agent_config["name"], "steps": len(events)},
    }


def run_evaluation_suite_parallel(agent_config: Json, scenarios: list[Json]) -> Json:
    """Evaluates all scenarios with threads and summarizes the suite."""
    begun = time.perf_counter()
    work = [(scenario, agent_config, index) for index, scenario in enumerate(scenarios)]
    with ThreadPoolExecutor(max_workers=8) as pool:
        results = list(pool.map(evaluate_single_scenario, work))
    trajectories = [result["trajectory"] for result in results]
    scores = [result["reliability_score"]["overall_score"] for result in results]
    return {
        "results": results,
        "average_reliability_score": sum(scores) / len(scores),
        "successful_runs": sum(run["status"] == "success" for run in trajectories),
        "total_cost_usd": sum(run["token_usage"]["total_cost"] for run in trajectories),
        "total_tokens_used": sum(run["token_usage"]["total_tokens"] for run in trajectories),
        "parallel_execution_time": time.perf_counter() - begun,
    }


# --------------------------------------------------------------------------------------
# Shared by both patterns
# --------------------------------------------------------------------------------------


async def start(
    api: ArcAPI, agent_config: Json, scenarios: list[Json], config_version_id: str, pattern: str
) -> str:
    """Starts a simulation with Modal's data about this run."""
    started = await api.start_simulation(
        config_version_id=config_version_id,
        scenarios=scenarios,
        simulation_name=f"eval_{agent_config['model']}_{datetime.now():%Y%m%d_%H%M%S}",
        modal_app_id=app.app_id,  # None in this process
        modal_environment=os.getenv("MODAL_ENVIRONMENT", "production"),
        sandbox_instances=len(scenarios),
        metadata={
            "agent_model": agent_config["model"],
            "agent_temperature": agent_config["temperature"],
            "tools_enabled": agent_config["tools"],
            "pattern": pattern,
        },
    )
    return str(started["simulation_id"])


@app.function(image=image, secrets=secrets)
async def create_configuration(agent_config: Json) -> str:
    """Stores the agent's configuration and returns its id; the same configuration has the same id."""
    async with create_arc_api() as api:
        return str(await api.create_configuration(agent_config["name"], agent_config))


# --------------------------------------------------------------------------------------
# Pattern 1: evaluate everything, then record it in one batch
# --------------------------------------------------------------------------------------


@app.function(image=image, secrets=secrets, timeout=600)
async def run_evaluation_suite_with_db(
    agent_config: Json, scenarios: list[Json], config_version_id: str
) -> Json:
    """Runs the suite and records its results together."""
    async with create_arc_api() as api:
        simulation_id = await start(api, agent_config, scenarios, config_version_id, "batch")
        try:
            suite_result = await asyncio.to_thread(
                run_evaluation_suite_parallel, agent_config, scenarios
            )
            # One call of this function ran every scenario; the index distinguishes them.
            call_id = modal.current_function_call_id()
            call_ids = [f"{call_id}_{index}" for index in range(len(scenarios))]
            outcome_ids = await api.record_batch_outcomes(
                simulation_id=simulation_id,
                scenario_results=suite_result["results"],
                modal_call_ids=call_ids if call_id else None,
            )
            completion = await api.complete_simulation(simulation_id, suite_result)
        except Exception as error:
            await api.fail_simulation(simulation_id, f"{type(error).__name__}: {error}")
            raise
    suite_result["simulation_id"] = simulation_id
    suite_result["database_tracking"] = {
        "simulation_id": simulation_id,
        "outcome_ids": outcome_ids,
        "completion_status": completion,
    }
    return suite_result


# --------------------------------------------------------------------------------------
# Pattern 2: each scenario is a separate input and records its own result
# --------------------------------------------------------------------------------------


@app.cls(image=image, secrets=secrets, timeout=300, enable_memory_snapshot=True)
class ScenarioEvaluator:
    """Evaluates scenarios one by one; a container reuses its connection for all inputs."""

    @modal.enter(snap=True)
    async def connect(self) -> None:
        """Runs once, before the snapshot, so that containers start with everything loaded."""
        await self.ready()

    @modal.enter(snap=False)
    async def after_restore(self) -> None:
        """Runs in each container, because the connections in a snapshot are dead."""
        await (await self.ready()).db.test_connections()

    @modal.exit()
    async def disconnect(self) -> None:
        """Runs before the container stops."""
        await self.close()

    @modal.method()
    async def evaluate(
        self, scenario: Json, agent_config: Json, index: int, simulation_id: str
    ) -> Json:
        """Evaluates one scenario and records it at once."""
        api = await self.ready()
        result = await asyncio.to_thread(evaluate_single_scenario, (scenario, agent_config, index))
        # All inputs of one starmap are one function call, so the result has the input's id as well.
        result["modal"] = {"input_id": modal.current_input_id()}
        outcome_id = await api.record_scenario_outcome(
            simulation_id=simulation_id,
            scenario_result=result,
            modal_call_id=modal.current_function_call_id(),
            sandbox_id=os.getenv("MODAL_TASK_ID", f"local_{index}"),
        )
        result["database_tracking"] = {"simulation_id": simulation_id, "outcome_id": outcome_id}
        return result

    async def ready(self) -> ArcAPI:
        """Returns the connection, which is made on demand because `.local()` does not call the `enter` methods."""
        if getattr(self, "api", None) is None:
            # An unavailable database must not lose an evaluation that was paid for, so errors are warnings.
            self.api = await create_arc_api(on_error="warn")
        return self.api

    async def close(self) -> None:
        """Closes the connection."""
        if getattr(self, "api", None) is not None:
            await self.api.close()


async def evaluate_on_modal(inputs: list[tuple[Json, Json, int, str]]) -> list[Json]:
    """The remote path: Modal distributes the inputs over containers.

    A function that takes the whole tuple as its one argument is called with `.map` instead.
    """
    evaluate = ScenarioEvaluator().evaluate
    results = []
    async for result in evaluate.starmap.aio(inputs, order_outputs=False, return_exceptions=True):
        if isinstance(result, Exception):
            # A container was lost. Its scenario stays pending in the simulation.
            print(f"not evaluated: {result!r}")
        else:
            results.append(result)
    return results


async def evaluate_here(inputs: list[tuple[Json, Json, int, str]]) -> list[Json]:
    """The local path: the same method, in this process."""
    evaluator = ScenarioEvaluator()
    try:
        return [await evaluator.evaluate.local(*work) for work in inputs]
    finally:
        await evaluator.close()


@app.function(image=image, secrets=secrets, timeout=900)
async def run_evaluation_suite_live(
    agent_config: Json, scenarios: list[Json], config_version_id: str
) -> Json:
    """Starts the simulation, lets every scenario record itself, and completes it."""
    async with create_arc_api() as api:
        simulation_id = await start(api, agent_config, scenarios, config_version_id, "live")
        try:
            inputs = [
                (scenario, agent_config, index, simulation_id)
                for index, scenario in enumerate(scenarios)
            ]
            evaluate = evaluate_here if modal.is_local() else evaluate_on_modal
            results = await evaluate(inputs)
            # The suite has no figures of its own: they are computed from the recorded outcomes.
            completion = await api.complete_simulation(simulation_id)
        except Exception as error:
            await api.fail_simulation(simulation_id, f"{type(error).__name__}: {error}")
            raise
    return {
        "results": results,
        "simulation_id": simulation_id,
        "database_tracking": {"simulation_id": simulation_id, "completion_status": completion},
    }


# --------------------------------------------------------------------------------------
# Entry points
# --------------------------------------------------------------------------------------


async def run_here() -> list[Json]:
    """Runs both patterns in this process."""
    version = await create_configuration.local(AGENT)
    return [
        await run_evaluation_suite_with_db.local(AGENT, SCENARIOS, version),
        await run_evaluation_suite_live.local(AGENT, SCENARIOS, version),
    ]


def run_on_modal() -> list[Json]:
    """Runs both patterns on Modal; the app is already running."""
    version = create_configuration.remote(AGENT)
    return [
        run_evaluation_suite_with_db.remote(AGENT, SCENARIOS, version),
        run_evaluation_suite_live.remote(AGENT, SCENARIOS, version),
    ]


def show(suites: list[Json]) -> None:
    """Prints a line for each simulation."""
    for suite in suites:
        completion = suite["database_tracking"]["completion_status"]
        print(
            f"simulation {suite['simulation_id']} {completion['status']}: "
            f"{len(suite['results'])} results, score {completion['overall_score']:.3f}, "
            f"${completion['total_cost_usd']:.6f}"
        )


@app.local_entrypoint()
def main() -> None:
    """The entry point of `modal run`."""
    show(run_on_modal())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="An evaluation on Modal that records its results.")
    parser.add_argument("--local", action="store_true", help="run in this process, without Modal")
    if parser.parse_args().local:
        show(asyncio.run(run_here()))
    else:
        with modal.enable_output(), app.run():
            show(run_on_modal())
