"""A linear programme over the few grid points that can still matter, each target by itself.

Near the best prices most targets have one grid point that is clearly the best; only where a second point is almost
as good can the choice matter. The programme mixes those points so that the rows hold, and its multipliers show which
points were missing. Relative to the blocks' master it is exact: it decides on every target, not on blocks of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from optimizer.allocate.blocks import Prices, better
from optimizer.allocate.master import best_mixture
from optimizer.allocate.tables import CHUNK, BoolArray, Priced, Tables, closed
from optimizer.plan.snapshot import FloatArray, IntArray

SPARE: Final = 1000  # grid points beyond each target's best that a round may add
ROUNDS: Final = 12


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """The best mixture of some grid points.

    Attributes:
        target, point: The grid points, each of shape (n,), by target.
        weight: What share of its target each has, shape (n,).
        value: The scaled objective of the mixture, less penalties.
        multipliers: Of the rows, shape (m,).
        excess: By how much the mixture exceeds each row's bound, shape (m,).
    """

    target: IntArray
    point: IntArray
    weight: FloatArray
    value: float
    multipliers: FloatArray
    excess: FloatArray

    def mean(self, table: FloatArray) -> FloatArray:
        """Return the weighted mean of a table (K, P) by target, shape (K,)."""
        mean: FloatArray = np.bincount(self.target, self.weight * table[self.target, self.point], len(table))
        return mean

    def mean_gain(self, tables: Tables) -> FloatArray:
        """Return the weighted mean of the gain by target, shape (K,)."""
        gain = tables.gain_at(self.target, self.point)
        mean: FloatArray = np.bincount(self.target, self.weight * gain, tables.targets)
        return mean


@dataclass(frozen=True, slots=True, eq=False)
class Relaxed:
    """A converged core problem: its mixture, the grid points that it chose from (K, P), and the bound on all others."""

    mixture: Mixture
    kept: BoolArray
    prices: Prices


def converge(tables: Tables, kept: BoolArray, start: Prices, tolerance: float) -> Relaxed:
    """Add grid points to the core until its mixture is within `tolerance` (relative) of the bound at its prices.

    Args:
        tables: The problem; only its usable points count.
        kept: Grid points to begin with (K, P), with a usable one for every target.
        start: Where the prices come from; a bound of other points than the usable ones does not count here.
        tolerance: Relative.
    """
    kept = kept & tables.usable
    mixture = mix(tables, kept)
    prices = Prices(start.multipliers, tables.answer(start.multipliers)[1], start.rounds)
    for number in range(ROUNDS):
        loss, bound = tables.shortfall(mixture.multipliers)
        prices = better(prices, Prices(mixture.multipliers, bound, prices.rounds + 1))
        if closed(mixture.value, prices.bound, tolerance):
            break
        halfway = (mixture.multipliers + prices.multipliers) / 2.0
        prices = better(prices, Prices(halfway, tables.answer(halfway)[1], prices.rounds))
        wider = kept | _missing(loss, kept)
        if number % 2 or (wider == kept).all():
            wider |= nearest(tables, prices.multipliers)
        if (wider == kept).all():
            break
        kept = wider
        mixture = mix(tables, kept)
    return Relaxed(mixture, kept, prices)


def nearest(tables: Tables, multipliers: FloatArray) -> BoolArray:
    """Return each target's best grid point and the `SPARE` that a small change of prices would make as good, (K, P)."""
    distance = np.empty(tables.grid.shape)
    priced = tables.priced(multipliers)
    for start in range(0, tables.targets, CHUNK):
        part = slice(start, start + CHUNK)
        distance[part] = distances(tables, priced, part)[1]
    rank = min(tables.targets + SPARE, distance.size) - 1
    limit = min(float(np.partition(distance, rank, axis=None)[rank]), np.finfo(np.float64).max)
    kept: BoolArray = distance <= limit
    return kept


def distances(tables: Tables, priced: Priced, part: slice) -> tuple[IntArray, FloatArray]:
    """Return some targets' best grid points, (part,), and how far prices must move for others to be as good, (part, P).

    That is a point's loss relative to what it gains or gives up in the objective; -1 at the best point itself.
    """
    worth = tables.reduced(priced, part)
    best = worth.argmax(axis=1)[:, None]
    distance = np.take_along_axis(worth, best, axis=1) - worth
    gain = tables.gains(part)
    gain -= np.take_along_axis(gain, best, axis=1)
    distance /= np.abs(gain, out=gain) + 1e-12
    np.put_along_axis(distance, best, -1.0, axis=1)
    return best[:, 0], distance


def _missing(loss: FloatArray, kept: BoolArray) -> BoolArray:
    """Return the best grid points of the targets that lose most by what is kept, at most `SPARE` of them, (K, P)."""
    gain = np.where(kept, loss, np.inf).min(axis=1)
    chosen = np.argsort(-gain, kind="stable")[:SPARE]
    chosen = chosen[gain[chosen] > 0]
    more = np.zeros_like(kept)
    more[chosen, loss[chosen].argmin(axis=1)] = True
    return more


def mix(tables: Tables, kept: BoolArray) -> Mixture:
    """Find the best mixture of the kept grid points (K, P), at least one for each target."""
    target, point = np.nonzero(kept)
    gain, usage = tables.gain_at(target, point), tables.usage(target, point)
    alone = np.bincount(target, minlength=tables.targets)[target] == 1
    free = np.flatnonzero(~alone)
    _, owner = np.unique(target[free], return_inverse=True)
    left = tables.bound - usage[:, alone].sum(axis=1)
    mixed = best_mixture(gain[free], usage[:, free], owner, left, tables.penalty)
    weight = np.ones(len(target))
    weight[free] = mixed.weight
    weight /= np.bincount(target, weight, tables.targets)[target]
    value = tables.offset + float(gain[alone].sum()) + mixed.value
    return Mixture(target, point, weight, value, mixed.multipliers, mixed.excess)
