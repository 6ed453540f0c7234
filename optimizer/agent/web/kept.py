"""Parts of pages that are rendered once for all who look: those that a revision and its state determine."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock

from markupsafe import Markup


def one_at_a_time[**P, T](read: Callable[P, T]) -> Callable[P, T]:
    """Return a function that is never under way twice, so that many who ask a cache at once read what it lacks once."""
    lock = Lock()

    def alone(*args: P.args, **kwargs: P.kwargs) -> T:
        with lock:
            return read(*args, **kwargs)

    return alone


class Kept:
    """The parts that were asked for last, by what they show."""

    def __init__(self, most: int) -> None:
        """Begin with none.

        Args:
            most: How many are kept.
        """
        self._most, self._lock = most, Lock()
        self._parts: OrderedDict[Hashable, Markup] = OrderedDict()

    def part(self, shows: Hashable, render: Callable[[], Markup]) -> Markup:
        """Return a part, rendered at most once while it is kept; who asks meanwhile waits for it.

        Args:
            shows: All that it depends on.
            render: Renders it.
        """
        with self._lock:
            found = self._parts.get(shows)
            if found is None:
                found = self._parts[shows] = render()
            self._parts.move_to_end(shows)
            while len(self._parts) > self._most:
                self._parts.popitem(last=False)
            return found
