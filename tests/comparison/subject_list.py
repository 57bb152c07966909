"""The subjects of the comparison: the tools, how they are used, and their packages."""

from __future__ import annotations

from dataclasses import dataclass

#: The packages of each environment, by name. Tools pin different versions, so each has a separate
#: environment.
ENVIRONMENTS = {
    "arc": [],
    "by-hand": ["asyncpg>=0.30", "orjson>=3.10", "sqlalchemy[asyncio]>=2.0"],
    "mlflow": ["mlflow==3.*", "psycopg2-binary>=2.9"],
    "phoenix": ["arize-phoenix[pg]==20.*", "arize-phoenix-client==3.*"],
}


@dataclass(frozen=True)
class Subject:
    """One way to record results.

    Attributes:
        name: as shown in the table and the picture.
        group: the name for `--only`.
        environment: one of `ENVIRONMENTS`.
        command: a file of `subjects/`, and its arguments.
        most: the maximum number of documents, which limits the duration and hardly affects the rate.
        does: a line that describes how it records a result.
        tables: whether the recorder's tables are created for it in advance.
    """

    name: str
    group: str
    environment: str
    command: tuple[str, ...]
    most: int
    does: str
    tables: bool = False


SUBJECTS = [
    Subject(
        "arc", "arc", "arc", ("recorder.py", "process"), 20_000,
        "Arc Recorder in process: record_batch, all results in one call",
    ),
    Subject(
        "arc, file", "arc", "arc", ("recorder.py", "file"), 20_000,
        "arc-host record FILE, the program's start included",
    ),
    Subject(
        "arc, service", "arc", "arc", ("recorder.py", "service"), 20_000,
        "arc-host serve on loopback: record_batch over HTTP, all results in one call",
    ),
    Subject(
        "asyncpg, COPY", "asyncpg", "by-hand", ("by_script.py", "copy"), 20_000,
        "a careful script: fields in Python, binary COPY into the same table, 1,000 a transaction, one connection",
        tables=True,
    ),
    Subject(
        "asyncpg, ON CONFLICT", "asyncpg", "by-hand", ("by_script.py", "upsert"), 20_000,
        "the same, exactly once: COPY into a temporary table, INSERT … SELECT … ON CONFLICT DO NOTHING",
        tables=True,
    ),
    Subject(
        "SQLAlchemy, rows", "sqlalchemy", "by-hand", ("by_script.py", "rows"), 2_000,
        "the ORM: an object, an INSERT and a commit for each result, a jsonb column",
        tables=True,
    ),
    Subject(
        "MLflow, runs", "mlflow", "mlflow", ("with_mlflow.py", "runs"), 400,
        "a run for each result, four threads: tags, log_batch with all metrics, the document as an artifact",
    ),
    Subject(
        "MLflow, traces", "mlflow", "mlflow", ("with_mlflow.py", "traces"), 1_000,
        "a trace of one span for each result with its score as assessment, the background exporter, then flush",
    ),
    Subject(
        "Phoenix, spans", "phoenix", "phoenix", ("with_phoenix.py",), 2_000,
        "a span and an annotation for each result by the client's batch calls, 500 a request, until both are stored",
    ),
]  # fmt: skip


def select(names: str | None) -> list[Subject]:
    """Returns the subjects of these groups.

    Raises:
        ValueError: if a name is not a group.
    """
    if names is None:
        return SUBJECTS
    wanted = [name.strip() for name in names.split(",")]
    groups = {subject.group for subject in SUBJECTS}
    for name in wanted:
        if name not in groups:
            raise ValueError(f"invalid --only: {name!r} (expected {', '.join(sorted(groups))})")
    return [subject for subject in SUBJECTS if subject.group in wanted]
