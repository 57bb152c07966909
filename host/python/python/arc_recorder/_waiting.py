"""Waiting for the host, in a coroutine of an event loop or by blocking a thread.

The calls are implemented once, as coroutines that wait through a `Waiter`. The asynchronous one yields
to the event loop. The synchronous one blocks the thread, so its coroutines never suspend and `run` can
drive them to their end.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, Optional, Protocol, TypeVar

from . import _native
from .errors import ConfigurationError, UnavailableError

T = TypeVar("T")

#: The futures that wait for the host, in all event loops of this process.
_pending: set[asyncio.Future[Any]] = set()


#: Receives the answer of an abandoned call, or its error.
AbandonedCallback = Callable[[Any], None]


class Answer(Protocol):
    """An answer that can be awaited or abandoned."""

    def __await__(self) -> Generator[Any, Any, Any]: ...

    def abandon(self) -> bool:
        """Has the answer passed to `on_abandoned`. If it returns false, the answer can be awaited again instead."""
        ...


class Waiter(Protocol):
    """How a call waits."""

    def check(self) -> None:
        """Raises if the caller cannot wait here. It is called before any work begins."""
        ...

    def begin(self, call: _native.Call, on_abandoned: AbandonedCallback) -> Answer:
        """Returns an awaitable of the answer. The work continues whether or not it is awaited.
        `on_abandoned` receives the answer if it is abandoned."""
        ...

    async def pause(self) -> None:
        """Lets other tasks run."""
        ...

    async def join(self, thread: threading.Thread) -> None:
        """Waits for the end of a thread."""
        ...


class _Waiting(Awaitable[Any]):
    """Waits for an answer. If the wait is cancelled, the call continues and `on_abandoned` receives its answer."""

    def __init__(self, future: asyncio.Future[Any], on_abandoned: AbandonedCallback) -> None:
        self._future = future
        self._on_abandoned = on_abandoned
        self._abandoned = False

    def __await__(self) -> Generator[Any, Any, Any]:
        try:
            return (yield from asyncio.shield(self._future).__await__())
        except Exception:
            raise
        except BaseException:
            self.abandon()
            raise

    def abandon(self) -> bool:
        if self._abandoned:
            return True
        self._abandoned = True
        on_abandoned = self._on_abandoned

        def done(future: asyncio.Future[Any]) -> None:
            if not future.cancelled():
                error = future.exception()
                on_abandoned(future.result() if error is None else error)

        try:
            self._future.add_done_callback(done)
        except RuntimeError:
            # Its event loop is closed, and the answer is lost.
            pass
        return True


class EventLoop:
    """Waits in the running event loop."""

    def check(self) -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            raise ConfigurationError(
                "no asyncio event loop runs here; use create_sync_arc_api, whose calls block"
            ) from None

    def begin(self, call: _native.Call, on_abandoned: AbandonedCallback) -> Answer:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        _pending.add(future)
        future.add_done_callback(_pending.discard)
        call.deliver(loop, future)
        return _Waiting(future, on_abandoned)

    async def pause(self) -> None:
        await asyncio.sleep(0)

    async def join(self, thread: threading.Thread) -> None:
        await asyncio.to_thread(thread.join)


class _Blocking(Awaitable[Any]):
    """Blocks the thread when it is awaited. After Ctrl-C it can be awaited again."""

    def __init__(self, call: _native.Call) -> None:
        self._call = call

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._call.wait()
        yield  # Never reached: it makes this method a generator, as `__await__` requires.

    def abandon(self) -> bool:
        return False


class Thread:
    """Waits by blocking the thread."""

    def check(self) -> None:
        pass

    def begin(self, call: _native.Call, on_abandoned: AbandonedCallback) -> Answer:
        return _Blocking(call)

    async def pause(self) -> None:
        pass

    async def join(self, thread: threading.Thread) -> None:
        thread.join()


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Drives a coroutine that never suspends to its end, and returns its result."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        answer: T = done.value
        return answer
    coroutine.close()
    raise RuntimeError("a synchronous call has waited for an event loop")


def settle(future: asyncio.Future[Any], value: Any, error: Optional[BaseException]) -> None:
    """Sets the answer of a call, in the event loop's thread."""
    if future.done():
        # It was cancelled meanwhile; the work was done nevertheless.
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)


def _after_fork_in_child() -> None:
    """Fails the pending calls: the child has none of its parent's threads, so they would never be answered here."""
    _native.after_fork_in_child()
    pending = list(_pending)
    _pending.clear()
    for future in pending:
        error = UnavailableError(
            "this call was in progress when the process forked; it continues in the parent, and is "
            "safe to repeat here"
        )
        try:
            if not future.done():
                future.set_exception(error)
                # Marks the exception as retrieved: the task that awaited it might not run in this process.
                future.exception()
        except RuntimeError:
            # Its event loop is closed.
            pass


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
atexit.register(_native.stop)
