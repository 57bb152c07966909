"""The client of a database or a service, for event loops."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from os import PathLike, fspath
from typing import Any, Optional, Union

from ._calls import Calls, SimulationId
from ._waiting import EventLoop
from .types import Deployment, Failure, Health, Metrics, Rows, SimulationPerformance


class Engine:
    """Executes SQL, for everything that has no call. Every statement has its own transaction."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    @staticmethod
    def text(sql: str) -> str:
        """Returns the statement unchanged; its parameters are written as `:name`."""
        return sql

    async def execute(self, statement: str, params: Optional[Mapping[str, Any]] = None) -> Rows:
        """Runs a statement. The recorder's tables are found without the name of their schema.

        Args:
            statement: one statement of SQL.
            params: its parameters by name. They are sent as text, and the server parses each by the
                type that the statement expects; a list is an array, a dict is JSON.

        Returns:
            Its rows as dicts, and the number of rows that it returned or changed (`rowcount`). Times,
            UUIDs and other types that JSON does not have are text.
        """
        return await self._calls.execute(statement, params)


class ArcDBClient:
    """A database, through a pool of connections in this process, or a service.

    Args:
        url: `postgresql://user@host/name` with libpq's parameters, or the `http://` or `https://`
            URL of a service (`arc-host serve`). Default: the variable `ARC_SERVER`, then
            `ARC_DATABASE_URL`, then `TIMESCALE_SERVICE_URL`, then the embedded database, a private
            PostgreSQL that is started from the programs on this machine (not in a Modal container,
            whose files are lost when it ends, unless `data_dir` is set).
        pool_size: the maximum number of open connections.
        data_dir: the folder of the embedded database.
        postgres_bin: the folder of PostgreSQL's programs for the embedded database.
        token: the service's token. Default: the variable `ARC_TOKEN`.
        spool_dir: a folder, which outlives the process, that stores results while the database or the
            service is unavailable. They are sent when it is available again, by this process, the next
            one, or `arc-host spool drain --spool-dir`. One process uses it at a time. Default: the variable
            `ARC_SPOOL_DIR`, else there is no spool.

    The client connects on the first call. It can be used from several event loops and threads, and
    by the child of a fork, which makes its own connections.
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
        #: Executes SQL.
        self.engine = Engine(self.calls)

    async def initialize(self) -> Health:
        """Connects, brings the schema up to date, and returns the database's health.

        A database that cannot be used is not an exception: `status` is `error`, and `error` has the reason.
        """
        return await self.calls.initialize()

    async def deploy_schema(self) -> Deployment:
        """Brings the schema up to date. Safe to repeat, and to run from several processes at once.

        Raises:
            SchemaError: if the schema is newer than this version.
            DatabaseError: if it fails, for example because the user is not allowed to create tables.
        """
        return await self.calls.deploy_schema()

    async def create_configuration(
        self, name: str, config: Any, user_id: Optional[str] = None
    ) -> str:
        """Stores a version of an agent's configuration, and returns its id.

        Args:
            name: the configuration's name.
            config: a dict, or text such as YAML.
            user_id: its owner.

        Returns:
            `config_version_id`: the same for the same name, content and user.
        """
        return await self.calls.create_configuration(name, config, user_id)

    async def get_simulation_performance(
        self, simulation_id: SimulationId, time_range: timedelta = timedelta(days=7)
    ) -> SimulationPerformance:
        """Returns a simulation's figures by the hour in which its runs began, weighted by outcome.

        Raises:
            NotFoundError: if the simulation does not exist.
        """
        return await self.calls.get_simulation_performance(simulation_id, time_range)

    async def get_recent_failures(self, limit: int = 50) -> list[Failure]:
        """Returns the latest outcomes of all simulations that are not a success, newest first."""
        return await self.calls.get_recent_failures(limit)

    async def get_metrics(self) -> Metrics:
        """Returns counters of this client's queries and connections."""
        return await self.calls.get_metrics()

    async def test_connections(self) -> int:
        """Tests the idle connections, drops the broken ones, and returns their number.

        It is for a process that was restored, as from Modal's memory snapshots. A connection that was
        not used for some seconds is always tested before it is used again.
        """
        return await self.calls.test_connections()

    async def close(self) -> None:
        """Waits for calls in progress, then closes the connections. Safe to call twice."""
        await self.calls.close()

    async def __aenter__(self) -> ArcDBClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
