"""From budgets as numbers to amounts that the platforms take."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from connectors.money import MICROS, Money
from optimizer.goals.room import Box
from optimizer.plan.problem import Row
from optimizer.plan.snapshot import FloatArray, IntArray, Target


def to_quantum(budget: FloatArray, targets: Sequence[Target], box: Box, rows: Sequence[Row]) -> tuple[Money, ...]:
    """Round each budget to its platform's quantum so that no side of the box and no linear row is newly broken.

    All go down to a quantum first (up where down would leave the box). What that leaves unspent is given back
    quantum by quantum, the largest remainder first, as far as every row keeps its bound. A budget that is where it
    stands already, to within half a quantum, keeps its exact amount.

    Args:
        budget: Currency units a day, shape (K,).
        targets: The K targets, with their quanta.
        box: The room of each.
        rows: The coupling constraints; those that count outcomes are left out, a quantum hardly moves them.
    """
    quantum = np.array([target.budget.quantum_micros for target in targets], dtype=np.int64)
    present = np.array([target.budget.amount.micros for target in targets], dtype=np.int64)
    wanted = np.rint(budget * MICROS).astype(np.int64)
    least, most = _inside(box.lower, quantum, up=True), _inside(box.upper, quantum, up=False)
    floor = wanted // quantum * quantum
    micros = np.where(least <= most, np.clip(floor, least, np.maximum(most, least)), floor)
    stays = np.abs(wanted - present) * 2 <= quantum
    micros = np.where(stays, present, micros)
    linear = [row for row in rows if row.credit is None]
    _give_back(micros, wanted, quantum, np.where(stays, present, most), linear)
    return tuple(Money(int(m), target.budget.amount.currency) for m, target in zip(micros, targets, strict=True))


def _inside(side: FloatArray, quantum: IntArray, *, up: bool) -> IntArray:
    """The multiple of the quantum nearest to a side of the box, on its inner side."""
    micros = np.rint(side * MICROS).astype(np.int64)
    inner: IntArray = -(-micros // quantum) * quantum if up else micros // quantum * quantum
    return inner


def _give_back(micros: IntArray, wanted: IntArray, quantum: IntArray, most: IntArray, linear: Sequence[Row]) -> None:
    """Add single quanta in place, the largest remainder first, where the box and every row have room for them."""
    spend = np.array([row.spend for row in linear]).reshape(len(linear), len(micros))
    bound = np.array([row.bound for row in linear]) * MICROS
    used = spend @ micros
    remainder = (wanted - micros) / quantum
    for k in np.argsort(-remainder, kind="stable"):
        if remainder[k] <= 0 or micros[k] + quantum[k] > most[k]:
            continue
        after = used + spend[:, k] * quantum[k]
        if (after <= np.maximum(bound, used) + 0.5).all():
            micros[k] += quantum[k]
            used = after
