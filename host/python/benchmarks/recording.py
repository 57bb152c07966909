"""Compares the recorder with hand-written scripts. All contestants store the same results, as dicts, in
the same PostgreSQL, durably, in one run.

    pip install dist/arc_recorder-*.whl asyncpg orjson "sqlalchemy[asyncio]"
    python benchmarks/recording.py                 # a private cluster, fsync on
    python benchmarks/recording.py --quick --json

| contestant | method |
|---|---|
| recorder | `record_batch_outcomes`, all results in one call |
| copy | an optimized script: orjson, extraction in Python, ids from SHA-256, asyncpg's binary COPY, 1,000 a transaction, into the recorder's own table with its indexes; on 1, 2 and 4 connections |
| copy, jsonb | the same into an identical table, except for a `jsonb` column with PostgreSQL's defaults |
| row by row | SQLAlchemy's session: one object, one INSERT, one commit for each result, a jsonb column |

Like most scripts, they do without the validation of documents against the rules, spans, duplicates (a
COPY with a row that already exists fails as a whole), warnings, and verdicts.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import asyncpg
import orjson
from by_hand import TABLES, Script, record_row_by_row
from results import make_results
from sqlalchemy import URL
from sqlalchemy.ext.asyncio import create_async_engine

from arc_recorder import create_arc_api


class Watch:
    """Measures how long an event loop is blocked: in wall-clock time, and in its thread's processor time, which
    excludes the time that other threads and processes used."""

    def __init__(self) -> None:
        self.clock: list[float] = []
        self.own: list[float] = []

    async def run(self) -> None:
        while True:
            clock, own = time.perf_counter(), time.thread_time()
            await asyncio.sleep(0.001)
            self.clock.append((time.perf_counter() - clock - 0.001) * 1_000)
            self.own.append((time.thread_time() - own) * 1_000)

    def figures(self) -> dict[str, float]:
        def at(values: list[float], part: float) -> float:
            ordered = sorted(values)
            return round(ordered[int((len(ordered) - 1) * part)], 2)

        return {
            "clock_p99_ms": at(self.clock, 0.99),
            "clock_max_ms": at(self.clock, 1),
            "own_p99_ms": at(self.own, 0.99),
            "own_max_ms": at(self.own, 1),
        }


@contextlib.contextmanager
def server(url: str | None) -> Iterator[str]:
    """The URL of a database that only this run uses."""
    if url is not None:
        yield url
        return
    from arc_recorder import SyncArcDBClient

    with tempfile.TemporaryDirectory(prefix="arc-bench-") as folder:
        os.chmod(folder, 0o755)
        with SyncArcDBClient(data_dir=os.path.join(folder, "data")) as client:
            sockets = str(client.engine.execute("SHOW unix_socket_directories").scalar()).strip('"')
            database = client.engine.execute("SELECT current_database() AS name").scalar()
            user = client.engine.execute("SELECT current_user::text AS name").scalar()
            yield f"postgresql://{user}@/{database}?host={sockets}"


async def watched(work: Awaitable[Any]) -> tuple[float, dict[str, float]]:
    """Returns the duration in seconds, and how long the event loop was blocked."""
    watch = Watch()
    watching = asyncio.ensure_future(watch.run())
    await asyncio.sleep(0.05)
    watch.clock.clear()
    watch.own.clear()
    begun = time.perf_counter()
    await work
    elapsed = time.perf_counter() - begun
    watching.cancel()
    return elapsed, watch.figures()


class Contest:
    def __init__(self, url: str, results: list[dict[str, Any]], by_row: int) -> None:
        self.url = url
        self.results = results
        self.by_row = by_row
        self.blocked: list[dict[str, float]] = []

    async def prepare(self) -> None:
        self.api = await create_arc_api(self.url)
        self.plain = await asyncpg.connect(self.url)
        await self.plain.execute(TABLES)
        self.pools = {
            size: await asyncpg.create_pool(self.url, min_size=size, max_size=size)
            for size in (1, 2, 4)
        }
        url = self.plain._params
        host = self.plain._addr
        self.engine = create_async_engine(
            URL.create("postgresql+asyncpg", username=url.user, database=url.database),
            connect_args={"host": os.path.dirname(host) if isinstance(host, str) else host[0]},
        )

    async def fresh(self) -> Script:
        """Empties the tables, runs a checkpoint so that no writes remain, and starts a simulation."""
        for table in ("outcomes", "documents", "outcomes_text", "outcomes_jsonb", "outcomes_by_row"):
            await self.plain.execute(f"TRUNCATE arc_recorder.{table}")
        await self.plain.execute("CHECKPOINT")
        started = await self.api.start_simulation("benchmark", [{"id": "scenario-0"}])
        simulation_id = uuid.UUID(started["simulation_id"])
        started_at = await self.plain.fetchval(
            "SELECT started_at FROM arc_recorder.simulations WHERE simulation_id = $1", simulation_id
        )
        gc.collect()
        return Script(simulation_id, started_at)

    async def recorder(self) -> float:
        script = await self.fresh()
        work = self.api.record_batch_outcomes(str(script.simulation_id), self.results)
        elapsed, blocked = await watched(work)
        self.blocked.append(blocked)
        await self.check("outcomes", len(self.results))
        return len(self.results) / elapsed

    async def copy(self, table: str, connections: int) -> float:
        script = await self.fresh()
        begun = time.perf_counter()
        await script.copy(self.pools[connections], table, self.results)
        elapsed = time.perf_counter() - begun
        await self.check(table, len(self.results))
        return len(self.results) / elapsed

    async def rows(self) -> float:
        script = await self.fresh()
        begun = time.perf_counter()
        await record_row_by_row(self.engine, script.simulation_id, self.results[: self.by_row])
        elapsed = time.perf_counter() - begun
        await self.check("outcomes_by_row", self.by_row)
        return self.by_row / elapsed

    async def check(self, table: str, wanted: int) -> None:
        stored = await self.plain.fetchval(f"SELECT count(*) FROM arc_recorder.{table}")
        assert stored == wanted, f"{table} has {stored} rows, not {wanted}"


async def run(arguments: argparse.Namespace, url: str) -> dict[str, Any]:
    results = make_results(arguments.results, arguments.bytes)
    size = statistics.fmean(len(orjson.dumps(result)) for result in results[:100])
    # A long-lived runner's results are old by the time they are recorded. The cost of the garbage collector's
    # passes over all of them is not a contestant's.
    gc.collect()
    contest = Contest(url, results, min(arguments.rows, len(results)))
    await contest.prepare()
    contestants: dict[str, Callable[[], Awaitable[float]]] = {
        "recorder": contest.recorder,
        **{
            f"copy, {connections}": lambda connections=connections: contest.copy(
                "outcomes_text", connections
            )
            for connections in (1, 2, 4)
        },
        **{
            f"copy jsonb, {connections}": lambda connections=connections: contest.copy(
                "outcomes_jsonb", connections
            )
            for connections in (1, 2, 4)
        },
        "row by row": contest.rows,
    }
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    names = list(contestants)
    for number in range(arguments.rounds + 1):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            rate = await contestants[name]()
            # The first round warms up.
            if number:
                rates[name].append(rate)
                if not arguments.json:
                    print(f"round {number}: {name:14} {rate:9,.0f} a second", file=sys.stderr)
    idle = Watch()
    watching = asyncio.ensure_future(idle.run())
    await asyncio.sleep(1)
    watching.cancel()
    others = subprocess.Popen(
        [sys.executable, __file__, "--only-record", "--database-url", url, "--results",
         str(arguments.results), "--bytes", str(arguments.bytes)],
        stdout=subprocess.PIPE,
    )  # fmt: skip
    assert others.stdout is not None
    await asyncio.get_running_loop().run_in_executor(None, others.stdout.readline)
    beside = Watch()
    watching = asyncio.ensure_future(beside.run())
    await asyncio.get_running_loop().run_in_executor(None, others.wait)
    watching.cancel()
    medians = {name: statistics.median(values) for name, values in rates.items()}
    best = {
        kind: max(value for name, value in medians.items() if name.startswith(f"{kind}, "))
        for kind in ("copy", "copy jsonb")
    }
    rate = medians["recorder"]
    ours = contest.blocked[1:]
    answer = {
        "bytes_each": round(size),
        "results": len(results),
        "rates": {
            name: {
                "median": round(medians[name]),
                "least": round(min(values)),
                "most": round(max(values)),
            }
            for name, values in rates.items()
        },
        "ratios": {
            "copy, one connection": round(rate / medians["copy, 1"], 2),
            "copy jsonb, one connection": round(rate / medians["copy jsonb, 1"], 2),
            "row by row": round(rate / medians["row by row"], 1),
            "copy, the best of 1, 2 and 4 connections": round(rate / best["copy"], 2),
            "copy jsonb, the best of 1, 2 and 4": round(rate / best["copy jsonb"], 2),
        },
        "event_loop": {
            "while recording": {
                name: max(figures[name] for figures in ours) for name in contest.blocked[0]
            },
            "while another process records": beside.figures(),
            "idle": idle.figures(),
        },
        "server": await contest.plain.fetchval("SHOW server_version"),
        "fsync": await contest.plain.fetchval("SHOW fsync"),
    }
    await contest.api.close()
    await contest.plain.close()
    return answer


async def only_record(arguments: argparse.Namespace, url: str) -> None:
    """Records in another process while an idle event loop is measured."""
    results = make_results(arguments.results, arguments.bytes)
    async with create_arc_api(url) as api:
        started = await api.start_simulation("benchmark", [{"id": "scenario-0"}])
        print("begins", flush=True)
        await api.record_batch_outcomes(started["simulation_id"], results)


def show(answer: dict[str, Any]) -> None:
    print(
        f"{answer['results']:,} results of {answer['bytes_each']:,} bytes, PostgreSQL "
        f"{answer['server']}, fsync {answer['fsync']}\n"
    )
    for name, rate in answer["rates"].items():
        print(f"  {name:14} {rate['median']:9,} a second   ({rate['least']:,} to {rate['most']:,})")
    print()
    for name, ratio in answer["ratios"].items():
        print(f"  {ratio:5} x {name}")
    print("\nTime that the event loop was blocked, beyond 1 ms, in ms:")
    for name, blocked in answer["event_loop"].items():
        print(
            f"  {name:30} wall clock p99 {blocked['clock_p99_ms']:6} max {blocked['clock_max_ms']:6}"
            f"   own thread p99 {blocked['own_p99_ms']:6} max {blocked['own_max_ms']:6}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--database-url", help="a database of its own; default: a private cluster")
    parser.add_argument("--results", type=int, default=20_000, help="how many results (20,000)")
    parser.add_argument("--bytes", type=int, default=8_700, help="about how many bytes each (8,700)")
    parser.add_argument("--rows", type=int, default=1_000, help="how many of them row by row (1,000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds after the first (3)")
    parser.add_argument("--quick", action="store_true", help="4,000 results, one round")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--only-record", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.results, arguments.rows, arguments.rounds = 4_000, 300, 1
    if arguments.only_record:
        asyncio.run(only_record(arguments, arguments.database_url))
        return
    with server(arguments.database_url) as url:
        answer = asyncio.run(run(arguments, url))
    if arguments.json:
        print(json.dumps(answer))
    else:
        show(answer)


if __name__ == "__main__":
    main()
