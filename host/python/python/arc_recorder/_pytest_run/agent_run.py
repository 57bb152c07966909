"""What a test says of its agent."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import pytest


@dataclasses.dataclass
class Attached:
    """What a test has said so far."""

    result: object = None
    prompt: str | None = None
    response: str | None = None
    steps: list[object] = dataclasses.field(default_factory=lambda: [])
    usage: dict[str, float] = dataclasses.field(default_factory=lambda: {})
    score: dict[str, object] = dataclasses.field(default_factory=lambda: {})


class AgentRun:
    """What the agent did in one test: the fixture ``arc``.

    Every call may be left out, and none fails a test: what cannot be recorded is told in the
    summary of the run.
    """

    def __init__(
        self, attached: Attached | None = None, simulation_id: str | None = None, trial: int = 1
    ) -> None:
        #: The simulation's id; None where this test is not recorded.
        self.simulation_id = simulation_id
        #: Which trial of the scenario this is, from 1; see --arc-trials.
        self.trial = trial
        self._attached = attached or Attached()

    @property
    def recording(self) -> bool:
        """Whether this test is recorded."""
        return self.simulation_id is not None

    def record(self, result: object) -> None:
        """Takes a trajectory, or a whole result with ``trajectory`` and ``reliability_score``.

        It may be a dict, a dataclass, a pydantic model, an object with ``to_dict()`` or JSON text.
        The last one counts. Whether the test passes decides on success; where it fails, the
        trajectory's own status and error say more and are kept.
        """
        self._attached.result = result

    def prompt(self, task_prompt: str) -> None:
        """Says what the agent was asked, where neither the marker nor the docstring does."""
        self._attached.prompt = task_prompt

    def response(self, text: str) -> None:
        """Says what the agent answered in the end."""
        self._attached.response = text

    def step(self, step: object, /, **details: object) -> None:
        """Adds an event to the trajectory: a mapping, or a name with details."""
        if details or isinstance(step, str):
            step = {"step": step, **details}
        self._attached.steps.append(step)

    def tokens(self, prompt: int = 0, completion: int = 0, cost_usd: float = 0.0) -> None:
        """Adds to the tokens and the cost; every call counts, and so does a trajectory's usage."""
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
        """Sets the reliability score: 0 to 1, a percentage, or 0 to ``scale``."""
        score = {
            "overall_score": overall,
            "grade": grade,
            "dimension_scores": dimensions,
            "scale": scale,
        }
        self._attached.score = {name: value for name, value in score.items() if value is not None}


#: Where a test that is recorded has its agent's run.
AGENT_RUN = pytest.StashKey[AgentRun]()
