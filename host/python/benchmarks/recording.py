"""Recording from Python, beside what people write by hand. All contestants store the same results, as
dicts, in the same PostgreSQL, durably, in one run.

    pip install arc-recorder asyncpg orjson "sqlalchemy[asyncio]"
    python benchmarks/recording.py                 # a private cluster, fsync on
    python benchmarks/recording.py --quick --json

| contestant | what it does |
|---|---|
| recorder | `record_batch_outcomes`, all results in one call |
| copy | a careful script: orjson, extraction in Python, ids from SHA-256, asyncpg's binary COPY, 1,000 a transaction, into the recorder's own table with its indexes; on one connection, and with 2 and 4 at once |
| copy, jsonb | the same into a table that is alike but for a `jsonb` column with PostgreSQL's defaults |
| row by row | SQLAlchemy's session: one object, one INSERT, one commit for each result, a jsonb column |

The script leaves out what a script would: the validation of a document against the rules, spans,
duplicates (a COPY of a row that is there fails as a whole), warnings, and verdicts.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import hashlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime, timezone
from typing import Any

try:
    import asyncpg
    import orjson
    from sqlalchemy import URL
    from sqlalchemy.dialects.postgresql import JSONB, UUID
    from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
except ImportError as error:
    sys.exit(f'{error.name} is missing: pip install asyncpg orjson "sqlalchemy[asyncio]"')

from arc_recorder import create_arc_api

BATCH = 1_000
EXTRACTOR = uuid.UUID("00000000-0000-8000-8000-000000000001")
COLUMNS = [
    "simulation_id", "outcome_id", "started_at", "scenario_id", "trial", "received_at",
    "execution_time", "status", "reliability_score", "execution_time_ms", "tokens_used", "cost_usd",
    "error_code", "error_category", "error_message", "modal_call_id", "metrics", "extractor_id",
    "document",
]  # fmt: skip


def make_results(count: int, bytes_each: int) -> list[dict[str, Any]]:
    """Believable results of about so many bytes as JSON, always the same."""
    chance = random.Random(20_26)
    letters = "abcdefghijklmnopqrstuvwxyz"
    vocabulary = [
        "".join(chance.choices(letters, k=chance.randint(2, 10))) for _ in range(4_000)
    ]

    def text(words: int) -> str:
        return " ".join(chance.choices(vocabulary, k=words))

    def result(number: int) -> dict[str, Any]:
        steps = []
        for step in range(max(1, bytes_each // 700)):
            steps.append(
                {
                    "type": "tool_call" if step % 2 else "message",
                    "tool": chance.choice(vocabulary),
                    "arguments": {"query": text(6), "limit": chance.randint(1, 50)},
                    "output": text(70),
                    "duration_ms": round(chance.random() * 900, 2),
                    "ok": True,
                }
            )
        failed = number % 9 == 0
        prompt, completion = chance.randint(100, 4_000), chance.randint(20, 900)
        trajectory: dict[str, Any] = {
            "status": "error" if failed else "success",
            "task_prompt": text(30),
            "final_response": text(60),
            "execution_time_seconds": round(chance.random() * 30, 3),
            "start_time": f"2026-03-{number % 28 + 1:02}T10:00:00Z",
            "full_trajectory": steps,
            "token_usage": {
                "prompt_tokens": prompt,
                "completion_tokens": completion,
                "total_tokens": prompt + completion,
                "total_cost": round((prompt + 4 * completion) * 2.5e-6, 6),
            },
        }
        if failed:
            trajectory["error"] = "RateLimitError: too many requests, retry later"
        return {
            "scenario": {"id": f"scenario-{number}", "name": text(3), "task_prompt": text(30)},
            "trajectory": trajectory,
            "reliability_score": {
                "overall_score": round(chance.random(), 3),
                "grade": "B",
                "dimension_scores": {"tool_execution": 0.9, "response_quality": 0.8},
            },
        }

    return [result(number) for number in range(count)]


def category(text: str) -> str:
    """The error category, as the rules have it: the first that matches."""
    lower = text.lower()
    for name, signs in (
        ("timeout", ("timeout", "timed out", "deadline")),
        ("rate_limit", ("rate limit", "ratelimit", "429", "too many requests")),
        ("network", ("connection", "network", "dns", "socket")),
        ("resource", ("memory", "disk", "quota")),
        ("tool_error", ("tool",)),
        ("model_error", ("model",)),
        ("validation_error", ("validation", "invalid")),
        ("sandbox_error", ("sandbox",)),
    ):
        if any(sign in lower for sign in signs):
            return name
    return "system_error"


class Script:
    """What an experienced engineer would write by hand."""

    def __init__(self, simulation_id: uuid.UUID, started_at: datetime) -> None:
        self.simulation_id = simulation_id
        self.started_at = started_at

    def row(self, result: dict[str, Any]) -> tuple[Any, ...]:
        document = orjson.dumps(result)
        simulation = self.simulation_id
        digest = hashlib.sha256(simulation.bytes + len(document).to_bytes(8, "big") + document)
        trajectory, scores = result["trajectory"], result["reliability_score"]
        usage, error = trajectory["token_usage"], trajectory.get("error")
        received_at = datetime.now(timezone.utc)
        metrics = {
            "prompt_tokens": usage["prompt_tokens"],
            "completion_tokens": usage["completion_tokens"],
            "event_count": len(trajectory["full_trajectory"]),
            "grade": scores["grade"],
            "dimension_scores": scores["dimension_scores"],
        }
        return (
            simulation,
            uuid.UUID(bytes=digest.digest()[:16], version=4),
            self.started_at,
            result["scenario"]["id"],
            1,
            received_at,
            datetime.fromisoformat(trajectory["start_time"].replace("Z", "+00:00")),
            trajectory["status"],
            scores["overall_score"],
            trajectory["execution_time_seconds"] * 1_000,
            usage["total_tokens"],
            usage["total_cost"],
            error.split(":", 1)[0] if error else None,
            category(error) if error else None,
            error,
            None,
            orjson.dumps(metrics).decode(),
            EXTRACTOR,
            document.decode(),
        )

    async def copy(self, pool: asyncpg.Pool, table: str, results: list[dict[str, Any]]) -> None:
        async def part(first: int) -> None:
            rows = [self.row(result) for result in results[first : first + BATCH]]
            async with pool.acquire() as connection, connection.transaction():
                await connection.copy_records_to_table(
                    table, schema_name="arc_recorder", columns=COLUMNS, records=rows
                )

        waiting = asyncio.Semaphore(pool.get_max_size() + 1)

        async def bounded(first: int) -> None:
            async with waiting:
                await part(first)

        await asyncio.gather(*(bounded(first) for first in range(0, len(results), BATCH)))


class Base(DeclarativeBase):
    pass


class Outcome(Base):
    """The row-by-row way: an object for each result."""

    __tablename__ = "outcomes_by_row"
    __table_args__ = {"schema": "arc_recorder"}  # noqa: RUF012
    outcome_id: Mapped[uuid.UUID] = mapped_column(UUID, primary_key=True, default=uuid.uuid4)
    simulation_id: Mapped[uuid.UUID] = mapped_column(UUID)
    scenario_id: Mapped[str]
    status: Mapped[str]
    reliability_score: Mapped[float]
    execution_time_ms: Mapped[float]
    tokens_used: Mapped[int]
    cost_usd: Mapped[float]
    trajectory: Mapped[dict[str, Any]] = mapped_column(JSONB)


TABLES = """
CREATE TABLE IF NOT EXISTS arc_recorder.outcomes_jsonb
    (LIKE arc_recorder.outcomes INCLUDING ALL);
