"""Geo hold-outs: regions by lot in which a channel is changed, read beside a synthetic control of the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from optimizer.measure.lift.outcomes import Outcomes
from optimizer.measure.lift.power import Power, power_of
from optimizer.measure.lift.synthetic import LEAST_FOLDS, gap
from optimizer.plan.lift_tests import Holdout, LiftReading, LiftTestError

LEAST_STRATA: Final = 3
_LOTS: Final = 12
_APART: Final = 7


@dataclass(frozen=True, slots=True)
class GeoDesign:
    """Regions that were drawn, and what a test in them could find.

    Attributes:
        test, control: Names of the regions.
        share: Of the outcome that the test regions have.
        power: In units of the outcome a day, in the test regions together.
        usual: Their outcome a day before.
    """

    test: tuple[str, ...]
    control: tuple[str, ...]
    share: float
    power: Power
    usual: float


def draw_regions(outcomes: Outcomes, share: float, rng: np.random.Generator) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Draw test and control regions: one of each stratum of regions that are next to each other in size.

    Args:
        outcomes: Before the test.
        share: Of the regions that are to be tested, above 0 and at most one half.
        rng: Draws one region of each stratum.

    Returns:
        Test and control regions, each sorted by name.

    Raises:
        LiftTestError: The share is out of its range, or there are too few regions for it.
    """
    if not 0 < share <= 0.5:
        raise LiftTestError(f"the share of test regions must be above 0 and at most 0.5, not {share!r}")
    many = round(1.0 / share)
    if len(outcomes.regions) < LEAST_STRATA * many:
        raise LiftTestError(
            f"{len(outcomes.regions)} regions are too few to test {share:.0%} of them: {LEAST_STRATA * many} are "
            "needed. Mend: give finer regions, or test a larger share"
        )
    by_size = np.argsort(-outcomes.values.mean(axis=1), kind="stable")
    strata = np.array_split(by_size, len(outcomes.regions) // many)
    chosen = {int(rng.choice(stratum)) for stratum in strata}
    names = enumerate(outcomes.regions)
    split: tuple[list[str], list[str]] = ([], [])
    for place, name in names:
        split[place not in chosen].append(name)
    return tuple(sorted(split[0])), tuple(sorted(split[1]))


def design_holdout(
    outcomes: Outcomes, days: int, share: float, sure: tuple[float, float], rng: np.random.Generator
) -> GeoDesign:
    """Draw regions, and read placebos of the past to say what a test in such regions could find.

    The placebos are of several lots and of stretches a week apart; the regions of the test are the first lot, so that
    they are not those in which chance was kind.

    Args:
        outcomes: Before the test.
        days: Length of the test.
        share: Of the regions to be tested.
        sure: Coverage of the interval, and wanted power.
        rng: Draws the lots.

    Raises:
        LiftTestError: Regions or days are too few.
    """
    level, power = sure
    lots = [draw_regions(outcomes, share, rng) for _ in range(_LOTS)]
    shortest = (LEAST_FOLDS + 1) * days
    if days < 1 or outcomes.days < shortest:
        raise LiftTestError(
            f"{outcomes.days} days of outcomes are too few for a test of {days}: {shortest} are needed. "
            "Mend: give more days, or plan a shorter test"
        )
    read = []
    for test, control in lots:
        target, donors = outcomes.rows(test).sum(axis=0), outcomes.rows(control)
        for end in range(outcomes.days, shortest - 1, -_APART):
            usual = float(target[: end - days].mean())
            read.append(gap(target[:end], donors[:, :end], days, level).interval.times(1.0 / usual))
    (test, control), relative = lots[0], power_of(read, power)
    usual = float(outcomes.rows(test).sum(axis=0).mean())
    found = Power(
        relative.placebos,
        relative.false_alarms,
        relative.smallest * usual,
        relative.effects * usual,
        relative.found,
        relative.se * usual,
    )
    return GeoDesign(test, control, usual / float(outcomes.total.mean()), found, usual)


def read_holdout(
    plan: Holdout, outcomes: Outcomes, spend: float | None = None, claimed_rate: float | None = None, level: float = 0.9
) -> LiftReading:
    """Read a hold-out off what the regions sold.

    Args:
        plan: What was promised.
        outcomes: All days of the test, and at least three times as many before it.
        spend: Currency units that would have been spent in the test regions over the test without the change. By
            default it is told by `outcomes.spend`: as before the test, times how spend in the control regions moved.
        claimed_rate: What platforms claim per currency unit spent; None where they tell nothing.
        level: Coverage of the interval.

    Returns:
        Of the test regions together.

    Raises:
        LiftTestError: Days or regions are missing, spend is not known, or it did not change.
    """
    first, end = outcomes.column(plan.first_day), outcomes.column(plan.last_day) + 1
    test, control = outcomes.places(plan.test), outcomes.places(plan.control)
    values = outcomes.values[:, :end]
    found = gap(values[test].sum(axis=0), values[control], plan.days, level).interval.times(plan.days)
    without, change = _spend(plan, outcomes, (first, end), spend)
    return LiftReading(
        first_day=plan.first_day,
        last_day=plan.last_day,
        spend=without,
        spend_change=change,
        incremental=found.estimate,
        se=found.se,
        low=found.low,
        high=found.high,
        level=level,
        claimed=None if claimed_rate is None else claimed_rate * change,
    )


def _spend(plan: Holdout, outcomes: Outcomes, during: tuple[int, int], told: float | None) -> tuple[float, float]:
    """Spend of the test regions without the change, and the change."""
    if told is not None:
        if not told > 0:
            raise LiftTestError(f"spend without the change must be above zero, not {told!r}")
        return told, plan.change * told
    if outcomes.spend is None:
        raise LiftTestError(
            "what the test regions would have spent is not known. Mend: give spend by region, or --spend"
        )
    first, end = during
    test, control = (outcomes.spend[outcomes.places(names)].sum(axis=0) for names in (plan.test, plan.control))
    moved = control[first:end].mean() / control[:first].mean() if control[:first].sum() > 0 else 1.0
    without = float(test[:first].mean() * moved * plan.days)
    change = float(test[first:end].sum()) - without
    if without <= 0 or abs(change) < 0.25 * abs(plan.change) * without:
        raise LiftTestError(
            f"spend in the test regions of {plan.name!r} did not change as planned: {change:,.2f} beside "
            f"{without:,.2f}. Mend: check that the regions were set on the platform"
        )
    return without, change
