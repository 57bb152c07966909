"""Results of other evaluation tools through the Python package."""

from __future__ import annotations

import asyncio
import gzip
import json
from pathlib import Path
from typing import Any

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
            headline = recorded["headline"]
            assert headline is not None and headline["source"] == "tool"
            assert (headline["metric"], headline["figure"]) == ("includes", "accuracy")
            assert recorded["overall_score"] == headline["value"] == headline["computed"] == 0.75
            assert recorded["score_scale"] == 1
            compared = recorded["reconciliation"]
            assert compared is not None and compared["agrees"]
            assert {figure["result"] for figure in compared["figures"]} == {"equal"}
            again = await api.record_file(LOGS / "inspect" / "arithmetic.eval", format="inspect")
            assert again["simulation_id"] == recorded["simulation_id"]
            assert again["duplicate"] == recorded["stored"] and again["stored"] == 0
            outcomes = await api.get_scenario_outcomes(recorded["simulation_id"])
            assert len(outcomes) == recorded["stored"]
            assert outcomes[0]["extractor"].startswith("inspect ")

    asyncio.run(record())


def test_the_same_run_in_another_file_has_revisions(database_url: str) -> None:
    async def record() -> None:
        async with create_arc_api(database_url) as api:
            first = await api.record_file(LOGS / "inspect" / "arithmetic.eval")
            simulation_id = first["simulation_id"]
            assert await api.get_revisions(simulation_id) == []
            # The run is the same, but each document has other bytes.
            second = await api.record_file(LOGS / "inspect" / "arithmetic.json")
            assert second["simulation_id"] == simulation_id
            assert second["stored"] == first["stored"]
            assert second["total_scenarios"] == first["total_scenarios"]
            assert second["overall_score"] == first["overall_score"]
            revisions = await api.get_revisions(simulation_id)
            assert len(revisions) == 2 * first["stored"]
            outcomes = {
                outcome["outcome_id"]: outcome
                for outcome in await api.get_scenario_outcomes(simulation_id)
            }
            for earlier, later in zip(revisions[::2], revisions[1::2]):
                assert earlier["result_key"] == later["result_key"]
                assert (earlier["revision"], earlier["counts"]) == (1, False)
                assert (later["revision"], later["counts"]) == (2, True)
                assert (earlier["place"], earlier["score"]) == (later["place"], later["score"])
                assert not later["invalidated"]
                assert outcomes[later["outcome_id"]]["result_key"] == later["result_key"]
            with pytest.raises(NotFoundError):
                await api.get_revisions("01920000-0000-7000-8000-0000000000ff")
            # Another revision is selected, and then the last one again.
            key = revisions[0]["result_key"]
            with pytest.raises(ValidationError, match="expected the key of one"):
                await api.select_revision(simulation_id, 1)
            selected = await api.select_revision(simulation_id, 1, result_key=key)
            assert [one["counts"] for one in selected] == [True, False]
            assert [one["selected"] for one in selected] == [True, False]
            selected = await api.select_revision(simulation_id, None, result_key=key)
            assert [one["counts"] for one in selected] == [False, True]
            with pytest.raises(NotFoundError, match="no revision 3"):
                await api.select_revision(simulation_id, 3, result_key=key)
            # Two final lists, of which the first one lacks a result.
            ids = [one["outcome_id"] for one in revisions]
            lacking = [one["outcome_id"] for one in revisions if one["result_key"] != key]
            for listed, superseded, restored in ((lacking, 1, 0), (ids, 0, 1)):
                answer = await api.compare_results(simulation_id, listed, is_final=True)
                assert answer == {"superseded": superseded, "restored": restored, "selected": []}
                status = await api.get_simulation_status(simulation_id)
                assert status["superseded_outcomes"] == superseded
                assert [one["result_key"] for one in status["superseded_results"]] == (
                    [key] * superseded
                )

    asyncio.run(record())


