"""How a failure of recording is handled: it is raised, or logged and reported in the answer."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Optional

from ._batch import unrecorded
from ._calls import (
    Calls,
    SimulationId,
    as_list,
    log,
    now,
    only_id,
    simulation_text,
    uncomputed,
)
from .types import (
    ItemVerdict,
    MetricDefinition,
    Origin,
    SimulationCompleted,
    SimulationEnded,
    SimulationStarted,
)
from .errors import ConfigurationError, DatabaseError

#: `raise` raises a `DatabaseError`; `warn` logs a warning and returns an answer that reports the failure.
OnError = Literal["raise", "warn"]

#: The status in an answer to a call that was not recorded.
UNRECORDED = "unrecorded"


class Recording:
    """The calls that record, with the handling of their failures."""

    def __init__(self, calls: Calls, on_error: OnError) -> None:
        if on_error not in ("raise", "warn"):
            raise ConfigurationError(f"invalid on_error: {on_error!r} (expected 'raise' or 'warn')")
        self._calls = calls
        self._warns = on_error == "warn"

    def _warn(self, what: str, error: DatabaseError) -> None:
        """Logs a failure, or raises it."""
        if not self._warns:
            raise error
        log.warning("%s: %s", what, error)

    async def open(self) -> None:
        try:
            await self._calls.open()
        except DatabaseError as error:
            self._warn("the database cannot be used yet; each call tries again", error)

    async def start_simulation(
        self,
        config_version_id: SimulationId,
        scenarios: Iterable[Any],
        simulation_name: Optional[str],
        modal_app_id: Optional[str],
        modal_environment: Optional[str],
        sandbox_instances: Optional[int],
        metadata: Optional[Mapping[str, Any]],
        simulation_id: Optional[SimulationId],
        trials: Optional[int],
        metrics: Optional[Iterable[MetricDefinition]],
        score_scale: Optional[float],
        tags: Optional[Iterable[str]],
        project: Optional[str],
        origin: Optional[Origin],
    ) -> SimulationStarted:
        planned: list[Any] = []
        try:
            planned = as_list(scenarios, "scenarios")
            return await self._calls.start_simulation(
                config_version_id,
                planned,
                simulation_name,
                modal_app_id,
                modal_environment,
                sandbox_instances,
                metadata,
                simulation_id,
                trials,
                metrics,
                score_scale,
                tags,
                project,
                origin,
            )
        except DatabaseError as error:
            self._warn("the simulation's start was not recorded", error)
            return {
                "simulation_id": simulation_text(simulation_id or uuid.uuid4()),
                "scenario_count": len(planned),
                "status": UNRECORDED,
                "created_at": now(),
                "error": str(error),
            }

    async def record_batch(
        self,
        simulation_id: SimulationId,
        scenario_results: Iterable[Any],
        modal_call_ids: Optional[Iterable[Optional[str]]],
        sandbox_ids: Optional[Iterable[Optional[str]]],
        trials: Optional[Iterable[Optional[int]]],
        format: Optional[str] = None,
        header: Any = None,
    ) -> list[ItemVerdict]:
        results: list[Any] = []
        try:
            results = as_list(scenario_results, "scenario_results")
            return await self._calls.record_batch(
                simulation_id, results, modal_call_ids, sandbox_ids, trials, format, header
            )
        except DatabaseError as error:
            verdicts = unrecorded(len(results), error)
            self._warn(f"simulation {simulation_id}: {len(verdicts)} results not recorded", error)
            return verdicts

    async def record_batch_outcomes(
        self,
        simulation_id: SimulationId,
        scenario_results: Iterable[Any],
        modal_call_ids: Optional[Iterable[Optional[str]]],
    ) -> list[Optional[str]]:
        results: list[Any] = []
        try:
            results = as_list(scenario_results, "scenario_results")
            ids, failure = await self._calls.record_ids(simulation_id, results, modal_call_ids)
        except DatabaseError as error:
            self._warn(f"simulation {simulation_id}: {len(results)} results not recorded", error)
            return [None] * len(results)
        if failure is not None:
            self._warn(f"simulation {simulation_id}", failure)
        return ids

    async def record_scenario_outcome(
        self,
        simulation_id: SimulationId,
        scenario_result: Any,
        modal_call_id: Optional[str],
        sandbox_id: Optional[str],
        trial: Optional[int],
    ) -> Optional[str]:
        try:
            [verdict] = await self._calls.record_batch(
                simulation_id, [scenario_result], [modal_call_id], [sandbox_id], [trial]
            )
            return only_id(verdict)
        except DatabaseError as error:
            self._warn(f"simulation {simulation_id}: a result was not recorded", error)
            return None

    async def complete_simulation(
        self, simulation_id: SimulationId, suite_result: Any
    ) -> SimulationCompleted:
        try:
            return await self._calls.complete_simulation(simulation_id, suite_result)
        except DatabaseError as error:
            self._warn(f"simulation {simulation_id}: its completion was not recorded", error)
            answer = uncomputed(simulation_text(simulation_id), UNRECORDED, suite_result)
            answer["error"] = str(error)
            return answer

    async def fail_simulation(self, simulation_id: SimulationId, reason: str) -> SimulationEnded:
        try:
            return await self._calls.fail_simulation(simulation_id, reason)
        except DatabaseError as error:
            self._warn(f"simulation {simulation_id}: its failure was not recorded", error)
            return _unended(simulation_id, error)

    async def cancel_simulation(
        self, simulation_id: SimulationId, reason: str
    ) -> SimulationEnded:
        try:
            return await self._calls.cancel_simulation(simulation_id, reason)
        except DatabaseError as error:
            self._warn(f"simulation {simulation_id}: its cancellation was not recorded", error)
            return _unended(simulation_id, error)


def _unended(simulation_id: SimulationId, error: DatabaseError) -> SimulationEnded:
    return {
        "simulation_id": simulation_text(simulation_id),
        "status": UNRECORDED,
        "error": str(error),
    }
