"""The pytest hooks of a recorded run."""

from __future__ import annotations

import dataclasses
import json
import tempfile
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, cast

import pytest

from .agent_run import AGENT_RUN, AgentRun, Attached
from .attempt import Attempt, text_of
from .documents import to_json
from .recording import Recording
from .scenarios import marked_as_skipped, scenario_of, shortened, test_id, without_trial
from .settings import NAME, Settings
from .summary import write_summary

_ATTEMPT = pytest.StashKey[Attempt]()


class Watch:
    """Observes a run: in the only process, in a worker of pytest-xdist, or in the controller of the workers."""

    def __init__(self, config: pytest.Config, settings: Settings, worker: str | None) -> None:
        self.settings = settings
        self.worker = worker
        self.recording = Recording(settings, _folder(config), worker)
        #: The scenarios by the ids of their tests; `None` before the first test.
        self.scenarios: dict[str, dict[str, Any]] | None = None
        #: The ids of the selected tests that have not ended, each trial counted.
        self.pending: set[str] = set()
        #: The results of the test that is running or has just ended, one for each rerun.
        self.results: list[str] = []
        #: The running test, in case Ctrl-C stops it.
        self.running: tuple[pytest.Item, Attempt] | None = None
        #: In the controller, the scenarios that workers are running, in case one crashes.
        self.on_workers: dict[str, str] = {}
        self.attempts = 0
        self.skipped = 0
        self.interrupted: str | None = None
        self.crashed: str | None = None
        self.status: dict[str, Any] | None = None

    # The controller of pytest-xdist.

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Connects before any worker starts, if a failure to connect refuses the run."""
        if self.settings.strict and session.config.pluginmanager.hasplugin("dsession"):
            self._connect_or_refuse(self.recording.connect)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Sends the settings to a worker."""
        node.workerinput[NAME] = dataclasses.asdict(self.settings)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Adds a worker's counts and warnings."""
        output = getattr(node, "workeroutput", {}).get(NAME, {})
        self.attempts += output.get("attempts", 0)
        self.skipped += output.get("skipped", 0)
        for problem in output.get("problems", []):
            self.recording.problem(problem)

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, crashitem: str, report: pytest.TestReport) -> None:
        """Records a test whose worker crashed."""
        scenario = self.on_workers.pop(crashitem, None)
        if scenario is None and self.settings.only_marked:
            return
        trials = self.settings.trials
        nodeid, trial = without_trial(crashitem) if trials > 1 else (crashitem, 1)
        result: dict[str, object] = {
            "scenario": json.loads(scenario) if scenario else {"id": shortened(nodeid)},
            "trajectory": {"status": "error", "error": f"WorkerCrash: {report.longrepr}"},
            "reliability_score": {"overall_score": 0.0} if self.settings.score_from_outcome else None,
            "test": {"nodeid": crashitem, "outcome": "crashed"},
        }
        if trials > 1:
            result["recording"] = {"trial": trial}
        # The workers start the simulation, and this worker was already running a test.
        self.recording.started = True
        self.attempts += 1
        self.recording.submit([to_json(result)])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Stores, in the controller, the scenario of a worker's test."""
        scenario = getattr(report, NAME, None)
        if self.worker is None and scenario is not None:
            if report.when == "setup":
                self.on_workers[report.nodeid] = scenario
            elif report.when == "teardown":
                self.on_workers.pop(report.nodeid, None)

    # The process that runs tests.

    @pytest.hookimpl(trylast=True)
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Runs each recorded test --arc-trials times."""
        marked = next(metafunc.definition.iter_markers("arc"), None) is not None
        if self.settings.trials > 1 and (marked or not self.settings.only_marked):
            if "arc_trial" not in metafunc.fixturenames:
                metafunc.fixturenames.append("arc_trial")
            metafunc.parametrize(
                "arc_trial",
                range(1, self.settings.trials + 1),
                indirect=True,
                ids=lambda trial: f"trial={trial}",
            )

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, None, None]:
        """Starts the simulation before the first test, and records each one after it.

        It wraps all other plug-ins, so that a test's time limit does not include the database's time.
        """
        if self.scenarios is None:
            self._start(item.session)
        yield
        results, self.results = self.results, []
        if results:
            self.recording.submit(results)

    def _start(self, session: pytest.Session) -> None:
        self.scenarios = {}
        taken: dict[str, dict[str, Any]] = {}
        for planned in session.items:
            if self._selected(planned):
                self.pending.add(planned.nodeid)
                nodeid, _ = test_id(planned)
                if nodeid not in self.scenarios:
                    scenario = scenario_of(planned, taken)
                    self.scenarios[nodeid] = taken[scenario["id"]] = scenario
                    if not marked_as_skipped(planned):
                        self.recording.plan.append(scenario)
        if self.recording.plan and self.settings.strict and self.worker is None:
            self._connect_or_refuse(self.recording.start)
        elif self.recording.plan:
            self.recording.begin()

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, None, None]:
        """Begins an attempt, before any fixture."""
        nodeid, trial = test_id(item)
        scenario = (self.scenarios or {}).get(nodeid)
        if scenario is not None:
            attempt = item.stash[_ATTEMPT] = Attempt(scenario, trial)
            item.stash[AGENT_RUN] = AgentRun(attempt.attached, self.settings.simulation_id, trial)
            self.running = item, attempt
        yield

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> None:
        """Stores the start of the call, in case it never ends."""
        attempt = item.stash.get(_ATTEMPT, None)
        if attempt is not None:
            attempt.called, attempt.began = True, time.time()

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, Any, None]:
        """Adds each phase as the other plug-ins report it, and records the test after the last one."""
        outcome = yield
        report: pytest.TestReport = outcome.get_result()
        attempt = item.stash.get(_ATTEMPT, None)
        if attempt is None:
            return
        attempt.see(call, report)
        if self.worker is not None and call.when in ("setup", "teardown"):
            setattr(report, NAME, to_json(attempt.scenario))
        if call.when == "teardown":
            del item.stash[_ATTEMPT]
            self.running = None
            self._record(item, attempt)

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Records the test that was stopped, because its cost until then is real."""
        self.interrupted = f"{excinfo.typename}: {text_of(excinfo.value)}".rstrip(": ")
        if self.running is not None:
            item, attempt = self.running
            self.running = None
            if attempt.called and not attempt.judged:
                attempt.cancelled, attempt.reason = True, self.interrupted
                attempt.seconds = max(0.0, time.time() - attempt.began)
            if attempt.called:
                self._record(item, attempt)
        results, self.results = self.results, []
        if results:
            self.recording.submit(results)

    def pytest_internalerror(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Stores the reason for which pytest itself failed."""
        self.crashed = f"{excinfo.typename}: {text_of(excinfo.value)}"

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Records the remaining results and ends the simulation, or reports them to the controller."""
        try:
            self.recording.drain()
            if self.worker is None:
                self._end(session, exitstatus)
        except Exception as error:
            self.recording.failed(error)
        self.recording.close()
        if self.worker is None:
            self.recording.gather()
            if self.settings.strict and self.recording.problems and session.exitstatus == 0:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED
        else:
            cast(Any, session.config).workeroutput[NAME] = {
                "attempts": self.attempts,
                "skipped": self.skipped,
                "problems": self.recording.problems,
            }

    def _end(self, session: pytest.Session, exitstatus: int) -> None:
        tried = self.attempts or self.recording.started
        distributed = session.config.pluginmanager.hasplugin("dsession")
        if not tried and not distributed:
            return
        stopped = session.shouldfail or session.shouldstop
        if self.crashed or exitstatus == pytest.ExitCode.USAGE_ERROR:
            self.status = self.recording.end("fail", self.crashed or "the run was refused")
        elif self.interrupted or (stopped and self.pending):
            self.status = self.recording.end("cancel", self.interrupted or str(stopped))
        else:
            self.status = self.recording.end("complete", "")

    def _selected(self, item: pytest.Item) -> bool:
        return not self.settings.only_marked or item.get_closest_marker("arc") is not None

    def _connect_or_refuse(self, connect: Callable[[], object]) -> None:
        try:
            connect()
        except Exception as error:
            self.recording.close()
            raise pytest.UsageError(f"this run cannot be recorded: {error}") from None

    def _record(self, item: pytest.Item, attempt: Attempt) -> None:
        self.pending.discard(item.nodeid)
        if not attempt.ran:
            self.skipped += attempt.skipped
            return
        self.attempts += 1
        about = self.settings, item.nodeid
        try:
            properties = dict(item.user_properties)
            document = attempt.document(*about, properties, self.worker)
        except Exception as error:
            # Code of the attached objects failed; the outcome itself is recorded nevertheless.
            self.recording.problem(
                f"{item.nodeid}: what the test attached cannot be recorded: {text_of(error)}"
            )
            attempt.attached = Attached()
            document = attempt.document(*about, None, self.worker)
        if attempt.replaced:
            names = ", ".join(sorted(attempt.replaced))
            self.recording.problem(
                f"{item.nodeid}: {names} cannot be written as JSON and is recorded as null"
            )
        self.results.append(document)

    # Output.

    def pytest_report_header(self) -> str:
        """Prints the simulation's id, so that it can be watched."""
        return f"arc-recorder: simulation {self.settings.simulation_id}"

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Prints the summary."""
        write_summary(terminalreporter, self.recording, self.status, self.skipped)


def _folder(config: pytest.Config) -> Path:
    """Returns the folder for results that could not be recorded."""
    cache = getattr(config, "cache", None)
    try:
        return config.rootpath if cache is None else Path(cache.mkdir(NAME))
    except OSError:
        return Path(tempfile.gettempdir())
