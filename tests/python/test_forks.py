"""Forks: a child does not use its parent's runtime and sockets, and makes its own."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Optional

import pytest
from services import DEADLINE, serving

from arc_recorder import (
    ConfigurationError,
    SyncArcAPI,
    UnavailableError,
    create_arc_api,
    create_sync_arc_api,
)

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="SKIPPED: no fork on this system")


def result(scenario_id: str) -> dict[str, Any]:
    return {
        "scenario": {"id": scenario_id},
        "trajectory": {"status": "success"},
        "reliability_score": 1,
    }


def in_child(work: Callable[[], None]) -> int:
    """Runs work in a fork of this process, and returns its exit code."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def test_a_child_records_with_its_parents_recorder(database_url: str) -> None:
    with create_sync_arc_api(database_url) as api:
        started = api.start_simulation("c", [{"id": f"s-{n}"} for n in range(20)])
        simulation_id = started["simulation_id"]
        assert api.record_scenario_outcome(simulation_id, result("s-0"))
        parents_own = set(backends(api))
        for number in range(1, 5):

            def work(number: int = number) -> None:
                assert api.record_scenario_outcome(simulation_id, result(f"s-{number}"))
                # It does not use its parent's connections.
                assert not parents_own & {own_backend(api)}
                api.close()

            assert in_child(work) == 0
        # The parent's connections still work.
        assert own_backend(api) in parents_own
        assert api.record_scenario_outcome(simulation_id, result("s-9"))
        assert api.get_simulation_status(simulation_id)["recorded_outcomes"] == 6


def backends(api: SyncArcAPI) -> list[int]:
    rows = api.db.engine.execute(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
    )
    return [row["pid"] for row in rows]


def own_backend(api: SyncArcAPI) -> int:
    pid: int = api.db.engine.execute("SELECT pg_backend_pid() AS pid").scalar()
    return pid


def test_a_child_can_end_without_closing(database_url: str) -> None:
    api = create_sync_arc_api(database_url)
    simulation_id = api.start_simulation("c", [{"id": "a"}])["simulation_id"]
    assert in_child(lambda: None) == 0

    def drops() -> None:
        nonlocal api
        del api

    assert in_child(drops) == 0
    assert api.record_scenario_outcome(simulation_id, result("a"))
    api.close()


def test_a_child_of_a_child_records(database_url: str) -> None:
    with create_sync_arc_api(database_url) as api:
        simulation_id = api.start_simulation("c", [{"id": "a"}, {"id": "b"}])["simulation_id"]

        def work() -> None:
            assert api.record_scenario_outcome(simulation_id, result("a"))

            def deeper() -> None:
                assert api.record_scenario_outcome(simulation_id, result("b"))

            assert in_child(deeper) == 0

        assert in_child(work) == 0
        assert api.get_simulation_status(simulation_id)["progress_percentage"] == 100


def test_a_pending_call_raises_in_the_child_and_continues_in_the_parent(
    database_url: str,
) -> None:
    async def test() -> None:
        api = await create_arc_api(database_url)
        slow = asyncio.ensure_future(
            api.db.engine.execute("SELECT pg_sleep(3)::text AS slept, 1 AS one")
        )
        await asyncio.sleep(0.1)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                await slow
            except UnavailableError as error:
                code = 0 if "forked" in str(error) and error.retryable else 2
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        rows = await slow
        assert rows[0]["one"] == 1
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        await api.close()

    asyncio.run(test())


def test_a_fork_in_the_middle_of_recording_loses_and_doubles_nothing(database_url: str) -> None:
    async def test() -> None:
        async with create_arc_api(database_url) as api:
            scenarios = [{"id": f"s-{number}"} for number in range(2_000)]
            started = await api.start_simulation("c", scenarios)
            simulation_id = started["simulation_id"]
            results = [result(scenario["id"]) for scenario in scenarios]
            recording = asyncio.ensure_future(api.record_batch_outcomes(simulation_id, results))
            children = []
            while not recording.done() and len(children) < 3:
                await asyncio.sleep(0.005)
                child = os.fork()
                if child == 0:
                    # A child that never uses the recorder, such as a subprocess of the agent's tools.
                    os._exit(0)
                children.append(child)
            ids = await recording
            for child in children:
                assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            assert len(set(ids)) == 2_000
            status = await api.get_simulation_status(simulation_id)
            assert status["recorded_outcomes"] == 2_000

    asyncio.run(test())


_api: Optional[SyncArcAPI] = None


def _record(task: tuple[str, int]) -> Optional[str]:
    simulation_id, number = task
    assert _api is not None
    return _api.record_scenario_outcome(simulation_id, result(f"s-{number}"))


def test_workers_of_a_pool_of_forks_record(database_url: str) -> None:
    global _api
    with create_sync_arc_api(database_url, pool_size=2) as _api:
        started = _api.start_simulation("c", [{"id": f"s-{n}"} for n in range(40)])
        simulation_id = started["simulation_id"]
        with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("fork")) as pool:
            ids = list(pool.map(_record, [(simulation_id, number) for number in range(40)]))
        assert len(set(ids)) == 40
        assert _api.get_simulation_status(simulation_id)["progress_percentage"] == 100
    _api = None


