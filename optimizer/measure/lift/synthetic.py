"""A synthetic control: what some regions would have sold, as a weighted mean of regions that were left alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import nnls
from scipy.stats import t as student

from optimizer.measure.lift.intervals import Interval
from optimizer.plan.lift_tests import LiftTestError
from optimizer.plan.snapshot import FloatArray

LEAST_FOLDS: Final = 3
"""Stretches before the test, each as long as it, on which the control is tried."""

_RIDGE: Final = 0.1
_TIED: Final = 1e3


@dataclass(frozen=True, slots=True, eq=False)
class Gap:
    """What the tested regions sold beyond their control.

    Attributes:
        interval: Mean gap a day, and how sure it is.
        control: What the control says of each day, shape (T,).
        weights: Of the control regions, sums to one, shape (N,).
        folds: Stretches before the test on which the control was tried.
    """

    interval: Interval
    control: FloatArray
    weights: FloatArray
    folds: int


def convex_weights(target: FloatArray, donors: FloatArray) -> FloatArray:
    """Return weights of at least zero that sum to one, shape (N,): those of the donors that look like the target.

    Least squares with a ridge towards equal weights, in proportion to the donors' own variance: with more regions than
    stretches to learn from, the weights of a pure synthetic control (Abadie, Diamond and Hainmueller, JASA 105, 2010)
    follow noise.

    Args:
        target: Shape (T,), about 1 on average.
        donors: Shape (N, T), likewise.
    """
    n, days = donors.shape
    ridge = math.sqrt(_RIDGE * days * max(float(donors.var(axis=1).mean()), 1e-12))
    rows = np.vstack([donors.T, ridge * np.eye(n), _TIED * math.sqrt(days) * np.ones((1, n))])
    wanted = np.concatenate([target, np.full(n, ridge / n), [_TIED * math.sqrt(days)]])
    found: FloatArray = nnls(rows, wanted)[0]
    return found / found.sum()


def gap(target: FloatArray, donors: FloatArray, days: int, level: float) -> Gap:
    """Return the mean gap of the last days between a target and its synthetic control.

    The days before the test are cut into K stretches as long as the test. With each left out in turn, weights are
    learnt from the other stretches, and the gap is told less that of the stretch that was left out, so that what the
    control is off by on days that it was not fitted to is taken away. With e_k the K answers and s their standard
    deviation,

        (mean e - gap) / (s sqrt(1 + 1/K)) ~ Student's t with K - 1 degrees of freedom

    (Chernozhukov, Wuethrich and Zhu, A t-test for synthetic controls, 2025): noise may hang together within a
    stretch, so that neither days nor regions need be independent.

    Args:
        target: Outcome a day of the tested regions together, shape (T,); the test is its last days.
        donors: Of each control region, shape (N, T).
        days: Length of the test.
        level: Coverage, between 0 and 1.

    Raises:
        LiftTestError: There are too few days before the test, or a region without any outcome.
    """
    before = target.size - days
    folds = before // days
    if folds < LEAST_FOLDS:
        raise LiftTestError(
            f"{before} days before a test of {days} are too few: {LEAST_FOLDS * days} are needed. "
            "Mend: give more days before it"
        )
    size, sizes = float(target[:before].mean()), donors[:, :before].mean(axis=1)
    if size <= 0 or (sizes <= 0).any():
        raise LiftTestError("a region without any outcome before the test can neither be tested nor compared with")
    y, x = target / size, donors / sizes[:, None]
    first = before - folds * days
    answers = []
    for k in range(folds):
        left_out = np.arange(first + k * days, first + (k + 1) * days)
        rest = np.setdiff1d(np.arange(first, before), left_out)
        off = y - convex_weights(y[rest], x[:, rest]) @ x
        answers.append(float(off[before:].mean() - off[left_out].mean()))
    weights = convex_weights(y[first:before], x[:, first:before])
    spread = float(np.std(answers, ddof=1)) * math.sqrt(1.0 + 1.0 / folds)
    half = float(student.ppf(0.5 + 0.5 * level, folds - 1)) * spread
    middle = float(np.mean(answers))
    # A normal belief with the variance of Student's t, where that has one.
    wide = math.sqrt((folds - 1) / (folds - 3)) if folds > 3 else math.sqrt(3.0)
    found = Interval(middle, middle - half, middle + half, max(spread * wide, 1e-12))
    return Gap(found.times(size), size * (weights @ x), weights, folds)
