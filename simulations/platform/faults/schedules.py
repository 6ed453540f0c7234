"""Which calls go wrong."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Schedule = Callable[[int], bool]
"""Whether the call of this number, counted from 1, goes wrong; asked once per call, in order."""


def on_calls(*numbers: int) -> Schedule:
    """Spoil the calls of these numbers."""
    return frozenset(numbers).__contains__


def always(number: int) -> bool:
    """Spoil every call."""
    return number > 0


def with_chance(probability: float, rng: np.random.Generator) -> Schedule:
    """Spoil each call with this probability, independently.

    Raises:
        ValueError: The probability is not in [0, 1].
    """
    if not 0.0 <= probability <= 1.0:
        raise ValueError(f"a probability must be from 0 to 1, not {probability}")
    return lambda number: bool(rng.random() < probability)
