"""Prices of the rows by Dantzig-Wolfe column generation over blocks of targets.

Each round prices every target by itself at the present multipliers (its best grid point), adds up the answers of each
block to one column, and asks a small linear programme (HiGHS) for the best mixture of all columns so far, whose
multipliers are the next ones (Dantzig and Wolfe 1960, doi:10.1287/opre.8.1.101). The query lies halfway between the
master's multipliers and those with the best bound so far (Wentges 1997, weighted Dantzig-Wolfe decomposition).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from optimizer.allocate.master import Mixed, best_mixture
from optimizer.allocate.tables import Tables, closed
from optimizer.plan.snapshot import FloatArray, IntArray

BLOCKS: Final = 40
ROUNDS: Final = 20


@dataclass(frozen=True, slots=True, eq=False)
class Prices:
    """Multipliers, shape (m,), the upper bound that they prove, and the rounds that it took to find them."""

    multipliers: FloatArray
    bound: float
    rounds: int


def better(first: Prices, second: Prices) -> Prices:
    """Return the multipliers with the lower bound, and the larger number of rounds."""
    best = first if first.bound <= second.bound else second
    return Prices(best.multipliers, best.bound, max(first.rounds, second.rounds))


def generate(tables: Tables, tolerance: float) -> Prices:
    """Find multipliers whose bound lies within `tolerance` (relative) of the master's optimum, or the best met."""
    starts = np.unique(np.linspace(0, tables.targets, min(BLOCKS, tables.targets) + 1).astype(np.int64)[:-1])
    rows = len(tables.bound)
    best = Prices(np.zeros(rows), np.inf, 0)
    columns = _Columns.empty(rows).and_answer(tables, tables.usable.argmax(axis=1), starts)
    query = np.zeros(rows)
    for number in range(1, ROUNDS + 1):
        answer, bound = tables.answer(query)
        best = better(best, Prices(query, bound, number))
        columns = columns.and_answer(tables, answer, starts)
        mixed = columns.master(tables)
        if closed(tables.offset + mixed.value, best.bound, tolerance):
            break
        query = (mixed.multipliers + best.multipliers) / 2.0
    return best


@dataclass(frozen=True, slots=True, eq=False)
class _Columns:
    """The answers so far, added up by block: gain (n,), usage (m, n), block (n,)."""

    gain: FloatArray
    usage: FloatArray
    block: IntArray

    @classmethod
    def empty(cls, rows: int) -> _Columns:
        return cls(np.zeros(0), np.zeros((rows, 0)), np.zeros(0, dtype=np.int64))

    def and_answer(self, tables: Tables, answer: IntArray, starts: IntArray) -> _Columns:
        """Add one column for each block, which begin at the targets `starts`."""
        gain = np.add.reduceat(tables.gain_at(np.arange(tables.targets), answer), starts)
        usage = tables.used(answer, starts)
        return _Columns(
            np.concatenate([self.gain, gain]),
            np.concatenate([self.usage, usage], axis=1),
            np.concatenate([self.block, np.arange(len(starts))]),
        )

    def master(self, tables: Tables) -> Mixed:
        """Return the best mixture of the columns so far."""
        return best_mixture(self.gain, self.usage, self.block, tables.bound, tables.penalty)
