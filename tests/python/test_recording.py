"""Recording and reading through the package, against a real database."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import pickle
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from arc_recorder import (
    AmbiguousSimulationError,
    ArcAPI,
    ArcDBClient,
    ConfigurationError,
    ConflictError,
    DatabaseError,
    NotFoundError,
    SimulationRemovedError,
    UnavailableError,
    ValidationError,
    create_arc_api,
    create_sync_arc_api,
)
from arc_recorder.types import MetricDefinition

REAL_RESULTS = Path(__file__).parents[2].parent / "shared" / "data" / "real-results.jsonl"
AWAY = "postgresql://arc@127.0.0.1:1/nothing?connect_timeout=2"


def result(scenario_id: str, score: float = 0.5, size: int = 0) -> dict[str, Any]:
    return {
        "scenario": {"id": scenario_id},
        "trajectory": {
            "status": "success",
            "execution_time_seconds": 1.5,
            "token_usage": {"total_tokens": 10, "total_cost": 0.01},
            "full_trajectory": [{"content": "x" * size}],
        },
        "reliability_score": {"overall_score": score},
    }


def plan(count: int) -> list[dict[str, str]]:
    return [{"id": f"s-{number}"} for number in range(count)]


def run_python(program: str, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", textwrap.dedent(program), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        **options,
    )


@pytest.mark.skipif(not REAL_RESULTS.exists(), reason="SKIPPED: ../shared/data is not here")
def test_the_real_results_are_recorded_and_read_back(database_url: str) -> None:
    lines = REAL_RESULTS.read_text().splitlines()
    results = [json.loads(line) for line in lines]

    async def test() -> None:
        async with create_arc_api(database_url) as api:
            config = await api.create_configuration("real", {"model": "m"})
            scenarios = {found["scenario"]["id"]: found["scenario"] for found in results}
            started = await api.start_simulation(config, list(scenarios.values()))
            simulation_id = started["simulation_id"]
            # Results as text are stored byte for byte.
            ids = await api.record_batch_outcomes(simulation_id, lines)
            assert len(set(ids)) == len(lines) == 120
            status = await api.get_simulation_status(simulation_id)
            assert status["recorded_outcomes"] == 120
            spent = sum(found["trajectory"]["token_usage"]["total_cost"] for found in results)
            assert math.isclose(status["total_cost_usd"], spent)
            tokens = sum(found["trajectory"]["token_usage"]["total_tokens"] for found in results)
            assert status["total_tokens"] == tokens
            documents = await api.db.engine.execute(
                "SELECT document_text FROM outcome_documents WHERE simulation_id = :id",
                {"id": simulation_id},
            )
            assert sorted(row["document_text"] for row in documents) == sorted(lines)
            outcomes = await api.get_scenario_outcomes(simulation_id)
            by_id = {outcome["outcome_id"]: outcome for outcome in outcomes}
            for line, outcome_id in zip(results, ids):
                assert outcome_id is not None
                trajectory = by_id[outcome_id]["trajectory"]
                assert trajectory is not None
                for name, value in line["trajectory"].items():
                    assert trajectory[name] == value
            # As objects, the results have the same fields, even if their text differs.
            verdicts = await api.record_batch(simulation_id, results)
            assert {verdict["verdict"] for verdict in verdicts} <= {"stored", "duplicate"}

    asyncio.run(test())


def test_results_come_back_a_page_at_a_time(database_url: str) -> None:
    with create_sync_arc_api(database_url) as api:
        simulation_id = api.start_simulation("c", plan(250))["simulation_id"]
        api.record_batch_outcomes(simulation_id, [result(f"s-{n}") for n in range(250)])
        everything = api.get_scenario_outcomes(simulation_id)
        assert len(everything) == 250 and everything.cursor is None
        pages = [api.get_scenario_outcomes(simulation_id, limit=120)]
        while pages[-1].cursor:
            cursor = pages[-1].cursor
            pages.append(api.get_scenario_outcomes(simulation_id, limit=120, cursor=cursor))
        assert [len(page) for page in pages] == [120, 120, 10]
        ids = [outcome["outcome_id"] for page in pages for outcome in page]
        assert ids == [outcome["outcome_id"] for outcome in everything]
        assert json.loads(json.dumps(everything)) == everything
        with pytest.raises(ValidationError, match="invalid limit: 0"):
            api.get_scenario_outcomes(simulation_id, limit=0)


def test_a_batch_of_many_parts_keeps_its_order(database_url: str) -> None:
    async def test() -> None:
        async with create_arc_api(database_url) as api:
            simulation_id = (await api.start_simulation("c", plan(1)))["simulation_id"]
            # All are attempts at one scenario: the last one counts, although the batch is sent in parts.
            results = [result("s-0", score=number / 5_000) for number in range(5_000)]
            verdicts = await api.record_batch(simulation_id, results)
            assert [verdict["verdict"] for verdict in verdicts] == ["stored"] * 5_000
            status = await api.get_simulation_status(simulation_id)
            assert status["overall_score"] == 4_999 / 5_000
            [last] = await api.db.engine.execute(
                "SELECT outcome_id FROM outcomes ORDER BY received_at DESC, outcome_id DESC LIMIT 1"
            )
            assert last["outcome_id"] == verdicts[-1]["outcome_id"]

    asyncio.run(test())


def test_many_tasks_and_several_event_loops_use_one_client(database_url: str) -> None:
    client = ArcDBClient(database_url)
    api = ArcAPI(client)
    started = asyncio.run(api.start_simulation("c", plan(400)))
    simulation_id = started["simulation_id"]
    failures: list[BaseException] = []

    def loop(first: int) -> None:
        async def record() -> None:
            await asyncio.gather(
                *(
                    api.record_scenario_outcome(simulation_id, result(f"s-{number}"))
                    for number in range(first, first + 100)
                )
            )

        try:
            asyncio.run(record())
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=loop, args=(first,)) for first in range(0, 400, 100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    status = asyncio.run(api.get_simulation_status(simulation_id))
    assert status["progress_percentage"] == 100
    asyncio.run(api.db.close())


def test_more_recorders_than_cores_share_the_extractor(database_url: str) -> None:
    apis = [create_sync_arc_api(database_url, pool_size=1) for _ in range(12)]
    simulation_id = apis[0].start_simulation("c", plan(12))["simulation_id"]
    for number, api in enumerate(apis):
        assert api.record_scenario_outcome(simulation_id, result(f"s-{number}"))
    for api in apis:
        api.close()


def test_a_result_is_recorded_although_its_task_is_cancelled(database_url: str) -> None:
    async def test() -> None:
        async with create_arc_api(database_url) as api:
            simulation_id = (await api.start_simulation("c", plan(1)))["simulation_id"]
            task = asyncio.create_task(api.record_scenario_outcome(simulation_id, result("s-0")))
            while not task.done() and task.get_stack() and not _waits_for_host(task):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            # A retry is a duplicate, or stores the result: never a second one.
            assert await api.record_scenario_outcome(simulation_id, result("s-0"))
            assert (await api.get_simulation_status(simulation_id))["recorded_outcomes"] == 1

    def _waits_for_host(task: asyncio.Task[Any]) -> bool:
        return getattr(task, "_fut_waiter", None) is not None

    asyncio.run(test())


def test_errors_have_types_and_are_retryable_or_not(database_url: str) -> None:
    unknown = str(uuid.uuid4())
    with create_sync_arc_api(database_url) as api:
        with pytest.raises(NotFoundError, match=unknown) as not_found:
            api.record_scenario_outcome(unknown, result("a"))
        assert not not_found.value.retryable
        hint = "list them with `arc-host simulations`"
        assert not_found.value.hint == hint
        assert not_found.value.args[0] == f"simulation {unknown} not found"
        assert str(not_found.value) == f"simulation {unknown} not found; {hint}"
        copied = pickle.loads(pickle.dumps(not_found.value))
        assert (str(copied), copied.hint) == (str(not_found.value), hint)
        with pytest.raises(NotFoundError):
            api.record_batch(unknown, [result("a")] * 2_000)
        for call in (api.get_simulation_status, api.get_scenario_outcomes, api.complete_simulation):
            with pytest.raises(NotFoundError):
                call(unknown)
        with pytest.raises(NotFoundError, match='"the one of yesterday"'):
            api.get_simulation_status("the one of yesterday")
        simulation_id = api.start_simulation("c", plan(2))["simulation_id"]
        with pytest.raises(ConflictError, match="another plan.*; use another id"):
            api.start_simulation("c", plan(3), simulation_id=simulation_id)
        with pytest.raises(ValidationError, match="s-1"):
            api.start_simulation("c", [*plan(2), {"id": "s-1"}])
        beyond = result("s-0", score=3)
        beyond["reliability_score"]["scale"] = 1
        with pytest.raises(ValidationError) as invalid:
            api.record_scenario_outcome(simulation_id, beyond)
        assert invalid.value.violations[0]["path"] == "/reliability_score/overall_score"
        again = pickle.loads(pickle.dumps(invalid.value))
        assert (str(again), again.violations) == (str(invalid.value), invalid.value.violations)
        api.fail_simulation(simulation_id, "it broke")
        with pytest.raises(ConflictError):
            api.complete_simulation(simulation_id)
        with pytest.raises(DatabaseError, match="no_such_table"):
            api.db.engine.execute("SELECT * FROM no_such_table")
        with pytest.raises(ValidationError, match=":id"):
            api.db.engine.execute("SELECT :id::text")
    with pytest.raises(ConfigurationError, match="closed"):
        api.get_simulation_status(simulation_id)
    api.close()
    with pytest.raises(UnavailableError) as unavailable:
        create_sync_arc_api(AWAY)
    assert unavailable.value.retryable
    assert unavailable.value.hint is not None and "check the URL" in unavailable.value.hint
    assert "check the URL" not in unavailable.value.args[0]
    with pytest.raises(ConfigurationError, match="postgresql://"):
        create_sync_arc_api("mysql://secret:password@host/name")


def test_no_password_is_in_an_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "arc.database")
    with pytest.raises(UnavailableError) as unavailable:
        create_sync_arc_api("postgresql://arc:hunter2@127.0.0.1:1/name")
    health = asyncio.run(ArcDBClient("postgresql://arc:hunter2@127.0.0.1:1/name").initialize())
    assert health["status"] == "error"
    for text in (str(unavailable.value), repr(unavailable.value), caplog.text, json.dumps(health)):
        assert "hunter2" not in text


def test_failures_of_recording_become_warnings_with_on_error(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with create_sync_arc_api(AWAY, on_error="warn") as api:
        started = api.start_simulation("c", plan(2), simulation_name="n")
        assert started["status"] == "unrecorded" and started["scenario_count"] == 2
        assert "could not connect" in started["error"]
        simulation_id = started["simulation_id"]
        assert uuid.UUID(simulation_id)
        assert api.record_scenario_outcome(simulation_id, result("s-0")) is None
        assert api.record_batch_outcomes(simulation_id, [result("s-0"), result("s-1")]) == [None] * 2
        verdicts = api.record_batch(simulation_id, [result("s-0")])
        assert (verdicts[0]["verdict"], verdicts[0]["retryable"]) == ("failed", True)
        completed = api.complete_simulation(simulation_id, {"average_reliability_score": 0.5})
        assert completed["status"] == "unrecorded"
        # The guide formats this figure as a number.
        assert f"{completed['overall_score']:.2f}" == "0.50"
        assert api.fail_simulation(simulation_id)["status"] == "unrecorded"
        assert api.cancel_simulation(simulation_id)["status"] == "unrecorded"
        with pytest.raises(UnavailableError):
            api.get_simulation_status(simulation_id)
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) >= 7 and all(record.name == "arc.database.api" for record in warnings)
    with create_sync_arc_api(database_url, on_error="warn") as api:
        simulation_id = api.start_simulation("c", plan(1))["simulation_id"]
        assert api.record_scenario_outcome(simulation_id, {"scenario": {}}) is None
        assert api.record_scenario_outcome(simulation_id, result("s-0"))
    with pytest.raises(ConfigurationError, match="'raise' or 'warn'"):
        create_sync_arc_api(database_url, on_error="ignore")  # type: ignore[arg-type]


def test_rejected_results_are_listed_and_logged(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with create_sync_arc_api(database_url) as api:
        simulation_id = api.start_simulation("c", plan(2))["simulation_id"]
        bad = {"scenario": {"id": "s-0"}, "trajectory": {"status": "odd"}}
        ids = api.record_batch_outcomes(simulation_id, [bad, result("s-1")])
        assert ids[0] is None and ids[1]
        [rejected] = api.get_rejected_results(simulation_id)
        assert rejected["position"] == 0
        assert rejected["violations"][0]["path"] == "/trajectory/status"
        assert "result 0 was rejected: /trajectory/status" in caplog.text
        assert api.get_simulation_status(simulation_id)["rejected_results"] == 1


def test_a_configuration_that_does_not_exist_is_one_warning(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    def warnings() -> list[str]:
        return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]

    with create_sync_arc_api(database_url) as api:
        # The caller's own names of versions, such as a commit or a digest.
        for name in ("config-1", "2026-01-02", "d41d8cd98f00b204e9800998ecf8427e", "config-1"):
            assert not api.start_simulation(name, plan(1)).get("configuration_exists")
        existing = api.create_configuration("agent", {"model": "m-1"})
        assert api.start_simulation(existing, plan(1)).get("configuration_exists")
        assert warnings() == []
        # An id, of another database or with a typing error.
        unknown = uuid.uuid4()
        first = api.start_simulation(unknown, plan(1))["simulation_id"]
        [warning] = warnings()
        assert first in warning and str(unknown) in warning
        api.start_simulation(str(unknown), plan(1))
        with create_sync_arc_api(database_url) as other:
            other.start_simulation(unknown, plan(1))
        assert warnings() == [warning]
        api.start_simulation(str(uuid.uuid4()), plan(1))
        assert len(warnings()) == 2


def test_trials_and_sandboxes_belong_to_their_results(database_url: str) -> None:
    with create_sync_arc_api(database_url) as api:
        simulation_id = api.start_simulation("c", plan(1), trials=3)["simulation_id"]
        same = result("s-0")
        verdicts = api.record_batch(
            simulation_id, [same] * 3, ["f-1", None, "f-3"], sandbox_ids=["b"] * 3, trials=[1, 2, 3]
        )
        assert [verdict["verdict"] for verdict in verdicts] == ["stored"] * 3
        outcomes = api.get_scenario_outcomes(simulation_id)
        assert [(o["trial"], o["attempt"], o["modal_call_id"]) for o in outcomes] == [
            (1, 1, "f-1"),
            (2, 1, None),
            (3, 1, "f-3"),
        ]
        with pytest.raises(ValidationError, match="trial"):
            api.record_scenario_outcome(simulation_id, same)
        assert api.record_scenario_outcome(simulation_id, same, trial=2)


def test_sql_parameters_and_rows_have_the_expected_types(database_url: str) -> None:
    with create_sync_arc_api(database_url) as api:
        execute = api.db.engine.execute
        rows = execute(
            "SELECT :a::int + 1 AS number, :b AS text, :c::timestamptz AS time, :d::jsonb AS json,"
            " 'x:y' AS literal, :e::text IS NULL AS nothing, :f::int[] AS list, :g::bool AS truth",
            {"a": 1, "b": "it's", "c": "2026-01-02T03:04:05Z", "d": {"k": [1]}, "e": None,
             "f": [1, 2], "g": True},
        )
        assert rows.fetchone() == {
            "number": 2, "text": "it's", "time": "2026-01-02T03:04:05+00:00", "json": {"k": [1]},
            "literal": "x:y", "nothing": True, "list": [1, 2], "truth": True,
        }
        seconds = execute(
            "SELECT extract(epoch FROM :a::interval)::float8 AS a, extract(epoch FROM :b::interval)::float8 AS b,"
            " extract(epoch FROM :c::interval)::float8 AS c, :d::int[] AS d",
            {"a": timedelta(microseconds=1), "b": timedelta(seconds=-1.5), "c": timedelta(days=20_000),
             "d": [{1}, (2,)]},
        )
        assert seconds.fetchone() == {"a": 1e-6, "b": -1.5, "c": 1_728_000_000.0, "d": [[1], [2]]}
        assert execute("SHOW search_path").scalar()
        assert "Seq Scan" in str(execute("EXPLAIN SELECT * FROM simulations").fetchall())
        execute("CREATE TABLE public.notes (n int)")
        assert execute("INSERT INTO notes SELECT generate_series(1, 5)").rowcount == 5
        assert execute("UPDATE notes SET n = n + 1 WHERE n > 3 RETURNING n") == [{"n": 5}, {"n": 6}]
        moved = execute("WITH gone AS (DELETE FROM notes WHERE n = 6 RETURNING n) SELECT count(*) FROM gone")
        assert moved.scalar() == 1
        # A statement whose rows cannot be returned is not executed.
        with pytest.raises(ValidationError, match="::text"):
            execute("WITH gone AS (DELETE FROM notes RETURNING n) SELECT array_agg(n) FROM gone")
        assert execute("DELETE FROM notes; -- all").rowcount == 4
        assert execute("SELECT n FROM notes").fetchone() is None


def test_health_and_schema(new_database: Callable[..., str]) -> None:
    url = new_database("template0")

    async def test() -> None:
        client = ArcDBClient(url)
        deployed = await client.deploy_schema()
        assert deployed["applied"][0] == "0001_recording"
        assert (await client.deploy_schema())["applied"] == []
        health = await client.initialize()
        assert health["status"] == "ok" and health["extensions"]["plpgsql"]
        assert health["schema_version"] == deployed["schema_version"]
        metrics = await client.get_metrics()
        assert metrics["success_rate"] == 100 and metrics["total_queries"] > 0
        assert metrics["last_health_check"]
        await client.close()
        assert (await client.get_metrics())["total_queries"] > 0

    asyncio.run(test())
    health = asyncio.run(ArcDBClient(AWAY).initialize())
    assert (health["status"], health["server_version"]) == ("error", None)
    assert "could not connect" in health["error"]


def test_performance_and_failures(database_url: str) -> None:
    with create_sync_arc_api(database_url) as api:
        simulation_id = api.start_simulation("c", plan(2))["simulation_id"]
        failed = result("s-1")
        failed["trajectory"].update(status="error", error="rate limit exceeded: slow down")
        api.record_batch_outcomes(simulation_id, [result("s-0"), failed], ["f-0", "f-1"])
        performance = api.db.get_simulation_performance(simulation_id, timedelta(hours=24))
        assert (performance["time_range_hours"], performance["headline"]) == (24, "reliability_score")
        assert performance["summary"]["total_outcomes"] == 2
        assert sum(hour["error_count"] for hour in performance["hourly_metrics"]) == 1
        with pytest.raises(ValidationError, match="time_range"):
            api.db.get_simulation_performance(simulation_id, timedelta(0))
        [failure] = api.db.get_recent_failures(10)
        assert failure["error_message"] == "rate limit exceeded: slow down"
        assert failure["error_category"] == "rate_limit" and failure["modal_call_id"] == "f-1"


def test_connections_that_the_server_ended_are_replaced(database_url: str) -> None:
    killed = (
        "SELECT count(pg_terminate_backend(pid, 5000)) AS killed FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with create_sync_arc_api(database_url) as api, create_sync_arc_api(database_url) as other:
        simulation_id = api.start_simulation("c", plan(1))["simulation_id"]
        assert other.db.engine.execute(killed).scalar() >= 1
        assert api.record_scenario_outcome(simulation_id, result("s-0"))
        assert other.db.engine.execute(killed).scalar() >= 1
        assert api.get_simulation_status(simulation_id)["recorded_outcomes"] == 1


class Network:
    """A proxy to the database that can drop all traffic of open connections without closing them, as after a
    restore on another machine. Later connections work."""

    def __init__(self, url: str) -> None:
        self._path = url.split("host=")[1] + "/.s.PGSQL.5432"
        self._generation = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        database = url.split("@/")[1].split("?")[0]
        port = self._listener.getsockname()[1]
        self.url = f"postgresql://arc@127.0.0.1:{port}/{database}?sslmode=disable"
        threading.Thread(target=self._accept, daemon=True).start()

    def fall_silent(self) -> None:
        self._generation += 1

    def _accept(self) -> None:
        while True:
            near, _ = self._listener.accept()
            far = socket.socket(socket.AF_UNIX)
            far.connect(self._path)
            for source, target in ((near, far), (far, near)):
                arguments = (source, target, self._generation)
                threading.Thread(target=self._pump, args=arguments, daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, generation: int) -> None:
        while data := source.recv(65_536):
            if generation == self._generation:
                target.sendall(data)


def test_dead_connections_are_found_after_a_restore(database_url: str) -> None:
    network = Network(database_url)
    api = create_sync_arc_api(network.url)
    simulation_id = api.start_simulation("c", plan(1))["simulation_id"]
    network.fall_silent()
    assert api.db.test_connections() >= 1
    assert api.record_scenario_outcome(simulation_id, result("s-0"))
    assert api.db.test_connections() == 0
    api.close()


def test_ctrl_c_ends_a_wait(database_url: str) -> None:
    program = """
        import os, signal, sys, threading
        from arc_recorder import create_sync_arc_api
        # A process that was started in the background ignores the signal.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        api = create_sync_arc_api(sys.argv[1])
        try:
            threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
            api.db.engine.execute("SELECT pg_sleep(30)::text AS slept")
        except KeyboardInterrupt:
            print("interrupted", flush=True)
    """
    done = run_python(program, database_url)
    assert done.stdout == "interrupted\n", done.stderr


def test_a_process_ends_at_once_although_a_call_is_in_progress(database_url: str) -> None:
    program = """
        import asyncio, sys
        from arc_recorder import create_arc_api
        async def main():
            api = await create_arc_api(sys.argv[1])
            asyncio.ensure_future(api.db.engine.execute("SELECT pg_sleep(30)::text AS slept"))
            await asyncio.sleep(0.1)
        asyncio.run(main())
        print("done")
    """
    begun = time.monotonic()
    done = run_python(program, database_url)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
    # The statement itself takes longer.
    assert time.monotonic() - begun < 25


def test_the_command_line_is_in_the_package(database_url: str, tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("arc-host")
    file = tmp_path / "results.jsonl"
    file.write_text(json.dumps(result("s-0")) + "\n")
    environment = {"ARC_DATABASE_URL": database_url, "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [program, "record", "--json", str(file)], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    recorded = json.loads(done.stdout.splitlines()[-1])
    with create_sync_arc_api(database_url) as api:
        status = api.get_simulation_status(recorded["simulation_id"])
    assert status["status"] == "completed" and status["recorded_outcomes"] == 1
    wrong = subprocess.run([program, "recrod"], capture_output=True, text=True)
    assert wrong.returncode == 1 and "record" in wrong.stderr


def test_an_embedded_database_is_refused_where_it_would_be_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MODAL_TASK_ID", "ta-1")
    with pytest.raises(ConfigurationError, match="Modal container"):
        create_sync_arc_api()


def test_signals_stay_with_python(database_url: str) -> None:
    before = signal.getsignal(signal.SIGINT)
    with create_sync_arc_api(database_url):
        assert signal.getsignal(signal.SIGINT) is before


def test_invalid_arguments_of_a_start_raise_the_packages_own_errors(database_url: str) -> None:
    with create_sync_arc_api(database_url) as api:
        with pytest.raises(ValidationError, match="invalid sandbox_instances: -1"):
            api.start_simulation("c", plan(1), sandbox_instances=-1)
        with pytest.raises(ValidationError, match="invalid trials: 'three'"):
            api.start_simulation("c", plan(1), trials="three")  # type: ignore[arg-type]
        with pytest.raises(ValidationError, match="simulation_name is a int"):
            api.start_simulation("c", plan(1), 5)  # type: ignore[arg-type]
        with pytest.raises(ValidationError, match="single dict"):
            api.start_simulation("c", plan(1)[0])
        with pytest.raises(ValidationError, match="metrics is a single dict"):
            api.start_simulation("c", plan(1), metrics={"name": "a"})  # type: ignore[dict-item]
        wrong_metrics: list[tuple[list[Any], str]] = [
            ([{"name": "a"}, {"name": "b", "top": 1}], r"invalid metrics\[1\]: unknown field `top`"),
            ([{"highest": 5}], r"invalid metrics\[0\]: missing field `name`"),
            (["a"], r"invalid metrics\[0\]: invalid type: string"),
            ([{"name": "a", "lowest": 5, "highest": 1}], 'metric "a" has the lowest value 5'),
        ]
        for metrics, error in wrong_metrics:
            with pytest.raises(ValidationError, match=error):
                api.start_simulation("c", plan(1), metrics=metrics)
        for scale in (0, -1, True, "100"):
            with pytest.raises(ValidationError, match="invalid score_scale: .* above 0"):
                api.start_simulation("c", plan(1), score_scale=scale)  # type: ignore[arg-type]


def test_a_suites_figure_that_is_not_finite_is_computed(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with create_sync_arc_api(database_url) as api:
        for nan in (math.nan, math.inf):
            simulation_id = api.start_simulation("c", plan(1))["simulation_id"]
            api.record_scenario_outcome(simulation_id, result("s-0", score=0.25))
            suite = {"average_reliability_score": nan, "total_cost_usd": 3, "notes": "NaN"}
            completed = api.complete_simulation(simulation_id, suite)
            assert (completed["overall_score"], completed["total_cost_usd"]) == (0.25, 3)
            [warning] = completed["warnings"]
            assert (warning["path"], warning["code"]) == ("/average_reliability_score", "not_finite")
            assert f"the suite's summary: {warning['path']}: {warning['message']}" in caplog.text
            assert api.get_simulation_status(simulation_id)["status"] == "completed"


def test_scores_have_a_scale_that_is_declared_at_the_start_or_afterwards(database_url: str) -> None:
    scores = [85, 0.5]
    with create_sync_arc_api(database_url) as api:
        for first in (None, 100):
            started = api.start_simulation("c", plan(2), score_scale=first)
            simulation_id = started["simulation_id"]
            ids = api.record_batch_outcomes(
                simulation_id, [result(f"s-{n}", score=score) for n, score in enumerate(scores)]
            )
            assert None not in ids
            if first is None:
                # The score is as it was written.
                completed = api.complete_simulation(simulation_id)
                assert completed["overall_score"] == completed["computed"]["overall_score"] == 42.75
                status = api.get_simulation_status(simulation_id)
                assert (status["overall_score"], status["score_scale"]) == (42.75, None)
                assert [warning["code"] for warning in status["warnings"]] == ["scale_unknown"]
                outcomes = api.get_scenario_outcomes(simulation_id)
                assert [outcome["reliability_score"] for outcome in outcomes] == [None, None]
                status = api.declare_metrics(simulation_id, score_scale=100)
                assert status == api.get_simulation_status(simulation_id)
            else:
                status = api.get_simulation_status(simulation_id)
            assert (status["overall_score"], status["score_scale"]) == (0.4275, 100)
            assert status["headline"] == {
                "metric": "reliability_score",
                "figure": "mean",
                "value": 42.75,
                "standard_error": None,
                "source": "computed",
                "missing": None,
                "computed": 42.75,
                "scored": 2,
                "unscored": 0,
                "higher_is_better": True,
                "higher_is_better_assumed": True,
            }
            assert (status["higher_is_better_assumed"], status["warnings"]) == (["reliability_score"], [])
            outcomes = api.get_scenario_outcomes(simulation_id)
            assert [outcome["reliability_score"] for outcome in outcomes] == [0.85, 0.005]
            assert [outcome["score"] for outcome in outcomes] == scores
        # Another declaration replaces the first.
        status = api.declare_metrics(simulation_id, score_scale=1_000)
        assert (status["overall_score"], status["score_scale"]) == (0.04275, 1_000)


def test_a_metric_is_the_score_of_a_simulation(database_url: str) -> None:
    judge: MetricDefinition = {
        "name": "judge",
        "unit": "stars",
        "lowest": 1,
        "highest": 5,
        "higher_is_better": True,
        "kind": "number",
        "pass_threshold": 4,
        "headline": True,
    }
    judged = [result("s-0", score=85), result("s-1", score=85)]
    for document, stars in zip(judged, (4, 2)):
        document["reliability_score"]["dimension_scores"] = {"judge": stars}
    with create_sync_arc_api(database_url) as api:
        started = api.start_simulation("c", plan(2), metrics=[judge])
        simulation_id = started["simulation_id"]
        api.record_batch_outcomes(simulation_id, judged)
        status = api.get_simulation_status(simulation_id)
        assert status["metric_definitions"] == [judge]
        assert (status["overall_score"], status["score_scale"]) == (0.5, 5)
        headline = status["headline"]
        assert headline is not None and (headline["metric"], headline["value"]) == ("judge", 3)
        figures = {metric["name"]: metric["mean"] for metric in status["metrics"]}
        assert figures == {"judge": 3, "reliability_score": 85}
        outcomes = api.get_scenario_outcomes(simulation_id)
        assert [outcome["reliability_score"] for outcome in outcomes] == [0.75, 0.25]
        assert outcomes[0]["scores"] == [
            {"name": "reliability_score", "value": 85},
            {"name": "judge", "value": 4},
        ]
        # A later definition replaces only the members that it has.
        changed = api.declare_metrics(simulation_id, [{"name": "judge", "highest": 9}])
        assert changed["metric_definitions"] == [{**judge, "highest": 9}]
        assert (changed["overall_score"], changed["score_scale"]) == (0.25, 9)
        rows = api.db.engine.execute(
            "SELECT metrics::text FROM metric_declarations ORDER BY declared_at"
        )
        declared = [json.loads(row["metrics"]) for row in rows]
        # That of the start, and the later one.
        assert [len(metrics) for metrics in declared] == [1, 1]
        assert declared[0][0]["unit"] == "stars"
        assert declared[1] == [{"name": "judge", "highest": 9}]
        # Withdrawn, the results' own score counts again.
        own = api.declare_metrics(simulation_id, [{"name": "judge", "headline": False}])
        headline = own["headline"]
        assert headline is not None and headline["metric"] == "reliability_score"
        assert (own["overall_score"], own["score_scale"]) == (85, None)


def test_a_simulation_is_found_named_tagged_and_removed(database_url: str) -> None:
    with create_sync_arc_api(database_url) as api:
        started = api.start_simulation("c", plan(1), "draft", tags=("b", "a"))
        simulation_id = started["simulation_id"]
        for reference in (simulation_id, uuid.UUID(simulation_id), simulation_id[:23], "draft", "latest"):
            assert api.resolve_simulation(reference) == simulation_id
            assert api.get_simulation_status(reference)["tags"] == ["a", "b"]
            assert api.get_rejected_results(reference) == []
            assert len(api.outcomes(reference)) == 0
        assert api.tag_simulation("draft", ["c"], remove=["a"])["tags"] == ["b", "c"]
        renamed = api.rename_simulation("draft", "nightly")
        assert (renamed["simulation_id"], renamed["simulation_name"]) == (simulation_id, "nightly")
        with pytest.raises(NotFoundError, match='"draft"'):
            api.get_simulation_status("draft")
        with pytest.raises(ValidationError, match="invalid tag"):
            api.tag_simulation(simulation_id, [""])
        with pytest.raises(ValidationError, match="single str"):
            api.tag_simulation(simulation_id, "c")
        [listed] = api.list_simulations(name="NIGHT", tag="b", since=timedelta(hours=1), status="running")
        assert listed["simulation_id"] == simulation_id
        assert simulation_id.startswith(listed["short_id"]) and len(listed["short_id"]) >= 8
        assert api.list_simulations(name="night?") == api.list_simulations(since="2999-01-01") == []
        other = api.start_simulation("c", plan(1), "nightly")["simulation_id"]
        found = api.list_simulations(name="nightly", since=datetime(2026, 1, 1), limit=1)
        assert ([one["simulation_id"] for one in found], found.cursor is None) == ([other], False)
        found = api.list_simulations(name="nightly", cursor=found.cursor)
        assert ([one["simulation_id"] for one in found], found.cursor) == ([simulation_id], None)
        for wrong in ({"since": "yesterday"}, {"status": "odd"}, {"limit": 0}, {"cursor": "x"}):
            with pytest.raises(ValidationError):
                api.list_simulations(**wrong)
        with pytest.raises(AmbiguousSimulationError) as ambiguous:
            api.fail_simulation("nightly")
        assert simulation_id in str(ambiguous.value) and other in str(ambiguous.value)
        assert api.fail_simulation(other[:23])["simulation_id"] == other
        # Results can come before the start of their simulation, so only an id names it.
        with pytest.raises(ValidationError, match="invalid simulation id"):
            api.record_scenario_outcome("latest", result("s-0"))
        api.record_scenario_outcome(simulation_id, result("s-0"))
        removed = api.remove_simulation(simulation_id)
        assert (removed["simulation_name"], removed["deleted_outcomes"]) == ("nightly", 1)
        assert api.remove_simulation(simulation_id)["removed_at"] == removed["removed_at"]
        for call in (
            lambda: api.record_scenario_outcome(simulation_id, result("s-0")),
            lambda: api.complete_simulation(simulation_id),
            lambda: api.start_simulation("c", plan(1), simulation_id=simulation_id),
            lambda: api.get_simulation_status(simulation_id),
        ):
            with pytest.raises(SimulationRemovedError) as error:
                call()
            assert not error.value.retryable and "was removed" in str(error.value)


def test_a_declaration_that_is_not_valid_changes_nothing(database_url: str) -> None:
    with create_sync_arc_api(database_url) as api:
        simulation_id = api.start_simulation("c", plan(1))["simulation_id"]
        before = api.get_simulation_status(simulation_id)
        with pytest.raises(ValidationError, match="nothing is declared"):
            api.declare_metrics(simulation_id)
        with pytest.raises(ValidationError, match="nothing is declared"):
            api.declare_metrics(simulation_id, [])
        with pytest.raises(ValidationError, match="invalid score_scale: 0 .expected"):
            api.declare_metrics(simulation_id, score_scale=0)
        with pytest.raises(ValidationError, match='metric "a" has the lowest value 0'):
            api.declare_metrics(simulation_id, [{"name": "a", "highest": -1}])
        unknown: Any = [{"name": "a", "kind": "stars"}]
        with pytest.raises(ValidationError, match="unknown variant `stars`"):
            api.declare_metrics(simulation_id, unknown)
        with pytest.raises(ValidationError) as invalid:
            api.declare_metrics(simulation_id, [{"name": "a", "highest": math.nan}])
        assert [violation["path"] for violation in invalid.value.violations] == ["/metrics/0/highest"]
        with pytest.raises(NotFoundError):
            api.declare_metrics(str(uuid.uuid4()), score_scale=100)
        after = api.get_simulation_status(simulation_id)
        assert after["metric_definitions"] == before["metric_definitions"] == []
        assert not api.db.engine.execute("SELECT 1 AS one FROM metric_declarations")


def test_numbers_that_json_cannot_represent_stay_a_warning_when_extracted_again(
    database_url: str,
) -> None:
    program = str(Path(sys.executable).with_name("arc-host"))
    environment = {"ARC_DATABASE_URL": database_url, "PATH": "/usr/bin:/bin"}
    with create_sync_arc_api(database_url) as api:
        simulation_id = api.start_simulation("c", plan(2))["simulation_id"]
        noted = result("s-0")
        noted["trajectory"]["loss"] = math.inf
        verdicts = api.record_batch(simulation_id, [noted, result("s-1", score=math.nan)])
        assert [verdict["verdict"] for verdict in verdicts] == ["stored", "stored"]
        before = api.get_scenario_outcomes(simulation_id)
        assert [outcome["score"] for outcome in before] == [0.5, None]
        # A result without a score costs nothing.
        assert api.get_simulation_status(simulation_id)["overall_score"] == 0.5
        codes = [[warning["code"] for warning in outcome["warnings"]] for outcome in before]
        assert codes == [["not_finite"], ["score_missing", "not_finite"]]
        for command in (["reextract", "--all"], ["retry-rejected"]):
            done = subprocess.run(
                [program, *command, "--simulation", simulation_id],
                capture_output=True,
                text=True,
                env=environment,
            )
            assert done.returncode in (0, 2), done.stderr
        assert api.get_scenario_outcomes(simulation_id) == before


def test_without_an_event_loop_of_asyncio_nothing_is_begun(database_url: str) -> None:
    client = ArcDBClient(database_url)
    with pytest.raises(ConfigurationError, match="create_sync_arc_api"):
        client.get_metrics().send(None)


def test_closing_waits_for_an_opening_and_later_calls_fail_as_closed(
    database_url: str,
) -> None:
    async def test() -> None:
        client = ArcDBClient(database_url)
        opening = asyncio.ensure_future(client.get_recent_failures())
        await asyncio.sleep(0)
        await client.close()
        try:
            await opening
        except DatabaseError:
            pass
        with pytest.raises(ConfigurationError, match="closed"):
            await client.get_recent_failures()
        never = ArcDBClient(database_url)
        await never.close()
        with pytest.raises(ConfigurationError, match="closed"):
            await never.get_metrics()

    asyncio.run(test())


def test_a_call_at_the_interpreters_end_does_not_hang(database_url: str) -> None:
    program = """
        import asyncio, atexit, sys
        async def go():
            from arc_recorder import create_arc_api
            try:
                async with create_arc_api(sys.argv[1]) as api:
                    print("opened")
            except RuntimeError as error:
                print(error)
        atexit.register(lambda: asyncio.run(go()))
        import arc_recorder
        arc_recorder.create_sync_arc_api(sys.argv[1]).close()
    """
    done = run_python(program, database_url)
    assert "the interpreter is ending" in done.stdout, done.stdout + done.stderr
