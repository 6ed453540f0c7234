"""The removal effect: how many orders a Markov chain of the paths would lose without a channel.

Anderl, Becker, von Wangenheim and Schumann (2016), "Mapping the customer journey: Lessons learned from graph-based
online attribution modeling", International Journal of Research in Marketing 33(3). A state is the last `order`
channels that a person touched; a channel is removed by sending to "no order" whoever would touch it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from optimizer.measure.attribution.paths import Floats, Paths

MOST_ORDERS: Final = 3

_BLOCK: Final = 500_000
_DENSE: Final = 30_000_000
_TOLERANCE: Final = 1e-13
_MOST_ROUNDS: Final = 100_000

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """What was counted of paths with touches, by groups of paths that can be drawn again.

    A state is written as a number in base `channels + 1` whose digits are the last channels, each plus 1, and 0
    before the first touch. A move is a state and the channel after it, that digit appended.

    Attributes:
        channels: How many there are.
        order: How many channels a state remembers.
        moves: The moves that happened, rising, shape (moves,).
        move_counts: How often, shape (groups, moves).
        ends: The states in which paths ended, rising, shape (ends,).
        end_counts: Paths that ended there with an order, their orders, their value in micros, and paths that ended
            there without, shape (groups, 4, ends).
    """

    channels: int
    order: int
    moves: Int64
    move_counts: Floats
    ends: Int64
    end_counts: Floats

    def started(self, weights: Floats) -> float:
        """How many paths there are with the groups weighed."""
        return float(weights @ (self.end_counts[:, 0] + self.end_counts[:, 3]).sum(axis=1))


def count(paths: Paths, order: int, groups: Int64, group_count: int) -> Chain:
    """Count the moves of paths; touches of the channel just touched change nothing and are passed over.

    Args:
        paths: With channels as places; those without touches are passed over.
        order: How many channels a state remembers, 1 to 3.
        groups: The group of each path, shape (paths,).
        group_count: How many groups there are.

    Raises:
        ValueError: The order is not 1 to 3.
    """
    if order not in range(1, MOST_ORDERS + 1):
        raise ValueError(f"the order of a Markov chain must be 1 to {MOST_ORDERS}, not {order!r}")
    base = len(paths.places) + 1
    moves, ends = _Counts(base ** (order + 1), group_count), _Counts(base**order, 4 * group_count)
    done = 0
    for block in paths.blocks(_BLOCK):
        here = groups[done : done + len(block)]
        done += len(block)
        _count_block(block, order, here, group_count, moves, ends)
    found, counted = moves.result()
    last, ended = ends.result()
    return Chain(base - 1, order, found, counted, last, ended.reshape(group_count, 4, len(last)))


def removal_effects(chain: Chain, weights: Floats) -> tuple[Floats, Floats]:
    """Return what each channel's removal would cost, in parts of what all paths with touches bring.

    Args:
        chain: What was counted.
        weights: Of the groups, 0 or more, shape (groups,).

    Returns:
        In orders and in value, each of shape (channels,), 0 to 1; 0 where nothing was brought.

    Raises:
        ValueError: The chain is too slow to leave its loops, so that no figure can be told.
    """
    kept = _arrivals(chain.channels, _system(chain, weights))
    with np.errstate(invalid="ignore", divide="ignore"):
        effects = np.where(kept[:, :1] > 0, 1 - kept[:, 1:] / kept[:, :1], 0.0)
    return np.clip(effects[0], 0.0, 1.0), np.clip(effects[1], 0.0, 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class _System:
    """The chain as a linear system; the first of its states is the one before any touch.

    Attributes:
        matrix: Probabilities of the moves, a sparse matrix of shape (states, states).
        last: The channel that a state ends with, plus 1, shape (states,).
        gains: Orders and value expected right after a state, shape (states, 2).
    """

    matrix: sparse.csr_array
    last: Int64
    gains: Floats


def _system(chain: Chain, weights: Floats) -> _System:
    base = chain.channels + 1
    happened = weights @ chain.move_counts
    ended = np.tensordot(weights, chain.end_counts, axes=1)
    after = chain.moves % base**chain.order
    states = np.unique(np.concatenate([[0], chain.moves // base, after, chain.ends]))
    before, then = np.searchsorted(states, chain.moves // base), np.searchsorted(states, after)
    at = np.searchsorted(states, chain.ends)
    leaving = np.bincount(before, happened, minlength=len(states))
    leaving += np.bincount(at, ended[0] + ended[3], minlength=len(states))
    each = np.divide(1.0, leaving, out=np.zeros(len(states)), where=leaving > 0)
    matrix = sparse.csr_array((happened * each[before], (before, then)), shape=(len(states), len(states)))
    gains = np.zeros((len(states), 2))
    gains[at] = ended[1:3].T * each[at, None]
    return _System(matrix, states % base, gains)


def dense_system(chain: Chain, weights: Floats) -> tuple[Floats, Floats]:
    """Return a first-order chain as a dense system: the state before any touch, then one for each channel.

    Args:
        chain: Of order 1.
        weights: Of the groups, shape (groups,).

    Returns:
        Probabilities of the moves, shape (1 + channels, 1 + channels), and orders and micros expected right after each
        state, shape (1 + channels, 2).
    """
    system = _system(chain, weights)
    states = 1 + chain.channels
    moves, gains = np.zeros((states, states)), np.zeros((states, 2))
    moves[np.ix_(system.last, system.last)] = system.matrix.toarray()
    gains[system.last] = system.gains
    return moves, gains


def _arrivals(channels: int, system: _System) -> Floats:
    """What is gained from the start, with all channels and without each: shape (2, 1 + channels), orders and value.

    The expected gains h of the states solve h = g + P h. The sum g + P g + P^2 g + ... is taken term by term, for all
    removals at once: no term is negative, and they fall at least as fast as paths end.
    """
    open_ = np.ones((len(system.last), 1 + channels), dtype=np.bool_)
    touched = np.flatnonzero(system.last)
    open_[touched, system.last[touched]] = False
    found = np.zeros((2, 1 + channels))
    for kind in range(2):
        scale = system.gains[:, kind].max(initial=0.0)
        term = np.where(open_, system.gains[:, kind, None] / (scale or 1.0), 0.0)
        rounds = 0
        while term.max(initial=0.0) > _TOLERANCE:
            rounds += 1
            if rounds > _MOST_ROUNDS:
                raise ValueError("paths hardly ever end: the removal effect cannot be told. Mend: shorten the windows")
            found[kind] += term[0] * scale
            term = np.where(open_, system.matrix @ term, 0.0)
    return found


class _Counts:
    """Sums by key and group, over all blocks of paths: in a table of all keys where it is small, else of those met."""

    def __init__(self, keys: int, groups: int) -> None:
        self._keys, self._groups = keys, groups
        self._table = np.zeros(keys * groups) if keys * groups <= _DENSE else None
        self._parts: list[tuple[Int64, Floats]] = []

    def add(self, keys: Int64, groups: Int64, amounts: npt.NDArray[Any] | None = None) -> None:
        """Add amounts, by default 1 each, to keys in groups; all of shape (n,)."""
        joint = groups * self._keys + keys
        if self._table is not None:
            self._table += np.bincount(joint, amounts, minlength=len(self._table))
            return
        found, inverse = np.unique(joint, return_inverse=True)
        self._parts.append((found, np.bincount(inverse, amounts, minlength=len(found)).astype(np.float64)))

    def result(self) -> tuple[Int64, Floats]:
        """Return the keys that were met, rising, and the sums, shape (groups, keys)."""
        if self._table is not None:
            table = self._table.reshape(self._groups, self._keys)
            met = np.flatnonzero(table.any(axis=0))
            return met, table[:, met]
        joint = np.concatenate([part[0] for part in self._parts]) if self._parts else np.empty(0, dtype=np.int64)
        amounts = np.concatenate([part[1] for part in self._parts]) if self._parts else np.empty(0)
        met, inverse = np.unique(joint % self._keys, return_inverse=True)
        place = (joint // self._keys) * len(met) + inverse
        return met, np.bincount(place, amounts, minlength=self._groups * len(met)).reshape(self._groups, len(met))


def _count_block(block: Paths, order: int, groups: Int64, group_count: int, moves: _Counts, ends: _Counts) -> None:
    base = len(block.places) + 1
    owners = block.owners()
    digits = block.codes.astype(np.int64) + 1
    new = np.ones(len(digits), dtype=np.bool_)
    new[1:] = (digits[1:] != digits[:-1]) | (owners[1:] != owners[:-1])
    owners, digits = owners[new], digits[new]
    state = np.zeros(len(digits), dtype=np.int64)
    for back in range(1, order + 1):
        before = np.zeros(len(digits), dtype=np.int64)
        before[back:] = np.where(owners[back:] == owners[:-back], digits[:-back], 0)
        state += before * base ** (back - 1)
    moves.add(state * base + digits, groups[owners])
    last = np.append(np.flatnonzero(np.diff(owners)), len(owners) - 1)[: len(owners)]
    at, path = (state[last] * base + digits[last]) % base**order, owners[last]
    bought = block.orders[path] > 0
    of = groups[path]
    ends.add(at[bought], of[bought] * 4)
    ends.add(at[bought], of[bought] * 4 + 1, block.orders[path][bought])
    ends.add(at[bought], of[bought] * 4 + 2, block.values[path][bought])
    ends.add(at[~bought], of[~bought] * 4 + 3)
