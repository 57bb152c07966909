"""Hand-written alternatives to the recorder: asyncpg's COPY, and SQLAlchemy row by row.

Like most scripts, they do without the validation of documents against the rules, spans, warnings, and verdicts.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
import uuid
from datetime import datetime, timezone
from typing import Any

try:
    import asyncpg
    import orjson
    from sqlalchemy.dialects.postgresql import JSONB, UUID
    from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
except ImportError as error:
    sys.exit(f'{error.name} is missing: pip install asyncpg orjson "sqlalchemy[asyncio]"')

BATCH = 1_000
EXTRACTOR = uuid.UUID("00000000-0000-8000-8000-000000000001")
COLUMNS = [
    "simulation_id", "outcome_id", "partition_time", "scenario_id", "trial", "received_at",
    "execution_time", "status", "headline", "score", "scores", "execution_time_ms", "tokens_used",
    "cost_usd", "all_roles_tokens", "all_roles_cost_usd", "error_code", "error_category", "error_message", "modal_call_id", "metrics",
    "extractor_id", "document_bytes", "document",
]  # fmt: skip

TABLES = """
CREATE TABLE IF NOT EXISTS arc_recorder.outcomes_text
    (LIKE arc_recorder.outcomes INCLUDING ALL, document text NOT NULL);
ALTER TABLE arc_recorder.outcomes_text ALTER document SET COMPRESSION lz4;
CREATE TABLE IF NOT EXISTS arc_recorder.outcomes_jsonb
    (LIKE arc_recorder.outcomes INCLUDING ALL, document jsonb COMPRESSION pglz NOT NULL);
ALTER TABLE arc_recorder.outcomes_jsonb
    ALTER metrics SET COMPRESSION pglz, ALTER scores SET COMPRESSION pglz;
CREATE TABLE IF NOT EXISTS arc_recorder.outcomes_by_row (
    outcome_id uuid PRIMARY KEY, simulation_id uuid NOT NULL, scenario_id text NOT NULL,
    status text NOT NULL, reliability_score float8, execution_time_ms float8 NOT NULL,
    tokens_used bigint NOT NULL, cost_usd float8 NOT NULL, trajectory jsonb NOT NULL);
"""


def category(text: str) -> str:
    """Returns the error category as the extraction rules define it: the first that matches."""
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
    """The script that an experienced engineer would write."""

    def __init__(self, simulation_id: uuid.UUID, started_at: datetime) -> None:
        self.simulation_id = simulation_id
        self.started_at = started_at

    def row(self, result: dict[str, Any]) -> tuple[Any, ...]:
        document = orjson.dumps(result)
        simulation = self.simulation_id
        digest = hashlib.sha256(simulation.bytes + len(document).to_bytes(8, "big") + document)
        trajectory, reliability = result["trajectory"], result["reliability_score"]
        usage, error = trajectory["token_usage"], trajectory.get("error")
        received_at = datetime.now(timezone.utc)
        named = {"reliability_score": reliability["overall_score"], **reliability["dimension_scores"]}
        scores = [{"name": name, "value": value} for name, value in named.items()]
        metrics = {
            "prompt_tokens": usage["prompt_tokens"],
            "completion_tokens": usage["completion_tokens"],
            "event_count": len(trajectory["full_trajectory"]),
            "grade": reliability["grade"],
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
            "reliability_score",
            reliability["overall_score"],
            orjson.dumps(scores).decode(),
            trajectory["execution_time_seconds"] * 1_000,
            usage["total_tokens"],
            usage["total_cost"],
            usage["total_tokens"],
            usage["total_cost"],
            error.split(":", 1)[0] if error else None,
            category(error) if error else None,
            error,
            None,
            orjson.dumps(metrics).decode(),
            EXTRACTOR,
            len(document),
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

    async def copy_new(self, pool: asyncpg.Pool, table: str, results: list[dict[str, Any]]) -> int:
        """Copies exactly once: into a temporary table, and from there only the new rows. Returns the number of new
        rows."""
        new = 0
        listed = ", ".join(COLUMNS)
        async with pool.acquire() as connection:
            await connection.execute(
                f"CREATE TEMPORARY TABLE IF NOT EXISTS arriving AS SELECT {listed} "
                f"FROM arc_recorder.{table} WHERE false"
            )
            for first in range(0, len(results), BATCH):
                rows = [self.row(result) for result in results[first : first + BATCH]]
                async with connection.transaction():
                    await connection.execute("TRUNCATE arriving")
                    await connection.copy_records_to_table("arriving", columns=COLUMNS, records=rows)
                    done = await connection.execute(
                        f"INSERT INTO arc_recorder.{table} ({listed}) SELECT {listed} FROM arriving "
                        "ON CONFLICT DO NOTHING"
                    )
                new += int(done.rsplit(" ", 1)[1])
        return new


class Base(DeclarativeBase):
    pass


class Outcome(Base):
    """The mapped class of the row-by-row method: one object for each result."""

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


async def record_row_by_row(
    engine: AsyncEngine, simulation_id: uuid.UUID, results: list[dict[str, Any]]
) -> None:
    """Records with one object, one INSERT and one commit for each result."""
    async with AsyncSession(engine) as session:
        for result in results:
            trajectory = result["trajectory"]
            session.add(
                Outcome(
                    simulation_id=simulation_id,
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
