"""The last half year as the checks read it: what was spent, what came, what was to be expected of each day."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import date, timedelta
from typing import Final

import numpy as np
import numpy.typing as npt

from optimizer.plan.snapshot import FloatArray, IntArray, Snapshot, Target

LONGEST: Final = 182
WEEK: Final = 7
BLOCK: Final = 28
"""Days over which a campaign's level is taken to stay: slower movements are nobody's evidence of a slope."""

_AROUND: Final = 14
ELASTICITY: Final = 0.7  # between a saturated campaign and one in proportion, as in docs/models.md
_SWEEPS: Final = 3
_CUT: Final = 9.0

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Days:
    """The newest days of K targets, T of them.

    Attributes:
        first: The first of them.
        known: Days with a row and some spend, shape (K, T).
        spend: Zero where not known, shape (K, T).
        conversions: As reported so far, never negative, zero where not known, shape (K, T).
        mature: Share of the eventual conversions that is reported by now, shape (K, T).
        usual: What was to be expected from the fortnights before and after, the day itself left out; shape (K, T).
        spread: Variance of a day's count over its expectation, at least one, shape (K,).
        log_spend: Less the means of its four weeks and of its weekday, shape (K, T).
        budget: In force on the day, nan where not known, shape (K, T).
    """

    targets: tuple[Target, ...]
    first: date
    known: BoolArray
    spend: FloatArray
    conversions: FloatArray
    mature: FloatArray
    usual: FloatArray
    spread: FloatArray
    log_spend: FloatArray
    budget: FloatArray

    @property
    def count(self) -> int:
        """T."""
        return int(self.spend.shape[1])

    def day(self, index: int) -> date:
        """The date of a column."""
        return self.first + timedelta(days=int(index))

    def largest(self, count: int) -> Days:
        """The days of the targets that spent most, at most so many of them, in the order of the snapshot."""
        if count >= len(self.targets):
            return self
        chosen = np.sort(np.argsort(-self.spend.sum(axis=1), kind="stable")[:count])
        rows = {f.name: getattr(self, f.name)[chosen] for f in fields(self) if f.name not in {"targets", "first"}}
        return replace(self, targets=tuple(self.targets[k] for k in chosen), **rows)

    @property
    def surprise(self) -> FloatArray:
        """Each day's count less its expectation, in standard deviations; zero where not known. Shape (K, T)."""
        sd = np.sqrt(np.maximum(self.usual, 0.25) * self.spread[:, None])
        surprise: FloatArray = np.where(self.known, (self.conversions - self.usual) / sd, 0.0)
        return surprise


def read(snapshot: Snapshot, mature: FloatArray) -> Days:
    """Read a snapshot.

    Args:
        snapshot: K targets.
        mature: Share of each day's eventual conversions that is reported by now, shape (K, T), of the whole panel.
    """
    panel = snapshot.panel
    kept = slice(max(panel.days - LONGEST, 0), panel.days)
    raw, got, share = panel.spend[:, kept], panel.conversions[:, kept], mature[:, kept]
    known = (np.nan_to_num(raw) > 0) & np.isfinite(got)
    spend = np.where(known, raw, 0.0)
    conversions = np.where(known, np.maximum(np.nan_to_num(got), 0.0), 0.0)
    exposure = np.where(known, share * spend**ELASTICITY, 0.0)
    usual = exposure * _ratio(_around(conversions), _around(exposure))
    first = panel.first_day + timedelta(days=kept.start)
    logs = np.log(np.where(known, spend, 1.0))
    return Days(
        targets=snapshot.targets,
        first=first,
        known=known,
        spend=spend,
        conversions=conversions,
        mature=share,
        usual=usual,
        spread=_spread(conversions, usual, known),
        log_spend=own(logs, known, first),
        budget=panel.budget[:, kept],
    )


def own(values: FloatArray, known: BoolArray, first: date) -> FloatArray:
    """Take the means of each four weeks and of each weekday out of values, by alternating between the two.

    Args:
        values: Finite, shape (K, T).
        known: Which of them count, shape (K, T).
        first: The date of the first column.

    Returns:
        Shape (K, T), zero where not known.
    """
    days = values.shape[1]
    levels = _onto(blocks(days))
    weekdays = _onto((first.weekday() + np.arange(days)) % WEEK)
    counted = known.astype(np.float64)
    groups = [(onto, counted @ onto) for onto in (levels, weekdays)]
    left = values * counted
    for _ in range(_SWEEPS):
        for onto, counts in groups:
            left -= _ratio(left @ onto, counts) @ onto.T
            left *= counted
    return left


def blocks(days: int) -> IntArray:
    """Which four weeks each day is of, counted back from the newest, which are number 0; shape (T,)."""
    found: IntArray = (np.arange(days, 0, -1) - 1) // BLOCK
    return found


def shifted(values: FloatArray, days: int) -> FloatArray:
    """Values of some days before, zero where there are none; the same shape (K, T)."""
    moved = np.zeros_like(values)
    moved[:, days:] = values[:, : max(values.shape[1] - days, 0)]
    return moved


def before(values: FloatArray, known: BoolArray, days: int = WEEK) -> FloatArray:
    """The mean over the known ones of the days before each day, zero without any; shape (K, T)."""
    counts = known.astype(np.float64)
    lags = range(1, days + 1)
    sums = np.sum([shifted(values * counts, lag) for lag in lags], axis=0)
    return _ratio(sums, np.sum([shifted(counts, lag) for lag in lags], axis=0))


def _onto(group: IntArray) -> FloatArray:
    onto: FloatArray = (group[:, None] == np.unique(group)).astype(np.float64)
    return onto


def _around(values: FloatArray) -> FloatArray:
    """Sums over the days around each day, itself left out, shape (K, T)."""
    days = values.shape[1]
    sums = np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, axis=1)], axis=1)
    at = np.arange(days)
    around: FloatArray = sums[:, np.minimum(at + _AROUND + 1, days)] - sums[:, np.maximum(at - _AROUND, 0)] - values
    return around


def _spread(conversions: FloatArray, usual: FloatArray, known: BoolArray) -> FloatArray:
    """Mean squared surprise, days cut off at three standard deviations so that an outlier does not hide itself."""
    square = np.where(known, (conversions - usual) ** 2 / np.maximum(usual, 0.25), 0.0)
    for _ in range(2):
        mean = np.maximum(_ratio(square.sum(axis=1), known.sum(axis=1).astype(np.float64)), 1.0)
        square = np.minimum(square, _CUT * mean[:, None])
    spread: FloatArray = np.maximum(_ratio(square.sum(axis=1), known.sum(axis=1).astype(np.float64)), 1.0)
    return spread


def _ratio(top: FloatArray, bottom: FloatArray) -> FloatArray:
    ratio: FloatArray = np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 1e-12)
    return ratio
