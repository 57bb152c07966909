"""A batch on its way to the host, in parts, which whoever holds it can go on with where another was stopped."""

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

#: What belongs to the results: their trials, Modal calls and sandboxes, each a list beside them.
Beside = tuple[Optional[list[Any]], Optional[list[Any]], Optional[list[Any]]]

#: How long objects are made JSON before others have their turn, in milliseconds. With what comes
#: before and after, an event loop is then held for less than 5 ms.
SLICE_MS = 1.0

#: Results that go to the host at once: enough for a transaction, few enough that it begins soon.
_PART_RESULTS = 1_000
_PART_BYTES = 8 << 20

#: Parts under way at once: the host works on one while the next is made. More are no faster, and their
#: threads keep an event loop from its processor for twice as long. It bounds memory too.
_PARTS_UNDER_WAY = 2


class BatchRecording:
    """Records results in parts, some of which are under way while the next is made.

    Args:
        simulation: the simulation's id.
        results: the results, which nobody else changes.
        beside: what belongs to them.
        begin: begins to record a part; its second argument is the position of the part's first result.
        take: takes the answer to each part, in order, or its error, and how many results it has.
    """

    def __init__(
        self,
        simulation: str,
        results: list[Any],
        beside: Beside,
        begin: Callable[[_native.Batch, int], _native.Call],
        take: Callable[[Any, int], None],
    ) -> None:
        self._simulation = simulation
        self._results = results
        self._beside = beside
        self._begin = begin
        self._take = take
        #: The part that is being made, and the position of its first result.
        self._batch: Optional[_native.Batch] = None
        self._first = 0
        #: The position of the first result that is in no part yet.
        self._following = 0
        self._taken = 0
        self._under_way: deque[tuple[int, Answer]] = deque()
        #: Once a part has failed, the rest is not begun.
        self._failed: Optional[BaseException] = None
        #: Whether nobody waits any more.
        self._alone = False
        #: What was not recorded after nobody waited any more, and a reason.
        self._unheard: list[ItemVerdict] = []

    async def run(self, waiter: Waiter) -> None:
        """Records what is left.

        Raises:
            DatabaseError: where nothing is known to be recorded.
        """
        while True:
            more = self._batch is not None or self._following < len(self._results)
            if more and self._failed is None and len(self._under_way) < _PARTS_UNDER_WAY:
                try:
                    await self._begin_part(waiter)
                except Exception as error:
                    self._failed = error
                    await self._ignore_answers()
                    raise
            elif self._under_way:
                count, answer = self._under_way[0]
                try:
                    given = await answer
                except DatabaseError as error:
                    self._failed = error
                    self._under_way.popleft()
                    if self._taken == 0:
                        # Nothing is known to be recorded: the whole call has failed.
                        await self._ignore_answers()
                        raise
                    given = error
                except RuntimeError:
                    if not self._alone:
                        raise
                    # Whoever was interrupted had taken the answer already.
                    self._under_way.popleft()
                    given = []
                else:
                    self._under_way.popleft()
                self._take(given, count)
                self._taken += count
            else:
                break
        if self._failed is not None and self._taken < len(self._results):
            self._take(self._failed, len(self._results) - self._taken)

    async def _begin_part(self, waiter: Waiter) -> None:
        """Fills a part with results, a slice of time after another, and begins to record it."""
        if self._batch is None:
            self._batch, self._first = _native.Batch(), self._following
        batch = self._batch
        while (
            self._following < len(self._results)
            and len(batch) < _PART_RESULTS
            and batch.bytes < _PART_BYTES
        ):
            self._following = batch.take(
                self._results,
                self._following,
                SLICE_MS,
                _PART_RESULTS,
                _PART_BYTES,
                *self._beside,
            )
            await waiter.pause()
        count, first = self._following - self._first, self._first

        def unheard(answer: Any) -> None:
            self._hear(answer, count)
            self._tell()

        call = self._begin(batch, first)
        self._batch = None
        self._under_way.append((count, waiter.begin(call, unheard)))

    async def _ignore_answers(self) -> None:
        while self._under_way:
            try:
                await self._under_way[0][1]
            except DatabaseError:
                pass
            self._under_way.popleft()

    # Where nobody waits any more.

    def abandon(self) -> bool:
        """Leaves the parts that are under way to themselves where they can be, and says whether anything is
        left to do."""
        self._alone = True
        if self._batch is not None:
            # What was interrupted has not said how far it came.
            self._following = self._first + len(self._batch)
        self._take = self._hear
        waits_again = deque[tuple[int, Answer]]()
        for count, answer in self._under_way:
            if answer.abandon():
                self._taken += count
            else:
                waits_again.append((count, answer))
        self._under_way = waits_again
        if self._failed is not None:
            self.lost(self._failed)
            return False
        more = self._batch is not None or self._following < len(self._results)
        return more or bool(self._under_way)

    def finish(self) -> None:
        """Records what is left, and blocks the thread."""
        try:
            run(self.run(Thread()))
        except Exception as error:
            self.lost(error)
        self._tell()

    def lost(self, error: BaseException) -> None:
        """Logs that what is left is not recorded."""
        log.error(
            "simulation %s: up to %d results, for which nobody waits any more, were not recorded: %s",
            self._simulation,
            len(self._results) - self._taken,
            error,
        )

    def _hear(self, answer: Any, count: int) -> None:
        """Takes an answer that nobody waits for: what was not recorded is logged in the end."""
        if isinstance(answer, DatabaseError):
            self._unheard.extend(unrecorded(count, answer))
        elif isinstance(answer, tuple):
            others = cast("list[tuple[int, ItemVerdict]]", answer[1])
            self._unheard.extend(verdict for _, verdict in others)
        elif isinstance(answer, list):
            verdicts = cast("Iterable[ItemVerdict]", answer)
            self._unheard.extend(
                verdict for verdict in verdicts if verdict["verdict"] in ("rejected", "failed")
            )

    def _tell(self) -> None:
        unheard, self._unheard = self._unheard, []
        if not unheard:
            return
        rejected = sum(verdict["verdict"] == "rejected" for verdict in unheard)
        reasons = [verdict["message"] for verdict in unheard if verdict["message"]]
        log.warning(
            "simulation %s: of a batch for which nobody waits any more, %d results were rejected and %d "
            "were not recorded%s",
            self._simulation,
            rejected,
            len(unheard) - rejected,
            f": {reasons[0]}" if reasons else "",
        )


def unrecorded(count: int, error: BaseException) -> list[ItemVerdict]:
    """The verdicts on so many results of a call that has failed."""
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
