"""The calls over a service, and spools: real servers on loopback, real processes that are killed."""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Optional

import pytest

from arc_recorder import (
    ConfigurationError,
    ConflictError,
    NotFoundError,
    SyncArcAPI,
    UnavailableError,
    ValidationError,
    create_arc_api,
    create_sync_arc_api,
)
from services import DEADLINE, Service, serving


def result(scenario_id: str, status: str = "success", score: float = 1.0) -> dict[str, Any]:
    return {
        "scenario": {"id": scenario_id, "name": "A scenario"},
        "trajectory": {"status": status, "token_usage": {"total_tokens": 10, "total_cost": 0.5}},
        "reliability_score": {"overall_score": score},
    }


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[Service]:
    with serving(database_url, tmp_path / "service") as running:
        yield running


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def arc_host(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "arc_recorder", *arguments], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def until(good: Callable[[], bool]) -> None:
    since = time.monotonic()
    while not good():
        assert time.monotonic() - since < DEADLINE
        time.sleep(0.02)


# --------------------------------------------------------------------------------------
# The calls
# --------------------------------------------------------------------------------------


def test_every_call_returns_the_same_over_a_service_as_in_process(
    service: Service, database_url: str
) -> None:
    with create_sync_arc_api(service.url) as over, create_sync_arc_api(database_url) as inside:
        health = over.db.initialize()
        assert health["status"] == "ok"
        assert set(inside.db.initialize()) <= set(health)
        assert over.db.deploy_schema()["schema_version"] == health["schema_version"]
        agent = {"model": "m-1", "temperature": 0.50}
        config = over.create_configuration("agent", agent)
        assert inside.create_configuration("agent", agent) == config
        started = over.start_simulation(
            config,
            [{"id": "a"}, {"id": "b"}, {"id": "c"}],
            simulation_name="nightly",
            modal_app_id="ap-1",
            metadata={"branch": "main"},
            metrics=[{"name": "", "lowest": 0, "highest": 2}],
        )
        assert started["scenario_count"] == 3 and started["status"] == "running"
        simulation = started["simulation_id"]
        outcome = over.record_scenario_outcome(simulation, result("a"), "fc-1", "sb-1", trial=1)
        assert inside.record_scenario_outcome(simulation, result("a"), trial=1) == outcome
        verdicts = over.record_batch(
            simulation,
            [result("b"), {"scenario": {"id": "odd"}, "trajectory": {"status": "odd"}}, "[1]"],
            modal_call_ids=["fc-2", None, None],
        )
        assert [item["verdict"] for item in verdicts] == ["stored", "rejected", "rejected"]
        assert verdicts[1]["violations"][0]["path"] == "/trajectory/status"
        ids = over.record_batch_outcomes(simulation, [result("b"), result("c", "error", 0.0)])
        assert ids[0] == verdicts[0]["outcome_id"] and ids[1] is not None
        with pytest.raises(ValidationError) as invalid:
            over.record_scenario_outcome(simulation, {"trajectory": {"status": "odd"}})
        assert invalid.value.violations
        declared = over.declare_metrics(
            simulation, [{"name": "reliability_score", "unit": "points"}], score_scale=10
        )
        assert (declared["overall_score"], declared["score_scale"]) == (0.2 / 3, 10)
        assert declared["metric_definitions"] == [
            {"name": "", "lowest": 0, "highest": 10},
            {"name": "reliability_score", "unit": "points"},
        ]
        with pytest.raises(ValidationError, match='metric "a" has the lowest value 5'):
            over.declare_metrics(simulation, [{"name": "a", "lowest": 5, "highest": 1}])
        with pytest.raises(NotFoundError):
            over.declare_metrics("01920000-0000-7000-8000-0000000000ff", score_scale=10)
        for answer in (
            lambda api: {**api.get_simulation_status(simulation), "execution_time_ms": 0},
            lambda api: api.get_revisions(simulation),
            lambda api: api.get_scenario_outcomes(simulation),
            lambda api: api.get_scenario_outcomes(simulation, status_filter="error"),
            lambda api: api.get_scenario_outcomes(simulation, scenario_id="a", limit=1),
            lambda api: api.get_rejected_results(simulation),
            lambda api: api.db.get_recent_failures(5),
            lambda api: api.db.get_simulation_performance(simulation, timedelta(days=1))["summary"],
        ):
            assert answer(over) == answer(inside)
        completed = over.complete_simulation(simulation, {"average_reliability_score": 0.75})
        assert completed["overall_score"] == 0.075 and completed["status"] == "completed"
        assert completed["warnings"] == []
        assert inside.get_simulation_status(simulation)["status"] == "completed"
        with pytest.raises(ConflictError):
            over.fail_simulation(simulation, "late")
        with pytest.raises(NotFoundError):
            over.get_simulation_status("01920000-0000-7000-8000-0000000000ff")
        metrics = over.db.get_metrics()
        assert metrics["total_queries"] > 10 and metrics["stored_outcomes"] == 3
        assert metrics["failed_queries"] >= 2 and 0 < metrics["success_rate"] < 100
        assert over.db.test_connections() == 0


