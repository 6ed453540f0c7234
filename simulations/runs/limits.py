"""What becomes of a proposal: it is judged against the limits, and brought within them where it breaks one.

A proposal is first brought within each campaign's own limits (box and step from the live budget); where that exceeds
the total, all are cut by the same share, as far as their limits let them. Then it is rounded down to whole minor units,
and the units that this left over go to the campaigns with the greatest remainders. Limits that are not whole minor
units are rounded down, those of the step towards the live budget. The live budgets always meet the limits, so there is
always an answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from connectors.money import MICROS
from simulations.noise import FloatArray, IntArray
from simulations.policies.contract import Bounds
from simulations.policies.steps import scaled
from simulations.runs.traces import Violation

_ROUNDING: Final = 1e-9
_LARGEST: Final = 2.0**62 / MICROS


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """A proposal after the limits.

    Attributes:
        budgets: Whole minor units within all limits, micros, shape (K,).
        violations: What the proposal broke.
    """

    budgets: IntArray
    violations: tuple[Violation, ...]


def keep(day: int, wanted: FloatArray, live: IntArray, bounds: Bounds, quantum: int) -> Kept:
    """Judge a proposal and bring it within the limits.

    Less than a minor unit per campaign beyond a limit is rounding, and no violation. Where any amount is not finite,
    or more than micros can hold, all budgets are left as they are.

    Args:
        day: Index of the comparison's day, for the violations.
        wanted: Proposed budgets, currency units, shape (K,).
        live: The budgets as they stand, within `bounds`, micros, shape (K,).
        bounds: The limits.
        quantum: Micros of a minor unit.
    """
    broken = int((~(np.abs(wanted) < _LARGEST)).sum())
    if broken:
        return Kept(live.copy(), (Violation(day, "not-finite", float(broken)),))
    units = live // quantum
    lower, upper, total = _in_units(bounds, quantum)
    lower = np.maximum(lower, np.minimum(np.ceil(units * (1.0 - bounds.step) - _ROUNDING), units))
    upper = np.minimum(upper, np.maximum(np.floor(units * (1.0 + bounds.step) + _ROUNDING), units))
    budgets = whole(nearest(wanted * MICROS / quantum, lower, upper, total), total) * quantum
    return Kept(budgets, _violations(day, wanted, live / MICROS, bounds, quantum / MICROS))


def brought_within(first: IntArray, bounds: Bounds, quantum: int) -> IntArray:
    """Return the first budgets, brought within box and total as a proposal is: where every policy begins.

    Args:
        first: The marketer's last budgets, micros, shape (K,).
        bounds: The limits; its step does not enter.
        quantum: Micros of a minor unit.
    """
    lower, upper, total = _in_units(bounds, quantum)
    return whole(nearest(first / quantum, lower, upper, total), total) * quantum


def nearest(wanted: FloatArray, lower: FloatArray, upper: FloatArray, total: float) -> FloatArray:
    """Bring amounts within a box, and from there to a sum of at most `total`: all times one factor (see `scaled`).

    Args:
        wanted: Finite amounts, shape (K,).
        lower: Least amounts, shape (K,), which sum to at most `total`.
        upper: Greatest amounts, shape (K,).
        total: The greatest sum.
    """
    boxed: FloatArray = np.clip(wanted, lower, upper)
    return boxed if boxed.sum() <= total else scaled(boxed, lower, boxed, total)


def whole(amounts: FloatArray, total: float) -> IntArray:
    """Round to whole numbers that sum to at most the (whole) total, by greatest remainders, shape (K,)."""
    down = np.floor(amounts + _ROUNDING)
    left = int(min(np.floor(amounts.sum() + 1e-6), total) - down.sum())
    rest = amounts - down
    up = np.argsort(-rest, kind="stable")[: max(left, 0)]
    down[up[rest[up] > _ROUNDING]] += 1.0
    return down.astype(np.int64)


def _in_units(bounds: Bounds, quantum: int) -> tuple[FloatArray, FloatArray, float]:
    scale = MICROS / quantum
    lower = np.floor(bounds.lower * scale + _ROUNDING)
    upper = np.floor(bounds.upper * scale + _ROUNDING)
    return lower, upper, float(np.floor(bounds.total * scale + _ROUNDING))


def _violations(
    day: int, wanted: FloatArray, live: FloatArray, bounds: Bounds, minor_unit: float
) -> tuple[Violation, ...]:
    up, down = live * (1.0 + bounds.step), live * (1.0 - bounds.step)
    sizes = {
        "total": float(wanted.sum()) - bounds.total,
        "lower": _over(bounds.lower, wanted),
        "upper": _over(wanted, bounds.upper),
        "step": _over(wanted, up) + _over(down, wanted),
    }
    slack = wanted.size * minor_unit
    return tuple(Violation(day, kind, size) for kind, size in sizes.items() if size > slack)


def _over(amounts: FloatArray, limit: FloatArray) -> float:
    return float(np.maximum(amounts - limit, 0.0).sum())
