"""Who waits for the host: a coroutine of an event loop, or a thread.

The calls are written once, as coroutines that ask a `Waiter` to wait. The asynchronous one hands
over to the event loop; the synchronous one blocks the thread, so that its coroutines never pause and
`run` can drive them to their end.
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


#: Takes the answer of a call, or its error.
Unheard = Callable[[Any], None]


class Answer(Protocol):
    """An answer that is awaited, or abandoned."""

    def __await__(self) -> Generator[Any, Any, Any]: ...

    def abandon(self) -> bool:
        """Has the answer given to `unheard`, and says whether that is so: else it may be awaited again."""
        ...


class Waiter(Protocol):
    """How a call waits."""

    def check(self) -> None:
        """Raises where nobody can wait here, before any work is begun."""
        ...

    def begin(self, call: _native.Call, unheard: Unheard) -> Answer:
        """What to await for the answer; the work goes on meanwhile, whether or not it is awaited.
        `unheard` takes an answer for which nobody waits any more."""
        ...

    async def pause(self) -> None:
        """Lets others have their turn."""
        ...

    async def join(self, thread: threading.Thread) -> None:
        """Waits for the end of a thread."""
        ...


class _Waiting(Awaitable[Any]):
    """Waits for an answer. Whoever stops waiting leaves the call as it is, and `unheard` gets the answer."""

    def __init__(self, future: asyncio.Future[Any], unheard: Unheard) -> None:
        self._future = future
        self._unheard = unheard
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
        unheard = self._unheard

        def hear(future: asyncio.Future[Any]) -> None:
            if not future.cancelled():
                error = future.exception()
                unheard(future.result() if error is None else error)

        try:
            self._future.add_done_callback(hear)
        except RuntimeError:
            # Its event loop is closed, and the answer comes nowhere.
            pass
        return True


class EventLoop:
    """Waits in the event loop that runs."""

    def check(self) -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            raise ConfigurationError(
                "no asyncio event loop runs here; use create_sync_arc_api, whose calls block"
            ) from None

    def begin(self, call: _native.Call, unheard: Unheard) -> Answer:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        _pending.add(future)
        future.add_done_callback(_pending.discard)
        call.deliver(loop, future)
        return _Waiting(future, unheard)

    async def pause(self) -> None:
        await asyncio.sleep(0)

    async def join(self, thread: threading.Thread) -> None:
        await asyncio.to_thread(thread.join)


class _Blocking(Awaitable[Any]):
    """Blocks the thread when it is awaited. After Ctrl-C it may be awaited again."""

    def __init__(self, call: _native.Call) -> None:
        self._call = call

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._call.wait()
        yield  # Never reached: it makes this a generator, as awaiting wants.

    def abandon(self) -> bool:
        return False


class Thread:
    """Waits by blocking the thread."""

    def check(self) -> None:
        pass

    def begin(self, call: _native.Call, unheard: Unheard) -> Answer:
        return _Blocking(call)

    async def pause(self) -> None:
        pass

    async def join(self, thread: threading.Thread) -> None:
        thread.join()


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
