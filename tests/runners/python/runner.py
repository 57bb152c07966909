"""An evaluation runner in Python that is a component: it records through any host.

It reads scenarios from a file, lets a small agent answer each prompt, records the results, prints the
state of the simulation as one line of JSON, and writes its answers to a file if one is named:

    componentize-py -d ../../../wit -d wit -w arc:python-runner/python-runner componentize runner \\
        -o runner.wasm
    arc-host run --dir . --dir-rw out runner.wasm -- NAME scenarios.json [out/answers.json]
"""

from __future__ import annotations

import json
import re
import sys
import time
from datetime import datetime, timezone
from typing import Any, Optional

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import recorder


def agent(prompt: str) -> str:
    """Answers an addition; fails on any other prompt."""
    asked = re.fullmatch(r"What is (\d+) plus (\d+)\?", prompt)
    if asked is None:
        raise ValueError(f"cannot answer {prompt!r}")
    return str(int(asked[1]) + int(asked[2]))


def evaluate(scenario: dict[str, Any]) -> dict[str, Any]:
    """Returns the result of the agent's run on a scenario."""
    began, clock = datetime.now(timezone.utc), time.perf_counter()
    answer: Optional[str] = None
    error: Optional[str] = None
    try:
        answer = agent(scenario["task_prompt"])
    except ValueError as reason:
        error = f"ValueError: {reason}"
    return {
        "scenario": scenario,
        "trajectory": {
            "status": "success" if error is None else "error",
            "start_time": began.isoformat(),
            "execution_time_seconds": time.perf_counter() - clock,
            "full_trajectory": [{"type": "answer", "content": answer}],
            "final_response": answer,
            "error": error,
        },
        "reliability_score": 1.0 if answer == scenario["expected"] else 0.0,
    }


def evaluate_and_record(name: str, path: str, answers: Optional[str]) -> None:
    with open(path, encoding="utf-8") as file:
        scenarios = json.load(file)
    started = recorder.start_simulation(
        recorder.SimulationStart(
            simulation_id=None,
            config_version_id="adding-agent-1",
            scenarios=json.dumps(scenarios),
            trials=None,
            simulation_name=name,
            modal_app_id=None,
            modal_environment=None,
            sandbox_instances=None,
            metadata=None,
            metrics=[],
            score_scale=None,
        )
    )
    results = [evaluate(scenario) for scenario in scenarios]
    submissions = [
        recorder.Submission(json.dumps(result), trial=None, modal_call_id=None, sandbox_id=None)
        for result in results
    ]
    verdicts = recorder.record_outcomes(started.simulation_id, submissions)
    completed = recorder.complete_simulation(started.simulation_id, None)
    if answers is not None:
        with open(answers, "w", encoding="utf-8") as file:
            json.dump([result["trajectory"]["final_response"] for result in results], file)
    print(
        json.dumps(
            {
                "simulation_id": started.simulation_id,
                "verdicts": [type(item.verdict).__name__ for item in verdicts],
                "overall_score": completed.figures.overall_score,
            }
        )
    )


class Run(exports.Run):
    """The entry point that the host calls."""

    def run(self) -> None:
        try:
            name, path, *answers = sys.argv[1:]
            evaluate_and_record(name, path, answers[0] if answers else None)
        except (Err, OSError, ValueError) as error:
            # An error of the recorder is an `Err` that contains one of its cases.
            print(error.value if isinstance(error, Err) else error, file=sys.stderr)
            raise Err(None) from None
