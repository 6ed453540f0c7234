"""What money buys where a target does its best: alike within a channel, and what tells a starved curve from a poor one.

A budget at the foot of an S-curve brings next to nothing, and so does one of a campaign that nobody wants. Their own
days do not tell them apart. The others do: if the first is a foot, then the target is at its best about as good as its
channel; if not, it is worse by orders of magnitude than any other. For cell j of target k let r_kj be the log of the
largest conversions per unit of spend from x_ref on. Then

    r_kj ~ t_4 around the mean of the channel's other targets, with the spread within channels

weighs the cells, next to what the days say of them. Means lean on the other channels; mean and spread are by two steps
of expectation and maximisation, in which a target that is far off counts for less (Lange, Little and Taylor, JASA 84,
1989). A target without others is told nothing.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from optimizer.plan.snapshot import FloatArray, IntArray
from optimizer.response.curves import GRID, Cells
from optimizer.response.history import BoolArray
from optimizer.response.rates import RatePosterior
from optimizer.response.scales import State, weights

_SPREAD: Final = 0.4
_SPREAD_WEIGHT: Final = 3.0
_LEAST_SPREAD: Final = 0.25
"""Standard deviation of r within channels that is expected, its weight in targets, and the least that is believed."""

_CHANNELS: Final = 0.35
"""Standard deviation of the channels' means."""

_TAIL: Final = 4.0
"""Degrees of freedom of Student's t: few targets may be worse, or better, than any other."""

_STEPS: Final = 2
_ALONE: Final = 1e-9


def best_returns(cells: Cells) -> tuple[FloatArray, FloatArray]:
    """Return the log of u and of g_j(u) where g_j(u) / u is largest, u from one on in units of x_ref; (J,) each."""
    above = GRID >= 0.0
    log_u, log_g = GRID[above], cells.table[above]
    best = (log_g - log_u[:, None]).argmax(axis=0)
    return log_u[best], log_g[best, np.arange(best.size)]


def told_by_others(
    cells: Cells,
    state: State,
    log_prior: FloatArray,
    rates: tuple[RatePosterior, ...],
    reference: FloatArray,
    channel: IntArray,
) -> FloatArray:
    """Return what the others' efficiency says of each cell, a log weight up to a constant per target, shape (K, J).

    Args:
        cells: The J cells.
        state: The folded days of the volume.
        log_prior: Of the cells, shape (K, J).
        rates: From the volume to conversions.
        reference: x_ref, shape (K,).
        channel: Index of each target's channel, shape (K,).
    """
    log_return, noise = _returns(cells, state, rates, reference)
    told, spread = np.zeros_like(log_return), _SPREAD**2
    for _ in range(_STEPS):
        believed = weights(state.evidence + told, log_prior)
        own = (believed * log_return).sum(axis=1)
        variance = (believed * log_return**2).sum(axis=1) - own**2 + noise
        mean, unsure = _of_others(own, np.where(state.begun, 1.0 / (spread + variance), 0.0), channel)
        spread = _spread(own - mean, variance, unsure, spread, state.begun)
        scale = _TAIL * (spread + noise + unsure)[:, None]
        told = -0.5 * (_TAIL + 1.0) * np.log1p((log_return - mean[:, None]) ** 2 / scale)
    return told


def _returns(
    cells: Cells, state: State, rates: tuple[RatePosterior, ...], reference: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return r of each cell, (K, J), and the variance that it has by the counts, (K,)."""
    log_u, log_g = best_returns(cells)
    level, noise, exponent = np.log(state.alpha[:, None] / state.beta), 1.0 / state.alpha, np.ones(len(reference))
    for rate in rates:
        level = level + np.log(rate.moments()[0].sum(axis=1))[:, None]
        noise, exponent = noise + 1.0 / rate.alpha, exponent - rate.weights @ rate.elasticity
    return level + exponent[:, None] * log_g - log_u - np.log(reference)[:, None], noise


def _of_others(own: FloatArray, precision: FloatArray, channel: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return the mean of each target's channel without it, and that mean's variance, (K,) each."""
    everyone = np.maximum(precision.sum() - precision, _ALONE)
    middle = ((precision * own).sum() - precision * own) / everyone
    lean = 1.0 / (_CHANNELS**2 + 1.0 / everyone)
    others = np.maximum(np.bincount(channel, precision)[channel] - precision, 0.0) + lean
    top = np.bincount(channel, precision * own)[channel] - precision * own + lean * middle
    return top / others, 1.0 / others


def _spread(apart: FloatArray, variance: FloatArray, unsure: FloatArray, spread: float, seen: BoolArray) -> float:
    """Return the variance of r within channels, from how far targets are apart from the others."""
    known = spread + variance + unsure
    count = np.where(seen & (unsure < 1.0), (_TAIL + 1.0) / (_TAIL + apart**2 / known), 0.0)
    true = (apart * spread / known) ** 2 + spread * (variance + unsure) / known
    pooled = (_SPREAD_WEIGHT * _SPREAD**2 + (count * true).sum()) / (_SPREAD_WEIGHT + count.sum())
    return max(float(pooled), _LEAST_SPREAD**2)
