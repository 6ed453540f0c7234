"""The Shapley value of channels: what each adds to the channels before it, on average over all orders of joining.

Shapley (1953), "A value for n-person games". Two worths of a coalition S are in use. The **orders** of all paths whose
channels lie within S have a closed form, which `rules.shapley_additive` takes. Here stands the other: the **rate** of
orders among the paths whose channels lie within S, times all paths, as if everybody had gone along such paths only. It
sees the paths without orders. It is enumerated for up to `EXACT` channels, and beyond that sampled over orders of
joining, with standard errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from typing import Final

import numpy as np
import numpy.typing as npt

from optimizer.measure.attribution.paths import Floats, Paths

EXACT: Final = 12
"""The most channels of which all coalitions are enumerated."""

MOST_CHANNELS: Final = 62

_BLOCK: Final = 500_000

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Sets:
    """How often each set of channels was met, by groups of paths that can be drawn again.

    Attributes:
        channels: How many there are.
        masks: The sets, bit c for channel c, rising, shape (sets,).
        counts: Paths, their orders, and their value in micros, shape (groups, 3, sets).
    """

    channels: int
    masks: Int64
    counts: Floats


def count(paths: Paths, groups: Int64, group_count: int) -> Sets:
    """Count the sets of channels of paths.

    Args:
        paths: With channels as places; those without touches are passed over.
        groups: The group of each path, shape (paths,).
        group_count: How many groups there are.

    Raises:
        ValueError: There are more than `MOST_CHANNELS` channels.
    """
    if len(paths.places) > MOST_CHANNELS:
        raise ValueError(f"sets of {len(paths.places)} channels cannot be counted; at most {MOST_CHANNELS} can")
    filled = paths.lengths() > 0
    masks = np.concatenate([_masks(block) for block in paths.blocks(_BLOCK)] or [np.empty(0, dtype=np.int64)])[filled]
    found, inverse = np.unique(masks, return_inverse=True)
    cells = groups[filled] * len(found) + inverse
    size = group_count * len(found)
    amounts = (None, paths.orders[filled], paths.values[filled])
    counts = [np.bincount(cells, each, minlength=size).reshape(group_count, len(found)) for each in amounts]
    return Sets(len(paths.places), found, np.stack(counts, axis=1).astype(np.float64))


def exact(worth: Floats) -> Floats:
    """Return the Shapley values of a game whose every coalition's worth is known.

    phi_i = sum over S without i of |S|! (n - |S| - 1)! / n! (v(S + i) - v(S))

    Args:
        worth: Of coalition S at the place whose bits are S, shape (2^n, kinds) with n >= 1.

    Returns:
        Shape (n, kinds).
    """
    players = len(worth).bit_length() - 1
    coalitions = np.arange(len(worth))
    sizes = np.bitwise_count(coalitions)
    weights = np.array([1 / (players * comb(players - 1, size)) for size in range(players)])
    found = np.empty((players, worth.shape[1]))
    for player in range(players):
        without = coalitions[coalitions >> player & 1 == 0]
        gained = worth[without | 1 << player] - worth[without]
        found[player] = weights[sizes[without]] @ gained
    return found


def rate_exact(sets: Sets, weights: Floats) -> Floats:
    """Return the Shapley values of the rate, by all coalitions: orders and value, shape (channels, 2)."""
    counted = np.tensordot(weights, sets.counts, axes=1)
    within = np.zeros((1 << sets.channels, 3))
    within[sets.masks] = counted.T
    for channel in range(sets.channels):
        # Each coalition with the channel takes up what lies within it without: sums over all subsets, in place.
        pairs = within.reshape(-1, 2, 1 << channel, 3)
        pairs[:, 1] += pairs[:, 0]
    return exact(_rates(within, counted[0].sum()))


def rate_sampled(sets: Sets, weights: Floats, joinings: Sequence[Int64]) -> tuple[Floats, Floats]:
    """Estimate the Shapley values of the rate from random orders of joining, each taken forwards and backwards.

    Args:
        sets: What was counted.
        weights: Of the groups, shape (groups,).
        joinings: Random permutations of the channels, 2 or more.

    Returns:
        Means and their standard errors: orders and value, each of shape (channels, 2). The means sum to the worth of
        all channels, as the values themselves do.
    """
    counted = np.tensordot(weights, sets.counts, axes=1)
    bits = (sets.masks[:, None] >> np.arange(sets.channels)) & 1 == 1
    pairs = [(_gained(bits, counted, one) + _gained(bits, counted, one[::-1])) / 2 for one in joinings]
    return np.mean(pairs, axis=0), np.std(pairs, axis=0, ddof=1) / np.sqrt(len(pairs))


def _gained(bits: npt.NDArray[np.bool_], counted: Floats, joining: Int64) -> Floats:
    """What each channel adds when it joins in this order, shape (channels, 2)."""
    rank = np.empty(len(joining), dtype=np.int64)
    rank[joining] = np.arange(len(joining))
    complete = np.where(bits, rank, -1).max(axis=1)
    within = [np.cumsum(np.bincount(complete, each, minlength=len(joining))) for each in counted]
    worth = _rates(np.stack(within, axis=1), counted[0].sum())
    found = np.empty((len(joining), 2))
    found[joining] = np.diff(worth, axis=0, prepend=np.zeros((1, 2)))
    return found


def _rates(within: Floats, every: float) -> Floats:
    """Orders and value at the rate of the paths within, times all paths; 0 where there are no paths."""
    paths = within[:, :1]
    return np.asarray(np.divide(within[:, 1:] * every, paths, out=np.zeros((len(within), 2)), where=paths > 0))


def _masks(block: Paths) -> Int64:
    """The set of channels of each path, shape (paths,)."""
    filled = block.lengths() > 0
    masks = np.zeros(len(block), dtype=np.int64)
    if filled.any():
        bits = np.left_shift(1, block.codes.astype(np.int64))
        masks[filled] = np.bitwise_or.reduceat(bits, block.offsets[:-1][filled])
    return masks
