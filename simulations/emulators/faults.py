"""What goes wrong on the wire: which request, and how. Each emulator gives it the platform's own shape."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Literal

import numpy as np

Kind = Literal["read", "write"]


class Fault(StrEnum):
    """One way for a request to go wrong.

    THROTTLED: refused for a while, with the platform's hint; nothing was done.
    BROKEN: the platform's own failure (HTTP 500, UNAVAILABLE); nothing was done.
    LOST_BEFORE: the connection breaks before the request is taken up; nothing was done.
    LOST_AFTER: the request is taken up and takes effect, and the answer never arrives.
    SLOW: the answer takes a while.
    EMPTY_PAGE: a page in the middle of a listing has no rows, and others follow.
    STALE: a read answers what it answered before.
    EXPIRED: the credential is refused.
    """

    THROTTLED = "throttled"
    BROKEN = "broken"
    LOST_BEFORE = "lost_before"
    LOST_AFTER = "lost_after"
    SLOW = "slow"
    EMPTY_PAGE = "empty_page"
    STALE = "stale"
    EXPIRED = "expired"


READS = frozenset(Fault) - {Fault.LOST_AFTER}
WRITES = frozenset(Fault) - {Fault.EMPTY_PAGE, Fault.STALE}


@dataclass(frozen=True, slots=True)
class Chances:
    """How often each fault meets a request that can have it: a probability each, together at most one.

    Raises:
        ValueError: A chance is not from 0 to 1, or they are more than one together.
    """

    throttled: float = 0.0
    broken: float = 0.0
    lost_before: float = 0.0
    lost_after: float = 0.0
    slow: float = 0.0
    empty_page: float = 0.0
    stale: float = 0.0
    expired: float = 0.0

    def __post_init__(self) -> None:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, value in values.items():
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"{name} is a probability from 0 to 1, not {value}")
        if sum(values.values()) > 1.0:
            raise ValueError(f"the chances of all faults together are at most 1, not {sum(values.values()):g}")

    @classmethod
    def parse(cls, text: str) -> Chances:
        """Read `throttled=0.1,lost_after=0.05`; an empty text means none.

        Raises:
            ValueError: A name or number is wrong, with the names that there are.
        """
        known, given = {field.name for field in fields(cls)}, {}
        for part in filter(None, (piece.strip() for piece in text.split(","))):
            name, _, number = part.partition("=")
            if name.strip() not in known:
                raise ValueError(f"{name.strip()!r} is no fault; write one of {', '.join(sorted(known))}")
            try:
                given[name.strip()] = float(number)
            except ValueError:
                raise ValueError(f"{part!r} needs a probability, as in {name.strip()}=0.1") from None
        return cls(**given)


class Faults:
    """Says of each request whether and how it goes wrong; safe to ask from several threads.

    What a test has scripted comes first, then chance.

    Args:
        chances: How often each fault comes.
        rng: Of the chances.
        slow_seconds: How long a SLOW answer takes.
        retry_after_seconds: What a THROTTLED answer asks to wait.

    Attributes:
        met: How often each fault came.
        requests: How many requests were asked about, by kind.
    """

    def __init__(
        self,
        chances: Chances | None = None,
        rng: np.random.Generator | None = None,
        *,
        slow_seconds: float = 0.2,
        retry_after_seconds: float = 0.02,
    ) -> None:
        self._chances = chances or Chances()
        self._rng = rng or np.random.default_rng(0)
        self._lock = threading.Lock()
        self._scripted: dict[Kind, deque[Fault | None]] = {"read": deque(), "write": deque()}
        self.slow_seconds = slow_seconds
        self.retry_after_seconds = retry_after_seconds
        self.met: dict[Fault, int] = dict.fromkeys(Fault, 0)
        self.requests: dict[Kind, int] = {"read": 0, "write": 0}

    def script(self, kind: Kind, *faults: Fault | None) -> None:
        """Let the next requests of a kind go so, in order; None lets one through.

        Raises:
            ValueError: Requests of this kind cannot have such a fault.
        """
        for fault in faults:
            if fault is not None and fault not in _possible(kind):
                raise ValueError(f"a {kind} cannot be {fault}")
        with self._lock:
            self._scripted[kind].extend(faults)

    def next(self, kind: Kind) -> Fault | None:
        """Return what happens to the next request of this kind; None: nothing."""
        with self._lock:
            self.requests[kind] += 1
            fault = self._scripted[kind].popleft() if self._scripted[kind] else self._by_chance(kind)
            if fault is not None:
                self.met[fault] += 1
            return fault

    def _by_chance(self, kind: Kind) -> Fault | None:
        draw = float(self._rng.random())
        for fault in Fault:
            draw -= getattr(self._chances, fault.value)
            if draw < 0:
                return fault if fault in _possible(kind) else None
        return None


def _possible(kind: Kind) -> frozenset[Fault]:
    return READS if kind == "read" else WRITES
