"""Small draws that the parts of a truth share."""

from __future__ import annotations

import numpy as np

from simulations.noise import FloatArray, IntArray
from simulations.scenarios import Scenario


def lognormal(rng: np.random.Generator, sd: float, size: int) -> FloatArray:
    """Return log-normal factors with median 1, shape (size,)."""
    return np.exp(sd * rng.standard_normal(size))


def of_channels(scenario: Scenario, knob: str) -> FloatArray:
    """Return a channel's knob for each of its campaigns, shape (K,)."""
    return np.array([getattr(c, knob) for c in scenario.channels for _ in range(c.campaigns)], dtype=np.float64)


def some(rng: np.random.Generator, share: float, size: int) -> IntArray:
    """Return which items are among this share of `size`, in random order; a larger share holds the smaller one."""
    return rng.permutation(size)[: round(share * size)]
