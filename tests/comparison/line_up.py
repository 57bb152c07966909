"""What is compared: which tool, used in which way, from which packages."""

from __future__ import annotations

from dataclasses import dataclass

#: The packages of each environment, by name. Tools pin what others pin otherwise, so each has its own.
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
        name: as the table and the picture have it.
        group: what `--only` takes, beside the name.
        environment: one of `ENVIRONMENTS`.
        command: a file of `subjects/`, and its arguments.
        most: how many documents it gets at most; the rate hardly depends on it, the wait does.
        does: what it does with a result, in a line.
        tables: whether the recorder's tables are made for it beforehand.
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


def chosen(words: str | None) -> list[Subject]:
    """The subjects of these groups or names.

    Raises:
        ValueError: where a word is none of them.
    """
    if words is None:
        return SUBJECTS
    wanted = [word.strip() for word in words.split(",")]
    groups = {subject.group for subject in SUBJECTS}
    for word in wanted:
        if word not in groups:
            raise ValueError(f"--only takes {', '.join(sorted(groups))}, not {word!r}")
    return [subject for subject in SUBJECTS if subject.group in wanted]
