"""The package's types are complete: type checkers accept right uses and find wrong ones."""

from __future__ import annotations

import importlib.util
import inspect
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import arc_recorder
from arc_recorder import ArcAPI, ArcDBClient, SyncArcAPI, SyncArcDBClient

REQUIRED = os.environ.get("ARC_TEST_REQUIRE_TOOLS") == "1"
INSTALLED = Path(arc_recorder.__file__).parent

#: The source folder of the package.
SOURCES = Path(__file__).parents[2] / "host" / "python"

#: A user's program that makes every call.
RIGHT = '''
import logging
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any, Optional

from typing_extensions import assert_type

from arc.database.api import ArcAPI as GuideAPI
from arc.database.api import create_arc_api as guide_create_arc_api
from arc.database.client import ArcDBClient as GuideClient
from arc_recorder import (
    AmbiguousSimulationError,
    ArcAPI,
    ArcDBClient,
    ConfigurationError,
    ConflictError,
    DatabaseError,
    NotFoundError,
    OutcomeTable,
    SchemaError,
    SimulationRemovedError,
    SyncArcAPI,
    SyncArcDBClient,
    UnavailableError,
    ValidationError,
    create_arc_api,
    create_sync_arc_api,
)
from arc_recorder.types import (
    FileRecorded,
    FilesRecorded,
    Headline,
    ItemVerdict,
    MetricDefinition,
    OutcomeList,
    Annotation,
    MissingTrial,
    Revision,
    SimulationLabels,
    SimulationList,
    SimulationStatus,
    Violation,
)

log = logging.getLogger(__name__)


class Result:
    def to_dict(self) -> dict[str, Any]:
        return {}


async def evaluate(url: Optional[str], results: list[dict[str, Any]]) -> None:
    async with create_arc_api(url, pool_size=2, on_error="warn", data_dir=Path("data")) as api:
        assert_type(api, ArcAPI)
        config = await api.create_configuration("agent", {"model": "m"}, user_id="u")
        assert_type(config, str)
        started = await api.start_simulation(
            config,
            ({"id": str(number)} for number in range(3)),
            "name",
            modal_app_id="app",
            modal_environment="production",
            sandbox_instances=2,
            metadata={"a": 1},
            simulation_id=uuid.uuid4(),
            trials=2,
            metrics=[{"name": "judge", "lowest": 1, "highest": 5, "headline": True}],
            score_scale=100,
            tags=["nightly"],
        )
        simulation = started["simulation_id"]
        assert_type(await api.resolve_simulation("latest"), str)
        renamed = await api.rename_simulation(simulation, "another name")
        renamed = await api.tag_simulation(uuid.UUID(simulation), ("a", "b"), remove=["nightly"])
        assert_type(renamed, SimulationLabels)
        assert_type(renamed["tags"], list[str])
        found = await api.list_simulations(name="night*", tag="a", since=timedelta(days=7), limit=3)
        assert_type(found, SimulationList)
        print(found[0]["short_id"].upper(), found[0]["started_at"], found.cursor)
        found = await api.list_simulations(since="2026-03-01", status="running", cursor=found.cursor)
        judge: MetricDefinition = {"name": "judge", "kind": "number", "unit": "stars"}
        declared = await api.declare_metrics(simulation, [judge], score_scale=10.0)
        assert_type(declared, SimulationStatus)
        assert_type(declared["headline"], Optional[Headline])
        print([metric["scenario_mean"] for metric in declared["metrics"]], declared["score_scale"])
        assert_type(simulation, str)
        assert_type(
            await api.record_scenario_outcome(simulation, Result(), "call", "sandbox", trial=1),
            Optional[str],
        )
        ids = await api.record_batch_outcomes(simulation, results, ["call", None])
        assert_type(ids, list[Optional[str]])
        verdicts = await api.record_batch(
            uuid.UUID(simulation), (Result(), "{}", b"{}"), sandbox_ids=[None], trials=iter([1])
        )
        assert_type(verdicts, list[ItemVerdict])
        for verdict in verdicts:
            if verdict["verdict"] == "rejected":
                for violation in verdict["violations"]:
                    log.warning("%s %s", violation["path"], violation["message"])
        samples = await api.record_batch(simulation, results, format="inspect", header={"eval": {}})
        assert_type(samples, list[ItemVerdict])
        recorded = await api.record_file(
            Path("log.eval"), format="inspect", simulation_name="log", metrics=(judge,)
        )
        assert_type(recorded, FileRecorded)
        if recorded["reconciliation"] is not None:
            print(recorded["reconciliation"]["agrees"])
        print(recorded["stored"] + recorded["duplicate"], recorded["rejected_results"][0]["code"])
        completed = await api.complete_simulation(simulation, {"total_cost_usd": 1.0})
        print(f"{completed['overall_score']:.2f}", completed["computed"]["overall_score"])
        assert_type(completed["warnings"], list[Violation])
        ended = await api.fail_simulation(simulation, reason="broken")
        ended = await api.cancel_simulation(simulation)
        print(ended["status"].upper(), ended.get("error"))
        status = await api.get_simulation_status(simulation)
        assert_type(status, SimulationStatus)
        print(f"{status['progress_percentage']:.1f}")
        page = await api.get_scenario_outcomes(simulation, "s", status_filter="error", limit=3)
        assert_type(page, OutcomeList)
        for outcome in await api.get_scenario_outcomes(simulation, cursor=page.cursor):
            print(outcome["attempt"] + 1, outcome["metrics"].keys())
            print([score.get("value", score.get("label")) for score in outcome["scores"]])
            print(outcome["invalidation"] and outcome["invalidation"]["reason"])
        revisions = await api.get_revisions(simulation)
        assert_type(revisions, list[Revision])
        print([revision["outcome_id"] for revision in revisions if revision["counts"]])
        assert_type(await api.select_revision(simulation, 1, result_key="k"), list[Revision])
        made = await api.annotate(simulation, [{"kind": "score", "outcome_id": "o", "value": 0.5}])
        assert_type(made, list[Annotation])
        print([one["author"] for one in await api.get_annotations(simulation, outcome_id="o")])
        assert_type(await api.get_missing(simulation), list[MissingTrial])
        listed = await api.compare_results(simulation, ["o"], is_final=True)
        print(listed["superseded"] + listed["restored"], listed["selected"])
        table = await api.outcomes([simulation, uuid.UUID(simulation)], documents=True)
        assert_type(table, OutcomeTable)
        print(len(table), table.column_names[0].upper(), table.to_polars(), table.to_pandas())
        for rejected in await api.get_rejected_results(simulation):
            assert_type(rejected["violations"], list[Violation])
        statement = api.db.engine.text("SELECT 1 AS one")
        rows = await api.db.engine.execute(statement, {"id": simulation})
        print(rows.rowcount + 1, rows.scalar(), rows.fetchone(), rows.fetchall()[0]["one"])
        await api.close()

    client = ArcDBClient(url, pool_size=2, postgres_bin="bin")
    async with client:
        health = await client.initialize()
        print(health["extensions"].get("timescaledb"), health["pool_stats"]["size"])
        print((await client.deploy_schema())["applied"])
        await client.create_configuration("agent", "model: m")
        performance = await client.get_simulation_performance("id", timedelta(hours=24))
        print([hour["total_cost"] for hour in performance["hourly_metrics"]])
        print([failure["error_message"] for failure in await client.get_recent_failures(limit=5)])
        print(f"{(await client.get_metrics())['success_rate']:.1f}")
        assert_type(await client.test_connections(), int)
        assert_type(ArcAPI(client, on_error="raise").db, ArcDBClient)
        await client.close()

    guide: GuideAPI = await guide_create_arc_api()
    guide = ArcAPI(GuideClient())
    await guide.db.close()


def evaluate_in_a_thread(url: Optional[str], results: list[dict[str, Any]]) -> Optional[str]:
    with create_sync_arc_api(url, pool_size=2, on_error="raise", data_dir="data") as api:
        assert_type(api, SyncArcAPI)
        config = api.create_configuration("agent", {"model": "m"})
        started = api.start_simulation(config, results, trials=2, simulation_id="id", score_scale=5)
        simulation = started["simulation_id"]
        print(api.declare_metrics(simulation, score_scale=10)["invalidated_outcomes"] + 1)
        try:
            assert_type(api.record_scenario_outcome(simulation, "{}", trial=1), Optional[str])
            assert_type(api.record_batch_outcomes(simulation, results), list[Optional[str]])
            assert_type(api.record_batch(simulation, results, trials=[1]), list[ItemVerdict])
            assert_type(
                api.record_file("samples.jsonl", header="results.json", score_scale=5), FileRecorded
            )
            files = api.record_files(["logs", Path("more.jsonl")], one_simulation=True)
            assert_type(files, FilesRecorded)
            print(files["summary"]["stored"])
            print(api.complete_simulation(simulation)["execution_time_seconds"] / 2)
        except ValidationError as error:
            assert_type(error.violations, list[Violation])
            print(api.fail_simulation(simulation, str(error))["status"])
        except (NotFoundError, ConflictError, ConfigurationError, SchemaError):
            print(api.cancel_simulation(simulation, "stopped")["status"])
        except UnavailableError as error:
            print(error.retryable)
        except (AmbiguousSimulationError, SimulationRemovedError) as error:
            print(api.remove_simulation(simulation)["deleted_outcomes"] + 1, error.hint)
        except DatabaseError:
            pass
        print(api.get_simulation_status(simulation)["by_status"]["success"])
        print(api.get_scenario_outcomes(simulation, limit=1).cursor)
        assert_type(api.outcomes(simulation, status_filter="error"), OutcomeTable)
        print(api.get_rejected_results(simulation)[0]["document_bytes"])
        print(api.get_revisions(simulation)[0]["revision"] + 1)
        print(api.db.engine.execute(api.db.engine.text("SELECT 1")).scalar())
        api.close()
    with SyncArcDBClient(url) as client:
        print(client.initialize()["status"], client.deploy_schema()["schema_version"])
        print(client.create_configuration("agent", {}))
        print(client.get_simulation_performance("id")["summary"]["avg_reliability"])
        print(client.get_recent_failures()[0]["status"], client.get_metrics()["retry_count"])
        print(client.test_connections())
        client.close()
        return SyncArcAPI(client).record_scenario_outcome("id", Result())
'''

