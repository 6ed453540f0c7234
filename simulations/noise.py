"""Noise that depends only on where it falls: counter-based uniforms, and the quantiles that turn them into counts.

Every random variate of the market is the quantile of a uniform whose place is (seed, day, stream, part, slot). So the
noise of one campaign's day is the same whatever happened elsewhere, and a larger mean never yields a smaller count: two
policies in one world differ by what they did and by nothing else (common random numbers).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import IntEnum

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr, gammaincinv, ndtri, pdtr

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
KeyArray = npt.NDArray[np.uint64]

_BLOCK = 1 << 16
_ONE = np.uint64(0x3FF0_0000_0000_0000)
_HALF_STEP = 2.0**-53
_NEAR_NORMAL = 4.0


class Stream(IntEnum):
    """What a day's uniforms are for; each has slots of its own."""

    CAMPAIGN = 0
    CELL = 1
    ORDER = 2
    BORROWED = 3
    RETURN = 4


def noise_key(seed: int) -> KeyArray:
    """Return the Philox key of a world, two 64-bit words.

    Raises:
        ValueError: The seed is negative.
    """
    key: KeyArray = np.random.SeedSequence([seed, 1]).generate_state(2, np.uint64).astype(np.uint64)
    return key


def uniforms(key: KeyArray, day: int, stream: Stream, count: int, part: int = 0) -> FloatArray:
    """Return the first `count` uniforms of a part of a day's stream, strictly inside (0, 1), shape (count,).

    Slot i is the same for every `count`: Philox is a function of its counter (Salmon et al. 2011, "Parallel random
    numbers: as easy as 1, 2, 3").
    """
    return _to_unit(_words(key, day, stream, part, 0, count))


def uniforms_at(key: KeyArray, day: int, stream: Stream, slots: IntArray, part: int = 0) -> FloatArray:
    """Return the uniforms of some slots in rising order, shape (slots,)."""
    picked = np.empty(slots.size, dtype=np.uint64)
    for start, count in _blocks(int(slots[-1]) + 1 if slots.size else 0):
        first, last = np.searchsorted(slots, (start, start + count))
        picked[first:last] = _words(key, day, stream, part, start, count)[slots[first:last] - start]
    return _to_unit(picked)


def poisson_counts(key: KeyArray, day: int, stream: Stream, mean: FloatArray, part: int = 0) -> IntArray:
    """Return Poisson counts with these means, from the first uniforms of a part of a day's stream; shape of `mean`."""
    flat = mean.ravel()
    counts = np.empty(flat.size, dtype=np.int64)
    for start, count in _blocks(flat.size):
        block = slice(start, start + count)
        counts[block] = poisson_quantile(_to_unit(_words(key, day, stream, part, start, count)), flat[block])
    return counts.reshape(mean.shape)


def poisson_quantile(uniform: FloatArray, mean: FloatArray) -> IntArray:
    """Return the least k with P(N <= k) >= uniform, N Poisson with the mean; same shape as both."""
    u, m = uniform.ravel(), mean.ravel()
    counts = np.zeros(u.size, dtype=np.int64)
    # P(N = 0) = exp(-m) >= 1 - m: this settles most of what is rare without an exponential.
    small = np.flatnonzero((u > 1.0 - m) & (m < _NEAR_NORMAL))
    counts[small] = _search_up(u[small], m[small])
    large = np.flatnonzero(m >= _NEAR_NORMAL)
    counts[large] = _near_normal(u[large], m[large])
    return counts.reshape(mean.shape)


def binomial_quantile(uniform: FloatArray, trials: IntArray, chance: float) -> IntArray:
    """Return the least k with P(N <= k) >= uniform, N binomial with so many trials; same shape as both."""
    mean = trials * chance
    guess = np.floor(mean + np.sqrt(mean * (1.0 - chance)) * ndtri(uniform))
    return _settle(uniform, np.clip(guess, 0, trials).astype(np.int64), lambda rows, k: bdtr(k, trials[rows], chance))


