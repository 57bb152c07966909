"""The figures as text for a terminal, and as Markdown."""

from __future__ import annotations

from typing import Any

HEADINGS = (
    "", "results/s", "results", "CPU ms each: client", "server", "PostgreSQL", "memory MiB", "rows each",
    "bytes each", "document", "sent twice", "score of 850", "NUL in a text",
)  # fmt: skip
#: The values of `frame.compare_documents`, as shown in the table.
KEPT = {"bytes": "byte for byte", "value": "same value", "altered": "altered", "not kept": "no"}


def rows(answer: dict[str, Any]) -> list[list[str]]:
    """Returns a row of texts for each subject."""
    return [row(name, run) for name, run in answer["subjects"].items()]


def markdown(answer: dict[str, Any]) -> str:
    """Returns the table for a page: a line for each subject, also for skipped ones."""
    lines = ["| tool | results/s | results sent | CPU ms each, PostgreSQL's apart | memory MiB | bytes each | sent twice |"]
    lines.append("|---|---|---|---|---|---|---|")
    for name, run in answer["subjects"].items():
        first, count = run["first"], run["documents"]
        ours = (first["client_cpu_s"] + first["server_cpu_s"]) / count * 1_000
        cells = row(name, run)
        lines.append(
            f"| {name} | {cells[1]} | {cells[2]} | {ours:.2f} + {cells[5]} | {cells[6]} | {cells[8]} | {cells[10]} |"
        )
    lines += [f"| {name} | skipped: {why} | | | | | |" for name, why in answer["skipped"].items()]
    return "\n".join(lines)


def row(name: str, run: dict[str, Any]) -> list[str]:
    first, count = run["first"], run["documents"]

    def each_ms(part: str) -> str:
        return f"{first[part] / count * 1_000:.2f}"

    memory = first["client_bytes"] + first["server_bytes"]
    return [
        name,
        significant(run["results_per_second"]),
        f"{count:,}",
        each_ms("client_cpu_s"),
        each_ms("server_cpu_s") if first["server_bytes"] else "–",
        each_ms("postgres_cpu_s"),
        f"{memory / 2**20:,.0f}",
        f"{sum(first['rows'].values()) / count:.1f}",
        f"{(first['database_bytes'] + first['file_bytes']) / count:,.0f}",
        KEPT[first["kept"]] + (", a file" if first["file_bytes"] else ""),
        twice(run),
        verdict(run["probes"]["score_of_850"]),
        verdict(run["probes"]["nul_character"]),
    ]


def significant(rate: float) -> str:
    """Returns a rate with three significant digits; more would not be reproducible."""
    step = 10 ** max(0, len(str(int(rate))) - 3)
    return f"{round(rate / step) * step:,}"


def twice(run: dict[str, Any]) -> str:
    """Returns the effect of sending everything a second time."""
    refused = ", batch refused" if run["again"]["refused"] else ""
    copies = run["copies_after_second"]
    return f"{'once' if copies == 1 else f'{copies:g} times'}{refused}"


def verdict(probe: str) -> str:
    if probe.startswith("refused"):
        return "refused"
    return {"bytes": "stored", "value": "stored", "not kept": "stored without"}.get(probe, probe)


def text(answer: dict[str, Any]) -> str:
    """Returns all figures for a terminal."""
    machine = answer["machine"]
    lines = [
        f"Results of {answer['document_bytes']:,} bytes; PostgreSQL {machine['postgres']}, fsync {machine['fsync']}; "
        f"{machine['processors']} × {machine['processor']}; the best of {answer['rounds']}",
        "",
    ]
    # Transposed, because a terminal is narrower than the table.
    columns = [list(HEADINGS), *rows(answer)]
    widths = [max(map(len, column)) for column in columns]
    for cells in zip(*columns) if answer["subjects"] else ():
        first, *others = (cell.rjust(width) for cell, width in zip(cells, widths))
        lines.append("  ".join([cells[0].ljust(widths[0]), *others]).rstrip())
    lines.append("")
    for name, run in answer["subjects"].items():
        versions = ", ".join(f"{package} {version}" for package, version in run["versions"].items())
        stored = ", ".join(f"{rows:,} {table}" for table, rows in run["first"]["rows"].items())
        lines += [f"{name}: {run['does']}", f"    {versions}; rows: {stored}"]
    lines += [f"{name}: skipped, {why}" for name, why in answer["skipped"].items()]
    return "\n".join(lines)
