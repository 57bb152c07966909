"""Who waits for the host: a coroutine of an event loop, or a thread.

The calls are written once, as coroutines that ask a `Waiter` to wait. The asynchronous one hands
over to the event loop; the synchronous one blocks the thread, so that its coroutines never pause and
`run` can drive them to their end.
"""

from __future__ import annotations

import asyncio
import atexit
import os
from collections.abc import Awaitable, Coroutine, Generator
from typing import Any, Optional, Protocol, TypeVar

from . import _native
from .errors import ConfigurationError, UnavailableError

T = TypeVar("T")

#: The futures that wait for the host, in all event loops of this process.
_pending: set[asyncio.Future[Any]] = set()


class Waiter(Protocol):
    """How a call waits."""

    def check(self) -> None:
        """Raises where nobody can wait here, before any work is begun."""
        ...

    def begin(self, call: _native.Call) -> Awaitable[Any]:
        """What to await for the answer; the work goes on meanwhile."""
        ...

    async def pause(self) -> None:
        """Lets others have their turn."""
        ...


class EventLoop:
    """Waits in the event loop that runs."""

    def check(self) -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            raise ConfigurationError(
                "no asyncio event loop runs here; use create_sync_arc_api, whose calls block"
            ) from None

    def begin(self, call: _native.Call) -> Awaitable[Any]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        _pending.add(future)
        future.add_done_callback(_pending.discard)
        call.deliver(loop, future)
        return future

    async def pause(self) -> None:
        await asyncio.sleep(0)


class _Blocking(Awaitable[Any]):
    """Blocks the thread when it is awaited."""

    def __init__(self, call: _native.Call) -> None:
        self._call = call

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._call.wait()
        yield  # Never reached: it makes this a generator, as awaiting wants.


class Thread:
    """Waits by blocking the thread."""

    def check(self) -> None:
        pass

    def begin(self, call: _native.Call) -> Awaitable[Any]:
        return _Blocking(call)

    async def pause(self) -> None:
        pass


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Drives a coroutine to its end that only waits by blocking."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        answer: T = done.value
        return answer
    coroutine.close()
    raise RuntimeError("a synchronous call has waited for an event loop")


def settle(future: asyncio.Future[Any], value: Any, error: Optional[BaseException]) -> None:
    """Sets the answer of a call, in the event loop's own thread."""
    if future.done():
        # Cancelled meanwhile; the work was done all the same.
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)


def _after_fork_in_child() -> None:
    """The child has none of its parent's threads: what was awaited there is never answered here."""
    _native.after_fork_in_child()
    pending = list(_pending)
    _pending.clear()
    for future in pending:
        error = UnavailableError(
            "this call was under way when the process forked; it goes on in the parent, and is "
            "safe to repeat here"
        )
        try:
            if not future.done():
                future.set_exception(error)
                # Whoever awaited it may not be in this process.
                future.exception()
        except RuntimeError:
            # Its event loop is closed.
            pass


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
atexit.register(_native.stop)