#: The beginning of a program, and wrong continuations of it.
BEGINNING = '''
from arc_recorder import ArcAPI, ArcDBClient, SyncArcAPI, create_arc_api, create_sync_arc_api


async def wrong(api: ArcAPI, sync: SyncArcAPI, client: ArcDBClient) -> None:
'''
WRONG = {
    "an unknown keyword": 'await api.start_simulation("c", [], config="c")',
    "an unknown keyword, blocking": 'sync.record_batch("s", [], modal_calls=["a"])',
    "a missing argument": "await api.record_scenario_outcome('s')",
    "an unawaited call": 'api.record_batch("s", [])',
    "an unawaited answer": 'print(api.start_simulation("c", [])["simulation_id"])',
    "an unawaited recorder": 'create_arc_api().start_simulation("c", [])',
    "an awaited blocking call": 'await sync.get_simulation_status("s")',
    "a blocking recorder entered as an asynchronous one": "async with create_sync_arc_api(): pass",
    "an asynchronous recorder entered as a blocking one": "with create_arc_api(): pass",
    "a trial that is a text": 'await api.record_scenario_outcome("s", {}, trial="1")',
    "trials by position": 'await api.record_batch("s", [], None, None, [1])',
    "a limit by position": 'await api.get_scenario_outcomes("s", None, None, 5)',
    "a filter by position": 'await api.outcomes("s", "scenario")',
    "a table that is a list": 'sync.outcomes("s")[0]',
    "an unknown value of on_error": 'create_sync_arc_api(on_error="ignore")',
    "a size that is a text": 'create_arc_api(pool_size="4")',
    "a time range that is a number": 'await client.get_simulation_performance("s", 24)',
    "a metric without a name": 'await api.declare_metrics("s", [{"highest": 5}])',
    "an unknown member of a metric": 'await api.start_simulation("c", [], metrics=[{"name": "m", "top": 5}])',
    "an unknown kind of a metric": 'sync.declare_metrics("s", [{"name": "m", "kind": "stars"}])',
    "a mapping of metrics": 'sync.record_file("f", metrics={"m": {"highest": 5}})',
    "a scale by position": 'sync.declare_metrics("s", None, 100)',
    "metadata that are no mapping": 'await api.start_simulation("c", [], metadata="m")',
    "an unknown member of an answer": 'print(sync.get_simulation_status("s")["progress"])',
    "an unknown verdict": 'print(sync.record_batch("s", [])[0]["verdict"] == "accepted")',
    "an id that can be None": 'print(sync.record_batch_outcomes("s", [])[0].upper())',
    "a blocking client for the asynchronous recorder": "ArcAPI(sync.db)",
}
FIRST_WRONG_LINE = BEGINNING.count("\n") + 1