ALTER TABLE arc_recorder.outcomes_jsonb
    ALTER document TYPE jsonb, ALTER document SET COMPRESSION pglz,
    ALTER metrics SET COMPRESSION pglz;
CREATE TABLE IF NOT EXISTS arc_recorder.outcomes_by_row (
    outcome_id uuid PRIMARY KEY, simulation_id uuid NOT NULL, scenario_id text NOT NULL,
    status text NOT NULL, reliability_score float8, execution_time_ms float8 NOT NULL,
    tokens_used bigint NOT NULL, cost_usd float8 NOT NULL, trajectory jsonb NOT NULL);
"""


class Watch:
    """How long an event loop did not get to its other tasks: by the clock, and by the time that its
    own thread used, which leaves out what the system gave to others."""

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
def server(given: str | None) -> Iterator[str]:
    """The URL of a database for this run alone."""
    if given is not None:
        yield given
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
    """Seconds, and how long the event loop was held."""
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
        self.held: list[dict[str, float]] = []

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
        """Empty tables, nothing of the last contestant's left to be written, and a simulation."""
        for table in ("outcomes", "outcomes_jsonb", "outcomes_by_row"):
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
        elapsed, held = await watched(work)
        self.held.append(held)
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
        async with AsyncSession(self.engine) as session:
            for result in self.results[: self.by_row]:
                trajectory = result["trajectory"]
                session.add(
                    Outcome(
                        simulation_id=script.simulation_id,
                        scenario_id=result["scenario"]["id"],
                        status=trajectory["status"],
                        reliability_score=result["reliability_score"]["overall_score"],
                        execution_time_ms=trajectory["execution_time_seconds"] * 1_000,
                        tokens_used=trajectory["token_usage"]["total_tokens"],
                        cost_usd=trajectory["token_usage"]["total_cost"],
                        trajectory=result,
                    )
                )
                await session.commit()
        elapsed = time.perf_counter() - begun
        await self.check("outcomes_by_row", self.by_row)
        return self.by_row / elapsed

    async def check(self, table: str, wanted: int) -> None:
        stored = await self.plain.fetchval(f"SELECT count(*) FROM arc_recorder.{table}")
        assert stored == wanted, f"{table} has {stored} rows, not {wanted}"


