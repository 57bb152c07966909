"""Outcomes as tables: through Arrow into pandas and polars, in process and over a service."""

from __future__ import annotations

import asyncio
import csv
import html
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from arc_recorder import (
    NotFoundError,
    OutcomeTable,
    SyncArcAPI,
    ValidationError,
    create_arc_api,
    create_sync_arc_api,
)
from arc_recorder._arrow import first_rows
from conftest import library
from services import serving

def result(scenario_id: str, status: str, score: float) -> dict[str, Any]:
    return {
        "scenario": {"id": scenario_id},
        "trajectory": {
            "status": status,
            "start_time": "2026-01-02T03:04:05.678901Z",
            "execution_time_seconds": 1.5,
            "token_usage": {"total_tokens": 1 << 40, "total_cost": 0.1},
            "error": None if status == "success" else 'ValueError: =1+1, "quoted"\nand more',
        },
        "reliability_score": {"overall_score": score},
    }


def record(api: SyncArcAPI, *results: dict[str, Any]) -> str:
    started = api.start_simulation("c", [])
    assert None not in api.record_batch_outcomes(started["simulation_id"], results)
    return started["simulation_id"]


@pytest.fixture
def api(database_url: str) -> Iterator[SyncArcAPI]:
    with create_sync_arc_api(database_url) as opened:
        yield opened


@pytest.fixture
def simulation(api: SyncArcAPI) -> str:
    return record(api, result("b", "error", 0.25), result("a", "success", 1.0))


COLUMNS = [
    "simulation_id",
    "outcome_id",
    "scenario_id",
    "scenario_name",
    "trial",
    "attempt",
    "result_key",
    "place",
    "revised_at",
    "execution_time",
    "received_at",
    "status",
    "reliability_score",
    "headline",
    "score",
    "score_lowest",
    "score_highest",
    "scores",
    "invalidation",
    "annotations",
    "execution_time_ms",
    "model",
    "origin",
    "tokens_used",
    "cost_usd",
    "all_roles_tokens",
    "all_roles_cost_usd",
    "computed_cost_usd",
    "usage",
    "error_code",
    "error_category",
    "failure_class",
    "failure_rule",
    "error_message",
    "modal_call_id",
    "sandbox_id",
    "metrics",
    "warnings",
    "extractor",
]
BEGAN = datetime(2026, 1, 2, 3, 4, 5, 678901, timezone.utc)


def test_a_table_needs_no_library(api: SyncArcAPI, simulation: str) -> None:
    table = api.outcomes(simulation)
    assert isinstance(table, OutcomeTable)
    assert len(table) == 2
    assert table.column_names == COLUMNS
    assert "arrow_array_stream" in repr(table.__arrow_c_stream__())
    assert "arrow_schema" in repr(table.__arrow_c_schema__())
    assert len(api.outcomes(simulation, documents=True).column_names) == len(COLUMNS) + 1


def test_a_table_shows_its_first_rows(api: SyncArcAPI) -> None:
    results = [result(f"s-{number:02}", "success", number / 70) for number in range(23)]
    results[1]["scenario"]["name"] = "<script>alert('&')</script>"
    results[2]["trajectory"].update(status="error", error="<b>\nbold\x1b[31m</b>" + "é" * 1_000)
    table = api.outcomes(record(api, *results))

    first, head, *rows, more, others = repr(table).splitlines()
    assert first == f"OutcomeTable: 23 outcomes, {len(COLUMNS)} columns"
    assert head.split() == [
        "scenario_id",
        "trial",
        "attempt",
        "status",
        "reliability_score",
        "execution_time_ms",
        "cost_usd",
        "failure_class",
        "error_category",
    ]
    assert len(rows) == 20
    assert rows[1].split() == ["s-01", "1", "1", "success", "0.0142857", "1500", "0.1"]
    assert more == "… 3 more outcomes"
    assert others.startswith("other columns: simulation_id, outcome_id, ")
    assert len(api.outcomes(status_filter="error")) == 1
    assert "more outcome" not in repr(api.outcomes(status_filter="error"))

    shown: str = getattr(table, "_repr_html_")()
    assert re.findall("<th>(.*?)</th>", shown) == COLUMNS
    cells = [html.unescape(cell) for cell in re.findall("<td>(.*?)</td>", shown)]
    assert len(cells) == 20 * len(COLUMNS)
    assert "<script" not in shown and "<b>" not in shown and "\x1b" not in shown
    assert "<script>alert('&')</script>" in cells
    [message] = [cell for cell in cells if cell.startswith("<b>")]
    assert message.startswith("<b>\\nbold\\x1b[31m</b>éé") and message.endswith("é…")
    assert len(message) == 100
    assert "23 outcomes" in shown and "… 3 more outcomes" in shown

    empty = api.outcomes(scenario_id="absent")
    expected = f"OutcomeTable: 0 outcomes, {len(COLUMNS)} columns\ncolumns: {', '.join(COLUMNS)}"
    assert repr(empty) == expected
    assert "<tbody></tbody>" in getattr(empty, "_repr_html_")()


