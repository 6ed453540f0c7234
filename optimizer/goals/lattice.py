"""The nearest amounts that platforms take under which linear rows hold, where going by quanta one by one finds none."""

from __future__ import annotations

from typing import Final

import numpy as np

from optimizer.plan.snapshot import FloatArray, IntArray

_NODES: Final = 2_000
"""Branches after which the search gives up: the answer must depend on the problem alone, not on the time it takes."""

_ROUNDED: Final = 0.5
"""Micros by which a bound that came from a float may be passed."""


def nearest(
    start: IntArray,
    wanted: IntArray,
    quantum: IntArray,
    sides: tuple[IntArray, IntArray],
    rows: tuple[FloatArray, FloatArray],
) -> IntArray | None:
    """Return the amounts nearest to what is wanted that keep all rows: least sum of distances; shape (K,), micros.

    An integer programme in the number of quanta that each amount moves by, solved by HiGHS. Amounts that must not move
    stand where they start.

    Args:
        start: Where amounts are counted from, shape (K,), micros; those that may move are multiples of their quanta.
        wanted: What was planned, shape (K,), micros.
        quantum: Shape (K,), micros.
        sides: The least and the most, shape (K,) each, micros, multiples of the quanta where they differ.
        rows: A matrix, shape (m, K), and bounds, shape (m,), micros: matrix @ amounts <= bounds.

    Returns:
        The amounts; None where none keep the rows, or none were found within the search's bound.
    """
    (least, most), (matrix, bound) = sides, rows
    moves = np.flatnonzero(least < most)
    if not moves.size:
        return None
    unit = int(np.gcd.reduce(quantum[moves]))
    size = (quantum[moves] // unit).astype(np.float64)
    count, spread = len(moves), np.diag(size)
    off = (wanted - start)[moves] / unit
    eye, nothing = np.eye(count), np.zeros((len(matrix), count))
    # For each amount: its quanta, and its distance from what was wanted, which is at least the difference either way.
    left = np.block([[matrix[:, moves] * size, nothing], [spread, -eye], [-spread, -eye]])
    right = np.concatenate([(bound - matrix @ start + _ROUNDED) / unit, off, -off])
    from scipy.optimize import Bounds, LinearConstraint, milp  # noqa: PLC0415 - slow to load, and seldom needed

    found = milp(
        np.concatenate([np.zeros(count), np.ones(count)]),
        integrality=np.concatenate([np.ones(count), np.zeros(count)]),
        bounds=Bounds(
            np.concatenate([((least - start) // quantum)[moves], np.zeros(count)]),
            np.concatenate([((most - start) // quantum)[moves], np.full(count, np.inf)]),
        ),
        constraints=LinearConstraint(left, -np.inf, right),
        options={"node_limit": _NODES},
    )
    if found.x is None:
        return None
    amounts = start.copy()
    amounts[moves] += np.rint(found.x[:count]).astype(np.int64) * quantum[moves]
    return amounts if (matrix @ amounts <= bound + _ROUNDED).all() else None
