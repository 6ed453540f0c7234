"""Threads for looks that wait on platforms: so many at a time, and whoever waits for long makes room for the next."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Condition, Thread
from typing import Any, Final

from apscheduler.executors.pool import BasePoolExecutor

PATIENCE_SECONDS: Final = 5.0
"""After so long a look counts no more among those that are at work at a time: a platform that hangs holds up nobody
else for longer. Most looks take milliseconds, a day's reading and deciding of a usual account about a second."""

LAST_SECONDS: Final = 25.0
"""So long the end waits for what is at work: a write in hand is finished within it, a platform that hangs is not."""


@dataclass(slots=True, eq=False)
class _Work:
    """What is to be done, since when it is being done, and whether it has made room."""

    do: Callable[[], Any]
    ended: Future[Any] = field(default_factory=Future)
    began: float = 0.0
    aside: bool = False


class Crew:
    """Does work in threads, in the order in which it was handed in.

    At most `places` are at work that have not been so for long; what takes longer goes on beside them. There are thus
    as many threads as there are portfolios at most, of which all but few wait.
    """

    def __init__(self, places: int, patience_seconds: float = PATIENCE_SECONDS) -> None:
        """Begin nothing yet.

        Args:
            places: How many may be at work at a time.
            patience_seconds: After so long one counts among them no more.
        """
        self._places, self._patience = places, patience_seconds
        self._changed = Condition()
        self._queue: deque[_Work] = deque()
        self._at_work: set[_Work] = set()
        self._closed = False
        Thread(target=self._watch, name="crew", daemon=True).start()

    def submit(self, do: Callable[..., Any], *words: Any) -> Future[Any]:
        """Have something done; the signature is that of `concurrent.futures.Executor`."""
        work = _Work(lambda: do(*words))
        with self._changed:
            self._queue.append(work)
            self._fill()
        return work.ended

    def shutdown(self, wait: bool = True) -> None:
        """Begin nothing more, and wait for what is at work, for `LAST_SECONDS` at most.

        What was handed in and not begun ends with nothing: an empty tuple.
        """
        with self._changed:
            self._closed = True
            left, self._queue = self._queue, deque()
            self._changed.notify_all()
            if wait:
                self._changed.wait_for(lambda: not self._at_work, LAST_SECONDS)
        for work in left:
            # Not cancelled: APScheduler asks each future for its error, and would log a traceback. No event came of it.
            work.ended.set_result(())

    def _fill(self) -> None:
        """Begin what there is room for; under the lock."""
        while self._queue and not self._closed and sum(not work.aside for work in self._at_work) < self._places:
            work = self._queue.popleft()
            work.began = time.monotonic()
            self._at_work.add(work)
            # A thread of its own: one that hangs is lost, and must be none that others need.
            Thread(target=self._do, args=(work,), name="look", daemon=True).start()

    def _do(self, work: _Work) -> None:
        try:
            found = work.do()
        except BaseException as error:  # noqa: BLE001 - whoever handed it in is told
            work.ended.set_exception(error)
        else:
            work.ended.set_result(found)
        with self._changed:
            self._at_work.discard(work)
            self._fill()
            self._changed.notify_all()

    def _watch(self) -> None:
        """Let what takes long make room."""
        with self._changed:
            while not self._closed:
                late = time.monotonic() - self._patience
                for work in self._at_work:
                    work.aside = work.aside or work.began <= late
                self._fill()
                self._changed.wait(self._patience / 10.0)


class CrewExecutor(BasePoolExecutor):  # type: ignore[misc]  # APScheduler is untyped
    """A crew as APScheduler's executor."""

    def __init__(self, crew: Crew) -> None:
        """Take the crew."""
        super().__init__(crew)
