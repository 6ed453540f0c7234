"""The best mixture under one row, without a linear programme: concave hulls, and one sorted list of their edges.

With a single row the relaxed multiple-choice knapsack has a closed form (Sinha and Zoltners 1979, "The multiple-choice
knapsack problem", Operations Research 27): each owner's columns are reduced to their upper concave hull, and the edges
of all hulls are bought in the order of what they gain per unit of the row, until it is full. The gain per unit of the
edge that fills it is the row's multiplier. Most portfolios have just this one row, their total.
"""

from __future__ import annotations

from typing import Final

import numpy as np

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
    vertex, first = _hulls(gain, usage, owner)
    target = np.delete(np.arange(vertex.size), first)  # an edge leads to every vertex but the first of a hull
    source = target - 1
    length = usage[vertex[target]] - usage[vertex[source]]
    value = (gain[vertex[target]] - gain[vertex[source]]) / length
    whose = owner[vertex[target]]
    # Along a hull values fall: what is worth more than the penalty is bought whatever room there is, and comes first.
    least = first + np.bincount(whose[value > penalty], minlength=first.size)
    room = bound - float(usage[vertex[least]].sum())
    if room < -_FULL * max(abs(bound), float(np.abs(usage[vertex[least]]).sum())):
        weight[vertex[least]] = 1.0
        return weight, penalty, -room
    slack, room = max(-room, 0.0), max(room, 0.0)
    sold = np.flatnonzero((value > 0.0) & (value <= penalty))
    # Edges stand in the order of their hulls; a stable sort keeps those that are equal so.
    order = sold[np.argsort(-value[sold], kind="stable")]
    filled = np.cumsum(length[order])
    whole = int(np.searchsorted(filled, room, side="right"))
    bought = least + np.bincount(whose[order[:whole]], minlength=first.size)
    weight[vertex[bought]] = 1.0
    if whole == order.size:
        return weight, 0.0, slack
    last = order[whole]
    part = (room - (float(filled[whole - 1]) if whole else 0.0)) / float(length[last])
    weight[vertex[source[last]]], weight[vertex[target[last]]] = 1.0 - part, part
    return weight, float(value[last]), slack


def _hulls(gain: FloatArray, usage: FloatArray, owner: IntArray) -> tuple[IntArray, IntArray]:
    """Return the columns on the upper hulls, shape (v,), by owner and usage, and where in them each owner begins.

    A column below the line between its neighbours is no vertex, nor is one that gains less than another that uses as
    much. Each pass leaves out all of those; what remains has the same hulls.
    """
    column = np.lexsort((gain, usage, owner))
    last = np.append((owner[column[1:]] != owner[column[:-1]]) | (usage[column[1:]] > usage[column[:-1]]), True)
    column = column[last]
    while True:
        same = owner[column[1:]] == owner[column[:-1]]
        more = np.diff(usage[column])
        slope = np.divide(np.diff(gain[column]), more, out=np.zeros(more.shape), where=same)
        below = np.append(np.append(False, same[:-1] & same[1:] & (slope[1:] > slope[:-1])), False)
        if not below.any():
            return column, np.flatnonzero(np.append(True, ~same))
        column = column[~below]
