"""The same calls for threads: each blocks until its answer is there.

Made by `make_sync.py` from `client.py` and `api.py`: change those.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from os import PathLike, fspath
from typing import Any, Optional, Union

from ._calls import Calls, SimulationId
from ._policy import OnError, Recording
from ._waiting import Thread, run
from .tables import OutcomeTable
from .types import (
    Deployment,
    Failure,
    FileRecorded,
    Health,
    ItemVerdict,
    Metrics,
    OutcomeList,
    RejectedResult,
    Rows,
    SimulationCompleted,
    SimulationEnded,
    SimulationPerformance,
    SimulationStarted,
    SimulationStatus,
)


class SyncEngine:
    """The way out to SQL, for what no call does. Every statement has a transaction of its own."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    @staticmethod
    def text(sql: str) -> str:
        """A statement, with its values as `:name`."""
        return sql

    def execute(self, statement: str, params: Optional[Mapping[str, Any]] = None) -> Rows:
        """Runs a statement. The recorder's tables are found without the name of their schema.

        Args:
            statement: one statement of SQL.
            params: its values by name. They go as text, and the server reads each by the type that
                the statement wants there; a list is an array, a dict is JSON.

        Returns:
            Its rows as dicts, and how many it gave or changed (`rowcount`). Times, UUIDs and what
            else JSON has no type for come as text.
        """
        return run(self._calls.execute(statement, params))


