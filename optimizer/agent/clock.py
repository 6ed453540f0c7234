"""The clocks: the machine's, and one that stands where it is told."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The machine's clock, in UTC."""

    def now(self) -> datetime:
        """Return the current time as an aware UTC datetime."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


@dataclass(slots=True)
class SetClock:
    """A clock that moves only when it is told to: simulated worlds and tests keep their own time.

    Attributes:
        at: Aware UTC.
    """

    at: datetime

    def now(self) -> datetime:
        """Return the time that it was set to."""
        return self.at

    def sleep(self, seconds: float) -> None:
        """Move on by so many seconds, without waiting."""
        self.at += timedelta(seconds=seconds)
