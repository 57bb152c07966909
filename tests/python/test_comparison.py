"""The comparison with other tools, run as documented, with the tools that are easy to install and few documents."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

for package in ("asyncpg", "orjson", "sqlalchemy", "greenlet"):
    pytest.importorskip(package)

COMPARISON = Path(__file__).parents[1] / "comparison"


def test_each_way_stores_everything_and_duplicates_are_counted(tmp_path: Path) -> None:
    figures, picture = tmp_path / "results.json", tmp_path / "results.svg"
    command = [sys.executable, str(COMPARISON / "compare.py"), "--only", "arc,asyncpg,sqlalchemy"]
    command += ["--documents", "45", "--rounds", "1", "--python", sys.executable]
    command += ["--json", str(figures), "--plot", str(picture)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    answer = json.loads(figures.read_text())
    assert answer["skipped"] == {}
    copies = {name: run["copies_after_second"] for name, run in answer["subjects"].items()}
    assert copies == {
        "arc": 1,
        "arc, file": 1,
        "arc, service": 1,
        "asyncpg, COPY": 1,
        "asyncpg, ON CONFLICT": 1,
        "SQLAlchemy, rows": 2,
    }
    # COPY fails as a whole if one of its rows already exists.
    refused = {name for name, run in answer["subjects"].items() if run["again"]["refused"]}
    assert refused == {"asyncpg, COPY"}
    kept = {name: run["first"]["kept"] for name, run in answer["subjects"].items()}
    assert kept.pop("SQLAlchemy, rows") == "value"
    assert set(kept.values()) == {"bytes"}
    for name, run in answer["subjects"].items():
        probes = run["probes"]
        assert probes["score_of_850"] in ("bytes", "value"), name
        if name.startswith("arc"):
            assert probes["nul_character"] == "bytes", name
        assert name in done.stdout
    assert answer["subjects"]["SQLAlchemy, rows"]["probes"]["nul_character"].startswith("refused")
    assert ElementTree.parse(picture).getroot().tag.endswith("svg")


def test_an_unknown_tool_is_refused_by_name() -> None:
    command = [sys.executable, str(COMPARISON / "compare.py"), "--only", "arc,mlfow"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "'mlfow'" in done.stderr and "mlflow" in done.stderr