def test_the_rows_that_a_table_shows_are_those_of_arrow(api: SyncArcAPI, simulation: str) -> None:
    library("pyarrow")
    record(api, *(result(f"s-{number:04}", "success", 0.5) for number in range(50)))
    table = api.outcomes(documents=True)
    rows = [list(row.values()) for row in table.to_arrow().to_pylist()]
    assert len(rows) == 52
    for count in (0, 1, 20, 52, 100):
        assert first_rows(table, count, 1 << 20) == rows[:count]
    document = table.column_names.index("document")
    assert first_rows(table, 1, 10)[0][document] == rows[0][document][:10]


def test_polars_reads_it_without_pyarrow(database_url: str, simulation: str) -> None:
    library("polars")
    program = """
import sys
sys.modules["pyarrow"] = None
import polars
from arc_recorder import create_sync_arc_api
with create_sync_arc_api(sys.argv[1]) as api:
    table = api.outcomes(sys.argv[2])
frame = table.to_polars()
assert frame.shape == (2, 39), frame.shape
assert frame["scores"].to_list()[0] == '[{"name": "reliability_score", "value": 1}]'
assert frame["scenario_id"].to_list() == ["a", "b"]
assert frame["tokens_used"].sum() == 1 << 41
assert frame.schema["received_at"] == polars.Datetime("us", "UTC"), frame.schema
assert frame.schema["trial"] == polars.Int32
assert frame["error_code"].to_list() == [None, "ValueError"]
assert polars.DataFrame(table).equals(frame)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, database_url, simulation], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_pandas_reads_it(api: SyncArcAPI, simulation: str) -> None:
    pandas = library("pandas")
    library("pyarrow")
    frame = api.outcomes(simulation).to_pandas()
    assert list(frame.columns) == COLUMNS
    assert list(frame["status"]) == ["success", "error"]
    assert frame["execution_time"].dtype == pandas.DatetimeTZDtype("us", "UTC")
    assert frame["execution_time"][0] == BEGAN
    assert frame["tokens_used"].sum() == 1 << 41
    assert frame["cost_usd"].tolist() == [0.1, 0.1]
    assert frame["error_message"].isna().tolist() == [True, False]
    mean = frame.groupby("status")["reliability_score"].mean()
    assert mean.to_dict() == {"error": 0.25, "success": 1.0}


def test_pyarrow_knows_the_types(api: SyncArcAPI, simulation: str) -> None:
    pyarrow = library("pyarrow")
    table = api.outcomes(simulation, documents=True)
    arrow = table.to_arrow()
    arrow.validate(full=True)
    assert pyarrow.schema(table) == arrow.schema
    time = pyarrow.timestamp("us", "UTC")
    kinds = {"trial": pyarrow.int32(), "attempt": pyarrow.int64(), "received_at": time}
    for name, kind in kinds.items():
        assert arrow.schema.field(name).type == kind
        assert not arrow.schema.field(name).nullable
    assert arrow.schema.field("reliability_score").nullable
    listed = api.get_scenario_outcomes(simulation)
    assert arrow["outcome_id"].to_pylist() == [outcome["outcome_id"] for outcome in listed]
    assert '"overall_score":1.0' in arrow["document"][0].as_py()
    # The table can be exported repeatedly, and an export outlives it.
    again = pyarrow.table(table)
    del table
    assert again.equals(arrow)


def test_some_or_all_simulations_and_outcomes(api: SyncArcAPI, simulation: str) -> None:
    pyarrow = library("pyarrow")
    other = record(api, result("c", "timeout", 0.0))

    def ids(table: OutcomeTable) -> list[str]:
        return [str(id) for id in pyarrow.table(table)["simulation_id"].to_pylist()]

    assert ids(api.outcomes()) == [simulation, simulation, other]
    assert ids(api.outcomes([uuid.UUID(other), simulation])) == [other, simulation, simulation]
    assert ids(api.outcomes(status_filter="timeout")) == [other]
    assert ids(api.outcomes(simulation, scenario_id="b")) == [simulation]
    assert len(api.outcomes(simulation, scenario_id="absent")) == 0
    with pytest.raises(NotFoundError):
        api.outcomes([simulation, str(uuid.uuid4())])
    with pytest.raises(ValidationError, match="empty"):
        api.outcomes([])
    with pytest.raises(NotFoundError, match="nothing"):
        api.outcomes("nothing")


def test_it_can_be_awaited(database_url: str, simulation: str) -> None:
    async def test() -> None:
        async with create_arc_api(database_url) as api:
            tables = await asyncio.gather(*(api.outcomes(simulation) for _ in range(4)))
            assert [len(table) for table in tables] == [2] * 4

    asyncio.run(test())


def test_a_service_returns_the_same_table(
    api: SyncArcAPI, database_url: str, simulation: str, tmp_path: Path
) -> None:
    pyarrow = library("pyarrow")
    record(api, *(result(f"s-{number:04}", "success", 0.5) for number in range(1_200)))
    with serving(database_url, tmp_path / "service") as service:
        with create_sync_arc_api(service.url) as over:
            for arguments in ({}, {"simulations": simulation, "documents": True}):
                inside = pyarrow.table(api.outcomes(**arguments))
                outside = pyarrow.table(over.outcomes(**arguments))
                # The JSON text can differ.
                json = ["scores", "invalidation", "annotations", "metrics", "warnings"]
                assert outside.drop_columns(json).equals(inside.drop_columns(json))


def test_files_are_read_by_others(
    api: SyncArcAPI, database_url: str, simulation: str, tmp_path: Path
) -> None:
    parquet = library("pyarrow.parquet")
    expected = api.outcomes(simulation, documents=True).to_arrow()
    for name in ("outcomes.parquet", "outcomes.csv"):
        command = [sys.executable, "-m", "arc_recorder", "--database-url", database_url, "export"]
        command += [simulation, "--documents", "--output", str(tmp_path / name)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert parquet.read_table(tmp_path / "outcomes.parquet").equals(expected)
    with open(tmp_path / "outcomes.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, strict=True))
    for name in ("outcome_id", "scenario_id", "metrics", "document", "extractor"):
        assert [row[name] for row in rows] == expected[name].to_pylist()
    messages = [None, 'ValueError: =1+1, "quoted"\nand more']
    assert expected["error_message"].to_pylist() == messages
    assert [row["error_message"] or None for row in rows] == messages
    polars = library("polars")
    frame = polars.read_parquet(tmp_path / "outcomes.parquet")
    assert frame.equals(polars.DataFrame(expected))


def test_a_library_that_is_missing_is_named(database_url: str) -> None:
    program = """
import sys
for name in ("pandas", "polars", "pyarrow"):
    sys.modules[name] = None
from arc_recorder import create_sync_arc_api
with create_sync_arc_api(sys.argv[1]) as api:
    table = api.outcomes()
for make, needed in (
    (table.to_pandas, "pip install pandas pyarrow"),
    (table.to_arrow, "pip install pandas pyarrow"),
    (table.to_polars, "pip install polars"),
):
    try:
        make()
    except ImportError as error:
        assert needed in str(error), error
    else:
        raise AssertionError(make)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, database_url], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
