"""Numbers as a person reads them."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Final

EIGHTY: Final = NormalDist().inv_cdf(0.9)
"""Half of a central 80% interval of a normal distribution, in standard deviations."""


def figure(value: float) -> str:
    """A number with three significant digits and no exponent."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(digits, 6)}f}"


def chance(probability: float) -> str:
    """A probability in words; one that draws cannot tell from zero or one is not called either."""
    if probability < 0.01:
        return "under 1%"
    return "over 99%" if probability > 0.99 else f"{probability:.0%}"


def legible(rate: float) -> int:
    """The power of ten of currency units per which a rate can be read: at least 0.1 or so."""
    return 0 if rate == 0 or abs(rate) >= 1 else min(6, max(0, math.ceil(-math.log10(abs(rate)) - 0.5)))