class SyncArcDBClient:
    """A database, through a pool of connections in this process, or a service.

    Args:
        url: `postgresql://user@host/name` with libpq's parameters, or the `http://` or `https://`
            URL of a service (`arc-host serve`). Default: the variable `ARC_SERVER`, then
            `ARC_DATABASE_URL`, then `TIMESCALE_SERVICE_URL`, then the embedded database, a private
            PostgreSQL that is started from the programs on this machine (not in a Modal container,
            whose files die with it, unless `data_dir` is given).
        pool_size: the most connections that are open at once.
        data_dir: the folder of the embedded database.
        postgres_bin: the folder of PostgreSQL's programs for the embedded database.
        token: the service's token. Default: the variable `ARC_TOKEN`.
        spool_dir: a folder, which outlives the process, that keeps what the database or the service
            does not take for the moment; it is sent when that is back, by this process, the next
            one, or `arc-host spool drain --spool-dir`. One process uses it at a time. Default: the variable
            `ARC_SPOOL_DIR`, else there is no spool.

    Nothing is connected with until the first call. It may be used from several event loops and
    threads, and by the child of a fork, which makes its own connections.
    """

    def __init__(
        self,
        url: Optional[str] = None,
        *,
        pool_size: int = 4,
        data_dir: Union[str, PathLike[str], None] = None,
        postgres_bin: Union[str, PathLike[str], None] = None,
        token: Optional[str] = None,
        spool_dir: Union[str, PathLike[str], None] = None,
    ) -> None:
        self.calls = Calls(
            Thread(),
            url,
            pool_size,
            None if data_dir is None else fspath(data_dir),
            None if postgres_bin is None else fspath(postgres_bin),
            token,
            None if spool_dir is None else fspath(spool_dir),
        )
        #: The way out to SQL.
        self.engine = SyncEngine(self.calls)

    def initialize(self) -> Health:
        """Connects, brings the schema up to date, and gives the database's health.

        A database that cannot be used is an answer too: `status` is `error`, and `error` says why.
        """
        return run(self.calls.initialize())

    def deploy_schema(self) -> Deployment:
        """Brings the schema up to date. Safe to repeat, and to run from many places at once.

        Raises:
            SchemaError: where the schema is newer than this version.
            DatabaseError: where this user may not make tables, say.
        """
        return run(self.calls.deploy_schema())

    def create_configuration(
        self, name: str, config: Any, user_id: Optional[str] = None
    ) -> str:
        """Keeps a version of an agent's configuration, and gives its id.

        Args:
            name: the configuration's name.
            config: a dict, or text such as YAML.
            user_id: whose it is.

        Returns:
            `config_version_id`: the same name, content and user always have the same.
        """
        return run(self.calls.create_configuration(name, config, user_id))

    def get_simulation_performance(
        self, simulation_id: SimulationId, time_range: timedelta = timedelta(days=7)
    ) -> SimulationPerformance:
        """A simulation by the hour in which its runs began, weighted by outcome.

        Raises:
            NotFoundError: where there is no such simulation.
        """
        return run(self.calls.get_simulation_performance(simulation_id, time_range))

    def get_recent_failures(self, limit: int = 50) -> list[Failure]:
        """The latest outcomes of all simulations that are not a success, newest first."""
        return run(self.calls.get_recent_failures(limit))

    def get_metrics(self) -> Metrics:
        """What this client has asked the database for, counted."""
        return run(self.calls.get_metrics())

    def test_connections(self) -> int:
        """Tests the idle connections, drops those that are gone, and gives how many these were.

        For a process that was frozen and thawed, as with Modal's memory snapshots. A connection
        that was not used for some seconds is tested anyway before it is used again.
        """
        return run(self.calls.test_connections())

    def close(self) -> None:
        """Waits for what is under way, then closes the connections. Safe to call twice."""
        run(self.calls.close())

    def __enter__(self) -> SyncArcDBClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class SyncArcAPI:
    """Records evaluations, blocking the thread that calls.

    Args:
        db: the database.
        on_error: what a failure of recording does. `raise` raises a `DatabaseError`; `warn` logs a
            warning and gives an answer that says so, so that an evaluation goes on.

    An answer means that the work is committed. Every call may be repeated after an error or a lost
    answer: nothing is stored twice.
    """

    def __init__(self, db: SyncArcDBClient, *, on_error: OnError = "raise") -> None:
        #: The database's own calls: health, schema, performance, failures, metrics, SQL.
        self.db = db
        self._calls = db.calls
        self._recording = Recording(db.calls, on_error)

    def start_simulation(
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
        return run(self._recording.start_simulation(
            config_version_id,
            scenarios,
            simulation_name,
            modal_app_id,
            modal_environment,
            sandbox_instances,
            metadata,
            simulation_id,
            trials,
        ))

    def record_scenario_outcome(
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
        return run(self._recording.record_scenario_outcome(
            simulation_id, scenario_result, modal_call_id, sandbox_id, trial
        ))

    def record_batch_outcomes(
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
        return run(self._recording.record_batch_outcomes(
            simulation_id, scenario_results, modal_call_ids
        ))

    def record_batch(
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
        return run(self._recording.record_batch(
            simulation_id,
            scenario_results,
            modal_call_ids,
            sandbox_ids,
            trials,
            format,
            header,
        ))

    def record_file(
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
        return run(self._calls.record_file(
            path, format, header, simulation_name, simulation_id, config_version_id
        ))

    def complete_simulation(
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
        return run(self._recording.complete_simulation(simulation_id, suite_result))

    def fail_simulation(self, simulation_id: SimulationId, reason: str = "") -> SimulationEnded:
        """Ends a simulation as failed. Repeating it changes nothing.

        Raises:
            NotFoundError: where there is no such simulation.
            ConflictError: where it has ended in another way.
        """
        return run(self._recording.fail_simulation(simulation_id, reason))

    def cancel_simulation(
        self, simulation_id: SimulationId, reason: str = ""
    ) -> SimulationEnded:
        """Ends a simulation that was stopped on purpose. Repeating it changes nothing.

        Raises:
            NotFoundError: where there is no such simulation.
            ConflictError: where it has ended in another way.
        """
        return run(self._recording.cancel_simulation(simulation_id, reason))

    def get_simulation_status(self, simulation_id: SimulationId) -> SimulationStatus:
        """Where a simulation stands.

        Raises:
            NotFoundError: where there is no such simulation.
        """
        return run(self._calls.get_simulation_status(simulation_id))

    def get_scenario_outcomes(
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
        return run(self._calls.get_scenario_outcomes(
            simulation_id, scenario_id, status_filter, limit, cursor
        ))

    def outcomes(
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
        return run(self._calls.outcomes(simulations, scenario_id, status_filter, documents))

    def get_rejected_results(self, simulation_id: SimulationId) -> list[RejectedResult]:
        """What was rejected in a simulation and why, in order of receipt.

        Raises:
            NotFoundError: where there is no such simulation.
        """
        return run(self._calls.get_rejected_results(simulation_id))

    def create_configuration(
        self, name: str, config: Any, user_id: Optional[str] = None
    ) -> str:
        """Keeps a version of an agent's configuration, and gives its id; see `db`."""
        return run(self._calls.create_configuration(name, config, user_id))

    def close(self) -> None:
        """Waits for what is under way, then closes the connections. Safe to call twice."""
        run(self._calls.close())

    def __enter__(self) -> SyncArcAPI:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def create_sync_arc_api(
    url: Optional[str] = None,
    *,
    pool_size: int = 4,
    on_error: OnError = "raise",
    data_dir: Union[str, PathLike[str], None] = None,
    postgres_bin: Union[str, PathLike[str], None] = None,
    token: Optional[str] = None,
    spool_dir: Union[str, PathLike[str], None] = None,
) -> SyncArcAPI:
    """Opens a database or a service and gives the recorder on it, which may be used with `with`.

    Args:
        url, pool_size, data_dir, postgres_bin, token, spool_dir: where results go; see `SyncArcDBClient`.
        on_error: what a failure of recording does; see `SyncArcAPI`. With `warn`, a database that is
            unavailable is one too, and each call tries it again.

    Raises:
        ConfigurationError: where the URL will not do, or the database refuses the user.
        UnavailableError: where the database or the service is unavailable, and there is no spool.
    """
    client = SyncArcDBClient(
        url,
        pool_size=pool_size,
        data_dir=data_dir,
        postgres_bin=postgres_bin,
        token=token,
        spool_dir=spool_dir,
    )
    run(Recording(client.calls, on_error).open())
    return SyncArcAPI(client, on_error=on_error)
