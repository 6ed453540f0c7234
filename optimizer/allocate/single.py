"""The best mixture under one row, without a linear programme: concave hulls, and one sorted list of their edges.

With a single row the relaxed multiple-choice knapsack has a closed form (Sinha and Zoltners 1979, "The multiple-choice
knapsack problem", Operations Research 27): each owner's columns are reduced to their upper concave hull, and the edges
of all hulls are bought in the order of what they gain per unit of the row, until it is full. The gain per unit of the
edge that fills it is the row's multiplier. Most portfolios have just this one row, their total.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from optimizer.allocate.tables import BoolArray
from optimizer.plan.snapshot import FloatArray, IntArray

_FULL: Final = 1e-12  # share of a row by which sums of floats may pass it


def fill(
    gain: FloatArray, usage: FloatArray, owner: IntArray, bound: float, penalty: float
) -> tuple[FloatArray, float, float]:
    """Maximise gain.w - penalty s subject to usage.w - s <= bound, the weights of each owner summing to one, s >= 0.

    Args:
        gain: Of each column, shape (n,).
        usage: Of the row by each column, shape (n,).
        owner: Whose column it is, numbered from 0 without a gap, shape (n,).
        bound: Of the row.
        penalty: Price of its slack, positive.

    Returns:
        The weights, shape (n,), the row's multiplier, from 0 to the penalty, and its slack s. Where the row is just
        full by what cannot be left out, any multiplier from what more room would bring to the penalty proves the
        value; it is the least of them, which is the price of room.
    """
    weight = np.zeros(len(gain))
    path = _hulls(gain, usage, owner, penalty)
    room = bound - float(usage[path[0]].sum())
    if room < -_FULL * max(abs(bound), float(np.abs(usage[path[0]]).sum())):
        weight[path[0]] = 1.0
        return weight, penalty, -room
    slack, room = max(-room, 0.0), max(room, 0.0)
    step, whose = np.nonzero(path[1:] != path[:-1])
    source, target = path[step, whose], path[step + 1, whose]
    length = usage[target] - usage[source]
    value = (gain[target] - gain[source]) / length
    # Edges stand in the order of their hulls, along which values fall; a stable sort keeps those that are equal so.
    order = np.argsort(-value, kind="stable")
    filled = np.cumsum(length[order])
    whole = int(np.searchsorted(filled, room, side="right"))
    bought = np.bincount(whose[order[:whole]], minlength=path.shape[1])
    weight[path[bought, np.arange(path.shape[1])]] = 1.0
    if whole == order.size:
        return weight, 0.0, slack
    last = order[whole]
    part = (room - (float(filled[whole - 1]) if whole else 0.0)) / float(length[last])
    weight[source[last]], weight[target[last]] = 1.0 - part, part
    return weight, float(value[last]), slack


def _hulls(gain: FloatArray, usage: FloatArray, owner: IntArray, penalty: float) -> IntArray:
    """Return the vertices of each owner's hull, shape (v, owners): columns, the last one repeated where a hull ends.

    The first is the best at the price of the penalty; each next one is where the gain per unit is greatest.
    """
    column = _by_owner(owner)
    here = column >= 0
    gains, usages = np.where(here, gain[column], -np.inf), np.where(here, usage[column], np.inf)
    rows = np.arange(len(column))
    at = np.argmax(np.where(here, gains - penalty * np.where(here, usages, 0.0), -np.inf), axis=1)
    path = [column[rows, at]]
    while True:
        slope = _slopes(gains, usages, here, gains[rows, at], usages[rows, at])
        best = slope.argmax(axis=1)
        at = np.where(slope[rows, best] > 0.0, best, at)
        if (column[rows, at] == path[-1]).all():
            return np.array(path)
        path.append(column[rows, at])


def _slopes(gains: FloatArray, usages: FloatArray, here: BoolArray, gain: FloatArray, usage: FloatArray) -> FloatArray:
    """Return what each column gains per unit of the row from where its owner stands; 0 where it uses no more."""
    more, rise = usages - usage[:, None], gains - gain[:, None]
    slope: FloatArray = np.divide(rise, more, out=np.zeros(more.shape), where=here & (more > 0.0))
    return slope


def _by_owner(owner: IntArray) -> IntArray:
    """Return the columns of each owner, shape (owners, most columns); -1 fills up."""
    order = np.argsort(owner, kind="stable")
    count = np.bincount(owner)
    place = np.arange(owner.size) - np.repeat(np.cumsum(count) - count, count)
    column = np.full((count.size, int(count.max())), -1, dtype=np.int64)
    column[owner[order], place] = order
    return column
