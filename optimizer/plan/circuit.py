"""The breaker of one account: after so many failures in a row it is called no more, but for a probe now and then.

Pure: a function of the state, of what happened and of the time. An agent that knocks on without end spends its quota
where nothing is to be had, and keeps a platform that is in trouble there. The pattern is M. Nygard's ("Release It!",
2007); the wait doubles as in exponential back-off.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Fuse:
    """When a circuit opens, and how long it stays so.

    Attributes:
        failures: So many in a row open it.
        wait: Until the first probe.
        longest: The wait doubles with each probe that fails, up to this.

    Raises:
        ValueError: No failure at all, or waits that are not positive or not in order.
    """

    failures: int = 10
    wait: timedelta = timedelta(minutes=5)
    longest: timedelta = timedelta(hours=1)

    def __post_init__(self) -> None:
        if self.failures < 1:
            raise ValueError(f"a breaker needs a failure to open at, not {self.failures}")
        if not timedelta(0) < self.wait <= self.longest:
            raise ValueError(f"a breaker waits for some time, and no longer than its longest: {self.wait}")


class Happened(StrEnum):
    """What an account's platform did; the first word of the history's entry is what became of the circuit."""

    ASKED = "asked"
    WORKED = "worked"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Circuit:
    """Where the breaker of one account stands.

    Attributes:
        subject: A connector by its name, or one account of it as `connector/account`.
        failures: In a row, up to now.
        until: No call before then; None while it is closed and calls pass.
        wait: The present back-off; zero while it is closed.
        why: Which call failed last, and what it said: `call: words`.
    """

    subject: str
    failures: int = 0
    until: datetime | None = None
    wait: timedelta = timedelta(0)
    why: str = ""

    @property
    def call(self) -> str:
        """Which call failed last; empty where none did."""
        return self.why.partition(": ")[0]

    @property
    def is_open(self) -> bool:
        """Whether calls are kept back, but for the probe."""
        return self.until is not None

    def rests(self, now: datetime) -> bool:
        """Whether no call may be made now, not even a probe."""
        return self.until is not None and now < self.until


def step(circuit: Circuit, happened: Happened, now: datetime, fuse: Fuse, call: str, why: str = "") -> Circuit:
    """Return where the circuit stands after something happened.

    To ask for a call on an open circuit claims the probe: until it has an answer, or another wait is over, none else is
    made. An answer closes the circuit, if it is to the call that failed last: a platform that tells of its accounts and
    fails at its reports is not well. Another call's answer leaves the count, and the probe to whoever asks next. A
    failure of the probe doubles the wait.

    Args:
        circuit: Where it stood.
        happened: What happened. `ASKED` is to be told before each call.
        now: Aware UTC.
        fuse: The settings.
        call: Which call it is about.
        why: The words of a failure.
    """
    match happened:
        case Happened.ASKED:
            return replace(circuit, until=now + circuit.wait) if circuit.is_open and not circuit.rests(now) else circuit
        case Happened.WORKED if circuit.failures and circuit.call != call:
            return replace(circuit, until=now) if circuit.is_open else circuit
        case Happened.WORKED:
            return Circuit(circuit.subject)
        case Happened.FAILED:
            failures = circuit.failures + 1
            if not circuit.is_open and failures < fuse.failures:
                return replace(circuit, failures=failures, why=f"{call}: {why}")
            wait = min(circuit.wait * 2, fuse.longest) if circuit.is_open else fuse.wait
            return replace(circuit, failures=failures, until=now + wait, wait=wait, why=f"{call}: {why}")