def gamma_quantile(uniform: FloatArray, shape: FloatArray | float) -> FloatArray:
    """Return the quantile of a gamma variable with this shape and mean 1 (a shape of inf gives 1)."""
    size = np.asarray(shape, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        return np.where(np.isinf(size), 1.0, gammaincinv(size, uniform) / size)


def lognormal_quantile(uniform: FloatArray, cv: FloatArray) -> FloatArray:
    """Return the quantile of a log-normal variable with mean 1 and this coefficient of variation."""
    variance = np.log1p(cv * cv)
    factor: FloatArray = np.exp(np.sqrt(variance) * ndtri(uniform) - variance / 2.0)
    return factor


def beta22_quantile(uniform: FloatArray) -> FloatArray:
    """Return the quantile of Beta(2, 2): the root in [0, 1] of 3 x^2 - 2 x^3 = u, by the trisection of an angle."""
    return 0.5 - np.sin(np.arcsin(1.0 - 2.0 * uniform) / 3.0)


def _blocks(count: int) -> Iterator[tuple[int, int]]:
    """Stretches of slots that stay in a processor's cache: the first of each, and how many."""
    return ((start, min(_BLOCK, count - start)) for start in range(0, count, _BLOCK))


def _words(key: KeyArray, day: int, stream: Stream, part: int, start: int, count: int) -> KeyArray:
    """Random words of 64 bits from slot `start` on, a multiple of the four that one step of the counter gives."""
    raw: KeyArray = np.random.Philox(key=key, counter=[start // 4, part, int(stream), day]).random_raw(count)
    return raw


def _to_unit(raw: KeyArray) -> FloatArray:
    """The upper 52 bits of a word become the fraction of a number in [1, 2); half a step keeps it off 0. In place."""
    raw >>= np.uint64(12)
    raw |= _ONE
    unit: FloatArray = raw.view(np.float64)
    unit -= 1.0 - _HALF_STEP
    return unit


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


def _near_normal(u: FloatArray, mean: FloatArray) -> IntArray:
    """The exact quantile for means from `_NEAR_NORMAL` up.

    x is the asymptotic expansion of the inverse (Giles 2016, "Algorithm 955: approximation of the inverse Poisson
    cumulative distribution function", eq. 9), of which the quantile is the whole part. The expansion is off by less
    than `doubt` (found on a fine grid of all counts within 8.3 standard deviations, and tested on one); only where a
    whole number lies that near does the distribution function itself decide.
    """
    z, sd = ndtri(u), np.sqrt(mean)
    square = z * z
    x = mean + sd * z + (square / 6.0 + 1.0 / 3.0) - z * (square + 2.0) / (72.0 * sd)
    x += (square * (3.0 * square + 7.0) - 16.0) / (810.0 * mean)
    doubt = (0.05 + square * square * np.abs(z) / 200.0) / (mean * sd)
    counts: IntArray = np.maximum(np.ceil(x) - 1.0, 0.0).astype(np.int64)
    near = np.flatnonzero(np.abs(x - np.rint(x)) < doubt)
    means = mean[near]
    counts[near] = _settle(u[near], counts[near], lambda rows, k: pdtr(k, means[rows]))
    return counts


def _settle(u: FloatArray, guess: IntArray, below: Callable[[IntArray, IntArray], FloatArray]) -> IntArray:
    """Step from guesses to the least k >= 0 with P(N <= k) >= u; `below` gives P(N <= k) for some of them."""
    k = guess.copy()
    low = np.flatnonzero(below(np.arange(u.size), k) < u)
    while low.size:
        k[low] += 1
        low = low[below(low, k[low]) < u[low]]
    high = np.flatnonzero(k)
    while (high := high[(k[high] > 0) & (below(high, np.maximum(k[high] - 1, 0)) >= u[high])]).size:
        k[high] -= 1
    return k