def test_revisions_and_scales_over_a_service(service: Service, database_url: str) -> None:
    logs = Path(__file__).parents[1] / "fixtures" / "formats" / "inspect"
    with create_sync_arc_api(service.url) as over, create_sync_arc_api(database_url) as inside:
        first = over.record_file(logs / "arithmetic.eval")
        second = over.record_file(logs / "arithmetic.json", score_scale=5)
        simulation = second["simulation_id"]
        assert simulation == first["simulation_id"]
        revisions = over.get_revisions(simulation)
        assert len(revisions) == first["stored"] + second["stored"] == 20
        assert revisions == inside.get_revisions(simulation)
        key = revisions[0]["result_key"]
        selected = over.select_revision(simulation, 1, result_key=key)
        assert selected == inside.get_revisions(simulation)[:2]
        assert [one["counts"] for one in selected] == [True, False]
        lacking = [one["outcome_id"] for one in revisions if one["result_key"] != key]
        # A person's selection counts, also if the list lacks the result.
        answer = over.compare_results(simulation, lacking, is_final=True)
        assert answer == {"superseded": 0, "restored": 0, "selected": []}
        with pytest.raises(NotFoundError):
            over.get_revisions("01920000-0000-7000-8000-0000000000ff")
        simulation = over.start_simulation("c", [{"id": "a"}], score_scale=5)["simulation_id"]
        # A result whose score is not a number, and a summary with such a figure.
        over.record_batch_outcomes(
            simulation, [result("a", score=4), result("b", score=math.nan)]
        )
        completed = over.complete_simulation(simulation, {"average_reliability_score": math.nan})
        assert completed["overall_score"] == 0.8
        assert [warning["code"] for warning in completed["warnings"]] == ["not_finite"]
        assert over.get_rejected_results(simulation) == []


def test_calls_from_an_event_loop_share_connections(service: Service) -> None:
    async def run() -> None:
        async with create_arc_api(service.url) as api:
            simulation = (await api.start_simulation("c", []))["simulation_id"]
            ids = await asyncio.gather(
                *(
                    api.record_scenario_outcome(simulation, result(f"s{number}"))
                    for number in range(200)
                )
            )
            assert len(set(ids)) == 200
            many = [result(f"many{number}") for number in range(3_000)]
            for word in ("stored", "duplicate"):
                verdicts = await api.record_batch(simulation, many)
                assert {item["verdict"] for item in verdicts} == {word}
            assert (await api.get_simulation_status(simulation))["recorded_outcomes"] == 3_200
            outcomes = await api.get_scenario_outcomes(simulation)
            assert len(outcomes) == 3_200

    asyncio.run(run())


