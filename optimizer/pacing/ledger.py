"""What is known to be spent of a flight, and what is in doubt: days that are not told yet, and those just told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np

from optimizer.goals import Flight
from optimizer.pacing.delivery import Delivery, delivery
from optimizer.plan.snapshot import FloatArray, IntArray, Snapshot

_LEAST_RESTATED: Final = 0.01
_FRESH_DAYS: Final = 2
_LEARNT_DAYS: Final = 28


@dataclass(frozen=True, slots=True, eq=False)
class Ledger:
    """The days of a flight before today, all of its budgets together; currency units.

    Attributes:
        first_day: Of the flight.
        spend: What was told of each day, and what is expected of a budget of which nothing is told yet, shape (T,).
        doubt: By how much more each of them may be at worst, shape (T,).
        told: How many of the days are told of in full, from the first on.
        behind: Days before today of which some account tells nothing yet, at most T.
        restated: Share by which spend was restated upwards of late, at its most; part of `doubt` of the last two days.
        missing: Days at the beginning that the history does not reach back to.
        delivery: The share of budgets that is spent, by the last four weeks' days that are told in full.
        current: The sum of the budgets now.
    """

    first_day: date
    spend: FloatArray
    doubt: FloatArray
    told: int
    behind: int
    restated: float
    missing: int
    delivery: Delivery
    current: float

    @property
    def spent(self) -> float:
        """What is expected to have been spent."""
        return float(self.spend.sum())

    @property
    def worst(self) -> float:
        """What may have been spent at worst."""
        return float((self.spend + self.doubt).sum())


def ledger(snapshot: Snapshot, flight: Flight, members: Sequence[int], first: date) -> Ledger:
    """Add up what the flight's budgets spent before today.

    A day of an account is told once the account has rows of that day or a later one; without a row of its own a budget
    then spent nothing. What is not told yet is expected to be the usual share of the budget in force; at worst it is
    the most that one day of a hundred delivers, and on the flight's last day, after which nothing can be mended, all
    that the platform may spend. What was told in the last two days may yet be restated: upwards by as much as spend
    was, of late, and by 1% at least.

    Args:
        snapshot: What is known.
        flight: Whose slack counts.
        members: The K indices of its targets.
        first: Its first day, today or before.
    """
    panel, today = snapshot.panel, snapshot.today
    keep = list(members)
    budget = np.where(np.isfinite(panel.budget[keep]), panel.budget[keep], snapshot.current[keep][:, None])
    told = _told(snapshot, keep)
    spend = np.where(np.isfinite(panel.spend[keep]), panel.spend[keep], 0.0)
    known = told | (spend > 0)
    days = [panel.first_day + timedelta(days=n) for n in range(panel.days)]
    slack = np.array([flight.slack(day) for day in days])
    full = known.all(axis=0)
    total = budget.sum(axis=0)
    share = np.divide(spend.sum(axis=0), total, out=np.full(panel.days, np.nan), where=full & (total > 0))
    learnt = delivery(share[-_LEARNT_DAYS:])
    expects = np.where(known, spend, learnt.mean * budget)
    last = snapshot.today == flight.span(snapshot.today)[1]  # type: ignore[index]  # it runs today
    most = slack if last else np.minimum(slack, learnt.high)
    restated = _restated(snapshot, keep)
    doubt = np.where(known, _fresh(panel.days) * restated * spend, (most - learnt.mean) * budget)
    since = max((first - panel.first_day).days, 0)
    missing = max((min(panel.first_day, today) - first).days, 0)
    length = panel.days - since
    behind = int(np.argmax(full[::-1])) if full.any() else panel.days
    return Ledger(
        first_day=first + timedelta(days=missing),
        spend=expects.sum(axis=0)[since:],
        doubt=np.maximum(doubt.sum(axis=0), 0.0)[since:],
        told=max(length - behind, 0),
        behind=min(behind, length),
        restated=restated,
        missing=missing,
        delivery=learnt,
        current=float(snapshot.current[keep].sum()),
    )


def _told(snapshot: Snapshot, keep: Sequence[int]) -> np.typing.NDArray[np.bool_]:
    """Whether the account of each budget tells of each day, shape (K, T)."""
    last = {(fresh.connector, fresh.account_id): fresh.last_day for fresh in snapshot.freshness}
    ends: IntArray = np.full(len(keep), -1, dtype=np.int64)
    for row, k in enumerate(keep):
        key = snapshot.targets[k].key
        day = last.get((key.connector, key.account_id))
        if day is not None:
            ends[row] = (day - snapshot.panel.first_day).days
    told: np.typing.NDArray[np.bool_] = np.arange(snapshot.panel.days) <= ends[:, None]
    return told


def _fresh(days: int) -> FloatArray:
    """One for the last days, which may yet be restated."""
    return (np.arange(days) >= days - _FRESH_DAYS).astype(np.float64)


def _restated(snapshot: Snapshot, keep: Sequence[int]) -> float:
    """The largest share by which the spend of a day was restated upwards of late."""
    if snapshot.restated is None:
        return _LEAST_RESTATED
    news = snapshot.restated.of(keep)
    more = np.zeros(snapshot.panel.days)
    np.add.at(more, news.day, news.spend)
    now = np.nansum(snapshot.panel.spend[list(keep)], axis=0)
    before = now - more
    share = np.divide(more, before, out=np.zeros_like(more), where=before > 0)
    return float(np.clip(share.max(initial=0.0), _LEAST_RESTATED, 1.0))
