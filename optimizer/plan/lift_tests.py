"""Lift tests: what is promised beforehand, which budgets a switchback asks for by day, and what was read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from statistics import NormalDist
from typing import Final

from connectors.money import Money, total
from optimizer.plan.canonical import content_hash
from optimizer.plan.outcome import Outcome

LEAST_PAIRS: Final = 4
MOST_PAIRS: Final = 14
"""Between them the exact interval of a switchback can be written down: it orders 2^pairs - 1 means."""

_LONGEST_NAME: Final = 80
_DIGEST_LENGTH: Final = 64


class LiftTestError(ValueError):
    """A lift test that cannot be: the message says which value and the mend."""


@dataclass(frozen=True, slots=True)
class Base:
    """A budget of a switchback and what it is a day outside the test; `key` is the text of its `BudgetKey`."""

    key: str
    amount: Money


@dataclass(frozen=True, slots=True)
class Phase:
    """What a switchback asks for on one day.

    Attributes:
        level: Of each budget, over what it is outside the test.
        words: Which part of which test it is.
    """

    level: float
    words: str


@dataclass(frozen=True, slots=True)
class Switchback:
    """Budgets of one channel or campaign that go down and up in blocks of days, drawn by lot within pairs of blocks.

    Attributes:
        name: For people; unique among the tests that are open.
        channel: As in `Target.channel`.
        campaign: Id of the one campaign that is tested; None where the whole channel is.
        bases: The budgets and what they are a day outside the test; one or more.
        first_day: Of the first block.
        block_days: Days of each block.
        burn_in: First days of each block that are not read, since what was spent before is still felt on them.
        high: Whether each block is a high one; blocks 2p and 2p + 1 are a pair, of which one is high.
        lower, upper: What budgets are over their base in low and in high blocks; lower <= 1 <= upper.
        outcome: What is read.
        settle_days: Days after the last block on which the budgets are put back to their base.

    Raises:
        LiftTestError: A value is not as above, or there are too few or too many pairs.
    """

    name: str
    channel: str
    campaign: str | None
    bases: tuple[Base, ...]
    first_day: date
    block_days: int
    burn_in: int
    high: tuple[bool, ...]
    lower: float
    upper: float
    outcome: Outcome = Outcome.CONVERSIONS
    settle_days: int = 3

    def __post_init__(self) -> None:
        where = _named(self.name)
        if not self.bases or len({base.key for base in self.bases}) < len(self.bases):
            raise LiftTestError(f"{where}: it needs one or more budgets, each once")
        if any(base.amount.micros <= 0 for base in self.bases):
            raise LiftTestError(f"{where}: each budget must be above zero, else there is nothing to change")
        if not 0 <= self.burn_in < self.block_days:
            raise LiftTestError(f"{where}: burn_in must be 0 or more and below block_days, not {self.burn_in}")
        if not LEAST_PAIRS <= len(self.high) / 2 <= MOST_PAIRS or len(self.high) % 2:
            raise LiftTestError(
                f"{where}: it needs {LEAST_PAIRS} to {MOST_PAIRS} pairs of blocks, not {len(self.high) / 2:g}"
            )
        if any(first == second for first, second in zip(self.high[::2], self.high[1::2], strict=True)):
            raise LiftTestError(f"{where}: of each pair of blocks one is high and one low")
        if not 0 <= self.lower <= 1 <= self.upper < math.inf or self.lower == self.upper:
            raise LiftTestError(f"{where}: levels must be 0 <= lower <= 1 <= upper, and differ")
        if self.settle_days < 1:
            raise LiftTestError(f"{where}: settle_days must be at least 1, or the budgets are never put back")

    @property
    def days(self) -> int:
        """Days of all blocks."""
        return self.block_days * len(self.high)

    @property
    def last_day(self) -> date:
        """The last day of the last block."""
        return self.first_day + timedelta(days=self.days - 1)

    def phase(self, day: date, stopped: date | None = None) -> Phase | None:
        """Return what is asked for on a day; None where nothing is.

        Args:
            day: In the portfolio's zone.
            stopped: The day on which the test was ended early; from then on the budgets are put back, if it had begun.
        """
        if stopped is not None and stopped < self.first_day:
            return None
        over = self.last_day + timedelta(days=1)
        end = over if stopped is None else min(over, stopped)
        if not self.first_day <= day < end + timedelta(days=self.settle_days):
            return None
        if day >= end:
            return Phase(1.0, f"lift test {self.name} is over: back to {self.base} a day in all")
        place = (day - self.first_day).days
        block = place // self.block_days
        begins = block * self.block_days + 1
        word = "high" if self.high[block] else "low"
        words = f"lift test {self.name}: {word}, days {begins} to {begins + self.block_days - 1} of {self.days}"
        return Phase(self.upper if self.high[block] else self.lower, words)

    @property
    def base(self) -> Money:
        """All its budgets together, a day outside the test."""
        return total([base.amount for base in self.bases], self.bases[0].amount.currency)


@dataclass(frozen=True, slots=True)
class Holdout:
    """Regions in which a channel or campaign is changed, beside regions in which it is not.

    Attributes:
        name: For people; unique among the tests that are open.
        channel, campaign: As in `Switchback`.
        first_day, last_day: With the changed spend, both included.
        test, control: Names of the regions; none is in both.
        change: Of spend in the test regions, relative: -1 switches it off.
        outcome: What is read.

    Raises:
        LiftTestError: A value is not as above.
    """

    name: str
    channel: str
    campaign: str | None
    first_day: date
    last_day: date
    test: tuple[str, ...]
    control: tuple[str, ...]
    change: float = -1.0
    outcome: Outcome = Outcome.CONVERSIONS

    def __post_init__(self) -> None:
        where = _named(self.name)
        if self.last_day < self.first_day:
            raise LiftTestError(f"{where}: it ends on {self.last_day}, before it begins")
        if not self.test or not self.control or set(self.test) & set(self.control):
            raise LiftTestError(f"{where}: it needs regions to test and others to compare with, none in both")
        if not (-1 <= self.change < math.inf) or self.change == 0:
            raise LiftTestError(f"{where}: change must be -1 (off) or more and not 0, not {self.change!r}")

    @property
    def days(self) -> int:
        """Days with the changed spend."""
        return (self.last_day - self.first_day).days + 1


LiftPlan = Switchback | Holdout


@dataclass(frozen=True, slots=True)
class LiftReading:
    """What a test says. Amounts and counts are totals over the test's days, of the part of the market that was tested.

    Attributes:
        first_day, last_day: Of the test.
        spend: Without the change, currency units.
        spend_change: Because of it, not zero.
        incremental: What the change brought, in units of the outcome; below zero, as a rule, where spend was cut.
        se: Standard error of `incremental`, positive.
        low, high: Interval of `incremental`.
        level: Its coverage, such as 0.9.
        claimed: What the platforms claim that the change brought; None where that is not known.
        claimed_se: Standard error of `claimed`, 0 or more.

    Raises:
        ValueError: A value is not as above.
    """

    first_day: date
    last_day: date
    spend: float
    spend_change: float
    incremental: float
    se: float
    low: float
    high: float
    level: float
    claimed: float | None = None
    claimed_se: float = 0.0

    def __post_init__(self) -> None:
        numbers = (self.spend, self.spend_change, self.incremental, self.se, self.low, self.high, self.claimed_se)
        if not all(map(math.isfinite, numbers)) or self.se <= 0 or self.spend_change == 0 or self.claimed_se < 0:
            raise ValueError("a reading needs finite numbers, a change of spend and a standard error above zero")
        if not (self.low <= self.high and 0 < self.level < 1):
            raise ValueError("a reading's interval needs low <= high and a level between 0 and 1")

    @property
    def found(self) -> bool:
        """Whether the interval leaves out zero: something was found."""
        return self.low > 0 or self.high < 0

    @property
    def overclaimed(self) -> float | None:
        """Probability that more is claimed than is incremental, both normal; None where no claim is known."""
        if self.claimed is None:
            return None
        more = math.copysign(1.0, self.spend_change) * (self.claimed - self.incremental)
        return NormalDist().cdf(more / math.hypot(self.se, self.claimed_se))


@dataclass(frozen=True, slots=True)
class LiftEnd:
    """How a lift test ended.

    Attributes:
        lift_id: Which one.
        at: In `datetime.UTC`.
        day: The same in the portfolio's zone: from this day on budgets are put back.
        actor: Who ended it.
        reason: In words, not empty.
        reading: What it said; None where it was broken off.
        evidence: Digest of what was read, 64 hexadecimal digits; empty without a reading.

    Raises:
        ValueError: A value is not as above.
    """

    lift_id: str
    at: datetime
    day: date
    actor: str
    reason: str
    reading: LiftReading | None = None
    evidence: str = ""

    def __post_init__(self) -> None:
        where = f"the end of lift test {self.lift_id!r}"
        if self.at.tzinfo is not UTC:
            raise ValueError(f"{where}: its time must be in UTC, not {self.at}")
        if not self.actor.strip() or not self.reason.strip():
            raise ValueError(f"{where}: it must say who ended it, and why")
        if len(self.evidence) != (_DIGEST_LENGTH if self.reading is not None else 0):
            raise ValueError(f"{where}: {self.evidence!r} is no digest of what was read")


@dataclass(frozen=True, slots=True)
class LiftRecord:
    """A lift test as it was registered, and its end where it has one.

    Attributes:
        lift_id: Unique; begins with the day of its registration.
        plan: What was promised.
        plan_hash: Of the plan, as it was when it was registered.
        registered_at: In `datetime.UTC`.
        registered_by: Who.
        code_version: Of the program.
        end: None while it is open.

    Raises:
        ValueError: A value is not as above, or the plan does not have this hash.
    """

    lift_id: str
    plan: LiftPlan
    plan_hash: str
    registered_at: datetime
    registered_by: str
    code_version: str
    end: LiftEnd | None = None

    def __post_init__(self) -> None:
        where = f"lift test {self.lift_id!r}"
        if self.registered_at.tzinfo is not UTC:
            raise ValueError(f"{where}: its time must be in UTC, not {self.registered_at}")
        if not self.registered_by.strip():
            raise ValueError(f"{where}: it must say who registered it")
        if content_hash(self.plan) != self.plan_hash:
            raise ValueError(f"{where}: its plan is not the one that was registered; its hash is another")
        if self.end is not None and self.end.lift_id != self.lift_id:
            raise ValueError(f"{where}: its end is that of {self.end.lift_id!r}")

    def ended_by(self, moment: datetime) -> LiftEnd | None:
        """Return its end as it was known at a moment."""
        return None if self.end is None or self.end.at > moment else self.end


def _named(name: str) -> str:
    if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
        raise LiftTestError(f"the name of a lift test must be 1 to {_LONGEST_NAME} printable characters, not {name!r}")
    return f"lift test {name!r}"
