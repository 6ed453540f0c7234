"""How much of a day's conversions is reported after so many days, from the restatements that were seen.

Pooled over the campaigns of a channel, by development factors: of all past days on which age a has been seen, the sum
at age a over the sum at age a - 1. The share reported at an age is the product of the reciprocals of the factors that
are yet to come. It is the chain ladder of loss reserving (Mack 1993, ASTIN Bulletin 23), which for counts is the
reverse-hazard estimate of right-truncated delays (Lagakos, Barraj, De Gruttola 1988, Biometrika 75). Conversions that
are taken back make a factor below 1, and shares above 1 before them.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from simulations.noise import FloatArray, IntArray

_PSEUDO: Final = 2.0
_LEAST, _MOST = 0.02, 3.0
_WINDOWS: Final = 2


def matured(by_age: FloatArray, channel: IntArray) -> FloatArray:
    """Return the share of eventual conversions that is reported at each age, shape (C, ages), within [0.02, 3].

    Two conversions are added to both sums of a factor, so that an age that has not been seen counts as final.

    Args:
        by_age: Conversions of each past day as reported a + 1 mornings later, NaN where unknown, shape (K, t, ages).
        channel: Index of each campaign's channel, shape (K,).
    """
    ages = by_age.shape[2]
    recent = by_age[:, -_WINDOWS * ages :]
    known = np.isfinite(recent)
    counts = np.where(known, recent, 0.0)
    both = known[..., 1:] & known[..., :-1]
    member = (channel[None, :] == np.arange(int(channel.max()) + 1)[:, None]).astype(float)
    later = member @ np.where(both, counts[..., 1:], 0.0).sum(axis=1)
    sooner = member @ np.where(both, counts[..., :-1], 0.0).sum(axis=1)
    factors = (np.maximum(later, 0.0) + _PSEUDO) / (np.maximum(sooner, 0.0) + _PSEUDO)
    to_come = np.cumprod(factors[:, ::-1], axis=1)[:, ::-1]
    share = np.concatenate([1.0 / to_come, np.ones((len(member), 1))], axis=1)
    clipped: FloatArray = np.clip(share, _LEAST, _MOST)
    return clipped
