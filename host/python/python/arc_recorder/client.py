"""A database, for event loops."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from os import PathLike, fspath
from typing import Any, Optional, Union

from ._calls import Calls, SimulationId
from ._waiting import EventLoop
from .types import Deployment, Failure, Health, Metrics, Rows, SimulationPerformance


class Engine:
    """The way out to SQL, for what no call does. Every statement has a transaction of its own."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    @staticmethod
    def text(sql: str) -> str:
        """A statement, with its values as `:name`."""
        return sql

    async def execute(self, statement: str, params: Optional[Mapping[str, Any]] = None) -> Rows:
        """Runs a statement. The recorder's tables are found without the name of their schema.

        Args:
            statement: one statement of SQL.
            params: its values by name. They go as text, and the server reads each by the type that
                the statement wants there; a list is an array, a dict is JSON.

        Returns:
            Its rows as dicts, and how many it gave or changed (`rowcount`). Times, UUIDs and what
            else JSON has no type for come as text.
        """
        return await self._calls.execute(statement, params)


class ArcDBClient:
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
            EventLoop(),
            url,
            pool_size,
            None if data_dir is None else fspath(data_dir),
            None if postgres_bin is None else fspath(postgres_bin),
            token,
            None if spool_dir is None else fspath(spool_dir),
        )
        #: The way out to SQL.
        self.engine = Engine(self.calls)

    async def initialize(self) -> Health:
        """Connects, brings the schema up to date, and gives the database's health.

        A database that cannot be used is an answer too: `status` is `error`, and `error` says why.
        """
        return await self.calls.initialize()

    async def deploy_schema(self) -> Deployment:
        """Brings the schema up to date. Safe to repeat, and to run from many places at once.

        Raises:
            SchemaError: where the schema is newer than this version.
            DatabaseError: where this user may not make tables, say.
        """
        return await self.calls.deploy_schema()

    async def create_configuration(
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
        return await self.calls.create_configuration(name, config, user_id)

    async def get_simulation_performance(
        self, simulation_id: SimulationId, time_range: timedelta = timedelta(days=7)
    ) -> SimulationPerformance:
        """A simulation by the hour in which its runs began, weighted by outcome.

        Raises:
            NotFoundError: where there is no such simulation.
        """
        return await self.calls.get_simulation_performance(simulation_id, time_range)

    async def get_recent_failures(self, limit: int = 50) -> list[Failure]:
        """The latest outcomes of all simulations that are not a success, newest first."""
        return await self.calls.get_recent_failures(limit)

    async def get_metrics(self) -> Metrics:
        """What this client has asked the database for, counted."""
        return await self.calls.get_metrics()

    async def test_connections(self) -> int:
        """Tests the idle connections, drops those that are gone, and gives how many these were.

        For a process that was frozen and thawed, as with Modal's memory snapshots. A connection
        that was not used for some seconds is tested anyway before it is used again.
        """
        return await self.calls.test_connections()

    async def close(self) -> None:
        """Waits for what is under way, then closes the connections. Safe to call twice."""
        await self.calls.close()

    async def __aenter__(self) -> ArcDBClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
