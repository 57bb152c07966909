"""The fixture that receives the run of a test's agent."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import pytest


@dataclasses.dataclass
class Attached:
    """The data that a test has attached so far."""

    result: object = None
    prompt: str | None = None
    response: str | None = None
    steps: list[object] = dataclasses.field(default_factory=lambda: [])
    usage: dict[str, float] = dataclasses.field(default_factory=lambda: {})
    score: dict[str, object] = dataclasses.field(default_factory=lambda: {})


class AgentRun:
    """The agent's run in one test: the fixture ``arc``.

    Every call is optional, and none fails a test: the summary of the run reports data that cannot be
    recorded.
    """

    def __init__(
        self, attached: Attached | None = None, simulation_id: str | None = None, trial: int = 1
    ) -> None:
        #: The simulation's id; None if this test is not recorded.
        self.simulation_id = simulation_id
        #: The trial of the scenario, from 1; see --arc-trials.
        self.trial = trial
        self._attached = attached or Attached()

    @property
    def recording(self) -> bool:
        """Whether this test is recorded."""
        return self.simulation_id is not None

    def record(self, result: object) -> None:
        """Sets the trajectory, or a whole result with ``trajectory`` and ``reliability_score``.

        It can be a dict, a dataclass, a pydantic model, an object with ``to_dict()`` or JSON text.
        The last call counts. The test's own result decides on success; if it fails, the trajectory's
        own status and error are more specific and are kept.
        """
        self._attached.result = result

    def prompt(self, task_prompt: str) -> None:
        """Sets the prompt of the agent, if neither the marker nor the docstring sets it."""
        self._attached.prompt = task_prompt

    def response(self, text: str) -> None:
        """Sets the agent's final response."""
        self._attached.response = text

    def step(self, step: object, /, **details: object) -> None:
        """Adds an event to the trajectory: a mapping, or a name with details."""
        if details or isinstance(step, str):
            step = {"step": step, **details}
        self._attached.steps.append(step)

    def tokens(self, prompt: int = 0, completion: int = 0, cost_usd: float = 0.0) -> None:
        """Adds to the tokens and the cost; all calls and the trajectory's own usage are summed."""
        amounts = {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "total_cost": cost_usd,
        }
        usage = self._attached.usage
        for name, amount in amounts.items():
            usage[name] = usage.get(name, 0) + amount

    def score(
        self,
        overall: float,
        *,
        grade: str | None = None,
        dimensions: Mapping[str, float] | None = None,
        scale: float | None = None,
    ) -> None:
        """Sets the reliability score: 0 to 1, or 0 to ``scale``."""
        score = {
            "overall_score": overall,
            "grade": grade,
            "dimension_scores": dimensions,
            "scale": scale,
        }
        self._attached.score = {name: value for name, value in score.items() if value is not None}


#: The key of the agent's run in a recorded test's stash.
AGENT_RUN = pytest.StashKey[AgentRun]()
