"""Records a batch in parts. After an interruption another thread can continue with the remaining parts."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Optional, cast

from . import _native
from ._waiting import Answer, Thread, Waiter, run
from .types import ItemVerdict
from .errors import DatabaseError, message_of

log = logging.getLogger("arc.database.api")

#: The attributes of the results: trials, Modal calls and sandboxes, as lists parallel to the results.
Attributes = tuple[Optional[list[Any]], Optional[list[Any]], Optional[list[Any]]]

#: How long objects are serialized before the event loop gets control back, in milliseconds. Including
#: the work before and after it, the event loop is then blocked for less than 5 ms.
SLICE_MS = 1.0

#: The results of a part: enough for a transaction, and few enough that it begins soon.
_PART_RESULTS = 1_000
_PART_BYTES = 8 << 20

#: The most parts in flight: the host works on one while the next is serialized. More are no faster, and
#: their threads keep an event loop from its processor for twice as long. The limit also bounds memory.
_MAX_PARTS_IN_FLIGHT = 2


class BatchRecording:
    """Records results in parts: while the host records some, the next one is serialized.

    Args:
        simulation: the simulation's id.
        results: the results, which no other code changes.
        attributes: the attributes of the results.
        begin: begins to record a part; its second argument is the position of the part's first result.
        take: receives the answer to each part or its error, in order, and the part's number of results.
    """

    def __init__(
        self,
        simulation: str,
        results: list[Any],
        attributes: Attributes,
        begin: Callable[[_native.Batch, int], _native.Call],
        take: Callable[[Any, int], None],
    ) -> None:
        self._simulation = simulation
        self._results = results
        self._attributes = attributes
        self._begin = begin
        self._take = take
        #: The part that is being filled, and the position of its first result.
        self._batch: Optional[_native.Batch] = None
        self._first = 0
        #: The position of the first result that is not in a part yet.
        self._next = 0
        self._taken = 0
        self._in_flight: deque[tuple[int, Answer]] = deque()
        #: The error of the part that failed; later parts are not begun.
        self._failed: Optional[BaseException] = None
        #: Whether the caller no longer waits.
        self._abandoned = False
        #: The verdicts on results that were not recorded after the caller stopped waiting.
        self._unreported: list[ItemVerdict] = []

    async def run(self, waiter: Waiter) -> None:
        """Records the remaining results.

        Raises:
            DatabaseError: if no result is known to be recorded.
        """
        while True:
            more = self._batch is not None or self._next < len(self._results)
            if more and self._failed is None and len(self._in_flight) < _MAX_PARTS_IN_FLIGHT:
                try:
                    await self._begin_part(waiter)
                except Exception as error:
                    self._failed = error
                    await self._ignore_answers()
                    raise
            elif self._in_flight:
                count, awaitable = self._in_flight[0]
                try:
                    answer = await awaitable
                except DatabaseError as error:
                    self._failed = error
                    self._in_flight.popleft()
                    if self._taken == 0:
                        # No result is known to be recorded: the whole call has failed.
                        await self._ignore_answers()
                        raise
                    answer = error
                except RuntimeError:
                    if not self._abandoned:
                        raise
                    # The interrupted caller had already taken the answer.
                    self._in_flight.popleft()
                    answer = []
                else:
                    self._in_flight.popleft()
                self._take(answer, count)
                self._taken += count
            else:
                break
        if self._failed is not None and self._taken < len(self._results):
            self._take(self._failed, len(self._results) - self._taken)

    async def _begin_part(self, waiter: Waiter) -> None:
        """Fills a part with results in time slices, and begins to record it."""
        if self._batch is None:
            self._batch, self._first = _native.Batch(), self._next
        batch = self._batch
        while (
            self._next < len(self._results)
            and len(batch) < _PART_RESULTS
            and batch.bytes < _PART_BYTES
        ):
            self._next = batch.take(
                self._results,
                self._next,
                SLICE_MS,
                _PART_RESULTS,
                _PART_BYTES,
                *self._attributes,
            )
            await waiter.pause()
        count, first = self._next - self._first, self._first

        def on_abandoned(answer: Any) -> None:
            self._collect(answer, count)
            self._log_unreported()

        call = self._begin(batch, first)
        self._batch = None
        self._in_flight.append((count, waiter.begin(call, on_abandoned)))

    async def _ignore_answers(self) -> None:
        while self._in_flight:
            try:
                await self._in_flight[0][1]
            except DatabaseError:
                pass
            self._in_flight.popleft()

    # After the caller has stopped waiting.

    def abandon(self) -> bool:
        """Abandons the parts in flight that can be, and returns whether any work remains."""
        self._abandoned = True
        if self._batch is not None:
            # An interrupted call has not returned its position.
            self._next = self._first + len(self._batch)
        self._take = self._collect
        remaining = deque[tuple[int, Answer]]()
        for count, answer in self._in_flight:
            if answer.abandon():
                self._taken += count
            else:
                remaining.append((count, answer))
        self._in_flight = remaining
        if self._failed is not None:
            self.log_lost(self._failed)
            return False
        more = self._batch is not None or self._next < len(self._results)
        return more or bool(self._in_flight)

    def finish(self) -> None:
        """Records the remaining results, and blocks the thread until then."""
        try:
            run(self.run(Thread()))
        except Exception as error:
            self.log_lost(error)
        self._log_unreported()

    def log_lost(self, error: BaseException) -> None:
        """Logs that the remaining results are not recorded."""
        log.error(
            "simulation %s: up to %d results, whose caller no longer waits, were not recorded: %s",
            self._simulation,
            len(self._results) - self._taken,
            error,
        )

    def _collect(self, answer: Any, count: int) -> None:
        """Collects the results that were not recorded, to be logged at the end."""
        if isinstance(answer, DatabaseError):
            self._unreported.extend(unrecorded(count, answer))
        elif isinstance(answer, tuple):
            others = cast("list[tuple[int, ItemVerdict]]", answer[1])
            self._unreported.extend(verdict for _, verdict in others)
        elif isinstance(answer, list):
            verdicts = cast("Iterable[ItemVerdict]", answer)
            self._unreported.extend(
                verdict for verdict in verdicts if verdict["verdict"] in ("rejected", "failed")
            )

    def _log_unreported(self) -> None:
        unreported, self._unreported = self._unreported, []
        if not unreported:
            return
        rejected = sum(verdict["verdict"] == "rejected" for verdict in unreported)
        reasons = [verdict["message"] for verdict in unreported if verdict["message"]]
        log.warning(
            "simulation %s: of a batch whose caller no longer waits, %d results were rejected and %d "
            "were not recorded%s",
            self._simulation,
            rejected,
            len(unreported) - rejected,
            f": {reasons[0]}" if reasons else "",
        )


def unrecorded(count: int, error: BaseException) -> list[ItemVerdict]:
    """Returns `count` verdicts for the results of a call that failed."""
    return [
        {
            "verdict": "failed",
            "outcome_id": None,
            "violations": [],
            "warnings": [],
            "retryable": isinstance(error, DatabaseError) and error.retryable,
            "message": message_of(error),
            "hint": error.hint if isinstance(error, DatabaseError) else None,
        }
        for _ in range(count)
    ]
