"""How a connector behaves towards a platform: waits as asked, spends few calls, pins a version and watches its sunset.

Reads are retried here; writes never are: whether a write that failed may be sent again is for the agent to say.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from time import monotonic, sleep
from typing import Final

import stamina

from connectors.errors import AskMarketer, RetryLater

Clock = Callable[[], datetime]

LONGEST_WAIT: Final = 120.0
"""A platform that asks to wait longer is asked again by the next cycle, seconds."""


def patiently[T](call: Callable[[], T], *, attempts: int = 20, patience_seconds: float = 300.0) -> T:
    """Return what a read returns, tried again after `RetryLater`: after as long as the platform asks, else backing off.

    Args:
        call: The read; it must have no effect on the platform.
        attempts: How often it is tried at most.
        patience_seconds: How long all attempts may take together.

    Raises:
        RetryLater: It failed every time, or the platform asks to wait longer than `LONGEST_WAIT`.
    """

    def again(error: Exception) -> bool | float:
        if not isinstance(error, RetryLater):
            return False
        asked = error.retry_after_seconds
        if asked is None:
            return True
        return asked if asked <= LONGEST_WAIT else False

    trying = stamina.retry_context(
        on=again, attempts=attempts, timeout=patience_seconds, wait_initial=0.2, wait_max=30.0, wait_jitter=0.2
    )
    for attempt in trying:
        with attempt:
            return call()
    raise AssertionError("unreachable: the last attempt returns or raises")


class TokenRefused(AskMarketer):
    """The platform refuses an access token that was given for a while; another one may be taken."""


def once_anew[T](read: Callable[[], T]) -> T:
    """Return what a read returns, made once more where its access token was refused: that may have ended early.

    Raises:
        TokenRefused: The next one was refused, too.
    """
    try:
        return read()
    except TokenRefused:
        return read()


@dataclass(frozen=True, slots=True)
class Version:
    """The version of a platform's interface that a connector is written for.

    Attributes:
        name: Such as `v26`.
        sunset: The day from which the platform no longer answers it; None where it has not said.
    """

    name: str
    sunset: date | None = None

    def warning(self, today: date, *, days: int = 90) -> str | None:
        """Return what to say of a sunset that is `days` days away or less; None: nothing."""
        if self.sunset is None or (left := (self.sunset - today).days) > days:
            return None
        when = f"ends on {self.sunset}, in {left} days" if left > 0 else f"ended on {self.sunset}"
        return f"version {self.name} of the interface {when}: update Outlay"


class Pace:
    """So many calls in any stretch of so many seconds; who comes too early waits.

    Args:
        calls: How many.
        seconds: In how long.
        clock: Tells seconds that only grow.
        sleep: Lets seconds pass.
    """

    def __init__(
        self,
        calls: int,
        seconds: float,
        clock: Callable[[], float] = monotonic,
        sleep: Callable[[float], object] = sleep,
    ) -> None:
        self._seconds = seconds
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._made: deque[float] = deque(maxlen=calls)

    def wait(self) -> None:
        """Wait until a call may be made, and count it."""
        with self._lock:
            if len(self._made) == self._made.maxlen:
                early = self._made[0] + self._seconds - self._clock()
                if early > 0:
                    self._sleep(early)
            self._made.append(self._clock())


class Quota:
    """So many calls a UTC day, and no more.

    Args:
        limit: How many; None: any number.
        clock: Tells the time.
        name: Whose calls, for the error.
    """

    def __init__(self, limit: int | None, clock: Clock, name: str) -> None:
        self._limit = limit
        self._clock = clock
        self._name = name
        self._lock = threading.Lock()
        self._day: date | None = None
        self._spent = 0

    @property
    def spent(self) -> int:
        """Calls made today."""
        with self._lock:
            self._turn()
            return self._spent

    def spend(self, calls: int = 1) -> None:
        """Count calls that are about to be made.

        Raises:
            RetryLater: They are more than the day has left; none is counted.
        """
        with self._lock:
            now = self._turn()
            if self._limit is not None and self._spent + calls > self._limit:
                midnight = datetime.combine(now.date() + timedelta(days=1), time(), UTC)
                raise RetryLater(
                    f"{self._name}: the {self._limit} calls of today are spent; nothing was sent",
                    retry_after_seconds=(midnight - now).total_seconds(),
                )
            self._spent += calls

    def _turn(self) -> datetime:
        now = self._clock().astimezone(UTC)
        if now.date() != self._day:
            self._day, self._spent = now.date(), 0
        return now


def stretches(since: date, until: date, days: int) -> Iterator[tuple[date, date]]:
    """Yield consecutive stretches of at most so many days that cover `since` to `until`, both included.

    Raises:
        ValueError: A stretch of no days.
    """
    if days < 1:
        raise ValueError(f"a stretch has at least one day, not {days}")
    while since <= until:
        last = min(until, since + timedelta(days=days - 1))
        yield since, last
        since = last + timedelta(days=1)
