"""From budgets as numbers to amounts that the platforms take."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Final

import numpy as np

from connectors.money import MICROS, Money
from optimizer.goals.lattice import nearest
from optimizer.goals.quanta import inside, quanta
from optimizer.goals.room import PIN, Box
from optimizer.plan.problem import Row
from optimizer.plan.snapshot import FloatArray, IntArray, Target

_MICRO: Final = 1e-6
_TOLERANCE: Final = 1e-6  # share of a bound: the solver keeps rows to a tenth of it


def to_quantum(budget: FloatArray, targets: Sequence[Target], box: Box, rows: Sequence[Row]) -> tuple[Money, ...]:
    """Round each budget to its platform's quantum so that no side of the box and no linear row is newly broken.

    All go down to a quantum first (up where down would leave the box; where no multiple lies in it, below it). What
    that leaves unspent goes first to the floors of groups, then, quantum by quantum, the largest remainder first, as
    far as every row keeps its bound. A budget that is where it stands already, to within half a quantum, keeps its
    exact amount; what that costs a row is taken from the others. Where a row is still broken that the budgets keep,
    the nearest amounts that keep all of them are searched for.

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
    fits = (least <= most) | paused
    least, most = np.where(paused, 0, np.minimum(least, most)), np.where(paused, 0, most)
    low, high = np.rint(box.lower * MICROS), np.rint(box.upper * MICROS)
    near = (np.abs(wanted - present) * 2 <= quantum) & (low <= present)
    stays = np.where(fits, near, most < present) & (present <= high)
    micros = np.where(stays, present, np.clip(wanted // quantum * quantum, least, most))
    steps = _Steps(wanted, quantum, np.where(stays, present, least), np.where(stays, present, most))
    linear = _Linear.of([row for row in rows if row.credit is None], len(micros))
    kept = linear.with_room_for(wanted)
    micros = _mended(micros, linear, steps, -1)
    micros = _mended(micros, kept, steps, +1)
    micros = _nudge(micros, linear, steps, +1)
    if kept.excess(kept.spend @ micros).any():
        free = fits | (low < high)
        freed = replace(steps, least=np.where(free, least, steps.least), most=np.where(free, most, steps.most))
        micros = _searched(micros, (kept, kept.with_room_for(present)), (steps, freed))
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

    def with_room_for(self, amounts: IntArray) -> _Linear:
        """The rows with the bounds moved that amounts, (K,), break by more than the solver's own tolerance."""
        more = self.excess(self.spend @ amounts)
        return replace(self, bound=self.bound + np.where(more > _TOLERANCE * np.abs(self.bound), more, 0.0))


@dataclass(frozen=True, slots=True, eq=False)
class _Steps:
    """What was wanted, the quantum, and the room of each budget, in micros."""

    wanted: IntArray
    quantum: IntArray
    least: IntArray
    most: IntArray


def _mended(micros: IntArray, linear: _Linear, steps: _Steps, sign: int) -> IntArray:
    """Move budgets by single quanta up or down as long as that mends a row that is exceeded."""
    while linear.excess(linear.spend @ micros).any():
        moved = _nudge(micros, linear, steps, sign, mending=True)
        if (moved == micros).all():
            break
        micros = moved
    return micros


def _nudge(micros: IntArray, linear: _Linear, steps: _Steps, sign: int, *, mending: bool = False) -> IntArray:
    """Move budgets by single quanta up or down, those first that are furthest from what was wanted.

    Never so that a row is exceeded by more than it was; and only as far as that mends one which is, or else towards
    what was wanted.
    """
    result = micros.copy()
    used = linear.spend @ result
    off = (steps.wanted - result) / steps.quantum * sign
    for k in np.argsort(-off, kind="stable"):
        step = sign * steps.quantum[k]
        if not steps.least[k] <= result[k] + step <= steps.most[k]:
            continue
        now, then = linear.excess(used), linear.excess(used + linear.spend[:, k] * step)
        if (then > now).any() or not ((then < now).any() if mending else off[k] > 0):
            continue
        result[k] += step
        used = used + linear.spend[:, k] * step
    return result


def _searched(micros: IntArray, bounds: Iterable[_Linear], rooms: Iterable[_Steps]) -> IntArray:
    """The nearest amounts that keep the rows, under the first of some bounds and rooms with any; else as they were."""
    for linear, steps in product(bounds, rooms):
        low, high = steps.least, steps.most
        start = np.where(low < high, np.clip(micros // steps.quantum * steps.quantum, low, high), low)
        found = nearest(start, steps.wanted, steps.quantum, (low, high), (linear.spend, linear.bound))
        if found is not None:
            return found
    return micros
