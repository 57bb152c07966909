"""Records the runs of an agent in a pytest suite.

Nothing happens without ``--arc-record``. With it, the run is a simulation and each test a scenario:

    pytest --arc-record
    arc-host status ID                  # the summary of the run has the ID

A test that passes is a success, a test that fails an error or a timeout. The fixture ``arc`` receives
the agent's run; without ``--arc-record`` it does nothing:

    @pytest.mark.arc("What's the weather in NYC?")
    def test_weather(arc):
        answer = agent.run("What's the weather in NYC?")
        arc.record(answer.trajectory)
        arc.score(0.9, dimensions={"tool_execution": 1.0})
        assert "sunny" in answer.text

How tests become outcomes:

- A skipped test is not recorded: the agent was not run, and a ``cancelled`` outcome would count as
  a failure. A test that is marked as skipped is not planned either; one that skips itself stays
  pending in the plan.
- An expected failure (xfail) is recorded as the error that it is, and an unexpected pass as a
  success, strict or not: an outcome describes the agent. The document's ``test.outcome`` has pytest's
  own result.
- A failure in setup or teardown makes the outcome of its test an error. A test whose setup failed
  has no score.
- Each rerun of a test is a further attempt.
- A test that Ctrl-C stopped is recorded as ``cancelled``, and so is the simulation.

An unavailable database stops no test. Results that could not be recorded are stored in a file, retried
at the end of the run, and listed in its summary.
"""

from __future__ import annotations

from typing import Any

import pytest

from ._pytest_run.agent_run import AGENT_RUN, AgentRun
from ._pytest_run.settings import NAME, Settings, add_options, wanted

__all__ = ["AgentRun"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declares the options and settings."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marker and, if recording is on, the recorder."""
    config.addinivalue_line(
        "markers",
        "arc(prompt, *, id=None, name=None, **details): "
        "the scenario that a test is, for recording with --arc-record.",
    )
    # A worker of pytest-xdist records with the settings of its controller.
    worker_input: Any = getattr(config, "workerinput", None)
    if worker_input is None and wanted(config):
        settings, worker = Settings.read(config), None
    elif worker_input is not None and NAME in worker_input:
        settings, worker = Settings(**worker_input[NAME]), worker_input["workerid"]
    else:
        return
    from ._pytest_run.watch import Watch

    config.pluginmanager.register(Watch(config, settings, worker), f"{NAME}_watch")


@pytest.fixture
def arc(request: pytest.FixtureRequest) -> AgentRun:
    """Returns the object that receives the agent's run in this test; see `AgentRun`."""
    test: Any = request.node
    run: AgentRun | None = test.stash.get(AGENT_RUN, None)
    return AgentRun() if run is None else run


@pytest.fixture
def arc_trial(request: pytest.FixtureRequest) -> int:
    """Returns the trial of the scenario that this test is, from 1; see --arc-trials."""
    return int(getattr(request, "param", 1))
