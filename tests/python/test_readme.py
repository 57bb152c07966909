"""The code blocks of the package's README run unchanged, one after another."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from conftest import library

README = Path(__file__).parents[2] / "host" / "python" / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)

#: The block that needs other libraries, which has a test of its own.
[LIBRARIES] = [block for block in BLOCKS if "import duckdb" in block]


def run(blocks: list[str], database_url: str) -> list[str]:
    """Runs blocks as one program, and returns the lines that it prints."""
    environment = {**os.environ, "ARC_DATABASE_URL": database_url}
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_every_block_of_the_readme_runs(database_url: str) -> None:
    assert len(BLOCKS) >= 4
    printed = run([block for block in BLOCKS if block != LIBRARIES], database_url)
    # Simulations with their short ids and times.
    assert [line.split()[1] for line in printed[7:9]] == ["running", "completed"]
    del printed[7:9]
    # The number of rows of the table, and the names of its columns.
    table = printed.pop(7)
    assert table.startswith("4 ['simulation_id', 'outcome_id', "), table
    assert printed == [
        "2 outcomes, score 0.9",
        "100% done",
        "/scenario/id",
        "85.0 None",
        "0.85 100.0",
        "0.75",
        "['baseline']",
        "unrecorded",
    ]


def test_the_outcomes_are_read_by_the_libraries_of_the_readme(database_url: str) -> None:
    for name in ("duckdb", "polars", "pandas", "pyarrow"):
        library(name)
    [outcomes] = [block for block in BLOCKS if "api.outcomes()" in block]
    # The first block imports only the API of asyncio, and records two outcomes.
    imported = "from arc_recorder import create_sync_arc_api\n"
    shape = "print(frame.shape == (2, len(outcomes.column_names)))\n"
    printed = run([BLOCKS[0], imported, outcomes, LIBRARIES, shape], database_url)
    assert printed[-1] == "True"
    table = [line.replace("│", " ").split() for line in printed]
    assert ["success", "0.9"] in table, printed
    assert any(row[:1] == ["error"] for row in table), printed