async def run(arguments: argparse.Namespace, url: str) -> dict[str, Any]:
    results = make_results(arguments.results, arguments.bytes)
    size = statistics.fmean(len(orjson.dumps(result)) for result in results[:100])
    # A long-lived runner's results are old by the time they are recorded; the collector's looks at
    # all of them are its own cost, not a contestant's.
    gc.collect()
    contest = Contest(url, results, min(arguments.rows, len(results)))
    await contest.prepare()
    contestants: dict[str, Callable[[], Awaitable[float]]] = {
        "recorder": contest.recorder,
        **{
            f"copy, {connections}": lambda connections=connections: contest.copy(
                "outcomes", connections
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
    ours = contest.held[1:]
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
                name: max(figures[name] for figures in ours) for name in contest.held[0]
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
    """What another process does while an idle event loop is watched."""
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
    print("\nLonger than 1 ms, in ms, that the event loop did not get to another task:")
    for name, held in answer["event_loop"].items():
        print(
            f"  {name:30} by the clock p99 {held['clock_p99_ms']:6} max {held['clock_max_ms']:6}"
            f"   own thread p99 {held['own_p99_ms']:6} max {held['own_max_ms']:6}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--database-url", help="a database of its own; default: a private cluster")
    parser.add_argument("--results", type=int, default=20_000, help="how many results (20,000)")
    parser.add_argument("--bytes", type=int, default=8_700, help="of about so many bytes (8,700)")
    parser.add_argument("--rows", type=int, default=1_000, help="of which row by row (1,000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds after the first (3)")
    parser.add_argument("--quick", action="store_true", help="4,000 results, one round")
    parser.add_argument("--json", action="store_true", help="figures for programs")
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
