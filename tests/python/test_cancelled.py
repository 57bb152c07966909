"""Calls that were begun are completed, even if their caller stops waiting."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from services import DEADLINE, serving

from arc_recorder import ArcAPI, create_arc_api, create_sync_arc_api

#: Several times the results that are in flight at once.
COUNT = 5_000


@pytest.fixture(params=["database", "service"])
def destination(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Iterator[str]:
    """The URL of a database, or of a service."""
    if request.param == "database":
        yield database_url
    else:
        with serving(database_url, tmp_path / "service") as service:
            yield service.url


def result(number: int) -> dict[str, Any]:
    return {
        "scenario": {"id": f"s-{number}"},
        "trajectory": {"status": "success"},
        "reliability_score": 1,
    }


def results() -> list[dict[str, Any]]:
    return [result(number) for number in range(COUNT)]


async def started(api: ArcAPI) -> str:
    plan = [{"id": f"s-{number}"} for number in range(COUNT)]
    return (await api.start_simulation("c", plan))["simulation_id"]


def recorded(url: str, simulation_id: str) -> int:
    with create_sync_arc_api(url) as api:
        return api.get_simulation_status(simulation_id)["recorded_outcomes"]


async def turns(count: int) -> None:
    """Lets the event loop run `count` iterations."""
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("after", [1, 2, 5, 20, 100])
def test_a_batch_whose_task_is_cancelled_is_recorded_whole(database_url: str, after: int) -> None:
    async def test() -> str:
        async with create_arc_api(database_url) as api:
            simulation_id = await started(api)
            task = asyncio.create_task(api.record_batch_outcomes(simulation_id, results()))
            await turns(after)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        return simulation_id

    simulation_id = asyncio.run(test())
    assert recorded(database_url, simulation_id) == COUNT


async def waits_for(awaitable: Awaitable[Any]) -> None:
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(awaitable, 0.05)


async def in_a_group(awaitable: Awaitable[Any]) -> None:
    async def fails() -> None:
        await asyncio.sleep(0.05)
        raise LookupError("a task beside it")

    async def waits() -> None:
        await awaitable

    with pytest.raises(BaseException) as raised:
        async with asyncio.TaskGroup() as group:
            group.create_task(waits())
            group.create_task(fails())
    assert "a task beside it" in repr(raised.value)


async def lets_the_loop_end(awaitable: Awaitable[Any]) -> None:
    _left.append(asyncio.ensure_future(awaitable))
    await asyncio.sleep(0.05)


_left: list[Any] = []

STOPPED: list[Callable[[Awaitable[Any]], Awaitable[None]]] = [waits_for, lets_the_loop_end]
if sys.version_info >= (3, 11):
    STOPPED.append(in_a_group)


@pytest.mark.parametrize("stop", STOPPED, ids=lambda stop: stop.__name__)
def test_a_batch_that_is_stopped_in_another_way_is_recorded(
    destination: str, stop: Callable[[Awaitable[Any]], Awaitable[None]]
) -> None:
    api = create_sync_arc_api(destination)
    simulation_ids: list[str] = []

    async def test() -> None:
        # It is never closed.
        own = await create_arc_api(destination)
        simulation_ids.append(await started(own))
        await stop(own.record_batch(simulation_ids[0], results()))

    asyncio.run(test())
    for thread in threading.enumerate():
        if thread.name == "arc-recorder-batch":
            thread.join(DEADLINE)
            assert not thread.is_alive()
    # At most two parts were in flight when it was stopped, and their end is not reported.
    wait_until(lambda: recorded(destination, simulation_ids[0]) == COUNT)
    api.close()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


#: Records without closing the recorder; the second argument selects what interrupts it.
PROGRAM = """
import asyncio, os, signal, sys, threading, time
from arc_recorder import create_arc_api, create_sync_arc_api

url, how, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
plan = [{"id": f"s-{number}"} for number in range(count)]
results = [
    {"scenario": scenario, "trajectory": {"status": "success"}, "reliability_score": 1}
    for scenario in plan
]
api = create_sync_arc_api(url)
simulation_id = api.start_simulation("c", plan)["simulation_id"]
print(simulation_id, flush=True)

if how == "end":
    async def main():
        own = await create_arc_api(url)
        left = asyncio.ensure_future(own.record_batch(simulation_id, results))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return left
    left = asyncio.run(main())
else:
    def press():
        with create_sync_arc_api(url) as other:
            while not other.get_simulation_status(simulation_id)["recorded_outcomes"]:
                pass
        os.kill(os.getpid(), signal.SIGINT)
    threading.Thread(target=press).start()
    try:
        api.record_batch(simulation_id, results)
        # Not signal.pause(): it misses a signal that comes just before it.
        while True:
            time.sleep(0.01)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


@pytest.mark.parametrize("how", ["end", "ctrl-c"])
def test_the_end_of_the_interpreter_waits_for_a_batch(destination: str, how: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, destination, how, str(COUNT)],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert done.returncode == 0, done.stderr
    simulation_id, *rest = done.stdout.split()
    assert rest == (["interrupted"] if how == "ctrl-c" else [])
    assert recorded(destination, simulation_id) == COUNT


def test_rejections_after_a_cancellation_are_logged(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with create_arc_api(database_url) as api:
            simulation_id = await started(api)
            some = results()
            for place in (10, COUNT - 10):
                some[place] = {"scenario": {"id": f"s-{place}"}, "reliability_score": "high"}
            task = asyncio.create_task(api.record_batch(simulation_id, some))
            await turns(2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    with caplog.at_level(logging.WARNING, logger="arc.database.api"):
        asyncio.run(test())
    logged = [record.getMessage() for record in caplog.records]
    warnings = [text for text in logged if "no longer waits" in text]
    assert sum("1 results were rejected" in text or "2 results were" in text for text in warnings) > 0
    assert all("0 were not recorded" in text for text in warnings), warnings


def test_a_file_and_a_completion_continue_after_a_cancellation(destination: str) -> None:
    log = Path(__file__).parents[1] / "fixtures" / "formats" / "inspect" / "arithmetic.eval"

    async def test() -> str:
        async with create_arc_api(destination) as api:
            simulation_id = await started(api)
            await api.record_scenario_outcome(simulation_id, result(0))
            for call in (api.record_file(log), api.complete_simulation(simulation_id)):
                task = asyncio.create_task(call)
                await turns(2)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
        return simulation_id

    simulation_id = asyncio.run(test())
    with create_sync_arc_api(destination) as api:
        assert api.get_simulation_status(simulation_id)["status"] == "completed"
        again = api.record_file(log)
        assert (again["stored"], again["duplicate"]) == (0, 10)
