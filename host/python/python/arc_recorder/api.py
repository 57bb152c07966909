"""Recording evaluations, for event loops."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from os import PathLike
from typing import Any, Optional, Union

from ._calls import SimulationId
from ._policy import OnError, Recording
from .types import (
    FileRecorded,
    ItemVerdict,
    OutcomeList,
    RejectedResult,
    SimulationCompleted,
    SimulationEnded,
    SimulationStarted,
    SimulationStatus,
)
from .client import ArcDBClient
from .tables import OutcomeTable


class ArcAPI:
    """Records evaluations.

    Args:
        db: the database.
        on_error: what a failure of recording does. `raise` raises a `DatabaseError`; `warn` logs a
            warning and gives an answer that says so, so that an evaluation goes on.

    An answer means that the work is committed. Every call may be repeated after an error or a lost
    answer: nothing is stored twice.
    """

    def __init__(self, db: ArcDBClient, *, on_error: OnError = "raise") -> None:
        #: The database's own calls: health, schema, performance, failures, metrics, SQL.
        self.db = db
        self._calls = db.calls
        self._recording = Recording(db.calls, on_error)

    async def start_simulation(
        self,
        config_version_id: SimulationId,
        scenarios: Iterable[Any],
        simulation_name: Optional[str] = None,
        modal_app_id: Optional[str] = None,
        modal_environment: Optional[str] = None,
        sandbox_instances: Optional[int] = None,
        metadata: Optional[Mapping[str, Any]] = None,
        *,
        simulation_id: Optional[SimulationId] = None,
        trials: Optional[int] = None,
    ) -> SimulationStarted:
        """Starts a simulation and writes its plan.

        Args:
            config_version_id: as `create_configuration` gives it; an unknown one is noted.
            scenarios: dicts, or objects with `to_dict()`, each with an `id`; at most 16 MiB as JSON.
            simulation_name: a name for people.
            modal_app_id: the Modal app that runs the evaluation.
            modal_environment: default: the variable `MODAL_ENVIRONMENT`, then `production`.
            sandbox_instances: how many sandboxes run at once.
            metadata: anything else about the simulation.
            simulation_id: a UUID of the caller's own, so that a start can be repeated.
            trials: how many times each scenario is run, from 1 to 10,000; default 1.

        Raises:
            ValidationError: where the scenarios are not valid, two with one id among them.
            ConflictError: where the id is there with another plan.
        """
        return await self._recording.start_simulation(
            config_version_id,
            scenarios,
            simulation_name,
            modal_app_id,
            modal_environment,
            sandbox_instances,
            metadata,
            simulation_id,
            trials,
        )

    async def record_scenario_outcome(
        self,
        simulation_id: SimulationId,
        scenario_result: Any,
        modal_call_id: Optional[str] = None,
        sandbox_id: Optional[str] = None,
        *,
        trial: Optional[int] = None,
    ) -> Optional[str]:
        """Records one result, and gives the id of its outcome.

        Args:
            simulation_id: the simulation.
            scenario_result: a dict, a dataclass, a pydantic model, an object with `to_dict()`, or
                JSON as text or bytes. A `database_tracking` in a dict is left out.
            modal_call_id: the Modal function call of the run.
            sandbox_id: the sandbox of the run.
            trial: which trial of its scenario, counted from 1.

        Returns:
            The outcome's id, also where it was recorded before; none where `on_error` is `warn`
            and it was not recorded.

        Raises:
            ValidationError: with all `violations` of a result that is not valid; it is kept among
                the rejected ones.
            NotFoundError: where there is no such simulation.
            UnavailableError: where the same call again may work.
        """
        return await self._recording.record_scenario_outcome(
            simulation_id, scenario_result, modal_call_id, sandbox_id, trial
        )

    async def record_batch_outcomes(
        self,
        simulation_id: SimulationId,
        scenario_results: Iterable[Any],
        modal_call_ids: Optional[Iterable[Optional[str]]] = None,
    ) -> list[Optional[str]]:
        """Records many results, and gives the ids of their outcomes in order.

        A result that is not valid has none, and is logged as a warning; `record_batch` tells why.

        Raises:
            DatabaseError: where some were not recorded; the same call again stores nothing twice.
        """
        return await self._recording.record_batch_outcomes(
            simulation_id, scenario_results, modal_call_ids
        )

    async def record_batch(
        self,
        simulation_id: SimulationId,
        scenario_results: Iterable[Any],
        modal_call_ids: Optional[Iterable[Optional[str]]] = None,
        *,
        sandbox_ids: Optional[Iterable[Optional[str]]] = None,
        trials: Optional[Iterable[Optional[int]]] = None,
        format: Optional[str] = None,
        header: Any = None,
    ) -> list[ItemVerdict]:
        """Records many results, and gives a verdict on each, in order.

        One bad result never fails its neighbours. What belongs to the results stands in lists
        beside them, `None` where a result has none.

        Args:
            format: the name of the results' format, where it is not the built-in one.
            header: what that format says once for all results: JSON text, or what becomes JSON.

        Raises:
            NotFoundError: where there is no such simulation.
            UnavailableError: before anything was recorded; the same call again may work.
        """
        return await self._recording.record_batch(
            simulation_id,
            scenario_results,
            modal_call_ids,
            sandbox_ids,
            trials,
            format,
            header,
        )

    async def record_file(
        self,
        path: Union[str, PathLike[str]],
        *,
        format: Optional[str] = None,
        header: Union[str, PathLike[str], None] = None,
        simulation_name: Optional[str] = None,
        simulation_id: Optional[SimulationId] = None,
        config_version_id: Optional[SimulationId] = None,
    ) -> FileRecorded:
        """Records a file as a simulation, and completes it: results in the built-in format, or the log
        of another evaluation tool. The same file again is the same simulation, and stores nothing
        twice.

        Args:
            path: the file.
            format: its format, as `arc-host formats list` names it. Default: the one that recognises
                the file.
            header: the file that holds what is said once for all results, where the format keeps it
                apart. Default: the one beside the file that fits.
            simulation_name: a name for people. Default: the file's.
            simulation_id: a simulation that takes the results.
            config_version_id: as `create_configuration` gives it.

        Raises:
            ValidationError: where the file is not of its format, or holds no result.
            NotFoundError: where there is no such format.
        """
        return await self._calls.record_file(
            path, format, header, simulation_name, simulation_id, config_version_id
        )

    async def complete_simulation(
        self, simulation_id: SimulationId, suite_result: Any = None
    ) -> SimulationCompleted:
        """Completes a simulation and fixes its figures; results that come later are counted.

        Args:
            simulation_id: the simulation.
            suite_result: the suite's own figures, all optional: `average_reliability_score`,
                `total_cost_usd`, `parallel_execution_time` (seconds), and others. What it does not
                give is computed from the outcomes.

        Raises:
            NotFoundError: where there is no such simulation.
            ConflictError: where it has failed or was cancelled.
        """
        return await self._recording.complete_simulation(simulation_id, suite_result)

    async def fail_simulation(self, simulation_id: SimulationId, reason: str = "") -> SimulationEnded:
        """Ends a simulation as failed. Repeating it changes nothing.

        Raises:
            NotFoundError: where there is no such simulation.
            ConflictError: where it has ended in another way.
        """
        return await self._recording.fail_simulation(simulation_id, reason)

    async def cancel_simulation(
        self, simulation_id: SimulationId, reason: str = ""
    ) -> SimulationEnded:
        """Ends a simulation that was stopped on purpose. Repeating it changes nothing.

        Raises:
            NotFoundError: where there is no such simulation.
            ConflictError: where it has ended in another way.
        """
        return await self._recording.cancel_simulation(simulation_id, reason)

    async def get_simulation_status(self, simulation_id: SimulationId) -> SimulationStatus:
        """Where a simulation stands.

        Raises:
            NotFoundError: where there is no such simulation.
        """
        return await self._calls.get_simulation_status(simulation_id)

    async def get_scenario_outcomes(
        self,
        simulation_id: SimulationId,
        scenario_id: Optional[str] = None,
        status_filter: Optional[str] = None,
        *,
        limit: Optional[int] = None,
        cursor: Optional[str] = None,
    ) -> OutcomeList:
        """The outcomes of a simulation, in order of scenario, trial and attempt.

        Args:
            simulation_id: the simulation.
            scenario_id: only those of this scenario.
            status_filter: only those with this status.
            limit: at most so many; the answer's `cursor` is where the next begin.
            cursor: where to begin.

        Raises:
            NotFoundError: where there is no such simulation.
        """
        return await self._calls.get_scenario_outcomes(
            simulation_id, scenario_id, status_filter, limit, cursor
        )

    async def outcomes(
        self,
        simulations: Union[SimulationId, Iterable[SimulationId], None] = None,
        *,
        scenario_id: Optional[str] = None,
        status_filter: Optional[str] = None,
        documents: bool = False,
    ) -> OutcomeTable:
        """The outcomes of simulations as a table, for pandas, polars and whatever else reads Arrow.

        They come in order of simulation, scenario, trial and attempt, as they were at one moment (a
        service is asked page after page instead), with some 250 bytes of memory for each.

        Args:
            simulations: the simulation, or some of them; all, the oldest first, where none is named.
            scenario_id: only those of this scenario.
            status_filter: only those with this status.
            documents: with the documents, byte for byte, as a last column of text.

        Raises:
            NotFoundError: where a simulation that is named is not there.
        """
        return await self._calls.outcomes(simulations, scenario_id, status_filter, documents)

    async def get_rejected_results(self, simulation_id: SimulationId) -> list[RejectedResult]:
        """What was rejected in a simulation and why, in order of receipt.

        Raises:
            NotFoundError: where there is no such simulation.
        """
        return await self._calls.get_rejected_results(simulation_id)

    async def create_configuration(
        self, name: str, config: Any, user_id: Optional[str] = None
    ) -> str:
        """Keeps a version of an agent's configuration, and gives its id; see `db`."""
        return await self._calls.create_configuration(name, config, user_id)

    async def close(self) -> None:
        """Waits for what is under way, then closes the connections. Safe to call twice."""
        await self._calls.close()

    async def __aenter__(self) -> ArcAPI:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class Opening:
    """A recorder that is being opened: to be awaited, or entered with `async with`."""

    def __init__(self, api: ArcAPI, recording: Recording) -> None:
        self._api = api
        self._recording = recording

    async def _open(self) -> ArcAPI:
        await self._recording.open()
        return self._api

    def __await__(self) -> Generator[Any, None, ArcAPI]:
        return self._open().__await__()

    async def __aenter__(self) -> ArcAPI:
        return await self._open()

    async def __aexit__(self, *_: object) -> None:
        await self._api.close()


def create_arc_api(
    url: Optional[str] = None,
    *,
    pool_size: int = 4,
    on_error: OnError = "raise",
    data_dir: Union[str, PathLike[str], None] = None,
    postgres_bin: Union[str, PathLike[str], None] = None,
    token: Optional[str] = None,
    spool_dir: Union[str, PathLike[str], None] = None,
) -> Opening:
    """Opens a database or a service and gives the recorder on it: `await` it, or use `async with`.

    Args:
        url, pool_size, data_dir, postgres_bin, token, spool_dir: where results go; see `ArcDBClient`.
        on_error: what a failure of recording does; see `ArcAPI`. With `warn`, a database that is
            unavailable is one too, and each call tries it again.

    Raises:
        ConfigurationError: where the URL will not do, or the database refuses the user.
        UnavailableError: where the database or the service is unavailable, and there is no spool.
    """
    client = ArcDBClient(
        url,
        pool_size=pool_size,
        data_dir=data_dir,
        postgres_bin=postgres_bin,
        token=token,
        spool_dir=spool_dir,
    )
    return Opening(ArcAPI(client, on_error=on_error), Recording(client.calls, on_error))
