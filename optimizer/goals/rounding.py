"""From budgets as numbers to amounts that the platforms take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from connectors.money import MICROS, Money
from optimizer.goals.quanta import inside, quanta
from optimizer.goals.room import PIN, Box
from optimizer.plan.problem import Row
from optimizer.plan.snapshot import FloatArray, IntArray, Target

_MICRO: Final = 1e-6


def to_quantum(budget: FloatArray, targets: Sequence[Target], box: Box, rows: Sequence[Row]) -> tuple[Money, ...]:
    """Round each budget to its platform's quantum so that no side of the box and no linear row is newly broken.

    All go down to a quantum first (up where down would leave the box; where no multiple lies in it, below it). What
    that leaves unspent is given back quantum by quantum, the largest remainder first, as far as every row keeps its
    bound. A budget that is where it stands already, to within half a quantum, keeps its exact amount; what that costs
    a row is taken from the others.

    Args:
        budget: Currency units a day, shape (K,).
        targets: The K targets, with their quanta.
        box: The room of each.
        rows: The coupling constraints; those that count outcomes are left out, a quantum hardly moves them.
    """
    wanted = np.rint(budget * MICROS).astype(np.int64)
    quantum = quanta(targets)
    present = np.array([target.budget.amount.micros for target in targets], dtype=np.int64)
    least, most = inside(box.lower, quantum, up=True), inside(box.upper, quantum, up=False)
    paused = box.pausable & (wanted < quantum)
    least, most = np.where(paused, 0, np.minimum(least, most)), np.where(paused, 0, most)
    micros = np.clip(wanted // quantum * quantum, least, most)
    stays = np.abs(wanted - present) * 2 <= quantum
    micros = np.where(stays, present, micros)
    linear = _Linear.of([row for row in rows if row.credit is None], len(micros))
    steps = _Steps(wanted, quantum, np.where(stays, present, least), np.where(stays, present, most))
    while linear.excess(linear.spend @ micros).any():
        lower = _nudge(micros, linear, steps, -1)
        if (lower == micros).all():
            break
        micros = lower
    micros = _nudge(micros, linear, steps, +1)
    return tuple(Money(int(m), target.budget.amount.currency) for m, target in zip(micros, targets, strict=True))


def in_quanta(lower: FloatArray, upper: FloatArray, targets: Sequence[Target]) -> tuple[FloatArray, FloatArray]:
    """Return the least and the most, each (K,), that `to_quantum` lets budgets be between two sides.

    A side stays where the budget stands on it already, and where no multiple of the quantum lies between both.
    """
    quantum = quanta(targets)
    present = np.array([target.budget.amount.micros for target in targets], dtype=np.int64)
    least, most = inside(lower, quantum, up=True), inside(upper, quantum, up=False)
    fits = least <= most
    low: FloatArray = np.where(fits & (np.rint(lower * MICROS) != present), least / MICROS, lower)
    high: FloatArray = np.where(fits & (np.rint(upper * MICROS) != present), most / MICROS, upper)
    return low, high


def ends(box: Box, k: int, target: Target) -> tuple[Money, Money]:
    """Return the least and the most that the platform of one target, by index, takes within its room.

    Where no multiple of its quantum lies there, it is the last one below: `to_quantum` goes down to it, never up. No
    pin gives way, not even by a part of a quantum.
    """
    low, high = (round(float(side[k]) * MICROS) for side in (box.lower, box.upper))
    if not any(why.code == PIN for why in box.upper_because[k]):
        quantum = target.budget.quantum_micros
        high = high // quantum * quantum
        low = min(-(-low // quantum) * quantum, high)
    return Money(low, target.budget.amount.currency), Money(high, target.budget.amount.currency)


def takes(box: Box, k: int, target: Target, amount: Money) -> bool:
    """Whether the room of one target, by index, has place for an amount, or `to_quantum` goes to it (see `ends`)."""
    least, most = ends(box, k, target)
    within = bool(box.lower[k] - _MICRO <= amount.micros / MICROS <= box.upper[k] + _MICRO)
    return within or least <= amount <= most or bool(box.pausable[k] and amount.micros == 0)


@dataclass(frozen=True, slots=True, eq=False)
class _Linear:
    """The linear rows as one matrix, in micros: spend @ x <= bound."""

    spend: FloatArray
    bound: FloatArray

    @classmethod
    def of(cls, rows: Sequence[Row], targets: int) -> _Linear:
        spend = np.array([row.spend for row in rows], dtype=np.float64).reshape(len(rows), targets)
        return cls(spend, np.array([row.bound for row in rows], dtype=np.float64) * MICROS)

    def excess(self, used: FloatArray) -> FloatArray:
        """By how much each row is exceeded; half a micro is forgiven, since bounds came from floats."""
        return np.maximum(used - self.bound - 0.5, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class _Steps:
    """What was wanted, the quantum, and the room of each budget, in micros."""

    wanted: IntArray
    quantum: IntArray
    least: IntArray
    most: IntArray


def _nudge(micros: IntArray, linear: _Linear, steps: _Steps, sign: int) -> IntArray:
    """Move budgets by single quanta up or down, those first that are furthest from what was wanted.

    Down (-1) only as far as it mends a row that is exceeded; up (+1) only towards what was wanted, and never so that a
    row is exceeded by more than it was.
    """
    result = micros.copy()
    used = linear.spend @ result
    off = (steps.wanted - result) / steps.quantum * sign
    for k in np.argsort(-off, kind="stable"):
        step = sign * steps.quantum[k]
        if not steps.least[k] <= result[k] + step <= steps.most[k]:
            continue
        now, then = linear.excess(used), linear.excess(used + linear.spend[:, k] * step)
        if (then > now).any() or not ((then < now).any() if sign < 0 else off[k] > 0):
            continue
        result[k] += step
        used = used + linear.spend[:, k] * step
    return result
