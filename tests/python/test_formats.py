"""Results of other evaluation tools through the Python package."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from arc_recorder import NotFoundError, ValidationError, create_arc_api, create_sync_arc_api

LOGS = Path(__file__).parents[1] / "fixtures" / "formats"


def test_a_log_is_recognised_recorded_and_found_again(database_url: str) -> None:
    async def record() -> None:
        async with create_arc_api(database_url) as api:
            recorded = await api.record_file(LOGS / "inspect" / "arithmetic.eval")
            assert recorded["format"] == "inspect"
            assert recorded["status"] == "completed"
            assert recorded["stored"] > 0 and recorded["rejected"] == 0
            again = await api.record_file(LOGS / "inspect" / "arithmetic.eval", format="inspect")
            assert again["simulation_id"] == recorded["simulation_id"]
            assert again["duplicate"] == recorded["stored"] and again["stored"] == 0
            outcomes = await api.get_scenario_outcomes(recorded["simulation_id"])
            assert len(outcomes) == recorded["stored"]
            assert outcomes[0]["extractor"].startswith("inspect ")

    asyncio.run(record())


def test_items_are_recorded_in_their_format_with_their_header(database_url: str) -> None:
    async def record() -> None:
        log = json.loads((LOGS / "inspect" / "arithmetic.json").read_text())
        samples = log.pop("samples")
        async with create_arc_api(database_url) as api:
            started = await api.start_simulation("unspecified", [])
            verdicts = await api.record_batch(
                started["simulation_id"], samples, format="inspect", header=log
            )
            assert [verdict["verdict"] for verdict in verdicts] == ["stored"] * len(samples)
            outcomes = await api.get_scenario_outcomes(started["simulation_id"])
            assert all(outcome["scenario_id"].startswith("arithmetic/") for outcome in outcomes)
            with pytest.raises(ValidationError, match="name the format"):
                await api.record_batch(started["simulation_id"], samples, header=log)
            with pytest.raises(NotFoundError, match="there is no format"):
                await api.record_batch(started["simulation_id"], samples, format="nonsense")

    asyncio.run(record())


def test_the_blocking_twin_does_the_same(database_url: str) -> None:
    with create_sync_arc_api(database_url) as api:
        recorded = api.record_file(LOGS / "promptfoo" / "results.json", simulation_name="eval")
        assert (recorded["format"], recorded["simulation_name"]) == ("promptfoo", "eval")
        with pytest.raises(ValidationError, match="is not of the format inspect"):
            api.record_file(LOGS / "promptfoo" / "results.json", format="inspect")
