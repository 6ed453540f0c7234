"""Days far from what the days around them predict, and levels that jump and stay."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from optimizer.checks.adequacy import listed
from optimizer.checks.days import ELASTICITY, WEEK, BoolArray, Days, shifted
from optimizer.plan.recommendation import Finding, Severity
from optimizer.plan.snapshot import FloatArray, IntArray

_RECENT: Final = 56
_FRESH: Final = 14
_FAR: Final = 4.5  # standard deviations
_TIMES: Final = 2.5
_SPEND_TIMES: Final = 3.0
_SIDE: Final = 14  # days on each side of a jump
_LEAST_SIDE: Final = 5
_JUMP: Final = 1.8
_SURE: Final = 4.0
_DRIFT: Final = 0.02  # variance of the log level between two fortnights that drift alone brings (docs/models.md)
_ACCOUNT_SHARE: Final = 0.8
_LEAST_ACCOUNT: Final = 3


def outliers(days: Days) -> Iterator[Finding]:
    """Findings on single days; those of the last two weeks are warned of, since they weigh most."""
    start = max(days.count - _RECENT, 0)
    odd = _odd_conversions(days)
    paid = _odd_spend(days)
    for code, what, found in (("odd-conversions", "conversions", odd), ("odd-spend", "spend", paid)):
        for k in np.flatnonzero(found[:, start:].any(axis=1)):
            at = np.flatnonzero(found[k, start:]) + start
            fresh = int(at[-1]) >= days.count - _FRESH
            words = (
                f"{days.targets[k].budget.name}: {what} far from the days around on {_told(days, int(k), at, what)}."
            )
            mend = (
                "Look whether something happened, or the report is wrong; the model counts these days like any other."
            )
            severity = Severity.WARNING if fresh else Severity.INFO
            yield Finding(code, severity, str(days.targets[k].key), words, mend)


def _odd_conversions(days: Days) -> BoolArray:
    """Counts both many standard deviations and a multiple away from what is expected, shape (K, T).

    The square root of a count has nearly the same spread whatever its mean (Anscombe, Biometrika 35, 1948), so that the
    long upper tail of counts is not taken for an oddity.
    """
    usual = days.usual
    roots = 2 * (np.sqrt(days.conversions + 0.375) - np.sqrt(usual + 0.375)) / np.sqrt(days.spread[:, None])
    more = (roots > _FAR) & (days.conversions > _TIMES * usual)
    less = (roots < -_FAR) & (days.conversions < usual / _TIMES)
    odd: BoolArray = days.known & (more | less)
    return odd


def _odd_spend(days: Days) -> BoolArray:
    """Spend a multiple of all of its neighbours: the days around it and the same weekdays around, shape (K, T).

    Both sides must be known: the first day of a new level looks like its later neighbours, and the last day is the
    business of the guard on spikes.
    """
    logs = np.log(np.where(days.known, days.spend, 1.0))
    far = np.where(days.known, 1.0, 0.0) * np.sign(logs - _neighbour(logs, days.known, -1))
    least = np.full_like(logs, np.inf)
    both = np.ones_like(days.known)
    for lag in (-WEEK, -1, 1, WEEK):
        there = _moved(days.known.astype(np.float64), lag) > 0
        difference = np.where(there, logs - _moved(logs, lag), 0.0)
        least = np.where(there, np.minimum(least, difference * far), least)
        both &= there | (abs(lag) == WEEK)
    odd: BoolArray = days.known & both & np.isfinite(least) & (least > np.log(_SPEND_TIMES))
    return odd


def _neighbour(logs: FloatArray, known: BoolArray, lag: int) -> FloatArray:
    return np.where(_moved(known.astype(np.float64), lag) > 0, _moved(logs, lag), logs)


def _moved(values: FloatArray, lag: int) -> FloatArray:
    """Values `lag` days before; after, where negative."""
    return shifted(values, lag) if lag >= 0 else shifted(values[:, ::-1], -lag)[:, ::-1]


def _told(days: Days, k: int, at: IntArray, what: str) -> str:
    last = int(at[-1])
    measure = days.spend if what == "spend" else days.conversions
    around = np.delete(measure[k, max(last - WEEK, 0) : last + WEEK + 1], min(last, WEEK))
    dates = listed([days.day(day) for day in at])
    return f"{dates} (last: {measure[k, last]:,.1f}, where the median around is {np.median(around):,.1f})"


@dataclass(frozen=True, slots=True, eq=False)
class _Sides:
    """Fortnights before and after each day: counts, exposures and days with rows, each of shape (K, T)."""

    count: tuple[FloatArray, FloatArray]
    exposure: tuple[FloatArray, FloatArray]
    enough: BoolArray


def level_shifts(days: Days) -> Iterator[Finding]:
    """Findings on conversions per spend that jumped and stayed, told once for a whole account where most jumped.

    The log of the ratio of two rates has variance spread x (1 / n + 1 / m) for counts n and m, plus what drift brings.
    """
    if days.count < 2 * _SIDE:
        return
    sides = _sides(days)
    size, sure = _ratios(sides, days.spread)
    sure[:, : max(days.count - _RECENT, 0)] = 0.0
    best = np.argmax(sure, axis=1)
    accounts = np.array([f"{t.key.connector}/{t.key.account_id}" for t in days.targets])
    told = np.zeros(len(accounts), dtype=np.bool_)
    for account in sorted(set(accounts.tolist())):
        own = np.flatnonzero(accounts == account)
        whole = _whole(days, account, own, sides, size)
        if whole is not None:
            told[own] = True
            yield whole
    for k, at in enumerate(best):
        if not told[k] and sure[k, at] > _SURE and abs(size[k, at]) > np.log(_JUMP):
            yield _shift(days, k, int(at), float(size[k, at]))


def _shift(days: Days, k: int, at: int, size: float) -> Finding:
    target = days.targets[k]
    words = (
        f"{target.budget.name}: conversions per spend {_times(size)} about {days.day(at)} and stayed there. "
        "The model follows over weeks, and is too sure meanwhile."
    )
    severity = Severity.WARNING if at >= days.count - 2 * _SIDE else Severity.INFO
    mend = "If the counting changed (tag, attribution, what counts as a conversion), pin this budget for some weeks."
    return Finding("level-shift", severity, str(target.key), words, mend)


def _whole(days: Days, account: str, own: IntArray, sides: _Sides, size: FloatArray) -> Finding | None:
    """The jump of an account as a whole, if nearly all of its budgets jumped with it."""
    (n, m), (a, b) = sides.count, sides.exposure
    there = sides.enough[own]
    late = np.where(there, m[own], 0.0).sum(axis=0)
    early = np.where(there, n[own], 0.0).sum(axis=0)
    due = np.where(there, n[own] / np.where(there, a[own], 1.0) * b[own], 0.0).sum(axis=0)
    jump = np.log((late + 0.5) / (due + 0.5))
    spread = float(np.average(days.spread[own], weights=days.conversions[own].sum(axis=1) + 1e-9))
    sure = np.abs(jump) / np.sqrt(spread * (1 / (early + 0.5) + 1 / (late + 0.5)) + _DRIFT)
    sure[: max(days.count - _RECENT, 0)] = 0.0
    at = int(np.argmax(np.where(there.sum(axis=0) >= _LEAST_ACCOUNT, sure, 0.0)))
    if sure[at] < _SURE or abs(jump[at]) < np.log(_JUMP) or there[:, at].sum() < _LEAST_ACCOUNT:
        return None
    sizes = size[own, at][there[:, at]]
    along = ((sizes > 0) == (jump[at] > 0)) & (np.abs(sizes) > 0.25 * abs(jump[at]))
    if along.sum() < _ACCOUNT_SHARE * sizes.size:
        return None
    words = (
        f"{account}: conversions per spend {_times(float(jump[at]))} about {days.day(at)}, in {along.sum()} of "
        f"{sizes.size} budgets at once. That is more often the counting than the market."
    )
    mend = "Check the conversion tag, the attribution setting and what counts as a conversion before money moves on it."
    return Finding("counting-changed", Severity.WARNING, account, words, mend)


def _sides(days: Days) -> _Sides:
    at = np.arange(days.count)
    early, late = np.maximum(at - _SIDE, 0), np.minimum(at + _SIDE, days.count)

    def both(values: FloatArray) -> tuple[FloatArray, FloatArray]:
        sums = np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, axis=1)], axis=1)
        return sums[:, at] - sums[:, early], sums[:, late] - sums[:, at]

    number = both(days.known.astype(np.float64))
    exposure = both(np.where(days.known, days.mature * days.spend**ELASTICITY, 0.0))
    enough = (np.minimum(*number) >= _LEAST_SIDE) & (np.minimum(*exposure) > 0)
    return _Sides(both(days.conversions), exposure, enough)


def _ratios(sides: _Sides, spread: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Log of the later rate over the earlier one, and its distance from zero in standard errors, each (K, T)."""
    (n, m), (a, b) = sides.count, sides.exposure
    a, b = (np.where(sides.enough, exposure, 1.0) for exposure in (a, b))
    size = np.where(sides.enough, np.log((m + 0.5) / b) - np.log((n + 0.5) / a), 0.0)
    error = np.sqrt(spread[:, None] * (1 / (n + 0.5) + 1 / (m + 0.5)) + _DRIFT)
    return size, np.abs(size) / error


def _times(size: float) -> str:
    factor = float(np.exp(abs(size)))
    return f"rose {factor:.1f}-fold" if size > 0 else f"fell to {1 / factor:.0%}"
