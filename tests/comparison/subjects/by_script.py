"""Scripts written by hand: asyncpg's COPY (`copy`), the same exactly once (`upsert`), and SQLAlchemy (`rows`)."""

from __future__ import annotations

import asyncio
import sys
import uuid
from typing import Any

import asyncpg
from by_hand import TABLES, Script, record_row_by_row
from frame import Subject, package_versions, run
from sqlalchemy.ext.asyncio import create_async_engine


class Copy(Subject):
    """orjson, extraction in Python, ids from SHA-256, binary COPY, 1,000 a transaction, into a table with the recorder's columns."""

    table = "outcomes_text"
    document = "document"

    def prepare(self) -> None:
        self.loop = asyncio.new_event_loop()
        # A pool belongs to the loop in which it is created.
        asyncio.set_event_loop(self.loop)
        self.pool = self.wait(asyncpg.create_pool(self.url, min_size=1, max_size=1))
        self.wait(self.pool.execute(TABLES))
        started_at = self.wait(self.pool.fetchval("SELECT now()"))
        self.script = Script(uuid.uuid4(), started_at)

    def wait(self, work: Any) -> Any:
        async def done() -> Any:
            return await work

        return self.loop.run_until_complete(done())

    def send(self, results: list[dict[str, Any]]) -> None:
        self.wait(self.script.copy(self.pool, self.table, results))

    def value(self, sql: str, *values: Any) -> Any:
        return self.wait(self.pool.fetchval(sql.replace("TABLE", f"arc_recorder.{self.table}"), *values))

    def stored(self) -> int:
        return self.value("SELECT count(*) FROM TABLE")

    def failed(self) -> int:
        return self.value("SELECT count(*) FROM TABLE WHERE status <> 'success'")

    def read(self, scenario_id: str) -> str | None:
        return self.value(f"SELECT {self.document}::text FROM TABLE WHERE scenario_id = $1", scenario_id)

    def versions(self) -> dict[str, str]:
        return package_versions("asyncpg", "orjson")

    def close(self) -> None:
        self.wait(self.pool.close())
        self.loop.close()


class Upsert(Copy):
    """COPY into a temporary table, then INSERT … SELECT … ON CONFLICT DO NOTHING."""

    def send(self, results: list[dict[str, Any]]) -> None:
        self.wait(self.script.copy_new(self.pool, self.table, results))


class Rows(Copy):
    """SQLAlchemy's session: an object, an INSERT and a commit for each result, a jsonb column."""

    table = "outcomes_by_row"
    document = "trajectory"

    def prepare(self) -> None:
        super().prepare()
        self.engine = create_async_engine(self.url.replace("postgresql:", "postgresql+asyncpg:"))

    def send(self, results: list[dict[str, Any]]) -> None:
        self.wait(record_row_by_row(self.engine, self.script.simulation_id, results))

    def versions(self) -> dict[str, str]:
        return package_versions("sqlalchemy", "asyncpg")

    def close(self) -> None:
        self.wait(self.engine.dispose())
        super().close()


run({"copy": Copy, "upsert": Upsert, "rows": Rows}[sys.argv[1]])
