"""A lift test is about the days in which it ran: with age it says less, and in the end nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import date

from optimizer.plan.lift_tests import LiftPlan, LiftReading
from optimizer.refit import LiftTest


@dataclass(frozen=True, slots=True)
class Ageing:
    """How tests grow old.

    Attributes:
        half_life_days: Days after which a test weighs half: its variance is twice what it was.
        expire_days: Days after its last one from which on it does not count at all.

    Raises:
        ValueError: A number is not above zero.
    """

    half_life_days: float = 365.0
    expire_days: int = 1095

    def __post_init__(self) -> None:
        if not (math.isfinite(self.half_life_days) and self.half_life_days > 0) or self.expire_days < 1:
            raise ValueError(f"days of ageing must be above zero, not {self.half_life_days!r}, {self.expire_days!r}")


def aged(test: LiftTest, today: date, ageing: Ageing) -> LiftTest | None:
    """Return a test as it counts today; None where it has expired.

        variance(a) = se^2 2^(a / half-life),   a = days since its last day

    A normal likelihood to the power w has variance se^2 / w: this is the power prior of Ibrahim and Chen (Statistical
    Science 15, 2000) with a weight that halves each half-life.
    """
    age = (today - test.last_day).days
    if age >= ageing.expire_days:
        return None
    return replace(test, se=test.se * 2.0 ** (max(age, 0) / ageing.half_life_days / 2.0))


def as_test(plan: LiftPlan, reading: LiftReading) -> LiftTest:
    """Return a reading as the slow tier takes it."""
    return LiftTest(
        channel=plan.channel,
        first_day=reading.first_day,
        last_day=reading.last_day,
        spend=reading.spend,
        spend_change=reading.spend_change,
        incremental=reading.incremental,
        se=reading.se,
        outcome=plan.outcome,
        campaign=plan.campaign,
    )
