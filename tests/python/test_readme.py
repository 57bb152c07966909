"""The code blocks of the package's README run unchanged, one after another."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[2] / "host" / "python" / "README.md"


def test_every_block_of_the_readme_runs(database_url: str) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(blocks) >= 4
    environment = {**os.environ, "ARC_DATABASE_URL": database_url}
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    printed = done.stdout.splitlines()
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