def test_the_metrics_of_a_file_are_declared(database_url: str, tmp_path: Path) -> None:
    lines = [
        {"scenario": {"id": "a"}, "reliability_score": {"dimension_scores": {"judge": 4}}},
        {"scenario": {"id": "b"}, "reliability_score": {"overall_score": 85}},
    ]
    for line in lines:
        line["trajectory"] = {"status": "success"}
    file = tmp_path / "results.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with create_sync_arc_api(database_url) as api:
        wrongs: list[dict[str, Any]] = [
            {"score_scale": 0},
            {"metrics": [{"name": "a", "lowest": 2, "highest": 1}]},
            {"metrics": [{"name": "a\0"}]},
        ]
        for wrong in wrongs:
            with pytest.raises(ValidationError):
                api.record_file(file, **wrong)
        recorded = api.record_file(file, score_scale=100)
        assert (recorded["overall_score"], recorded["score_scale"]) == (0.85, 100)
        # For a simulation that exists, they are declared.
        again = api.record_file(file, score_scale=1_000)
        assert (again["overall_score"], again["score_scale"]) == (0.085, 1_000)
        other = api.record_file(
            file,
            simulation_name="other",
            metrics=[{"name": "judge", "lowest": 1, "highest": 5, "headline": True}],
        )
        assert other["simulation_id"] != recorded["simulation_id"]
        assert (other["overall_score"], other["score_scale"]) == (0.75, 5)


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


@pytest.mark.parametrize("name", ["openinference", "pydantic-evals", "vercel", "langfuse"])
def test_the_runs_of_traces_are_results(database_url: str, name: str) -> None:
    folder = LOGS / "otel" / "genuine" / f"otel-{name}"
    expected = json.loads((folder / "expected.jsonl").read_text())
    with create_sync_arc_api(database_url) as api:
        recorded = api.record_file(folder / expected["log"])
        assert recorded["format"] == "otel" and recorded["stored"] == expected["results"]
        assert recorded["total_tokens"] == expected["tokens"]
        status = api.get_simulation_status(recorded["simulation_id"])
        assert status["failed_outcomes"] == expected["failed"]
        outcomes = api.get_scenario_outcomes(recorded["simulation_id"])
        found = {outcome["scenario_id"] for outcome in outcomes}
        assert found == set(expected["scenarios"])


def test_the_files_of_a_run_are_one_simulation(database_url: str, tmp_path: Path) -> None:
    job = LOGS / "harbor" / "job-folder"
    for number in range(2):
        result = {"scenario": {"id": f"scenario-{number}"}, "reliability_score": number}
        with gzip.open(tmp_path / f"{number}.json.gz", "wt") as file:
            json.dump(result, file)
    (tmp_path / "notes.txt").write_text("no results")
    with create_sync_arc_api(database_url) as api:
        recorded = api.record_file(job / "result.json")
        assert (recorded["stored"], recorded["total_scenarios"]) == (10, 10)
        # The folder of the run, and one of its trials, are the same results.
        for path in (job, job / "good__kScqWVz" / "result.json"):
            again = api.record_file(path)
            assert again["simulation_id"] == recorded["simulation_id"] and again["stored"] == 0
        with pytest.raises(ValidationError, match="record_files"):
            api.record_file(tmp_path)

        every = api.record_files([tmp_path, job, tmp_path / "missing.json"])
        assert [file["file"].rsplit("/")[-1] for file in every["files"]] == [
            "0.json",
            "1.json",
            "result.json",
        ]
        summary = every["summary"]
        assert (summary["files"], summary["simulations"], summary["stored"]) == (3, 3, 2)
        assert (summary["duplicate"], summary["other_files"]) == (10, 1)
        assert summary["failed_files"] == 1 and "missing.json" in summary["failures"][0]["error"]

        one = api.record_files(tmp_path, one_simulation=True)
        (simulation_id,) = {file["simulation_id"] for file in one["files"]}
        status = api.get_simulation_status(simulation_id)
        assert (status["status"], status["total_scenarios"]) == ("completed", 2)


def test_samples_have_the_task_of_their_name(database_url: str) -> None:
    with create_sync_arc_api(database_url) as api:
        (samples,) = (LOGS / "lm-eval" / "results-of-another-run").glob("samples_*")
        recorded = api.record_file(samples)
        assert recorded["warnings"] == {"header_missing": 15}
        outcomes = api.get_scenario_outcomes(recorded["simulation_id"])
        assert {outcome["scenario_id"] for outcome in outcomes} == {
            f"mmlu_virology/{number}" for number in range(15)
        }