def tool(name: str) -> list[str]:
    """Returns the command of a type checker, of this Python or on the PATH."""
    if importlib.util.find_spec(name) is not None:
        return [sys.executable, "-m", name]
    command = shutil.which(name)
    if command is not None:
        return [command]
    if REQUIRED:
        pytest.fail(f"{name} is not installed, and ARC_TEST_REQUIRE_TOOLS is set")
    return pytest.skip(f"SKIPPED: {name} is not installed")


#: Error messages by file and line.
Faults = dict[str, dict[int, str]]


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Creates a folder with the package's source and programs that use the installed package."""
    folder = tmp_path_factory.mktemp("types")
    (folder / "user").mkdir()
    (folder / "user" / "right.py").write_text(RIGHT)
    lines = "".join(f"    {use}\n" for use in WRONG.values())
    (folder / "user" / "wrong.py").write_text(BEGINNING + lines)
    left_out = shutil.ignore_patterns("__pycache__")
    shutil.copytree(INSTALLED, folder / "package" / "arc_recorder", ignore=left_out)
    shutil.copytree(INSTALLED.parent / "arc", folder / "package" / "arc", ignore=left_out)
    # The settings of the package's pyproject.toml.
    strict = {"typeCheckingMode": "strict", "pythonVersion": "3.9"}
    (folder / "user" / "pyrightconfig.json").write_text(json.dumps(strict))
    (folder / "package" / "pyrightconfig.json").write_text(json.dumps(strict))
    return folder


