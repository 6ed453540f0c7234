"""What lines that were held back by lot say of those that moved: an estimate that rests on the lot alone. Pure.

Each line i that the lot is cast on would have moved with the probability 1 - h_i; Z_i says whether it did. With came_i
as `lift.came` has it and p_i what was promised before the lot fell,

    psi_i = p_i + Z_i (came_i - p_i) / (1 - h_i) - (1 - Z_i) came_i / h_i

has, over the lot, the expectation of what the move brings to line i, whatever came and however wrong promise and belief
are: both are fixed before the lot falls (the augmented inverse probability weighting of Robins, Rotnitzky and Zhao
1994, JASA 89, with known probabilities). What is wrong with the belief for moved and held lines alike cancels. Sums of
psi have a standard error from their spread (n / (n - 1) sum (psi - mean)^2, which is on the safe side for lines that
differ: Neyman 1923), with the quantile of Student's t for the lines that were held.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import stats

LEAST: Final = 10
"""Lines that must have been held, and as many moved, before the lot says anything."""


@dataclass(frozen=True, slots=True)
class Cast:
    """One line on which the lot was cast and of which it is known what came.

    Attributes:
        held: Whether it was left as it was.
        chance: The probability of that, above 0 and below 1.
        promised: What was expected of the move before the lot fell, in the objective's unit a day.
        came: What came of the line, over what its old budget would have brought, a day.
    """

    held: bool
    chance: float
    promised: float
    came: float

    def __post_init__(self) -> None:
        if not 0.0 < self.chance < 1.0:
            raise ValueError(f"the chance of being held must lie between 0 and 1, not {self.chance!r}")


@dataclass(frozen=True, slots=True)
class ByLot:
    """The estimate of all lines that the lot was cast on, as if all had moved, a day.

    Attributes:
        mean, sd: Estimate and standard error.
        promised: What was promised of them.
        moved, held: How many lines.
        low90, high90: Ends of the 90% interval.
    """

    mean: float
    sd: float
    promised: float
    moved: int
    held: int
    low90: float
    high90: float


def by_lot(casts: Sequence[Cast]) -> ByLot | None:
    """Estimate what moves bring from those that were held back; None while too few were."""
    held = sum(cast.held for cast in casts)
    moved = len(casts) - held
    if min(held, moved) < LEAST:
        return None
    psi = np.array([credit(cast) for cast in casts])
    mean, sd = float(psi.sum()), float(np.sqrt(psi.size * psi.var(ddof=1)))
    half = float(stats.t.ppf(0.95, held - 1)) * sd
    return ByLot(mean, sd, sum(cast.promised for cast in casts), moved, held, mean - half, mean + half)


def credit(cast: Cast) -> float:
    """Return psi of one line: over the lot it is expected to be what the move brings."""
    if cast.held:
        return cast.promised - cast.came / cast.chance
    return cast.promised + (cast.came - cast.promised) / (1.0 - cast.chance)
