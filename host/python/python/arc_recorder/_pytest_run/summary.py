"""The summary in the terminal."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

    from .recording import Recording

#: The most warnings that are printed.
_SHOWN_PROBLEMS = 10


def write_summary(
    terminal: pytest.TerminalReporter,
    recording: Recording,
    status: Mapping[str, Any] | None,
    skipped: int,
) -> None:
    """Prints the figures of the simulation, the problems, and the files of unrecorded results, if there are any."""
    kept, problems = recording.kept(), recording.problems
    if status is None and not kept and not problems:
        return
    terminal.section("arc-recorder", sep="-")
    simulation_id = recording.settings.simulation_id
    if status is not None:
        terminal.line(_sentence(status, skipped))
        terminal.line(f"  arc-host status {simulation_id}")

    label = "error" if recording.settings.strict else "warning"
    colour = {"red" if recording.settings.strict else "yellow": True}
    for problem in problems[:_SHOWN_PROBLEMS]:
        terminal.line(f"{label}: {problem}", **colour)
    if len(problems) > _SHOWN_PROBLEMS:
        terminal.line(f"{label}: and {len(problems) - _SHOWN_PROBLEMS} more", **colour)
    for path in kept:
        with path.open("rb") as lines:
            count = _count(sum(1 for _ in lines), "result")
        terminal.line(f"{label}: {count} not recorded; when the database is available, run:", **colour)
        file = shlex.quote(os.path.relpath(path))
        terminal.line(f"  arc-host record {file} --simulation {simulation_id}")


def _sentence(status: Mapping[str, Any], skipped: int) -> str:
    score, cost = status.get("overall_score"), status.get("total_cost_usd") or 0.0
    parts = [
        f"{status['completed_scenarios']} of {_count(status['total_scenarios'], 'scenario')}",
        f"{status['successful_outcomes']} succeeded",
        f"{status['failed_outcomes']} failed",
    ]
    if skipped:
        parts.append(f"{skipped} skipped")
    if status.get("rejected_results"):
        parts.append(f"{status['rejected_results']} rejected")
    parts.append(f"score {'none' if score is None else format(score, '.3f')}{_named(status)}")
    parts.append(f"cost ${cost:,.{2 if cost == 0 or cost >= 1 else 4}f}")
    return f"simulation {status['simulation_id']} {status['status']}: {', '.join(parts)}"


def _named(status: Mapping[str, Any]) -> str:
    """Returns the name of the score and, if it is unknown, its scale."""
    headline = status.get("headline")
    if status.get("overall_score") is None or headline is None:
        return ""
    unknown = ", scale unknown" if status.get("score_scale") is None else ""
    return f" ({headline['figure']} of {headline['metric']}{unknown})"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
