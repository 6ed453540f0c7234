"""From a budget to what is delivered for it, and what of that is charged."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from math import ceil, isinf
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import roots_jacobi

from connectors.money import MICROS
from simulations.market.truth import Truth
from simulations.noise import FloatArray, IntArray

Rows = npt.NDArray[np.intp]

_FEWEST_NODES: Final = 6
_NODES: Final = 20


@cache
def quadrature(low: float, high: float) -> tuple[FloatArray, FloatArray]:
    """Return places of a day's delivery between its bounds and their weights, which sum to 1: an expectation.

    Gauss-Jacobi nodes of Beta(2, 2). Where delivery spreads over more of a curve, which has a corner at the supply,
    more of them are needed; with these, the totals of all named scenarios are within 2e-4 of exact.

    Args:
        low: Least share of the budget that is delivered.
        high: Greatest share.
    """
    nodes, weights = roots_jacobi(max(_FEWEST_NODES, ceil(_NODES * (high - low))), 1.0, 1.0)
    return (nodes + 1.0) / 2.0, weights / weights.sum()


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
    most = supply(truth, day, rows)
    wanted = budgets * (low + (high - low) * place)
    spend: FloatArray = np.minimum(wanted, most[(slice(None),) + (None,) * (wanted.ndim - 1)])
    return spend


def supply(truth: Truth, day: int, rows: Rows) -> FloatArray:
    """Return the most that can be spent on a day, currency units, shape (rows,)."""
    price = truth.price[truth.channel[rows], day]
    most: FloatArray = truth.supply[rows] * truth.demand[rows, day] * price * truth.runs[rows, day]
    return most


def spends(truth: Truth, day: int, rows: Rows, budgets: FloatArray) -> FloatArray:
    """Return the delivered spend at each place of `quadrature`, shape budgets.shape + (places,); arguments as above."""
    return delivered(truth, day, rows, budgets[..., None], quadrature(*truth.scenario.delivery.ratio)[0])


def averaged(truth: Truth, values: FloatArray) -> FloatArray:
    """Return the expectation over the delivery of values at each place of `quadrature`, shape (..., places)."""
    mean: FloatArray = values @ quadrature(*truth.scenario.delivery.ratio)[1]
    return mean


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
