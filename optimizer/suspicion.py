"""What is not believed: accounts that are not what they were, and days that are told otherwise than they were known.

Accounts and clocks are doubted by whoever reads them (`optimizer.plan.doubts`); here a doubt becomes a hold of budgets.
Days: the spend of one is final after a day or two. Conversions come late and are taken back, each platform in its own
way: how much of the conversions of old days changes in a day is learnt from what became known before, and what became
known of late is held against that. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
import numpy.typing as npt

from optimizer.plan import doubts
from optimizer.plan.holds import Hold
from optimizer.plan.recommendation import Finding, Severity
from optimizer.plan.snapshot import TRIANGLE_DAYS, DelayTriangle, FloatArray, Restatements, Snapshot

SETTLED_DAYS: Final = 3
"""Days after which the spend of a day is final: clicks that did not count are taken out of it within two."""

_LATE: Final = 7  # days after which little should change any more of conversions
_RECENT: Final = 28
_SURE: Final = 5.0  # standard deviations
_ANY: Final = 1e-9

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Rewritten:
    """What was told otherwise of each target; K of them.

    Attributes:
        first_day: Of the panel.
        within: How long before it became known.
        spend: The largest change of a settled day's spend, over what the day or a usual one spent; shape (K,).
        spend_day: The column of that day; -1 where no settled day changed. Shape (K,).
        conversions: Change of the conversions of days of more than a week ago, over what was known of them, less what
            is usual on the platform; shape (K,).
        unusual: Whether chance and the platform's ways do not explain that; shape (K,).
    """

    first_day: date
    within: timedelta
    spend: FloatArray
    spend_day: npt.NDArray[np.int64]
    conversions: FloatArray
    unusual: BoolArray

    def hold(self, index: int, spend: float, conversions: float) -> Hold | None:
        """Why a target is not believed, or None.

        Args:
            index: Of the target.
            spend: The share by which a settled day's spend may be told otherwise.
            conversions: The share by which conversions of old days may, beyond what is usual.
        """
        resumes = (
            f"It is believed {self.within / timedelta(hours=1):g} hours after it was noticed, since it may be right."
        )
        if self.spend_day[index] >= 0 and self.spend[index] > spend:
            day = self.first_day + timedelta(days=int(self.spend_day[index]))
            words = f"the spend of {day} is told otherwise by {self.spend[index]:.0%}, and that day was settled"
            mend = f"Compare it with the platform's own report. {resumes}"
            return Hold("restated-spend", words, Severity.WARNING, mend)
        change = float(self.conversions[index])
        if self.unusual[index] and abs(change) > conversions:
            words = (
                f"conversions of more than a week ago {'rose' if change > 0 else 'fell'} by {abs(change):.0%}, beyond "
                "what comes late or is taken back on this platform"
            )
            mend = f"Look whether the conversion tag, its definition or the attribution changed. {resumes}"
            return Hold("restated-conversions", words, Severity.WARNING, mend)
        return None


def accounts(snapshot: Snapshot) -> dict[tuple[str, str], Hold]:
    """Return the holds of accounts that are not believed, by connector and account; of a whole connector under "".

    Asked for when a plan is made, and again right before it is written. Doubts about clocks are left out: they are
    the whole portfolio's (`clocks`).
    """
    found = {
        (doubt.connector, doubt.account_id): Hold(doubt.code, doubt.words, Severity.WARNING, doubt.mend)
        for doubt in snapshot.doubts
        if doubt.code not in doubts.CLOCKS
    }
    return _twice(snapshot) | found


def clocks(snapshot: Snapshot) -> tuple[Finding, ...]:
    """Return what is doubtful about clocks; every guard that counts hours rests on them."""
    return tuple(
        Finding(doubt.code, Severity.BLOCK, "portfolio", f"{doubt.subject}: {doubt.words}.", doubt.mend)
        for doubt in snapshot.doubts
        if doubt.code in doubts.CLOCKS
    )


def findings(snapshot: Snapshot, held: Sequence[Hold | None]) -> tuple[Finding, ...]:
    """Return the doubts that no hold of a budget tells: those about clocks, and of accounts without a budget.

    Args:
        snapshot: The evidence; K targets.
        held: The hold of each target, length K.
    """
    told = {
        (hold.code, target.key.connector, account)
        for hold, target in zip(held, snapshot.targets, strict=True)
        if hold is not None
        for account in (target.key.account_id, "")
    }
    silent = [
        doubt
        for doubt in snapshot.doubts
        if doubt.code not in doubts.CLOCKS and (doubt.code, doubt.connector, doubt.account_id) not in told
    ]
    others = [Finding(d.code, Severity.WARNING, d.subject, f"{d.subject}: {d.words}.", d.mend) for d in silent]
    return (*clocks(snapshot), *others)


def _twice(snapshot: Snapshot) -> dict[tuple[str, str], Hold]:
    """Accounts of which two connectors read the very same budgets."""
    by_budget: dict[tuple[str, ...], set[str]] = {}
    for target in snapshot.targets:
        budget = target.budget
        same = (budget.account.account_id, budget.budget_id, budget.name, *budget.covers)
        by_budget.setdefault(same, set()).add(target.key.connector)
    found = {}
    for same, readers in by_budget.items():
        if len(readers) > 1:
            words = f"connectors {' and '.join(sorted(readers))} read the same account, so that its money counts twice"
            mend = "Remove one of the two [connectors] tables, or limit each to accounts of its own."
            hold = Hold(doubts.TWICE, words, Severity.WARNING, mend)
            found.update({(connector, same[0]): hold for connector in readers})
    return found


def rewritten(snapshot: Snapshot, within: timedelta) -> Rewritten | None:
    """Return what became known otherwise of each target; None where nothing did.

    Args:
        snapshot: Taken with `restated_within` of the same length.
        within: How long before `known_at` it became known.
    """
    restated = snapshot.restated
    if restated is None:
        return None
    spend, day = _spend(snapshot, restated)
    conversions, unusual = _conversions(snapshot, restated, max(within / timedelta(days=1), 1.0))
    return Rewritten(snapshot.panel.first_day, within, spend, day, conversions, unusual)


def _spend(snapshot: Snapshot, restated: Restatements) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    """The largest relative change of a settled day of each target, and which day that is."""
    panel, count = snapshot.panel, len(snapshot.targets)
    largest, place = np.zeros(count), np.full(count, -1, dtype=np.int64)
    if not count:
        return largest, place
    recent = panel.spend[:, -_RECENT:]
    shown = np.isfinite(recent).any(axis=1)
    usual = np.zeros(count)
    usual[shown] = np.nanmedian(recent[shown], axis=1)
    settled = (restated.day < panel.days - SETTLED_DAYS) & (restated.day >= 0)
    target, day = restated.target[settled], restated.day[settled]
    before = np.nan_to_num(panel.spend[target, day]) - restated.spend[settled]
    size = np.abs(restated.spend[settled]) / np.maximum(np.maximum(before, usual[target]), _ANY)
    for row in np.argsort(size, kind="stable"):  # the largest last
        if size[row] > 0:
            largest[target[row]], place[target[row]] = size[row], day[row]
    return largest, place


def _conversions(snapshot: Snapshot, restated: Restatements, days: float) -> tuple[FloatArray, BoolArray]:
    """The relative change of old days beyond what is usual, and whether that is out of the ordinary."""
    panel, count = snapshot.panel, len(snapshot.targets)
    old = max(panel.days - _LATE, 0)
    late = restated.day < old
    change = np.bincount(restated.target[late], weights=restated.conversions[late], minlength=count)
    known = np.nansum(panel.conversions[:, max(old - TRIANGLE_DAYS + _LATE, 0) : old], axis=1) - change
    rate, spread = np.zeros(count), np.zeros(count)
    for triangle in snapshot.delays:
        rate[triangle.targets], spread[triangle.targets] = _usual(triangle, int(np.ceil(days)))
    expected = days * rate * known
    beyond = change - expected
    variance = days * (spread * known) ** 2 + np.maximum(np.abs(expected), 1.0)
    relative: FloatArray = np.divide(beyond, known, out=np.zeros(count), where=known > _ANY)
    return relative, np.abs(beyond) > _SURE * np.sqrt(variance)


def _usual(triangle: DelayTriangle, window: int) -> tuple[float, float]:
    """Mean and spread of the relative change of old days' conversions over a day, as it became known before the window.

    A row's last known lag is that of yesterday's end, which dates all of its lags.
    """
    known = triangle.cumulative
    lags = known.shape[1]
    if not known.size or lags <= _LATE + 1:
        return 0.0, 0.0
    newest = lags - 1 - np.argmax(np.isfinite(known[:, ::-1]), axis=1)
    steps = np.diff(known, axis=1)
    row, lag = np.nonzero(np.isfinite(steps) & (newest < lags - 1)[:, None])
    ago = newest[row] - (lag + 1)
    kept = (lag + 1 > _LATE) & (ago > window)
    if not kept.any():
        return 0.0, 0.0
    size = int(ago[kept].max()) + 1
    moved = np.bincount(ago[kept], weights=steps[row[kept], lag[kept]], minlength=size)
    whole = np.bincount(ago[kept], weights=known[row[kept], lag[kept]], minlength=size)
    there = whole > _ANY
    each = moved[there] / whole[there]
    return (float(moved.sum() / whole.sum()), float(each.std())) if there.any() else (0.0, 0.0)
