"""One run of a test, and its result."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timezone
from typing import Any

import pytest

from .agent_run import Attached
from .documents import as_result, members, to_json
from .settings import Settings

#: The most of a traceback that is stored with a failure, in characters.
_MAX_TRACEBACK = 64 * 1024


@dataclasses.dataclass
class Attempt:
    """One run of a test, while it is in progress."""

    scenario: dict[str, Any]
    trial: int
    attached: Attached = dataclasses.field(default_factory=Attached)
    #: The start of the phase that counts: the call, or a setup that failed.
    began: float = 0.0
    seconds: float = 0.0
    #: Whether the test's call began, and whether pytest has reported its result.
    called: bool = False
    judged: bool = False
    skipped: bool = False
    #: Pytest's own result, if it is other than passed or failed.
    verdict: str | None = None
    reason: str | None = None
    timed_out: bool = False
    cancelled: bool = False
    failures: list[dict[str, object]] = dataclasses.field(default_factory=lambda: [])
    #: Numbers that JSON does not have, which are null in the document.
    replaced: set[str] = dataclasses.field(default_factory=lambda: set())

    def see(self, call: pytest.CallInfo[Any], report: pytest.TestReport) -> None:
        """Adds the report of a phase."""
        if call.when != "teardown":
            # A subtest has a call of its own; the test's comes after it and counts.
            self.began, self.seconds, self.skipped = call.start, call.duration, False
            self.called = self.judged = call.when == "call"
        expected: str | None = getattr(report, "wasxfail", None)
        if report.skipped and expected is None:
            self.skipped = call.when != "teardown"
        elif report.skipped:
            # An expected failure before the call is `run=False`: the agent was not run.
            self.skipped = not self.called
            self.verdict, self.reason = "xfailed", expected
            self._fail(call, report)
        elif report.passed and expected is not None:
            self.verdict, self.reason = "xpassed", expected
        elif report.failed and str(report.longrepr).startswith("[XPASS(strict)]"):
            self.verdict, self.reason = "xpassed_strict", str(report.longrepr)
        elif report.failed:
            self._fail(call, report)

    def _fail(self, call: pytest.CallInfo[Any], report: pytest.TestReport) -> None:
        error = None if call.excinfo is None else call.excinfo.value
        if error is None:
            kind, message = "Failed", str(report.longrepr)
        else:
            kind, message = type(error).__name__, text_of(error)
        if not self.failures:
            self.timed_out = error is not None and _is_timeout(error)
        self.failures.append(
            {
                "phase": report.when,
                "type": kind,
                "message": message,
                "traceback": report.longreprtext[-_MAX_TRACEBACK:],
            }
        )

    @property
    def ran(self) -> bool:
        """Whether there is a result to record: not for a skipped test, nor for --setup-only."""
        return not self.skipped and (self.called or bool(self.failures))

    def status(self) -> str:
        """Returns the status of the agent's run."""
        if self.cancelled:
            return "cancelled"
        if not self.failures:
            return "success"
        return "timeout" if self.timed_out else "error"

    def error(self) -> str | None:
        """Returns the type and message of the first failure."""
        if self.cancelled:
            return self.reason
        if not self.failures:
            return None
        first = self.failures[0]
        return f"{first['type']}: {first['message']}" if first["message"] else str(first["type"])

    def document(
        self, settings: Settings, nodeid: str, properties: object, worker: str | None
    ) -> str:
        """Returns the result as JSON text."""
        result = {"scenario": None, "trajectory": None, **as_result(self.attached.result)}
        trajectory = result["trajectory"] = self._trajectory(result["trajectory"])
        attached = members(result["scenario"])
        scenario = {**attached, **self.scenario}
        if attached.get("id", scenario["id"]) != scenario["id"]:
            scenario["given_id"] = attached["id"]
        default = trajectory.get("task_prompt") or scenario.get("task_prompt")
        prompt = self.attached.prompt or default
        if prompt:
            scenario["task_prompt"] = trajectory["task_prompt"] = prompt
        result["scenario"] = scenario
        if self.attached.score:
            result["reliability_score"] = self.attached.score
        elif result.get("reliability_score") is None and settings.score_from_outcome:
            failed_phases = {failure["phase"] for failure in self.failures}
            if self.called and not self.cancelled:
                result["reliability_score"] = {"overall_score": float("call" not in failed_phases)}
        if settings.trials > 1:
            result["recording"] = {**members(result.get("recording")), "trial": self.trial}
        test: dict[str, object] = {
            "nodeid": nodeid,
            "outcome": self.verdict or ("failed" if self.failures else "passed"),
            "reason": self.reason,
            "failures": self.failures or None,
            "worker": worker,
            "properties": properties or None,
        }
        if self.cancelled:
            test["outcome"] = "interrupted"
        result["test"] = {name: value for name, value in test.items() if value is not None}
        return to_json(result, self.replaced)

    def _trajectory(self, attached: object) -> dict[str, Any]:
        trajectory: dict[str, Any] = {"status": None, **members(attached)}
        status, own = self.status(), trajectory["status"]
        if status == "error" and own in ("error", "timeout", "cancelled"):
            status = own
        elif own is not None and own != status:
            trajectory["agent_status"] = own
        trajectory["status"] = status
        if status != "success" and not trajectory.get("error"):
            trajectory["error"] = self.error()
        if trajectory.get("start_time") is None and self.began:
            start = datetime.fromtimestamp(self.began, timezone.utc)
            trajectory["start_time"] = start.isoformat(timespec="microseconds")
        if trajectory.get("execution_time_seconds") is None:
            trajectory["execution_time_seconds"] = round(self.seconds, 6)
        if self.attached.response is not None:
            trajectory["final_response"] = self.attached.response
        if self.attached.steps:
            before = trajectory.get("full_trajectory")
            trajectory["full_trajectory"] = [
                *(before if isinstance(before, list) else []),
                *self.attached.steps,
            ]
        if self.attached.usage:
            trajectory["token_usage"] = self._usage(trajectory.get("token_usage"))
        return trajectory

    def _usage(self, attached: object) -> dict[str, Any]:
        """Returns the trajectory's usage plus the usage that the test added."""
        usage = members(attached)

        def used(name: str) -> float:
            value = usage.get(name)
            return value if isinstance(value, (int, float)) else 0

        if usage.get("total_tokens") is None:
            usage["total_tokens"] = used("prompt_tokens") + used("completion_tokens")
        for name, amount in self.attached.usage.items():
            usage[name] = used(name) + amount
        return usage


def _is_timeout(error: BaseException) -> bool:
    """Returns whether a failure is a timeout: of pytest-timeout, asyncio or any other TimeoutError."""
    if isinstance(error, pytest.fail.Exception):
        return text_of(error).startswith("Timeout ")
    return any(kind.__name__ == "TimeoutError" for kind in type(error).__mro__)


def text_of(error: BaseException) -> str:
    """Returns an error's message. `str()` can run code of the test, which can raise."""
    try:
        return str(error)
    except Exception as problem:
        return f"its message cannot be shown: {type(problem).__name__}"
