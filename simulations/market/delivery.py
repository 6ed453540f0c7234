"""From a budget to what is delivered for it, and what of that is charged."""

from __future__ import annotations

from datetime import timedelta
from math import isinf
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import roots_jacobi

from connectors.money import MICROS
from simulations.market.truth import Truth
from simulations.noise import FloatArray, IntArray

Rows = npt.NDArray[np.intp]

_JACOBI: Final = roots_jacobi(6, 1.0, 1.0)
RATIO_NODES: Final[FloatArray] = (_JACOBI[0] + 1.0) / 2.0
"""Gauss-Jacobi nodes of a Beta(2, 2) variable, which places a day's delivery between its bounds, shape (6,)."""
RATIO_WEIGHTS: Final[FloatArray] = _JACOBI[1] / _JACOBI[1].sum()
"""Their weights, which sum to 1: an expectation over the delivery is `values @ RATIO_WEIGHTS`."""


def delivered(truth: Truth, day: int, rows: Rows, budgets: FloatArray, place: FloatArray) -> FloatArray:
    """Return the spend that is delivered: the budget at its delivery ratio, but no more than the supply.

    Args:
        truth: The world.
        day: Index of the day.
        rows: Indices of campaigns.
        budgets: Currency units a day, shape (rows, ...).
        place: Where between the bounds of `delivery.ratio` the day's delivery lies, from 0 to 1; anything that
            broadcasts with `budgets`.
    """
    low, high = truth.scenario.delivery.ratio
    most = truth.supply[rows] * truth.demand[rows, day] * truth.price[truth.channel[rows], day] * truth.runs[rows, day]
    wanted = budgets * (low + (high - low) * place)
    spend: FloatArray = np.minimum(wanted, most[(slice(None),) + (None,) * (wanted.ndim - 1)])
    return spend


def spends(truth: Truth, day: int, rows: Rows, budgets: FloatArray) -> FloatArray:
    """Return the delivered spend at each of `RATIO_NODES`, shape budgets.shape + (nodes,); arguments as above."""
    return delivered(truth, day, rows, budgets[..., None], RATIO_NODES)


def days_of_month(truth: Truth, day: int) -> int:
    """Return how many days of the calendar month of `day` have passed in this world before it."""
    return min((truth.start + timedelta(days=day)).day - 1, day)


def charged(
    truth: Truth, day: int, budgets: IntArray, spend: FloatArray, asked: IntArray, before: IntArray
) -> IntArray:
    """Return what is charged for a delivered spend, whole minor units, shape (K,).

    By the end of a calendar month no more than `delivery.month_days` daily budgets will have been charged, where each
    day counts with the budget in force on it, and the days to come with today's.

    Args:
        truth: The world.
        day: Index of the day.
        budgets: In force today, micros, shape (K,).
        spend: Delivered today, currency units, shape (K,).
        asked: Sum of the budgets on the earlier days of the month, micros, shape (K,).
        before: What was charged on them, micros, shape (K,).
    """
    quantum, promised = truth.quantum_micros, truth.scenario.delivery.month_days
    whole = to_micros(spend, quantum)
    if isinf(promised):
        return whole
    room = np.rint(asked - before + budgets * (promised - days_of_month(truth, day))).astype(np.int64)
    return np.clip(whole, 0, np.maximum(room // quantum * quantum, 0))


def to_micros(amount: FloatArray, quantum: int) -> IntArray:
    """Return currency units as micros, rounded to whole multiples of `quantum`."""
    return np.rint(amount * (MICROS / quantum)).astype(np.int64) * quantum
