"""The blocks of the package's README run as they stand, one after another."""

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
    assert done.stdout.splitlines() == [
        "2 outcomes, score 0.9",
        "100% done",
        "/scenario/id",
        "unrecorded",
    ]