def run_mypy(folder: Path, cache: Path, *arguments: str) -> Faults:
    command = [*tool("mypy"), "--strict", "--namespace-packages", "--explicit-package-bases"]
    command += ["--python-executable", sys.executable, "--no-error-summary", "--no-pretty"]
    command += ["--cache-dir", str(cache), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    faults: Faults = {}
    for path, line, message in re.findall(r"^(.+?):(\d+): error: (.*)$", done.stdout, re.M):
        faults.setdefault(Path(path).name, {})[int(line)] = message
    return faults


def run_pyright(folder: Path) -> Faults:
    command = [*tool("pyright"), "--pythonpath", sys.executable, "--outputjson"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["summary"]["filesAnalyzed"] > 1
    faults: Faults = {}
    for fault in report["generalDiagnostics"]:
        line = fault.get("range", {}).get("start", {}).get("line", -1) + 1
        faults.setdefault(Path(fault["file"]).name, {})[line] = fault["message"]
    return faults


@pytest.fixture(scope="module")
def mypy_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mypy")


@pytest.fixture(scope="module")
def mypy(programs: Path, mypy_cache: Path) -> Faults:
    return run_mypy(programs / "user", mypy_cache, "right.py", "wrong.py")


@pytest.fixture(scope="module")
def pyright(programs: Path) -> Faults:
    return run_pyright(programs / "user")


def test_the_package_is_marked_as_typed() -> None:
    assert (INSTALLED / "py.typed").exists()
    assert (INSTALLED.parent / "arc" / "database" / "py.typed").exists()


def test_the_program_uses_every_call() -> None:
    for kind in (ArcAPI, ArcDBClient, SyncArcAPI, SyncArcDBClient):
        for name, _ in inspect.getmembers(kind, inspect.isfunction):
            assert name.startswith("_") or f".{name}(" in RIGHT, name
    for name in arc_recorder.__all__:
        assert name == "__version__" or re.search(rf"\b{name}\b", RIGHT), name


def test_the_program_is_python() -> None:
    compile(RIGHT, "right.py", "exec")
    compile(BEGINNING + "".join(f"    {use}\n" for use in WRONG.values()), "wrong.py", "exec")


def test_mypy_finds_no_error_in_the_package(programs: Path, mypy_cache: Path) -> None:
    assert run_mypy(programs / "package", mypy_cache, "arc_recorder", "arc") == {}


def test_pyright_finds_no_error_in_the_package(programs: Path) -> None:
    assert run_pyright(programs / "package") == {}


def test_mypy_finds_no_error_in_right_uses(mypy: Faults) -> None:
    assert mypy.get("right.py", {}) == {}


def test_pyright_finds_no_error_in_right_uses(pyright: Faults) -> None:
    assert pyright.get("right.py", {}) == {}


@pytest.mark.parametrize("use", WRONG)
def test_mypy_finds_wrong_uses(mypy: Faults, use: str) -> None:
    assert FIRST_WRONG_LINE + list(WRONG).index(use) in mypy["wrong.py"]


@pytest.mark.parametrize("use", WRONG)
def test_pyright_finds_wrong_uses(pyright: Faults, use: str) -> None:
    assert FIRST_WRONG_LINE + list(WRONG).index(use) in pyright["wrong.py"]


def test_the_calls_for_threads_are_generated_from_those_for_event_loops() -> None:
    names = runpy.run_path(str(SOURCES / "make_sync.py"))
    made, kept = names["make"](), (SOURCES / "python" / "arc_recorder" / "sync.py").read_text()
    assert made == kept, "run `python host/python/make_sync.py`"