@pytest.fixture(params=["database", "service"])
def destination(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Iterator[str]:
    """The URL of a database, or of a service."""
    if request.param == "database":
        yield database_url
    else:
        with serving(database_url, tmp_path / "service") as service:
            yield service.url


def ended(child: int) -> int:
    """Returns the exit code of a child, which is killed if it does not end."""
    since = time.monotonic()
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() - since > DEADLINE:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise AssertionError("the child hangs")
        time.sleep(0.01)


def forked(work: Callable[[], None]) -> int:
    """Begins work in a fork of this process."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    return child


@pytest.mark.parametrize("used", [False, True])
def test_a_child_has_a_client_of_its_own(destination: str, used: bool) -> None:
    with create_sync_arc_api(destination) as api, create_sync_arc_api(destination) as other:
        planned = [{"id": f"s-{number}"} for number in range(4)]
        # A client that was never used, or one with open connections.
        first = api if used else other
        simulation_id = first.start_simulation("c", planned)["simulation_id"]
        assert first.record_scenario_outcome(simulation_id, result("s-0"))

        def records() -> None:
            assert api.record_scenario_outcome(simulation_id, result("s-1"))
            assert api.record_batch_outcomes(simulation_id, [result("s-2")]) != [None]
            assert api.get_simulation_status(simulation_id)["recorded_outcomes"] >= 3
            api.close()

        assert ended(forked(records)) == 0
        assert api.record_scenario_outcome(simulation_id, result("s-3"))
        assert api.get_simulation_status(simulation_id)["recorded_outcomes"] == 4


def test_a_child_is_refused_its_parents_spool_at_once_and_has_its_own(
    destination: str, tmp_path: Path
) -> None:
    with create_sync_arc_api(destination, spool_dir=tmp_path / "spool") as api:
        planned = [{"id": "a"}, {"id": "b"}]
        simulation_id = api.start_simulation("c", planned)["simulation_id"]

        def records() -> None:
            with pytest.raises(ConfigurationError, match="another process has the spool"):
                api.record_scenario_outcome(simulation_id, result("a"))
            with create_sync_arc_api(destination, spool_dir=tmp_path / "own") as own:
                assert own.record_scenario_outcome(simulation_id, result("a"))

        assert ended(forked(records)) == 0
        assert api.record_scenario_outcome(simulation_id, result("b"))
        assert api.get_simulation_status(simulation_id)["progress_percentage"] == 100


def test_a_child_can_make_a_client_besides_its_parents(destination: str) -> None:
    with create_sync_arc_api(destination) as api:
        simulation_id = api.start_simulation("c", [{"id": "a"}, {"id": "b"}])["simulation_id"]
        assert api.record_scenario_outcome(simulation_id, result("a"))

        def records() -> None:
            with create_sync_arc_api(destination) as own:
                assert own.record_scenario_outcome(simulation_id, result("b"))

        assert ended(forked(records)) == 0
        assert api.get_simulation_status(simulation_id)["progress_percentage"] == 100


def test_an_event_loop_in_a_child_has_a_client_of_its_own(destination: str) -> None:
    async def parent() -> None:
        async with create_arc_api(destination) as api:
            started = await api.start_simulation("c", [{"id": "a"}, {"id": "b"}])
            simulation_id = started["simulation_id"]
            assert await api.record_scenario_outcome(simulation_id, result("a"))

            def records() -> None:
                # The loop of the parent still runs in the parent.
                asyncio.events._set_running_loop(None)

                async def child() -> None:
                    assert await api.record_scenario_outcome(simulation_id, result("b"))
                    await api.close()

                asyncio.run(child())

            child = forked(records)
            assert await asyncio.to_thread(ended, child) == 0
            status = await api.get_simulation_status(simulation_id)
            assert status["progress_percentage"] == 100

    asyncio.run(parent())


def _with_own_spool(destination: str, folder: Path) -> None:
    """Creates a worker's own client."""
    global _api
    _api = create_sync_arc_api(destination, spool_dir=folder / str(os.getpid()))


@pytest.mark.parametrize("spool", [False, True])
def test_workers_of_multiprocessing_record(destination: str, tmp_path: Path, spool: bool) -> None:
    global _api
    folder = tmp_path / "spool" if spool else None
    with create_sync_arc_api(destination, pool_size=2, spool_dir=folder) as _api:
        own = {"initializer": _with_own_spool, "initargs": (destination, tmp_path / "spools")}
        started = _api.start_simulation("c", [{"id": f"s-{n}"} for n in range(20)])
        simulation_id = started["simulation_id"]
        assert _api.record_scenario_outcome(simulation_id, result("s-0"))
        with multiprocessing.get_context("fork").Pool(3, **(own if spool else {})) as pool:
            tasks = [(simulation_id, number) for number in range(20)]
            ids = pool.map_async(_record, tasks).get(timeout=DEADLINE)
        assert len(set(ids)) == 20
        assert _api.get_simulation_status(simulation_id)["progress_percentage"] == 100
    _api = None


def test_a_child_uses_a_format_that_its_parent_has_loaded(database_url: str) -> None:
    logs = Path(__file__).parents[1] / "fixtures" / "formats" / "inspect"
    with create_sync_arc_api(database_url) as api:
        first = api.record_file(logs / "arithmetic.eval")

        def records() -> None:
            again = api.record_file(logs / "arithmetic.eval")
            assert again["duplicate"] == first["stored"] > 0

        assert ended(forked(records)) == 0
