"""How clicks and conversions grow with spend: five families, concave and S-shaped, vectorised over campaigns.

The families are wider than any that a learner assumes, so that it is misspecified in most worlds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from simulations.noise import FloatArray, IntArray


class Family(StrEnum):
    """A shape h(z) of spend z in units of the half saturation; h(0) = 0, never decreasing.

    `slope` is n for Hill, the exponent for power, the steepness for logistic; the others have none.
    """

    MICHAELIS_MENTEN = "michaelis-menten"
    HILL = "hill"
    POWER = "power"
    LOG = "log"
    LOGISTIC = "logistic"


FAMILIES = tuple(Family)


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """One curve per campaign, g(x) = h(x / half) / h(reference / half), so that g(reference) = 1.

    Attributes:
        family: Index into `FAMILIES`, shape (K,).
        half: Half saturation (the scale of spend for families without one), currency per day, shape (K,).
        slope: See `Family`, shape (K,).
        reference: The spend at which g is 1, shape (K,).
    """

    family: IntArray
    half: FloatArray
    slope: FloatArray
    reference: FloatArray

    def __post_init__(self) -> None:
        shapes = {a.shape for a in (self.family, self.half, self.slope, self.reference)}
        if len(shapes) != 1:
            raise ValueError(f"family, half, slope and reference must have one shape, not {sorted(shapes)}")
        if not ((self.half > 0).all() and (self.slope > 0).all() and (self.reference > 0).all()):
            raise ValueError("half, slope and reference must be positive")

    def take(self, rows: npt.NDArray[np.intp]) -> Curves:
        """Return the curves of these campaigns, in this order; a campaign may come more than once."""
        return Curves(self.family[rows], self.half[rows], self.slope[rows], self.reference[rows])

    def __call__(self, spend: FloatArray) -> FloatArray:
        """Return g at spends of shape (K, ...), each row on its own curve."""
        out = np.empty_like(spend)
        for index in np.unique(self.family):
            rows = np.flatnonzero(self.family == index)
            pad = (slice(None),) + (None,) * (spend.ndim - 1)
            half, slope = self.half[rows], self.slope[rows]
            top = _shape(FAMILIES[index], self.reference[rows] / half, slope)
            out[rows] = _shape(FAMILIES[index], spend[rows] / half[pad], slope[pad]) / top[pad]
        return out


def _shape(family: Family, z: FloatArray, slope: FloatArray) -> FloatArray:
    match family:
        case Family.MICHAELIS_MENTEN:
            return z / (1.0 + z)
        case Family.HILL:
            power = z**slope
            return power / (1.0 + power)
        case Family.POWER:
            return z**slope
        case Family.LOG:
            return np.log1p(z)
        case Family.LOGISTIC:
            return 1.0 / (1.0 + np.exp(slope * (1.0 - z))) - 1.0 / (1.0 + np.exp(slope))
