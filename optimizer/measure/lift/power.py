"""What a test could find: the same reading of days in which nothing was tested, and what effect would stand out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optimizer.measure.lift.intervals import Interval
from optimizer.plan.lift_tests import LiftTestError
from optimizer.plan.snapshot import FloatArray

LEAST_PLACEBOS = 20


@dataclass(frozen=True, slots=True, eq=False)
class Power:
    """Readings of placebos, days of the past in which nothing was tested.

    Attributes:
        placebos: How many.
        false_alarms: Share of them that found something.
        smallest: Least effect that is found with the asked power; in the unit of the readings.
        effects: A grid of effects, shape (E,), from 0 to twice `smallest`.
        found: Share of placebos in which such an effect, added, is found, shape (E,).
        se: Root mean square of what the placebos read, whose truth is zero.
    """

    placebos: int
    false_alarms: float
    smallest: float
    effects: FloatArray
    found: FloatArray
    se: float


def power_of(placebos: Sequence[Interval], power: float) -> Power:
    """Return what effects would be found, from readings whose truth is zero.

    A constant effect moves a reading and its interval by itself: one of size d is found where low + d > 0. So the
    least effect that is found with probability `power` is that quantile of -low, and of effects of either sign the
    larger of the two is told.

    Args:
        placebos: Readings.
        power: Wanted probability of finding it, between 0 and 1.

    Raises:
        LiftTestError: There are too few placebos.
    """
    if len(placebos) < LEAST_PLACEBOS:
        raise LiftTestError(
            f"the past is long enough for {len(placebos)} placebo tests only, {LEAST_PLACEBOS} are needed. "
            "Mend: give more days before today, or plan a shorter test"
        )
    low = -np.array([one.low for one in placebos])
    high = np.array([one.high for one in placebos])
    smallest = float(max(np.quantile(low, power), np.quantile(high, power), 0.0))
    effects = np.linspace(0.0, 2.0 * smallest, 21)
    found = np.minimum(*((side[:, None] < effects).mean(axis=0) for side in (low, high)))
    read = np.array([one.estimate for one in placebos])
    return Power(
        placebos=len(placebos),
        false_alarms=float(np.mean([one.found for one in placebos])),
        smallest=smallest,
        effects=effects,
        found=found,
        se=float(np.sqrt((read**2).mean())),
    )
