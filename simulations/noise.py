"""Noise that depends only on where it falls: counter-based uniforms, and the quantiles that turn them into counts.

Every random variate of the market is the quantile of a uniform whose place is (seed, day, stream, slot). So the noise
of one campaign's day is the same whatever happened elsewhere, and a larger mean never yields a smaller count: two
policies in one world differ by what they did and by nothing else (common random numbers).
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt
from scipy.special import gammaincinv, ndtri, pdtr

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
KeyArray = npt.NDArray[np.uint64]

_SMALL_MEAN = 12.0
_HALF_BIT = 2.0**-54


class Stream(IntEnum):
    """What a day's uniforms are for; each has slots of its own."""

    CAMPAIGN = 0
    CELL = 1
    ORDER = 2


def noise_key(seed: int) -> KeyArray:
    """Return the Philox key of a world, two 64-bit words.

    Raises:
        ValueError: The seed is negative.
    """
    key: KeyArray = np.random.SeedSequence([seed, 1]).generate_state(2, np.uint64).astype(np.uint64)
    return key


def uniforms(key: KeyArray, day: int, stream: Stream, count: int) -> FloatArray:
    """Return the first `count` uniforms of a day's stream, strictly inside (0, 1), shape (count,).

    Slot i is the same for every `count`: Philox is a function of its counter (Salmon et al. 2011, "Parallel random
    numbers: as easy as 1, 2, 3").
    """
    raw = np.random.Philox(key=key, counter=[0, 0, int(stream), day]).random_raw(count)
    return (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53 + _HALF_BIT


def poisson_quantile(uniform: FloatArray, mean: FloatArray) -> IntArray:
    """Return the least k with P(N <= k) >= uniform, N Poisson with the mean; same shape as both."""
    shape = mean.shape
    u, m = uniform.ravel(), mean.ravel()
    counts = _search_up(u, np.where(m < _SMALL_MEAN, m, 0.0))
    large = np.flatnonzero(m >= _SMALL_MEAN)
    if large.size:
        counts[large] = _quantile_near_normal(u[large], m[large])
    return counts.reshape(shape)


def gamma_quantile(uniform: FloatArray, shape: FloatArray | float) -> FloatArray:
    """Return the quantile of a gamma variable with this shape and mean 1 (a shape of inf gives 1)."""
    size = np.asarray(shape, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        return np.where(np.isinf(size), 1.0, gammaincinv(size, uniform) / size)


def beta22_quantile(uniform: FloatArray) -> FloatArray:
    """Return the quantile of Beta(2, 2): the root in [0, 1] of 3 x^2 - 2 x^3 = u, by the trisection of an angle."""
    return 0.5 - np.sin(np.arcsin(1.0 - 2.0 * uniform) / 3.0)


def _search_up(u: FloatArray, mean: FloatArray) -> IntArray:
    counts = np.zeros(u.size, dtype=np.int64)
    term = np.exp(-mean)
    active = np.flatnonzero(u > term)
    u, mean, term = u[active], mean[active], term[active]
    cumulative = term.copy()
    k = 0
    while active.size:
        k += 1
        term = term * mean / k
        cumulative = cumulative + term
        counts[active] = k
        # Far in the tail the sum stops growing before it reaches a uniform within rounding of 1.
        go = (u > cumulative) & (term > 1e-18)
        active, u, mean, term, cumulative = active[go], u[go], mean[go], term[go], cumulative[go]
    return counts


def _quantile_near_normal(u: FloatArray, mean: FloatArray) -> IntArray:
    """Start at the Cornish-Fisher expansion (Johnson, Kemp, Kotz 2005, 4.5), then step to the exact quantile."""
    z, sd = ndtri(u), np.sqrt(mean)
    guess = mean + sd * z + (z * z - 1.0) / 6.0 + (z - z**3) / (72.0 * sd)
    k = np.maximum(np.ceil(guess - 0.5), 0.0)
    low = np.flatnonzero(pdtr(k, mean) < u)
    while low.size:
        k[low] += 1.0
        low = low[pdtr(k[low], mean[low]) < u[low]]
    high = np.flatnonzero(k > 0.0)
    while (high := high[(k[high] > 0.0) & (pdtr(np.maximum(k[high] - 1.0, 0.0), mean[high]) >= u[high])]).size:
        k[high] -= 1.0
    exact: IntArray = k.astype(np.int64)
    return exact
