"""Memory that is free, given back to the system: the C library keeps pages of which something is in use.

A day's work takes and frees some megabytes, and leaves a few kilobytes of such pages more each time. Nobody holds them,
but a process of years is seen to grow by them.
"""

from __future__ import annotations

import ctypes
from datetime import datetime, timedelta
from threading import Lock
from typing import Final

_EVERY: Final = timedelta(hours=6)


class Heap:
    """The memory of this process."""

    def __init__(self) -> None:
        """Nothing was given back yet."""
        self._given: datetime | None = None
        self._lock = Lock()

    def give_back(self, now: datetime) -> bool:
        """Give what is free back, unless that was done in the last hours; return whether it was done now.

        Args:
            now: Aware UTC. A clock that went back does not keep it from being done.
        """
        with self._lock:
            if self._given is not None and abs(now - self._given) < _EVERY:
                return False
            self._given = now
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc; others give back by themselves
        if trim is not None:
            trim(0)
        return True
