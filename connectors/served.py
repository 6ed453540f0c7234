"""The changes that this process has made, by the intents that they served."""

from __future__ import annotations

import threading
from typing import Final

from connectors.errors import Stop

_KEPT: Final = 10_000


class Served[T]:
    """Remembers which intent made which change, so that a late copy of it is known as one.

    For platforms that take no idempotency key, and whose history names none: this memory ends with the process. Safe to
    use from several threads.
    """

    def __init__(self) -> None:
        self._made: dict[str, T] = {}
        self._lock = threading.Lock()

    def note(self, key: str, change: T) -> None:
        """Enter a change that stands on the platform; the oldest are forgotten."""
        with self._lock:
            self._made[key] = change
            while len(self._made) > _KEPT:
                del self._made[next(iter(self._made))]

    def has_made(self, key: str, change: T) -> bool:
        """Whether this very change was made before.

        Raises:
            Stop: The intent has served another change.
        """
        with self._lock:
            earlier = self._made.get(key)
        if earlier is not None and earlier != change:
            raise Stop(f"{key!r} has already served another change; nothing was written")
        return earlier is not None