def test_the_variables_name_a_service(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ARC_SERVER", "ARC_DATABASE_URL", "TIMESCALE_SERVICE_URL"):
        with monkeypatch.context() as variables:
            variables.setenv(name, service.url)
            with create_sync_arc_api() as api:
                assert api.db.initialize()["service_version"]


def test_sql_that_ends_a_simulation_is_understood_and_other_sql_is_not(service: Service) -> None:
    with create_sync_arc_api(service.url) as api:
        engine = api.db.engine
        for status in ("failed", "cancelled"):
            simulation = api.start_simulation("c", [{"id": "a"}])["simulation_id"]
            sql = f"update  arc_recorder.simulations SET status='{status}' WHERE simulation_id = :it;"
            assert engine.execute(engine.text(sql), {"it": simulation}).rowcount == 1
            assert api.get_simulation_status(simulation)["status"] == status
        unknown = {"it": "01920000-0000-7000-8000-0000000000ff"}
        assert engine.execute(engine.text(sql), unknown).rowcount == 0
        with pytest.raises(ConfigurationError, match="takes no SQL"):
            engine.execute("SELECT 1")


def test_tokens(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ("token", "create", "--json", "--database-url", database_url, "--scope", "record")
    record, both = (
        json.loads(arc_host(*arguments, *more))["token"]
        for more in (("--name", "one"), ("--scope", "read", "--name", "two"))
    )
    with serving(database_url, tmp_path / "service", "--require-tokens") as service:
        with create_sync_arc_api(service.url, token=record) as api:
            simulation = api.start_simulation("c", [{"id": "a"}])["simulation_id"]
            assert api.record_scenario_outcome(simulation, result("a"))
            with pytest.raises(ConfigurationError, match="scope"):
                api.get_simulation_status(simulation)
        monkeypatch.setenv("ARC_TOKEN", both)
        with create_sync_arc_api(service.url) as api:
            assert api.get_simulation_status(simulation)["completed_scenarios"] == 1
        for wrong in ("arc_nonsense", record[:-1] + ("0" if record[-1] != "0" else "1")):
            for more in ({}, {"spool_dir": tmp_path / "spool"}):
                with pytest.raises(ConfigurationError, match="token") as refused:
                    create_sync_arc_api(service.url, token=wrong, **more)
            assert wrong not in str(refused.value)
    with pytest.raises(ConfigurationError, match="token is for a service"):
        create_sync_arc_api(database_url, token=both)


def test_an_unavailable_service_is_reported(database_url: str) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(UnavailableError):
        create_sync_arc_api(url)
    with pytest.raises(ConfigurationError):
        create_sync_arc_api("http://user:hush@127.0.0.1")
    with create_sync_arc_api(url, on_error="warn") as api:
        assert api.db.initialize()["status"] == "error"


# --------------------------------------------------------------------------------------
# Spools
# --------------------------------------------------------------------------------------

#: A process that records into a spool, and is killed before it can close it.
KILLED = """
import os, signal, sys
from arc_recorder import create_sync_arc_api
url, spool, simulation, count = sys.argv[1:]
api = create_sync_arc_api(url, spool_dir=spool)
api.start_simulation("c", [], simulation_id=simulation, score_scale=4)
verdicts = api.record_batch(
    simulation,
    [{"scenario": {"id": f"s{n}"}, "trajectory": {"status": "success"}} for n in range(int(count))],
)
print({item["verdict"] for item in verdicts}, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""

SIMULATION = "01920000-0000-7000-8000-0000000000aa"


def spool_and_die(url: str, spool: Path, count: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, url, str(spool), SIMULATION, str(count)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert done.stdout == "{'spooled'}\n", done.stderr


@pytest.mark.parametrize("kind", ["service", "database"])
def test_spooled_results_are_sent_by_the_next_process(
    kind: str, database_url: str, new_database: Callable[[], str], tmp_path: Path
) -> None:
    port, spool = free_port(), tmp_path / "spool"
    unavailable = {
        "service": f"http://127.0.0.1:{port}",
        "database": f"postgresql://arc@127.0.0.1:{port}/arc",
    }[kind]
    spool_and_die(unavailable, spool, 500)
    # The next process opens the same spool, and adds to it.
    with create_sync_arc_api(unavailable, spool_dir=spool) as api:
        state = api.db.initialize()["spool"]
        assert state is not None and state["depth"] == 501
        verdicts = api.record_batch(SIMULATION, [result("late"), result("s0")])
        assert [item["verdict"] for item in verdicts] == ["spooled", "spooled"]
        completed = api.complete_simulation(SIMULATION, {"average_reliability_score": 0.5})
        assert completed["spooled"] and completed["overall_score"] == 0.5
        # Another recorder of this process shares it, unless it is for another database.
        with create_sync_arc_api(unavailable, spool_dir=spool) as second:
            assert spooled(second) == 504
        assert spooled(api) == 504
        with pytest.raises(ConfigurationError, match="another database or service"):
            create_sync_arc_api(unavailable + "/other", spool_dir=spool)

    def check(api: SyncArcAPI) -> None:
        status = api.get_simulation_status(SIMULATION)
        assert status["status"] == "completed" and status["recorded_outcomes"] == 502
        assert (status["overall_score"], status["score_scale"]) == (0.125, 4)

    if kind == "database":
        with create_sync_arc_api(database_url, spool_dir=spool) as api:
            until(lambda: api.db.initialize()["spool"]["depth"] == 0)  # type: ignore[index]
            check(api)
        return
    with serving(database_url, tmp_path / "service", port=port) as service:
        with create_sync_arc_api(service.url, spool_dir=spool) as api:
            until(lambda: spooled(api) == 0)
            check(api)


def spooled(api: SyncArcAPI) -> Optional[int]:
    state = api.db.initialize().get("spool")
    return None if state is None else state["depth"]


def test_the_command_line_delivers_a_spool(database_url: str, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool_and_die(f"http://127.0.0.1:{free_port()}", spool, 300)
    replay = ("spool", "drain", "--spool-dir", str(spool), "--json", "--database-url", database_url)
    told = json.loads(arc_host(*replay))
    assert (told["recorded"], told["remaining"]) == (301, 0)
    assert json.loads(arc_host(*replay))["recorded"] == 0
    with create_sync_arc_api(database_url) as api:
        assert api.get_simulation_status(SIMULATION)["recorded_outcomes"] == 300


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_the_child_of_a_fork_does_not_use_its_parents_spool(
    service: Service, tmp_path: Path
) -> None:
    with create_sync_arc_api(service.url, spool_dir=tmp_path / "spool") as api:
        simulation = api.start_simulation("c", [{"id": "a"}])["simulation_id"]
        child = os.fork()
        if child == 0:
            try:
                api.record_scenario_outcome(simulation, result("a"))
            except ConfigurationError as error:
                os._exit(7 if "another process" in str(error) else 8)
            os._exit(9)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert api.record_scenario_outcome(simulation, result("a"))
