"""What an ordinary day of a flight brings at any spend of it, and where the next unit brings a given price."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from optimizer.plan.snapshot import FloatArray

ELASTICITY: Final = 0.7
"""Of value to spend where nothing is known: between proportional and saturated, as in `optimizer.response.season`."""

_LEAST, _MOST, _POINTS = 0.01, 8.0, 48
_FLAT: Final = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Value over spend of one ordinary day, all budgets of a flight together.

    Attributes:
        spend: Ascending, above zero, shape (P,), P >= 2, currency units.
        value: What a day brings there, shape (P,); its concave hull with the origin counts.

    Raises:
        ValueError: The arrays are not such.
    """

    spend: FloatArray
    value: FloatArray

    def __post_init__(self) -> None:
        fits = self.spend.shape == self.value.shape and self.spend.ndim == 1 and self.spend.size > 1
        if not fits or not (np.isfinite(self.spend).all() and np.isfinite(self.value).all()):
            raise ValueError("a curve needs two finite arrays of one length, of two points or more")
        if self.spend[0] <= 0 or (np.diff(self.spend) <= 0).any():
            raise ValueError("the spends of a curve ascend from above zero")

    @classmethod
    def isoelastic(cls, usual: float, elasticity: float = ELASTICITY) -> Curve:
        """Return x^b around a usual spend: the form taken where no belief of the response is at hand.

        Equal marginal return over days with factors f_t then means x_t proportional to f_t^(1 / (1 - b)).
        """
        spend = usual * np.geomspace(_LEAST, _MOST, _POINTS)
        return cls(spend, spend**elasticity)

    def tangents(self) -> tuple[FloatArray, FloatArray]:
        """Return marginal values, falling, and the spends at which they hold, rising; of the concave hull.

        A chord's slope holds in the (geometric) middle of the chord.
        """
        corners = _hull(np.concatenate([[0.0], self.spend]), np.concatenate([[0.0], self.value]))
        x, y = corners
        slope = np.diff(y) / np.diff(x)
        middle = np.sqrt(np.maximum(x[:-1], 0.25 * x[1:]) * x[1:])
        rising = slope > _FLAT * max(float(slope[0]), 0.0)
        if not rising.any():  # nothing is worth anything: every day is as good as any other
            return np.array([1.0]), np.array([float(self.spend[-1])])
        return slope[rising], middle[rising]

    def worth(self, spend: FloatArray) -> FloatArray:
        """What a day brings at spends of any shape; beyond the last point, what it brings there."""
        found: FloatArray = np.interp(
            spend, np.concatenate([[0.0], self.spend]), np.concatenate([[0.0], np.maximum.accumulate(self.value)])
        )
        return found


def _hull(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The corners of the least concave function above the points (Andrew's monotone chain), rising ones only."""
    kept: list[int] = []
    for place in range(len(x)):
        while len(kept) > 1 and _bends_up(x, y, kept[-2], kept[-1], place):
            kept.pop()
        kept.append(place)
    return x[kept], y[kept]


def _bends_up(x: FloatArray, y: FloatArray, first: int, middle: int, last: int) -> bool:
    before = (y[middle] - y[first]) * (x[last] - x[middle])
    after = (y[last] - y[middle]) * (x[middle] - x[first])
    return bool(before <= after)
