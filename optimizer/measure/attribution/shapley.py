"""The Shapley value of channels: what each adds to the channels before it, on average over all orders of joining.

Shapley (1953), "A value for n-person games". Two worths of a coalition S of channels are in use. The first are the
orders of all paths whose channels lie within S; it has a closed form for any number of channels,
`rules.shapley_additive`. The second are the orders that a first-order Markov chain of the paths brings when every
channel outside S is removed: it sees paths without orders, too, and lets persons go on by ways that nobody went as a
whole. It is enumerated for up to `EXACT` channels, and beyond that sampled over orders of joining, with standard
errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb
from typing import Final

import numpy as np
import numpy.typing as npt

from optimizer.measure.attribution.markov import Chain, dense_system
from optimizer.measure.attribution.paths import Floats

EXACT: Final = 12
"""The most channels of which all coalitions are enumerated."""

_AT_ONCE: Final = 4_000_000
"""Cells of the matrices that are solved in one call."""

Int64 = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def exact(worth: Floats) -> Floats:
    """Return the Shapley values of a game whose every coalition's worth is known.

    phi_i = sum over S without i of |S|! (n - |S| - 1)! / n! (v(S + i) - v(S))

    Args:
        worth: Of coalition S at the place whose bits are S, shape (2^n, kinds) with n >= 0.

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


def chain_worths(chain: Chain, weights: Floats, coalitions: Bools) -> Floats:
    """Return the orders and the micros that a chain brings with the channels of each coalition alone.

    Args:
        chain: Of order 1.
        weights: Of the groups, shape (groups,).
        coalitions: Who is in, shape (coalitions, channels).

    Returns:
        Shape (coalitions, 2).
    """
    moves, gains = dense_system(chain, weights)
    started = chain.started(weights)
    states = len(moves)
    found = np.empty((len(coalitions), 2))
    size = max(_AT_ONCE // states**2, 1)
    for first in range(0, len(coalitions), size):
        inside = coalitions[first : first + size]
        # Whoever would touch a channel outside is gone; the state before any touch is always open.
        open_ = np.concatenate([np.ones((len(inside), 1)), inside], axis=1)
        systems = np.eye(states) - moves * open_[:, None, :]
        found[first : first + size] = np.linalg.solve(systems, np.broadcast_to(gains, (len(inside), states, 2)))[:, 0]
    return found * started


def chain_exact(chain: Chain, weights: Floats) -> Floats:
    """Return the Shapley values of `chain_worths` by all coalitions: orders and micros, shape (channels, 2)."""
    bits = np.arange(1 << chain.channels)[:, None] >> np.arange(chain.channels) & 1
    return exact(chain_worths(chain, weights, bits == 1))


def chain_sampled(chain: Chain, weights: Floats, joinings: Sequence[Int64]) -> tuple[Floats, Floats]:
    """Estimate the Shapley values of `chain_worths` from orders of joining, each taken forwards and backwards.

    Args:
        chain: Of order 1.
        weights: Of the groups, shape (groups,).
        joinings: Random permutations of the channels, 2 or more.

    Returns:
        Means and their standard errors: orders and micros, each of shape (channels, 2). The means sum to the worth of
        all channels, as the values themselves do.
    """
    pairs = [(_gained(chain, weights, one) + _gained(chain, weights, one[::-1])) / 2 for one in joinings]
    return np.mean(pairs, axis=0), np.std(pairs, axis=0, ddof=1) / np.sqrt(len(pairs))


def _gained(chain: Chain, weights: Floats, joining: Int64) -> Floats:
    """What each channel adds when it joins in this order, shape (channels, 2)."""
    rank = np.empty(len(joining), dtype=np.int64)
    rank[joining] = np.arange(len(joining))
    worth = chain_worths(chain, weights, rank[None, :] <= np.arange(len(joining))[:, None])
    found = np.empty((len(joining), 2))
    found[joining] = np.diff(worth, axis=0, prepend=np.zeros((1, 2)))
    return found
