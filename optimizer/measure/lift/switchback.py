"""Switchbacks: one channel's budgets down and up by lot, and what the total outcome says of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from optimizer.measure.lift.intervals import typical_interval
from optimizer.measure.lift.outcomes import Outcomes
from optimizer.measure.lift.power import Power, power_of
from optimizer.plan.lift_tests import LiftReading, LiftTestError, Switchback
from optimizer.plan.snapshot import FloatArray

WEEK: Final = 7
LEAST_BEFORE: Final = 28
"""Days before a test that tell the weekdays, where blocks are not whole weeks."""

_PLACEBOS: Final = 400
_FOLLOWED: Final = 0.25
_MARGIN: Final = 0.99


@dataclass(frozen=True, slots=True)
class Draft:
    """A switchback that is thought of.

    Attributes:
        pairs: Of blocks, one high and one low.
        block_days: Days of each block.
        burn_in: First days of each block that are not read.
        level: Coverage of the interval.
        power: Wanted probability of finding the smallest effect.
    """

    pairs: int = 6
    block_days: int = 7
    burn_in: int = 2
    level: float = 0.9
    power: float = 0.8

    @property
    def days(self) -> int:
        """Of all blocks."""
        return 2 * self.pairs * self.block_days

    def __post_init__(self) -> None:
        if not 0 <= self.burn_in < self.block_days:
            raise LiftTestError(f"burn-in must be 0 or more and below the {self.block_days} days of a block")
        if not (0 < self.level < 1 and 0 < self.power < 1):
            raise LiftTestError("level and power must be between 0 and 1")


def levels(step: float, way: str) -> tuple[float, float]:
    """Return lower and upper level of budgets, over their base, so that no change is larger than the largest step.

    A step of s goes down from 1 to 1 - s at most, and up from there to 1 only by a step of s / (1 - s). So the lower
    level is 1 / (1 + s), and a little nearer, since amounts are rounded.

    Args:
        step: The largest relative change of a budget, above zero.
        way: `down`, `up`, or `both`, evenly around the base.

    Raises:
        LiftTestError: The way is none of these, or the step is not above zero.
    """
    if not step > 0:
        raise LiftTestError(f"the largest step must be above zero, not {step!r}")
    room = 1.0 + _MARGIN * step
    found = {"down": (1.0 / room, 1.0), "up": (1.0, room), "both": (room**-0.5, room**0.5)}
    if way not in found:
        raise LiftTestError(f"budgets may go down, up or both, not {way!r}")
    return found[way]


def draw_blocks(pairs: int, rng: np.random.Generator) -> tuple[bool, ...]:
    """Draw which block of each pair is the high one, each with probability one half; length 2 x pairs."""
    first = rng.random(pairs) < 0.5
    return tuple(bool(high) for pair in first for high in (pair, not pair))


def design_switchback(outcome: FloatArray, weekday: int, draft: Draft, rng: np.random.Generator) -> Power:
    """Return what a switchback could find: it is drawn and read many times over days in which there was none.

    Args:
        outcome: What was sold in all a day, before today, shape (T,).
        weekday: Of the first of these days, 0 is Monday.
        draft: The test.
        rng: Draws where in the past each placebo stands, and its blocks.

    Returns:
        In units of the outcome a day: what all days high would bring over all days low.

    Raises:
        LiftTestError: The past is too short, or the pairs are too few for the level.
    """
    before = 0 if draft.block_days % WEEK == 0 else LEAST_BEFORE
    places = outcome.size - draft.days - before + 1
    if places < WEEK:
        raise LiftTestError(
            f"{outcome.size} days of outcomes are too few for placebos of {draft.days} days: "
            f"{draft.days + before + WEEK} are needed. Mend: give more days, or plan fewer pairs or shorter blocks"
        )
    read = []
    for _ in range(_PLACEBOS):
        start = before + int(rng.integers(places))
        high = draw_blocks(draft.pairs, rng)
        differences = contrasts(outcome, weekday, start, high, (draft.block_days, draft.burn_in))
        read.append(typical_interval(differences, draft.level))
    return power_of(read, draft.power)


def contrasts(
    series: FloatArray, weekday: int, start: int, high: tuple[bool, ...], block: tuple[int, int]
) -> FloatArray:
    """Return high less low of each pair of blocks, mean of a day, shape (pairs,).

    Where blocks are not whole weeks, each weekday's own level is taken off first, as it was on the days before the
    test: they know nothing of the lot.

    Args:
        series: By day, shape (T,).
        weekday: Of its first day, 0 is Monday.
        start: Index of the test's first day.
        high: By block.
        block: Its days, and how many of the first are not read.
    """
    days, burn_in = block
    level = series
    if days % WEEK:
        of_week = (weekday + np.arange(series.size)) % WEEK
        usual = np.array([series[:start][of_week[:start] == day].mean() for day in range(WEEK)])
        level = series - usual[of_week]
    end = start + days * len(high)
    means = level[start:end].reshape(len(high), days)[:, burn_in:].mean(axis=1)
    signed = np.where(high, means, -means)
    paired: FloatArray = signed.reshape(-1, 2).sum(axis=1)
    return paired


def read_switchback(
    plan: Switchback,
    outcomes: Outcomes,
    spend: FloatArray,
    claimed: FloatArray | None = None,
    level: float = 0.9,
) -> LiftReading:
    """Read a switchback off what was sold in all.

    Args:
        plan: What was promised.
        outcomes: All days of the test, and `LEAST_BEFORE` before it where blocks are not whole weeks.
        spend: What the tested budgets spent a day, currency units, on the days of `outcomes`, shape (T,).
        claimed: What their platforms claim, likewise; None where they tell nothing.
        level: Coverage of the interval.

    Returns:
        The whole test with all budgets high, beside all low: `spend` is what is spent low.

    Raises:
        LiftTestError: Days are missing, or the budgets did not follow the plan.
    """
    start, _ = outcomes.column(plan.first_day), outcomes.column(plan.last_day)
    if plan.block_days % WEEK and start < LEAST_BEFORE:
        raise LiftTestError(
            f"{start} days before the test are too few to tell weekdays: {LEAST_BEFORE} are needed. "
            "Mend: give outcomes of more days before it"
        )
    block = (plan.block_days, plan.burn_in)

    def differences(series: FloatArray) -> FloatArray:
        return contrasts(series, int(outcomes.weekday[0]), start, plan.high, block)

    by_block = spend[start : start + plan.days].reshape(len(plan.high), plan.block_days)[:, plan.burn_in :]
    # As it was, weekdays and all: spend is known, and has no noise to be rid of.
    high = np.array(plan.high)
    low = float(by_block[~high].mean())
    change = float(by_block[high].mean()) - low
    if change < _FOLLOWED * (plan.upper - plan.lower) / max(plan.upper, 1e-9) * max(low, 1e-9):
        raise LiftTestError(
            f"the budgets of lift test {plan.name!r} did not follow its blocks: {change:,.2f} a day more was spent in "
            f"high ones than in low ones, beside {low:,.2f}. Mend: approve and apply its plans, and run it again"
        )
    found = typical_interval(differences(outcomes.total), level).times(plan.days)
    told = None if claimed is None else typical_interval(differences(claimed), level).times(plan.days)
    return LiftReading(
        first_day=plan.first_day,
        last_day=plan.last_day,
        spend=low * plan.days,
        spend_change=change * plan.days,
        incremental=found.estimate,
        se=found.se,
        low=found.low,
        high=found.high,
        level=level,
        claimed=None if told is None else told.estimate,
        claimed_se=0.0 if told is None else told.se,
    )
