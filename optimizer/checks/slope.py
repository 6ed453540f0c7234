"""Is the slope seen or assumed: what a budget's own days tell of a change, and whether the change was ever tried."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from optimizer.checks.days import Days
from optimizer.checks.demand import budget_share
from optimizer.plan.recommendation import Finding, Severity
from optimizer.plan.snapshot import FloatArray, Snapshot

_ASSUMED_SD: Final = 0.5  # of an elasticity before any day is seen: 0.2 and 1.5 are its tenths (docs/models.md)
_FADING: Final = 0.998  # of what a day tells, a day: what was seen a year ago counts half
_HALF: Final = 0.5
_MOSTLY: Final = 0.8
_BEYOND: Final = 1.1
_FAR_BEYOND: Final = 1.5
_LEFT_OUT: Final = 0.025
_LEAST_DAYS: Final = 7
_LARGEST: Final = 200  # changes that are looked at
_DELIVERED: Final = 0.2


def slopes(days: Days, snapshot: Snapshot, proposed: FloatArray, delivered: FloatArray) -> Iterator[Finding]:
    """Findings on the budgets that are to be changed, largest change first.

    Args:
        days: Of the snapshot.
        snapshot: K targets.
        proposed: Currency units a day, shape (K,).
        delivered: The spend a day to be expected at them, shape (K,).
    """
    current = snapshot.current
    assumed = assumed_share(days)
    varied = np.sqrt((days.log_spend**2).sum(axis=1) / np.maximum(days.known.sum(axis=1), 1))
    least, most = _tried(days)
    moved = np.abs(proposed - current)
    order = np.argsort(-moved, kind="stable")[: min(np.count_nonzero(moved > 1e-9), _LARGEST)]
    for k, by_budget in zip(order, budget_share(days, order), strict=True):
        name, key = days.targets[k].budget.name, str(days.targets[k].key)
        if assumed[k] > _HALF:
            words = (
                f"{name}: {assumed[k]:.0%} of what is believed of a change of its spend is assumption. "
                f"Apart from weekdays, its spend varied by only {varied[k]:.0%} around its level"
            )
            if by_budget < _DELIVERED:
                words += ", and as the platform delivered it, not by its budget"
            severity = Severity.WARNING if assumed[k] > _MOSTLY else Severity.INFO
            mend = "Vary this budget by 20% or more, some days up and some down, to learn what a change brings."
            yield Finding("slope-assumed", severity, key, f"{words}.", mend)
        if delivered[k] <= 0.0:
            continue  # a pause brings nothing: no curve is asked
        up = proposed[k] > current[k]
        far = delivered[k] / most[k] if up else least[k] / delivered[k]
        if far > _BEYOND:
            side = f"most was {most[k]:,.2f}" if up else f"least was {least[k]:,.2f}"
            words = (
                f"{name}: {delivered[k]:,.2f} {snapshot.currency} a day, the spend to be expected of the proposed "
                f"budget, has not been tried: of its last "
                f"{days.known[k].sum()} days with spend, the {side}. What lies beyond is drawn from the shape of the "
                "curve alone."
            )
            yield Finding("beyond-tried", Severity.WARNING if far > _FAR_BEYOND else Severity.INFO, key, words)


def assumed_share(days: Days) -> FloatArray:
    """Share of what is believed of each elasticity that is prior: prior precision over the whole, shape (K,).

    Locally, log E y = level + e log x; a day tells of e its expected count over its variance factor, times its squared
    distance from the level (Fisher information). The level is that of four weeks and a weekday: what moves more slowly
    could be anything.
    """
    fade = _FADING ** np.arange(days.count - 1, -1, -1)
    told = (fade * days.usual * days.log_spend**2).sum(axis=1) / days.spread
    share: FloatArray = 1.0 / (1.0 + _ASSUMED_SD**2 * told)
    return share


def _tried(days: Days) -> tuple[FloatArray, FloatArray]:
    """The range of the daily spends of each target, a fortieth left out at both ends; open where they are few. (K,)."""
    spent = np.sort(np.where(days.known, days.spend, np.inf), axis=1)
    count = days.known.sum(axis=1)
    rows, few = np.arange(len(spent)), count < _LEAST_DAYS
    out = np.minimum((_LEFT_OUT * count).astype(np.int64), np.maximum(count - 1, 0))
    least, most = spent[rows, out], spent[rows, np.maximum(count - 1 - out, 0)]
    return np.where(few, 0.0, least), np.where(few, np.inf, most)
